"""Machines and their runs: what they do, and what the people beside them say and want."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import NotFound
from fablab.claims.models import Allocation
from fablab.device import Safety
from fablab.people.access import SignedIn, allows
from fablab.places import house
from fablab.places.models import Resource
from fablab.reports.floor import machines_now
from fablab.runs import attempts
from fablab.runs.models import Run
from scheduler.dispatch import Dispatcher
from scheduler.planner import give_back, take_out
from scheduler.starting import Prospect, prospects
from web import reads
from web.api.answer import instant, with_etag
from web.api.schema import (
    MachineOut,
    NextOut,
    ReservedOut,
    RunOut,
    SafetyOut,
    StartOut,
    run_out,
    spool_out,
    status_out,
)
from web.errors import said_refusals
from web.floor import word_of
from web.security import Access, Right
from web.words import Words


class OutIn(msgspec.Struct, frozen=True, kw_only=True):
    """`note`: why, for whoever comes next. `until`: when it is expected back, ISO 8601 with zone; null: until somebody
    says that it is."""

    note: str = ""
    until: str | None = None


class TapIn(msgspec.Struct, frozen=True, kw_only=True):
    """`claim`: the job to start, else the next one planned here. `spool`: the id of the spool that is loaded now."""

    bed_clear: bool
    claim: str | None = None
    spool: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What every handler here has at hand: the lab, its machines, and who asks in which language."""

    database: Database
    dispatcher: Dispatcher
    actor: Actor
    words: Words

    def change(self, machine_id: int, work: Callable[[UnitOfWork], object]) -> MachineOut:
        """The machine as it is after `work`."""
        self.database.write(work, self.actor)
        return self.machine(machine_id)

    def machine(self, machine_id: int) -> MachineOut:
        with self.database.read(self.actor) as uow:
            row = house.machine(uow, machine_id).resource
            if not row.active:
                raise NotFound("machine.unknown", id=machine_id)
            upcoming = reads.next_jobs(uow, [machine_id]).get(machine_id)
            ahead = prospects(uow, machines_now(uow, machine_id))[machine_id]
            return self.shown(row, attempts.live_on(uow, machine_id), upcoming, ahead, uow.now)

    def shown(
        self, row: Resource, run: Run | None, upcoming: Allocation | None, ahead: Prospect, now: datetime
    ) -> MachineOut:
        machine = row.machine
        assert machine is not None
        link = self.dispatcher.links.get(row.id)
        status = link.status if link else None
        start_at = upcoming.start_at if upcoming else None
        run_state = run.state if run else None
        return MachineOut(
            id=row.id,
            name=row.name,
            technology=row.technology,
            model=machine.model,
            word=word_of(machine.gate, link.state if link else None, status, run_state, start_at, now),
            gate=machine.gate,
            gate_note=machine.gate_note,
            gate_at=machine.gate_at,
            link=link.state if link else None,
            link_reason=link.reason if link else "",
            capabilities=tuple(sorted(each.value for each in link.capabilities)) if link else (),
            status=status_out(status, link.age_s if link else None) if status else None,
            spool=spool_out(machine.spool),
            run=run_out(run, self.words, status) if run and self._may_see(run.claim.member_id) else None,
            next=self._next(upcoming),
            reserved=self._reserved(ahead),
            start=self._start(ahead),
            late_until=ahead.late_until if ahead.reserved is not None else None,
        )

    def _reserved(self, ahead: Prospect) -> ReservedOut | None:
        known = ahead.reserved
        if known is None:
            return None
        seen = self._may_see(known.member_id)
        return ReservedOut(
            start_at=known.start_at,
            end_at=known.end_at,
            now=known.is_now,
            own=known.member_id == self.actor.member_id,
            holder=known.holder if seen else None,
            reservation=known.reservation_id or None if seen else None,
        )

    def _start(self, ahead: Prospect) -> StartOut | None:
        if ahead.claim is None:
            return None
        seen = self._may_see(ahead.claim.member_id)
        against = said_refusals(self.words, [ahead.against]) if ahead.against is not None else ()
        return StartOut(
            job=ahead.claim.id if seen else None,
            title=ahead.claim.title if seen else None,
            against=next(iter(against), None),
            moves=len(ahead.moves),
        )

    def run(self, run_id: str) -> RunOut:
        with self.database.read(self.actor) as uow:
            run = attempts.get(uow, run_id)
            if not self._may_see(run.claim.member_id):
                raise NotFound("run.unknown", id=run_id)
            link = self.dispatcher.links.get(run.resource_id)
            return run_out(run, self.words, link.status if link else None)

    def _next(self, upcoming: Allocation | None) -> NextOut | None:
        if upcoming is None:
            return None
        known = self._may_see(upcoming.claim.member_id)
        return NextOut(
            start_at=upcoming.start_at,
            end_at=upcoming.end_at,
            job=upcoming.claim_id if known else None,
            title=upcoming.claim.title if known else None,
        )

    def _may_see(self, owner_id: int | None) -> bool:
        return owner_id == self.actor.member_id or allows(self.actor, Right.SEE_ALL)


def floor(
    database: NamedDependency[Database],
    dispatcher: NamedDependency[Dispatcher],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> Floor:
    return Floor(database=database, dispatcher=dispatcher, actor=signed_in.actor, words=words)


@get("/machines", access=Access.SIGNED_IN, sync_to_thread=True, tags=["machines"])
def list_machines(
    request: Request[Any, Any, Any],
    floor: NamedDependency[Floor],
) -> Response[bytes]:
    """Every machine as it is now: the word it wears, its run, its heat, what comes next."""
    with floor.database.read(floor.actor) as uow:
        rows = machines_now(uow)
        ahead = prospects(uow, rows)
        upcoming = reads.next_jobs(uow)
        found = [
            floor.shown(row.resource, row.run, upcoming.get(row.resource.id), ahead[row.resource.id], uow.now)
            for row in rows
        ]
    return with_etag(request, found)


@get("/machines/{machine_id:int}", access=Access.SIGNED_IN, sync_to_thread=True, tags=["machines"])
def get_machine(
    machine_id: FromPath[int],
    floor: NamedDependency[Floor],
) -> MachineOut:
    return floor.machine(machine_id)


@post(
    "/machines/{machine_id:int}/clear",
    access=Right.OPERATE,
    sync_to_thread=True,
    status_code=200,
    tags=["machines"],
)
def clear_machine(
    machine_id: FromPath[int],
    floor: NamedDependency[Floor],
) -> MachineOut:
    """The part is off and the bed is clear."""
    return floor.change(machine_id, lambda uow: attempts.clear_bed(uow, machine_id))


@post("/machines/{machine_id:int}/tap", access=Access.SIGNED_IN, tags=["machines"])
async def tap_machine(
    machine_id: FromPath[int],
    data: JSONBody[TapIn],
    floor: NamedDependency[Floor],
) -> RunOut:
    """Bed clear, material in: start the next job here, or the one named, now. Operators do, and a member does so with
    their own job in their own reservation."""
    run = await floor.dispatcher.tap(
        floor.actor, machine_id, claim_id=data.claim, bed_clear=data.bed_clear, spool_id=data.spool
    )
    return run_out(run, floor.words)


@post(
    "/machines/{machine_id:int}/out-of-service",
    access=Right.OPERATE,
    sync_to_thread=True,
    status_code=200,
    tags=["machines"],
)
def lock_out_machine(
    machine_id: FromPath[int],
    data: JSONBody[OutIn],
    floor: NamedDependency[Floor],
) -> MachineOut:
    """Out of service: nothing starts on it, and what was planned there until then moves. A run goes on to its end."""
    until = instant(data.until, "until")
    return floor.change(machine_id, lambda uow: take_out(uow, machine_id, data.note.strip(), until=until))


@post(
    "/machines/{machine_id:int}/back",
    access=Right.OPERATE,
    sync_to_thread=True,
    status_code=200,
    tags=["machines"],
)
def give_back_machine(
    machine_id: FromPath[int],
    floor: NamedDependency[Floor],
) -> MachineOut:
    """Back in service; somebody still has to say that the bed is clear."""
    return floor.change(machine_id, lambda uow: give_back(uow, machine_id))


@post("/machines/{machine_id:int}/stop", access=Right.OPERATE, status_code=200, tags=["machines"])
async def stop_machine(
    machine_id: FromPath[int],
    floor: NamedDependency[Floor],
) -> SafetyOut:
    """Heaters and beam off, now. The real emergency stop is the red button on the machine."""
    safety = await floor.dispatcher.stop(floor.actor, machine_id)
    return SafetyOut(confirmed=safety is Safety.CONFIRMED, detail=floor.words.word("safety", safety))


@get("/runs/{run_id:str}", access=Access.SIGNED_IN, sync_to_thread=True, tags=["runs"])
def get_run(
    run_id: FromPath[str],
    floor: NamedDependency[Floor],
) -> RunOut:
    """One attempt on one machine, with what the machine last said of it."""
    return floor.run(run_id)


@post("/runs/{run_id:str}/pause", access=Right.OPERATE, status_code=202, tags=["runs"])
async def pause_run(run_id: FromPath[str], floor: NamedDependency[Floor]) -> None:
    """Asked of the machine; the run says "paused" when the machine does."""
    await floor.dispatcher.pause(floor.actor, run_id)


@post("/runs/{run_id:str}/resume", access=Right.OPERATE, status_code=202, tags=["runs"])
async def resume_run(run_id: FromPath[str], floor: NamedDependency[Floor]) -> None:
    await floor.dispatcher.resume(floor.actor, run_id)


@post("/runs/{run_id:str}/cancel", access=Right.SUBMIT, status_code=202, tags=["runs"])
async def cancel_run(
    run_id: FromPath[str],
    floor: NamedDependency[Floor],
) -> RunOut:
    """Its owner or an operator; sent again and again until the machine has stopped."""
    return run_out(await floor.dispatcher.cancel(floor.actor, run_id), floor.words)


DEPENDENCIES = {"floor": Provide(floor, sync_to_thread=False)}
ROUTES = (
    list_machines,
    get_machine,
    clear_machine,
    tap_machine,
    lock_out_machine,
    give_back_machine,
    stop_machine,
    get_run,
    pause_run,
    resume_run,
    cancel_run,
)
