"""Rooms for people without an account, as JSON: what can be asked for, asking, and the house's answer."""

from __future__ import annotations

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Invalid
from fablab.claims import hires
from fablab.claims.hires import Hire, HireState, HireWish, Offered
from fablab.money import quotes
from fablab.people.access import SignedIn
from fablab.people.models import Audience
from web.api.answer import instant
from web.api.schema import At, PriceOut
from web.api.schema import price as price_out
from web.errors import SaidRefusal, said_refusals
from web.security import Access, Pace
from web.words import Words


class KitOut(msgspec.Struct, frozen=True, kw_only=True):
    """`prices`: cents by unit (hour, half_day, day); a unit that is not there is not asked for."""

    id: int
    name: str
    note: str
    prices: dict[str, int]


class RoomOut(KitOut, frozen=True, kw_only=True):
    seats: int | None
    equipment: tuple[str, ...]
    setup_min: int
    clear_min: int
    kits: tuple[KitOut, ...]


class HireIn(msgspec.Struct, frozen=True, kw_only=True):
    """The room and the `kits` that go with it, all or nothing. `audience` decides on the price; it may be checked."""

    room: int
    start_at: str
    end_at: str
    people: int
    name: str
    email: str
    purpose: str
    kits: tuple[int, ...] = ()
    organisation: str = ""
    phone: str = ""
    audience: Audience = Audience.ASSOCIATION
    language: str = "fr"


class ForeseenOut(msgspec.Struct, frozen=True, kw_only=True):
    price: PriceOut | None
    refusals: tuple[SaidRefusal, ...]


class AskedOut(msgspec.Struct, frozen=True, kw_only=True):
    """A letter is on its way; the place is held until `hold_until`, and longer once its link was followed."""

    state: HireState
    hold_until: At | None


class HireOut(AskedOut, frozen=True, kw_only=True):
    id: str
    partner: int | None
    resources: tuple[int, ...]
    start_at: At
    end_at: At
    name: str
    organisation: str
    email: str
    phone: str
    people: int
    purpose: str
    why: str
    price: PriceOut | None


class WhyIn(msgspec.Struct, frozen=True, kw_only=True):
    why: str = ""


class KeyIn(msgspec.Struct, frozen=True, kw_only=True):
    """From the link of the letter."""

    key: str


@get("/rooms", access=Access.PUBLIC, sync_to_thread=True, tags=["hires"])
def rooms(
    database: NamedDependency[Database], audience: FromQuery[Audience] = Audience.ASSOCIATION
) -> tuple[RoomOut, ...]:
    """What anybody may ask for, with its prices for an audience."""
    with database.read() as uow:
        return tuple(_room(each) for each in hires.public_rooms(uow, audience))


@post("/hires/foresee", access=Access.PUBLIC, sync_to_thread=True, status_code=200, tags=["hires"])
def foresee(
    data: JSONBody[HireIn], database: NamedDependency[Database], words: NamedDependency[Words]
) -> ForeseenOut:
    """What it would cost and what stands against it; nothing is kept."""
    wish = _wish(data)
    with database.read() as uow:
        found = hires.foresee(uow, wish)
    return ForeseenOut(price=price_out(found.quote, words), refusals=said_refusals(words, found.refusals))


@post("/hires", access=Access.PUBLIC, pace=Pace.LOGIN, sync_to_thread=True, tags=["hires"])
def ask(data: JSONBody[HireIn], database: NamedDependency[Database]) -> AskedOut:
    """Ask for a room. It is held for an hour; the letter's link keeps it until the house has answered."""
    wish = _wish(data)
    return database.write(lambda uow: _asked(hires.ask(uow, wish)))


@post(
    "/hires/confirm",
    access=Access.PUBLIC,
    pace=Pace.LOGIN,
    sync_to_thread=True,
    status_code=200,
    tags=["hires"],
)
def confirm(data: JSONBody[KeyIn], database: NamedDependency[Database]) -> AskedOut:
    """The address is theirs."""
    return database.write(lambda uow: _asked(hires.confirm_email(uow, data.key)))


@post(
    "/hires/give-up",
    access=Access.PUBLIC,
    pace=Pace.LOGIN,
    sync_to_thread=True,
    status_code=200,
    tags=["hires"],
)
def give_up(data: JSONBody[KeyIn], database: NamedDependency[Database]) -> AskedOut:
    """They want it no more."""
    return database.write(lambda uow: _asked(hires.cancel_by_key(uow, data.key)))


@get("/hires", access=Access.SIGNED_IN, sync_to_thread=True, tags=["hires"])
def of_part(
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> tuple[HireOut, ...]:
    """Those that one may answer: the staff all of them, a partner those of its rooms. The live ones, then the last that
    are over."""
    with database.read(signed_in.actor) as uow:
        live, over = hires.of_part(uow)
        return tuple(_out(uow, row, words) for row in [*live, *over])


@post(
    "/hires/{hire_id:str}/{answer:str}",
    access=Access.SIGNED_IN,
    sync_to_thread=True,
    status_code=200,
    tags=["hires"],
)
def decide(
    hire_id: FromPath[str],
    answer: FromPath[str],
    data: JSONBody[WhyIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> HireOut:
    """`answer`: approve, decline or cancel, the last two with `why`. By the staff, or by whoever runs the room."""
    acts = {"approve": hires.approve, "decline": hires.decline, "cancel": hires.cancel}
    if answer not in acts:
        raise Invalid("choice.unknown", field="answer")
    return database.write(lambda uow: _out(uow, acts[answer](uow, hire_id, data.why), words), signed_in.actor)


def _wish(data: HireIn) -> HireWish:
    start_at, end_at = instant(data.start_at, "start_at"), instant(data.end_at, "end_at")
    if start_at is None or end_at is None:
        raise Invalid("time.wrong", field="start_at" if start_at is None else "end_at", text="")
    if not all(0 < each < 2**31 for each in (data.room, *data.kits)):
        raise Invalid("resource.unknown", field="room")
    return HireWish(
        room_id=data.room,
        kit_ids=data.kits[:20],
        start_at=start_at,
        end_at=end_at,
        people=data.people,
        name=data.name,
        email=data.email,
        purpose=data.purpose,
        organisation=data.organisation,
        phone=data.phone,
        audience=data.audience,
        language=data.language,
    )


def _room(each: Offered) -> RoomOut:
    thing = each.thing
    return RoomOut(
        id=thing.id,
        name=thing.name,
        note=thing.note,
        prices={unit.value: cents for unit, cents in each.grid.items()},
        seats=thing.seats,
        equipment=tuple(thing.equipment),
        setup_min=thing.setup_min,
        clear_min=thing.clear_min,
        kits=tuple(
            KitOut(
                id=kit.thing.id,
                name=kit.thing.name,
                note=kit.thing.note,
                prices={unit.value: cents for unit, cents in kit.grid.items()},
            )
            for kit in each.kits
        ),
    )


def _asked(row: Hire) -> AskedOut:
    return AskedOut(state=row.state, hold_until=row.hold_until)


def _out(uow: UnitOfWork, row: Hire, words: Words) -> HireOut:
    quote = quotes.quote_of(uow, row.id)
    return HireOut(
        id=row.id,
        state=row.state,
        hold_until=row.hold_until,
        partner=row.partner_id,
        resources=tuple(row.resource_ids),
        start_at=row.start_at,
        end_at=row.end_at,
        name=row.name,
        organisation=row.organisation,
        email=row.email,
        phone=row.phone,
        people=row.people,
        purpose=row.purpose,
        why=row.why,
        price=price_out(quote, words),
    )


ROUTES = (rooms, foresee, ask, confirm, give_up, of_part, decide)
