"""A place for somebody in person beside the plan: options of a kind, planned jobs that give way, alternatives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event, select, update

from fablab.base.database import Actor
from fablab.base.errors import Conflict, Refused
from fablab.claims import calendar
from fablab.claims.models import Allocation, AllocationState, ClaimState
from fablab.claims.reservations import Order, Repeat, Reservation
from fablab.notices import latest
from fablab.places.models import Closure, Machine, Resource, ResourceKind, Technology
from scheduler.planner.standing import FREEZE
from scheduler.reserving import Kind, Reserving, Taken, Wanted
from tests.lab import OVERLAPS, Lab, analysed, breaches, counted, submitted

HOUR = timedelta(hours=1)
MK3 = Wanted(technology=Technology.FDM, bed_x_mm=250, bed_y_mm=210)


@pytest.fixture
def reserving(lab: Lab) -> Reserving:
    return Reserving(database=lab.database)


def place_of(lab: Lab, job: str) -> Allocation:
    with lab.database.read() as uow:
        (place,) = calendar.claim(uow, job).allocations
        return place


def order(lab: Lab, start_at: datetime, hours: float = 1, *names: str) -> Order:
    ids = tuple(lab.resources[name] for name in names or ("mk3",))
    return Order(resource_ids=ids, start_at=start_at, end_at=start_at + hours * HOUR)


def told(lab: Lab, actor: Actor) -> list[str]:
    assert actor.member_id is not None
    with lab.database.read() as uow:
        return [notice.code for notice in latest(uow, actor.member_id)]


def later_job(lab: Lab) -> str:
    """A planned job on the first printer that starts after the freeze: two runs of two hours stand before it."""
    for _ in range(2):
        submitted(lab, analysed(duration_s=7200))
    return submitted(lab, analysed(duration_s=3600))


@contextmanager
def statements(lab: Lab) -> Iterator[list[str]]:
    """What is asked of the calendar's places meanwhile."""
    found: list[str] = []

    def hear(_c, _cursor, statement, *_rest):  # type: ignore[no-untyped-def]
        if "allocations" in statement:
            found.append(statement)

    event.listen(lab.database.engine, "before_cursor_execute", hear)
    try:
        yield found
    finally:
        event.remove(lab.database.engine, "before_cursor_execute", hear)


# -- taking a place


def test_a_planned_job_gives_way_and_its_owner_is_told(lab: Lab, reserving: Reserving) -> None:
    job = later_job(lab)
    was = place_of(lab, job)
    with lab.database.begin() as uow:
        calendar.claim(uow, job).needs[0].eligible = [was.resource_id]
    made = reserving.reserve(lab.actors["other"], order(lab, was.start_at, 2))
    now = place_of(lab, job)
    assert (now.resource_id, now.start_at) != (was.resource_id, was.start_at)
    assert made.start_at == was.start_at
    assert "job.moved" in told(lab, lab.maker)
    assert counted(lab, OVERLAPS) == 0
    assert not breaches(lab)


def test_what_the_forecast_says_is_what_happens(lab: Lab, reserving: Reserving) -> None:
    job = later_job(lab)
    wanted = order(lab, place_of(lab, job).start_at, 2)
    said = reserving.forecast(lab.actors["other"], wanted)
    reserving.reserve(lab.actors["other"], wanted)
    with lab.database.read() as uow:
        found = {
            name: calendar.claim(uow, name).ready_at for name in (each.claim_id for each in said.displaced)
        }
    assert said.refusals == ()
    assert found == {each.claim_id: each.ready_at for each in said.displaced}
    assert job in found


def test_a_job_that_staff_made_firm_is_not_moved(lab: Lab, reserving: Reserving) -> None:
    job = later_job(lab)
    with lab.database.begin() as uow:
        calendar.settle(uow, calendar.claim(uow, job), AllocationState.FIRM)
    was = place_of(lab, job)
    with pytest.raises(Taken):
        reserving.reserve(lab.actors["other"], order(lab, was.start_at))
    assert place_of(lab, job).start_at == was.start_at


def test_a_job_that_starts_soon_is_not_moved(lab: Lab, reserving: Reserving) -> None:
    job = submitted(lab)
    was = place_of(lab, job)
    assert was.start_at < lab.clock.now() + FREEZE
    said = reserving.forecast(lab.actors["other"], order(lab, was.start_at))
    with pytest.raises(Taken):
        reserving.reserve(lab.actors["other"], order(lab, was.start_at))
    assert [refusal.code for refusal in said.refusals] == ["slot_taken"]


def test_a_job_that_would_find_no_other_place_keeps_its_own(lab: Lab, reserving: Reserving) -> None:
    job = later_job(lab)
    was = place_of(lab, job)
    with lab.database.begin() as uow:  # no other machine, and the house is shut for good behind it
        calendar.claim(uow, job).needs[0].eligible = [lab.resources["mk3"]]
        uow.session.add(Closure(name="gone", start_at=was.end_at, end_at=was.end_at + timedelta(days=60)))
    wanted = order(lab, was.start_at)
    assert [r.code for r in reserving.forecast(lab.actors["other"], wanted).refusals] == [
        "reservation.others_homeless"
    ]
    with pytest.raises(Refused) as caught:
        reserving.reserve(lab.actors["other"], wanted)
    assert [refusal.code for refusal in caught.value.refusals] == ["reservation.others_homeless"]
    assert place_of(lab, job).start_at == was.start_at
    with lab.database.read() as uow:
        assert uow.session.scalars(select(Reservation)).all() == []


def test_a_reservation_is_moved_onto_a_planned_job(lab: Lab, reserving: Reserving) -> None:
    other = lab.actors["other"]
    job = later_job(lab)
    was = place_of(lab, job)
    made = reserving.reserve(other, order(lab, lab.clock.now() + timedelta(days=2)))
    moved = reserving.move(other, made.id, start_at=was.start_at)
    assert (moved.start_at, moved.end_at) == (was.start_at, was.start_at + HOUR)
    assert place_of(lab, job).start_at != was.start_at
    assert counted(lab, OVERLAPS) == 0


def test_a_job_of_which_one_place_starts_soon_is_not_moved_from_its_other(
    lab: Lab, reserving: Reserving
) -> None:
    job = later_job(lab)
    was = place_of(lab, job)
    with lab.database.begin() as uow:
        soon = uow.now + HOUR
        uow.session.add(
            Allocation(
                claim_id=job,
                resource_id=lab.resources["room"],
                state=AllocationState.TENTATIVE,
                start_at=soon,
                run_start_at=soon,
                run_end_at=was.end_at,
                end_at=was.end_at,
            )
        )
    with pytest.raises(Taken):
        reserving.reserve(lab.actors["other"], order(lab, was.start_at))


def test_a_series_moves_planned_jobs_as_a_single_one_does(lab: Lab, reserving: Reserving) -> None:
    job = later_job(lab)
    was = place_of(lab, job)
    with lab.database.begin() as uow:
        calendar.claim(uow, job).needs[0].eligible = [was.resource_id]
    wanted, weekly = order(lab, was.start_at, 2), Repeat(count=3)
    said = reserving.in_the_way(lab.actors["other"], wanted, weekly)
    made = reserving.repeat(lab.actors["other"], wanted, weekly)
    now = place_of(lab, job)
    assert [each.claim_id for each in said] == [job]
    assert (len(made.made), made.skipped) == (3, ())
    assert (now.resource_id, now.start_at) != (was.resource_id, was.start_at)
    assert "job.moved" in told(lab, lab.maker)
    assert counted(lab, OVERLAPS) == 0
    assert not breaches(lab)


def test_of_a_series_the_date_on_which_a_job_would_lose_its_place_is_skipped(
    lab: Lab, reserving: Reserving
) -> None:
    job = later_job(lab)
    was = place_of(lab, job)
    with lab.database.begin() as uow:  # no other machine, and afterwards the house is open for that one hour
        calendar.claim(uow, job).needs[0].eligible = [lab.resources["mk3"]]
        week = was.start_at + timedelta(days=7)
        for start, end in ((was.start_at + HOUR, week), (week + HOUR, week + timedelta(days=60))):
            uow.session.add(Closure(name="gone", start_at=start, end_at=end))
    made = reserving.repeat(lab.actors["other"], order(lab, was.start_at), Repeat(count=2))
    assert [[each.code for each in skipped.refusals] for skipped in made.skipped] == [
        ["reservation.others_homeless"]
    ]
    assert [row.start_at for row in made.made] == [was.start_at + timedelta(days=7)]
    assert place_of(lab, job).start_at == was.start_at


# -- a race that was lost


def test_who_loses_a_race_hears_of_the_nearest_places(lab: Lab, reserving: Reserving) -> None:
    start = lab.clock.now() + timedelta(days=1)
    reserving.reserve(lab.maker, order(lab, start))
    with pytest.raises(Taken) as caught:
        reserving.reserve(lab.actors["other"], order(lab, start))
    starts = [offer.start_at for offer in caught.value.offers]
    assert starts[0] in (start - HOUR, start + HOUR)
    assert caught.value.facts["alternative_start"] == starts[0].isoformat()
    reserving.reserve(lab.actors["other"], order(lab, starts[0]))
    assert counted(lab, OVERLAPS) == 0


def test_another_like_it_at_the_same_hour_comes_first(lab: Lab, reserving: Reserving) -> None:
    start = lab.clock.now() + timedelta(days=1)
    with lab.database.begin() as uow:
        uow.session.execute(update(Machine).values(bed_x_mm=300, bed_y_mm=300))
    reserving.reserve(lab.maker, order(lab, start))
    with pytest.raises(Taken) as caught:
        reserving.reserve(lab.actors["other"], order(lab, start))
    first = caught.value.offers[0]
    assert (first.start_at, first.resource_ids) == (start, (lab.resources["ender"],))


def test_two_who_lose_the_same_race_are_answered_by_one_look(lab: Lab, reserving: Reserving) -> None:
    start = lab.clock.now() + timedelta(days=1)
    reserving.reserve(lab.maker, order(lab, start))
    with statements(lab) as first, pytest.raises(Taken):
        reserving.reserve(lab.actors["other"], order(lab, start))
    with statements(lab) as second, pytest.raises(Taken) as caught:
        reserving.reserve(lab.staff, order(lab, start))
    assert len(second) == len(first) - 1
    assert caught.value.offers


def test_whoever_is_refused_by_a_rule_hears_that_and_no_alternative(lab: Lab, reserving: Reserving) -> None:
    night = lab.clock.now().replace(hour=2) + timedelta(days=1)
    with pytest.raises(Refused):
        reserving.reserve(lab.maker, order(lab, night))


# -- options


def test_the_first_option_is_the_earliest_that_moves_nobody(lab: Lab, reserving: Reserving) -> None:
    (first, *_rest) = reserving.options(lab.maker, Kind(wanted=(MK3,), duration_s=3600))
    assert (first.start_at, first.names) == (lab.clock.now(), ("mk3",))
    assert first.reasons[0]["code"] == "earliest_start"


@pytest.fixture
def hall(lab: Lab) -> Wanted:
    """The room is made ready for half an hour before each use, and tidied for a quarter of one after it."""
    with lab.database.begin() as uow:
        uow.session.execute(
            update(Resource).where(Resource.id == lab.resources["room"]).values(setup_min=30, clear_min=15)
        )
    return Wanted(kind=ResourceKind.ROOM)


def test_between_two_uses_of_a_room_there_is_time_to_tidy_it_and_to_make_it_ready(
    lab: Lab, reserving: Reserving, hall: Wanted
) -> None:
    start = lab.clock.now().replace(minute=0) + timedelta(days=1, hours=2)
    reserving.reserve(lab.maker, order(lab, start, 1, "room"))
    kind = Kind(wanted=(hall,), duration_s=3600, since=start - 2 * HOUR, near=start)
    offers = reserving.options(lab.maker, kind, 3)
    after, before = start + 1.75 * HOUR, start - 1.75 * HOUR
    assert {offer.start_at for offer in offers[:2]} == {before, after}
    for at in (before, after):
        reserving.reserve(lab.actors["other"], order(lab, at, 1, "room"))
    assert counted(lab, OVERLAPS) == 0


def test_who_comes_too_soon_behind_another_into_a_room_hears_of_the_first_hour_that_can_be_had(
    lab: Lab, reserving: Reserving, hall: Wanted
) -> None:
    start = lab.clock.now().replace(minute=0) + timedelta(days=1, hours=2)
    reserving.reserve(lab.maker, order(lab, start, 1, "room"))
    with pytest.raises(Taken) as caught:
        reserving.reserve(lab.actors["other"], order(lab, start + HOUR, 1, "room"))
    first = caught.value.offers[0]
    assert first.start_at == start + 1.75 * HOUR
    reserving.reserve(lab.actors["other"], order(lab, first.start_at, 1, "room"))


def test_a_bed_may_lie_either_way(lab: Lab, reserving: Reserving) -> None:
    turned = Wanted(technology=Technology.LASER, bed_x_mm=400, bed_y_mm=600)
    options = reserving.options(lab.staff, Kind(wanted=(turned,), duration_s=7200))
    assert {offer.names for offer in options} == {("laser",)}


def test_no_bed_in_the_house_is_large_enough(lab: Lab, reserving: Reserving) -> None:
    huge = Wanted(technology=Technology.LASER, bed_x_mm=1200, bed_y_mm=900)
    with pytest.raises(Refused) as caught:
        reserving.options(lab.staff, Kind(wanted=(huge,), duration_s=7200))
    assert [refusal.code for refusal in caught.value.refusals] == ["reservation.none_of_kind"]


def test_several_at_once_are_had_together_or_not_at_all(lab: Lab, reserving: Reserving) -> None:
    start = lab.clock.now()
    reserving.reserve(lab.staff, order(lab, start, 2, "room"))
    kind = Kind(
        wanted=(
            Wanted(kind=ResourceKind.ROOM, seats=20),
            Wanted(technology=Technology.FDM, quantity=2),
        ),
        duration_s=3600,
    )
    first = reserving.options(lab.staff, kind)[0]
    assert first.start_at == start + 2 * HOUR
    assert set(first.resource_ids) == {lab.resources[name] for name in ("room", "mk3", "ender")}


def test_the_wished_hour_on_the_days_around_is_said_to_be_that(lab: Lab, reserving: Reserving) -> None:
    wished = lab.clock.now() + timedelta(days=1, hours=2)
    reserving.reserve(lab.maker, order(lab, wished - HOUR, 3))
    offers = reserving.options(lab.actors["other"], Kind(wanted=(MK3,), duration_s=3600, near=wished))
    assert offers[0].start_at in (wished - 2 * HOUR, wished + 2 * HOUR)
    assert offers[0].reasons[0]["code"] == "nearest"


def test_an_option_that_moves_somebody_says_so(lab: Lab, reserving: Reserving) -> None:
    job = later_job(lab)
    was = place_of(lab, job)
    kind = Kind(wanted=(MK3,), duration_s=3600, since=was.start_at, until=was.start_at + HOUR)
    (offer,) = reserving.options(lab.actors["other"], kind)
    assert [each.claim_id for each in offer.in_the_way] == [job]
    assert (
        offer.reasons[0] == {"about": "option", "code": "earliest_start", "facts": {}}
        or offer.reasons[0]["code"] == "others_give_way"
    )


def test_an_unattended_part_may_go_on_into_the_night(lab: Lab, reserving: Reserving) -> None:
    kind = Kind(wanted=(MK3,), duration_s=12 * 3600, attended_s=1800)
    first = reserving.options(lab.maker, kind)[0]
    assert (first.refusals, first.start_at) == ((), lab.clock.now())
    assert first.attended_until == first.start_at + HOUR / 2


def test_what_may_not_run_alone_is_offered_in_open_hours_only(lab: Lab, reserving: Reserving) -> None:
    ender = Wanted(resource_ids=(lab.resources["ender"],))
    offers = reserving.options(
        lab.maker, Kind(wanted=(ender,), duration_s=12 * 3600, attended_s=1800, until=None)
    )
    assert offers == ()


def test_an_option_that_the_rules_refuse_says_why(lab: Lab, reserving: Reserving) -> None:
    laser = Wanted(technology=Technology.LASER)
    offers = reserving.options(lab.maker, Kind(wanted=(laser,), duration_s=3600), 2)
    assert {refusal.code for offer in offers for refusal in offer.refusals} == {"certification.missing"}


def test_a_place_that_somebody_took_meanwhile_is_a_conflict_and_no_overlap(
    lab: Lab, reserving: Reserving
) -> None:
    job = later_job(lab)
    wanted = order(lab, place_of(lab, job).start_at)
    reserving.reserve(lab.actors["other"], wanted)
    with pytest.raises(Conflict):
        reserving.reserve(lab.staff, wanted)
    with lab.database.read() as uow:
        assert calendar.claim(uow, job).state is ClaimState.HELD
