"""One's own page: who I am, my password and address, subscription, family, papers, and what the lab keeps about me."""

from __future__ import annotations

from collections.abc import Callable

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.money import subscriptions
from fablab.people import families, invitations, members, standing
from fablab.people.families import Child
from fablab.people.models import ConsentKind
from web.pages.people_forms import Form, change, day_in, number_in, one_of
from web.pages.people_pages import kept, show_of, show_own
from web.pages.shell import AnyRequest, desk_of, in_thread
from web.security import Access
from web.security.identity import caller_of

HERE = "/profile"


@get(HERE, access=Access.IN_PERSON, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    return show_own(desk_of(request), None)


@post(HERE, access=Access.IN_PERSON, include_in_schema=False)
async def edit(request: AnyRequest) -> Response[str]:
    me = desk_of(request).signed_in.member_id

    def work(uow: UnitOfWork, form: Form) -> object:
        return members.edit_own(uow, me, profile_in(form))

    return await change(request, "me", work, show_own, HERE, "saved")


def profile_in(form: Form) -> members.Profile:
    return members.Profile(
        name=form.get("name", "")[:300],
        phone=form.get("phone", "")[:60],
        born_on=day_in(form, "born_on"),
        language=form.get("language", ""),
    )


@post("/profile/email", access=Access.IN_PERSON, include_in_schema=False)
async def change_email(request: AnyRequest) -> Response[str]:
    """Who has not confirmed lately that it is them does so first."""
    token = caller_of(request.scope).login_token

    def work(uow: UnitOfWork, form: Form) -> object:
        members.ask_for_email(uow, token, form.get("email", "")[:300])
        return None

    return await change(request, "email", work, show_own, HERE, "email")


@post("/profile/subscriptions", access=Access.IN_PERSON, include_in_schema=False)
async def ask(request: AnyRequest) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return subscriptions.ask(uow, number_in(form, "tariff"))

    return await change(request, "subscription", work, show_own, "/profile#subscriptions", "asked")


@post("/profile/subscriptions/{row_id:int}/cancel", access=Access.IN_PERSON, include_in_schema=False)
async def cancel(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, _form: Form) -> object:
        return subscriptions.cancel(uow, row_id)

    return await change(request, "subscription", work, show_own, "/profile#subscriptions", "withdrawn")


@post("/profile/children", access=Access.IN_PERSON, include_in_schema=False)
async def add_child(request: AnyRequest) -> Response[str]:
    me = desk_of(request).signed_in.member_id

    def work(uow: UnitOfWork, form: Form) -> object:
        return families.add_child(uow, me, child_in(form))

    return await change(request, "child", work, show_own, "/profile#family", "child")


def child_in(form: Form) -> Child:
    return Child(
        name=form.get("name", "")[:300],
        born_on=day_in(form, "born_on"),
        consents=frozenset(kind for kind in ConsentKind if form.get(f"consent_{kind.value}") == "yes"),
    )


@post("/profile/invitations/{row_id:int}/{answer:str}", access=Access.IN_PERSON, include_in_schema=False)
async def answer_invitation(
    request: AnyRequest, row_id: FromPath[int], answer: FromPath[str]
) -> Response[str]:
    def work(uow: UnitOfWork, _form: Form) -> object:
        return invitations.answer(uow, row_id, answer[:20])

    done = "joined" if answer == "accept" else "declined"
    return await change(request, "invitation", work, show_own, HERE, done)


@post("/profile/leave", access=Access.IN_PERSON, include_in_schema=False)
async def leave(request: AnyRequest) -> Response[str]:
    """The account is closed, and the browser signed out with it."""
    me = desk_of(request).signed_in.member_id

    def work(uow: UnitOfWork, form: Form) -> object:
        if form.get("sure") != "yes":
            raise Invalid("member.sure", field="sure")
        return standing.leave(uow, me)

    answer = await change(request, "leave", work, show_own, "/login", "left")
    if answer.status_code == 303:
        answer.set_cookie(desk_of(request).parts.cookies.no_login())
    return answer


@get("/profile/data.json", access=Access.IN_PERSON, include_in_schema=False, sync_to_thread=True)
def data(request: AnyRequest) -> Response[bytes]:
    return kept(desk_of(request), desk_of(request).signed_in.member_id)


@post("/family/{child_id:int}/consent", access=Access.IN_PERSON, include_in_schema=False)
async def give_consent(request: AnyRequest, child_id: FromPath[int]) -> Response[str]:
    """`consent`: which; `say`: yes or no; `said_by`: the parent, where the staff writes it down."""

    def work(uow: UnitOfWork, form: Form) -> None:
        kind = one_of(ConsentKind, form, "consent")
        if form.get("say") == "no":
            families.withdraw(uow, child_id, kind)
        else:
            families.consent(uow, child_id, kind, said_by=form.get("said_by", "")[:300])

    return await _of_child(request, child_id, "consent", work)


@post("/family/{child_id:int}/address", access=Access.IN_PERSON, include_in_schema=False)
async def give_address(request: AnyRequest, child_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> None:
        families.give_address(uow, child_id, form.get("email", "")[:300])

    return await _of_child(request, child_id, "address", work)


@post("/family/{child_id:int}/release", access=Access.IN_PERSON, include_in_schema=False)
async def release(request: AnyRequest, child_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, _form: Form) -> object:
        return families.release(uow, child_id)

    return await _of_child(request, child_id, "release", work)


async def _of_child(
    request: AnyRequest, child_id: int, name: str, work: Callable[[UnitOfWork, Form], object]
) -> Response[str]:
    """Back to the parent's own page, or for the staff to the child's."""
    desk = desk_of(request)

    def its_parents() -> bool:
        with desk.database.read(desk.actor) as uow:
            return standing.seen_by(uow, child_id).parent_id == desk.signed_in.member_id

    if await in_thread(its_parents):
        return await change(request, f"{name}-{child_id}", work, show_own, "/profile#family", "saved")
    show_theirs = show_of(child_id)
    return await change(request, f"{name}-{child_id}", work, show_theirs, f"/members/{child_id}", "saved")


ROUTES = (
    show,
    edit,
    change_email,
    ask,
    cancel,
    add_child,
    answer_invitation,
    leave,
    data,
    give_consent,
    give_address,
    release,
)
