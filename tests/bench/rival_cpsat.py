"""Our problem as OR-Tools CP-SAT sees it: exact but for set-up minutes and earliness, which are not in its objective.

Run by `tests.bench.rivals` in an environment of its own: `python rival_cpsat.py SECONDS WORKERS < problem > answer`.
Every rule of the calendar is a domain of a variable; a circuit a machine chooses who follows whom, for the families.
"""

from __future__ import annotations

import json
import math
import sys
import time
from itertools import pairwise
from typing import Any

from ortools.sat.python import cp_model
from rival_clock import stop_at_cpu_s

SCALE = 1_000_000  # tardiness in weighted millionths of a minute, so that all weights are whole
MOVED, DISLIKED, MACHINE_CHANGE_MIN = 1e-3, 1e-4, 60


class Member:
    """One need of one demand on one machine, there or not."""

    def __init__(self, model: cp_model.CpModel, start: Any, demand: Any, need: Any, machine: Any) -> None:
        on = str(machine["index"])
        top = machine["horizon"]
        self.machine, self.family = machine["index"], need["family"][on]
        self.on = model.new_bool_var("")
        self.begin = (
            model.new_int_var_from_domain(
                cp_model.Domain.from_intervals([[a, b] for a, b in machine["seen"]]), ""
            )
            if need["setup"] or self.family >= 0
            else start
        )
        self.ready = model.new_int_var(0, top, "")
        allowed = cp_model.Domain.from_intervals(need["starts"][on])
        model.add_linear_expression_in_domain(start, allowed).only_enforce_if(self.on)
        model.add(start - self.begin >= need["setup"]).only_enforce_if(self.on)
        model.add(start - self.begin <= need["setup"] + machine["longest"]).only_enforce_if(self.on)
        model.add(self.begin >= demand["release"]).only_enforce_if(self.on)
        run, clear = demand["run"][on], need["clear"]
        if clear:
            model.add(self.ready >= start + run + clear).only_enforce_if(self.on)
            cleared = [[a + clear, b] for a, b in machine["seen"] if b - a >= clear]
            model.add_linear_expression_in_domain(
                self.ready, cp_model.Domain.from_intervals(cleared)
            ).only_enforce_if(self.on)
        else:
            model.add(self.ready == start + run).only_enforce_if(self.on)
        size = model.new_int_var(0, top, "")
        self.interval = model.new_optional_interval_var(self.begin, size, self.ready, self.on, "")
        self.start, self.own = start, need["setup"]
        self.size = size


def build(said: Any) -> tuple[cp_model.CpModel, dict[str, list[Member]], dict[str, Any], list[Any]]:
    model = cp_model.CpModel()
    top = said["horizon"]
    members: dict[str, list[Member]] = {}
    starts: dict[str, Any] = {}
    costs: list[Any] = []
    extra: dict[str, Any] = {}
    for demand in said["demands"]:
        start = starts[demand["id"]] = model.new_int_var(0, top, "")
        mine = members[demand["id"]] = []
        for need in demand["needs"]:
            crew = [Member(model, start, demand, need, said["machines"][int(m)]) for m in need["starts"]]
            model.add(sum(one.on for one in crew) == need["quantity"])
            mine += crew
        costs += price(model, demand, start, mine, top, extra)
    arcs_of = [arrange(model, said, m, members) for m in said["machines"]]
    model.minimize(sum(costs))
    return model, members, {"starts": starts, "extra": extra}, arcs_of


def price(
    model: Any, demand: Any, start: Any, mine: list[Member], top: int, extra: dict[str, Any]
) -> list[Any]:
    weight, costs = demand["weight"], []
    if demand["due"] is not None:
        late = model.new_int_var(0, top, "")
        for one in mine:
            model.add(late >= one.ready - demand["due"]).only_enforce_if(one.on)
        costs.append(round(weight * SCALE) * late)
        extra[demand["id"], "late"] = late
    if demand["told"]:
        away = model.new_int_var(0, 2 * top, "")
        model.add(away >= start - demand["told"]["start"])
        model.add(away >= demand["told"]["start"] - start)
        elsewhere = sum(one.on for one in mine if one.machine not in demand["told"]["machines"])
        costs.append(round(weight * MOVED * SCALE) * (away + MACHINE_CHANGE_MIN * elsewhere))
        extra[demand["id"], "away"] = away
    for number, (low, high, minutes) in enumerate(demand["dislikes"]):
        here = model.new_bool_var("")
        outside = cp_model.Domain.from_intervals([[0, low - 1], [high, top]])
        model.add_linear_expression_in_domain(start, outside).only_enforce_if(~here)
        costs.append(round(weight * DISLIKED * SCALE) * minutes * here)
        extra[demand["id"], number] = here
    return costs


def arrange(model: Any, said: Any, machine: Any, members: dict[str, list[Member]]) -> list[Any]:
    """Nothing overlaps; those with a family follow each other in a circuit, which says how long a set-up takes."""
    mine = [one for crew in members.values() for one in crew if one.machine == machine["index"]]
    taken = [model.new_fixed_size_interval_var(a, b - a, "") for a, b in machine["taken"]]
    model.add_no_overlap([*(one.interval for one in mine), *taken])
    loading = [one for one in mine if one.family >= 0]
    if not loading:
        return []
    arcs = [(0, 0, model.new_bool_var(""))]
    for number, one in enumerate(loading, 1):
        arcs.append((number, number, ~one.on))
        first, last = model.new_bool_var(""), model.new_bool_var("")
        arcs += [(0, number, first), (number, 0, last)]
        change = machine["change"][machine["loaded"]][one.family]
        model.add(one.start - one.begin >= one.own + change).only_enforce_if(first)
        for other_number, other in enumerate(loading, 1):
            if other is not one:
                before = model.new_bool_var("")
                arcs.append((other_number, number, before))
                change = machine["change"][other.family][one.family]
                model.add(one.start - one.begin >= one.own + change).only_enforce_if(before)
                model.add(one.begin >= other.ready).only_enforce_if(before)
    model.add_circuit(arcs)
    return [(loading, arcs)]


def hint(model: Any, said: Any, members: Any, variables: Any, arcs_of: Any) -> None:
    """Every variable as a plan has it."""
    plan = said["hint"]
    placed: dict[int, tuple[int, int, int]] = {}
    for demand in said["demands"]:
        slots = {slot["machine"]: slot for slot in plan[demand["id"]]}
        start = next(iter(slots.values()))["run_start"]
        model.add_hint(variables["starts"][demand["id"]], start)
        for one in members[demand["id"]]:
            slot = slots.get(one.machine)
            model.add_hint(one.on, slot is not None)
            if slot:
                if one.begin is not one.start:
                    model.add_hint(one.begin, slot["setup_start"])
                model.add_hint(one.ready, slot["free_at"])
                model.add_hint(one.size, slot["free_at"] - slot["setup_start"])
                placed[id(one)] = (slot["setup_start"], 0, 0)
        ready = max(slot["free_at"] for slot in slots.values())
        extra = variables["extra"]
        if demand["due"] is not None:
            model.add_hint(extra[demand["id"], "late"], max(0, ready - demand["due"]))
        if demand["told"]:
            model.add_hint(extra[demand["id"], "away"], abs(start - demand["told"]["start"]))
        for number, (low, high, _) in enumerate(demand["dislikes"]):
            model.add_hint(extra[demand["id"], number], low <= start < high)
    for groups in arcs_of:
        for loading, arcs in groups:
            there = sorted((placed[id(one)][0], n) for n, one in enumerate(loading, 1) if id(one) in placed)
            path = [0, *(n for _, n in there), 0]
            follows = set(pairwise(path))
            for tail, head, literal in arcs:
                if tail != head or tail == 0:
                    model.add_hint(literal, (tail, head) in follows)


class Watch(cp_model.CpSolverSolutionCallback):
    def __init__(self) -> None:
        super().__init__()
        self.begun, self.first = time.perf_counter(), math.nan

    def on_solution_callback(self) -> None:
        if math.isnan(self.first):
            self.first = time.perf_counter() - self.begun


def main() -> None:
    said = json.load(sys.stdin)
    begun = time.perf_counter()
    model, members, variables, arcs_of = build(said)
    if said.get("hint"):
        hint(model, said, members, variables, arcs_of)
    built_s = time.perf_counter() - begun
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = float(sys.argv[1])
    solver.parameters.num_workers = int(sys.argv[2])
    if len(sys.argv) > 3:
        stop_at_cpu_s(solver, float(sys.argv[3]))
    watch = Watch()
    status = solver.solve(model, watch)
    slots = []
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        slots = [
            [name, one.machine, solver.value(one.begin), solver.value(one.start), solver.value(one.ready)]
            for name, crew in members.items()
            for one in crew
            if solver.value(one.on)
        ]
    json.dump(
        {
            "status": solver.status_name(status),
            "objective": solver.objective_value / SCALE if slots else None,
            "bound": solver.best_objective_bound / SCALE,
            "built_s": built_s,
            "first_s": None if math.isnan(watch.first) else watch.first,
            "slots": slots,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
