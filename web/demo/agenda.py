"""The demo house's agenda: four public events a month, for three months, with people who have registered. Invented."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Conflict, LabError
from fablab.claims.workshops import catalogue, registrations
from fablab.claims.workshops.offer import Price, Said, Want
from fablab.claims.workshops.public import DatePlan
from fablab.claims.workshops.registrations import VISITOR, Party
from fablab.claims.workshops.words import Level, Payer, Theme, Unit, WorkshopKind
from fablab.people.models import Audience, Member
from fablab.places import house
from fablab.places.models import ResourceKind
from scheduler.public import plan_date
from web.demo import cast

SEED = 20260902
MONTHS = 3
EVERYBODY = (Audience.PERSONAL, Audience.STUDENT, Audience.PROFESSIONAL, Audience.ASSOCIATION)
FREE = tuple(Price(audience=each, payer=Payer.FREE, unit=Unit.PERSON, price_cents=0) for each in EVERYBODY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """One event a month. `week`, `weekday`: which one of the month, Monday is 0. `people`: how many registrations."""

    said: Said
    week: int
    weekday: int
    at: time
    people: int
    capacity: int | None = None
    least: int | None = None
    note: str = ""


SHOWS: tuple[Show, ...] = (
    Show(
        said=Said(
            slug="cine-debat",
            kind=WorkshopKind.EVENT,
            title={
                "fr": "Ciné-débat : réparer plutôt que jeter",
                "en": "Film debate: repair, don’t throw away",
            },
            summary={
                "fr": "Un film d’une heure, puis la parole est à vous. Avec une réparatrice et un chercheur.",
                "en": "A film of one hour, and then it is your turn. With a repairer and a researcher.",
            },
            audiences=EVERYBODY,
            level=Level.DEBUTANT,
            theme=Theme.CULTURE_NUMERIQUE,
            most_people=80,
            duration_min=120,
            setup_min=30,
            clear_min=15,
            needs=(Want(kind=ResourceKind.ROOM, seats=80),),
            prices=FREE,
            public=True,
        ),
        week=1,
        weekday=3,
        at=time(18, 30),
        people=9,
    ),
    Show(
        said=Said(
            slug="conference-ia",
            kind=WorkshopKind.EVENT,
            title={"fr": "Conférence : l’IA au quotidien", "en": "Talk: AI in daily life"},
            summary={
                "fr": "Ce qu’une IA sait faire, ce qu’elle invente, et comment garder la main. Sans jargon.",
                "en": "What an AI can do, what it makes up, and how to stay in charge. In plain words.",
            },
            audiences=EVERYBODY,
            level=Level.DEBUTANT,
            theme=Theme.INTELLIGENCE_ARTIFICIELLE,
            most_people=90,
            least_people=10,
            duration_min=90,
            setup_min=30,
            clear_min=15,
            needs=(Want(kind=ResourceKind.ROOM, seats=80),),
            prices=FREE,
            public=True,
        ),
        week=2,
        weekday=1,
        at=time(18),
        people=5,
    ),
    Show(
        said=Said(
            slug="visite-smart-city",
            kind=WorkshopKind.EVENT,
            title={"fr": "Visite : la ville connectée", "en": "Tour: the smart city"},
            summary={
                "fr": "Deux heures à pied : capteurs, éclairage, réseau de chaleur. On voit ce qui est mesuré, et pourquoi.",
                "en": "Two hours on foot: sensors, street lights, district heating. See what is measured, and why.",
            },
            audiences=EVERYBODY,
            level=Level.DEBUTANT,
            theme=Theme.CULTURE_NUMERIQUE,
            most_people=12,
            least_people=4,
            duration_min=120,
            needs=(Want(kind=ResourceKind.PERSON),),
            prices=FREE,
            public=True,
        ),
        week=3,
        weekday=2,
        at=time(14),
        people=7,
        note="Rendez-vous à l’accueil. Chaussures de marche conseillées.",
    ),
    Show(
        said=Said(
            slug="portes-ouvertes",
            kind=WorkshopKind.EVENT,
            title={"fr": "Portes ouvertes", "en": "Open day"},
            summary={
                "fr": "Les machines tournent, l’équipe explique, les enfants essaient. Venez avec vos idées.",
                "en": "The machines run, the team explains, children try. Bring your ideas.",
            },
            audiences=(*EVERYBODY, Audience.SCHOOL),
            level=Level.DEBUTANT,
            theme=Theme.CREER_AVEC_LE_NUMERIQUE,
            most_people=60,
            duration_min=240,
            setup_min=30,
            clear_min=30,
            needs=(Want(kind=ResourceKind.ROOM, seats=12), Want(kind=ResourceKind.PERSON)),
            prices=FREE,
            public=True,
        ),
        week=4,
        weekday=5,
        at=time(13),
        people=6,
    ),
)


def put_on(database: Database, staff: Member, admin: Member) -> None:
    """What cannot be had at its time is left out: a demo begins on any day."""
    chance = random.Random(SEED)  # noqa: S311 - a demo must repeat itself
    mine = Actor(member_id=staff.id, name=staff.name, role=staff.role.value)
    for show in SHOWS:
        with database.begin(Actor(member_id=admin.id, name=admin.name, role=admin.role.value)) as uow:
            workshop = catalogue.create(uow, show.said).id
            starts = _starts(uow, show)
        for number, start_at in enumerate(starts):
            plan = DatePlan(
                workshop_id=workshop,
                start_at=start_at,
                capacity=show.capacity,
                least=show.least,
                mediator_id=staff.id,
                note=show.note,
            )
            with suppress(Conflict):
                date = plan_date(database, mine, plan).id
                _register(database, date, show.people if number == 0 else show.people // 4, chance)


def _starts(uow: UnitOfWork, show: Show) -> list[datetime]:
    """Its day in this month and those that follow; this month's is left out where it is too near."""
    zone, today = house.calendar(uow).zone, house.today(uow)
    found: list[datetime] = []
    month = today.replace(day=1)
    while len(found) < MONTHS:
        first = month + timedelta(days=(show.weekday - month.weekday()) % 7)
        at = datetime.combine(first + timedelta(weeks=show.week - 1), show.at, zone)
        if at > uow.now + timedelta(hours=4):
            found.append(at)
        month = (month + timedelta(days=32)).replace(day=1)
    return found


def _register(database: Database, date: str, count: int, chance: random.Random) -> None:
    """Guests with names of the demo's cast, and nobody's address."""
    for number in range(count):
        name = f"{chance.choice(cast.FIRST_NAMES)} {chance.choice(cast.LAST_NAMES)}"
        party = Party(
            seats=chance.choice((1, 1, 2, 2, 3)), name=name, email=f"invite{number}-{date[-6:]}@example.org"
        )
        with suppress(LabError), database.begin(VISITOR) as uow:
            registrations.join(uow, date, party)
