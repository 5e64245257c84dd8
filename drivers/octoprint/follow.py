"""What OctoPrint's messages say of the machine and of our run: pure functions over one frozen value.

Three sources. An *event* tells at once how a run ended. A *glance* (the throttled push) tells progress and
heat; it may lag, so it never ends a run. A *look* (`GET /api/job`, with the file's print count once the
machine stands still) is authoritative; it finds the ends that happened while nobody listened:

    Operational, our file, all of it read    -> done
    Operational or Cancelling, our file, a failure counted  -> cancelled (an error would have deselected the
    file) Offline after error                      -> failed
    Operational, our file gone               -> done if a success was counted, else unknown: the run is
    forgotten
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from drivers.octoprint import wire
from drivers.seen import Run as AnyRun
from drivers.seen import Seen as SeenOf
from fablab.device import DeviceState, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(AnyRun):
    path: str

    def counted(self, counters: wire.Counters) -> Run:
        if self.outcome is not None or counters.completion is None:
            return self
        return replace(
            self,
            fraction=min(max(counters.completion / 100, 0.0), 1.0),
            elapsed_s=max(counters.print_time or 0.0, 0.0),
            remaining_s=None if counters.print_time_left is None else max(counters.print_time_left, 0.0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(SeenOf[Run]):
    """What is known at a moment."""


def begun(seen: Seen, *, token: str, path: str) -> Seen:
    """OctoPrint took our start."""
    if seen.run is not None and seen.run.token == token:
        return seen
    return replace(seen, state=DeviceState.RUNNING, message="", run=Run(token=token, path=path))


def heard(seen: Seen, event: wire.Event) -> Seen:
    payload = event.payload or wire.Payload()
    token = wire.token_of(payload.path)
    if token is None or payload.path is None:
        return seen
    if event.type == "PrintStarted":
        return replace(begun(seen, token=token, path=payload.path), state=DeviceState.RUNNING)
    ending = _ending(event.type, payload)
    if ending is None or (seen.run is not None and seen.run.token != token):
        return seen
    run = seen.run or Run(token=token, path=payload.path)
    if run.outcome is None and payload.time is not None:
        run = replace(run, elapsed_s=max(payload.time, 0.0))
    return replace(seen, run=run.ended(*ending))


def _ending(event: str, payload: wire.Payload) -> tuple[Outcome, str] | None:
    match event, payload.reason:
        case "PrintDone", _:
            return Outcome.DONE, ""
        case ("PrintCancelled", _) | ("PrintFailed", "cancelled"):
            return Outcome.CANCELLED, ""
        case "PrintFailed", reason:
            return Outcome.FAILED, wire.plain(payload.error or reason or "the print failed")
    return None


def glanced(seen: Seen, current: wire.Current) -> tuple[Seen, bool]:
    """The new picture, and whether it must be checked by a look before it is believed."""
    if heat := wire.newest_heat(current.temps):
        seen = replace(seen, heat_c=heat)
    state = wire.state_of(current.state.text)
    path = current.job.file.path
    if (state is not seen.state) or (seen.open_run is not None and path != seen.open_run.path):
        return seen, True
    if seen.run is not None and path == seen.run.path:
        seen = replace(seen, run=seen.run.counted(current.progress))
    return seen, False


def looked(seen: Seen, job: wire.Job, prints: wire.Prints | None) -> Seen:
    """`prints`: the count of the run's file, or None when the machine moves, or the file is gone."""
    state = wire.state_of(job.state)
    path = job.job.file.path
    run = _run(seen.run, job, prints, state)
    if run is not None and run.path == path:
        run = run.counted(job.progress)
    if run is not None and run.outcome is None and (state not in wire.MOVING or job.state == "Cancelling"):
        run = _resolved(run, job, prints or wire.Prints(), state)
    return Seen(
        state=state,
        message=_message(job, state, run),
        run=run,
        # what a machine said of its heat before it was lost is not to be shown as today's
        heat_c=seen.heat_c if state in wire.MOVING or state is DeviceState.IDLE else {},
    )


def _run(run: Run | None, job: wire.Job, prints: wire.Prints | None, state: DeviceState) -> Run | None:
    """The run to follow: ours in memory, or the one the selected file names (a new driver after a restart)."""
    path = job.job.file.path
    token = wire.token_of(path)
    if path is None or token is None or (run is not None and run.token == token):
        return run
    tried = prints is not None and prints.success + prints.failure > 0
    known = run is None or run.outcome is not None  # else the run we follow comes to its own end first
    if state in wire.MOVING or (known and (tried or job.progress.completion is not None)):
        return Run(token=token, path=path)
    return run


def _resolved(run: Run, job: wire.Job, prints: wire.Prints, state: DeviceState) -> Run | None:
    """How a run ended that no longer moves; None when nobody can know."""
    counters, selected = job.progress, job.job.file
    ours = selected.path == run.path
    if state is DeviceState.FAULT:
        return run.ended(Outcome.FAILED, wire.plain(job.error or job.state))
    whole = (counters.completion or 0) >= 100 and counters.filepos == selected.size
    if state is DeviceState.IDLE and ours and whole:
        return run.ended(Outcome.DONE)
    if prints.success:
        return run.ended(Outcome.DONE)
    if ours and prints.failure:
        return run.ended(Outcome.CANCELLED)
    return None if state is DeviceState.IDLE else run


def _message(job: wire.Job, state: DeviceState, run: Run | None) -> str:
    if state is DeviceState.FAULT:
        return wire.plain(job.error or job.state)
    if state is DeviceState.OFFLINE:
        return f"the printer is not connected to OctoPrint ({wire.plain(job.state)})"
    path = job.job.file.path
    if state in wire.MOVING and path is not None and (run is None or run.path != path):
        return f"prints {wire.plain(path)}, which the lab did not start"
    return "" if job.state != "Cancelling" else "stopping"
