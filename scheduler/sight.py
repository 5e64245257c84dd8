"""The calendar as the solver sees it: instants become minutes, resources become indices, claims become demands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from math import ceil, floor

from fablab.base.database import UnitOfWork
from fablab.base.intervals import Intervals
from fablab.claims import calendar
from fablab.claims.calendar import Held, Place
from fablab.claims.models import Claim, ClaimKind
from fablab.places import house
from fablab.places.models import Machine as MachineRow
from fablab.places.models import MachineGate, Resource, ResourceKind, Technology
from fablab.reports.shares import owner_of, worn_min
from scheduler import fairness
from scheduler.durations import Duration
from scheduler.lore import Lore, key_of, lore
from scheduler.odds import outlook
from scheduler.problem import (
    Block,
    Demand,
    Family,
    Machine,
    Need,
    Piece,
    Presence,
    Problem,
    SetupRule,
    Slot,
    pieces,
)
from scheduler.wish import Wish, slack_min, worked_min

HORIZON = timedelta(days=35)
PLAN_AT = 0.60  # the quantile of a duration that the plan counts with
SLOW = 0.90  # the quantile that a start counts with, before somebody's own
LATE_MIN = (
    8  # a tap may come three minutes late, and a start has two more to arrive: then it has to fit still
)
MINUTE = timedelta(minutes=1)

#: A machine with another nozzle than the file asks for is not eligible at all, so the plan never pays for a change.
ANY_NOZZLE = 0

#: A job that names no day is wanted that long after it was asked for. Without a wish of its own it could never be
#: late, and neither its audience's share nor its own waiting would count for anything.
WANTED_WITHIN = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One look at the house from `origin` on.

    `index`: resource id to machine index, `ids` its inverse; `clear_min` and `setup_min` go by machine index, `dates` too:
    when something begins there that no plan moves.
    """

    origin: datetime
    problem: Problem
    ids: tuple[int, ...]
    names: tuple[str, ...]
    lore: Lore = field(default_factory=Lore)
    index: Mapping[int, int] = field(default_factory=dict)
    clear_min: Mapping[int, int] = field(default_factory=dict)
    setup_min: Mapping[int, int] = field(default_factory=dict)
    dates: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    def minute(self, at: datetime) -> int:
        """Whole minutes from the origin, rounded up: never earlier than the instant."""
        return ceil((at - self.origin) / MINUTE)

    def instant(self, minute: int) -> datetime:
        return self.origin + minute * MINUTE

    def duration(self, claim: Claim, resource_id: int) -> Duration:
        """How long the run may take on this resource, as a distribution."""
        key = key_of(resource_id, claim.material_id, claim.estimate_source)
        return self.lore.factors.distribution(key, max(1, claim.estimate_s))

    def finish(self, claim: Claim, slot: Slot, q: float) -> datetime:
        """When the run in this slot is finished with probability `q`, told from now: see `scheduler.odds`."""
        wait_s = max(0, slot.run_start) * 60
        view = outlook(wait_s, self.duration(claim, self.ids[slot.machine]))
        return self.origin + timedelta(seconds=self.lore.odds.finish_s(view, q))

    def parts(self, claim: Claim) -> fairness.Parts:
        """What the claim's weight is made of. Only jobs grow heavier as they wait: a reservation and a workshop have
        their date, and are asked for months ahead."""
        waited = self.origin - claim.made_at if claim.kind is ClaimKind.JOB else timedelta()
        return fairness.weigh(
            self.lore.fairness,
            priority=claim.priority,
            audience=claim.audience.value if claim.audience else "",
            owner=owner_of(claim.project_id, claim.member_id),
            waited_days=waited / timedelta(days=1),
            slack_min=self._slack_min(claim),
        )

    def _slack_min(self, claim: Claim) -> float | None:
        """Of a job that names a day: see `scheduler.wish`."""
        machine = next(
            (self.index[i] for need in claim.needs for i in need.eligible if i in self.index), None
        )
        if claim.kind is not ClaimKind.JOB or claim.due_at is None or machine is None:
            return None
        left = worked_min(self.problem.machines[machine].staffed, 0, self.minute(claim.due_at))
        return slack_min(left, claim.estimate_s / 60)

    def wish(self, claim: Claim) -> Wish:
        """What the claim's waiting costs; what was promised or named is in its weight alone."""
        return Wish(due=self.minute(claim.made_at), weight=self.parts(claim).weight)

    def is_tight(self, claim: Claim, slots: Iterable[Slot]) -> bool:
        """Whether a slow run there would not be cleared before a date that no plan moves: it would never be started."""
        return any(
            slot.run_start
            < date
            < slot.run_start + self.slow_min(claim, slot.machine) + self.clear_min[slot.machine]
            for slot in slots
            for date in self.dates.get(slot.machine, ())
        )

    def slow_min(self, claim: Claim, machine: int) -> int:
        """Minutes that a place before a date that is not moved has to have: a slow run, begun some minutes late."""
        return self.duration(claim, self.ids[machine]).quantile_min(SLOW) + LATE_MIN

    def slowly(self, claim: Claim, demand: Demand) -> Demand:
        """The demand as it is asked for before such a date."""
        slow = {machine: self.slow_min(claim, machine) for machine in demand.duration_min}
        return replace(demand, duration_min=slow)

    def as_planned(self, claim: Claim, slots: Iterable[Slot]) -> tuple[Slot, ...]:
        """Slots that were found for a slow run, as long as the plan counts; what is left behind them stays free."""
        found = []
        for slot in slots:
            run_end = slot.run_start + self.duration(claim, self.ids[slot.machine]).quantile_min(PLAN_AT)
            free_at = min(slot.free_at, self.free_at(slot.machine, run_end))
            found.append(replace(slot, run_end=min(run_end, slot.run_end), free_at=free_at))
        return tuple(found)

    def demand(self, claim: Claim, *, earliest: datetime | None = None) -> Demand:
        release = max(claim.release_at, earliest or self.origin, self.origin)
        eligible = sorted({i for need in claim.needs for i in need.eligible if i in self.index})
        return Demand(
            id=claim.id,
            needs=tuple(self._need(need.eligible, need.quantity) for need in claim.needs),
            duration_min={self.index[i]: self.duration(claim, i).quantile_min(PLAN_AT) for i in eligible},
            release=self.minute(release),
            due=self._due(claim),
            weight=self.parts(claim).weight,
            presence=_presence(claim),
            family=family_of(claim),
            not_eligible={
                self.index[int(i)]: code
                for need in claim.needs
                for i, code in need.barred.items()
                if int(i) in self.index
            },
        )

    def _due(self, claim: Claim) -> int | None:
        if claim.due_at is None and claim.kind is not ClaimKind.JOB:
            return None
        return self.minute(claim.due_at or claim.made_at + WANTED_WITHIN)

    def _need(self, eligible: Sequence[int], quantity: int) -> Need:
        known = tuple(self.index[i] for i in eligible if i in self.index)
        return Need(
            eligible=known,
            quantity=quantity,
            setup_min=max((self.setup_min[m] for m in known), default=0),
            clear_min=max((self.clear_min[m] for m in known), default=0),
        )

    def place(self, slot: Slot, need_id: int) -> Place:
        return Place(
            resource_id=self.ids[slot.machine],
            start_at=self.instant(slot.setup_start),
            run_start_at=self.instant(slot.run_start),
            run_end_at=self.instant(slot.run_end),
            end_at=self.instant(slot.free_at),
            need_id=need_id,
        )

    def free_at(self, machine: int, run_end: int) -> int:
        """When the bed is clear again after a run that ends at `run_end`: the next staffed minutes, plus clearing."""
        clear_min = self.clear_min[machine]
        if not clear_min:
            return run_end
        for piece in self.problem.machines[machine].staffed:
            start = max(piece.start, run_end)
            if piece.end - start >= clear_min:
                return start + clear_min
        return max(run_end, self.problem.horizon_min)


def look(uow: UnitOfWork, *, without: Iterable[str] = ()) -> Sight:
    """Everything that occupies a resource from now on, but the allocations of the claims in `without`; and what the
    lab has learnt of itself."""
    origin = uow.now.replace(second=0, microsecond=0)
    origin = origin if origin == uow.now else origin + MINUTE
    rows = house.resources(uow, frozenset(ResourceKind))
    own = house.own_hours(uow)
    hours = {key: _hours(house.calendar(uow, key), origin) for key in (None, *sorted(own))}
    index = {row.id: number for number, row in enumerate(rows)}
    gone, worn = frozenset(without), worn_min(uow)
    fixed = [
        _slot(held, index, origin)
        for held in calendar.held_between(uow, origin, origin + HORIZON)
        if held.resource_id in index and (held.claim_id not in gone or held.run_id is not None)
    ]
    return Sight(
        origin=origin,
        problem=Problem(
            horizon_min=HORIZON // MINUTE,
            machines=tuple(
                _machine(
                    number,
                    row,
                    *hours[row.id if row.id in own else None],
                    is_out=is_out_for_good(uow, row),
                    worn_min=worn.get(row.id, 0),
                )
                for number, row in enumerate(rows)
            ),
            fixed=tuple(fixed),
        ),
        ids=tuple(row.id for row in rows),
        names=tuple(row.name for row in rows),
        lore=lore(uow),
        index=index,
        dates=_dates(uow, index, origin),
        clear_min={index[row.id]: ceil(row.machine.clear_s / 60) for row in rows if row.machine}
        | {index[row.id]: 0 for row in rows if not row.machine},
        setup_min={
            index[row.id]: 0
            if row.machine is None or row.technology is Technology.FDM
            else ceil(row.machine.setup_s / 60)
            for row in rows
        },
    )


def _dates(uow: UnitOfWork, index: Mapping[int, int], origin: datetime) -> dict[int, tuple[int, ...]]:
    """When reservations, sessions and outages begin; what a person has made firm of a job keeps its own."""
    found: dict[int, list[int]] = {}
    for resource_id, start_at in calendar.dates(uow, origin + HORIZON):
        if resource_id in index:
            found.setdefault(index[resource_id], []).append(floor((start_at - origin) / MINUTE))
    return {machine: tuple(sorted(starts)) for machine, starts in found.items()}


def is_out_for_good(uow: UnitOfWork, row: Resource) -> bool:
    """Out of service, and no outage in the calendar says until when."""
    if row.machine is None or row.machine.gate is not MachineGate.OUT_OF_SERVICE:
        return False
    return not calendar.outages(uow, row.id)


def family_of(claim: Claim | Held) -> Family | None:
    """What the run leaves loaded. A colour that was left open matches no other: it counts as one of its own."""
    if claim.material_id is None:
        return None
    return Family(
        material=claim.material_id,
        colour=colour_number(claim.colour),
        nozzle=ANY_NOZZLE,
    )


def loaded_in(machine: MachineRow) -> Family | None:
    """What lies in a machine now."""
    spool = machine.spool
    if spool is None:
        return None
    return Family(material=spool.material_id, colour=colour_number(spool.colour), nozzle=ANY_NOZZLE)


def colour_number(colour: str | None) -> int:
    """The same name gives the same number in every process, unlike `hash`; below 2**56, for arrays and MessagePack."""
    return int.from_bytes(blake2b(colour.encode(), digest_size=7).digest(), "big") if colour else 0


def _machine(
    number: int,
    row: Resource,
    staffed: tuple[Piece, ...],
    open_: tuple[Piece, ...],
    *,
    is_out: bool,
    worn_min: int,
) -> Machine:
    machine = row.machine
    if machine is None:
        return Machine(index=number, staffed=staffed, open=open_)
    return Machine(
        index=number,
        staffed=staffed,
        open=open_,
        blocked=(Block(start=0, end=HORIZON // MINUTE),) if is_out else (),
        unattended_max_min=machine.unattended_max_s // 60 if machine.unattended else 0,
        loads=SetupRule() if row.technology is Technology.FDM else None,
        loaded=loaded_in(machine),
        worn_min=worn_min,
    )


def _slot(held: Held, index: Mapping[int, int], origin: datetime) -> Slot:
    def down(at: datetime) -> int:
        return floor((at - origin) / MINUTE)

    def up(at: datetime) -> int:
        return ceil((at - origin) / MINUTE)

    return Slot(
        demand=held.claim_id,
        machine=index[held.resource_id],
        setup_start=down(held.start_at),
        run_start=down(held.run_start_at),
        run_end=up(held.run_end_at),
        free_at=up(held.end_at),
        family=family_of(held),
    )


def _hours(found: house.Calendar, origin: datetime) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Staffed and open, in minutes."""
    staffed, open_ = (hours.between(origin, origin + HORIZON) for hours in (found.staffed, found.open))
    return _pieces(staffed, origin), _pieces(open_, origin)


def _presence(claim: Claim) -> Presence:
    if claim.kind is ClaimKind.RESERVATION:
        return Presence.HOUSE
    return Presence.STAFF if claim.attended else Presence.NOBODY


def _pieces(intervals: Intervals, origin: datetime) -> tuple[Piece, ...]:
    return pieces((ceil((i.start - origin) / MINUTE), floor((i.end - origin) / MINUTE)) for i in intervals)
