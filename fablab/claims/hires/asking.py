"""A hire until somebody of the house answers: asked for, its address confirmed, given up. The place is held all along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select

from fablab import notices
from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound, Refusal, Refused
from fablab.base.ids import new_id
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.calendar import Place
from fablab.claims.hires.models import HIRE_STEPS, LIVE_HIRES, Hire, HireState
from fablab.claims.hires.rooms import kits_of, public_room
from fablab.claims.models import AllocationState, Claim, ClaimKind, ClaimState, Need
from fablab.claims.reservations import composing, judging, orders
from fablab.claims.reservations.composing import Thing
from fablab.money import quotes, stays
from fablab.money.quotes import Quote
from fablab.people import keys, partners
from fablab.people.models import Audience
from fablab.places import house
from fablab.places.models import Resource

#: How long a place waits for its letter to be answered, and then for the staff.
CONFIRM_WITHIN = timedelta(hours=1)
ANSWER_WITHIN = timedelta(days=3)
LONGEST = timedelta(days=3)
MOST_BY_ADDRESS = 3  # live requests of one e-mail address: nobody holds the house alone
NAME_LIMIT, PURPOSE_LIMIT = 120, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class HireWish:
    """`kit_ids`: of those offered with the room. `people`: how many will be there. Texts as typed."""

    room_id: int
    kit_ids: tuple[int, ...] = ()
    start_at: datetime
    end_at: datetime
    people: int
    name: str
    email: str
    purpose: str
    organisation: str = ""
    phone: str = ""
    audience: Audience = Audience.ASSOCIATION
    language: str = "fr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What it would cost, and everything that stands against it; a place that is taken is among it as slot_taken."""

    quote: Quote
    refusals: tuple[Refusal, ...]


def foresee(uow: UnitOfWork, wish: HireWish) -> Foreseen:
    """The same checks and the same price, and nothing is kept. Raises `Invalid` as `ask`."""
    wish = _cleaned(uow, wish, contact=False)
    _, things, places = _places(uow, wish)
    names = {thing.id: thing.name for thing in things}
    taken = tuple(
        Refusal(code="slot_taken", facts={"resource": id_, "machine": names[id_]})
        for id_, _ in calendar.taken(uow, places)
    )
    return Foreseen(quote=_quote(uow, wish, things), refusals=taken + _refusals(uow, wish))


def ask(uow: UnitOfWork, wish: HireWish) -> Hire:
    """The whole gang is held for an hour, and a letter goes out whose link keeps it longer.

    Raises `Invalid` for what cannot be understood, `Conflict` slot_taken, hire.too_many, and `Refused` with all that the
    house's rules say: they are those of every reservation.
    """
    wish = _cleaned(uow, wish)
    room, things, places = _places(uow, wish)
    _not_too_many(uow, wish.email)
    composing.must_be_free(uow, places)
    against = _refusals(uow, wish)
    if against:
        raise Refused(against)
    secret = keys.new_secret()
    row = _write(uow, wish, room, things, places, secret)
    tell_asker(uow, row, "hire.confirm", secret_path=f"/hire?key={secret}", until=_iso(row.hold_until))
    return row


def confirm_email(uow: UnitOfWork, secret: str) -> Hire:
    """Whoever has the link of the letter wants it. Once more changes nothing. Raises `Conflict` hire.over."""
    row = opened(uow, secret)
    if row.state not in LIVE_HIRES or (row.hold_until is not None and row.hold_until <= uow.now):
        raise Conflict("hire.over")
    if row.state is not HireState.ASKED:
        return row
    row.state = step(HIRE_STEPS, row.state, "confirm_email")
    row.email_confirmed_at = uow.now
    row.hold_until = min(uow.now + ANSWER_WITHIN, row.start_at)
    calendar.claim(uow, row.id).hold_until = row.hold_until
    uow.session.flush()
    tell_answering(uow, row, "hire.asked", until=_iso(row.hold_until))
    calendar.tell_changed(uow, row.id)
    return row


def cancel_by_key(uow: UnitOfWork, secret: str) -> Hire:
    """They want it no more. What is confirmed and has begun stays: `Conflict` hire.begun."""
    row = opened(uow, secret)
    if row.state is HireState.CONFIRMED and row.start_at <= uow.now:
        raise Conflict("hire.begun")
    row.state = step(HIRE_STEPS, row.state, "cancel")
    end(uow, row)
    tell_answering(uow, row, "hire.given_up")
    return row


def opened(uow: UnitOfWork, secret: str) -> Hire:
    """Whose link this is. Raises `NotFound` hire.unknown."""
    row = uow.session.scalar(select(Hire).where(Hire.key_hash == keys.digest(secret)))
    if row is None:
        raise NotFound("hire.unknown")
    return row


def tell_answering(uow: UnitOfWork, row: Hire, code: str, **facts: str) -> None:
    """Those who speak for the partner, or the staff for the house's own rooms."""
    what, start = composing.names_of(uow, row.resource_ids), row.start_at.isoformat()
    for member_id in partners.answering(uow, row.partner_id):
        notices.tell(uow, member_id, code, what=what, start=start, path="/hires", **facts)


def tell_asker(uow: UnitOfWork, row: Hire, code: str, **facts: str) -> None:
    """A letter. The link stands in the first one alone: only its hash is kept."""
    notices.write(
        uow,
        row.email,
        row.language,
        code,
        what=composing.names_of(uow, row.resource_ids),
        start=row.start_at.isoformat(),
        end=row.end_at.isoformat(),
        **facts,
    )


def end(uow: UnitOfWork, row: Hire) -> None:
    """All of its places are free again, and whoever waits may know."""
    row.ended_at, row.hold_until = uow.now, None
    uow.session.flush()
    calendar.lock(uow, row.resource_ids)
    calendar.finish(uow, calendar.claim(uow, row.id), uow.now)
    calendar.freed(uow, row.resource_ids)


# --- what is asked


def _cleaned(uow: UnitOfWork, wish: HireWish, *, contact: bool = True) -> HireWish:
    start, end_at = orders.instant(wish.start_at, "start_at"), orders.instant(wish.end_at, "end_at")
    orders.check_span(start, end_at)
    if start <= uow.now:
        raise Invalid("reservation.past", field="start_at")
    if end_at - start > LONGEST:
        raise Invalid("reservation.too_long", field="end_at", days=LONGEST.days)
    name, organisation = orders.line(wish.name, 500), orders.line(wish.organisation, 200)
    purpose = wish.purpose.strip()[:PURPOSE_LIMIT]
    if contact and not (1 <= len(name) <= NAME_LIMIT and name.isprintable()):
        raise Invalid("hire.name", field="name", most=NAME_LIMIT)
    if contact and not purpose:
        raise Invalid("hire.purpose", field="purpose")
    email = wish.email.strip().lower()
    if contact and not _is_address(email):
        raise Invalid("letter.address", field="email")
    return replace(
        wish,
        start_at=start,
        end_at=end_at,
        name=name,
        organisation=organisation,
        purpose=purpose,
        email=email,
        phone=orders.line(wish.phone, 40),
        kit_ids=tuple(sorted(set(wish.kit_ids))),
        language="en" if wish.language == "en" else "fr",
    )


def _is_address(said: str) -> bool:
    local, at, domain = said.partition("@")
    plain = said.isascii() and said.isprintable() and " " not in said and len(said) <= 254
    return bool(local and at and plain and "." in domain and "@" not in domain)


def _places(uow: UnitOfWork, wish: HireWish) -> tuple[Resource, list[Thing], list[Place]]:
    """The room and its kits, locked; kits are there while the room is set up and cleared too."""
    room = public_room(uow, wish.room_id)
    if not 1 <= wish.people <= (room.seats or orders.MOST_PARTY):
        raise Invalid("hire.people", field="people", most=room.seats or orders.MOST_PARTY)
    kits = {kit.id for kit in kits_of(uow, room.id)}
    if not kits.issuperset(wish.kit_ids):
        raise Invalid("resource.unknown", field="kits")
    things = [
        replace(thing, setup_min=room.setup_min, clear_min=room.clear_min)
        for thing in composing.things_of(uow, (room.id, *wish.kit_ids))
    ]
    things.sort(key=lambda thing: thing.id != room.id)
    return room, things, composing.places_of(things, wish.start_at, wish.end_at, None)


def _refusals(uow: UnitOfWork, wish: HireWish) -> tuple[Refusal, ...]:
    ids = (wish.room_id, *wish.kit_ids)
    return judging.judge_visitor(uow, wish.audience, ids, wish.start_at, wish.end_at)


def _quote(uow: UnitOfWork, wish: HireWish, things: Sequence[Thing]) -> Quote:
    lines = stays.lines_of(uow, things, wish.audience, wish.start_at, wish.end_at, house.today(uow))
    return Quote(lines=lines, total_cents=sum(line.amount_cents for line in lines))


def _not_too_many(uow: UnitOfWork, email: str) -> None:
    query = select(Hire.id).where(Hire.email == email, Hire.state.in_((HireState.ASKED, HireState.REQUESTED)))
    if len(list(uow.session.scalars(query.limit(MOST_BY_ADDRESS)))) >= MOST_BY_ADDRESS:
        raise Conflict("hire.too_many", most=MOST_BY_ADDRESS)


def _write(
    uow: UnitOfWork,
    wish: HireWish,
    room: Resource,
    things: Sequence[Thing],
    places: Sequence[Place],
    secret: str,
) -> Hire:
    until = min(uow.now + CONFIRM_WITHIN, wish.start_at)
    claim = Claim(
        id=new_id(uow.now),
        kind=ClaimKind.RESERVATION,
        state=ClaimState.OPEN,
        title=orders.line(wish.organisation or wish.name, 200),
        audience=wish.audience,
        release_at=wish.start_at,
        hold_until=until,
        estimate_s=int((wish.end_at - wish.start_at).total_seconds()),
        ready_at=wish.end_at,
        made_at=uow.now,
        allocations=[],
        needs=[Need(quantity=len(things), eligible=[thing.id for thing in things])],
    )
    row = Hire(
        id=claim.id,
        state=HireState.ASKED,
        partner_id=room.partner_id,
        resource_ids=[thing.id for thing in things],
        start_at=wish.start_at,
        end_at=wish.end_at,
        audience=wish.audience,
        name=wish.name,
        organisation=wish.organisation,
        email=wish.email,
        phone=wish.phone,
        language=wish.language,
        people=wish.people,
        purpose=wish.purpose,
        why="",
        key_hash=keys.digest(secret),
        hold_until=until,
        made_at=uow.now,
    )
    uow.session.add(claim)
    uow.session.flush()
    calendar.hold(uow, claim, places, AllocationState.FIRM, action="offer")
    uow.session.add(row)
    quotes.freeze(uow, claim.id, _quote(uow, wish, things))
    uow.session.flush()
    return row


def _iso(at: datetime | None) -> str:
    return at.isoformat() if at is not None else ""
