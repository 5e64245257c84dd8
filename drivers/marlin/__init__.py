"""Marlin over serial: numbered and checksummed lines, one `ok` each, streamed from this side.

words     what a line means, how a line is framed        (pure)
talk      which line goes next, what is sent again       (no wire, no clock)
program   the file, one harmless command after the other
job       the program being streamed, and how it ended
worker    the thread that owns the port
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TypeVar

from drivers.lines import Lines
from drivers.marlin.limits import Habits, Limits
from drivers.marlin.program import Program
from drivers.marlin.worker import Worker
from drivers.port_thread import Journal, PortDevice
from fablab.base.clock import Clock, SystemClock
from fablab.device import (
    Capability,
    DeviceError,
    DeviceRefused,
    Identity,
    Safety,
)

__all__ = ["Habits", "Limits", "Marlin"]

T = TypeVar("T")


class Marlin(PortDevice[Worker]):
    """A `fablab.device.Device`. `port` is a path (opened exclusively) or any URL pyserial takes.

    `serial_number` is the UUID that must answer, where one is known, and `known` whose the others are; `every_s`
    the longest pause between two statuses; `journal(line, offset)` is told from the worker thread, after every line,
    how far the file was sent; `on_pause`, `on_resume`, `on_cancel` are commands of this machine for parking;
    `quick_stop` allows M410 and `kill` M112 as the last means of `make_safe`, both only on firmware with an
    emergency parser; `connect` stands in for opening the port in tests.
    """

    capabilities = frozenset({Capability.START, Capability.PAUSE, Capability.CANCEL, Capability.SAFE_STOP})

    def __init__(
        self,
        *,
        name: str,
        port: str,
        baud: int = 115200,
        clock: Clock | None = None,
        serial_number: str = "",
        known: Mapping[str, str] | None = None,
        window: int = 1,
        on_pause: Sequence[str] = (),
        on_resume: Sequence[str] = (),
        on_cancel: Sequence[str] = (),
        quick_stop: bool = False,
        kill: bool = False,
        every_s: float = 1.0,
        limits: Limits | None = None,
        journal: Journal | None = None,
        connect: Callable[[], Lines] | None = None,
    ) -> None:
        super().__init__(name=name, port=port, serial_number=serial_number, known=known, every_s=every_s)
        self._clock = clock or SystemClock()
        self._window = window
        self._habits = Habits(
            on_pause=tuple(on_pause),
            on_resume=tuple(on_resume),
            on_cancel=tuple(on_cancel),
            quick_stop=quick_stop,
            kill=kill,
        )
        self._limits = limits or Limits()
        self._journal = journal
        self._connect = connect or partial(Lines.open, port, baud)

    async def open(self) -> Identity:
        """Raises LinkLost or Misfit. After a program was lost, or a stop was, the heaters go off first."""
        return await super().open()

    def _made(self, last: Worker | None) -> Worker:
        before = last.job if last else None
        return Worker(
            name=self.name,
            port=self._port,
            connect=self._connect,
            clock=self._clock,
            limits=self._limits,
            habits=self._habits,
            window=self._window,
            journal=self._journal,
            job=before if before and not before.live else None,
            unsafe=(before is not None and before.live) or (last is not None and last.maybe_hot),
        )

    async def start(self, program: Path, token: str) -> None:
        """Raises DeviceRefused when a program runs, the machine has stopped, or the file cannot be read."""
        worker = self._opened()
        await self._order(partial(_begin, worker, token, program))

    async def pause(self) -> None:
        """No more lines are sent; moves already queued run out. Raises DeviceRefused when nothing runs."""
        await self._order(self._opened().pause)

    async def resume(self) -> None:
        await self._order(self._opened().resume)

    async def cancel(self) -> None:
        """Heaters off now, queued moves run out; the outcome CANCELLED comes when all is acknowledged."""
        await self._order(self._opened().cancel)

    async def make_safe(self) -> Safety:
        """Ends a running program. Answers within 2 s + twice `limits.safe_s`, whatever the machine does."""
        try:
            worker = self._opened()
            worker.hurry()
            async with asyncio.timeout(self._limits.safe_s):
                answer: Future[Safety] = await self._order(worker.make_safe)
            async with asyncio.timeout(self._limits.safe_s + 2):
                return await asyncio.wrap_future(answer)
        except (DeviceError, TimeoutError):
            return Safety.NOT_CONFIRMED

    async def _order(self, act: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._opened().order(act))


def _begin(worker: Worker, token: str, program: Path) -> None:
    """In the worker's own thread: a file opened for a thread that has ended would stay open."""
    try:
        opened = Program(program)
    except OSError as error:
        raise DeviceRefused(f"the program cannot be read: {error.strerror}") from error
    worker.begin(token, opened)
