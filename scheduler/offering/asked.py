"""What a group asks for, and the dates it can be given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from fablab.base.errors import Fact
from fablab.claims.workshops import Proposal, Session, Spot, asking, wishes_of, zone_of
from fablab.claims.workshops.offer import Want, wants
from fablab.people.models import Audience
from fablab.places.models import ResourceKind
from fablab.places.terms import Zone
from scheduler.offering.making import Making, making_of
from scheduler.offering.rank import Half, Wished
from scheduler.reserving.asked import InTheWay

#: A class has its leave, its bus and its parents' word to get: fewer days than that are no offer.
LEAD = timedelta(days=7)
LONGEST_DAYS = 90
AROUND_DAYS = 21  # before and behind what was wished for, for when none of it is possible
FURTHEST_DAYS = 400
MOST_WISHED = 40  # days, once "any Tuesday" has been counted out


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The days from `first` to `last`, both included; with a `weekday` (0: Monday) only those of them."""

    first: date
    last: date
    weekday: int | None = None
    half: Half = Half.ANY

    def days(self) -> Iterator[date]:
        for number in range((self.last - self.first).days + 1):
            day = self.first + timedelta(days=number)
            if self.weekday in (None, day.weekday()):
                yield day


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """All of `wants` at once, for `duration_min` and the set-up and the clearing around it."""

    wants: tuple[Want, ...]
    duration_min: int
    setup_min: int = 0
    clear_min: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`school`: no weekend and no Wednesday afternoon, unless they were wished for. `zone`: no day without class there.
    `making`: what is made in it, so that each date says whether all of it will be. `first`, `last`: only days of these,
    at most `LONGEST_DAYS`; None: around what was wished for, or as soon as can be. `without`: a claim that is as if it
    held nothing."""

    gang: Gang
    wishes: tuple[Wish, ...] = ()
    school: bool = False
    zone: Zone | None = None
    making: Making | None = None
    first: date | None = None
    last: date | None = None
    lead: timedelta = LEAD
    without: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DateOffer:
    """A date that could be had at this moment, with its whole gang.

    `reasons`: `{"code": .., "facts": ..}`, the strongest first: wished_day (`choice`, from 1), other_half, near_wish
    (`days`, `day`), all_made (`pieces`, `machines`), pieces_left (beside these `in_session`, `left`, `ready_at`),
    pieces_homeless (for which nothing is free within a week), earliest, usual_hours, nobody_moves, jobs_move (`count`),
    spare_machines (`free`, `wanted`), next_best.
    """

    start_at: datetime
    end_at: datetime
    spots: tuple[Spot, ...]
    names: tuple[str, ...]
    reasons: tuple[dict[str, object], ...]
    in_the_way: tuple[InTheWay, ...] = ()

    @property
    def resource_ids(self) -> tuple[int, ...]:
        return tuple(each.place.resource_id for each in self.spots)

    @property
    def proposal(self) -> Proposal:
        """As `workshops.propose` and `workshops.move` want it."""
        return Proposal(start_at=self.start_at, end_at=self.end_at, spots=self.spots, reasons=self.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A day that was wished for and cannot be. `code`, with its facts beside `day` and `half`:

    too_soon (`earliest`), too_far (`latest`), public_holiday (`name`), school_holiday (`name`, `zone`, `back`), closed
    (`name`, of the closure, or ""), machines, no_room, no_mediator, no_kit, no_desk (`wanted`, `free`: the most there
    are at once, `technology`, `seats`, `skill`), not_together: each can be had that day, but never all at once.
    """

    day: date
    half: Half
    code: str
    facts: Mapping[str, Fact]

    def stored(self) -> dict[str, object]:
        return {
            "code": self.code,
            "facts": {**self.facts, "day": self.day.isoformat(), "half": self.half.value},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Dates:
    """The best first. `missed`: by day, each wished day that is not possible at all."""

    offers: tuple[DateOffer, ...]
    missed: tuple[Missed, ...]


def of_session(session: Session, *, lead: timedelta = LEAD) -> Asked:
    """What a request asks for. A room with seats has them for all who come; what it holds already is in nobody's way."""
    workshop = session.workshop
    return Asked(
        gang=Gang(
            wants=tuple(_seated(want, session.people) for want in wants(workshop.needs)),
            duration_min=workshop.duration_min,
            setup_min=workshop.setup_min,
            clear_min=workshop.clear_min,
        ),
        wishes=tuple(_wish(each) for each in wishes_of(session)),
        school=session.audience is Audience.SCHOOL,
        zone=zone_of(session),
        making=making_of(session),
        lead=lead,
        without=session.id if session.start_at is not None else None,
    )


def _seated(want: Want, people: int) -> Want:
    if want.kind is not ResourceKind.ROOM or not want.seats:
        return want
    return replace(want, seats=max(want.seats, people))


def _wish(said: asking.Wish) -> Wish:
    first = said.day or said.since
    last = said.day or said.until
    assert first is not None  # a request has been checked when it was asked
    assert last is not None
    return Wish(first=first, last=last, weekday=said.weekday, half=Half(said.half.value))


def wished(wishes: Sequence[Wish]) -> tuple[Wished, ...]:
    """Each day that was wished for, in the order of the wishes."""
    found = [
        Wished(day=day.toordinal(), half=wish.half, rank=rank)
        for rank, wish in enumerate(wishes)
        for day in wish.days()
    ]
    return tuple(found[:MOST_WISHED])
