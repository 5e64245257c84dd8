"""A program's trial: the machine reads it in check mode ($C), where nothing moves and no beam burns.

Check mode is left by a reset, which from there costs no position. Lines that store values are left out: they would
store them even there. No wire and no clock in here; the worker tells what comes and what time it is.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from drivers.grbl import meanings, words
from drivers.grbl.job import obstacle
from drivers.grbl.limits import Limits
from drivers.grbl.program import Kind, Program, Step
from drivers.grbl.talk import Origin, Sent, Talk
from drivers.grbl.words import Report


class Stage(StrEnum):
    """ASKING -> CLEARING -> ENTERING -> READING -> LEAVING -> LOOKING; any of them may be cut short."""

    ASKING = "asking"  # is it at rest this very moment? A reset in motion would cost the position
    CLEARING = "clearing"  # a reset, so that it begins as the program will: no feed rate from the last one
    ENTERING = "entering"  # $C is sent and not acknowledged yet
    READING = "reading"
    LEAVING = "leaving"  # the reset is sent, its banner has not come
    LOOKING = "looking"  # the first report after it tells whether the machine is free


@dataclass(slots=True, kw_only=True)
class Trial:
    """Owned by the worker thread. `answer` is the start's: done when the program has begun, or is refused.

    `verdict` is None until it is known, "" when the program may begin, else why it may not. `until`, on the
    monotonic clock: reading stops there, and what is left goes untried. `deadline`, on the lab's: after it nothing begins.
    """

    token: str
    read: Program  # in check mode
    program: Program  # what is then streamed, from its beginning
    commands: int  # that check mode is good for
    answer: Future[None]
    until: float
    limits: Limits
    talk: Talk
    send: Callable[[Sent], None]
    ask: Callable[[], None]
    reset: Callable[[], None]
    deadline: datetime | None = None
    stage: Stage = Stage.ASKING
    late_at: float = 0.0  # when this stage has taken too long
    verdict: str | None = None
    stuck: bool = False  # the machine is in a state nobody knows
    tried: int = 0
    _refused: str = ""
    _step: Step | None = None
    _read_all: bool = False

    def begin(self, now: float) -> None:
        self.late_at = now + self.limits.hello_s
        self.ask()

    def feed(self, now: float) -> None:
        """As many lines as fit."""
        while self.stage is Stage.READING and not self._read_all:
            if now > self.until:
                self._read_all = True
                break
            step, self._step = self._step or self._next(), None
            if step is None:
                break
            flying = self.talk.flying
            if not self.talk.fits(step.command) or (flying and (step.alone or flying[-1].alone)):
                self._step = step
                return
            self.send(step.sent(Origin.TRIAL))
            self.late_at = now + self.limits.check_s
        if self.stage is Stage.READING and self._read_all and not self.talk.flying:
            self._leave(now)

    def _next(self) -> Step | None:
        try:
            step = self.read.next()
        except OSError as error:
            self._refuse(f"the program cannot be read: {error.strerror}")
            return None
        if step is None:
            self._read_all = True
        elif step.kind is Kind.REFUSED:  # the file has changed since it was inspected
            self._refuse(f"line {step.line}: {step.why}")
        elif step.stores:
            self.commands -= 1
        elif step.kind is Kind.SEND:
            return step
        return None

    def hear_answer(self, sent: Sent, error: int, now: float) -> None:
        if sent.origin is Origin.TRIAL:
            self.tried += 1
            self.late_at = now + self.limits.check_s
            if error:
                self._refuse(complaint(sent, error))
                self._leave(now)
        elif sent.command == b"$C" and self.stage is Stage.ENTERING:
            if error:
                self.verdict = f"the machine does not check programs now: {meanings.error(error)}"
            else:
                self.stage = Stage.READING

    def hear_alarm(self, number: int, now: float) -> None:
        """A move beyond the travel is an alarm even in check mode; it is about the oldest line on its way."""
        sent = next(iter(self.talk.flying), None)
        where = f"line {sent.line} ({words.plain(sent.command)}): " if sent and sent.line else ""
        self._refuse(f"{where}{meanings.alarm(number)}; {meanings.trial_advice(number)}")
        self._leave(now)

    def hear_banner(self, now: float) -> None:
        if self.stage is Stage.CLEARING:
            self.stage = Stage.ENTERING
            self.late_at = now + self.limits.check_s
            self.send(Sent(command=b"$C", origin=Origin.OURS))
        elif self.stage is Stage.LEAVING:
            self.stage = Stage.LOOKING
            self.late_at = now + self.limits.reset_s
        else:
            self.verdict = "the machine restarted while it checked the program"

    def hear_report(self, report: Report, alarm: int, now: float) -> None:
        if self.stage is Stage.LOOKING:
            self.verdict = self._refused or obstacle(report, alarm)
        elif self.stage is Stage.ASKING:
            self.verdict = obstacle(report, alarm) or None
            if self.verdict is None:
                self.stage = Stage.CLEARING
                self.late_at = now + self.limits.reset_s
                self.reset()

    def tick(self, now: float) -> None:
        waits = self.stage is not Stage.READING or bool(self.talk.flying)
        if waits and now > self.late_at and self.verdict is None:
            self.verdict = self._refused or "the machine did not finish checking the program"
            self.stuck = True

    @property
    def listens(self) -> bool:
        """Lines of ours are on their way, and would be answered at once."""
        return self.stage in (Stage.ENTERING, Stage.READING) and bool(self.talk.flying)

    @property
    def resets(self) -> bool:
        """A banner is due by our own doing."""
        return self.stage in (Stage.CLEARING, Stage.LEAVING)

    @property
    def remark(self) -> str:
        """What is to be said of a program that was not tried to its end."""
        if self.tried >= self.commands:
            return ""
        return f"the machine tried the first {self.tried} of {self.commands} lines before the start"

    def close(self) -> None:
        """Of the program only what was tried; the other half goes on with the job."""
        self.read.close()

    def too_late(self, now: datetime) -> str:
        """Why it may not begin any more, by the lab's clock; "" when it may."""
        if self.deadline is None or now < self.deadline:
            return ""
        return f"the start of {self.token} came after its deadline and was dropped"

    def _refuse(self, why: str) -> None:
        self._refused = self._refused or why
        self._read_all = True

    def _leave(self, now: float) -> None:
        if self.stage not in (Stage.LEAVING, Stage.LOOKING):
            self.stage = Stage.LEAVING
            self.late_at = now + self.limits.reset_s
            self.reset()


def complaint(sent: Sent, error: int) -> str:
    """For a person: where in the program, and what the machine says of it."""
    what = words.plain(sent.command)
    if sent.origin is Origin.CLOSING:
        return f"{what} after the program: {meanings.error(error)}"
    return f"line {sent.line} ({what}): {meanings.error(error)}"
