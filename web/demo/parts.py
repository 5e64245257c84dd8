"""The two organisations that run the demo house: a fablab association with the desks and machines, a cultural café with the
auditorium; their prices, a pass that is half used, desks that are taken, rooms that people have asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import select

from fablab.base.database import SYSTEM, Actor, Database, UnitOfWork
from fablab.base.errors import LabError
from fablab.base.intervals import Interval
from fablab.claims import desks, hires, parts
from fablab.claims.desks import DeskWish, Part
from fablab.claims.hires import HireState, HireWish
from fablab.claims.parts import Thing
from fablab.claims.rules.models import ReservationPolicy
from fablab.claims.workshops.models import Workshop
from fablab.claims.workshops.words import WorkshopKind
from fablab.money import passes, stays
from fablab.money.passes import PassWish
from fablab.money.stays import StayUnit, StayWish
from fablab.people import members, organisations, partners
from fablab.people.access import hash_password
from fablab.people.models import Audience, Member, Role, Seat
from fablab.people.organisations import Firm
from fablab.places import house
from fablab.places.models import Resource, ResourceKind
from web.demo import cast

ASSOCIATION, CAFE = "Association Fablab du Chevalement", "Café culturel La Lampe"
HEAD = ("association@demo.example", "Claire Vasseur")
#: (name, what is said of it); all of them are offered with the auditorium.
KITS = (
    ("Vidéoprojecteur 4K", "Avec un écran de 5 m."),
    ("Sonorisation", "Deux micros, une table, deux enceintes."),
    ("Gradins, 40 places", "Montés par l’équipe du café."),
)
#: (what of the association or the café, unit, cents); a name, or all of a kind.
PRICES: tuple[tuple[str, StayUnit, int], ...] = (
    ("desk", StayUnit.HALF_DAY, 800),
    ("desk", StayUnit.DAY, 1400),
    ("Salle Terril", StayUnit.HALF_DAY, 6000),
    ("Salle Terril", StayUnit.DAY, 10000),
    ("Auditorium", StayUnit.HOUR, 4500),
    ("Auditorium", StayUnit.HALF_DAY, 16000),
    ("Auditorium", StayUnit.DAY, 28000),
    ("Salle Lampisterie", StayUnit.HALF_DAY, 4000),
    ("Salle Lampisterie", StayUnit.DAY, 7000),
    ("Vidéoprojecteur 4K", StayUnit.DAY, 2500),
    ("Sonorisation", StayUnit.DAY, 4000),
    ("Gradins, 40 places", StayUnit.DAY, 3000),
)
PASSES = (("Carnet de 10 demi-journées", 10, 6500), ("Carnet de 30 demi-journées", 30, 16500))
TODAY_DESKS, TOMORROW_DESKS = 5, 3


def share_out(database: Database, everybody: Sequence[Member]) -> None:
    """`everybody`: the maker, the mediator, the administrator, the teacher, the partner, then the others."""
    admin = Actor(member_id=everybody[2].id, name=everybody[2].name, role=everybody[2].role.value)
    with database.begin(admin) as uow:
        _found(uow, everybody[4])
        _policies(uow)
    _take_desks(database, everybody)
    _ask_for_rooms(database, admin)


def _found(uow: UnitOfWork, of_cafe: Member) -> None:
    ids = {}
    for name in (ASSOCIATION, CAFE):
        row = organisations.create(uow, Firm(name=name, audience=Audience.ASSOCIATION))
        ids[name] = row.id
        partners.begin(uow, row.id)
    head = members.add_member(uow, name=HEAD[1], role=Role.PARTNER, email=HEAD[0])
    head.password_hash = hash_password(cast.PASSWORD)
    organisations.add(uow, ids[ASSOCIATION], head.id, Seat.MANAGER)
    organisations.add(uow, ids[CAFE], of_cafe.id, Seat.MANAGER)
    _things(uow, ids)
    things = {row.name: row for row in uow.session.scalars(select(Resource)).unique()}
    for what, unit, price_cents in PRICES:
        thing = things.get(what)
        wish = StayWish(
            unit=unit,
            price_cents=price_cents,
            resource_id=thing.id if thing is not None else None,
            kind=ResourceKind(what) if thing is None else None,
            partner_id=ids[ASSOCIATION] if thing is None else None,
        )
        stays.price(uow, wish)
    for name, half_days, price_cents in PASSES:
        ticket = PassWish(
            name=name, half_days=half_days, price_cents=price_cents, partner_id=ids[ASSOCIATION]
        )
        passes.add_tariff(uow, ticket)
    for offer in uow.session.scalars(select(Workshop)):
        offer.partner_id = ids[CAFE] if offer.kind is WorkshopKind.EVENT else ids[ASSOCIATION]


def _things(uow: UnitOfWork, ids: dict[str, int]) -> None:
    cafe = ("Auditorium", "Salle Lampisterie")
    rooms = {
        "Auditorium": Thing(
            name="Auditorium",
            seats=90,
            setup_min=45,
            clear_min=30,
            public=True,
            equipment=("scène", "90 fauteuils", "régie"),
            note="Pour un film, une conférence, un concert.",
        ),
        "Salle Lampisterie": Thing(
            name="Salle Lampisterie",
            seats=12,
            public=True,
            equipment=("écran", "tableau blanc"),
            note="Une table pour douze, au calme.",
        ),
        "Salle Terril": Thing(
            name="Salle Terril",
            seats=24,
            setup_min=10,
            clear_min=10,
            public=True,
            equipment=("24 ordinateurs", "écran", "tableau blanc"),
            note="La grande salle des ateliers.",
        ),
    }
    for row in list(uow.session.scalars(select(Resource)).unique()):
        if row.kind is not ResourceKind.PERSON:
            parts.hand_on(uow, row.id, ids[CAFE] if row.name in cafe else ids[ASSOCIATION])
        if row.name in rooms:
            equipment = tuple(dict.fromkeys((*row.equipment, *rooms[row.name].equipment)))
            said = rooms[row.name]
            parts.edit(uow, row.id, said)
            row.equipment = list(equipment)
    auditorium = uow.session.scalars(select(Resource).where(Resource.name == "Auditorium")).one()
    for name, note in KITS:
        parts.add(uow, ids[CAFE], ResourceKind.KIT, Thing(name=name, note=note, home_id=auditorium.id))


def _policies(uow: UnitOfWork) -> None:
    """A desk waits for its teleworker all morning, and comes back to the pass until two hours before."""
    uow.session.add(
        ReservationPolicy(
            kind=ResourceKind.DESK, grace_s=4 * 3600, cancel_s=2 * 3600, concurrent=10, set_at=uow.now
        )
    )


def _take_desks(database: Database, everybody: Sequence[Member]) -> None:
    maker, others = everybody[0], everybody[6:20]
    mine = Actor(member_id=maker.id, name=maker.name, role=maker.role.value)
    with database.begin(mine) as uow:
        tariff = next(row for row in passes.tariffs(uow) if row.half_days == PASSES[0][1])
        passes.buy(uow, tariff.id)
        today = house.today(uow)
    wishes = [(mine, today + timedelta(days=number), Part.AM) for number in (1, 2, 3)]
    for number, member in enumerate(others[: TODAY_DESKS + TOMORROW_DESKS]):
        actor = Actor(member_id=member.id, name=member.name, role=member.role.value)
        day = today + timedelta(days=0 if number < TODAY_DESKS else 1)
        wishes.append((actor, day, list(Part)[number % 3]))
    for actor, day, part in wishes:
        wish = DeskWish(day=day, part=part)
        try:
            database.write(partial(desks.take, wish=wish), actor)
        except LabError:  # the demo's house may be shut that day, or its members not old enough
            continue


def _ask_for_rooms(database: Database, admin: Actor) -> None:
    with database.read() as uow:
        query = select(Resource).where(Resource.kind == ResourceKind.ROOM, Resource.public)
        rooms = {row.name: row.id for row in uow.session.scalars(query).unique()}
        kit = select(Resource.id).where(Resource.kind == ResourceKind.KIT, Resource.home_id.is_not(None))
        kits = tuple(uow.session.scalars(kit.order_by(Resource.id).limit(2)))
        spans = _open_spans(uow)
    asked = (
        ("Auditorium", kits, 70, "Mehdi Caron", "Ciné-club du Pays minier", "Projection et débat", 2, False),
        ("Salle Lampisterie", (), 9, "Jade Leroux", "", "Réunion de copropriété", 1, True),
    )
    for room, with_, people, name, firm, purpose, after, agreed in asked:
        for span in spans[after:]:
            wish = HireWish(
                room_id=rooms[room],
                kit_ids=with_,
                start_at=span.end - timedelta(hours=3),
                end_at=span.end - timedelta(hours=1),
                people=people,
                name=name,
                organisation=firm,
                email=f"{name.split()[0].lower()}@exemple.example",
                purpose=purpose,
            )
            try:
                database.write(partial(_asked, wish=wish, admin=admin, yes=agreed))
            except LabError:  # taken, or shut: the next day
                continue
            break


def _open_spans(uow: UnitOfWork) -> list[Interval]:
    """The opening of the days to come."""
    return list(house.calendar(uow).open.between(uow.now + timedelta(days=1), uow.now + timedelta(days=21)))


def _asked(uow: UnitOfWork, wish: HireWish, admin: Actor, *, yes: bool) -> None:
    """As if they had followed their letter's link: in the demo nobody can."""
    row = hires.ask(uow.acting(SYSTEM), wish)
    row.state, row.email_confirmed_at = HireState.REQUESTED, uow.now
    row.hold_until = min(uow.now + hires.ANSWER_WITHIN, row.start_at)
    uow.session.flush()
    if yes:
        hires.approve(uow.acting(admin), row.id)
