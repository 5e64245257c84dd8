"""`fablab devices scan`: which machines are there, and a table of devices.toml for each new one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from drivers.config import ConfigError, DeviceConfig, Secret, edit
from drivers.scan import Found, Kind, Lacking, ask, block, lacking, scan
from web.cli.devices.file import data_option, file_option, known, settings_of
from web.cli.show import CliError, as_json, console, errors, put

_BY_HAND: Final = "fablab devices"


@click.command("scan")
@click.option(
    "--probe", is_flag=True, help="open the new serial ports and ask who is there; resets most boards"
)
@click.option("--driver", type=click.Choice(["marlin", "grbl"]), help="what is behind a new serial port")
@click.option("--name", help="what the one new machine is to be called")
@click.option("--write", is_flag=True, help="add the new machines to devices.toml")
@click.option("--yes", is_flag=True, help="ask nothing")
@click.option(
    "--seconds", type=click.FloatRange(0, 60), default=3.0, show_default=True, help="listen so long"
)
@file_option
@data_option
@as_json
def scan_command(
    probe: bool,
    driver: str | None,
    name: str | None,
    write: bool,
    yes: bool,
    seconds: float,
    file: Path | None,
    data: Path | None,
    json_: bool,
) -> None:
    """Look for machines: on serial ports, and servers that announce themselves on the network.

    No port is opened, unless --probe says so, and then only those that nobody owns.
    """
    settings = settings_of(file, data)
    path = settings.devices_file
    there = known(settings) if path.exists() else {}
    if probe and not yes:
        if json_:
            raise CliError("--probe resets the boards it asks; say --yes, too, if nothing prints on them")
        click.confirm(
            "Opening a port resets most boards. Does nothing print on the ports that are new?", abort=True
        )
    with errors.status("listening" if not probe else "listening, and asking the new ports"):
        found = asyncio.run(_find(there, seconds, probe=probe))
    found = _named(found, name, there)
    put([_fact(one, driver) for one in found], json_=json_, lines=lambda: _show(found, driver, path))
    if write:
        _write(found, driver, path, yes=yes, json_=json_)


async def _find(there: dict[str, DeviceConfig], seconds: float, *, probe: bool) -> tuple[Found, ...]:
    found = await scan(there, seconds)
    return await ask(found) if probe else found


def _named(found: tuple[Found, ...], name: str | None, there: dict[str, DeviceConfig]) -> tuple[Found, ...]:
    if name is None:
        return found
    new = [one for one in found if not one.known_as]
    if len(new) != 1:
        raise CliError(f"--name names one new machine, and there are {len(new)}")
    if name in there:
        raise CliError(f"there is a machine called {name} already; choose another name")
    return tuple(one if one.known_as else replace(one, name=name) for one in found)


# -- what is shown


def _fact(one: Found, driver: str | None) -> dict[str, Any]:
    needs = lacking(one, driver=driver or "")
    return {
        "kind": one.kind.value,
        "what": one.what,
        "where": one.where,
        "name": one.name,
        "known_as": one.known_as or None,
        "driver": one.driver or None,
        "firmware": one.firmware or None,
        "serial_number": one.serial_number or None,
        "held_by": one.held_by or None,
        "advice": one.advice or None,
        "lacking": needs.value,
        "block": None if one.known_as else _block(one, driver),
    }


def _show(found: Sequence[Found], driver: str | None, path: Path) -> None:
    if not found:
        _say("Nothing was found: no serial port with a machine on it, and no server that announces itself.")
        _say("Is the machine switched on, and its cable in? A server of another network has to be written")
        _say(f"into {path} by hand; devices.example.toml shows how.")
        return
    rows = [("what it is", "where", "in devices.toml")]
    rows += [(one.what, one.where, one.known_as or "new") for one in found]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for what, where, state in rows:
        _say(f"{what:<{widths[0]}}  {where:<{widths[1]}}  {state}")
    new = [one for one in found if not one.known_as]
    for one in new:
        _say("")
        text = _block(one, driver)
        _say(text.rstrip() if text else f"{one.where}")
        for note in _notes(one, driver):
            _say(f"  → {note}")
    if any(_ready(one, driver) for one in new):
        _say("")
        _say(f"`{_BY_HAND} scan --write` adds what is ready to {path}.")


def _block(one: Found, driver: str | None) -> str | None:
    try:
        return block(one, driver=(driver or "") if one.kind is Kind.SERIAL and not one.driver else "")
    except ValueError:
        return None


def _ready(one: Found, driver: str | None) -> bool:
    needs = lacking(one, driver=driver or "")
    return not one.known_as and not one.held_by and needs is Lacking.NOTHING


def _notes(one: Found, driver: str | None) -> list[str]:
    """What stands between this machine and devices.toml."""
    notes = [one.advice] if one.advice else []
    if one.held_by:
        notes.append(f"held by {one.held_by}; a port has one owner, so end that program first")
    match lacking(one, driver=driver or ""):
        case Lacking.DRIVER if not one.held_by:
            notes.append("which firmware? --probe asks it; --driver marlin or --driver grbl says it")
        case Lacking.API_KEY:
            notes.append(
                f"needs a key: `{_BY_HAND} key {one.where} --name {one.name}` gets one and adds this table"
            )
        case Lacking.PASSWORD:
            notes.append(
                f"needs the printer's password (Settings > Network > PrusaLink) in {one.name}.key; --write asks for it"
            )
        case _:
            pass
    return notes


# -- what is written


def _write(found: Sequence[Found], driver: str | None, path: Path, *, yes: bool, json_: bool) -> None:
    ready = [one for one in found if _ready(one, driver)]
    secrets = {} if yes or json_ else _passwords(found)
    ready += [one for one in found if one.name in secrets]
    if not ready:
        if not json_:
            _say("")
            _say("Nothing to add.")
        return
    text = "\n".join(_block(one, driver) or "" for one in ready)
    if not yes:
        if json_:
            raise CliError("--write with --json needs --yes")
        _say("")
        names = ", ".join(one.name for one in ready)
        click.confirm(f"Add {names} to {path}?", abort=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [path.with_name(edit.write_secret(path, name, secret)) for name, secret in secrets.items()]
        try:
            names_added = edit.append(path, text)
        except ConfigError:
            for file in kept:
                file.unlink(missing_ok=True)
            raise
    except (ConfigError, OSError) as error:
        raise CliError(str(error)) from error
    if not json_:
        _say(f"{path} has {', '.join(names_added)} now. Next: `{_BY_HAND} probe {' '.join(names_added)}`")


def _passwords(found: Sequence[Found]) -> dict[str, Secret]:
    """Asked for each new PrusaLink; an empty answer leaves it out."""
    given: dict[str, Secret] = {}
    for one in found:
        if one.known_as or lacking(one) is not Lacking.PASSWORD:
            continue
        text = click.prompt(
            f"Password of {one.name} (nothing leaves it out)", hide_input=True, default="", show_default=False
        ).strip()
        if text:
            given[one.name] = Secret(text)
    return given


def _say(line: str) -> None:
    # Names and paths are copied, and may hold brackets: no markup, no wrapping.
    console.print(line, markup=False, soft_wrap=True)
