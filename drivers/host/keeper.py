"""Keeps one serial machine: opens it, follows it, starts what it is told, and writes down what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from drivers.host.guard import Guard, descriptor
from drivers.host.journal import Entry, Journal, Position
from drivers.host.mocks import MockMachine
from drivers.host.paths import LockHeld, port_lock, take_lock
from drivers.host.wire import Push
from drivers.link import StartsBy
from fablab.base.clock import Clock
from fablab.device import (
    Device,
    DeviceError,
    DeviceRefused,
    DeviceState,
    DeviceTimeout,
    Identity,
    LinkLost,
    Misfit,
    Safety,
    Status,
)

log = logging.getLogger(__name__)

_NOTE_EVERY_S: Final = 2.0
_SAFE_S: Final = 20.0
_HEAL_FIRST_S: Final = 1.0
_HEAL_LAST_S: Final = 60.0
_HOLD_EVERY_S: Final = 0.02
_OPEN_TO_STOP_S: Final = 25.0


class Keeper:
    """`publish` is called with every status and every loss, from the event loop."""

    def __init__(
        self,
        device: Device,
        *,
        port: str,
        journal: Journal,
        guard: Guard,
        clock: Clock,
        publish: Callable[[Push], None],
        position: Position | None = None,
        mock: MockMachine | None = None,
    ) -> None:
        self.device = device
        self.status: Status | None = None  # None while the machine is not open
        self._port = port
        self._journal = journal
        self._guard = guard
        self._clock = clock
        self._publish = publish
        self._position = position or Position()
        self._mock = mock
        self._identity: Identity | None = None
        self._opening = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        self._healing: asyncio.Task[None] | None = None
        self._port_lock: tuple[str, int] | None = None
        self._noted_at: datetime | None = None
        self._stops = 0  # counts stops and cancels: one that comes while a start is under way wins
        self._ending = False

    @property
    def busy(self) -> bool:
        """A program runs, as far as is known."""
        return self._journal.entry is not None and self._journal.entry.running

    @property
    def is_open(self) -> bool:
        return self._identity is not None

    @property
    def is_healing(self) -> bool:
        """A machine that may be hot is still to be made safe: this host may not leave it alone."""
        return self._healing is not None and not self._healing.done()

    # -- open and close ----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """First act of a host: if the journal says that a program was running, make the machine safe."""
        if self._unsettled():
            self._heal()

    async def open(self) -> Identity:
        """Idempotent. After an interruption the machine is made safe before anybody hears that it is open."""
        async with self._opening:
            if self._identity is not None:
                return self._identity
            if self._mock is not None and await self._mock.plug_in():
                self._guard.begin(mock_pid=self._mock.pid)
            self._own_port()
            self._guard.drop()
            try:
                identity = await self._open_guarded()
                if self._unsettled():
                    await self._settle()
            except BaseException:
                # Whatever failed: a port that stays open behind our back could never be opened again.
                self._guard.drop()
                await self._close_device()
                raise
            identity = self._with_guardian(identity)
            self._identity = identity
            self._following = asyncio.create_task(self._follow(), name="follow the machine")
            return identity

    async def _open_guarded(self) -> Identity:
        """The guardian has the port as soon as it is open: a handshake takes seconds, and what is on the port may
        be hot from before."""
        locks = () if self._port_lock is None else (self._port_lock[1],)
        opening = asyncio.create_task(self.device.open(), name="open the machine")
        held = False
        try:
            while not opening.done():
                await asyncio.wait((opening,), timeout=_HOLD_EVERY_S)
                if not held and not opening.done() and descriptor(self._port) is not None:
                    held = self._guard.hold(self._port, locks)
        except BaseException:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            raise
        identity = opening.result()
        if not held:
            self._guard.hold(self._port, locks)
        return identity

    def _with_guardian(self, identity: Identity) -> Identity:
        """Whether somebody can switch heat or beam off if this host dies is part of what the machine can do."""
        held = self._guard.holds
        if not held:
            log.error(
                "%s: NO GUARDIAN on %s: if this host dies nobody can switch heat or beam off",
                self.device.name,
                self._port,
            )
        return replace(identity, features={**identity.features, "GUARDIAN": "1" if held else "0"})

    async def close(self) -> None:
        for task in (self._healing, self._following):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._identity = None
        await self._close_device()
        self._guard.end()
        if self._mock is not None:
            self._mock.pull()
        if self._port_lock is not None:
            os.close(self._port_lock[1])
            self._port_lock = None
        self._position.close()

    async def quit(self, *, force: bool) -> None:
        """Make ready for the host's end. Refuses while a program runs, unless forced; then safe first."""
        if self.busy and not force:
            raise DeviceRefused("a program is running; cancel it first, or force the end")
        self._ending = True
        if force and self._unsettled() and not self.is_open:
            with contextlib.suppress(DeviceError, OSError, TimeoutError):
                async with asyncio.timeout(_SAFE_S):
                    await self.open()  # makes it safe; if the machine cannot be reached the next host does
        hot = self.status is not None and any(
            degrees > 0 for name, degrees in self.status.heat_c.items() if name.endswith("_target")
        )
        if not self.is_open or not (self.busy or hot):
            return
        safety = await self._safely()
        entry = self._journal.entry
        if entry is not None and entry.running:
            ended = msgspec.structs.replace(
                self._placed(entry),
                ended_at=self._clock.now(),
                detail="the host was told to end",
                safe=safety.value,
                settled=safety is Safety.CONFIRMED,
            )
            self._note(ended, durable=True)

    async def _close_device(self) -> None:
        with contextlib.suppress(DeviceError, OSError):
            await self.device.close()

    def _own_port(self) -> None:
        """By the real path each time: after a cable was moved the same by-id name may be another port.

        A mock's port is nobody else's; its lock stays in the lab's own folder.
        """
        lock = port_lock(self._port) if self._mock is None else Path(f"{self._port}.lock")
        if self._port_lock is not None and self._port_lock[0] == str(lock):
            return
        if self._port_lock is not None:
            os.close(self._port_lock[1])
            self._port_lock = None
        try:
            fd = take_lock(lock, f"the host of {self.device.name}, process {os.getpid()}")
        except LockHeld as holder:
            raise LinkLost(f"{self._port} is held by {holder}") from None
        self._port_lock = (str(lock), fd)

    # -- after an interruption ---------------------------------------------------------------------------------

    def _unsettled(self) -> bool:
        entry = self._journal.entry
        if entry is None:
            return self._journal.damaged
        return entry.outcome is None and not entry.settled

    async def _settle(self) -> None:
        safety = await self._safely()
        entry = self._journal.entry
        if entry is None:
            log.warning("damaged journal: a program may have been running; made safe: %s", safety.value)
            self._note(None, durable=True)
            self._journal.damaged = False  # even when the disk took no new one: the machine has been seen to
            return
        log.warning("%s was interrupted; made safe: %s", entry.token, safety.value)
        note = (
            "interrupted" if safety is Safety.CONFIRMED else "interrupted; heat or beam off was NOT confirmed"
        )
        self._note(
            msgspec.structs.replace(
                entry,
                ended_at=entry.ended_at or self._clock.now(),
                detail=entry.detail or note,
                safe=safety.value,
                settled=True,
            ),
            durable=True,
        )

    def _note(self, entry: Entry | None, *, durable: bool) -> None:
        """What has happened has happened: a full disk must neither spoil a print nor keep a machine hot."""
        try:
            self._journal.write(entry, durable=durable)
        except OSError as error:
            log.error("the journal could not be written: %s", error)

    async def _safely(self) -> Safety:
        try:
            async with asyncio.timeout(_SAFE_S):
                return await self.device.make_safe()
        except (DeviceError, TimeoutError) as error:
            log.error("make safe failed: %s", error)
            return Safety.NOT_CONFIRMED

    def _heal(self) -> None:
        if self._healing is None or self._healing.done():
            self._healing = asyncio.create_task(self._reopen(), name="make safe after an interruption")

    async def _reopen(self) -> None:
        """Until the machine could be made safe; nobody may be connected who would ask for it."""
        delay_s = _HEAL_FIRST_S
        while self._unsettled():
            try:
                await self.open()
            except Misfit as error:
                log.error("cannot make the machine safe: %s", error)
                return
            except (DeviceError, OSError) as error:
                log.warning("cannot make the machine safe yet: %s", error)
            except Exception:
                # A mistake of ours is no reason to leave a machine hot: the next try may work.
                log.exception("making the machine safe failed")
            if self._unsettled():
                await asyncio.sleep(delay_s)
                delay_s = min(_HEAL_LAST_S, delay_s * 2)

    # -- commands ----------------------------------------------------------------------------------------------

    def opened(self) -> Device:
        """The device, for the commands that go straight through; raises LinkLost while it is not open."""
        if self._identity is None:
            raise LinkLost("the machine is not open")
        return self.device

    async def cancel(self) -> None:
        """Also before the program has begun: a start that is still being prepared gives way."""
        self._stops += 1
        try:
            await self.opened().cancel()
        except DeviceRefused:
            if not self._starting.locked():
                raise

    async def make_safe(self) -> Safety:
        """Of a machine that is not open, too: it is opened for it, which after a loss makes it safe already."""
        self._stops += 1
        if not self.is_open:
            try:
                async with asyncio.timeout(_OPEN_TO_STOP_S):
                    await self._open_to_stop()
            except TimeoutError:
                raise DeviceTimeout("the machine could not be opened in time to be made safe") from None
        return await self.device.make_safe()

    async def _open_to_stop(self) -> None:
        """The driver hears of the stop while it still shakes hands: a machine that does not answer may well listen."""
        opening = asyncio.create_task(self.open(), name="open to stop")
        told: asyncio.Task[Safety] | None = None
        try:
            while not opening.done():
                await asyncio.wait((opening,), timeout=_HOLD_EVERY_S)
                if told is None and not opening.done() and descriptor(self._port) is not None:
                    told = asyncio.create_task(self.device.make_safe(), name="stop while opening")
            await opening
        finally:
            for task in (opening, told):
                if task is not None:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)

    async def start(self, program: Path, token: str, deadline: datetime | None) -> None:
        """Written down before it is sent. A token that was ever started here is not started again."""
        stops = self._stops
        async with self._starting:
            previous = self._journal.entry
            if previous is not None and previous.token == token:
                return
            self.opened()
            if previous is not None and previous.running:
                raise DeviceRefused(f"the machine is busy with {previous.token}")
            self._in_time(token, deadline)
            try:
                sha256, size_bytes = await asyncio.to_thread(_digest, program)
            except OSError as error:
                raise DeviceRefused(f"{program} cannot be read: {error.strerror}") from None
            self._in_time(token, deadline)
            if stops != self._stops:
                raise DeviceRefused(f"stopped before {token} had begun")
            if self._ending:
                raise DeviceRefused("this host is ending")
            entry = Entry(
                token=token,
                program=str(program),
                sha256=sha256,
                size_bytes=size_bytes,
                started_at=self._clock.now(),
            )
            try:
                self._position.begin(token)
                # In a thread: a slow disk must not hold up a stop.
                await asyncio.to_thread(self._journal.write, entry, durable=True)
            except OSError as error:
                self._journal.entry = previous
                raise DeviceRefused(f"the start cannot be written down: {error.strerror}") from None
            try:
                if stops != self._stops:
                    raise DeviceRefused(f"stopped before {token} had begun")
                await self._begin(program, token, deadline)
            except LinkLost:
                raise  # it may have begun: the entry stays, and whoever opens next makes the machine safe
            except DeviceError:
                self._note(previous, durable=True)
                raise
        seen = self.status
        if seen is not None and seen.progress is not None and seen.progress.token == token:
            self._write_down(seen)  # a short program may have ended before its start was through

    async def _begin(self, program: Path, token: str, deadline: datetime | None) -> None:
        """A driver that prepares for long looks at the deadline once more, right before the wire."""
        device = self.device
        if deadline is not None and isinstance(device, StartsBy):
            await device.start_by(program, token, deadline)
        else:
            await device.start(program, token)

    def _in_time(self, token: str, deadline: datetime | None) -> None:
        if deadline is not None and self._clock.now() >= deadline:
            raise DeviceRefused(f"the start of {token} came after its deadline and was dropped")

    # -- following ---------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        try:
            async for status in self.device.watch():
                self._see(status)
            reason = "the driver ended its watch"
        except DeviceError as error:
            reason = str(error)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            log.exception("the driver was cancelled from inside")
            reason = "the driver was cancelled from inside"
        except Exception:
            # A mistake in the driver must end as a lost link that is opened again, not as a deaf host.
            log.exception("the driver failed")
            reason = "the driver failed"
        log.warning("lost: %s", reason)
        self._identity = None
        self.status = None
        await self._close_device()
        entry = self._journal.entry
        if entry is not None and entry.running:
            ended = msgspec.structs.replace(
                self._placed(entry), ended_at=self._clock.now(), detail=f"interrupted: {reason}"
            )
            self._note(ended, durable=True)
        self._publish(Push(lost=reason))
        if self._unsettled():
            self._heal()

    def _see(self, status: Status) -> None:
        if (
            status.state is not DeviceState.OFFLINE
        ):  # a driver's last word before it raises; not an idle machine
            self._write_down(status)
        entry = self._journal.entry
        quiet = status.state in (DeviceState.IDLE, DeviceState.FAULT)
        if entry is not None and not entry.running and quiet and status.progress is None:
            status = replace(status, progress=entry.progress())
        self.status = status
        self._publish(Push(status=status))

    def _write_down(self, status: Status) -> None:
        entry, progress = self._journal.entry, status.progress
        if entry is None or not entry.running or self._starting.locked():
            return
        now = self._clock.now()
        if progress is None or progress.token != entry.token:
            if status.state is DeviceState.IDLE:
                ended = msgspec.structs.replace(
                    entry, ended_at=now, detail="the machine no longer knows of it"
                )
                self._note(ended, durable=True)
            return
        entry = msgspec.structs.replace(
            self._placed(entry), fraction=progress.fraction, elapsed_s=progress.elapsed_s
        )
        if progress.outcome is not None:
            entry = msgspec.structs.replace(
                entry, ended_at=now, outcome=progress.outcome, detail=progress.detail
            )
            self._note(entry, durable=True)
        elif self._noted_at is None or abs((now - self._noted_at).total_seconds()) >= _NOTE_EVERY_S:
            self._noted_at = now
            self._note(entry, durable=False)

    def _placed(self, entry: Entry) -> Entry:
        """With what was sent by now; a driver that does not tell where it is leaves the entry as it is."""
        line, offset = self._position.line, self._position.offset
        if not offset or not entry.size_bytes:
            return entry
        fraction = min(1.0, offset / entry.size_bytes)
        return msgspec.structs.replace(entry, position_line=line, position_bytes=offset, fraction=fraction)


def _digest(program: Path) -> tuple[str, int]:
    with program.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()
