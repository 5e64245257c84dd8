"""A parent and children: who says yes, until when, and who acts for whom."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from fablab.base.errors import Conflict, Forbidden, Invalid, NotFound
from fablab.people import ages, families, members
from fablab.people.families import Child
from fablab.people.models import ConsentKind, Member
from tests.lab import Lab
from tests.web.letters import codes_to

YES = frozenset({ConsentKind.MEMBERSHIP})


@pytest.fixture
def parent(lab: Lab) -> int:
    assert lab.maker.member_id is not None
    return lab.maker.member_id


def child_of(lab: Lab, parent: int, born_on: date = date(2015, 5, 1)) -> int:
    with lab.database.begin(lab.maker) as uow:
        return families.add_child(uow, parent, Child(name="Zoé", born_on=born_on, consents=YES)).id


@pytest.mark.parametrize(
    ("born_on", "day", "years"),
    [
        (date(2008, 2, 29), date(2026, 2, 28), 17),
        (date(2008, 2, 29), date(2026, 3, 1), 18),
        (date(2011, 11, 24), date(2026, 11, 24), 15),
        (date(2011, 11, 25), date(2026, 11, 24), 14),
    ],
)
def test_a_year_is_full_on_the_birthday(born_on: date, day: date, years: int) -> None:
    assert ages.age_on(born_on, day) == years


def test_whoever_never_said_counts_as_of_age() -> None:
    assert not ages.is_minor(None, date(2026, 1, 1))


def test_a_parent_acts_for_a_child_and_nobody_else_does(lab: Lab, parent: int) -> None:
    child = child_of(lab, parent)
    with lab.database.begin(lab.maker) as uow:
        assert members.acting_for(uow, child).id == child
    with pytest.raises(NotFound), lab.database.begin(lab.actors["other"]) as uow:
        members.acting_for(uow, child)


@pytest.mark.parametrize(
    ("born_on", "consents", "code"),
    [
        (None, YES, "born_on"),
        (date(2026, 11, 25), YES, "born_on"),
        (date(2008, 11, 24), YES, "not_minor"),
        (date(2015, 5, 1), frozenset(), "consent"),
    ],
)
def test_what_cannot_be_a_child_is_sent_back(
    lab: Lab, parent: int, born_on: date | None, consents: frozenset[ConsentKind], code: str
) -> None:
    with pytest.raises(Invalid, match=code), lab.database.begin(lab.maker) as uow:
        families.add_child(uow, parent, Child(name="Zoé", born_on=born_on, consents=consents))


def test_from_fifteen_on_no_parent_has_to_say_yes(lab: Lab, parent: int) -> None:
    with lab.database.begin(lab.maker) as uow:
        child = families.add_child(uow, parent, Child(name="Tom", born_on=date(2011, 11, 24)))
        assert families.consented(uow, child, ConsentKind.MEMBERSHIP)
        assert not families.consented(uow, child, ConsentKind.IMAGE)


def test_a_child_has_no_children(lab: Lab, parent: int) -> None:
    child = child_of(lab, parent)
    with pytest.raises(Conflict, match="no_adult"), lab.database.begin(lab.staff) as uow:
        families.add_child(uow, child, Child(name="Doll", born_on=date(2020, 1, 1), consents=YES))


def test_pictures_are_agreed_to_for_a_year_and_can_be_taken_back_before(lab: Lab, parent: int) -> None:
    child = child_of(lab, parent)
    with lab.database.begin(lab.maker) as uow:
        given = families.consent(uow, child, ConsentKind.IMAGE)
        row = uow.session.get_one(Member, child)
        assert given.expires_on == date(2026, 11, 24) + timedelta(days=365)
        assert families.consented(uow, row, ConsentKind.IMAGE)
        families.withdraw(uow, child, ConsentKind.IMAGE)
        assert not families.consented(uow, row, ConsentKind.IMAGE)
        families.consent(uow, child, ConsentKind.IMAGE)
    lab.clock.advance(days=366)
    with lab.database.read() as uow:
        assert not families.consented(uow, uow.session.get_one(Member, child), ConsentKind.IMAGE)


def test_a_withdrawn_consent_keeps_its_date(lab: Lab, parent: int) -> None:
    child = child_of(lab, parent)
    with lab.database.begin(lab.maker) as uow:
        families.withdraw(uow, child, ConsentKind.MEMBERSHIP)
        row = families.consents_of(uow, child)[0]
        assert (row.said_by, row.given_at, row.withdrawn_at) == ("Maker", uow.now, uow.now)


def test_the_staff_writes_down_who_said_it(lab: Lab) -> None:
    assert lab.actors["other"].member_id is not None
    with lab.database.begin(lab.staff) as uow:
        with pytest.raises(Invalid, match="who_says"):
            families.consent(uow, lab.actors["other"].member_id, ConsentKind.IMAGE)
        row = families.consent(
            uow, lab.actors["other"].member_id, ConsentKind.IMAGE, said_by="Her grandmother"
        )
        assert row.recorded_by_id == lab.staff.member_id


def test_one_signs_in_alone_from_fifteen_on(lab: Lab, parent: int) -> None:
    young, older = child_of(lab, parent), child_of(lab, parent, date(2011, 5, 1))
    with lab.database.begin(lab.maker) as uow:
        with pytest.raises(Conflict, match="too_young"):
            families.give_address(uow, young, "young@post.example")
        families.give_address(uow, older, "older@post.example")
    assert codes_to(lab, "older@post.example") == ["member.welcome"]


def test_a_parent_answers_for_a_child_until_eighteen(lab: Lab, parent: int) -> None:
    child = child_of(lab, parent, date(2008, 11, 26))
    with pytest.raises(Conflict, match="still_minor"), lab.database.begin(lab.maker) as uow:
        families.release(uow, child)
    lab.clock.advance(days=2)
    with lab.database.begin(lab.maker) as uow:
        families.release(uow, child)
    with pytest.raises(NotFound), lab.database.begin(lab.maker) as uow:
        members.acting_for(uow, child)


def test_a_child_says_nothing_for_themselves(lab: Lab, parent: int) -> None:
    child = child_of(lab, parent, date(2011, 5, 1))
    with lab.database.read() as uow:
        row = uow.session.get_one(Member, child)
    from fablab.base.database import Actor

    own = Actor(member_id=child, name=row.name, role="maker")
    with pytest.raises((Invalid, Forbidden)), lab.database.begin(own) as uow:
        families.consent(uow, child, ConsentKind.IMAGE)
