"""Character counting: how much of the machine's receive buffer is taken by lines it has not acknowledged yet.

No wire and no clock in here. A GRBL that is sent too much loses bytes without a word, so what is counted is
every byte up to and including the line end; realtime bytes are taken out before the buffer and are not counted.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

BUFFER = 128  # bytes; what a GRBL has that does not say so in $I
_PLANNER = 16  # moves the planner of a GRBL holds
LONGEST_LINE = 79  # characters; the line buffer holds 80 with its terminating zero
_PLAIN = re.compile(rb"[\x20-\x7d]*")  # neither ~ nor anything beyond ASCII or below the space
_REALTIME = re.compile(rb"[!?]")

HOLD = b"!"
GO = b"~"
ASK = b"?"
RESET = b"\x18"


class Origin(StrEnum):
    PROGRAM = "program"
    CLOSING = "closing"  # what follows a program's last line, before it counts as done
    TRIAL = "trial"  # the program's lines in check mode
    OFF = "off"  # M5 of a stop
    MARK = "mark"  # a question whose own answer tells what was acknowledged before it
    OURS = "ours"  # other questions; an error in answer to them fails nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A line on its way. `line` and `end` say where it stands in the program's file."""

    command: bytes
    origin: Origin
    line: int = 0
    end: int = 0
    takes_s: float = 0.0
    alone: bool = False  # nothing is sent before it is acknowledged


def frame(command: bytes) -> bytes:
    """The bytes of a line for the wire: the last door. Raises ValueError rather than let a byte through that the
    machine would obey at once, or two lines as one."""
    if len(command) > LONGEST_LINE or not _PLAIN.fullmatch(command) or _REALTIME.search(command):
        raise ValueError(f"not to be sent to a machine: {command[:40]!r}")
    return command + b"\n"


class Talk:
    """What is on its way, oldest first; answers come in the same order."""

    def __init__(self, buffer: int = BUFFER) -> None:
        self.flying: deque[Sent] = deque()
        self._size = buffer - 1
        self._taken = 0
        self._queued: deque[float] = deque(
            maxlen=_PLANNER
        )  # s; what is acknowledged but perhaps not yet made

    @property
    def owed_s(self) -> float:
        """What the moves may take that are on their way, or acknowledged and still in the machine's planner."""
        return sum(sent.takes_s for sent in self.flying) + sum(self._queued)

    def resize(self, buffer: int) -> None:
        """`buffer` as told by $I; nonsense is not believed."""
        self._size = (buffer if LONGEST_LINE < buffer <= 65536 else BUFFER) - 1

    def fits(self, command: bytes) -> bool:
        return self._taken + len(command) + 1 <= self._size

    def send(self, sent: Sent) -> bytes:
        data = frame(sent.command)
        self.flying.append(sent)
        self._taken += len(data)
        return data

    def answered(self) -> Sent | None:
        """The line an `ok` or `error:n` speaks of; None for an answer nobody waits for."""
        if not self.flying:
            return None
        sent = self.flying.popleft()
        self._taken -= len(sent.command) + 1
        if sent.takes_s:
            self._queued.append(sent.takes_s)
        return sent

    def marked(self) -> list[Sent]:
        """The mark's own answer has come: the lines before it whose acknowledgements were lost."""
        if all(sent.origin is not Origin.MARK for sent in self.flying):
            return []
        lost: list[Sent] = []
        while self.flying[0].origin is not Origin.MARK and (sent := self.answered()):
            lost.append(sent)
        return lost

    def unmark(self) -> None:
        """A mark whose own answer was lost stops nothing: nobody waits for it any more."""
        lost = [sent for sent in self.flying if sent.origin is Origin.MARK]
        self._taken -= sum(len(sent.command) + 1 for sent in lost)
        self.flying = deque(sent for sent in self.flying if sent.origin is not Origin.MARK)

    def forget(self) -> None:
        """The machine was reset: its buffer is empty."""
        self.flying.clear()
        self._queued.clear()
        self._taken = 0
