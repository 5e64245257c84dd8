"""What the demo lab asks of its people: terms, rules to sign, policies, and trainings that can be joined. Invented."""

from __future__ import annotations

from datetime import date, timedelta

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Conflict
from fablab.claims.rules import setting
from fablab.claims.rules.asking import Scope
from fablab.claims.rules.models import Permission, Presence
from fablab.claims.trainings import use as trainings
from fablab.claims.trainings.use import Plan
from fablab.people.certifications import granting, signing, terms
from fablab.people.models import CertificationLevel, Member
from fablab.places import house
from fablab.places.models import ResourceKind, Technology

LASER_FR = (
    "Je reste à côté de la machine tant que le faisceau travaille, extincteur à portée de main.\n\n"
    "Je ne découpe que les matières de la liste de la machine. Jamais de PVC, de polycarbonate ni de polystyrène.\n\n"
    "L’extraction tourne avant le premier tir et cinq minutes après le dernier."
)
LASER_EN = (
    "I stay beside the machine while the beam is at work, with the extinguisher within reach.\n\n"
    "I cut only what is on the machine’s list. Never PVC, polycarbonate or polystyrene.\n\n"
    "The extraction runs before the first shot and for five minutes after the last."
)
HOUR = 3600


def certify(database: Database, staff: Member, admin: Member, joining: list[Member]) -> None:
    """`joining` take part in the first training that is planned."""
    manager = Actor(member_id=admin.id, name=admin.name, role=admin.role.value)
    with database.begin(manager) as uow:
        _ask(uow, [*joining, staff, admin])
        for technology in (Technology.LASER, Technology.CNC):
            granting.grant(uow, staff.id, technology, CertificationLevel.TRAINER)
    trainer = Actor(member_id=staff.id, name=staff.name, role=staff.role.value)
    for technology, days, hour in (
        (Technology.LASER, 3, 14),
        (Technology.CNC, 5, 10),
        (Technology.LASER, 9, 14),
    ):
        _train(database, trainer, technology, days, hour, joining)


def _ask(uow: UnitOfWork, signing_now: list[Member]) -> None:
    terms.set_terms(uow, Technology.LASER, valid_days=730, disuse_days=365, supervised_uses=0)
    terms.set_terms(uow, Technology.CNC, valid_days=730, disuse_days=180, supervised_uses=2)
    text = signing.publish(
        uow,
        Technology.LASER,
        title_fr="Règlement des découpeuses laser",
        title_en="Rules of the laser cutters",
        text_fr=LASER_FR,
        text_en=LASER_EN,
    )
    for member in signing_now[1:]:
        signing.sign(uow, text.id, member.name, member_id=member.id)
    setting.set_policy(
        uow,
        Scope(),
        None,
        {"horizon_s": 60 * 86400, "grace_s": 900, "presence": Presence.OPEN},
    )
    # Of machines, and not of the house: a room every week and a desk for some mornings are no reason to ask the staff.
    setting.set_policy(uow, Scope(kind=ResourceKind.MACHINE), None, {"concurrent": 4})
    setting.set_policy(
        uow, Scope(technology=Technology.LASER), None, {"weekly_s": 6 * HOUR, "longest_s": 4 * HOUR}
    )
    setting.set_policy(
        uow, Scope(technology=Technology.CNC), None, {"presence": Presence.STAFFED, "least_age": 16}
    )
    sheets = [row for row in house.sheets(uow) if row.technology is Technology.LASER]
    for machine in house.machines(uow, Technology.LASER)[1:]:
        for sheet in sheets:
            setting.list_material(uow, machine.id, sheet.id, Permission.ALLOWED)


def _train(
    database: Database, trainer: Actor, technology: Technology, days: int, hour: int, joining: list[Member]
) -> None:
    """In the first room that is free then; a demo in which all are taken has one training less."""
    with database.read() as uow:
        zone = house.calendar(uow).zone
        day: date = uow.now.astimezone(zone).date() + timedelta(days=days)
        start = uow.now.astimezone(zone).replace(
            year=day.year, month=day.month, day=day.day, hour=hour, minute=0, second=0, microsecond=0
        )
        rooms = [row.id for row in house.resources(uow, frozenset({ResourceKind.ROOM}))]
    for room in rooms:
        plan = Plan(
            technology=technology,
            level=CertificationLevel.USER,
            start_at=start,
            end_at=start + timedelta(hours=2),
            places=4,
            holds=(room,),
            note="Apportez un fichier à découper." if technology is Technology.LASER else "",
        )
        try:
            with database.begin(trainer) as uow:
                session = trainings.create(uow, plan)
                for member in joining[1:]:
                    trainings.join(uow, session.id, member.id)
        except Conflict:
            continue
        return
