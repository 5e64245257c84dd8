"""The staff's list of requests: whose turn it is; and the dates that were found for one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from fablab.base.database import UnitOfWork
from fablab.claims import workshops
from fablab.claims.workshops import Session, SessionState, thread
from fablab.claims.workshops.offer import in_language
from fablab.places.models import Resource
from scheduler.offering.asked import DateOffer
from web.pages import show_thread
from web.pages.eyes import Eyes
from web.pages.schools_model import DateView, PreviewView, RequestRow, RequestsView
from web.words import Words

#: Whom a request in this state waits for.
_TURN: Final[Mapping[SessionState, str]] = {
    SessionState.REQUESTED: "ours",
    SessionState.OFFERED: "theirs",
    SessionState.CONFIRMED: "coming",
    SessionState.DELIVERED: "ours",
}
_FILTERS: Final = ("ours", "theirs", "coming", "over", "all")
MOST: Final = 200


def listed(uow: UnitOfWork, eyes: Eyes, chosen: str, text: str) -> RequestsView:
    """Our turn first, unless another list is asked for; the oldest that waits on top."""
    everything = workshops.requests(uow, limit=MOST)
    turns = {row.id: turn(eyes, row) for row in everything}
    counts = {name: sum(1 for each in turns.values() if name in (each, "all")) for name in _FILTERS}
    if chosen not in _FILTERS:
        chosen = "ours" if counts["ours"] else "all"
    found = workshops.requests(uow, text=text, limit=MOST) if text.strip() else everything
    rows = [row for row in found if chosen in (turns.get(row.id), "all")]
    return RequestsView(
        rows=tuple(_row(eyes, row, turns.get(row.id, "over")) for row in _in_order(rows, chosen)),
        filters=tuple((name, eyes.words.word("requests_show", name), counts[name]) for name in _FILTERS),
        chosen=chosen,
        text=text,
        is_empty=not everything,
    )


def turn(eyes: Eyes, row: Session) -> str:
    """ours, theirs, coming or over; a visit that is over and not written down is ours."""
    if row.state is SessionState.CONFIRMED and row.end_at is not None and row.end_at <= eyes.now:
        return "ours"
    if row.state is SessionState.REQUESTED and row.offers:
        return "theirs"
    return _TURN.get(row.state, "over")


def _in_order(rows: Sequence[Session], chosen: str) -> list[Session]:
    if chosen == "coming":
        return sorted(rows, key=lambda row: (row.start_at or row.made_at, row.id))
    return sorted(rows, key=lambda row: (row.made_at, row.id), reverse=chosen in ("over", "all"))


def _row(eyes: Eyes, row: Session, whose: str) -> RequestRow:
    words = eyes.words
    return RequestRow(
        id=row.id,
        href=f"/requests/{row.id}",
        school=thread.school_name(row),
        title=in_language(row.workshop.title, words.language),
        people=show_thread.people(words, row),
        when=_when(words, row),
        mark=show_thread.mark(words, row),
        waits=_waits(eyes, row, whose),
        on_us=whose == "ours",
    )


def _when(words: Words, row: Session) -> str:
    if row.start_at is not None:
        return words.when(row.start_at)
    return next(iter(show_thread.wishes(words, row)), "")


def _waits(eyes: Eyes, row: Session, whose: str) -> str:
    words = eyes.words
    if whose == "ours":
        if row.state is SessionState.DELIVERED:
            return words.notice("thread.waits_close")
        if row.state is SessionState.CONFIRMED:
            return words.notice("thread.waits_after")
        return words.notice("thread.waits_ours", {"since": words.day(row.made_at)})
    if whose == "theirs":
        if row.hold_until is not None:
            return words.notice("thread.waits_held", {"until": words.when(row.hold_until)})
        return words.notice("thread.waits_theirs")
    return ""


def found_date(words: Words, names: Mapping[int, Resource], number: int, offer: DateOffer) -> DateView:
    return DateView(
        rank=number,
        start_at=offer.start_at,
        end_at=offer.end_at,
        state="proposed",
        why=show_thread.reasons(words, offer.reasons),
        where=show_thread.where(words, names, offer.resource_ids),
    )


def preview(words: Words, names: Mapping[int, Resource], session: Session, offer: DateOffer) -> PreviewView:
    """What is held now beside what would be held then, and whose prints have to move for it."""
    now = [row.resource_id for row in session.claim.allocations]
    before = show_thread.where(words, names, now)
    after = show_thread.where(words, names, offer.resource_ids)
    was = f"{words.when(session.start_at)}" if session.start_at is not None else "–"
    kept = sorted(set(now) & set(offer.resource_ids))
    rows = (
        (words.gettext("Date"), was, words.when(offer.start_at)),
        (words.gettext("Held"), ", ".join(before), ", ".join(after)),
        (words.gettext("The same as before"), "", ", ".join(names[id_].name for id_ in kept if id_ in names)),
    )
    count = len(offer.in_the_way)
    moved = (
        words.ngettext("%(num)s print of somebody else moves.", "%(num)s prints of others move.", count)
        % {"num": count}
        if count
        else words.gettext("Nobody else has to move.")
    )
    told = words.gettext("The school gets a letter with the new date.")
    said = f"{moved} {told}"
    return PreviewView(
        rows=tuple(row for row in rows if any(row[1:])), said=said, date=offer.start_at.isoformat()
    )
