"""Waiting lists: joined, answered, given up; and, for the staff, the whole line in its order."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from fablab.base.database import SYSTEM, Database, UnitOfWork
from fablab.claims import calendar, waiting
from fablab.claims.waiting import Entry, WaitingState
from fablab.people.access import SignedIn
from scheduler import waiting as turns
from scheduler.reserving import Kind
from web.api.answer import instant
from web.api.reservations_schema import ReservationOut, WantedIn, reservation_out, wanted_of
from web.api.schema import At
from web.security import Access, Right


class JoinIn(msgspec.Struct, frozen=True, kw_only=True):
    """What is waited for: all of it together for `duration_s`, within [since, until) (null: now; a week on)."""

    wanted: tuple[WantedIn, ...]
    duration_s: int
    since: str | None = None
    until: str | None = None
    party: Annotated[int, msgspec.Meta(ge=1)] = 1
    title: str = ""
    project: int | None = None
    member: int | None = None


class EntryOut(msgspec.Struct, frozen=True, kw_only=True):
    """`resources`, `start_at` and `hold_until`: of the place that is held now. `reservation`: once it was taken."""

    id: str
    state: WaitingState
    member: int
    duration_s: int
    since: At
    until: At
    party: int
    made_at: At
    resources: tuple[int, ...]
    start_at: At | None
    hold_until: At | None
    reservation: str | None


def _out(uow: UnitOfWork, row: Entry) -> EntryOut:
    offered = row.state is WaitingState.OFFERED and row.claim_id is not None
    held = calendar.claim(uow, row.claim_id or "").allocations if offered else []
    return EntryOut(
        id=row.id,
        state=row.state,
        member=row.member_id,
        duration_s=row.duration_s,
        since=row.since,
        until=row.until,
        party=row.party,
        made_at=row.made_at,
        resources=tuple(sorted(place.resource_id for place in held)),
        start_at=min((place.start_at for place in held), default=None),
        hold_until=row.hold_until,
        reservation=row.claim_id if row.state is WaitingState.TAKEN else None,
    )


@post("/waiting", access=Right.SUBMIT, sync_to_thread=True, tags=["waiting"])
def join(
    data: JSONBody[JoinIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> EntryOut:
    """Join the line. What is free already is held at once."""
    kind = Kind(
        wanted=wanted_of(data.wanted),
        duration_s=data.duration_s,
        since=instant(data.since, "since"),
        until=instant(data.until, "until"),
        member_id=data.member,
    )

    def work(uow: UnitOfWork) -> EntryOut:
        row = turns.join(uow, kind, party=data.party, title=data.title, project_id=data.project)
        return _out(uow, row)

    return database.write(work, signed_in.actor)


@get("/waiting", access=Access.SIGNED_IN, sync_to_thread=True, tags=["waiting"])
def mine(database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]) -> tuple[EntryOut, ...]:
    """One's own: offers first, then the line, then what came of it in the last two weeks."""
    with database.read(signed_in.actor) as uow:
        return tuple(_out(uow, row) for row in waiting.of_member(uow, signed_in.member_id))


@get("/waiting/line", access=Right.SEE_ALL, sync_to_thread=True, tags=["waiting"])
def line(database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]) -> tuple[EntryOut, ...]:
    """Everybody: those for whom a place is held, then the others, whose turn it is first."""
    with database.read(signed_in.actor) as uow:
        held = [row for row in waiting.live(uow) if row.state is WaitingState.OFFERED]
        return tuple(_out(uow, row) for row in [*held, *turns.line(uow.acting(SYSTEM))])


@post("/waiting/{entry_id:str}/take", access=Right.SUBMIT, sync_to_thread=True, tags=["waiting"])
def take(
    entry_id: FromPath[str],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> ReservationOut:
    """What is held becomes a reservation."""
    return reservation_out(database.write(lambda uow: waiting.take(uow, entry_id), signed_in.actor))


@post(
    "/waiting/{entry_id:str}/pass",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=["waiting"],
)
def pass_on(
    entry_id: FromPath[str],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> EntryOut:
    """Not this one: it goes to the next, and one waits on."""
    return database.write(lambda uow: _out(uow, waiting.pass_on(uow, entry_id)), signed_in.actor)


@delete(
    "/waiting/{entry_id:str}", access=Right.SUBMIT, sync_to_thread=True, status_code=200, tags=["waiting"]
)
def give_up(
    entry_id: FromPath[str],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> EntryOut:
    """Wait no longer."""
    return database.write(lambda uow: _out(uow, waiting.give_up(uow, entry_id)), signed_in.actor)


ROUTES = (join, mine, line, take, pass_on, give_up)
