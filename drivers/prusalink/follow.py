"""What PrusaLink's answers say of the machine and of our run: pure functions over one frozen value.

There is no push and no history. A run's end stands in `printer.state` for some seconds (FINISHED, STOPPED,
ERROR), while the job is already gone. It is ours when

    the machine still names our file as its last one (0.8.1 does, in the legacy /api/job), or
    we saw our run move less than a minute ago: nobody clears a bed and prints another part in that time.

An end that nobody saw is unknown, not failed: once the machine is IDLE the run is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from drivers.http import plain
from drivers.prusalink import wire
from drivers.seen import Run as AnyRun
from drivers.seen import Seen as SeenOf
from fablab.device import DeviceState, Outcome, Progress

_NOBODY_ELSE: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(AnyRun):
    """`moved`: it was seen on the machine."""

    moved: bool = False

    def counted(self, counters: wire.Counters) -> Run:
        percent, left_s = counters.progress, counters.time_remaining
        return replace(
            self,
            moved=True,
            fraction=self.fraction if percent is None else min(max(percent / 100, 0.0), 1.0),
            elapsed_s=max(counters.time_printing or 0.0, 0.0),
            remaining_s=None if left_s is None else max(left_s, 0.0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One picture of the machine: `job` is the file that prints, `last` the token of the file printed last."""

    at: datetime
    status: wire.Status
    job: wire.Job | None = None
    last: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(SeenOf[Run]):
    moved_at: datetime | None = None  # when our run was last seen moving

    @property
    def busy(self) -> bool:
        """An end may come that is told for some seconds only."""
        return self.open_run is not None or self.state in wire.MOVING

    @property
    def progress(self) -> Progress | None:
        """Nothing of a run that was taken but not seen yet: an idle machine is not to look as if it had lost it."""
        run = self.run
        return run.progress() if run is not None and (run.moved or run.outcome is not None) else None


def begun(seen: Seen, *, token: str) -> Seen:
    """PrusaLink took our start; until it moves the state is what the machine says."""
    return seen if seen.run is not None and seen.run.token == token else replace(seen, run=Run(token=token))


def looked(seen: Seen, look: Look) -> Seen:
    printer = look.status.printer
    run = _run(seen, look)
    open_and_moving = run is not None and run.outcome is None and run.moved and printer.moves
    return Seen(
        state=printer.device_state,
        message=_message(look, run),
        run=run,
        heat_c=printer.heat_c(),
        moved_at=look.at if open_and_moving else seen.moved_at,
    )


def _run(seen: Seen, look: Look) -> Run | None:
    printer, run = look.status.printer, seen.run
    if look.job is not None:
        return _printing(run, look.job, look.status.job or wire.Counters())
    if printer.state in wire.ENDS:
        return _ended(seen, look)
    if seen.open_run is not None and seen.open_run.moved and printer.device_state is DeviceState.IDLE:
        return None  # its end was not seen, and is kept nowhere
    return run  # BUSY names no job: it is still the same one


def _printing(run: Run | None, job: wire.Job, counters: wire.Counters) -> Run | None:
    token = job.token
    if token is None:  # another's file; of ours nothing more will be heard, if it had not ended
        return run if run is not None and run.outcome is not None else None
    if run is None or run.token != token:
        run = Run(token=token)
    return run if run.outcome is not None else run.counted(counters)


def _ended(seen: Seen, look: Look) -> Run | None:
    printer, run = look.status.printer, seen.open_run
    outcome = wire.ENDS[printer.state]
    detail = _trouble(printer) if outcome is Outcome.FAILED else ""
    if run is None:  # a new driver, or one that saw no start: the machine may still name its last file
        known = seen.run is not None and seen.run.token == look.last
        return (
            seen.run
            if known or look.last is None
            else Run(token=look.last, moved=True).ended(outcome, detail)
        )
    if run.token == look.last or (run.moved and _fresh(seen, look)):
        return run.ended(outcome, detail)
    return run


def _fresh(seen: Seen, look: Look) -> bool:
    # abs: the wall clock may be set back in between, and an end from another day is nobody's
    return seen.moved_at is not None and abs(look.at - seen.moved_at) <= _NOBODY_ELSE


def _message(look: Look, run: Run | None) -> str:
    printer, job = look.status.printer, look.job
    match printer.device_state:
        case DeviceState.FAULT:
            return _trouble(printer)
        case DeviceState.OFFLINE:
            return f"the printer says {plain(printer.state, 40)}, which the lab does not know"
    if printer.state == "ATTENTION":
        return f"a person is needed at the printer{_because(printer)}"
    if printer.moves and job is not None and (run is None or job.token != run.token):
        return f"prints {plain(job.title)}, which the lab did not start"
    if printer.state == "BUSY" and (run is None or run.outcome is not None):
        return "busy, though not with a print"
    return ""


def _trouble(printer: wire.Printer) -> str:
    return f"the printer reports an error{_because(printer)}"


def _because(printer: wire.Printer) -> str:
    condition = printer.status_printer
    return f": {plain(condition.message)}" if condition is not None and not condition.ok else ""
