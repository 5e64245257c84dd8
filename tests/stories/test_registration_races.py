"""Many people press the button at once: on both databases nobody has a seat that somebody else has, too."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from fablab.base.errors import LabError
from fablab.claims.workshops import line, registrations
from fablab.claims.workshops.registrations import Party
from fablab.claims.workshops.words import RegistrationState
from tests.claims.agenda_rig import Agenda, agenda_of
from tests.lab import Lab

CAPACITY = 12
RIVALS = 20
WORKERS = 16


def party(number: int) -> Party:
    return Party(seats=1 + number % 3, name=f"P {number}", email=f"p{number}@mail.example")


def seats(agenda: Agenda) -> dict[RegistrationState, int]:
    with agenda.lab.database.read() as uow:
        rows = line.people_in(uow, agenda.date)
        return {state: line.seats_of(rows, (state,)) for state in RegistrationState}


def test_never_more_people_than_seats_and_no_group_in_part(any_lab: Lab) -> None:
    agenda = agenda_of(any_lab, capacity=CAPACITY)

    def join(number: int) -> bool:
        return any_lab.database.write(lambda uow: registrations.join(uow, agenda.date, party(number)).waits)

    with ThreadPoolExecutor(WORKERS) as pool:
        waits = list(pool.map(join, range(RIVALS)))
    found = seats(agenda)
    joined = sum(party(number).seats for number in range(RIVALS) if not waits[number])
    assert found[RegistrationState.JOINED] == joined
    assert CAPACITY - 2 <= joined <= CAPACITY
    assert found[RegistrationState.WAITING] == sum(party(n).seats for n in range(RIVALS)) - joined


def test_whoever_goes_comes_and_takes_at_once_a_seat_is_one_persons(any_lab: Lab) -> None:
    agenda = agenda_of(any_lab, capacity=CAPACITY)
    for number in range(RIVALS):
        any_lab.clock.advance(timedelta(seconds=1))
        any_lab.database.write(lambda uow, number=number: registrations.join(uow, agenda.date, party(number)))  # type: ignore[misc]  # mypy knows no default of a lambda
    with any_lab.database.read() as uow:
        ids = {row.email: row.id for row in line.people_in(uow, agenda.date)}

    def act(number: int) -> None:
        id_ = ids[party(number % RIVALS).email]
        try:
            if number < 6:
                any_lab.database.write(lambda uow: registrations.leave(uow, id_))
            elif number < RIVALS:
                any_lab.database.write(lambda uow: registrations.take(uow, id_))
            else:
                late = Party(seats=1, name="Late", email=f"late{number}@mail.example")
                any_lab.database.write(lambda uow: registrations.join(uow, agenda.date, late))
        except LabError:
            return

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(act, range(RIVALS + 8)))
    found = seats(agenda)
    assert found[RegistrationState.JOINED] + found[RegistrationState.OFFERED] <= CAPACITY
    assert found[RegistrationState.LEFT] > 0
