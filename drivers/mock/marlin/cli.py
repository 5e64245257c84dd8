"""The mock as a program: runs until SIGTERM or SIGINT and leaves nothing behind."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from drivers.mock.marlin.faults import DEFAULTS, Fault, FaultKind
from drivers.mock.marlin.machine import Abilities
from drivers.mock.marlin.terminal import MockMarlin


def _fault(text: str) -> str:
    try:
        Fault.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 <= speed <= 1e6:
        raise argparse.ArgumentTypeError("a speed is a number from 0 (as fast as possible) up")
    return speed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="drivers.mock.marlin", description=__doc__)
    add = parser.add_argument
    add("--link", type=Path, required=True, help="where to put the symbolic link to the pty")
    add("--name", default="mock", help="told as MACHINE_TYPE; the UUID follows from it")
    add("--speed", type=_speed, default=1.0, help="machine seconds in one second; 0: as fast as possible")
    kinds = ", ".join(FaultKind)
    add(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="KIND[:VALUE][@LINE]",
        help=f"{kinds}; busy takes {DEFAULTS[FaultKind.BUSY]:.0f} s unless told",
    )
    add("--record", type=Path, help="a file to which every accepted command is appended")
    add("--control", type=Path, help="a Unix socket that takes JSON lines")
    add("--reset-on-open", action="store_true", help="boot whenever the port is opened, as DTR does")
    add("--no-resend-ok", action="store_true", help="send no ok after a Resend, as some firmware")
    add("--no-emergency-parser", action="store_true")
    add("--no-autoreport", action="store_true")
    add("--no-busy", action="store_true")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Says `ready: NAME at LINK` on standard output once the port can be opened."""
    options = _parser().parse_args(argv)
    mock = MockMarlin(
        name=options.name,
        link=options.link,
        speed=options.speed,
        faults=options.fault,
        record=options.record,
        control=options.control,
        keep=False,
        reset_on_open=options.reset_on_open,
        resend_ok=not options.no_resend_ok,
        abilities=Abilities(
            emergency_parser=not options.no_emergency_parser,
            reports_heat=not options.no_autoreport,
            says_busy=not options.no_busy,
        ),
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: mock.stop())
    sys.stdout.write(f"ready: {mock.name} at {mock.port}\n")
    sys.stdout.flush()
    mock.serve()
    return 0
