"""The rules over a real lab: policies column by column, waivers by two people, what is remembered, and how many queries."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from sqlalchemy import event

from fablab.base.errors import Conflict, Forbidden, Invalid, LabError, Refused
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import JobState
from fablab.claims.jobs.use import Wishes
from fablab.claims.rules import Act, Asked, explain_choices, judge, may_start, setting, waive, waivers
from fablab.claims.rules.asking import Scope
from fablab.claims.rules.known import known
from fablab.claims.rules.models import Overrun, Permission, Presence
from fablab.claims.rules.policies import Row, resolve
from fablab.people.certifications import granting
from fablab.people.models import Audience
from fablab.places.models import HoursKind, HoursRule, Material, ResourceKind, Technology
from fablab.programs.gcode import Kind
from tests.lab import TUESDAY, Lab, analysed, drafted

LASERS = Scope(technology=Technology.LASER)
HOUR = timedelta(hours=1)


def member(lab: Lab, name: str = "maker") -> int:
    found = lab.actors[name].member_id
    assert found is not None
    return found


def asked(lab: Lab, *machines: str) -> Asked:
    return Asked(
        act=Act.RESERVE,
        member_id=member(lab),
        resource_ids=tuple(lab.resources[name] for name in machines or ("mk3",)),
        start_at=TUESDAY + HOUR,
        end_at=TUESDAY + 3 * HOUR,
    )


def codes(lab: Lab, what: Asked) -> list[str]:
    with lab.database.read(lab.maker) as uow:
        return [refusal.code for refusal in judge(uow, what)]


def start_codes(lab: Lab, machine: str = "laser", who: str = "maker") -> list[str]:
    with lab.database.read() as uow:
        return [refusal.code for refusal in may_start(uow, lab.resources[machine], member(lab, who))]


def allow(lab: Lab, code: str, by: str = "staff", to: str = "maker") -> bool:
    """Whether it counts now."""
    with lab.database.begin(lab.actors[by]) as uow:
        row = waive(
            uow,
            code,
            member_id=member(lab, to),
            why="shown at the desk",
            resource_id=lab.resources["laser"],
            until_at=uow.now + HOUR,
        )
        return waivers.is_complete(row)


# -- policies ----------------------------------------------------------------------------------------------------------


def resolved(rows: list[Row], audience: Audience = Audience.PERSONAL) -> tuple[int, int, Presence]:
    policy = resolve(
        rows, resource_id=1, kind=ResourceKind.MACHINE, technology=Technology.LASER, audience=audience
    )
    return policy.lead_s, policy.gap_s, policy.presence


def test_the_most_specific_row_that_says_something_holds_column_by_column() -> None:
    rows = [
        Row(scope=Scope(), audience=None, lead_s=1, gap_s=1, presence=Presence.ANYTIME),
        Row(scope=Scope(kind=ResourceKind.MACHINE), audience=None, lead_s=2, gap_s=2),
        Row(scope=LASERS, audience=None, lead_s=3),
        Row(scope=Scope(resource_id=2), audience=None, lead_s=9),
    ]
    assert resolved(rows) == resolved(rows[::-1]) == (3, 2, Presence.ANYTIME)
    assert resolved([*rows, Row(scope=Scope(resource_id=1), audience=None, lead_s=4)])[0] == 4


def test_of_two_as_specific_the_audiences_own_goes_first() -> None:
    rows = [
        Row(scope=LASERS, audience=None, lead_s=3),
        Row(scope=LASERS, audience=Audience.SCHOOL, lead_s=5),
        Row(scope=Scope(), audience=Audience.SCHOOL, lead_s=7, gap_s=7),
    ]
    assert (resolved(rows), resolved(rows, Audience.SCHOOL)) == (
        (3, 0, Presence.OPEN),
        (5, 7, Presence.OPEN),
    )


def test_what_is_set_holds_at_once_for_everybody_who_asks(lab: Lab) -> None:
    before = codes(lab, asked(lab))
    with lab.database.begin(lab.actors["admin"]) as uow:
        row = setting.set_policy(uow, Scope(technology=Technology.FDM), None, {"longest_s": 3600})
    between = codes(lab, asked(lab))
    with lab.database.begin(lab.actors["admin"]) as uow:
        setting.drop_policy(uow, row.id)
    assert (before, between, codes(lab, asked(lab))) == ([], ["time.too_long"], [])


def test_setting_the_same_scope_again_replaces_the_row(lab: Lab) -> None:
    with lab.database.begin(lab.actors["admin"]) as uow:
        first = setting.set_policy(uow, LASERS, None, {"lead_s": 3600, "gap_s": 60}).id
        second = setting.set_policy(uow, LASERS, None, {"gap_s": 60})
        assert (second.id, second.lead_s) == (first, None)


def test_only_who_manages_the_house_sets_policies(lab: Lab) -> None:
    with pytest.raises(Forbidden), lab.database.begin(lab.staff) as uow:
        setting.set_policy(uow, LASERS, None, {"lead_s": 3600})


@pytest.mark.parametrize(
    ("scope", "said", "code"),
    [
        (LASERS, {}, "policy.empty"),
        (LASERS, {"lead_s": -1}, "policy.number"),
        (LASERS, {"concurrent": True}, "policy.number"),
        (LASERS, {"shortest_s": 7200, "longest_s": 3600}, "policy.span"),
        (Scope(technology=Technology.LASER, resource_id=1), {"lead_s": 1}, "policy.scope"),
        (Scope(resource_id=10**6), {"lead_s": 1}, "resource.unknown"),
        (LASERS, {"overrun": Overrun.PAUSE}, "policy.no_pause"),
        (Scope(resource_id=3), {"overrun": Overrun.PAUSE}, "policy.no_pause"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(
    lab: Lab, scope: Scope, said: dict[str, setting.Value], code: str
) -> None:
    with pytest.raises(LabError, match=code), lab.database.begin(lab.actors["admin"]) as uow:
        setting.set_policy(uow, scope, None, said)


# -- what is remembered ------------------------------------------------------------------------------------------------


def test_what_the_rules_remember_is_anew_after_every_change_and_only_then(any_lab: Lab) -> None:
    lab = any_lab

    def seen() -> object:
        with lab.database.read() as uow:
            return known(uow)

    first = seen()
    assert seen() is first
    with lab.database.begin() as uow:
        uow.session.add(HoursRule(kind=HoursKind.OPEN, weekday=0, opens=time(9), closes=time(10)))
    assert seen() is not first


def test_what_was_rolled_back_is_not_remembered(any_lab: Lab) -> None:
    lab = any_lab
    with lab.database.begin() as uow:
        uow.session.add(HoursRule(kind=HoursKind.OPEN, weekday=0, opens=time(9), closes=time(10)))
        uow.session.flush()
        known(uow)
        uow.session.rollback()
    with lab.database.begin() as uow:
        uow.session.add(HoursRule(kind=HoursKind.OPEN, weekday=6, opens=time(9), closes=time(10)))
    with lab.database.read() as uow:
        opening = known(uow).calendars[None].open
    assert {rule.weekday for rule in opening.rules} == {1, 2, 3, 4, 5, 6}


def queries(lab: Lab, what: Asked) -> int:
    count = 0

    def heard(*_: object) -> None:
        nonlocal count
        count += 1

    with lab.database.read(lab.maker) as uow:
        known(uow)
        event.listen(lab.database.engine, "before_cursor_execute", heard)
        judge(uow, what)
        event.remove(lab.database.engine, "before_cursor_execute", heard)
    return count


def test_the_queries_do_not_grow_with_the_machines(lab: Lab) -> None:
    one, four = queries(lab, asked(lab, "laser")), queries(lab, asked(lab, "laser", "mk3", "ender", "room"))
    assert one == four <= 8


# -- letting pass ------------------------------------------------------------------------------------------------------


def test_a_rule_of_safety_takes_two_different_people(lab: Lab) -> None:
    assert start_codes(lab) == ["certification.missing"]
    counts = [allow(lab, "certification.missing")]
    with pytest.raises(Conflict, match=r"waiver.given"):
        allow(lab, "certification.missing")
    assert start_codes(lab) == ["certification.missing"]
    counts.append(allow(lab, "certification.missing", by="admin"))
    assert (counts, start_codes(lab)) == ([False, True], [])


def test_the_same_person_cannot_agree_with_themselves(lab: Lab) -> None:
    allow(lab, "certification.missing")
    with lab.database.begin(lab.staff) as uow:
        (row,) = waivers.pending(uow)
        with pytest.raises(Forbidden, match=r"waiver.same_person"):
            waivers.second(uow, row.id)


def test_it_ends_and_can_be_taken_back(lab: Lab) -> None:
    allow(lab, "certification.missing")
    allow(lab, "certification.missing", by="admin")
    with lab.database.begin(lab.staff) as uow:
        waivers.withdraw(uow, 1)
    assert start_codes(lab) == ["certification.missing"]
    allow(lab, "certification.missing")
    allow(lab, "certification.missing", by="admin")
    assert start_codes(lab) == []
    lab.clock.advance(HOUR)
    assert start_codes(lab) == ["certification.missing"]


@pytest.mark.parametrize(
    ("code", "by", "to", "why"),
    [
        ("machine.out_of_service", "staff", "maker", "waiver.never"),
        ("no.such", "staff", "maker", "waiver.unknown"),
        ("certification.missing", "staff", "staff", "waiver.own"),
        ("certification.missing", "other", "maker", "forbidden"),
    ],
)
def test_what_nobody_may_let_pass(lab: Lab, code: str, by: str, to: str, why: str) -> None:
    with pytest.raises(LabError, match=why):
        allow(lab, code, by, to)


def test_a_reason_is_written_down(lab: Lab) -> None:
    with pytest.raises(Invalid, match=r"waiver.why"), lab.database.begin(lab.staff) as uow:
        waive(uow, "hours.closed", member_id=member(lab), why=" ", until_at=uow.now + HOUR)


# -- handing in --------------------------------------------------------------------------------------------------------


def laser_job(lab: Lab) -> str:
    return drafted(lab, analysed(kind=Kind.LASER, material=None, nozzle_mm=None, weight_g=0))


def test_a_job_is_barred_from_a_machine_that_its_maker_may_not_use(lab: Lab) -> None:
    job = laser_job(lab)
    with pytest.raises(Refused) as refused:
        lab.intake.submit(lab.maker, job, Wishes())
    assert [r.code for r in refused.value.refusals] == ["machine.none_eligible", "certification.missing"]
    with lab.database.begin(lab.staff) as uow:
        granting.grant(uow, member(lab), Technology.LASER)
    lab.intake.submit(lab.maker, job, Wishes())


def test_what_one_of_the_staff_may_let_pass_goes_to_review_and_is_kept_with_who_and_why(lab: Lab) -> None:
    with lab.database.begin(lab.actors["admin"]) as uow:
        setting.set_policy(uow, Scope(), None, {"subscription": True})
    job = drafted(lab)
    lab.intake.submit(lab.maker, job, Wishes())
    with lab.database.begin(lab.staff) as uow:
        assert jobs.get(uow, job).state is JobState.REVIEW
        jobs.decide(uow, job, accept=True, why="pays on Friday")
    with lab.database.read() as uow:
        (row,) = waivers.of_claim(uow, job)
    assert (row.code, row.why, row.by_id) == ("subscription.missing", "pays on Friday", lab.staff.member_id)


def test_a_laser_with_a_list_takes_what_is_on_it(lab: Lab) -> None:
    with lab.database.begin(lab.actors["admin"]) as uow:
        wood = Material(code="PLY", name="Plywood", technology=Technology.LASER, density_g_cm3=0.6)
        uow.session.add(wood)
        uow.session.flush()
        setting.list_material(uow, lab.resources["laser"], wood.id, Permission.ALLOWED)
        granting.grant(uow, member(lab), Technology.LASER)
    job = laser_job(lab)
    with pytest.raises(Refused) as refused:
        lab.intake.submit(lab.maker, job, Wishes())
    assert [r.code for r in refused.value.refusals] == ["machine.none_eligible", "material.unlisted"]
    lab.intake.submit(lab.maker, job, Wishes(material="PLY"))
    with lab.database.read() as uow:
        assert jobs.get(uow, job).state is JobState.QUEUED


# -- choices -----------------------------------------------------------------------------------------------------------


def test_each_choice_says_why_it_cannot_be_taken(lab: Lab) -> None:
    with lab.database.read(lab.maker) as uow:
        found = explain_choices(uow, asked(lab, "laser", "mk3"))
    assert {resource: [r.code for r in refusals] for resource, refusals in found.items()} == {
        lab.resources["laser"]: ["certification.missing"],
        lab.resources["mk3"]: [],
    }
