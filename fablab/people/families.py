"""Families: a parent and children who need no e-mail; what the parent said yes to, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select

from fablab import notices
from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid
from fablab.people import ages, keys, log, standing
from fablab.people.members import add_member, clean_email, clean_name
from fablab.people.models import Audience, Consent, ConsentKind, KeyPurpose, Member
from fablab.places import house

MOST_CHILDREN = 12
IMAGE_CONSENT = timedelta(days=365)  # asked anew each year


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """`consents`: what the parent says yes to; under fifteen, membership must be among it."""

    name: str
    born_on: date | None
    consents: frozenset[ConsentKind] = frozenset()


def add_child(uow: UnitOfWork, parent_id: int, said: Child) -> Member:
    """By the parent, or by the staff for them. Raises `Invalid` member.born_on, family.not_minor, family.consent,
    `Conflict` family.too_many, family.no_adult."""
    parent = standing.own_or_at_desk(uow, parent_id)
    today = house.today(uow)
    if not parent.active:
        raise Conflict("member.not_active", name=parent.name)
    if parent.parent_id is not None or ages.is_minor(parent.born_on, today):
        raise Conflict("family.no_adult")
    if said.born_on is None:
        raise Invalid("member.born_on", field="born_on")
    ages.check_born_on(said.born_on, today)
    if not ages.is_minor(said.born_on, today):
        raise Invalid("family.not_minor", field="born_on", least=ages.ADULT_AGE)
    young = ages.age_on(said.born_on, today) < ages.CONSENT_AGE
    if young and ConsentKind.MEMBERSHIP not in said.consents:
        raise Invalid("family.consent", field="consent", least=ages.CONSENT_AGE)
    if len(children_of(uow, parent.id)) >= MOST_CHILDREN:
        raise Conflict("family.too_many", most=MOST_CHILDREN)
    child = add_member(uow, name=clean_name(said.name), audience=Audience.PERSONAL, language=parent.language)
    child.born_on, child.parent_id = said.born_on, parent.id
    log.record(uow, "family.child", for_member_id=child.id, about=f"member {parent.id}")
    for kind in sorted(said.consents):
        _give(uow, child, kind, parent.name)
    uow.session.flush()
    return child


def children_of(uow: UnitOfWork, parent_id: int) -> list[Member]:
    query = select(Member).where(Member.parent_id == parent_id)
    return list(uow.session.scalars(query.order_by(Member.sort_name)))


def consent(uow: UnitOfWork, child_id: int, kind: ConsentKind, *, said_by: str = "") -> Consent:
    """A parent's yes. `said_by`: who signed, where the staff writes it down for somebody without an account."""
    child = standing.own_or_at_desk(uow, child_id)
    if uow.actor.member_id == child.id:
        raise Invalid("family.not_oneself", field="consent")
    parent = uow.session.get(Member, child.parent_id) if child.parent_id is not None else None
    name = clean_name(said_by) if said_by.strip() else parent.name if parent is not None else ""
    if not name:
        raise Invalid("family.who_says", field="said_by")
    found = _give(uow, child, kind, name)
    uow.session.flush()
    return found


def withdraw(uow: UnitOfWork, child_id: int, kind: ConsentKind) -> None:
    """From now on it is no; what the child may do without it is the rules' to say."""
    child = standing.own_or_at_desk(uow, child_id)
    if uow.actor.member_id == child.id:
        raise Invalid("family.not_oneself", field="consent")
    for row in _standing(uow, child, kind):
        row.withdrawn_at = uow.now
    log.record(uow, "family.consent_withdrawn", for_member_id=child.id, consent=kind.value)
    uow.session.flush()


def consented(uow: UnitOfWork, member: Member, kind: ConsentKind) -> bool:
    """What was never said, withdrawn, or is past its day is no. Membership needs no parent's yes from fifteen on."""
    if kind is ConsentKind.MEMBERSHIP and not needs_consent(uow, member):
        return True
    return bool(_standing(uow, member, kind))


def needs_consent(uow: UnitOfWork, member: Member) -> bool:
    return member.born_on is not None and (ages.age_on(member.born_on, house.today(uow)) < ages.CONSENT_AGE)


def consents_of(uow: UnitOfWork, member_id: int) -> list[Consent]:
    """All that was ever said, newest first."""
    query = select(Consent).where(Consent.member_id == member_id)
    return list(uow.session.scalars(query.order_by(Consent.id.desc())))


def give_address(uow: UnitOfWork, child_id: int, email: str) -> None:
    """From fifteen on a child may sign in alone: a letter goes there, with the link to choose a password. The parent
    goes on answering for them until eighteen. Raises `Conflict` family.too_young, key.too_many."""
    child = standing.own_or_at_desk(uow, child_id)
    if needs_consent(uow, child):
        raise Conflict("family.too_young", least=ages.CONSENT_AGE)
    address = clean_email(email)
    taken = uow.session.scalar(select(Member.id).where(Member.email == address, Member.id != child.id))
    if taken is not None:
        raise Conflict("member.email_taken")
    child.email = address
    uow.session.flush()
    secret = keys.make(uow, child, KeyPurpose.PASSWORD, address, keys.WELCOME_LIFE)
    if secret is None:
        raise Conflict("key.too_many", most=keys.MOST_AN_HOUR)
    notices.write(
        uow, address, child.language, "member.welcome", name=child.name, secret_path=f"/key?key={secret}"
    )
    log.record(uow, "member.email", for_member_id=child.id)


def release(uow: UnitOfWork, child_id: int) -> Member:
    """Of age: nobody answers for them any more. Raises `Conflict` family.still_minor."""
    child = standing.own_or_at_desk(uow, child_id)
    if ages.is_minor(child.born_on, house.today(uow)):
        raise Conflict("family.still_minor", least=ages.ADULT_AGE)
    child.parent_id = None
    log.record(uow, "family.released", for_member_id=child.id)
    uow.session.flush()
    return child


def _give(uow: UnitOfWork, child: Member, kind: ConsentKind, said_by: str) -> Consent:
    for row in _standing(uow, child, kind):
        row.withdrawn_at = uow.now  # the newer one counts
    row = Consent(
        member_id=child.id,
        kind=kind,
        said_by=said_by,
        recorded_by_id=uow.actor.member_id,
        given_at=uow.now,
        expires_on=house.today(uow) + IMAGE_CONSENT if kind is ConsentKind.IMAGE else None,
    )
    uow.session.add(row)
    log.record(uow, "family.consent", for_member_id=child.id, consent=kind.value, said_by=said_by)
    return row


def _standing(uow: UnitOfWork, member: Member, kind: ConsentKind) -> list[Consent]:
    today = house.today(uow)
    query = select(Consent).where(
        Consent.member_id == member.id, Consent.kind == kind, Consent.withdrawn_at.is_(None)
    )
    return [row for row in uow.session.scalars(query) if row.expires_on is None or row.expires_on >= today]
