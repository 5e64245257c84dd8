"""Reservations as their holder and the staff see them: what each is, what may be done with it, and what that means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date

from fablab.base.database import UnitOfWork
from fablab.base.errors import Refusal
from fablab.claims.reservations import composing, judging, moving, reads
from fablab.claims.reservations import use as reservations
from fablab.claims.reservations.models import Handover, Reservation, ReservationState
from fablab.money import quotes
from fablab.people.access import Right, allows
from fablab.places.models import Resource
from web.pages import eyes as small
from web.pages.eyes import Eyes
from web.pages.model import Choice
from web.pages.reserve_form import local_text
from web.pages.reserve_model import OfferedView, SkippedView, StayView, StayWord
from web.pages.reserve_people import cancelling

Names = Mapping[int, Resource]
BEFORE = frozenset({ReservationState.REQUESTED, ReservationState.CONFIRMED})


def stay(
    uow: UnitOfWork, eyes: Eyes, row: Reservation, names: Names, *, series: int = 0, whole: bool = False
) -> StayView:
    """`whole`: with all that its own page needs."""
    zone = eyes.words.formats.zone
    until = reservations.waits_until(uow, row)
    can = _can(uow, eyes, row, until)
    quote = quotes.charge_of(uow, row.id) or quotes.quote_of(uow, row.id)
    terms = judging.terms(uow, row.member_id, row.resource_ids) if "cancel" in can else None
    return StayView(
        id=row.id,
        word=word_of(eyes, row),
        names=eyes.words.formats.listed([names[each].name for each in row.resource_ids if each in names]),
        start_at=row.start_at,
        end_at=row.end_at,
        holder_name="" if eyes.owns(row.member_id) else row.member.name,
        made_by=_made_by(eyes, row),
        note=row.note,
        party=row.party,
        setup_until=row.unattended_from,
        check_in_from=row.start_at - reservations.EARLY_ARRIVAL,
        release_at=until,
        checked_in_at=row.checked_in_at,
        ended_at=row.ended_at,
        quote=small.price(eyes.words, quote) if whole and quote is not None and quote.lines else None,
        total_cents=quote.total_cents if quote is not None and quote.lines else None,
        policy=cancelling(eyes, terms, row.start_at) if terms is not None else "",
        why=_why(eyes, row),
        refusals=small.refusals(eyes.words, refusals_of(row))
        if row.state is ReservationState.REQUESTED
        else (),
        weekday=_written(eyes, row.start_at, zone, "EEE"),
        number=_written(eyes, row.start_at, zone, "d"),
        month=_written(eyes, row.start_at, zone, "MMM"),
        series=series if series else (2 if row.series_id else 0),
        can=can,
        move_resources=_elsewhere(row, names) if "move" in can and whole else (),
        start_value=local_text(row.start_at, zone),
        end_value=local_text(row.end_at, zone),
    )


def refusals_of(row: Reservation) -> tuple[Refusal, ...]:
    return reservations.refusals_of(row)


def word_of(eyes: Eyes, row: Reservation) -> StayWord:
    if (
        row.state is ReservationState.CONFIRMED
        and row.start_at - reservations.EARLY_ARRIVAL <= eyes.now < row.end_at
    ):
        return StayWord.DUE
    return StayWord(row.state.value)


def _can(uow: UnitOfWork, eyes: Eyes, row: Reservation, until: datetime) -> frozenset[str]:
    own = reads.is_own(uow, row)
    if not (own or eyes.operates) or not allows(eyes.actor, Right.SUBMIT):
        return frozenset()
    found: set[str] = set()
    if word_of(eyes, row) is StayWord.DUE:
        found.add("check_in")
    if row.state is ReservationState.IN_USE:
        found |= {"end", "move"}
    if row.state in BEFORE:
        found |= {"move", "cancel", "hand_over"}
    if row.state is ReservationState.REQUESTED and eyes.operates:
        found |= {"approve"}
    return frozenset(found)


def _made_by(eyes: Eyes, row: Reservation) -> str:
    """Said where somebody else did it, to those who may know their name; a member is told that it was the staff."""
    if row.made_by_id is None or row.made_by_id == row.member_id or eyes.owns(row.made_by_id):
        return ""
    return eyes.gettext("the staff")


def _why(eyes: Eyes, row: Reservation) -> str:
    if row.state is ReservationState.MISSED:
        return eyes.gettext("Nobody came in time, so the place went to the next.")
    if row.state is ReservationState.CANCELLED and row.late:
        return " ".join(filter(None, (eyes.gettext("Cancelled late."), row.why)))
    return row.why


def _elsewhere(row: Reservation, names: Names) -> tuple[Choice, ...]:
    """Where one thing alone could go: others of its kind."""
    if len(row.resource_ids) != 1 or row.resource_ids[0] not in names or row.state not in BEFORE:
        return ()
    here = names[row.resource_ids[0]]
    alike = [each for each in names.values() if (each.kind, each.technology) == (here.kind, here.technology)]
    return tuple(
        Choice(value=str(each.id), label=each.name, selected=each.id == here.id)
        for each in sorted(alike, key=lambda each: each.name)
    )


def _written(eyes: Eyes, at: datetime, zone: ZoneInfo, pattern: str) -> str:
    return format_date(at.astimezone(zone).date(), pattern, locale=eyes.words.formats.locale)


def skipped(eyes: Eyes, rows: Iterable[Mapping[str, object]]) -> tuple[SkippedView, ...]:
    """The dates of a series on which it does not happen, as the series keeps them."""
    found = []
    for row in rows:
        day = row.get("day")
        reasons = row.get("refusals")
        codes = reasons if isinstance(reasons, list) else []
        said = [eyes.words.say(str(each.get("code")), each.get("facts") or {}) for each in codes]
        if isinstance(day, str):
            found.append(SkippedView(day=datetime.fromisoformat(day).date(), why=" ".join(said)))
    return tuple(found)


def offer(found: Handover | None) -> dict[str, object] | None:
    """What waits for somebody else's answer, for whoever offered it."""
    return None if found is None else {"to": found.receiver.name, "until_at": found.until_at}


def offered(uow: UnitOfWork, eyes: Eyes, found: Handover, names: Names) -> OfferedView:
    row, receiver = found.reservation, found.receiver
    things = [composing.thing(names[each]) for each in row.resource_ids if each in names]
    return OfferedView(
        id=row.id,
        names=eyes.words.formats.listed([names[each].name for each in row.resource_ids if each in names]),
        start_at=row.start_at,
        end_at=row.end_at,
        until_at=found.until_at,
        giver=found.giver.name,
        total_cents=moving.quoted_anew(uow, row, receiver.audience, things).total_cents,
        why=found.why,
        for_name="" if eyes.actor.member_id == receiver.id else receiver.name,
    )
