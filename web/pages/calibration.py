"""How true our times are: the calibration page, for staff."""

from __future__ import annotations

from litestar import Response, get

from fablab.reports import timing
from web.pages import show_calibration
from web.pages.shell import AnyRequest, desk_of
from web.security import Right


@get("/calibration", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    with desk.look() as (uow, eyes, _):
        view = show_calibration.view(eyes, timing.calibration(uow))
    return desk.page("calibration.html", cal=view)


ROUTES = (show,)
