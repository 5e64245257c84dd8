"""Setting a house up: what is entered is what the house then says, and what cannot be is refused by its code."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fablab import migrations
from fablab.base.clock import FakeClock
from fablab.base.database import Database
from fablab.base.errors import Conflict, Invalid, LabError, NotFound
from fablab.money import prices, quotes
from fablab.money.quotes import Prices, Usage
from fablab.people.models import Audience
from fablab.places import house, setup
from fablab.places.models import MachineGate, Technology
from tests.lab import TUESDAY

HOUSE: dict[str, Any] = {
    "name": "  Atelier \n du canal ",
    "zone": "Europe/Paris",
    "open_hours": "Tue-Sat 09:00-19:00",
    "staffed_hours": "Tue-Sat 10:00-12:30, 13:30-18:00",
}
MACHINE: dict[str, Any] = {
    "name": "Ada",
    "technology": Technology.FDM,
    "device": "ada",
    "model": "MK3S",
    "bed_mm": (250, 210, 200),
    "nozzle_mm": 0.4,
    "max_nozzle_c": 300,
    "max_bed_c": 120,
    "unattended_h": 1.5,
    "needs_certification": True,
}
PLA: dict[str, Any] = {"code": "pla", "name": "PLA", "technology": Technology.FDM, "density_g_cm3": 1.24}
SPOOL: dict[str, Any] = {
    "material": "PLA",
    "label": "PLA-01",
    "colour": "Orange",
    "colour_hex": "#E8590C",
    "left_g": 742.0,
}
NAN = float("nan")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Migrated and empty."""
    made = Database(f"sqlite:///{tmp_path / 'lab.sqlite'}", clock=FakeClock(TUESDAY))
    migrations.upgrade(made)
    yield made
    made.dispose()


def refused(database: Database, act: Any, given: dict[str, Any]) -> LabError:
    with pytest.raises(LabError) as caught, database.begin() as uow:
        act(uow, **given)
    return caught.value


def test_a_house_is_founded_with_its_hours_in_its_own_time(database: Database) -> None:
    with database.begin() as uow:
        setup.found_house(uow, **HOUSE)
    with database.read() as uow:
        row = house.house(uow)
        calendar = house.calendar(uow)
    day = TUESDAY.replace(hour=0)
    assert (row.name, row.zone, row.synthetic) == ("Atelier du canal", "Europe/Paris", False)
    assert [f"{i.start:%H:%M}-{i.end:%H:%M}" for i in calendar.open.day(day.date())] == ["08:00-18:00"]
    assert [f"{i.start:%H:%M}-{i.end:%H:%M}" for i in calendar.staffed.day(day.date())] == [
        "09:00-11:30",
        "12:30-17:00",
    ]
    assert calendar.open.day((day - timedelta(days=1)).date()) == ()


def test_a_second_house_is_refused(database: Database) -> None:
    with database.begin() as uow:
        setup.found_house(uow, **HOUSE)
    error = refused(database, setup.found_house, {**HOUSE, "name": "Other"})
    assert isinstance(error, Conflict)
    assert (error.code, error.facts["house"]) == ("house.exists", "Atelier du canal")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"name": " \x00 "}, "house.name"),
        ({"name": "x" * 201}, "house.name"),
        ({"zone": "Europe"}, "house.zone"),
        ({"zone": "../etc/passwd"}, "house.zone"),
        ({"open_hours": ""}, "hours_empty"),
        ({"staffed_hours": "Tue 25:00-26:00"}, "hours_time"),
    ],
)
def test_a_house_that_cannot_be_is_not_founded(database: Database, wrong: dict[str, Any], code: str) -> None:
    error = refused(database, setup.found_house, {**HOUSE, **wrong})
    assert isinstance(error, Invalid)
    assert error.code == code
    with database.read() as uow, pytest.raises(NotFound):
        house.house(uow)


def test_a_new_machine_waits_for_somebody_to_look_at_its_bed(database: Database) -> None:
    with database.begin() as uow:
        setup.add_machine(uow, **MACHINE)
    with database.read() as uow:
        (row,) = house.machines(uow, Technology.FDM)
        assert setup.machine_named(uow, "ADA").id == row.id
    side = row.machine
    assert side is not None
    assert (row.name, side.device, side.model) == ("Ada", "ada", "MK3S")
    assert (side.gate, side.gate_at) == (MachineGate.AWAITING_CLEAR, TUESDAY)
    assert (side.bed_x_mm, side.bed_y_mm, side.height_mm, side.nozzle_mm) == (250, 210, 200, 0.4)
    assert (side.max_nozzle_c, side.max_bed_c) == (300, 120)
    assert (side.unattended, side.unattended_max_s, side.needs_certification) == (True, 5400, True)


def test_a_machine_that_may_never_run_alone_says_so(database: Database) -> None:
    with database.begin() as uow:
        side = setup.add_machine(uow, **{**MACHINE, "unattended_h": 0}).machine
    assert side is not None
    assert (side.unattended, side.unattended_max_s) == (False, 0)


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"device": "blaise"}, "machine.name_taken"),
        ({"name": "ada", "device": "blaise"}, "machine.name_taken"),
        ({"name": "Blaise"}, "machine.device_taken"),
    ],
)
def test_a_name_and_a_device_belong_to_one_machine(
    database: Database, other: dict[str, Any], code: str
) -> None:
    with database.begin() as uow:
        setup.add_machine(uow, **MACHINE)
    error = refused(database, setup.add_machine, {**MACHINE, **other})
    assert isinstance(error, Conflict)
    assert error.code == code


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"name": ""}, "machine.name"),
        ({"device": "/dev/ttyUSB0"}, "machine.device"),
        ({"model": "x" * 121}, "machine.model"),
        ({"bed_mm": (250, 0, 200)}, "machine.bed"),
        ({"bed_mm": (250, NAN, 200)}, "machine.bed"),
        ({"nozzle_mm": -0.4}, "machine.nozzle"),
        ({"max_nozzle_c": 3000}, "machine.heat"),
        ({"max_bed_c": NAN}, "machine.heat"),
        ({"unattended_h": 1000}, "machine.alone"),
    ],
)
def test_a_machine_that_cannot_be_is_not_added(database: Database, wrong: dict[str, Any], code: str) -> None:
    error = refused(database, setup.add_machine, {**MACHINE, **wrong})
    assert isinstance(error, Invalid)
    assert error.code == code


def test_an_unknown_machine_is_not_found(database: Database) -> None:
    with database.read() as uow, pytest.raises(NotFound, match=r"machine\.unknown"):
        setup.machine_named(uow, "Nobody")


def test_a_spool_of_a_material_is_in_stock(database: Database) -> None:
    with database.begin() as uow:
        material = setup.add_material(uow, **PLA)
        setup.add_spool(uow, **SPOOL)
    with database.read() as uow:
        (row,) = house.spools(uow)
        assert house.colours(uow, material.id) == ["orange"]
    assert (row.material.code, row.label, row.colour_hex) == ("PLA", "PLA-01", "#e8590c")
    assert (row.left_g, row.weight_g) == (742, 742)


@pytest.mark.parametrize(
    ("act", "given", "code"),
    [
        (setup.add_material, {**PLA, "code": "PLA silk"}, "material.code"),
        (setup.add_material, {**PLA, "code": "NEW", "name": ""}, "material.name"),
        (setup.add_material, {**PLA, "code": "NEW", "density_g_cm3": NAN}, "material.density"),
        (setup.add_material, PLA, "material.code_taken"),
        (setup.add_spool, {**SPOOL, "material": "WOOD"}, "material.unknown"),
        (setup.add_spool, {**SPOOL, "label": ""}, "spool.label"),
        (setup.add_spool, {**SPOOL, "colour": " "}, "spool.colour"),
        (setup.add_spool, {**SPOOL, "colour_hex": "red;}"}, "spool.hex"),
        (setup.add_spool, {**SPOOL, "left_g": NAN}, "spool.grams"),
        (setup.add_spool, SPOOL, "spool.label_taken"),
    ],
)
def test_stock_that_cannot_be_is_not_taken_in(
    database: Database, act: Any, given: dict[str, Any], code: str
) -> None:
    with database.begin() as uow:
        setup.add_material(uow, **PLA)
        setup.add_spool(uow, **SPOOL)
    assert refused(database, act, given).code == code


def price_now(database: Database, audience: Audience) -> Prices:
    with database.read() as uow:
        material = house.material_by_code(uow, "PLA")
        assert material is not None
        usage = Usage(
            technology=Technology.FDM,
            audience=audience,
            duration_s=60,
            material_id=material.id,
            weight_g=1,
        )
        return quotes.prices_for(uow, usage, house.today(uow))


def test_prices_hold_from_today_and_may_be_corrected_the_same_day(database: Database) -> None:
    with database.begin() as uow:
        setup.found_house(uow, **HOUSE)
        setup.add_material(uow, **PLA)
        prices.set_material_price(uow, material="PLA", kilogram_cents=4500)
        prices.set_material_price(uow, material="PLA", kilogram_cents=4000)
        prices.set_tariff(uow, technology=Technology.FDM, hour_cents=100)
        prices.set_tariff(uow, technology=Technology.FDM, audiences=[Audience.SCHOOL], hour_cents=0)
    assert price_now(database, Audience.PERSONAL) == Prices(hour_cents=100, step_s=1800, kilogram_cents=4000)
    assert price_now(database, Audience.SCHOOL).hour_cents == 0


@pytest.mark.parametrize(
    ("act", "given", "code"),
    [
        (prices.set_tariff, {"technology": Technology.FDM, "hour_cents": -1}, "tariff.price"),
        (prices.set_tariff, {"technology": Technology.FDM, "hour_cents": 1, "step_s": 0}, "tariff.step"),
        (prices.set_material_price, {"material": "PLA", "kilogram_cents": -1}, "tariff.price"),
        (prices.set_material_price, {"material": "WOOD", "kilogram_cents": 1}, "material.unknown"),
    ],
)
def test_prices_that_cannot_be_are_refused(
    database: Database, act: Any, given: dict[str, Any], code: str
) -> None:
    assert refused(database, act, given).code == code
