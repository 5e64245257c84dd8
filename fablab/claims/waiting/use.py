"""Joining a waiting list, the place that is held for whoever's turn it is, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.base.ids import new_id
from fablab.base.states import step
from fablab.claims import calendar, reservations
from fablab.claims.models import AllocationState, Claim, ClaimKind, ClaimState
from fablab.claims.reservations import Order, Reservation
from fablab.claims.reservations.composing import holder_of
from fablab.claims.waiting.models import LIVE, WAITING_STEPS, Entry, WaitingState
from fablab.notices import tell
from fablab.people import members
from fablab.people.access import Right, allows, require

MOST_LIVE = 8  # of one member: who waits for everything waits for nothing
MOST_PASSES = 3  # offers let go before the place in the line is
LONGEST_WINDOW = timedelta(days=62)
MOST_PARTY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What somebody waits for: all that is `wanted`, at the same time, for `duration_s`, within [since, until). `party`:
    how many people come; a group is one entry. `member_id` as in `reservations.Order`."""

    wanted: tuple[dict[str, object], ...]
    duration_s: int
    since: datetime
    until: datetime
    party: int = 1
    title: str = ""
    member_id: int | None = None
    project_id: int | None = None


def join(uow: UnitOfWork, wait: Wait) -> Entry:
    """The end of the line; whose turn it is, shares and waiting decide when a place is freed.

    Raises `Invalid` waiting.nothing, reservation.too_short, reservation.party, span.wrong, span.too_long, and `Conflict`
    waiting.too_many.
    """
    require(uow.actor, Right.SUBMIT)
    holder = holder_of(uow, wait.member_id)
    since = max(wait.since, uow.now)
    _check(wait, since)
    if wait.project_id is not None:
        members.project_for(uow, wait.project_id, holder.id)
    count = select(func.count()).where(Entry.member_id == holder.id, Entry.state.in_(LIVE))
    if (uow.session.scalar(count) or 0) >= MOST_LIVE:
        raise Conflict("waiting.too_many", most=MOST_LIVE)
    row = Entry(
        id=new_id(uow.now),
        state=WaitingState.WAITING,
        member_id=holder.id,
        made_by_id=uow.actor.member_id,
        project_id=wait.project_id,
        audience=holder.audience,
        wanted=list(wait.wanted),
        duration_s=wait.duration_s,
        since=since,
        until=wait.until,
        party=wait.party,
        title=" ".join(wait.title.split())[:200],
        made_at=uow.now,
    )
    uow.session.add(row)
    uow.session.flush()
    _changed(uow, row)
    return row


def hold(
    uow: UnitOfWork, row: Entry, resource_ids: Sequence[int], start_at: datetime, hold_until: datetime
) -> None:
    """A place is theirs until then, as firm as any; they are told. Raises `Conflict` slot_taken."""
    end_at = start_at + timedelta(seconds=row.duration_s)
    claim = Claim(
        id=new_id(uow.now),
        kind=ClaimKind.RESERVATION,
        state=ClaimState.OPEN,
        title=row.title,
        member_id=row.member_id,
        project_id=row.project_id,
        audience=row.audience,
        release_at=start_at,
        hold_until=hold_until,
        estimate_s=row.duration_s,
        made_at=uow.now,
        allocations=[],
        needs=[],
    )
    uow.session.add(claim)
    uow.session.flush()
    places = [
        calendar.Place(
            resource_id=each, start_at=start_at, run_start_at=start_at, run_end_at=end_at, end_at=end_at
        )
        for each in resource_ids
    ]
    calendar.hold(uow, claim, places, AllocationState.FIRM, action="offer")
    row.state = step(WAITING_STEPS, row.state, "offer")
    row.claim_id, row.offered_at, row.hold_until = claim.id, uow.now, hold_until
    uow.session.flush()
    _changed(uow, row)
    tell(
        uow,
        row.member_id,
        "waiting.offered",
        claim_id=claim.id,
        start=start_at.isoformat(),
        until=hold_until.isoformat(),
    )


def take(uow: UnitOfWork, entry_id: str) -> Reservation:
    """What was held becomes their reservation, judged as any other. Raises `BadStep` when it is held no longer, and
    `Refused`, which leaves it held."""
    row = _own(uow, entry_id)
    state = step(WAITING_STEPS, row.state, "take")
    if row.hold_until is not None and row.hold_until <= uow.now:
        raise Conflict("waiting.too_late")
    claim = _held(uow, row)
    order = Order(
        resource_ids=tuple(place.resource_id for place in claim.allocations),
        start_at=min(place.start_at for place in claim.allocations),
        end_at=max(place.end_at for place in claim.allocations),
        member_id=row.member_id,
        title=row.title,
        party=row.party,
        project_id=row.project_id,
    )
    calendar.release(uow, claim, "decline")
    made = reservations.reserve(uow, order)
    row.state, row.claim_id, row.ended_at, row.hold_until = state, made.id, uow.now, None
    uow.session.flush()
    _changed(uow, row)
    return made


def pass_on(uow: UnitOfWork, entry_id: str) -> Entry:
    """Not this one: it goes to the next, and they wait on."""
    row = _own(uow, entry_id)
    _let_go(uow, row, "pass")
    return row


def give_up(uow: UnitOfWork, entry_id: str) -> Entry:
    """They wait no longer; what was held for them goes to the next."""
    row = _own(uow, entry_id)
    offered = row.state is WaitingState.OFFERED
    row.state = step(WAITING_STEPS, row.state, "withdraw")
    if offered:
        _release(uow, row)
    row.ended_at = uow.now
    uow.session.flush()
    _changed(uow, row)
    return row


def lapse(uow: UnitOfWork) -> int:
    """Nobody took what was held in time: it goes to the next, and after `MOST_PASSES` the place in the line is lost. Who
    can be served no longer is told. Returns how many entries changed."""
    late = select(Entry).where(Entry.state == WaitingState.OFFERED, Entry.hold_until <= uow.now)
    count = 0
    for row in uow.session.scalars(late.order_by(Entry.id)).unique():
        last = row.passes + 1 >= MOST_PASSES
        _let_go(uow, row, "lapse" if last else "pass")
        tell(uow, row.member_id, "waiting.lapsed" if last else "waiting.let_go", claim_id=row.claim_id)
        count += 1
    for row in waiting(uow):
        if uow.now + timedelta(seconds=row.duration_s) > row.until:
            row.state = step(WAITING_STEPS, row.state, "expire")
            row.ended_at = uow.now
            tell(uow, row.member_id, "waiting.expired")
            _changed(uow, row)
            count += 1
    uow.session.flush()
    return count


def waiting(uow: UnitOfWork) -> list[Entry]:
    """Those without an offer, by the time they came."""
    query = select(Entry).where(Entry.state == WaitingState.WAITING).order_by(Entry.made_at, Entry.id)
    return list(uow.session.scalars(query).unique())


def live(uow: UnitOfWork) -> list[Entry]:
    """Everybody in a line, for the staff."""
    require(uow.actor, Right.SEE_ALL)
    query = select(Entry).where(Entry.state.in_(LIVE)).order_by(Entry.made_at, Entry.id)
    return list(uow.session.scalars(query).unique())


def of_member(uow: UnitOfWork, member_id: int) -> list[Entry]:
    """What they wait for now, and what came of it in the last two weeks; offers first."""
    query = select(Entry).where(
        Entry.member_id == member_id,
        Entry.state.in_(LIVE) | (Entry.ended_at > uow.now - timedelta(days=14)),
    )
    rows = uow.session.scalars(query.order_by(Entry.made_at.desc(), Entry.id)).unique()
    return sorted(rows, key=lambda row: (row.state is not WaitingState.OFFERED, row.state not in LIVE))


def get(uow: UnitOfWork, entry_id: str) -> Entry:
    """Somebody else's does not exist for those who may not see it. Raises `NotFound`."""
    row = uow.session.get(Entry, entry_id)
    own = row is not None and row.member_id == uow.actor.member_id
    if row is None or not (own or allows(uow.actor, Right.SEE_ALL)):
        raise NotFound("waiting.unknown")
    return row


def _own(uow: UnitOfWork, entry_id: str) -> Entry:
    row = get(uow, entry_id)
    require(uow.actor, Right.SUBMIT if row.member_id == uow.actor.member_id else Right.OPERATE)
    return row


def _check(wait: Wait, since: datetime) -> None:
    if not wait.wanted:
        raise Invalid("waiting.nothing", field="wanted")
    if wait.duration_s < 60:
        raise Invalid("reservation.too_short", field="duration")
    if not 1 <= wait.party <= MOST_PARTY:
        raise Invalid("reservation.party", field="party", most=MOST_PARTY)
    if since + timedelta(seconds=wait.duration_s) > wait.until:
        raise Invalid("span.wrong", field="until")
    if wait.until - since > LONGEST_WINDOW:
        raise Invalid("span.too_long", field="until", days=LONGEST_WINDOW.days)


def _held(uow: UnitOfWork, row: Entry) -> Claim:
    claim = calendar.claim(uow, row.claim_id or "")
    if claim.state is not ClaimState.OFFERED or not claim.allocations:
        raise Conflict("waiting.too_late")
    return claim


def _let_go(uow: UnitOfWork, row: Entry, action: str) -> None:
    row.state = step(WAITING_STEPS, row.state, action)
    row.passes += 1
    _release(uow, row)
    if row.state is WaitingState.LAPSED:
        row.ended_at = uow.now
    uow.session.flush()
    _changed(uow, row)


def _release(uow: UnitOfWork, row: Entry) -> None:
    claim = _held(uow, row)
    ids = sorted(place.resource_id for place in claim.allocations)
    row.passed = [*row.passed, said(min(place.start_at for place in claim.allocations), ids)]
    calendar.release(uow, claim, "decline")
    calendar.freed(uow, ids)
    row.hold_until = None


def said(start_at: datetime, resource_ids: Sequence[int]) -> str:
    """An offer as `Entry.passed` remembers it."""
    return f"{start_at.isoformat()} {','.join(str(each) for each in sorted(resource_ids))}"


def _changed(uow: UnitOfWork, row: Entry) -> None:
    uow.raise_event("member", row.member_id, "waiting")
