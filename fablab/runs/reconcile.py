"""What a look at a machine says about a run: pure, total, and the only place where that is decided.

The table is HOUSE's section on runs: OFFLINE is never a failure until ten minutes have gone by, an idle machine
that does not know our run has lost it, an outcome the device kept settles it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from fablab.device import DeviceState, Outcome, Status
from fablab.runs.models import RunState

UNSEEN_LIMIT = timedelta(minutes=10)
START_LIMIT = timedelta(minutes=2)

#: What an outcome that carries our token does to a run.
OUTCOMES: dict[Outcome, str] = {Outcome.DONE: "succeed", Outcome.CANCELLED: "cancel", Outcome.FAILED: "fail"}


def reconcile(
    state: RunState, since: datetime, unseen_since: datetime | None, token: str, status: Status
) -> str | None:
    """The action of `RUN_STEPS` to take, or None to stay.

    `since`: when the run came into `state`; `unseen_since`: since when the machine has been out of sight.
    """
    if state not in (RunState.STARTING, RunState.RUNNING, RunState.PAUSED):
        return None
    if status.state is DeviceState.OFFLINE:
        lost = unseen_since or status.at
        return "interrupt" if status.at - lost >= UNSEEN_LIMIT else None
    mine = status.progress is not None and status.progress.token == token
    if mine and status.progress is not None and status.progress.outcome is not None:
        return OUTCOMES[status.progress.outcome]
    if status.state is DeviceState.FAULT:
        return "fail"
    if mine and status.state is DeviceState.RUNNING:
        return "run"
    if mine and status.state is DeviceState.PAUSED:
        return "pause"
    if mine and status.state is DeviceState.IDLE:
        return "interrupt"  # it was given the run, stands still, and cannot say how it ended
    return _not_mine(state, since, status)


def _not_mine(state: RunState, since: datetime, status: Status) -> str | None:
    # The machine is there and does not know our run. While starting, the command may still be on its way.
    if state is RunState.STARTING:
        return "fail" if status.at - since >= START_LIMIT else None
    return "interrupt"
