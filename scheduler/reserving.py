"""A place for somebody in person: the best that could be had of a kind, and one taken, with whoever had to make room.

Options are read from the calendar of the resources asked for and of the days asked for, never from the whole house. A
planned job that may still move is in nobody's way: it gives way in the same transaction, and its owner is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from fablab.base.database import Actor, Database
from fablab.base.errors import Conflict
from fablab.places.models import ResourceKind, Technology
from scheduler.planner.forecast import Forecast

if TYPE_CHECKING:
    from fablab.claims.reservations import Order, Reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`quantity` resources of a kind, at the same time as all others that are wanted. `resource_ids`: out of these only;
    nothing: of the whole house. A bed of 600 x 400 mm also serves who asks for 400 x 600."""

    kind: ResourceKind = ResourceKind.MACHINE
    technology: Technology | None = None
    bed_x_mm: float = 0.0
    bed_y_mm: float = 0.0
    seats: int = 0
    resource_ids: tuple[int, ...] = ()
    quantity: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is looked for. It begins at `since` (None: now) or later and is over by `until` (None: a week on), as near as
    can be to `near` (None: as early as can be).

    `attended_s`: only so much of its beginning needs the house open, and people (`ResourceKind.PERSON`) are booked for
    that only; the rest runs alone where and as long as the machine may. None: somebody is there throughout.
    """

    wanted: tuple[Wanted, ...]
    duration_s: int
    since: datetime | None = None
    until: datetime | None = None
    near: datetime | None = None
    attended_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InTheWay:
    """A planned job that would go elsewhere. Whose it is stays between its owner and the staff: whoever shows it asks
    who looks."""

    claim_id: str
    member_id: int | None
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservingOffer:
    """One place that could be had: all of these resources from `start_at` to `end_at`, those people until `attended_until`.

    `reasons`: `{"about": "option", "code": ..., "facts": {...}}` as in `planner.Offer`, the strongest first: as_wished,
    earliest_start, nearest (minutes: `off_min`), same_hour, nobody_moves, others_move (`count`), staffed, quieter_day,
    less_wear, next_best.
    """

    resource_ids: tuple[int, ...]
    names: tuple[str, ...]
    start_at: datetime
    end_at: datetime
    attended_until: datetime
    reasons: tuple[dict[str, object], ...]
    in_the_way: tuple[InTheWay, ...] = ()


class Taken(Conflict):
    """Somebody was faster: `slot_taken` with what could be had instead, the nearest first. Its facts say the first of
    them: alternative_start, alternative_end (ISO), alternative_resource; nothing where there is none."""

    code = "slot_taken"

    def __init__(self, offers: tuple[ReservingOffer, ...]) -> None:
        first = offers[0] if offers else None
        super().__init__(
            "slot_taken",
            alternative_start=first.start_at.isoformat() if first else None,
            alternative_end=first.end_at.isoformat() if first else None,
            alternative_resource=", ".join(first.names) if first else None,
        )
        self.offers = offers


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserving:
    """Places for people in person; `database` as for `Intake`."""

    database: Database

    def options(self, actor: Actor, kind: Kind, n: int = 5) -> tuple[ReservingOffer, ...]:
        """Up to `n` places that lie an hour apart, the best first; nothing is written and nothing is held.

        Raises `Invalid` for what cannot be understood and `Refused` where no such resource is in the house.
        """
        raise NotImplementedError

    def reserve(self, actor: Actor, order: Order) -> Reservation:
        """All of it or nothing, planned jobs in its way moved and their owners told. Raises `Taken` with alternatives,
        and `Refused` with every reason."""
        raise NotImplementedError

    def move(
        self,
        actor: Actor,
        reservation_id: str,
        *,
        start_at: datetime | None = None,
        end_at: datetime | None = None,
        resource_ids: tuple[int, ...] | None = None,
    ) -> Reservation:
        """Like `reserve`, for one that there is; what is None stays as it is."""
        raise NotImplementedError

    def forecast(self, actor: Actor, order: Order) -> Forecast:
        """Whose jobs would move, and where to, before the button is pressed; `refusals` says what stands against it."""
        raise NotImplementedError
