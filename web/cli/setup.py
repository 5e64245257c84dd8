"""A lab of your own from nothing: found the house, then enter its machines and its spools."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from drivers.config import ConfigError
from drivers.config import load as load_devices
from fablab import migrations
from fablab.base.database import Database
from fablab.money import prices
from fablab.places import house, setup
from fablab.places.models import Machine, Resource, Technology
from web.cli.show import CliError, as_json, console, errors, put, table
from web.settings import Settings
from web.settings import load as load_settings

#: What nearly every lab prints: code, grams per cubic centimetre as the makers' data sheets have it.
MATERIALS = (("PLA", 1.24), ("PETG", 1.27), ("TPU", 1.21))
KILOGRAM_CENTS = 4000
HOUR_CENTS = 100

#: A colour's dot on the screens where only its name is given; grey stands for every other name.
HEX = {
    "black": "#212529", "noir": "#212529",
    "white": "#f1f3f5", "blanc": "#f1f3f5",
    "red": "#e03131", "rouge": "#e03131",
    "orange": "#e8590c",
    "yellow": "#fab005", "jaune": "#fab005",
    "green": "#2f9e44", "vert": "#2f9e44",
    "blue": "#1c7ed6", "bleu": "#1c7ed6",
    "violet": "#7048e8", "purple": "#7048e8",
    "pink": "#e64980", "rose": "#e64980",
    "transparent": "#dee2e6",
}  # fmt: skip
GREY = "#868e96"

_data = click.option("--data", type=click.Path(path_type=Path), help="folder for database, files and sockets")
_url = click.option("--database-url", help="PostgreSQL instead of SQLite: postgresql+psycopg://…")
_devices = click.option("--devices", type=click.Path(path_type=Path), help="devices.toml")


class Bed(click.ParamType[tuple[float, float, float]]):
    """Three lengths in mm, as in 250x210x210."""

    name = "XxYxZ"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float, float]:
        lengths = re.split("[x×]", str(value).strip().lower())
        try:
            x, y, z = map(float, lengths)
        except ValueError:
            self.fail(f"{value!r} is not three lengths in mm, as in 250x210x210", param, ctx)
        return x, y, z


@click.command()
@click.argument("name")
@click.option("--zone", default="Europe/Paris", show_default=True, help="the time on the wall")
@click.option("--open", "open_hours", default="Tue-Sat 09:00-19:00", show_default=True)
@click.option(
    "--staffed",
    "staffed_hours",
    default="Tue-Sat 10:00-12:30, 13:30-18:00",
    show_default=True,
    help="when people are there to set up and to clear",
)
@_data
@_url
@as_json
def init(
    name: str,
    zone: str,
    open_hours: str,
    staffed_hours: str,
    data: Path | None,
    database_url: str | None,
    json_: bool,
) -> None:
    """Found a lab of your own in an empty database: its name, hours, usual materials and a first tariff."""
    settings = load_settings(data_dir=data, database_url=database_url)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.url)
    migrations.upgrade(database)
    with database.begin() as uow:
        row = setup.found_house(uow, name=name, zone=zone, open_hours=open_hours, staffed_hours=staffed_hours)
        for code, density in MATERIALS:
            setup.add_material(uow, code=code, name=code, technology=Technology.FDM, density_g_cm3=density)
            prices.set_material_price(uow, material=code, kilogram_cents=KILOGRAM_CENTS)
        prices.set_tariff(uow, technology=Technology.FDM, hour_cents=HOUR_CENTS)
        said = {
            "name": row.name,
            "zone": row.zone,
            "open": open_hours,
            "staffed": staffed_hours,
            "materials": [code for code, _ in MATERIALS],
            "hour_cents": HOUR_CENTS,
            "kilogram_cents": KILOGRAM_CENTS,
            "data": str(settings.data_dir),
        }
    database.dispose()
    put(said, json_=json_, lines=lambda: _founded(said, settings, data))


def _founded(said: dict[str, Any], settings: Settings, data: Path | None) -> None:
    more = f" --data {shlex.quote(str(data))}" if data else ""
    _say(f"“{said['name']}” is founded ({said['zone']}).")
    _say(f"  open:      {said['open']}")
    _say(f"  staffed:   {said['staffed']}")
    _say(f"  materials: {', '.join(said['materials'])}, {KILOGRAM_CENTS / 100:.0f} € a kilogram")
    _say(f"  printing:  {HOUR_CENTS / 100:.0f} € an hour, for every audience")
    _say("")
    _say("Next:")
    steps = (
        f"fablab devices scan --write{more}   # what is not found: by hand, from devices.example.toml",
        f"fablab devices probe{more}",
        f"fablab machine add Ada --device NAME --bed 250x210x210{more}   # NAME as in devices.toml",
        f"fablab spool add PLA-01 --material PLA --colour orange --grams 1000 --on Ada{more}",
        f'fablab member add "Your Name" --email you@example.org --role admin{more}',
        f"fablab doctor{more}",
        f"fablab serve{more}",
    )
    for step in steps:
        _say(f"  {step}")


@click.group()
def machine() -> None:
    """Machines of the lab."""


@machine.command("add")
@click.argument("name")
@click.option("--device", required=True, help="its name in devices.toml")
@click.option("--technology", type=click.Choice([t.value for t in Technology]), default=Technology.FDM.value)
@click.option("--bed", "bed_mm", type=Bed(), required=True, help="what it reaches, in mm: 250x210x210")
@click.option("--nozzle", "nozzle_mm", type=float, help="in mm; 0.4 for fdm unless said")
@click.option("--model", default="")
# 250 °C is what a PTFE-lined hot end bears; more has to be said by somebody who knows the machine.
@click.option("--nozzle-max", type=float, help="°C that files may ask of the nozzle; 250 for fdm unless said")
@click.option("--bed-max", type=float, help="°C that files may ask of the bed; 100 for fdm unless said")
@click.option(
    "--alone", type=float, default=0, show_default=True, help="hours it may run while nobody is there"
)
@click.option("--needs-certification", is_flag=True)
@_data
@_url
@_devices
@as_json
def add_machine(
    name: str,
    device: str,
    technology: str,
    bed_mm: tuple[float, float, float],
    nozzle_mm: float | None,
    model: str,
    nozzle_max: float | None,
    bed_max: float | None,
    alone: float,
    needs_certification: bool,
    data: Path | None,
    database_url: str | None,
    devices: Path | None,
    json_: bool,
) -> None:
    """Add a machine; files are checked against its bed, nozzle and heat."""
    settings = load_settings(data_dir=data, database_url=database_url, devices=devices)
    kind = Technology(technology)
    usual = (0.4, 250.0, 100.0) if kind is Technology.FDM else (None, 0.0, 0.0)
    with open_lab(settings) as database, database.begin() as uow:
        house.house(uow)
        row = setup.add_machine(
            uow,
            name=name,
            technology=kind,
            device=device,
            bed_mm=bed_mm,
            nozzle_mm=usual[0] if nozzle_mm is None else nozzle_mm,
            max_nozzle_c=usual[1] if nozzle_max is None else nozzle_max,
            max_bed_c=usual[2] if bed_max is None else bed_max,
            model=model,
            unattended_h=alone,
            needs_certification=needs_certification,
        )
        assert row.machine is not None
        said = _machine(row, row.machine)
    warning = _not_reached(settings, device)
    put({**said, "warning": warning}, json_=json_, lines=lambda: _added(said))
    if warning and not json_:
        errors.print(f"! {warning}", style="yellow", markup=False, soft_wrap=True)


def _added(said: dict[str, Any]) -> None:
    _say(f"{said['name']} is machine {said['id']}: {_bed(said)} mm, device {said['device']}.")
    if said["technology"] == Technology.FDM.value:
        _say(
            f"Files may ask for {said['max_nozzle_c']:g} °C at its {said['nozzle_mm']:g} mm nozzle"
            f" and {said['max_bed_c']:g} °C at its bed."
        )
    _say("It starts nothing until somebody confirms on the floor that its bed is clear.")
    _say("A server that is running sees it after a restart.")


@machine.command("list")
@_data
@_url
@_devices
@as_json
def list_machines(data: Path | None, database_url: str | None, devices: Path | None, json_: bool) -> None:
    """Every machine, what it can take, and whether devices.toml says how to reach it."""
    settings = load_settings(data_dir=data, database_url=database_url, devices=devices)
    with open_lab(settings) as database, database.read() as uow:
        found = [_machine(row, row.machine) for row in house.machines(uow) if row.machine is not None]
    known = _known(settings)
    for said in found:
        said["in_devices_file"] = said["device"] in known
    columns = ("machine", "technology", "device", "bed", "nozzle", "spool", "gate")
    rows = [
        (
            escape(said["name"]),
            said["technology"],
            f"{said['device'] or '–'}{'' if said['in_devices_file'] else ' (not in devices.toml)'}",
            _bed(said),
            f"{said['nozzle_mm']:g}" if said["nozzle_mm"] else "–",
            escape(said["spool"] or "–"),
            said["gate"],
        )
        for said in found
    ]
    put(found, json_=json_, lines=lambda: table("", columns, rows))


def _machine(row: Resource, side: Machine) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "technology": row.technology.value if row.technology else None,
        "device": side.device,
        "model": side.model,
        "bed_mm": [side.bed_x_mm, side.bed_y_mm, side.height_mm],
        "nozzle_mm": side.nozzle_mm,
        "max_nozzle_c": side.max_nozzle_c,
        "max_bed_c": side.max_bed_c,
        "unattended_s": side.unattended_max_s if side.unattended else 0,
        "needs_certification": side.needs_certification,
        "gate": side.gate.value,
        "spool": side.spool.label if side.spool else None,
    }


def _bed(said: dict[str, Any]) -> str:
    return "×".join(f"{length:g}" for length in said["bed_mm"])


@click.group()
def spool() -> None:
    """Spools in stock."""


@spool.command("add")
@click.argument("label")
@click.option("--material", required=True, help="its code: PLA, PETG, TPU …")
@click.option("--colour", required=True)
@click.option("--hex", "colour_hex", help="the colour's dot on the screens: #e8590c")
@click.option("--grams", "left_g", type=float, required=True, help="what is left on it")
@click.option("--on", "machine_name", help="the machine it is loaded on")
@_data
@_url
@as_json
def add_spool(
    label: str,
    material: str,
    colour: str,
    colour_hex: str | None,
    left_g: float,
    machine_name: str | None,
    data: Path | None,
    database_url: str | None,
    json_: bool,
) -> None:
    """Add a spool to the stock, and load it on a machine if --on says so."""
    settings = load_settings(data_dir=data, database_url=database_url)
    dot = HEX.get(colour.strip().lower(), GREY) if colour_hex is None else colour_hex
    with open_lab(settings) as database, database.begin() as uow:
        house.house(uow)
        row = setup.add_spool(
            uow, material=material, label=label, colour=colour, colour_hex=dot, left_g=left_g
        )
        on = setup.machine_named(uow, machine_name) if machine_name is not None else None
        if on is not None and on.machine is not None:
            house.load_spool(uow, on.machine, row.id)
        said = {
            "id": row.id,
            "label": row.label,
            "material": row.material.code,
            "colour": row.colour,
            "hex": row.colour_hex,
            "left_g": row.left_g,
            "on": on.name if on else None,
        }
    where = f" on {said['on']}" if said["on"] else ""
    line = f"{said['label']} is in stock{where}: {said['material']}, {said['colour']}, {said['left_g']:g} g"
    put(said, json_=json_, lines=lambda: _say(line))


@contextmanager
def open_lab(settings: Settings) -> Iterator[Database]:
    """The lab's database, if it is what this version needs."""
    if not settings.database_url and not (settings.data_dir / "fablab.sqlite").exists():
        raise CliError(f"there is no lab in {settings.data_dir}: run `fablab init NAME`, or say --data")
    database = Database(settings.url)
    try:
        current, wanted = migrations.revision_of(database)
        if current != wanted:
            what = "fablab migrate" if current else "fablab init NAME"
            raise CliError(f"the database is at {current or 'nothing'}, not at {wanted}: run `{what}`")
        yield database
    finally:
        database.dispose()


def _known(settings: Settings) -> frozenset[str]:
    try:
        return frozenset(load_devices(settings.devices_file))
    except ConfigError:
        return frozenset()  # `fablab doctor` says what is wrong with the file


def _not_reached(settings: Settings, device: str) -> str | None:
    """What keeps a machine of this device from being reached, as far as devices.toml tells."""
    try:
        known = load_devices(settings.devices_file)
    except ConfigError as error:
        return f"this machine cannot be reached yet: {error}"
    if device in known:
        return None
    return f"this machine cannot be reached yet: {settings.devices_file} has no table [devices.{device}]"


def _say(line: str) -> None:
    # Names may hold brackets, and commands are copied: no markup, no wrapping.
    console.print(line, markup=False, soft_wrap=True)
