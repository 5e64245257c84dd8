"""What may be asked for: an order, how often it repeats, and what is answered. Pure; wrong input is `Invalid`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

from fablab.base.errors import Invalid, Refusal
from fablab.claims.reservations.models import Every, Reservation

MOST_RESOURCES = 40
MOST_PARTY = 1000
LONGEST = timedelta(days=31)
#: Who stands at a machine says "from now", and a form takes a minute or two.
LATE_START = timedelta(minutes=5)
MOST_DATES = 160  # three years of weeks
KEY_MOST = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for: all the resources from `start_at` to `end_at`, in whole minutes, or none of them.

    `member_id` None: for whoever asks; another's: on behalf of, which staff may, and a parent for a child. `key`: the
    same key from the same caller again is the same reservation. `unattended_from`: until then somebody sets up and is
    there (a person among the resources is held until then only), from then on the machine runs alone; None: somebody is
    there throughout. `waive`: codes of refusals that staff let pass, with `why`. `ask`: where only waivable refusals
    stand against it, staff are asked.
    """

    resource_ids: tuple[int, ...]
    start_at: datetime
    end_at: datetime
    member_id: int | None = None
    title: str = ""
    note: str = ""
    party: int = 1
    project_id: int | None = None
    unattended_from: datetime | None = None
    key: str | None = None
    waive: frozenset[str] = frozenset()
    why: str = ""
    ask: bool = False

    @property
    def digest(self) -> str:
        """Tells this order from every other under the same key."""
        parts = (self.resource_ids, self.start_at, self.end_at, self.member_id, self.project_id)
        return sha256(
            repr((*parts, self.unattended_from, self.party, self.title, self.note)).encode()
        ).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """Every `step` weeks, or months on the same weekday ("the second Tuesday", and the last one for a fifth). One of
    `until` (the last day, included) and `count` (dates in all, the first one too)."""

    every: Every = Every.WEEK
    step: int = 1
    until: date | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A date on which it does not happen, and every reason; the instants are None where the clocks jump over all of
    it. Codes: those of the rules, slot_taken, and series.gap."""

    day: date
    start_at: datetime | None
    end_at: datetime | None
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shifted:
    """A date on which the clocks change what was asked for. `code`: series.start_gap, series.end_gap (an hour that does
    not exist: the first instant after it is taken), series.start_fold, series.end_fold (an hour that comes twice: the
    first is taken), series.shorter, series.longer (`by_s`: as many seconds than on other days)."""

    day: date
    start_at: datetime
    code: str
    by_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """`series_id` is empty where nothing was made."""

    series_id: str
    made: tuple[Reservation, ...]
    skipped: tuple[Skipped, ...]
    shifted: tuple[Shifted, ...] = ()


def cleaned(order: Order, now: datetime) -> Order:
    """The order in UTC, each resource once and in id order, texts cut to their length."""
    start, end = instant(order.start_at, "start_at"), instant(order.end_at, "end_at")
    ids = tuple(sorted(set(order.resource_ids)))
    check_span(start, end)
    if start < now - LATE_START:
        raise Invalid("reservation.past", field="start_at")
    check_resources(ids)
    if not 1 <= order.party <= MOST_PARTY:
        raise Invalid("reservation.party", field="party", most=MOST_PARTY)
    alone = order.unattended_from
    if alone is not None:
        alone = instant(alone, "unattended_from")
        check_alone(start, end, alone)
    if order.key is not None and not (0 < len(order.key) <= KEY_MOST and order.key.isprintable()):
        raise Invalid("reservation.key", field="key", most=KEY_MOST)
    return replace(
        order,
        resource_ids=ids,
        start_at=start,
        end_at=end,
        unattended_from=alone,
        title=line(order.title, 200),
        note=order.note.strip()[:500],
        why=line(order.why, 300),
    )


def instant(at: datetime, field: str) -> datetime:
    if at.tzinfo is None:
        raise Invalid("time.no_zone", field=field, text=at.isoformat())
    at = at.astimezone(UTC)
    if at.second or at.microsecond:
        raise Invalid("reservation.minutes", field=field)
    return at


def check_span(start: datetime, end: datetime) -> None:
    if end <= start:
        raise Invalid("reservation.order", field="end_at")
    if end - start > LONGEST:
        raise Invalid("reservation.too_long", field="end_at", days=LONGEST.days)


def check_resources(ids: tuple[int, ...]) -> None:
    if not ids:
        raise Invalid("reservation.nothing", field="resource_ids")
    if len(ids) > MOST_RESOURCES:
        raise Invalid("reservation.too_many", field="resource_ids", most=MOST_RESOURCES)
    if not all(0 < each < 2**31 for each in ids):
        raise Invalid("resource.unknown", field="resource_ids")


def check_alone(start: datetime, end: datetime, alone: datetime) -> None:
    if not start <= alone < end:
        raise Invalid("reservation.unattended", field="unattended_from")


def line(text: str, most: int) -> str:
    return " ".join(text.split())[:most]
