"""A reservation's use cases: reserve, move, cancel, answer, arrive, end, hand over, repeat; and what time does to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from fablab.base.database import UnitOfWork
from fablab.base.errors import Refusal
from fablab.claims.reservations.models import Arrival, Every, Reservation

NO_SHOW_AFTER = timedelta(minutes=15)
EARLY_ARRIVAL = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for: all the resources from `start_at` to `end_at`, or none of them.

    `member_id` None: for whoever asks; another's: on behalf of, which staff may. `key`: the same key from the same
    caller again is the same reservation. `waive`: codes of refusals that staff let pass, with `why`. `ask`: where only
    waivable refusals stand against it, staff are asked instead. `attended`: codes decide by `unattended_from`.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """How often. One of `until` (the last day, included) and `count` (dates in all, the first one too)."""

    every: Every = Every.WEEK
    step: int = 1
    until: date | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A date on which it does not happen; `start_at` None where the clocks jump over all of it."""

    day: date
    start_at: datetime | None
    end_at: datetime | None
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shifted:
    """A date on which the clocks change what was asked for: `code` is series.gap or series.fold."""

    day: date
    start_at: datetime
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    series_id: str
    made: tuple[Reservation, ...]
    skipped: tuple[Skipped, ...]
    shifted: tuple[Shifted, ...] = ()


def reserve(uow: UnitOfWork, order: Order) -> Reservation:
    """Raises `Refused` with everything that stands against it, `Conflict` slot_taken (facts: resource, a resource id)
    where a place is taken, and `Invalid` for what cannot be understood."""
    raise NotImplementedError


def preview(uow: UnitOfWork, order: Order) -> tuple[Refusal, ...]:
    """Everything that stands against it, without reserving; a taken place is among it as slot_taken."""
    raise NotImplementedError


def move(
    uow: UnitOfWork,
    reservation_id: str,
    *,
    start_at: datetime | None = None,
    end_at: datetime | None = None,
    resource_ids: Sequence[int] | None = None,
    unattended_from: datetime | None = None,
    waive: frozenset[str] = frozenset(),
    why: str = "",
) -> Reservation:
    """Move, resize, extend or change the resources; only what is given changes. As `reserve` in what it raises."""
    raise NotImplementedError


def cancel(uow: UnitOfWork, reservation_id: str, why: str = "") -> Reservation:
    raise NotImplementedError


def approve(uow: UnitOfWork, reservation_id: str, why: str = "") -> Reservation:
    raise NotImplementedError


def decline(uow: UnitOfWork, reservation_id: str, why: str) -> Reservation:
    raise NotImplementedError


def check_in(uow: UnitOfWork, reservation_id: str, how: Arrival = Arrival.PAGE) -> Reservation:
    raise NotImplementedError


def end_early(uow: UnitOfWork, reservation_id: str) -> Reservation:
    raise NotImplementedError


def hand_over(uow: UnitOfWork, reservation_id: str, to_member_id: int, why: str = "") -> Reservation:
    raise NotImplementedError


def repeat(uow: UnitOfWork, order: Order, how: Repeat) -> Repeated:
    raise NotImplementedError


def cancel_series(uow: UnitOfWork, series_id: str, *, since: datetime | None = None, why: str = "") -> int:
    raise NotImplementedError


def release_missed(uow: UnitOfWork) -> int:
    raise NotImplementedError


def complete_ended(uow: UnitOfWork) -> int:
    raise NotImplementedError


def may_see(uow: UnitOfWork, reservation_id: str) -> Reservation:
    raise NotImplementedError


def current_on(uow: UnitOfWork, resource_id: int, at: datetime | None = None) -> Reservation | None:
    """Whose it is at that moment (now), whatever its state among the live ones."""
    raise NotImplementedError


def of_member(uow: UnitOfWork, member_id: int, *, ended: int = 20) -> list[Reservation]:
    """The live ones by their start, then the last ones that ended, the newest first."""
    raise NotImplementedError


def between(
    uow: UnitOfWork, start: datetime, end: datetime, resource_ids: Sequence[int] = ()
) -> list[Reservation]:
    """The live ones that touch [start, end), by start."""
    raise NotImplementedError
