"""What a partner's part of the house was used for, by whom it was for, and what was charged for it. Read only.

An hour counts once for each resource that was held; a charge counts where the thing it was paid for belongs to the
partner, line by line, and a session's wholly for the partner whose workshop it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.claims import parts
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind
from fablab.claims.workshops.models import Session, Workshop
from fablab.money.models import Charge
from fablab.money.passes import Pass
from fablab.people import partners
from fablab.people.models import Audience
from fablab.places import house
from fablab.places.models import Resource


@dataclass(slots=True)
class Line:
    """Of one resource, or of one audience: how often, how long, and what was charged for it, in cents."""

    name: str
    uses: int = 0
    hours: float = 0.0
    charged_cents: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """From `first_day` to `last_day`, both included. `sold_cents`: of passes; `due_cents`: of that still to be paid."""

    first_day: date
    last_day: date
    by_resource: tuple[Line, ...]
    by_audience: Mapping[Audience, Line]
    hours: float
    charged_cents: int
    passes: int
    sold_cents: int
    due_cents: int


@dataclass(slots=True)
class _Sums:
    by_resource: dict[int, Line]
    by_audience: dict[Audience, Line] = field(default_factory=dict)
    elsewhere: Line = field(default_factory=lambda: Line(name=""))

    def audience(self, audience: Audience | None) -> Line:
        if audience is None:
            return Line(name="")
        return self.by_audience.setdefault(audience, Line(name=audience.value))


def report(uow: UnitOfWork, partner_id: int, first_day: date, last_day: date) -> Report:
    """Raises as `partners.require_sight`."""
    partners.require_sight(uow, partner_id)
    zone = house.zone(uow)
    begin, end = house.midnights(first_day, zone)[0], house.midnights(last_day, zone)[1]
    things = things_of(uow, partner_id)
    sums = _Sums({row.id: Line(name=row.name) for row in things})
    for place, claim in _used(uow, set(sums.by_resource), begin, min(end, uow.now)):
        hours = (min(place.end_at, end) - max(place.start_at, begin)).total_seconds() / 3600
        for line in (sums.by_resource[place.resource_id], sums.audience(claim.audience)):
            line.uses, line.hours = line.uses + 1, line.hours + hours
    charged = 0
    for charge, amounts in charges_of(uow, partner_id, begin, end):
        for resource_id, cents in amounts.items():
            sums.by_resource.get(resource_id, sums.elsewhere).charged_cents += cents
        sums.audience(charge.audience).charged_cents += sum(amounts.values())
        charged += sum(amounts.values())
    sold = _sold(uow, partner_id, begin, end)
    return Report(
        first_day=first_day,
        last_day=last_day,
        by_resource=tuple(sums.by_resource.values()),
        by_audience={each: sums.by_audience[each] for each in Audience if each in sums.by_audience},
        hours=sum(line.hours for line in sums.by_resource.values()),
        charged_cents=charged,
        passes=len(sold),
        sold_cents=sum(row.price_cents for row in sold),
        due_cents=sum(row.due_cents for row in sold),
    )


def things_of(uow: UnitOfWork, partner_id: int) -> list[Resource]:
    """All that it has or has had: what is retired stands in the reports too."""
    active = {row.id for row in parts.of(uow, partner_id)}
    rows = list(uow.session.scalars(select(Resource).where(Resource.partner_id == partner_id)).unique())
    return sorted(rows, key=lambda row: (row.id not in active, row.id))


def charges_of(
    uow: UnitOfWork, partner_id: int, begin: datetime, end: datetime
) -> list[tuple[Charge, dict[int, int]]]:
    """The charges of [begin, end) that are the partner's, each with what of it is for which of its resources (0: for none
    of them, as a workshop's)."""
    partners.require_sight(uow, partner_id)
    mine = {row.id for row in things_of(uow, partner_id)}
    offered = select(Session.id).join(Workshop, Workshop.id == Session.workshop_id)
    sessions = set(uow.session.scalars(offered.where(Workshop.partner_id == partner_id)))
    others = set(uow.session.scalars(select(Session.id))) - sessions
    held = select(Allocation.claim_id).where(Allocation.resource_id.in_(mine))
    query = select(Charge).where(
        Charge.made_at >= begin,
        Charge.made_at < end,
        Charge.claim_id.in_(held) | Charge.claim_id.in_(sessions),
    )
    found: list[tuple[Charge, dict[int, int]]] = []
    for charge in uow.session.scalars(query.order_by(Charge.id)):
        if charge.claim_id in sessions:
            found.append((charge, {0: charge.total_cents}))
        elif charge.claim_id not in others and (amounts := _shared(uow, charge, mine)):
            found.append((charge, amounts))
    return found


def _shared(uow: UnitOfWork, charge: Charge, mine: set[int]) -> dict[int, int]:
    """What of a charge's lines is for the partner's own: by the line's resource, or the claim's where a line names none."""
    found: dict[int, int] = {}
    held = select(Allocation.resource_id).where(Allocation.claim_id == charge.claim_id)
    first = min(uow.session.scalars(held), default=None)
    for line in charge.lines:
        said = line.get("resource_id")
        resource_id = said if isinstance(said, int) else first
        cents = line.get("amount_cents")
        if resource_id in mine and isinstance(cents, int) and resource_id is not None:
            found[resource_id] = found.get(resource_id, 0) + cents
    return found


def _used(
    uow: UnitOfWork, resource_ids: set[int], begin: datetime, end: datetime
) -> list[tuple[Allocation, Claim]]:
    """What was held for good and has begun; outages are no use."""
    query = (
        select(Allocation, Claim)
        .join(Claim, Claim.id == Allocation.claim_id)
        .where(
            Allocation.resource_id.in_(resource_ids),
            Allocation.state == AllocationState.FIRM,
            Allocation.start_at < end,
            Allocation.end_at > begin,
            Claim.kind != ClaimKind.OUTAGE,
        )
        .order_by(Allocation.start_at, Allocation.id)
    )
    return [(place, claim) for place, claim in uow.session.execute(query)]


def _sold(uow: UnitOfWork, partner_id: int, begin: datetime, end: datetime) -> list[Pass]:
    query = select(Pass).where(
        Pass.partner_id == partner_id,
        Pass.made_at >= begin,
        Pass.made_at < end,
        Pass.cancelled_at.is_(None),
    )
    return list(uow.session.scalars(query.order_by(Pass.id)))
