"""The machines page: what staff look at, test, pause and stop; what an administrator takes out for good."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.errors import NotFound
from fablab.reports.floor import last_faults, machines_now
from scheduler.hands import retire
from web.pages import show_machines
from web.pages.machines_model import DeviceCard
from web.pages.shell import AnyRequest, Desk, Flash, desk_of, go, in_thread
from web.security import Right

__all__ = ["ROUTES", "answer"]

CARD = "partials/device_card.html"


@get("/machines", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    with desk.look() as (uow, eyes, stock):
        view = show_machines.fleet_view(
            eyes, machines_now(uow), last_faults(uow), desk.wires, stock, desk.parts.fleet
        )
    return desk.page("machines.html", fleet=view)


@get("/machines/{machine_id:int}/device", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def show_card(request: AnyRequest, machine_id: FromPath[int]) -> Response[str]:
    desk = desk_of(request)
    return desk.fragment(CARD, d=_card(desk, machine_id))


@get("/devices/{device:str}", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def show_device(request: AnyRequest, device: FromPath[str]) -> Response[str]:
    """Of whichever machine stands on it; of itself while there is none."""
    desk = desk_of(request)
    return desk.fragment(CARD, d=_of_device(desk, device))


@post("/devices/{device:str}/test", access=Right.OPERATE, include_in_schema=False)
async def test(request: AnyRequest, device: FromPath[str]) -> Response[str]:
    """In the background: the card asks for itself until it knows. A machine at work is not disturbed."""
    desk = desk_of(request)
    desk.parts.fleet.test(device)
    return await _answer(desk, device)


test.__test__ = False  # type: ignore[attr-defined]  # pytest: this is no test


@post("/devices/{device:str}/retry", access=Right.OPERATE, include_in_schema=False)
async def retry(request: AnyRequest, device: FromPath[str]) -> Response[str]:
    desk = desk_of(request)
    await desk.parts.fleet.retry(device)
    return await _answer(desk, device)


@post("/machines/{machine_id:int}/remove", access=Right.MANAGE, include_in_schema=False)
async def remove(request: AnyRequest, machine_id: FromPath[int]) -> Response[str]:
    """For good: out of the lab first, then off the wire, then out of devices.toml."""
    desk = desk_of(request)
    fleet = desk.parts.fleet
    device = await in_thread(desk.database.write, lambda uow: retire(uow, machine_id), desk.actor)
    await fleet.leave(device)
    if device in await in_thread(fleet.devices) and fleet.is_writable:
        await in_thread(fleet.erase, device)
    return go(request, "/machines")


@post("/devices/{device:str}/remove", access=Right.MANAGE, include_in_schema=False)
async def remove_device(request: AnyRequest, device: FromPath[str]) -> Response[str]:
    """Out of devices.toml: one that no machine of the lab stands on."""
    desk = desk_of(request)
    if (await in_thread(_of_device, desk, device)).machine_id:
        raise NotFound
    await in_thread(desk.parts.fleet.erase, device)
    return go(request, "/machines")


def _card(desk: Desk, machine_id: int) -> DeviceCard:
    with desk.look() as (uow, eyes, stock):
        rows = machines_now(uow, machine_id)
        if not rows:
            raise NotFound("machine.unknown", id=machine_id)
        fault = last_faults(uow, [machine_id]).get(machine_id)
        return show_machines.row_card(eyes, rows[0], fault, desk.wires, stock, desk.parts.fleet)


def _of_device(desk: Desk, device: str) -> DeviceCard:
    with desk.look() as (uow, eyes, _):
        for row in machines_now(uow):
            if row.resource.machine is not None and row.resource.machine.device == device:
                return _card(desk, row.resource.id)
        facts = desk.parts.fleet.devices().get(device)
        if facts is None:
            raise NotFound("machine.no_device", machine=device[:80])
        return show_machines.loose_card(eyes, facts, desk.parts.fleet)


async def _answer(desk: Desk, device: str) -> Response[str]:
    card = await in_thread(_of_device, desk, device)
    if not desk.is_fragment:
        return go(desk.request, f"/machines#device-{card.key}")
    return desk.fragment(CARD, d=card)


async def answer(desk: Desk, machine_id: int, flash: Flash | None = None) -> Response[str]:
    """To what was asked of a machine on this page; without script the whole page."""
    if not desk.is_fragment:
        return go(desk.request, f"/machines#device-{machine_id}")
    return desk.fragment(CARD, d=await in_thread(_card, desk, machine_id), flash=flash)


ROUTES = (show, show_card, show_device, test, retry, remove, remove_device)
