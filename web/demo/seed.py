"""Fill an empty database with the demo lab: the house first, then its past four weeks and the week to come."""

from __future__ import annotations

import random
import secrets
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.claims import calendar
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import Job
from fablab.claims.jobs.use import Wishes
from fablab.money.models import MaterialPrice, Tariff
from fablab.people import members
from fablab.people.access import LOGIN_LIFE, hash_password
from fablab.people.models import Audience, Certification, CertificationLevel, Login, Member, ProjectKind, Role
from fablab.places.models import (
    HoursKind,
    HoursRule,
    House,
    Machine,
    MachineGate,
    Material,
    Resource,
    ResourceKind,
    Spool,
    Technology,
)
from fablab.programs.models import Program
from fablab.programs.store import Store
from fablab.runs import attempts
from scheduler import planner
from web.demo import cast
from web.demo.agenda import put_on
from web.demo.belonging import belong
from web.demo.certified import certify
from web.demo.known import give_badges
from web.demo.parts import share_out
from web.demo.posted import post
from web.demo.reserved import hold_places
from web.demo.schools import teach

SEED = 20260901
FIRST_DAY = date(2020, 1, 1)


def is_empty(database: Database) -> bool:
    with database.read() as uow:
        return uow.session.scalar(select(House.id)) is None


def seed(database: Database, store: Store) -> None:
    """The same lab every time, but for the clock: its days are shifted so that today is an open one."""
    from web.demo.history import live_through

    chance = random.Random(SEED)  # noqa: S311 - a demo must repeat itself
    with database.begin() as uow:
        _house(uow)
        _stock(uow)
        _machines(uow)
        _rooms(uow)
        everybody = _people(uow, chance)
        live_through(uow, store, everybody, chance)
        post(uow, everybody[0])
    _queue_up(database, everybody, chance)
    hold_places(database, everybody[0], everybody[5])
    give_badges(database, everybody[2], [everybody[0], *everybody[5:8]])
    certify(database, everybody[1], everybody[2], [everybody[0], *everybody[5:8]])
    teach(database, everybody[1], everybody[2])
    put_on(database, everybody[1], everybody[2])
    share_out(database, everybody)


def _queue_up(database: Database, everybody: list[Member], chance: random.Random) -> None:
    """What is still to be made: real submissions of other members, with real places in the plan."""
    withdrawn: list[tuple[Actor, str]] = []
    queue = [*((name, material, None, False) for name, material in cast.QUEUED), *cast.LATER]
    for member, (name, material, due_h, is_withdrawn) in zip(
        chance.sample(everybody[5:], len(queue)), queue, strict=True
    ):
        actor = Actor(member_id=member.id, name=member.name, role=member.role.value)
        with database.begin(actor) as uow:
            program = uow.session.scalars(select(Job.program_sha256).where(Job.file_name == name)).first()
            found = uow.session.get(Program, program) if program else None
            if found is None:
                continue
            job = jobs.draft(uow, found, name)
            due_at = uow.now + timedelta(hours=due_h) if due_h else None
            jobs.submit(uow, job.id, Wishes(material=material, due_at=due_at))
            planner.insert(uow, calendar.claim(uow, job.id))
            withdrawn += [(actor, job.id)] if is_withdrawn else []
    for actor, job_id in withdrawn:
        with database.begin(actor) as uow:
            attempts.cancel_job(uow, job_id)


def _house(uow: UnitOfWork) -> None:
    """The house and its hours, moved by whole hours where it is night: a demo is looked at when people have time,
    and then the lab should be open."""
    uow.session.add(House(id=1, name=cast.HOUSE_NAME, zone=cast.ZONE, synthetic=True))
    local = uow.now.astimezone(ZoneInfo(cast.ZONE)).replace(tzinfo=None)
    moved = timedelta(hours=_moved_h(local.hour))
    lab_day = datetime.combine((local - moved).date(), time())
    for offset in range(-1, cast.OPEN_DAYS - 1):
        day = lab_day + timedelta(days=offset)
        spans = [(HoursKind.OPEN, cast.OPEN), *((HoursKind.STAFFED, span) for span in cast.STAFFED)]
        for kind, (opens, closes) in spans:
            start = day + timedelta(hours=opens.hour, minutes=opens.minute) + moved
            end = day + timedelta(hours=closes.hour, minutes=closes.minute) + moved
            uow.session.add(
                HoursRule(kind=kind, weekday=start.weekday(), opens=start.time(), closes=end.time())
            )


def _moved_h(hour: int) -> int:
    """How far to move the lab's day so that it is early afternoon there; by day it stays where it is."""
    return 0 if 10 <= hour < 17 else (hour - 14 + 12) % 24 - 12


def _stock(uow: UnitOfWork) -> None:
    for code, name, technology, density, kilogram_cents in cast.MATERIALS:
        material = Material(code=code, name=name, technology=technology, density_g_cm3=density)
        uow.session.add(material)
        uow.session.flush()
        uow.session.add(
            MaterialPrice(material_id=material.id, kilogram_cents=kilogram_cents, first_day=FIRST_DAY)
        )
    ids = {row.code: row.id for row in uow.session.scalars(select(Material))}
    for code, label, colour, hex_, left_g, _ in cast.SPOOLS:
        uow.session.add(
            Spool(
                material_id=ids[code],
                label=label,
                colour=colour,
                colour_hex=hex_,
                weight_g=1000.0,
                left_g=left_g,
            )
        )
    for technology, prices in cast.HOUR_CENTS.items():
        for audience, hour_cents in prices.items():
            uow.session.add(
                Tariff(
                    audience=audience,
                    technology=technology,
                    hour_cents=hour_cents,
                    step_s=cast.STEP_S,
                    first_day=FIRST_DAY,
                )
            )
    uow.session.flush()


def _machines(uow: UnitOfWork) -> None:
    labels = {row.label: row.id for row in uow.session.scalars(select(Spool))}
    loaded = {machine: labels[label] for _, label, _, _, _, machine in cast.SPOOLS if machine}
    for name, model, technology, device, x, y, z, nozzle, nozzle_c, bed_c, alone_h in cast.MACHINES:
        row = Resource(kind=ResourceKind.MACHINE, name=name, technology=technology)
        uow.session.add(row)
        uow.session.flush()
        uow.session.add(
            Machine(
                resource_id=row.id,
                device=device,
                gate=MachineGate.CLEAR,
                gate_at=uow.now,
                model=model,
                bed_x_mm=x,
                bed_y_mm=y,
                height_mm=z,
                nozzle_mm=nozzle,
                max_nozzle_c=nozzle_c,
                max_bed_c=bed_c,
                unattended=alone_h > 0,
                unattended_max_s=alone_h * 3600,
                needs_certification=technology is not Technology.FDM,
                spool_id=loaded.get(name),
            )
        )


def _rooms(uow: UnitOfWork) -> None:
    for name, seats in cast.ROOMS:
        uow.session.add(Resource(kind=ResourceKind.ROOM, name=name, seats=seats))
    for number in range(1, cast.DESK_COUNT + 1):
        uow.session.add(Resource(kind=ResourceKind.DESK, name=f"Bureau {number:02d}", seats=1))
    for name in cast.MEDIATORS:
        uow.session.add(Resource(kind=ResourceKind.PERSON, name=name))
    uow.session.flush()


def _people(uow: UnitOfWork, chance: random.Random) -> list[Member]:
    """Those who can sign in come first; the rest have neither e-mail nor password."""
    hashed = hash_password(cast.PASSWORD)
    everybody: list[Member] = []
    for email, name, role, audience in cast.LOGINS:
        member = members.add_member(uow, name=name, role=role, audience=audience, email=email)
        member.password_hash = hashed
        everybody.append(member)
    audiences, weights = zip(*cast.AUDIENCE_SHARES, strict=True)
    while len(everybody) < cast.MEMBER_COUNT:
        name = f"{chance.choice(cast.FIRST_NAMES)} {chance.choice(cast.LAST_NAMES)}"
        audience = chance.choices(audiences, weights)[0]
        made = uow.now - timedelta(days=chance.randint(3, 900))
        member = Member(name=name, role=Role.MAKER, audience=audience, language="fr", created_at=made)
        uow.session.add(member)
        everybody.append(member)
    uow.session.flush()
    _sign_ins(uow, everybody[: len(cast.LOGINS)])
    _projects(uow, everybody, chance)
    _certificates(uow, everybody, chance, uow.now)
    belong(uow, everybody, random.Random(SEED))  # noqa: S311 - as above; the rest of the lab stays as it was
    return everybody


def _sign_ins(uow: UnitOfWork, people: list[Member]) -> None:
    """Where they are signed in already, for the page Security; nobody has these tokens."""
    for member in people:
        for agent, address, days in cast.SIGN_INS:
            at = uow.now - timedelta(days=days)
            uow.session.add(
                Login(
                    token_hash=secrets.token_hex(32),
                    member_id=member.id,
                    csrf=secrets.token_urlsafe(24),
                    agent=agent,
                    created_at=at,
                    seen_at=at,
                    expires_at=at + LOGIN_LIFE,
                    address=address,
                )
            )


def _projects(uow: UnitOfWork, everybody: list[Member], chance: random.Random) -> None:
    maker = everybody[0]
    members.add_project(uow, maker, "Lampe de bureau", ProjectKind.PERSONAL)
    members.add_project(uow, maker, "Atelier vélo du quartier", ProjectKind.EDUCATIONAL)
    kinds = {Audience.SCHOOL: ProjectKind.EDUCATIONAL, Audience.PROFESSIONAL: ProjectKind.PROFESSIONAL}
    for member in chance.sample(everybody[1:], 60):
        kind = kinds.get(member.audience, ProjectKind.PERSONAL)
        members.add_project(uow, member, chance.choice(cast.PROJECT_NAMES), kind)


def _certificates(uow: UnitOfWork, everybody: list[Member], chance: random.Random, now: datetime) -> None:
    for member in [*everybody[:3], *chance.sample(everybody[5:], 90)]:
        uow.session.add(
            Certification(
                member_id=member.id,
                technology=Technology.LASER,
                level=CertificationLevel.USER,
                granted_at=now - timedelta(days=chance.randint(10, 300)),
                expires_at=now + timedelta(days=chance.randint(30, 400)),
            )
        )
