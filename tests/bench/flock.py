"""Many mocked network machines in one process: `python -m tests.bench.flock KIND COUNT` prints their ports as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack

from drivers.mock.moonraker import MockMoonraker
from drivers.mock.octoprint import MockOctoPrint, Stored

EVERY_S = (
    1.0  # each of them tells its listeners so often, and prints a line a second so that it has news to tell
)
PATH = "long.gcode"
PROGRAM = b"".join(b"G1 X%d E0.1 F600\n" % (index % 200) for index in range(5000))


def octoprint() -> MockOctoPrint:
    stored = Stored(content=PROGRAM, date=1_795_000_000.0)
    return MockOctoPrint(push_s=EVERY_S, line_s=EVERY_S, files={PATH: stored})


def moonraker() -> MockMoonraker:
    return MockMoonraker(tick_s=EVERY_S, line_s=EVERY_S, files={PATH: PROGRAM})


KINDS = {"octoprint": octoprint, "moonraker": moonraker}


async def main(kind: str, count: int) -> None:
    async with AsyncExitStack() as stack:
        mocks = [await stack.enter_async_context(KINDS[kind]()) for _ in range(count)]
        for mock in mocks:
            mock.print_by_hand(PATH)
        print(json.dumps([mock.port for mock in mocks]), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
