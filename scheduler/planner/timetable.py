"""The house's hours change: what the calendar holds follows at once, and what would follow can be asked beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.intervals import Interval
from fablab.claims import calendar
from fablab.claims.models import Allocation, Claim, ClaimKind
from fablab.people import log
from fablab.people.access import Right, require
from fablab.places import hours, house
from fablab.places.hours import Change, Differs, Reopen, Shut, Usual
from fablab.places.models import ResourceKind
from scheduler.planner.disrupt import mend, places
from scheduler.planner.forecast import Forecast, Moved
from scheduler.planner.upkeep import waiting_jobs
from scheduler.sight import HORIZON

KINDS: Mapping[type[object], str] = {Usual: "usual", Differs: "day", Shut: "shut", Reopen: "reopen"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """What a person has been given and what would lie outside the hours: nothing moves it but a word with them."""

    title: str
    member_id: int | None
    owner: str
    resource_id: int
    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    forecast: Forecast
    stays: tuple[Stays, ...]


class _Tried(Exception):
    def __init__(self, found: Foreseen) -> None:
        super().__init__()
        self.found = found


def change(uow: UnitOfWork, *wishes: Change) -> int:
    """Set the hours, all of them or none, and move the jobs that cannot stay. Returns how many owners were told.

    The usual week is the house's own (`Right.MANAGE`); a day, or a time shut, whoever runs the floor may set. Runs go
    on to their end, and what a person has been given stays. Raises as `hours.apply` does.
    """
    for wish in wishes:
        require(uow.actor, Right.MANAGE if isinstance(wish, Usual) else Right.OPERATE)
    calendar.take_turn(uow)
    before = places(uow)
    for wish in wishes:
        hours.apply(uow, wish)
        log.record(uow, f"hours.{KINDS[type(wish)]}", about="house")
    return mend(uow, before)


def foresee(database: Database, actor: Actor, *wishes: Change) -> Foreseen:
    """What `change` would do, by doing it in a transaction that is thrown away: nothing is written and nobody hears."""
    try:
        with database.begin(actor) as uow:
            uow.memory = {}  # what is remembered from here must not outlive it
            version = calendar.version(uow)
            was = {row.id: _reading(row) for row in _jobs(uow)}
            outside = {row.id for row in _outside(uow)}
            change(uow, *wishes)
            uow.session.flush()
            moved = tuple(sorted(_moved(uow, was), key=lambda each: (-_loss_s(each), each.title)))
            stays = tuple(_stays(row) for row in _outside(uow) if row.id not in outside)
            raise _Tried(Foreseen(forecast=Forecast(version=version, displaced=moved), stays=stays))
    except _Tried as tried:
        return tried.found


Reading = tuple[datetime | None, datetime | None, tuple[tuple[int, datetime], ...]]


def _jobs(uow: UnitOfWork) -> list[Claim]:
    held = [calendar.claim(uow, name) for name in places(uow)]
    return held + [row for row in waiting_jobs(uow) if row not in held]


def _reading(row: Claim) -> Reading:
    """When it is ready, what its owner was told, and where it runs."""
    runs = tuple((place.resource_id, place.run_start_at) for place in calendar.current(row))
    return row.ready_at if runs else None, row.told_ready_at, runs


def _moved(uow: UnitOfWork, was: Mapping[str, Reading]) -> list[Moved]:
    names = {row.id: row.name for row in house.resources(uow, frozenset(ResourceKind))}
    found: list[Moved] = []
    for name, (was_ready_at, was_told, runs) in was.items():
        row = calendar.claim(uow, name)
        ready_at, told, now = _reading(row)
        if now == runs:
            continue
        found.append(
            Moved(
                claim_id=name,
                member_id=row.member_id,
                owner=row.member.name if row.member is not None else "",
                title=row.title,
                was_ready_at=was_ready_at,
                ready_at=ready_at,
                machine=names.get(now[0][0], "") if now else "",
                run_start_at=now[0][1] if now else None,
                is_told=told != was_told,
            )
        )
    return found


def _loss_s(each: Moved) -> float:
    if each.ready_at is None:
        return float("inf")
    return each.later_s if each.later_s is not None else float("-inf")


def _outside(uow: UnitOfWork) -> list[Allocation]:
    """What people have been given from now on and lies, some of it, outside the open hours."""
    rows = [
        row
        for row in calendar.between(uow, uow.now, uow.now + HORIZON)
        if row.claim.kind in (ClaimKind.RESERVATION, ClaimKind.SESSION)
    ]
    open_hours = {each: house.calendar(uow, each).open for each in {row.resource_id for row in rows}}
    return [
        row
        for row in rows
        if open_hours[row.resource_id].between(row.start_at, row.end_at)
        != (Interval(row.start_at, row.end_at),)
    ]


def _stays(row: Allocation) -> Stays:
    claim = row.claim
    return Stays(
        title=claim.title,
        member_id=claim.member_id,
        owner=claim.member.name if claim.member is not None else "",
        resource_id=row.resource_id,
        start_at=row.start_at,
        end_at=row.end_at,
    )
