"""Machines from a terminal: find them, set them up, look who answers, try them by hand."""

from __future__ import annotations

import click

from web.cli.devices.fault import fault
from web.cli.devices.hands import run_program, watch
from web.cli.devices.key import key
from web.cli.devices.probe import probe
from web.cli.devices.scan import scan_command


@click.group()
def devices() -> None:
    """Find, set up, probe, watch and run machines by hand."""


for command in (scan_command, key, probe, watch, run_program, fault):
    devices.add_command(command)
