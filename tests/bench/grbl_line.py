"""How much of a 115,200-baud line our GRBL driver uses: on a mocked GRBL in a process of its own that takes bytes
no faster than such a line carries them, has 128 bytes of buffer, and moves at once.

Measured in the middle of the program, by the mock: what came in, of what could have come in. Beside it, in the same
round, a bare loop that counts characters and does nothing else: what it misses, the busy computer misses.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import serial

from drivers.grbl import Grbl
from fablab.device import Outcome

BAUD = 115_200
ROUNDS = 3
LINES = 2_000
EDGE = 200  # lines at both ends that are not measured


@contextmanager
def mocked(folder: Path) -> Iterator[tuple[str, socket.socket]]:
    """Its port and its control socket."""
    port, control = folder / "laser", folder / "control"
    command = [sys.executable, "-m", "drivers.mock.grbl", "--link", str(port), "--speed", "0"]
    command += ["--baud", str(BAUD), "--control", str(control)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith("ready")
            with socket.socket(socket.AF_UNIX) as wire:
                wire.connect(str(control))
                yield str(port), wire
        finally:
            process.terminate()


def program(folder: Path) -> Path:
    """Short engraving moves, as long in bytes as laser software writes them."""
    path = folder / "engraving.nc"
    moves = (f"G1 X{n % 300}.{n % 1000:03d} Y{n // 300}.500 S{n % 1000}" for n in range(LINES))
    path.write_text("\n".join(["G21", "G90", "G1 F6000", "M4 S0", *moves, "M5", ""]))
    return path


def ask(wire: socket.socket, what: str) -> dict[str, Any]:
    wire.sendall(json.dumps({"do": what}).encode() + b"\n")
    said = b""
    while not said.endswith(b"\n"):
        said += wire.recv(65536)
    answer: dict[str, Any] = json.loads(said)
    return answer


def bare_pct(folder: Path) -> float:
    lines = [line.encode() + b"\n" for line in program(folder).read_text().splitlines()]
    with mocked(folder) as (port, control), serial.Serial(port, BAUD, timeout=5, exclusive=True) as wire:
        while not wire.readline().startswith(b"Grbl"):
            pass
        flying: deque[int] = deque()
        for done, line in enumerate(lines):
            while sum(flying) + len(line) > 127:
                wire.readline()
                flying.popleft()
            wire.write(line)
            flying.append(len(line))
            if done == EDGE:
                ask(control, "mark")
        return float(ask(control, "state")["line_use_pct"])


async def driven_pct(folder: Path) -> float:
    path = program(folder)
    with mocked(folder) as (port, control):

        async def executed(count: int) -> dict[str, Any]:
            while (state := await asyncio.to_thread(ask, control, "state"))["accepted"] < count:
                await asyncio.sleep(0.05)
            return state

        grbl = Grbl(name="bench", port=port)
        await grbl.open()
        await grbl.start(path, "bench")
        async with asyncio.timeout(120):
            await executed(EDGE)
            await asyncio.to_thread(ask, control, "mark")
            used = await executed(LINES - EDGE)
            async for status in grbl.watch():
                if status.progress and status.progress.outcome:
                    break
        assert status.progress is not None
        assert status.progress.outcome is Outcome.DONE, status
        await grbl.close()
        return float(used["line_use_pct"])


def use_pct(folder: Path) -> tuple[list[float], list[float]]:
    """Ours and the bare loop's, round by round."""
    bare, ours = [], []
    for _ in range(ROUNDS):
        bare.append(bare_pct(folder))
        ours.append(asyncio.run(driven_pct(folder)))
    return ours, bare
