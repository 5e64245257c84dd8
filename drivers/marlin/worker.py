"""The thread that owns the port: it feeds the firmware, listens, and keeps the two timers of a Marlin host.

Everything that changes state runs in this thread; the device's async methods hand it orders and wait for the
answer. Two timers, because temperature reports go on after an `ok` was lost: one for silence, one for a
missing `ok`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from drivers.lines import Lines
from drivers.marlin import words
from drivers.marlin.handshake import greet
from drivers.marlin.heaters import SafeStop, Then, blind, off
from drivers.marlin.job import STATES, Job, Phase
from drivers.marlin.limits import Habits, Limits
from drivers.marlin.program import Kind, Program, Step, remaining_s
from drivers.marlin.talk import Talk, Verdict
from drivers.marlin.words import Firmware, Word
from drivers.port_thread import Journal, PortThread, promise
from fablab.base.clock import Clock
from fablab.device import (
    DeviceError,
    DeviceRefused,
    DeviceState,
    DeviceTimeout,
    Outcome,
    Safety,
    Status,
)

# Of what a machine says without being asked no more than this is kept, whatever floods in.
LONGEST_FAULT = 400
MOST_QUEUED = 64


class Worker(PortThread):
    """`job` is the last program, as far as this link knows it; `maybe_hot`: a stop was asked for that the machine has
    not confirmed."""

    def __init__(
        self,
        *,
        name: str,
        port: str,
        connect: Callable[[], Lines],
        clock: Clock,
        limits: Limits,
        habits: Habits,
        window: int,
        journal: Journal | None,
        job: Job | None,
        unsafe: bool,
    ) -> None:
        super().__init__(f"marlin {name}", connect)
        self._port = port
        self._clock = clock
        self._limits = limits
        self._habits = habits
        self._journal = journal
        self._unsafe = unsafe
        self.job = job
        self.firmware: Firmware | None = None
        self._talk = Talk(window=window)
        self._host: deque[bytes] = deque()  # commands of our own, sent before the program's next line
        self._heat: dict[str, float] = {}
        self._fault = ""
        self._message = ""
        self._step: Step | None = None  # the program's next line, prepared while the firmware takes the last
        self._last_code = b""  # of the line that is in flight
        self._readback = -1  # number of the last M105 sent
        self._safe_stop: SafeStop | None = None
        self.maybe_hot = False
        self._rebooted = False
        self._says_busy = False
        self._heard = self._moved = self._polled = self._ticked = 0.0
        self._resend_at = 0.0  # when a resend was asked for whose ok has not come yet
        self._tries = 0

    # -- for other threads ---------------------------------------------------------------------------------

    def status(self) -> Status:
        now = self._clock.now()
        with self._lock:
            job = self.job
            state = STATES[job.phase] if job else DeviceState.IDLE
            if self.lost or self._lines is None:
                state = DeviceState.OFFLINE
            elif self._fault:
                state = DeviceState.FAULT
            return Status(
                at=now,
                state=state,
                progress=job.progress(now) if job else None,
                heat_c=dict(self._heat),
                message=self._fault or self._message,
            )

    # -- the thread ----------------------------------------------------------------------------------------

    def _greet(self) -> None:
        self.ready.set_result(self._handshake().identity)

    def _let_go(self, error: DeviceError) -> None:
        if self._safe_stop:
            self._safe_stop.answer.set_result(Safety.NOT_CONFIRMED)
            self._safe_stop = None
        if self.job and self.job.live:
            self.job.program.close()
            self._note(self.job)

    def _turn(self) -> None:
        assert self._lines is not None
        self._feed()
        lines = self._lines.read(self._limits.tick_s)
        if lines:
            self._heard = now = time.monotonic()
            for line in lines:
                if line == b"ok" and not self._resend_at:
                    self._talk.ok()
                    self._moved = now
                    self._tries = 0
                else:
                    self._hear(line, now)
            if self._rebooted:
                self._restart()
        else:
            now = time.monotonic()
        self._obey_all()
        if now - self._ticked >= self._limits.tick_s:
            self._ticked = now
            self._check(now)

    # -- sending -------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        talk = self._talk
        while talk.inflight < talk.window and not self._resend_at and (not self._fault or self._safe_stop):
            if talk.resending:
                data = talk.again()
            elif self._host:
                self._send(self._host.popleft())
                continue
            elif self.job is not None and self.job.phase is not Phase.PAUSED and self.job.live:
                if not self._advance(self.job):
                    return
                continue
            else:
                return
            self._write(data)
        job = self.job
        if self._step is None and job is not None and job.phase is Phase.RUNNING:
            self._step = _next(job.program)

    def _write(self, data: bytes) -> None:
        assert self._lines is not None
        if self._talk.inflight == 1:
            self._moved = time.monotonic()  # the wait for an ok begins now
        self._lines.write(data)

    def _send(self, command: bytes) -> None:
        self._last_code = words.code(command)
        data = self._talk.new(command)
        if self._last_code == b"M105":
            self._readback = self._talk.last
            if self._safe_stop:
                self._safe_stop.number = self._talk.last
        self._write(data)

    def _advance(self, job: Job) -> bool:
        """Send the program's next line, or go on with its end; False when nothing can be sent now."""
        if job.phase is Phase.ENDING:
            if self._talk.inflight == 0:
                self._over(job.planned, job.detail)
            return False
        step = self._step or _next(job.program)
        self._step = None
        if step is None:
            self._wind_up(Outcome.DONE)
            return True
        job.line, job.offset = step.line, step.end
        if step.kind is Kind.SEND:
            self._send(step.command)
            self._note(job)
            if self._last_code == b"M73" and (left_s := remaining_s(step.command)) is not None:
                job.remaining_s, job.remaining_at = left_s, self._clock.now()
        elif step.kind is Kind.PAUSE:
            self._pause(words.plain(step.command) or "the program asks for a person")
        elif step.kind is Kind.WITHHELD:
            job.withheld += 1
            if job.withheld == 1:
                job.note(f"{words.plain(step.command)} in line {step.line} was not sent to the machine")
        else:
            job.note(f"line {step.line} {step.kind.value}")
            self._wind_up(Outcome.FAILED)
        return True

    def _wind_up(self, outcome: Outcome, extra: Iterable[str] = ()) -> None:
        """The end of a program: what is queued runs out (`ok` means queued), then heaters and fan go off.

        A program that does not end by itself has its heaters switched off first.
        """
        assert self.job is not None
        cold = off(self._heat)
        self._host.clear()
        self._host.extend([b"M400", *cold] if outcome is Outcome.DONE else [*cold, b"M400"])
        self._host.extend(line.encode() for line in extra)
        self._host.append(b"M105")  # its answer carries temperatures: no other ok can be taken for it
        self._step = None
        with self._lock:
            self.job.phase = Phase.ENDING
            self.job.planned = outcome
        self._tell()

    def _over(self, outcome: Outcome, detail: str) -> None:
        job = self.job
        if job is None or not job.live:
            return
        with self._lock:
            job.end(outcome, detail, self._clock.now())
            self._step = None
            self._message = ""
        self._note(job)
        self._tell()

    # -- hearing -------------------------------------------------------------------------------------------

    def _hear(self, line: bytes, now: float) -> None:
        word = words.classify(line)
        if self._resend_at and word is not Word.RESEND:
            self._settle_resend(word)
            if word is Word.OK:
                self._moved = now
                return
        if word is Word.OK:
            self._hear_ok(line, now)
        elif word is Word.RESEND:
            self._hear_resend(line, now)
        elif word is Word.BUSY:
            self._says_busy = True
            self._moved, self._tries = now, 0
            if b"paused" in line:
                self._say(words.plain(line).removeprefix("echo:busy: "))
        elif word is Word.WAIT:
            if self.job and self.job.live:
                self._talk.ok()
        elif word is Word.START:
            self._rebooted = True
        elif word is Word.FAULT:
            self._hear_fault(line)
        elif word is Word.NO_NUMBER:
            self._talk.ok()
        elif word is Word.ERROR:
            self._say(words.plain(line))
        elif word is Word.ACTION:
            self._hear_action(line)
        elif b":" in line:
            self._hear_heat(line)

    def _hear_ok(self, line: bytes, now: float) -> None:
        self._moved, self._tries = now, 0
        self._talk.ok()
        if b"T:" in line:
            if self._readback >= 0:
                self._talk.ok_for(self._readback)
            degrees = self._hear_heat(line)
            if self._safe_stop and self._safe_stop.number == self._readback:
                self._read_back(self._safe_stop, degrees)
            self._readback = -1
        elif (number := words.acknowledged_number(line)) is not None:
            self._talk.ok_for(number)

    def _hear_heat(self, line: bytes) -> dict[str, float]:
        degrees = words.heat(line)
        if degrees:
            with self._lock:
                self._heat = self._heat | degrees
            self._tell(soon=True)
        return degrees

    def _hear_resend(self, line: bytes, now: float) -> None:
        number = words.resend_number(line)
        if number is None:
            return  # damaged; the missing ok will be noticed
        verdict = self._talk.resend(number)
        self._moved, self._tries = now, 0
        self._resend_at = now
        if verdict is Verdict.HOPELESS:
            self._give_up(number)
        elif self._talk.sent > 100 and self._talk.resent * 10 > self._talk.sent:
            self._say("more than a tenth of all lines had to be sent again: check the cable")

    def _settle_resend(self, word: Word) -> None:
        """The ok that belongs to a resend has come, or never will: some firmware sends none."""
        self._resend_at = 0.0
        if word is Word.OK or self._talk.inflight:
            self._talk.ok()

    def _give_up(self, number: int) -> None:
        self._resend_at = 0.0
        self._write(self._talk.hello())
        if self.job and self.job.live and self.job.planned is not Outcome.FAILED:
            self.job.note(f"line {number} could not be got across to the machine")
            self._wind_up(Outcome.FAILED)

    def _hear_fault(self, line: bytes) -> None:
        text = words.plain(line).removeprefix("Error:").strip()
        if self._fault and (text in self._fault or len(self._fault) > LONGEST_FAULT):
            return
        with self._lock:
            self._fault = f"{self._fault}; {text}".removeprefix("; ")
        self._host.clear()
        if self.job and self.job.outcome is Outcome.FAILED:
            self.job.detail = self._fault  # the second line of the same fault
        self._over(Outcome.FAILED, self._fault)
        self._tell()

    def _hear_action(self, line: bytes) -> None:
        """The machine's own panel was used."""
        if len(self._host) > MOST_QUEUED:
            return  # nobody presses buttons that fast
        action, _, text = words.plain(line).split("action:", 1)[1].partition(" ")
        job = self.job
        if action in ("pause", "paused") and job and job.phase is Phase.RUNNING:
            self._pause("paused at the machine")
        elif action in ("resume", "resumed") and job and job.phase is Phase.PAUSED:
            self.resume()
        elif action == "cancel" and job and job.live:
            self.cancel()
        elif action == "notification":
            self._say(text)

    def _restart(self) -> None:
        """The firmware has booted by itself: its queue, position and targets are gone, and so is the job."""
        self._rebooted = False
        self._host.clear()
        with self._lock:
            self._fault = ""
        self._over(Outcome.FAILED, "the firmware restarted in the middle of the program")
        self._tell()
        self._unsafe = True
        self._handshake()
        if self._safe_stop:
            self._send_off()

    # -- the handshake -------------------------------------------------------------------------------------

    def _handshake(self) -> Firmware:
        """Numbers from zero, who is there, and reports switched on. Raises DeviceTimeout or Misfit."""
        assert self._lines is not None
        if self._unsafe:
            self._lines.write(blind(self._heat))
        self.firmware = greet(self._lines, self._talk, self._limits, self._interrupted, self._port)
        self._talk.forget()
        self._resend_at, self._readback, self._tries = 0.0, -1, 0
        self._heard = self._moved = self._polled = time.monotonic()
        if self.firmware.reports_heat:
            self._host.append(b"M155 S1")
        if self.firmware.says_busy:
            self._host.append(b"M113 S2")
            self._says_busy = True
        if self._unsafe:
            self._host.extend(off(self._heat))
            self._unsafe = False
        self._host.append(b"M105")
        return self.firmware

    def _interrupted(self) -> bool:
        """Asked all through a handshake, which may take long: no reason to hold a stop up."""
        if self._urgent:
            self._urgent = False
            assert self._lines is not None
            self._lines.write(blind(self._heat))
        return self._closing

    # -- timers --------------------------------------------------------------------------------------------

    def _check(self, now: float) -> None:
        if self._safe_stop and now > self._safe_stop.deadline:
            self._settle_safe_stop(Safety.NOT_CONFIRMED)
        if self._fault:
            return
        if self._resend_at and now - self._resend_at > self._limits.resend_ok_s:
            self._settle_resend(Word.OTHER)
        job = self.job
        running = job is not None and job.live
        quiet_s = self._limits.busy_silence_s if self._says_busy else self._limits.silence_s
        if self._talk.inflight:
            slow = not self._says_busy and self._last_code in words.LONG_RUNNERS
            if now - self._moved > (self._limits.long_s if slow else quiet_s):
                self._retry(now, self._limits.tries_running if running else self._limits.tries_idle)
        elif now - self._heard > quiet_s and b"M105" not in self._host:
            self._host.append(b"M105")
        if self.firmware and not self.firmware.reports_heat and now - self._polled > self._limits.poll_s:
            self._polled = now
            if b"M105" not in self._host and self._readback < 0:
                self._host.append(b"M105")

    def _retry(self, now: float, tries: int) -> None:
        """No ok in time: the same line again, and by turns a bare M105 in case the numbers stand wrong."""
        self._tries += 1
        if self._tries > tries:
            raise DeviceTimeout("the machine has stopped answering")
        self._moved = now
        if self._tries % 2 or self._talk.resending:
            self._talk.retry()
        else:
            self._talk.forget()
            self._write(self._talk.unnumbered(b"M105"))

    # -- orders, all run in this thread --------------------------------------------------------------------

    def begin(self, token: str, program: Program) -> None:
        job = self.job
        if job is not None and job.token == token:
            program.close()
            return
        try:
            if self._fault:
                raise DeviceRefused(f"the machine has stopped and needs a reset: {self._fault}")
            if job is not None and job.live:
                raise DeviceRefused("the machine is busy with another program")
            if self._safe_stop:
                raise DeviceRefused("the machine is being made safe")
        except DeviceRefused:
            program.close()
            raise
        with self._lock:
            self.job = Job(token=token, program=program, began_at=self._clock.now())
            self._message = ""
        self._tell()

    def pause(self) -> None:
        if self._job_in(Phase.RUNNING, Phase.PAUSED).phase is Phase.RUNNING:
            self._pause("")

    def _pause(self, message: str) -> None:
        assert self.job is not None
        with self._lock:
            self.job.phase = Phase.PAUSED
            self._message = message
        self._host.append(b"M400")
        self._host.extend(line.encode() for line in self._habits.on_pause)
        self._tell()

    def resume(self) -> None:
        job = self._job_in(Phase.RUNNING, Phase.PAUSED)
        if job.phase is Phase.PAUSED:
            self._host.extend(line.encode() for line in self._habits.on_resume)
            with self._lock:
                job.phase = Phase.RUNNING
                self._message = ""
            self._tell()

    def cancel(self) -> None:
        job = self._job_in(Phase.RUNNING, Phase.PAUSED, Phase.ENDING)
        if job.phase is Phase.ENDING:
            return  # it is ending already, by itself or by an earlier cancel
        self._cut_short()
        self._wind_up(Outcome.CANCELLED, self._habits.on_cancel)

    def _job_in(self, *phases: Phase) -> Job:
        job = self.job
        if self._fault:
            raise DeviceRefused(f"the machine has stopped and needs a reset: {self._fault}")
        if job is None or job.phase not in phases:
            raise DeviceRefused("the program is just ending" if job and job.live else "no program is running")
        return job

    def _cut_short(self) -> None:
        """What may jump the queue, with an emergency parser only: M108 ends a heat wait, M410 the motion."""
        if self.firmware is None or not self.firmware.emergency_parser:
            return
        if self._talk.inflight and self._last_code in words.HEAT_WAITS:
            self._write(self._talk.unnumbered(b"M108"))
        if self._habits.quick_stop:
            self._write(self._talk.unnumbered(b"M410"))

    def make_safe(self) -> Future[Safety]:
        """Heaters and fan off before anything else; the future knows what the machine then said."""
        if self._safe_stop is None:
            self._over(Outcome.CANCELLED, "stopped: the machine was made safe")
            self._safe_stop = SafeStop(promise(), time.monotonic() + self._limits.safe_s)
            self.maybe_hot = True
            self._host.clear()
            self._resend_at = 0.0
            self._urgent = False
            self._cut_short()
            assert self._lines is not None
            self._lines.write(blind(self._heat))
            self._talk.forget()  # neither a lost ok nor a pending resend may hold these up
            self._write(self._talk.hello())
            self._send_off()
        return self._safe_stop.answer

    def _send_off(self) -> None:
        self._host.extend([*off(self._heat), b"M105"])

    def _read_back(self, stop: SafeStop, degrees: dict[str, float]) -> None:
        then = stop.hear(degrees, time.monotonic(), spare_s=self._limits.tick_s)
        if then is Then.CONFIRMED:
            self._settle_safe_stop(Safety.CONFIRMED)
        elif then is Then.ASK_AGAIN:
            self._host.append(b"M105")
        elif then is Then.SEND_AGAIN:
            self._send_off()

    def _settle_safe_stop(self, safety: Safety) -> None:
        stop, self._safe_stop = self._safe_stop, None
        assert stop is not None
        self.maybe_hot = safety is not Safety.CONFIRMED
        emergency = self.firmware is not None and self.firmware.emergency_parser
        if safety is not Safety.CONFIRMED and self._habits.kill and emergency:
            self._write(self._talk.unnumbered(b"M112"))
        stop.answer.set_result(safety)

    # -- telling -------------------------------------------------------------------------------------------

    def _say(self, message: str) -> None:
        with self._lock:
            self._message = message
        self._tell(soon=True)

    def _note(self, job: Job) -> None:
        """A full disk must not spoil a print."""
        if self._journal:
            try:
                self._journal(job.line, job.offset)
            except OSError as error:
                self._message = f"the position in the program could not be written down: {error}"


def _next(program: Program) -> Step | None:
    try:
        return program.next()
    except OSError as error:
        return Step(Kind.UNREADABLE, str(error).encode(), program.line + 1, program.end)
