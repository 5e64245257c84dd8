"""State machines as literal tables: which action leads from which state to which, and nothing else.

A table stands beside its enum as `STEPS: Mapping[tuple[State, str], State]`. Guards are rules of the room
that owns the states; here is only whether the step exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from fablab.base.errors import BadStep

S = TypeVar("S", bound=StrEnum)


def step(table: Mapping[tuple[S, str], S], now: S, action: str) -> S:
    """The state after `action`. Raises `BadStep` with facts `states` (the enum's name), `state`, `action`."""
    after = table.get((now, action))
    if after is None:
        raise BadStep(states=type(now).__name__, state=now.value, action=action)
    return after


def actions(table: Mapping[tuple[S, str], S], now: S) -> tuple[str, ...]:
    """What can be done from here, in the table's order: the buttons a page may show. None in a last state."""
    return tuple(action for state, action in table if state is now)


def table_markdown(table: Mapping[tuple[S, str], S]) -> str:
    """The table as Markdown, one row a state with all its steps, in the table's order; no newline at the end."""
    steps: dict[S, list[str]] = {}
    for (state, action), after in table.items():
        steps.setdefault(state, []).append(f"{action} → {after.value}")
    rows = [f"| {state.value} | {', '.join(found)} |" for state, found in steps.items()]
    return "\n".join(["| from | steps |", "|---|---|", *rows])
