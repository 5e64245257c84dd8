"""The `fablab` command: the lab from a terminal, for people and (with --json) for scripts."""

from __future__ import annotations

import sys

import click

from fablab.base.errors import LabError
from fablab.device import DeviceError
from web.cli.devices import devices
from web.cli.jobs import job
from web.cli.lab import demo, doctor, member, migrate, seed, serve
from web.cli.partner import partner
from web.cli.plan import plan
from web.cli.reports import reports
from web.cli.setup import init, machine, spool
from web.cli.show import CliError, say_error
from web.settings import SettingsError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option("0.1.0", prog_name="fablab")
def cli() -> None:
    """The service a FabLab runs on: one calendar, real machines, and when the part is ready."""


for command in (
    init,
    serve,
    demo,
    migrate,
    seed,
    doctor,
    member,
    machine,
    spool,
    devices,
    job,
    plan,
    partner,
    reports,
):
    cli.add_command(command)


def main() -> None:
    """Entry point: every expected error is one plain sentence and exit code 1, never a stack trace."""
    try:
        sys.exit(cli.main(standalone_mode=False))  # None, or the code of a command that said Exit
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except (LabError, DeviceError, SettingsError, CliError) as error:
        say_error(error)
        sys.exit(1)
