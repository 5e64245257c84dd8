"""The page Security: password, second factor, sign-ins, accounts elsewhere, tokens; and the staff's help."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, LabError, NotFound, TooMany
from fablab.people import access, identities, rescue, standing
from fablab.people.access import Rules
from web.api.security import login_token, scope_of
from web.pages import show_security
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, in_thread, local_path
from web.pages.show_security import Typed
from web.security import Access, Pace, Right
from web.security.identity import caller_of

T = TypeVar("T")
HERE = "/security"


def _page(
    desk: Desk,
    *,
    typed: Typed | None = None,
    error: LabError | None = None,
    new_token: str = "",
) -> Response[str]:
    """Runs in a thread. An error stands beside its field, or above all where it has none."""
    providers = desk.providers
    said = desk.words.error(error) if error is not None else ""
    field = error.field if isinstance(error, Invalid) else None
    with desk.database.read(desk.actor) as uow:
        view = show_security.view(
            uow,
            desk.signed_in,
            login_token(desk.request),
            desk.words,
            tuple((each.key, each.label) for each in providers.all),
            providers.label,
            typed=typed,
            errors={field: said} if field else {},
            problem="" if field else said,
            new_token=new_token,
        )
    answer = desk.page("security.html", security=view, status=422 if error is not None else 200)
    answer.headers["Cache-Control"] = "no-store"
    return answer


async def _do(
    request: AnyRequest, work: Callable[[UnitOfWork], T], *, typed: Typed | None = None, then: str = HERE
) -> Response[str]:
    """A change, and back to the page; a refusal leaves the form filled in. `access.confirm` goes on to the door."""
    desk = desk_of(request)
    try:
        await in_thread(desk.database.write, work, desk.actor)
    except (Invalid, Conflict, NotFound) as error:
        refusal = error
    else:
        return go(request, then)
    return await in_thread(lambda: _page(desk, typed=typed, error=refusal))


@get(HERE, access=Access.IN_PERSON, held_back=True, include_in_schema=False)
async def show(request: AnyRequest) -> Response[str]:
    return await in_thread(_page, desk_of(request))


# -- once more who it is -------------------------------------------------------------------------------------------


@get("/security/confirm", access=Access.IN_PERSON, held_back=True, include_in_schema=False)
async def show_confirm(request: AnyRequest) -> Response[str]:
    return await in_thread(_confirm_page, desk_of(request), request.query_params.get("next", ""))


def _confirm_page(desk: Desk, wanted: str, error: LabError | None = None) -> Response[str]:
    member_id = desk.signed_in.member_id
    with desk.database.read(desk.actor) as uow:
        has_password = standing.get(uow, member_id).password_hash is not None
        factor = access.factor_of(uow, member_id)
        linked = identities.identities_of(uow, member_id)
    status = 200 if error is None else 429 if isinstance(error, TooMany) else 403
    return desk.page(
        "security_confirm.html",
        status=status,
        has_password=has_password,
        wants_code=factor.state is access.FactorState.ON,
        links=[(row.provider, desk.providers.label(row.provider)) for row in linked],
        next_path=local_path(wanted, HERE),
        error=desk.words.error(error) if error is not None else "",
    )


@post("/security/confirm", access=Access.IN_PERSON, pace=Pace.LOGIN, held_back=True, include_in_schema=False)
async def confirm(request: AnyRequest) -> Response[str]:
    desk, form = desk_of(request), await form_of(request)
    token, address = login_token(request), caller_of(request.scope).address
    password, code = form.get("password", "")[:1000], form.get("code", "")[:60]
    wanted = form.get("next", "")

    def work() -> Response[str]:
        try:
            access.confirm(desk.database, token, password, code, address=address)
        except (Forbidden, TooMany, Conflict) as error:
            return _confirm_page(desk, wanted, error)
        return go(request, local_path(wanted, HERE))

    return await in_thread(work)


# -- password and second factor ------------------------------------------------------------------------------------


@post("/security/password", access=Access.IN_PERSON, held_back=True, include_in_schema=False)
async def change_password(request: AnyRequest) -> Response[str]:
    desk, form = desk_of(request), await form_of(request)
    token = login_token(request)

    def work() -> Response[str]:
        try:
            if form.get("password", "") != form.get("again", ""):
                raise Invalid("password.differ", field="again")
            access.change_password(desk.database, token, form.get("password", "")[:1000])
        except Invalid as error:
            return _page(desk, error=error)
        return go(request, HERE)

    return await in_thread(work)


@post("/security/factor", access=Access.IN_PERSON, held_back=True, include_in_schema=False)
async def enrol(request: AnyRequest) -> Response[str]:
    token = login_token(request)
    return await _do(request, lambda uow: access.enrol(uow, token), then="/security/factor")


@get("/security/factor", access=Access.IN_PERSON, held_back=True, include_in_schema=False)
async def show_enrolment(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    try:
        return await in_thread(_enrolment_page, desk)
    except NotFound:
        return go(request, HERE)


def _enrolment_page(desk: Desk, error: LabError | None = None) -> Response[str]:
    with desk.database.read(desk.actor) as uow:
        view = show_security.enrolment(access.enrolling(uow, login_token(desk.request)))
    answer = desk.page(
        "security_factor.html",
        status=200 if error is None else 422,
        enrolment=view,
        picture=view.picture,
        error=desk.words.error(error) if error is not None else "",
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


@post(
    "/security/factor/confirm",
    access=Access.IN_PERSON,
    pace=Pace.LOGIN,
    held_back=True,
    include_in_schema=False,
)
async def confirm_enrolment(request: AnyRequest) -> Response[str]:
    desk, form = desk_of(request), await form_of(request)
    token, code = login_token(request), form.get("code", "")[:60]

    def work() -> Response[str]:
        try:
            codes = desk.database.write(lambda uow: access.confirm_enrolment(uow, token, code), desk.actor)
        except Invalid as error:
            return _enrolment_page(desk, error)
        except NotFound as error:
            return _page(desk, error=error)
        return _codes_page(desk, codes, is_new=True)

    return await in_thread(work)


@post("/security/factor/codes", access=Access.IN_PERSON, held_back=True, include_in_schema=False)
async def new_codes(request: AnyRequest) -> Response[str]:
    desk, token = desk_of(request), login_token(request)

    def work() -> Response[str]:
        try:
            codes = desk.database.write(lambda uow: access.new_recovery_codes(uow, token), desk.actor)
        except NotFound as error:
            return _page(desk, error=error)
        return _codes_page(desk, codes, is_new=False)

    return await in_thread(work)


def _codes_page(desk: Desk, codes: tuple[str, ...], *, is_new: bool) -> Response[str]:
    """The only time they are shown: the answer to the form itself, kept by nobody."""
    answer = desk.page("security_codes.html", codes=codes, is_new=is_new)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@post("/security/factor/remove", access=Access.IN_PERSON, held_back=True, include_in_schema=False)
async def remove_factor(request: AnyRequest) -> Response[str]:
    token = login_token(request)
    return await _do(request, lambda uow: access.remove_factor(uow, token))


# -- sign-ins, accounts elsewhere, tokens --------------------------------------------------------------------------


@post(
    "/security/sessions/{session_id:str}/end",
    access=Access.IN_PERSON,
    held_back=True,
    include_in_schema=False,
)
async def end_session(request: AnyRequest, session_id: FromPath[str]) -> Response[str]:
    token = login_token(request)
    return await _do(request, lambda uow: access.end_session(uow, token, session_id))


@post("/security/sessions/end", access=Access.IN_PERSON, held_back=True, include_in_schema=False)
async def end_others(request: AnyRequest) -> Response[str]:
    token = login_token(request)
    return await _do(request, lambda uow: access.end_others(uow, token))


@post(
    "/security/links/{identity_id:int}/remove",
    access=Access.IN_PERSON,
    held_back=True,
    include_in_schema=False,
)
async def unlink(request: AnyRequest, identity_id: FromPath[int]) -> Response[str]:
    token = login_token(request)
    return await _do(request, lambda uow: identities.unlink(uow, token, identity_id))


@post("/security/tokens", access=Access.IN_PERSON, include_in_schema=False)
async def make_token(request: AnyRequest) -> Response[str]:
    desk, data = desk_of(request), await request.form()
    token, name, days = login_token(request), str(data.get("name", "")), str(data.get("days", ""))
    chosen = frozenset(str(each) for each in data.getall("scopes", []))

    def work() -> Response[str]:
        typed = Typed(token_name=name[:80], token_days=days[:6], scopes=chosen)
        try:
            scopes = frozenset(scope_of(each) for each in chosen)
            life = _days(days)
            made = desk.database.write(
                lambda uow: access.new_token(uow, token, name, scopes, life), desk.actor
            )
        except Invalid as error:
            return _page(desk, typed=typed, error=error)
        return _page(desk, new_token=made)

    return await in_thread(work)


def _days(said: str) -> int | None:
    """Empty: for ever."""
    text = said.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise Invalid("token.days", field="days", most=access.MOST_TOKEN_DAYS)
    return int(text)


@post("/security/tokens/{token_id:int}/revoke", access=Access.IN_PERSON, include_in_schema=False)
async def revoke_token(request: AnyRequest, token_id: FromPath[int]) -> Response[str]:
    member_id = desk_of(request).signed_in.member_id
    return await _do(request, lambda uow: access.revoke_token(uow, member_id, token_id))


# -- the house's rule, and the staff's help ------------------------------------------------------------------------


@post("/security/rules", access=Right.MANAGE, include_in_schema=False)
async def set_rules(request: AnyRequest) -> Response[str]:
    form = await form_of(request)
    wants, days = form.get("staff_factor") == "1", form.get("grace_days", "").strip()[:6]
    number = int(days) if days.isascii() and days.isdigit() else -1
    wanted = Rules(staff_factor=wants, grace_days=number)
    return await _do(
        request,
        lambda uow: access.set_rules(uow, wanted),
        typed=Typed(grace_days=days, staff_factor=wants),
    )


@get("/members/{member_id:int}/factor", access=Right.OPERATE, include_in_schema=False)
async def show_reset(request: AnyRequest, member_id: FromPath[int]) -> Response[str]:
    return await in_thread(_reset_page, desk_of(request), member_id)


def _reset_page(desk: Desk, member_id: int, reason: str = "", error: LabError | None = None) -> Response[str]:
    with desk.database.read(desk.actor) as uow:
        member = standing.at_desk(uow, member_id)
        factor = access.factor_of(uow, member_id)
    return desk.page(
        "security_reset.html",
        status=200 if error is None else 422,
        member_id=member_id,
        who=member.name,
        factor_on=factor.state is access.FactorState.ON,
        since=factor.since,
        is_own=member_id == desk.signed_in.member_id,
        reason=reason,
        error=desk.words.error(error) if error is not None else "",
    )


@post("/members/{member_id:int}/factor", access=Access.IN_PERSON, include_in_schema=False)
async def reset_factor(request: AnyRequest, member_id: FromPath[int]) -> Response[str]:
    desk, form = desk_of(request), await form_of(request)
    token, reason = login_token(request), form.get("reason", "")[:1000]

    def work() -> Response[str]:
        try:
            desk.database.write(lambda uow: rescue.reset_factor(uow, token, member_id, reason), desk.actor)
        except (Invalid, Conflict, NotFound) as error:
            return _reset_page(desk, member_id, reason, error)
        return go(request, f"/members/{member_id}")

    return await in_thread(work)


ROUTES = (
    show,
    show_confirm,
    confirm,
    change_password,
    enrol,
    show_enrolment,
    confirm_enrolment,
    new_codes,
    remove_factor,
    end_session,
    end_others,
    unlink,
    make_token,
    revoke_token,
    set_rules,
    show_reset,
    reset_factor,
)
