"""The mocked Marlin as a program."""

from __future__ import annotations

from collections.abc import Sequence

from drivers.mock.marlin.faults import Fault
from drivers.mock.marlin.machine import Abilities
from drivers.mock.marlin.terminal import MockMarlin
from drivers.mock.program import parser, port, run


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser("drivers.mock.marlin", Fault)
    for switch, about in (
        ("--no-resend-ok", "send no ok after a Resend, as some firmware"),
        ("--no-emergency-parser", "M108, M112 and M410 wait their turn"),
        ("--no-autoreport", "M155 is not known"),
        ("--no-busy", "say no busy: in long commands"),
    ):
        arguments.add_argument(switch, action="store_true", help=about)
    options = arguments.parse_args(argv)
    mock = MockMarlin(
        speed=options.speed,
        faults=options.fault,
        resend_ok=not options.no_resend_ok,
        abilities=Abilities(
            emergency_parser=not options.no_emergency_parser,
            reports_heat=not options.no_autoreport,
            says_busy=not options.no_busy,
        ),
        **port(options),
    )
    return run(mock)
