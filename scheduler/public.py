"""A public date takes its room and its machines as a training does: planned jobs that may still move give way, in the
same transaction, and their owners are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Conflict
from fablab.claims import calendar
from fablab.claims.workshops import catalogue, public
from fablab.claims.workshops.models import Session
from fablab.claims.workshops.public import DatePlan
from scheduler.planner.room import make_room
from scheduler.reserving.look import on

TAKEN = "slot_taken"


def plan_date(database: Database, actor: Actor, plan: DatePlan) -> Session:
    """Raises what `public.plan` does, and `Conflict` slot_taken where somebody holds something for good."""

    def take(uow: UnitOfWork) -> Session:
        return public.plan(uow, plan)

    def wanted(uow: UnitOfWork) -> tuple[Sequence[int], datetime, datetime]:
        row = catalogue.get(uow, plan.workshop_id)
        minutes = row.duration_min if plan.duration_min is None else plan.duration_min
        start = plan.start_at - timedelta(minutes=row.setup_min)
        return plan.holds or (), start, plan.start_at + timedelta(minutes=minutes + row.clear_min)

    return _displacing(database, actor, take, wanted)


def move_date(
    database: Database,
    actor: Actor,
    session_id: str,
    start_at: datetime,
    holds: Sequence[int] | None = None,
    why: str = "",
) -> Session:
    """As `public.move`; the old date is kept where the new one cannot be had."""

    def take(uow: UnitOfWork) -> Session:
        return public.move(uow, session_id, start_at, holds, why)

    def wanted(uow: UnitOfWork) -> tuple[Sequence[int], datetime, datetime]:
        held = calendar.claim(uow, session_id).allocations
        ids = [each.resource_id for each in held] if holds is None else holds
        run = max(each.run_end_at for each in held) - min(each.run_start_at for each in held)
        before = min(each.run_start_at for each in held) - min(each.start_at for each in held)
        after = max(each.end_at for each in held) - max(each.run_end_at for each in held)
        return ids, start_at - before, start_at + run + after

    return _displacing(database, actor, take, wanted)


def _displacing(
    database: Database,
    actor: Actor,
    take: Callable[[UnitOfWork], Session],
    wanted: Callable[[UnitOfWork], tuple[Sequence[int], datetime, datetime]],
) -> Session:
    try:
        return database.write(take, actor)
    except Conflict as error:
        if error.code != TAKEN:
            raise

    def again(uow: UnitOfWork) -> Session:
        calendar.take_turn(uow)
        ids, start, end = wanted(uow)
        held = [each for each in on(uow, ids, start, end) if each.soft]
        if not held:
            raise Conflict(TAKEN)
        return make_room(uow, list(dict.fromkeys(each.job.claim_id for each in held)), take)

    return database.write(again, actor)
