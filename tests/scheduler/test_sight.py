"""The house in minutes and indices, and back again."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fablab.base.database import UnitOfWork
from fablab.claims import calendar
from fablab.claims.models import Claim
from fablab.places import house
from fablab.places.models import HoursException, HoursKind, HoursRule, Machine, Resource
from scheduler.fairness import ageing
from scheduler.problem import Family, Piece, Presence, Problem, faults
from scheduler.problem import Machine as Lane
from scheduler.sight import ANY_NOZZLE, HORIZON, MINUTE, WANTED_WITHIN, Sight, colour_number, family_of, look
from scheduler.wish import Wish, urgency
from tests.lab import TUESDAY, Lab, analysed, submitted

DAY_MIN = 24 * 60


def seen(lab: Lab, *, without: tuple[str, ...] = ()) -> Sight:
    with lab.database.read() as uow:
        return look(uow, without=without)


def claim_of(uow: UnitOfWork, job_id: str) -> Claim:
    return calendar.claim(uow, job_id)


def bare(origin: datetime) -> Sight:
    return Sight(origin=origin, problem=Problem(horizon_min=1, machines=()), ids=(), names=())


@given(st.integers(-10_000, 60_000))
def test_minutes_become_instants_and_minutes_again(minute: int) -> None:
    sight = bare(TUESDAY)
    assert sight.minute(sight.instant(minute)) == minute


@given(st.timedeltas(-timedelta(days=3), timedelta(days=40)))
def test_an_instant_is_never_rounded_to_an_earlier_minute(by: timedelta) -> None:
    sight = bare(TUESDAY)
    at = TUESDAY + by
    assert timedelta() <= sight.instant(sight.minute(at)) - at < MINUTE


def test_the_origin_is_the_next_whole_minute(lab: Lab) -> None:
    assert seen(lab).origin == TUESDAY
    lab.clock.advance(seconds=1)
    assert seen(lab).origin == TUESDAY + MINUTE


def test_every_active_resource_has_its_lane(lab: Lab) -> None:
    sight = seen(lab)
    assert {sight.names[sight.index[lab.resources[name]]] for name in ("mk3", "ender", "laser")} == {
        "mk3",
        "ender",
        "laser",
    }
    assert [sight.ids[sight.index[i]] for i in sight.ids] == list(sight.ids)
    assert faults(sight.problem) == ()
    with lab.database.begin() as uow:
        uow.session.get_one(Resource, lab.resources["mk3"]).active = False
    assert lab.resources["mk3"] not in seen(lab).index


def lane(lab: Lab, name: str) -> Lane:
    sight = seen(lab)
    return sight.problem.machines[sight.index[lab.resources[name]]]


def test_hours_are_minutes_from_the_origin(lab: Lab) -> None:
    mk3 = lane(lab, "mk3")
    assert mk3.staffed[:2] == (Piece(0, 8 * 60), Piece(DAY_MIN, DAY_MIN + 8 * 60))
    assert mk3.open[:2] == (Piece(0, 10 * 60), Piece(DAY_MIN - 60, DAY_MIN + 10 * 60))


def test_a_machine_keeps_its_own_hours_and_the_others_the_house_s(lab: Lab) -> None:
    with lab.database.begin() as uow:
        uow.session.add(
            HoursRule(
                kind=HoursKind.STAFFED,
                resource_id=lab.resources["laser"],
                weekday=1,
                opens=time(14),
                closes=time(16),
            )
        )
    assert lane(lab, "laser").staffed[0] == Piece(4 * 60, 6 * 60)
    assert lane(lab, "laser").open == lane(lab, "mk3").open
    assert lane(lab, "mk3").staffed[0] == Piece(0, 8 * 60)


def test_a_machine_is_what_its_row_says(lab: Lab) -> None:
    mk3, ender, laser, room = (lane(lab, name) for name in ("mk3", "ender", "laser", "room"))
    assert (mk3.unattended_max_min, ender.unattended_max_min) == (14 * 60, 0)
    assert mk3.loads is not None
    assert laser.loads is None
    assert mk3.loaded == Family(material=2, colour=colour_number("orange"), nozzle=ANY_NOZZLE)
    assert ender.loaded is None
    assert (room.loads, room.unattended_max_min) == (None, 0)
    sight = seen(lab)
    assert sight.clear_min[sight.index[lab.resources["mk3"]]] == 5
    assert sight.setup_min[sight.index[lab.resources["mk3"]]] == 0  # the change of family says it
    assert sight.setup_min[sight.index[lab.resources["laser"]]] == 10
    assert sight.clear_min[sight.index[lab.resources["room"]]] == 0


def test_a_machine_out_of_service_is_blocked_to_the_end(lab: Lab) -> None:
    with lab.database.begin() as uow:
        house.turn_gate(uow, house.machine(uow, lab.resources["mk3"]), "lock_out")
    (block,) = lane(lab, "mk3").blocked
    assert (block.start, block.end) == (0, HORIZON // MINUTE)
    assert lane(lab, "ender").blocked == ()


def test_what_is_held_is_fixed_unless_it_is_to_be_moved(lab: Lab) -> None:
    job_id = submitted(lab)
    (slot,) = seen(lab).problem.fixed
    assert slot.demand == job_id
    assert slot.setup_start <= slot.run_start < slot.run_end <= slot.free_at
    assert seen(lab, without=(job_id,)).problem.fixed == ()
    with lab.database.begin() as uow:
        claim_of(uow, job_id).allocations[0].run_id = "run"
    assert len(seen(lab, without=(job_id,)).problem.fixed) == 1


def test_instants_between_minutes_are_rounded_outwards(lab: Lab) -> None:
    job_id = submitted(lab)
    with lab.database.begin() as uow:
        (row,) = claim_of(uow, job_id).allocations
        row.start_at = row.run_start_at = TUESDAY + timedelta(minutes=5, seconds=30)
        row.run_end_at = row.end_at = TUESDAY + timedelta(minutes=9, seconds=1)
    (slot,) = seen(lab).problem.fixed
    assert (slot.setup_start, slot.run_start, slot.run_end, slot.free_at) == (5, 5, 10, 10)


def test_a_claim_becomes_a_demand(lab: Lab) -> None:
    with lab.database.begin() as uow:
        uow.session.get_one(Machine, lab.resources["ender"]).nozzle_mm = 0.8
    job_id = submitted(lab, analysed(duration_s=3600))
    lab.clock.advance(minutes=7)
    with lab.database.read() as uow:
        sight = look(uow)
        claim = claim_of(uow, job_id)
        claim.due_at = lab.clock.now() + timedelta(hours=1)
        demand = sight.demand(claim)
        later = sight.demand(claim, earliest=lab.clock.now() + timedelta(minutes=3))
        mk3, ender = sight.index[lab.resources["mk3"]], sight.index[lab.resources["ender"]]
        assert demand.needs[0].eligible == (mk3,)
        assert demand.not_eligible == {ender: "machine.other_nozzle"}
        assert demand.duration_min[mk3] == sight.duration(claim, lab.resources["mk3"]).quantile_min(0.6)
        assert (demand.release, demand.due, later.release) == (0, 60, 3)
        assert demand.weight == ageing(7 / (24 * 60)) * urgency(0)  # an hour of print, wanted in an hour
        assert demand.presence is Presence.NOBODY
        assert demand.family == family_of(claim)
        claim.attended, claim.priority = True, 1
        assert sight.demand(claim).presence is Presence.STAFF
        assert sight.demand(claim).weight == 3.0 * ageing(7 / (24 * 60)) * urgency(0)
        claim.due_at = None
        assert sight.demand(claim).due == WANTED_WITHIN // MINUTE - 7


def test_what_waiting_costs_counts_from_the_wish_and_in_the_time_with_somebody_there(lab: Lab) -> None:
    job_id = submitted(lab, analysed(duration_s=3600))
    lab.clock.advance(minutes=7)
    with lab.database.read() as uow:
        sight, claim = look(uow), claim_of(uow, job_id)
        assert sight.wish(claim) == Wish(due=-7, weight=ageing(7 / (24 * 60)))
        claim.due_at = TUESDAY + timedelta(days=1, hours=1)  # 7 h 53 today, one hour tomorrow, one of print
        near = sight.wish(claim)
    assert near.due == -7
    assert near.weight == pytest.approx(ageing(7 / (24 * 60)) * urgency(8 * 60 - 7))


def test_an_open_colour_is_of_a_family_of_its_own() -> None:
    assert colour_number(None) == colour_number("") == 0
    assert colour_number("orange") == colour_number("orange")
    assert colour_number("orange") != colour_number("noir")
    assert colour_number("gris anthracite mat") != colour_number("gris anthracite brillant")
    assert all(0 <= colour_number(name) < 2**56 for name in ("é" * 40, "orange", "\x00"))


@pytest.mark.parametrize(
    ("run_end", "free"),
    [
        (0, 5),
        (60, 65),
        (8 * 60 - 5, 8 * 60),  # the last five staffed minutes
        (8 * 60 - 4, DAY_MIN + 5),  # nobody is there long enough: tomorrow at ten
        (15 * 60, DAY_MIN + 5),
        (4 * DAY_MIN + 8 * 60, 7 * DAY_MIN + 5),  # from Saturday evening to Tuesday
    ],
)
def test_a_bed_is_clear_when_somebody_has_come_to_clear_it(lab: Lab, run_end: int, free: int) -> None:
    sight = seen(lab)
    assert sight.free_at(sight.index[lab.resources["mk3"]], run_end) == free


def test_a_room_is_free_at_once_and_a_bed_nobody_comes_to_never(lab: Lab) -> None:
    sight = seen(lab)
    assert sight.free_at(sight.index[lab.resources["room"]], 900) == 900
    with lab.database.begin() as uow:
        for day in range(40):
            at = (TUESDAY + timedelta(days=day)).date()
            uow.session.add(HoursException(kind=HoursKind.STAFFED, day=at, opens=None, closes=None))
    sight = seen(lab)
    mk3 = sight.index[lab.resources["mk3"]]
    assert sight.free_at(mk3, 900) == sight.problem.horizon_min
    assert sight.free_at(mk3, sight.problem.horizon_min + 9) == sight.problem.horizon_min + 9


def test_a_file_that_names_no_nozzle_needs_no_nozzle_changed(lab: Lab) -> None:
    """Minutes of set-up on a machine that has the file's material loaded already."""
    job_id = submitted(lab, analysed(material="PETG", nozzle_mm=None))
    with lab.database.read() as uow:
        (held,) = uow.session.get_one(Claim, job_id).allocations
        assert held.resource_id == lab.resources["mk3"]
        assert held.run_start_at - held.start_at <= timedelta(minutes=15)
