"""GRBL lasers over serial: lines counted by their characters into the machine's buffer, realtime bytes beside them.

words      what a line from the machine means             (pure)
meanings   what its error and alarm numbers mean          (a table)
talk       how full its buffer is, what may pass the wire (no wire, no clock)
program    the file, one harmless line after the other
pace       how long a line's moves take
job        the program being streamed, and how a state reads in the lab's words
trial      the program in check mode, before its start
stop       hold, reset, beam off, read back               (pure)
worker     the thread that owns the port

The driver never unlocks ($X), never homes ($H) and never writes a setting: those are a person's, who sees the
machine. It never lets a held machine go on by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from drivers.grbl.limits import Limits
from drivers.grbl.program import inspect
from drivers.grbl.worker import Worker
from drivers.lines import Lines
from drivers.port_thread import Journal, PortDevice
from fablab.base.clock import Clock, SystemClock
from fablab.device import (
    Capability,
    DeviceError,
    DeviceRefused,
    DeviceTimeout,
    Identity,
    Safety,
)

__all__ = ["Grbl", "Limits"]

T = TypeVar("T")


class Grbl(PortDevice[Worker]):
    """A `fablab.device.Device`. `port` is a path, opened exclusively.

    `serial_number` is the text stored in the machine's build info ($I=) that must answer, where one is known, and
    `known` whose the others are; `every_s` the longest pause between two statuses; `journal(line, offset)` is told
    from the worker thread, after every line, how far the machine has acknowledged the file; `connect` stands in for
    opening the port in tests.
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
        every_s: float = 1.0,
        limits: Limits | None = None,
        journal: Journal | None = None,
        connect: Callable[[], Lines] | None = None,
    ) -> None:
        super().__init__(name=name, port=port, serial_number=serial_number, known=known, every_s=every_s)
        self._clock = clock or SystemClock()
        self._limits = limits or Limits()
        self._journal = journal
        self._connect = connect or partial(Lines.open, port, baud)
        self._stops = 0  # counts stops and cancels: one that comes while a file is still being read wins
        self._reading = 0

    async def open(self) -> Identity:
        """Raises LinkLost or Misfit. Resets the machine, so that nothing goes on that somebody else began."""
        return await super().open()

    def _made(self, last: Worker | None) -> Worker:
        before = last.job if last else None
        return Worker(
            name=self.name,
            port=self._port,
            connect=self._connect,
            clock=self._clock,
            limits=self._limits,
            journal=self._journal,
            job=before if before and not before.live else None,
        )

    def _check(self, worker: Worker, identity: Identity) -> None:
        if worker.unanswered and self._expected.serial_number:
            raise DeviceTimeout(f"{self.name} cannot be asked who it is while its door is open")
        super()._check(worker, identity)

    async def start(self, program: Path, token: str) -> None:
        """Reads the whole file, then has the machine try it in check mode. Raises DeviceRefused with the first
        line that will not do, or when the machine is not free, or when a stop came before it had begun."""
        await self._start(program, token, None)

    async def start_by(self, program: Path, token: str, deadline: datetime) -> None:
        """As `start`; the clock is asked again when all is checked, which takes half a minute for a long program."""
        await self._start(program, token, deadline)

    async def _start(self, program: Path, token: str, deadline: datetime | None) -> None:
        worker = self._opened()
        stops = self._stops
        self._reading += 1
        try:
            findings = await asyncio.to_thread(inspect, program)
        except OSError as error:
            raise DeviceRefused(f"the program cannot be read: {error.strerror}") from error
        finally:
            self._reading -= 1
        if findings.refused is not None:
            step = findings.refused
            shown = step.command.decode()
            raise DeviceRefused(f"line {step.line} ({shown}) cannot be sent to this machine: {step.why}")
        if stops != self._stops:
            raise DeviceRefused(f"stopped before {token} had begun")
        await self._await(worker, partial(worker.begin, token, program, findings, deadline))

    async def pause(self) -> None:
        """Returns when the head stands still. Raises DeviceRefused when nothing runs or it does not stop."""
        worker = self._opened()
        await self._await(worker, worker.pause)

    async def resume(self) -> None:
        """Returns when the machine goes on. Raises DeviceRefused while a door is open."""
        worker = self._opened()
        await self._await(worker, worker.resume)

    async def cancel(self) -> None:
        """Also of a start that is still being checked. The outcome CANCELLED comes when the beam is off."""
        self._stops += 1
        worker = self._opened()
        try:
            await asyncio.wrap_future(worker.order(worker.cancel))
        except DeviceRefused:
            if not self._reading:
                raise

    async def make_safe(self) -> Safety:
        """Ends a running program. Answers within `limits.safe_s` + 2 s, whatever the machine does."""
        self._stops += 1
        try:
            worker = self._opened()
            worker.hurry()
            async with asyncio.timeout(self._limits.safe_s + 2):
                answer: Future[Safety] = await asyncio.wrap_future(worker.order(worker.make_safe))
                return await asyncio.wrap_future(answer)
        except (DeviceError, TimeoutError):
            return Safety.NOT_CONFIRMED

    async def _await(self, worker: Worker, act: Callable[[], Future[T]]) -> T:
        """What an order promised, once it is so."""
        return await asyncio.wrap_future(await asyncio.wrap_future(worker.order(act)))
