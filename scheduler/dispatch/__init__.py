"""A due allocation becomes a run on a device, and is followed to its end.

The dispatcher owns the links. What it sends was written down before (`runs.begin` commits, then the command goes);
what it sees is judged by `runs.reconcile` and written when something changed, or once a minute. One machine never
waits for another: each has its own watcher and its own driver task.

`machine` is one machine with its link, `books` the database as it is asked from here, `steps` what an endless task is
made of, `ends` when what runs will have ended, `idle` where nothing runs.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from fablab.base.clock import Clock
from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Conflict, NotFound, Refusal, Refused
from fablab.base.events import Event
from fablab.device import Capability, DeviceState, LinkState, Safety, Status
from fablab.people.access import Right, allows, require
from fablab.places import house
from fablab.runs import attempts, lodging, stops
from fablab.runs.models import Run, RunState
from scheduler import overruns, planner
from scheduler.aftercare import Care, is_moving
from scheduler.dispatch.books import Books
from scheduler.dispatch.ends import expected_ends
from scheduler.dispatch.idle import idle_now
from scheduler.dispatch.machine import Machine
from scheduler.dispatch.steps import end, guarded
from scheduler.hands import start_now
from scheduler.port import MachineLink

__all__ = ["Dispatcher", "MachineLink", "start_now"]

UNLINKED_EVERY_S = 30.0
_NEWS = ("machine", "run")


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
        self._books = Books(database)
        self._machines: dict[int, Machine] = {}  # those that have gone, too
        self._care: defaultdict[int, Care] = defaultdict(Care)
        self._unlinked: asyncio.Task[None] | None = None
        self._unlinked_every_s = unlinked_every_s

    # -- life ------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Map machines to links, pick up the runs that were live, and start to watch."""
        devices = await self._books.in_thread(self._devices)
        loop = asyncio.get_running_loop()
        for resource_id, device in devices.items():
            if device in self._by_device:
                self._link(resource_id, self._by_device[device])

        def hear(event: Event) -> None:
            if (event.topic, event.name) == _NEWS:  # the loop is not woken for what is no news to it
                loop.call_soon_threadsafe(self._hear, event)

        self._unsubscribe = self.database.bus.subscribe(hear)
        live = await self._books.live()
        for resource_id, machine in self._machines.items():
            machine.remember(live.get(resource_id))
        for resource_id, stopped in (await self._books.in_thread(self._read_stops)).items():
            self._care[resource_id].told = stopped
        for resource_id in self.links:
            self._machines[resource_id].begin()
        self._unlinked = asyncio.create_task(self._see_to_unlinked(), name="machines without a link")

    def _link(self, resource_id: int, link: MachineLink) -> Machine:
        self.links[resource_id] = link
        known = self._machines.get(resource_id)
        if known is not None:
            known.linked_again(link)
            return known
        self._machines[resource_id] = machine = Machine(
            resource_id,
            link,
            self._care[resource_id],
            books=self._books,
            program_path=self._program_path,
            clock=self._clock,
        )
        return machine

    async def add(self, device: str, link: MachineLink) -> int:
        """One machine more, from now on. Returns which; raises `NotFound` while no machine's row names the device."""
        devices = await self._books.in_thread(self._devices)
        resource_id = next((key for key, name in devices.items() if name == device), None)
        if resource_id is None:
            raise NotFound("machine.no_device", machine=device)
        if resource_id in self.links:
            raise Conflict("machine.device_taken", device=device, machine=self.links[resource_id].name)
        self._by_device[device] = link
        machine = self._link(resource_id, link)
        await machine.reload()
        machine.begin()
        return resource_id

    async def remove(self, device: str) -> None:
        """Watch it no more; the machine goes on with what it does. A run on it ends as one without a link does."""
        link = self._by_device.pop(device, None)
        found = [key for key, known in self.links.items() if known is link]
        for resource_id in found:
            del self.links[resource_id]
            await self._machines[resource_id].end()
        if link is not None:
            await link.close()

    async def close(self) -> None:
        """Stop watching; machines go on with what they do."""
        self._unsubscribe()
        unlinked = end([self._unlinked] if self._unlinked else [])
        await asyncio.gather(unlinked, *(machine.end() for machine in self._machines.values()))
        await asyncio.gather(*(link.close() for link in self.links.values()))
        self._books.close()

    def _devices(self) -> dict[int, str]:
        with self.database.read() as uow:
            return {
                row.id: row.machine.device
                for row in house.machines(uow)
                if row.machine and row.machine.device
            }

    def _hear(self, event: Event) -> None:
        machine = self._machines.get(int(event.id))
        if machine is not None:
            machine.wake.set()

    def _read_stops(self) -> dict[int, stops.Stopped]:
        with self.database.read() as uow:
            return stops.unseen(uow)

    async def _see_to_unlinked(self) -> None:
        """Runs of machines that no link leads to (renamed or taken out of devices.toml) must end, too."""
        while True:
            await guarded("machines without a link", self._give_up_unlinked())
            await asyncio.sleep(self._unlinked_every_s)

    async def _give_up_unlinked(self) -> None:
        for resource_id, live in (await self._books.live()).items():
            if resource_id in self.links:
                continue
            now = self._clock.now()
            if live.state is not RunState.PREPARING:
                unseen = Status(at=now, state=DeviceState.OFFLINE, message="no_link")
                await self._books.do(partial(attempts.observe, run_id=live.id, status=unseen))
            elif attempts.is_stale(live.prepared_at, live.deadline_at, now):
                await self._books.do(partial(attempts.withdraw, run_id=live.id, detail="too_late"))

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
        """The bed is clear, the material is in: start the next job here, or the one named, now. In a reservation of
        theirs a member does so, too.

        Raises `Forbidden`, `Refused`, `Conflict` or `Invalid` with nothing changed.
        """
        if not allows(actor, Right.OPERATE):
            await self._books.look(lambda uow: lodging.require_hands_at(uow, resource_id), actor)
            if self.stopped(resource_id) is not None:
                raise Refused([Refusal(code="machine.stop_unseen")])
        link = self.links.get(resource_id)
        if link is not None and link.state is LinkState.ONLINE and is_moving(link.status):
            raise Conflict("machine.busy")
        if link is not None:
            _require_able(link, Capability.START, "machine.cannot_start")
        run = await self._books.do(
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
        run = await self._books.do(lambda uow: attempts.may_pause(uow, run_id), actor)
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

        return await self._books.do(ask, actor)

    async def stop(self, actor: Actor, resource_id: int) -> Safety:
        """To the wire first, written down after: it needs no database. Raises `DeviceError` when it cannot be sent.

        Taps made before are taken back. Where the machine can confirm and has not, it is sent again and again.
        """
        require(actor, Right.OPERATE)
        self.link(resource_id)
        return await self._machines[resource_id].stop(actor)

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
        await self._books.do(lambda uow: stops.acknowledge(uow, resource_id, told), actor)
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
        """Keep the calendar true to the floor, and no machine idle that somebody gains by; runs in a thread of `ticks`.
        Returns how many owners were told."""

        def work(uow: UnitOfWork) -> int:
            ends = expected_ends(uow, self.links)
            told = planner.refresh(uow, ends)
            told += overruns.see_to(uow, ends)
            return told + planner.fill(uow, idle_now(uow, self.links))

        return self.database.write(work)


def _require_able(link: MachineLink, capability: Capability, code: str) -> None:
    if capability not in link.capabilities:
        raise Refused([Refusal(code=code, facts={"machine": link.name})])
