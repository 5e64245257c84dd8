"""People register for a public date: never more than there are seats, groups whole, and freed seats are held."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fablab.base.database import SYSTEM
from fablab.base.errors import Conflict, Invalid, LabError, NotFound, TooMany
from fablab.claims.workshops import due, line, registrations
from fablab.claims.workshops.registrations import Party
from fablab.claims.workshops.turns import hold_until, remind_from, served
from fablab.claims.workshops.words import RegistrationState
from fablab.runs import leaving
from tests.claims.agenda_rig import EVENING, Agenda, agenda_of
from tests.lab import Lab

PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture
def agenda(lab: Lab) -> Agenda:
    """Four seats."""
    return agenda_of(lab, capacity=4)


def tend(agenda: Agenda) -> int:
    return agenda.lab.database.write(due.tend)


def later(agenda: Agenda, **span: float) -> None:
    agenda.lab.clock.advance(timedelta(**span))


def test_a_guest_has_a_seat_at_once_and_a_letter_with_a_link(agenda: Agenda) -> None:
    answer = agenda.guest("ana", 2)
    assert (answer.waits, answer.seats, answer.registration_id) == (False, 2, None)
    assert agenda.states() == {"ana": ("joined", 2)}
    assert agenda.letters("ana") == ["agenda.joined"]
    with agenda.lab.database.read() as uow:
        assert registrations.opened(uow, agenda.key("ana")).seats == 2


def test_a_group_has_all_its_seats_or_waits_for_all(agenda: Agenda) -> None:
    agenda.guest("ana", 3)
    assert agenda.guest("bob", 2).waits
    assert agenda.states()["bob"] == ("waiting", 2)
    assert not agenda.guest("cy").waits, "one seat is left, and one is all they want"


def test_a_freed_seat_is_held_for_whoever_waits_longest_and_fits(agenda: Agenda) -> None:
    agenda.guest("ana", 4)
    agenda.guest("trio", 3)
    agenda.guest("dan")
    agenda.leave("ana", 2)
    assert agenda.states() == {"ana": ("joined", 2), "trio": ("waiting", 3), "dan": ("offered", 1)}
    assert agenda.letters("dan") == ["agenda.waiting", "agenda.offered"]


def test_what_is_held_can_be_had_by_nobody_else(agenda: Agenda) -> None:
    agenda.guest("ana", 4)
    agenda.guest("bob", 4)
    agenda.leave("ana")
    assert agenda.states()["bob"] == ("offered", 4)
    assert agenda.guest("cy").waits


def test_what_nobody_takes_in_time_goes_to_the_next(agenda: Agenda) -> None:
    agenda.guest("ana", 4)
    agenda.guest("bob", 4)
    agenda.guest("cy", 4)
    agenda.leave("ana")
    later(agenda, hours=23)
    assert tend(agenda) == 0
    later(agenda, hours=3)
    assert tend(agenda) == 1
    assert agenda.states() == {"ana": ("left", 4), "bob": ("left", 4), "cy": ("offered", 4)}
    assert agenda.letters("bob") == ["agenda.waiting", "agenda.offered", "agenda.lapsed"]


def test_what_is_taken_in_time_is_theirs(agenda: Agenda) -> None:
    agenda.guest("ana", 4)
    agenda.guest("bob", 4)
    agenda.leave("ana")
    assert agenda.take("bob") is RegistrationState.JOINED
    later(agenda, days=2)
    tend(agenda)
    assert agenda.states()["bob"] == ("joined", 4)


def test_what_is_taken_too_late_is_not_theirs_before_the_clock_has_said_so(agenda: Agenda) -> None:
    agenda.guest("ana", 4)
    agenda.guest("bob", 4)
    agenda.leave("ana")
    later(agenda, hours=26)
    with pytest.raises(Conflict, match=r"registration\.too_late"):
        agenda.take("bob")


def test_links_of_earlier_letters_go_on_working(agenda: Agenda) -> None:
    agenda.guest("ana", 4)
    agenda.guest("bob", 4)
    agenda.leave("ana")
    with agenda.lab.database.read() as uow:
        first = registrations.opened(uow, agenda.key("bob", 0))
        assert first.id == registrations.opened(uow, agenda.key("bob", 1)).id


def test_an_address_that_is_in_already_hears_of_it_by_letter_and_nobody_else_does(agenda: Agenda) -> None:
    agenda.guest("ana", 2)
    assert agenda.guest("ana", 2) == agenda.guest("new", 2)
    assert agenda.states()["ana"] == ("joined", 2)
    assert agenda.letters("ana") == ["agenda.joined", "agenda.joined"]


def test_nobodys_mailbox_is_filled_by_somebody_else(agenda: Agenda) -> None:
    for _ in range(8):
        agenda.guest("ana")
    assert len(agenda.letters("ana")) == registrations.MOST_LETTERS


def test_an_address_registers_six_times_an_hour_and_no_more(agenda: Agenda) -> None:
    for _ in range(registrations.MOST_AN_HOUR):
        agenda.guest("ana")
        agenda.leave("ana")
    with pytest.raises(TooMany):
        agenda.guest("ana")


def test_a_member_registers_without_a_form_and_only_once(agenda: Agenda) -> None:
    def join() -> registrations.Answer:
        with agenda.lab.database.begin(agenda.lab.maker) as uow:
            return registrations.join(uow, agenda.date, Party(seats=1))

    assert join().registration_id is not None
    assert agenda.told("maker") == ["agenda.joined"]
    with pytest.raises(Conflict, match=r"registration\.joined"):
        join()


def test_a_member_who_goes_gives_the_seats_back_to_whoever_waits(agenda: Agenda) -> None:
    with agenda.lab.database.begin(agenda.lab.maker) as uow:
        registrations.join(uow, agenda.date, Party(seats=4))
    agenda.guest("bob", 2)
    with agenda.lab.database.begin() as uow:
        assert leaving.give_back(uow, agenda.lab.maker.member_id or 0).seats == 1
    assert agenda.states()["bob"] == ("offered", 2)


def test_a_member_sees_nobody_elses_registration(agenda: Agenda) -> None:
    agenda.guest("ana")
    with agenda.lab.database.read(agenda.lab.maker) as uow, pytest.raises(NotFound):
        registrations.mine(uow, agenda.row(uow, "ana").id)


@pytest.mark.parametrize(
    ("party", "code"),
    [
        (Party(seats=0, name="Ana", email="ana@mail.example"), "registration.seats"),
        (Party(seats=5, name="Ana", email="ana@mail.example"), "registration.seats"),
        (Party(seats=1, name="  ", email="ana@mail.example"), "member.name"),
        (Party(seats=1, name="Ana", email="ana@mail"), "member.email"),
        (Party(seats=1, name="Ana", email="ana@mail.example\r\nBcc: all@mail.example"), "member.email"),
    ],
)
def test_what_makes_no_sense_is_said_with_its_field(agenda: Agenda, party: Party, code: str) -> None:
    with agenda.lab.database.begin() as uow, pytest.raises(Invalid) as said:
        registrations.join(uow.acting(SYSTEM), agenda.date, party)
    assert said.value.code == code


def test_once_it_has_begun_nobody_comes_in_or_goes(agenda: Agenda) -> None:
    agenda.guest("ana")
    agenda.lab.clock.advance(EVENING - agenda.now)
    with pytest.raises(Conflict, match=r"registration\.over"):
        agenda.guest("bob")
    with pytest.raises(Conflict, match=r"registration\.over"):
        agenda.leave("ana")


def test_the_line_is_not_endless(agenda: Agenda) -> None:
    agenda.guest("ana", 4)
    for number in range(3):
        agenda.guest(f"w{number}", 4)
    with pytest.raises(Conflict, match=r"registration\.line_full"):
        agenda.guest("last")


def test_whoever_comes_is_reminded_once_on_the_day_before(agenda: Agenda) -> None:
    agenda.guest("ana")
    agenda.guest("bob", 4)
    agenda.lab.clock.advance(EVENING - timedelta(days=1, hours=9) - agenda.now)
    assert tend(agenda) == 0, "it is not yet ten in the morning"
    later(agenda, hours=2)
    assert tend(agenda) == 1
    assert tend(agenda) == 0
    assert agenda.letters("ana") == ["agenda.joined", "agenda.tomorrow"]
    assert "agenda.tomorrow" not in agenda.letters("bob"), "they wait"


def test_whoever_uses_the_link_has_shown_that_the_address_is_theirs(agenda: Agenda) -> None:
    agenda.guest("ana")
    with agenda.lab.database.begin() as uow:
        row = registrations.confirm(uow, agenda.row(uow, "ana").id)
        assert row.email_confirmed_at == uow.now


def test_a_link_that_was_never_sent_opens_nothing(agenda: Agenda) -> None:
    with agenda.lab.database.read() as uow, pytest.raises(NotFound, match=r"registration\.unknown_key"):
        registrations.opened(uow, "x" * 43)


@pytest.mark.parametrize(
    ("left", "held"),
    [
        (timedelta(days=10), timedelta(hours=24)),
        (timedelta(hours=20), timedelta(hours=5)),
        (timedelta(minutes=100), timedelta(minutes=30)),
        (timedelta(minutes=80), None),
        (timedelta(minutes=-5), None),
    ],
)
def test_a_seat_is_held_for_a_part_of_the_time_that_is_left(left: timedelta, held: timedelta | None) -> None:
    now = datetime(2026, 11, 24, 11, tzinfo=UTC)
    until = hold_until(now, now + left, PARIS)
    assert (until - now if until is not None else None) == held


def test_an_offer_of_the_evening_is_held_until_the_morning() -> None:
    now = datetime(2026, 11, 24, 18, tzinfo=UTC)
    until = hold_until(now, now + timedelta(hours=24), PARIS)
    assert until == datetime(2026, 11, 25, 9, tzinfo=UTC), "ten in the morning in Paris"


def test_the_day_before_is_counted_by_the_clocks_of_the_house() -> None:
    begins = datetime(2027, 3, 28, 8, tzinfo=UTC)  # the clocks go forward that night
    assert remind_from(begins, PARIS) == datetime(2027, 3, 27, 9, tzinfo=UTC)


@given(st.lists(st.integers(1, 9)), st.integers(0, 20))
def test_never_more_are_served_than_is_free_and_nobody_who_fits_is_left_out(
    seats: list[int], free: int
) -> None:
    turn = served(enumerate(seats), free)
    left = free - sum(seats[who] for who in turn)
    assert left >= 0
    assert all(seats[who] > left for who in range(len(seats)) if who not in turn)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_people_do_seats_are_never_given_twice(agenda: Agenda, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"p{number}" for number in range(6)]
    for _ in range(30):
        name, act = chance.choice(names), chance.choice("jjjllft")
        with suppress(LabError, LookupError):
            if act == "j":
                agenda.guest(name, chance.randint(1, 4))
            elif act == "l":
                agenda.leave(name)
            elif act == "f":
                agenda.leave(name, 1)
            else:
                agenda.take(name)
        with agenda.lab.database.read() as uow:
            rows = line.people_in(uow, agenda.date)
        free = 4 - line.seats_of(rows)
        assert free >= 0
        waiting = [row.seats for row in rows if row.state is RegistrationState.WAITING]
        assert all(seats > free for seats in waiting), "a seat lies idle while somebody waits for it"
