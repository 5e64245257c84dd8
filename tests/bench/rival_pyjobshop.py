"""Our problem as far as PyJobShop's model can say it; what it cannot say is left out in its favour.

Run by `tests.bench.rivals` in an environment of its own: `python rival_pyjobshop.py SECONDS WORKERS < problem > answer`.
Said: release, due, weight, eligible machines and their durations, families' set-ups, hours of attended machines,
outages and facts. Left out: hours of printers (it has no set-up that needs a person before a run that does not),
promises, and the choice of a workshop's date and crew: those stand as in our plan. What it answers is machines and
an order; the caller lays them out by all the rules.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from typing import Any

from pyjobshop import Model


def main() -> None:
    said = json.load(sys.stdin)
    begun = time.perf_counter()
    model = Model()
    top = said["horizon"]
    machines = [model.add_machine(breaks=breaks(machine, top)) for machine in said["machines"]]
    tasks: list[tuple[Any, Any]] = []
    for demand in said["demands"]:
        if demand["gang"]:
            continue
        need = demand["needs"][0]
        job = model.add_job(
            weight=round(100 * demand["weight"]),
            release_date=demand["release"],
            due_date=top if demand["due"] is None else demand["due"],
        )
        task = model.add_task(job, earliest_start=demand["release"])
        for on in need["starts"]:
            length = need["setup"] + demand["run"][on] + need["clear"]
            model.add_mode(task, machines[int(on)], length)
        tasks.append((demand, task))
    setups(model, said, machines, tasks)
    model.set_objective(weight_total_tardiness=1)
    built_s = time.perf_counter() - begun
    result = model.solve(time_limit=float(sys.argv[1]), display=False, num_workers=int(sys.argv[2]))
    order = []
    if result.best is not None and result.best.tasks:
        order = [
            [demand["id"], data.resources[0], data.start]
            for (demand, _), data in zip(tasks, result.best.tasks, strict=True)
            if data is not None
        ]
    objective = result.objective / 100 if order else None
    json.dump(
        {"status": str(result.status), "objective": objective, "built_s": built_s, "order": order}, sys.stdout
    )


def breaks(machine: Any, top: int) -> list[tuple[int, int]]:
    """Sorted, apart: what is taken, and where nobody is on an attended machine (members alone: the house open)."""
    closed = (
        []
        if machine["change"]
        else [(a, b) for (_, a), (b, _) in pairwise([(0, 0), *machine["open"], (top, top)])]
    )
    joined: list[tuple[int, int]] = []
    for start, end in sorted([*map(tuple, closed), *((max(0, a), min(b, top)) for a, b in machine["taken"])]):
        if end <= start:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def setups(model: Any, said: Any, machines: list[Any], tasks: list[tuple[Any, Any]]) -> None:
    for number, machine in enumerate(said["machines"]):
        if not machine["change"]:
            continue
        here = [
            (d["needs"][0]["family"][str(number)], t)
            for d, t in tasks
            if str(number) in d["needs"][0]["starts"]
        ]
        for family, task in here:
            for after, later in here:
                minutes = machine["change"][family][after]
                if later is not task and minutes:
                    model.add_setup_time(machines[number], task, later, minutes)


if __name__ == "__main__":
    main()
