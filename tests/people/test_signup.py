"""Links that work once, sign-up, and lost passwords: what is told, to whom, and what nobody can do."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from fablab.base.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from fablab.people import access, keys, members, signup
from fablab.people.models import KeyPurpose, Member, MemberState, OneTimeKey, SignUp
from fablab.people.signup import Application
from tests.lab import PASSWORD, Lab
from tests.web.letters import codes_to, link_to

ANNE = "anne@post.example"
WORDS = "four words of hers"


def apply(lab: Lab, email: str = ANNE, **more: object) -> None:
    said = {"name": "Anne Roy", "email": email, "born_on": date(1990, 5, 1), **more}
    lab.database.write(lambda uow: signup.sign_up(uow, Application(**said)))  # type: ignore[arg-type]  # as a test says it


def secret(lab: Lab, email: str = ANNE) -> str:
    return link_to(lab, email).partition("key=")[2]


def state(lab: Lab, email: str = ANNE) -> MemberState:
    with lab.database.read() as uow:
        return members.member_by_email(uow, email).state


def sign_in(lab: Lab, email: str, password: str) -> int:
    return access.sign_in(lab.database, email, password, address="192.0.2.7").member_id


def test_only_the_hash_of_a_link_is_kept(lab: Lab) -> None:
    apply(lab)
    with lab.database.read() as uow:
        row = uow.session.scalars(select(OneTimeKey)).one()
        assert row.key_hash == keys.digest(secret(lab))
        assert secret(lab) not in repr(vars(row))


def test_whoever_has_not_followed_the_link_cannot_sign_in_and_then_the_staff_has_to_say_yes(lab: Lab) -> None:
    apply(lab)
    assert state(lab) is MemberState.UNCONFIRMED
    signup.set_password(lab.database, secret(lab), WORDS)
    assert state(lab) is MemberState.WAITING
    with pytest.raises(Unauthenticated):
        sign_in(lab, ANNE, WORDS)


def test_where_the_house_is_open_the_link_is_enough(lab: Lab) -> None:
    with lab.database.begin(lab.actors["admin"]) as uow:
        signup.set_rule(uow, SignUp.OPEN)
    apply(lab)
    signup.set_password(lab.database, secret(lab), WORDS)
    assert sign_in(lab, ANNE, WORDS)


def test_only_an_administrator_says_who_may_sign_up(lab: Lab) -> None:
    with pytest.raises(Forbidden), lab.database.begin(lab.staff) as uow:
        signup.set_rule(uow, SignUp.OPEN)


def test_a_closed_house_takes_nobody(lab: Lab) -> None:
    with lab.database.begin() as uow:
        signup.set_rule(uow, SignUp.CLOSED)
    with pytest.raises(Forbidden, match="closed"):
        apply(lab)


@pytest.mark.parametrize("born_on", [None, date(2030, 1, 1), date(1800, 1, 1), date(2011, 11, 25)])
def test_a_day_of_birth_that_cannot_be_and_a_child_are_sent_back(lab: Lab, born_on: date | None) -> None:
    with pytest.raises(Invalid) as caught:
        apply(lab, born_on=born_on)
    assert caught.value.field == "born_on"


def test_fifteen_years_are_enough_on_the_day_itself(lab: Lab) -> None:
    apply(lab, born_on=date(2011, 11, 24))
    assert state(lab) is MemberState.UNCONFIRMED


def test_a_second_sign_up_ends_the_first_link_and_its_words_are_the_ones_that_count(lab: Lab) -> None:
    apply(lab, name="A Stranger")
    first = secret(lab)
    apply(lab, name="Anne Herself")
    with pytest.raises(Conflict, match="used"):
        signup.set_password(lab.database, first, WORDS)
    assert signup.set_password(lab.database, secret(lab), WORDS).name == "Anne Herself"


def test_a_link_is_too_old_after_two_days_and_another_one_can_be_had(lab: Lab) -> None:
    apply(lab)
    lab.clock.advance(keys.LIFE[KeyPurpose.CONFIRM])
    with pytest.raises(Conflict, match="expired"):
        signup.set_password(lab.database, secret(lab), WORDS)
    lab.database.write(lambda uow: signup.ask_again(uow, ANNE))
    signup.set_password(lab.database, secret(lab), WORDS)
    assert state(lab) is MemberState.WAITING


def test_nobodys_mailbox_is_filled_by_typing_their_address(lab: Lab) -> None:
    for _ in range(6):
        lab.database.write(lambda uow: signup.ask_again(uow, "maker@lab.example"))
    assert len(codes_to(lab, "maker@lab.example")) == keys.MOST_AN_HOUR


def test_an_unknown_address_gets_no_letter_and_no_complaint(lab: Lab) -> None:
    lab.database.write(lambda uow: signup.ask_again(uow, ANNE))
    assert codes_to(lab, ANNE) == []


@pytest.mark.parametrize("now", [MemberState.WAITING, MemberState.SUSPENDED, MemberState.LEFT])
def test_whoever_may_not_come_in_gets_no_way_in(lab: Lab, now: MemberState) -> None:
    with lab.database.begin() as uow:
        members.member_by_email(uow, "maker@lab.example").state = now
    lab.database.write(lambda uow: signup.ask_again(uow, "maker@lab.example"))
    apply(lab, "maker@lab.example")
    assert codes_to(lab, "maker@lab.example") == []


def test_signing_up_with_a_members_address_changes_nothing_of_theirs(lab: Lab) -> None:
    apply(lab, "maker@lab.example", name="Somebody Else")
    with lab.database.read() as uow:
        assert members.member_by_email(uow, "maker@lab.example").name == "Maker"
    assert sign_in(lab, "maker@lab.example", PASSWORD)


def test_a_new_password_ends_every_sign_in_and_is_told(lab: Lab) -> None:
    token = access.sign_in(lab.database, "maker@lab.example", PASSWORD, address="192.0.2.7").token
    lab.database.write(lambda uow: signup.ask_again(uow, "maker@lab.example"))
    signup.set_password(lab.database, secret(lab, "maker@lab.example"), WORDS)
    with pytest.raises(Unauthenticated), lab.database.read() as uow:
        access.resume(uow, token)
    assert codes_to(lab, "maker@lab.example")[-1] == "password.changed"


def test_a_link_for_an_address_that_is_no_longer_theirs_opens_nothing(lab: Lab) -> None:
    lab.database.write(lambda uow: signup.ask_again(uow, "maker@lab.example"))
    with lab.database.begin() as uow:
        members.member_by_email(uow, "maker@lab.example").email = "moved@lab.example"
    with pytest.raises(Conflict):
        signup.set_password(lab.database, secret(lab, "maker@lab.example"), WORDS)


def test_a_password_that_is_too_short_leaves_the_link_good(lab: Lab) -> None:
    apply(lab)
    with pytest.raises(Invalid, match="too_short"):
        signup.set_password(lab.database, secret(lab), "short")
    signup.set_password(lab.database, secret(lab), WORDS)


def test_an_invented_link_is_unknown(lab: Lab) -> None:
    with pytest.raises(NotFound, match="unknown"):
        signup.set_password(lab.database, "x" * 43, WORDS)


def test_whoever_never_follows_the_link_is_forgotten(lab: Lab) -> None:
    apply(lab)
    lab.clock.advance(signup.UNCONFIRMED_KEPT + timedelta(minutes=1))
    apply(lab, "other@post.example")
    with lab.database.read() as uow:
        found = select(func.count(Member.id)).where(Member.email == ANNE)
        assert uow.session.scalars(found).one() == 0


def test_one_who_waits_is_told_to_those_who_welcome(lab: Lab) -> None:
    from fablab import notices

    apply(lab)
    signup.set_password(lab.database, secret(lab), WORDS)
    with lab.database.read() as uow:
        assert lab.staff.member_id is not None
        assert [row.code for row in notices.unseen(uow, lab.staff.member_id)] == ["member.waiting"]
