"""A serial mock as a program: its arguments, and running until SIGTERM or SIGINT; it leaves nothing behind."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from drivers.mock.faults import Fault
from drivers.mock.pty import Port, SerialMock


def parser(prog: str, fault: type[Fault]) -> argparse.ArgumentParser:
    """The arguments every serial mock takes."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    add = parser.add_argument
    add("--link", type=Path, required=True, help="where to put the symbolic link to the pty")
    add("--name", default="mock", help="what tells this machine from others, where its firmware can say it")
    add("--speed", type=_speed, default=1.0, help="machine seconds in one second; 0: as fast as possible")
    add(
        "--fault",
        type=_checked(fault),
        action="append",
        default=[],
        metavar="KIND[:VALUE][@LINE]",
        help="; ".join(f"{word}: {kind.does}" for word, kind in fault.kinds.items()),
    )
    add("--record", type=Path, help="a file to which every accepted command is appended")
    add("--control", type=Path, help="a Unix socket that takes JSON lines")
    add("--reset-on-open", action="store_true", help="boot whenever the port is opened, as DTR does")
    add("--baud", type=_baud, default=0, help="pace the line both ways; 0: as fast as the pty")
    return parser


def port(options: argparse.Namespace) -> Port:
    """What the arguments of `parser` say of the port; a program keeps no commands in memory."""
    return Port(
        name=options.name,
        link=options.link,
        record=options.record,
        control=options.control,
        keep=False,
        reset_on_open=options.reset_on_open,
        baud=options.baud,
    )


def run(mock: SerialMock) -> int:
    """Says `ready: NAME at LINK` on standard output once the port can be opened."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: mock.stop())
    sys.stdout.write(f"ready: {mock.name} at {mock.port}\n")
    sys.stdout.flush()
    mock.serve()
    return 0


def _checked(fault: type[Fault]) -> Callable[[str], str]:
    def check(text: str) -> str:
        try:
            fault.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return text

    return check


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 <= speed <= 1e6:
        raise argparse.ArgumentTypeError("a speed is a number from 0 (as fast as possible) up")
    return speed


def _baud(text: str) -> int:
    baud = int(text)
    if baud and not 300 <= baud <= 4_000_000:
        raise argparse.ArgumentTypeError("a baud rate is 0 or from 300 to 4,000,000")
    return baud
