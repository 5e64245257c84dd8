"""How long a software stop takes from its call to its first byte on the wire, through a real host process.

Three situations: the machine streams as fast as it can, it waits for heat (M109), and it streams while sixteen other
clients flood the host's socket. `Wire` is also what the fleet bench measures with.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from drivers.config import load
from drivers.host import HostedDevice, HostPaths
from drivers.registry import DRIVERS
from fablab.device import Safety

ROOT = Path(__file__).resolve().parents[2]
STOPS = 100
CROWD = 16


class Wire:
    """The machines of `tests.bench.wired`, and what they noted. `folder` is new and empty."""

    def __init__(self, folder: Path, count: int, lines_per_s: float) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "seen").touch()
        command = [sys.executable, "-m", "tests.bench.wired", str(folder), str(count), str(lines_per_s)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"
        self._notes = (folder / "seen").open()
        self._last: dict[tuple[int, str], float] = {}

    @property
    def pid(self) -> int:
        return self._process.pid

    def port(self, number: int) -> Path:
        return self.folder / f"tty{number}"

    async def saw(self, number: int, what: str, *, after: float, within_s: float = 20.0) -> float:
        """When machine `number` first read a "print" or a "stop" `after` an instant of `time.monotonic`."""
        while time.monotonic() < after + within_s:
            for line in self._notes:
                machine, seen, at = line.split()
                self._last[int(machine), seen] = float(at)
            if self._last.get((number, what), after) > after:
                return self._last[number, what]
            await asyncio.sleep(0.005)
        raise TimeoutError(f"machine {number} saw no {what} within {within_s:.0f} s")

    def close(self) -> None:
        self._notes.close()
        self._process.kill()
        self._process.wait()


@contextmanager
def wired(folder: Path, count: int, lines_per_s: float) -> Iterator[Wire]:
    wire = Wire(folder, count, lines_per_s)
    try:
        yield wire
    finally:
        wire.close()


def p99(figures: list[float]) -> float:
    return sorted(figures)[max(0, math.ceil(len(figures) * 0.99) - 1)]


def endless(folder: Path, *, heat: bool = False) -> Path:
    """A program that is longer than any bench; with `heat` it waits for it before its first move."""
    path = folder / ("hot.gcode" if heat else "long.gcode")
    with path.open("w") as file:
        file.write("M109 S200\n" if heat else "M104 S60\n")
        for index in range(400_000):
            file.write(f"G1 X{index % 200}.{index % 1000:03d} Y{index % 180}.5 E0.01\n")
    return path


async def measure(device: HostedDevice, wire: Wire, number: int, program: Path, stops: int) -> list[float]:
    """Seconds from the call to the wire, of `stops` stops of a program that runs. Each must be confirmed."""
    found = []
    for index in range(stops):
        token = f"{program.stem}-{index}-{time.monotonic_ns()}"
        began = time.monotonic()
        await device.start(program, token)
        await wire.saw(number, "print", after=began)
        called = time.monotonic()
        safety = await device.make_safe()
        assert safety is Safety.CONFIRMED, (safety, index)
        found.append(await wire.saw(number, "stop", after=called) - called)
    return found


@asynccontextmanager
async def flood(socket: Path, clients: int = CROWD) -> AsyncIterator[None]:
    """So many clients that ask as fast as they get answers, out of a process of their own."""
    command = [sys.executable, "-c", FLOOD, str(socket), str(clients)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield
    finally:
        process.kill()
        await process.wait()


FLOOD = """
import asyncio, sys
async def ask(path):
    reader, writer = await asyncio.open_unix_connection(path)
    await reader.readline()
    while True:
        writer.write(b'{"id": 1, "op": "watch"}\\n{"id": 2, "op": "resume"}\\n')
        while b'"id":2' not in await reader.readline():
            pass
async def main():
    crowd = [asyncio.create_task(ask(sys.argv[1])) for _ in range(int(sys.argv[2]))]
    await asyncio.sleep(0.3)
    print("flooding", flush=True)
    await asyncio.gather(*crowd)
asyncio.run(main())
"""


async def _run(folder: Path, stops: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    with wired(folder / "wire", 1, 0) as wire:
        toml = folder / "devices.toml"
        toml.write_text(f'[devices.m1]\ndriver = "marlin"\nport = "{wire.port(0)}"\n')
        config = load(toml)["m1"]
        device = HostedDevice(
            config, data_dir=folder / "data", capabilities=DRIVERS["marlin"].capabilities, idle_s=60
        )
        await device.open()
        try:
            cold, hot = endless(folder), endless(folder, heat=True)
            cases: dict[str, Callable[[], Awaitable[list[float]]]] = {
                "streaming": lambda: measure(device, wire, 0, cold, stops),
                "waiting for heat": lambda: measure(device, wire, 0, hot, stops),
            }
            for name, case in cases.items():
                found[name] = await case()
            async with flood(HostPaths(folder / "data", "m1").socket):
                found["streaming, 16 clients flood"] = await measure(device, wire, 0, cold, stops)
        finally:
            with contextlib.suppress(TimeoutError):
                await device.quit(force=True)
            await device.close()
    return found


def run(console: Console, *, stops: int = STOPS) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        found = asyncio.run(_run(Path(name), stops))
    table = Table(
        "situation", "stops", "median ms", "p99 ms", "most ms", title="call to first byte on the wire"
    )
    for case, figures in found.items():
        middle = sorted(figures)[len(figures) // 2]
        row = (middle, p99(figures), max(figures))
        table.add_row(case, str(len(figures)), *(f"{figure * 1000:.1f}" for figure in row))
    console.print(table)
    together = [figure for figures in found.values() for figure in figures]
    return {"stop_p99_ms": round(p99(together) * 1000, 1)}
