"""Weighted tardiness on machines that are all alike, as a textbook puts it to OR-Tools CP-SAT.

Run by `tests.bench.rivals` in an environment of its own: `python rival_textbook.py SECONDS WORKERS CPU_SECONDS < told`.
Told is how many may run at once from which minute on, and of every job its length, weight and due minute. No machine is
named: an interval a job, and a capacity. That is a smaller model than the one of `rival_cpsat`, which knows calendars.
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from typing import Any

from ortools.sat.python import cp_model
from rival_clock import stop_at_cpu_s


def build(told: Any) -> tuple[cp_model.CpModel, list[Any]]:
    model = cp_model.CpModel()
    capacity, top = told["capacity"], told["horizon"]
    most = max(count for _, count in capacity)
    starts, intervals, costs = [], [], []
    for run, weight, due in zip(told["run"], told["weight"], told["due"], strict=True):
        start = model.new_int_var(0, top - run, "")
        late = model.new_int_var(0, max(0, top - due), "")
        model.add(late >= start + run - due)
        starts.append(start)
        intervals.append(model.new_fixed_size_interval_var(start, run, ""))
        costs.append(weight * late)
    shut = [(since, until, most - count) for (since, count), (until, _) in pairwise([*capacity, (top, 0)])]
    if most == 1:
        model.add_no_overlap(intervals)
    else:
        shuts = [(model.new_fixed_size_interval_var(a, b - a, ""), n) for a, b, n in shut if n]
        demands = [1] * len(intervals) + [n for _, n in shuts]
        model.add_cumulative([*intervals, *(interval for interval, _ in shuts)], demands, most)
    model.minimize(sum(costs))
    return model, starts


def main() -> None:
    model, starts = build(json.load(sys.stdin))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = float(sys.argv[1])
    solver.parameters.num_workers = int(sys.argv[2])
    if len(sys.argv) > 3:
        stop_at_cpu_s(solver, float(sys.argv[3]))
    status = solver.solve(model)
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    answer = {
        "status": solver.status_name(status),
        "starts": [solver.value(start) for start in starts] if found else [],
        "bound": solver.best_objective_bound,
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
