"""What the rules know of the house that seldom changes: hours, closures, policies, terms, texts and lists.

It is read once and remembered, in the memory of the database that the composition root made; one small query tells
whether it is still so (`migrations.watching`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.intervals import Interval, Intervals
from fablab.claims.rules import policies
from fablab.claims.rules.asking import Closed, Policy
from fablab.claims.rules.models import MachineMaterial, Permission, RulesVersion
from fablab.people.certifications import texts
from fablab.people.certifications.models import CertificationTerms
from fablab.people.certifications.standing import Terms
from fablab.people.models import Audience
from fablab.places import house
from fablab.places.models import Closure, Resource, Technology

_MEMORY = "rules.known"
_VERSION = select(RulesVersion.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """`calendars` and `terms` by resource id, None for all others; `lists` by resource id."""

    zone: ZoneInfo
    calendars: Mapping[int | None, house.Calendar]
    closures: tuple[Closed, ...]
    policies: tuple[policies.Row, ...]
    terms: Mapping[tuple[Technology, int | None], Terms]
    texts: tuple[texts.Text, ...]
    lists: Mapping[int, Mapping[int, Permission]]
    _resolved: dict[object, Policy] = field(init=False, repr=False, compare=False, default_factory=dict)

    def policy(self, resource: Resource, audience: Audience | None) -> Policy:
        """What holds for one resource; worked out once."""
        key = (resource.id, resource.kind, resource.technology, audience)
        found = self._resolved.get(key)
        if found is None:
            found = policies.resolve(
                self.policies,
                resource_id=resource.id,
                kind=resource.kind,
                technology=resource.technology,
                audience=audience,
            )
            self._resolved[key] = found
        return found

    def calendar(self, resource_id: int) -> house.Calendar:
        return self.calendars.get(resource_id, self.calendars[None])

    def terms_for(self, technology: Technology, resource_id: int | None) -> Terms:
        """A machine's own terms replace those of its technology."""
        wide = self.terms.get((technology, None), Terms())
        return self.terms.get((technology, resource_id), wide)

    def hours(self, resource_id: int, start: datetime, end: datetime) -> tuple[Intervals, Intervals]:
        """Open and staffed in [start, end)."""
        calendar = self.calendar(resource_id)
        return calendar.open.between(start, end), calendar.staffed.between(start, end)

    def shut(self, start: datetime, end: datetime) -> tuple[Closed, ...]:
        window = Interval(start, end)
        return tuple(closed for closed in self.closures if closed.span.overlaps(window))


def known(uow: UnitOfWork) -> Known:
    ahead: Known | None = uow.ahead.get(_MEMORY)
    if ahead is not None:
        return ahead
    version = uow.session.scalars(_VERSION).one()
    remembered = uow.memory.get(_MEMORY)
    if remembered is not None and remembered[0] == version:
        found: Known = remembered[1]
        return found
    found = _read(uow)
    uow.memory[_MEMORY] = (version, found)
    return found


def known_ahead(uow: UnitOfWork) -> None:
    """Once for the whole transaction."""
    uow.ahead[_MEMORY] = known(uow)


def _read(uow: UnitOfWork) -> Known:
    rows = uow.session.execute(select(Closure.name, Closure.start_at, Closure.end_at))
    closures = tuple(Closed(name=name, span=Interval(start, end)) for name, start, end in rows)
    calendars = house.calendars(uow)
    return Known(
        zone=calendars[None].zone,
        calendars=calendars,
        closures=closures,
        policies=tuple(policies.rows(uow)),
        terms=_terms(uow),
        texts=texts.published(uow),
        lists=_lists(uow),
    )


def _terms(uow: UnitOfWork) -> dict[tuple[Technology, int | None], Terms]:
    return {
        (row.technology, row.resource_id): Terms(
            valid_days=row.valid_days,
            disuse_days=row.disuse_days,
            supervised_uses=row.supervised_uses,
            remind_days=row.remind_days,
        )
        for row in uow.session.scalars(select(CertificationTerms))
    }


def _lists(uow: UnitOfWork) -> dict[int, dict[int, Permission]]:
    found: dict[int, dict[int, Permission]] = {}
    columns = (MachineMaterial.resource_id, MachineMaterial.material_id, MachineMaterial.permission)
    for resource_id, material_id, permission in uow.session.execute(select(*columns)):
        found.setdefault(resource_id, {})[material_id] = permission
    return found
