"""Many schools ask for the same week at once: each has six printers, a room, a mediator and a kit, or nothing at all.

All are offered the same three dates, all press at the same moment; who is too late takes another of the three, and then
the next best there is. Some call off again while the others still look. What came of it is asked in SQL alone.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from fablab.base.errors import LabError
from fablab.claims import workshops
from fablab.claims.workshops import AcceptedBy, SessionState, catalogue
from fablab.claims.workshops.offer import Want
from fablab.places.models import Machine, MachineGate, Resource, ResourceKind, Technology
from scheduler.offering import DateTaken, Offering
from tests.claims.workshops_rig import ASKED, TAGS
from tests.lab import OVERLAPS, Lab, analysed, counted, submitted

#: From a Tuesday to a Friday with class in every zone.
FIRST, LAST = date(2026, 12, 8), date(2026, 12, 11)
NEEDS = (
    Want(kind=ResourceKind.MACHINE, technology=Technology.FDM, quantity=6),
    Want(kind=ResourceKind.ROOM, seats=24),
    Want(kind=ResourceKind.PERSON),
    Want(kind=ResourceKind.KIT),
)
#: What one session holds, by kind.
GANG = {"machine": 6, "room": 1, "person": 1, "kit": 1}
ONLINE = workshops.Answer(by=AcceptedBy.ONLINE)

#: Of each session its state and, by kind of resource, how many places it has that last from the set-up to the clearing.
HELD = """
SELECT s.id, s.state, c.state AS claim_state, r.kind, count(a.id) AS places,
       count(DISTINCT a.resource_id) AS things,
       count(CASE WHEN a.run_start_at = s.start_at AND a.run_end_at = s.end_at
                   AND a.start_at < s.start_at AND a.end_at > s.end_at THEN 1 END) AS whole
FROM workshop_sessions AS s JOIN claims AS c ON c.id = s.id
LEFT JOIN allocations AS a ON a.claim_id = s.id LEFT JOIN resources AS r ON r.id = a.resource_id
GROUP BY s.id, s.state, c.state, r.kind
"""


def furnish(lab: Lab) -> None:
    """Eleven more printers, and a second of everything else: two classes at a time, and a printer to spare."""
    with lab.database.begin(lab.actors["admin"]) as uow:
        for number in range(11):
            row = Resource(kind=ResourceKind.MACHINE, name=f"printer {number}", technology=Technology.FDM)
            uow.session.add(row)
            uow.session.flush()
            size = {"bed_x_mm": 220, "bed_y_mm": 220, "height_mm": 250, "max_nozzle_c": 280, "max_bed_c": 100}
            uow.session.add(
                Machine(resource_id=row.id, gate=MachineGate.CLEAR, gate_at=uow.now, nozzle_mm=0.4, **size)
            )
        for kind, name in (
            (ResourceKind.ROOM, "Room 2"),
            (ResourceKind.PERSON, "Samuel"),
            (ResourceKind.PERSON, "Nadia"),
            (ResourceKind.KIT, "Kit 1"),
            (ResourceKind.KIT, "Kit 2"),
        ):
            uow.session.add(Resource(kind=kind, name=name, seats=30 if kind is ResourceKind.ROOM else None))
        catalogue.create(uow, replace(TAGS, needs=NEEDS))


def schools(lab: Lab, count: int) -> list[str]:
    wishes = (
        workshops.Wish(day=FIRST, half=workshops.Half.PM),
        workshops.Wish(day=FIRST + timedelta(days=2)),
        workshops.Wish(day=LAST),
    )
    with lab.database.begin(lab.staff) as uow:
        return [
            workshops.ask(
                uow, replace(ASKED, email=f"class{number}@school.example", wishes=wishes)
            ).session.id
            for number in range(count)
        ]


def race(lab: Lab, ids: list[str], workers: int) -> list[LabError]:
    """Every school presses at once; the errors nobody expects."""
    offering = Offering(database=lab.database)
    for id_ in ids:
        offering.propose(lab.staff, id_)
    gate = threading.Barrier(min(workers, len(ids)))
    odd: list[LabError] = []

    def press(number: int, id_: str) -> None:
        if number < gate.parties:
            gate.wait(60)
        try:
            if not any(_holds(offering, lab, id_, rank) for rank in (1, 2, 3)):
                offering.hold_best(lab.staff, id_)
            lab.database.write(lambda uow: workshops.accept(uow, id_, ONLINE), lab.staff)
            if number % 5 == 0:
                lab.database.write(lambda uow: workshops.cancel(uow, id_, "the bus"), lab.staff)
        except LabError as error:
            # So many at once that the same few dates are lost again and again: that is said, and nothing is held.
            if error.code not in ("slot_taken", "offer.none"):
                odd.append(error)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(press, range(len(ids)), ids))
    return odd


def _holds(offering: Offering, lab: Lab, id_: str, rank: int) -> bool:
    try:
        offering.hold(lab.staff, id_, rank)
    except DateTaken:
        return False
    return True


def check(lab: Lab, ids: list[str]) -> dict[str, int]:
    """No gang in part, none twice, none without a session; how many sessions are in which state."""
    with lab.database.engine.connect() as connection:
        rows = connection.execute(text(HELD)).all()
    by_session: dict[str, dict[str, int]] = {id_: {} for id_ in ids}
    states: dict[str, str] = {}
    for row in rows:
        states[row.id] = row.state
        if row.kind is not None:
            by_session[row.id][row.kind] = row.places
            assert row.places == row.things == row.whole, row
        assert row.claim_state == {"confirmed": "held", "cancelled": "closed", "requested": "open"}[row.state]
    for id_, state in states.items():
        assert by_session[id_] == (GANG if state == SessionState.CONFIRMED else {}), (id_, state)
    assert counted(lab, OVERLAPS) == 0
    assert sorted(states) == sorted(ids)
    return {state: list(states.values()).count(state) for state in set(states.values())}


def test_schools_that_ask_for_the_same_week_have_a_whole_gang_or_none(any_lab: Lab) -> None:
    furnish(any_lab)
    submitted(any_lab, analysed(duration_s=3600))
    ids = schools(any_lab, 7)
    assert race(any_lab, ids, 7) == []
    assert check(any_lab, ids) == {"confirmed": 5, "cancelled": 2}


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_fifty_schools_ask_for_the_same_week_with_thirty_two_at_once(any_lab: Lab) -> None:
    furnish(any_lab)
    for _ in range(20):
        submitted(any_lab, analysed(duration_s=3600))
    ids = schools(any_lab, 50)
    assert race(any_lab, ids, 32) == []
    found = check(any_lab, ids)
    print(any_lab.database.url.get_backend_name(), found)
    assert sum(found.values()) == 50
    assert found["confirmed"] + found["cancelled"] >= 32
