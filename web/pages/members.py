"""The staff's pages for members: the list and what waits there, somebody new, one member with everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound
from fablab.money import subscriptions
from fablab.money.subscriptions import Settled
from fablab.people import documents, families, invitations, members, standing
from fablab.people.access import Right, allows
from fablab.people.members import Person, Search
from fablab.people.models import Audience, Member, MemberState, Role
from web.pages import show_member
from web.pages.eyes import Eyes
from web.pages.organisations import show_of as show_organisation
from web.pages.people_forms import (
    Form,
    change,
    day_in,
    done_in,
    number_in,
    one_of,
    options,
)
from web.pages.people_model import DocumentRow, MembersView, PersonRow, SubscriptionAsked, Trouble
from web.pages.people_pages import kept, show_of
from web.pages.profile import child_in, profile_in
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, in_thread
from web.security import Access

E = TypeVar("E", bound=StrEnum)
LIST = "/members"
MOST_WAITING = 20


@get(LIST, access=Right.SEE_ALL, include_in_schema=False, sync_to_thread=True)
def show_list(request: AnyRequest) -> Response[str]:
    return _list(desk_of(request), None)


def _list(desk: Desk, wrong: Trouble | None) -> Response[str]:
    with desk.look() as (uow, eyes, _):
        view = _list_view(uow, eyes, desk.request.query_params)
    if desk.is_fragment and wrong is None:
        return desk.fragment("partials/member_rows.html", view=view)
    return desk.page(
        "members.html",
        status=422 if wrong else 200,
        view=view,
        trouble=wrong,
        flashes=done_in(desk.request, desk.words),
    )


def _list_view(uow: UnitOfWork, eyes: Eyes, asked: Mapping[str, str]) -> MembersView:
    words = eyes.words
    wanted = Search(
        text=asked.get("q", "")[:120],
        state=_maybe(MemberState, asked.get("state", "")),
        role=_maybe(Role, asked.get("role", "")),
        audience=_maybe(Audience, asked.get("audience", "")),
        page=int(asked["page"]) if asked.get("page", "").isdecimal() and len(asked["page"]) < 7 else 1,
    )
    found = members.search(uow, wanted)
    waits = members.search(uow, Search(state=MemberState.WAITING), limit=MOST_WAITING)
    query = {"q": wanted.text, "state": wanted.state, "role": wanted.role, "audience": wanted.audience}
    staff = allows(eyes.actor, Right.OPERATE)
    return MembersView(
        rows=tuple(_row(eyes, each) for each in found.rows),
        said=words.ngettext("%(num)s member", "%(num)s members", found.total)
        % {"num": words.formats.number(found.total)},
        page=found.page,
        pages=found.pages,
        query=urlencode({name: str(value) for name, value in query.items() if value}),
        text=wanted.text,
        state=wanted.state or "",
        role=wanted.role or "",
        audience=wanted.audience or "",
        states=options(words, MemberState, "member_state"),
        roles=options(words, Role, "role"),
        audiences=options(words, Audience, "audience"),
        waiting=tuple(_row(eyes, each, can=("approve",) if staff else ()) for each in waits.rows),
        documents=_documents(uow, eyes),
        asked=_asked(uow, eyes),
        invitations=tuple(show_member.sent_invitation(eyes, each) for each in invitations.sent(uow))
        if staff
        else (),
        may_manage=allows(eyes.actor, Right.MANAGE),
    )


def _documents(uow: UnitOfWork, eyes: Eyes) -> tuple[DocumentRow, ...]:
    today = eyes.words.formats.local(eyes.now).date()
    return tuple(show_member.document(eyes, row, today) for row in documents.waiting(uow)[:MOST_WAITING])


def _asked(uow: UnitOfWork, eyes: Eyes) -> tuple[SubscriptionAsked, ...]:
    today = eyes.words.formats.local(eyes.now).date()
    return tuple(
        SubscriptionAsked(
            row=show_member.subscription(eyes, row, today),
            person=show_member.person(eyes, standing.get(uow, row.member_id)),
        )
        for row in subscriptions.asked(uow)[:MOST_WAITING]
        if row.member_id is not None
    )


def _row(eyes: Eyes, member: Member, can: tuple[str, ...] = ()) -> PersonRow:
    words = eyes.words
    role = "" if member.role is Role.MAKER else words.word("role", member.role)
    meta = (f"#{member.id}", words.word("audience", member.audience), role, member.email or "")
    return show_member.person(eyes, member, *meta, can=can)


def _maybe(kind: type[E], said: str) -> E | None:
    return kind(said) if said in set(kind) else None


@get("/members/new", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def show_new(request: AnyRequest) -> Response[str]:
    return _new(desk_of(request), None)


def _new(desk: Desk, wrong: Trouble | None) -> Response[str]:
    roles = tuple(Role) if allows(desk.actor, Right.MANAGE) else members.DESK_ROLES
    return desk.page(
        "member_new.html",
        status=422 if wrong else 200,
        trouble=wrong,
        audiences=options(desk.words, Audience, "audience"),
        roles=tuple(each for each in options(desk.words, Role, "role") if each.value in roles),
    )


@post(LIST, access=Right.OPERATE, include_in_schema=False)
async def create(request: AnyRequest) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return members.create(uow, _person(form, one_of(Role, form, "role"))).id

    return await change(request, "new", work, _new, lambda made: f"/members/{made}", "made")


def _person(form: Form, role: Role = Role.MAKER) -> Person:
    return Person(
        name=form.get("name", "")[:300],
        email=form.get("email", "")[:300],
        phone=form.get("phone", "")[:60],
        born_on=day_in(form, "born_on"),
        audience=one_of(Audience, form, "audience"),
        role=role,
        language=form.get("language", ""),
    )


@post("/members/invitations", access=Right.OPERATE, include_in_schema=False)
async def invite(request: AnyRequest) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return invitations.to_lab(uow, form.get("email", "")[:300], form.get("language", "fr")[:2])

    return await change(request, "invite", work, _list, LIST, "invited")


@post("/invitations/{row_id:int}/withdraw", access=Access.IN_PERSON, include_in_schema=False)
async def withdraw_invitation(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    """Back to where it stands: a project, an organisation, or the staff's list."""
    desk = desk_of(request)

    def make() -> Response[str]:
        row = desk.database.write(lambda uow: invitations.withdraw(uow, row_id), desk.actor)
        place = f"/projects/{row.project_id}" if row.project_id else f"/organisations/{row.organisation_id}"
        return go(request, f"{place if row.project_id or row.organisation_id else LIST}?done=withdrawn")

    return await in_thread(make)


@get("/members/{member_id:int}", access=Access.IN_PERSON, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest, member_id: FromPath[int]) -> Response[str]:
    """For the staff, and for a parent the page of a child; for nobody else is there one."""
    return show_of(member_id)(desk_of(request), None)


@post("/members/{member_id:int}", access=Right.OPERATE, include_in_schema=False)
async def edit(request: AnyRequest, member_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return members.edit(uow, member_id, _person(form))

    return await _of(request, member_id, "me", work, "saved")


@post("/members/{member_id:int}/profile", access=Access.IN_PERSON, include_in_schema=False)
async def edit_child(request: AnyRequest, member_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return members.edit_own(uow, member_id, profile_in(form))

    return await _of(request, member_id, "me", work, "saved")


Step = Callable[[UnitOfWork, int, Form], object]
#: What the staff's buttons on a member's page do.
STEPS: Mapping[str, Step] = {
    "approve": lambda uow, who, _form: standing.approve(uow, who),
    "refuse": lambda uow, who, form: standing.refuse(uow, who, form.get("reason", "")),
    "suspend": lambda uow, who, form: standing.suspend(uow, who, form.get("reason", "")),
    "reactivate": lambda uow, who, _form: standing.reactivate(uow, who),
    "leave": lambda uow, who, _form: standing.leave(uow, who),
    "role": lambda uow, who, form: standing.set_role(uow, who, one_of(Role, form, "role")),
    "send_key": lambda uow, who, _form: members.send_way_in(uow, who),
}


@post("/members/{member_id:int}/step/{name:str}", access=Right.OPERATE, include_in_schema=False)
async def step(request: AnyRequest, member_id: FromPath[int], name: FromPath[str]) -> Response[str]:
    make = STEPS.get(name)
    if make is None:
        raise NotFound

    def work(uow: UnitOfWork, form: Form) -> object:
        return make(uow, member_id, form)

    return await _of(request, member_id, name, work, name)


@post("/members/{member_id:int}/forget", access=Right.MANAGE, include_in_schema=False)
async def forget(request: AnyRequest, member_id: FromPath[int]) -> Response[str]:
    """Everything but the number; the files go once the rows are gone."""
    desk = desk_of(request)
    store = desk.parts.documents
    files: list[str] = []

    def work(uow: UnitOfWork, _form: Form) -> object:
        files[:] = documents.forget_all(uow, member_id)
        return members.forget(uow, member_id)

    answer = await _of(request, member_id, "forget", work, "forgotten")
    if answer.status_code == 303:
        await in_thread(documents.throw_away, store, files)
    return answer


@post("/members/{member_id:int}/children", access=Right.OPERATE, include_in_schema=False)
async def add_child(request: AnyRequest, member_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return families.add_child(uow, member_id, child_in(form))

    return await _of(request, member_id, "child", work, "child")


@post("/members/{member_id:int}/subscriptions", access=Access.IN_PERSON, include_in_schema=False)
async def subscribe(request: AnyRequest, member_id: FromPath[int]) -> Response[str]:
    """Sold at the desk, or asked for by a parent."""
    staff = allows(desk_of(request).actor, Right.OPERATE)

    def work(uow: UnitOfWork, form: Form) -> object:
        tariff = number_in(form, "tariff")
        if staff:
            return subscriptions.sell(uow, tariff, member_id=member_id, first_day=day_in(form, "first_day"))
        return subscriptions.ask(uow, tariff, member_id=member_id)

    return await _of(request, member_id, "subscription", work, "agree" if staff else "asked")


@post("/subscriptions/{row_id:int}/{name:str}", access=Access.IN_PERSON, include_in_schema=False)
async def change_subscription(
    request: AnyRequest, row_id: FromPath[int], name: FromPath[str]
) -> Response[str]:
    """`agree`, `settle` or `cancel`; back to whose it is."""
    desk = desk_of(request)
    if name not in ("agree", "settle", "cancel"):
        raise NotFound

    def work(uow: UnitOfWork, form: Form) -> object:
        if name == "agree":
            return subscriptions.agree(uow, row_id)
        if name == "settle":
            return subscriptions.settle(uow, row_id, one_of(Settled, form, "how"))
        return subscriptions.cancel(uow, row_id)

    def whose() -> tuple[int | None, int | None]:
        with desk.database.read(desk.actor) as uow:
            row = subscriptions.get(uow, row_id)
            return row.member_id, row.organisation_id

    member_id, organisation_id = await in_thread(whose)
    if member_id is not None:
        return await _of(request, member_id, "subscription", work, name)
    assert organisation_id is not None
    to = f"/organisations/{organisation_id}"
    return await change(request, "subscription", work, show_organisation(organisation_id), to, name)


@get(
    "/members/{member_id:int}/data.json",
    access=Access.IN_PERSON,
    include_in_schema=False,
    sync_to_thread=True,
)
def data(request: AnyRequest, member_id: FromPath[int]) -> Response[bytes]:
    return kept(desk_of(request), member_id)


async def _of(
    request: AnyRequest, member_id: int, name: str, work: Callable[[UnitOfWork, Form], object], done: str
) -> Response[str]:
    """A change of this member's; back to their page, or to where the button stood."""
    back = (await form_of(request)).get("back", "")
    to = LIST if back == LIST else f"/members/{member_id}"
    return await change(request, name, work, show_of(member_id), to, done)


ROUTES = (
    show_list,
    show_new,
    create,
    invite,
    withdraw_invitation,
    show,
    edit,
    edit_child,
    step,
    forget,
    add_child,
    subscribe,
    change_subscription,
    data,
)
