"""The rules of the house: what stands against something, who lets it pass, and the policies behind it."""

from __future__ import annotations

import msgspec
from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Invalid
from fablab.claims.rules import Act, Asked, explain_choices, gate, needs_two, setting, waivers
from fablab.claims.rules.asking import Scope
from fablab.claims.rules.judging import whom
from fablab.claims.rules.models import Overrun, Permission, Presence, ReservationPolicy, Waiver
from fablab.people.access import SignedIn
from fablab.people.certifications import terms
from fablab.people.certifications.models import CertificationTerms
from fablab.people.models import Audience
from fablab.places.models import ResourceKind, Technology
from web.api.answer import instant
from web.api.schema import At
from web.errors import SaidRefusal, said_refusals
from web.security import Access, Right
from web.words import Words


class GateOut(msgspec.Struct, frozen=True, kw_only=True):
    """`open`: it may be started; otherwise `refusals` says everything that stands against it."""

    open: bool
    refusals: tuple[SaidRefusal, ...]


class ChoicesIn(msgspec.Struct, frozen=True, kw_only=True):
    """What would be asked for, of each of the resources alone. Instants are ISO 8601 with a zone."""

    resources: tuple[int, ...]
    start_at: str
    end_at: str
    act: Act = Act.RESERVE
    alone_from: str | None = None
    member: int | None = None


class ChoiceOut(msgspec.Struct, frozen=True, kw_only=True):
    resource: int
    refusals: tuple[SaidRefusal, ...]


class WaiverIn(msgspec.Struct, frozen=True, kw_only=True):
    """For a claim, or for a member until `until_at`; on one `resource`, or on all it asks for."""

    code: str
    member: int
    why: str
    claim: str | None = None
    resource: int | None = None
    until_at: str | None = None


class WaiverOut(msgspec.Struct, frozen=True, kw_only=True):
    """`counts`: of a rule of safety only once a second person has agreed (`second_by`)."""

    id: int
    code: str
    member: int
    claim: str | None
    resource: int | None
    why: str
    by: int
    at: At
    second_by: int | None
    until_at: At | None
    counts: bool


class PolicyIn(msgspec.Struct, frozen=True, kw_only=True):
    """At most one of `kind`, `technology` and `resource`; null says nothing, and a wider policy is asked."""

    kind: ResourceKind | None = None
    technology: Technology | None = None
    resource: int | None = None
    audience: Audience | None = None
    lead_s: int | None = None
    horizon_s: int | None = None
    shortest_s: int | None = None
    longest_s: int | None = None
    gap_s: int | None = None
    weekly_s: int | None = None
    concurrent: int | None = None
    presence: Presence | None = None
    subscription: bool | None = None
    approval: bool | None = None
    grace_s: int | None = None
    cancel_s: int | None = None
    overrun: Overrun | None = None
    least_age: int | None = None
    consent_age: int | None = None
    alone_age: int | None = None


class PolicyOut(PolicyIn, frozen=True, kw_only=True):
    id: int


class TermsIn(msgspec.Struct, frozen=True, kw_only=True):
    technology: Technology
    machine: int | None = None
    valid_days: int | None = None
    disuse_days: int | None = None
    supervised_uses: int = 0
    remind_days: int = 30


class TermsOut(TermsIn, frozen=True, kw_only=True):
    id: int


class MaterialIn(msgspec.Struct, frozen=True, kw_only=True):
    """`permission` null takes it off the list."""

    material: int
    permission: Permission | None
    note: str = ""


class MaterialOut(msgspec.Struct, frozen=True, kw_only=True):
    material: int
    permission: Permission
    note: str


@get("/machines/{machine:int}/gate", access=Access.SIGNED_IN, sync_to_thread=True, tags=["rules"])
def start_gate(
    machine: FromPath[int],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
    member: FromQuery[int | None] = None,
    claim: FromQuery[str | None] = None,
) -> GateOut:
    """Whether one may start this machine now, for a use in person or for a `claim`: oneself, a child, or, for the staff,
    anybody."""
    with database.read(signed_in.actor) as uow:
        found = gate(uow, machine, member, claim_id=claim)
    return GateOut(open=not found, refusals=said_refusals(words, found))


@post("/choices", access=Access.SIGNED_IN, sync_to_thread=True, status_code=200, tags=["rules"])
def choices(
    data: JSONBody[ChoicesIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> tuple[ChoiceOut, ...]:
    """Of each resource why it cannot be chosen; no refusals: it can, as far as the rules go."""
    start, end = instant(data.start_at, "start_at"), instant(data.end_at, "end_at")
    if start is None or end is None:
        raise Invalid("time.wrong", field="start_at" if start is None else "end_at", text="")
    with database.read(signed_in.actor) as uow:
        asked = Asked(
            act=data.act,
            member_id=whom(uow, data.member),
            resource_ids=data.resources,
            start_at=start,
            end_at=end,
            alone_from=instant(data.alone_from, "alone_from"),
        )
        found = explain_choices(uow, asked)
    return tuple(
        ChoiceOut(resource=resource, refusals=said_refusals(words, refusals))
        for resource, refusals in found.items()
    )


@get("/waivers", access=Right.OPERATE, sync_to_thread=True, tags=["rules"])
def waivers_list(
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    claim: FromQuery[str | None] = None,
) -> tuple[WaiverOut, ...]:
    """Those of a claim, or those that wait for a second person."""
    with database.read(signed_in.actor) as uow:
        found = waivers.of_claim(uow, claim) if claim else waivers.pending(uow)
        return tuple(waiver_out(row) for row in found)


@post("/waivers", access=Right.OPERATE, sync_to_thread=True, tags=["rules"])
def waive(
    data: JSONBody[WaiverIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> WaiverOut:
    """Let one refusal pass, and say why. Of a rule of safety somebody else has to say so too."""
    until_at = instant(data.until_at, "until_at")

    def work(uow: UnitOfWork) -> WaiverOut:
        row = waivers.waive(
            uow,
            data.code,
            member_id=data.member,
            why=data.why,
            claim_id=data.claim,
            resource_id=data.resource,
            until_at=until_at,
        )
        return waiver_out(row)

    return database.write(work, signed_in.actor)


@post(
    "/waivers/{waiver:int}/second", access=Right.OPERATE, sync_to_thread=True, status_code=200, tags=["rules"]
)
def second(
    waiver: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> WaiverOut:
    """The second person agrees."""
    return database.write(lambda uow: waiver_out(waivers.second(uow, waiver)), signed_in.actor)


@delete("/waivers/{waiver:int}", access=Right.OPERATE, sync_to_thread=True, tags=["rules"])
def withdraw(
    waiver: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> None:
    """From now on it counts no more; that it once did stays written."""
    database.write(lambda uow: waivers.withdraw(uow, waiver), signed_in.actor)


@get("/policies", access=Right.OPERATE, sync_to_thread=True, tags=["rules"])
def policies(
    database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> tuple[PolicyOut, ...]:
    """From the house to single resources; the most specific that says something holds, field by field."""
    with database.read(signed_in.actor) as uow:
        return tuple(policy_out(row) for row in setting.all_policies(uow))


@put("/policies", access=Right.MANAGE, sync_to_thread=True, tags=["rules"])
def set_policy(
    data: JSONBody[PolicyIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> PolicyOut:
    """The whole row for this scope and audience."""
    scope = Scope(kind=data.kind, technology=data.technology, resource_id=data.resource)
    said = {column: getattr(data, column) for column in setting.COLUMNS}

    def work(uow: UnitOfWork) -> PolicyOut:
        return policy_out(setting.set_policy(uow, scope, data.audience, said))

    return database.write(work, signed_in.actor)


@delete("/policies/{policy:int}", access=Right.MANAGE, sync_to_thread=True, tags=["rules"])
def drop_policy(
    policy: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> None:
    database.write(lambda uow: setting.drop_policy(uow, policy), signed_in.actor)


@get("/terms", access=Right.OPERATE, sync_to_thread=True, tags=["rules"])
def terms_list(
    database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> tuple[TermsOut, ...]:
    """How long certifications last, and what comes first."""
    with database.read(signed_in.actor) as uow:
        return tuple(terms_out(row) for row in terms.all_terms(uow))


@put("/terms", access=Right.MANAGE, sync_to_thread=True, tags=["rules"])
def set_terms(
    data: JSONBody[TermsIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> TermsOut:
    def work(uow: UnitOfWork) -> TermsOut:
        row = terms.set_terms(
            uow,
            data.technology,
            resource_id=data.machine,
            valid_days=data.valid_days,
            disuse_days=data.disuse_days,
            supervised_uses=data.supervised_uses,
            remind_days=data.remind_days,
        )
        return terms_out(row)

    return database.write(work, signed_in.actor)


@delete("/terms/{terms_id:int}", access=Right.MANAGE, sync_to_thread=True, tags=["rules"])
def drop_terms(
    terms_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> None:
    database.write(lambda uow: terms.drop_terms(uow, terms_id), signed_in.actor)


@get("/machines/{machine:int}/materials", access=Access.SIGNED_IN, sync_to_thread=True, tags=["rules"])
def materials(
    machine: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> tuple[MaterialOut, ...]:
    """The machine's list; empty: it has none."""
    with database.read(signed_in.actor) as uow:
        return tuple(
            MaterialOut(material=row.material_id, permission=row.permission, note=row.note)
            for row in setting.lists(uow, machine)
        )


@put(
    "/machines/{machine:int}/materials",
    access=Right.MANAGE,
    sync_to_thread=True,
    status_code=204,
    tags=["rules"],
)
def list_material(
    machine: FromPath[int],
    data: JSONBody[MaterialIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    """With its first line a machine has a list, and takes nothing else without two people's leave."""
    database.write(
        lambda uow: setting.list_material(uow, machine, data.material, data.permission, data.note),
        signed_in.actor,
    )


def waiver_out(row: Waiver) -> WaiverOut:
    return WaiverOut(
        id=row.id,
        code=row.code,
        member=row.member_id,
        claim=row.claim_id,
        resource=row.resource_id,
        why=row.why,
        by=row.by_id,
        at=row.at,
        second_by=row.second_by_id,
        until_at=row.until_at,
        counts=row.second_by_id is not None or not needs_two(row.code),
    )


def policy_out(row: ReservationPolicy) -> PolicyOut:
    said = {column: getattr(row, column) for column in setting.COLUMNS}
    return PolicyOut(
        id=row.id,
        kind=row.kind,
        technology=row.technology,
        resource=row.resource_id,
        audience=row.audience,
        **said,
    )


def terms_out(row: CertificationTerms) -> TermsOut:
    return TermsOut(
        id=row.id,
        technology=row.technology,
        machine=row.resource_id,
        valid_days=row.valid_days,
        disuse_days=row.disuse_days,
        supervised_uses=row.supervised_uses,
        remind_days=row.remind_days,
    )


ROUTES = (
    start_gate,
    choices,
    waivers_list,
    waive,
    second,
    withdraw,
    policies,
    set_policy,
    drop_policy,
    terms_list,
    set_terms,
    drop_terms,
    materials,
    list_material,
)
