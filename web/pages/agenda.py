"""What is on, for everybody: the agenda, one date with its form, and one's own registration by the link of a letter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import Actor, UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound, TooMany
from fablab.claims.workshops import programme, registrations
from fablab.claims.workshops.models import Registration
from fablab.claims.workshops.programme import Choice, PublicDate
from fablab.claims.workshops.registrations import VISITOR, Party
from fablab.claims.workshops.words import WorkshopKind
from fablab.people.models import Audience
from web import agenda as shapes
from web.agenda import Place
from web.pages import show_agenda as show
from web.pages.people_forms import Form, number_in, trouble
from web.pages.people_model import Trouble
from web.pages.shell import AnyRequest, form_of, go, in_thread, templates_of
from web.security import Access, Pace, visitor
from web.words import Words
from web.words.codes import WORDS

LIST = "/house/agenda"
OWN = "/house/registration"
KEY_LIMIT = 200


@get(LIST, access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show_list(request: AnyRequest) -> Response[str]:
    words, typed = _words(request), dict(request.query_params)
    with request.app.state.parts.database.read() as uow:
        view = show.agenda(uow, words, choice_in(typed, words.formats.zone), typed)
    return templates_of(request).page(request, "agenda.html", view=view)


def choice_in(typed: Form, zone: ZoneInfo) -> Choice:
    """What the filters say; whatever makes no sense filters nothing: an old link still shows what is on."""
    month = _month(typed.get("month", ""))
    kinds, audiences = {each.value: each for each in WorkshopKind}, {each.value: each for each in Audience}
    return Choice(
        kind=kinds.get(typed.get("kind", "")),
        audience=audiences.get(typed.get("audience", "")),
        workshop=typed.get("workshop", "")[:80],
        since=_midnight(month, zone) if month else None,
        until=_midnight(_next(month), zone) if month else None,
        only_free=typed.get("free") == "yes",
    )


def _month(text: str) -> date | None:
    try:
        return date.fromisoformat(f"{text}-01") if len(text) == 7 else None
    except ValueError:
        return None


def _next(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1) if month.year < 9999 else month


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


@get(f"{LIST}/{{session:str}}", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show_one(request: AnyRequest, session: FromPath[str]) -> Response[str]:
    return _one(request, session, None)


def _one(request: AnyRequest, session_id: str, wrong: Trouble | None, status: int = 422) -> Response[str]:
    words, who = _words(request), visitor(request)
    with request.app.state.parts.database.read() as uow:
        each = programme.one(uow, session_id)
        mine = registrations.of_member(uow, each.id, who.member_id) if who is not None else None
        view = show.one(words, place_of(request), each, who.name if who is not None else None, mine)
    return _page(request, "agenda_one.html", status if wrong else 200, view=view, trouble=wrong)


@post(f"{LIST}/{{session:str}}", access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def register(request: AnyRequest, session: FromPath[str]) -> Response[str]:
    form = await form_of(request)

    def make() -> Response[str]:
        parts, words, who = request.app.state.parts, _words(request), visitor(request)
        try:
            party = Party(
                seats=_seats(form),
                name="" if who is not None else form.get("name", "")[:300],
                email="" if who is not None else form.get("email", "")[:300],
                language=words.language,
            )
            answer = parts.database.write(
                lambda uow: registrations.join(uow, session, party), _actor(request)
            )
        except (Invalid, Conflict, TooMany) as error:
            wrong = trouble(words, error, "join", form)
            return _one(request, session, wrong, 429 if isinstance(error, TooMany) else 422)
        return go(request, f"{LIST}/{session}?done={'waits' if answer.waits else 'joined'}")

    return await in_thread(make)


@post(f"{LIST}/{{session:str}}/mine", access=Access.SIGNED_IN, include_in_schema=False)
async def answer_mine(request: AnyRequest, session: FromPath[str]) -> Response[str]:
    """A member takes a held seat, or gives theirs back."""
    form = await form_of(request)
    who = visitor(request)
    assert who is not None, "the guard lets only members in"

    def work(uow: UnitOfWork) -> None:
        row = registrations.of_member(uow, session, who.member_id)
        if row is None:
            raise NotFound("registration.unknown")
        _answer(uow, row.id, form)

    def make() -> Response[str]:
        try:
            request.app.state.parts.database.write(work, who.actor)
        except (Invalid, Conflict) as error:
            return _one(request, session, trouble(_words(request), error, "own", form))
        return go(request, f"{LIST}/{session}?done={_done(form)}")

    return await in_thread(make)


# -- by the link of a letter ----------------------------------------------------------------------------------------


@get(OWN, access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show_own(request: AnyRequest) -> Response[str]:
    """Looking changes nothing: mail programs look first."""
    return _own(request, request.query_params.get("key", "")[:KEY_LIMIT], None)


def _own(request: AnyRequest, secret: str, wrong: Trouble | None) -> Response[str]:
    words = _words(request)
    with request.app.state.parts.database.read() as uow:
        try:
            row = registrations.opened(uow, secret)
            each = programme.one(uow, row.session_id)
        except NotFound as error:
            return _page(request, "registration.html", 410, view=None, mine=None, text=words.error(error))
        view, mine = show.view(words, each), show.own(words, each, row, row.name)
    status = 422 if wrong else 200
    return _page(request, "registration.html", status, view=view, mine=mine, secret=secret, trouble=wrong)


@post(OWN, access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def answer_own(request: AnyRequest) -> Response[str]:
    form = await form_of(request)
    secret = form.get("key", "")[:KEY_LIMIT]

    def work(uow: UnitOfWork) -> Registration:
        return _answer(uow, registrations.opened(uow, secret).id, form)

    def make() -> Response[str]:
        try:
            request.app.state.parts.database.write(work, VISITOR)
        except NotFound as error:
            text = _words(request).error(error)
            return _page(request, "registration.html", 410, view=None, mine=None, text=text)
        except (Invalid, Conflict) as error:
            return _own(request, secret, trouble(_words(request), error, "own", form))
        return go(request, f"{OWN}?key={secret}&done={_done(form)}")

    return await in_thread(make)


def _answer(uow: UnitOfWork, registration_id: str, form: Form) -> Registration:
    deeds: dict[str, Callable[[], Registration]] = {
        "take": lambda: registrations.take(uow, registration_id),
        "confirm": lambda: registrations.confirm(uow, registration_id),
        "leave": lambda: registrations.leave(uow, registration_id),
        "fewer": lambda: registrations.leave(uow, registration_id, _seats(form)),
    }
    deed = deeds.get(form.get("answer", ""))
    if deed is None:
        raise Invalid("choice.unknown", field="answer")
    return deed()


def _done(form: Form) -> str:
    return {"take": "taken", "confirm": "confirmed", "leave": "left", "fewer": "fewer"}[form["answer"]]


def _seats(form: Form) -> int:
    try:
        return number_in(form, "seats")
    except Invalid:
        raise Invalid("registration.seats", field="seats", most=registrations.MOST_TOGETHER) from None


# -- for programs ---------------------------------------------------------------------------------------------------


@get(f"{LIST}.ics", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def calendar(request: AnyRequest) -> Response[bytes]:
    """All that is to come, with the page's own filters, to subscribe to."""
    words = _words(request)
    with request.app.state.parts.database.read() as uow:
        dates = programme.coming(uow, choice_in(dict(request.query_params), words.formats.zone))
    return _ics(request, dates, "agenda")


@get(
    f"{LIST}/{{session:str}}/calendar.ics", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True
)
def calendar_one(request: AnyRequest, session: FromPath[str]) -> Response[bytes]:
    with request.app.state.parts.database.read() as uow:
        each = programme.one(uow, session)
    return _ics(request, [each], each.slug)


def _ics(request: AnyRequest, dates: list[PublicDate], name: str) -> Response[bytes]:
    body = shapes.ical(place_of(request), dates, _words(request).language)
    return Response(
        body,
        media_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": f'inline; filename="{name}.ics"', "Vary": "Cookie, Accept-Language"},
    )


def place_of(request: AnyRequest) -> Place:
    lab = templates_of(request).lab.name
    return Place(
        name=lab,
        address=request.app.state.parts.settings.address,
        zone=_words(request).formats.zone,
    )


def _actor(request: AnyRequest) -> Actor:
    who = visitor(request)
    return who.actor if who is not None else VISITOR


def _words(request: AnyRequest) -> Words:
    found: Words = templates_of(request).context(request)["words"]
    return found


def said_in(request: AnyRequest, words: Words) -> str:
    """What the last form did, in one of our own sentences, whatever the address says."""
    done = request.query_params.get("done", "")
    return words.word("agenda_done", done) if done in WORDS["agenda_done"] else ""


def _page(request: AnyRequest, name: str, status: int, **more: object) -> Response[str]:
    """Never kept by a browser: the address may hold a secret."""
    more.setdefault("trouble", None)
    said = said_in(request, _words(request)) if request.method == "GET" else ""
    answer = templates_of(request).page(request, name, status=status, said_done=said, **more)
    if name == "registration.html":
        answer.headers["Cache-Control"] = "no-store"
        # "no-referrer" would make browsers send its own forms without an origin, as if from elsewhere.
        answer.headers["Referrer-Policy"] = "same-origin"
    return answer


ROUTES = (
    show_list,
    calendar,
    show_one,
    register,
    answer_mine,
    calendar_one,
    show_own,
    answer_own,
)
