"""To become a member, and to get back in: sign-up, the links of letters, a lost password, invitations. For everybody."""

from __future__ import annotations

from collections.abc import Callable

from litestar import Response, get, post

from fablab.base.errors import Conflict, Forbidden, Invalid, LabError
from fablab.people import invitations, members, signup
from fablab.people.access import PASSWORD_MIN
from fablab.people.models import Audience, KeyPurpose, SignUp
from web.pages import show_member
from web.pages.eyes import Eyes
from web.pages.people_forms import Form, day_in, one_of, options, trouble
from web.pages.people_model import Trouble
from web.pages.shell import AnyRequest, form_of, go, in_thread, templates_of
from web.security import Access, Pace, visitor
from web.words import Words

KEY_LIMIT = 200
#: Who signs up alone; a school or a public body is an organisation, which the staff adds.
AUDIENCES = (Audience.PERSONAL, Audience.STUDENT, Audience.PROFESSIONAL, Audience.ASSOCIATION)


@get("/signup", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show_signup(request: AnyRequest) -> Response[str]:
    return go(request, "/profile") if visitor(request) is not None else _signup(request, None)


@post("/signup", access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def sign_up(request: AnyRequest) -> Response[str]:
    form = await form_of(request)

    def make() -> Response[str]:
        parts, words = request.app.state.parts, _words(request)
        try:
            said = signup.Application(
                name=form.get("name", "")[:300],
                email=form.get("email", "")[:300],
                born_on=day_in(form, "born_on"),
                audience=_audience(form),
                language=words.language,
            )
            parts.database.write(lambda uow: signup.sign_up(uow, said))
        except (Invalid, Forbidden) as error:
            return _signup(request, trouble(words, error, "signup", form))
        return _said(request, "sent")

    return await in_thread(make)


def _audience(form: Form) -> Audience:
    found = one_of(Audience, form, "audience")
    if found not in AUDIENCES:
        raise Invalid("choice.unknown", field="audience")
    return found


def _signup(request: AnyRequest, wrong: Trouble | None) -> Response[str]:
    words, parts = _words(request), request.app.state.parts
    with parts.database.read() as uow:
        is_open = signup.rule(uow) is not SignUp.CLOSED
    audiences = tuple(each for each in options(words, Audience, "audience") if each.value in AUDIENCES)
    return _page(request, "signup.html", wrong, is_open=is_open, audiences=audiences)


@get("/password/lost", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show_lost(request: AnyRequest) -> Response[str]:
    return _page(request, "password_lost.html", None)


@post("/password/lost", access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def ask_again(request: AnyRequest) -> Response[str]:
    """A lost password, or a link that did not come; known or not, the answer is the same."""
    form = await form_of(request)

    def make() -> Response[str]:
        database = request.app.state.parts.database
        try:
            database.write(lambda uow: signup.ask_again(uow, form.get("email", "")[:300]))
        except Invalid as error:
            wrong = trouble(_words(request), error, "lost", form)
            return _page(request, "password_lost.html", wrong)
        return _said(request, "sent")

    return await in_thread(make)


@get("/key", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show_key(request: AnyRequest) -> Response[str]:
    """Where the link of a letter leads. Looking at it changes nothing: mail programs look first."""
    return _key(request, request.query_params.get("key", "")[:KEY_LIMIT], None)


@post("/key", access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def use_key(request: AnyRequest) -> Response[str]:
    form = await form_of(request)
    secret = form.get("key", "")[:KEY_LIMIT]

    def make() -> Response[str]:
        database = request.app.state.parts.database
        with database.read() as uow:
            purpose = signup.opened(uow, secret).purpose
        if purpose is KeyPurpose.EMAIL:
            database.write(lambda uow: members.take_email(uow, secret))
            return _said(request, "address")
        member = signup.set_password(database, secret, _password(form))
        return _said(request, "ready" if member.active else "waiting")

    return await in_thread(_with_key, request, form, make, lambda wrong: _key(request, secret, wrong))


def _with_key(
    request: AnyRequest,
    form: Form,
    make: Callable[[], Response[str]],
    show: Callable[[Trouble | None], Response[str]],
) -> Response[str]:
    """What is wrong with the form is said on it; a link that does not work has a page of its own."""
    try:
        return make()
    except Invalid as error:
        return show(trouble(_words(request), error, "key", form))
    except Conflict as error:
        return _over(request, error)


def _key(request: AnyRequest, secret: str, wrong: Trouble | None) -> Response[str]:
    with request.app.state.parts.database.read() as uow:
        try:
            row = signup.opened(uow, secret)
        except LabError as error:
            return _over(request, error)
        purpose, email, name = row.purpose.value, row.email, row.member.name
    return _page(request, "key.html", wrong, secret=secret, purpose=purpose, email=email, who=name)


@get("/invitation", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show_invitation(request: AnyRequest) -> Response[str]:
    return _invitation(request, request.query_params.get("key", "")[:KEY_LIMIT], None)


@post("/invitation", access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def answer_invitation(request: AnyRequest) -> Response[str]:
    """`answer`: accept (signed in), join (a new account) or decline."""
    form = await form_of(request)
    secret = form.get("key", "")[:KEY_LIMIT]

    def make() -> Response[str]:
        database, who = request.app.state.parts.database, visitor(request)
        if form.get("answer") == "decline":
            database.write(lambda uow: invitations.decline(uow, secret))
            return _said(request, "declined")
        if who is not None:
            row = database.write(lambda uow: invitations.accept(uow, secret), who.actor)
            to = f"/projects/{row.project_id}" if row.project_id else "/profile"
            return go(request, f"{to}?done=joined")
        newcomer = invitations.Newcomer(
            name=form.get("name", "")[:300],
            born_on=day_in(form, "born_on"),
            password=_password(form),
            language=_words(request).language,
        )
        member = invitations.join(database, secret, newcomer)
        return _said(request, "ready" if member.active else "waiting")

    return await in_thread(_with_key, request, form, make, lambda wrong: _invitation(request, secret, wrong))


def _invitation(request: AnyRequest, secret: str, wrong: Trouble | None) -> Response[str]:
    who, words = visitor(request), _words(request)
    with request.app.state.parts.database.read() as uow:
        try:
            row = invitations.opened(uow, secret)
        except LabError as error:
            return _over(request, error)
        eyes = Eyes(words=words, now=uow.now, actor=who.actor if who else uow.actor)
        shown = show_member.invitation(eyes, row)
        known, may_join = invitations.has_account(uow, row), invitations.may_join_anew(uow, row)
        email = row.email
    return _page(
        request,
        "invitation.html",
        wrong,
        secret=secret,
        invitation=shown,
        known=known,
        may_join=may_join,
        email=email,
    )


def _password(form: Form) -> str:
    password = form.get("password", "")[:1000]
    if form.get("again", "") != form.get("password", ""):
        raise Invalid("password.twice", field="again")
    return password


def _said(request: AnyRequest, what: str) -> Response[str]:
    """`what`: sent, ready, waiting, address or declined."""
    return _page(request, "signup_said.html", None, what=what)


def _over(request: AnyRequest, error: LabError) -> Response[str]:
    return _page(
        request, "signup_said.html", None, status=410, what="over", text=_words(request).error(error)
    )


def _page(
    request: AnyRequest, name: str, wrong: Trouble | None, *, status: int = 200, **more: object
) -> Response[str]:
    """Never kept by a browser: the address holds a secret."""
    answer = templates_of(request).page(
        request, name, status=422 if wrong else status, trouble=wrong, least=PASSWORD_MIN, **more
    )
    answer.headers["Cache-Control"] = "no-store"
    # With "no-referrer" a browser sends the forms of this page as if from elsewhere (`Origin: null`): refused.
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer


def _words(request: AnyRequest) -> Words:
    found: Words = templates_of(request).context(request)["words"]
    return found


ROUTES = (
    show_signup,
    sign_up,
    show_lost,
    ask_again,
    show_key,
    use_key,
    show_invitation,
    answer_invitation,
)
