"""The way to a provider of sign-ins and back: to sign in, to link an account there, to confirm that it is still them.

A browser is sent by a link or by a page that goes on by itself, never by the answer to a form: `form-action` of our own
policy would stop that at the first foreign address. What comes back is believed once, by the browser that set out.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.errors import Conflict, Forbidden, Invalid, LabError, NotFound, TooMany
from fablab.people import identities
from fablab.people.access import SecondStep, SignedIn
from fablab.people.access.models import Arrival, TripPurpose
from fablab.people.identities import ARRIVAL_LIFE, TRIP_LIFE, Departure, NewPerson, Person, Returned
from web.api.people import end_former, place_of
from web.api.security import login_token
from web.errors import words_of
from web.pages.login import login_page, to_second_step, welcome
from web.pages.shell import AnyRequest, form_of, go, in_thread, local_path, templates_of
from web.security import Access, Pace, visitor
from web.security.identity import caller_of


def _parts(request: AnyRequest) -> Any:
    return request.app.state.parts


def _refused(request: AnyRequest, error: LabError) -> Response[str]:
    """At the door, in plain words; somebody who is signed in is told on the page Security."""
    said = words_of(request).error(error)
    if visitor(request) is not None:
        templates = templates_of(request)
        return templates.page(request, "provider_refused.html", status=403, sentence=said)
    if error.code == "arrival.waiting":
        return login_page(request, told=said)
    status = 404 if isinstance(error, NotFound) else 503 if error.code == "provider.down" else 403
    return login_page(request, error=said, status=status)


# -- there ---------------------------------------------------------------------------------------------------------


@get("/login/with/{key:str}", access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def leave_for(request: AnyRequest, key: FromPath[str]) -> Response[str]:
    """To sign in. A link, not a form: whoever follows it from another site only signs in as themselves."""
    parts, wanted = _parts(request), local_path(request.query_params.get("next", ""), "")
    if visitor(request) is not None:
        return go(request, wanted or "/")
    try:
        parts.providers.get(key)
        departure = await in_thread(
            parts.database.write,
            lambda uow: identities.depart(uow, key, TripPurpose.SIGN_IN, wanted),
        )
        address = await parts.providers.address(
            key, departure, TripPurpose.SIGN_IN, words_of(request).language
        )
    except (NotFound, Conflict, Forbidden) as error:
        return _refused(request, error)
    return _sent(request, departure, go(request, address))


def _sent(request: AnyRequest, departure: Departure, answer: Response[str]) -> Response[str]:
    jar = _parts(request).cookies
    answer.set_cookie(jar.for_a_while(jar.trip, departure.browser, TRIP_LIFE))
    answer.headers["Cache-Control"] = "no-store"
    return answer


async def _go_on(request: AnyRequest, key: str, departure: Departure, purpose: TripPurpose) -> Response[str]:
    """A page that goes on to the provider by itself."""
    providers = _parts(request).providers
    try:
        address = await providers.address(key, departure, purpose, words_of(request).language)
    except (NotFound, Conflict) as error:
        return _refused(request, error)
    page = templates_of(request).page(
        request, "provider_go.html", address=address, label=providers.label(key)
    )
    return _sent(request, departure, page)


@post(
    "/security/links/{key:str}",
    access=Access.IN_PERSON,
    pace=Pace.LOGIN,
    held_back=True,
    include_in_schema=False,
)
async def link(request: AnyRequest, key: FromPath[str]) -> Response[str]:
    parts, token = _parts(request), login_token(request)
    parts.providers.get(key)
    departure = await in_thread(
        parts.database.write,
        lambda uow: identities.depart(uow, key, TripPurpose.LINK, "/security", token),
    )
    return await _go_on(request, key, departure, TripPurpose.LINK)


@post(
    "/security/confirm/{key:str}",
    access=Access.IN_PERSON,
    pace=Pace.LOGIN,
    held_back=True,
    include_in_schema=False,
)
async def confirm_with(request: AnyRequest, key: FromPath[str]) -> Response[str]:
    parts, form, token = _parts(request), await form_of(request), login_token(request)
    parts.providers.get(key)
    wanted, code = local_path(form.get("next", ""), "/security"), form.get("code", "")[:60]
    address = caller_of(request.scope).address
    try:
        departure = await in_thread(
            lambda: identities.depart_to_confirm(parts.database, key, wanted, token, code, address=address)
        )
    except (Forbidden, TooMany) as error:
        return _refused(request, error)
    return await _go_on(request, key, departure, TripPurpose.CONFIRM)


# -- and back ------------------------------------------------------------------------------------------------------


@get("/login/from/{key:str}", access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def come_back(request: AnyRequest, key: FromPath[str]) -> Response[str]:
    """Where a provider sends its answer. It leads nowhere but where the trip began."""
    parts, jar = _parts(request), _parts(request).cookies
    said = {name: value[:4000] for name, value in request.query_params.items()}
    browser = request.cookies.get(jar.trip, "")[:200]
    try:
        parts.providers.get(key)
        trip = await in_thread(
            parts.database.write,
            lambda uow: identities.come_back(uow, key, said.get("state", ""), browser),
        )
        person = await parts.providers.person(key, said, trip)
        if trip.purpose is TripPurpose.SIGN_IN:
            answer = await _arrive(request, person, trip)
        else:
            await in_thread(_own, request, person, trip)
            answer = go(request, local_path(trip.next_path, "/security"))
    except (Forbidden, Conflict, NotFound) as error:
        # To link an account took so long that it has to be confirmed again.
        late = error.code == "access.confirm"
        answer = go(request, "/security/confirm") if late else _refused(request, error)
    if jar.trip in request.cookies:
        answer.set_cookie(jar.no(jar.trip))
    return answer


def _own(request: AnyRequest, person: Person, trip: Returned) -> None:
    """For the member who is signed in: to link the account, or to confirm with it. Runs in a thread."""
    database, token = _parts(request).database, caller_of(request.scope).login_token
    if not token:
        raise Forbidden("trip.unknown")
    if trip.purpose is TripPurpose.LINK:
        database.write(lambda uow: identities.link(uow, token, person, trip.member_id))
    else:
        database.write(lambda uow: identities.confirm_elsewhere(uow, token, person, trip.member_id))


async def _arrive(request: AnyRequest, person: Person, trip: Returned) -> Response[str]:
    database, jar = _parts(request).database, _parts(request).cookies

    def work() -> SignedIn:
        signed_in = identities.arrive(database, person, place_of(request, provider=person.provider))
        end_former(database, request)
        return signed_in

    try:
        signed_in = await in_thread(work)
    except SecondStep as step:
        return to_second_step(request, step, trip.next_path)
    except NewPerson as new:
        answer = go(request, "/login/new")
        answer.set_cookie(jar.for_a_while(jar.arrival, new.token, ARRIVAL_LIFE))
        return answer
    return welcome(request, signed_in, trip.next_path)


# -- somebody new --------------------------------------------------------------------------------------------------


def _arrival_token(request: AnyRequest) -> str:
    return request.cookies.get(_parts(request).cookies.arrival, "")[:200]


@get("/login/new", access=Access.PUBLIC, include_in_schema=False)
async def show_new(request: AnyRequest) -> Response[str]:
    try:
        found = await in_thread(_arrival, request)
    except NotFound as error:
        return _refused(request, error)
    return _new_page(request, found, name=found.name)


def _arrival(request: AnyRequest) -> Arrival:
    with _parts(request).database.read() as uow:
        return identities.arrival(uow, _arrival_token(request))


def _new_page(
    request: AnyRequest, found: Arrival, *, name: str, born_on: str = "", error: LabError | None = None
) -> Response[str]:
    answer = templates_of(request).page(
        request,
        "login_new.html",
        status=200 if error is None else 422,
        email=found.email,
        label=_parts(request).providers.label(found.provider),
        said_name=name,
        born_on=born_on,
        error=words_of(request).error(error) if error is not None else "",
        field=error.field if isinstance(error, Invalid) else None,
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


@post("/login/new", access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def settle_in(request: AnyRequest) -> Response[str]:
    form, database = await form_of(request), _parts(request).database
    name, born_on = form.get("name", "")[:200], form.get("born_on", "")[:20]
    try:
        found = await in_thread(_arrival, request)
    except NotFound as error:
        return _refused(request, error)

    def work() -> SignedIn:
        return identities.settle_in(
            database,
            _arrival_token(request),
            name=name,
            born_on=_day(born_on),
            language=words_of(request).language,
            entry=place_of(request, provider=found.provider),
        )

    try:
        return welcome(request, await in_thread(work), "")
    except Invalid as error:
        return _new_page(request, found, name=name, born_on=born_on, error=error)
    except (Forbidden, Conflict, NotFound) as error:
        answer = _refused(request, error)
        answer.set_cookie(_parts(request).cookies.no(_parts(request).cookies.arrival))
        return answer


def _day(said: str) -> date | None:
    try:
        return date.fromisoformat(said)
    except ValueError:
        return None


# -- out there too -------------------------------------------------------------------------------------------------


@get("/login/leave/{key:str}", access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def leave(request: AnyRequest, key: FromPath[str]) -> Response[str]:
    """Sign out at the provider as well, which comes back to the sign-in page."""
    try:
        address = await _parts(request).providers.leave_address(key)
    except (NotFound, Conflict) as error:
        return _refused(request, error)
    return go(request, address or "/login")


ROUTES = (leave_for, link, confirm_with, come_back, show_new, settle_in, leave)
