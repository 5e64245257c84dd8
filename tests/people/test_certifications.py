"""Certifications: who grants them, how long they last, what is signed and watched before them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from fablab.base.database import Actor, UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, LabError, NotFound
from fablab.claims.rules import passport
from fablab.notices import Notice
from fablab.people import log, members
from fablab.people.certifications import granting, signing, terms
from fablab.people.certifications.models import RuleText
from fablab.people.certifications.texts import Text, unsigned
from fablab.people.models import Certification, CertificationLevel, Member, Role
from fablab.places.models import Technology
from tests.lab import Lab

LASER, FDM = Technology.LASER, Technology.FDM
USER, TRAINER, MAINTENANCE = (
    CertificationLevel.USER,
    CertificationLevel.TRAINER,
    CertificationLevel.MAINTENANCE,
)
DAY = timedelta(days=1)


def maker(lab: Lab) -> int:
    assert lab.maker.member_id is not None
    return lab.maker.member_id


def grant(
    lab: Lab, by: str = "staff", to: str = "maker", level: CertificationLevel = USER, **more: int
) -> int:
    member_id = lab.actors[to].member_id
    assert member_id is not None
    with lab.database.begin(lab.actors[by]) as uow:
        return granting.grant(uow, member_id, LASER, level, resource_id=more.get("resource_id")).id


def holds(lab: Lab, machine: str = "laser") -> CertificationLevel | None:
    with lab.database.read() as uow:
        held = passport.holds(uow, maker(lab), lab.resources[machine])
        return held.level if held is not None else None


def text(lab: Lab, sign_by: date | None = None, resource_id: int | None = None) -> int:
    with lab.database.begin(lab.actors["admin"]) as uow:
        row = signing.publish(
            uow,
            LASER,
            resource_id=resource_id,
            title_fr="Règlement laser",
            title_en="Laser rules",
            text_fr="Ne jamais partir.",
            text_en="Never leave.",
            sign_by=sign_by,
        )
        return row.id


def codes_told(lab: Lab) -> list[str]:
    with lab.database.read() as uow:
        return list(
            uow.session.scalars(select(Notice.code).where(Notice.member_id == maker(lab)).order_by(Notice.id))
        )


def set_terms(lab: Lab, **said: int) -> None:
    with lab.database.begin(lab.actors["admin"]) as uow:
        terms.set_terms(uow, LASER, **said)


# -- levels ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", CertificationLevel)
def test_every_level_lets_one_use_the_machine(lab: Lab, level: CertificationLevel) -> None:
    grant(lab, level=level)
    assert holds(lab) is level


def test_leave_for_one_machine_is_not_leave_for_the_technology(lab: Lab) -> None:
    grant(lab, resource_id=lab.resources["laser"])
    with lab.database.read(lab.maker) as uow:
        whole = next(each for each in passport.leaves(uow, maker(lab)) if each.technology is LASER)
    assert (holds(lab), whole.held) == (USER, None)


def test_a_machine_of_another_technology_cannot_be_meant(lab: Lab) -> None:
    with pytest.raises(Invalid, match=r"machine.other_technology"):
        grant(lab, resource_id=lab.resources["mk3"])


# -- who grants --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "level", "may"),
    [
        (None, USER, False),
        (USER, USER, False),
        (TRAINER, USER, True),
        (MAINTENANCE, USER, True),
        (TRAINER, TRAINER, False),
        (TRAINER, MAINTENANCE, False),
    ],
)
def test_a_trainer_makes_users_and_nobody_makes_what_they_are_not(
    lab: Lab, own: CertificationLevel | None, level: CertificationLevel, may: bool
) -> None:
    if own is not None:
        grant(lab, to="other", level=own)
    if may:
        grant(lab, by="other", level=level)
    else:
        with pytest.raises(Forbidden, match=r"certification.not_trainer"):
            grant(lab, by="other", level=level)
    assert (holds(lab) is not None) is may


def test_a_mediator_operates_the_machines_and_yet_trains_only_where_they_are_a_trainer(lab: Lab) -> None:
    with lab.database.begin() as uow:
        member = members.add_member(uow, name="Mediator", role=Role.MEDIATOR)
    lab.actors["mediator"] = Actor(member_id=member.id, name=member.name, role="mediator")
    with pytest.raises(Forbidden, match=r"certification.not_trainer"):
        grant(lab, by="mediator")
    grant(lab, to="mediator", level=TRAINER)
    grant(lab, by="mediator")
    assert holds(lab) is USER


def test_a_trainer_of_one_machine_makes_users_of_that_machine_alone(lab: Lab) -> None:
    grant(lab, to="other", level=TRAINER, resource_id=lab.resources["laser"])
    grant(lab, by="other", resource_id=lab.resources["laser"])
    with pytest.raises(Forbidden, match=r"certification.not_trainer"):
        grant(lab, by="other")


def test_nobody_certifies_themselves_but_whoever_manages_the_house(lab: Lab) -> None:
    with pytest.raises(Forbidden, match=r"certification.own"):
        grant(lab, by="staff", to="staff")
    grant(lab, by="admin", to="admin")


def test_what_is_granted_again_begins_anew_and_is_one_row(lab: Lab) -> None:
    set_terms(lab, valid_days=10)
    first = grant(lab)
    lab.clock.advance(5 * DAY)
    assert grant(lab) == first
    with lab.database.read() as uow:
        row = uow.session.get_one(Certification, first)
        assert row.expires_at == lab.clock.now() + 10 * DAY


def test_revoking_takes_effect_at_once_and_says_why(lab: Lab) -> None:
    given = grant(lab)
    with lab.database.begin(lab.staff) as uow:
        granting.revoke(uow, given, "left the beam alone")
    assert holds(lab) is None
    assert codes_told(lab) == ["certification.granted", "certification.revoked"]
    with lab.database.read() as uow:
        assert {"certification.granted", "certification.revoked"} <= {
            row.code for row in log.about_member(uow, maker(lab))
        }


def test_revoking_takes_a_reason(lab: Lab) -> None:
    given = grant(lab)
    with pytest.raises(Invalid, match=r"certification.why"), lab.database.begin(lab.staff) as uow:
        granting.revoke(uow, given, " ")


def test_what_is_revoked_cannot_be_renewed(lab: Lab) -> None:
    given = grant(lab)
    with lab.database.begin(lab.staff) as uow:
        granting.revoke(uow, given, "left the beam alone")
    with pytest.raises(NotFound, match=r"certification.unknown"), lab.database.begin(lab.staff) as uow:
        granting.renew(uow, given)


# -- how long ----------------------------------------------------------------------------------------------------------


def test_it_ends_by_its_date(lab: Lab) -> None:
    set_terms(lab, valid_days=30)
    grant(lab)
    lab.clock.advance(30 * DAY - timedelta(seconds=1))
    assert holds(lab) is USER
    lab.clock.advance(seconds=1)
    assert holds(lab) is None


def test_it_ends_by_disuse(lab: Lab) -> None:
    set_terms(lab, disuse_days=90)
    grant(lab)
    lab.clock.advance(89 * DAY)
    assert holds(lab) is USER
    lab.clock.advance(DAY)
    assert holds(lab) is None


def test_a_use_under_somebodys_eyes_is_a_use(lab: Lab) -> None:
    set_terms(lab, disuse_days=90)
    grant(lab)
    lab.clock.advance(89 * DAY)
    watch(lab)
    lab.clock.advance(89 * DAY)
    assert holds(lab) is USER


def test_a_renewal_begins_the_disuse_anew(lab: Lab) -> None:
    set_terms(lab, disuse_days=90)
    given = grant(lab)
    lab.clock.advance(100 * DAY)
    with lab.database.begin(lab.staff) as uow:
        granting.renew(uow, given)
    lab.clock.advance(89 * DAY)
    assert holds(lab) is USER


def test_a_reminder_comes_once_before_the_end_and_again_after_a_renewal(lab: Lab) -> None:
    set_terms(lab, valid_days=100, remind_days=30)
    given = grant(lab)

    def reminded() -> int:
        return lab.database.write(passport.remind)

    told = [reminded()]
    lab.clock.advance(70 * DAY)
    told += [reminded(), reminded()]
    with lab.database.begin(lab.staff) as uow:
        granting.renew(uow, given)
    told.append(reminded())
    lab.clock.advance(71 * DAY)
    told += [reminded(), reminded()]
    assert told == [0, 1, 0, 0, 1, 0]
    assert codes_told(lab).count("certification.ends") == 2


def test_who_does_not_use_it_is_reminded_of_that(lab: Lab) -> None:
    set_terms(lab, disuse_days=60, remind_days=30)
    grant(lab)
    lab.clock.advance(31 * DAY)
    lab.database.write(passport.remind)
    assert codes_told(lab)[-1] == "certification.ends_unused"


# -- under somebody's eyes ---------------------------------------------------------------------------------------------


def left(lab: Lab) -> int:
    with lab.database.read() as uow:
        held = passport.holds(uow, maker(lab), lab.resources["laser"])
        assert held is not None
        return held.supervised_left


def watch(lab: Lab, by: str = "staff", to: str = "maker", duration_s: int = 3600) -> None:
    member_id = lab.actors[to].member_id
    assert member_id is not None
    with lab.database.begin(lab.actors[by]) as uow:
        granting.supervise(uow, member_id, LASER, duration_s=duration_s)


def test_supervised_uses_are_counted_down(lab: Lab) -> None:
    set_terms(lab, supervised_uses=2)
    grant(lab)
    seen = [left(lab)]
    for _ in range(3):
        watch(lab)
        seen.append(left(lab))
    assert seen == [2, 1, 0, 0]


def test_a_trainer_needs_nobody_beside_them(lab: Lab) -> None:
    set_terms(lab, supervised_uses=2)
    grant(lab, level=TRAINER)
    assert left(lab) == 0


@pytest.mark.parametrize(
    ("by", "to", "duration_s", "code"),
    [
        ("other", "maker", 3600, "certification.not_trainer"),
        ("staff", "staff", 3600, "certification.own"),
        ("staff", "maker", 59, "supervised.duration"),
        ("staff", "maker", 12 * 3600 + 1, "supervised.duration"),
    ],
)
def test_only_who_may_watches_somebody_else_for_a_while(
    lab: Lab, by: str, to: str, duration_s: int, code: str
) -> None:
    with pytest.raises(LabError, match=code):
        watch(lab, by, to, duration_s)


# -- signing -----------------------------------------------------------------------------------------------------------


def sign(lab: Lab, text_id: int, name: str = "Maker", by: str = "maker", to: int | None = None) -> int | None:
    with lab.database.begin(lab.actors[by]) as uow:
        return signing.sign(uow, text_id, name, member_id=to).witness_id


def test_a_signature_is_kept_with_its_name_its_instant_and_its_version(lab: Lab) -> None:
    first = text(lab)
    assert sign(lab, first, "  mäker ") is None
    with lab.database.read(lab.maker) as uow:
        ((row, signed),) = signing.signatures_of(uow, maker(lab))
    assert (row.typed_name, row.signed_at, signed.version) == ("mäker", lab.clock.now(), 1)


@pytest.mark.parametrize("name", ["", "Somebody", "Make"])
def test_another_name_is_no_signature(lab: Lab, name: str) -> None:
    first = text(lab)
    with pytest.raises(Invalid, match=r"rules.name"):
        sign(lab, first, name)


def test_what_was_signed_on_paper_is_written_down_by_the_staff_who_saw_it(lab: Lab) -> None:
    first = text(lab)
    assert sign(lab, first, "Maker", by="staff", to=maker(lab)) == lab.staff.member_id


def test_a_parent_signs_with_their_own_name_for_a_child(lab: Lab) -> None:
    with lab.database.begin() as uow:
        child = members.add_member(uow, name="Kid")
        child.parent_id = maker(lab)
        child_id = child.id
    first = text(lab)
    assert sign(lab, first, "Maker", to=child_id) is None


def test_nobody_signs_for_a_stranger(lab: Lab) -> None:
    first = text(lab)
    with pytest.raises(NotFound, match=r"member.unknown"):
        sign(lab, first, "Other", to=lab.actors["other"].member_id)


def test_only_the_newest_version_is_signed_and_only_once(lab: Lab) -> None:
    old, new = text(lab), text(lab)
    with pytest.raises(Conflict, match=r"rules.old_version"):
        sign(lab, old)
    sign(lab, new)
    with pytest.raises(Conflict, match=r"rules.signed"):
        sign(lab, new)


def test_only_who_manages_the_house_publishes(lab: Lab) -> None:
    with pytest.raises(Forbidden), lab.database.begin(lab.staff) as uow:
        signing.publish(uow, LASER, title_fr="a", title_en="a", text_fr="a", text_en="a")


@pytest.mark.parametrize("field", ["title_fr", "title_en", "text_fr", "text_en"])
def test_rules_are_written_in_both_languages(lab: Lab, field: str) -> None:
    said = {"title_fr": "a", "title_en": "a", "text_fr": "a", "text_en": "a", field: " "}
    with (
        pytest.raises(Invalid, match=r"rules.words") as wrong,
        lab.database.begin(lab.actors["admin"]) as uow,
    ):
        signing.publish(uow, LASER, **said)
    assert wrong.value.field == field


def versions(*sign_by: date | None) -> list[Text]:
    return [
        Text(id=number, technology=LASER, resource_id=None, version=number, sign_by=day)
        for number, day in enumerate(sign_by, 1)
    ]


TODAY = date(2026, 11, 24)
LATER, BEFORE = TODAY + DAY, TODAY - DAY


@pytest.mark.parametrize(
    ("texts", "signed", "missing"),
    [
        (versions(None), set(), [1]),
        (versions(None), {1}, []),
        (versions(None, None), {1}, []),  # a small change asks nobody
        (versions(None, None), set(), [2]),
        (versions(None, LATER), {1}, []),  # there is time until tomorrow
        (versions(None, TODAY), {1}, [2]),
        (versions(None, BEFORE), {1}, [2]),
        (versions(None, BEFORE), {2}, []),
        (versions(None, BEFORE, None), {2}, []),
        (versions(None, BEFORE, None), {1}, [3]),
        (versions(None, BEFORE, LATER), {1}, [3]),
    ],
)
def test_a_new_version_asks_for_a_new_signature_from_its_day_on(
    texts: list[Text], signed: set[int], missing: list[int]
) -> None:
    assert [each.id for each in unsigned(texts, signed, TODAY)] == missing


def test_rules_that_are_withdrawn_are_asked_of_nobody(lab: Lab) -> None:
    first = text(lab)
    with lab.database.begin(lab.actors["admin"]) as uow:
        signing.withdraw(uow, first)
    with lab.database.read() as uow:
        assert signing.newest(uow) == []
        assert uow.session.get_one(RuleText, first).withdrawn_at == lab.clock.now()


# -- who may use what --------------------------------------------------------------------------------------------------


def test_a_machine_knows_everybody_who_may_use_it(lab: Lab) -> None:
    grant(lab, to="other", level=TRAINER)
    grant(lab)
    with lab.database.begin() as uow:
        gone = members.add_member(uow, name="Gone")
        granting.grant(uow, gone.id, LASER)
        uow.session.get_one(Member, gone.id).state = type(gone.state).LEFT
    with lab.database.read(lab.staff) as uow:
        found = passport.users_of(uow, lab.resources["laser"])
    assert [(member.name, held.level) for member, held in found] == [("Other", TRAINER), ("Maker", USER)]


@pytest.mark.parametrize(
    "look",
    [
        lambda uow, lab: passport.stamps(uow, maker(lab)),
        lambda uow, lab: passport.leaves(uow, maker(lab)),
        lambda uow, lab: signing.signatures_of(uow, maker(lab)),
    ],
)
def test_what_somebody_holds_is_nobody_elses_business(
    lab: Lab, look: Callable[[UnitOfWork, Lab], object]
) -> None:
    with pytest.raises(NotFound, match=r"member.unknown"), lab.database.read(lab.actors["other"]) as uow:
        look(uow, lab)
