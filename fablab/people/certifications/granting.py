"""Granting, renewing and revoking; and uses under somebody's eyes. Who may do it is asked here."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Forbidden, Invalid, NotFound
from fablab.notices import tell
from fablab.people import log
from fablab.people.access import Right, allows
from fablab.people.certifications import reading
from fablab.people.certifications.models import CertificationTerms, SupervisedUse
from fablab.people.certifications.standing import RANK, Terms, standing
from fablab.people.models import Certification, CertificationLevel, Member, Role
from fablab.places.models import Resource, Technology

LONGEST_WATCH = timedelta(hours=12)
MOST_WHY = 300


def grant(
    uow: UnitOfWork,
    member_id: int,
    technology: Technology,
    level: CertificationLevel = CertificationLevel.USER,
    *,
    resource_id: int | None = None,
    session_id: str | None = None,
) -> Certification:
    """Leave to use a technology, or one machine of it, from now on and as long as its terms say.

    What is held already begins anew. `session_id`: the training it comes from. Raises `Forbidden` certification.not_trainer
    for who may not vouch for it, certification.own for oneself; `NotFound` for whom or what there is not.
    """
    member = _member(uow, member_id)
    about(uow, technology, resource_id)
    require_vouching(uow, technology, resource_id, level)
    if member.id == uow.actor.member_id and not allows(uow.actor, Right.MANAGE):
        raise Forbidden("certification.own")
    known = _live(uow, member.id, technology, resource_id, level)
    if known is not None:
        return _renew(uow, known, session_id)
    row = Certification(
        member_id=member.id,
        technology=technology,
        resource_id=resource_id,
        level=level,
        granted_at=uow.now,
        granted_by_id=uow.actor.member_id,
        expires_at=_expiry(uow, technology, resource_id),
        session_id=session_id,
    )
    uow.session.add(row)
    uow.session.flush()
    _said(uow, row, "certification.granted")
    return row


def renew(uow: UnitOfWork, certification_id: int) -> Certification:
    """Its time begins anew, by date and by disuse, also of one that has run out."""
    row = _found(uow, certification_id)
    require_vouching(uow, row.technology, row.resource_id, row.level)
    if row.member_id == uow.actor.member_id and not allows(uow.actor, Right.MANAGE):
        raise Forbidden("certification.own")
    return _renew(uow, row, None)


def revoke(uow: UnitOfWork, certification_id: int, why: str) -> Certification:
    """Taken back, at once and for every door. Raises `Invalid` certification.why without a reason."""
    row = _found(uow, certification_id)
    require_vouching(uow, row.technology, row.resource_id, row.level)
    reason = " ".join(why.split())
    if not 3 <= len(reason) <= MOST_WHY:
        raise Invalid("certification.why", field="why", most=MOST_WHY)
    row.revoked_at, row.revoked_by_id, row.revoked_why = uow.now, uow.actor.member_id, reason
    _said(uow, row, "certification.revoked", why=reason)
    return row


def supervise(
    uow: UnitOfWork,
    member_id: int,
    technology: Technology,
    *,
    resource_id: int | None = None,
    duration_s: int = 2 * 3600,
    note: str = "",
) -> SupervisedUse:
    """One more use under the actor's eyes: it counts, and until it ends the machine may be started.

    Raises `Invalid` supervised.duration; `Forbidden` certification.not_trainer, certification.own.
    """
    member = _member(uow, member_id)
    about(uow, technology, resource_id)
    if not allows(uow.actor, Right.OPERATE):
        require_vouching(uow, technology, resource_id, CertificationLevel.USER)
    if member.id == uow.actor.member_id:
        raise Forbidden("certification.own")
    if not 60 <= duration_s <= LONGEST_WATCH.total_seconds():
        raise Invalid("supervised.duration", field="duration", most_s=LONGEST_WATCH.total_seconds())
    row = SupervisedUse(
        member_id=member.id,
        technology=technology,
        resource_id=resource_id,
        by_id=uow.actor.member_id,
        at=uow.now,
        until_at=uow.now + timedelta(seconds=duration_s),
        note=" ".join(note.split())[:300],
    )
    uow.session.add(row)
    uow.session.flush()
    log.record(
        uow, "certification.supervised", for_member_id=member.id, about=_about(technology, resource_id)
    )
    uow.raise_event("certification", row.id, "supervised")
    return row


def may_vouch(
    uow: UnitOfWork, technology: Technology, resource_id: int | None, level: CertificationLevel
) -> bool:
    """The staff for every level; a trainer of that technology, or of that machine, for users of it."""
    actor = uow.actor
    if actor.member_id is None:
        return allows(actor, Right.MANAGE)
    if actor.role in (Role.STAFF, Role.ADMIN):
        return allows(actor, Right.OPERATE)
    return allows(actor, Right.SUBMIT) and is_trainer(uow, actor.member_id, technology, resource_id, level)


def is_trainer(
    uow: UnitOfWork,
    member_id: int,
    technology: Technology,
    resource_id: int | None,
    level: CertificationLevel = CertificationLevel.USER,
) -> bool:
    """Whether this member's own certification lets them make others `level`; users only, whoever is not of the staff."""
    if RANK[level] > RANK[CertificationLevel.USER]:
        return False
    found = standing(
        reading.grants_of(uow, member_id),
        technology=technology,
        resource_id=resource_id,
        terms=Terms(),  # a trainer's own hours at the machine are not in question
        last_used_at=None,
        supervised=0,
        at=uow.now,
        least=CertificationLevel.TRAINER,
    )
    return found.held is not None


def require_vouching(
    uow: UnitOfWork, technology: Technology, resource_id: int | None, level: CertificationLevel
) -> None:
    if not may_vouch(uow, technology, resource_id, level):
        raise Forbidden("certification.not_trainer", technology=technology.value)


def trains(uow: UnitOfWork, member_id: int) -> frozenset[Technology]:
    """The technologies for which this member vouches as a trainer, of all or of some machines."""
    live = [g for g in reading.grants_of(uow, member_id) if g.expires_at is None or g.expires_at > uow.now]
    return frozenset(g.technology for g in live if RANK[g.level] >= RANK[CertificationLevel.TRAINER])


def about(uow: UnitOfWork, technology: Technology, resource_id: int | None) -> Resource | None:
    """The one machine it is about. Raises `NotFound` machine.unknown, `Invalid` machine.other_technology."""
    if resource_id is None:
        return None
    row = uow.session.get(Resource, resource_id)
    if row is None or row.machine is None or not row.active:
        raise NotFound("machine.unknown", id=resource_id)
    if row.technology is not technology:
        raise Invalid("machine.other_technology", field="resource", machine=row.name)
    return row


def terms_of(uow: UnitOfWork, technology: Technology, resource_id: int | None) -> CertificationTerms | None:
    """The row that holds: the machine's own, else its technology's."""
    query = select(CertificationTerms).where(
        CertificationTerms.technology == technology,
        CertificationTerms.resource_id.is_(None) | (CertificationTerms.resource_id == resource_id),
    )
    rows = sorted(uow.session.scalars(query), key=lambda row: row.resource_id is None)
    return next(iter(rows), None)


def _renew(uow: UnitOfWork, row: Certification, session_id: str | None) -> Certification:
    row.renewed_at, row.reminded_at = uow.now, None
    row.expires_at = _expiry(uow, row.technology, row.resource_id)
    row.session_id = session_id or row.session_id
    _said(uow, row, "certification.renewed")
    return row


def _expiry(uow: UnitOfWork, technology: Technology, resource_id: int | None) -> datetime | None:
    terms = terms_of(uow, technology, resource_id)
    if terms is None or terms.valid_days is None:
        return None
    return uow.now + timedelta(days=terms.valid_days)


def _live(
    uow: UnitOfWork,
    member_id: int,
    technology: Technology,
    resource_id: int | None,
    level: CertificationLevel,
) -> Certification | None:
    query = select(Certification).where(
        Certification.member_id == member_id,
        Certification.technology == technology,
        Certification.resource_id == resource_id
        if resource_id is not None
        else Certification.resource_id.is_(None),
        Certification.level == level,
        Certification.revoked_at.is_(None),
    )
    return uow.session.scalars(query.order_by(Certification.id.desc())).first()


def _said(uow: UnitOfWork, row: Certification, code: str, why: str = "") -> None:
    """To the member, to the log and, after the commit, to the screens."""
    technology = row.technology.value
    tell(uow, row.member_id, code, technology=technology, level=row.level.value, why=why)
    log.record(
        uow,
        code,
        for_member_id=row.member_id,
        about=_about(row.technology, row.resource_id),
        level=row.level.value,
        why=why,
    )
    uow.raise_event("certification", row.id, code.rpartition(".")[2])


def _about(technology: Technology, resource_id: int | None) -> str:
    return f"machine {resource_id}" if resource_id is not None else technology.value


def _found(uow: UnitOfWork, certification_id: int) -> Certification:
    row = uow.session.get(Certification, certification_id)
    if row is None or row.revoked_at is not None:
        raise NotFound("certification.unknown", id=certification_id)
    return row


def _member(uow: UnitOfWork, member_id: int) -> Member:
    row = uow.session.get(Member, member_id)
    if row is None:
        raise NotFound("member.unknown")
    return row
