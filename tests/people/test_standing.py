"""Who may act for whom, how far somebody is a member, and the log that keeps it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from fablab.base.database import Actor, UnitOfWork
from fablab.base.errors import BadStep, Conflict, Forbidden, Invalid, NotFound
from fablab.people import access, log, members, standing
from fablab.people.access import Scope, make_token
from fablab.people.log import Doing
from fablab.people.models import Member, MemberState, Role
from tests.lab import PASSWORD, Lab


def number(lab: Lab, who: str) -> int:
    found = lab.actors[who].member_id
    assert found is not None
    return found


def test_acting_for_oneself_leaves_no_line(lab: Lab) -> None:
    with lab.database.begin(lab.maker) as uow:
        assert members.acting_for(uow, None).id == number(lab, "maker")
        assert members.acting_for(uow, number(lab, "maker")).id == number(lab, "maker")
        assert log.about_member(uow, number(lab, "maker")) == []


def test_the_staff_acts_for_a_member_and_the_log_says_so(lab: Lab) -> None:
    with lab.database.begin(lab.staff) as uow:
        members.acting_for(uow, number(lab, "maker"), "job.submitted", about="job 1")
    with lab.database.read() as uow:
        row = log.about_member(uow, number(lab, "maker"))[0]
        assert (row.code, row.actor_name, row.about) == ("job.submitted", "Staff", "job 1")
        assert [each.id for each in log.by_member(uow, number(lab, "staff"))] == [row.id]


def test_what_fails_afterwards_leaves_no_line(lab: Lab) -> None:
    def work(uow: UnitOfWork) -> None:
        members.acting_for(uow, number(lab, "maker"))
        raise Conflict("slot_taken")

    with pytest.raises(Conflict):
        lab.database.write(work, lab.staff)
    with lab.database.read() as uow:
        assert log.about_member(uow, number(lab, "maker")) == []


def test_nobody_acts_for_a_stranger_and_hears_not_even_that_there_is_one(lab: Lab) -> None:
    with pytest.raises(NotFound), lab.database.begin(lab.maker) as uow:
        members.acting_for(uow, number(lab, "other"))


def test_the_desk_does_not_act_for_an_administrator(lab: Lab) -> None:
    with pytest.raises(Forbidden, match="above"), lab.database.begin(lab.staff) as uow:
        members.acting_for(uow, number(lab, "admin"))


def test_a_token_acts_for_others_only_with_its_scope(lab: Lab) -> None:
    reader = Actor(
        member_id=number(lab, "staff"), name="Staff", role="staff", scopes=frozenset({Scope.READ.value})
    )
    with pytest.raises(NotFound), lab.database.begin(reader) as uow:
        members.acting_for(uow, number(lab, "maker"))


def test_nobody_acts_for_one_who_is_suspended(lab: Lab) -> None:
    with lab.database.begin(lab.staff) as uow:
        standing.suspend(uow, number(lab, "maker"), "Keys not given back")
    with pytest.raises(Conflict, match="not_active"), lab.database.begin(lab.staff) as uow:
        members.acting_for(uow, number(lab, "maker"))


def test_a_line_of_the_log_is_never_changed(lab: Lab) -> None:
    with lab.database.begin(lab.staff) as uow:
        log.record(uow, "member.edited", for_member_id=number(lab, "maker"))
    with pytest.raises(RuntimeError, match="only added to"), lab.database.begin() as uow:
        uow.session.scalars(select(Doing)).one().code = "member.left"


def test_old_lines_go_after_a_year(lab: Lab) -> None:
    with lab.database.begin(lab.staff) as uow:
        log.record(uow, "member.edited", for_member_id=number(lab, "maker"))
    lab.clock.advance(log.KEPT * 1.01)
    with lab.database.begin() as uow:
        log.forget_old(uow)
        assert log.about_member(uow, number(lab, "maker")) == []


def test_one_who_is_suspended_is_out_at_once_with_browser_and_programs(lab: Lab) -> None:
    token = access.sign_in(lab.database, "maker@lab.example", PASSWORD, address="192.0.2.7").token
    with lab.database.begin() as uow:
        bearer = make_token(
            uow, uow.session.get_one(Member, number(lab, "maker")), "x", frozenset({Scope.READ})
        )
    with lab.database.begin(lab.staff) as uow:
        standing.suspend(uow, number(lab, "maker"), "Keys not given back")
        standing.reactivate(uow, number(lab, "maker"))
    with lab.database.read() as uow:
        for enter, secret in ((access.resume, token), (access.bearer, bearer)):
            with pytest.raises(Exception, match=r"expired|unknown"):
                enter(uow, secret)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301])
def test_a_reason_is_given_in_a_sentence(lab: Lab, reason: str) -> None:
    with pytest.raises(Invalid, match="reason"), lab.database.begin(lab.staff) as uow:
        standing.suspend(uow, number(lab, "maker"), reason)


def test_nobody_suspends_themselves(lab: Lab) -> None:
    with pytest.raises(Conflict, match="yourself"), lab.database.begin(lab.staff) as uow:
        standing.suspend(uow, number(lab, "staff"), "tired")


def test_the_last_administrator_stays(lab: Lab) -> None:
    with pytest.raises(Conflict, match="last_admin"), lab.database.begin(lab.actors["admin"]) as uow:
        standing.set_role(uow, number(lab, "admin"), Role.MAKER)
    with pytest.raises(Conflict, match="last_admin"), lab.database.begin(lab.actors["admin"]) as uow:
        standing.leave(uow, number(lab, "admin"))


def test_roles_are_given_by_whoever_manages_the_house(lab: Lab) -> None:
    with pytest.raises(Forbidden), lab.database.begin(lab.staff) as uow:
        standing.set_role(uow, number(lab, "staff"), Role.ADMIN)
    with lab.database.begin(lab.actors["admin"]) as uow:
        assert standing.set_role(uow, number(lab, "staff"), Role.ADMIN).role is Role.ADMIN


def test_what_is_active_is_not_approved_again(lab: Lab) -> None:
    with pytest.raises(BadStep), lab.database.begin(lab.staff) as uow:
        standing.approve(uow, number(lab, "maker"))


def test_active_can_be_asked_of_a_row_and_in_a_query(lab: Lab) -> None:
    with lab.database.begin() as uow:
        row = uow.session.get_one(Member, number(lab, "maker"))
        row.state = MemberState.SUSPENDED
        uow.session.flush()
        assert not row.active
        found = set(uow.session.scalars(select(Member.id).where(Member.active)))
        assert found == {number(lab, who) for who in ("other", "staff", "admin")}


def test_the_desk_makes_makers_and_teachers_and_nobody_above(lab: Lab) -> None:
    with lab.database.begin(lab.staff) as uow:
        made = members.create(uow, members.Person(name="Odette", role=Role.TEACHER))
        assert (made.active, made.email) == (True, None)
    with pytest.raises(Forbidden), lab.database.begin(lab.staff) as uow:
        members.create(uow, members.Person(name="Odette", role=Role.STAFF))


def test_a_search_takes_its_words_as_they_are(lab: Lab) -> None:
    with lab.database.begin(lab.staff) as uow:
        members.create(uow, members.Person(name="Percent 100%"))
        assert members.search(uow, members.Search(text="100%")).total == 1
        assert members.search(uow, members.Search(text="%")).total == 1
        assert members.search(uow, members.Search(text="zzz", page=9)).page == 1
