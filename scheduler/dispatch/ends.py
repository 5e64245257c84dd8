"""When the runs that are live will have ended, by what the lab has learnt and what their machines say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from fablab.base.database import UnitOfWork
from fablab.runs import attempts
from fablab.runs.models import Run, RunState
from scheduler.durations import blend
from scheduler.port import MachineLink
from scheduler.sight import PLAN_AT, look

TRUST_FRACTION = 0.05  # below this part done, a device's own guess of what remains is worth nothing


def expected_ends(uow: UnitOfWork, links: Mapping[int, MachineLink]) -> dict[str, datetime]:
    """By run. `links`: by machine; a machine without one says nothing."""
    runs = [run for run in attempts.all_live(uow) if run.started_at is not None]
    if not runs:
        return {}
    sight = look(uow)
    ends: dict[str, datetime] = {}
    for run in runs:
        assert run.started_at is not None
        link = links.get(run.resource_id)
        progress = link.status.progress if link else None
        mine = progress if progress is not None and progress.token == run.id else None
        left = sight.duration(run.claim, run.resource_id).remaining(_worked_s(run, uow.now))
        if mine and mine.remaining_s is not None and (mine.fraction or 0.0) >= TRUST_FRACTION:
            left = blend(left, mine.remaining_s, mine.fraction or 0.0)
        left_s = left.quantile(PLAN_AT)
        ends[run.id] = uow.now + timedelta(seconds=left_s)
    return ends


def _worked_s(run: Run, now: datetime) -> float:
    """Seconds since the start, without its pauses."""
    assert run.started_at is not None
    pause_s = (now - run.state_at).total_seconds() if run.state is RunState.PAUSED else 0.0
    return max(0.0, (now - run.started_at).total_seconds() - run.paused_s - pause_s)
