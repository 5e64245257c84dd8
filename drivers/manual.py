"""A person is the machine: the lab says what to make, and whoever makes it says how it went.

What runs is kept in a small JSON file, so that a restarted server still knows it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from fablab.base.clock import Clock
from fablab.device import (
    Capability,
    DeviceRefused,
    DeviceState,
    Identity,
    LinkLost,
    Misfit,
    Outcome,
    Progress,
    Safety,
    Status,
)

_EVERY_S: Final = 2.0
# An estimate is never a report: work that goes on is not shown as done.
_MOST: Final = 0.99


class _Work(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work. `paused_s` sums the pauses that are over; `paused_at` is set during one."""

    token: str
    program: str
    started_at: datetime
    paused_at: datetime | None = None
    paused_s: float = 0.0
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    detail: str = ""

    @property
    def state(self) -> DeviceState:
        if self.outcome is not None:
            return DeviceState.IDLE
        return DeviceState.RUNNING if self.paused_at is None else DeviceState.PAUSED

    def elapsed_s(self, now: datetime) -> float:
        until = self.ended_at or self.paused_at or now
        return max(0.0, (until - self.started_at).total_seconds() - self.paused_s)


class Manual:
    """`state` is the file that keeps the work; `estimate_s` how long a piece usually takes."""

    capabilities = frozenset({Capability.START, Capability.PAUSE, Capability.CANCEL, Capability.DETACHED})

    def __init__(
        self,
        *,
        name: str,
        state: Path,
        clock: Clock,
        estimate_s: float | None = None,
        every_s: float = _EVERY_S,
    ) -> None:
        self.name = name
        self._file = state
        self._clock = clock
        self._estimate_s = estimate_s
        self._every_s = every_s
        self._work: _Work | None = None
        self._is_open = False
        self._changed = asyncio.Event()  # replaced at each change, so that every watcher wakes

    async def open(self) -> Identity:
        """Reads what was under way. A damaged file is a Misfit: a person must say what was being made."""
        try:
            self._work = msgspec.json.decode(self._file.read_bytes(), type=_Work | None)
        except FileNotFoundError:
            self._work = None
        except (msgspec.DecodeError, OSError) as error:
            raise Misfit(f"{self._file} cannot be understood ({error}); look at it, then remove it") from None
        self._is_open = True
        return Identity(firmware="a person", model="manual")

    async def close(self) -> None:
        self._is_open = False
        self._tell()

    async def watch(self) -> AsyncIterator[Status]:
        while self._is_open:
            changed = self._changed
            yield self._status()
            try:
                async with asyncio.timeout(self._every_s):
                    await changed.wait()
            except TimeoutError:
                continue
        raise LinkLost(f"{self.name} is not open")

    async def start(self, program: Path, token: str) -> None:
        work = self._opened()
        if work is not None and work.token == token:
            return
        if work is not None and work.outcome is None:
            raise DeviceRefused(f"{work.token} is not finished yet")
        self._keep(_Work(token=token, program=str(program), started_at=self._clock.now()))

    async def pause(self) -> None:
        work = self._under_way()
        if work.paused_at is None:
            self._keep(msgspec.structs.replace(work, paused_at=self._clock.now()))

    async def resume(self) -> None:
        work = self._under_way()
        if work.paused_at is not None:
            pause_s = (self._clock.now() - work.paused_at).total_seconds()
            self._keep(msgspec.structs.replace(work, paused_at=None, paused_s=work.paused_s + pause_s))

    async def cancel(self) -> None:
        await self.report(Outcome.CANCELLED)

    async def report(self, outcome: Outcome, detail: str = "") -> None:
        """A person says how it ended; saying the same twice changes nothing."""
        work = self._opened()
        if work is not None and work.outcome is outcome:
            return
        work = self._under_way()
        self._keep(
            msgspec.structs.replace(work, outcome=outcome, detail=detail[:500], ended_at=self._clock.now())
        )

    async def make_safe(self) -> Safety:
        """Only a person can, and nobody can read it back."""
        self._opened()
        return Safety.NOT_CONFIRMED

    def _opened(self) -> _Work | None:
        if not self._is_open:
            raise LinkLost(f"{self.name} is not open")
        return self._work

    def _under_way(self) -> _Work:
        work = self._opened()
        if work is None or work.outcome is not None:
            raise DeviceRefused("nothing is under way")
        return work

    def _status(self) -> Status:
        now, work = self._clock.now(), self._work
        if work is None:
            return Status(at=now, state=DeviceState.IDLE)
        elapsed_s = work.elapsed_s(now)
        fraction = remaining_s = None
        if work.outcome is Outcome.DONE:
            fraction = 1.0
        elif self._estimate_s is not None:
            fraction = min(_MOST, elapsed_s / self._estimate_s)
            remaining_s = max(0.0, self._estimate_s - elapsed_s) if work.outcome is None else None
        progress = Progress(
            token=work.token,
            fraction=fraction,
            elapsed_s=elapsed_s,
            remaining_s=remaining_s,
            outcome=work.outcome,
            detail=work.detail,
        )
        return Status(at=now, state=work.state, progress=progress)

    def _keep(self, work: _Work) -> None:
        """On the disk first: what is answered with success must survive a power cut."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fd, temporary = tempfile.mkstemp(dir=self._file.parent, prefix=f".{self._file.name}.")
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(work)))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(self._file)
        self._work = work
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
