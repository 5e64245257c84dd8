"""The hours change: jobs follow, people are told, and what would come of it is known before."""

from __future__ import annotations

from datetime import date, time, timedelta
from pathlib import Path

import pytest

from fablab.base.errors import Forbidden, Invalid
from fablab.base.ids import new_id
from fablab.claims import calendar
from fablab.claims.jobs.use import Wishes
from fablab.claims.models import AllocationState, Claim, ClaimKind, ClaimState
from fablab.places import hours, house
from fablab.places.hours import Differs, Reopen, Shut, Usual
from fablab.places.models import HoursKind
from scheduler.planner import timetable
from tests.lab import TUESDAY, Lab, analysed, drafted, make_lab

WEDNESDAY = date(2026, 11, 25)
NINE_TO_NOON = ((time(9), time(12)),)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return make_lab(f"sqlite:///{tmp_path / 'lab.db'}", tmp_path)


def submitted(lab: Lab, count: int = 1) -> list[str]:
    found = [drafted(lab, analysed()) for _ in range(count)]
    for job in found:
        lab.intake.submit(lab.maker, job, Wishes())
    return found


def starts(lab: Lab, job: str):  # type: ignore[no-untyped-def]
    with lab.database.read() as uow:
        return [place.run_start_at for place in calendar.current(calendar.claim(uow, job))]


def test_a_job_leaves_the_hours_in_which_nobody_is_there(lab: Lab) -> None:
    *_, job = submitted(lab, 3)
    assert starts(lab, job)[0].date() == TUESDAY.date()
    wish = Differs(day=TUESDAY.date(), kind=HoursKind.STAFFED, spans=())
    told = lab.database.write(lambda uow: timetable.change(uow, wish), lab.staff)
    assert starts(lab, job)[0].date() > TUESDAY.date()
    assert told == 1


def test_what_is_foreseen_is_what_comes(lab: Lab) -> None:
    jobs = submitted(lab, 5)
    wish = Shut(start_at=TUESDAY, end_at=TUESDAY + timedelta(hours=30), name="Snow")
    before = [starts(lab, job) for job in jobs]
    found = timetable.foresee(lab.database, lab.staff, wish)
    assert [starts(lab, job) for job in jobs] == before
    told = lab.database.write(lambda uow: timetable.change(uow, wish), lab.staff)
    after = [starts(lab, job) for job in jobs]
    assert {each.claim_id: each.run_start_at for each in found.forecast.displaced} == {
        job: now[0] for job, was, now in zip(jobs, before, after, strict=True) if was != now
    }
    assert found.forecast.told == told >= 3


def test_what_was_only_foreseen_is_not_written(lab: Lab) -> None:
    timetable.foresee(
        lab.database, lab.staff, Shut(start_at=TUESDAY, end_at=TUESDAY + timedelta(days=2), name="Snow")
    )
    with lab.database.read() as uow:
        assert hours.closures(uow) == []


def test_a_reservation_that_would_lie_in_closed_hours_is_named_and_stays(lab: Lab) -> None:
    start_at, end_at = TUESDAY + timedelta(hours=4), TUESDAY + timedelta(hours=6)
    laser = lab.resources["laser"]

    def reserve(uow):  # type: ignore[no-untyped-def]
        row = Claim(
            id=new_id(uow.now),
            kind=ClaimKind.RESERVATION,
            state=ClaimState.OPEN,
            title="Lamp",
            member_id=lab.maker.member_id,
            release_at=uow.now,
            estimate_s=7200,
            made_at=uow.now,
            allocations=[],
            needs=[],
        )
        uow.session.add(row)
        uow.session.flush()
        place = calendar.Place(
            resource_id=laser, start_at=start_at, run_start_at=start_at, run_end_at=end_at, end_at=end_at
        )
        calendar.hold(uow, row, [place], AllocationState.FIRM)

    lab.database.write(reserve)
    wish = Differs(day=TUESDAY.date(), kind=HoursKind.OPEN, spans=NINE_TO_NOON)
    found = timetable.foresee(lab.database, lab.staff, wish)
    assert [(each.title, each.start_at) for each in found.stays] == [("Lamp", start_at)]


def test_a_day_that_differs_is_as_usual_again_when_it_is_taken_back(lab: Lab) -> None:
    for spans in (NINE_TO_NOON, None):
        wish = Differs(day=WEDNESDAY, kind=HoursKind.OPEN, spans=spans)
        lab.database.write(lambda uow, wish=wish: timetable.change(uow, wish), lab.staff)  # type: ignore[misc]
    with lab.database.read() as uow:
        assert hours.differing(uow) == {}


def test_a_closure_can_be_taken_back(lab: Lab) -> None:
    shut = Shut(start_at=TUESDAY, end_at=TUESDAY + timedelta(days=3), name="Works")
    lab.database.write(lambda uow: timetable.change(uow, shut), lab.staff)
    with lab.database.read() as uow:
        (row,) = hours.closures(uow)
        assert not house.calendar(uow).open.is_open(TUESDAY)
    lab.database.write(lambda uow: timetable.change(uow, Reopen(closure_id=row.id)), lab.staff)
    with lab.database.read() as uow:
        assert house.calendar(uow).open.is_open(TUESDAY)


def test_a_new_usual_week_holds_from_today_and_leaves_the_past_as_it_was(lab: Lab) -> None:
    wish = Usual(kind=HoursKind.OPEN, weekday=2, spans=NINE_TO_NOON)
    lab.database.write(lambda uow: timetable.change(uow, wish), lab.actors["admin"])
    with lab.database.read() as uow:
        open_hours = house.calendar(uow).open
        assert hours.week(uow)[HoursKind.OPEN][2] == NINE_TO_NOON
        assert [each.duration for each in open_hours.day(WEDNESDAY)] == [timedelta(hours=3)]
        assert [each.duration for each in open_hours.day(WEDNESDAY - timedelta(days=7))] == [
            timedelta(hours=11)
        ]


def test_the_usual_week_is_the_administrators(lab: Lab) -> None:
    with pytest.raises(Forbidden):
        lab.database.write(
            lambda uow: timetable.change(uow, Usual(kind=HoursKind.OPEN, weekday=2, spans=())), lab.staff
        )


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (Differs(day=date(2026, 11, 1), kind=HoursKind.OPEN, spans=()), "hours.past"),
        (
            Differs(day=WEDNESDAY, kind=HoursKind.OPEN, spans=((time(9), time(12)), (time(11), time(14)))),
            "hours.spans",
        ),
        (Shut(start_at=TUESDAY, end_at=TUESDAY, name="Snow"), "span.wrong"),
        (Shut(start_at=TUESDAY, end_at=TUESDAY + timedelta(days=900), name="Snow"), "closure.too_long"),
        (Shut(start_at=TUESDAY, end_at=TUESDAY + timedelta(days=1), name=" "), "closure.name"),
    ],
)
def test_hours_that_cannot_be_are_refused(lab: Lab, wish: hours.Change, code: str) -> None:
    with pytest.raises(Invalid) as error:
        lab.database.write(lambda uow: timetable.change(uow, wish), lab.staff)
    assert error.value.code == code
