"""The calendar's own verbs: hold, release, trim. Nobody else writes allocations."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Integer, String, bindparam, delete, select, text
from sqlalchemy.orm import selectinload

from fablab.base.database import UnitOfWork, UtcDateTime
from fablab.base.errors import Conflict, NotFound
from fablab.base.states import step
from fablab.claims.models import (
    CLAIM_STEPS,
    Allocation,
    AllocationState,
    CalendarVersion,
    Claim,
    ClaimKind,
    ClaimState,
    Need,
)
from fablab.places.models import Resource

MOVED = "calendar.moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and when: one resource, from set-up to the moment it is free again."""

    resource_id: int
    start_at: datetime
    run_start_at: datetime
    run_end_at: datetime
    end_at: datetime
    need_id: int | None = None


def take_turn(uow: UnitOfWork) -> None:
    """Whoever plans from what the calendar shows waits here for the plans of others to be written, on PostgreSQL; on
    SQLite the transaction itself was the turn. Rows that only refer to a resource may still be added meanwhile."""
    uow.session.execute(select(Resource.id).order_by(Resource.id).with_for_update(key_share=True))


def version(uow: UnitOfWork) -> int:
    """Of the calendar as committed. Read it before the calendar: what changes in between then makes it too old."""
    return uow.session.scalars(select(CalendarVersion.version)).one()


def expect(uow: UnitOfWork, seen: int, claims: Collection[str] = ()) -> None:
    """Nothing has changed since version `seen`, and nobody changes anything before this transaction ends.

    `claims`: ids of those whose places are to be changed; these are locked before the version is, as whoever else
    changes them does. Raises `Conflict` `MOVED`, which no second try heals.
    """
    take_turn(uow)
    uow.session.execute(
        select(Allocation.id)
        .where(Allocation.claim_id.in_(list(claims)))
        .order_by(Allocation.id)
        .with_for_update()
    )
    now = uow.session.scalars(select(CalendarVersion.version).with_for_update()).one()
    if now != seen:
        raise Conflict(MOVED, seen=seen, now=now)


def claim(uow: UnitOfWork, claim_id: str) -> Claim:
    row = uow.session.get(Claim, claim_id)
    if row is None:
        raise NotFound("claim.unknown", id=claim_id)
    return row


def hold(
    uow: UnitOfWork,
    row: Claim,
    places: Sequence[Place],
    state: AllocationState = AllocationState.TENTATIVE,
    *,
    action: str = "allocate",
) -> list[Allocation]:
    """All the places or none of them. `action`: the claim's step, "allocate" or "offer".

    Raises `Conflict("slot_taken")` when one is no longer free. Resource rows are locked in id order, then looked at, then
    written; the constraint is the backstop.
    """
    ordered = _in_order(places)
    ids = sorted({place.resource_id for place in ordered})
    uow.session.execute(
        select(Resource.id).where(Resource.id.in_(ids)).order_by(Resource.id).with_for_update(key_share=True)
    )
    for place in ordered:
        if not is_free(uow, place.resource_id, place.start_at, place.end_at):
            raise Conflict("slot_taken", resource=place.resource_id)
    rows = [_row(row, place, state) for place in ordered]
    uow.session.add_all(rows)
    row.state = step(CLAIM_STEPS, row.state, action)
    uow.session.flush()
    uow.session.expire(row, ["allocations"])
    announce(uow, row)
    return rows


def swap(uow: UnitOfWork, places: Mapping[str, Sequence[Place]], firm: Collection[str] = ()) -> None:
    """Other places for many claims at once, by claim id: all that they hold is given back first, so that one may take
    what another leaves. Whoever had no place yet has one now; those in `firm` have it for good. The caller has its
    turn (`expect`, `take_turn`).
    """
    claims = [claim(uow, claim_id) for claim_id in places]
    for row in claims:
        for allocation in current(row):
            uow.session.delete(allocation)
    uow.session.flush()
    for row in claims:
        state = AllocationState.FIRM if row.id in firm else AllocationState.TENTATIVE
        uow.session.add_all(_row(row, place, state) for place in places[row.id])
        if row.state is ClaimState.OPEN:
            row.state = step(CLAIM_STEPS, row.state, "allocate")
    uow.session.flush()
    for row in claims:
        uow.session.expire(row, ["allocations"])
        uow.raise_event("claim", row.id, "changed")
    uow.raise_event("calendar", "house", "changed")


def lock(uow: UnitOfWork, resource_ids: Collection[int]) -> None:
    """On PostgreSQL nobody else takes, moves or gives back a place on these before this transaction ends. Always in id
    order, so that two gangs that share resources never wait for each other in a ring."""
    if uow.session.get_bind().dialect.name == "postgresql":
        rows = select(Resource.id).where(Resource.id.in_(sorted(resource_ids))).order_by(Resource.id)
        uow.session.execute(rows.with_for_update(key_share=True)).all()


def taken(uow: UnitOfWork, places: Sequence[Place], *, but: str = "") -> list[tuple[int, str]]:
    """Which of these places somebody else holds a part of: resource id and claim id. `but`: a claim that is not counted.

    What a resource holds never overlaps, so the one that starts last before the end asked for is also the one that ends
    last: a look at one row, however long the calendar is.
    """
    found: list[tuple[int, str]] = []
    for place in places:
        last = uow.session.execute(
            _LAST_BEFORE, {"resource": place.resource_id, "end": place.end_at, "but": but}
        ).first()
        if last is not None and last.end_at > place.start_at:
            found.append((place.resource_id, last.claim_id))
    return found


_LAST_BEFORE = (
    select(Allocation.claim_id, Allocation.end_at)
    .where(
        Allocation.resource_id == bindparam("resource", type_=Integer),
        Allocation.start_at < bindparam("end", type_=UtcDateTime()),
        Allocation.claim_id != bindparam("but", type_=String),
    )
    .order_by(Allocation.start_at.desc())
    .limit(1)
)


def taken_among(uow: UnitOfWork, places: Sequence[Place]) -> set[int]:
    """`taken` for many at once: the indices of those that somebody holds a part of, in one statement."""
    if not places:
        return set()
    is_postgres = uow.session.get_bind().dialect.name == "postgresql"
    spans = [
        {"n": number, "r": place.resource_id, "s": _stored(place.start_at), "e": _stored(place.end_at)}
        for number, place in enumerate(places)
    ]
    query = _TAKEN_POSTGRES if is_postgres else _TAKEN_SQLITE
    return set(uow.session.scalars(query, {"places": json.dumps(spans)}))


def _stored(at: datetime) -> str:
    """As SQLite keeps it, and as PostgreSQL reads it."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


_TAKEN_SQLITE = text(
    """
    SELECT p.value ->> 'n' FROM json_each(:places) AS p
    WHERE (p.value ->> 's') < (
        SELECT a.end_at FROM allocations AS a
        WHERE a.resource_id = (p.value ->> 'r') AND a.start_at < (p.value ->> 'e')
        ORDER BY a.start_at DESC LIMIT 1
    )
    """
)
_TAKEN_POSTGRES = text(
    """
    SELECT p.n FROM json_to_recordset(CAST(:places AS json)) AS p(n int, r int, s timestamp, e timestamp)
    WHERE p.s AT TIME ZONE 'UTC' < (
        SELECT a.end_at FROM allocations AS a
        WHERE a.resource_id = p.r AND a.start_at < p.e AT TIME ZONE 'UTC'
        ORDER BY a.start_at DESC LIMIT 1
    )
    """
)


def enter_many(uow: UnitOfWork, claims: Sequence[tuple[dict[str, object], Sequence[Place]]]) -> None:
    """`enter` for many at once: each with the same columns, and the places of all free and apart from each other."""
    rows = [{**row, "state": ClaimState.HELD} for row, _ in claims]
    needs = []
    for row, places in claims:
        ids = [place.resource_id for place in places]
        needs.append({"claim_id": row["id"], "quantity": len(ids), "eligible": ids, "barred": {}})
    uow.write_rows(Claim, rows)
    uow.write_rows(Need, needs)
    uow.write_rows(
        Allocation, [_values(str(row["id"]), place) for row, places in claims for place in _in_order(places)]
    )
    for row, _ in claims:
        uow.raise_event("claim", str(row["id"]), "changed")
    uow.raise_event("calendar", "house", "changed")


def enter(uow: UnitOfWork, claim: Mapping[str, object], places: Sequence[Place]) -> None:
    """A new claim that is held from the first moment on: `claim` are the columns of its row but for its state. The
    caller has locked the resources and looked whether they are free; the constraint is the backstop.

    Rows are written without entities: that is half of what a reservation takes (`tests.bench.reservations`).
    """
    enter_many(uow, [(dict(claim), places)])


def write(uow: UnitOfWork, claim_id: str, places: Sequence[Place]) -> None:
    """Firm places of a claim, as rows. Raises what the constraint says as `Conflict` once the transaction ends."""
    uow.write_rows(Allocation, [_values(claim_id, place) for place in _in_order(places)])


def _in_order(places: Iterable[Place]) -> list[Place]:
    return sorted(places, key=lambda place: (place.resource_id, place.start_at))


def _values(claim_id: str, place: Place) -> dict[str, object]:
    return {
        "claim_id": claim_id,
        "need_id": place.need_id,
        "resource_id": place.resource_id,
        "state": AllocationState.FIRM,
        "start_at": place.start_at,
        "run_start_at": place.run_start_at,
        "run_end_at": place.run_end_at,
        "end_at": place.end_at,
    }


def replace_places(uow: UnitOfWork, row: Claim, places: Sequence[Place]) -> None:
    """Other firm places for a claim that is held, all at once. The caller has locked what was held and what will be,
    and looked whether it is free."""
    uow.session.execute(delete(Allocation).where(Allocation.claim_id == row.id, Allocation.run_id.is_(None)))
    write(uow, row.id, places)
    uow.session.expire(row, ["allocations"])
    announce(uow, row)


def finish(uow: UnitOfWork, row: Claim, at: datetime) -> None:
    """It is over at `at`: what was held until then stays as it was, the rest is free. Nobody was there before it began:
    what has not begun is given back whole; what people have been in is cleared for as long as was meant."""
    for allocation in current(row):
        clearing = allocation.end_at - allocation.run_end_at if allocation.run_start_at < at else timedelta()
        free_at = min(at + clearing, allocation.end_at)
        if allocation.start_at >= at:
            uow.session.delete(allocation)
        elif allocation.end_at > free_at or allocation.run_end_at > at:
            trim(
                uow,
                allocation,
                run_end_at=max(allocation.start_at, min(allocation.run_end_at, at)),
                end_at=free_at,
            )
    row.state = step(CLAIM_STEPS, row.state, "end")
    row.closed_at = uow.now
    uow.session.flush()
    uow.session.expire(row, ["allocations"])
    announce(uow, row)


def _row(row: Claim, place: Place, state: AllocationState) -> Allocation:
    return Allocation(
        claim_id=row.id,
        need_id=place.need_id,
        resource_id=place.resource_id,
        state=state,
        start_at=place.start_at,
        run_start_at=place.run_start_at,
        run_end_at=place.run_end_at,
        end_at=place.end_at,
    )


def release(uow: UnitOfWork, row: Claim, action: str) -> None:
    """Give back what no run stands on: "replan" opens the claim again, "end" closes it."""
    for allocation in list(row.allocations):
        if allocation.run_id is None:
            uow.session.delete(allocation)
    row.state = step(CLAIM_STEPS, row.state, action)
    if row.state is ClaimState.CLOSED:
        row.closed_at = uow.now
    uow.session.flush()
    uow.session.expire(row, ["allocations"])
    announce(uow, row)


def settle(uow: UnitOfWork, row: Claim, state: AllocationState) -> None:
    """Firm: a person has given it this place, and no plan moves it. Tentative: the planner may again."""
    for allocation in current(row):
        allocation.state = state
    uow.session.flush()
    announce(uow, row)


def current(row: Claim) -> list[Allocation]:
    """What is held and not yet used up by a run that ended: the plan, not the history."""
    return [allocation for allocation in row.allocations if allocation.run_id is None]


def is_free(uow: UnitOfWork, resource_id: int, start: datetime, end: datetime) -> bool:
    query = select(Allocation.id).where(
        Allocation.resource_id == resource_id, Allocation.start_at < end, Allocation.end_at > start
    )
    return uow.session.scalar(query.limit(1)) is None


def between(
    uow: UnitOfWork, start: datetime, end: datetime, resource_ids: Sequence[int] = ()
) -> list[Allocation]:
    """Allocations that touch [start, end), by resource and start, each with its claim: in a fixed number of queries."""
    touches = (Allocation.start_at < end, Allocation.end_at > start)
    claims = selectinload(Allocation.claim).selectinload(Claim.allocations)
    query = select(Allocation).options(claims).where(*touches)
    if resource_ids:
        query = query.where(Allocation.resource_id.in_(resource_ids))
    return list(uow.session.scalars(query.order_by(Allocation.resource_id, Allocation.start_at)).unique())


def outages(uow: UnitOfWork, resource_id: int) -> list[Claim]:
    """Those that this resource is out of use for at this moment: begun, with an end to come."""
    query = (
        select(Claim)
        .join(Claim.allocations)
        .where(
            Claim.kind == ClaimKind.OUTAGE,
            Claim.state == ClaimState.HELD,
            Claim.release_at <= uow.now,
            Allocation.resource_id == resource_id,
            Allocation.end_at > uow.now,
        )
    )
    return list(uow.session.scalars(query.order_by(Claim.id)).unique())


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the planner needs of an allocation and its claim, without the entities: with 200 of them, a look at the
    calendar is one query instead of several hundred."""

    claim_id: str
    resource_id: int
    run_id: str | None
    start_at: datetime
    run_start_at: datetime
    run_end_at: datetime
    end_at: datetime
    material_id: int | None
    colour: str | None
    nozzle_mm: float | None


def held_between(uow: UnitOfWork, start: datetime, end: datetime) -> list[Held]:
    """What touches [start, end), by resource and start."""
    uow.session.flush()
    query = (
        select(
            Allocation.claim_id,
            Allocation.resource_id,
            Allocation.run_id,
            Allocation.start_at,
            Allocation.run_start_at,
            Allocation.run_end_at,
            Allocation.end_at,
            Claim.material_id,
            Claim.colour,
            Claim.nozzle_mm,
        )
        .join(Claim, Claim.id == Allocation.claim_id)
        .where(Allocation.start_at < end, Allocation.end_at > start)
        .order_by(Allocation.resource_id, Allocation.start_at)
    )
    return [Held(**row) for row in uow.session.execute(query).mappings()]


def dates(uow: UnitOfWork, until: datetime) -> list[tuple[int, datetime]]:
    """Resource and start of everything still to come that is somebody's own and no job: no plan moves it."""
    query = (
        select(Allocation.resource_id, Allocation.start_at)
        .join(Claim, Claim.id == Allocation.claim_id)
        .where(
            Allocation.start_at > uow.now,
            Allocation.start_at < until,
            Allocation.state == AllocationState.FIRM,
            Claim.kind != ClaimKind.JOB,
        )
    )
    return [(resource_id, start_at) for resource_id, start_at in uow.session.execute(query)]


def trim(uow: UnitOfWork, allocation: Allocation, *, run_end_at: datetime, end_at: datetime) -> None:
    """Make the end true. The order of the four instants is kept, and an allocation is never empty: what was held
    for no time at all is remembered as a second."""
    allocation.run_start_at = min(allocation.run_start_at, run_end_at)
    allocation.start_at = min(allocation.start_at, allocation.run_start_at)
    allocation.run_end_at = run_end_at
    allocation.end_at = max(end_at, run_end_at, allocation.start_at + timedelta(seconds=1))
    uow.session.flush()
    announce(uow, allocation.claim)


def announce(uow: UnitOfWork, row: Claim) -> None:
    tell_changed(uow, row.id)


def tell_changed(uow: UnitOfWork, claim_id: str) -> None:
    uow.raise_event("claim", claim_id, "changed")
    uow.raise_event("calendar", "house", "changed")


def freed(uow: UnitOfWork, resource_ids: Collection[int]) -> None:
    """Somebody who waits may have these now."""
    for resource_id in sorted(set(resource_ids)):
        uow.raise_event("calendar", resource_id, "freed")
