"""A room for people without an account: asked for, held meanwhile, answered or lapsed, charged; and its kits with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from fablab.base.errors import Conflict, Invalid, NotFound, Refused
from fablab.claims import calendar, hires, reservations
from fablab.claims.hires import Hire, HireState, HireWish
from fablab.claims.models import ClaimState
from fablab.claims.reservations import Order
from fablab.claims.rules.models import ReservationPolicy
from fablab.money import quotes
from fablab.notices.models import Letter, Notice
from tests.lab import OVERLAPS, Lab, counted
from tests.parted import Parted, parted

AT_TWO = datetime(2026, 11, 26, 13, 0, tzinfo=UTC)  # a Thursday, 14:00 in Paris


@pytest.fixture
def house(lab: Lab) -> Parted:
    return parted(lab)


def wish(house: Parted, **more: object) -> HireWish:
    usual = HireWish(
        room_id=house.things["hall"],
        kit_ids=(house.things["projector"],),
        start_at=AT_TWO,
        end_at=AT_TWO + timedelta(hours=2),
        people=40,
        name="Ada",
        email="ada@town.example",
        purpose="A talk",
    )
    return replace(usual, **more)  # type: ignore[arg-type]


def ask(house: Parted, **more: object) -> tuple[Hire, str]:
    """The hire and the secret of its letter."""
    row = house.lab.database.write(lambda uow: hires.ask(uow, wish(house, **more)))
    with house.lab.database.read() as uow:
        letter = uow.session.scalars(
            select(Letter).where(Letter.code == "hire.confirm").order_by(Letter.id.desc())
        )
        return row, str(letter.first().facts["secret_path"]).removeprefix("/hire?key=")  # type: ignore[union-attr]


def confirmed(house: Parted, **more: object) -> Hire:
    _, secret = ask(house, **more)
    return house.lab.database.write(lambda uow: hires.confirm_email(uow, secret))


def held(lab: Lab, hire: Hire) -> list[tuple[datetime, datetime]]:
    with lab.database.read() as uow:
        return [(each.start_at, each.end_at) for each in calendar.claim(uow, hire.id).allocations]


def test_room_and_kit_are_held_together_with_setting_up_and_clearing(house: Parted) -> None:
    row, _ = ask(house)
    around = (AT_TWO - timedelta(minutes=30), AT_TWO + timedelta(hours=2, minutes=15))
    assert held(house.lab, row) == [around, around]


def test_a_member_cannot_reserve_it_while_somebody_sets_up(house: Parted) -> None:
    ask(house)
    order = Order(resource_ids=(house.things["hall"],), start_at=AT_TWO - timedelta(hours=1), end_at=AT_TWO)
    with pytest.raises(Conflict) as error:
        house.lab.database.write(lambda uow: reservations.reserve(uow, order), house.lab.maker)
    assert error.value.code == "slot_taken"


def test_its_price_has_a_line_for_the_room_and_one_for_the_kit(house: Parted) -> None:
    row, _ = ask(house)
    with house.lab.database.read() as uow:
        quote = quotes.quote_of(uow, row.id)
    assert quote is not None
    assert [(line.code, line.amount_cents) for line in quote.lines] == [
        ("stay_hour", 8000),
        ("stay_half_day", 1000),
    ]


def test_whoever_speaks_for_the_partner_says_yes_and_the_place_is_firm(house: Parted) -> None:
    row = confirmed(house)
    house.lab.database.write(lambda uow: hires.approve(uow, row.id), house.of_b)
    with house.lab.database.read() as uow:
        claim = calendar.claim(uow, row.id)
        assert (claim.state, claim.hold_until) == (ClaimState.HELD, None)
        assert "hire.approved" in set(uow.session.scalars(select(Letter.code)))


def test_the_other_partner_does_not_even_see_it(house: Parted) -> None:
    row = confirmed(house)
    with pytest.raises(NotFound):
        house.lab.database.write(lambda uow: hires.approve(uow, row.id), house.of_a)
    with house.lab.database.read(house.of_a) as uow:
        assert hires.of_part(uow) == ([], [])


def test_an_address_nobody_confirms_holds_nothing_for_longer_than_an_hour(house: Parted) -> None:
    row, secret = ask(house)
    house.lab.clock.advance(timedelta(hours=1))
    assert house.lab.database.write(hires.tend) == 1
    assert held(house.lab, row) == []
    with pytest.raises(Conflict):
        house.lab.database.write(lambda uow: hires.confirm_email(uow, secret))


def test_what_nobody_answers_lapses_and_both_sides_are_told(house: Parted) -> None:
    row = confirmed(house, start_at=AT_TWO + timedelta(days=7), end_at=AT_TWO + timedelta(days=7, hours=1))
    house.lab.clock.advance(hires.ANSWER_WITHIN)
    house.lab.database.write(hires.tend)
    assert held(house.lab, row) == []
    with house.lab.database.read() as uow:
        assert "hire.lapsed" in set(uow.session.scalars(select(Letter.code)))
        told = select(Notice.member_id).where(Notice.code == "hire.unanswered")
        assert list(uow.session.scalars(told)) == [house.of_b.member_id]


def test_what_took_place_is_charged_once_as_promised(house: Parted) -> None:
    row = confirmed(house)
    house.lab.database.write(lambda uow: hires.approve(uow, row.id), house.lab.staff)
    house.lab.clock.set(AT_TWO + timedelta(hours=2))
    assert [house.lab.database.write(hires.tend) for _ in range(2)] == [1, 0]
    with house.lab.database.read() as uow:
        charge = quotes.charge_of(uow, row.id)
        assert charge is not None
        assert charge.total_cents == 9000
        assert calendar.claim(uow, row.id).allocations[0].end_at == AT_TWO + timedelta(hours=2, minutes=15)


def test_who_asked_is_forgotten_and_what_was_charged_stays(house: Parted) -> None:
    row = confirmed(house)
    house.lab.database.write(lambda uow: hires.approve(uow, row.id), house.lab.staff)
    house.lab.clock.set(AT_TWO + timedelta(hours=2))
    house.lab.database.write(hires.tend)
    assert house.lab.database.write(hires.forget) == 0
    house.lab.clock.advance(timedelta(days=366))
    assert [house.lab.database.write(hires.forget) for _ in range(2)] == [1, 0]
    assert counted(house.lab, "SELECT count(*) FROM hires WHERE email = '' AND name = ''") == 1
    assert counted(house.lab, "SELECT count(*) FROM charges") == 1


def test_they_give_it_up_by_their_link(house: Parted) -> None:
    row, secret = ask(house)
    house.lab.database.write(lambda uow: hires.cancel_by_key(uow, secret))
    assert held(house.lab, row) == []


def test_the_policies_of_the_house_hold_for_everybody(house: Parted) -> None:
    with house.lab.database.begin() as uow:
        hall = house.things["hall"]
        uow.session.add(ReservationPolicy(resource_id=hall, lead_s=7 * 86400, set_at=uow.now))
    with pytest.raises(Refused) as error:
        ask(house)
    assert [each.code for each in error.value.refusals] == ["time.too_soon"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"people": 81}, "people"),
        ({"email": "ada at town"}, "email"),
        ({"email": "ada@town.example\r\nBcc: x@y.example"}, "email"),
        ({"name": " "}, "name"),
        ({"end_at": AT_TWO}, "end_at"),
        ({"kit_ids": (1,)}, "kits"),
    ],
)
def test_what_cannot_be_understood_is_said_by_its_field(
    house: Parted, more: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as error:
        ask(house, **more)
    assert error.value.field == field


def test_a_room_that_is_not_offered_cannot_be_asked_for(house: Parted) -> None:
    with pytest.raises(NotFound):
        ask(house, room_id=house.lab.resources["room"], kit_ids=())


def test_of_many_who_ask_at_once_one_has_the_room_and_its_kit(any_lab: Lab) -> None:
    house = parted(any_lab)

    def one(number: int) -> bool:
        mine = wish(house, email=f"p{number}@town.example")
        try:
            any_lab.database.write(lambda uow: hires.ask(uow, mine))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(8))) == 1
    assert counted(any_lab, OVERLAPS) == 0
    assert counted(any_lab, "SELECT count(*) FROM allocations") == 2
    assert counted(any_lab, "SELECT count(*) FROM hires WHERE state = 'asked'") == 1
    assert HireState.ASKED == "asked"
