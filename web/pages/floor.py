"""The floor: every machine live, and what the people beside it do with it."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.errors import NotFound
from fablab.claims import calendar
from fablab.device import Safety
from fablab.places import house
from fablab.reports.floor import machines_now
from fablab.reports.jobs import in_review
from fablab.runs import attempts
from scheduler import planner
from scheduler.first_hands import ranked
from scheduler.starting import prospects
from web.pages import machines, show_floor
from web.pages.jobs import job_live
from web.pages.model import MachineCard
from web.pages.shell import AnyRequest, Desk, Flash, desk_of, form_of, go, in_thread
from web.pages.show_draft import until_of
from web.security import Access, Right

CARD = "partials/machine_card.html"


@get("/floor", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    with desk.look() as (uow, eyes, stock):
        waiting = len(in_review(uow)) if eyes.operates else 0
        rows = machines_now(uow)
        ahead = prospects(uow, rows)
        todos = ranked(uow, rows, ahead) if eyes.operates else ()
        view = show_floor.floor(eyes, rows, desk.wires, stock, ahead, todos=todos, in_review=waiting)
    return desk.page("floor.html", floor=view)


@get("/machines/{machine_id:int}/card", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show_card(request: AnyRequest, machine_id: FromPath[int]) -> Response[str]:
    desk = desk_of(request)
    return desk.fragment(CARD, m=_card(desk, machine_id))


def _card(desk: Desk, machine_id: int) -> MachineCard:
    with desk.look() as (uow, eyes, stock):
        rows = machines_now(uow, machine_id)
        if not rows:
            raise NotFound("machine.unknown", id=machine_id)
        return show_floor.card(eyes, rows[0], desk.wires, stock, prospects(uow, rows)[machine_id])


async def _answer(desk: Desk, machine_id: int, flash: Flash | None = None) -> Response[str]:
    """The card as it is now; without script the whole page. `where` is "floor" or "machines"."""
    if (await form_of(desk.request)).get("where") == "machines":
        return await machines.answer(desk, machine_id, flash)
    if not desk.is_fragment:
        return go(desk.request, f"/floor#machine-{machine_id}")
    return desk.fragment(CARD, m=await in_thread(_card, desk, machine_id), flash=flash)


@post("/machines/{machine_id:int}/tap", access=Access.SIGNED_IN, include_in_schema=False)
async def tap(request: AnyRequest, machine_id: FromPath[int]) -> Response[str]:
    """The bed is clear, and what the button named is loaded: the job it named starts. Who may is the dispatcher's word:
    operators, and in a reservation its holder."""
    desk = desk_of(request)
    job_id = (await form_of(request)).get("job", "")[:40]
    spool_id = await in_thread(_spool, desk, machine_id, job_id)
    await desk.dispatcher.tap(
        desk.actor, machine_id, claim_id=job_id or None, bed_clear=True, spool_id=spool_id
    )
    return await _answer(desk, machine_id)


def _spool(desk: Desk, machine_id: int, job_id: str) -> int | None:
    """The spool that the button said would be loaded, when it is another than the one that was."""
    if not job_id:
        return None
    with desk.look() as (uow, _, stock):
        spool = show_floor.spool_to_load(house.machine(uow, machine_id), calendar.claim(uow, job_id), stock)
        return spool.id if spool is not None else None


@post("/machines/{machine_id:int}/clear", access=Right.OPERATE, include_in_schema=False)
async def clear(request: AnyRequest, machine_id: FromPath[int]) -> Response[str]:
    desk = desk_of(request)
    await in_thread(desk.database.write, lambda uow: attempts.clear_bed(uow, machine_id), desk.actor)
    return await _answer(desk, machine_id)


@post("/machines/{machine_id:int}/out-of-service", access=Right.OPERATE, include_in_schema=False)
async def lock_out(request: AnyRequest, machine_id: FromPath[int]) -> Response[str]:
    """With its reason and who said so, for whoever comes next; what was planned here until it is expected back moves at
    once."""
    desk, form = desk_of(request), await form_of(request)
    reason = " ".join(form.get("reason", "").split())[:200]
    note = f"{reason} ({desk.signed_in.name})" if reason else desk.signed_in.name
    until = until_of(form.get("until", ""), desk.words.formats.zone)
    await in_thread(
        desk.database.write, lambda uow: planner.take_out(uow, machine_id, note, until=until), desk.actor
    )
    return await _answer(desk, machine_id)


@post("/machines/{machine_id:int}/back", access=Right.OPERATE, include_in_schema=False)
async def give_back(request: AnyRequest, machine_id: FromPath[int]) -> Response[str]:
    """Back in service; somebody still has to say that the bed is clear."""
    desk = desk_of(request)
    await in_thread(desk.database.write, lambda uow: planner.give_back(uow, machine_id), desk.actor)
    return await _answer(desk, machine_id)


@post("/machines/{machine_id:int}/stop", access=Right.OPERATE, include_in_schema=False)
async def stop(request: AnyRequest, machine_id: FromPath[int]) -> Response[str]:
    """To the wire first, whatever the database does; the answer says whether the machine has confirmed it."""
    desk = desk_of(request)
    safety = await desk.dispatcher.stop(desk.actor, machine_id)
    card = await in_thread(_card, desk, machine_id)
    sentence = card.stop.sentence if card.stop is not None else desk.words.word("safety", safety)
    kind = "good" if safety is Safety.CONFIRMED else "bad"
    return await _answer(desk, machine_id, Flash(kind=kind, text=sentence))


@post("/machines/{machine_id:int}/stop/seen", access=Right.OPERATE, include_in_schema=False)
async def acknowledge(request: AnyRequest, machine_id: FromPath[int]) -> Response[str]:
    """Somebody has read how the stop ended, and has looked at the machine."""
    desk = desk_of(request)
    await desk.dispatcher.acknowledge(desk.actor, machine_id)
    return await _answer(desk, machine_id)


@post("/runs/{run_id:str}/pause", access=Right.OPERATE, include_in_schema=False)
async def pause(request: AnyRequest, run_id: FromPath[str]) -> Response[str]:
    desk = desk_of(request)
    await desk.dispatcher.pause(desk.actor, run_id)
    return await _answer_run(desk, run_id)


@post("/runs/{run_id:str}/resume", access=Right.OPERATE, include_in_schema=False)
async def resume(request: AnyRequest, run_id: FromPath[str]) -> Response[str]:
    desk = desk_of(request)
    await desk.dispatcher.resume(desk.actor, run_id)
    return await _answer_run(desk, run_id)


@post("/runs/{run_id:str}/cancel", access=Right.SUBMIT, include_in_schema=False)
async def cancel(request: AnyRequest, run_id: FromPath[str]) -> Response[str]:
    """Its owner or an operator; sent again and again until the machine has stopped."""
    desk = desk_of(request)
    await desk.dispatcher.cancel(desk.actor, run_id)
    return await _answer_run(desk, run_id)


async def _answer_run(desk: Desk, run_id: str) -> Response[str]:
    """Back to where the button was: `where` is "floor" or "job"."""
    where = (await form_of(desk.request)).get("where", "floor")
    job_id, machine_id = await in_thread(_whose, desk, run_id)
    if where != "job":
        return await _answer(desk, machine_id)
    if not desk.is_fragment:
        return go(desk.request, f"/jobs/{job_id}")
    return await in_thread(job_live, desk, job_id)


def _whose(desk: Desk, run_id: str) -> tuple[str, int]:
    with desk.database.read(desk.actor) as uow:
        run = attempts.get(uow, run_id)
        return run.claim_id, run.resource_id


ROUTES = (show, show_card, tap, clear, lock_out, give_back, stop, acknowledge, pause, resume, cancel)
