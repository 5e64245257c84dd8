"""What is on, as JSON: read and registered for by anybody, planned and counted by the staff."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Invalid, NotFound
from fablab.claims.workshops import came, programme, public, registrations
from fablab.claims.workshops.models import Registration
from fablab.claims.workshops.programme import Choice, Hall, PublicDate
from fablab.claims.workshops.public import DatePlan
from fablab.claims.workshops.registrations import VISITOR, Party
from fablab.claims.workshops.words import Level, RegistrationState, Theme, WorkshopKind
from fablab.people.access import SignedIn
from fablab.people.models import Audience
from scheduler.public import move_date, plan_date
from web import agenda as shapes
from web.agenda import Place
from web.api.answer import instant, instant_of
from web.api.schema import At
from web.errors import words_of
from web.security import Access, Pace, Right, visitor
from web.words import LANGUAGES

AnyRequest = Request[Any, Any, Any]
Seats = Annotated[int, msgspec.Meta(ge=0, le=1000)]


class DateOut(msgspec.Struct, frozen=True, kw_only=True):
    """Texts by language. `price_cents` with tax, null where nobody says. `free` 0: one waits. `decide_at`: when it is
    called off if fewer than `least` have registered. `mine`: your own state in it, where you are signed in."""

    id: str
    workshop: str
    kind: WorkshopKind
    title: Mapping[str, str]
    summary: Mapping[str, str]
    theme: Theme
    level: Level
    audiences: tuple[str, ...]
    start_at: At
    end_at: At
    rooms: tuple[str, ...]
    capacity: int
    free: int
    waiting: int
    least: int
    decide_at: At | None
    most_together: int
    price_cents: int | None
    note: str
    cancelled: bool
    over: bool
    page: str
    mine: RegistrationState | None = None


class PartyIn(msgspec.Struct, frozen=True, kw_only=True):
    """Without `name` and `email`: whoever is signed in. `language`: of the letters."""

    seats: Seats = 1
    name: str = ""
    email: str = ""
    language: str = "fr"


class JoinedOut(msgspec.Struct, frozen=True, kw_only=True):
    """`waits`: no room for all of you now; a letter says so, too. `registration`: only of whoever is signed in."""

    waits: bool
    seats: int
    registration: str | None


class OwnOut(msgspec.Struct, frozen=True, kw_only=True):
    """`hold_until`: until when a freed seat is held for you."""

    date: str
    state: RegistrationState
    seats: int
    hold_until: At | None


class KeyIn(msgspec.Struct, frozen=True, kw_only=True):
    """`key`: from the link of a letter."""

    key: str


class AnswerIn(msgspec.Struct, frozen=True, kw_only=True):
    """`key`: from the link of a letter; empty: your own registration for `date`, signed in. `seats`: with `fewer`."""

    answer: Literal["take", "confirm", "leave", "fewer"]
    key: str = ""
    date: str = ""
    seats: Seats | None = None


class PlanIn(msgspec.Struct, frozen=True, kw_only=True):
    """Instants are ISO 8601 with a zone. What is null is as the catalogue's entry says; `holds` null: the first of all
    that it needs that is free."""

    workshop: int
    start_at: str
    duration_min: int | None = None
    holds: tuple[int, ...] | None = None
    capacity: int | None = None
    least: int | None = None
    decide_at: str | None = None
    note: str = ""


class AmendIn(msgspec.Struct, frozen=True, kw_only=True):
    capacity: int | None = None
    least: int | None = None
    note: str | None = None


class MoveIn(msgspec.Struct, frozen=True, kw_only=True):
    start_at: str
    holds: tuple[int, ...] | None = None
    why: str = ""


class WhyIn(msgspec.Struct, frozen=True, kw_only=True):
    why: str


class CameIn(msgspec.Struct, frozen=True, kw_only=True):
    """`came`: by registration, how many of them; whoever is not named did not. `more`: people without one."""

    came: dict[str, Seats]
    more: Seats = 0


class GuestOut(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    email: str
    member: int | None
    seats: int
    came: int | None
    state: RegistrationState
    asked_at: At
    hold_until: At | None


class HallOut(msgspec.Struct, frozen=True, kw_only=True):
    """`holds`: ids of what is kept for it. `people`: how many came."""

    date: DateOut
    holds: tuple[int, ...]
    people: int
    registrations: tuple[GuestOut, ...]


@get("/agenda", access=Access.PUBLIC, sync_to_thread=True, tags=["agenda"])
def agenda(
    request: AnyRequest,
    database: NamedDependency[Database],
    kind: FromQuery[WorkshopKind | None] = None,
    audience: FromQuery[Audience | None] = None,
    workshop: FromQuery[str] = "",
    since: FromQuery[str | None] = None,
    until: FromQuery[str | None] = None,
    free: FromQuery[bool] = False,
) -> tuple[DateOut, ...]:
    """What is still to come, by its beginning. For everybody."""
    choice = Choice(
        kind=kind,
        audience=audience,
        workshop=workshop[:80],
        since=instant(since, "since"),
        until=instant(until, "until"),
        only_free=free,
    )
    with database.read() as uow:
        return tuple(_out(request, each) for each in programme.coming(uow, choice))


@get("/agenda/openagenda", access=Access.PUBLIC, sync_to_thread=True, tags=["agenda"])
def openagenda(request: AnyRequest, database: NamedDependency[Database]) -> dict[str, Any]:
    """The same dates in the shape of OpenAgenda's events, for whoever collects what is on in town."""
    with database.read() as uow:
        return shapes.openagenda(_place(request), programme.coming(uow))


@get("/agenda/{date:str}", access=Access.PUBLIC, sync_to_thread=True, tags=["agenda"])
def date_one(request: AnyRequest, date: FromPath[str], database: NamedDependency[Database]) -> DateOut:
    who = visitor(request)
    with database.read() as uow:
        each = programme.one(uow, date)
        mine = registrations.of_member(uow, each.id, who.member_id) if who is not None else None
        return _out(request, each, mine)


@post(
    "/agenda/{date:str}/registrations",
    access=Access.PUBLIC,
    pace=Pace.LOGIN,
    csrf="json",
    sync_to_thread=True,
    status_code=202,
    tags=["agenda"],
)
def register(
    request: AnyRequest, date: FromPath[str], data: JSONBody[PartyIn], database: NamedDependency[Database]
) -> JoinedOut:
    """All seats together, or a place in the line for all of them. A letter follows, with a link to change it."""
    who = visitor(request)
    if data.language not in LANGUAGES:
        raise Invalid("member.language", field="language")
    party = Party(seats=data.seats, name=data.name[:300], email=data.email[:300], language=data.language)
    actor = who.actor if who is not None else VISITOR
    answer = database.write(lambda uow: registrations.join(uow, date, party), actor)
    return JoinedOut(waits=answer.waits, seats=answer.seats, registration=answer.registration_id)


@post(
    "/registration",
    access=Access.PUBLIC,
    pace=Pace.LOGIN,
    csrf="json",
    sync_to_thread=True,
    status_code=200,
    tags=["agenda"],
)
def look_own(data: JSONBody[KeyIn], database: NamedDependency[Database]) -> OwnOut:
    """What the link of a letter is for. Nothing changes."""
    with database.read() as uow:
        return _own(registrations.opened(uow, data.key[:200]))


@post(
    "/registration/answer",
    access=Access.PUBLIC,
    pace=Pace.LOGIN,
    csrf="json",
    sync_to_thread=True,
    status_code=200,
    tags=["agenda"],
)
def answer_own(request: AnyRequest, data: JSONBody[AnswerIn], database: NamedDependency[Database]) -> OwnOut:
    """Take what is held, say that you come, be fewer, or give it back."""
    who = visitor(request)

    def work(uow: UnitOfWork) -> OwnOut:
        if data.key:
            row: Registration | None = registrations.opened(uow, data.key[:200])
        else:
            row = registrations.of_member(uow, data.date, who.member_id) if who is not None else None
        if row is None:
            raise NotFound("registration.unknown")
        if data.answer == "take":
            return _own(registrations.take(uow, row.id))
        if data.answer == "confirm":
            return _own(registrations.confirm(uow, row.id))
        if data.answer == "fewer" and data.seats is None:
            raise Invalid("registration.seats", field="seats", most=row.seats)
        return _own(registrations.leave(uow, row.id, data.seats if data.answer == "fewer" else None))

    return database.write(work, who.actor if who is not None and not data.key else VISITOR)


# -- for the staff --------------------------------------------------------------------------------------------------


@get("/public-sessions", access=Right.OPERATE, sync_to_thread=True, tags=["agenda"])
def dates(
    request: AnyRequest, database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> tuple[DateOut, ...]:
    """Those to come, then those that have begun, are over or called off."""
    with database.read(signed_in.actor) as uow:
        found = [*programme.coming(uow), *programme.behind(uow)]
        return tuple(_out(request, each) for each in {each.id: each for each in found}.values())


@post("/public-sessions", access=Right.OPERATE, sync_to_thread=True, tags=["agenda"])
def plan(
    request: AnyRequest,
    data: JSONBody[PlanIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> HallOut:
    """Open for registration from now on. Planned jobs in its way are moved; 409 where somebody holds a place for good."""
    start_at = instant_of(data.start_at, "start_at")
    said = DatePlan(
        workshop_id=data.workshop,
        start_at=start_at,
        duration_min=data.duration_min,
        holds=data.holds,
        capacity=data.capacity,
        least=data.least,
        decide_at=instant(data.decide_at, "decide_at"),
        note=data.note,
    )
    made = plan_date(database, signed_in.actor, said)
    return _hall(request, database, signed_in, made.id)


@get("/public-sessions/{date:str}", access=Right.OPERATE, sync_to_thread=True, tags=["agenda"])
def hall(
    request: AnyRequest,
    date: FromPath[str],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> HallOut:
    """Who comes and who waits, in the order they asked."""
    return _hall(request, database, signed_in, date)


@patch("/public-sessions/{date:str}", access=Right.OPERATE, sync_to_thread=True, tags=["agenda"])
def amend(
    request: AnyRequest,
    date: FromPath[str],
    data: JSONBody[AmendIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> HallOut:
    """More seats are offered to those who wait at once. What is null stays."""
    database.write(
        lambda uow: public.amend(uow, date, capacity=data.capacity, least=data.least, note=data.note),
        signed_in.actor,
    )
    return _hall(request, database, signed_in, date)


@post(
    "/public-sessions/{date:str}/move",
    access=Right.OPERATE,
    sync_to_thread=True,
    status_code=200,
    tags=["agenda"],
)
def move(
    request: AnyRequest,
    date: FromPath[str],
    data: JSONBody[MoveIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> HallOut:
    """The whole gang, to another time or to other rooms and machines; everybody is told."""
    start_at = instant_of(data.start_at, "start_at")
    move_date(database, signed_in.actor, date, start_at, data.holds, data.why)
    return _hall(request, database, signed_in, date)


@post(
    "/public-sessions/{date:str}/cancel",
    access=Right.OPERATE,
    sync_to_thread=True,
    status_code=200,
    tags=["agenda"],
)
def cancel(
    request: AnyRequest,
    date: FromPath[str],
    data: JSONBody[WhyIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> HallOut:
    """Everything it held is free, everybody is told why."""
    database.write(lambda uow: public.call_off(uow, date, data.why), signed_in.actor)
    return _hall(request, database, signed_in, date)


@post(
    "/public-sessions/{date:str}/came",
    access=Right.OPERATE,
    sync_to_thread=True,
    status_code=200,
    tags=["agenda"],
)
def tick(
    request: AnyRequest,
    date: FromPath[str],
    data: JSONBody[CameIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> HallOut:
    """Who came. May be said again until it is right; two weeks later nobody is named any more."""
    database.write(lambda uow: came.tick(uow, date, data.came, data.more), signed_in.actor)
    return _hall(request, database, signed_in, date)


def _hall(request: AnyRequest, database: Database, signed_in: SignedIn, date: str) -> HallOut:
    with database.read(signed_in.actor) as uow:
        found = programme.hall(uow, date)
        return HallOut(
            date=_out(request, found.date),
            holds=tuple(sorted(each.resource_id for each in found.session.claim.allocations)),
            people=found.session.people,
            registrations=tuple(_guest(found, row) for row in found.rows),
        )


def _guest(found: Hall, row: Registration) -> GuestOut:
    return GuestOut(
        id=row.id,
        name=found.name(row),
        email=found.email(row),
        member=row.member_id,
        seats=row.seats,
        came=row.came,
        state=row.state,
        asked_at=row.asked_at,
        hold_until=row.hold_until,
    )


def _own(row: Registration) -> OwnOut:
    return OwnOut(date=row.session_id, state=row.state, seats=row.seats, hold_until=row.hold_until)


def _out(request: AnyRequest, each: PublicDate, mine: Registration | None = None) -> DateOut:
    return DateOut(
        id=each.id,
        workshop=each.slug,
        kind=each.kind,
        title=each.title,
        summary=each.summary,
        theme=each.theme,
        level=each.level,
        audiences=each.audiences,
        start_at=each.start_at,
        end_at=each.end_at,
        rooms=each.rooms,
        capacity=each.capacity,
        free=each.free,
        waiting=each.waiting,
        least=each.least,
        decide_at=each.decide_at,
        most_together=each.most_together,
        price_cents=each.price_cents,
        note=each.note,
        cancelled=each.cancelled,
        over=each.over,
        page=_place(request).page(each),
        mine=mine.state if mine is not None else None,
    )


def _place(request: AnyRequest) -> Place:
    app = request.app.state
    return Place(
        name=app.templates.lab.name,
        address=app.parts.settings.address,
        zone=words_of(request).formats.zone,
    )


ROUTES = (
    agenda,
    openagenda,
    date_one,
    register,
    look_own,
    answer_own,
    dates,
    plan,
    hall,
    amend,
    move,
    cancel,
    tick,
)
