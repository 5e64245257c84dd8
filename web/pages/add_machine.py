"""One more machine: found or typed, tested, then in devices.toml, in the lab, and on the wire at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import LabError, NotFound
from fablab.places import setup
from web.fleet import Wish
from web.pages import show_form, show_machines
from web.pages.machines_model import BlockView
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, in_thread
from web.pages.show_form import Row, Typed
from web.security import Right

FORM = "partials/machine_form.html"


@get("/machines/new", access=Right.MANAGE, include_in_schema=False)
async def show(request: AnyRequest) -> Response[str]:
    """`device`: a table of devices.toml on which no machine of the lab stands yet."""
    desk = desk_of(request)
    device = request.query_params.get("device", "")
    facts = (await in_thread(desk.parts.fleet.devices)).get(device)
    values = {} if facts is None else {"driver": facts.driver, "name": facts.name.replace("-", " ").title()}
    typed = Typed(values=values, device=device if facts is not None else "")
    return await in_thread(_form, desk, typed)


@post("/machines/new/form", access=Right.MANAGE, include_in_schema=False, status_code=200)
async def fill(request: AnyRequest) -> Response[str]:
    """The form again: another kind was chosen, or something that was found."""
    desk = desk_of(request)
    return await in_thread(_form, desk, await _typed(desk))


@post("/machines/new/scan", access=Right.MANAGE, include_in_schema=False, status_code=200)
async def scan(request: AnyRequest) -> Response[str]:
    """Ports of this computer, and servers that announce themselves. Nothing is opened."""
    desk = desk_of(request)
    typed, found = await _typed(desk), await desk.parts.fleet.scan()
    if desk.is_fragment:
        return await in_thread(_form, desk, typed, "partials/machine_found.html", {"found": found})
    return await in_thread(_form, desk, typed, FORM, {"found": found})


@post("/machines/new/test", access=Right.MANAGE, include_in_schema=False, status_code=200)
async def test(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    typed, fleet, member = await _typed(desk), desk.parts.fleet, desk.signed_in.member_id
    try:
        wish = await in_thread(show_form.wish_of, typed, fleet)
        if desk.is_fragment:
            return await in_thread(_tried, desk, fleet.try_out(member, wish))
        more: dict[str, Any] = {"check": await fleet.try_now(wish)}
    except LabError as error:
        return await in_thread(_form, desk, typed, FORM, {"error": error}, 422)
    return await in_thread(_form, desk, typed, FORM, more)


test.__test__ = False  # type: ignore[attr-defined]  # pytest: this is no test


@get("/machines/new/test/{check_id:str}", access=Right.MANAGE, include_in_schema=False, sync_to_thread=True)
def show_test(request: AnyRequest, check_id: FromPath[str]) -> Response[str]:
    return _tried(desk_of(request), check_id[:60])


def _tried(desk: Desk, check_id: str) -> Response[str]:
    check = desk.parts.fleet.tried_out(desk.signed_in.member_id, check_id)
    with desk.look() as (_, eyes, _stock):
        view = show_machines.test_view(eyes, check)
    return desk.fragment("partials/machine_tried.html", check=view, check_id=check_id)


@post("/machines/new/key", access=Right.MANAGE, include_in_schema=False, status_code=200)
async def ask_for_key(request: AnyRequest) -> Response[str]:
    """Have OctoPrint ask its people; the key comes here and not into the browser."""
    desk = desk_of(request)
    typed = await _typed(desk)
    try:
        key = await desk.parts.fleet.ask_for_key(desk.signed_in.member_id, typed.values.get("url", ""))
    except LabError as error:
        return await in_thread(_form, desk, typed, FORM, {"error": error}, 422)
    if desk.is_fragment:
        return await in_thread(_key, desk, key.id)
    return await in_thread(_form, desk, typed, FORM, {"key": key})


@get("/machines/new/key/{key_id:str}", access=Right.MANAGE, include_in_schema=False, sync_to_thread=True)
def show_key(request: AnyRequest, key_id: FromPath[str]) -> Response[str]:
    return _key(desk_of(request), key_id[:60])


def _key(desk: Desk, key_id: str) -> Response[str]:
    key = desk.parts.fleet.key_request(desk.signed_in.member_id, key_id)
    with desk.look() as (_, eyes, _stock):
        view = show_form.key_view(eyes, key)
    return desk.fragment("partials/machine_key.html", key=view)


@post("/machines/new", access=Right.MANAGE, include_in_schema=False, status_code=200)
async def save(request: AnyRequest) -> Response[str]:
    """All of it or nothing: the table of devices.toml, the machine's row; then it is followed."""
    desk = desk_of(request)
    typed, fleet = await _typed(desk), desk.parts.fleet
    try:
        row = show_form.row_of(typed)
        wish = None if typed.device else await in_thread(show_form.wish_of, typed, fleet)
        machine_id = await in_thread(_save, desk, wish, row, typed.device)
    except LabError as error:
        more: dict[str, Any] = {"error": error}
        if error.code == "devices.read_only" and wish is not None:
            secret = fleet.secret_file(wish)
            more["block"] = BlockView(
                text=fleet.block(wish), file=str(fleet.file), secret_file=str(secret) if secret else ""
            )
        return await in_thread(_form, desk, typed, FORM, more, 422)
    await fleet.follow(typed.device or (wish.name if wish is not None else ""))
    await in_thread(desk.dispatcher.replan)
    return go(request, f"/machines#device-{machine_id}")


def _save(desk: Desk, wish: Wish | None, row: Row, device: str) -> int:
    """The file last, inside the transaction: if it cannot be written, there is no row either."""
    fleet, written = desk.parts.fleet, False
    try:
        with desk.database.begin(desk.actor) as uow:
            machine_id = _add(uow, row, device or (wish.name if wish is not None else ""))
            if wish is not None:
                fleet.write(wish)
                written = True
    except BaseException:
        if written and wish is not None:
            fleet.erase(wish.name)
        raise
    return machine_id


def _add(uow: UnitOfWork, row: Row, device: str) -> int:
    return setup.add_machine(
        uow,
        name=row.name,
        technology=row.technology,
        device=device,
        bed_mm=row.bed_mm,
        nozzle_mm=row.nozzle_mm,
        max_nozzle_c=row.max_nozzle_c,
        max_bed_c=row.max_bed_c,
        model=row.model,
        unattended_h=row.unattended_h,
        needs_certification=row.needs_certification,
    ).id


async def _typed(desk: Desk) -> Typed:
    """A secret that was typed is kept here from now on, so that it is not asked for again, nor sent back."""
    form = dict(await form_of(desk.request))
    fleet, member = desk.parts.fleet, desk.signed_in.member_id
    secret = form.get("secret", "").strip()[:200]
    if secret:
        form["kept"] = fleet.keep(member, secret)
    else:
        for name in ("granted", "kept"):  # a key that OctoPrint has just handed out comes first
            secret = fleet.kept(member, form.get(name, "")[:60])
            if secret:
                form["kept"] = form[name]
                break
    return show_form.read(form, secret)


def _last_check(desk: Desk, typed: Typed) -> dict[str, Any]:
    """A test stays on the form while it is filled in."""
    try:
        check = desk.parts.fleet.tried_out(desk.signed_in.member_id, typed.check_id)
    except NotFound:
        return {}
    return {"check": check, "check_id": typed.check_id}


def _form(
    desk: Desk, typed: Typed, name: str = FORM, more: Mapping[str, Any] | None = None, status: int = 200
) -> Response[str]:
    more = {**_last_check(desk, typed), **(more or {})}
    with desk.look() as (_, eyes, _stock):
        view = show_form.form_view(eyes, typed, desk.parts.fleet, **more)
    if desk.is_fragment:
        return desk.fragment(name, status=status, form=view)
    return desk.page("machine_new.html", status=status, form=view)


ROUTES = (show, fill, scan, test, show_test, ask_for_key, show_key, save)
