"""A driver on its mock for each kind of machine, made so that a case of the fault matrix takes seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from drivers.grbl import Grbl, Limits
from drivers.marlin import Marlin
from drivers.mock.grbl import MockGrbl
from drivers.mock.marlin import MockMarlin
from drivers.mock.moonraker import MockMoonraker
from drivers.mock.octoprint import MockOctoPrint
from drivers.mock.print_server import PrintServer
from drivers.mock.printer import Printer
from drivers.mock.prusalink import MockPrusaLink
from drivers.mock.pty import SerialMock
from drivers.moonraker import Moonraker
from drivers.octoprint import OctoPrint
from drivers.prusalink import PrusaLink
from fablab.base.clock import Clock
from fablab.device import Device
from tests.drivers.marlin_rig import QUICK
from tests.drivers.matrix.play import Rig, Truth

Maker = Callable[[Path, Clock], AbstractAsyncContextManager[Rig]]

FAST = 1000.0  # a mock that is to come to its end
# Heats, moves, dwells, cools: at normal speed it lasts a minute, hurried a blink.
PRINT = ["M104 S200", *(f"G1 X{n % 90}.5 F6000\nG4 P100" for n in range(300)), "M104 S0"]

# 300 different cuts of 0.1 s each.
CUT = ["G21", "G90", "M4 S0", *(f"G1 X{n % 2 * 10}.{n:03} S100 F6000" for n in range(300)), "M5", "M2"]
LASER = Limits(
    open_s=4.0,
    hello_s=0.5,
    silence_s=0.9,
    silent_polls=3,
    line_s=3.0,
    stall_s=0.4,
    check_s=3.0,
    pause_s=1.5,
    resume_s=1.0,
    hold_s=1.0,
    reset_s=0.6,
    safe_s=1.5,
    tick_s=0.02,
)


def written(folder: Path, lines: list[str], name: str) -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def struck(mock: SerialMock, fault: str) -> asyncio.Future[None]:
    """Done when the fault is there: a mock has a thread of its own."""
    loop = asyncio.get_running_loop()
    there = loop.create_future()
    mock.inject(fault)
    mock._do(partial(loop.call_soon_threadsafe, there.set_result, None))
    return there


@asynccontextmanager
async def marlin(folder: Path, clock: Clock) -> AsyncIterator[Rig]:
    program = written(folder, PRINT, "part.gcode")
    wanted = [line for line in program.read_text().split("\n") if line]
    with MockMarlin(link=folder / "tty", speed=1) as mock:

        def truth() -> Truth:
            taken = [line for line in mock.accepted if line.startswith("G1 X")]
            moves = [line for line in wanted if line.startswith("G1 X")]
            return Truth(
                starts=mock.accepted.count(PRINT[0]),
                done=len(taken),
                whole=taken == moves,
                hot=any(v > 0 for k, v in mock.heat.items() if k.endswith("_target")),
            )

        yield Rig(
            device=Marlin(
                name="m1",
                clock=clock,
                port=mock.port,
                limits=replace(QUICK, tries_running=3, safe_s=1.5),
                every_s=0.05,
            ),
            program=program,
            inject=partial(struck, mock),
            truth=truth,
            hurry=lambda: mock.set_speed(FAST),
        )


def printed(printer: Printer) -> Truth:
    return Truth(
        starts=printer.starts,
        done=len(printer.executed),
        whole=any(each.whole for each in printer.prints),
        hot=any(target_c > 0 for target_c in printer.targets_c.values()),
    )


def _print_server(mock: PrintServer, device: Device, folder: Path) -> Rig:
    return Rig(
        device=device,
        program=written(folder, PRINT, "part.gcode"),
        inject=mock.inject,
        truth=lambda: printed(mock.printer),
        hurry=partial(setattr, mock, "speed", FAST),
    )


@asynccontextmanager
async def octoprint(folder: Path, clock: Clock) -> AsyncIterator[Rig]:
    async with MockOctoPrint() as mock:
        device = OctoPrint(
            name="m1",
            clock=clock,
            url=mock.url,
            api_key=mock.api_key,
            answer_s=0.8,
            upload_s=2.0,
            look_s=0.3,
            safe_s=1.5,
        )
        yield _print_server(mock, device, folder)


@asynccontextmanager
async def prusalink(folder: Path, clock: Clock) -> AsyncIterator[Rig]:
    async with MockPrusaLink(held_s=4.0, seen_s=1.2) as mock:
        device = PrusaLink(
            name="m1",
            clock=clock,
            url=mock.url,
            password=mock.password,
            answer_s=0.8,
            upload_s=2.0,
            look_s=0.2,
            safe_s=1.5,
            begin_s=1.0,
        )
        yield _print_server(mock, device, folder)


@asynccontextmanager
async def moonraker(folder: Path, clock: Clock) -> AsyncIterator[Rig]:
    async with MockMoonraker(tick_s=0.1) as mock:
        device = Moonraker(
            name="m1",
            clock=clock,
            url=mock.url,
            answer_s=0.8,
            upload_s=2.0,
            look_s=0.3,
            safe_s=1.5,
            settle_s=0.1,
        )
        yield _print_server(mock, device, folder)


@asynccontextmanager
async def grbl(folder: Path, clock: Clock) -> AsyncIterator[Rig]:
    program = written(folder, CUT, "part.nc")
    cuts = [line for line in CUT if line.startswith("G1")]
    with MockGrbl(link=folder / "tty", speed=1) as mock:

        def truth() -> Truth:
            taken = [line for line in mock.accepted if line.startswith("G1")]
            return Truth(
                starts=mock.accepted.count("M4 S0"),
                done=len(taken),
                whole=taken == cuts and mock.state == "Idle",
                hot=mock.beam_on,
            )

        yield Rig(
            device=Grbl(name="m1", clock=clock, port=mock.port, limits=LASER, every_s=0.05),
            program=program,
            inject=partial(struck, mock),
            truth=truth,
            hurry=lambda: mock.set_speed(FAST),
        )


RIGS: dict[str, Maker] = {
    "marlin": marlin,
    "grbl": grbl,
    "octoprint": octoprint,
    "moonraker": moonraker,
    "prusalink": prusalink,
}
