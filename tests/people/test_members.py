"""Members, their projects, and what they may use alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.people import members
from fablab.people.models import Certification, CertificationLevel, Member, ProjectKind, ProjectMember, Role
from fablab.places.models import Technology
from tests.lab import PASSWORD, Lab


def member(uow: UnitOfWork, lab: Lab, name: str = "maker") -> Member:
    return uow.session.get_one(Member, lab.actors[name].member_id)


def test_a_name_is_tidied_and_an_e_mail_lowered(lab: Lab) -> None:
    with lab.database.begin() as uow:
        zoe = members.add_member(uow, name="  Zoé   Martin ", email=" Zoe@Lab.Example ", password=PASSWORD)
        assert (zoe.name, zoe.email, zoe.role, zoe.language) == (
            "Zoé Martin",
            "zoe@lab.example",
            Role.MAKER,
            "fr",
        )
        assert members.member_by_email(uow, "ZOE@lab.example ") is zoe


def test_a_member_needs_no_e_mail(lab: Lab) -> None:
    with lab.database.begin() as uow:
        for name in ("Ana", "Ana"):
            assert members.add_member(uow, name=name).password_hash is None


@pytest.mark.parametrize("name", ["", "   ", "x" * 121])
def test_a_member_has_a_name(lab: Lab, name: str) -> None:
    with lab.database.begin() as uow, pytest.raises(Invalid) as refused:
        members.add_member(uow, name=name)
    assert refused.value.field == "name"


@pytest.mark.parametrize(
    "email", ["", "zoe", "zoe@lab", "zoe@@lab.example", "a b@lab.example", "@lab.example"]
)
def test_an_e_mail_looks_like_one(lab: Lab, email: str) -> None:
    with lab.database.begin() as uow, pytest.raises(Invalid) as refused:
        members.add_member(uow, name="Zoe", email=email)
    assert refused.value.field == "email"


def test_an_e_mail_is_taken_once(any_lab: Lab) -> None:
    def add() -> None:
        with any_lab.database.begin() as uow:
            members.add_member(uow, name="Maker the second", email="MAKER@lab.example")

    with pytest.raises(Conflict, match="email_taken"):
        add()


def test_nobody_is_found_by_an_unknown_e_mail(lab: Lab) -> None:
    with lab.database.read() as uow, pytest.raises(NotFound):
        members.member_by_email(uow, "nobody@lab.example")


def test_a_language_is_remembered(lab: Lab) -> None:
    with lab.database.begin() as uow:
        members.set_language(uow, lab.maker.member_id or 0, "en")
        members.set_language(uow, 999, "en")
    with lab.database.read() as uow:
        assert member(uow, lab).language == "en"


def test_projects_are_those_one_owns_or_belongs_to_by_name(any_lab: Lab) -> None:
    with any_lab.database.begin() as uow:
        other = member(uow, any_lab, "other")
        shared = members.add_project(uow, other, "A bench", ProjectKind.EDUCATIONAL)
        members.add_project(uow, other, "Private", ProjectKind.PERSONAL)
        uow.session.add(ProjectMember(project_id=shared.id, member_id=any_lab.maker.member_id))
    with any_lab.database.read() as uow:
        names = [project.name for project in members.projects_of(uow, any_lab.maker.member_id or 0)]
    assert names == ["A bench", "Drone"]


def test_a_closed_project_takes_no_more_work(lab: Lab) -> None:
    with lab.database.begin() as uow:
        project = members.project_for(uow, lab.projects["drone"], lab.maker.member_id or 0)
        project.closed_at = uow.now
    with lab.database.read() as uow, pytest.raises(Invalid, match="project"):
        members.project_for(uow, lab.projects["drone"], lab.maker.member_id or 0)


def test_a_stranger_s_project_is_unknown(lab: Lab) -> None:
    with lab.database.read() as uow, pytest.raises(Invalid) as refused:
        members.project_for(uow, lab.projects["drone"], lab.actors["other"].member_id or 0)
    assert (refused.value.code, refused.value.field) == ("project.unknown", "project")


def alone(lab: Lab) -> tuple[frozenset[Technology], frozenset[int]]:
    with lab.database.read() as uow:
        return members.certified_technologies(uow, lab.maker.member_id or 0)


def test_a_certification_holds_until_it_expires(lab: Lab) -> None:
    with lab.database.begin(lab.staff) as uow:
        given = members.certify(uow, member(uow, lab), Technology.LASER)
        given.expires_at = uow.now + timedelta(days=1)
        assert (given.granted_by_id, given.level) == (lab.staff.member_id, CertificationLevel.USER)
    assert alone(lab) == ({Technology.LASER}, frozenset())
    lab.clock.advance(days=1)
    assert alone(lab) == (frozenset(), frozenset())


def test_a_revoked_certification_is_over_at_once(lab: Lab) -> None:
    with lab.database.begin() as uow:
        members.certify(uow, member(uow, lab), Technology.LASER).revoked_at = uow.now
    assert alone(lab) == (frozenset(), frozenset())


def test_one_machine_s_certification_is_not_its_whole_technology_s(lab: Lab) -> None:
    with lab.database.begin() as uow:
        uow.session.add(
            Certification(
                member_id=lab.maker.member_id,
                technology=Technology.LASER,
                resource_id=lab.resources["laser"],
                level=CertificationLevel.USER,
                granted_at=uow.now,
            )
        )
    assert alone(lab) == (frozenset(), {lab.resources["laser"]})
