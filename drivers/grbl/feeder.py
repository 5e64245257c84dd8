"""The program on its way into the machine's buffer: the next line where it fits, and the closing lines at its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from drivers.grbl.job import Job, Phase
from drivers.grbl.pace import Pace
from drivers.grbl.program import Kind, Program, Step
from drivers.grbl.talk import Origin, Sent, Talk

_CLOSING = (b"M5", b"G4 P0.01")  # the wait is acknowledged only when all moves before it are made


class Feeder:
    """`send` puts a line on the wire and into `talk`."""

    def __init__(self, talk: Talk, send: Callable[[Sent], None]) -> None:
        self._talk = talk
        self._send = send
        self._pace = Pace()
        self._step: Step | None = None  # the program's next line, read and not sent yet
        self._closings: deque[bytes] = deque()

    @property
    def spent(self) -> bool:
        """Of what closes the program nothing is left to be sent."""
        return not self._closings

    def begin(self, pace: Pace) -> None:
        self._closings.clear()
        self._pace = pace

    def clear(self) -> None:
        """Nothing more is sent of this program."""
        self._step = None
        self._closings.clear()

    def feed(self, job: Job) -> str:
        """As much as fits. Why the program cannot go on; empty while it can."""
        while job.phase is Phase.FEEDING:
            fed, why = self._feed_line(job)
            if why:
                return why
            if not fed:
                break
        while self._closings and self._talk.fits(self._closings[0]):
            self._send(
                Sent(command=self._closings.popleft(), origin=Origin.CLOSING, line=job.line, end=job.offset)
            )
        return ""

    def _feed_line(self, job: Job) -> tuple[bool, str]:
        """Whether a line was sent, and what forbids the program to go on."""
        flying = self._talk.flying
        if flying and flying[-1].alone:
            return False, ""
        step = self._step or _next(job.program)
        self._step = step
        if step is None:
            job.phase = Phase.CLOSING
            self._closings.extend(_CLOSING)
            return False, ""
        if step.kind is Kind.NOTHING:
            self._step = None
            return False, ""
        if step.kind is Kind.REFUSED:
            return False, f"line {step.line}: {step.why}"
        if not self._talk.fits(step.command) or (step.alone and flying):
            return False, ""
        self._step = None
        self._send(step.sent(Origin.PROGRAM, self._pace.takes_s(step.command)))
        return True, ""


def _next(program: Program) -> Step | None:
    try:
        return program.next()
    except OSError as error:
        why = f"it could not be read from the file: {error.strerror}"
        return Step(Kind.REFUSED, b"", program.line + 1, program.end, why)
