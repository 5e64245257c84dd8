"""The plain way to find places: every machine asked in full, no index, no order of hope. What the board is held against."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

from scheduler.board import APART_MIN, Board, Insertion, _crew, _rank, insertion_of, slot_of
from scheduler.lanes import NEVER, Fit, Lane, shape_of
from scheduler.plan import Plan
from scheduler.problem import Demand, Problem


def places(
    problem: Problem,
    demand: Demand,
    plan: Plan,
    n: int,
    *,
    earliest: int = 0,
    apart_min: int = APART_MIN,
    alike: bool = False,
) -> tuple[Insertion, ...]:
    """The `n` best places, from lanes laid out for this question alone."""
    lanes = Board(problem, plan).lanes
    if demand.dislike_min:
        found: list[Insertion] = []
        for liking in sorted(set(demand.dislike_min)):
            pairs = zip(demand.starts, demand.dislike_min, strict=True)
            starts = tuple(piece for piece, dislike_min in pairs if dislike_min == liking)
            dated = replace(demand, starts=starts, dislike_min=())
            found += places(problem, dated, plan, n, earliest=earliest, apart_min=apart_min, alike=alike)
        due = NEVER if demand.due is None else demand.due
        found.sort(key=lambda o: (max(0, o.ready_at - due), demand.dislike_of(o.run_start), o.ready_at))
        return tuple(found[:n])
    if demand.is_gang:
        return _gangs(problem, lanes, demand, n, earliest, apart_min)
    if alike:
        return _one_by_one(lanes, demand, n, earliest, apart_min)
    every: list[tuple[tuple[int, ...], Insertion]] = []
    for machine in demand.needs[0].eligible:
        lane = lanes[machine]
        shape = shape_of(demand, 0, lane.machine, release=earliest)
        fit = lane.first(shape)
        for _ in range(n):
            if fit is None:
                break
            slot = slot_of(demand, 0, machine, shape, fit)
            every.append((_rank(fit, lane.machine), insertion_of((slot,))))
            fit = lane.first(shape, fit.run_start + apart_min)
    return tuple(option for _, option in sorted(every, key=lambda pair: pair[0])[:n])


def _one_by_one(
    lanes: list[Lane], demand: Demand, n: int, earliest: int, apart_min: int
) -> tuple[Insertion, ...]:
    found: list[Insertion] = []
    not_before = 0
    for _ in range(n):
        firsts = []
        for machine in demand.needs[0].eligible:
            shape = shape_of(demand, 0, lanes[machine].machine, release=earliest)
            fit = lanes[machine].first(shape, not_before)
            if fit:
                slot = slot_of(demand, 0, machine, shape, fit)
                firsts.append((_rank(fit, lanes[machine].machine), insertion_of((slot,))))
        if not firsts:
            break
        found.append(min(firsts, key=lambda pair: pair[0])[1])
        not_before = found[-1].run_start + apart_min
    return tuple(found)


def _gangs(
    problem: Problem, lanes: list[Lane], demand: Demand, n: int, earliest: int, apart_min: int
) -> tuple[Insertion, ...]:
    """Tries every minute at which some machine of some need could begin."""
    shapes = {
        (number, machine): shape_of(demand, number, lanes[machine].machine, release=earliest)
        for number, need in enumerate(demand.needs)
        for machine in need.eligible
    }
    found: list[Insertion] = []
    at = 0
    while at < problem.horizon_min and len(found) < n:
        fits: dict[tuple[int, int], Fit] = {}
        for key, shape in shapes.items():
            fit = lanes[key[1]].first(shape, at)
            if fit:
                fits[key] = fit
        ready = {key: fit for key, fit in fits.items() if fit.run_start == at}
        crew = _crew(demand, ready, problem.machines) if ready else None
        if crew:
            slots = tuple(slot_of(demand, *key, shapes[key], ready[key]) for key in crew)
            found.append(insertion_of(slots))
            at += apart_min
            continue
        starts = sorted({fit.run_start for fit in fits.values()})
        later = bisect_left(starts, at + 1)
        at = starts[later] if later < len(starts) else NEVER
    return tuple(found)
