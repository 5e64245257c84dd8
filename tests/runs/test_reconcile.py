"""What a look at a machine says about a run: the house's table, word for word, and that nothing falls between its rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fablab.base.states import step
from fablab.device import DeviceState, Outcome, Progress, Status
from fablab.runs.models import ENDED, LIVE, RUN_STEPS, RunState
from fablab.runs.reconcile import START_LIMIT, UNSEEN_LIMIT, reconcile

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TOKEN = "mine"

S, D = RunState, DeviceState
SENT = (S.STARTING, S.RUNNING, S.PAUSED)

#: (state, device, whose progress, outcome, minutes in the state, minutes out of sight) -> the state after.
#: None for minutes out of sight: this look is the first without it.
TABLE = [
    # starting
    (S.STARTING, D.OFFLINE, None, None, 0, None, S.STARTING),
    (S.STARTING, D.OFFLINE, None, None, 9, 9, S.STARTING),
    (S.STARTING, D.OFFLINE, None, None, 10, 10, S.INTERRUPTED),
    (S.STARTING, D.IDLE, None, None, 0, None, S.STARTING),
    (S.STARTING, D.IDLE, "other", None, 1, None, S.STARTING),
    (S.STARTING, D.IDLE, None, None, 2, None, S.FAILED),
    (S.STARTING, D.IDLE, "other", None, 2, None, S.FAILED),
    (S.STARTING, D.RUNNING, "mine", None, 5, None, S.RUNNING),
    (S.STARTING, D.PAUSED, "mine", None, 5, None, S.PAUSED),
    (S.STARTING, D.FAULT, None, None, 0, None, S.FAILED),
    (S.STARTING, D.FAULT, "mine", None, 0, None, S.FAILED),
    (S.STARTING, D.IDLE, "mine", Outcome.DONE, 0, None, S.SUCCEEDED),
    (S.STARTING, D.IDLE, "mine", Outcome.CANCELLED, 0, None, S.CANCELLED),
    (S.STARTING, D.IDLE, "mine", Outcome.FAILED, 0, None, S.FAILED),
    # running and paused
    *[
        row
        for now in (S.RUNNING, S.PAUSED)
        for row in (
            (now, D.OFFLINE, None, None, 60, None, now),
            (now, D.OFFLINE, None, None, 60, 9, now),
            (now, D.OFFLINE, None, None, 60, 10, S.INTERRUPTED),
            (now, D.IDLE, None, None, 0, None, S.INTERRUPTED),
            (now, D.IDLE, "other", None, 0, None, S.INTERRUPTED),
            (now, D.RUNNING, "mine", None, 5, None, S.RUNNING),
            (now, D.PAUSED, "mine", None, 5, None, S.PAUSED),
            (now, D.FAULT, None, None, 5, None, S.FAILED),
            (now, D.FAULT, "mine", None, 5, None, S.FAILED),
            (now, D.IDLE, "mine", Outcome.DONE, 5, None, S.SUCCEEDED),
            (now, D.IDLE, "mine", Outcome.CANCELLED, 5, None, S.CANCELLED),
            (now, D.IDLE, "mine", Outcome.FAILED, 5, None, S.FAILED),
            # An outcome settles it whatever the machine does by now.
            (now, D.FAULT, "mine", Outcome.DONE, 5, None, S.SUCCEEDED),
            (now, D.RUNNING, "other", None, 5, None, S.INTERRUPTED),
            (now, D.IDLE, "other", Outcome.DONE, 5, None, S.INTERRUPTED),
        )
    ],
]


def look(device: DeviceState, whose: str | None, outcome: Outcome | None, at: datetime = NOW) -> Status:
    progress = Progress(token=whose, fraction=0.5, outcome=outcome) if whose else None
    return Status(at=at, state=device, progress=progress)


def after(state: RunState, action: str | None) -> RunState:
    return state if action is None else step(RUN_STEPS, state, action)


@pytest.mark.parametrize(("state", "device", "whose", "outcome", "in_state", "unseen", "then"), TABLE)
def test_the_table_of_the_house(
    state: RunState,
    device: DeviceState,
    whose: str | None,
    outcome: Outcome | None,
    in_state: int,
    unseen: int | None,
    then: RunState,
) -> None:
    lost = NOW - unseen * MINUTE if unseen is not None else None
    action = reconcile(state, NOW - in_state * MINUTE, lost, TOKEN, look(device, whose, outcome))
    assert after(state, action) is then


statuses = st.builds(
    look,
    st.sampled_from(DeviceState),
    st.sampled_from([None, "mine", "other", ""]),
    st.none() | st.sampled_from(Outcome),
)
ago = st.timedeltas(timedelta(), timedelta(days=2)).map(lambda by: NOW - by)


@given(st.sampled_from(RunState), ago, st.none() | ago, statuses)
def test_every_look_has_an_answer_that_exists_from_here(
    state: RunState, since: datetime, unseen: datetime | None, status: Status
) -> None:
    action = reconcile(state, since, unseen, TOKEN, status)
    if state in SENT:
        assert action is None or (state, action) in RUN_STEPS
    else:
        assert action is None


@given(st.sampled_from(SENT), ago, ago, st.timedeltas(timedelta(), timedelta(days=1)))
def test_what_is_out_of_sight_ends_after_ten_minutes_and_never_as_a_failure(
    state: RunState, since: datetime, lost: datetime, later: timedelta
) -> None:
    action = reconcile(state, since, lost, TOKEN, look(D.OFFLINE, None, None, NOW + later))
    assert action == ("interrupt" if NOW + later - lost >= UNSEEN_LIMIT else None)


@given(st.sampled_from(SENT), ago, st.none() | ago, statuses)
def test_another_s_outcome_never_settles_a_run(
    state: RunState, since: datetime, unseen: datetime | None, status: Status
) -> None:
    if status.progress is None or status.progress.token == TOKEN or status.state is D.OFFLINE:
        return
    action = reconcile(state, since, unseen, TOKEN, status)
    assert action not in {"succeed", "cancel", "run", "pause"}


@given(ago, statuses)
def test_a_start_is_given_two_minutes(since: datetime, status: Status) -> None:
    if status.progress is not None or status.state in (D.OFFLINE, D.FAULT):
        return
    action = reconcile(S.STARTING, since, None, TOKEN, status)
    assert action == ("fail" if NOW - since >= START_LIMIT else None)


def test_live_and_ended_are_all_there_is() -> None:
    assert {*LIVE, *ENDED} == set(RunState)
    assert not {*LIVE} & {*ENDED}
    assert not any(state in ENDED for state, _ in RUN_STEPS)
