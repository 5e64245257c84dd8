"""Reservations as people meet them: taken, moved, given back, come to, missed, handed over, agreed to."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from fablab.base.database import Actor
from fablab.base.errors import BadStep, Conflict, Forbidden, Invalid, NotFound, Refused
from fablab.base.events import Event
from fablab.claims import reservations
from fablab.claims.calendar import claim
from fablab.claims.models import ClaimState
from fablab.claims.reservations import Arrival, Order, Repeat, Reservation, ReservationState, handing
from fablab.claims.reservations.together import reserve_together
from fablab.claims.rules.models import ReservationPolicy
from fablab.money import quotes
from fablab.notices import Notice
from fablab.people.log import Doing
from fablab.places.models import Resource, ResourceKind
from tests.lab import OVERLAPS, Lab, counted

HOUR = timedelta(hours=1)


def soon(lab: Lab, hours: float = 1) -> datetime:
    return lab.clock.now() + hours * HOUR


def order(lab: Lab, *names: str, start: float = 1, hours: float = 2, **more: object) -> Order:
    ids = tuple(lab.resources[name] for name in names or ("mk3",))
    begin = soon(lab, start)
    return Order(resource_ids=ids, start_at=begin, end_at=begin + hours * HOUR, **more)  # type: ignore[arg-type]


def reserve(lab: Lab, *names: str, actor: Actor | None = None, **more: object) -> Reservation:
    wanted = order(lab, *names, **more)  # type: ignore[arg-type]
    return lab.database.write(lambda uow: reservations.reserve(uow, wanted), actor or lab.maker)


def held(lab: Lab, reservation_id: str) -> list[tuple[int, datetime, datetime]]:
    with lab.database.read() as uow:
        return [(a.resource_id, a.start_at, a.end_at) for a in claim(uow, reservation_id).allocations]


def told(lab: Lab, who: str) -> list[str]:
    with lab.database.read() as uow:
        query = select(Notice.code).where(Notice.member_id == lab.actors[who].member_id)
        return list(uow.session.scalars(query.order_by(Notice.id)))


def with_policy(lab: Lab, **columns: object) -> None:
    with lab.database.begin() as uow:
        uow.session.add(ReservationPolicy(set_at=uow.now, **columns))


# --- taken


def test_several_resources_are_held_at_once_from_start_to_end(any_lab: Lab) -> None:
    row = reserve(any_lab, "mk3", "room")
    span = (soon(any_lab), soon(any_lab, 3))
    assert held(any_lab, row.id) == [(any_lab.resources[name], *span) for name in ("mk3", "room")]
    assert row.state is ReservationState.CONFIRMED


def test_of_several_resources_none_is_held_where_one_is_taken(lab: Lab) -> None:
    reserve(lab, "ender")
    with pytest.raises(Conflict) as caught:
        reserve(lab, "mk3", "ender", "room", actor=lab.actors["other"])
    assert caught.value.facts["resource"] == lab.resources["ender"]
    assert counted(lab, "SELECT count(*) FROM allocations") == 1


def test_a_person_is_held_only_until_the_machine_runs_alone(lab: Lab) -> None:
    with lab.database.begin() as uow:
        person = Resource(kind=ResourceKind.PERSON, name="Ana")
        uow.session.add(person)
        uow.session.flush()
        lab.resources["ana"] = person.id
    row = reserve(lab, "mk3", "ana", unattended_from=soon(lab, 1.5))
    ends = {resource: end for resource, _, end in held(lab, row.id)}
    assert ends == {lab.resources["mk3"]: soon(lab, 3), lab.resources["ana"]: soon(lab, 1.5)}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"hours": 0}, "reservation.order"),
        ({"hours": -1}, "reservation.order"),
        ({"start": -1}, "reservation.past"),
        ({"start": 1.0001}, "reservation.minutes"),
        ({"hours": 24 * 40}, "reservation.too_long"),
        ({"party": 0}, "reservation.party"),
        ({"key": "a\nb"}, "reservation.key"),
    ],
)
def test_what_cannot_be_understood_is_said_with_its_field(
    lab: Lab, more: dict[str, object], code: str
) -> None:
    with pytest.raises(Invalid) as caught:
        reserve(lab, **more)
    assert caught.value.code == code
    assert caught.value.field


def test_a_resource_that_does_not_exist_is_named(lab: Lab) -> None:
    lab.resources["ghost"] = 4711
    with pytest.raises(Invalid) as caught:
        reserve(lab, "mk3", "ghost")
    assert caught.value.facts["id"] == 4711


def test_a_refusal_holds_every_reason(lab: Lab) -> None:
    with pytest.raises(Refused) as caught:
        reserve(lab, "laser", start=14)
    found = {refusal.code for refusal in caught.value.refusals}
    assert {"certification.missing", "hours.closed"} <= found


def test_the_same_key_again_is_the_same_reservation(lab: Lab) -> None:
    first = reserve(lab, key="tap-1")
    again = reserve(lab, key="tap-1")
    assert again.id == first.id
    assert counted(lab, "SELECT count(*) FROM reservations") == 1


def test_a_key_is_one_order_only(lab: Lab) -> None:
    reserve(lab, key="tap-1")
    with pytest.raises(Conflict) as caught:
        reserve(lab, key="tap-1", start=5)
    assert caught.value.code == "reservation.key_used"


def test_two_people_may_use_the_same_key(lab: Lab) -> None:
    reserve(lab, key="tap-1")
    other = reserve(lab, "ender", key="tap-1", actor=lab.actors["other"])
    assert other.member_id == lab.actors["other"].member_id


# --- together


def test_orders_taken_together_are_answered_as_if_each_came_alone(lab: Lab) -> None:
    asked = [
        (lab.maker, order(lab, "mk3")),
        (lab.actors["other"], order(lab, "mk3", start=2)),
        (lab.staff, order(lab, "ender", "room")),
        (lab.actors["admin"], order(lab, "ender", hours=0)),
    ]
    answers = lab.database.write(lambda uow: reserve_together(uow, asked))
    assert isinstance(answers[0], Reservation)
    assert isinstance(answers[1], Conflict)
    assert isinstance(answers[2], Reservation)
    assert isinstance(answers[3], Invalid)
    assert counted(lab, OVERLAPS) == 0
    assert counted(lab, "SELECT count(*) FROM allocations") == 3


def test_whoever_is_refused_makes_room_for_the_next(lab: Lab) -> None:
    asked = [(lab.maker, order(lab, "laser")), (lab.staff, order(lab, "laser"))]
    answers = lab.database.write(lambda uow: reserve_together(uow, asked))
    assert isinstance(answers[0], Refused)
    assert isinstance(answers[1], Reservation)


def test_what_is_written_together_is_what_is_written_alone(any_lab: Lab) -> None:
    one = reserve(any_lab, "mk3", note="one", key="a")
    asked = [(any_lab.maker, order(any_lab, "mk3", start=4, note="one", key="b"))]
    (two,) = any_lab.database.write(lambda uow: reserve_together(uow, asked))
    assert isinstance(two, Reservation)
    with any_lab.database.read() as uow:
        rows = [uow.session.get_one(Reservation, each.id) for each in (one, two)]
        own = ("id", "start_at", "end_at", "key", "asked")
        columns = [name for name in Reservation.__table__.columns.keys() if name not in own]  # noqa: SIM118 - no dict
        assert {name: getattr(rows[0], name) for name in columns} == {
            name: getattr(rows[1], name) for name in columns
        }
        claims = [claim(uow, each.id) for each in (one, two)]
        assert claims[0].title == claims[1].title
        assert claims[0].estimate_s == claims[1].estimate_s
        assert [quotes.quote_of(uow, each.id) for each in (one,)] == [quotes.quote_of(uow, two.id)]
    assert told(any_lab, "maker") == ["reservation.made", "reservation.made"]


# --- on behalf of


def test_staff_reserve_for_somebody_and_that_is_written_down(lab: Lab) -> None:
    row = reserve(lab, member_id=lab.maker.member_id, actor=lab.staff, why="no e-mail")
    assert (row.member_id, row.made_by_id) == (lab.maker.member_id, lab.staff.member_id)
    with lab.database.read() as uow:
        (doing,) = uow.session.scalars(select(Doing).where(Doing.code == "reservation.made_for"))
    assert (doing.actor_id, doing.for_member_id) == (lab.staff.member_id, lab.maker.member_id)


def test_makers_reserve_for_nobody_else(lab: Lab) -> None:
    with pytest.raises(Forbidden):
        reserve(lab, member_id=lab.actors["other"].member_id)


def test_somebody_elses_reservation_does_not_exist(lab: Lab) -> None:
    row = reserve(lab)
    with pytest.raises(NotFound), lab.database.begin(lab.actors["other"]) as uow:
        reservations.cancel(uow, row.id)


# --- moved


def test_a_move_keeps_the_length_and_frees_what_it_leaves(lab: Lab) -> None:
    row = reserve(lab)
    with lab.database.begin(lab.maker) as uow:
        reservations.move(uow, row.id, start_at=soon(lab, 2))
    assert held(lab, row.id) == [(lab.resources["mk3"], soon(lab, 2), soon(lab, 4))]
    reserve(lab, hours=1, actor=lab.actors["other"])


def test_a_move_into_somebody_elses_place_changes_nothing(any_lab: Lab) -> None:
    row = reserve(any_lab)
    reserve(any_lab, start=4, actor=any_lab.actors["other"])
    before = held(any_lab, row.id)
    with pytest.raises(Conflict), any_lab.database.begin(any_lab.maker) as uow:
        reservations.move(uow, row.id, start_at=soon(any_lab, 3))
    assert held(any_lab, row.id) == before


def test_more_resources_may_be_added_and_given_back(lab: Lab) -> None:
    row = reserve(lab)
    both = [lab.resources["mk3"], lab.resources["room"]]
    for ids in (both, both[1:]):
        with lab.database.begin(lab.maker) as uow:
            reservations.move(uow, row.id, resource_ids=ids)
        assert [resource for resource, _, _ in held(lab, row.id)] == ids


def test_a_longer_use_costs_more_by_the_prices_of_the_day_it_was_made(lab: Lab) -> None:
    row = reserve(lab)
    with lab.database.begin(lab.maker) as uow:
        reservations.move(uow, row.id, end_at=soon(lab, 4))
        quote = quotes.quote_of(uow, row.id)
    assert quote is not None
    assert quote.total_cents == 300


def test_what_others_do_to_it_is_told_to_its_holder(lab: Lab) -> None:
    row = reserve(lab)
    with lab.database.begin(lab.staff) as uow:
        reservations.move(uow, row.id, start_at=soon(lab, 2), why="the floor is wet")
    assert told(lab, "maker") == ["reservation.made", "reservation.moved"]


def test_in_use_only_the_end_changes(lab: Lab) -> None:
    row = reserve(lab)
    lab.clock.advance(HOUR)
    with lab.database.begin(lab.maker) as uow:
        reservations.check_in(uow, row.id)
        reservations.move(uow, row.id, end_at=soon(lab, 3))
    with pytest.raises(Conflict) as caught, lab.database.begin(lab.maker) as uow:
        reservations.move(uow, row.id, start_at=soon(lab, 1))
    assert caught.value.code == "reservation.in_use"


# --- given back


def test_a_cancelled_place_is_free_and_told_to_whoever_waits(lab: Lab) -> None:
    row, heard = reserve(lab), list[Event]()
    lab.database.bus.subscribe(heard.append)
    with lab.database.begin(lab.maker) as uow:
        reservations.cancel(uow, row.id)
    assert held(lab, row.id) == []
    assert ("calendar", lab.resources["mk3"], "freed") in {(e.topic, e.id, e.name) for e in heard}


def test_a_late_cancellation_is_noted_and_an_early_one_is_not(lab: Lab) -> None:
    with_policy(lab, cancel_s=4 * 3600)
    late, early = reserve(lab, start=2), reserve(lab, "ender", start=7, hours=1)
    with lab.database.begin(lab.maker) as uow:
        assert [reservations.cancel(uow, row.id).late for row in (late, early)] == [True, False]


def test_what_staff_cancel_is_never_held_against_its_holder(lab: Lab) -> None:
    with_policy(lab, cancel_s=4 * 3600)
    row = reserve(lab)
    with lab.database.begin(lab.staff) as uow:
        assert not reservations.cancel(uow, row.id, "out of order").late


def test_what_is_over_is_not_cancelled(lab: Lab) -> None:
    row = reserve(lab)
    with lab.database.begin(lab.maker) as uow:
        reservations.cancel(uow, row.id)
    with pytest.raises(BadStep), lab.database.begin(lab.maker) as uow:
        reservations.cancel(uow, row.id)


# --- come to


def test_arrival_opens_a_quarter_of_an_hour_before(lab: Lab) -> None:
    row = reserve(lab)
    lab.clock.advance(minutes=44)
    with pytest.raises(Conflict) as caught, lab.database.begin(lab.maker) as uow:
        reservations.check_in(uow, row.id)
    assert caught.value.code == "reservation.too_early"
    lab.clock.advance(minutes=1)
    with lab.database.begin(lab.maker) as uow:
        found = reservations.check_in(uow, row.id, Arrival.QR)
    assert (found.state, found.checked_in_how) == (ReservationState.IN_USE, Arrival.QR)


def test_staff_say_it_for_somebody(lab: Lab) -> None:
    row = reserve(lab)
    lab.clock.advance(HOUR)
    with lab.database.begin(lab.staff) as uow:
        found = reservations.check_in(uow, row.id, Arrival.PAGE)
    assert (found.checked_in_how, found.checked_in_by_id) == (Arrival.STAFF, lab.staff.member_id)


def test_whoever_does_not_come_within_a_quarter_of_an_hour_loses_the_place(lab: Lab) -> None:
    row = reserve(lab)
    lab.clock.advance(minutes=74)
    with lab.database.begin() as uow:
        assert reservations.release_missed(uow) == 0
    lab.clock.advance(minutes=1)
    with lab.database.begin() as uow:
        assert reservations.release_missed(uow) == 1
        found = uow.session.get_one(Reservation, row.id)
        assert (found.state, claim(uow, row.id).state) == (ReservationState.MISSED, ClaimState.CLOSED)
    assert "reservation.missed" in told(lab, "maker")
    reserve(lab, start=0.25, actor=lab.actors["other"])


def test_whoever_has_come_keeps_the_place(lab: Lab) -> None:
    row = reserve(lab)
    lab.clock.advance(HOUR)
    with lab.database.begin(lab.maker) as uow:
        reservations.check_in(uow, row.id)
    lab.clock.advance(minutes=30)
    with lab.database.begin() as uow:
        assert reservations.release_missed(uow) == 0
    assert len(held(lab, row.id)) == 1


def test_an_early_end_frees_the_rest_and_charges_what_was_used(lab: Lab) -> None:
    row = reserve(lab)
    lab.clock.advance(HOUR)
    with lab.database.begin(lab.maker) as uow:
        reservations.check_in(uow, row.id)
    lab.clock.advance(minutes=40)
    with lab.database.begin(lab.maker) as uow:
        reservations.end_early(uow, row.id)
        charge = quotes.charge_of(uow, row.id)
    assert charge is not None
    assert charge.total_cents == 100  # two begun half hours
    reserve(lab, start=0, hours=1, actor=lab.actors["other"])


def test_its_end_comes_by_itself_and_charges_what_was_promised(lab: Lab) -> None:
    row = reserve(lab)
    lab.clock.advance(HOUR)
    with lab.database.begin(lab.maker) as uow:
        reservations.check_in(uow, row.id)
    lab.clock.advance(hours=3)
    with lab.database.begin() as uow:
        assert reservations.complete_ended(uow) == 1
        quote, charge = quotes.quote_of(uow, row.id), quotes.charge_of(uow, row.id)
    assert quote is not None
    assert charge is not None
    assert charge.total_cents == quote.total_cents == 200


def test_whose_it_is_now_is_known(lab: Lab) -> None:
    row, mk3 = reserve(lab), lab.resources["mk3"]
    with lab.database.read() as uow:
        assert reservations.current_on(uow, mk3) is None
        current = reservations.current_on(uow, mk3, soon(lab, 2))
    assert current is not None
    assert current.id == row.id


# --- handed over


def number(lab: Lab, who: str) -> int:
    found = lab.actors[who].member_id
    assert found is not None
    return found


def offered(lab: Lab, reservation_id: str, to: str = "other") -> None:
    with lab.database.begin(lab.maker) as uow:
        handing.offer(uow, reservation_id, number(lab, to))


def holder(lab: Lab, reservation_id: str) -> tuple[int, int | None]:
    """Of the reservation and of its claim."""
    with lab.database.read() as uow:
        return uow.session.get_one(Reservation, reservation_id).member_id, claim(
            uow, reservation_id
        ).member_id


def test_what_is_offered_stays_the_givers_until_the_other_says_yes(lab: Lab) -> None:
    row = reserve(lab)
    offered(lab, row.id)
    assert holder(lab, row.id) == (number(lab, "maker"), number(lab, "maker"))
    assert told(lab, "other") == ["reservation.offered_to_you"]
    with lab.database.begin(lab.actors["other"]) as uow:
        handing.accept(uow, row.id)
    assert holder(lab, row.id) == (number(lab, "other"), number(lab, "other"))
    assert "reservation.handed_on" in told(lab, "maker")


@pytest.mark.parametrize("who", ["maker", "staff"])
def test_nobody_says_yes_for_somebody_who_can_say_it(lab: Lab, who: str) -> None:
    row = reserve(lab)
    offered(lab, row.id)
    with pytest.raises(NotFound), lab.database.begin(lab.actors[who]) as uow:
        handing.accept(uow, row.id)
    assert holder(lab, row.id)[0] == number(lab, "maker")


def test_a_no_leaves_it_where_it_was_and_is_told(lab: Lab) -> None:
    row = reserve(lab)
    offered(lab, row.id)
    with lab.database.begin(lab.actors["other"]) as uow:
        handing.decline(uow, row.id)
        assert handing.offered_to(uow, number(lab, "other")) == []
    assert holder(lab, row.id)[0] == number(lab, "maker")
    assert "reservation.hand_over_declined" in told(lab, "maker")


def test_an_offer_that_nobody_answers_lapses_after_two_days_and_before_its_hour(lab: Lab) -> None:
    row = reserve(lab)
    offered(lab, row.id)
    with lab.database.read() as uow:
        found = handing.of(uow, row.id)
        assert found is not None
        assert found.until_at == min(row.start_at, lab.clock.now() + timedelta(days=2))
    lab.clock.set(found.until_at)
    with pytest.raises(Conflict, match="offer_over"), lab.database.begin(lab.actors["other"]) as uow:
        handing.accept(uow, row.id)
    assert lab.database.write(handing.lapse) == 1
    assert "reservation.hand_over_lapsed" in told(lab, "maker")


def test_what_is_cancelled_meanwhile_can_be_had_no_more(lab: Lab) -> None:
    row = reserve(lab)
    offered(lab, row.id)
    with lab.database.begin(lab.maker) as uow:
        reservations.cancel(uow, row.id)
    with pytest.raises(BadStep), lab.database.begin(lab.actors["other"]) as uow:
        handing.accept(uow, row.id)
    lab.database.write(handing.lapse)
    with lab.database.read() as uow:
        assert handing.of(uow, row.id) is None


def test_a_second_offer_takes_the_place_of_the_first(lab: Lab) -> None:
    row = reserve(lab)
    offered(lab, row.id)
    offered(lab, row.id, "staff")
    with pytest.raises(NotFound), lab.database.begin(lab.actors["other"]) as uow:
        handing.accept(uow, row.id)
    with lab.database.begin(lab.staff) as uow:
        assert handing.accept(uow, row.id).member_id == number(lab, "staff")


def test_the_rules_are_asked_for_the_new_holder(lab: Lab) -> None:
    row = reserve(lab, "laser", actor=lab.staff)
    with pytest.raises(Refused), lab.database.begin(lab.staff) as uow:
        handing.offer(uow, row.id, number(lab, "maker"))
    assert holder(lab, row.id)[0] == lab.staff.member_id


# --- agreed to


def test_where_a_policy_says_so_staff_are_asked_and_the_place_is_held(lab: Lab) -> None:
    with_policy(lab, resource_id=lab.resources["room"], approval=True)
    row = reserve(lab, "room")
    assert row.state is ReservationState.REQUESTED
    assert len(held(lab, row.id)) == 1
    with lab.database.begin(lab.staff) as uow:
        assert reservations.approve(uow, row.id).state is ReservationState.CONFIRMED
    assert told(lab, "maker") == ["reservation.asked", "reservation.approved"]


def test_a_no_frees_the_place_and_says_why(lab: Lab) -> None:
    with_policy(lab, resource_id=lab.resources["room"], approval=True)
    row = reserve(lab, "room")
    with lab.database.begin(lab.staff) as uow:
        reservations.decline(uow, row.id, "a concert")
    assert held(lab, row.id) == []


def test_what_nobody_answered_is_free_when_its_hour_comes(lab: Lab) -> None:
    with_policy(lab, resource_id=lab.resources["room"], approval=True)
    row = reserve(lab, "room")
    lab.clock.advance(HOUR)
    with lab.database.begin() as uow:
        assert reservations.release_missed(uow) == 1
        assert uow.session.get_one(Reservation, row.id).state is ReservationState.DECLINED


def test_one_of_the_staff_lets_an_hour_pass_and_two_a_certification(lab: Lab) -> None:
    row = reserve(lab, "laser", ask=True)
    assert row.state is ReservationState.REQUESTED
    with lab.database.begin(lab.staff) as uow:
        assert reservations.approve(uow, row.id, "I stand beside").state is ReservationState.REQUESTED
    with lab.database.begin(lab.actors["admin"]) as uow:
        assert reservations.approve(uow, row.id, "so do I").state is ReservationState.CONFIRMED


# --- again and again


def test_a_series_skips_what_is_taken_and_says_so(lab: Lab) -> None:
    reserve(lab, start=24 * 7 + 1, actor=lab.actors["other"])
    with lab.database.begin(lab.maker) as uow:
        found = reservations.repeat(uow, order(lab, key="weekly"), Repeat(count=4))
    assert len(found.made) == 3
    assert [refusal.code for skipped in found.skipped for refusal in skipped.refusals] == ["slot_taken"]
    with lab.database.begin(lab.maker) as uow:
        again = reservations.repeat(uow, order(lab, key="weekly"), Repeat(count=4))
    assert [row.id for row in again.made] == [row.id for row in found.made]
    assert [each.day for each in again.skipped] == [each.day for each in found.skipped]


def test_a_series_of_which_nothing_can_be_had_leaves_nothing(lab: Lab) -> None:
    with lab.database.begin(lab.maker) as uow:
        found = reservations.repeat(uow, order(lab, "laser"), Repeat(count=3))
    assert (found.series_id, found.made, len(found.skipped)) == ("", (), 3)
    assert counted(lab, "SELECT count(*) FROM reservation_series") == 0


def test_the_rest_of_a_series_is_cancelled_at_once(lab: Lab) -> None:
    with lab.database.begin(lab.maker) as uow:
        found = reservations.repeat(uow, order(lab), Repeat(count=4))
    lab.clock.advance(days=8)
    with lab.database.begin(lab.maker) as uow:
        assert reservations.cancel_series(uow, found.series_id) == 2
