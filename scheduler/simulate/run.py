"""One life of the lab under one policy, or the same life under several, two at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from scheduler.simulate.house import Settings, house
from scheduler.simulate.known import Tuning
from scheduler.simulate.luck import draw
from scheduler.simulate.ours import Check, Ours, unchecked
from scheduler.simulate.report import Score, score
from scheduler.simulate.rivals import Queue, Slots
from scheduler.simulate.world import Policy, World

POLICIES: Mapping[str, Callable[[World], Policy]] = {
    "ours": Ours,
    "slots": Slots,
    "fcfs": partial(Queue, by_due=False),
    "edf": partial(Queue, by_due=True),
}


def live(
    settings: Settings, policy: str, *, tuning: Tuning | None = None, check: Check = unchecked
) -> tuple[World, Score]:
    """Everything from the first wish to the last part. `check` sees every plan that is made."""
    where = house(settings)
    world = World(where, draw(settings, where))
    world.plug(Ours(world, tuning, check) if policy == "ours" else POLICIES[policy](world))
    world.live()
    return world, score(policy, world)


def _scored(job: tuple[Settings, str]) -> Score:
    return live(*job)[1]


def compare(lives: Sequence[tuple[Settings, str]], *, processes: int | None = None) -> list[Score]:
    """A score for each, in the same order; the search is the longest and goes first."""
    wanted = processes or min(2, os.cpu_count() or 1, len(lives))
    if wanted <= 1:
        return [_scored(job) for job in lives]
    order = sorted(range(len(lives)), key=lambda n: lives[n][1] != "ours")
    with ProcessPoolExecutor(wanted, mp_context=get_context("spawn")) as pool:
        waiting = {n: pool.submit(_scored, lives[n]) for n in order}
        return [waiting[n].result() for n in range(len(lives))]
