"""The door: signing in and out, the language, what was told meanwhile, and the stream that keeps pages live."""

from __future__ import annotations

from dataclasses import dataclass

from litestar import Response, get, post
from litestar.enums import MediaType
from litestar.params import FromPath
from litestar.response import Stream

from fablab.base.errors import NotFound, TooMany, Unauthenticated
from fablab.people import access, members
from fablab.people.access import Right, SignedIn, allows
from web.api.house import stream
from web.api.people import enter
from web.demo import cast
from web.pages.shell import (
    AnyRequest,
    desk_of,
    form_of,
    go,
    html,
    in_thread,
    local_path,
    news,
    templates_of,
)
from web.security import Access, Pace, visitor
from web.security.identity import caller_of
from web.words import LANGUAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoLogin:
    """One line of the demonstration's accounts."""

    role: str
    login: str
    password: str


@get("/", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=False)
def start(request: AnyRequest) -> Response[str]:
    return go(request, _home(visitor(request)))


def _home(signed_in: SignedIn | None) -> str:
    """Whoever works the machines starts on the floor, everybody else at their own jobs."""
    if signed_in is None:
        return "/login"
    return "/floor" if allows(signed_in.actor, Right.OPERATE) else "/jobs"


@get("/login", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=False)
def show_login(request: AnyRequest) -> Response[str]:
    signed_in = visitor(request)
    wanted = local_path(request.query_params.get("next", ""), "")
    if signed_in is not None:
        return go(request, wanted or _home(signed_in))
    return _login_page(request, next_path=wanted)


def _login_page(
    request: AnyRequest, *, login_name: str = "", error: str = "", next_path: str = "", status: int = 200
) -> Response[str]:
    demo = _demo(request) if request.app.state.parts.settings.demo else []
    templates = templates_of(request)
    answer = templates.page(
        request,
        "login.html",
        status=status,
        login_name=login_name,
        error=error,
        next_path=next_path,
        demo_logins=demo,
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _demo(request: AnyRequest) -> list[DemoLogin]:
    words = templates_of(request).context(request)["words"]
    return [
        DemoLogin(role=words.word("role", role), login=email, password=cast.PASSWORD)
        for email, _, role, _ in cast.LOGINS
    ]


@post("/login", access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def sign_in(request: AnyRequest) -> Response[str]:
    form = await form_of(request)
    name, wanted = form.get("login", "")[:300], local_path(form.get("next", ""), "")
    parts = request.app.state.parts
    try:
        signed_in = await in_thread(enter, parts.database, request, name, form.get("password", ""))
    except (Unauthenticated, TooMany) as error:
        words = templates_of(request).context(request)["words"]
        status = 429 if isinstance(error, TooMany) else 401
        return _login_page(
            request, login_name=name, error=words.error(error), next_path=wanted, status=status
        )
    answer = go(request, wanted or _home(signed_in))
    answer.set_cookie(parts.cookies.for_login(signed_in.token))
    return answer


@post("/logout", access=Access.IN_PERSON, include_in_schema=False)
async def sign_out(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    token = caller_of(request.scope).login_token
    await in_thread(desk.database.write, lambda uow: access.sign_out(uow, token))
    answer = go(request, "/login")
    answer.set_cookie(desk.parts.cookies.no_login())
    return answer


@post("/language/{language:str}", access=Access.PUBLIC, include_in_schema=False)
async def choose_language(request: AnyRequest, language: FromPath[str]) -> Response[str]:
    """For this browser, and for the member wherever they sign in next."""
    if language not in LANGUAGES:
        raise NotFound
    form = await form_of(request)
    parts, signed_in = request.app.state.parts, visitor(request)
    if signed_in is not None:
        member_id = signed_in.member_id
        await in_thread(
            parts.database.write, lambda uow: members.set_language(uow, member_id, language), signed_in.actor
        )
    answer = go(request, local_path(form.get("next", "")))
    answer.set_cookie(parts.cookies.for_language(language))
    return answer


@post("/notices/seen", access=Access.SIGNED_IN, include_in_schema=False)
async def see_notices(request: AnyRequest) -> Response[str]:
    """What happened since the last look, as toasts; each is told once."""
    desk = desk_of(request)
    told = await in_thread(news, desk)
    templates = templates_of(request)
    toasts = [
        templates.render(request, "partials/toast.html", kind=flash.kind, text=flash.text) for flash in told
    ]
    return html(request, "".join(toasts))


@get("/live", access=Access.SIGNED_IN, media_type="text/event-stream", include_in_schema=False)
async def live(request: AnyRequest) -> Stream:
    desk = desk_of(request)
    return stream(request, desk.parts.live, desk.signed_in, pages=True)


@get("/favicon.ico", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=False)
def favicon(request: AnyRequest) -> Response[str]:
    """Browsers ask for it whatever the page says."""
    return Response("", status_code=303, media_type=MediaType.HTML, headers={"Location": "/static/logo.svg"})


ROUTES = (start, show_login, sign_in, sign_out, choose_language, see_notices, live, favicon)
