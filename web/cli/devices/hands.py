"""A machine by hand: watch what it says, or run one file on it without calendar or bill."""

from __future__ import annotations

import asyncio
import functools
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from drivers.config import DeviceConfig
from drivers.link import Link
from drivers.registry import make
from fablab.base.clock import SystemClock
from fablab.base.ids import new_id
from fablab.device import Outcome, Status
from web.cli.devices.file import configs, data_option, file_option
from web.cli.show import CliError, as_json, console, put

ONLINE_S = 20.0
START_LIFE = timedelta(seconds=60)


@click.command()
@click.argument("names", nargs=-1)
@file_option
@data_option
@as_json
def watch(names: tuple[str, ...], file: Path | None, data: Path | None, json_: bool) -> None:
    """Print every status until Ctrl-C."""
    wanted, folder = configs(names, file, data)
    asyncio.run(_watch_all(wanted, folder, json_))


@click.command("run")
@click.argument("program", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--machine", required=True, help="its name in devices.toml")
@click.option("--bed-is-clear", is_flag=True, help="you have looked: the bed is clear and the material is in")
@file_option
@data_option
@as_json
def run_program(
    program: Path, machine: str, bed_is_clear: bool, file: Path | None, data: Path | None, json_: bool
) -> None:
    """Run PROGRAM on one machine without calendar or bill: for setting up and for repairs.

    Ctrl-C ends the watching, not the program: most machines go on by themselves.
    """
    (config,), folder = configs((machine,), file, data)
    if config.driver == "manual":
        raise CliError(f"a person works {machine}; there is nothing to send to it")
    if not bed_is_clear and (
        json_ or not click.confirm(f"Is the bed of {machine} clear, and the material in?")
    ):
        raise CliError("nothing was started: somebody has to look at the bed first (--bed-is-clear)")
    said = asyncio.run(_run(config, folder, program.absolute(), json_))
    put(said, json_=json_, lines=lambda: _ended(machine, said["outcome"], said["detail"]))
    if said["outcome"] != Outcome.DONE.value:
        raise click.exceptions.Exit(1)


def _ended(machine: str, outcome: str, detail: str) -> None:
    # What a machine says of itself may hold brackets: no markup, no wrapping.
    console.print(f"{machine}: {outcome}" + (f": {detail}" if detail else ""), markup=False, soft_wrap=True)


def _link(config: DeviceConfig, folder: Path) -> Link:
    clock = SystemClock()
    return Link(make(config, data_dir=folder, clock=clock), clock=clock, serial_number=config.serial_number)


async def _watch_all(wanted: list[DeviceConfig], folder: Path, json_: bool) -> None:
    async with asyncio.TaskGroup() as group:
        for config in wanted:
            group.create_task(_watch(config, folder, json_))


async def _watch(config: DeviceConfig, folder: Path, json_: bool) -> None:
    async with _link(config, folder) as link:
        async for status in link.subscribe():
            fact = _fact(config.name, status)
            put(fact, json_=json_, lines=functools.partial(_say, config.name, status))


def _say(name: str, status: Status) -> None:
    at = f"{status.at.astimezone():%H:%M:%S}"
    console.print(f"{at}  {name:<12} {status.state.value:<8} {_heat(status)} {status.message}")


def _fact(name: str, status: Status) -> dict[str, Any]:
    progress = status.progress
    return {
        "name": name,
        "at": status.at,
        "state": status.state.value,
        "heat_c": dict(status.heat_c),
        "message": status.message,
        "token": progress.token if progress else None,
        "fraction": progress.fraction if progress else None,
        "outcome": progress.outcome.value if progress and progress.outcome else None,
    }


def _heat(status: Status) -> str:
    return " ".join(
        f"{part} {value:.0f}°" for part, value in status.heat_c.items() if not part.endswith("_target")
    )


async def _run(config: DeviceConfig, folder: Path, program: Path, json_: bool) -> dict[str, Any]:
    token = new_id(SystemClock().now())
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    async with _link(config, folder) as link:
        await link.wait_online(ONLINE_S)
        with Progress(*columns, console=console, disable=json_, transient=True) as bar:
            task = bar.add_task(config.name, total=1.0)
            news = link.subscribe()
            await link.start(program, token, SystemClock().now() + START_LIFE)
            async for status in news:
                progress = status.progress
                if progress is None or progress.token != token:
                    continue
                bar.update(task, completed=progress.fraction or 0.0, description=status.state.value)
                if progress.outcome is not None:
                    return {"token": token, "outcome": progress.outcome.value, "detail": progress.detail}
    raise CliError(f"{config.name} went out of sight; how it ended is not known")
