"""A class that comes to print name tags: an entry of the catalogue, a mediator, and a request in any state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from fablab.base.database import SYSTEM, Actor
from fablab.claims import calendar, workshops
from fablab.claims.models import Allocation, Claim
from fablab.claims.workshops import catalogue
from fablab.claims.workshops.models import Session, Workshop
from fablab.claims.workshops.offer import Piece, Price, Said, Station, Want
from fablab.claims.workshops.words import (
    AcceptedBy,
    EntryKind,
    Level,
    Payer,
    SchoolLevel,
    Theme,
    Unit,
)
from fablab.notices import Letter
from fablab.people.models import Audience
from fablab.places.models import Resource, ResourceKind, Technology
from tests.lab import TUESDAY, Lab

#: Four weeks on, ten in the morning in Paris.
MORNING = TUESDAY + timedelta(days=28)

TAGS = Said(
    slug="name-tags",
    title={"fr": "Mon badge en 3D", "en": "My name tag in 3D"},
    summary={"fr": "Chacun dessine son badge.", "en": "Everybody draws a name tag."},
    take_home={"fr": "Un badge.", "en": "A name tag."},
    steps=({"fr": "Dessiner", "en": "Draw"}, {"fr": "Imprimer", "en": "Print"}),
    materials=({"fr": "PLA", "en": "PLA"},),
    audiences=(Audience.SCHOOL,),
    level=Level.DEBUTANT,
    theme=Theme.CREER_AVEC_LE_NUMERIQUE,
    least_people=6,
    most_people=24,
    duration_min=120,
    setup_min=30,
    clear_min=15,
    stations=(
        Station(name={"fr": "Dessin", "en": "Drawing"}, minutes=40),
        Station(name={"fr": "Machines", "en": "Machines"}, minutes=40, technology=Technology.FDM),
    ),
    groups=2,
    needs=(
        Want(kind=ResourceKind.MACHINE, technology=Technology.FDM, quantity=2),
        Want(kind=ResourceKind.ROOM, seats=24),
        Want(kind=ResourceKind.PERSON),
    ),
    piece=Piece(technology=Technology.FDM, minutes=12, weight_g=4.5),
    prices=(
        Price(
            audience=Audience.SCHOOL,
            payer=Payer.SCHOOL,
            unit=Unit.SESSION,
            price_cents=6000,
            vat_rate_bp=2000,
        ),
        Price(
            audience=Audience.SCHOOL, payer=Payer.SCHOOL, unit=Unit.PERSON, price_cents=333, vat_rate_bp=550
        ),
        Price(audience=Audience.SCHOOL, payer=Payer.CITY, unit=Unit.SESSION, price_cents=5000),
    ),
    public=True,
)

ASKED = workshops.Request(
    workshop="name-tags",
    school="École Jean-Macé",
    number="0620001P",
    place="62400 Béthune",
    contact="Claire Martin",
    email="Claire.Martin@ac-lille.example",
    phone="03 21 00 00 00",
    level=SchoolLevel.ELEMENTAIRE,
    people=20,
    adults=2,
    wishes=(workshops.Wish(day=date(2026, 12, 22), half=workshops.Half.AM),),
    accessibility="Un élève en fauteuil.",
)


@dataclass
class Class:
    """`lab` with the workshop in its catalogue and one request, whose session is `id`."""

    lab: Lab
    workshop: int
    id: str

    @property
    def school(self) -> Actor:
        with self.lab.database.read() as uow:
            return workshops.thread.school_actor(workshops.get(uow, self.id))

    @property
    def session(self) -> Session:
        with self.lab.database.read() as uow:
            row = workshops.get(uow, self.id)
            _ = row.workshop, row.offers
            return row

    @property
    def claim(self) -> Claim:
        with self.lab.database.read() as uow:
            row = calendar.claim(uow, self.id)
            _ = row.needs, row.allocations
            return row

    @property
    def held(self) -> list[tuple[int, datetime, datetime]]:
        """Resource, start and end of all that the session holds."""
        return [(a.resource_id, a.start_at, a.end_at) for a in self.claim.allocations]

    def does(self, work: Any, *args: Any, by: Actor | None = None, **more: Any) -> Any:
        """A use case in a transaction of its own, by the staff unless somebody else is named."""
        with self.lab.database.begin(by or self.lab.staff) as uow:
            return work(uow, *args, **more)

    def proposal(self, start_at: datetime = MORNING) -> workshops.Proposal:
        with self.lab.database.read() as uow:
            workshop = catalogue.get(uow, self.workshop)
            names = ["mk3", "ender"], ["room"], ["mediator"]
            ids = [[self.lab.resources[name] for name in group] for group in names]
            end_at = start_at + timedelta(minutes=workshop.duration_min)
            return workshops.Proposal(
                start_at=start_at, end_at=end_at, spots=workshops.spots(workshop, start_at, ids)
            )

    def proposed(self, *starts: datetime) -> Class:
        self.does(workshops.propose, self.id, [self.proposal(at) for at in starts or (MORNING,)])
        return self

    def offered(self, until: datetime | None = None) -> Class:
        self.proposed()
        self.does(workshops.hold, self.id, 1, until)
        return self

    def confirmed(self) -> Class:
        self.offered()
        self.does(workshops.accept, self.id, workshops.Answer(by=AcceptedBy.ONLINE), by=self.school)
        return self

    def lines(self) -> list[EntryKind]:
        with self.lab.database.read() as uow:
            return [row.code for row in workshops.thread.entries(uow, workshops.get(uow, self.id))]

    def letters(self) -> list[str]:
        """The codes of what the school was written, in the order of time."""
        with self.lab.database.read() as uow:
            query = select(Letter.code).where(Letter.address == ASKED.email.lower())
            return list(uow.session.scalars(query.order_by(Letter.id)))


def secret_in(lab: Lab, code: str) -> str:
    """Of the link in the last letter of this kind."""
    with lab.database.read() as uow:
        query = select(Letter).where(Letter.code == code).order_by(Letter.id.desc())
        letter = uow.session.scalars(query.limit(1)).one()
        return str(letter.facts["secret_path"]).rpartition("/")[2]


def stock(lab: Lab) -> int:
    """The mediator and the workshop; the workshop's id."""
    with lab.database.begin(lab.actors["admin"]) as uow:
        person = Resource(kind=ResourceKind.PERSON, name="Samuel")
        uow.session.add(person)
        uow.session.flush()
        lab.resources["mediator"] = person.id
        return catalogue.create(uow, TAGS).id


def make_class(lab: Lab, **changes: Any) -> Class:
    """A request whose address is confirmed."""
    workshop = stock(lab)
    with lab.database.begin(SYSTEM) as uow:
        asked = workshops.ask(uow, replace(ASKED, **changes))
    secret = secret_in(lab, "session.confirm")
    with lab.database.begin(SYSTEM) as uow:
        workshops.confirm_email(uow, secret)
    return Class(lab, workshop, asked.session.id)


def all_held(lab: Lab) -> set[int]:
    """The resources that anybody holds at any time."""
    with lab.database.read() as uow:
        return set(uow.session.scalars(select(Allocation.resource_id)))


def entry_of(lab: Lab, workshop_id: int) -> Workshop:
    with lab.database.read() as uow:
        return catalogue.get(uow, workshop_id)
