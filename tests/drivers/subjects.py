"""The devices the contract suite is held against. A driver's author adds one entry to `SUBJECTS`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drivers.grbl import Grbl
from drivers.manual import Manual
from drivers.marlin import Marlin
from drivers.mock.grbl import MockGrbl
from drivers.mock.marlin import MockMarlin
from drivers.mock.moonraker import MockMoonraker
from drivers.mock.octoprint import MockOctoPrint
from drivers.mock.prusalink import MockPrusaLink
from drivers.moonraker import Moonraker
from drivers.octoprint import OctoPrint
from drivers.prusalink import PrusaLink
from fablab.base.clock import SystemClock
from fablab.device import Device, Outcome
from tests.drivers.conftest import Hosts


async def _by_itself() -> None:
    """The machine ends its program without help."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A device not opened yet. `short` ends within a second once `finish` was awaited; `long` runs for a minute.

    `lose` cuts the wire, as a pulled cable does.
    """

    device: Device
    short: Path
    long: Path
    lose: Callable[[], Awaitable[None]]
    finish: Callable[[], Awaitable[None]] = _by_itself


Maker = Callable[[Path, Hosts], AbstractAsyncContextManager[Subject]]


def programs(folder: Path) -> tuple[Path, Path]:
    """A short and a long one in G-code."""
    short, long = folder / "short.gcode", folder / "long.gcode"
    short.write_text("M104 S20\n" + "".join(f"G1 X{n}.5 F60000\n" for n in range(10)))
    long.write_text("".join(f"G1 X{n % 100} F6000\nG4 P20\n" for n in range(3000)))
    return short, long


@asynccontextmanager
async def direct_marlin(folder: Path, hosts: Hosts) -> AsyncIterator[Subject]:
    short, long = programs(folder)
    with MockMarlin(link=folder / "tty", speed=1) as mock:

        async def lose() -> None:
            mock.inject("unplug:60")

        yield Subject(device=Marlin(name="m1", port=mock.port), short=short, long=long, lose=lose)


@asynccontextmanager
async def hosted_marlin(folder: Path, hosts: Hosts) -> AsyncIterator[Subject]:
    short, long = programs(folder)
    with MockMarlin(link=folder / "tty", speed=1) as mock:
        device = hosts.at(mock.port)

        async def lose() -> None:
            mock.inject("unplug:60")

        yield Subject(device=device, short=short, long=long, lose=lose)
        await device.quit(force=True)


def cuts(folder: Path) -> tuple[Path, Path]:
    """A short and a long one for a laser."""
    short, long = folder / "short.nc", folder / "long.nc"
    short.write_text("M4 S0\n" + "".join(f"G1 X{n}.5 S100 F6000\n" for n in range(10)))
    long.write_text("M4 S0\n" + "".join(f"G1 X{n % 100} S100 F6000\n" for n in range(3000)))
    return short, long


@asynccontextmanager
async def direct_grbl(folder: Path, hosts: Hosts) -> AsyncIterator[Subject]:
    short, long = cuts(folder)
    with MockGrbl(link=folder / "tty", speed=1) as mock:

        async def lose() -> None:
            mock.inject("unplug:60")

        yield Subject(device=Grbl(name="m1", port=mock.port, every_s=0.2), short=short, long=long, lose=lose)


@asynccontextmanager
async def hosted_grbl(folder: Path, hosts: Hosts) -> AsyncIterator[Subject]:
    short, long = cuts(folder)
    with MockGrbl(link=folder / "tty", speed=1) as mock:
        device = hosts.at(mock.port, driver="grbl")

        async def lose() -> None:
            mock.inject("unplug:60")

        yield Subject(device=device, short=short, long=long, lose=lose)
        await device.quit(force=True)


@asynccontextmanager
async def manual(folder: Path, hosts: Hosts) -> AsyncIterator[Subject]:
    short, long = programs(folder)
    device = Manual(name="m1", state=folder / "m1.json", clock=SystemClock(), every_s=0.1)
    yield Subject(
        device=device,
        short=short,
        long=long,
        lose=device.close,
        finish=partial(device.report, Outcome.DONE),
    )


@asynccontextmanager
async def octoprint(folder: Path, hosts: Hosts) -> AsyncIterator[Subject]:
    short, long = programs(folder)
    async with MockOctoPrint() as mock:
        device = OctoPrint(name="m1", url=mock.url, api_key=mock.api_key, look_s=0.5)
        yield Subject(device=device, short=short, long=long, lose=mock.down)


@asynccontextmanager
async def moonraker(folder: Path, hosts: Hosts) -> AsyncIterator[Subject]:
    short, long = programs(folder)
    async with MockMoonraker(api_key="0123456789abcdef") as mock:
        device = Moonraker(name="m1", url=mock.url, api_key=mock.api_key, look_s=0.5, settle_s=0.1)
        yield Subject(device=device, short=short, long=long, lose=mock.down)


@asynccontextmanager
async def prusalink(folder: Path, hosts: Hosts) -> AsyncIterator[Subject]:
    short, long = programs(folder)
    async with MockPrusaLink(seen_s=0.3, held_s=0.3, passing_s=0.05, listed_s=0.02) as mock:
        device = PrusaLink(
            name="m1", url=mock.url, password=mock.password, look_s=0.05, fresh_s=0.1, answer_s=3
        )
        yield Subject(device=device, short=short, long=long, lose=mock.down)


SUBJECTS: dict[str, Maker] = {
    "marlin": direct_marlin,
    "hosted_marlin": hosted_marlin,
    "grbl": direct_grbl,
    "hosted_grbl": hosted_grbl,
    "manual": manual,
    "octoprint": octoprint,
    "moonraker": moonraker,
    "prusalink": prusalink,
}
