"""A training takes its machines and its room as a person takes theirs: planned jobs that may still move give way."""

from __future__ import annotations

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Conflict
from fablab.claims import calendar
from fablab.claims.trainings import use as trainings
from fablab.claims.trainings.models import Training
from fablab.claims.trainings.use import Plan
from scheduler.planner.room import make_room
from scheduler.reserving.look import on

TAKEN = "slot_taken"


def plan_training(database: Database, actor: Actor, plan: Plan) -> Training:
    """In the calendar with all that it holds, or not at all; whoever has to move is told.

    Raises what `trainings.create` does, and `Conflict` slot_taken where somebody holds something for good.
    """
    try:
        return database.write(lambda uow: trainings.create(uow, plan), actor)
    except Conflict as error:
        if error.code != TAKEN:
            raise
    return database.write(lambda uow: _displacing(uow, plan), actor)


def _displacing(uow: UnitOfWork, plan: Plan) -> Training:
    calendar.take_turn(uow)
    held = on(uow, plan.holds, plan.start_at, plan.end_at)
    if any(not each.soft for each in held):
        raise Conflict(TAKEN)
    claims = list(dict.fromkeys(each.job.claim_id for each in held))
    return make_room(uow, claims, lambda uow: trainings.create(uow, plan))
