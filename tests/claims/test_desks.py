"""Desks by the half-day and the day: a free one is found, a pass is spent and comes back, and nothing is had twice."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest

from fablab.base.database import Actor
from fablab.base.errors import Conflict, LabError
from fablab.claims import desks, reservations
from fablab.claims.desks import DeskWish, Part, Pay
from fablab.claims.reservations import Reservation, ReservationState
from fablab.claims.rules.models import ReservationPolicy
from fablab.money import passes, quotes
from fablab.people import members
from fablab.people.models import Role
from fablab.places.models import ResourceKind
from tests.lab import OVERLAPS, Lab, counted
from tests.parted import Parted, parted, ticket

WEDNESDAY = date(2026, 11, 25)
SPENT = "SELECT count(*) FROM pass_uses WHERE returned_at IS NULL"


@pytest.fixture
def house(lab: Lab) -> Parted:
    return parted(lab)


def take(
    house: Parted,
    part: Part = Part.AM,
    *,
    day: date = WEDNESDAY,
    pay: Pay = Pay.ANY,
    who: Actor | None = None,
) -> Reservation:
    wish = DeskWish(day=day, part=part, pay=pay)
    return house.lab.database.write(lambda uow: desks.take(uow, wish), who or house.lab.maker)


def promised(house: Parted, row: Reservation) -> tuple[list[str], int]:
    with house.lab.database.read() as uow:
        quote = quotes.quote_of(uow, row.id)
    assert quote is not None
    return [line.code for line in quote.lines], quote.total_cents


def spent(house: Parted) -> int:
    return counted(house.lab, SPENT)


def test_a_morning_is_from_the_opening_to_one_o_clock(house: Parted) -> None:
    row = take(house)
    assert (row.start_at, row.end_at) == (
        datetime(2026, 11, 25, 8, tzinfo=UTC),
        datetime(2026, 11, 25, 12, tzinfo=UTC),
    )
    assert promised(house, row) == (["stay_half_day"], 900)


def test_a_day_is_cheaper_than_its_halves(house: Parted) -> None:
    assert promised(house, take(house, Part.DAY)) == (["stay_day"], 1500)


def test_what_is_left_of_a_half_day_can_be_had(house: Parted) -> None:
    house.lab.clock.set(datetime(2026, 11, 25, 9, 30, 20, tzinfo=UTC))
    assert take(house).start_at == datetime(2026, 11, 25, 9, 30, tzinfo=UTC)


def test_the_same_form_sent_twice_is_one_desk(house: Parted) -> None:
    wish = DeskWish(day=WEDNESDAY, part=Part.AM, key="form-1")
    found = {
        house.lab.database.write(lambda uow: desks.take(uow, wish).id, house.lab.maker) for _ in range(2)
    }
    assert len(found) == 1


def test_one_gets_the_desk_again_that_one_had(house: Parted) -> None:
    take(house, who=house.lab.staff)
    mine = take(house)
    assert take(house, day=WEDNESDAY + timedelta(days=1)).resource_ids == mine.resource_ids


def test_a_pass_pays_for_as_many_half_days_as_are_taken(house: Parted) -> None:
    ticket(house)
    row = take(house, Part.DAY)
    assert spent(house) == 2
    assert promised(house, row) == (["stay_pass"], 0)


def test_a_half_day_comes_back_when_it_is_given_up_in_time_and_not_when_it_is_late(house: Parted) -> None:
    with house.lab.database.begin() as uow:
        uow.session.add(ReservationPolicy(kind=ResourceKind.DESK, cancel_s=7200, set_at=uow.now))
    ticket(house)
    early, late = take(house), take(house, Part.PM)
    house.lab.database.write(lambda uow: reservations.cancel(uow, early.id), house.lab.maker)
    assert spent(house) == 1
    house.lab.clock.set(late.start_at - timedelta(hours=1))
    house.lab.database.write(lambda uow: reservations.cancel(uow, late.id), house.lab.maker)
    assert spent(house) == 1


def test_a_desk_that_moves_takes_its_half_days_along(house: Parted) -> None:
    ticket(house)
    row, later = take(house), timedelta(days=1)
    house.lab.database.write(
        lambda uow: reservations.move(uow, row.id, start_at=row.start_at + later), house.lab.maker
    )
    with house.lab.database.read() as uow:
        assert [(use.day, use.half) for use in passes.uses_of(uow, row.id)] == [
            (WEDNESDAY + later, passes.Half.AM)
        ]
    assert spent(house) == 1
    assert promised(house, row) == (["stay_pass"], 0)


def test_a_pass_that_is_used_up_pays_no_more(house: Parted) -> None:
    ticket(house, half_days=1)
    take(house)
    with pytest.raises(Conflict) as error:
        take(house, Part.PM, pay=Pay.PASS)
    assert error.value.code == "pass.none"
    assert promised(house, take(house, Part.PM)) == (["stay_half_day"], 900)


def test_a_desk_is_charged_once_it_was_used_and_one_on_a_pass_is_not(house: Parted) -> None:
    lab = house.lab
    rows = [take(house, pay=Pay.PRICE)]
    ticket(house)
    rows.append(take(house, Part.PM))
    for row in rows:
        lab.clock.set(row.start_at)
        lab.database.write(lambda uow, id_=row.id: reservations.check_in(uow, id_), lab.maker)
        lab.clock.set(row.end_at)
        assert lab.database.write(reservations.complete_ended) == 1
    with lab.database.read() as uow:
        charged = quotes.charges_of(uow, [row.id for row in rows])
    assert {claim: quote.total_cents for claim, quote in charged.items()} == {rows[0].id: 900}


def test_of_twenty_who_want_a_desk_at_once_three_have_one(any_lab: Lab) -> None:
    house = parted(any_lab)
    actors = _crowd(any_lab, 20)

    def ask(who: Actor) -> Reservation | str:
        try:
            return take(house, who=who)
        except LabError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, actors))
    had = [answer for answer in answers if isinstance(answer, Reservation)]
    assert len(had) == 3
    assert {answer for answer in answers if isinstance(answer, str)} == {"desks.none"}
    assert counted(any_lab, OVERLAPS) == 0


def test_the_last_half_day_of_a_pass_is_spent_once_however_many_ask(any_lab: Lab) -> None:
    house = parted(any_lab, desks=8)
    ticket(house, half_days=2)

    def ask(number: int) -> str:
        try:
            take(
                house,
                day=WEDNESDAY + timedelta(days=number // 2 % 3),
                part=list(Part)[number % 2],
                pay=Pay.PASS,
            )
        except Conflict as error:
            return error.code
        return "had"

    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(ask, range(8)))
    assert answers.pop("had") == 2
    assert set(answers) <= {"pass.none", "pass.used_up"}
    assert counted(any_lab, SPENT) == 2
    assert counted(any_lab, "SELECT count(*) FROM reservations") == 2


def test_a_claim_never_spends_by_hand_what_is_spent(house: Parted) -> None:
    ticket_id = ticket(house, half_days=1)
    row = take(house)
    with house.lab.database.begin() as uow, pytest.raises(Conflict) as error:
        passes.spend(uow, ticket_id, row.id, [(WEDNESDAY, passes.Half.PM)])
    assert error.value.code == "pass.used_up"


def test_nobody_buys_a_second_pass_before_the_first_is_paid(house: Parted) -> None:
    ticket_id = ticket(house)
    with pytest.raises(Conflict) as error:
        ticket(house)
    assert error.value.code == "pass.unpaid"
    house.lab.database.write(lambda uow: passes.settle(uow, ticket_id), house.lab.staff)
    ticket(house)


def test_a_desk_nobody_answers_for_gives_its_half_day_back(house: Parted) -> None:
    with house.lab.database.begin() as uow:
        uow.session.add(ReservationPolicy(kind=ResourceKind.DESK, approval=True, set_at=uow.now))
    ticket(house)
    row = take(house)
    assert row.state is ReservationState.REQUESTED
    house.lab.clock.set(row.start_at + timedelta(minutes=1))
    house.lab.database.write(reservations.release_missed)
    assert spent(house) == 0


def _crowd(lab: Lab, count: int) -> list[Actor]:
    with lab.database.begin() as uow:
        rows = [
            members.add_member(uow, name=f"M{n}", role=Role.MAKER, email=f"m{n}@lab.example")
            for n in range(count)
        ]
        return [Actor(member_id=row.id, name=row.name, role=Role.MAKER.value) for row in rows]
