"""devices.toml as the commands about machines take it: where it is, and which of its machines are meant."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from drivers.config import ConfigError, DeviceConfig, load
from web.cli.show import CliError
from web.settings import Settings
from web.settings import load as load_settings

file_option = click.option("--devices", "file", type=click.Path(path_type=Path), help="devices.toml")
data_option = click.option(
    "--data", type=click.Path(path_type=Path), help="folder for database, files and sockets"
)


def settings_of(file: Path | None, data: Path | None) -> Settings:
    return load_settings(devices=file, data_dir=data)


def known(settings: Settings) -> dict[str, DeviceConfig]:
    path = settings.devices_file
    if not path.exists():
        raise CliError(
            f"{path}: no such file; `fablab devices scan --write` makes it from the machines it finds,"
            " or copy devices.example.toml to this place"
        )
    try:
        return load(path)
    except ConfigError as error:
        raise CliError(str(error)) from error


def configs(names: tuple[str, ...], file: Path | None, data: Path | None) -> tuple[list[DeviceConfig], Path]:
    """Those named, or all; and the data folder."""
    settings = settings_of(file, data)
    there = known(settings)
    for name in names:
        if name not in there:
            raise CliError(no_such_machine(name, tuple(there)))
    return [there[name] for name in names or there], settings.data_dir


def no_such_machine(name: str, there: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, there, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(there) or 'none'}"
    return f"no such machine: {name}; {hint}"
