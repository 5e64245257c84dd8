"""Subscriptions: their days, their price, and whom they cover."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fablab.base.errors import BadStep, Conflict, Forbidden, Invalid
from fablab.money import subscriptions
from fablab.money.subscriptions import Cover, Settled, SubscriptionState, TariffWish
from fablab.people import families, organisations
from fablab.people.families import Child
from fablab.people.models import Audience, ConsentKind, Member
from fablab.people.organisations import Firm
from tests.lab import Lab

TODAY = date(2026, 11, 24)


def number(lab: Lab, who: str = "maker") -> int:
    found = lab.actors[who].member_id
    assert found is not None
    return found


def tariff(
    lab: Lab, cover: Cover = Cover.PERSON, audience: Audience | None = None, price_cents: int = 4500
) -> int:
    with lab.database.begin(lab.actors["admin"]) as uow:
        wish = TariffWish(
            name=f"{cover} {audience}", audience=audience, cover=cover, months=12, price_cents=price_cents
        )
        return subscriptions.add_tariff(uow, wish).id


def sold(lab: Lab, tariff_id: int, who: str = "maker", first_day: date | None = None) -> int:
    with lab.database.begin(lab.staff) as uow:
        return subscriptions.sell(uow, tariff_id, member_id=number(lab, who), first_day=first_day).id


@pytest.mark.parametrize(
    ("first", "months", "last"),
    [
        (date(2026, 11, 24), 12, date(2027, 11, 23)),
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2026, 12, 1), 1, date(2026, 12, 31)),
        (date(2026, 8, 31), 6, date(2027, 2, 28)),
    ],
)
def test_a_subscription_ends_on_the_eve_of_its_day(first: date, months: int, last: date) -> None:
    assert subscriptions.last_day_of(first, months) == last


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(1, 59))
def test_a_longer_one_never_ends_sooner(first: date, months: int) -> None:
    shorter, longer = subscriptions.last_day_of(first, months), subscriptions.last_day_of(first, months + 1)
    assert first < shorter < longer


def test_an_audience_of_its_own_comes_before_everybody_elses(lab: Lab) -> None:
    usual, students = tariff(lab), tariff(lab, audience=Audience.STUDENT, price_cents=2000)
    with lab.database.begin() as uow:
        maker = uow.session.get_one(Member, number(lab))
        assert [row.id for row in subscriptions.for_member(uow, maker)] == [usual]
        maker.audience = Audience.STUDENT
        assert [row.id for row in subscriptions.for_member(uow, maker)] == [students]


def test_the_price_is_frozen_when_it_is_asked_for(lab: Lab) -> None:
    old = tariff(lab)
    with lab.database.begin(lab.maker) as uow:
        row_id = subscriptions.ask(uow, old).id
    with lab.database.begin(lab.actors["admin"]) as uow:
        subscriptions.end_tariff(uow, old)
    tariff(lab, price_cents=9900)
    with lab.database.begin(lab.staff) as uow:
        assert subscriptions.agree(uow, row_id).due_cents == 4500


def test_what_is_only_asked_for_covers_nothing(lab: Lab) -> None:
    tariff_id = tariff(lab)
    with lab.database.begin(lab.maker) as uow:
        row = subscriptions.ask(uow, tariff_id)
        assert row.state is SubscriptionState.ASKED
        assert subscriptions.covering(uow, number(lab), TODAY) is None
        assert subscriptions.due_of(uow, number(lab)) == 0


def test_the_next_one_begins_when_the_last_one_ends(lab: Lab) -> None:
    year = tariff(lab)
    sold(lab, year)
    sold(lab, year)
    with lab.database.read() as uow:
        days = [(row.first_day, row.last_day) for row in subscriptions.of_member(uow, number(lab))]
    assert days == [
        (date(2027, 11, 24), date(2028, 11, 23)),
        (date(2026, 11, 24), date(2027, 11, 23)),
    ]


def test_two_do_not_cover_the_same_day(lab: Lab) -> None:
    year = tariff(lab)
    sold(lab, year)
    with pytest.raises(Conflict, match="overlaps"):
        sold(lab, year, first_day=date(2027, 1, 1))


def test_a_first_day_is_not_years_away(lab: Lab) -> None:
    year = tariff(lab)
    with pytest.raises(Invalid, match="first_day"):
        sold(lab, year, first_day=date(2030, 1, 1))


def test_a_members_own_wish_becomes_nothing_without_the_staff(lab: Lab) -> None:
    year = tariff(lab)
    with lab.database.begin(lab.maker) as uow:
        row = subscriptions.ask(uow, year)
        with pytest.raises(Forbidden):
            subscriptions.agree(uow, row.id)
        with pytest.raises(Conflict, match="asked"):
            subscriptions.ask(uow, year)
        assert subscriptions.cancel(uow, row.id).state is SubscriptionState.CANCELLED


def test_only_the_staff_cancels_what_is_agreed_and_then_nothing_is_due(lab: Lab) -> None:
    row_id = sold(lab, tariff(lab))
    with pytest.raises(Forbidden), lab.database.begin(lab.maker) as uow:
        subscriptions.cancel(uow, row_id)
    with lab.database.begin(lab.staff) as uow:
        assert subscriptions.cancel(uow, row_id).due_cents == 0
        assert subscriptions.covering(uow, number(lab), TODAY) is None
        with pytest.raises(BadStep):
            subscriptions.cancel(uow, row_id)


def test_it_is_paid_once(lab: Lab) -> None:
    row_id = sold(lab, tariff(lab))
    with lab.database.begin(lab.staff) as uow:
        assert subscriptions.due_of(uow, number(lab)) == 4500
        assert subscriptions.settle(uow, row_id, Settled.CASH).settled_at == uow.now
        with pytest.raises(Conflict, match="nothing_due"):
            subscriptions.settle(uow, row_id, Settled.CASH)


def test_a_family_is_covered_by_its_parent_and_a_person_covers_only_themselves(lab: Lab) -> None:
    person, family = tariff(lab), tariff(lab, Cover.FAMILY)
    with lab.database.begin(lab.maker) as uow:
        child = families.add_child(
            uow,
            number(lab),
            Child(name="Zoé", born_on=date(2015, 5, 1), consents=frozenset({ConsentKind.MEMBERSHIP})),
        )
    row_id = sold(lab, person)
    with lab.database.begin(lab.staff) as uow:
        assert subscriptions.covering(uow, child.id, TODAY) is None
        subscriptions.cancel(uow, row_id)
    sold(lab, family)
    with lab.database.read() as uow:
        assert subscriptions.covering(uow, child.id, TODAY) is not None


def test_an_organisation_covers_whoever_belongs_to_it(lab: Lab) -> None:
    whole = tariff(lab, Cover.ORGANISATION)
    with lab.database.begin(lab.staff) as uow:
        school = organisations.create(uow, Firm(name="Lycée", audience=Audience.SCHOOL))
        organisations.add(uow, school.id, number(lab))
        subscriptions.sell(uow, whole, organisation_id=school.id)
        assert subscriptions.covering(uow, number(lab), TODAY) is not None
        assert subscriptions.covering(uow, number(lab, "other"), TODAY) is None
        assert subscriptions.covering(uow, number(lab), date(2027, 11, 24)) is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": " "}, "name"),
        ({"months": 0}, "months"),
        ({"months": 61}, "months"),
        ({"price_cents": -1}, "price"),
    ],
)
def test_a_tariff_that_cannot_be_is_sent_back(lab: Lab, change: dict[str, object], code: str) -> None:
    said = {
        "name": "A year",
        "audience": None,
        "cover": Cover.PERSON,
        "months": 12,
        "price_cents": 0,
        **change,
    }
    with pytest.raises(Invalid, match=code), lab.database.begin(lab.actors["admin"]) as uow:
        subscriptions.add_tariff(uow, TariffWish(**said))  # type: ignore[arg-type]  # as a test says it


def test_prices_are_made_by_an_administrator(lab: Lab) -> None:
    with pytest.raises(Forbidden), lab.database.begin(lab.staff) as uow:
        subscriptions.end_tariff(uow, 1)
