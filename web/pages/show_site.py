"""The public site's views: what the house says of itself in plain words, for people who have never been there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from fablab.base.database import UnitOfWork
from fablab.claims.workshops import catalogue
from fablab.claims.workshops.models import Workshop
from fablab.claims.workshops.offer import Text, in_language
from fablab.claims.workshops.words import WorkshopKind
from fablab.money import subscriptions
from fablab.money.subscriptions import Cover
from fablab.people.models import Audience
from fablab.places import house
from fablab.places.models import Technology
from fablab.reports import front
from fablab.reports.front import MachineFront
from web.words import Words

FEW = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DayView:
    name: str
    hours: str  # "" is shut
    today: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningView:
    is_open: bool
    sentence: str
    week: tuple[DayView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineView:
    name: str
    facts: tuple[str, ...]
    free: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TechnologyView:
    word: str
    sign: str
    what: str
    machines: tuple[MachineView, ...]
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CardView:
    """A workshop of the catalogue, as a card and as a page."""

    slug: str
    title: str
    summary: str
    facts: tuple[str, ...]
    take_home: str
    steps: tuple[str, ...]
    materials: tuple[str, ...]
    prices: tuple[tuple[str, str], ...]
    sign: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PricesView:
    """`rows`: a technology and its hour by each of `audiences`."""

    audiences: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    step: str
    materials: tuple[tuple[str, str], ...]
    memberships: tuple[tuple[str, str, str], ...]


def opening(uow: UnitOfWork, words: Words) -> OpeningView:
    found = front.opening(uow)
    today = house.today(uow)
    week = tuple(
        DayView(
            name=words.gettext("Today") if day == today else words.formats.weekday(day.weekday()),
            hours=", ".join(f"{words.clock(each.start)} – {words.clock(each.end)}" for each in spans),
            today=day == today,
        )
        for day, spans in found.week
    )
    return OpeningView(
        is_open=found.until is not None, sentence=_sentence(words, found.until, found.next_at), week=week
    )


def _sentence(words: Words, until: datetime | None, next_at: datetime | None) -> str:
    if until is not None:
        return words.gettext("Open now, until %(at)s") % {"at": words.clock(until)}
    if next_at is not None:
        return words.gettext("Closed now. Opens %(at)s") % {"at": words.when(next_at)}
    return words.gettext("Closed for now")


def technologies(uow: UnitOfWork, words: Words) -> tuple[TechnologyView, ...]:
    """In the order of `Technology`; one that the house has no machine of is left out."""
    by_kind: dict[Technology, list[MachineFront]] = {}
    for each in front.machines(uow):
        if each.resource.technology is not None:
            by_kind.setdefault(each.resource.technology, []).append(each)
    return tuple(
        TechnologyView(
            word=words.word("technology", technology),
            sign=technology.value,
            what=words.word("technology_what", technology),
            machines=tuple(_machine(words, each) for each in by_kind[technology]),
            free=sum(each.free for each in by_kind[technology]),
        )
        for technology in Technology
        if technology in by_kind
    )


def _machine(words: Words, each: MachineFront) -> MachineView:
    machine = each.resource.machine
    assert machine is not None
    size = f"{machine.bed_x_mm:.0f} × {machine.bed_y_mm:.0f} × {machine.height_mm:.0f} mm"
    facts = [machine.model, size] if machine.model else [size]
    if machine.needs_certification:
        facts.append(words.gettext("A training first"))
    return MachineView(name=each.resource.name, facts=tuple(facts), free=each.free)


def cards(uow: UnitOfWork, words: Words) -> tuple[CardView, ...]:
    return tuple(card(words, row) for row in catalogue.public(uow, kind=WorkshopKind.WORKSHOP))


def card(words: Words, row: Workshop) -> CardView:
    people = words.gettext("%(least)s to %(most)s people") % {
        "least": row.least_people,
        "most": row.most_people,
    }
    level = words.word("workshop_level", row.level)
    return CardView(
        slug=row.slug,
        title=in_language(row.title, words.language),
        summary=in_language(row.summary, words.language),
        facts=(words.duration(row.duration_min * 60), people, level),
        take_home=in_language(row.take_home, words.language),
        steps=_each(words, row.steps),
        materials=_each(words, row.materials),
        prices=tuple(
            (words.word("audience", price.audience), _price(words, price.price_cents, price.unit))
            for price in row.prices
        ),
        sign=_sign(row),
    )


def _each(words: Words, rows: Iterable[Text]) -> tuple[str, ...]:
    return tuple(found for row in rows if (found := in_language(row, words.language)))


def _price(words: Words, cents: int, unit: str) -> str:
    if not cents:
        return words.gettext("Free")
    unit_word = words.word("workshop_unit", unit)
    return f"{words.money(cents)} {unit_word}"


def _sign(row: Workshop) -> str:
    kinds = [str(need.get("technology")) for need in row.needs if need.get("technology")]
    return kinds[0] if kinds else "school"


def prices(uow: UnitOfWork, words: Words) -> PricesView:
    found = front.prices(uow)
    audiences = [each for each in Audience if any(each in row for row in found.hours.values())]
    return PricesView(
        audiences=tuple(words.word("audience", each) for each in audiences),
        rows=tuple(
            (
                words.word("technology", technology),
                tuple(words.money(row[each]) if each in row else "–" for each in audiences),
            )
            for technology in Technology
            if (row := found.hours.get(technology))
        ),
        step=words.duration(found.step_s) if found.step_s else "",
        materials=tuple((material.name, f"{words.money(cents)}/kg") for material, cents in found.kilograms),
        memberships=tuple(
            (
                row.name,
                words.word("audience", row.audience)
                if row.audience
                else words.word("cover", Cover(row.cover)),
                f"{words.money(row.price_cents)} · {_months(words, row.months)}",
            )
            for row in subscriptions.tariffs(uow)
        ),
    )


def _months(words: Words, months: int) -> str:
    return words.ngettext("%(n)s month", "%(n)s months", months) % {"n": months}
