"""A due allocation becomes a run on a device, and is followed to its end.

The dispatcher owns the links. What it sends was written down before (`runs.begin` commits, then the command goes);
what it sees is judged by `runs.reconcile` and written when something changed, or once a minute. One machine never
waits for another: each has its own watcher and its own driver task.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

from fablab.base.clock import Clock
from fablab.base.database import SYSTEM, Actor, Database, UnitOfWork
from fablab.base.errors import Conflict, LabError, NotFound
from fablab.base.events import Event
from fablab.claims import calendar
from fablab.claims.models import Claim
from fablab.device import (
    Capability,
    DeviceError,
    DeviceState,
    Identity,
    LinkLost,
    LinkState,
    Safety,
    Status,
)
from fablab.people.access import Right, require
from fablab.places import house
from fablab.runs import attempts
from fablab.runs.models import RUN_STEPS, Run, RunState
from fablab.runs.reconcile import reconcile
from scheduler import planner
from scheduler.sight import look

log = logging.getLogger(__name__)
T = TypeVar("T")

SCREEN_EVERY_S = 0.5  # telemetry reaches the screens at most this often, a change of state at once
CANCEL_AGAIN_S = 5.0
TRUST_FRACTION = 0.05  # below this part done, a device's own guess of what remains is worth nothing


class MachineLink(Protocol):
    """What the dispatcher needs of a link; `drivers.link.Link` is one."""

    @property
    def name(self) -> str: ...
    @property
    def capabilities(self) -> frozenset[Capability]: ...
    @property
    def state(self) -> LinkState: ...
    @property
    def status(self) -> Status: ...
    @property
    def age_s(self) -> float | None: ...

    reason: str
    identity: Identity | None

    def begin(self) -> None: ...
    async def close(self) -> None: ...
    def retry(self) -> None: ...
    def subscribe(self) -> AsyncIterator[Status]: ...
    async def start(self, program: Path, token: str, deadline: datetime) -> None: ...
    async def pause(self) -> None: ...
    async def resume(self) -> None: ...
    async def cancel(self) -> None: ...
    async def make_safe(self) -> Safety: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What is remembered of a live run between two looks at the database."""

    id: str
    claim_id: str
    program_sha256: str
    state: RunState
    state_at: datetime
    unseen_since: datetime | None
    deadline_at: datetime
    cancel_asked: bool
    started_at: datetime | None


class Dispatcher:
    """`links`: by the device name that a machine's row carries. `program_path`: from a SHA-256 to its file."""

    def __init__(
        self,
        database: Database,
        links: Mapping[str, MachineLink],
        program_path: Callable[[str], Path],
        clock: Clock,
    ) -> None:
        self.database = database
        self.links: dict[int, MachineLink] = {}
        self._by_device = dict(links)
        self._program_path = program_path
        self._clock = clock
        self._live: dict[int, Live] = {}
        self._written: dict[int, datetime] = {}
        self._shown: dict[int, tuple[DeviceState, datetime]] = {}
        self._wake: dict[int, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []

    # -- life ------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Map machines to links, pick up the runs that were live, and start to watch."""
        devices = await asyncio.to_thread(self._devices)
        loop = asyncio.get_running_loop()
        for resource_id, device in devices.items():
            if device in self._by_device:
                self.links[resource_id] = self._by_device[device]
                self._wake[resource_id] = asyncio.Event()

        def hear(event: Event) -> None:
            loop.call_soon_threadsafe(self._hear, event)

        self._unsubscribe = self.database.bus.subscribe(hear)
        await self._reload()
        for resource_id, link in self.links.items():
            link.begin()
            self._tasks.append(
                asyncio.create_task(self._follow(resource_id, link), name=f"follow {link.name}")
            )
            self._tasks.append(asyncio.create_task(self._drive(resource_id, link), name=f"drive {link.name}"))

    async def close(self) -> None:
        """Stop watching; machines go on with what they do."""
        self._unsubscribe()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await asyncio.gather(*(link.close() for link in self.links.values()))

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
            self._show(resource_id, status)
            await self._guarded(link, self._observe(resource_id, status))

    def _show(self, resource_id: int, status: Status) -> None:
        state, at = self._shown.get(resource_id, (None, None))
        if state is status.state and at and (status.at - at).total_seconds() < SCREEN_EVERY_S:
            return
        self._shown[resource_id] = (status.state, status.at)
        events = [Event(topic="machine", id=resource_id, name="status", at=status.at)]
        live = self._live.get(resource_id)
        if live is not None:
            events.append(Event(topic="claim", id=live.claim_id, name="progress", at=status.at))
        self.database.bus.publish(events)

    async def _observe(self, resource_id: int, status: Status) -> None:
        live = self._live.get(resource_id)
        if live is None or live.state is RunState.PREPARING:
            self._wake[resource_id].set()
            return
        if not self._worth_writing(resource_id, live, status):
            return
        await self._do(lambda uow: attempts.observe(uow, live.id, status))
        self._written[resource_id] = status.at
        await self._reload(resource_id)

    def _worth_writing(self, resource_id: int, live: Live, status: Status) -> bool:
        action = reconcile(live.state, live.state_at, live.unseen_since, live.id, status)
        if action is not None and RUN_STEPS.get((live.state, action)) is not live.state:
            return True
        if (status.state is DeviceState.OFFLINE) != (live.unseen_since is not None):
            return True
        written = self._written.get(resource_id)
        return written is None or status.at - written >= attempts.WRITE_EVERY

    async def _reload(self, resource_id: int | None = None) -> None:
        found = await asyncio.to_thread(self._read_live)
        for known in [resource_id] if resource_id is not None else list(self.links):
            if known in found:
                self._live[known] = found[known]
            else:
                self._live.pop(known, None)
                self._written.pop(known, None)

    def _read_live(self) -> dict[int, Live]:
        with self.database.read() as uow:
            return {run.resource_id: _live(uow, run) for run in attempts.all_live(uow)}

    # -- acting ----------------------------------------------------------------------------------------------

    async def _drive(self, resource_id: int, link: MachineLink) -> None:
        wake = self._wake[resource_id]
        while True:
            waiting = self._live.get(resource_id)
            timeout = CANCEL_AGAIN_S if waiting is not None else None
            try:
                async with asyncio.timeout(timeout):
                    await wake.wait()
            except TimeoutError:
                pass
            wake.clear()
            await self._guarded(link, self._reload(resource_id))
            live = self._live.get(resource_id)
            if live is not None:
                await self._guarded(link, self._act(resource_id, link, live))
            live = self._live.get(resource_id)
            if live is not None and live.state is not RunState.PREPARING:
                # What the machine said while its start was being written down found no run to judge.
                await self._guarded(link, self._observe(resource_id, link.status))

    async def _guarded(self, link: MachineLink, step: Coroutine[Any, Any, None]) -> None:
        """One step of a machine's endless task. Whatever goes wrong in it is tried again with the next status."""
        try:
            await step
        except (DeviceError, LabError) as error:
            log.warning("%s: %s", link.name, error)
        except Exception:
            # A mistake of ours, or a database that is away, must not leave a hot machine unwatched for good.
            log.exception("%s: a step failed", link.name)

    async def _act(self, resource_id: int, link: MachineLink, live: Live) -> None:
        if live.state is RunState.PREPARING:
            if live.deadline_at <= self._clock.now():
                await self._do(lambda uow: attempts.withdraw(uow, live.id, "too_late"))
            elif link.state is LinkState.ONLINE and link.status.state is DeviceState.IDLE:
                await self._start(link, live)
        elif live.cancel_asked:
            await link.cancel()
        await self._reload(resource_id)

    async def _start(self, link: MachineLink, live: Live) -> None:
        """Written down, then sent. What happens to an answer that was lost is for the next looks to say."""
        run = await self._do(lambda uow: attempts.begin(uow, live.id))
        path = self._program_path(live.program_sha256)
        try:
            await link.start(path, run.id, run.deadline_at)
        except LinkLost as error:
            log.warning("%s: no answer to the start of %s: %s", link.name, run.id, error)
        except DeviceError as error:
            said = str(error)
            log.warning("%s refused %s: %s", link.name, run.id, said)
            await self._do(lambda uow: attempts.refused_start(uow, run.id, said))

    async def _do(self, work: Callable[[UnitOfWork], T], actor: Actor = SYSTEM) -> T:
        return await asyncio.to_thread(self.database.write, work, actor)

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
        return await self._do(
            lambda uow: start_now(uow, resource_id, claim_id, bed_clear=bed_clear, spool_id=spool_id), actor
        )

    async def pause(self, actor: Actor, run_id: str) -> None:
        run = await self._do(lambda uow: attempts.may_pause(uow, run_id), actor)
        await self.link(run.resource_id).pause()

    async def resume(self, actor: Actor, run_id: str) -> None:
        run = await self._do(lambda uow: attempts.may_pause(uow, run_id), actor)
        await self.link(run.resource_id).resume()

    async def cancel(self, actor: Actor, run_id: str) -> Run:
        """Written down first; the machine's own task sends it, again and again until the run has ended."""
        return await self._do(lambda uow: attempts.ask_cancel(uow, run_id), actor)

    async def stop(self, actor: Actor, resource_id: int) -> Safety:
        """To the wire first, written down after: it needs no database. Raises `DeviceError` when it cannot be sent."""
        require(actor, Right.OPERATE)
        link = self.link(resource_id)
        safety = await link.make_safe()
        log.warning("%s was stopped by %s: %s", link.name, actor.name, safety.value)
        return safety

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
            if mine and mine.remaining_s is not None and (mine.fraction or 0.0) >= TRUST_FRACTION:
                left_s = mine.remaining_s
            else:
                elapsed_s = (uow.now - run.started_at).total_seconds()
                left_s = sight.duration(run.claim, run.resource_id).remaining(max(0.0, elapsed_s)).p60_s
            ends[run.id] = uow.now + timedelta(seconds=left_s)
        return ends


def _live(uow: UnitOfWork, run: Run) -> Live:
    return Live(
        id=run.id,
        claim_id=run.claim_id,
        program_sha256=attempts.program_of(uow, run),
        state=run.state,
        state_at=run.state_at,
        unseen_since=run.unseen_since,
        deadline_at=run.deadline_at,
        cancel_asked=run.cancel_asked_at is not None,
        started_at=run.started_at,
    )


def start_now(
    uow: UnitOfWork, resource_id: int, claim_id: str | None, *, bed_clear: bool, spool_id: int | None = None
) -> Run:
    """What a tap does to the database: the job has its place from now on, and a run that prepares."""
    require(uow.actor, Right.OPERATE)
    claim = _to_start(uow, resource_id, claim_id)
    if attempts.live_on(uow, resource_id) is not None:
        raise Conflict("machine.busy")
    attempts.require_waiting(uow, claim)
    allocation = planner.place_now(uow, claim, resource_id)
    return attempts.prepare(uow, allocation, bed_clear=bed_clear, spool_id=spool_id)


def _to_start(uow: UnitOfWork, resource_id: int, claim_id: str | None) -> Claim:
    if claim_id is not None:
        return calendar.claim(uow, claim_id)
    allocation = attempts.next_waiting(uow, resource_id)
    if allocation is None:
        raise Conflict("machine.nothing_planned")
    return allocation.claim
