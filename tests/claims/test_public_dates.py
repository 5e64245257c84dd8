"""A public date: planned as one gang, moved and called off with everybody told, decided by the clock, counted at the door
and forgotten after."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from fablab.base.errors import Conflict, Forbidden, Invalid, NotFound
from fablab.claims import agenda as calendars
from fablab.claims import calendar
from fablab.claims.models import AllocationState, ClaimState
from fablab.claims.workshops import came, due, line, programme, public, registrations
from fablab.claims.workshops.models import Registration, SessionKey
from fablab.claims.workshops.programme import Choice
from fablab.claims.workshops.public import DatePlan
from fablab.claims.workshops.registrations import Party
from fablab.claims.workshops.words import RegistrationState, SessionState, WorkshopKind
from fablab.notices import Letter
from fablab.people.models import Audience
from fablab.places.models import Resource
from scheduler.public import move_date, plan_date
from tests.claims.agenda_rig import EVENING, FILM, LASER, Agenda, agenda_of, entry, with_laser
from tests.lab import OVERLAPS, TUESDAY, Lab, analysed, counted, submitted


@pytest.fixture
def agenda(lab: Lab) -> Agenda:
    return agenda_of(lab)


def tend(agenda: Agenda) -> int:
    return agenda.lab.database.write(due.tend)


def test_the_room_is_held_with_its_set_up_and_its_clearing(agenda: Agenda) -> None:
    with agenda.lab.database.read() as uow:
        claim = calendar.claim(uow, agenda.date)
        (room,) = claim.allocations
    assert claim.state is ClaimState.HELD
    assert (room.resource_id, room.state) == (agenda.lab.resources["room"], AllocationState.FIRM)
    assert (room.run_start_at, room.run_end_at) == (EVENING, EVENING + timedelta(hours=2))
    assert room.start_at == EVENING - timedelta(minutes=30)
    assert room.end_at == EVENING + timedelta(hours=2, minutes=15)


def test_capacity_and_least_are_the_entrys_and_may_be_others(lab: Lab) -> None:
    usual = agenda_of(lab)
    with lab.database.begin(lab.staff) as uow:
        other = public.plan(
            uow,
            DatePlan(workshop_id=usual.workshop, start_at=EVENING + timedelta(days=1), capacity=30, least=5),
        )
        assert (other.capacity, other.least) == (30, 5)
        assert other.decide_at == EVENING - timedelta(days=1)
        assert (usual.session(uow).capacity, usual.session(uow).least) == (10, 1)


def test_the_whole_gang_or_nothing(lab: Lab) -> None:
    first = agenda_of(lab, holds=(lab.resources["laser"],))
    plan = DatePlan(workshop_id=first.workshop, start_at=EVENING, holds=with_laser(lab))
    with pytest.raises(Conflict, match="slot_taken"):
        plan_date(lab.database, lab.staff, plan)
    assert counted(lab, "SELECT count(*) FROM allocations") == 1
    assert counted(lab, "SELECT count(*) FROM workshop_sessions") == 1


def test_what_the_entry_needs_is_found_by_itself_or_named_as_missing(lab: Lab) -> None:
    workshop = entry(lab, slug="laser-night", needs=(*FILM.needs, LASER))
    plan = DatePlan(workshop_id=workshop, start_at=EVENING)
    with lab.database.begin(lab.staff) as uow:
        date = public.plan(uow, plan)
        held = {each.resource_id for each in calendar.claim(uow, date.id).allocations}
    assert held == set(with_laser(lab))
    with pytest.raises(Conflict, match=r"agenda\.no_(room|machine)"):
        plan_date(lab.database, lab.staff, plan)


def test_planned_jobs_give_way_and_their_owners_are_told(lab: Lab) -> None:
    for _ in range(2):
        submitted(lab, analysed(duration_s=7200))
    job = submitted(lab, analysed(duration_s=3600))
    with lab.database.read() as uow:
        (was,) = calendar.claim(uow, job).allocations
    workshop = entry(lab, setup_min=0, clear_min=0, duration_min=60)
    date = plan_date(
        lab.database,
        lab.staff,
        DatePlan(workshop_id=workshop, start_at=was.start_at, holds=(was.resource_id,)),
    )
    with lab.database.read() as uow:
        (now,) = calendar.claim(uow, job).allocations
        assert calendar.claim(uow, date.id).allocations[0].resource_id == was.resource_id
    assert (now.resource_id, now.start_at) != (was.resource_id, was.start_at)
    assert counted(lab, OVERLAPS) == 0


def test_only_the_staff_plans(lab: Lab) -> None:
    workshop = entry(lab)
    with lab.database.begin(lab.maker) as uow, pytest.raises(Forbidden):
        public.plan(uow, DatePlan(workshop_id=workshop, start_at=EVENING))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"start_at": TUESDAY}, "agenda.past"),
        ({"start_at": TUESDAY + timedelta(days=400)}, "agenda.too_far"),
        ({"capacity": 0}, "agenda.capacity"),
        ({"least": 11}, "agenda.least"),
        ({"least": 2, "decide_at": EVENING + timedelta(hours=1)}, "agenda.decide"),
        ({"holds": (999,)}, "agenda.holds"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_with_its_reason(
    lab: Lab, changes: dict[str, object], code: str
) -> None:
    plan = DatePlan(workshop_id=entry(lab), start_at=EVENING)
    with lab.database.begin(lab.staff) as uow, pytest.raises(Invalid) as said:
        public.plan(uow, replace(plan, **changes))  # type: ignore[arg-type]  # a table of any field
    assert said.value.code == code


def test_moved_the_whole_gang_goes_along_and_everybody_is_told(lab: Lab) -> None:
    agenda = agenda_of(lab, capacity=2, holds=with_laser(lab))
    agenda.guest("ana", 2)
    agenda.guest("bob")
    move_date(lab.database, lab.staff, agenda.date, EVENING + timedelta(days=1), why="La salle est prise.")
    with lab.database.read() as uow:
        held = calendar.claim(uow, agenda.date).allocations
        assert {each.resource_id for each in held} == set(with_laser(lab))
        assert {each.run_start_at for each in held} == {EVENING + timedelta(days=1)}
        assert agenda.session(uow).start_at == EVENING + timedelta(days=1)
    assert agenda.letters("ana")[-1] == agenda.letters("bob")[-1] == "agenda.moved"


def test_a_date_that_cannot_be_moved_stays_whole_where_it_was(lab: Lab) -> None:
    agenda = agenda_of(lab)
    other = DatePlan(workshop_id=agenda.workshop, start_at=EVENING + timedelta(days=1))
    plan_date(lab.database, lab.staff, other)
    agenda.guest("ana")
    with pytest.raises(Conflict, match="slot_taken"):
        move_date(lab.database, lab.staff, agenda.date, EVENING + timedelta(days=1))
    with lab.database.read() as uow:
        assert calendar.claim(uow, agenda.date).allocations[0].run_start_at == EVENING
    assert agenda.letters("ana") == ["agenda.joined"]


def test_called_off_everything_is_free_and_everybody_is_told_why(agenda: Agenda) -> None:
    agenda.guest("ana")
    with agenda.lab.database.begin(agenda.lab.actors["admin"]) as uow:
        public.call_off(uow, agenda.date, "Le film n’est pas arrivé.")
    with agenda.lab.database.read() as uow:
        claim = calendar.claim(uow, agenda.date)
        assert (claim.state, claim.allocations) == (ClaimState.CLOSED, [])
        assert agenda.session(uow).state is SessionState.CANCELLED
        assert programme.one(uow, agenda.date).cancelled
        assert programme.coming(uow) == []
    assert agenda.letters("ana") == ["agenda.joined", "agenda.cancelled"]
    assert agenda.told("staff") == ["agenda.house_cancelled"]
    with pytest.raises(Conflict, match=r"registration\.over"):
        agenda.guest("bob")


def test_too_few_by_the_time_that_was_set_and_it_is_cancelled_by_itself(lab: Lab) -> None:
    agenda = agenda_of(lab, least=3)
    agenda.guest("ana", 2)
    lab.clock.advance(EVENING - timedelta(days=2, hours=1) - agenda.now)
    assert tend(agenda) == 0
    lab.clock.advance(timedelta(hours=1))
    assert tend(agenda) == 1
    assert agenda.letters("ana") == ["agenda.joined", "agenda.too_few"]
    assert agenda.told("staff") == ["agenda.house_cancelled"]
    assert counted(lab, "SELECT count(*) FROM allocations") == 0


def test_enough_by_then_and_it_takes_place_whoever_leaves_afterwards(lab: Lab) -> None:
    agenda = agenda_of(lab, least=3)
    agenda.guest("ana", 3)
    lab.clock.advance(EVENING - timedelta(days=2) - agenda.now)
    tend(agenda)
    agenda.leave("ana")
    tend(agenda)
    with lab.database.read() as uow:
        assert agenda.session(uow).state is SessionState.CONFIRMED


def test_more_seats_are_offered_to_those_who_wait(lab: Lab) -> None:
    agenda = agenda_of(lab, capacity=2)
    agenda.guest("ana", 2)
    agenda.guest("bob", 2)
    with lab.database.begin(lab.staff) as uow:
        public.amend(uow, agenda.date, capacity=4)
    assert agenda.states()["bob"] == ("offered", 2)
    with lab.database.begin(lab.staff) as uow, pytest.raises(Conflict, match=r"agenda\.too_few_seats"):
        public.amend(uow, agenda.date, capacity=3)


def test_who_came_is_ticked_and_may_be_put_right(agenda: Agenda) -> None:
    for name, seats in (("ana", 3), ("bob", 1), ("cy", 2)):
        agenda.guest(name, seats)
    agenda.lab.clock.advance(EVENING - agenda.now)
    with agenda.lab.database.begin(agenda.lab.staff) as uow:
        ids = {row.email[:3].rstrip("@"): row.id for row in line.people_in(uow, agenda.date)}
        assert came.tick(uow, agenda.date, {ids["ana"]: 2, ids["bob"]: 1}, more=4) == 7
    assert [state for state, _ in agenda.states().values()] == ["attended", "attended", "absent"]
    with agenda.lab.database.begin(agenda.lab.staff) as uow:
        assert came.tick(uow, agenda.date, {ids["ana"]: 3, ids["cy"]: 2}, more=4) == 9
        assert came.walk_ins(agenda.session(uow), line.people_in(uow, agenda.date)) == 4
    assert [state for state, _ in agenda.states().values()] == ["attended", "absent", "attended"]


def test_nobody_is_ticked_before_it_begins_or_as_more_than_they_are(agenda: Agenda) -> None:
    agenda.guest("ana")
    with agenda.lab.database.begin(agenda.lab.staff) as uow:
        id_ = agenda.row(uow, "ana").id
        with pytest.raises(Conflict, match=r"agenda\.not_begun"):
            came.tick(uow, agenda.date, {id_: 1})
    agenda.lab.clock.advance(EVENING - agenda.now)
    with agenda.lab.database.begin(agenda.lab.staff) as uow, pytest.raises(Invalid):
        came.tick(uow, agenda.date, {id_: 2})
    with agenda.lab.database.begin(agenda.lab.staff) as uow, pytest.raises(NotFound):
        came.tick(uow, agenda.date, {"another": 1})


def test_two_weeks_later_the_numbers_are_there_and_nobody_is_named(agenda: Agenda) -> None:
    agenda.guest("ana", 3)
    agenda.lab.clock.advance(EVENING - agenda.now)
    with agenda.lab.database.begin(agenda.lab.staff) as uow:
        came.tick(uow, agenda.date, {agenda.row(uow, "ana").id: 2})
    agenda.lab.clock.advance(timedelta(days=14))
    assert agenda.lab.database.write(came.forget) == 0
    agenda.lab.clock.advance(timedelta(days=1))
    assert agenda.lab.database.write(came.forget) == 1
    with agenda.lab.database.read() as uow:
        row = uow.session.scalars(select(Registration)).one()
        assert (row.name, row.email, row.note, row.member_id) == ("", "", "", None)
        assert (row.seats, row.came, row.state) == (3, 2, RegistrationState.ATTENDED)
        assert agenda.session(uow).people == 2
        assert list(uow.session.scalars(select(SessionKey))) == []
        assert list(uow.session.scalars(select(Letter).where(Letter.address.is_not(None)))) == []
    assert agenda.lab.database.write(came.forget) == 0


def test_the_programme_says_what_is_on_and_for_whom(agenda: Agenda) -> None:
    agenda.guest("ana", 3)
    with agenda.lab.database.read() as uow:
        (shown,) = programme.coming(uow)
        assert (shown.free, shown.capacity, shown.waiting, shown.price_cents) == (7, 10, 0, 0)
        assert shown.rooms == ("Room 1",)
        assert programme.coming(uow, Choice(kind=WorkshopKind.EVENT)) == [shown]
        assert programme.coming(uow, Choice(kind=WorkshopKind.WORKSHOP)) == []
        assert programme.coming(uow, Choice(audience=Audience.SCHOOL)) == []
        assert programme.coming(uow, Choice(until=EVENING)) == []


def test_a_date_stands_in_the_calendar_of_a_member_who_comes(agenda: Agenda) -> None:
    def entries() -> list[str]:
        with agenda.lab.database.read() as uow:
            mine = agenda.lab.maker.member_id or 0
            return [
                each.claim_id for each in calendars.of_member(uow, mine, TUESDAY, EVENING + timedelta(days=1))
            ]

    assert entries() == []
    with agenda.lab.database.begin(agenda.lab.maker) as uow:
        registrations.join(uow, agenda.date, Party(seats=1))
    assert entries() == [agenda.date]
    with agenda.lab.database.read() as uow:
        invited = calendars.invite(uow, agenda.lab.maker.member_id or 0, agenda.date)
        assert invited is not None
        assert (invited.start_at, invited.cancelled) == (EVENING, False)


def test_a_room_has_the_equipment_that_is_asked_for(lab: Lab) -> None:
    workshop = entry(lab, needs=(replace(FILM.needs[0], equipment=("projector",)),))
    plan = DatePlan(workshop_id=workshop, start_at=EVENING)
    with lab.database.begin(lab.staff) as uow, pytest.raises(Conflict, match=r"agenda\.no_room"):
        public.plan(uow, plan)
    with lab.database.begin(lab.staff) as uow:
        room = uow.session.get(Resource, lab.resources["room"])
        assert room is not None
        room.equipment = ["projector", "sound"]
        assert public.plan(uow, plan).state is SessionState.CONFIRMED


def test_a_session_of_a_school_is_on_no_programme(agenda: Agenda) -> None:
    with agenda.lab.database.begin() as uow:
        agenda.session(uow).public = False
    with agenda.lab.database.read() as uow:
        assert programme.coming(uow) == []
        with pytest.raises(NotFound):
            programme.one(uow, agenda.date)
    with pytest.raises(NotFound):
        agenda.guest("ana")
