"""Badge and PIN, by which somebody is known at a kiosk: of oneself, and by the staff of a member."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, LabError, NotFound
from fablab.people import access, badges, standing
from web.api.security import login_token
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, in_thread
from web.security import Access, Right

OWN: Final = "/badge"
Change = Callable[[UnitOfWork, int, Mapping[str, str], str], None]
ACTS: Final[Mapping[str, Change]] = {
    "badge": lambda uow, who, form, token: badges.set_badge(
        uow, who, form.get("badge", ""), login_token=token
    ),
    "pin": lambda uow, who, form, token: badges.set_pin(uow, who, _pin(form), login_token=token),
    "no-badge": lambda uow, who, _form, token: badges.take_badge(uow, who, login_token=token),
    "no-pin": lambda uow, who, _form, token: badges.take_pin(uow, who, login_token=token),
}


def _pin(form: Mapping[str, str]) -> str:
    if form.get("pin", "") != form.get("again", ""):
        raise Invalid("pin.differ", field="again")
    return form.get("pin", "")[:20]


@get(OWN, access=Access.IN_PERSON, include_in_schema=False, sync_to_thread=True)
def show_own(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    return _page(desk, desk.signed_in.member_id, OWN)


@get("/members/{member_id:int}/badge", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def show_member(request: AnyRequest, member_id: FromPath[int]) -> Response[str]:
    return _page(desk_of(request), member_id, f"/members/{member_id}/badge")


def _page(desk: Desk, member_id: int, base: str, error: LabError | None = None) -> Response[str]:
    is_own = member_id == desk.signed_in.member_id
    with desk.database.read(desk.actor) as uow:
        member = standing.get(uow, member_id) if is_own else standing.at_desk(uow, member_id)
        keys = badges.keys_of(uow, member_id)
        fresh = not is_own or access.is_fresh(uow, login_token(desk.request))
    return desk.page(
        "badge.html",
        status=200 if error is None else 422,
        base=base,
        member_id=member_id,
        who=member.name,
        is_own=is_own,
        fresh=fresh,
        keys=keys,
        error=desk.words.error(error) if error is not None else "",
        field=error.field or "" if isinstance(error, Invalid) else "",
    )


@post("/badge/{act:str}", access=Access.IN_PERSON, include_in_schema=False)
async def change_own(request: AnyRequest, act: FromPath[str]) -> Response[str]:
    return await _change(request, desk_of(request).signed_in.member_id, OWN, act)


@post("/members/{member_id:int}/badge/{act:str}", access=Right.OPERATE, include_in_schema=False)
async def change_member(request: AnyRequest, member_id: FromPath[int], act: FromPath[str]) -> Response[str]:
    return await _change(request, member_id, f"/members/{member_id}/badge", act)


async def _change(request: AnyRequest, member_id: int, base: str, act: str) -> Response[str]:
    desk, form = desk_of(request), await form_of(request)
    change, token = ACTS.get(act), login_token(request)
    if change is None:
        raise NotFound("kiosk.no_button")

    def work() -> Response[str]:
        try:
            desk.database.write(lambda uow: change(uow, member_id, form, token), desk.actor)
        except (Invalid, Conflict) as error:
            return _page(desk, member_id, base, error)
        except Forbidden as error:
            if error.code != "access.confirm":
                raise
            return go(request, f"/security/confirm?next={OWN}")
        return go(request, base)

    return await in_thread(work)


ROUTES = (show_own, show_member, change_own, change_member)
