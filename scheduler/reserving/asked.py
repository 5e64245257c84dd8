"""What people ask for who come in person, and what they can be offered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fablab.base.errors import Conflict, Refusal
from fablab.places.models import ResourceKind, Technology


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
    `member_id`: whose leave it takes, where that is not who asks.
    """

    wanted: tuple[Wanted, ...]
    duration_s: int
    since: datetime | None = None
    until: datetime | None = None
    near: datetime | None = None
    attended_s: int | None = None
    member_id: int | None = None


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
    same_hour (on another day), earliest_start, nearest, others_give_way (`count`), nobody_moves, staffed, next_best.
    `refusals`: what the rules say against it beside that; nothing where nobody has asked them.
    """

    resource_ids: tuple[int, ...]
    names: tuple[str, ...]
    start_at: datetime
    end_at: datetime
    attended_until: datetime
    reasons: tuple[dict[str, object], ...]
    in_the_way: tuple[InTheWay, ...] = ()
    refusals: tuple[Refusal, ...] = ()


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
