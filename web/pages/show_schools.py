"""The request form as a page shows it: workshops as cards, levels, months, and what was typed before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from babel.dates import format_date

from fablab.base.database import UnitOfWork
from fablab.base.errors import LabError
from fablab.claims.workshops import catalogue
from fablab.claims.workshops.asking import FARTHEST, Half
from fablab.claims.workshops.models import Workshop, WorkshopPrice
from fablab.claims.workshops.offer import in_language
from fablab.claims.workshops.words import Payer, SchoolLevel, Unit, WorkshopKind
from fablab.people.models import Audience
from fablab.places import house
from web.pages.people_forms import options
from web.pages.people_model import Option
from web.pages.schools_form import months
from web.pages.schools_model import FormView, WorkshopCard
from web.words import Words

#: Less than a week ahead nothing can be planned for a class: its outing needs leave, parents and a bus.
SOONEST = timedelta(days=7)
#: Technologies that have a sign of their own on the sheet of icons.
_SIGNS = frozenset({"fdm", "resin", "laser", "cnc", "vinyl"})


def form(
    uow: UnitOfWork,
    words: Words,
    typed: Mapping[str, str],
    errors: Mapping[str, LabError] | None = None,
) -> FormView:
    today = house.today(uow)
    rows = catalogue.public(uow, kind=WorkshopKind.WORKSHOP, audience=Audience.SCHOOL)
    return FormView(
        workshops=tuple(card(words, row) for row in rows),
        levels=options(words, SchoolLevel, "school_level"),
        weekdays=tuple(Option(value=str(day), label=words.formats.weekday(day)) for day in range(6)),
        months=tuple(
            Option(value=f"{day:%Y-%m}", label=format_date(day, "LLLL y", locale=words.formats.locale))
            for day in months(today)
        ),
        halves=tuple(
            Option(value=half, label=words.word("school_half", half)) for half in (Half.ANY, Half.AM, Half.PM)
        ),
        first_day=(today + SOONEST).isoformat(),
        last_day=(today + FARTHEST).isoformat(),
        typed=typed,
        errors={field: words.error(error) for field, error in (errors or {}).items()},
    )


def card(words: Words, row: Workshop) -> WorkshopCard:
    facts = {"least": row.least_people, "most": row.most_people}
    return WorkshopCard(
        slug=row.slug,
        title=in_language(row.title, words.language),
        summary=in_language(row.summary, words.language),
        take_home=in_language(row.take_home, words.language),
        duration_s=row.duration_min * 60,
        people=words.gettext("%(least)s to %(most)s pupils") % facts,
        price=_price(words, row.prices),
        icon=_sign(row),
    )


def _price(words: Words, prices: list[WorkshopPrice]) -> str:
    """What a school itself pays; "" where nothing is said of schools."""
    mine = [
        row for row in prices if row.audience is Audience.SCHOOL and row.payer in (Payer.SCHOOL, Payer.FREE)
    ]
    if not mine:
        return ""
    if not any(row.price_cents for row in mine):
        return words.gettext("free")
    return " + ".join(_amount(words, row) for row in mine)


def _amount(words: Words, row: WorkshopPrice) -> str:
    cents = row.price_cents + (row.price_cents * row.vat_rate_bp + 5_000) // 10_000
    price = {"price": words.money(cents)}
    if row.unit is Unit.PERSON:
        return words.gettext("%(price)s a pupil") % price
    return words.gettext("%(price)s a class") % price


def _sign(row: Workshop) -> str:
    found = (str(need.get("technology")) for need in row.needs if need.get("technology"))
    return next((name for name in found if name in _SIGNS), "people")
