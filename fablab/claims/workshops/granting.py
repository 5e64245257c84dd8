"""A workshop that grants a technology becomes a training: its date, its seats and what it holds are the catalogue's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.claims.trainings.use import MOST_PLACES, Plan
from fablab.claims.workshops import catalogue, public
from fablab.claims.workshops.offer import in_language
from fablab.places.models import ResourceKind, Technology


def training_of(
    uow: UnitOfWork,
    workshop_id: int,
    start_at: datetime,
    *,
    holds: Sequence[int] | None = None,
    trainer_id: int | None = None,
    resource_id: int | None = None,
) -> Plan:
    """What `trainings.create` is given. `holds` None: the first of all it needs that is free then, but for the person:
    that one is the trainer. `resource_id`: the one machine it certifies for; None: all of the technology.

    Raises `Invalid` workshop.grants for one that grants nothing; `Conflict` agenda.no_* where something is missing.
    """
    row = catalogue.get(uow, workshop_id)
    if row.grants is None:
        raise Invalid("workshop.grants", field="workshop")
    end_at = start_at + timedelta(minutes=row.duration_min)
    if holds is None:
        holds = public.holds_for(uow, row, start_at, end_at)
        people = {each.id for each in public.holdable(uow) if each.kind is ResourceKind.PERSON}
        holds = [id_ for id_ in holds if id_ not in people]
    return Plan(
        technology=Technology(row.grants),
        start_at=start_at,
        end_at=end_at,
        places=min(row.most_people, MOST_PLACES),
        resource_id=resource_id,
        trainer_id=trainer_id,
        holds=tuple(holds),
        note=in_language(row.title, "fr")[:500],
    )
