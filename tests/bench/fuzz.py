"""Hostile input into every protocol parser, in full: 1,000,000 random bytes and 100,000 damaged replies each.

`lag_max_ms` is the longest gap of a task that ticks every 2 ms in the event loop that feeds the parsers, a pause
after each message: what everything else in the server would feel. `slowest_ms` is the processor time of the
slowest single message. Both take in what else this computer does; a parser that breaks ends the bench.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from tests.drivers.fuzzing import PARSERS, Parser, mutants, noise

RANDOM_BYTES = 1_000_000
MUTANTS = 100_000
_TICK_S = 0.002


async def _tick(gaps: list[float]) -> None:
    """The longest gap so far stands in `gaps[0]`."""
    last = time.perf_counter()
    while True:
        await asyncio.sleep(_TICK_S)
        now = time.perf_counter()
        gaps[0] = max(gaps[0], now - last - _TICK_S)
        last = now


async def _feed(parser: Parser, messages: Iterator[bytes]) -> tuple[int, float, float, float]:
    """Messages, seconds, and in seconds the longest gap and the slowest message."""
    gaps, slowest, count, began = [0.0], 0.0, 0, time.perf_counter()
    ticking = asyncio.create_task(_tick(gaps))
    take = parser.make()
    for data in messages:
        at = time.thread_time()
        with contextlib.suppress(*parser.errors):
            take(data)
        slowest = max(slowest, time.thread_time() - at)
        count += 1
        await asyncio.sleep(0)
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)
    return count, time.perf_counter() - began, gaps[0], slowest


def run(console: Console) -> dict[str, float]:
    table = Table("parser", "messages", "s", "lag ms", "slowest ms", title="hostile input")
    total = lag_s = slowest_s = 0.0
    for name, parser in PARSERS.items():
        messages = itertools.chain(noise(1, RANDOM_BYTES), mutants(parser.samples, MUTANTS, 1))
        count, took_s, gap_s, slow_s = asyncio.run(_feed(parser, messages))
        table.add_row(name, f"{count:,}", f"{took_s:.1f}", f"{gap_s * 1e3:.1f}", f"{slow_s * 1e3:.2f}")
        total, lag_s, slowest_s = total + count, max(lag_s, gap_s), max(slowest_s, slow_s)
    console.print(table)
    return {
        "parsers": len(PARSERS),
        "messages": total,
        "lag_max_ms": round(lag_s * 1e3, 1),
        "slowest_ms": round(slowest_s * 1e3, 2),
    }
