"""One machine with a link to it: what it says is judged and written down, what is asked of it is done.

It has two tasks: one follows the link, one acts when it is woken, and neither waits for another machine's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from fablab.base.clock import Clock
from fablab.base.database import Actor
from fablab.base.errors import LabError
from fablab.base.events import Event
from fablab.device import (
    Capability,
    DeviceError,
    DeviceRefused,
    DeviceState,
    LinkLost,
    LinkState,
    Safety,
    Status,
)
from fablab.runs import attempts, stops
from fablab.runs.models import RUN_STEPS, Run, RunState
from fablab.runs.reconcile import reconcile
from scheduler import overruns
from scheduler.aftercare import Care, Cooling, cooling, is_moving
from scheduler.dispatch.books import Books
from scheduler.dispatch.steps import end, guarded
from scheduler.hands import begin_or_drop
from scheduler.live import Live
from scheduler.port import MachineLink

log = logging.getLogger(__name__)

SCREEN_EVERY_S = 0.5  # telemetry reaches the screens at most this often, a change of state at once
SCREEN_LEAST_S = 0.1  # ... but a machine that flickers is not followed faster than that
WAKE_EVERY_S = 1.0  # how often a status may have the database asked for a run to start
WRITE_PAUSE_S = 0.2  # between two writes of one machine's watcher, whatever it says
CANCEL_AGAIN_S = 5.0


class Machine:
    """`care` outlives the link: a stop is told though the machine has gone. `live`: the run here, as last read."""

    def __init__(
        self,
        resource_id: int,
        link: MachineLink,
        care: Care,
        *,
        books: Books,
        program_path: Callable[[str], Path],
        clock: Clock,
    ) -> None:
        self.resource_id = resource_id
        self.link = link
        self.care = care
        self.live: Live | None = None
        self.wake = asyncio.Event()
        self._books = books
        self._program_path = program_path
        self._clock = clock
        self._written: datetime | None = None
        self._shown: tuple[DeviceState | None, float] = (None, float("-inf"))
        self._woken: tuple[DeviceState | None, float] = (None, float("-inf"))
        self._judging = asyncio.Lock()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    # -- life ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        self.link.begin()
        self._tasks = (
            asyncio.create_task(self._follow(), name=f"follow {self.link.name}"),
            asyncio.create_task(self._drive(), name=f"drive {self.link.name}"),
        )

    async def end(self) -> None:
        """Watch it no more; the machine goes on with what it does. The link stays open."""
        tasks, self._tasks = self._tasks, ()
        await end(tasks)

    def linked_again(self, link: MachineLink) -> None:
        """It had gone and has come back, perhaps by another way."""
        self.link, self.wake = link, asyncio.Event()

    async def reload(self) -> None:
        """What the database says of the run here."""
        self.remember((await self._books.live()).get(self.resource_id))

    def remember(self, live: Live | None) -> None:
        before, self.live = self.live, live
        if live is not None:
            return
        self._written = None
        if before is not None and before.state is not RunState.PREPARING:
            self.care.ended_at, self.care.tries, self.care.token = self._clock.now(), 0, ""

    # -- looking ---------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        async for status in self.link.subscribe():
            await guarded(self.link.name, self._take(status))

    async def _take(self, status: Status) -> None:
        self._show(status)
        if await self._observe():
            await asyncio.sleep(WRITE_PAUSE_S)

    def _show(self, status: Status) -> None:
        # By the loop's time: a clock that is put back must not still the screens.
        now = asyncio.get_running_loop().time()
        state, at = self._shown
        if now - at < (SCREEN_EVERY_S if state is status.state else SCREEN_LEAST_S):
            return
        self._shown = (status.state, now)
        events = [Event(topic="machine", id=self.resource_id, name="status", at=status.at)]
        live = self.live
        if live is not None:
            events.append(Event(topic="claim", id=live.claim_id, name="progress", at=status.at))
        self._books.database.bus.publish(events)

    async def _observe(self) -> bool:
        """Judge the link's latest status; whether it was worth a write.

        One at a time, and always the latest: an older look judged after a newer one would interrupt a good print.
        """
        async with self._judging:
            status = self.link.status
            if status.state is DeviceState.OFFLINE:
                status = replace(status, at=self._clock.now())  # a blocked link says it once; it is so still
            live = self.live
            if live is None or live.state is RunState.PREPARING:
                self._wake_gently(status)
                return False
            if not self._worth_writing(live, status):
                return False
            await self._books.do(lambda uow: attempts.observe(uow, live.id, status))
            self._written = status.at
            await self.reload()
            return True

    def _wake_gently(self, status: Status) -> None:
        """A machine that says a thousand things a second does not have the database asked a thousand times."""
        now = asyncio.get_running_loop().time()
        state, at = self._woken
        if now - at >= (WAKE_EVERY_S if state is status.state else SCREEN_LEAST_S):
            self._woken = (status.state, now)
            self.wake.set()

    def _worth_writing(self, live: Live, status: Status) -> bool:
        action = reconcile(live.state, live.state_at, live.unseen_since, live.id, status)
        if action is not None and RUN_STEPS.get((live.state, action)) is not live.state:
            return True
        if (status.state is DeviceState.OFFLINE) != (live.unseen_since is not None):
            return True
        written = self._written
        return written is None or abs(status.at - written) >= attempts.WRITE_EVERY

    # -- acting ----------------------------------------------------------------------------------------------

    async def _drive(self) -> None:
        wake, care = self.wake, self.care
        while True:
            timeout = CANCEL_AGAIN_S if self.live is not None or care.is_open else None
            try:
                async with asyncio.timeout(timeout):
                    await wake.wait()
            except TimeoutError:
                pass
            wake.clear()
            await guarded(self.link.name, self.reload())
            await guarded(self.link.name, self._stop_again())
            await guarded(self.link.name, self._write_stop())
            live = self.live
            if live is not None:
                await guarded(self.link.name, self._act(live))
            live = self.live
            if live is None or live.state is RunState.PREPARING:
                await guarded(self.link.name, self._look_after())
            else:
                # What the machine said while its start was being written down found no run to judge.
                await guarded(self.link.name, self._observe())

    async def _act(self, live: Live) -> None:
        if live.state is RunState.PREPARING:
            why = self._taken_back(live)
            if why:
                await self._books.do(lambda uow: attempts.withdraw(uow, live.id, why))
            elif self.link.state is LinkState.ONLINE and self.link.status.state is DeviceState.IDLE:
                await self._start(live)
        elif live.cancel_asked:
            await self.link.cancel()
        elif self._is_to_pause(live):
            await self.link.pause()
            await self._books.do(lambda uow: overruns.paused(uow, live.id))
        await self.reload()

    def _is_to_pause(self, live: Live) -> bool:
        """Somebody's reservation begins, and by the machine's policy the run waits; it is asked for once."""
        due = live.pause_at is not None and live.pause_at <= self._clock.now()
        runs = self.link.state is LinkState.ONLINE and self.link.status.state is DeviceState.RUNNING
        return due and runs and Capability.PAUSE in self.link.capabilities

    def _taken_back(self, live: Live) -> str:
        """Why a tap is not worth anything any more; empty while it is."""
        if attempts.is_stale(live.prepared_at, live.deadline_at, self._clock.now()):
            return "too_late"
        if self.care.stopped_since(live.prepared_at):
            return "stopped"
        if self.link.state is LinkState.ONLINE and is_moving(self.link.status):
            return "bed_unsure"
        return ""

    async def _start(self, live: Live) -> None:
        """Written down, then sent. What happens to an answer that was lost is for the next looks to say."""
        try:
            path = self._program_path(live.program_sha256)
        except LabError as error:
            log.error("%s: the program of %s cannot be read: %s", self.link.name, live.id, error)
            return await self._books.do(lambda uow: attempts.withdraw(uow, live.id, "program_gone"))
        begun = await self._books.do(lambda uow: begin_or_drop(uow, live.id))
        if begun is None:
            log.warning("%s: the tap for %s is no longer good", self.link.name, live.id)
            return None
        run, self.live = begun
        try:
            if self.care.stopped_since(live.prepared_at):
                raise DeviceRefused("stopped")
            await self._send(path, run)
        except LinkLost as error:
            log.warning("%s: no answer to the start of %s: %s", self.link.name, run.id, error)
        except DeviceError as error:
            said = str(error)
            log.warning("%s refused %s: %s", self.link.name, run.id, said)
            await self._books.do(lambda uow: attempts.refused_start(uow, run.id, said))

    async def _send(self, path: Path, run: Run) -> None:
        """The start, and while its answer is out (an upload takes its time) a cancel that overtakes it."""
        wake = self.wake
        sending = asyncio.create_task(self.link.start(path, run.id, run.deadline_at), name=f"start {run.id}")
        try:
            while not sending.done():
                woken = asyncio.create_task(wake.wait())
                try:
                    await asyncio.wait(
                        (sending, woken), timeout=CANCEL_AGAIN_S, return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    woken.cancel()
                wake.clear()
                if not sending.done():
                    await guarded(self.link.name, self._cancel_if_asked(run.id))
            await sending
        finally:
            wake.set()  # what woke this loop was meant for the other one, too
            if not sending.done():
                sending.cancel()
                with contextlib.suppress(DeviceError, asyncio.CancelledError):
                    await sending

    async def _cancel_if_asked(self, run_id: str) -> None:
        await self.reload()
        live = self.live
        if live is not None and live.id == run_id and live.cancel_asked:
            await self.link.cancel()

    # -- stops, and what no run asks for any more ---------------------------------------------------------------

    async def stop(self, by: Actor) -> Safety:
        """To the wire first, written down after. Raises `DeviceError` when it cannot be sent."""
        care = self.care
        care.stopped_at, care.stop_open = self._clock.now(), Capability.SAFE_STOP in self.link.capabilities
        care.tried = asyncio.get_running_loop().time()
        care.told = stops.Stopped(at=care.stopped_at, by_id=by.member_id, by=by.name)
        safety = Safety.NOT_CONFIRMED
        try:
            safety = await self.link.make_safe()
            care.stop_open = care.stop_open and safety is not Safety.CONFIRMED
        finally:
            self._tell_stop(safety)
            self.wake.set()
        log.warning("%s was stopped by %s: %s", self.link.name, by.name, safety.value)
        return safety

    async def _stop_again(self) -> None:
        """A stop that the machine has not confirmed is sent until it has."""
        care, live = self.care, self.live
        if not care.stop_is_due(self._clock.now(), live.prepared_at if live else None):
            return
        if self._may_try(care):
            safety = await self.link.make_safe()
            care.stop_open = safety is not Safety.CONFIRMED
            self._tell_stop(safety)
            log.warning(
                "%s: stopped again, %s", self.link.name, "not confirmed" if care.stop_open else "confirmed"
            )

    def _tell_stop(self, safety: Safety) -> None:
        """What the screens say of the last stop, until somebody has acknowledged it."""
        care, now = self.care, self._clock.now()
        if care.told is not None and safety is Safety.CONFIRMED:
            care.told = replace(care.told, confirmed_at=now)
        care.unwritten = care.told is not None
        self._books.database.bus.publish([Event(topic="machine", id=self.resource_id, name="stop", at=now)])

    async def _write_stop(self) -> None:
        """After the wire, and again until the database has it."""
        care = self.care
        told = care.told
        if care.unwritten and told is not None:
            await self._books.do(lambda uow: stops.write_down(uow, self.resource_id, told))
            care.unwritten = care.told is not told

    async def _look_after(self) -> None:
        """A program that may not go on is cancelled; heat that a run left on is switched off."""
        care, status = self.care, self.link.status
        if self.link.state is not LinkState.ONLINE:
            return
        if is_moving(status):
            token = status.progress.token if status.progress else ""
            if token and await self._is_unwanted(token) and self._may_try(care):
                log.error("%s runs %s, which had ended here: cancelled", self.link.name, token)
                await self.link.cancel()
            return
        found = cooling(care, status, self._clock.now())
        if found is Cooling.DUE and Capability.SAFE_STOP in self.link.capabilities:
            if self._may_try(care):
                care.tries += 1
                safety = await self.link.make_safe()
                log.warning("%s was still hot after its run; heaters off: %s", self.link.name, safety.value)
                care.ended_at = None if safety is Safety.CONFIRMED else care.ended_at
        elif found is not Cooling.WAIT:
            if found is Cooling.GIVEN_UP:
                log.error("%s may still be HOT after its run: somebody must look at it", self.link.name)
            care.ended_at = None

    async def _is_unwanted(self, token: str) -> bool:
        care = self.care
        if care.token != token:

            def ask() -> bool:
                with self._books.database.read() as uow:
                    return attempts.is_unwanted(uow, token, self.resource_id)

            care.unwanted, care.token = await self._books.in_thread(ask), token
        return care.unwanted

    def _may_try(self, care: Care) -> bool:
        now = asyncio.get_running_loop().time()
        if now - care.tried < CANCEL_AGAIN_S:
            return False
        care.tried = now
        return True
