"""A file as the slicer wrote it, end to end through each driver: what the machine obeyed is the file, line by line."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from drivers.grbl import Grbl
from drivers.marlin import Marlin
from drivers.mock.grbl import MockGrbl
from drivers.mock.marlin import MockMarlin
from drivers.mock.moonraker import MockMoonraker
from drivers.mock.octoprint import MockOctoPrint
from drivers.mock.prusalink import MockPrusaLink
from drivers.moonraker import Moonraker
from drivers.octoprint import OctoPrint
from drivers.prusalink import PrusaLink
from fablab.device import Device, Outcome
from tests.drivers.doubles import first

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
CUBE = gzip.decompress((SAMPLES / "sliced" / "cube_hole_mk3s_pla.gcode.gz").read_bytes())
BOX = (SAMPLES / "box_side_laser.nc").read_bytes()
# What a serial driver says of its own, before, beside and after a program.
MARLINS_OWN = frozenset(
    {"M110 N0", "M115", "M155 S1", "M113 S2", "M105", "M400", "M104 S0", "M140 S0", "M107"}
)
GRBLS_OWN = frozenset({"G4 P0.01", "M5"})
HURRY = 1e6

Rig = Callable[[], AbstractAsyncContextManager[tuple[Device, Callable[[], list[str]]]]]


def commands(program: bytes) -> list[str]:
    """The lines that mean something to a machine, without comments."""
    bare = (line.split(";", 1)[0].split("(", 1)[0].strip() for line in program.decode().splitlines())
    return [line for line in bare if line]


def without(own: frozenset[str], accepted: list[str], wanted: list[str]) -> list[str]:
    """What was accepted, less those of the driver's own lines that the program does not have at that place."""
    kept: list[str] = []
    for line in accepted:
        if line in own and wanted[len(kept) : len(kept) + 1] != [line]:
            continue
        kept.append(line)
    return kept


@asynccontextmanager
async def marlin() -> AsyncIterator[tuple[Device, Callable[[], list[str]]]]:
    with MockMarlin() as mock:
        yield (
            Marlin(name="m", port=mock.port),
            lambda: without(MARLINS_OWN, mock.accepted, commands(CUBE)),
        )


@asynccontextmanager
async def grbl() -> AsyncIterator[tuple[Device, Callable[[], list[str]]]]:
    with MockGrbl() as mock:
        yield Grbl(name="m", port=mock.port), lambda: without(GRBLS_OWN, mock.accepted, commands(BOX))


@asynccontextmanager
async def octoprint() -> AsyncIterator[tuple[Device, Callable[[], list[str]]]]:
    async with MockOctoPrint(speed=HURRY, push_s=0.5) as mock:
        yield (
            OctoPrint(name="m", url=mock.url, api_key=mock.api_key, look_s=0.5),
            lambda: mock.executed,
        )


@asynccontextmanager
async def moonraker() -> AsyncIterator[tuple[Device, Callable[[], list[str]]]]:
    async with MockMoonraker(speed=HURRY) as mock:
        yield Moonraker(name="m", url=mock.url, look_s=0.5, settle_s=0.1), lambda: mock.executed


@asynccontextmanager
async def prusalink() -> AsyncIterator[tuple[Device, Callable[[], list[str]]]]:
    async with MockPrusaLink(speed=HURRY) as mock:
        yield PrusaLink(name="m", url=mock.url, password=mock.password, look_s=0.2), lambda: mock.executed


RIGS: dict[str, tuple[Rig, bytes]] = {
    "marlin": (marlin, CUBE),
    "grbl": (grbl, BOX),
    "octoprint": (octoprint, CUBE),
    "moonraker": (moonraker, CUBE),
    "prusalink": (prusalink, CUBE),
}


@pytest.mark.parametrize("driver", RIGS)
async def test_the_machine_obeys_the_file_line_by_line(driver: str, tmp_path: Path) -> None:
    rig, program = RIGS[driver]
    path = tmp_path / "part.gcode"
    path.write_bytes(program)
    async with asyncio.timeout(100), rig() as (device, obeyed):
        await device.open()
        await device.start(path, "run-1")
        ended = await first(device.watch(), lambda s: s.progress and s.progress.outcome)
        await device.close()
        lines = obeyed()
    assert ended.progress is not None
    assert ended.progress.outcome is Outcome.DONE
    wanted = commands(program)
    assert len(lines) == len(wanted)
    assert lines == wanted
