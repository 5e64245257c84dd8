"""A session's thread as a page shows it: where it stands, what is held, what was said, dated and by whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

from babel.dates import format_date

from fablab.base.database import SYSTEM, UnitOfWork
from fablab.claims.workshops import invoicing, thread
from fablab.claims.workshops.models import Session, SessionOffer, ThreadEntry
from fablab.claims.workshops.offer import in_language
from fablab.claims.workshops.pricing import PriceLine
from fablab.claims.workshops.pricing import read as price_lines
from fablab.claims.workshops.words import EntryKind, OfferState, SessionState
from fablab.money import invoices, quotes
from fablab.money.models import Invoice
from fablab.people.access import Right, allows
from fablab.places import house
from fablab.places.models import Resource, ResourceKind
from web.pages.eyes import Eyes
from web.pages.people_model import Mark
from web.pages.schools_form import month_end
from web.pages.schools_model import (
    BillView,
    DateView,
    EntryView,
    MissView,
    PaperView,
    PriceRow,
    PriceView,
    StepView,
    ThreadView,
)
from web.words import Words
from web.words.formats import NBSP

KINDS: Final = frozenset(ResourceKind)
UNCONFIRMED: Final = "unconfirmed"
#: What the form of an invoice asks of the customer and of the house; `seller_` stands before the latter.
CUSTOMER: Final = (
    "name",
    "address",
    "postcode",
    "city",
    "siret",
    "uai",
    "order_number",
    "service_code",
)
SELLER: Final = ("name", "address", "siret", "vat_number")
#: Reasons for a date that a school reads, the strongest; the staff reads them all.
FEW: Final = 2

#: Facts of a reason that are a day.
_DAYS: Final = frozenset({"day", "earliest", "latest", "back", "ready_at"})
_TONES: Final[Mapping[str, str]] = {
    "requested": "wait",
    "offered": "wait",
    "confirmed": "good",
    "delivered": "good",
    "closed": "quiet",
    "declined": "bad",
    "lapsed": "bad",
    "cancelled": "bad",
    UNCONFIRMED: "quiet",
}
#: What the staff reads in place of what is said to the school.
_STAFF_LEADS: Final = frozenset({"unconfirmed", "requested", "proposed", "offered", "confirmed", "delivered"})
_STEPS: Final = ("asked", "held", "confirmed", "visit", "done")
#: Which of the steps a state stands at; a state that is not here has left the way.
_AT: Final[Mapping[SessionState, int]] = {
    SessionState.REQUESTED: 0,
    SessionState.OFFERED: 1,
    SessionState.CONFIRMED: 2,
    SessionState.DELIVERED: 3,
    SessionState.CLOSED: 5,
}
#: When a step was reached: the newest line of one of these.
_REACHED: Final[Mapping[str, frozenset[EntryKind]]] = {
    "asked": frozenset({EntryKind.REQUESTED}),
    "held": frozenset({EntryKind.HELD}),
    "confirmed": frozenset({EntryKind.ACCEPTED, EntryKind.ORDERED, EntryKind.SIGNED, EntryKind.PLANNED}),
    "done": frozenset({EntryKind.CLOSED}),
}
#: Icon and tone of a line; any other is a plain one.
_LOOKS: Final[Mapping[EntryKind, tuple[str, str]]] = {
    EntryKind.REQUESTED: ("school", "plain"),
    EntryKind.EMAIL_CONFIRMED: ("check", "plain"),
    EntryKind.MESSAGE: ("person", "plain"),
    EntryKind.PROPOSED: ("calendar", "wait"),
    EntryKind.HELD: ("clock", "wait"),
    EntryKind.QUOTED: ("coin", "plain"),
    EntryKind.REMINDED: ("clock", "wait"),
    EntryKind.GIVEN_BACK: ("again", "plain"),
    EntryKind.ACCEPTED: ("check", "good"),
    EntryKind.ORDERED: ("check", "good"),
    EntryKind.SIGNED: ("check", "good"),
    EntryKind.PLANNED: ("calendar", "good"),
    EntryKind.MOVED: ("repeat", "wait"),
    EntryKind.LAPSED: ("cross", "bad"),
    EntryKind.DECLINED: ("cross", "bad"),
    EntryKind.CANCELLED: ("cross", "bad"),
    EntryKind.REOPENED: ("again", "plain"),
    EntryKind.PROBLEM: ("warn", "bad"),
    EntryKind.ATTENDED: ("people", "good"),
    EntryKind.DELIVERED: ("check", "good"),
    EntryKind.CERTIFIED: ("file", "good"),
    EntryKind.CHARGED: ("coin", "plain"),
    EntryKind.INVOICED: ("coin", "good"),
    EntryKind.CREDITED: ("coin", "bad"),
    EntryKind.CLOSED: ("check", "good"),
}


def word_of(session: Session) -> str:
    """The state as people are told it: an address that nobody has confirmed comes before all else."""
    waits = (
        session.state is SessionState.REQUESTED
        and session.contact_email
        and session.email_confirmed_at is None
    )
    return UNCONFIRMED if waits and session.made_by_id is None else session.state.value


def mark(words: Words, session: Session) -> Mark:
    word = word_of(session)
    return Mark(tone=_TONES[word], word=words.word("session_state", word))


def view(uow: UnitOfWork, eyes: Eyes, session: Session, *, base: str) -> ThreadView:
    """`uow.actor` is whoever looks: the school by its link, or the staff."""
    words, staff = eyes.words, allows(uow.actor, Right.OPERATE)
    rows = thread.entries(uow, session)
    names = {row.id: row for row in house.resources(uow, KINDS)}
    state = word_of(session)
    proposed = any(row.state is OfferState.PROPOSED for row in session.offers)
    made = invoices.of_claim(uow, session.id)
    bill = _bill(uow, words, session) if staff else None
    standing = invoices.standing(made) if staff else None
    money = ({"invoice"} if bill else set()) | ({"credit"} if standing else set())
    lead = "proposed" if state == SessionState.REQUESTED and proposed else state
    return ThreadView(
        id=session.id,
        base=base,
        is_staff=staff,
        title=in_language(session.workshop.title, words.language),
        school=" · ".join(filter(None, (thread.school_name(session), people(words, session)))),
        mark=mark(words, session),
        state=state,
        steps=_steps(words, session, rows),
        lead=words.word("session_lead_staff" if staff and lead in _STAFF_LEADS else "session_lead", lead),
        countdown=_countdown(eyes, session, staff=staff),
        hold_until=session.hold_until if session.state is SessionState.OFFERED else None,
        held=_held(words, session, names, most=None if staff else FEW),
        dates=_dates(words, session, names, most=None if staff else FEW),
        wishes=wishes(words, session),
        asked=asked(words, session),
        contact=_contact(words, session),
        price=price(words, session),
        papers=_papers(words, session, rows, base) + _invoices(words, made, base),
        entries=tuple(_entry(eyes, session, row, base) for row in rows),
        can=frozenset(_can(session, staff) | money),
        bill=bill,
        standing=standing.number if standing is not None else "",
        day_href=f"/sessions/{session.id}/day" if staff else "",
    )


def people(words: Words, session: Session) -> str:
    pupils = words.ngettext("%(num)s pupil", "%(num)s pupils", session.people) % {"num": session.people}
    level = words.word("school_level", session.school_level) if session.school_level else ""
    return ", ".join(filter(None, (pupils, level)))


def _steps(words: Words, session: Session, rows: Sequence[ThreadEntry]) -> tuple[StepView, ...]:
    at = _AT.get(session.state)
    if at is None:
        stopped = StepView(word=words.word("session_state", session.state), state="stopped")
        return (_step(words, session, rows, 0, 1), stopped)
    return tuple(_step(words, session, rows, number, at) for number in range(len(_STEPS)))


def _step(words: Words, session: Session, rows: Sequence[ThreadEntry], number: int, at: int) -> StepView:
    name = _STEPS[number]
    when = next((row.at for row in reversed(rows) if row.code in _REACHED.get(name, ())), None)
    if name == "visit":
        when = session.start_at
    reached = number <= at or name == "visit"
    state = "done" if number < at else "now" if number == at else "next"
    return StepView(
        word=words.word("session_step", name),
        state=state,
        said=words.day(when) if when is not None and reached else "",
    )


def _countdown(eyes: Eyes, session: Session, *, staff: bool) -> str:
    """ "Held for you until Friday 18:00: 3 d 4 h are left" """
    if session.state is not SessionState.OFFERED or session.hold_until is None:
        return ""
    left_s = (session.hold_until - eyes.now).total_seconds()
    until = eyes.words.when(session.hold_until)
    if left_s <= 0:
        return eyes.gettext("Held until %(until)s: that moment has passed", until=until)
    left = eyes.words.duration(left_s)
    if staff:
        return eyes.gettext("Held until %(until)s, %(left)s left", until=until, left=left)
    return eyes.gettext("Held for you until %(until)s: %(left)s left", until=until, left=left)


# -- dates ---------------------------------------------------------------------------------------------------


def _held(
    words: Words, session: Session, names: Mapping[int, Resource], *, most: int | None
) -> DateView | None:
    if session.start_at is None or session.end_at is None:
        return None
    offer = next((row for row in session.offers if row.state is OfferState.HELD), None)
    return DateView(
        rank=offer.rank if offer is not None else 0,
        start_at=session.start_at,
        end_at=session.end_at,
        state="held",
        why=reasons(words, offer.reasons)[:most] if offer is not None else (),
        where=where(words, names, (row.resource_id for row in session.claim.allocations)),
    )


def _dates(
    words: Words, session: Session, names: Mapping[int, Resource], *, most: int | None
) -> tuple[DateView, ...]:
    """What was proposed beside the one that is held."""
    if session.state not in (SessionState.REQUESTED, SessionState.OFFERED):
        return ()
    rows = [row for row in session.offers if row.state is OfferState.PROPOSED]
    return tuple(offered(words, row, names, most=most) for row in rows)


def offered(
    words: Words, row: SessionOffer, names: Mapping[int, Resource], *, most: int | None = None
) -> DateView:
    ids = (int(str(place["resource_id"])) for place in row.places)
    return DateView(
        rank=row.rank,
        start_at=row.start_at,
        end_at=row.end_at,
        state=row.state.value,
        why=reasons(words, row.reasons)[:most],
        where=where(words, names, ids),
    )


def where(words: Words, names: Mapping[int, Resource], ids: Iterable[int]) -> tuple[str, ...]:
    """A room by its name, machines by how many of a kind, people by how many."""
    rooms: list[str] = []
    machines: dict[str, int] = {}
    persons = 0
    for resource in (names[id_] for id_ in dict.fromkeys(ids) if id_ in names):
        if resource.kind is ResourceKind.MACHINE:
            kind = words.word("technology", resource.technology)
            machines[kind] = machines.get(kind, 0) + 1
        elif resource.kind is ResourceKind.PERSON:
            persons += 1
        else:
            rooms.append(resource.name)
    found = [*rooms, *(f"{count}{NBSP}×{NBSP}{kind}" for kind, count in machines.items())]
    if persons:
        found.append(words.ngettext("a mediator", "%(num)s mediators", persons) % {"num": persons})
    return tuple(found)


def reasons(words: Words, rows: Iterable[Mapping[str, object]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reason(words, row) for row in rows))


def reason(words: Words, row: Mapping[str, object]) -> str:
    """Why a date, or why not: `{"code", "facts"}` as `scheduler.offering` says it."""
    facts = row.get("facts")
    found = dict(facts) if isinstance(facts, Mapping) else {}
    code = str(row.get("code"))
    for name in _DAYS & found.keys():
        found[name] = words.day(date.fromisoformat(str(found[name])[:10]))
    if code in ("public_holiday", "school_holiday"):
        found["name"] = words.word(code, str(found.get("name")))
    if code == "closed" and not found.get("name"):
        code = "shut"
    return words.notice(f"offer.{code}", found)


def wishes(words: Words, session: Session) -> tuple[str, ...]:
    return tuple(_wish(words, row) for row in session.wishes)


def _wish(words: Words, row: Mapping[str, object]) -> str:
    """ "Friday 12 March, morning"; "Tuesday, March 2027" for a whole month; else from which day to which."""
    half = str(row.get("half") or "any")
    part = "" if half == "any" else words.word("school_half", half).lower()
    if "day" in row:
        return ", ".join(filter(None, (words.day(date.fromisoformat(str(row["day"]))), part)))
    weekday = row.get("weekday")
    name = words.formats.weekday(weekday) if isinstance(weekday, int) else words.gettext("any day")
    first, last = (date.fromisoformat(str(row[key])) for key in ("from", "until"))
    if first.day == 1 and last == month_end(first):
        span = format_date(first, "LLLL y", locale=words.formats.locale)
        return ", ".join(filter(None, (name, span, part)))
    facts = {"day": name, "from": words.day(first), "until": words.day(last)}
    said = words.gettext("%(day)s, from %(from)s to %(until)s") % facts
    return ", ".join(filter(None, (said, part)))


# -- what was asked for, and what it costs --------------------------------------------------------------------


def asked(words: Words, session: Session) -> tuple[tuple[str, str], ...]:
    school = session.school
    place = " ".join(str(school.get(key) or "") for key in ("postcode", "city")).strip()
    rows = (
        (words.gettext("Workshop"), in_language(session.workshop.title, words.language)),
        (words.gettext("Length"), words.duration(session.workshop.duration_min * 60)),
        (words.gettext("Group"), people(words, session)),
        (words.gettext("Adults with them"), str(session.adults or "")),
        (words.gettext("School"), thread.school_name(session)),
        (words.gettext("Town"), place),
        ("UAI", str(school.get("uai") or "")),
        ("SIRET", str(school.get("siret") or "")),
        (words.gettext("To know"), session.accessibility),
        (words.gettext("Note"), session.note),
    )
    return tuple((name, value) for name, value in rows if value)


def _contact(words: Words, session: Session) -> tuple[tuple[str, str], ...]:
    rows = (
        (words.gettext("Name"), session.contact_name),
        (words.gettext("E-mail"), session.contact_email),
        (words.gettext("Telephone"), session.contact_phone),
    )
    return tuple((name, value) for name, value in rows if value)


def price(words: Words, session: Session) -> PriceView | None:
    """As it was promised; None before that."""
    if session.price_cents is None:
        return None
    rows = price_lines(session.price_lines)
    lines = [
        PriceRow(
            label=in_language(row.text, words.language),
            detail=unit(words, row),
            amount=words.money(row.net_cents),
        )
        for row in rows
    ]
    vat_cents = sum(row.vat_cents for row in rows)
    if vat_cents:
        lines.append(PriceRow(label=words.gettext("VAT"), detail="", amount=words.money(vat_cents)))
    payer = words.gettext("Paid by: %(who)s") % {"who": words.word("workshop_payer", session.payer)}
    return PriceView(lines=tuple(lines), total=words.money(session.price_cents), note=payer)


def unit(words: Words, row: PriceLine) -> str:
    """ "for the group", "for each person: 24 × €3.33" """
    word = words.word("workshop_unit", row.code)
    if row.quantity == 1:
        return word
    return f"{word}{colon(words)} {row.quantity} × {words.money(row.unit_cents)}"


def _papers(words: Words, session: Session, rows: Sequence[ThreadEntry], base: str) -> tuple[PaperView, ...]:
    codes = {row.code for row in rows}
    found: list[str] = []
    if session.price_cents is not None and session.start_at is not None:
        found.append("quote")
    if session.state in (SessionState.CONFIRMED, SessionState.DELIVERED, SessionState.CLOSED):
        found.append("agreement")
    if EntryKind.CERTIFIED in codes:
        found.append("certificate")
    return tuple(
        PaperView(href=f"{base}/{name}.pdf", label=words.word("session_papers", name), hint="PDF")
        for name in found
    )


def _invoices(words: Words, rows: Sequence[Invoice], base: str) -> tuple[PaperView, ...]:
    return tuple(
        PaperView(
            href=f"{base}/{row.number}.pdf",
            label=f"{words.word('invoice_kind', row.kind)} {row.number}",
            hint="PDF",
        )
        for row in rows
    )


def _bill(uow: UnitOfWork, words: Words, session: Session) -> BillView | None:
    charged = quotes.charge_of(uow, session.id)
    if charged is None or not invoicing.can_invoice(uow, session):
        return None
    bill = invoicing.bill_of(uow, session)
    fields = {name: getattr(bill.customer, name) for name in CUSTOMER}
    fields |= {f"seller_{name}": getattr(bill.seller, name) for name in SELLER}
    payer = words.word("workshop_payer", session.payer)
    return BillView(fields=fields, total=words.money(charged.total_cents), payer=payer)


# -- lines ---------------------------------------------------------------------------------------------------


def _entry(eyes: Eyes, session: Session, row: ThreadEntry, base: str) -> EntryView:
    words = eyes.words
    side, who = _by(words, session, row)
    icon, tone = _LOOKS.get(row.code, ("info", "plain"))
    said = (
        "" if row.code is EntryKind.MESSAGE else words.notice(f"thread.{row.code.value}", _facts(words, row))
    )
    if side != "house":
        said = said[:1].lower() + said[1:] if row.by_name else said
    details = [f"{each.day}{colon(words)} {each.why[0]}" for each in missed(words, row.facts.get("missed"))]
    if row.for_staff:
        details.append(words.gettext("Only the staff sees this."))
    return EntryView(
        id=row.id,
        at=row.at,
        who=who,
        side=side,
        code=row.code.value,
        icon=icon,
        tone=tone,
        said=said,
        text=row.text,
        details=tuple(details),
        file=row.file_name or "",
        file_path=f"{base}/files/{row.id}" if row.file_sha256 else "",
        link=str(row.facts.get("path") or "") if row.code is EntryKind.QUESTIONNAIRE else "",
    )


def _by(words: Words, session: Session, row: ThreadEntry) -> tuple[str, str]:
    if row.by_member_id is None and row.by_name == SYSTEM.name:
        return "house", words.gettext("By itself")
    if row.by_member_id is None:
        return "school", row.by_name
    return "lab", row.by_name


def _facts(words: Words, row: ThreadEntry) -> dict[str, object]:
    """A total in cents as money: the words of a line are the same for every currency."""
    found = dict(row.facts)
    for name in ("price_cents", "total_cents"):
        if isinstance(found.get(name), int):
            found["total"] = words.money(int(str(found[name])))
    return found


def missed(words: Words, rows: object) -> tuple[MissView, ...]:
    """Days that were wished for and cannot be, each `{"code", "facts"}` with its `day`."""
    found = []
    for row in rows if isinstance(rows, list | tuple) else ():
        facts = row.get("facts") if isinstance(row, Mapping) else None
        if isinstance(facts, Mapping) and "day" in facts:
            day = date.fromisoformat(str(facts["day"])[:10])
            found.append(MissView(day=words.day(day), why=(reason(words, row),)))
    return tuple(found)


# -- what can be done ----------------------------------------------------------------------------------------


def _can(session: Session, staff: bool) -> set[str]:
    state = session.state
    can = {"message"}
    if state is SessionState.OFFERED:
        can |= {"accept", "calendar", "refuse"} | ({"call_off", "move"} if staff else {"cancel"})
    elif state is SessionState.REQUESTED:
        can |= {"hold"} | ({"find", "decline", "call_off"} if staff else {"cancel"})
    elif state is SessionState.CONFIRMED:
        can |= {"calendar"} | ({"move", "call_off"} if staff else {"ask_move", "cancel"})
    elif state in (SessionState.LAPSED, SessionState.CANCELLED, SessionState.DECLINED):
        can |= {"reopen"} if staff or state is SessionState.LAPSED else set()
    elif state is SessionState.DELIVERED and staff:
        can |= {"close"}
    if state in (SessionState.REQUESTED, SessionState.OFFERED, SessionState.CONFIRMED):
        can |= {"recount"}
    return can | ({"assign"} if staff else set())


def colon(words: Words) -> str:
    return f"{NBSP}:" if words.language == "fr" else ":"
