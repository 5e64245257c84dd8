"""Everywhere a job could be put by hand: on each machine the starts that are free, and those that others would leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid, Refusal
from fablab.claims import calendar
from fablab.claims.models import Claim
from fablab.people.access import Right, require
from scheduler.greedy import Board
from scheduler.planner.hand import movable_but, taken_up
from scheduler.planner.standing import stand
from scheduler.planner.wishes import against
from scheduler.sight import MINUTE
from scheduler.spots import stretches

STEP_MIN = 5
MOST = timedelta(days=9)  # a week as the calendar shows it, whatever the clocks do


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A run may start at every `STEP_MIN` in [start_at, end_at); then `displaced` (claim ids) give way."""

    start_at: datetime
    end_at: datetime
    displaced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One eligible machine. `run_s`: how long the run takes there; `clear_s`: of a person, afterwards."""

    resource_id: int
    machine: str
    run_s: int
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """As of calendar `version`. `claims`: those that some span would displace, by id. `refusals`: why it cannot be
    moved at all; then there are no rows."""

    version: int
    rows: tuple[Row, ...] = ()
    claims: Mapping[str, Claim]
    refusals: tuple[Refusal, ...] = ()


def reach(uow: UnitOfWork, claim_id: str, since: datetime, until: datetime) -> Reach:
    """The starts in [since, until), 9 days at most, on a raster of `STEP_MIN` from the full hour on.

    Whether everybody who gives way finds another place is not asked here: `hand.forecast` of one start says so.
    """
    require(uow.actor, Right.OPERATE)
    claim = calendar.claim(uow, claim_id)
    if until <= since:
        raise Invalid("span.wrong", field="to")
    if until - since > MOST:
        raise Invalid("span.too_long", field="to", days=MOST.days)
    stands_against = against(uow, claim, None)
    if stands_against is not None:
        return Reach(version=stand(uow).version, claims={}, refusals=(stands_against,))
    standing, problem = taken_up(uow, claim)
    sight = standing.sight
    (demand,) = (each for each in problem.demands if each.id == claim_id)
    board = Board(problem, standing.plan.without(claim_id))
    offset = -sight.origin.minute % STEP_MIN
    first = max(0, sight.minute(since))
    last = min(ceil((until - sight.origin) / MINUTE), problem.horizon_min)
    rows = []
    for machine in demand.needs[0].eligible:
        found = stretches(
            board,
            demand,
            machine,
            first,
            last,
            movable_but(standing, claim),
            step=STEP_MIN,
            offset=offset,
        )
        rows.append(
            Row(
                resource_id=sight.ids[machine],
                machine=sight.names[machine],
                run_s=60 * demand.duration_min[machine],
                spans=tuple(
                    Span(
                        start_at=sight.instant(each.start),
                        end_at=sight.instant(each.end),
                        displaced=each.gone,
                    )
                    for each in found
                ),
            )
        )
    named = {name for row in rows for span in row.spans for name in span.displaced}
    return Reach(
        version=standing.version,
        rows=tuple(rows),
        claims={name: standing.claims[name] for name in sorted(named)},
    )
