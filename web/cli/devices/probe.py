"""`fablab devices probe`: who answers, and where nobody does, what stands in the way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from drivers.config import DeviceConfig
from drivers.scan import Finding, Trouble, look
from web.cli.devices.file import configs, data_option, file_option
from web.cli.show import as_json, console, errors, put


@click.command()
@click.argument("names", nargs=-1)
@file_option
@data_option
@as_json
def probe(names: tuple[str, ...], file: Path | None, data: Path | None, json_: bool) -> None:
    """Look at every machine (or those named): who answers, how it is, and what to do.

    Nothing that runs is disturbed: a serial machine is reached through the small program that owns its port,
    as the server reaches it, and a machine on the network is only asked.
    """
    wanted, folder = configs(names, file, data)
    everyone, _ = configs((), file, data)
    numbers = {config.serial_number: config.name for config in everyone if config.serial_number}
    with errors.status("looking; a machine that does not answer is given half a minute"):
        found = asyncio.run(_all(wanted, folder, numbers))
    said = [_fact(config, finding) for config, finding in zip(wanted, found, strict=True)]
    put(said, json_=json_, lines=lambda: _show(found))
    if not all(finding.ok for finding in found):
        raise click.exceptions.Exit(1)


async def _all(wanted: list[DeviceConfig], folder: Path, numbers: dict[str, str]) -> list[Finding]:
    return list(await asyncio.gather(*(look(config, data_dir=folder, known=numbers) for config in wanted)))


def _fact(config: DeviceConfig, finding: Finding) -> dict[str, Any]:
    return {
        "name": config.name,
        "driver": config.driver,
        "ok": finding.ok,
        "trouble": finding.trouble.value,
        "said": finding.said,
        "todo": finding.todo,
        "state": finding.state,
    }


def _show(found: list[Finding]) -> None:
    if not found:
        console.print("No machine stands in devices.toml yet; `fablab devices scan` looks for some.")
    for finding in found:
        mark = "✓" if finding.trouble is Trouble.NONE else "!" if finding.ok else "✗"
        lines = [f"{mark} {finding.name}: {finding.said}"]
        if finding.trouble is Trouble.NONE:
            lines[0] += f". {finding.todo}"
        else:
            lines.append(f"  → {finding.todo}")
        for line in lines:
            # What a machine says of itself may hold brackets, and paths are copied: no markup, no wrapping.
            console.print(line, markup=False, soft_wrap=True)
