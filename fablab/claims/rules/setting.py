"""Setting the rules: policies row by row, and what a machine may be fed. For those who manage the house."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid, NotFound
from fablab.claims.rules.asking import Scope
from fablab.claims.rules.models import (
    PAUSABLE,
    MachineMaterial,
    Overrun,
    Permission,
    Presence,
    ReservationPolicy,
)
from fablab.people import log
from fablab.people.access import Right, require
from fablab.people.models import Audience
from fablab.places.models import Material, Resource

Value = int | bool | Presence | Overrun | None

#: Column -> the least and the most it may say; `*_s` in seconds.
NUMBERS: Mapping[str, tuple[int, int]] = {
    "lead_s": (0, 90 * 86400),
    "horizon_s": (3600, 3 * 365 * 86400),
    "shortest_s": (60, 86400),
    "longest_s": (300, 31 * 86400),
    "gap_s": (0, 31 * 86400),
    "weekly_s": (0, 7 * 86400),
    "concurrent": (0, 1000),
    "grace_s": (60, 86400),
    "cancel_s": (0, 31 * 86400),
    "least_age": (0, 99),
    "consent_age": (0, 18),
    "alone_age": (0, 18),
}
SWITCHES = ("subscription", "approval")
WORDS = {"presence": Presence, "overrun": Overrun}
COLUMNS = (*NUMBERS, *SWITCHES, *WORDS)


def set_policy(
    uow: UnitOfWork, scope: Scope, audience: Audience | None, said: Mapping[str, Value]
) -> ReservationPolicy:
    """The whole row of this scope and audience: what is not `said` says nothing any more, and a wider row is asked.

    Raises `Invalid` policy.scope, policy.number, policy.empty, policy.span, policy.no_pause with the field.
    """
    require(uow.actor, Right.MANAGE)
    _check_scope(uow, scope)
    values = {column: said.get(column) for column in COLUMNS}
    _check_values(values)
    if values["overrun"] is Overrun.PAUSE:
        _check_pause(uow, scope)
    row = _exact(uow, scope, audience)
    if row is None:
        row = ReservationPolicy(
            kind=scope.kind, technology=scope.technology, resource_id=scope.resource_id, audience=audience
        )
        uow.session.add(row)
    before = {column: getattr(row, column) for column in COLUMNS}
    for column, value in values.items():
        setattr(row, column, value)
    row.set_at, row.set_by_id = uow.now, uow.actor.member_id
    uow.session.flush()
    changed = ", ".join(
        f"{column}={_said(values[column])}" for column in COLUMNS if before[column] != values[column]
    )
    log.record(uow, "policy.set", about=f"policy {row.id}", changed=changed[:500])
    uow.raise_event("rules", "policies", "changed")
    return row


def drop_policy(uow: UnitOfWork, policy_id: int) -> None:
    require(uow.actor, Right.MANAGE)
    row = policy(uow, policy_id)
    uow.session.delete(row)
    log.record(uow, "policy.dropped", about=f"policy {policy_id}")
    uow.raise_event("rules", "policies", "changed")


def policy(uow: UnitOfWork, policy_id: int) -> ReservationPolicy:
    row = uow.session.get(ReservationPolicy, policy_id)
    if row is None:
        raise NotFound("policy.unknown", id=policy_id)
    return row


def all_policies(uow: UnitOfWork) -> list[ReservationPolicy]:
    """From the house to single resources."""
    rows = uow.session.scalars(select(ReservationPolicy))
    return sorted(
        rows,
        key=lambda row: (
            row.resource_id or 0,
            row.technology or "",
            row.kind or "",
            row.audience or "",
        ),
    )


def list_material(
    uow: UnitOfWork, resource_id: int, material_id: int, permission: Permission | None, note: str = ""
) -> None:
    """What a machine's list says of a material; None takes it off the list. With its first line a machine has a list,
    and takes nothing else without two people's leave."""
    require(uow.actor, Right.MANAGE)
    resource = uow.session.get(Resource, resource_id)
    if resource is None or resource.machine is None:
        raise NotFound("machine.unknown", id=resource_id)
    material = uow.session.get(Material, material_id)
    if material is None or material.technology is not resource.technology:
        raise Invalid("material.other_technology", field="material", machine=resource.name)
    row = uow.session.get(MachineMaterial, (resource_id, material_id))
    if permission is None:
        if row is not None:
            uow.session.delete(row)
    elif row is None:
        uow.session.add(
            MachineMaterial(
                resource_id=resource_id, material_id=material_id, permission=permission, note=_line(note)
            )
        )
    else:
        row.permission, row.note = permission, _line(note)
    uow.session.flush()
    said = permission.value if permission is not None else None
    log.record(
        uow, "material.listed", about=f"machine {resource_id}", material=material.code, permission=said
    )
    uow.raise_event("rules", "materials", "changed")


def lists(uow: UnitOfWork, resource_id: int) -> list[MachineMaterial]:
    query = select(MachineMaterial).where(MachineMaterial.resource_id == resource_id)
    return list(uow.session.scalars(query.order_by(MachineMaterial.material_id)))


def _check_scope(uow: UnitOfWork, scope: Scope) -> None:
    """One of them at the most: a resource has its kind and its technology already."""
    said = [part for part in (scope.kind, scope.technology, scope.resource_id) if part is not None]
    if len(said) > 1:
        raise Invalid("policy.scope", field="scope")
    if scope.resource_id is not None and uow.session.get(Resource, scope.resource_id) is None:
        raise NotFound("resource.unknown", id=scope.resource_id)


def _check_pause(uow: UnitOfWork, scope: Scope) -> None:
    """A beam is not left standing over a cut, nor a spindle in it: there the policy is not to be had."""
    technology = scope.technology
    if scope.resource_id is not None:
        technology = uow.session.get_one(Resource, scope.resource_id).technology
    if technology is not None and technology not in PAUSABLE:
        raise Invalid("policy.no_pause", field="overrun", technology=technology.value)


def _check_values(values: Mapping[str, Value]) -> None:
    if all(value is None for value in values.values()):
        raise Invalid("policy.empty", field="lead_s")
    for column, (least, most) in NUMBERS.items():
        value = values[column]
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Invalid("policy.number", field=column, least=least, most=most)
    shortest, longest = values["shortest_s"], values["longest_s"]
    if isinstance(shortest, int) and isinstance(longest, int) and shortest > longest:
        raise Invalid("policy.span", field="longest_s")


def _exact(uow: UnitOfWork, scope: Scope, audience: Audience | None) -> ReservationPolicy | None:
    for row in uow.session.scalars(select(ReservationPolicy)):
        own = Scope(kind=row.kind, technology=row.technology, resource_id=row.resource_id)
        if own == scope and row.audience is audience:
            return row
    return None


def _said(value: Value) -> str:
    return "-" if value is None else str(value)


def _line(said: str) -> str:
    return " ".join(said.split())[:300]
