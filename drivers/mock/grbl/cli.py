"""The mocked GRBL as a program."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from drivers.mock.grbl.faults import Fault
from drivers.mock.grbl.settings import Settings
from drivers.mock.grbl.terminal import MockGrbl
from drivers.mock.grbl.words import Refused
from drivers.mock.program import parser, port, run


def _setting(text: str) -> tuple[int, float]:
    number, _, value = text.lstrip("$").partition("=")
    try:
        pair = int(number), float(value)
        Settings().store(*pair)
    except (ValueError, Refused) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no setting this GRBL takes ({error})") from error
    return pair


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser("drivers.mock.grbl", Fault)
    add = arguments.add_argument
    add("--setting", type=_setting, action="append", default=[], metavar="22=1", help="as by $22=1")
    add("--build-info", default="", help="what was stored by $I= before")
    add("--factory-new", action="store_true", help="say error:7 and the settings at the first boot")
    options = arguments.parse_args(argv)
    mock = MockGrbl(
        speed=options.speed,
        faults=options.fault,
        settings=dict(options.setting),
        factory_new=options.factory_new,
        build_info=options.build_info,
        **port(options),
    )
    return run(mock)
