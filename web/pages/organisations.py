"""Organisations: the staff's list, and the page of one for the staff and for whoever belongs to it."""

from __future__ import annotations

from collections.abc import Callable

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.money import subscriptions
from fablab.people import invitations, organisations
from fablab.people.access import Right, allows
from fablab.people.models import Audience, OrganisationMember, Seat
from fablab.people.organisations import Firm
from web.pages import show_member
from web.pages.eyes import Eyes
from web.pages.people_forms import Form, Show, change, day_in, done_in, number_in, one_of, options
from web.pages.people_model import Mark, OrganisationView, PersonRow, PlaceRow, Trouble
from web.pages.shell import AnyRequest, Desk, desk_of
from web.security import Access

LIST = "/organisations"


@get(LIST, access=Right.SEE_ALL, include_in_schema=False, sync_to_thread=True)
def show_list(request: AnyRequest) -> Response[str]:
    return _list(desk_of(request), None)


def _list(desk: Desk, wrong: Trouble | None) -> Response[str]:
    text = desk.request.query_params.get("q", "")[:120]
    with desk.look() as (uow, eyes, _):
        words = eyes.words
        rows = tuple(
            PlaceRow(
                id=row.id,
                name=row.name,
                href=f"/organisations/{row.id}",
                meta=(
                    words.word("audience", row.audience),
                    words.ngettext("%(num)s member", "%(num)s members", count) % {"num": count},
                ),
                mark=Mark(tone="quiet", word=eyes.gettext("Closed")) if row.closed_at else None,
            )
            for row, count in organisations.everyone(uow, text)
        )
    return desk.page(
        "organisations.html",
        status=422 if wrong else 200,
        rows=rows,
        text=text,
        trouble=wrong,
        audiences=options(desk.words, Audience, "audience"),
        may_add=allows(desk.actor, Right.OPERATE),
        flashes=done_in(desk.request, desk.words),
    )


def _firm(form: Form) -> Firm:
    return Firm(
        name=form.get("name", "")[:400],
        audience=one_of(Audience, form, "audience"),
        siret=form.get("siret", "")[:60],
        uai=form.get("uai", "")[:60],
    )


@post(LIST, access=Right.OPERATE, include_in_schema=False)
async def create(request: AnyRequest) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return organisations.create(uow, _firm(form)).id

    return await change(request, "new", work, _list, lambda made: f"/organisations/{made}", "saved")


@get("/organisations/{row_id:int}", access=Access.IN_PERSON, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    return show_of(row_id)(desk_of(request), None)


def show_of(row_id: int) -> Show:
    def draw(desk: Desk, wrong: Trouble | None) -> Response[str]:
        with desk.look() as (uow, eyes, _):
            view = _view(uow, eyes, row_id)
        return desk.page(
            "organisation.html",
            status=422 if wrong else 200,
            view=view,
            trouble=wrong,
            audiences=options(desk.words, Audience, "audience"),
            flashes=done_in(desk.request, desk.words),
        )

    return draw


def _view(uow: UnitOfWork, eyes: Eyes, row_id: int) -> OrganisationView:
    row = organisations.seen(uow, row_id)
    leads, staff = organisations.leads(uow, row_id), allows(eyes.actor, Right.OPERATE)
    today = eyes.words.formats.local(eyes.now).date()
    return OrganisationView(
        id=row.id,
        name=row.name,
        audience=row.audience.value,
        audience_word=eyes.words.word("audience", row.audience),
        siret=row.siret or "",
        uai=row.uai or "",
        is_closed=row.closed_at is not None,
        leads=leads,
        is_staff=staff,
        people=tuple(_seat(eyes, each, leads=leads) for each in organisations.people_in(uow, row_id)),
        invitations=tuple(
            show_member.sent_invitation(eyes, each) for each in invitations.sent(uow, organisation_id=row_id)
        )
        if leads
        else (),
        subscriptions=tuple(
            show_member.subscription(eyes, each, today) for each in subscriptions.of_organisation(uow, row_id)
        ),
        tariffs=tuple(
            show_member.tariff_option(eyes, each) for each in subscriptions.for_organisation(uow, row)
        )
        if staff
        else (),
    )


def _seat(eyes: Eyes, row: OrganisationMember, *, leads: bool) -> PersonRow:
    manages = row.seat is Seat.MANAGER
    can = ("member" if manages else "manager", "remove") if leads else ()
    own = row.member_id == eyes.actor.member_id
    can = tuple(dict.fromkeys((*can, "leave" if own else ""))) if own else can
    said = eyes.words.word("seat", row.seat) if manages else ""
    return show_member.person(eyes, row.member, said, can=can)


@post("/organisations/{row_id:int}", access=Access.IN_PERSON, include_in_schema=False)
async def edit(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return organisations.edit(uow, row_id, _firm(form))

    return await _of(request, row_id, "edit", work, "saved")


@post("/organisations/{row_id:int}/invitations", access=Access.IN_PERSON, include_in_schema=False)
async def invite(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    language = desk_of(request).words.language

    def work(uow: UnitOfWork, form: Form) -> object:
        return invitations.to_organisation(uow, row_id, form.get("email", "")[:300], language)

    return await _of(request, row_id, "invite", work, "invited")


@post("/organisations/{row_id:int}/people", access=Right.OPERATE, include_in_schema=False)
async def add(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> None:
        organisations.add(uow, row_id, number_in(form, "member"))

    return await _of(request, row_id, "add", work, "saved")


@post(
    "/organisations/{row_id:int}/people/{member_id:int}/{name:str}",
    access=Access.IN_PERSON,
    include_in_schema=False,
)
async def change_seat(
    request: AnyRequest, row_id: FromPath[int], member_id: FromPath[int], name: FromPath[str]
) -> Response[str]:
    """`member` or `manager`: the seat they have from now on; `remove`, `leave`."""
    own = member_id == desk_of(request).signed_in.member_id

    def work(uow: UnitOfWork, _form: Form) -> None:
        if name in ("remove", "leave"):
            organisations.leave(uow, row_id, member_id)
        elif name in set(Seat):
            organisations.set_seat(uow, row_id, member_id, Seat(name))
        else:
            raise Invalid("choice.unknown", field="seat")

    if own and name == "leave":
        return await change(request, "people", work, show_of(row_id), "/profile", "saved")
    return await _of(request, row_id, "people", work, "saved")


@post("/organisations/{row_id:int}/subscriptions", access=Right.OPERATE, include_in_schema=False)
async def subscribe(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        tariff, first_day = number_in(form, "tariff"), day_in(form, "first_day")
        return subscriptions.sell(uow, tariff, organisation_id=row_id, first_day=first_day)

    return await _of(request, row_id, "subscription", work, "agree")


@post("/organisations/{row_id:int}/close", access=Right.OPERATE, include_in_schema=False)
async def close(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    return await _of(request, row_id, "edit", lambda uow, _form: organisations.close(uow, row_id), "saved")


@post("/organisations/{row_id:int}/reopen", access=Right.OPERATE, include_in_schema=False)
async def reopen(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    return await _of(request, row_id, "edit", lambda uow, _form: organisations.reopen(uow, row_id), "saved")


async def _of(
    request: AnyRequest, row_id: int, name: str, work: Callable[[UnitOfWork, Form], object], done: str
) -> Response[str]:
    return await change(request, name, work, show_of(row_id), f"/organisations/{row_id}", done)


ROUTES = (show_list, create, show, edit, invite, add, change_seat, subscribe, close, reopen)
