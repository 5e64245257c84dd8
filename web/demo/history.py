"""What happened in the demo lab: four weeks of prints, this morning's, and reservations of the week to come."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import msgspec

from fablab.base.database import UnitOfWork
from fablab.base.ids import new_id
from fablab.base.intervals import Interval
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState, Need
from fablab.money import quotes
from fablab.money.models import Charge
from fablab.people.models import Member
from fablab.places import house
from fablab.places.models import Resource, ResourceKind, Spool, Technology
from fablab.programs import gcode
from fablab.programs.models import Program
from fablab.runs.models import Run, RunState
from web.demo import cast

DAYS_BACK = 28
DAYS_AHEAD = 7
FAIL_SHARE = 0.12
#: Median 2.5 h and p95 14 h of a log-normal, as labs of this size see.
LOG_MEDIAN_S, LOG_SIGMA = 9.105, 1.047
SHORTEST_S, LONGEST_S = 900, 12 * 3600
GAP = timedelta(minutes=15)
CLEARING = timedelta(minutes=5)
SETUP = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the past is made with."""

    uow: UnitOfWork
    everybody: list[Member]
    chance: random.Random
    program: Program


def live_through(uow: UnitOfWork, everybody: list[Member], chance: random.Random) -> None:
    """Write the past and the near future of every resource; nothing in it runs now."""
    scene = Scene(uow=uow, everybody=everybody, chance=chance, program=_program(uow))
    hours = house.calendar(uow)
    open_days = hours.open.between(uow.now - timedelta(days=DAYS_BACK), uow.now + timedelta(days=DAYS_AHEAD))
    for row in house.resources(uow, frozenset({ResourceKind.MACHINE, ResourceKind.ROOM})):
        for day in open_days:
            _day(scene, row, day)
    uow.session.flush()


def _day(scene: Scene, row: Resource, day: Interval) -> None:
    now = scene.uow.now
    for span in _spans(scene.chance, row, day):
        if row.technology is Technology.FDM:
            if span.end <= now:
                _printed(scene, row, span)
        elif row.technology is Technology.LASER or row.kind is ResourceKind.ROOM:
            _reserved(scene, row, span)


def _spans(chance: random.Random, row: Resource, day: Interval) -> Iterator[Interval]:
    """Busy stretches of one open day, in order and apart."""
    at = day.start + timedelta(minutes=chance.randint(10, 120))
    while True:
        if row.technology is Technology.FDM:
            length_s = min(LONGEST_S, max(SHORTEST_S, chance.lognormvariate(LOG_MEDIAN_S, LOG_SIGMA)))
            pause = timedelta(minutes=chance.randint(20, 400))
        elif row.technology is Technology.LASER:
            length_s, pause = chance.choice((1800, 2700, 3600)), timedelta(minutes=chance.randint(30, 240))
        else:
            length_s, pause = chance.choice((3600, 7200, 10800)), timedelta(minutes=chance.randint(120, 600))
        minutes = timedelta(minutes=round(length_s / 60))
        end = at + minutes
        if end > day.end:
            return
        yield Interval(at.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0))
        at = end + GAP + pause


def _printed(scene: Scene, row: Resource, span: Interval) -> None:
    uow, chance = scene.uow, scene.chance
    member = scene.everybody[0] if chance.random() < 0.05 else chance.choice(scene.everybody)
    run_start, run_end = span.start + SETUP, span.end - CLEARING
    duration_s = int((run_end - run_start).total_seconds())
    weight_g = round(chance.uniform(8, 80), 1)
    spool = row.machine.spool if row.machine else None
    if duration_s <= 0 or spool is None:
        return
    failed = chance.random() < FAIL_SHARE
    claim_id = new_id(span.start)
    uow.session.add(_claim(scene, claim_id, ClaimKind.JOB, member, span, duration_s, spool))
    uow.session.flush()
    uow.session.add(Need(claim_id=claim_id, eligible=[row.id]))
    uow.session.add(
        Job(
            id=claim_id,
            state=JobState.FAILED if failed else JobState.DONE,
            member_id=member.id,
            file_name=chance.choice(cast.FILE_NAMES),
            program_sha256=scene.program.sha256,
            material_id=spool.material_id,
            colour=spool.colour,
            tries=int(failed),
            made_at=span.start - timedelta(hours=chance.randint(2, 70)),
            submitted_at=span.start - timedelta(hours=1),
            ended_at=run_end,
        )
    )
    run = _run(claim_id, row, spool, run_start, run_end, failed)
    run.used_g = weight_g if not failed else round(weight_g * chance.uniform(0.05, 0.9), 1)
    uow.session.add(run)
    _allocate(scene, claim_id, row, span, run_start, run_end, run.id)
    if not failed:
        _bill(scene, claim_id, run, member, spool, duration_s, weight_g)


def _bill(
    scene: Scene, claim_id: str, run: Run, member: Member, spool: Spool, duration_s: int, weight_g: float
) -> None:
    usage = quotes.Usage(
        technology=Technology.FDM,
        audience=member.audience,
        duration_s=duration_s,
        material_id=spool.material_id,
        weight_g=weight_g,
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
    _allocate(scene, claim_id, row, span, span.start, span.end, None)


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


def _program(uow: UnitOfWork) -> Program:
    """One small program stands for all of the past; its file is drawn here, so that the demo needs no other."""
    text = _square_program()
    analysis = gcode.analyse([text])
    program = Program(
        sha256=sha256(text).hexdigest(),
        size_bytes=len(text),
        kind=analysis.kind,
        analysis=msgspec.to_builtins(analysis),
        created_at=uow.now,
    )
    uow.session.add(program)
    uow.session.flush()
    return program


def _square_program() -> bytes:
    """A 20 mm square tower, as a person might write it by hand."""
    lines = ["; demo tower", "; filament_type = PLA", "M104 S205", "M109 S205", "G21", "G90", "M83", "G28"]
    corners = ((90, 90), (110, 90), (110, 110), (90, 110), (90, 90))
    for layer in range(1, 26):
        lines.append(f"G1 Z{layer * 0.2:.2f} F600")
        lines.extend(f"G1 X{x} Y{y} E0.66 F1800" for x, y in corners[1:])
    lines += ["M104 S0", "M140 S0", "M84"]
    return ("\n".join(lines) + "\n").encode()
