"""How long a GRBL may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """In seconds. A GRBL bears five status questions a second, not more."""

    open_s: float = 20.0  # until a board that resets on opening has booted and answered
    hello_s: float = 2.0
    poll_s: float = 0.2  # between two status questions while something is going on
    idle_poll_s: float = 1.0
    silence_s: float = 5.0  # nothing at all came for so long, and `silent_polls` questions stayed open: dead
    silent_polls: int = 4
    homing_s: float = 180.0  # a homing GRBL answers nothing
    line_s: float = (
        120.0  # for an acknowledgement, beside the time the moves need, while it answers questions
    )
    stall_s: float = 1.0  # idle for so long with lines unacknowledged: an acknowledgement was lost
    check_s: float = 15.0  # of a program in check mode; the link gives a start 30 s in all
    pause_s: float = 8.0
    resume_s: float = 3.0
    hold_s: float = 2.0  # a head that has not told of standing still is then reset all the same
    reset_s: float = 1.5
    safe_s: float = 5.0  # for a whole stop, read back
    tick_s: float = 0.05
