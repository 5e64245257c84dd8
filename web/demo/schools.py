"""The demo house's catalogue, and requests of schools in every state: asked, proposed, held, confirmed, lapsed, delivered.

Made by the use cases themselves, some of them weeks ago; what cannot be had on the day the demo begins is left out.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from sqlalchemy import select

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Conflict
from fablab.claims import workshops
from fablab.claims.workshops import (
    AcceptedBy,
    Answer,
    Half,
    Request,
    SchoolLevel,
    Wish,
    catalogue,
    delivering,
    public,
    thread,
)
from fablab.claims.workshops.attendance import Age, Came, Gender, Status
from fablab.claims.workshops.models import Workshop
from fablab.claims.workshops.offer import wants
from fablab.claims.workshops.words import AttendanceAxis
from fablab.people import organisations
from fablab.people.models import Audience, Member
from fablab.people.organisations import Firm
from fablab.places import house
from fablab.places.models import Resource, ResourceKind
from scheduler.offering import Offering
from scheduler.public import plan_date
from web.demo import offers_cast as cast

WEEKS = 10
_SCHOOL = Request(
    workshop=cast.NAME_TAGS.slug,
    school="École élémentaire Jean-Macé",
    number="0620001P",
    place="62400 Béthune",
    contact="Claire Martin",
    email="claire.martin@ecole.example",
    phone="03 21 00 00 01",
    level=SchoolLevel.ELEMENTAIRE,
    people=24,
    adults=2,
    wishes=(),
)


def teach(database: Database, staff: Member, admin: Member) -> None:
    """`admin` writes the catalogue, `staff` answers the schools."""
    mine, theirs = _actor(staff), _actor(admin)
    with database.begin(theirs) as uow:
        uow.session.add_all(
            Resource(kind=ResourceKind.KIT, name=name, equipment=list(words)) for name, words in cast.KITS
        )
        uow.session.flush()
        for said in cast.CATALOGUE:
            catalogue.create(uow, said)
        firm = Firm(name=_SCHOOL.school, audience=Audience.SCHOOL, uai=_SCHOOL.number)
        organisations.create(uow, firm)
    _were_here(database, mine)
    _never_answered(database, mine)
    _come(database, mine)


def _come(database: Database, staff: Actor) -> None:
    """Those that are under way, from the one that is certain to the one that has just come in."""
    offering = Offering(database=database)
    first, last = _span(database)
    tuesdays = (Wish(weekday=1, since=first, until=last, half=Half.AM),)
    thursdays = (Wish(weekday=3, since=first, until=last, half=Half.ANY),)
    confirmed = _ask(database, staff, replace(_SCHOOL, wishes=tuesdays))
    if _held(offering, staff, confirmed):
        answer = Answer(by=AcceptedBy.ORDER_NUMBER, order_number="BC-2026-118")
        database.write(lambda uow: workshops.accept(uow, confirmed, answer), staff)
        database.write(lambda uow: workshops.assign(uow, confirmed, staff.member_id), staff)
    held = _ask(
        database,
        staff,
        replace(
            _SCHOOL,
            workshop=cast.KEYRING.slug,
            school="Collège Paul-Verlaine",
            number="",
            contact="Karim Haddad",
            email="karim.haddad@college.example",
            phone="",
            level=SchoolLevel.COLLEGE,
            people=16,
            adults=1,
            accessibility="Un élève en fauteuil roulant.",
            wishes=thursdays,
        ),
    )
    _held(offering, staff, held)
    proposed = _ask(
        database,
        staff,
        replace(
            _SCHOOL,
            school="École maternelle Les Tilleuls",
            number="",
            place="62000 Arras",
            contact="Sophie Delattre",
            email="sophie.delattre@ecole.example",
            level=SchoolLevel.MATERNELLE,
            people=20,
            adults=2,
            wishes=tuesdays,
        ),
    )
    _proposed(offering, staff, proposed)
    asked = _ask(
        database,
        staff,
        replace(
            _SCHOOL,
            workshop=cast.ELECTRONICS.slug,
            school="Lycée Louis-Blaringhem",
            number="",
            contact="Mehdi Benali",
            email="mehdi.benali@lycee.example",
            level=SchoolLevel.LYCEE,
            people=12,
            adults=1,
            wishes=thursdays,
        ),
    )

    def write(uow: UnitOfWork) -> None:
        session = workshops.get(uow, asked)
        school = uow.acting(thread.school_actor(session))
        thread.message(school, session, "Bonjour, est-ce possible avec deux groupes de six ?")

    database.write(write, staff)
    _repair_cafe(database, staff)


def _never_answered(database: Database, staff: Actor) -> None:
    """A date was held for a school three weeks ago, and nobody said yes."""
    with database.read() as uow:
        then = uow.now - timedelta(days=21)
    request = replace(
        _SCHOOL,
        workshop=cast.FIRST_STEPS.slug,
        school="Association Le Fil d’Ariane",
        number="",
        contact="Josiane Petit",
        email="contact@fil-ariane.example",
        level=SchoolLevel.OTHER,
        people=10,
        adults=0,
        audience=Audience.ASSOCIATION,
        wishes=(Wish(day=(then + timedelta(days=35)).date()),),
    )
    with database.begin(staff, at=then) as uow:
        start = _free_at(uow, cast.FIRST_STEPS.slug, then + timedelta(days=35))
        if start is None:
            return
        session = workshops.ask(uow, request).session
        _propose_at(uow, session.id, start)
        workshops.hold(uow, session.id, 1, then + timedelta(days=14))
    database.write(workshops.lapse_due)


def _were_here(database: Database, staff: Actor) -> None:
    """A group that came some days ago: counted, charged, thanked."""
    with database.read() as uow:
        then = uow.now - timedelta(days=40)
    request = replace(
        _SCHOOL,
        workshop=cast.FIRST_STEPS.slug,
        school="CCAS de Béthune",
        number="",
        contact="Nadège Lemoine",
        email="nadege.lemoine@ccas.example",
        level=SchoolLevel.OTHER,
        people=9,
        adults=1,
        audience=Audience.PUBLIC_BODY,
        wishes=(Wish(day=(then + timedelta(days=33)).date()),),
    )
    with database.begin(staff, at=then) as uow:
        start = _free_at(uow, cast.FIRST_STEPS.slug, then + timedelta(days=28))
        if start is None:
            return
        session_id = workshops.ask(uow, request).session.id
        _propose_at(uow, session_id, start)
        workshops.hold(uow, session_id, 1)
    with database.begin(staff, at=then + timedelta(days=2)) as uow:
        workshops.accept(uow, session_id, Answer(by=AcceptedBy.ORDER_NUMBER, order_number="CCAS-77"))
        workshops.assign(uow, session_id, staff.member_id)
    with database.begin(staff, at=start + timedelta(hours=2)) as uow:
        delivering.attend(uow, session_id, Came(people=8, adults=1, counts=_CAME))
        delivering.deliver(uow, session_id)


_CAME = {
    AttendanceAxis.AGE: {Age.FROM_40.value: 2, Age.FROM_60.value: 4, Age.FROM_70.value: 2},
    AttendanceAxis.GENDER: {Gender.FEMALE.value: 5, Gender.MALE.value: 3},
    AttendanceAxis.STATUS: {Status.WITHOUT_WORK.value: 2, Status.RETIRED.value: 6},
}


def _repair_cafe(database: Database, staff: Actor) -> None:
    """Every month, on a Saturday; the next one stands in the agenda."""
    with database.read() as uow:
        row = catalogue.by_slug(uow.acting(staff), cast.REPAIR_CAFE.slug)
        saturday = uow.now + timedelta(days=(5 - uow.now.weekday()) % 7 + 7)
        plan = public.DatePlan(
            workshop_id=row.id, start_at=_at_ten(uow, saturday), mediator_id=staff.member_id
        )
    with suppress(Conflict):
        plan_date(database, staff, plan)


def _ask(database: Database, staff: Actor, request: Request) -> str:
    """Written down by the staff, as on the telephone: nobody follows a link in a demo."""
    return database.write(lambda uow: workshops.ask(uow, request).session.id, staff)


def _proposed(offering: Offering, staff: Actor, session_id: str) -> bool:
    with suppress(Conflict):
        offering.propose(staff, session_id)
        return True
    return False


def _held(offering: Offering, staff: Actor, session_id: str) -> bool:
    with suppress(Conflict):
        offering.hold_best(staff, session_id)
        return True
    return False


def _free_at(uow: UnitOfWork, slug: str, first: datetime) -> datetime | None:
    """Ten in the morning of the first of ten days on which all that it needs was free."""
    row = catalogue.by_slug(uow, slug)
    for number in range(10):
        start_at = _at_ten(uow, first + timedelta(days=number))
        with suppress(Conflict):
            public.holds_for(uow, row, start_at, start_at + timedelta(minutes=row.duration_min))
            return start_at
    return None


def _propose_at(uow: UnitOfWork, session_id: str, start_at: datetime) -> None:
    """That very start with the first of everything that is free then."""
    row: Workshop = workshops.get(uow, session_id).workshop
    end_at = start_at + timedelta(minutes=row.duration_min)
    ids = public.holds_for(uow, row, start_at, end_at)
    rows = uow.session.scalars(select(Resource).where(Resource.id.in_(ids))).unique()
    kinds = {each.id: each.kind for each in rows}
    by_need = [[id_ for id_ in ids if kinds[id_] is want.kind] for want in wants(row.needs)]
    spots = workshops.spots(row, start_at, by_need)
    proposal = workshops.Proposal(start_at=start_at, end_at=end_at, spots=spots)
    workshops.propose(uow, session_id, [proposal])


def _at_ten(uow: UnitOfWork, day: datetime) -> datetime:
    zone = house.zone(uow)
    return datetime.combine(day.astimezone(zone).date(), time(10), tzinfo=zone)


def _span(database: Database) -> tuple[date, date]:
    with database.read() as uow:
        today = house.today(uow)
    return today + timedelta(days=8), today + timedelta(weeks=WEEKS)


def _actor(member: Member) -> Actor:
    return Actor(member_id=member.id, name=member.name, role=member.role.value)
