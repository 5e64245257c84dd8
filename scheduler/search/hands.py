"""Hands at work on a plan: chains side by side where demands are few, one plan in parts by machine where they are many.

Every chunk of moves has a seed of its own, whoever tries it, so that so many moves by so many threads end in the same
plan each time. The kernel runs without the GIL; uncompiled the threads' chunks are done in turn, with the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import FunctionType
from typing import Protocol

import numpy as np
from numpy.random import Generator, default_rng

from scheduler.search import kernel
from scheduler.search.kernel import Ints, World
from scheduler.search.packed import Kept, Packed

SPLIT_FROM = 300  # demands: with fewer the chains find more
_OWN = (
    "new_order",
    "new_state",
    "new_cost",
    "new_at",
    "scratch",
    "saved",
    "ruined",
    "tally",
    "late",
    "enough",
)


class Hands(Protocol):
    """`anneal` tries so many moves, all hands together. `again`: a new cooling begins, from the best so far."""

    best: Kept

    def anneal(self, moves: int, temperature: float) -> None: ...
    def again(self) -> None: ...
    def close(self) -> None: ...


def hands_for(packed: Packed, threads: int, seed: int) -> Hands:
    many = len(packed.singles) >= SPLIT_FROM
    return (Parts if threads > 1 and many else Chains)(packed, threads, default_rng(seed))


class _Pool:
    """Threads besides the one that asks."""

    def __init__(self, threads: int) -> None:
        self._others = ThreadPoolExecutor(threads - 1, "search") if threads > 1 else None

    def close(self) -> None:
        if self._others:
            self._others.shutdown()

    def together(self, jobs: Sequence[Callable[[], object]]) -> None:
        """All of `jobs`, the last by whoever asks."""
        waiting = []
        if self._others and not isinstance(kernel.anneal, FunctionType):
            waiting = [self._others.submit(job) for job in jobs[:-1]]
        for job in jobs[len(waiting) :]:
            job()
        for one in waiting:
            one.result()


class Chains(_Pool):
    """Plans side by side, each with its own luck: at 10 x 60 two find more in half the time than one does in all of it."""

    def __init__(self, packed: Packed, threads: int, chance: Generator) -> None:
        super().__init__(threads)
        self._chance = chance
        self._chains = [packed, *(packed.twin() for _ in range(threads - 1))]
        self._cost, self.best = kernel.total(packed.world), packed.keep()

    def anneal(self, moves: int, temperature: float) -> None:
        part = gang_part(self._chains[0].world)
        each = -(-moves // len(self._chains))
        self.together(
            [
                partial(kernel.anneal, chain.world, each, temperature, part, a_seed(self._chance))
                for chain in self._chains
            ]
        )
        for chain in self._chains:
            now = kernel.total(chain.world)
            if now < self._cost - 1e-9:
                self._cost, self.best = now, chain.keep()

    def again(self) -> None:
        for chain in self._chains:
            chain.restore(self.best)


class Parts(_Pool):
    """One plan by several threads: each has some of the machines, other ones in every chunk, and moves what stands on
    these among these. Gangs, which stand on machines of all, are moved by one thread before.
    """

    def __init__(self, packed: Packed, threads: int, chance: Generator) -> None:
        super().__init__(threads)
        self._packed, self._chance, self._threads = packed, chance, threads
        world = self._world = packed.world
        self._cost, self.best = kernel.total(world), packed.keep()
        self._own = [
            {name: np.zeros_like(getattr(world, name)) for name in _OWN}
            | {"job": world.job.copy(), "ticks": np.array((0, threads), np.int32)}
            for _ in range(threads)
        ]

    def anneal(self, moves: int, temperature: float) -> None:
        world = self._world
        singles = world.at.shape[0]
        of_gangs = round(moves * gang_part(world))
        if of_gangs:
            kernel.anneal(world, of_gangs, temperature, 1.0, a_seed(self._chance))
        parts = self._split()
        shares = [(moves - of_gangs) * part.mine.shape[0] // singles for part in parts]
        self.together(
            [
                partial(kernel.anneal, part, share, temperature, 0.0, a_seed(self._chance))
                for part, share in zip(parts, shares, strict=True)
            ]
        )
        world.ticks[0] = max(int(part.ticks[0]) for part in parts)
        now = kernel.total(world)
        if now < self._cost - 1e-9:
            self._cost, self.best = now, self._packed.keep()

    def again(self) -> None:
        self._packed.restore(self.best)

    def _split(self) -> list[World]:
        """The machines dealt out anew, so that all have about as many demands; what one writes no other reads."""
        world = self._world
        dealt = self._chance.permutation(world.size.shape[0])
        before = np.cumsum(world.size[dealt, 0]) - world.size[dealt, 0]
        owner = np.empty(len(dealt), np.int32)
        owner[dealt] = np.minimum(before * self._threads // world.at.shape[0], self._threads - 1)
        on, listed = owner[world.at[:, kernel.ON]], owner[world.listed]
        parts = []
        for number, own in enumerate(self._own):
            kept = listed == number
            ahead = np.concatenate(([0], np.cumsum(kept)))
            for column in (kernel.ELIGIBLE, kernel.ELIGIBLE_END):
                own["job"][:, column] = ahead[world.job[:, column]]
            own["ticks"][0] = world.ticks[0] + number
            mine: Ints = np.flatnonzero(on == number).astype(np.int32)
            parts.append(world._replace(listed=world.listed[kept], mine=mine, **own))
        return [part for part in parts if len(part.mine)]


def a_seed(chance: Generator) -> int:
    return int(chance.integers(1 << 31))


def gang_part(world: World) -> float:
    """Of the moves those of gangs."""
    gangs, singles = world.gang.shape[0], world.at.shape[0]
    return kernel.GANGS * gangs / (gangs + kernel.GANGS * singles) if gangs else 0.0
