"""The house as its rows say it: hours, gates, machines, materials and spools."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import delete, select

from fablab.base.errors import BadStep, NotFound
from fablab.places import house
from fablab.places.models import (
    GATE_STEPS,
    Closure,
    HoursException,
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
from tests.lab import TUESDAY, Lab

MIDNIGHT = TUESDAY.replace(hour=0)


def hours_of(lab: Lab, kind: HoursKind, machine: str | None = None, day: int = 0) -> list[str]:
    """The hours of a day in UTC, one hour before Paris in winter."""
    with lab.database.read() as uow:
        found = house.calendar(uow, lab.resources[machine] if machine else None)
    hours = found.open if kind is HoursKind.OPEN else found.staffed
    start = MIDNIGHT + timedelta(days=day)
    return [f"{i.start:%H:%M}-{i.end:%H:%M}" for i in hours.between(start, start + timedelta(days=1))]


def add(lab: Lab, *rows: object) -> None:
    with lab.database.begin() as uow:
        uow.session.add_all(rows)


def test_the_house_has_one_row_and_says_so_when_it_has_none(lab: Lab) -> None:
    with lab.database.begin() as uow:
        assert house.house(uow).name == "Atelier"
        uow.session.execute(delete(House))
        with pytest.raises(NotFound, match="house"):
            house.house(uow)


def test_hours_come_from_rules_in_local_time(lab: Lab) -> None:
    assert hours_of(lab, HoursKind.OPEN) == ["08:00-19:00"]
    assert hours_of(lab, HoursKind.STAFFED) == ["09:00-17:00"]
    assert hours_of(lab, HoursKind.OPEN, day=5) == []  # Sunday


def test_a_resource_with_rules_of_its_own_keeps_those(lab: Lab) -> None:
    own = HoursRule(
        kind=HoursKind.OPEN, resource_id=lab.resources["laser"], weekday=1, opens=time(14), closes=time(16)
    )
    add(lab, own)
    assert hours_of(lab, HoursKind.OPEN, "laser") == ["13:00-15:00"]
    assert hours_of(lab, HoursKind.OPEN, "laser", day=1) == []
    assert hours_of(lab, HoursKind.STAFFED, "laser") == ["09:00-17:00"]
    assert hours_of(lab, HoursKind.OPEN, "mk3") == hours_of(lab, HoursKind.OPEN) == ["08:00-19:00"]
    with lab.database.read() as uow:
        assert house.own_hours(uow) == {lab.resources["laser"]}


def test_a_day_that_differs_replaces_its_rules(lab: Lab) -> None:
    add(
        lab,
        HoursException(kind=HoursKind.OPEN, day=date(2026, 11, 24), opens=time(9), closes=time(12)),
        HoursException(kind=HoursKind.OPEN, day=date(2026, 11, 24), opens=time(14), closes=time(15)),
        HoursException(kind=HoursKind.OPEN, day=date(2026, 11, 25), opens=None, closes=None),
    )
    assert hours_of(lab, HoursKind.OPEN) == ["08:00-11:00", "13:00-14:00"]
    assert hours_of(lab, HoursKind.OPEN, day=1) == []
    assert hours_of(lab, HoursKind.STAFFED) == ["09:00-17:00"]


def test_a_closure_wins_over_every_rule(lab: Lab) -> None:
    add(lab, Closure(start_at=TUESDAY, end_at=TUESDAY + timedelta(hours=3), name="power cut"))
    assert hours_of(lab, HoursKind.OPEN) == ["08:00-09:00", "12:00-19:00"]
    assert hours_of(lab, HoursKind.STAFFED) == ["12:00-17:00"]


def test_rules_hold_between_their_days(lab: Lab) -> None:
    add(
        lab,
        HoursRule(
            kind=HoursKind.OPEN, weekday=6, opens=time(10), closes=time(12), last_day=date(2026, 11, 29)
        ),
    )
    assert hours_of(lab, HoursKind.OPEN, day=5) == ["09:00-11:00"]
    assert hours_of(lab, HoursKind.OPEN, day=12) == []


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 12, 31, 22, 59, tzinfo=UTC), date(2026, 12, 31)),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), date(2027, 1, 1)),
        (datetime(2026, 6, 30, 22, 0, tzinfo=UTC), date(2026, 7, 1)),
    ],
)
def test_today_is_the_day_on_the_wall(lab: Lab, at: datetime, day: date) -> None:
    lab.clock.set(at)
    with lab.database.read() as uow:
        assert house.today(uow) == day


# -- gates ---------------------------------------------------------------------------------------------------------

ACTIONS = ("occupy", "clear", "lock_out", "give_back")


@pytest.mark.parametrize("gate", MachineGate)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_gate_turns_as_its_table_says_and_not_otherwise(lab: Lab, gate: MachineGate, action: str) -> None:
    with lab.database.begin() as uow:
        row = house.machine(uow, lab.resources["mk3"])
        row.gate = gate
        if (gate, action) in GATE_STEPS:
            house.turn_gate(uow, row, action, "why" * 200)
            assert (row.gate, row.gate_at, len(row.gate_note)) == (
                GATE_STEPS[gate, action],
                lab.clock.now(),
                300,
            )
            assert [(e.topic, e.id, e.name) for e in uow.events] == [("machine", row.resource_id, "gate")]
        else:
            with pytest.raises(BadStep):
                house.turn_gate(uow, row, action)


def test_back_in_service_is_not_yet_clear(lab: Lab) -> None:
    with lab.database.begin() as uow:
        row = house.machine(uow, lab.resources["mk3"], lock=True)
        house.turn_gate(uow, row, "lock_out")
        assert house.is_out(row)
        house.turn_gate(uow, row, "give_back")
        assert row.gate is MachineGate.AWAITING_CLEAR


def test_a_machine_s_row_can_be_locked_on_both_databases(any_lab: Lab) -> None:
    with any_lab.database.begin() as uow:
        assert house.machine(uow, any_lab.resources["mk3"], lock=True).device == "mk3"
        with pytest.raises(NotFound, match="machine"):
            house.machine(uow, any_lab.resources["room"], lock=True)


# -- what there is -------------------------------------------------------------------------------------------------


def test_machines_are_the_active_ones_by_id(lab: Lab) -> None:
    with lab.database.begin() as uow:
        assert [row.name for row in house.machines(uow)] == ["mk3", "ender", "laser"]
        uow.session.get_one(Resource, lab.resources["mk3"]).active = False
        assert [row.name for row in house.machines(uow, Technology.FDM)] == ["ender"]


def test_resources_are_asked_for_by_kind(lab: Lab) -> None:
    with lab.database.read() as uow:
        assert [row.name for row in house.resources(uow, frozenset({ResourceKind.ROOM}))] == ["Room 1"]
        assert len(house.resources(uow, frozenset(ResourceKind))) == 4


def test_a_spool_is_put_on_and_taken_off(lab: Lab) -> None:
    with lab.database.begin() as uow:
        row = house.machine(uow, lab.resources["ender"])
        house.load_spool(uow, row, lab.spools["PLA"])
        uow.session.flush()
        assert row.spool_id == lab.spools["PLA"]
        house.load_spool(uow, row, None)
        assert row.spool_id is None
        with pytest.raises(NotFound, match="spool"):
            house.load_spool(uow, row, 999)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("PLA", "PLA"),
        (" petg ", "PETG"),
        ("PLA Silk Gold", "PLA"),
        ("PLA+", "PLA+"),
        ("pla-cf", "PLA-CF"),
        ("Generic PLA", None),
        ("ABS", None),
        ("", None),
        ("; DROP TABLE materials", None),
    ],
)
def test_a_material_is_found_by_its_code_or_the_kind_in_front(lab: Lab, said: str, code: str | None) -> None:
    for more in ("PLA+", "PLA-CF"):
        add(lab, Material(code=more, name=more, technology=Technology.FDM, density_g_cm3=1.2))
    with lab.database.read() as uow:
        found = house.material_by_code(uow, said)
        assert (found.code if found else None) == code


def test_materials_and_spools_are_listed_by_name_without_those_put_away(lab: Lab) -> None:
    with lab.database.begin() as uow:
        assert [row.code for row in house.materials(uow)] == ["PETG", "PLA"]
        assert house.materials(uow, Technology.LASER) == []
        assert [row.label for row in house.spools(uow)] == ["PETG-1", "PLA-1"]
        uow.session.get_one(Spool, lab.spools["PLA"]).active = False
        assert [row.label for row in house.spools(uow)] == ["PETG-1"]


def test_colours_are_those_with_something_left(lab: Lab) -> None:
    with lab.database.begin() as uow:
        spool = uow.session.get_one(Spool, lab.spools["PLA"])
        assert house.colours(uow, spool.material_id) == ["orange"]
        spool.left_g = 0
        assert house.colours(uow, spool.material_id) == []


def test_a_machine_that_moved_on_meanwhile_is_noticed(lab: Lab) -> None:
    with lab.database.begin() as uow:
        before = uow.session.scalars(select(Machine.version).order_by(Machine.resource_id)).first()
        house.machine(uow, lab.resources["mk3"]).gate_note = "x"
        uow.session.flush()
        assert house.machine(uow, lab.resources["mk3"]).version == (before or 0) + 1
