"""What happened in the demo lab: four weeks of prints, this morning's, and reservations of the week to come."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log

import msgspec

from fablab.base.database import UnitOfWork
from fablab.base.ids import new_id
from fablab.base.intervals import Interval
from fablab.claims import promises
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState, Need
from fablab.claims.reservations.models import Arrival, Reservation, ReservationState
from fablab.money import quotes
from fablab.money.models import Charge
from fablab.people.models import Member
from fablab.places import house
from fablab.places.models import Resource, ResourceKind, Spool, Technology
from fablab.programs import gcode
from fablab.programs.store import Store
from fablab.runs.models import Run, RunState
from scheduler.durations import Duration
from scheduler.odds import TOLD, Odds, outlook
from web.demo import cast

DAYS_BACK = 28
DAYS_AHEAD = 7
FAIL_SHARE = 0.12
MISSED_SHARE = 0.06
WORN = (1.0, 1.06, 0.97, 1.15)  # no two machines take the same time for the same file
LAYER_MM = 0.2
E_PER_MM = 0.0374  # a line of 0.45 x 0.2 mm from filament of 1.75 mm
CLEARING = timedelta(minutes=5)
SETUP = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A file of the past, and what its analysis said."""

    name: str
    sha256: str
    duration_s: int
    weight_g: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the past is made with. `shelf` is sorted by duration."""

    uow: UnitOfWork
    everybody: list[Member]
    chance: random.Random
    shelf: tuple[Piece, ...]


def live_through(uow: UnitOfWork, store: Store, everybody: list[Member], chance: random.Random) -> None:
    """Write the past and the near future of every resource; nothing in it runs now."""
    scene = Scene(uow=uow, everybody=everybody, chance=chance, shelf=_shelf(uow, store))
    hours = house.calendar(uow)
    open_days = hours.open.between(uow.now - timedelta(days=DAYS_BACK), uow.now + timedelta(days=DAYS_AHEAD))
    for row in house.resources(uow, frozenset({ResourceKind.MACHINE, ResourceKind.ROOM})):
        for day in open_days:
            _day(scene, row, day)
    uow.session.flush()


def _day(scene: Scene, row: Resource, day: Interval) -> None:
    if row.technology is Technology.FDM:
        _prints(scene, row, day)
    elif row.technology is Technology.LASER:
        _reservations(scene, row, day, lengths_min=(30, 45, 60), pause_min=(30, 240))
    elif row.kind is ResourceKind.ROOM:
        _reservations(scene, row, day, lengths_min=(60, 120, 180), pause_min=(120, 600))


def _prints(scene: Scene, row: Resource, day: Interval) -> None:
    """One after the other until the day, or the past, is full."""
    chance, now = scene.chance, scene.uow.now
    at = day.start + timedelta(minutes=chance.randint(10, 150))
    while True:
        piece = chance.choice(scene.shelf)
        factor = chance.lognormvariate(0.04, 0.08) * WORN[row.id % len(WORN)]
        took = timedelta(minutes=round(piece.duration_s * factor / 60))
        span = Interval(at, at + SETUP + took + CLEARING)
        if span.end > min(day.end, now):
            return
        _printed(scene, row, span, piece)
        at = span.end + timedelta(minutes=chance.randint(10, 300))


def _reservations(
    scene: Scene, row: Resource, day: Interval, *, lengths_min: tuple[int, ...], pause_min: tuple[int, int]
) -> None:
    chance = scene.chance
    at = day.start + timedelta(minutes=15 * chance.randint(1, 8))
    while True:
        span = Interval(at, at + timedelta(minutes=chance.choice(lengths_min)))
        if span.end > day.end:
            return
        _reserved(scene, row, span)
        at = span.end + timedelta(minutes=15 * (chance.randint(*pause_min) // 15))


def _printed(scene: Scene, row: Resource, span: Interval, piece: Piece) -> None:
    uow, chance = scene.uow, scene.chance
    spool = row.machine.spool if row.machine else None
    if spool is None:
        return
    member = scene.everybody[0] if chance.random() < 0.05 else chance.choice(scene.everybody)
    run_start, run_end = span.start + SETUP, span.end - CLEARING
    failed = chance.random() < FAIL_SHARE
    claim_id = new_id(span.start)
    claim = _claim(scene, claim_id, ClaimKind.JOB, member, span, piece.duration_s, spool)
    claim.title = piece.name
    uow.session.add(claim)
    uow.session.flush()
    uow.session.add(Need(claim_id=claim_id, eligible=[row.id]))
    uow.session.add(
        Job(
            id=claim_id,
            state=JobState.FAILED if failed else JobState.DONE,
            member_id=member.id,
            file_name=piece.name,
            program_sha256=piece.sha256,
            material_id=spool.material_id,
            colour=spool.colour,
            tries=int(failed),
            made_at=span.start - timedelta(hours=chance.randint(2, 70)),
            submitted_at=span.start - timedelta(hours=1),
            ended_at=run_end,
        )
    )
    run = _run(claim_id, row, spool, run_start, run_end, failed)
    run.used_g = round(piece.weight_g * (chance.uniform(0.05, 0.9) if failed else 1.0), 1)
    uow.session.add(run)
    _allocate(scene, claim_id, row, span, run_start, run_end, run.id)
    promises.keep(uow, _promised(claim_id, run_start, piece))
    if not failed:
        _bill(scene, claim_id, run, member, spool, piece)


def _promised(claim_id: str, run_start: datetime, piece: Piece) -> promises.Promised:
    """What its maker had been told some hours or days before, by a lab that knew no better than any."""
    chance = random.Random(claim_id)  # noqa: S311 - of its own, so that the rest of the past stays as it was
    wait_s = 3600 * chance.uniform(0.3, 40)
    told_at = run_start - timedelta(seconds=wait_s * chance.gauss(1.01, 0.09) + chance.gauss(120, 300))
    law = Duration(log_mean=log(max(60, piece.duration_s)) + 0.05, log_sigma=0.1)
    view = outlook(wait_s, law)
    p10, p50, p80, p90 = (
        told_at + timedelta(seconds=Odds().finish_s(view, quantile)) + CLEARING for quantile in TOLD
    )
    return promises.Promised(
        claim_id=claim_id,
        told_at=told_at,
        start_at=told_at + timedelta(seconds=wait_s),
        p10_at=p10,
        p50_at=p50,
        p80_at=p80,
        p90_at=p90,
        middle_at=told_at + timedelta(seconds=view.middle_s),
        scale_s=view.scale_s,
        run_log_mean=law.log_mean,
        run_log_sigma=law.log_sigma,
    )


def _bill(scene: Scene, claim_id: str, run: Run, member: Member, spool: Spool, piece: Piece) -> None:
    usage = quotes.Usage(
        technology=Technology.FDM,
        audience=member.audience,
        duration_s=piece.duration_s,
        material_id=spool.material_id,
        weight_g=piece.weight_g,
    )
    hour_cents = cast.HOUR_CENTS[Technology.FDM][member.audience]
    kilogram_cents = next(price for code, _, _, _, price in cast.MATERIALS if code == spool.material.code)
    prices = quotes.Prices(hour_cents=hour_cents, step_s=cast.STEP_S, kilogram_cents=kilogram_cents)
    quote = quotes.price(usage, prices)
    quotes.freeze(scene.uow, claim_id, quote)
    scene.uow.session.add(
        Charge(
            claim_id=claim_id,
            run_id=run.id,
            member_id=member.id,
            audience=member.audience,
            lines=[msgspec.to_builtins(line) for line in quote.lines],
            total_cents=quote.total_cents,
            currency=quote.currency,
            made_at=run.ended_at or scene.uow.now,
        )
    )


def _run(claim_id: str, row: Resource, spool: Spool, start: datetime, end: datetime, failed: bool) -> Run:
    return Run(
        id=new_id(start),
        claim_id=claim_id,
        resource_id=row.id,
        state=RunState.FAILED if failed else RunState.SUCCEEDED,
        spool_id=spool.id,
        prepared_at=start,
        deadline_at=start,
        starting_at=start,
        started_at=start,
        ended_at=end,
        cleared_at=end + CLEARING,
        state_at=end,
        elapsed_s=(end - start).total_seconds(),
        fraction=None if failed else 1.0,
        detail="spaghetti" if failed else "",
    )


def _reserved(scene: Scene, row: Resource, span: Interval) -> None:
    member = scene.chance.choice(scene.everybody)
    claim_id = new_id(span.start)
    duration_s = int(span.duration.total_seconds())
    scene.uow.session.add(_claim(scene, claim_id, ClaimKind.RESERVATION, member, span, duration_s, None))
    scene.uow.session.flush()
    scene.uow.session.add(Need(claim_id=claim_id, eligible=[row.id]))
    scene.uow.session.add(_stay(scene, claim_id, row, member, span))
    _allocate(scene, claim_id, row, span, span.start, span.end, None)


def _stay(scene: Scene, claim_id: str, row: Resource, member: Member, span: Interval) -> Reservation:
    """Over, under way or to come; now and then nobody came."""
    now = scene.uow.now
    chance = random.Random(claim_id)  # noqa: S311 - of its own, so that the rest of the past stays as it was
    state = ReservationState.CONFIRMED if span.start > now else ReservationState.IN_USE
    if span.end <= now:
        state = ReservationState.MISSED if chance.random() < MISSED_SHARE else ReservationState.COMPLETED
    came = state in (ReservationState.IN_USE, ReservationState.COMPLETED)
    return Reservation(
        id=claim_id,
        state=state,
        member_id=member.id,
        made_by_id=member.id,
        resource_ids=[row.id],
        start_at=span.start,
        end_at=span.end,
        party=1,
        checked_in_at=span.start + timedelta(minutes=chance.randint(0, 9)) if came else None,
        checked_in_how=Arrival.PAGE if came else None,
        checked_in_by_id=member.id if came else None,
        ended_at=span.end if span.end <= now else None,
        late=False,
        made_at=span.start - timedelta(hours=3),
    )


def _claim(
    scene: Scene,
    claim_id: str,
    kind: ClaimKind,
    member: Member,
    span: Interval,
    duration_s: int,
    spool: Spool | None,
) -> Claim:
    over = span.end <= scene.uow.now
    return Claim(
        id=claim_id,
        kind=kind,
        state=ClaimState.CLOSED if over else ClaimState.HELD,
        title=scene.chance.choice(cast.PROJECT_NAMES),
        member_id=member.id,
        audience=member.audience,
        release_at=span.start,
        estimate_s=duration_s,
        estimate_source=gcode.Source.MOTION if kind is ClaimKind.JOB else "given",
        attended=kind is ClaimKind.RESERVATION,
        material_id=spool.material_id if spool else None,
        colour=spool.colour if spool else None,
        ready_at=span.end,
        reasons=[],
        made_at=span.start - timedelta(hours=3),
        closed_at=span.end if over else None,
    )


def _allocate(
    scene: Scene,
    claim_id: str,
    row: Resource,
    span: Interval,
    run_start: datetime,
    run_end: datetime,
    run_id: str | None,
) -> None:
    scene.uow.session.add(
        Allocation(
            claim_id=claim_id,
            resource_id=row.id,
            state=AllocationState.FIRM,
            start_at=span.start,
            run_start_at=run_start,
            run_end_at=run_end,
            end_at=span.end,
            run_id=run_id,
        )
    )


def _shelf(uow: UnitOfWork, store: Store) -> tuple[Piece, ...]:
    """The files of the past, drawn here and really read: so their times and weights are those of the analysis."""
    pieces: list[Piece] = []
    for name, side_mm, layers, loops in cast.FILES:
        text = _tower(side_mm, layers, loops)
        analysis = gcode.analyse([text])
        kept = store.keep([text], limit_bytes=len(text))
        jobs.keep_program(uow, kept.sha256, kept.size_bytes, analysis, None)
        pieces.append(
            Piece(
                name=name,
                sha256=kept.sha256,
                duration_s=round(analysis.duration_s),
                weight_g=analysis.filament_g,
            )
        )
    return tuple(sorted(pieces, key=lambda piece: piece.duration_s))


def _tower(side_mm: int, layers: int, loops: int) -> bytes:
    """A square tower with walls of `loops` lines, as a person might write it by hand."""
    lines = ["; demo tower", "; filament_type = PLA", "M104 S205", "M109 S205", "G21", "G90", "M83", "G28"]
    for layer in range(1, layers + 1):
        lines.append(f"G1 Z{layer * LAYER_MM:.2f} F600")
        for loop in range(loops):
            low, high = 10 + loop * 0.45, 10 + side_mm - loop * 0.45
            extruded = (high - low) * E_PER_MM
            lines.append(f"G1 X{low:.2f} Y{low:.2f} F7200")
            corners = ((high, low), (high, high), (low, high), (low, low))
            lines.extend(f"G1 X{x:.2f} Y{y:.2f} E{extruded:.4f} F1800" for x, y in corners)
    lines += ["M104 S0", "M140 S0", "M84"]
    return ("\n".join(lines) + "\n").encode()
