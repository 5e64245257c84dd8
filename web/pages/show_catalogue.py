"""The views of the staff's catalogue: the list by kind, and what the form offers to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fablab.base.database import UnitOfWork
from fablab.claims.workshops import offer
from fablab.claims.workshops.models import Workshop, WorkshopPrice
from fablab.claims.workshops.offer import Want
from fablab.claims.workshops.words import Level, Payer, Theme, Unit, WorkshopKind
from fablab.people import partners
from fablab.people.access import Right, allows
from fablab.people.models import Audience
from fablab.places.models import ResourceKind, Technology
from fablab.reports import offers
from web.pages.catalogue_form import ROWS, label, rows
from web.pages.eyes import Eyes
from web.pages.people_forms import Form, options
from web.pages.people_model import Mark, Option
from web.words import Words

#: Rows that are added when more are asked for.
MORE_ROWS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    href: str
    title: str
    facts: tuple[str, ...]
    needs: tuple[str, ...]
    prices: tuple[str, ...]
    given: str
    marks: tuple[Mark, ...]
    is_past: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListView:
    """`groups`: a kind's word, and its entries."""

    groups: tuple[tuple[str, tuple[EntryView, ...]], ...]
    may_add: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    kinds: tuple[Option, ...]
    audiences: tuple[Option, ...]
    levels: tuple[Option, ...]
    themes: tuple[Option, ...]
    technologies: tuple[Option, ...]
    payers: tuple[Option, ...]
    units: tuple[Option, ...]
    wants: tuple[Option, ...]
    parts: tuple[Option, ...]
    things: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormView:
    """`action`: where it is sent; `here`: of one that is there, its page. `row_counts`: rows to draw, by section."""

    action: str
    here: str
    version: int
    title: str
    given: str
    marks: tuple[Mark, ...]
    public_href: str
    is_active: bool
    may_change: bool
    values: Form
    row_counts: Mapping[str, int]
    choices: Choices
    is_house: bool


def listed(uow: UnitOfWork, eyes: Eyes) -> ListView:
    found, given = offers.seen(uow), offers.given(uow)
    things = offers.things(uow)
    groups = tuple(
        (
            eyes.gettext("Workshops") if kind is WorkshopKind.WORKSHOP else eyes.gettext("Events"),
            tuple(_entry(eyes, row, given.get(row.id, 0), things) for row in found if row.kind is kind),
        )
        for kind in WorkshopKind
    )
    return ListView(groups=tuple(group for group in groups if group[1]), may_add=may_add(uow, eyes))


def may_add(uow: UnitOfWork, eyes: Eyes) -> bool:
    return allows(eyes.actor, Right.MANAGE) or bool(offers.parts(uow))


def _entry(eyes: Eyes, row: Workshop, given: int, things: Mapping[int, str]) -> EntryView:
    words = eyes.words
    people = eyes.gettext("%(least)s to %(most)s people") % {
        "least": row.least_people,
        "most": row.most_people,
    }
    partner = row.partner.name if row.partner is not None else ""
    return EntryView(
        href=f"/workshops/{row.id}",
        title=offer.in_language(row.title, words.language),
        facts=tuple(
            filter(None, (words.duration(row.duration_min * 60), people, _audiences(words, row), partner))
        ),
        needs=tuple(_need(words, want, things) for want in offer.wants(row.needs)),
        prices=tuple(_price(words, price) for price in row.prices),
        given=_given(words, given),
        marks=_marks(eyes, row),
        is_past=not row.active,
    )


def _audiences(words: Words, row: Workshop) -> str:
    return ", ".join(words.word("audience", word) for word in row.audiences)


def _need(words: Words, want: Want, things: Mapping[int, str]) -> str:
    what = words.word("technology", want.technology) if want.technology else ""
    what = what or words.word("resource_kind", want.kind)
    seats = (
        words.ngettext("%(num)s seat", "%(num)s seats", want.seats) % {"num": want.seats}
        if want.seats
        else ""
    )
    only = ", ".join(label(things, id_) for id_ in want.resource_ids)
    more = ", ".join(filter(None, (seats, *want.equipment, want.skill, only)))
    count = f"{want.quantity}\N{NO-BREAK SPACE}× " if want.quantity > 1 else ""
    return f"{count}{what} ({more})" if more else f"{count}{what}"


def _price(words: Words, row: WorkshopPrice) -> str:
    whom = words.word("audience", row.audience)
    if not row.price_cents:
        free = words.gettext("free of charge")
        return f"{whom}, {free}"
    unit = words.word("workshop_unit", row.unit)
    payer = words.word("workshop_payer", row.payer)
    return f"{whom}, {words.money(row.price_cents)} {unit} ({payer[:1].lower()}{payer[1:]})"


def _given(words: Words, count: int) -> str:
    if not count:
        return words.gettext("Not given yet")
    return words.ngettext("Given %(num)s time", "Given %(num)s times", count) % {"num": count}


def _marks(eyes: Eyes, row: Workshop) -> tuple[Mark, ...]:
    if not row.active:
        return (Mark(tone="quiet", word=eyes.gettext("Retired")),)
    if row.public:
        return (Mark(tone="good", word=eyes.gettext("On the public site")),)
    return (Mark(tone="wait", word=eyes.gettext("Seen by the team only")),)


def form(
    uow: UnitOfWork, eyes: Eyes, row: Workshop | None, values: Form, *, shown: Form, more: str
) -> FormView:
    """`values`: as it is in the catalogue; `shown`: what the form shows, which may be what was typed. `more`: the section
    that is asked for more rows."""
    is_house = allows(eyes.actor, Right.MANAGE)
    return FormView(
        action=f"/workshops/{row.id}" if row else "/workshops",
        here=f"/workshops/{row.id}" if row else "",
        version=row.version if row else 0,
        title=offer.in_language(row.title, eyes.words.language) if row else "",
        given=_given(eyes.words, offers.given(uow).get(row.id, 0)) if row else "",
        marks=_marks(eyes, row) if row else (),
        public_href=f"/house/workshops/{row.slug}" if row and row.active and row.public else "",
        is_active=row is None or row.active,
        may_change=partners.runs(uow, row.partner_id) if row else may_add(uow, eyes),
        values=values,
        row_counts={name: _row_count(shown, name, more) for name in ROWS},
        choices=_choices(uow, eyes, row),
        is_house=is_house or (row is not None and row.partner_id is None),
    )


def _row_count(shown: Form, section: str, more: str) -> int:
    """Those that say something and an empty one; one that was left empty between them stays."""
    return max(rows(shown, section), default=-1) + 1 + (MORE_ROWS if section == more else 1)


def _choices(uow: UnitOfWork, eyes: Eyes, row: Workshop | None) -> Choices:
    words = eyes.words
    names = {part.organisation_id: part.name for part in offers.parts(uow)}
    if row is not None and row.partner_id is not None and row.partner is not None:
        names.setdefault(row.partner_id, row.partner.name)
    technologies = options(words, Technology, "technology")
    machine = words.word("resource_kind", ResourceKind.MACHINE)
    return Choices(
        kinds=options(words, WorkshopKind, "workshop_kind"),
        audiences=options(words, Audience, "audience"),
        levels=options(words, Level, "workshop_level"),
        themes=options(words, Theme, "workshop_theme"),
        technologies=technologies,
        payers=options(words, Payer, "workshop_payer"),
        units=options(words, Unit, "workshop_unit"),
        wants=(
            *(
                Option(value=f"machine:{each.value}", label=f"{machine}, {each.label}")
                for each in technologies
            ),
            Option(value="machine", label=eyes.gettext("Machine, any")),
            *(
                Option(value=each.value, label=words.word("resource_kind", each))
                for each in ResourceKind
                if each is not ResourceKind.MACHINE
            ),
        ),
        parts=tuple(Option(value=str(id_), label=name) for id_, name in names.items()),
        things=tuple(sorted(offers.things(uow).values())),
    )
