"""Invitations and projects: who may invite, what a link opens, and who is in."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from fablab.base.errors import BadStep, Conflict, Forbidden, Invalid, NotFound
from fablab.people import invitations, members, projects, signup
from fablab.people.invitations import Newcomer
from fablab.people.models import InvitationState, MemberState, ProjectKind, SignUp
from tests.lab import Lab
from tests.web.letters import codes_to, link_to

FRIEND = "friend@post.example"
NEW = Newcomer(name="A Friend", born_on=date(1990, 1, 1), password="four words of theirs")


def invited(lab: Lab, email: str = FRIEND) -> str:
    """The secret of an invitation to the maker's project."""
    with lab.database.begin(lab.maker) as uow:
        invitations.to_project(uow, lab.projects["drone"], email)
    return link_to(lab, email).partition("key=")[2]


def test_only_whoever_leads_a_project_invites_to_it(lab: Lab) -> None:
    with pytest.raises(NotFound), lab.database.begin(lab.actors["other"]) as uow:
        invitations.to_project(uow, lab.projects["drone"], FRIEND)


def test_only_the_staff_invites_to_the_lab(lab: Lab) -> None:
    with pytest.raises(Forbidden), lab.database.begin(lab.maker) as uow:
        invitations.to_lab(uow, FRIEND)


def test_whoever_the_staff_invites_is_a_member_at_once_even_where_nobody_may_sign_up(lab: Lab) -> None:
    with lab.database.begin() as uow:
        signup.set_rule(uow, SignUp.CLOSED)
    with lab.database.begin(lab.staff) as uow:
        invitations.to_lab(uow, FRIEND)
    member = invitations.join(lab.database, link_to(lab, FRIEND).partition("key=")[2], NEW)
    assert (member.state, member.email) == (MemberState.ACTIVE, FRIEND)


def test_whoever_a_member_invites_waits_for_the_staff_and_is_in_the_project(lab: Lab) -> None:
    member = invitations.join(lab.database, invited(lab), NEW)
    assert member.state is MemberState.WAITING
    with lab.database.read() as uow:
        assert [row.name for row in members.projects_of(uow, member.id)] == ["Drone"]


def test_a_members_invitation_opens_no_door_that_the_house_has_closed(lab: Lab) -> None:
    secret = invited(lab)
    with lab.database.begin() as uow:
        signup.set_rule(uow, SignUp.CLOSED)
    with pytest.raises(Forbidden, match="closed"):
        invitations.join(lab.database, secret, NEW)


def test_nobody_makes_a_second_account_for_an_address(lab: Lab) -> None:
    with pytest.raises(Conflict, match="sign_in"):
        invitations.join(lab.database, invited(lab, "other@lab.example"), NEW)


def test_a_link_is_answered_once(lab: Lab) -> None:
    secret = invited(lab)
    with lab.database.begin(lab.actors["other"]) as uow:
        invitations.accept(uow, secret)
    with pytest.raises(Conflict, match="over"), lab.database.begin() as uow:
        invitations.decline(uow, secret)


def test_an_invitation_is_too_old_after_two_weeks(lab: Lab) -> None:
    secret = invited(lab)
    lab.clock.advance(invitations.LIFE)
    with pytest.raises(Conflict, match="expired"), lab.database.begin(lab.actors["other"]) as uow:
        invitations.accept(uow, secret)


def test_what_is_taken_back_opens_nothing(lab: Lab) -> None:
    secret = invited(lab)
    with lab.database.begin(lab.maker) as uow:
        row = invitations.sent(uow, project_id=lab.projects["drone"])[0]
        assert invitations.withdraw(uow, row.id).state is InvitationState.WITHDRAWN
        with pytest.raises(BadStep):
            invitations.withdraw(uow, row.id)
    with pytest.raises(Conflict, match="over"), lab.database.begin(lab.actors["other"]) as uow:
        invitations.accept(uow, secret)


def test_a_second_letter_ends_the_first_link_and_a_third_waits_for_tomorrow(lab: Lab) -> None:
    first = invited(lab)
    invited(lab)
    with pytest.raises(Conflict, match="over"), lab.database.read() as uow:
        invitations.opened(uow, first)
    with pytest.raises(Conflict, match="again"):
        invited(lab)
    lab.clock.advance(timedelta(days=1, minutes=1))
    invited(lab)
    assert codes_to(lab, FRIEND) == ["invitation.project"] * 3


def test_a_member_has_only_so_many_open_invitations(lab: Lab) -> None:
    with lab.database.begin(lab.maker) as uow:
        for number in range(invitations.MOST_OPEN):
            invitations.to_project(uow, lab.projects["drone"], f"f{number}@post.example")
        with pytest.raises(Conflict, match="too_many"):
            invitations.to_project(uow, lab.projects["drone"], FRIEND)


def test_nobody_answers_an_invitation_to_somebody_elses_address(lab: Lab) -> None:
    invited(lab)
    with pytest.raises(NotFound), lab.database.begin(lab.actors["other"]) as uow:
        invitations.answer(uow, 1, "accept")


def test_closing_a_project_ends_its_invitations(lab: Lab) -> None:
    secret = invited(lab)
    with lab.database.begin(lab.maker) as uow:
        projects.close(uow, lab.projects["drone"])
    with pytest.raises(Conflict, match="over"), lab.database.read() as uow:
        invitations.opened(uow, secret)


def test_whoever_leads_a_project_hands_it_over_before_leaving(lab: Lab) -> None:
    drone, other = lab.projects["drone"], lab.actors["other"].member_id
    assert other is not None
    with lab.database.begin(lab.maker) as uow:
        with pytest.raises(Conflict, match="owner_stays"):
            projects.leave(uow, drone)
        with pytest.raises(Conflict, match="not_in"):
            projects.hand_over(uow, drone, other)
    with lab.database.begin(lab.staff) as uow:
        projects.add(uow, drone, other)
    with lab.database.begin(lab.maker) as uow:
        assert projects.hand_over(uow, drone, other).owner_id == other
        projects.leave(uow, drone)
        assert projects.projects_of(uow, lab.maker.member_id or 0) == []


def test_a_project_is_paid_only_by_an_organisation_its_leader_belongs_to(lab: Lab) -> None:
    with pytest.raises(Invalid, match="organisation"), lab.database.begin(lab.maker) as uow:
        projects.create(uow, name="Kite", kind=ProjectKind.PERSONAL, organisation_id=99)


def test_what_is_not_ones_own_does_not_exist(lab: Lab) -> None:
    with pytest.raises(NotFound), lab.database.begin(lab.actors["other"]) as uow:
        projects.edit(uow, lab.projects["drone"], name="x", kind=ProjectKind.PERSONAL, organisation_id=None)
