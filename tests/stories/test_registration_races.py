"""Many people press the button at once: on both databases nobody has a seat that somebody else has, too."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from fablab.base.errors import LabError
from fablab.claims.workshops import line, registrations
from fablab.claims.workshops.registrations import Party
from fablab.claims.workshops.words import RegistrationState
from tests.claims.agenda_rig import Agenda, agenda_of
from tests.lab import Lab

CAPACITY = 12
RIVALS = 20
LEAVING = 6
LATE = 8
WORKERS = 16


def party(number: int) -> Party:
    return Party(seats=1 + number % 3, name=f"P {number}", email=f"p{number}@mail.example")


def seats(agenda: Agenda) -> dict[RegistrationState, int]:
    with agenda.lab.database.read() as uow:
        rows = line.people_in(uow, agenda.date)
        return {state: line.seats_of(rows, (state,)) for state in RegistrationState}


def test_never_more_people_than_seats_whoever_comes_goes_and_takes_at_once(any_lab: Lab) -> None:
    agenda = agenda_of(any_lab, capacity=CAPACITY)

    def join(number: int) -> bool:
        return any_lab.database.write(lambda uow: registrations.join(uow, agenda.date, party(number)).waits)

    with ThreadPoolExecutor(WORKERS) as pool:
        waits = list(pool.map(join, range(RIVALS)))
    found = seats(agenda)
    joined = sum(party(number).seats for number in range(RIVALS) if not waits[number])
    assert found[RegistrationState.JOINED] == joined, "each group is in as a whole, and was told so"
    assert CAPACITY - 2 <= joined <= CAPACITY
    assert found[RegistrationState.WAITING] == sum(party(n).seats for n in range(RIVALS)) - joined

    with any_lab.database.read() as uow:
        rows = line.people_in(uow, agenda.date)
        ids = [row.id for row in sorted(rows, key=lambda row: row.state is not RegistrationState.JOINED)]

    def act(number: int) -> None:
        with suppress(LabError):
            if number < LEAVING:
                any_lab.database.write(lambda uow: registrations.leave(uow, ids[number]))
            elif number < RIVALS:
                any_lab.database.write(lambda uow: registrations.take(uow, ids[number]))
            else:
                join(number)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(act, range(RIVALS + LATE)))
    found = seats(agenda)
    assert found[RegistrationState.JOINED] + found[RegistrationState.OFFERED] <= CAPACITY
    assert found[RegistrationState.LEFT] > 0
