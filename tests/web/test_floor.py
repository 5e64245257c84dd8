"""The one word a machine wears: which fact wins over which."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fablab.device import DeviceState, LinkState, Status
from fablab.places.models import MachineGate as Gate
from fablab.runs.models import RunState
from web.floor import word_of

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
PAST, LATER = NOW - timedelta(minutes=1), NOW + timedelta(minutes=1)
ON, AWAY = LinkState.ONLINE, LinkState.WAITING
IDLE, RUNS, OFF, FAULT = DeviceState.IDLE, DeviceState.RUNNING, DeviceState.OFFLINE, DeviceState.FAULT


@pytest.mark.parametrize(
    ("gate", "link", "state", "run", "next_at", "word"),
    [
        (Gate.CLEAR, ON, IDLE, None, None, "free"),
        (Gate.CLEAR, ON, IDLE, None, LATER, "free"),
        (Gate.CLEAR, ON, IDLE, None, PAST, "due"),
        (Gate.AWAITING_CLEAR, ON, IDLE, None, LATER, "awaiting_clear"),
        (Gate.AWAITING_CLEAR, ON, IDLE, None, PAST, "awaiting_clear"),
        (Gate.AWAITING_CLEAR, ON, RUNS, RunState.RUNNING, PAST, "running"),
        (Gate.AWAITING_CLEAR, ON, RUNS, RunState.PAUSED, None, "paused"),
        (Gate.CLEAR, ON, IDLE, RunState.PREPARING, PAST, "starting"),
        (Gate.AWAITING_CLEAR, ON, IDLE, RunState.STARTING, None, "starting"),
        (Gate.CLEAR, ON, RUNS, None, None, "running"),
        (Gate.CLEAR, ON, FAULT, RunState.RUNNING, None, "fault"),
        (Gate.CLEAR, AWAY, IDLE, None, PAST, "offline"),
        (Gate.CLEAR, ON, OFF, None, None, "offline"),
        (Gate.CLEAR, None, None, None, None, "offline"),
        (Gate.AWAITING_CLEAR, AWAY, OFF, RunState.RUNNING, None, "unknown"),
        (Gate.CLEAR, AWAY, OFF, RunState.PREPARING, None, "offline"),
        (Gate.OUT_OF_SERVICE, AWAY, OFF, RunState.RUNNING, PAST, "out_of_service"),
    ],
)
def test_the_word_of_a_machine(
    gate: Gate,
    link: LinkState | None,
    state: DeviceState | None,
    run: RunState | None,
    next_at: datetime | None,
    word: str,
) -> None:
    status = Status(at=NOW, state=state) if state is not None else None
    assert word_of(gate, link, status, run, next_at, NOW) == word
