"""The door: signing in and out, the language, what was told meanwhile, and the stream that keeps pages live."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from litestar import Response, get, post
from litestar.enums import MediaType
from litestar.params import FromPath
from litestar.response import Stream

from fablab.base.errors import NotFound, TooMany, Unauthenticated
from fablab.people import access, members
from fablab.people.access import STEP_LIFE, Right, SecondStep, SignedIn, allows
from web.api.house import stream
from web.api.people import end_former, enter, place_of, with_login
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
    return login_page(request, next_path=wanted)


def login_page(
    request: AnyRequest,
    *,
    login_name: str = "",
    error: str = "",
    next_path: str = "",
    status: int = 200,
    told: str = "",
) -> Response[str]:
    """`told`: something that is no error. With a provider's key in `out`: somebody has just signed out of here."""
    providers = request.app.state.parts.providers
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
        told=told,
        providers=[(each.key, each.label) for each in providers.all],
        left=next(
            ((each.key, each.label) for each in providers.all if each.key == request.query_params.get("out")),
            None,
        ),
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
    except SecondStep as step:
        return to_second_step(request, step, wanted)
    except (Unauthenticated, TooMany) as error:
        words = templates_of(request).context(request)["words"]
        status = 429 if isinstance(error, TooMany) else 401
        return login_page(request, login_name=name, error=words.error(error), next_path=wanted, status=status)
    return welcome(request, signed_in, wanted)


def welcome(request: AnyRequest, signed_in: SignedIn, wanted: str) -> Response[str]:
    """In, with the cookies of it; what led here is forgotten."""
    jar = request.app.state.parts.cookies
    held = "/security" if signed_in.held_back else ""
    answer = with_login(go(request, held or local_path(wanted, "") or _home(signed_in)), jar, signed_in)
    for name in (jar.step, jar.trip, jar.arrival):
        if name in request.cookies:
            answer.set_cookie(jar.no(name))
    return answer


def to_second_step(request: AnyRequest, step: SecondStep, wanted: str) -> Response[str]:
    query = f"?next={quote(wanted, safe='/')}" if wanted else ""
    answer = go(request, f"/login/second{query}")
    jar = request.app.state.parts.cookies
    answer.set_cookie(jar.for_a_while(jar.step, step.token, STEP_LIFE))
    return answer


@get("/login/second", access=Access.PUBLIC, include_in_schema=False)
async def show_second(request: AnyRequest) -> Response[str]:
    jar, database = request.app.state.parts.cookies, request.app.state.parts.database

    def look() -> bool:
        with database.read() as uow:
            return access.has_step(uow, request.cookies.get(jar.step, "")[:200])

    if not await in_thread(look):
        return go(request, "/login")
    return _second_page(request, local_path(request.query_params.get("next", ""), ""))


def _second_page(request: AnyRequest, wanted: str, *, error: str = "", status: int = 200) -> Response[str]:
    answer = templates_of(request).page(
        request, "login_second.html", status=status, error=error, next_path=wanted
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


@post("/login/second", access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def second(request: AnyRequest) -> Response[str]:
    """The code of the second factor, or a recovery code. A wrong one leaves the step open, and is counted."""
    form, parts = await form_of(request), request.app.state.parts
    wanted = local_path(form.get("next", ""), "")
    step, code = request.cookies.get(parts.cookies.step, "")[:200], form.get("code", "")[:60]

    def work() -> SignedIn:
        signed_in = access.finish(parts.database, step, code, place_of(request))
        end_former(parts.database, request)
        return signed_in

    try:
        signed_in = await in_thread(work)
    except (Unauthenticated, TooMany) as error:
        said = templates_of(request).context(request)["words"].error(error)
        status = 429 if isinstance(error, TooMany) else 401
        if error.code == "login.step_expired":
            return login_page(request, error=said, next_path=wanted, status=status)
        return _second_page(request, wanted, error=said, status=status)
    return welcome(request, signed_in, wanted)


@post("/logout", access=Access.IN_PERSON, held_back=True, include_in_schema=False)
async def sign_out(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    token = caller_of(request.scope).login_token
    provider = await in_thread(desk.database.write, lambda uow: access.sign_out(uow, token))
    answer = go(request, f"/login?out={provider}" if provider else "/login")
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


@post("/notices/seen", access=Access.SIGNED_IN, held_back=True, include_in_schema=False)
async def see_notices(request: AnyRequest) -> Response[str]:
    """What happened since the last look, as toasts; each is told once."""
    desk = desk_of(request)
    told = await in_thread(news, desk)
    templates = templates_of(request)
    toasts = [
        templates.render(request, "partials/toast.html", kind=flash.kind, text=flash.text) for flash in told
    ]
    return html(request, "".join(toasts))


@get(
    "/live", access=Access.SIGNED_IN, held_back=True, media_type="text/event-stream", include_in_schema=False
)
async def live(request: AnyRequest) -> Stream:
    desk = desk_of(request)
    return stream(request, desk.parts.live, desk.signed_in, pages=True)


@get("/favicon.ico", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=False)
def favicon(request: AnyRequest) -> Response[str]:
    """Browsers ask for it whatever the page says."""
    return Response("", status_code=303, media_type=MediaType.HTML, headers={"Location": "/static/logo.svg"})


ROUTES = (
    start,
    show_login,
    sign_in,
    show_second,
    second,
    sign_out,
    choose_language,
    see_notices,
    live,
    favicon,
)
