"""Handing a reservation over: offered to another member by their address, and answered by them."""

from __future__ import annotations

from litestar import Response, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound, Refused
from fablab.claims import reservations
from fablab.claims.reservations import handing
from fablab.people import members
from web.pages import show_reserve
from web.pages.reservations import mine_page, one_page
from web.pages.shell import AnyRequest, desk_of, form_of, go, in_thread
from web.security import Right


@post("/reservations/{reservation_id:str}/hand-over", access=Right.SUBMIT, include_in_schema=False)
async def hand_over(request: AnyRequest, reservation_id: FromPath[str]) -> Response[str]:
    """To another member, by their address. Whether an address is a member's is not told apart from one that is refused."""
    desk, form = desk_of(request), await form_of(request)
    to = form.get("to", "").strip()[:200]

    def work(uow: UnitOfWork) -> object:
        reservations.may_change(uow, reservation_id)
        receiver = members.member_by_email(uow, to)
        return handing.offer(uow, reservation_id, receiver.id, form.get("why", "")[:300])

    def act() -> Response[str]:
        try:
            desk.database.write(work, desk.actor)
        except NotFound as error:
            if error.code != "member.unknown":
                raise
            return one_page(
                desk, reservation_id, status=422, to=to, errors={"to": desk.words.say("reserve.nobody")}
            )
        except Refused as error:
            with desk.look() as (_, eyes, _):
                rows = show_reserve.said_refusals(eyes, error.refusals)
            told = " ".join(row.sentence for row in rows)
            return one_page(desk, reservation_id, status=422, to=to, errors={"to": told})
        except (Invalid, Conflict) as error:
            return one_page(desk, reservation_id, status=409, to=to, errors={"to": desk.words.error(error)})
        return go(request, f"/reservations/{reservation_id}")

    return await in_thread(act)


@post(
    "/reservations/{reservation_id:str}/hand-over/{answer:str}",
    access=Right.SUBMIT,
    include_in_schema=False,
)
async def answer(request: AnyRequest, reservation_id: FromPath[str], answer: FromPath[str]) -> Response[str]:
    """`accept` and `decline` by whom it was offered to, `withdraw` by whoever offered it."""
    desk = desk_of(request)
    if answer not in handing.ANSWERS:
        raise NotFound("not_found")
    work = handing.ANSWERS[answer]

    def act() -> Response[str]:
        try:
            desk.database.write(lambda uow: work(uow, reservation_id), desk.actor)
        except Refused as error:
            with desk.look() as (_, eyes, _):
                rows = show_reserve.said_refusals(eyes, error.refusals)
            return mine_page(desk, status=422, said=" ".join(row.sentence for row in rows))
        except Conflict as error:
            return mine_page(desk, status=409, said=desk.words.error(error))
        return go(request, "/reservations" if answer == "decline" else f"/reservations/{reservation_id}")

    return await in_thread(act)


ROUTES = (hand_over, answer)
