"""The papers of a thread: quote and agreement as PDF, the date for a calendar program, and files that were sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote as quoted

from litestar import Response

from fablab.base.clock import Clock
from fablab.base.database import SYSTEM, UnitOfWork
from fablab.base.errors import NotFound
from fablab.claims.agenda import Entry
from fablab.claims.models import ClaimKind, ClaimState
from fablab.claims.workshops import asking, thread
from fablab.claims.workshops.models import Session, ThreadEntry
from fablab.claims.workshops.offer import in_language
from fablab.claims.workshops.pricing import read as price_lines
from fablab.claims.workshops.words import EntryKind, SessionState
from fablab.money import invoices as bills
from fablab.money.models import Invoice
from fablab.places import house
from fablab.programs.store import Store
from fablab.reports import sessions
from web import documents, invoices
from web.mail import invitation
from web.mail.words import LetterWords
from web.pages import show_session, show_thread
from web.words import Words

_FIXED: Final = frozenset({SessionState.CONFIRMED, SessionState.DELIVERED, SessionState.CLOSED})
_OVER: Final = frozenset({SessionState.DELIVERED, SessionState.CLOSED})
_SIGNED: Final = frozenset({EntryKind.ACCEPTED, EntryKind.ORDERED, EntryKind.SIGNED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What a document is made of, read in one transaction; to set it needs none."""

    template: str
    data: Mapping[str, object]
    file_name: str
    language: str

    def answer(self) -> Response[bytes]:
        """Blocking. As a download: no page of this house shows a file."""
        body = documents.pdf(self.template, self.data, language=self.language)
        return _download(body, "application/pdf", self.file_name)


def paper(uow: UnitOfWork, said: Words, clock: Clock, session: Session, name: str) -> Paper:
    """Raises `NotFound` thread.no_paper for one there is not, or not yet."""
    if name == "certificate":
        return _certificate(uow, said, clock, session)
    if name[:1] in bills.LETTERS.values():
        return bill(said, clock, bills.numbered(uow, session.id, name))
    made = _MAKERS.get(name)
    if made is None or session.start_at is None or session.price_cents is None:
        raise NotFound("thread.no_paper")
    if name == "agreement" and session.state not in _FIXED:
        raise NotFound("thread.no_paper")
    # Whole dates: "tomorrow" is read the day after.
    words = LetterWords(said.language, said.formats.zone, clock=clock)
    data = _common(uow, words, session) | made(uow, words, session)
    local = words.formats.local(session.start_at)
    file_name = f"{words.word('session_papers', name).lower()}-{local:%Y-%m-%d}.pdf"
    return Paper(template=name, data=data, file_name=file_name, language=words.language)


def _certificate(uow: UnitOfWork, said: Words, clock: Clock, session: Session) -> Paper:
    """The day's own, for whoever may read the thread: numbers are in it and nobody's name."""
    now = sessions.day(uow.acting(SYSTEM), session.id)
    if session.state not in _OVER or now.came is None:
        raise NotFound("thread.no_paper")
    words = LetterWords(said.language, said.formats.zone, clock=clock)
    data = show_session.certificates(uow.acting(SYSTEM), words, now)
    file_name = f"{words.word('session_papers', 'certificate').lower()}-{session.id}.pdf"
    return Paper(template="certificate", data=data, file_name=file_name, language=words.language)


def bill(said: Words, clock: Clock, row: Invoice) -> Paper:
    """An invoice or a credit note, read in the transaction that found it."""
    words = LetterWords(said.language, said.formats.zone, clock=clock)
    data = invoices.data(words, row)
    return Paper(template="invoice", data=data, file_name=f"{row.number}.pdf", language=words.language)


def _common(uow: UnitOfWork, words: Words, session: Session) -> dict[str, object]:
    assert session.start_at is not None, "`paper` has looked"
    assert session.end_at is not None
    school = session.school
    names = {row.id: row for row in house.resources(uow, show_thread.KINDS)}
    held = (row.resource_id for row in session.claim.allocations)
    group = show_thread.people(words, session)
    if session.adults:
        adults = words.ngettext("%(num)s adult", "%(num)s adults", session.adults)
        group = f"{group} + {adults % {'num': session.adults}}"
    return {
        "lab": {"name": house.house(uow).name},
        "subtitle": in_language(session.workshop.title, words.language),
        "school": {
            "name": thread.school_name(session),
            "city": " ".join(str(school.get(key) or "") for key in ("postcode", "city")).strip(),
            "uai": school.get("uai"),
            "siret": school.get("siret"),
        },
        "contact": session.contact_name,
        "workshop": in_language(session.workshop.title, words.language),
        "when": f"{words.when(session.start_at)}–{words.clock(session.end_at)}",
        "place": ", ".join(show_thread.where(words, names, held)),
        "people": group,
        "total": words.money(session.price_cents or 0),
        "payer": words.word("workshop_payer", session.payer),
    }


def _quote(uow: UnitOfWork, words: Words, session: Session) -> dict[str, object]:
    rows = price_lines(session.price_lines)
    vat_cents = sum(row.vat_cents for row in rows)
    lines = [
        {
            "label": f"{in_language(row.text, words.language)}, {words.word('workshop_unit', row.code)}",
            "quantity": str(row.quantity),
            "unit": words.money(row.unit_cents),
            "amount": words.money(row.net_cents),
        }
        for row in rows
    ]
    made = _last(uow, session, frozenset({EntryKind.QUOTED}))
    return {
        "title": words.word("session_papers", "quote"),
        "number": session.id,
        "date": words.day(made.at if made is not None else uow.now),
        "valid_until": words.when(session.hold_until) if session.hold_until is not None else None,
        "lines": lines,
        "net": words.money(sum(row.net_cents for row in rows)),
        "vat": words.money(vat_cents),
        "note": "" if vat_cents else words.gettext("VAT not applicable, article 293 B of the CGI"),
        "take_home": in_language(session.workshop.take_home, words.language),
    }


def _agreement(uow: UnitOfWork, words: Words, session: Session) -> dict[str, object]:
    said_yes = _last(uow, session, _SIGNED)
    accepted = None
    if said_yes is not None and session.accepted_by is not None:
        facts = {
            "way": words.word("accepted_by", session.accepted_by),
            "name": said_yes.by_name,
            "at": words.day(said_yes.at),
        }
        accepted = words.gettext("%(way)s, by %(name)s, %(at)s") % facts
    needed = asking.adults_needed(session.school_level, session.people)
    return {
        "title": words.word("session_papers", "agreement"),
        "mediator": session.mediator.name if session.mediator is not None else None,
        "access": session.accessibility,
        "adults": max(needed, session.adults) or None,
        "accepted": accepted,
        "order_number": session.order_number,
    }


def _last(uow: UnitOfWork, session: Session, codes: frozenset[EntryKind]) -> ThreadEntry | None:
    return next((row for row in reversed(thread.entries(uow, session)) if row.code in codes), None)


_MAKERS: Final[Mapping[str, Callable[[UnitOfWork, Words, Session], dict[str, object]]]] = {
    "quote": _quote,
    "agreement": _agreement,
}


def calendar(uow: UnitOfWork, words: Words, session: Session, host: str) -> Response[bytes]:
    """Its date for a calendar program, tentative as long as it is only held. Raises `NotFound` thread.no_paper."""
    if session.start_at is None or session.end_at is None:
        raise NotFound("thread.no_paper")
    names = {row.id: row for row in house.resources(uow, show_thread.KINDS)}
    held = (row.resource_id for row in session.claim.allocations)
    entry = Entry(
        claim_id=session.id,
        kind=ClaimKind.SESSION,
        title=in_language(session.workshop.title, words.language),
        places=(house.house(uow).name, *show_thread.where(words, names, held)),
        start_at=session.start_at,
        end_at=session.end_at,
        made_at=session.made_at,
        version=session.version,
        tentative=session.claim.state is not ClaimState.HELD,
    )
    body = invitation.feed(entry.title, [entry], words, host=host)
    return _download(body, "text/calendar; charset=utf-8", f"{session.id}.ics")


def sent_file(uow: UnitOfWork, session: Session, store: Store, entry_id: int) -> Response[bytes]:
    """A file of the thread, for whoever may read it. Raises `NotFound`."""
    row = thread.entry(uow, session, entry_id)
    if row.file_sha256 is None:
        raise NotFound("thread.no_paper")
    with store.open(row.file_sha256) as file:
        body = file.read()
    return _download(body, row.media_type or "application/octet-stream", row.file_name or "file")


def _download(body: bytes, media_type: str, file_name: str) -> Response[bytes]:
    return Response(
        body,
        media_type=media_type,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quoted(file_name)}",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        },
    )
