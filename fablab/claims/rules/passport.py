"""Who may use what: a member's certifications as they stand today, a machine's users, and the reminders before an end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound
from fablab.claims.rules.facts import Holdings, holdings
from fablab.claims.rules.known import Known, known
from fablab.claims.trainings import following
from fablab.claims.trainings.following import NextTraining
from fablab.notices import tell
from fablab.people import standing as people
from fablab.people.access import Right, require
from fablab.people.certifications import reading, texts
from fablab.people.certifications.standing import RANK, Held, Lapse, Standing, standing
from fablab.people.models import Certification, CertificationLevel, Member, MemberState
from fablab.places import house
from fablab.places.models import Resource, Technology


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One certification as it stands. `ends_at` is by its date or by disuse, whichever comes first (`end`); `over`: it
    has come to that end. `supervised_left`: uses under somebody's eyes that are still to come."""

    id: int
    member_id: int
    technology: Technology
    resource_id: int | None
    machine: str
    level: CertificationLevel
    granted_at: datetime
    granted_by: str
    ends_at: datetime | None
    end: Lapse | None
    over: bool
    supervised_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """What a member may do with one kind of machine, and what is missing: for the page of certifications.

    `unsigned`: the version to be signed; `following`: the next training, where one is needed.
    """

    technology: Technology
    asks: bool
    held: Held | None
    lapse: Lapse | None
    lapsed_at: datetime | None
    unsigned: tuple[int, ...]
    following: NextTraining | None


def stamps(uow: UnitOfWork, member_id: int) -> tuple[Stamp, ...]:
    """All that were not revoked, those in force first. Theirs, a child's, or anybody's for the staff."""
    people.seen_by(uow, member_id)
    lore = known(uow)
    mine = holdings(uow, member_id, lore)
    names = _names(uow, member_id)
    found = [_stamp(uow, lore, mine, row, names) for row in _rows(uow, member_id)]
    return tuple(sorted(found, key=lambda s: (s.over, s.technology, -RANK[s.level], s.machine)))


def stamp(uow: UnitOfWork, certification_id: int) -> Stamp:
    """One of them. Whoever asks has been asked what they may see."""
    row = uow.session.get_one(Certification, certification_id)
    lore = known(uow)
    return _stamp(uow, lore, holdings(uow, row.member_id, lore), row, _names(uow, row.member_id))


def leaves(uow: UnitOfWork, member_id: int) -> tuple[Leave, ...]:
    """Every technology the house has machines of, by its word."""
    people.seen_by(uow, member_id)
    lore = known(uow)
    mine = holdings(uow, member_id, lore)
    signed = texts.signed_by(uow, member_id)
    today = house.today(uow)
    machines = house.machines(uow)
    sessions = following.planned(uow)
    found: list[Leave] = []
    for technology in sorted({row.technology for row in machines if row.technology}):
        asks = any(
            row.machine.needs_certification
            for row in machines
            if row.machine is not None and row.technology is technology
        )
        now = mine.standing(lore, technology, None, uow.now)
        session = following.next_of(sessions, technology, None) if asks and now.held is None else None
        about = [text for text in lore.texts if text.technology is technology]
        found.append(
            Leave(
                technology=technology,
                asks=asks,
                held=now.held,
                lapse=now.lapse,
                lapsed_at=now.lapsed_at,
                unsigned=tuple(text.id for text in texts.unsigned(about, signed, today)),
                following=following.shown(session) if session is not None else None,
            )
        )
    return tuple(found)


def users_of(uow: UnitOfWork, resource_id: int) -> tuple[tuple[Member, Held], ...]:
    """The machine's passport: every active member who may use it alone today, and at what level; for the staff."""
    require(uow.actor, Right.SEE_ALL)
    row = uow.session.get(Resource, resource_id)
    if row is None or row.machine is None or row.technology is None:
        raise NotFound("machine.unknown", id=resource_id)
    query = (
        select(Member)
        .join(Certification, Certification.member_id == Member.id)
        .where(
            Certification.technology == row.technology,
            Certification.revoked_at.is_(None),
            Member.state == MemberState.ACTIVE,
        )
        .distinct()
    )
    lore = known(uow)
    found: list[tuple[Member, Held]] = []
    for member in uow.session.scalars(query.order_by(Member.id)).unique():
        held = holdings(uow, member.id, lore).standing(lore, row.technology, row.id, uow.now).held
        if held is not None:
            found.append((member, held))
    return tuple(sorted(found, key=lambda pair: (-RANK[pair[1].level], pair[0].name)))


def holds(uow: UnitOfWork, member_id: int, resource_id: int) -> Held | None:
    """What this member holds for one machine now, by date and by use."""
    row = uow.session.get(Resource, resource_id)
    if row is None or row.technology is None:
        return None
    lore = known(uow)
    return holdings(uow, member_id, lore).standing(lore, row.technology, row.id, uow.now).held


def remind(uow: UnitOfWork) -> int:
    """Tell everybody once whose certification comes to its end; how many were told. A renewal begins anew."""
    lore = known(uow)
    told = 0
    query = (
        select(Certification)
        .join(Member, Member.id == Certification.member_id)
        .where(
            Certification.revoked_at.is_(None),
            Certification.reminded_at.is_(None),
            Member.state == MemberState.ACTIVE,
        )
    )
    by_member: dict[int, list[Certification]] = {}
    for row in uow.session.scalars(query.order_by(Certification.id)):
        by_member.setdefault(row.member_id, []).append(row)
    for member_id, rows in by_member.items():
        if not any(_may_end(lore, row) for row in rows):
            continue
        mine = holdings(uow, member_id, lore)
        for row in rows:
            told += _remind(uow, lore, mine, row)
    return told


def _remind(uow: UnitOfWork, lore: Known, mine: Holdings, row: Certification) -> int:
    held = _own_standing(uow, lore, mine, row).held
    if held is None or held.ends_at is None or held.end is None:
        return 0
    days = lore.terms_for(row.technology, row.resource_id).remind_days
    if held.ends_at - uow.now > timedelta(days=days):
        return 0
    row.reminded_at = uow.now
    code = "certification.ends" if held.end is Lapse.EXPIRED else "certification.ends_unused"
    tell(uow, row.member_id, code, technology=row.technology.value, day=held.ends_at.isoformat())
    return 1


def _may_end(lore: Known, row: Certification) -> bool:
    terms = lore.terms_for(row.technology, row.resource_id)
    return row.expires_at is not None or terms.disuse_days is not None


def _own_standing(uow: UnitOfWork, lore: Known, mine: Holdings, row: Certification) -> Standing:
    """Of this one certification alone."""
    own = (row.technology, row.resource_id) in lore.terms and row.resource_id is not None
    return standing(
        [reading.grant_of(row)],
        technology=row.technology,
        resource_id=row.resource_id,
        terms=lore.terms_for(row.technology, row.resource_id),
        last_used_at=mine.last_used.get(row.technology),
        supervised=reading.counted(mine.supervised, row.technology, row.resource_id if own else None),
        at=uow.now,
    )


def _stamp(uow: UnitOfWork, lore: Known, mine: Holdings, row: Certification, names: dict[int, str]) -> Stamp:
    now = _own_standing(uow, lore, mine, row)
    held = now.held
    resource = uow.session.get(Resource, row.resource_id) if row.resource_id is not None else None
    return Stamp(
        id=row.id,
        member_id=row.member_id,
        technology=row.technology,
        resource_id=row.resource_id,
        machine=resource.name if resource is not None else "",
        level=row.level,
        granted_at=row.granted_at,
        granted_by=names.get(row.granted_by_id or 0, ""),
        ends_at=held.ends_at if held is not None else now.lapsed_at,
        end=held.end if held is not None else now.lapse,
        over=held is None,
        supervised_left=held.supervised_left if held is not None else 0,
    )


def _rows(uow: UnitOfWork, member_id: int) -> Sequence[Certification]:
    query = select(Certification).where(
        Certification.member_id == member_id, Certification.revoked_at.is_(None)
    )
    return uow.session.scalars(query.order_by(Certification.id)).all()


def _names(uow: UnitOfWork, member_id: int) -> dict[int, str]:
    """Of those who granted."""
    query = (
        select(Member.id, Member.name)
        .join(Certification, Certification.granted_by_id == Member.id)
        .where(Certification.member_id == member_id)
    )
    return {row[0]: row[1] for row in uow.session.execute(query)}
