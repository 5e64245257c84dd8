"""The fault matrix: how a run ends for each fault of each driver at each moment, as a literal table, and its page.

A word is a state of the run (`fablab.runs.models.RunState`). What HOUSE's table of states leaves open is decided here:
`paused` means that it is still paused more than ten minutes after the fault, because nobody has resumed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fablab.runs.models import RunState
from tests.drivers.matrix.play import Phase

S, F, C, I, P = (  # noqa: E741 - one letter a state keeps the table readable
    RunState.SUCCEEDED,
    RunState.FAILED,
    RunState.CANCELLED,
    RunState.INTERRUPTED,
    RunState.PAUSED,
)


Ends = RunState | frozenset[RunState]
# What came first is a matter of milliseconds:
UNSENT: Final = frozenset({F, I})  # the start, or the loss of the cable
STARTED: Final = frozenset({F, S})  # the end of the boot, or the start
STOPPED: Final = frozenset({F, C})  # the fault, or the cancel
KILLED: Final = frozenset({I, C})  # the kill, or the cancel
MET: Final = frozenset({F, S})  # the start that meets the fault, or a look that has met it before


@dataclass(frozen=True, kw_only=True)
class Row:
    """`ends`: while starting, running, paused, cancelling. `fault` may carry the value that keeps the test short."""

    fault: str
    words: str
    ends: tuple[Ends, Ends, Ends, Ends]

    def allows(self, phase: Phase, state: RunState) -> bool:
        ends = self.ends[list(Phase).index(phase)]
        return state in ends if isinstance(ends, frozenset) else state is ends

    @property
    def kind(self) -> str:
        return self.fault.partition(":")[0]


def row(fault: str, words: str, *ends: Ends) -> Row:
    starting, running, paused, cancelling = ends
    return Row(fault=fault, words=words, ends=(starting, running, paused, cancelling))


_NETWORK = (
    row("lost_start", "a start is obeyed, its answer is lost", S, S, P, C),
    row("conflict_storm:2", "every command is answered 409 for a while", F, S, P, C),
    row("never_runs", "a start is accepted and nothing begins", F, S, P, C),
    row("printer_fault", "the firmware halts on a heater fault", F, F, F, F),
    row("trickle", "an answer comes at a byte a second", F, S, P, C),
    row("timeout", "a request is neither obeyed nor answered", F, S, P, C),
    row("http_500:3", "three requests are answered HTTP 500", MET, S, P, C),
)

MATRIX: Final[Mapping[str, tuple[Row, ...]]] = {
    "marlin": (
        row("lost_ok", "a line is taken, its ok is lost", S, S, P, C),
        row("lost_line", "a line never arrives", S, S, P, C),
        row("corrupt_line", "a line arrives damaged", S, S, P, C),
        row("resend:3", "a good line is asked for three times", S, S, P, C),
        row("resend_storm", "a line is asked for again for ever", F, F, F, F),
        row("reset", "the firmware restarts", STARTED, F, F, F),
        row("busy:2", "a line takes very long, with `busy:`", S, S, P, C),
        row("thermal_runaway", "the firmware halts on a heater fault", F, F, F, F),
        row("silence", "nothing is heard or said any more", I, I, I, I),
        row("garbage", "noise between the answers", S, S, P, C),
        row("unplug", "the cable is pulled and stays out", I, I, I, I),
        row("unplug:0.5", "the cable is pulled and put back", UNSENT, I, I, I),
        row("replug:0.5", "the same, and the port has another tty's name", UNSENT, I, I, I),
        row("trickle:4", "it answers a byte a second, too slow for the driver", I, I, I, I),
    ),
    "grbl": (
        row("lost_ok", "a line is executed, its ok is lost", S, S, P, C),
        row("damaged_ok", "an ok has a NUL in it", S, S, P, C),
        row("corrupt_line", "a line arrives damaged", MET, F, P, STOPPED),
        row("reset", "power fails for a moment", STARTED, F, F, STOPPED),
        row("busy:1", "a line takes very long", S, S, P, C),
        row("silence", "nothing is heard or said any more", F, I, I, I),
        row("garbage", "noise between the answers", S, S, P, C),
        row("door", "the door is opened", F, P, P, C),
        row("door_close", "the door is closed that was open", S, S, P, C),
        row("hold", "somebody presses hold on the machine", F, P, P, C),
        *(row(f"alarm:{number}", f"ALARM:{number}", F, F, F, STOPPED) for number in range(1, 10)),
        row("unplug", "the cable is pulled and stays out", I, I, I, I),
        row("unplug:0.5", "the cable is pulled and put back", UNSENT, I, I, I),
        row("replug:0.5", "the same, and the port has another tty's name", UNSENT, I, I, I),
        row("trickle:2", "it answers a byte a second, too slow for the driver", F, I, I, I),
    ),
    "octoprint": (
        row("lost", "a request is obeyed, its answer is lost", S, S, P, C),
        row("half_answer", "an answer ends in its middle", S, S, P, C),
        row("garbage", "an answer cannot be read", S, S, P, C),
        row("socket_drop:1", "the websocket is cut, and refused for a while", F, S, P, C),
        row("printer_lost:2", "the printer is gone from its server for a while", F, I, I, I),
        row("half_open:2", "connections are accepted, nothing is ever said", F, S, P, C),
        row("server_killed:1", "its server is killed and comes back", F, I, I, KILLED),
        *_NETWORK,
    ),
    "moonraker": (
        row("lost", "a request is obeyed, its answer is lost", S, S, P, C),
        row("half_answer", "an answer ends in its middle", S, S, P, C),
        row("garbage", "an answer cannot be read", S, S, P, C),
        row("socket_drop:1", "the websocket is cut, and refused for a while", F, S, P, C),
        row("printer_lost:2", "the printer is gone from its server for a while", F, F, F, F),
        row("half_open:2", "connections are accepted, nothing is ever said", F, S, P, C),
        row("server_killed:1", "Moonraker is killed and comes back; Klipper goes on", F, S, P, C),
        *_NETWORK,
    ),
    "prusalink": (
        row("lost", "a request is obeyed, its answer is lost", F, S, P, C),
        row("half_answer", "an answer ends in its middle", F, S, P, C),
        row("garbage", "an answer cannot be read", F, S, P, C),
        row("printer_lost:2", "the printer is gone from its server for a while", F, F, F, F),
        row(
            "half_open:6", "connections are accepted, nothing is said until its end was forgotten", F, I, P, C
        ),
        row("server_killed:1", "its server is killed and comes back", F, I, I, KILLED),
        *_NETWORK,
    ),
}

_HEAD = """# What becomes of a run when something goes wrong

Printed by `tests/drivers/test_fault_matrix.py`, which plays every case on the real driver and its mock: a run, the fault
at one of four moments, and the state that the run ends in. `paused` means: still paused more than ten minutes later,
because nobody has resumed it. Three things hold in every case, and the test says so: no program is begun twice, none goes
on by itself after a pause, and none is called succeeded that was not carried out whole, or failed that was.

- *starting*: the fault is there before the start is sent. A start that never reached the machine has *failed* two minutes
  later, when the machine has been seen idle; one that did reach it goes on.
- *running*, *paused*, *cancelling*: it comes in the middle of the program, in a pause, or right before a cancel.
- *interrupted*: nobody can know how it ended. It is never resumed, and never counted against whoever owns it.
"""


def _said(ends: Ends) -> str:
    return " or ".join(sorted(ends)) if isinstance(ends, frozenset) else ends.value


def page() -> str:
    """docs/faults.md."""
    parts = [_HEAD]
    for driver, rows in MATRIX.items():
        parts.append(f"\n## {driver}\n\n| fault | what it does | {' | '.join(Phase)} |\n|{'---|' * 6}\n")
        parts += [f"| `{r.kind}` | {r.words} | {' | '.join(map(_said, r.ends))} |\n" for r in rows]
    return "".join(parts)
