"""The calendar's verbs: all or nothing, give back, make an end true."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from fablab.base.database import UnitOfWork
from fablab.base.errors import BadStep, Conflict, NotFound
from fablab.claims import calendar
from fablab.claims.calendar import Place
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from tests.lab import OVERLAPS, Lab, counted

MINUTE = timedelta(minutes=1)


def wish(uow: UnitOfWork, claim_id: str) -> Claim:
    claim = Claim(
        id=claim_id,
        kind=ClaimKind.RESERVATION,
        state=ClaimState.OPEN,
        title=claim_id,
        release_at=uow.now,
        estimate_s=3600,
        made_at=uow.now,
        needs=[],
        allocations=[],
    )
    uow.session.add(claim)
    uow.session.flush()
    return claim


def place(lab: Lab, uow: UnitOfWork, machine: str, start: int, end: int) -> Place:
    """Minutes from now."""
    return Place(
        resource_id=lab.resources[machine],
        start_at=uow.now + start * MINUTE,
        run_start_at=uow.now + start * MINUTE,
        run_end_at=uow.now + end * MINUTE,
        end_at=uow.now + end * MINUTE,
    )


def hold(lab: Lab, claim_id: str, *spots: tuple[str, int, int]) -> None:
    with lab.database.begin() as uow:
        calendar.hold(uow, wish(uow, claim_id), [place(lab, uow, *spot) for spot in spots])


def state(lab: Lab, claim_id: str) -> tuple[ClaimState, int]:
    with lab.database.read() as uow:
        claim = calendar.claim(uow, claim_id)
        return claim.state, len(claim.allocations)


def test_a_gang_holds_all_its_places(any_lab: Lab) -> None:
    hold(any_lab, "gang", ("mk3", 0, 60), ("ender", 0, 60), ("room", 0, 90))
    assert state(any_lab, "gang") == (ClaimState.HELD, 3)


def test_a_gang_holds_none_where_one_is_taken(any_lab: Lab) -> None:
    hold(any_lab, "first", ("ender", 30, 60))
    with pytest.raises(Conflict) as taken:
        hold(any_lab, "gang", ("mk3", 0, 60), ("ender", 0, 60))
    assert taken.value.facts["resource"] == any_lab.resources["ender"]
    assert counted(any_lab, "SELECT count(*) FROM allocations") == 1
    with pytest.raises(NotFound):
        state(any_lab, "gang")


def test_the_constraint_is_the_backstop_of_whoever_does_not_look(any_lab: Lab) -> None:
    hold(any_lab, "first", ("mk3", 0, 60))

    def careless() -> None:
        with any_lab.database.begin() as uow:
            spot = place(any_lab, uow, "mk3", 30, 90)
            uow.session.add(
                Allocation(
                    claim_id=wish(uow, "second").id,
                    resource_id=spot.resource_id,
                    state=AllocationState.FIRM,
                    start_at=spot.start_at,
                    run_start_at=spot.run_start_at,
                    run_end_at=spot.run_end_at,
                    end_at=spot.end_at,
                )
            )

    with pytest.raises(Conflict) as taken:
        careless()
    assert (taken.value.code, taken.value.facts["heals"]) == ("slot_taken", False)
    assert counted(any_lab, OVERLAPS) == 0


def test_touching_places_are_both_held(any_lab: Lab) -> None:
    hold(any_lab, "first", ("mk3", 0, 60))
    hold(any_lab, "second", ("mk3", 60, 90))
    assert counted(any_lab, "SELECT count(*) FROM allocations") == 2


def test_one_claim_is_held_once(lab: Lab) -> None:
    hold(lab, "first", ("mk3", 0, 60))

    def again() -> None:
        with lab.database.begin() as uow:
            calendar.hold(uow, calendar.claim(uow, "first"), [place(lab, uow, "mk3", 60, 90)])

    with pytest.raises(BadStep):
        again()
    assert state(lab, "first") == (ClaimState.HELD, 1)


def test_holding_is_told(lab: Lab) -> None:
    heard: list[tuple[str, str | int, str]] = []
    lab.database.bus.subscribe(lambda event: heard.append((event.topic, event.id, event.name)))
    hold(lab, "first", ("mk3", 0, 60))
    assert heard == [("claim", "first", "changed"), ("calendar", "house", "changed")]


@pytest.mark.parametrize(
    ("action", "after"), [("replan", (ClaimState.OPEN, 1)), ("end", (ClaimState.CLOSED, 1))]
)
def test_what_is_given_back_leaves_only_what_a_run_stands_on(
    lab: Lab, action: str, after: tuple[ClaimState, int]
) -> None:
    hold(lab, "first", ("mk3", 0, 60), ("ender", 0, 60))
    with lab.database.begin() as uow:
        claim = calendar.claim(uow, "first")
        claim.allocations[0].run_id = "run"
        assert [a.run_id for a in calendar.current(claim)] == [None]
        calendar.release(uow, claim, action)
        assert claim.closed_at == (uow.now if action == "end" else None)
    assert state(lab, "first") == after


def test_between_is_half_open(lab: Lab) -> None:
    hold(lab, "first", ("mk3", 0, 60), ("ender", 0, 60))

    def found(start: int, end: int, *machines: str) -> Sequence[int]:
        with lab.database.read() as uow:
            ids = [lab.resources[name] for name in machines]
            rows = calendar.between(uow, uow.now + start * MINUTE, uow.now + end * MINUTE, ids)
            held = calendar.held_between(uow, uow.now + start * MINUTE, uow.now + end * MINUTE)
            assert machines or [r.resource_id for r in rows] == [h.resource_id for h in held]
            return [row.resource_id for row in rows]

    both = [lab.resources["mk3"], lab.resources["ender"]]
    assert found(-10, 0) == found(60, 70) == []
    assert found(-10, 1) == found(59, 70) == found(10, 20) == both
    assert found(0, 60, "ender") == [lab.resources["ender"]]


@pytest.mark.parametrize(
    ("run_end", "end", "expected"),
    [
        (30, 40, (0, 0, 30, 40)),
        (30, 20, (0, 0, 30, 30)),  # the end of the run is the least there is
        (70, 80, (0, 0, 70, 80)),
        (-5, -5, (-5, -5, -5, -5)),
    ],
)
def test_an_end_is_made_true_and_the_order_kept(
    lab: Lab, run_end: int, end: int, expected: tuple[int, int, int, int]
) -> None:
    hold(lab, "first", ("mk3", 0, 60))
    with lab.database.begin() as uow:
        (row,) = calendar.claim(uow, "first").allocations
        calendar.trim(uow, row, run_end_at=uow.now + run_end * MINUTE, end_at=uow.now + end * MINUTE)
        instants = (row.start_at, row.run_start_at, row.run_end_at, row.end_at)
        assert tuple(round((at - uow.now) / MINUTE) for at in instants) == expected
        assert row.start_at < row.end_at


def test_an_unknown_claim_is_not_found(lab: Lab) -> None:
    with lab.database.read() as uow, pytest.raises(NotFound, match="claim"):
        calendar.claim(uow, "nothing")
