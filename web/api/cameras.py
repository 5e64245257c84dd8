"""Pictures of machines for programs: for operators, and for a maker while their run is on the machine."""

from __future__ import annotations

import anyio.to_thread
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from fablab.base.database import Database
from fablab.base.errors import Forbidden, NotFound
from fablab.people.access import SignedIn
from web.cameras import Cameras, camera_for
from web.cameras.answer import moving, still
from web.security import Access


@get("/machines/{machine_id:int}/camera/snapshot", access=Access.SIGNED_IN, tags=["machines"])
async def get_snapshot(
    machine_id: FromPath[int],
    database: NamedDependency[Database],
    cameras: NamedDependency[Cameras],
    signed_in: NamedDependency[SignedIn],
) -> Response[bytes]:
    """One picture (JPEG, PNG or WebP), at most two seconds old. Nothing is recorded."""
    device = await anyio.to_thread.run_sync(_device, database, signed_in, machine_id)
    return still(await cameras.snapshot(device))


@get("/machines/{machine_id:int}/camera/stream", access=Access.SIGNED_IN, tags=["machines"])
async def get_stream(
    machine_id: FromPath[int],
    database: NamedDependency[Database],
    cameras: NamedDependency[Cameras],
    signed_in: NamedDependency[SignedIn],
) -> Stream:
    """Motion JPEG, multipart/x-mixed-replace; ends when the caller may look no more, and after a quarter of an hour."""
    device = await anyio.to_thread.run_sync(_device, database, signed_in, machine_id)

    async def may_look() -> bool:
        try:
            await anyio.to_thread.run_sync(_device, database, signed_in, machine_id)
        except (Forbidden, NotFound):
            return False
        return True

    return moving(cameras.watch(device, may_look))


def _device(database: Database, signed_in: SignedIn, machine_id: int) -> str:
    with database.read(signed_in.actor) as uow:
        return camera_for(uow, machine_id)


ROUTES = (get_snapshot, get_stream)
