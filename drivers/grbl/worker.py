"""The thread that owns the port: it feeds the laser, listens, asks how it is, and stops it.

Everything that changes state runs in this thread; the device's async methods hand it orders, which wake it at
once, and wait for the answer. What the machine does is never assumed: paused, going on, stopped and done are what
its status says after the byte that asked for it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from pathlib import Path

from drivers.grbl import meanings, words
from drivers.grbl.feeder import Feeder
from drivers.grbl.handshake import Haste, greet
from drivers.grbl.job import Job, Phase, look, obstacle
from drivers.grbl.limits import Limits
from drivers.grbl.pace import Pace
from drivers.grbl.program import Findings, Program
from drivers.grbl.stop import Act, Leg, Stop
from drivers.grbl.talk import ASK, HOLD, RESET, Origin, Sent, Talk
from drivers.grbl.trial import Trial, complaint
from drivers.grbl.waits import Waits
from drivers.grbl.words import Report, Setup, State, Word
from drivers.lines import Lines
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

_DWELL = re.compile(rb"G0*4(?![\d.])", re.IGNORECASE)
_SLOWEST = 10  # a feed override goes down to a tenth
_DARK_S = 0.5  # a held GRBL in laser mode switches its beam off at once; one report may be from before
_MARK_STALLS = 3  # an unanswered mark is given so many stalls before it counts as lost itself


class Worker(PortThread):
    """`job` is the last program, as far as this link knows it; `unanswered`: the machine could not be asked who it is."""

    def __init__(
        self,
        *,
        name: str,
        port: str,
        connect: Callable[[], Lines],
        clock: Clock,
        limits: Limits,
        journal: Journal | None,
        job: Job | None,
    ) -> None:
        super().__init__(f"grbl {name}", connect)
        self._port = port
        self._clock = clock
        self._limits = limits
        self._journal = journal
        self.unanswered = False
        self.job = job
        self._talk = Talk()
        self._setup = Setup()
        self._asked_setup = False
        self._feeder = Feeder(self._talk, self._send)
        self._waits = Waits(limits, write=self._write, tell=self._tell)
        self._report: Report | None = None
        self._idle_at = 0.0  # since when every report has said Idle; 0 when the last did not
        self._held_at = 0.0  # since when every report has said that it is held and stands still
        self._alarm = 0
        self._trial: Trial | None = None
        self._stopping: Stop | None = None
        self._stop_as: tuple[Outcome, str] | None = None  # how the program will have ended by it
        self._stop_answers: list[Future[Safety]] = []
        self._heard = self._moved = self._asked = self._ticked = self._marked_at = 0.0
        self._unwritten = False  # the journal would not take a position
        self._silent = 0  # status questions since anything came

    # -- for other threads ---------------------------------------------------------------------------------

    def status(self) -> Status:
        now = self._clock.now()
        with self._lock:
            job = self.job
            state, message = self._look(job)
            if self.lost or self._lines is None or not self.ready.done():
                state, message = DeviceState.OFFLINE, ""
            return Status(at=now, state=state, progress=job.progress(now) if job else None, message=message)

    def _look(self, job: Job | None) -> tuple[DeviceState, str]:
        live = job is not None and job.live
        state, message = look(self._report, self._alarm, program=live, ours=self._waits.ours)
        if self._stopping is not None and live:
            return DeviceState.RUNNING, "stopping"  # how it ends is not known before the stop is read back
        if self._stopping is not None:
            return state, message or "stopping"
        trial = self._trial  # asked once: the thread may drop it while we speak of it
        if trial is not None:
            return DeviceState.IDLE, f"checking the program: {trial.tried} of {trial.commands} lines"
        if state is DeviceState.IDLE and not message and self._setup.laser_mode is False:
            message = "laser mode is off ($32=0): no program with a beam is taken; set $32=1 on the machine"
        return state, message

    # -- the thread ----------------------------------------------------------------------------------------

    def _asked_of_us(self) -> Haste:
        """What the handshake has to heed; a stop is told once."""
        if self._closing:
            return Haste.CLOSE
        urgent, self._urgent = self._urgent, False
        return Haste.STOP if urgent else Haste.NONE

    def _greet(self) -> None:
        assert self._lines is not None
        firmware = greet(self._lines, self._limits, self._asked_of_us, self._port)
        now = time.monotonic()
        self._heard = self._moved = now
        self.unanswered = bool(firmware.unanswered)
        self._setup, self._asked_setup = firmware.setup, not firmware.unanswered
        self._talk.resize(firmware.rx)
        for command in firmware.unanswered:
            # It is in the machine's buffer already.
            self._talk.send(Sent(command=command, origin=Origin.OURS))
        self._alarm = firmware.alarm
        if firmware.report is not None:
            self._see(firmware.report, now)
        self.ready.set_result(firmware.identity)
        self._send(Sent(command=b"M5", origin=Origin.OURS))

    def _let_go(self, error: DeviceError) -> None:
        if self.job and self.job.live:
            self.job.program.close()
        for waiting in self._stop_answers:
            waiting.set_result(Safety.NOT_CONFIRMED)
        self._waits.let_go(error)
        if self._trial is not None:
            self._drop(self._trial, error)

    def _turn(self) -> None:
        assert self._lines is not None
        self._obey_all()
        self._feed()
        lines = self._lines.read(self._limits.tick_s)
        now = time.monotonic()
        if lines:
            self._heard, self._silent = now, 0
            for line in lines:
                self._hear(line, now)
        if now - self._ticked >= self._limits.tick_s:
            self._ticked = now
            self._check(now)

    # -- sending -------------------------------------------------------------------------------------------

    def _send(self, sent: Sent) -> None:
        if not self._talk.flying:
            self._moved = time.monotonic()  # the wait for an answer begins now
        self._write(self._talk.send(sent))

    def _write(self, data: bytes) -> None:
        assert self._lines is not None
        self._lines.write(data)

    def _ask(self, now: float) -> None:
        self._asked = now
        self._silent += 1
        self._write(ASK)

    def _feed(self) -> None:
        if self._stopping is not None:
            return
        if self._trial is not None:
            self._trial.feed(time.monotonic())
            return
        job = self.job
        if job is None or not job.streaming or self._waits.pausing or (self._report and self._report.held):
            return
        if why := self._feeder.feed(job):
            self._fail(why)

    # -- hearing -------------------------------------------------------------------------------------------

    def _hear(self, line: bytes, now: float) -> None:
        word = words.classify(line)
        if word is Word.OK:
            self._hear_answer(0, now)
        elif word is Word.ERROR:
            self._hear_answer(words.number(line), now)
        elif word is Word.STATUS:
            if report := words.report(line):
                self._see(report, now)
        elif word is Word.ALARM:
            self._hear_alarm(words.number(line))
        elif word is Word.BANNER:
            self._hear_banner(now)
        elif word is Word.SETTING and (told := words.setting(line)):
            self._setup = Setup(values={**self._setup.values, told[0]: told[1]})
        elif word is Word.INFO and line.startswith(b"[OPT:"):
            self._talk.resize(words.build([line]).rx)
        elif word is Word.INFO and line.startswith(b"[GC:") and (lost := self._talk.marked()):
            self._miss(lost, now)

    def _hear_answer(self, error: int, now: float) -> None:
        sent = self._talk.answered()
        if sent is None:
            return
        self._moved = now
        if sent.origin is Origin.OFF and self._stopping is not None:
            self._stopping.hear_answer(ok=not error)
        elif sent.origin in (Origin.TRIAL, Origin.OURS) and self._trial is not None:
            self._trial.hear_answer(sent, error, now)
            self._settle_trial()
            if sent.origin is Origin.TRIAL:
                self._tell(soon=True)
        elif sent.origin in (Origin.PROGRAM, Origin.CLOSING) and self.job is not None and self.job.streaming:
            if error:
                self._fail(complaint(sent, error))
                return
            self._taken(self.job, sent)

    def _miss(self, lost: list[Sent], now: float) -> None:
        """Acknowledgements of these were lost on the wire."""
        self._moved = now
        job, trial = self.job, self._trial
        if trial is not None:
            for sent in lost:
                trial.hear_answer(sent, 0, now)
            self._settle_trial()
        if job is None or not job.streaming:
            return
        if job.lost_oks == 0:
            job.note("an acknowledgement was lost on the wire; check the cable")
        job.lost_oks += len(lost)
        told = [sent for sent in lost if sent.origin is Origin.PROGRAM]
        if told:
            self._taken(job, told[-1])

    def _hear_alarm(self, number: int) -> None:
        with self._lock:
            self._alarm = number
            self._report = Report(state=State.ALARM)
        self._idle_at = 0.0
        why = meanings.alarm(number)
        if self._stopping is not None:
            if self._stopping.leg is Leg.HOLDING:  # nothing moves any more; and there may be no report of it
                self._do(self._stopping.hear_report(Report(state=State.ALARM), time.monotonic()))
            if self._stop_as and number == 3:
                self._stop_as = (self._stop_as[0], f"{self._stop_as[1]}; {why}".removeprefix("; "))
        elif self._trial is not None:
            self._trial.hear_alarm(number, time.monotonic())
        elif (self.job and self.job.live) or number in meanings.CRITICAL:
            self._halt(Outcome.FAILED, why, first=Leg.RESETTING)
        self._tell()

    def _hear_banner(self, now: float) -> None:
        """A reset empties the machine's buffers, whoever ordered it."""
        self._talk.forget()
        self._moved = now
        self._idle_at = 0.0
        self._waits.ours = False
        stop, trial = self._stopping, self._trial
        if stop is not None:
            self._do(stop.hear_banner(now))
        elif trial is not None and trial.resets:
            trial.hear_banner(now)
            self._ask(now)
        else:
            if trial is not None:
                trial.hear_banner(now)
                self._settle_trial()
            self._halt(
                Outcome.FAILED, "the machine restarted in the middle of the program", first=Leg.READING
            )

    # -- what the machine says of itself ----------------------------------------------------------------------

    def _see(self, report: Report, now: float) -> None:
        if report.state is State.IDLE:
            self._idle_at = self._idle_at or now
        else:
            self._idle_at = 0.0
        if report.held:
            self._moved = now  # no acknowledgement can come
        with self._lock:
            before, self._report = self._report, report
            if report.state is not State.ALARM:
                self._alarm = 0
            if not report.held and not self._waits.pausing:
                self._waits.ours = False
        if self._stopping is not None:
            self._do(self._stopping.hear_report(report, now))
        elif self._trial is not None:
            self._trial.hear_report(report, self._alarm, now)
            self._settle_trial()
        self._waits.settle(report)
        self._held_at = (self._held_at or now) if report.held and report.still else 0.0
        if self.job is not None and self.job.streaming:
            self._see_program(self.job, report, now)
        if not self._asked_setup and report.state is State.IDLE and not self._talk.flying:
            self._asked_setup = True
            self._send(Sent(command=b"$I", origin=Origin.OURS))
            self._send(Sent(command=b"$$", origin=Origin.OURS))
        if before is None or (before.state, before.part) != (report.state, report.part):
            self._tell()

    def _see_program(self, job: Job, report: Report, now: float) -> None:
        sent_all = job.phase is Phase.CLOSING and self._feeder.spent and not self._talk.flying
        if sent_all and report.state is State.IDLE:
            self._over(Outcome.DONE)
        elif report.state in (State.ALARM, State.SLEEP):  # the line that told why was lost
            why = meanings.alarm(self._alarm) if self._alarm else f"the machine says {report.state.value}"
            self._halt(Outcome.FAILED, why, first=Leg.RESETTING)
        elif report.output_on and self._held_at and now - self._held_at > _DARK_S:
            # Whether a hold darkens the beam is an option of the firmware's build; one that burns on makes a fire.
            self._halt(Outcome.FAILED, "the beam stayed on while the head stood still", first=Leg.RESETTING)

    # -- timers --------------------------------------------------------------------------------------------

    def _check(self, now: float) -> None:
        if self._stopping is not None:
            self._do(self._stopping.tick(now))
        if self._trial is not None:
            if self._trial.listens and now - self._moved > self._limits.stall_s:
                self._mark(now)
            self._trial.tick(now)
            self._settle_trial()
        self._waits.tick(now)
        eager = self._stopping or self._trial or self._waits.open or (self.job and self.job.live)
        if now - self._asked >= (self._limits.poll_s if eager else self._limits.idle_poll_s):
            self._ask(now)
        self._check_life(now)
        job = self.job
        if job is not None and job.streaming:
            self._check_answers(now)

    def _check_life(self, now: float) -> None:
        """Dead only after several questions that nothing at all answered; a homing machine answers none."""
        homing = self._report is not None and self._report.state is State.HOME
        patience_s = self._limits.homing_s if homing else self._limits.silence_s
        if (
            self._silent > self._limits.silent_polls
            and now - self._heard > patience_s
            and self._stopping is None
        ):
            raise DeviceTimeout("the machine has stopped answering")

    def _check_answers(self, now: float) -> None:
        flying = self._talk.flying
        if not flying or self._stopping is not None:
            return
        quiet_s = now - self._moved
        if quiet_s > self._limits.line_s + _SLOWEST * self._talk.owed_s:
            raise DeviceTimeout("the machine takes no more lines")
        dwell_s = sum(sent.takes_s for sent in flying if _DWELL.search(sent.command))
        stall_s = self._limits.stall_s + dwell_s
        idle = self._idle_at and now - self._idle_at > stall_s
        if idle and quiet_s > stall_s:
            self._mark(now)

    def _mark(self, now: float) -> None:
        """Ask something whose answer tells which acknowledgements were lost. What reads its lines at once has an empty
        buffer, so that this fits whatever our count says. That answer may be lost as well: then it is asked again."""
        if any(sent.origin is Origin.MARK for sent in self._talk.flying):
            if now - self._marked_at < _MARK_STALLS * self._limits.stall_s:
                return
            self._talk.unmark()
        self._marked_at = now
        self._send(Sent(command=b"$G", origin=Origin.MARK))

    # -- the trial in check mode -----------------------------------------------------------------------------

    def _settle_trial(self) -> None:
        """Begin, or say why not, once the trial knows."""
        trial = self._trial
        if trial is None or trial.verdict is None:
            return
        if why := trial.verdict or trial.too_late(self._clock.now()):
            self._drop(trial, DeviceRefused(why))
            if trial.stuck:
                self._halt(Outcome.FAILED, "", first=Leg.RESETTING)
            return
        self._trial = None
        trial.close()
        job = Job(token=trial.token, program=trial.program, began_at=self._clock.now())
        if trial.remark:
            job.note(trial.remark)
        self._feeder.begin(Pace(self._setup.rapid_mm_s))
        self._moved = time.monotonic()
        with self._lock:
            self.job = job
        trial.answer.set_result(None)
        self._tell()

    def _drop(self, trial: Trial, why: DeviceError) -> None:
        self._trial = None
        trial.close()
        trial.program.close()
        trial.answer.set_exception(why)
        self._tell()

    # -- the stop --------------------------------------------------------------------------------------------

    def _halt(self, outcome: Outcome, why: str, *, first: Leg | None = None) -> Stop:
        """Begin a stop, or join the one under way. `why` is what will be told of a program that ends by it."""
        if self._stopping is not None:
            return self._stopping
        if self._trial is not None:
            self._drop(self._trial, DeviceRefused(f"stopped before {self._trial.token} had begun"))
            first = first or Leg.RESETTING  # check mode knows no hold
        if first is None:
            locked = self._report is not None and self._report.state is State.ALARM
            first = Leg.RESETTING if locked else Leg.HOLDING
        now = time.monotonic()
        self._feeder.clear()
        self._stop_as = (outcome, why)
        self._stopping = stop = Stop(self._limits, now, first=first)
        self._do(stop.begin())
        if self.job is not None and self.job.live:
            with self._lock:
                self.job.phase = Phase.STOPPING
        self._waits.give_up("the machine is being stopped")
        self._tell()
        return stop

    def _fail(self, why: str) -> None:
        self._halt(Outcome.FAILED, why)

    def _do(self, act: Act) -> None:
        if act is Act.HOLD:
            self._write(HOLD)
        elif act is Act.RESET:
            self._write(RESET)
        elif act is Act.OFF and self._talk.fits(b"M5"):
            self._send(Sent(command=b"M5", origin=Origin.OFF))
        if self._stopping is not None and self._stopping.over:
            self._stopped(self._stopping)

    def _stopped(self, stop: Stop) -> None:
        """How the program ended is known before anybody is told that the beam is off."""
        ending, self._stop_as = self._stop_as, None
        safety = stop.safety or Safety.NOT_CONFIRMED
        answers, self._stop_answers = self._stop_answers, []
        # Nobody knows what a silent one did with our bytes; the program is as lost as the machine is.
        silent = safety is not Safety.CONFIRMED and time.monotonic() - self._heard > self._limits.reset_s
        job = self.job
        if ending is not None and not silent and job is not None and job.live:
            outcome, why = ending
            if why:
                job.note(why)
            if safety is not Safety.CONFIRMED:
                job.note("beam off was NOT confirmed")
            self._over(outcome)
        self._stopping = None
        for answer in answers:
            answer.set_result(safety)
        if silent:
            raise DeviceTimeout("the machine does not answer a stop")
        self._tell()

    def _over(self, outcome: Outcome) -> None:
        job = self.job
        if job is None or not job.live:
            return
        with self._lock:
            job.end(outcome, self._clock.now())
            self._stopping = None
            self._feeder.clear()
            self._waits.ours = False
        self._tell()

    # -- orders, all run in this thread --------------------------------------------------------------------

    def begin(
        self, token: str, path: Path, findings: Findings, deadline: datetime | None = None
    ) -> Future[None]:
        """Check mode first; the future is done when the program runs. Raises DeviceRefused."""
        answer: Future[None] = promise()
        if self.job is not None and self.job.token == token:
            answer.set_result(None)
            return answer
        if self._trial is not None and self._trial.token == token:
            return self._trial.answer
        if why := self._objection(findings):
            raise DeviceRefused(why)
        try:
            read, program = Program(path), Program(path)
        except OSError as error:
            raise DeviceRefused(f"the program cannot be read: {error.strerror}") from error
        now = time.monotonic()
        self._trial = Trial(
            token=token,
            read=read,
            program=program,
            commands=findings.commands,
            answer=answer,
            until=now + self._limits.check_s,
            deadline=deadline,
            limits=self._limits,
            talk=self._talk,
            send=self._send,
            ask=lambda: self._ask(time.monotonic()),
            reset=partial(self._write, RESET),
        )
        self._trial.begin(now)
        self._tell()
        return answer

    def _objection(self, findings: Findings) -> str:
        if self._stopping is not None:
            return "the machine is being stopped"
        if self._trial is not None or (self.job is not None and self.job.live):
            return "the machine is busy with another program"
        if why := obstacle(self._report, self._alarm):
            return why
        if findings.beam and self._setup.laser_mode is not True:
            if self._setup.laser_mode is None:
                return "the machine has not told its settings, so nobody knows whether it is in laser mode"
            return (
                "laser mode is off ($32=0): the beam would go on burning while the head stands still; "
                "a person must set $32=1 on the machine first"
            )
        return ""

    def pause(self) -> Future[None]:
        """Done when the head stands still."""
        job = self._live_job()
        if not job.streaming:
            raise DeviceRefused("the program is just ending")
        return self._waits.pause(self._report)

    def resume(self) -> Future[None]:
        """Done when the machine says that it goes on. Also lets go of a hold that somebody set without a program."""
        report = self._report
        if self._stopping is not None:
            raise DeviceRefused("the machine is being stopped")
        if report is None or not report.held:
            self._live_job()
            if self._waits.pausing:
                raise DeviceRefused("the machine is still slowing down to a hold")
            answer: Future[None] = promise()
            answer.set_result(None)
            return answer
        if not report.ready:
            door = report.state is State.DOOR
            raise DeviceRefused(
                "the door is open; close it and press resume" if door else "the machine is still slowing down"
            )
        return self._waits.go_on()

    def cancel(self) -> None:
        """The outcome comes when the beam is read back as off."""
        if self._trial is not None:
            self._halt(Outcome.CANCELLED, "")
            return
        if self._live_job().streaming:
            self._halt(Outcome.CANCELLED, "")

    def make_safe(self) -> Future[Safety]:
        answer: Future[Safety] = promise()
        self._halt(Outcome.CANCELLED, "stopped: the machine was made safe")
        if self._stopping is None:
            answer.set_result(Safety.NOT_CONFIRMED)
        else:
            self._stop_answers.append(answer)
        return answer

    def _live_job(self) -> Job:
        if self.job is None or not self.job.live:
            raise DeviceRefused("no program is running")
        return self.job

    # -- telling -------------------------------------------------------------------------------------------

    def _taken(self, job: Job, sent: Sent) -> None:
        """The machine has acknowledged up to here. A full disk must not spoil a program."""
        job.line, job.offset = sent.line, sent.end
        if self._journal:
            try:
                self._journal(job.line, job.offset)
            except OSError as error:
                if not self._unwritten:
                    job.note(f"the position in the program could not be written down: {error.strerror}")
                self._unwritten = True
