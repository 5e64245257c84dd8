"""Other people's solvers on our problems: OR-Tools CP-SAT and PyJobShop, as processes fed JSON.

They live in an environment of their own (`tests.peers.venvs`, "rivals"); nothing of ours imports them, and the product
does not need them. What comes back is made into a plan of ours, for `check` and `objective` to judge.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from scheduler.greedy import Board
from scheduler.lanes import long_gaps
from scheduler.plan import Plan, Unplaced
from scheduler.problem import Demand, Family, Machine, Piece, Presence, Problem, Slot, pieces
from tests.peers.venvs import peer_env, peer_venv

HERE = Path(__file__).resolve().parent
WORKERS = 8  # of CP-SAT's portfolio, on however many cores there are


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`plan` None: none was found. `own`: their objective of it. `bound`: nothing is better (CP-SAT's objective)."""

    plan: Plan | None
    status: str
    own: float | None = None
    bound: float | None = None
    first_s: float | None = None


def cpsat(problem: Problem, limit_s: float, hint: Plan | None = None, cpu_s: float | None = None) -> Answer:
    """`limit_s` of wall; with `cpu_s` it also stops when all its threads together have burnt that much."""
    said = _told(problem)
    if hint:
        said["hint"] = {name: [_slot(s) for s in slots] for name, slots in hint.slots.items()}
    found = _ask("rival_cpsat.py", said, limit_s, cpu_s)
    return Answer(
        plan=_plan(problem, found["slots"]) if found["slots"] else None,
        status=found["status"],
        own=found["objective"],
        bound=found["bound"],
        first_s=found["first_s"],
    )


def pyjobshop(problem: Problem, limit_s: float, gangs: Plan) -> Answer:
    """`gangs`: where the workshops stand. Its jobs are inserted in its order, each on the machine it chose."""
    held = [s for d in problem.demands if d.is_gang for s in gangs.slots.get(d.id, ())]
    found = _ask("rival_pyjobshop.py", _told(replace(problem, fixed=(*problem.fixed, *held))), limit_s)
    if not found["order"]:
        return Answer(plan=None, status=found["status"])
    demands = {demand.id: demand for demand in problem.demands}
    slots: dict[str, tuple[Slot, ...]] = {d.id: gangs.slots[d.id] for d in problem.demands if d.is_gang}
    board = Board(problem, Plan(slots=slots))
    unplaced: dict[str, Unplaced] = {}
    for name, machine, _ in sorted(found["order"], key=lambda entry: entry[2]):
        demand = demands[name]
        placed = board.insert(replace(demand, needs=(replace(demand.needs[0], eligible=(machine,)),)))
        if isinstance(placed, Unplaced):
            unplaced[name] = placed
        else:
            slots[name] = placed.slots
            board.place(placed.slots)
    return Answer(plan=Plan(slots=slots, unplaced=unplaced), status=found["status"], own=found["objective"])


def textbook(told: Mapping[str, Any], limit_s: float, cpu_s: float) -> tuple[list[int], str]:
    """Starts of a set's jobs, none where none were found, and CP-SAT's word on them; see `rival_textbook`."""
    found = _ask("rival_textbook.py", told, limit_s, cpu_s)
    return found["starts"], found["status"]


def _ask(script: str, said: Mapping[str, Any], limit_s: float, cpu_s: float | None = None) -> Any:
    command = [str(peer_venv("rivals") / "bin" / "python"), str(HERE / script), str(limit_s), str(WORKERS)]
    command += [] if cpu_s is None else [str(cpu_s)]
    done = subprocess.run(
        command,
        input=json.dumps(said),
        capture_output=True,
        text=True,
        env=peer_env(),
        timeout=2 * limit_s + 600,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{script} failed ({done.returncode}): {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def _plan(problem: Problem, found: list[tuple[str, int, int, int, int]]) -> Plan:
    """From (demand, machine, begin of set-up, start, ready)."""
    demands = {demand.id: demand for demand in problem.demands}
    plan: dict[str, list[Slot]] = {}
    for name, machine, begin, start, ready in found:
        demand = demands[name]
        plan.setdefault(name, []).append(
            Slot(
                demand=name,
                machine=machine,
                setup_start=begin,
                run_start=start,
                run_end=start + demand.duration_min[machine],
                free_at=ready,
                family=demand.family if problem.machines[machine].loads else None,
                need=next(n for n, need in enumerate(demand.needs) if machine in need.eligible),
            )
        )
    return Plan(
        slots={name: tuple(sorted(slots, key=lambda s: (s.need, s.machine))) for name, slots in plan.items()}
    )


def _slot(slot: Slot) -> dict[str, int]:
    return {
        "machine": slot.machine,
        "setup_start": slot.setup_start,
        "run_start": slot.run_start,
        "free_at": slot.free_at,
    }


# -- a problem as JSON ------------------------------------------------------------------------------------------------


def _told(problem: Problem) -> dict[str, Any]:
    known = sorted(
        {f for m in problem.machines if (f := m.loaded)}
        | {f for d in problem.demands if (f := d.family)}
        | {f for s in problem.fixed if (f := s.family)},
        key=lambda f: (f.material, f.colour, f.nozzle),
    )
    numbers = {family: number for number, family in enumerate(known)}
    return {
        "horizon": problem.horizon_min,
        "machines": [_machine(problem, machine, known, numbers) for machine in problem.machines],
        "demands": [_demand(problem, demand, numbers) for demand in problem.demands],
    }


def _machine(
    problem: Problem, machine: Machine, known: list[Family], numbers: Mapping[Family, int]
) -> dict[str, Any]:
    """`change[before][after]`; the last row is for nothing loaded, so that an index of -1 finds it."""
    fixed = sorted((s for s in problem.fixed if s.machine == machine.index), key=lambda s: s.setup_start)
    loading = [slot for slot in fixed if slot.family]
    assert all(slot.setup_start <= 0 for slot in loading), "a fact in mid-plan would need a set-up of its own"
    loaded = loading[-1].family if loading else machine.loaded
    rule = machine.loads
    before: list[Family | None] = [*known, None]
    gaps = [b.start - a.end for a, b in pairwise(machine.staffed)]
    change = [[rule.minutes(b, a) for a in known] for b in before] if rule else []
    longest = max((minutes for row in change for minutes in row), default=0)
    # Then a set-up that begins and ends in staffed time lies in one piece.
    assert min(gaps, default=longest + 61) > longest
    return {
        "index": machine.index,
        "horizon": problem.horizon_min,
        "seen": machine.staffed,
        "open": machine.open,
        # Joined, for facts may lie on top of each other, and no solver lets them.
        "taken": pieces(
            [*((s.setup_start, s.free_at) for s in fixed), *((b.start, b.end) for b in machine.blocked)]
        ),
        "change": change,
        "longest": longest,
        "loaded": -1 if loaded is None else numbers[loaded],
    }


def _demand(problem: Problem, demand: Demand, numbers: Mapping[Family, int]) -> dict[str, Any]:
    needs = []
    for number, need in enumerate(demand.needs):
        starts = {str(m): _starts(problem, demand, number, problem.machines[m]) for m in need.eligible}
        needs.append(
            {
                "quantity": need.quantity,
                "setup": demand.setup_of(number),
                "clear": demand.clear_of(number),
                "starts": {m: allowed for m, allowed in starts.items() if allowed},
                "family": {str(m): _family(problem.machines[m], demand, numbers) for m in need.eligible},
            }
        )
    return {
        "id": demand.id,
        "gang": demand.is_gang,
        "needs": needs,
        "run": {str(m): minutes for m, minutes in demand.duration_min.items()},
        "release": demand.release,
        "due": demand.due,
        "weight": demand.weight,
        "told": {"machines": demand.told.machines, "start": demand.told.start} if demand.told else None,
        "dislikes": [
            (start, end, minutes)
            for (start, end), minutes in zip(demand.starts, demand.dislike_min, strict=False)
            if minutes
        ],
    }


def _family(machine: Machine, demand: Demand, numbers: Mapping[Family, int]) -> int:
    return numbers[demand.family] if machine.loads and demand.family else -1


def _starts(problem: Problem, demand: Demand, number: int, machine: Machine) -> list[tuple[int, int]]:
    """The minutes, both ends in, at which the run may begin, before anything else lies on the machine."""
    run_min, last = demand.duration_min[machine.index], problem.horizon_min
    least_min = demand.setup_of(number)
    if machine.loads and demand.family:
        least_min += machine.loads.same_min
    allowed: tuple[Piece, ...] = (Piece(demand.release + least_min, last - run_min + 1),)
    alone = demand.presence is Presence.NOBODY and machine.unattended_max_min > 0
    if least_min:
        allowed = _both(allowed, pieces((p.start + least_min, p.end + 1) for p in machine.staffed))
    elif alone and not machine.night_start_ok:
        allowed = _both(allowed, machine.staffed)
    if demand.starts:
        allowed = _both(allowed, demand.starts)
    if alone:
        limit_min = machine.unattended_max_min
        shut = [
            (start + limit_min - run_min + 1, end - limit_min)
            for start, end in zip(*long_gaps(machine), strict=True)
            if run_min > limit_min
        ]
        edges = [-1, *(edge for gap in pieces(shut) for edge in gap), last + 1]
        allowed = _both(allowed, pieces(zip(edges[::2], edges[1::2], strict=True)))
    else:
        hours = machine.open if demand.presence is Presence.HOUSE else machine.staffed
        allowed = _both(allowed, pieces((p.start, p.end - run_min + 1) for p in hours))
    return [(start, end - 1) for start, end in allowed]


def _both(one: tuple[Piece, ...], other: tuple[Piece, ...]) -> tuple[Piece, ...]:
    return pieces((max(a.start, b.start), min(a.end, b.end)) for a in one for b in other)
