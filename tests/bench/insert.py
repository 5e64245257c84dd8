"""One more into a standing plan, and the ten best options: p50, p99 and worst of each question to a board that is kept.

Jobs are put into plans of 40 x 400 and 500 x 10,000 and taken out again; options are asked of 500 machines that hold
100,000 allocations over 90 days, for jobs on every printer or on all machines and for reservations of a kind;
workshops ask the same board for six printers out of 12 or of 100, a room and a person at once. Each first question
of a board, which finds no table of gaps yet, stands in a row of its own. Times are of the wall; the column beside p99
is what the thread itself took of it, so that a busy machine can be told from a slow answer.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from random import Random

from rich.console import Console
from rich.table import Table

from scheduler.board import Board, Insertion, slot_of
from scheduler.greedy import solve
from scheduler.lanes import shape_of
from scheduler.options import options, place_best
from scheduler.plan import Plan
from scheduler.problem import Demand, Family, Need, Presence, Problem, Slot
from tests.bench.labs import DAY, SIZES, lab

SEED = 20261123
DAYS, MACHINES, ALLOCATIONS = 90, 500, 100_000
WARM, TIMED = 20, 500
OPTIONS = 10


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """The machines of the lab by what they are, as `labs.lab` lays them out."""

    printers: tuple[int, ...]
    attended: tuple[int, ...]
    rooms: tuple[int, ...]
    people: tuple[int, ...]


def kinds(problem: Problem) -> Kinds:
    """Printers load; rooms and people are told by the workshops that want them."""
    printers = tuple(m.index for m in problem.machines if m.loads)
    gang = next(d for d in problem.demands if d.is_gang)
    rooms, people = gang.needs[1].eligible, gang.needs[2].eligible
    known = {*printers, *rooms, *people}
    attended = tuple(m.index for m in problem.machines if m.index not in known)
    return Kinds(printers=printers, attended=attended, rooms=rooms, people=people)


def crowded(seed: int) -> tuple[Problem, Plan]:
    """500 machines with 100,000 allocations over 90 days, laid out machine by machine with gaps between them."""
    random = Random(seed)
    stated = lab(seed, MACHINES, ALLOCATIONS * 23 // 20, DAYS)
    board = Board(replace(stated, demands=()))
    behind = [0] * MACHINES
    slots: dict[str, tuple[Slot, ...]] = {}
    known = []
    wanted = ALLOCATIONS - len(stated.fixed)
    for demand in stated.demands:
        if demand.is_gang or len(slots) == wanted:
            continue
        short = replace(
            demand, release=0, duration_min={m: max(5, d // 2) for m, d in demand.duration_min.items()}
        )
        on = min(short.needs[0].eligible, key=lambda m: behind[m])
        lane = board.lanes[on]
        shape = shape_of(short, 0, lane.machine)
        pause_min = random.choice((0, 0, 0, 15, 45, 180))
        fit = lane.first(shape, behind[on] + pause_min)
        if fit:
            slots[demand.id] = (slot_of(short, 0, on, shape, fit),)
            known.append(short)
            behind[on] = fit.free_at
            board.know(short)
            board.place(slots[demand.id])
    gangs = tuple(d for d in stated.demands if d.is_gang)[:1]
    return replace(stated, demands=(*known, *gangs)), Plan(slots=slots)


def single(random: Random, number: int, kind: Kinds) -> Demand:
    """A job on every printer, on every attended machine or on all 500; or a reservation of a kind, in person."""
    everything = (*kind.printers, *kind.attended, *kind.rooms, *kind.people)
    what = random.choice(("print", "print", "print", "attended", "anything", "kind"))
    eligible = {
        "print": kind.printers,
        "attended": kind.attended,
        "anything": everything,
        "kind": random.choice((kind.attended, kind.rooms)),
    }[what]
    printing = what in ("print", "anything")
    base_min = min(14 * 60.0, max(10.0, random.lognormvariate(4.7, 0.8))) if printing else 60.0
    presence = Presence.NOBODY if printing else Presence.HOUSE
    if what == "attended":
        presence = random.choice((Presence.STAFF, Presence.HOUSE))
    family = Family(material=random.choice((0, 0, 0, 1, 2)), colour=random.randrange(5), nozzle=4)
    return Demand(
        id=f"new-{number}",
        needs=(Need(eligible=tuple(sorted(eligible))),),
        duration_min={
            m: max(5, int(base_min * random.uniform(0.8, 1.3))) if printing else 60 for m in eligible
        },
        release=random.choice((0, random.randrange(7 * DAY), random.randrange(80 * DAY))),
        presence=presence,
        setup_min=random.choice((0, 5)),
        clear_min=random.choice((5, 10)),
        family=family if printing else None,
    )


def workshop(random: Random, number: int, kind: Kinds) -> Demand:
    """Six printers out of twelve or out of a hundred, a room and a person, at any hour the house is open."""
    cell = tuple(sorted(random.sample(kind.printers, random.choice((12, 100)))))
    needs = (
        Need(eligible=cell, quantity=6),
        Need(eligible=kind.rooms, setup_min=30, clear_min=15),
        Need(eligible=kind.people, setup_min=15, clear_min=0),
    )
    run_min = random.choice((60, 90, 120))
    return Demand(
        id=f"school-{number}",
        needs=needs,
        duration_min={m: run_min for need in needs for m in need.eligible},
        release=random.randrange(60 * DAY),
        presence=Presence.HOUSE,
        setup_min=5,
        clear_min=10,
    )


@dataclass(frozen=True, kw_only=True)
class Times:
    """Milliseconds of one kind of question: of the wall, and of the thread alone."""

    name: str
    first_ms: float
    wall_ms: list[float]
    thread_ms: list[float]

    def at(self, percent: int) -> float:
        return round(statistics.quantiles(self.wall_ms, n=100)[percent - 1], 2)

    @property
    def own_p99(self) -> float:
        return round(statistics.quantiles(self.thread_ms, n=100)[98], 2)

    def row(self) -> tuple[str, ...]:
        figures = (self.first_ms, self.at(50), self.at(99), self.own_p99, max(self.wall_ms))
        return self.name, str(len(self.wall_ms)), *(f"{figure:.1f}" for figure in figures)


def timed(
    name: str,
    ask: Callable[[Demand], object],
    demands: Iterable[Demand],
    after: Callable[[Demand], object] = lambda demand: None,
) -> Times:
    """`after` each question, untimed, the board is put right for the next."""
    wall, own = [], []
    for demand in demands:
        begun, began = time.perf_counter(), time.thread_time()
        ask(demand)
        own.append((time.thread_time() - began) * 1000)
        wall.append((time.perf_counter() - begun) * 1000)
        after(demand)
    return Times(name=name, first_ms=wall[0], wall_ms=wall[WARM:], thread_ms=own[WARM:])


def laid_out(console: Console, name: str, problem: Problem, plan: Plan) -> Board:
    begun = time.perf_counter()
    board = Board(problem, plan)
    taken_ms = (time.perf_counter() - begun) * 1000
    held = len(problem.fixed) + sum(len(slots) for slots in plan.slots.values())
    console.print(
        f"{name}: {held} allocations on {len(problem.machines)} machines, laid out in {taken_ms:.0f} ms"
    )
    return board


def newcomers(machines: int, jobs: int) -> list[Demand]:
    """As the lab's own, one in forty a workshop; at most as many as are timed."""
    more = lab(SEED + 1, machines, max(jobs, WARM + TIMED)).demands
    drawn = Random(SEED).sample(more, WARM + TIMED)
    return [replace(demand, id=f"new-{number}", told=None) for number, demand in enumerate(drawn)]


def into_a_plan(console: Console, size: str) -> tuple[Times, Times]:
    """One job found a place for and kept there; and a pressed one that others may leave a place to."""
    machines, jobs = SIZES[size]
    problem = lab(SEED, machines, jobs)
    board = laid_out(console, f"{machines} x {jobs}", problem, solve(problem))

    def put(demand: Demand) -> None:
        found = board.insert(demand)
        if isinstance(found, Insertion):
            board.know(demand)
            board.place(found.slots)

    new = [demand for demand in newcomers(machines, jobs) if fits(demand, problem)]
    put_in = timed(f"insert {machines} x {jobs}", put, new, lambda demand: board.remove(demand.id))
    for demand in new:
        board.forget(demand.id)
    pressed = [replace(demand, due=demand.release + 240, weight=8.0) for demand in new]
    name = f"place_best, pressed, {machines} x {jobs}"
    return put_in, timed(name, lambda demand: place_best(board, demand), pressed)


def fits(demand: Demand, problem: Problem) -> bool:
    return demand.release < problem.horizon_min


def run(console: Console) -> dict[str, float]:
    mid, mid_best = into_a_plan(console, "mid")
    huge, huge_best = into_a_plan(console, "huge")
    problem, plan = crowded(SEED)
    board = laid_out(console, f"{DAYS} days", problem, plan)
    kind, random = kinds(problem), Random(SEED)
    singles = [single(random, number, kind) for number in range(WARM + TIMED)]
    schools = [workshop(random, number, kind) for number in range(WARM + TIMED)]
    plain = timed(f"options({OPTIONS})", lambda d: options(board, d, OPTIONS), singles)
    gangs = timed(f"options({OPTIONS}) of a workshop", lambda d: options(board, d, OPTIONS), schools)
    moving = timed(
        f"options({OPTIONS}) and 2 displacing", lambda d: options(board, d, OPTIONS, displacing=2), singles
    )
    table = Table(title="Milliseconds of one question to a board that is kept")
    for column in ("question", "asked", "first", "p50", "p99", "p99 of the thread", "worst"):
        table.add_column(column, justify="left" if column == "question" else "right")
    for times in (mid, huge, plain, gangs, moving, mid_best, huge_best):
        table.add_row(*times.row())
    console.print(table)
    return {
        "insert_p99_ms_40x400": mid.at(99),
        "insert_p99_ms_500x10000": huge.at(99),
        "options_p99_ms": plain.at(99),
        "gang_p99_ms": gangs.at(99),
        "displacing_p99_ms": moving.at(99),
        "place_best_p99_ms_40x400": mid_best.at(99),
        "place_best_p99_ms_500x10000": huge_best.at(99),
        "insert_own_p99_ms_40x400": mid.own_p99,
        "insert_own_p99_ms_500x10000": huge.own_p99,
        "options_own_p99_ms": plain.own_p99,
        "gang_own_p99_ms": gangs.own_p99,
    }
