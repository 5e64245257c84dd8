"""The one word a machine wears on every screen and in the API: from its gate, its link, its run and the plan."""

from __future__ import annotations

from datetime import datetime

from fablab.device import DeviceState, LinkState, Status
from fablab.places.models import MachineGate
from fablab.runs.models import RunState
from web.pages.model import MachineWord

_RUNNING = {
    RunState.PREPARING: MachineWord.STARTING,
    RunState.STARTING: MachineWord.STARTING,
    RunState.RUNNING: MachineWord.RUNNING,
    RunState.PAUSED: MachineWord.PAUSED,
}


def word_of(
    gate: MachineGate,
    link: LinkState | None,
    status: Status | None,
    run: RunState | None,
    next_start_at: datetime | None,
    now: datetime,
) -> MachineWord:
    """In this order: out of service, offline (or no news of a run), fault, what runs, waiting for clearing, due, free.

    `link` None: the machine has no wire to this server.
    """
    if gate is MachineGate.OUT_OF_SERVICE:
        return MachineWord.OUT_OF_SERVICE
    away = link is not LinkState.ONLINE or status is None or status.state is DeviceState.OFFLINE
    if away:
        return (
            MachineWord.UNKNOWN if run in _RUNNING and run is not RunState.PREPARING else MachineWord.OFFLINE
        )
    assert status is not None
    if status.state is DeviceState.FAULT:
        return MachineWord.FAULT
    if run in _RUNNING and run is not None:
        return _RUNNING[run]
    if status.state is DeviceState.RUNNING:
        return MachineWord.RUNNING  # somebody started it at the machine itself
    if status.state is DeviceState.PAUSED:
        return MachineWord.PAUSED
    if gate is MachineGate.AWAITING_CLEAR:
        return MachineWord.AWAITING_CLEAR
    return MachineWord.DUE if next_start_at is not None and next_start_at <= now else MachineWord.FREE
