"""Many mocked network machines in one process: `python -m tests.bench.flock KIND COUNT` prints their ports as JSON."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from contextlib import AsyncExitStack

from drivers.mock.moonraker import MockMoonraker
from drivers.mock.octoprint import MockOctoPrint

EVERY_S = (
    1.0  # each of them tells its listeners so often, and its bed gets another target so that there is news
)


def octoprint() -> MockOctoPrint:
    return MockOctoPrint(push_s=EVERY_S)


def moonraker() -> MockMoonraker:
    return MockMoonraker(tick_s=EVERY_S)


KINDS = {"octoprint": octoprint, "moonraker": moonraker}


async def main(kind: str, count: int) -> None:
    async with AsyncExitStack() as stack:
        mocks = [await stack.enter_async_context(KINDS[kind]()) for _ in range(count)]
        print(json.dumps([mock.port for mock in mocks]), flush=True)
        for target_c in itertools.cycle((40, 50, 60)):
            await asyncio.sleep(EVERY_S)
            await asyncio.gather(*(mock.heat_by_hand(f"M140 S{target_c}") for mock in mocks))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
