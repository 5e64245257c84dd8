"""What a pass pays of a reservation: half-days that come back when it is given up in time, and follow it when it moves."""

from __future__ import annotations

from datetime import datetime

from fablab.base.database import UnitOfWork
from fablab.claims.reservations.models import Reservation
from fablab.money import passes
from fablab.places import house


def follow(uow: UnitOfWork, row: Reservation, start_at: datetime, end_at: datetime, *, in_time: bool) -> None:
    """The half-days of [start_at, end_at) instead of those before. What is left behind comes back where that is
    `in_time`; what is new is taken from the same pass. Raises `Conflict` pass.used_up, pass.not_good."""
    uses = passes.uses_of(uow, row.id)
    if not uses:
        return
    wanted = passes.halves(start_at, end_at, house.zone(uow))
    there = {(use.day, use.half) for use in uses}
    if in_time:
        passes.give_back(uow, row.id, but=wanted)
    missing = [half for half in wanted if half not in there]
    if missing:
        passes.spend(uow, uses[0].pass_id, row.id, missing)


def give_back(uow: UnitOfWork, row: Reservation) -> None:
    """It was given up: the half-days can be used again, unless that came too late."""
    if not row.late:
        passes.give_back(uow, row.id)
