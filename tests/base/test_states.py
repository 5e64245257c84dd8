"""State tables: one function takes every step, and says plainly which step does not exist."""

from __future__ import annotations

from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fablab.base.errors import BadStep, Conflict
from fablab.base.states import actions, step, table_markdown


class Door(StrEnum):
    OPEN = "open"
    SHUT = "shut"
    LOCKED = "locked"
    GONE = "gone"


STEPS = {
    (Door.OPEN, "shut"): Door.SHUT,
    (Door.SHUT, "open"): Door.OPEN,
    (Door.SHUT, "lock"): Door.LOCKED,
    (Door.LOCKED, "unlock"): Door.SHUT,
    (Door.LOCKED, "break"): Door.GONE,
}


def test_a_step_in_the_table_leads_where_the_table_says() -> None:
    assert step(STEPS, Door.SHUT, "lock") is Door.LOCKED


def test_a_step_that_is_not_in_the_table_says_from_where_and_what() -> None:
    with pytest.raises(BadStep) as caught:
        step(STEPS, Door.OPEN, "lock")
    assert dict(caught.value.facts) == {"states": "Door", "state": "open", "action": "lock"}


def test_a_bad_step_is_a_conflict_for_whoever_answers_the_request() -> None:
    with pytest.raises(Conflict):
        step(STEPS, Door.GONE, "open")


@given(st.sampled_from(list(Door)), st.sampled_from(["open", "shut", "lock", "unlock", "break", ""]))
def test_only_the_actions_listed_for_a_state_can_be_taken(state: Door, action: str) -> None:
    if action in actions(STEPS, state):
        assert step(STEPS, state, action) is STEPS[state, action]
    else:
        with pytest.raises(BadStep):
            step(STEPS, state, action)


def test_the_actions_of_a_state_come_in_the_order_of_the_table() -> None:
    assert actions(STEPS, Door.SHUT) == ("open", "lock")


def test_a_last_state_has_no_actions() -> None:
    assert actions(STEPS, Door.GONE) == ()


def test_a_table_is_printed_as_one_markdown_row_a_state() -> None:
    assert table_markdown(dict(list(STEPS.items())[:3])) == (
        "| from | steps |\n|---|---|\n| open | shut → shut |\n| shut | open → open, lock → locked |"
    )


def test_the_printed_table_has_every_step() -> None:
    printed = table_markdown(STEPS)
    assert all(f"{action} → {after.value}" in printed for (_, action), after in STEPS.items())
