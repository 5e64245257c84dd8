"""Where one could be in person, and what would come of moving there: what a hand on the calendar asks while it drags."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from fablab.base.database import Database
from fablab.claims.reservations import use as reservations
from fablab.people.access import SignedIn, allows
from fablab.places import house
from fablab.places.models import ResourceKind
from scheduler.reserving import Reserving
from scheduler.reserving.reach import rooms
from web.api.answer import instant
from web.api.plan import ForecastOut, forecast_out
from web.api.reservations_schema import MoveIn
from web.api.schema import At
from web.security import Right
from web.words import Words

DAY = timedelta(days=1)
KINDS = frozenset({ResourceKind.MACHINE, ResourceKind.ROOM, ResourceKind.DESK})


class FreeOut(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    from_: At
    until: At


class SoftOut(FreeOut, frozen=True, kw_only=True, rename={"from_": "from"}):
    claim: str


class RoomOut(msgspec.Struct, frozen=True, kw_only=True):
    """A use that lies within one of `free` is possible as far as hours and calendar go; `soft` jobs it touches move."""

    resource: int
    name: str
    free: tuple[FreeOut, ...]
    soft: tuple[SoftOut, ...]


class RoomsOut(msgspec.Struct, frozen=True, kw_only=True):
    """`claims`: titles of the soft ones, null for those who may not know."""

    rows: tuple[RoomOut, ...]
    claims: Mapping[str, str | None]


@get("/reservations/reach", access=Right.SUBMIT, sync_to_thread=True, tags=["reservations"])
def get_reach(
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    from_: Annotated[str | None, QueryParameter(name="from")] = None,
    to: FromQuery[str | None] = None,
    reservation: FromQuery[str | None] = None,
) -> RoomsOut:
    """Of every machine, room and desk what is free in [from, to), a month at most; a day from now where nothing is said.

    `reservation`: one that is to be moved, and so is in nobody's way. ISO 8601 with zone.
    """
    with database.read(signed_in.actor) as uow:
        since = instant(from_, "from") or uow.now
        until = instant(to, "to") or since + DAY
        but = reservations.may_change(uow, reservation).id if reservation else None
        found = rooms(uow, house.resources(uow, KINDS), since, until, but=but)
        soft = {each.job.claim_id: each.job for room in found for each in room.soft}
        return RoomsOut(
            rows=tuple(
                RoomOut(
                    resource=room.resource_id,
                    name=room.name,
                    free=tuple(FreeOut(from_=span.start, until=span.end) for span in room.free),
                    soft=tuple(
                        SoftOut(from_=each.start_at, until=each.end_at, claim=each.job.claim_id)
                        for each in room.soft
                    ),
                )
                for room in found
            ),
            claims={
                name: each.title
                if each.member_id == signed_in.member_id or allows(signed_in.actor, Right.SEE_ALL)
                else None
                for name, each in soft.items()
            },
        )


@post(
    "/reservations/{reservation_id:str}/forecast",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=["reservations"],
)
def forecast_move(
    reservation_id: FromPath[str],
    data: JSONBody[MoveIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ForecastOut:
    """What stands against moving it, and whose jobs would move. What is null stays. Nothing is changed."""
    with database.read(signed_in.actor) as uow:
        row = reservations.may_change(uow, reservation_id)
        start_at = instant(data.start_at, "start_at") or row.start_at
        length = row.end_at - row.start_at
        usual = start_at + length if data.start_at is not None else row.end_at
        resources = tuple(row.resource_ids) if data.resources is None else data.resources
    found = Reserving(database=database).forecast_move(
        signed_in.actor,
        reservation_id,
        start_at=start_at,
        end_at=instant(data.end_at, "end_at") or usual,
        resource_ids=resources,
    )
    return forecast_out(found, signed_in.actor, words)


ROUTES = (get_reach, forecast_move)
