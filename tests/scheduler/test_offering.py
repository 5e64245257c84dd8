"""Dates for a class in a lab: why this one, why not that one, and room made for it when it is held."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, update

from fablab.base.errors import Conflict, Invalid
from fablab.base.ids import new_id
from fablab.claims import calendar, workshops
from fablab.claims.models import AllocationState, Claim, ClaimKind, ClaimState
from fablab.claims.workshops import SessionState
from fablab.claims.workshops.offer import Want
from fablab.notices import latest
from fablab.places.models import Closure, Machine, MachineGate, Resource, ResourceKind, Technology
from fablab.places.terms import Zone
from scheduler.offering import Asked, Dates, DateTaken, Gang, Half, Offering, Wish, find, of_session
from scheduler.offering.making import Making
from tests.claims.workshops_rig import TAGS, Class, make_class
from tests.lab import OVERLAPS, Lab, analysed, breaches, counted, submitted

PARIS = ZoneInfo("Europe/Paris")
#: A Tuesday two weeks on, with class in every zone.
WISHED = date(2026, 12, 8)
GANG = Gang(wants=TAGS.needs, duration_min=120, setup_min=30, clear_min=15)
AT_ONCE = timedelta(0)
DAY = timedelta(days=1)


@pytest.fixture
def group(lab: Lab) -> Class:
    return make_class(lab, wishes=(workshops.Wish(day=WISHED),))


@pytest.fixture
def offering(group: Class) -> Offering:
    return Offering(database=group.lab.database)


def asked(*days: date, half: Half = Half.ANY, **more: object) -> Asked:
    wishes = tuple(Wish(first=day, last=day, half=half) for day in days)
    return Asked(gang=GANG, wishes=wishes, school=True, zone=Zone.B, **more)  # type: ignore[arg-type]


def found(lab: Lab, what: Asked, n: int = 3) -> Dates:
    with lab.database.read() as uow:
        return find(uow, what, n)


def local(at: datetime) -> tuple[date, str]:
    there = at.astimezone(PARIS)
    return there.date(), f"{there:%H:%M}"


def codes(dates: Dates, number: int = 0) -> list[object]:
    return [reason["code"] for reason in dates.offers[number].reasons]


def day_at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=PARIS)


def takes(lab: Lab, name: str, start: datetime, hours: float) -> None:
    """Somebody's own place."""
    end = start + timedelta(hours=hours)
    place = calendar.Place(
        resource_id=lab.resources[name], start_at=start, run_start_at=start, run_end_at=end, end_at=end
    )
    with lab.database.begin() as uow:
        row = Claim(
            id=new_id(uow.now),
            kind=ClaimKind.RESERVATION,
            state=ClaimState.OPEN,
            title=name,
            release_at=start,
            estimate_s=round(hours * 3600),
            made_at=uow.now,
        )
        uow.session.add(row)
        uow.session.flush()
        calendar.hold(uow, row, [place], AllocationState.FIRM)


def missed(dates: Dates) -> list[tuple[date, str]]:
    return [(each.day, each.code) for each in dates.missed]


# -- why this one


def test_the_wished_day_comes_first_with_the_whole_gang(any_lab: Lab) -> None:
    group = make_class(any_lab, wishes=(workshops.Wish(day=WISHED, half=workshops.Half.PM),))
    dates = Offering(database=any_lab.database).best(any_lab.staff, group.id)
    first = dates.offers[0]
    assert local(first.start_at) == (WISHED, "14:00")
    assert first.end_at - first.start_at == timedelta(hours=2)
    assert sorted(first.names) == ["Room 1", "Samuel", "ender", "mk3"]
    assert {local(spot.place.start_at)[1] for spot in first.spots} == {"13:30"}
    assert {local(spot.place.end_at)[1] for spot in first.spots} == {"16:15"}
    assert codes(dates) == ["wished_day", "pieces_left", "earliest", "usual_hours"]
    assert dates.missed == ()


def test_the_other_dates_lie_near_the_wished_one_each_on_its_own_day(group: Class) -> None:
    dates = found(group.lab, asked(WISHED))
    # No Monday, when the house is shut; no Wednesday afternoon, when there is no class.
    days = [local(each.start_at) for each in dates.offers]
    assert [day for day, _ in days] == [WISHED, date(2026, 12, 9), date(2026, 12, 10)]
    assert days[1][1] == "10:30"
    assert codes(dates, 1)[0] == "near_wish"
    assert dates.offers[1].reasons[0]["facts"] == {"days": 1, "day": "2026-12-08"}


def test_any_tuesday_means_the_first_tuesday_that_is_possible(group: Class) -> None:
    takes(group.lab, "room", day_at(date(2026, 12, 1), 9), 11)
    tuesdays = Wish(first=date(2026, 11, 25), last=date(2026, 12, 31), weekday=1, half=Half.ANY)
    dates = found(group.lab, Asked(gang=GANG, wishes=(tuesdays,), school=True, zone=Zone.B))
    assert [local(each.start_at)[0] for each in dates.offers] == [
        WISHED,
        date(2026, 12, 15),
        date(2026, 12, 2),
    ]
    assert missed(dates) == [
        (date(2026, 12, 1), "no_room"),
        (date(2026, 12, 22), "school_holiday"),
        (date(2026, 12, 29), "school_holiday"),
    ]


def test_without_a_wish_it_is_the_first_days_after_the_lead_time(group: Class) -> None:
    dates = found(group.lab, asked())
    assert [local(each.start_at)[0] for each in dates.offers] == [
        date(2026, 12, 1),
        date(2026, 12, 2),
        date(2026, 12, 3),
    ]
    assert "earliest" in codes(dates)


def test_behind_a_change_of_clocks_a_class_still_begins_at_two(group: Class) -> None:
    day = date(2027, 4, 6)
    first = found(group.lab, asked(day, half=Half.PM)).offers[0]
    assert local(first.start_at) == (day, "14:00")
    assert f"{first.start_at.astimezone(UTC):%H:%M}" == "12:00"


def test_what_a_session_holds_is_not_in_its_own_way(group: Class) -> None:
    group.offered()
    with group.lab.database.read() as uow:
        session = workshops.get(uow, group.id)
        assert session.start_at is not None
        there = of_session(session)
        day = session.start_at.astimezone(PARIS).date()
        wishes = (Wish(first=day, last=day),)
        mine = find(uow, Asked(gang=there.gang, wishes=wishes, without=group.id))
        others = find(uow, Asked(gang=there.gang, wishes=wishes))
    assert local(mine.offers[0].start_at)[0] == day
    assert local(others.offers[0].start_at) == (day, "14:00")  # behind it


def test_a_gang_is_found_for_a_start_that_the_staff_names(group: Class, offering: Offering) -> None:
    evening = day_at(date(2026, 12, 23), 14, 7)  # in the holidays, and no quarter of an hour
    there = offering.at(group.lab.staff, group.id, evening)
    assert there is not None
    assert there.start_at == evening
    assert offering.at(group.lab.staff, group.id, day_at(WISHED, 19)) is None  # the mediator has gone


# -- what is made in it


def told_of_pieces(lab: Lab, pieces: int, run_min: int) -> dict[str, object]:
    making = Making(technology=Technology.FDM, pieces=pieces, run_min=run_min)
    (date_,) = found(lab, replace(asked(WISHED, half=Half.PM), making=making), n=1).offers
    return date_.reasons[1]


def test_a_date_says_that_all_pieces_are_made_in_it(group: Class) -> None:
    # Two printers for two hours, a piece every quarter of an hour on each.
    assert told_of_pieces(group.lab, 16, 12) == {"code": "all_made", "facts": {"pieces": 16, "machines": 2}}


def test_a_date_says_what_is_left_and_when_that_is_done(group: Class) -> None:
    told = told_of_pieces(group.lab, 20, 12)
    done = datetime(2026, 12, 8, 15, 45, tzinfo=UTC)  # cleared at a quarter past four, and half an hour more
    facts = {"pieces": 20, "machines": 2, "in_session": 16, "left": 4, "ready_at": done.isoformat()}
    assert told == {"code": "pieces_left", "facts": facts}


def test_what_is_left_waits_until_the_machine_is_free_and_somebody_is_there(group: Class) -> None:
    evening = day_at(WISHED, 16, 20)
    takes(group.lab, "mk3", evening, 40)
    takes(group.lab, "ender", evening, 18)  # until twenty past ten on Wednesday
    facts = told_of_pieces(group.lab, 20, 12)["facts"]
    assert isinstance(facts, dict)
    assert facts["ready_at"] == day_at(WISHED + DAY, 11, 20).astimezone(UTC).isoformat()


def test_pieces_for_which_nothing_is_free_within_a_week_are_told_of(group: Class) -> None:
    for name in ("mk3", "ender"):
        takes(group.lab, name, day_at(WISHED, 16, 20), 24 * 9)
    told = told_of_pieces(group.lab, 20, 12)
    assert told["code"] == "pieces_homeless"


# -- why not


def test_holidays_a_closed_house_and_too_little_time_are_told_apart(group: Class) -> None:
    friday = date(2026, 12, 11)
    with group.lab.database.begin() as uow:
        uow.session.add(Closure(start_at=day_at(friday, 0), end_at=day_at(friday + DAY, 0), name="Travaux"))
    wished = (
        date(2026, 11, 26),  # within the lead time
        date(2026, 12, 7),  # a Monday
        friday,
        date(2026, 12, 22),
        date(2026, 12, 25),
    )
    dates = found(group.lab, asked(*wished))
    assert missed(dates) == [
        (wished[0], "too_soon"),
        (wished[1], "closed"),
        (wished[2], "closed"),
        (wished[3], "school_holiday"),
        (wished[4], "public_holiday"),
    ]
    assert dates.missed[0].facts == {"earliest": "2026-12-01"}
    assert [each.facts.get("name") for each in dates.missed[1:]] == ["", "Travaux", "christmas", "christmas"]
    assert dates.missed[3].facts["back"] == "2027-01-04"


def test_wishes_half_a_year_apart_are_both_looked_at_and_years_ahead_nothing_is(group: Class) -> None:
    june, later = date(2027, 6, 8), date(2028, 3, 14)
    dates = found(group.lab, asked(WISHED, june, later), n=2)
    assert [local(each.start_at)[0] for each in dates.offers] == [WISHED, june]
    assert missed(dates) == [(later, "too_far")]
    assert dates.missed[0].facts == {"latest": "2028-01-05"}


def test_without_a_zone_no_day_is_a_school_holiday(group: Class) -> None:
    wish = Wish(first=date(2026, 12, 22), last=date(2026, 12, 22))
    assert found(group.lab, Asked(gang=GANG, wishes=(wish,))).missed == ()


def test_what_was_missing_is_named_with_how_many_there_are(group: Class) -> None:
    for number, name in enumerate(("ender", "room", "mediator")):
        takes(group.lab, name, day_at(WISHED + timedelta(days=number), 8), 14)
    dates = found(group.lab, asked(*(WISHED + timedelta(days=number) for number in range(3))))
    assert [each.code for each in dates.missed] == ["machines", "no_room", "no_mediator"]
    assert dates.missed[0].facts == {"wanted": 2, "free": 1, "technology": "fdm"}
    assert dates.missed[1].facts == {"wanted": 1, "free": 0, "seats": 24}


def test_everything_that_day_but_never_at_once_is_said_so(group: Class) -> None:
    takes(group.lab, "room", day_at(WISHED, 9), 5.5)
    takes(group.lab, "mediator", day_at(WISHED, 13), 5)
    assert missed(found(group.lab, asked(WISHED))) == [(WISHED, "not_together")]


def test_a_machine_out_of_service_for_good_is_no_machine(group: Class) -> None:
    with group.lab.database.begin() as uow:
        uow.session.execute(
            update(Machine)
            .where(Machine.resource_id == group.lab.resources["ender"])
            .values(gate=MachineGate.OUT_OF_SERVICE)
        )
    dates = found(group.lab, asked(WISHED))
    assert dates.offers == ()
    assert dates.missed[0].facts["free"] == 1


def test_equipment_and_skills_are_asked_for_by_their_words(group: Class) -> None:
    wants = (
        Want(kind=ResourceKind.ROOM, equipment=("projector",)),
        Want(kind=ResourceKind.PERSON, skill="laser"),
    )
    what = Asked(gang=Gang(wants=wants, duration_min=60), wishes=(Wish(first=WISHED, last=WISHED),))
    without = found(group.lab, what)
    assert missed(without) == [(WISHED, "no_room")]
    with group.lab.database.begin() as uow:
        for name, words in (("room", ["projector", "sink"]), ("mediator", ["electronics"])):
            uow.session.execute(
                update(Resource).where(Resource.id == group.lab.resources[name]).values(equipment=words)
            )
        able = Resource(kind=ResourceKind.PERSON, name="Nadia", equipment=["laser"])
        uow.session.add(able)
    dates = found(group.lab, what)
    assert dates.missed == ()
    assert set(dates.offers[0].names) == {"Room 1", "Nadia"}


def test_nothing_asked_and_days_the_wrong_way_round_are_no_question(group: Class) -> None:
    with pytest.raises(Invalid, match=r"offer\.nothing"):
        found(group.lab, Asked(gang=Gang(wants=(), duration_min=60)))
    with pytest.raises(Invalid, match=r"span\.wrong"):
        found(group.lab, asked(first=date(2026, 12, 9), last=date(2026, 12, 8)))
    with pytest.raises(Invalid, match=r"span\.too_long"):
        found(group.lab, asked(first=date(2026, 12, 9), last=date(2027, 12, 8)))


# -- room is made


TODAY = date(2026, 11, 24)


def crowded(lab: Lab) -> list[str]:
    """Two planned jobs on each printer; the second ones begin in the afternoon, and may still move."""
    return [submitted(lab, analysed(duration_s=3 * 3600)) for _ in range(4)]


def today(**more: object) -> Asked:
    return asked(TODAY, lead=AT_ONCE, first=TODAY, last=TODAY, **more)


def test_planned_jobs_give_way_when_a_date_is_held_and_their_owners_are_told(any_lab: Lab) -> None:
    group = make_class(any_lab)
    offering = Offering(database=any_lab.database)
    crowded(any_lab)
    dates = found(any_lab, today())
    assert dates.offers[0].in_the_way
    assert codes(dates)[-1] == "jobs_move"
    group.does(workshops.propose, group.id, [dates.offers[0].proposal])
    held = offering.hold(any_lab.staff, group.id, 1)
    assert (held.state, held.start_at) == (SessionState.OFFERED, dates.offers[0].start_at)
    assert len(group.held) == 4
    with any_lab.database.read() as uow:
        assert any_lab.maker.member_id is not None
        assert "job.moved" in [notice.code for notice in latest(uow, any_lab.maker.member_id)]
    assert counted(any_lab, OVERLAPS) == 0
    assert not breaches(any_lab)


def test_whoever_is_too_late_is_told_what_else_there_is(group: Class, offering: Offering) -> None:
    offering.propose(group.lab.staff, group.id)
    with group.lab.database.read() as uow:
        first = workshops.get(uow, group.id).offers[0].start_at
    takes(group.lab, "room", first, 1)
    with pytest.raises(DateTaken) as caught:
        offering.hold(group.lab.staff, group.id, 1)
    assert caught.value.dates.offers
    assert first not in [each.start_at for each in caught.value.dates.offers]
    assert group.session.state is SessionState.REQUESTED
    assert group.held == []


def test_the_best_date_is_found_proposed_and_held_at_once(group: Class, offering: Offering) -> None:
    held = offering.hold_best(group.lab.staff, group.id)
    assert held.state is SessionState.OFFERED
    assert held.start_at is not None
    assert local(held.start_at)[0] == WISHED
    assert [row.rank for row in group.session.offers] == [1, 2, 3]


def test_where_a_job_would_be_homeless_the_next_best_date_is_held(group: Class, offering: Offering) -> None:
    lab, later = group.lab, date(2027, 2, 2)
    ender = lab.resources["ender"]
    jobs = crowded(lab)
    with lab.database.begin() as uow:
        for job in jobs:
            calendar.claim(uow, job).needs[0].eligible = [
                place.resource_id for place in calendar.claim(uow, job).allocations
            ]
        assert any(
            place.resource_id == ender for job in jobs for place in calendar.claim(uow, job).allocations
        )
        uow.session.add(Closure(name="gone", start_at=day_at(TODAY, 17), end_at=day_at(TODAY, 17) + 60 * DAY))
        wishes = [{"day": day.isoformat(), "half": "any"} for day in (TODAY, later)]
        workshops.get(uow, group.id).wishes = wishes  # type: ignore[assignment]
    assert found(lab, today()).offers[0].in_the_way
    held = offering.hold_best(lab.staff, group.id, lead=AT_ONCE)
    assert held.start_at is not None
    assert local(held.start_at)[0] == later
    assert counted(lab, OVERLAPS) == 0


def test_a_request_without_any_date_is_told_so(group: Class, offering: Offering) -> None:
    with group.lab.database.begin() as uow:
        uow.session.add(Closure(start_at=uow.now, end_at=uow.now + timedelta(days=400), name="Travaux"))
    with pytest.raises(Conflict, match=r"offer\.none"):
        offering.propose(group.lab.staff, group.id)


def test_a_held_date_is_moved_onto_planned_jobs(group: Class, offering: Offering) -> None:
    group.confirmed()
    crowded(group.lab)
    target = found(group.lab, today(without=group.id)).offers[0]
    assert target.in_the_way
    moved = offering.move(group.lab.staff, group.id, target.proposal, "the bus comes on that day")
    assert moved.start_at == target.start_at
    assert {start for _, start, _ in group.held} == {target.spots[0].place.start_at}
    assert counted(group.lab, OVERLAPS) == 0


# -- how it is read


def test_a_few_queries_answer_however_large_the_house(group: Class) -> None:
    heard: list[str] = []

    def hear(_c, _cursor, statement, *_rest):  # type: ignore[no-untyped-def]
        heard.append(statement)

    def ask() -> int:
        heard.clear()
        found(group.lab, asked(WISHED), n=10)
        return len(heard)

    found(group.lab, asked(WISHED))
    event.listen(group.lab.database.engine, "before_cursor_execute", hear)
    try:
        few = ask()
        with group.lab.database.begin() as uow:
            for number in range(30):
                row = Resource(kind=ResourceKind.MACHINE, name=f"p{number}", technology=Technology.FDM)
                uow.session.add(row)
                uow.session.flush()
                machine = {"bed_x_mm": 200, "bed_y_mm": 200, "height_mm": 200}
                uow.session.add(
                    Machine(resource_id=row.id, gate_at=uow.now, max_nozzle_c=280, max_bed_c=100, **machine)
                )
        many = ask()
    finally:
        event.remove(group.lab.database.engine, "before_cursor_execute", hear)
    assert few == many
    assert few <= 6
