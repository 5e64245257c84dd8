"""A program's trial: the machine reads it in check mode ($C), where nothing moves and no beam burns.

Check mode is left by a reset, which from there costs no position. Lines that store values are left out: they would
store them even there.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum

from drivers.grbl.program import Kind, Program, Step


class Stage(StrEnum):
    """ENTERING -> READING -> LEAVING -> LOOKING; any of them may be cut short."""

    ENTERING = "entering"  # $C is sent and not acknowledged yet
    READING = "reading"
    LEAVING = "leaving"  # the reset is sent, its banner has not come
    LOOKING = "looking"  # the first report after it tells whether the machine is free


@dataclass(slots=True, kw_only=True)
class Trial:
    """Owned by the worker thread. `answer` is the start's: done when the program has begun, or is refused."""

    token: str
    read: Program  # in check mode
    program: Program  # what is then streamed, from its beginning
    commands: int  # that check mode is good for
    answer: Future[None]
    until: float  # monotonic; reading stops there, and what is left goes untried
    stage: Stage = Stage.ENTERING
    stage_until: float = 0.0
    refused: str = ""
    tried: int = 0
    finished: bool = False  # nothing is left to read

    def next(self) -> Step | None:
        """The next line for the machine to try; None when there is none now (see `finished`)."""
        try:
            step = self.read.next()
        except OSError as error:
            self.refuse(f"the program cannot be read: {error.strerror}")
            return None
        if step is None:
            self.finished = True
        elif step.kind is Kind.REFUSED:  # the file has changed since it was inspected
            self.refuse(f"line {step.line}: {step.why}")
        elif step.stores:
            self.commands -= 1
        elif step.kind is Kind.SEND:
            return step
        return None

    def refuse(self, why: str) -> None:
        self.refused = self.refused or why
        self.finished = True

    @property
    def remark(self) -> str:
        """What is to be said of a program that was not tried to its end."""
        if self.tried >= self.commands or self.tried == 0:
            return ""
        return f"the machine tried the first {self.tried} of {self.commands} lines before the start"

    def close(self) -> None:
        self.read.close()
