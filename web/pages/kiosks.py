"""The staff's side of kiosks: the tablets, the link that lets one in, and the sheet of codes to stick on the machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid, LabError, NotFound
from fablab.people import kiosks
from fablab.places import house
from web.pages.qr import drawn
from web.pages.shell import AnyRequest, Desk, Parts, desk_of, form_of, go, in_thread, templates_of
from web.security import Access, Right

TABLET_LIFE_S = 400 * 24 * 3600  # the longest that browsers keep a cookie


@dataclass(frozen=True, slots=True, kw_only=True)
class KioskRow:
    id: int
    name: str
    machine: str
    enrolled_at: datetime | None
    seen_at: datetime | None
    waits_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KiosksView:
    """`link`: of the kiosk that was just made, shown this once, with its picture."""

    kiosks: tuple[KioskRow, ...]
    machines: tuple[tuple[str, str], ...]
    link: str = ""
    picture: str = ""
    name: str = ""
    chosen: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelView:
    machine_id: int
    name: str
    technology: str
    address: str
    picture: str


@get("/kiosks", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    return _page(desk_of(request))


def _page(
    desk: Desk, *, link: str = "", form: Mapping[str, str] | None = None, error: LabError | None = None
) -> Response[str]:
    typed = form or {}
    with desk.database.read(desk.actor) as uow:
        rows = tuple(
            KioskRow(
                id=row.id,
                name=row.name,
                machine=row.resource.name,
                enrolled_at=row.enrolled_at,
                seen_at=row.seen_at,
                waits_until=row.link_until if row.link_hash is not None else None,
            )
            for row in kiosks.every(uow)
        )
        machines = tuple((str(row.id), row.name) for row in house.machines(uow))
    view = KiosksView(
        kiosks=rows,
        machines=machines,
        link=link,
        picture=drawn(link) if link else "",
        name=typed.get("name", "")[:80],
        chosen=typed.get("machine", "")[:12],
        error=desk.words.error(error) if error is not None else "",
    )
    answer = desk.page("kiosks.html", view=view, status=422 if error is not None else 200)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@post("/kiosks", access=Right.OPERATE, include_in_schema=False, status_code=200)
async def make(request: AnyRequest) -> Response[str]:
    """Answered with the page itself: the link is known now and never again."""
    desk, form = desk_of(request), await form_of(request)
    said = form.get("machine", "")
    machine_id = int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else 0

    def work() -> Response[str]:
        try:
            made = desk.database.write(
                lambda uow: kiosks.make(uow, form.get("name", ""), machine_id), desk.actor
            )
        except (Invalid, NotFound) as error:
            return _page(desk, form=form, error=error)
        return _page(desk, link=f"{desk.parts.settings.address}/kiosk/enrol/{made.link_token}")

    return await in_thread(work)


@post("/kiosks/{kiosk_id:int}/revoke", access=Right.OPERATE, include_in_schema=False)
async def revoke(request: AnyRequest, kiosk_id: FromPath[int]) -> Response[str]:
    desk = desk_of(request)
    await in_thread(desk.database.write, lambda uow: kiosks.revoke(uow, kiosk_id), desk.actor)
    return go(request, "/kiosks")


# -- on the tablet ---------------------------------------------------------------------------------------------------


@get("/kiosk/enrol/{token:str}", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show_enrol(request: AnyRequest, token: FromPath[str]) -> Response[str]:
    """A question first: a link that is only looked at (by a chat's preview) is not used up."""
    parts: Parts = request.app.state.parts
    with parts.database.read() as uow:
        row = kiosks.linked(uow, token[:128])
    return templates_of(request).page(
        request, "kiosk_enrol.html", kiosk=row.name, machine=row.resource.name, token=token[:128]
    )


@post("/kiosk/enrol/{token:str}", access=Access.PUBLIC, include_in_schema=False)
async def enrol(request: AnyRequest, token: FromPath[str]) -> Response[str]:
    parts: Parts = request.app.state.parts

    def work(uow: UnitOfWork) -> tuple[int, str]:
        row, secret = kiosks.enrol(uow, token[:128])
        return row.resource_id, secret

    machine_id, secret = await in_thread(parts.database.write, work)
    answer = go(request, f"/kiosk/{machine_id}")
    cookie = parts.cookies.for_browser(secret)
    cookie.key, cookie.max_age = parts.cookies.kiosk, TABLET_LIFE_S
    answer.set_cookie(cookie)
    return answer


# -- the codes -------------------------------------------------------------------------------------------------------


@get("/kiosks/labels", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def labels(request: AnyRequest) -> Response[str]:
    """One for each machine that has a code; what is stuck to it works until another is made."""
    desk = desk_of(request)
    with desk.look() as (uow, eyes, _):
        known = kiosks.codes(uow)
        rows = house.machines(uow)
        missing = sum(1 for row in rows if row.id not in known)
        found = tuple(
            LabelView(
                machine_id=row.id,
                name=row.name,
                technology=eyes.words.word("technology", row.technology),
                address=f"{desk.parts.settings.address}/k/{known[row.id]}",
                picture=drawn(f"{desk.parts.settings.address}/k/{known[row.id]}"),
            )
            for row in rows
            if row.id in known
        )
    return desk.page("kiosk_labels.html", labels=found, missing=missing)


@post("/kiosks/labels", access=Right.OPERATE, include_in_schema=False)
async def make_labels(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    await in_thread(desk.database.write, kiosks.with_codes, desk.actor)
    return go(request, "/kiosks/labels")


@post("/kiosks/labels/{machine_id:int}/new", access=Right.OPERATE, include_in_schema=False)
async def renew_label(request: AnyRequest, machine_id: FromPath[int]) -> Response[str]:
    """The one on the machine leads nowhere from now on."""
    desk = desk_of(request)
    await in_thread(desk.database.write, lambda uow: kiosks.new_code(uow, machine_id), desk.actor)
    await in_thread(desk.parts.labels.read)
    return go(request, "/kiosks/labels")


ROUTES = (show, make, revoke, show_enrol, enrol, labels, make_labels, renew_label)
