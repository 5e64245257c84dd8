"""The gang of a date: which resource for which need of the workshop, all of them at once; how it is checked and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.claims.calendar import Place
from fablab.claims.models import Claim, Need
from fablab.claims.workshops.models import SessionOffer, Workshop
from fablab.claims.workshops.offer import Want, wants
from fablab.claims.workshops.words import OfferState
from fablab.places.models import Resource

LONGEST = timedelta(days=2)
FARTHEST = timedelta(days=550)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One resource of a gang, for the workshop's need with this number, counted from 0."""

    need: int
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A date with its whole gang. `start_at`, `end_at`: of the workshop itself; the places begin before and end after, by
    the set-up and the clearing. `reasons`: why this date, each `{"code", "facts"}`."""

    start_at: datetime
    end_at: datetime
    spots: tuple[Spot, ...]
    reasons: tuple[Mapping[str, object], ...] = ()


def spots(workshop: Workshop, start_at: datetime, resource_ids: Sequence[Sequence[int]]) -> tuple[Spot, ...]:
    """The gang of these resources, by need, each from the set-up to the clearing of the workshop."""
    end_at = start_at + timedelta(minutes=workshop.duration_min)
    setup, clear = timedelta(minutes=workshop.setup_min), timedelta(minutes=workshop.clear_min)
    return tuple(
        Spot(
            need=need,
            place=Place(
                resource_id=resource_id,
                start_at=start_at - setup,
                run_start_at=start_at,
                run_end_at=end_at,
                end_at=end_at + clear,
            ),
        )
        for need, ids in enumerate(resource_ids)
        for resource_id in ids
    )


def proposal_of(offer: SessionOffer) -> Proposal:
    """A date as it was proposed."""
    return Proposal(
        start_at=offer.start_at,
        end_at=offer.end_at,
        spots=tuple(_read(row) for row in offer.places),
        reasons=tuple(offer.reasons),
    )


def offer_row(uow: UnitOfWork, session_id: str, rank: int, proposal: Proposal) -> SessionOffer:
    return SessionOffer(
        session_id=session_id,
        rank=rank,
        start_at=proposal.start_at,
        end_at=proposal.end_at,
        places=[_stored(spot) for spot in proposal.spots],
        reasons=[dict(row) for row in proposal.reasons],
        state=OfferState.PROPOSED,
        made_at=uow.now,
    )


def _stored(spot: Spot) -> dict[str, object]:
    place = spot.place
    return {
        "need": spot.need,
        "resource_id": place.resource_id,
        "start_at": place.start_at.isoformat(),
        "run_start_at": place.run_start_at.isoformat(),
        "run_end_at": place.run_end_at.isoformat(),
        "end_at": place.end_at.isoformat(),
    }


def _read(row: Mapping[str, object]) -> Spot:
    def at(name: str) -> datetime:
        return datetime.fromisoformat(str(row[name]))

    place = Place(
        resource_id=int(str(row["resource_id"])),
        start_at=at("start_at"),
        run_start_at=at("run_start_at"),
        run_end_at=at("run_end_at"),
        end_at=at("end_at"),
    )
    return Spot(need=int(str(row["need"])), place=place)


def set_date(claim: Claim, proposal: Proposal) -> None:
    claim.release_at = min((spot.place.start_at for spot in proposal.spots), default=proposal.start_at)
    claim.due_at = max((spot.place.end_at for spot in proposal.spots), default=proposal.end_at)
    claim.estimate_s = round((proposal.end_at - proposal.start_at).total_seconds())


def put_needs(uow: UnitOfWork, claim: Claim, chosen: Sequence[Spot]) -> list[Place]:
    """The claim's needs are those of the workshop as they are met here; those of an earlier date go."""
    drop_needs(uow, claim, list(claim.needs))
    return add_needs(uow, claim, chosen)


def add_needs(uow: UnitOfWork, claim: Claim, chosen: Sequence[Spot]) -> list[Place]:
    rows: dict[int, Need] = {}
    for number in sorted({spot.need for spot in chosen}):
        ids = [spot.place.resource_id for spot in chosen if spot.need == number]
        rows[number] = Need(claim_id=claim.id, quantity=len(set(ids)), eligible=ids)
    uow.session.add_all(rows.values())
    uow.session.flush()
    return [replace(spot.place, need_id=rows[spot.need].id) for spot in chosen]


def drop_needs(uow: UnitOfWork, claim: Claim, rows: Sequence[Need]) -> None:
    """No place refers to them any more."""
    for row in rows:
        uow.session.delete(row)
    uow.session.flush()
    uow.session.expire(claim, ["needs", "allocations"])


def check(uow: UnitOfWork, workshop: Workshop, proposal: Proposal) -> None:
    """A date to come, and a gang that meets every need of the workshop, each resource once and there all the time."""
    start, end = proposal.start_at, proposal.end_at
    if not uow.now < start < end or end - start > LONGEST or start > uow.now + FARTHEST:
        raise Invalid("session.dates", field="start_at")
    wanted = wants(workshop.needs)
    ids = [spot.place.resource_id for spot in proposal.spots]
    query = select(Resource).where(Resource.id.in_(ids), Resource.active)
    known = {row.id: row for row in uow.session.scalars(query).unique()}
    if len(set(ids)) != len(ids) or len(known) != len(ids):
        raise Invalid("session.gang", field="places")
    for spot in proposal.spots:
        place = spot.place
        is_there = place.start_at <= start and place.end_at >= end
        if not 0 <= spot.need < len(wanted) or not is_there:
            raise Invalid("session.gang", field="places")
        if not _meets(known[place.resource_id], wanted[spot.need]):
            raise Invalid("session.gang", field="places", name=known[place.resource_id].name)
    for number, want in enumerate(wanted):
        if sum(spot.need == number for spot in proposal.spots) != want.quantity:
            raise Invalid("session.gang", field="places", kind=want.kind.value, wanted=want.quantity)


def _meets(row: Resource, want: Want) -> bool:
    return (
        row.kind is want.kind
        and (want.technology is None or row.technology is want.technology)
        and (want.seats is None or (row.seats or 0) >= want.seats)
        and (not want.resource_ids or row.id in want.resource_ids)
        and set(want.equipment) <= set(row.equipment)
    )
