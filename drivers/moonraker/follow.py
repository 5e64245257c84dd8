"""What Moonraker's answers say of the machine and of our run: pure functions over one frozen value.

Two sources. A *glance* (a diff of the websocket) tells progress and heat; what it says of states is a reason to
look. A *look* is authoritative: Klipper's own state first, Moonraker's history where Klipper has forgotten.

    our file loaded: complete -> done, cancelled -> cancelled, error -> failed
    our file loaded, Klipper shut down -> failed (`print_stats.state` says "paused" then, and means nothing)
    Klipper away -> nothing is known, and nothing is concluded
    our file not loaded: the first history row with its name
        completed -> done   cancelled -> cancelled   error, klippy_shutdown -> failed
        klippy_disconnect -> failed once Klipper is there again (until then it may still be printing)
        server_exit, interrupted: Moonraker was stopped in mid-print and never saw the end -> unknown
        no row, although Klipper stands ready -> unknown
    Unknown means that the run is forgotten: nobody can know how it ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from drivers.http import plain
from drivers.moonraker import wire
from drivers.seen import Run as AnyRun
from drivers.seen import Seen as SeenOf
from fablab.device import DeviceState, Outcome

_LOADED_ENDS: Final[Mapping[str, Outcome]] = {
    "complete": Outcome.DONE,
    "cancelled": Outcome.CANCELLED,
    "error": Outcome.FAILED,
}
_HISTORY_ENDS: Final[Mapping[str, Outcome]] = {
    "completed": Outcome.DONE,
    "cancelled": Outcome.CANCELLED,
    "error": Outcome.FAILED,
    "klippy_shutdown": Outcome.FAILED,
}
_ROWS_DETAIL: Final[Mapping[str, str]] = {
    "error": "the print ended in an error",
    "klippy_shutdown": "Klipper shut down in mid-print",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(AnyRun):
    path: str

    def counted(self, fraction: float | None, elapsed_s: float | None) -> Run:
        """Neither goes back: an answer may be older than what the websocket told meanwhile."""
        if self.outcome is not None:
            return self
        before = self.fraction or 0.0
        return replace(
            self,
            fraction=self.fraction if fraction is None else max(min(fraction, 1.0), before),
            elapsed_s=max(elapsed_s or 0.0, self.elapsed_s),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(SeenOf[Run]):
    """`loaded` is the file that Klipper has, or had last."""

    loaded: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """`klippy` and `message`: the state of Klipper's host. `picture` is None while it cannot be asked."""

    klippy: str
    message: str = ""
    picture: wire.Picture | None = None
    jobs: Sequence[wire.Job] = ()

    @property
    def state(self) -> DeviceState:
        return wire.state_of(self.klippy, "" if self.picture is None else self.picture.print_state)

    @property
    def loaded(self) -> str:
        return "" if self.picture is None else self.picture.filename


def begun(seen: Seen, *, token: str, path: str) -> Seen:
    """Klipper took our start."""
    if seen.run is not None and seen.run.token == token:
        return seen
    return replace(seen, state=DeviceState.RUNNING, message="", run=Run(token=token, path=path), loaded=path)


def glanced(seen: Seen, diff: Mapping[str, Any]) -> tuple[Seen, bool]:
    """The new picture, and whether a look must say the rest."""
    heat = wire.heat_of(diff)
    if heat and (seen.state in wire.MOVING or seen.state is DeviceState.IDLE):
        seen = replace(seen, heat_c={**seen.heat_c, **heat})
    stats, card = _object(diff, "print_stats"), _object(diff, "virtual_sdcard")
    if seen.open_run is not None and seen.state in wire.MOVING and seen.loaded == seen.open_run.path:
        run = seen.open_run.counted(
            wire.number(card.get("progress")), wire.number(stats.get("total_duration"))
        )
        seen = replace(seen, run=run)
    return seen, bool(
        {"state", "filename", "message"} & stats.keys()
    ) or "webhooks" in diff or "heaters" in diff


def wants_history(seen: Seen, picture: wire.Picture | None) -> int:
    """How many rows the coming look needs: none while Klipper itself can tell."""
    loaded = "" if picture is None else picture.filename
    if seen.open_run is not None:
        return 0 if loaded == seen.open_run.path else 20
    return 1 if seen.run is None and wire.token_of(loaded) is None else 0


def looked(seen: Seen, look: Look) -> Seen:
    run = _run(seen.run, look)
    if run is not None and run.path == look.loaded and look.picture is not None:
        moving = look.state in wire.MOVING
        run = run.counted(look.picture.fraction if moving else None, look.picture.elapsed_s)
    if run is not None and run.outcome is None:
        run = _resolved(run, look)
    state = look.state
    known = state in wire.MOVING or state is DeviceState.IDLE
    return Seen(
        state=state,
        message=_message(look, run),
        run=run,
        loaded=look.loaded or ("" if look.picture is not None else seen.loaded),
        # what Klipper said of its heat before it was lost or halted is not to be shown as today's
        heat_c=look.picture.heat_c if look.picture is not None and known else {},
    )


def row_of(path: str, jobs: Sequence[wire.Job]) -> wire.Job | None:
    """The first time that this file was printed: it is ours. Later rows are somebody's reprints."""
    return next((job for job in reversed(jobs) if job.filename == path), None)


def _run(run: Run | None, look: Look) -> Run | None:
    """The run to follow: ours in memory, or the one that Klipper or the last history row names."""
    token = wire.token_of(look.loaded)
    if token is not None:
        if run is None or (run.token != token and (run.outcome is not None or look.state in wire.MOVING)):
            return Run(token=token, path=look.loaded)
        return run
    if run is None and look.jobs and (token := wire.token_of(look.jobs[0].filename)) is not None:
        return Run(token=token, path=look.jobs[0].filename)
    return run


def _resolved(run: Run, look: Look) -> Run | None:
    """The run with its outcome, as it was if it goes on or Klipper cannot be asked, None if nobody can know."""
    picture = look.picture
    if picture is not None and picture.filename == run.path:
        if look.klippy in wire.HALTED:
            return run.ended(Outcome.FAILED, first_line(look.message))
        outcome = _LOADED_ENDS.get(picture.print_state)
        return run if outcome is None else run.ended(outcome, first_line(picture.print_message))
    row = row_of(run.path, look.jobs)
    if row is not None and (outcome := _HISTORY_ENDS.get(row.status)) is not None:
        run = run.counted(None, row.total_duration)
        return run.ended(outcome, _ROWS_DETAIL.get(row.status, ""))
    if look.state is DeviceState.OFFLINE:
        return run
    if row is not None and row.status == "klippy_disconnect":
        return run.ended(Outcome.FAILED, "Klipper's host went away in mid-print")
    if row is not None and row.status == "in_progress":
        return run  # Moonraker writes it down a moment later
    return None if picture is not None else run


def _message(look: Look, run: Run | None) -> str:
    match look.state:
        case DeviceState.OFFLINE:
            why = first_line(look.message) or plain(look.klippy)
            return f"Klipper is not ready: {why}"
        case DeviceState.FAULT if look.klippy in wire.HALTED:
            return first_line(look.message) or plain(look.klippy)
        case DeviceState.FAULT:
            said = "" if look.picture is None else look.picture.print_state
            return f"Klipper's state {plain(said)!r} is not known to the lab"
        case DeviceState.RUNNING | DeviceState.PAUSED if run is None or run.path != look.loaded:
            return f"prints {plain(look.loaded)}, which the lab did not start"
    return ""


def first_line(text: str) -> str:
    """Klipper's messages end in several lines of advice."""
    return plain(text.strip().partition("\n")[0])


def _object(diff: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = diff.get(name)
    return value if isinstance(value, dict) else {}
