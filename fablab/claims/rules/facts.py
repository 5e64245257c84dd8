"""The facts a rule looks at, read in a bounded number of queries: none grows with the machines or with the years."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, Integer, bindparam, func, or_, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid, NotFound
from fablab.base.intervals import Interval
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.claims.rules import policies
from fablab.claims.rules.asking import (
    Act,
    Asked,
    Booked,
    Context,
    Policy,
    Taken,
    Unsigned,
    Waived,
    Where,
    Who,
)
from fablab.claims.rules.check import needs_two
from fablab.claims.rules.known import Known, known, known_ahead
from fablab.claims.rules.models import Waiver
from fablab.claims.trainings import following
from fablab.claims.trainings.following import NextTraining
from fablab.money import subscriptions
from fablab.people.access import RIGHTS, Right, allows
from fablab.people.ages import age_on
from fablab.people.certifications import reading, texts
from fablab.people.certifications.models import SupervisedUse
from fablab.people.certifications.standing import Grant, Standing, Terms, standing
from fablab.people.models import Audience, Consent, ConsentKind, Member
from fablab.places.models import MachineGate, Resource, Technology

_WEEK = timedelta(days=8)
NOBODY = 0  # no member has this id

# Put together once: to do so takes longer than to run them.
_IDS = bindparam("ids", expanding=True, type_=Integer)
_MEMBERS = select(Member).where(Member.id.in_(_IDS))
_RESOURCES = select(Resource).where(Resource.id.in_(_IDS), Resource.active)
_WAIVED = select(Waiver.member_id).where(
    Waiver.member_id.in_(_IDS), Waiver.withdrawn_at.is_(None), Waiver.claim_id.is_(None)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What a member holds, and when they last used each technology."""

    grants: Sequence[Grant]
    supervised: Sequence[SupervisedUse]
    last_used: Mapping[Technology, datetime]

    def standing(
        self, lore: Known, technology: Technology, resource_id: int | None, at: datetime
    ) -> Standing:
        terms = lore.terms_for(technology, resource_id)
        own = resource_id if (technology, resource_id) in lore.terms else None
        return standing(
            self.grants,
            technology=technology,
            resource_id=resource_id,
            terms=terms,
            last_used_at=self.last_used.get(technology),
            supervised=reading.counted(self.supervised, technology, own),
            at=at,
        )


def context(uow: UnitOfWork, asked: Asked) -> Context:
    """Everything `check` looks at. Raises `Invalid` span.wrong, and `NotFound` for whom or what there is not."""
    if asked.end_at <= asked.start_at:
        raise Invalid("span.wrong", field="end_at")
    member = uow.session.get(Member, asked.member_id)
    if member is None:
        raise NotFound("member.unknown")
    lore = known(uow)
    resources = _resources(uow, asked)
    held = {row.id: lore.policy(row, member.audience) for row in resources}
    ages = [
        policy.consent_age for policy in held.values() or [policies.of_house(lore.policies, member.audience)]
    ]
    consent_age = max((age for age in ages if age is not None), default=None)
    return Context(
        now=uow.now,
        zone=lore.zone,
        who=_who(uow, asked, member, lore, consent_age, any(p.subscription for p in held.values())),
        consent_age=consent_age,
        where=_where(uow, asked, resources, lore, held),
        closures=lore.shut(asked.start_at, asked.end_at),
        booked=_booked(uow, asked, held),
        waived=_waived(uow, asked),
    )


def visitor_context(uow: UnitOfWork, asked: Asked, audience: Audience) -> Context:
    """The same for somebody who is no member (`asked.member_id` is `NOBODY`): of age, without a subscription, without a
    certification, with the policies of their audience."""
    if asked.end_at <= asked.start_at:
        raise Invalid("span.wrong", field="end_at")
    lore = known(uow)
    resources = _resources(uow, asked)
    held = {row.id: policies.policy_for(uow, row, audience, known=lore.policies) for row in resources}
    return Context(
        now=uow.now,
        zone=lore.zone,
        who=Who(),
        where=_where(uow, asked, resources, lore, held),
        closures=lore.shut(asked.start_at, asked.end_at),
    )


def read_ahead(uow: UnitOfWork, member_ids: Collection[int], resource_ids: Collection[int]) -> None:
    """For many who ask at once: what each would read of members, resources, waivers, certifications and signatures, in
    one query each for all. Good until the transaction ends, so nothing of this may be changed in it."""
    known_ahead(uow)
    ids = {"ids": list(member_ids)}
    members = uow.session.scalars(_MEMBERS, ids)
    resources = uow.session.scalars(_RESOURCES, {"ids": list(resource_ids)})
    uow.ahead["rules.members"] = list(members)  # the session itself holds on to nothing
    uow.ahead["rules.resources"] = {row.id: row for row in resources.unique()}
    uow.ahead["rules.unwaived"] = frozenset(member_ids) - set(uow.session.scalars(_WAIVED, ids))
    uow.ahead["certifications.grants"] = reading.grants_of_many(uow, member_ids)
    if known(uow).texts:
        uow.ahead["certifications.signed"] = texts.signed_by_many(uow, member_ids)


def _resources(uow: UnitOfWork, asked: Asked) -> list[Resource]:
    ahead: Mapping[int, Resource] = uow.ahead.get("rules.resources", {})
    if all(id_ in ahead for id_ in asked.resource_ids):
        return [ahead[id_] for id_ in sorted(set(asked.resource_ids))]
    query = select(Resource).where(Resource.id.in_(asked.resource_ids), Resource.active)
    rows = list(uow.session.scalars(query.order_by(Resource.id)).unique())
    missing = set(asked.resource_ids) - {row.id for row in rows}
    if missing:
        raise NotFound("resource.unknown", id=min(missing))
    return rows


def _who(
    uow: UnitOfWork,
    asked: Asked,
    member: Member,
    lore: Known,
    consent_age: int | None,
    asks_subscription: bool,
) -> Who:
    """What no rule asks for is not looked up."""
    day = asked.start_at.astimezone(lore.zone).date()
    age = age_on(member.born_on, day) if member.born_on is not None else None
    by_role = Right.OPERATE in RIGHTS[member.role]
    if asked.act is Act.SUBMIT:  # whoever of the staff hands in a file answers for it
        by_role = by_role or allows(uow.actor, Right.OPERATE)
    is_young = age is not None and consent_age is not None and age < consent_age
    return Who(
        state=member.state,
        staff=by_role,
        age=age,
        consent=is_young and _consents(uow, member, day),
        subscribed=asks_subscription and subscriptions.covering(uow, member.id, day) is not None,
    )


def _consents(uow: UnitOfWork, member: Member, day: date) -> bool:
    query = select(Consent.id).where(
        Consent.member_id == member.id,
        Consent.kind == ConsentKind.MEMBERSHIP,
        Consent.withdrawn_at.is_(None),
        or_(Consent.expires_on.is_(None), Consent.expires_on >= day),
    )
    return uow.session.scalar(query.limit(1)) is not None


def holdings(uow: UnitOfWork, member_id: int, lore: Known) -> Holdings:
    """What no terms ask for is not looked up."""
    asks = any(t.supervised_uses or t.disuse_days is not None for t in lore.terms.values())
    supervised = reading.supervised_of(uow, member_id) if asks else []
    used = last_used(uow, member_id, lore.terms)
    for use in supervised:
        used[use.technology] = max(use.at, used.get(use.technology, use.at))
    return Holdings(grants=reading.grants_of(uow, member_id), supervised=supervised, last_used=used)


def last_used(
    uow: UnitOfWork, member_id: int, terms: Mapping[tuple[Technology, int | None], Terms]
) -> dict[Technology, datetime]:
    """When each technology was last used, where anybody asks: by a run, or by a reservation that was not given back."""
    asking = sorted({technology for (technology, _id), t in terms.items() if t.disuse_days is not None})
    if not asking:
        return {}
    query = (
        select(Resource.technology, func.max(Allocation.start_at))
        .join(Allocation.claim)
        .join(Resource, Resource.id == Allocation.resource_id)
        .where(
            Claim.member_id == member_id,
            Resource.technology.in_(asking),
            Allocation.start_at <= uow.now,
            or_(Allocation.run_id.is_not(None), Claim.kind == ClaimKind.RESERVATION),
        )
        .group_by(Resource.technology)
    )
    return {technology: at for technology, at in uow.session.execute(query) if technology is not None}


def _where(
    uow: UnitOfWork, asked: Asked, rows: Sequence[Resource], lore: Known, held: Mapping[int, Policy]
) -> tuple[Where, ...]:
    asks = any(row.machine is not None and row.machine.needs_certification for row in rows)
    mine = holdings(uow, asked.member_id, lore) if asks else Holdings(grants=(), supervised=(), last_used={})
    relevant = {row.id: texts.of_machine(lore.texts, row.technology, row.id) for row in rows if row.machine}
    signed = texts.signed_by(uow, asked.member_id) if any(relevant.values()) else frozenset()
    taken = _taken(uow, asked)
    day = asked.start_at.astimezone(lore.zone).date()
    stands = {row.id: _standing(mine, lore, row, asked.start_at) for row in rows}
    trainings = _trainings(uow, rows, stands)
    found: list[Where] = []
    for row in rows:
        machine = row.machine
        opened, staffed = lore.hours(row.id, asked.start_at, asked.end_at)
        where = Where(
            resource_id=row.id,
            name=row.name,
            kind=row.kind,
            technology=row.technology,
            policy=held[row.id],
            out_of_service=machine is not None and machine.gate is MachineGate.OUT_OF_SERVICE,
            needs_certification=machine is not None and machine.needs_certification,
            standing=stands[row.id],
            supervised_until=reading.watched_until(mine.supervised, row.technology, row.id),
            next_training=trainings.get(row.id),
            unsigned=tuple(
                Unsigned(rule_text_id=text.id, version=text.version)
                for text in texts.unsigned(relevant.get(row.id, []), signed, day)
            ),
            unattended=machine is not None and machine.unattended,
            unattended_max_s=machine.unattended_max_s if machine is not None else 0,
            bed_mm=(machine.bed_x_mm, machine.bed_y_mm, machine.height_mm) if machine is not None else None,
            materials=lore.lists.get(row.id),
            open=opened,
            staffed=staffed,
            taken=taken.get(row.id, ()),
        )
        found.append(where)
    return tuple(found)


def _standing(mine: Holdings, lore: Known, row: Resource, at: datetime) -> Standing:
    if row.technology is None:
        return Standing(held=None)
    return mine.standing(lore, row.technology, row.id, at)


def _trainings(
    uow: UnitOfWork, rows: Sequence[Resource], stands: Mapping[int, Standing]
) -> dict[int, NextTraining]:
    """Of the machines only whose certification is missing: for the others nobody asks."""
    lacking = [
        row
        for row in rows
        if row.machine is not None and row.machine.needs_certification and stands[row.id].held is None
    ]
    sessions = (
        following.planned(uow, {row.technology for row in lacking if row.technology}) if lacking else []
    )
    found: dict[int, NextTraining] = {}
    for row in lacking:
        session = following.next_of(sessions, row.technology, row.id) if row.technology else None
        if session is not None:
            found[row.id] = following.shown(session)
    return found


def _taken(uow: UnitOfWork, asked: Asked) -> dict[int, tuple[Taken, ...]]:
    """Whose the resources are now; only a start asks, for everything else the calendar itself answers."""
    if asked.act is not Act.START:
        return {}
    # A parent stands there for the child whose reservation it is.
    own = select(Member.id).where(or_(Member.id == asked.member_id, Member.parent_id == asked.member_id))
    query = (
        select(Allocation.resource_id, Claim.id, Claim.kind, Allocation.start_at, Allocation.end_at)
        .join(Allocation.claim)
        .where(
            Allocation.resource_id.in_(asked.resource_ids),
            Allocation.start_at <= asked.start_at,
            Allocation.end_at > asked.start_at,
            Allocation.state == AllocationState.FIRM,
            Allocation.run_id.is_(None),
            Claim.kind.in_((ClaimKind.RESERVATION, ClaimKind.SESSION)),
            Claim.state == ClaimState.HELD,
            or_(Claim.member_id.is_(None), Claim.member_id.not_in(own)),
        )
    )
    found: dict[int, tuple[Taken, ...]] = {}
    for resource_id, claim_id, kind, start, end in uow.session.execute(query):
        place = Taken(claim_id=claim_id, word=kind.value, span=Interval(start, end))
        found[resource_id] = (*found.get(resource_id, ()), place)
    return found


def _booked(uow: UnitOfWork, asked: Asked, held: Mapping[int, Policy]) -> tuple[Booked, ...]:
    """The member's own reservations of these weeks and of the time to come, where a quota or a gap asks for them."""
    asks = any(p.gap_s or p.weekly is not None or p.concurrent is not None for p in held.values())
    if asked.act is not Act.RESERVE or not asks:
        return ()
    query = (
        select(
            Claim.id, Resource.id, Resource.kind, Resource.technology, Allocation.start_at, Allocation.end_at
        )
        .join(Claim, Claim.id == Allocation.claim_id)
        .join(Resource, Resource.id == Allocation.resource_id)
        .where(
            Claim.member_id == asked.member_id,
            Claim.kind == ClaimKind.RESERVATION,
            Allocation.end_at > min(uow.now, asked.start_at - _WEEK),
        )
    )
    return tuple(
        Booked(claim_id=claim_id, resource_id=id_, kind=kind, technology=tech, span=Interval(start, end))
        for claim_id, id_, kind, tech, start, end in uow.session.execute(query)
    )


def _waived(uow: UnitOfWork, asked: Asked) -> frozenset[Waived]:
    """What counts: for this claim, or for this member for the time being."""
    if asked.claim_id is None and asked.member_id in uow.ahead.get("rules.unwaived", ()):
        return frozenset()
    about: list[ColumnElement[bool]] = [Waiver.claim_id.is_(None) & (Waiver.until_at > asked.start_at)]
    if asked.claim_id is not None:
        about.append(Waiver.claim_id == asked.claim_id)
    query = select(Waiver).where(
        Waiver.member_id == asked.member_id, Waiver.withdrawn_at.is_(None), or_(*about)
    )
    return frozenset(
        Waived(code=row.code, resource_id=row.resource_id)
        for row in uow.session.scalars(query)
        if row.second_by_id is not None or not needs_two(row.code)
    )
