"""Setting a house up: its name and hours, its machines, its materials and spools. Prices are `fablab.money.prices`."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from fablab.base.database import Base, UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.base.intervals import parse_rules
from fablab.places.models import (
    HoursKind,
    HoursRule,
    House,
    Machine,
    MachineGate,
    Material,
    Resource,
    ResourceKind,
    Spool,
    Technology,
)

_HOUSE = 1  # the table has one row; its key keeps two founders from both succeeding
_DEVICE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")  # as devices.toml takes them
_MATERIAL = re.compile(r"[A-Z0-9][A-Z0-9+-]{0,39}")
_HEX = re.compile(r"#[0-9a-f]{6}")
# Slips of the pen are caught, large machines are not.
_MOST_BED_MM = 10_000
_MOST_NOZZLE_MM = 10
_MOST_C = 1_000
_MOST_ALONE_H = 168
_MOST_SPOOL_G = 50_000
_MOST_DENSITY = 25


def found_house(uow: UnitOfWork, *, name: str, zone: str, open_hours: str, staffed_hours: str) -> House:
    """The one row of this lab, and its weekly hours, as `parse_rules` reads them.

    Raises `Conflict` house.exists; `Invalid` house.name, house.zone and what `parse_rules` raises.
    """
    there: House | None = uow.session.scalar(select(House))
    if there is not None:
        raise Conflict("house.exists", house=there.name)
    name = _line(name)
    if not 1 <= len(name) <= 200:
        raise Invalid("house.name", field="name")
    if zone not in available_timezones():
        raise Invalid("house.zone", field="zone", zone=zone[:60])
    rules = [(HoursKind.OPEN, rule) for rule in parse_rules(open_hours)]
    rules += [(HoursKind.STAFFED, rule) for rule in parse_rules(staffed_hours)]
    row = House(id=_HOUSE, name=name, zone=ZoneInfo(zone).key, synthetic=False)
    hours = [
        HoursRule(kind=kind, weekday=rule.weekday, opens=rule.opens, closes=rule.closes)
        for kind, rule in rules
    ]
    _keep(uow, row, *hours)
    return row


def add_machine(
    uow: UnitOfWork,
    *,
    name: str,
    technology: Technology,
    device: str,
    bed_mm: tuple[float, float, float],
    nozzle_mm: float | None,
    max_nozzle_c: float,
    max_bed_c: float,
    model: str = "",
    unattended_h: float = 0,
    needs_certification: bool = False,
) -> Resource:
    """A machine that waits for somebody to say that its bed is clear.

    `device` is its name in devices.toml; `bed_mm` is what it reaches in x, y and z; `unattended_h` is how long it
    may run while nobody is there, 0 for never. Raises `Conflict` machine.name_taken, machine.device_taken;
    `Invalid` machine.name, .device, .model, .bed, .nozzle, .heat, .alone.
    """
    name, model = _line(name), _line(model)
    _check_names(uow, name, device, model)
    if not all(0 < length <= _MOST_BED_MM for length in bed_mm):
        raise Invalid("machine.bed", field="bed", most=_MOST_BED_MM)
    if nozzle_mm is not None and not 0 < nozzle_mm <= _MOST_NOZZLE_MM:
        raise Invalid("machine.nozzle", field="nozzle", most=_MOST_NOZZLE_MM)
    if not (0 <= max_nozzle_c <= _MOST_C and 0 <= max_bed_c <= _MOST_C):
        raise Invalid("machine.heat", field="heat", most=_MOST_C)
    if not 0 <= unattended_h <= _MOST_ALONE_H:
        raise Invalid("machine.alone", field="alone", most=_MOST_ALONE_H)
    row = Resource(kind=ResourceKind.MACHINE, name=name, technology=technology)
    row.machine = Machine(
        device=device,
        gate=MachineGate.AWAITING_CLEAR,
        gate_at=uow.now,
        model=model,
        bed_x_mm=bed_mm[0],
        bed_y_mm=bed_mm[1],
        height_mm=bed_mm[2],
        nozzle_mm=nozzle_mm,
        max_nozzle_c=max_nozzle_c,
        max_bed_c=max_bed_c,
        unattended=unattended_h > 0,
        unattended_max_s=round(unattended_h * 3600),
        needs_certification=needs_certification,
    )
    _keep(uow, row)
    uow.raise_event("machine", row.id, "gate")
    return row


def _check_names(uow: UnitOfWork, name: str, device: str, model: str) -> None:
    if not 1 <= len(name) <= 120:
        raise Invalid("machine.name", field="name")
    if not _DEVICE.fullmatch(device):
        raise Invalid("machine.device", field="device")
    if len(model) > 120:
        raise Invalid("machine.model", field="model")
    same_name = select(Resource.id).where(func.lower(Resource.name) == name.lower())
    if uow.session.scalar(same_name) is not None:
        raise Conflict("machine.name_taken", name=name)
    same_device = select(Resource.name).join(Machine).where(Machine.device == device)
    owner = uow.session.scalar(same_device)
    if owner is not None:
        raise Conflict("machine.device_taken", device=device, machine=owner)


def retire_machine(uow: UnitOfWork, row: Machine) -> str:
    """Take a machine out of the lists for good; its rows stay for the reports, its names are free again.

    Returns the name its device had.
    """
    device, row.device = row.device or "", None
    row.resource.active = False
    row.resource.name = f"{row.resource.name[:95]} ({uow.now:%Y-%m-%d %H:%M:%S})"
    uow.session.flush()
    uow.raise_event("machine", row.resource_id, "gate")
    return device


def machine_named(uow: UnitOfWork, name: str) -> Resource:
    """The active machine of that name, in whatever case; raises `NotFound` machine.unknown."""
    query = select(Resource).where(Resource.kind == ResourceKind.MACHINE, Resource.active)
    found = [row for row in uow.session.scalars(query).unique() if row.name.lower() == _line(name).lower()]
    if not found:
        raise NotFound("machine.unknown", name=name[:120])
    return found[0]


def add_material(
    uow: UnitOfWork, *, code: str, name: str, technology: Technology, density_g_cm3: float
) -> Material:
    """A kind of stuff; `code` is what slicers call it, kept in capitals.

    Raises `Conflict` material.code_taken; `Invalid` material.code, material.name, material.density.
    """
    code, name = code.strip().upper(), _line(name)
    if not _MATERIAL.fullmatch(code):
        raise Invalid("material.code", field="code")
    if not 1 <= len(name) <= 120:
        raise Invalid("material.name", field="name")
    if not 0 < density_g_cm3 <= _MOST_DENSITY:
        raise Invalid("material.density", field="density", most=_MOST_DENSITY)
    if uow.session.scalar(select(Material.id).where(Material.code == code)) is not None:
        raise Conflict("material.code_taken", material=code)
    row = Material(code=code, name=name, technology=technology, density_g_cm3=density_g_cm3)
    _keep(uow, row)
    return row


def add_spool(
    uow: UnitOfWork, *, material: str, label: str, colour: str, colour_hex: str, left_g: float
) -> Spool:
    """One stocked piece of the material with that code; `label` is what is written on it, `left_g` what it holds.

    Raises `NotFound` material.unknown; `Conflict` spool.label_taken; `Invalid` spool.label, .colour, .hex, .grams.
    """
    label, colour, colour_hex = _line(label), _line(colour).lower(), colour_hex.strip().lower()
    code = material.strip().upper()
    found = uow.session.scalar(select(Material).where(Material.code == code, Material.active))
    if found is None:
        raise NotFound("material.unknown", material=material[:40])
    if not 1 <= len(label) <= 60:
        raise Invalid("spool.label", field="label")
    if not 1 <= len(colour) <= 40:
        raise Invalid("spool.colour", field="colour")
    if not _HEX.fullmatch(colour_hex):
        raise Invalid("spool.hex", field="colour_hex")
    if not 0 < left_g <= _MOST_SPOOL_G:
        raise Invalid("spool.grams", field="left_g", most=_MOST_SPOOL_G)
    if uow.session.scalar(select(Spool.id).where(Spool.label == label)) is not None:
        raise Conflict("spool.label_taken", label=label)
    row = Spool(
        material=found,
        label=label,
        colour=colour,
        colour_hex=colour_hex,
        weight_g=left_g,
        left_g=left_g,
    )
    _keep(uow, row)
    return row


def _line(said: str) -> str:
    """One line of plain text, however it was typed."""
    return " ".join("".join(c if c.isprintable() else " " for c in said).split())


def _keep(uow: UnitOfWork, *rows: Base) -> None:
    uow.session.add_all(rows)
    try:
        uow.session.flush()
    except IntegrityError as error:  # two people at once, on PostgreSQL: the look before saw neither
        raise Conflict("conflict") from error
