"""Everything about one member on one page, and everything that is kept about them in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Table, and_, select

from fablab.base.database import Base, UnitOfWork
from fablab.base.errors import Fact
from fablab.money import subscriptions
from fablab.money.subscriptions import Subscription, SubscriptionTariff
from fablab.people import ages, documents, families, invitations, log, organisations, projects, standing
from fablab.people.log import Doing
from fablab.people.models import (
    Certification,
    Consent,
    ConsentKind,
    Invitation,
    Member,
    MemberDocument,
    OrganisationMember,
    Project,
)
from fablab.places import house

MOST_LINES = 40
MOST_ROWS = 5000

#: By which columns a row is about somebody. Where they only decided on something of another's, it is the other's.
ABOUT = ("member_id", "owner_id", "for_member_id", "holder_id", "parent_id", "from_id", "to_id")
#: What lets somebody in is never given out, also not to the one it lets in.
_SECRETS = ("hash", "secret", "csrf", "key", "recovery", "pin")
#: Rows that only slow down guessing, or that hold secrets and nothing else.
_LEFT_OUT = frozenset({"login_tries", "one_time_keys", "login_steps", "provider_trips"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    member: Member
    age: int | None
    consents: Mapping[ConsentKind, Consent | None]
    needs_consent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One member with all that belongs to them. `covering`: by which subscription they may use the lab today."""

    member: Member
    today: date
    age: int | None
    parent: Member | None
    children: Sequence[Child]
    as_child: Child | None
    seats: Sequence[OrganisationMember]
    projects: Sequence[Project]
    subscriptions: Sequence[Subscription]
    covering: Subscription | None
    due_cents: int
    tariffs: Sequence[SubscriptionTariff]
    documents: Sequence[MemberDocument]
    invitations: Sequence[Invitation]
    certifications: Sequence[Certification]
    log: Sequence[Doing]


def card(uow: UnitOfWork, member_id: int) -> Card:
    """For the member, a parent, and whoever sees everything."""
    member = standing.seen_by(uow, member_id)
    today = house.today(uow)
    return Card(
        member=member,
        today=today,
        age=_age(member, today),
        parent=uow.session.get(Member, member.parent_id) if member.parent_id is not None else None,
        children=tuple(_child(uow, each, today) for each in families.children_of(uow, member_id)),
        as_child=_child(uow, member, today) if member.parent_id is not None else None,
        seats=tuple(organisations.seats_of(uow, member_id)),
        projects=tuple(projects.projects_of(uow, member_id)),
        subscriptions=tuple(subscriptions.of_member(uow, member_id)),
        covering=subscriptions.covering(uow, member_id, today),
        due_cents=subscriptions.due_of(uow, member_id),
        tariffs=tuple(subscriptions.for_member(uow, member)),
        documents=tuple(documents.of_member(uow, member_id)),
        invitations=tuple(invitations.open_for(uow, member_id)) if member.email is not None else (),
        certifications=tuple(_certifications(uow, member_id)),
        log=tuple(log.about_member(uow, member_id, limit=MOST_LINES)),
    )


def _age(member: Member, today: date) -> int | None:
    return ages.age_on(member.born_on, today) if member.born_on is not None else None


def _child(uow: UnitOfWork, member: Member, today: date) -> Child:
    given = [row for row in families.consents_of(uow, member.id) if row.withdrawn_at is None]
    good = [row for row in given if row.expires_on is None or row.expires_on >= today]
    return Child(
        member=member,
        age=_age(member, today),
        consents={kind: next((row for row in good if row.kind is kind), None) for kind in ConsentKind},
        needs_consent=families.needs_consent(uow, member),
    )


def _certifications(uow: UnitOfWork, member_id: int) -> list[Certification]:
    query = select(Certification).where(
        Certification.member_id == member_id, Certification.revoked_at.is_(None)
    )
    return list(uow.session.scalars(query.order_by(Certification.granted_at.desc())))


def kept_about(uow: UnitOfWork, member_id: int) -> dict[str, list[dict[str, Fact]]]:
    """Every row of every table that is about them, by table: what article 15 of the GDPR gives people a right to see.

    The tables are asked of the schema, so that none can be forgotten. Secrets are left out, and what somebody did for
    others is the others'. At most the newest `MOST_ROWS` of a table.
    """
    standing.seen_by(uow, member_id)
    found = {"members": _rows(uow, Member.metadata.tables["members"], member_id)}
    for table in Base.metadata.sorted_tables:
        if table.name not in _LEFT_OUT and table.name != "members":
            rows = _rows(uow, table, member_id)
            if rows:
                found[table.name] = rows
    return found


def _rows(uow: UnitOfWork, table: Table, member_id: int) -> list[dict[str, Fact]]:
    if table.name == "members":
        condition = table.c.id == member_id
    else:
        names = [name for name in ABOUT if name in table.c and _points_at_members(table, name)]
        if not names:
            return []
        condition = and_(table.c[names[0]] == member_id)
        for name in names[1:]:
            condition = condition | (table.c[name] == member_id)
    columns = [c for c in table.c if not any(word in c.name for word in _SECRETS)]
    query = select(*columns).where(condition).limit(MOST_ROWS)
    order = [c for c in table.primary_key.columns if c in columns]
    if order:
        query = query.order_by(*(c.desc() for c in order))
    return [
        {name: _plain(value) for name, value in row._mapping.items()} for row in uow.session.execute(query)
    ]


def _points_at_members(table: Table, name: str) -> bool:
    return any(key.column.table.name == "members" for key in table.c[name].foreign_keys)


def _plain(value: object) -> Fact:
    """As JSON can say it."""
    if value is None or isinstance(value, str | int | float | bool):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(_without_secrets(value))


def _without_secrets(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: _without_secrets(each)
            for key, each in value.items()
            if not any(word in str(key) for word in _SECRETS)
        }
    if isinstance(value, list):
        return [_without_secrets(each) for each in value]
    return value
