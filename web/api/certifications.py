"""Certifications, the rules one signs, and uses under somebody's eyes."""

from __future__ import annotations

from datetime import date

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from fablab.base.database import Database, UnitOfWork
from fablab.claims.rules import passport
from fablab.claims.rules.passport import Leave, Stamp
from fablab.claims.trainings.following import NextTraining
from fablab.people.access import SignedIn
from fablab.people.certifications import granting, signing
from fablab.people.certifications.models import RuleSignature, RuleText
from fablab.people.certifications.standing import Lapse
from fablab.people.models import CertificationLevel
from fablab.places.models import Technology
from web.api.schema import At
from web.security import Access, Right


class FollowingOut(msgspec.Struct, frozen=True, kw_only=True):
    """The next training that leads to it; `free` places, 0: one waits."""

    id: str
    start_at: At
    free: int


class CertificationOut(msgspec.Struct, frozen=True, kw_only=True):
    """`machine` null: the whole technology. `ends_at`: by its date or by disuse (`end`); `over`: it has come to it."""

    id: int
    member: int
    technology: Technology
    machine: int | None
    level: CertificationLevel
    granted_at: At
    granted_by: str
    ends_at: At | None
    end: Lapse | None
    over: bool
    supervised_left: int


class LeaveOut(msgspec.Struct, frozen=True, kw_only=True):
    """One technology: whether it asks for a certification, what is held, and what is missing."""

    technology: Technology
    asks: bool
    level: CertificationLevel | None
    ends_at: At | None
    lapse: Lapse | None
    supervised_left: int
    unsigned: tuple[int, ...]
    training: FollowingOut | None


class PassportOut(msgspec.Struct, frozen=True, kw_only=True):
    certifications: tuple[CertificationOut, ...]
    technologies: tuple[LeaveOut, ...]


class UserOut(msgspec.Struct, frozen=True, kw_only=True):
    member: int
    name: str
    level: CertificationLevel
    ends_at: At | None
    supervised_left: int


class GrantIn(msgspec.Struct, frozen=True, kw_only=True):
    member: int
    technology: Technology
    level: CertificationLevel = CertificationLevel.USER
    machine: int | None = None


class WhyIn(msgspec.Struct, frozen=True, kw_only=True):
    why: str


class SupervisedIn(msgspec.Struct, frozen=True, kw_only=True):
    """`duration_s`: so long the machine may be started under your eyes."""

    member: int
    technology: Technology
    machine: int | None = None
    duration_s: int = 7200
    note: str = ""


class SupervisedOut(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    member: int
    technology: Technology
    machine: int | None
    at: At
    until_at: At


class RulesOut(msgspec.Struct, frozen=True, kw_only=True):
    """The version in force, in both languages. `sign_by`: from that day on an older signature is not enough."""

    id: int
    technology: Technology
    machine: int | None
    version: int
    title_fr: str
    title_en: str
    text_fr: str
    text_en: str
    sign_by: date | None
    published_at: At
    withdrawn_at: At | None


class RulesIn(msgspec.Struct, frozen=True, kw_only=True):
    technology: Technology
    title_fr: str
    title_en: str
    text_fr: str
    text_en: str
    machine: int | None = None
    sign_by: date | None = None


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is the signature. `member`: a child, or whoever signed on paper before the staff's eyes."""

    name: str
    member: int | None = None
    language: str = "fr"


class SignatureOut(msgspec.Struct, frozen=True, kw_only=True):
    rules: int
    version: int
    technology: Technology
    member: int
    name: str
    signed_at: At
    witness: int | None


@get("/certifications", access=Access.SIGNED_IN, sync_to_thread=True, tags=["certifications"])
def certifications(
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    member: FromQuery[int | None] = None,
) -> PassportOut:
    """What one holds and what is missing: one's own, a child's, or anybody's for the staff."""
    with database.read(signed_in.actor) as uow:
        whom = member if member is not None else signed_in.member_id
        return PassportOut(
            certifications=tuple(certification_out(stamp) for stamp in passport.stamps(uow, whom)),
            technologies=tuple(_leave(each) for each in passport.leaves(uow, whom)),
        )


@get("/machines/{machine:int}/users", access=Right.SEE_ALL, sync_to_thread=True, tags=["certifications"])
def users(
    machine: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> tuple[UserOut, ...]:
    """The machine's passport: who may use it alone today, and at what level."""
    with database.read(signed_in.actor) as uow:
        return tuple(
            UserOut(
                member=found.id,
                name=found.name,
                level=held.level,
                ends_at=held.ends_at,
                supervised_left=held.supervised_left,
            )
            for found, held in passport.users_of(uow, machine)
        )


@post("/certifications", access=Right.SUBMIT, sync_to_thread=True, tags=["certifications"])
def grant(
    data: JSONBody[GrantIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> CertificationOut:
    """By a trainer for this technology or machine, or by the staff. What is held already begins anew."""

    def work(uow: UnitOfWork) -> CertificationOut:
        row = granting.grant(uow, data.member, data.technology, data.level, resource_id=data.machine)
        return certification_out(passport.stamp(uow, row.id))

    return database.write(work, signed_in.actor)


@post(
    "/certifications/{certification:int}/renew",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=["certifications"],
)
def renew(
    certification: FromPath[int],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> CertificationOut:
    def work(uow: UnitOfWork) -> CertificationOut:
        return certification_out(passport.stamp(uow, granting.renew(uow, certification).id))

    return database.write(work, signed_in.actor)


@post(
    "/certifications/{certification:int}/revoke",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=204,
    tags=["certifications"],
)
def revoke(
    certification: FromPath[int],
    data: JSONBody[WhyIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    """At once, for every door. The member is told why."""
    database.write(lambda uow: granting.revoke(uow, certification, data.why), signed_in.actor)


@post("/certifications/supervised", access=Right.SUBMIT, sync_to_thread=True, tags=["certifications"])
def supervised(
    data: JSONBody[SupervisedIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> SupervisedOut:
    """One more use under your eyes; until it ends the machine may be started."""

    def work(uow: UnitOfWork) -> SupervisedOut:
        row = granting.supervise(
            uow,
            data.member,
            data.technology,
            resource_id=data.machine,
            duration_s=data.duration_s,
            note=data.note,
        )
        return SupervisedOut(
            id=row.id,
            member=row.member_id,
            technology=row.technology,
            machine=row.resource_id,
            at=row.at,
            until_at=row.until_at,
        )

    return database.write(work, signed_in.actor)


@get("/rules", access=Access.SIGNED_IN, sync_to_thread=True, tags=["certifications"])
def rules(database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]) -> tuple[RulesOut, ...]:
    """The rules in force, in the version that is to be signed."""
    with database.read(signed_in.actor) as uow:
        return tuple(rules_out(row) for row in signing.newest(uow))


@get("/rules/{rules_id:int}", access=Access.SIGNED_IN, sync_to_thread=True, tags=["certifications"])
def rules_one(
    rules_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> RulesOut:
    """Any version, also one that is in force no more."""
    with database.read(signed_in.actor) as uow:
        return rules_out(signing.text(uow, rules_id))


@post("/rules", access=Right.MANAGE, sync_to_thread=True, tags=["certifications"])
def publish(
    data: JSONBody[RulesIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> RulesOut:
    """A new version. `sign_by`: from that day on everybody must have signed this one."""

    def work(uow: UnitOfWork) -> RulesOut:
        row = signing.publish(
            uow,
            data.technology,
            resource_id=data.machine,
            title_fr=data.title_fr,
            title_en=data.title_en,
            text_fr=data.text_fr,
            text_en=data.text_en,
            sign_by=data.sign_by,
        )
        return rules_out(row)

    return database.write(work, signed_in.actor)


@delete("/rules/{rules_id:int}", access=Right.MANAGE, sync_to_thread=True, tags=["certifications"])
def withdraw(
    rules_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> None:
    """In force no more, in any version; what was signed stays kept."""
    database.write(lambda uow: signing.withdraw(uow, rules_id), signed_in.actor)


@post("/rules/{rules_id:int}/sign", access=Access.SIGNED_IN, sync_to_thread=True, tags=["certifications"])
def sign(
    rules_id: FromPath[int],
    data: JSONBody[SignIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> SignatureOut:
    """One's name under the version in force."""

    def work(uow: UnitOfWork) -> SignatureOut:
        row = signing.sign(uow, rules_id, data.name, member_id=data.member, language=data.language)
        return signature_out(row, signing.text(uow, rules_id))

    return database.write(work, signed_in.actor)


@get("/signatures", access=Access.SIGNED_IN, sync_to_thread=True, tags=["certifications"])
def signatures(
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    member: FromQuery[int | None] = None,
) -> tuple[SignatureOut, ...]:
    """What one has signed, newest first: one's own, a child's, or anybody's for the staff."""
    with database.read(signed_in.actor) as uow:
        whom = member if member is not None else signed_in.member_id
        return tuple(signature_out(row, text) for row, text in signing.signatures_of(uow, whom))


def certification_out(stamp: Stamp) -> CertificationOut:
    return CertificationOut(
        id=stamp.id,
        member=stamp.member_id,
        technology=stamp.technology,
        machine=stamp.resource_id,
        level=stamp.level,
        granted_at=stamp.granted_at,
        granted_by=stamp.granted_by,
        ends_at=stamp.ends_at,
        end=stamp.end,
        over=stamp.over,
        supervised_left=stamp.supervised_left,
    )


def following_out(found: NextTraining | None) -> FollowingOut | None:
    if found is None:
        return None
    return FollowingOut(id=found.session_id, start_at=found.start_at, free=found.free)


def _leave(each: Leave) -> LeaveOut:
    held = each.held
    return LeaveOut(
        technology=each.technology,
        asks=each.asks,
        level=held.level if held is not None else None,
        ends_at=held.ends_at if held is not None else each.lapsed_at,
        lapse=each.lapse,
        supervised_left=held.supervised_left if held is not None else 0,
        unsigned=each.unsigned,
        training=following_out(each.following),
    )


def rules_out(row: RuleText) -> RulesOut:
    return RulesOut(
        id=row.id,
        technology=row.technology,
        machine=row.resource_id,
        version=row.version,
        title_fr=row.title_fr,
        title_en=row.title_en,
        text_fr=row.text_fr,
        text_en=row.text_en,
        sign_by=row.sign_by,
        published_at=row.published_at,
        withdrawn_at=row.withdrawn_at,
    )


def signature_out(row: RuleSignature, text: RuleText) -> SignatureOut:
    return SignatureOut(
        rules=row.rule_text_id,
        version=text.version,
        technology=text.technology,
        member=row.member_id,
        name=row.typed_name,
        signed_at=row.signed_at,
        witness=row.witness_id,
    )


ROUTES = (
    certifications,
    users,
    grant,
    renew,
    revoke,
    supervised,
    rules,
    rules_one,
    publish,
    withdraw,
    sign,
    signatures,
)
