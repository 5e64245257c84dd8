"""`fablab devices key`: an application key from OctoPrint, without copying one by hand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from drivers.config import ConfigError, Secret, edit
from drivers.octoprint import appkey
from drivers.octoprint.appkey import Pending, State
from drivers.scan import Found, Kind, block
from drivers.scan.blocks import name_for
from web.cli.devices.file import data_option, file_option, no_such_machine, settings_of
from web.cli.show import CliError, as_json, console, errors, put

_URL: Final = re.compile(r"https?://[^\s/@?#]+(/[^\s?#]*)?")
_OTHERS: Final = {
    "prusalink": "a PrusaLink hands out no keys: write the user and password that the printer shows under"
    " Settings > Network > PrusaLink",
    "moonraker": "a Moonraker hands out no keys: add this computer to trusted_clients in moonraker.conf, or copy"
    " its API key",
}


@click.command()
@click.argument("machine")
@click.option("--name", help="what a machine given by its URL is to be called")
@click.option("--user", default="", help="ask this user of OctoPrint only")
@click.option(
    "--app", default="fablab", show_default=True, help="what OctoPrint calls us in its list of keys"
)
@click.option("--seconds", type=click.FloatRange(5, 600), default=appkey.WAIT_S, show_default=True)
@file_option
@data_option
@as_json
def key(
    machine: str,
    name: str | None,
    user: str,
    app: str,
    seconds: float,
    file: Path | None,
    data: Path | None,
    json_: bool,
) -> None:
    """Ask OctoPrint for a key, and keep it where devices.toml finds it. MACHINE is its name there, or its URL.

    Somebody has to say yes in OctoPrint. The key is kept in NAME.key beside devices.toml; a machine that is not
    there yet is added.
    """
    path = settings_of(file, data).devices_file
    try:
        tables = edit.tables(path)
        chosen, url = _which(machine, name, tables)
        table = "" if chosen in tables else _table(chosen, url)
        tell = _quiet if json_ else _progress()
        secret = asyncio.run(_get(url, app, user, seconds, tell, quiet=json_))
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = edit.write_secret(path, chosen, secret)
        if table:
            edit.append(path, table)
        else:
            edit.set_key(path, chosen, "api_key_file", kept, instead_of=("api_key", "api_key_env"))
    except (ConfigError, OSError) as error:
        raise CliError(str(error)) from error
    said = {
        "name": chosen,
        "url": url,
        "api_key_file": str(path.with_name(kept)),
        "added": chosen not in tables,
    }
    put(said, json_=json_, lines=lambda: _done(said, path))


def _which(machine: str, name: str | None, tables: dict[str, dict[str, object]]) -> tuple[str, str]:
    """Its name in devices.toml, perhaps a new one, and its URL."""
    if "://" not in machine:
        if machine not in tables:
            raise CliError(no_such_machine(machine, tuple(tables)))
        driver, url = str(tables[machine].get("driver")), str(tables[machine].get("url", ""))
        if driver != "octoprint":
            raise CliError(_OTHERS.get(driver, f"{machine} is reached by {driver}, which needs no key"))
        if tables[machine].get("mock"):
            raise CliError(f"{machine} is a mock, and needs no key")
        return machine, _checked(url)
    url = _checked(machine.rstrip("/"))
    for known, table in tables.items():
        if str(table.get("url", "")).rstrip("/") == url and table.get("driver") == "octoprint":
            return known, url
    if name in tables:
        raise CliError(f"there is a machine called {name} already; choose another name")
    host = (urlsplit(url).hostname or "").removesuffix(".local")
    words = "octoprint" if re.fullmatch(r"[0-9.]+|.*:.*", host) else host
    return name or name_for(words, tables, otherwise="octoprint"), url


def _checked(url: str) -> str:
    if not _URL.fullmatch(url):
        raise CliError("an OctoPrint's URL is http(s)://HOST[:PORT][/PATH], without user or password")
    return url


def _table(name: str, url: str) -> str:
    try:
        return block(
            Found(kind=Kind.OCTOPRINT, what="OctoPrint", where=url, name=name, driver=Kind.OCTOPRINT.value)
        )
    except ValueError as error:
        raise CliError(str(error)) from None


async def _get(
    url: str, app: str, user: str, seconds: float, tell: Callable[[State], None], *, quiet: bool
) -> Secret:
    pending = await appkey.request_key(url, app, user)
    if not quiet:
        _ask_person(pending, user)
    return await appkey.wait(pending, within_s=seconds, tell=tell)


def _ask_person(pending: Pending, user: str) -> None:
    _say(f"OctoPrint is asking now whether “{pending.app}” may have access.")
    who = f"as {user}" if user else "signed in as the user whose key it is to be"
    _say(f"Open {pending.url} in a browser, {who}, and click Allow.")
    if pending.page:
        _say(f"No window there? This page asks, too: {pending.page}")


def _progress() -> Callable[[State], None]:
    looks = 0

    def tell(state: State) -> None:
        nonlocal looks
        looks += 1
        if state is State.WAITING:
            errors.print("." if errors.is_terminal else "", end="", style="dim")
        elif looks > 1 and errors.is_terminal:
            errors.print("")

    return tell


def _quiet(state: State) -> None:
    return


def _done(said: dict[str, object], path: Path) -> None:
    _say(f"The key is in {said['api_key_file']}, readable by this account only.")
    _say(f"{path}: [devices.{said['name']}] {'was added' if said['added'] else 'names it now'}.")
    _say(f"Next: `fablab devices probe {said['name']}`")


def _say(line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)
