"""A machine's camera: one picture, moving pictures, and the page to watch them on. Nothing is recorded."""

from __future__ import annotations

from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Stream

from fablab.base.errors import Forbidden, NotFound
from fablab.places import house
from fablab.runs import attempts
from web.cameras import Cameras, camera_for
from web.cameras.answer import moving, still
from web.pages import show_floor
from web.pages.shell import AnyRequest, Desk, desk_of, in_thread
from web.security import Access


@get(
    "/machines/{machine_id:int}/camera", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True
)
def show(request: AnyRequest, machine_id: FromPath[int]) -> Response[str]:
    """The live view."""
    desk = desk_of(request)
    with desk.look() as (uow, eyes, _):
        camera_for(uow, machine_id)
        row = house.machine(uow, machine_id).resource
        view = show_floor.camera(eyes, row, attempts.live_on(uow, machine_id), desk.wires)
        if view is None:
            raise NotFound("camera.none")
    return desk.page("camera.html", camera=view)


@get("/machines/{machine_id:int}/camera/snapshot", access=Access.SIGNED_IN, include_in_schema=False)
async def snapshot(request: AnyRequest, machine_id: FromPath[int]) -> Response[bytes]:
    desk = desk_of(request)
    device = await in_thread(_device, desk, machine_id)
    return still(await _cameras(desk).snapshot(device))


@get("/machines/{machine_id:int}/camera/stream", access=Access.SIGNED_IN, include_in_schema=False)
async def stream(request: AnyRequest, machine_id: FromPath[int]) -> Stream:
    desk = desk_of(request)
    device = await in_thread(_device, desk, machine_id)

    async def may_look() -> bool:
        return await in_thread(_may_look, desk, machine_id)

    return moving(_cameras(desk).watch(device, may_look))


def _cameras(desk: Desk) -> Cameras:
    return desk.parts.cameras


def _device(desk: Desk, machine_id: int) -> str:
    with desk.database.read(desk.actor) as uow:
        return camera_for(uow, machine_id)


def _may_look(desk: Desk, machine_id: int) -> bool:
    try:
        _device(desk, machine_id)
    except (Forbidden, NotFound):
        return False
    return True


ROUTES = (show, snapshot, stream)
