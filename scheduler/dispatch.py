"""A due allocation becomes a run on a device, and is followed to its end.

The dispatcher owns the links. What it sends was written down before (`runs.begin` commits, then the command goes);
what it sees is judged by `runs.reconcile` and written when something changed, or once a minute. One machine never
waits for another: each has its own watcher and its own driver task.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fablab.base.clock import Clock
from fablab.base.database import SYSTEM, Actor, Database, UnitOfWork
from fablab.base.errors import Conflict, LabError, NotFound, Refusal, Refused
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
from fablab.people.access import Right, require
from fablab.places import house
from fablab.runs import attempts, stops
from fablab.runs.models import RUN_STEPS, Run, RunState
from fablab.runs.reconcile import reconcile
from scheduler import planner
from scheduler.aftercare import Care, Cooling, cooling, is_moving
from scheduler.durations import blend
from scheduler.hands import start_now
from scheduler.live import Live, begun, remember
from scheduler.port import MachineLink
from scheduler.sight import PLAN_AT, look

__all__ = ["Dispatcher", "MachineLink", "start_now"]

log = logging.getLogger(__name__)
T = TypeVar("T")

SCREEN_EVERY_S = 0.5  # telemetry reaches the screens at most this often, a change of state at once
SCREEN_LEAST_S = 0.1  # ... but a machine that flickers is not followed faster than that
WAKE_EVERY_S = 1.0  # how often a status may have the database asked for a run to start
WRITE_PAUSE_S = 0.2  # between two writes of one machine's watcher, whatever it says
CANCEL_AGAIN_S = 5.0
UNLINKED_EVERY_S = 30.0
TRUST_FRACTION = 0.05  # below this part done, a device's own guess of what remains is worth nothing


class Dispatcher:
    """`links`: by the device name that a machine's row carries. `program_path`: from a SHA-256 to its file."""

    def __init__(
        self,
        database: Database,
        links: Mapping[str, MachineLink],
        program_path: Callable[[str], Path],
        clock: Clock,
        *,
        unlinked_every_s: float = UNLINKED_EVERY_S,
    ) -> None:
        self.database = database
        self.links: dict[int, MachineLink] = {}
        self._by_device = dict(links)
        self._program_path = program_path
        self._clock = clock
        self._live: dict[int, Live] = {}
        self._written: dict[int, datetime] = {}
        self._shown: dict[int, tuple[DeviceState, float]] = {}
        self._woken: dict[int, tuple[DeviceState, float]] = {}
        self._wake: dict[int, asyncio.Event] = {}
        self._judging: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._care: defaultdict[int, Care] = defaultdict(Care)
        self._tasks: dict[int, tuple[asyncio.Task[None], ...]] = {}
        self._unlinked: asyncio.Task[None] | None = None
        self._unlinked_every_s = unlinked_every_s
        # Threads of its own: a database that hangs must not take those that a stop needs to find its machine.
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="dispatch")

    # -- life ------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Map machines to links, pick up the runs that were live, and start to watch."""
        devices = await self._in_thread(self._devices)
        loop = asyncio.get_running_loop()
        for resource_id, device in devices.items():
            if device in self._by_device:
                self.links[resource_id] = self._by_device[device]
                self._wake[resource_id] = asyncio.Event()

        def hear(event: Event) -> None:
            loop.call_soon_threadsafe(self._hear, event)

        self._unsubscribe = self.database.bus.subscribe(hear)
        await self._reload()
        for resource_id, stopped in (await self._in_thread(self._read_stops)).items():
            self._care[resource_id].told = stopped
        for resource_id in self.links:
            self._attend(resource_id)
        self._unlinked = asyncio.create_task(self._see_to_unlinked(), name="machines without a link")

    def _attend(self, resource_id: int) -> None:
        link = self.links[resource_id]
        link.begin()
        self._tasks[resource_id] = (
            asyncio.create_task(self._follow(resource_id, link), name=f"follow {link.name}"),
            asyncio.create_task(self._drive(resource_id, link), name=f"drive {link.name}"),
        )

    async def add(self, device: str, link: MachineLink) -> int:
        """One machine more, from now on. Returns which; raises `NotFound` while no machine's row names the device."""
        devices = await self._in_thread(self._devices)
        resource_id = next((key for key, name in devices.items() if name == device), None)
        if resource_id is None:
            raise NotFound("machine.no_device", machine=device)
        if resource_id in self.links:
            raise Conflict("machine.device_taken", device=device, machine=self.links[resource_id].name)
        self._by_device[device] = link
        self.links[resource_id] = link
        self._wake[resource_id] = asyncio.Event()
        await self._reload(resource_id)
        self._attend(resource_id)
        return resource_id

    async def remove(self, device: str) -> None:
        """Watch it no more; the machine goes on with what it does. A run on it ends as one without a link does."""
        link = self._by_device.pop(device, None)
        found = [key for key, known in self.links.items() if known is link]
        for resource_id in found:
            del self.links[resource_id]
            await _end(self._tasks.pop(resource_id, ()))
        if link is not None:
            await link.close()

    async def close(self) -> None:
        """Stop watching; machines go on with what they do."""
        self._unsubscribe()
        every = [task for pair in self._tasks.values() for task in pair]
        await _end([*every, *([self._unlinked] if self._unlinked else [])])
        self._tasks.clear()
        await asyncio.gather(*(link.close() for link in self.links.values()))
        self._threads.shutdown(wait=False)

    def _devices(self) -> dict[int, str]:
        with self.database.read() as uow:
            return {
                row.id: row.machine.device
                for row in house.machines(uow)
                if row.machine and row.machine.device
            }

    def _hear(self, event: Event) -> None:
        if event.topic == "machine" and event.name == "run":
            wake = self._wake.get(int(event.id))
            if wake is not None:
                wake.set()

    # -- looking ---------------------------------------------------------------------------------------------

    async def _follow(self, resource_id: int, link: MachineLink) -> None:
        async for status in link.subscribe():
            await self._guarded(link.name, self._take(resource_id, link, status))

    async def _take(self, resource_id: int, link: MachineLink, status: Status) -> None:
        self._show(resource_id, status)
        if await self._observe(resource_id, link):
            await asyncio.sleep(WRITE_PAUSE_S)

    def _show(self, resource_id: int, status: Status) -> None:
        # By the loop's time: a clock that is put back must not still the screens.
        now = asyncio.get_running_loop().time()
        state, at = self._shown.get(resource_id, (None, float("-inf")))
        if now - at < (SCREEN_EVERY_S if state is status.state else SCREEN_LEAST_S):
            return
        self._shown[resource_id] = (status.state, now)
        events = [Event(topic="machine", id=resource_id, name="status", at=status.at)]
        live = self._live.get(resource_id)
        if live is not None:
            events.append(Event(topic="claim", id=live.claim_id, name="progress", at=status.at))
        self.database.bus.publish(events)

    async def _observe(self, resource_id: int, link: MachineLink) -> bool:
        """Judge the link's latest status; whether it was worth a write.

        One at a time, and always the latest: an older look judged after a newer one would interrupt a good print.
        """
        async with self._judging[resource_id]:
            status = link.status
            if status.state is DeviceState.OFFLINE:
                status = replace(status, at=self._clock.now())  # a blocked link says it once; it is so still
            live = self._live.get(resource_id)
            if live is None or live.state is RunState.PREPARING:
                self._wake_gently(resource_id, status)
                return False
            if not self._worth_writing(resource_id, live, status):
                return False
            await self._do(lambda uow: attempts.observe(uow, live.id, status))
            self._written[resource_id] = status.at
            await self._reload(resource_id)
            return True

    def _wake_gently(self, resource_id: int, status: Status) -> None:
        """A machine that says a thousand things a second does not have the database asked a thousand times."""
        now = asyncio.get_running_loop().time()
        state, at = self._woken.get(resource_id, (None, float("-inf")))
        if now - at >= (WAKE_EVERY_S if state is status.state else SCREEN_LEAST_S):
            self._woken[resource_id] = (status.state, now)
            self._wake[resource_id].set()

    def _worth_writing(self, resource_id: int, live: Live, status: Status) -> bool:
        action = reconcile(live.state, live.state_at, live.unseen_since, live.id, status)
        if action is not None and RUN_STEPS.get((live.state, action)) is not live.state:
            return True
        if (status.state is DeviceState.OFFLINE) != (live.unseen_since is not None):
            return True
        written = self._written.get(resource_id)
        return written is None or abs(status.at - written) >= attempts.WRITE_EVERY

    async def _reload(self, resource_id: int | None = None) -> None:
        found = await self._in_thread(self._read_live)
        for known in [resource_id] if resource_id is not None else list(self.links):
            before = self._live.get(known)
            if known in found:
                self._live[known] = found[known]
                continue
            self._live.pop(known, None)
            self._written.pop(known, None)
            if before is not None and before.state is not RunState.PREPARING:
                care = self._care[known]
                care.ended_at, care.tries, care.token = self._clock.now(), 0, ""

    def _read_live(self) -> dict[int, Live]:
        with self.database.read() as uow:
            return {run.resource_id: remember(uow, run) for run in attempts.all_live(uow)}

    def _read_stops(self) -> dict[int, stops.Stopped]:
        with self.database.read() as uow:
            return stops.unseen(uow)

    # -- acting ----------------------------------------------------------------------------------------------

    async def _drive(self, resource_id: int, link: MachineLink) -> None:
        wake, care = self._wake[resource_id], self._care[resource_id]
        while True:
            timeout = CANCEL_AGAIN_S if resource_id in self._live or care.is_open else None
            try:
                async with asyncio.timeout(timeout):
                    await wake.wait()
            except TimeoutError:
                pass
            wake.clear()
            await self._guarded(link.name, self._reload(resource_id))
            await self._guarded(link.name, self._stop_again(resource_id, link))
            await self._guarded(link.name, self._write_stop(resource_id))
            live = self._live.get(resource_id)
            if live is not None:
                await self._guarded(link.name, self._act(resource_id, link, live))
            live = self._live.get(resource_id)
            if live is None or live.state is RunState.PREPARING:
                await self._guarded(link.name, self._look_after(resource_id, link))
            else:
                # What the machine said while its start was being written down found no run to judge.
                await self._guarded(link.name, self._observe(resource_id, link))

    async def _guarded(self, name: str, step: Coroutine[Any, Any, object]) -> None:
        """One step of a machine's endless task. Whatever goes wrong in it is tried again with the next status."""
        try:
            await step
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            log.exception(
                "%s: a step was cancelled from inside", name
            )  # by a driver: the task itself goes on
        except (DeviceError, LabError) as error:
            log.warning("%s: %s", name, error)
        except Exception:
            # A mistake of ours, or a database that is away, must not leave a hot machine unwatched for good.
            log.exception("%s: a step failed", name)

    async def _act(self, resource_id: int, link: MachineLink, live: Live) -> None:
        if live.state is RunState.PREPARING:
            why = self._taken_back(resource_id, link, live)
            if why:
                await self._do(lambda uow: attempts.withdraw(uow, live.id, why))
            elif link.state is LinkState.ONLINE and link.status.state is DeviceState.IDLE:
                await self._start(resource_id, link, live)
        elif live.cancel_asked:
            await link.cancel()
        await self._reload(resource_id)

    def _taken_back(self, resource_id: int, link: MachineLink, live: Live) -> str:
        """Why a tap is not worth anything any more; empty while it is."""
        if attempts.is_stale(live.prepared_at, live.deadline_at, self._clock.now()):
            return "too_late"
        if self._care[resource_id].stopped_since(live.prepared_at):
            return "stopped"
        if link.state is LinkState.ONLINE and is_moving(link.status):
            return "bed_unsure"
        return ""

    async def _start(self, resource_id: int, link: MachineLink, live: Live) -> None:
        """Written down, then sent. What happens to an answer that was lost is for the next looks to say."""
        try:
            path = self._program_path(live.program_sha256)
        except LabError as error:
            log.error("%s: the program of %s cannot be read: %s", link.name, live.id, error)
            return await self._do(lambda uow: attempts.withdraw(uow, live.id, "program_gone"))
        run, self._live[resource_id] = await self._do(lambda uow: begun(uow, live.id))
        try:
            if self._care[resource_id].stopped_since(live.prepared_at):
                raise DeviceRefused("stopped")
            await self._send(resource_id, link, path, run)
        except LinkLost as error:
            log.warning("%s: no answer to the start of %s: %s", link.name, run.id, error)
        except DeviceError as error:
            said = str(error)
            log.warning("%s refused %s: %s", link.name, run.id, said)
            await self._do(lambda uow: attempts.refused_start(uow, run.id, said))

    async def _send(self, resource_id: int, link: MachineLink, path: Path, run: Run) -> None:
        """The start, and while its answer is out (an upload takes its time) a cancel that overtakes it."""
        wake = self._wake[resource_id]
        sending = asyncio.create_task(link.start(path, run.id, run.deadline_at), name=f"start {run.id}")
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
                    await self._guarded(link.name, self._cancel_if_asked(resource_id, link, run.id))
            await sending
        finally:
            wake.set()  # what woke this loop was meant for the other one, too
            if not sending.done():
                sending.cancel()
                with contextlib.suppress(DeviceError, asyncio.CancelledError):
                    await sending

    async def _cancel_if_asked(self, resource_id: int, link: MachineLink, run_id: str) -> None:
        await self._reload(resource_id)
        live = self._live.get(resource_id)
        if live is not None and live.id == run_id and live.cancel_asked:
            await link.cancel()

    # -- what no run asks for any more -----------------------------------------------------------------------

    async def _stop_again(self, resource_id: int, link: MachineLink) -> None:
        """A stop that the machine has not confirmed is sent until it has."""
        care, live = self._care[resource_id], self._live.get(resource_id)
        if not care.stop_is_due(self._clock.now(), live.prepared_at if live else None):
            return
        if self._may_try(care):
            safety = await link.make_safe()
            care.stop_open = safety is not Safety.CONFIRMED
            self._tell_stop(resource_id, safety)
            log.warning(
                "%s: stopped again, %s", link.name, "not confirmed" if care.stop_open else "confirmed"
            )

    def _tell_stop(self, resource_id: int, safety: Safety) -> None:
        """What the screens say of the last stop, until somebody has acknowledged it."""
        care, now = self._care[resource_id], self._clock.now()
        if care.told is not None and safety is Safety.CONFIRMED:
            care.told = replace(care.told, confirmed_at=now)
        care.unwritten = care.told is not None
        self.database.bus.publish([Event(topic="machine", id=resource_id, name="stop", at=now)])

    async def _write_stop(self, resource_id: int) -> None:
        """After the wire, and again until the database has it."""
        care = self._care[resource_id]
        told = care.told
        if care.unwritten and told is not None:
            await self._do(lambda uow: stops.write_down(uow, resource_id, told))
            care.unwritten = care.told is not told

    async def _look_after(self, resource_id: int, link: MachineLink) -> None:
        """A program that may not go on is cancelled; heat that a run left on is switched off."""
        care, status = self._care[resource_id], link.status
        if link.state is not LinkState.ONLINE:
            return
        if is_moving(status):
            token = status.progress.token if status.progress else ""
            if token and await self._is_unwanted(resource_id, token) and self._may_try(care):
                log.error("%s runs %s, which had ended here: cancelled", link.name, token)
                await link.cancel()
            return
        found = cooling(care, status, self._clock.now())
        if found is Cooling.DUE and Capability.SAFE_STOP in link.capabilities:
            if self._may_try(care):
                care.tries += 1
                safety = await link.make_safe()
                log.warning("%s was still hot after its run; heaters off: %s", link.name, safety.value)
                care.ended_at = None if safety is Safety.CONFIRMED else care.ended_at
        elif found is not Cooling.WAIT:
            if found is Cooling.GIVEN_UP:
                log.error("%s may still be HOT after its run: somebody must look at it", link.name)
            care.ended_at = None

    async def _is_unwanted(self, resource_id: int, token: str) -> bool:
        care = self._care[resource_id]
        if care.token != token:

            def ask() -> bool:
                with self.database.read() as uow:
                    return attempts.is_unwanted(uow, token, resource_id)

            care.unwanted, care.token = await self._in_thread(ask), token
        return care.unwanted

    def _may_try(self, care: Care) -> bool:
        now = asyncio.get_running_loop().time()
        if now - care.tried < CANCEL_AGAIN_S:
            return False
        care.tried = now
        return True

    async def _see_to_unlinked(self) -> None:
        """Runs of machines that no link leads to (renamed or taken out of devices.toml) must end, too."""
        while True:
            await self._guarded("machines without a link", self._give_up_unlinked())
            await asyncio.sleep(self._unlinked_every_s)

    async def _give_up_unlinked(self) -> None:
        for resource_id, live in (await self._in_thread(self._read_live)).items():
            if resource_id in self.links:
                continue
            now = self._clock.now()
            if live.state is not RunState.PREPARING:
                unseen = Status(at=now, state=DeviceState.OFFLINE, message="no_link")
                await self._do(partial(attempts.observe, run_id=live.id, status=unseen))
            elif attempts.is_stale(live.prepared_at, live.deadline_at, now):
                await self._do(partial(attempts.withdraw, run_id=live.id, detail="too_late"))

    async def _do(self, work: Callable[[UnitOfWork], T], actor: Actor = SYSTEM) -> T:
        return await self._in_thread(lambda: self.database.write(work, actor))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    # -- what people ask -------------------------------------------------------------------------------------

    async def tap(
        self,
        actor: Actor,
        resource_id: int,
        *,
        claim_id: str | None = None,
        bed_clear: bool,
        spool_id: int | None = None,
    ) -> Run:
        """The bed is clear, the material is in: start the next job here, or the one named, now.

        Raises `Refused`, `Conflict` or `Invalid` with nothing changed.
        """
        require(actor, Right.OPERATE)
        link = self.links.get(resource_id)
        if link is not None and link.state is LinkState.ONLINE and is_moving(link.status):
            raise Conflict("machine.busy")
        if link is not None:
            _require_able(link, Capability.START, "machine.cannot_start")
        run = await self._do(
            lambda uow: start_now(uow, resource_id, claim_id, bed_clear=bed_clear, spool_id=spool_id), actor
        )
        if self.stopped(resource_id) is not None:
            await self.acknowledge(actor, resource_id)  # who taps has looked
        return run

    async def pause(self, actor: Actor, run_id: str) -> None:
        """Raises `Refused` machine.cannot_pause, and `DeviceError` when the machine does not."""
        await (await self._pausable(actor, run_id)).pause()

    async def resume(self, actor: Actor, run_id: str) -> None:
        await (await self._pausable(actor, run_id)).resume()

    async def _pausable(self, actor: Actor, run_id: str) -> MachineLink:
        run = await self._do(lambda uow: attempts.may_pause(uow, run_id), actor)
        link = self.link(run.resource_id)
        _require_able(link, Capability.PAUSE, "machine.cannot_pause")
        return link

    async def cancel(self, actor: Actor, run_id: str) -> Run:
        """Written down first; the machine's own task sends it, again and again until the run has ended.

        Raises `Refused` machine.cannot_cancel where only a person at the machine can end what has begun.
        """

        def ask(uow: UnitOfWork) -> Run:
            link = self.links.get(attempts.get(uow, run_id).resource_id)
            run = attempts.ask_cancel(uow, run_id)
            if link is not None and run.state is not RunState.CANCELLED:
                _require_able(link, Capability.CANCEL, "machine.cannot_cancel")
            return run

        return await self._do(ask, actor)

    async def stop(self, actor: Actor, resource_id: int) -> Safety:
        """To the wire first, written down after: it needs no database. Raises `DeviceError` when it cannot be sent.

        Taps made before are taken back. Where the machine can confirm and has not, it is sent again and again.
        """
        require(actor, Right.OPERATE)
        link, care = self.link(resource_id), self._care[resource_id]
        care.stopped_at, care.stop_open = self._clock.now(), Capability.SAFE_STOP in link.capabilities
        care.tried = asyncio.get_running_loop().time()
        care.told = stops.Stopped(at=care.stopped_at, by_id=actor.member_id, by=actor.name)
        safety = Safety.NOT_CONFIRMED
        try:
            safety = await link.make_safe()
            care.stop_open = care.stop_open and safety is not Safety.CONFIRMED
        finally:
            self._tell_stop(resource_id, safety)
            self._wake[resource_id].set()
        log.warning("%s was stopped by %s: %s", link.name, actor.name, safety.value)
        return safety

    def stopped(self, resource_id: int) -> stops.Stopped | None:
        """The last stop of a machine, until somebody has acknowledged it."""
        care = self._care.get(resource_id)
        return care.told if care is not None else None

    async def acknowledge(self, actor: Actor, resource_id: int) -> None:
        """Somebody has looked: the screens say no more of the last stop. One that is not confirmed is sent on."""
        require(actor, Right.OPERATE)
        care = self._care[resource_id]
        told = care.told
        if told is None:
            return
        await self._do(lambda uow: stops.acknowledge(uow, resource_id, told), actor)
        if care.told is not None and care.told.at == told.at:
            care.told, care.unwritten = None, False
        self.database.bus.publish([Event(topic="machine", id=resource_id, name="stop", at=self._clock.now())])

    def link(self, resource_id: int) -> MachineLink:
        found = self.links.get(resource_id)
        if found is None:
            raise NotFound("machine.no_link", id=resource_id)
        return found

    # -- for the plan ----------------------------------------------------------------------------------------

    def replan(self) -> int:
        """Keep the calendar true to the floor; runs in a thread of `ticks`. Returns how many owners were told."""

        def work(uow: UnitOfWork) -> int:
            return planner.refresh(uow, self._expected_ends(uow))

        return self.database.write(work)

    def _expected_ends(self, uow: UnitOfWork) -> dict[str, datetime]:
        runs = [run for run in attempts.all_live(uow) if run.started_at is not None]
        if not runs:
            return {}
        sight = look(uow)
        ends: dict[str, datetime] = {}
        for run in runs:
            assert run.started_at is not None
            link = self.links.get(run.resource_id)
            progress = link.status.progress if link else None
            mine = progress if progress is not None and progress.token == run.id else None
            left = sight.duration(run.claim, run.resource_id).remaining(_worked_s(run, uow.now))
            if mine and mine.remaining_s is not None and (mine.fraction or 0.0) >= TRUST_FRACTION:
                left = blend(left, mine.remaining_s, mine.fraction or 0.0)
            left_s = left.quantile(PLAN_AT)
            ends[run.id] = uow.now + timedelta(seconds=left_s)
        return ends


def _worked_s(run: Run, now: datetime) -> float:
    """Seconds since the start, without its pauses."""
    assert run.started_at is not None
    pause_s = (now - run.state_at).total_seconds() if run.state is RunState.PAUSED else 0.0
    return max(0.0, (now - run.started_at).total_seconds() - run.paused_s - pause_s)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _require_able(link: MachineLink, capability: Capability, code: str) -> None:
    if capability not in link.capabilities:
        raise Refused([Refusal(code=code, facts={"machine": link.name})])
