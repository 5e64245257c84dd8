"""How long a Marlin may take, and what is particular to one machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a Marlin may take, in seconds; the defaults are OctoPrint's where it has one."""

    open_s: float = 20.0  # until a board that resets on opening has booted and answered
    hello_s: float = 2.0
    silence_s: float = 30.0
    busy_silence_s: float = 3.0  # once the firmware says `busy:` every 2 s
    long_s: float = 900.0  # heating, homing, probing on a firmware that does not say `busy:`
    resend_ok_s: float = 0.5
    poll_s: float = 2.0  # M105 where the firmware does not report by itself
    safe_s: float = 8.0
    tick_s: float = 0.1
    tries_running: int = 5
    tries_idle: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What this machine wants said at the turns of a job, and how far a software stop may go."""

    on_pause: tuple[str, ...] = ()
    on_resume: tuple[str, ...] = ()
    on_cancel: tuple[str, ...] = ()
    quick_stop: bool = False  # M410 on cancel and make_safe: stops at once, loses the position
    kill: bool = False  # M112 when make_safe was not confirmed
