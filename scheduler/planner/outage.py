"""Who would have to move if a machine went out of service, or if nobody were there for a while: asked beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.claims import calendar
from fablab.claims.models import ClaimKind, ClaimState
from fablab.people.access import Right, require
from fablab.places import house
from scheduler.planner.disrupt import Scene, is_settled, repaired
from scheduler.planner.forecast import Forecast, cost, moved
from scheduler.planner.standing import Standing, stand
from scheduler.problem import Block, Machine, Piece, pieces
from scheduler.repair import cannot_stay
from scheduler.sight import HORIZON

Change = Callable[[Machine], Machine]


def forecast_outage(uow: UnitOfWork, resource_id: int, until: datetime | None = None) -> Forecast:
    """A machine out of use from now until then, None: until somebody says so. A run that stands on it goes on.

    What a person has made firm there, and what starts soon, moves as well: it cannot be kept. It is the repair that
    would follow, to the minute but where that stops improving for want of time.
    """
    require(uow.actor, Right.OPERATE)
    house.machine(uow, resource_id)
    end_at = _checked(uow, until)
    standing = stand(uow, free=_unstarted(uow, resource_id, end_at))
    machine = standing.sight.index[resource_id]
    block = Block(start=0, end=standing.sight.minute(end_at))

    def blocked(row: Machine) -> Machine:
        return replace(row, blocked=(*row.blocked, block))

    return _forecast(uow, standing, {machine: blocked})


def forecast_absence(uow: UnitOfWork, since: datetime, until: datetime) -> Forecast:
    """Nobody there and the house shut in [since, until): set-ups, clearing and whatever must be watched move away.

    Without a move of what starts within the freeze and of what is firm: whoever shuts the house sees those in the
    calendar, and has to speak to people.
    """
    require(uow.actor, Right.OPERATE)
    if until <= since:
        raise Invalid("span.wrong", field="to")
    standing = stand(uow)
    sight = standing.sight
    start, end = max(0, sight.minute(since)), sight.minute(until)

    def shut(row: Machine) -> Machine:
        return replace(row, staffed=_minus(row.staffed, start, end), open=_minus(row.open, start, end))

    return _forecast(uow, standing, dict.fromkeys(range(len(sight.ids)), shut))


def _checked(uow: UnitOfWork, until: datetime | None) -> datetime:
    if until is not None and until <= uow.now:
        raise Invalid("span.wrong", field="until")
    return min(until or uow.now + HORIZON, uow.now + HORIZON)


def _unstarted(uow: UnitOfWork, resource_id: int, until: datetime) -> tuple[str, ...]:
    """The jobs that hold the machine before then, and on which no run stands."""
    rows = calendar.between(uow, uow.now, until, [resource_id])
    jobs = (row.claim for row in rows if row.run_id is None and row.claim.kind is ClaimKind.JOB)
    return tuple(dict.fromkeys(claim.id for claim in jobs if claim.state is ClaimState.HELD))


def _forecast(uow: UnitOfWork, standing: Standing, changes: Mapping[int, Change]) -> Forecast:
    """The plan on machines that are changed, repaired as it would be: whoever cannot stay finds another place, or none."""
    machines = tuple(
        changes[row.index](row) if row.index in changes else row for row in standing.problem.machines
    )
    # In the order in which the repair itself will see them: of two that are alike, it takes the first.
    demands = tuple(sorted(standing.problem.demands, key=lambda demand: demand.id))
    problem = replace(standing.problem, machines=machines, demands=demands)
    before = replace(standing.plan, slots=dict(sorted(standing.plan.slots.items())))
    scene = Scene(
        sight=standing.sight,
        problem=problem,
        plan=before,
        rows=standing.claims,
        broken=frozenset(cannot_stay(problem, before)),
        in_turn=frozenset(),
        pinned=frozenset(name for name, row in standing.claims.items() if is_settled(uow, row)),
    )
    plan = repaired(uow, scene).plan
    return Forecast(
        version=standing.version,
        displaced=moved(standing, plan),
        cost=cost(problem, standing.plan, plan),
    )


def _minus(hours: tuple[Piece, ...], start: int, end: int) -> tuple[Piece, ...]:
    return pieces(
        part
        for piece in hours
        for part in ((piece.start, min(piece.end, start)), (max(piece.start, end), piece.end))
    )
