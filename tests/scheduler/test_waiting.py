"""Waiting lists: a freed place is held at once for whoever's turn it is, for a while, and then for the next."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from fablab.base.database import Actor
from fablab.base.errors import Conflict, NotFound
from fablab.claims import calendar, reservations, waiting
from fablab.claims.models import ClaimState
from fablab.claims.reservations import Order
from fablab.claims.waiting import Entry, WaitingState
from fablab.notices import unseen
from fablab.places.models import ResourceKind
from scheduler import waiting as turns
from scheduler.reserving import Kind, Wanted
from tests.lab import TUESDAY, Lab, make_lab

TWO, SIX = TUESDAY + timedelta(hours=4), TUESDAY + timedelta(hours=8)
HOUR_S = 3600


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = make_lab(f"sqlite:///{tmp_path / 'lab.db'}", tmp_path)
    lab.database.witnesses.append(turns.offer_freed)
    return lab


def reserved(lab: Lab, actor: Actor, *names: str) -> str:
    order = Order(resource_ids=tuple(lab.resources[name] for name in names), start_at=TWO, end_at=SIX)
    return lab.database.write(lambda uow: reservations.reserve(uow, order), actor).id


def room(quantity: int = 1, *, hours: int = 2) -> Kind:
    """Somewhere in the four hours that are taken."""
    return Kind(
        wanted=(Wanted(kind=ResourceKind.ROOM, quantity=quantity),),
        duration_s=hours * HOUR_S,
        since=TWO,
        until=SIX,
    )


def joined(lab: Lab, actor: Actor, kind: Kind | None = None) -> str:
    lab.clock.advance(seconds=1)  # nobody comes at the same instant
    return lab.database.write(lambda uow: turns.join(uow, kind or room()), actor).id


def entry(lab: Lab, entry_id: str) -> Entry:
    with lab.database.read(lab.staff) as uow:
        return waiting.get(uow, entry_id)


def freed(lab: Lab, reservation_id: str) -> None:
    lab.database.write(lambda uow: reservations.cancel(uow, reservation_id), lab.staff)


def test_a_freed_place_is_held_before_anybody_else_can_have_it(lab: Lab) -> None:
    taken = reserved(lab, lab.staff, "room")
    mine = joined(lab, lab.maker)
    freed(lab, taken)
    assert entry(lab, mine).state is WaitingState.OFFERED
    with pytest.raises(Conflict, match="slot_taken"):
        reserved(lab, lab.actors["other"], "room")


def test_whoever_is_offered_a_place_is_told_until_when_it_is_theirs(lab: Lab) -> None:
    taken = reserved(lab, lab.staff, "room")
    joined(lab, lab.maker)
    freed(lab, taken)
    assert lab.maker.member_id is not None
    with lab.database.read() as uow:
        (notice,) = [each for each in unseen(uow, lab.maker.member_id) if each.code == "waiting.offered"]
    assert notice.facts["until"] == (TUESDAY + timedelta(seconds=1) + turns.HOLD).isoformat()


def test_who_takes_it_has_a_reservation(lab: Lab) -> None:
    taken = reserved(lab, lab.staff, "room")
    mine = joined(lab, lab.maker)
    freed(lab, taken)
    made = lab.database.write(lambda uow: waiting.take(uow, mine), lab.maker)
    assert (made.member_id, made.start_at, made.end_at) == (
        lab.maker.member_id,
        TWO,
        TWO + timedelta(hours=2),
    )
    assert entry(lab, mine).state is WaitingState.TAKEN


def test_what_nobody_takes_in_time_goes_to_the_next(lab: Lab) -> None:
    taken = reserved(lab, lab.staff, "room")
    first, second = joined(lab, lab.maker, room(hours=4)), joined(lab, lab.actors["other"], room(hours=4))
    freed(lab, taken)
    lab.clock.advance(hours=3)
    lab.database.write(turns.sweep)
    assert [entry(lab, each).state for each in (first, second)] == [
        WaitingState.WAITING,
        WaitingState.OFFERED,
    ]


def test_too_late_is_said_and_nothing_is_reserved(lab: Lab) -> None:
    taken = reserved(lab, lab.staff, "room")
    mine = joined(lab, lab.maker)
    freed(lab, taken)
    lab.clock.advance(hours=3)
    with pytest.raises(Conflict) as error:
        lab.database.write(lambda uow: waiting.take(uow, mine), lab.maker)
    assert error.value.code == "waiting.too_late"


def test_the_same_place_is_not_offered_twice_to_who_let_it_go(lab: Lab) -> None:
    taken = reserved(lab, lab.staff, "room")
    mine = joined(lab, lab.maker, room(hours=4))
    freed(lab, taken)
    lab.database.write(lambda uow: waiting.pass_on(uow, mine), lab.maker)
    lab.database.write(turns.sweep)
    assert entry(lab, mine).state is WaitingState.WAITING


def test_who_lets_too_many_go_loses_the_place_in_the_line(lab: Lab) -> None:
    taken = reserved(lab, lab.staff, "room")
    mine = joined(lab, lab.maker, room(hours=1))
    freed(lab, taken)
    for _ in range(waiting.MOST_PASSES):
        assert entry(lab, mine).state is WaitingState.OFFERED
        lab.clock.advance(minutes=121)
        lab.database.write(turns.sweep)
    assert entry(lab, mine).state is WaitingState.LAPSED


def test_a_group_is_one_entry_and_gets_all_or_nothing(lab: Lab) -> None:
    printers = Kind(
        wanted=(Wanted(resource_ids=(lab.resources["mk3"], lab.resources["ender"]), quantity=2),),
        duration_s=2 * HOUR_S,
        since=TWO,
        until=SIX,
    )
    one, other = reserved(lab, lab.staff, "mk3"), reserved(lab, lab.staff, "ender")
    group = joined(lab, lab.maker, printers)
    freed(lab, one)
    assert entry(lab, group).state is WaitingState.WAITING
    freed(lab, other)
    offered = entry(lab, group)
    with lab.database.read() as uow:
        held = [place.resource_id for place in calendar.claim(uow, offered.claim_id or "").allocations]
    assert sorted(held) == sorted([lab.resources["mk3"], lab.resources["ender"]])


def test_whoever_had_less_comes_first_among_those_who_came_together(lab: Lab) -> None:
    """Shares are those of the plan: the one who has used the machines for two days waits for the one who has not."""
    busy = Order(
        resource_ids=(lab.resources["mk3"],),
        start_at=TUESDAY + timedelta(minutes=30),
        end_at=TUESDAY + timedelta(hours=9),
    )
    lab.database.write(lambda uow: reservations.reserve(uow, busy), lab.maker)
    taken = reserved(lab, lab.staff, "room")
    mine, theirs = joined(lab, lab.maker, room(hours=4)), joined(lab, lab.actors["other"], room(hours=4))
    with lab.database.read() as uow:
        assert [row.id for row in turns.line(uow)] == [theirs, mine]
    freed(lab, taken)
    assert entry(lab, theirs).state is WaitingState.OFFERED


def test_who_gives_up_leaves_it_to_the_next(lab: Lab) -> None:
    taken = reserved(lab, lab.staff, "room")
    first, second = joined(lab, lab.maker, room(hours=4)), joined(lab, lab.actors["other"], room(hours=4))
    freed(lab, taken)
    lab.database.write(lambda uow: waiting.give_up(uow, first), lab.maker)
    assert [entry(lab, each).state for each in (first, second)] == [
        WaitingState.WITHDRAWN,
        WaitingState.OFFERED,
    ]


def test_a_place_that_is_free_already_is_offered_at_once(lab: Lab) -> None:
    assert entry(lab, joined(lab, lab.maker)).state is WaitingState.OFFERED


def test_an_entry_whose_time_has_come_is_over_and_its_member_told(lab: Lab) -> None:
    reserved(lab, lab.staff, "room")
    mine = joined(lab, lab.maker)
    lab.clock.advance(hours=7)
    lab.database.write(turns.sweep)
    assert entry(lab, mine).state is WaitingState.EXPIRED
    assert lab.maker.member_id is not None
    with lab.database.read() as uow:
        assert "waiting.expired" in [each.code for each in unseen(uow, lab.maker.member_id)]


def test_somebody_elses_entry_does_not_exist(lab: Lab) -> None:
    reserved(lab, lab.staff, "room")
    mine = joined(lab, lab.maker)
    with pytest.raises(NotFound):
        lab.database.write(lambda uow: waiting.give_up(uow, mine), lab.actors["other"])


def test_an_offer_leaves_no_claim_behind_when_it_is_over(lab: Lab) -> None:
    taken = reserved(lab, lab.staff, "room")
    mine = joined(lab, lab.maker)
    freed(lab, taken)
    held = entry(lab, mine).claim_id
    lab.database.write(lambda uow: waiting.take(uow, mine), lab.maker)
    with lab.database.read() as uow:
        old = calendar.claim(uow, held or "")
        assert (old.state, old.allocations) == (ClaimState.CLOSED, [])


def test_nobody_waits_for_everything(lab: Lab) -> None:
    reserved(lab, lab.staff, "room")
    for _ in range(8):
        joined(lab, lab.maker)
    with pytest.raises(Conflict, match="too_many"):
        joined(lab, lab.maker)
