"""A film debate in the small lab: an entry of the catalogue, a date of it, and people who register."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from fablab.base.database import SYSTEM, UnitOfWork
from fablab.claims.workshops import catalogue, line, public, registrations
from fablab.claims.workshops.models import Registration, Session
from fablab.claims.workshops.offer import Price, Said, Want
from fablab.claims.workshops.public import DatePlan
from fablab.claims.workshops.registrations import Answer, Party
from fablab.claims.workshops.words import Level, Payer, RegistrationState, Theme, Unit, WorkshopKind
from fablab.notices import Letter, Notice
from fablab.people.models import Audience
from fablab.places.models import ResourceKind, Technology
from tests.lab import TUESDAY, Lab

#: Two weeks on, six in the evening in Paris.
EVENING = TUESDAY + timedelta(days=14, hours=8)

FILM = Said(
    slug="film-debate",
    kind=WorkshopKind.EVENT,
    title={"fr": "Ciné-débat : réparer", "en": "Film debate: to repair"},
    summary={"fr": "Un film, puis on en parle.", "en": "A film, then we talk."},
    audiences=(Audience.PERSONAL, Audience.STUDENT),
    level=Level.DEBUTANT,
    theme=Theme.CULTURE_NUMERIQUE,
    most_people=10,
    least_people=1,
    duration_min=120,
    setup_min=30,
    clear_min=15,
    needs=(Want(kind=ResourceKind.ROOM, seats=10),),
    prices=(Price(audience=Audience.PERSONAL, payer=Payer.FREE, unit=Unit.PERSON, price_cents=0),),
    public=True,
)


@dataclass
class Agenda:
    """`lab` with one entry and one date of it."""

    lab: Lab
    workshop: int
    date: str

    @property
    def now(self) -> datetime:
        return self.lab.clock.now()

    def guest(self, name: str, seats: int = 1) -> Answer:
        self.lab.clock.advance(timedelta(seconds=1))
        with self.lab.database.begin() as uow:
            return registrations.join(
                uow.acting(replace(SYSTEM, role="visitor")),
                self.date,
                Party(seats=seats, name=name.title(), email=f"{name}@mail.example"),
            )

    def states(self) -> dict[str, tuple[str, int]]:
        """By the first part of the address: state and seats, in the order they asked."""
        with self.lab.database.read() as uow:
            rows = line.people_in(uow, self.date)
            return {row.email.split("@")[0]: (row.state.value, row.seats) for row in rows}

    def row(self, uow: UnitOfWork, name: str) -> Registration:
        query = select(Registration).where(Registration.email == f"{name}@mail.example")
        return uow.session.scalars(query.order_by(Registration.asked_at.desc())).unique().first() or missing()

    def leave(self, name: str, seats: int | None = None) -> None:
        with self.lab.database.begin() as uow:
            registrations.leave(uow, self.row(uow, name).id, seats)

    def take(self, name: str) -> RegistrationState:
        with self.lab.database.begin() as uow:
            return registrations.take(uow, self.row(uow, name).id).state

    def session(self, uow: UnitOfWork) -> Session:
        return uow.session.get(Session, self.date) or missing()

    def letters(self, name: str) -> list[str]:
        """The codes of what was written to them, in order."""
        with self.lab.database.read() as uow:
            query = select(Letter.code).where(Letter.address == f"{name}@mail.example").order_by(Letter.id)
            return list(uow.session.scalars(query))

    def key(self, name: str, nth: int = -1) -> str:
        """The secret in the link of one of their letters."""
        with self.lab.database.read() as uow:
            query = select(Letter).where(Letter.address == f"{name}@mail.example").order_by(Letter.id)
            letter = list(uow.session.scalars(query))[nth]
            return str(letter.facts["secret_path"]).partition("key=")[2]

    def told(self, who: str) -> list[str]:
        with self.lab.database.read() as uow:
            query = select(Notice.code).where(Notice.member_id == self.lab.actors[who].member_id)
            return list(uow.session.scalars(query.order_by(Notice.id)))


def missing() -> Any:
    raise LookupError("nobody of that name")


def entry(lab: Lab, **changes: object) -> int:
    with lab.database.begin(lab.actors["admin"]) as uow:
        return catalogue.create(uow, replace(FILM, **changes)).id  # type: ignore[arg-type]  # a table of any field


def agenda_of(lab: Lab, said: Said = FILM, **plan: object) -> Agenda:
    with lab.database.begin(lab.actors["admin"]) as uow:
        workshop = catalogue.create(uow, said).id
    made = DatePlan(workshop_id=workshop, start_at=EVENING)
    with lab.database.begin(lab.staff) as uow:
        date = public.plan(uow, replace(made, **plan)).id  # type: ignore[arg-type]  # a table of any field
    return Agenda(lab, workshop, date)


def with_laser(lab: Lab) -> tuple[int, ...]:
    return (lab.resources["room"], lab.resources["laser"])


LASER = Want(kind=ResourceKind.MACHINE, technology=Technology.LASER)
