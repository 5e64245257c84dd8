"""A claim explained as the calendar is now: true of what stands there, in the house's words, and nobody named to those
who may not know."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from fablab.base.ids import new_id
from fablab.claims import calendar
from fablab.claims.jobs.use import Wishes
from fablab.claims.models import AllocationState, Claim, ClaimKind, ClaimState
from fablab.places.models import Machine, Spool
from scheduler import planner
from scheduler.helps import LEAST_GAIN_MIN
from tests.lab import Lab, analysed, submitted

Said = dict[str, Any]


def explained(lab: Lab, job_id: str, **how: Any) -> list[Said]:
    with lab.database.read(lab.staff) as uow:
        return planner.explain(uow, calendar.claim(uow, job_id), **how)


def about(said: list[Said], what: str) -> dict[str, Said]:
    return {each["code"]: each["facts"] for each in said if each["about"] == what}


def ready_at(lab: Lab, job_id: str) -> datetime:
    with lab.database.read() as uow:
        found = calendar.claim(uow, job_id).ready_at
    assert found is not None
    return found


def test_all_four_questions_are_answered(lab: Lab) -> None:
    for _ in range(2):
        submitted(lab, analysed(duration_s=4 * 3600))
    last = submitted(lab, analysed(duration_s=4 * 3600))
    said = explained(lab, last)
    assert {each["about"] for each in said} == {"here", "not_earlier", "not_there", "would_help"}
    for facts in about(said, "would_help").values():
        assert datetime.fromisoformat(facts["ready_at"]) <= ready_at(lab, last) - timedelta(
            minutes=LEAST_GAIN_MIN
        )


def test_whose_job_is_in_the_way_is_said_to_those_alone_who_may_know(lab: Lab) -> None:
    for _ in range(2):
        submitted(lab, analysed(duration_s=4 * 3600), actor=lab.actors["other"], name="secret.gcode")
    mine = submitted(lab, analysed(duration_s=4 * 3600))
    assert "secret" not in str(explained(lab, mine))
    assert "secret" not in str(explained(lab, mine, knows=lambda member_id: member_id == lab.maker.member_id))
    busy = about(explained(lab, mine, knows=lambda _: True), "not_earlier")["machine_busy"]
    assert (busy["title"], busy["who"]) == ("secret.gcode", "Other")


def test_parts_that_would_be_ready_earlier_are_when_they_are_submitted(lab: Lab) -> None:
    """Nothing else changes in between: what the explanation says comes true."""
    whole = submitted(lab, analysed(duration_s=9 * 3600))
    parts = about(explained(lab, whole), "would_help")["in_parts"]
    lab.intake.cancel(lab.maker, whole)
    last = [submitted(lab, analysed(duration_s=9 * 3600 / parts["parts"])) for _ in range(parts["parts"])]
    promised = max(ready_at(lab, each) for each in last)
    assert abs(promised - datetime.fromisoformat(parts["ready_at"])) <= timedelta(minutes=5)


def test_families_are_called_by_material_and_colour_and_only_from_the_shelf(lab: Lab) -> None:
    """The spool change does not fit into what is left of the day; what is loaded needs none."""
    with lab.database.begin() as uow:
        for name in ("mk3", "ender"):
            row = uow.session.get(Machine, lab.resources[name])
            assert row is not None
            row.spool_id = lab.spools["PETG"]
    lab.clock.advance(timedelta(hours=6, minutes=43))
    job_id = submitted(lab, analysed(duration_s=600, material="PLA"), wishes=Wishes(colour="orange"))
    said = explained(lab, job_id)
    for facts in about(said, "would_help").values():
        if "colour" in facts:
            assert (facts["material"], facts["colour"]) == ("PETG", "orange")
    with lab.database.begin() as uow:
        spool = uow.session.get(Spool, lab.spools["PETG"])
        assert spool is not None
        spool.left_g = 1
    assert "another_material" not in about(explained(lab, job_id, weight_g=50), "would_help")


def test_a_job_without_a_place_is_told_what_would_work(lab: Lab) -> None:
    job_id = submitted(lab, analysed(duration_s=20 * 86400))
    said = explained(lab, job_id)
    assert {each["about"] for each in said} == {"unplaced", "nearest"}
    assert "shorter_run" in about(said, "nearest")
    with lab.database.read() as uow:
        assert calendar.claim(uow, job_id).state is ClaimState.OPEN


@pytest.mark.parametrize(
    ("bar", "is_suggested"), [("certification.missing", True), ("admission.too_high", False)]
)
def test_a_barred_machine_is_suggested_only_where_somebody_can_do_something(
    lab: Lab, bar: str, is_suggested: bool
) -> None:
    first = submitted(lab, analysed(duration_s=3 * 3600))
    mine = submitted(lab, analysed(duration_s=3 * 3600))
    with lab.database.begin() as uow:
        (place,) = calendar.current(calendar.claim(uow, first))
        claim = calendar.claim(uow, mine)
        (need,) = claim.needs
        other = next(i for i in need.eligible if i != place.resource_id)
        calendar.release(uow, claim, "replan")
        need.eligible, need.barred = [place.resource_id], {str(other): bar}
        planner.insert(uow, claim)
    said = explained(lab, mine)
    assert about(said, "not_there")["not_eligible"]["reason"] == bar
    found = about(said, "would_help").get("other_machine")
    assert (found is not None) is is_suggested
    if found:
        assert lab.resources[found["machine"]] == other


def test_a_machine_out_of_service_is_not_called_busy_and_would_help_if_it_were_back(lab: Lab) -> None:
    jobs = [submitted(lab, analysed(duration_s=3 * 3600)) for _ in range(3)]
    with lab.database.begin() as uow:
        claims = [calendar.claim(uow, job_id) for job_id in jobs]
        (place,) = calendar.current(claims[0])
        for claim in claims:
            calendar.release(uow, claim, "replan")
        outage = calendar.Place(
            resource_id=place.resource_id,
            start_at=uow.now,
            run_start_at=uow.now,
            run_end_at=uow.now + timedelta(days=5),
            end_at=uow.now + timedelta(days=5),
            need_id=None,
        )
        broken = Claim(
            id=new_id(uow.now),
            kind=ClaimKind.OUTAGE,
            state=ClaimState.OPEN,
            title="new nozzle",
            release_at=uow.now,
            estimate_s=60,
            made_at=uow.now,
            allocations=[],
            needs=[],
        )
        uow.session.add(broken)
        uow.session.flush()
        calendar.hold(uow, broken, [outage], AllocationState.FIRM)
        for claim in claims:
            planner.insert(uow, claim)
    said = explained(lab, jobs[-1], knows=lambda _: True)
    assert "until" in about(said, "not_there")["faulty"]
    back = about(said, "would_help")["repaired"]
    assert lab.resources[back["machine"]] == place.resource_id


def test_what_is_over_keeps_what_was_written_on_it(lab: Lab) -> None:
    job_id = submitted(lab, analysed(duration_s=3600))
    with lab.database.read() as uow:
        written = list(calendar.claim(uow, job_id).reasons)
    lab.intake.cancel(lab.maker, job_id)
    assert explained(lab, job_id) == written


def test_an_explanation_writes_nothing(lab: Lab) -> None:
    job_id = submitted(lab, analysed(duration_s=9 * 3600))
    with lab.database.read() as uow:
        before = uow.session.get(Claim, job_id)
        assert before is not None
        version, reasons = before.version, list(before.reasons)
    explained(lab, job_id, knows=lambda _: True)
    with lab.database.read() as uow:
        after = uow.session.get(Claim, job_id)
        assert after is not None
        assert (after.version, after.reasons) == (version, reasons)


def test_a_place_that_is_settled_is_not_said_to_be_left_for_a_better_one(lab: Lab) -> None:
    job_id = submitted(lab, analysed(duration_s=3600))
    with lab.database.begin() as uow:
        claim = calendar.claim(uow, job_id)
        (place,) = calendar.current(claim)
        later = timedelta(hours=3)
        moved = calendar.Place(
            resource_id=place.resource_id,
            start_at=place.start_at + later,
            run_start_at=place.run_start_at + later,
            run_end_at=place.run_end_at + later,
            end_at=place.end_at + later,
            need_id=place.need_id,
        )
        calendar.release(uow, claim, "replan")
        calendar.hold(uow, claim, [moved], AllocationState.FIRM)
    assert about(explained(lab, job_id), "here")["fits_now"]["kept"]
    with lab.database.begin() as uow:
        calendar.settle(uow, calendar.claim(uow, job_id), AllocationState.TENTATIVE)
    assert "kept" not in about(explained(lab, job_id), "here")["fits_now"]


def test_what_a_person_put_there_is_not_explained_by_the_plan(lab: Lab) -> None:
    job_id = submitted(lab, analysed(duration_s=3600))
    with lab.database.begin() as uow:
        calendar.claim(uow, job_id).kind = ClaimKind.RESERVATION
    with lab.database.read() as uow:
        claim = calendar.claim(uow, job_id)
        assert planner.explain(uow, claim) == claim.reasons
