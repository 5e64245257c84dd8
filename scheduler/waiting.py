"""Whose turn it is when a place is freed: it is held for them before anybody else can see that it is free.

`offer_freed` witnesses every transaction (`Database.witnesses`), so the place never lies open between who gave it back and
who waited for it. The line is ordered as the plan is, by shares and waiting (`scheduler.fairness`); whoever let an offer
go comes after those who did not. A group that cannot be served with what is free keeps nobody else waiting.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from fablab.base.database import SYSTEM, UnitOfWork
from fablab.base.errors import Conflict, LabError
from fablab.claims import waiting
from fablab.claims.reservations import Order, preview
from fablab.claims.waiting import Entry, Wait
from fablab.claims.waiting.use import said
from fablab.places import house
from fablab.places.models import ResourceKind, Technology
from fablab.reports.shares import Hours, hours, owner_of
from scheduler.fairness import ageing
from scheduler.lore import fairness
from scheduler.reserving.asked import Kind, Wanted
from scheduler.reserving.look import look
from scheduler.vacancies import openings

HOLD = timedelta(hours=2)  # of opened doors: an offer of the night is kept until the morning has begun
LEAST_HOLD = timedelta(minutes=10)
MOST_OFFERS = 20  # in one transaction; the next minute goes on
MOST_OPENINGS = 6  # places looked at for one of the line


def join(
    uow: UnitOfWork, kind: Kind, *, party: int = 1, title: str = "", project_id: int | None = None
) -> Entry:
    """Wait for what `kind` says; `since` and `until` are its window. Raises as `waiting.join` and as `look` do: what the
    house has not got at all cannot be waited for."""
    look(uow, kind)
    since = max(uow.now, kind.since or uow.now)
    wait = Wait(
        wanted=tuple(_stored(each) for each in kind.wanted),
        duration_s=kind.duration_s,
        since=since,
        until=kind.until or since + timedelta(days=7),
        party=party,
        title=title,
        member_id=kind.member_id,
        project_id=project_id,
    )
    row = waiting.join(uow, wait)
    offer(uow.acting(SYSTEM))
    return row


def offer_freed(uow: UnitOfWork) -> None:
    """Hold what this transaction frees for whoever's turn it is."""
    freed = {event.id for event in uow.events if (event.topic, event.name) == ("calendar", "freed")}
    if freed:
        offer(uow.acting(SYSTEM), {each for each in freed if isinstance(each, int)})


def sweep(uow: UnitOfWork) -> int:
    """Every minute: what nobody took lapses, and who can be served now by a plan that moved is. How many were offered."""
    waiting.lapse(uow)
    return offer(uow.acting(SYSTEM))


def line(uow: UnitOfWork) -> list[Entry]:
    """Everybody without an offer, whose turn it is first."""
    rows = waiting.waiting(uow)
    if not rows:
        return []
    # Whoever waits here is present too: a share is due to them, though they have used nothing yet.
    shares = fairness(uow, [*hours(uow), *map(_present, rows)])

    def turn(row: Entry) -> tuple[int, float, datetime]:
        factor = shares.factor(row.audience.value, owner_of(row.project_id, row.member_id))
        waited_days = (uow.now - row.made_at) / timedelta(days=1)
        return row.passes, -factor * ageing(waited_days), row.made_at

    return sorted(rows, key=turn)


def _present(row: Entry) -> Hours:
    return Hours(
        audience=row.audience,
        project_id=row.project_id,
        member_id=row.member_id,
        used_h=0.0,
        held_h=0.0,
        waiting=1,
        since=row.made_at,
    )


def offer(uow: UnitOfWork, freed: Collection[int] | None = None) -> int:
    """Hold a place for each whose turn has come and whom it serves. `freed`: only what takes one of these is looked for.
    Returns how many were offered one."""
    count = 0
    for row in line(uow):
        if count >= MOST_OFFERS:
            break
        count += _offer(uow, row, freed)
    return count


def _offer(uow: UnitOfWork, row: Entry, freed: Collection[int] | None) -> bool:
    if uow.now + timedelta(seconds=row.duration_s) > row.until:
        return False
    kind = kind_of(row)
    try:
        seen = look(uow, kind)
    except LabError:  # the house has it no more, or its window is over
        return False
    if freed is not None and not any(set(call.eligible) & set(freed) for call in seen.ask.calls):
        return False
    for opening in openings(seen.rows, seen.ask, MOST_OPENINGS):
        if opening.moved:
            continue  # a planned job does not give way to somebody who may not even come
        start_at, ids = seen.instant(opening.start), [resource for _, resource in opening.taken]
        if said(start_at, ids) in row.passed or _against(uow, row, ids, start_at):
            continue
        try:
            waiting.hold(uow, row, ids, start_at, held_until(uow, start_at))
        except Conflict:
            continue
        return True
    return False


def _against(uow: UnitOfWork, row: Entry, resource_ids: Collection[int], start_at: datetime) -> bool:
    """Whether the rules would say no when it is taken."""
    order = Order(
        resource_ids=tuple(resource_ids),
        start_at=start_at,
        end_at=start_at + timedelta(seconds=row.duration_s),
        member_id=row.member_id,
    )
    return any(not each.waivable for each in preview(uow, order))


def held_until(uow: UnitOfWork, start_at: datetime) -> datetime:
    """Two hours of opened doors, and never past its own beginning but for the time it takes to answer."""
    opens = house.calendar(uow).open.next_open(uow.now) or uow.now
    return min(opens + HOLD, max(start_at, uow.now + LEAST_HOLD))


def kind_of(row: Entry) -> Kind:
    """What an entry waits for, as `reserving` is asked."""
    return Kind(
        wanted=tuple(_read(each) for each in row.wanted),
        duration_s=row.duration_s,
        since=row.since,
        until=row.until,
        member_id=row.member_id,
    )


def _stored(wanted: Wanted) -> dict[str, object]:
    found = asdict(wanted)
    return found | {"resource_ids": list(wanted.resource_ids)}


def _read(stored: Mapping[str, Any]) -> Wanted:
    technology = stored["technology"]
    return Wanted(
        kind=ResourceKind(stored["kind"]),
        technology=Technology(technology) if technology else None,
        bed_x_mm=float(stored["bed_x_mm"]),
        bed_y_mm=float(stored["bed_y_mm"]),
        seats=int(stored["seats"]),
        resource_ids=tuple(stored["resource_ids"]),
        quantity=int(stored["quantity"]),
    )
