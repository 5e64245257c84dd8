"""Which policy holds where and for whom: the most specific row that says something, column by column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.claims.rules.asking import Policy, Quota, Scope
from fablab.claims.rules.models import Overrun, Presence, ReservationPolicy
from fablab.people.models import Audience
from fablab.places.models import Resource, ResourceKind, Technology

_PLAIN = (
    "lead_s",
    "horizon_s",
    "shortest_s",
    "longest_s",
    "gap_s",
    "presence",
    "subscription",
    "approval",
    "grace_s",
    "cancel_s",
    "overrun",
    "least_age",
    "consent_age",
    "alone_age",
)
_QUOTAS = {"weekly": "weekly_s", "concurrent": "concurrent"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of `reservation_policies`, frozen; a field that is None says nothing."""

    scope: Scope
    audience: Audience | None
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


def resolve(
    rows: Iterable[Row],
    *,
    resource_id: int,
    kind: ResourceKind,
    technology: Technology | None,
    audience: Audience | None,
) -> Policy:
    """Pure. A resource's own row goes before its technology's, that before its kind's, that before the house's; of two
    as specific, the audience's own goes first. An age of 0 lifts the house's limit."""

    def is_about(row: Row) -> bool:
        scope = row.scope
        return (
            scope.resource_id in (None, resource_id)
            and scope.technology in (None, technology)
            and scope.kind in (None, kind)
            and row.audience in (None, audience)
        )

    ordered = sorted(filter(is_about, rows), key=_specific, reverse=True)
    changes: dict[str, Any] = {}
    for name in _PLAIN:
        said = [getattr(row, name) for row in ordered if getattr(row, name) is not None]
        if said:
            changes[name] = said[0]
    for name, column in _QUOTAS.items():
        quotas = [
            Quota(most=getattr(row, column), scope=row.scope)
            for row in ordered
            if getattr(row, column) is not None
        ]
        if quotas:
            changes[name] = quotas[0]
    return replace(Policy(), **changes)


def of_house(rows: Iterable[Row], audience: Audience | None) -> Policy:
    """What holds where no resource is in question."""
    wide = [row for row in rows if row.scope == Scope()]
    return resolve(wide, resource_id=0, kind=ResourceKind.ROOM, technology=None, audience=audience)


def _specific(row: Row) -> tuple[bool, bool, bool, bool]:
    scope = row.scope
    return (
        scope.resource_id is not None,
        scope.technology is not None,
        scope.kind is not None,
        row.audience is not None,
    )


def rows(uow: UnitOfWork) -> list[Row]:
    """All of them, in one query."""
    return [_frozen(row) for row in uow.session.scalars(select(ReservationPolicy))]


def policy_for(
    uow: UnitOfWork,
    resource: Resource,
    audience: Audience | None = None,
    *,
    known: Sequence[Row] | None = None,
) -> Policy:
    """What holds for one resource; `known` spares the query where there are many."""
    return resolve(
        rows(uow) if known is None else known,
        resource_id=resource.id,
        kind=resource.kind,
        technology=resource.technology,
        audience=audience,
    )


def _frozen(row: ReservationPolicy) -> Row:
    scope = Scope(kind=row.kind, technology=row.technology, resource_id=row.resource_id)
    said = {name: getattr(row, name) for name in (*_PLAIN, *_QUOTAS.values())}
    return Row(scope=scope, audience=row.audience, **said)
