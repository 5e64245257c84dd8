"""The floor where machines are reserved: whose, why a job cannot start, what hands do first; page and API alike."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fablab.base.database import Actor
from fablab.claims import calendar, reservations
from fablab.claims.reservations import Order, ReservationState
from fablab.claims.reservations.reads import get
from fablab.claims.rules.models import Overrun, ReservationPolicy
from fablab.places import house
from fablab.runs import attempts
from scheduler import overruns
from scheduler.hands import start_now
from tests.lab import Lab, analysed, run_of, submitted
from tests.web.page_rig import Browser, browser
from tests.web.site import Site

HOUR = timedelta(hours=1)


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Iterator[Browser]:
    with browser(lab, tmp_path) as (seat, _links):
        yield seat


def reserved(lab: Lab, holder: Actor, hours_ahead: float, hours: float = 1) -> str:
    start_at = lab.clock.now() + hours_ahead * HOUR
    order = Order(resource_ids=(lab.resources["mk3"],), start_at=start_at, end_at=start_at + hours * HOUR)
    return lab.database.write(lambda uow: reservations.reserve(uow, order), holder).id


def cleared(lab: Lab) -> None:
    """Nothing lies on the first printer."""
    lab.database.write(lambda uow: attempts.clear_bed(uow, lab.resources["mk3"]), lab.staff)


def card(desk: Browser, lab: Lab) -> str:
    return desk.fragment(f"/machines/{lab.resources['mk3']}/card").text


def test_a_name_is_for_the_staff_and_for_nobody_else(desk: Browser, lab: Lab) -> None:
    reserved(lab, lab.actors["other"], 2)
    said = {}
    for who in ("other", "maker", "staff"):
        desk.sign_in(who)
        said[who] = card(desk, lab)
    assert "Reserved by you from" in said["other"]
    assert "Reserved by somebody from" in said["maker"]
    assert "Reserved by Other from" in said["staff"]
    assert "Other" not in said["maker"]


def test_the_api_says_of_a_machine_what_its_card_says(site: Site) -> None:
    lab = site.lab
    mine = reserved(lab, lab.actors["other"], 2)
    path = f"/api/machines/{lab.resources['mk3']}"
    job = submitted(lab, analysed(duration_s=2 * 3600))
    with lab.database.begin() as uow:  # as if the reservation had come after the plan
        row = calendar.claim(uow, job)
        calendar.release(uow, row, "replan")
        start = uow.now + HOUR / 2
        place = calendar.Place(
            resource_id=lab.resources["mk3"],
            start_at=start,
            run_start_at=start,
            run_end_at=start + HOUR,
            end_at=start + HOUR,
            need_id=row.needs[0].id,
        )
        calendar.hold(uow, row, [place])
    site.sign_in("other")
    own = site.client.get(path).json()
    site.sign_in("maker")
    others = site.client.get(path).json()
    assert (own["reserved"]["own"], own["reserved"]["reservation"]) == (True, mine)
    assert (others["reserved"]["own"], others["reserved"]["holder"]) == (False, None)
    assert (others["start"]["job"], others["start"]["against"]["code"]) == (job, "machine.reserved_from")
    assert own["start"]["job"] is None


def test_a_job_that_would_run_into_a_reservation_has_no_button_but_a_reason(desk: Browser, lab: Lab) -> None:
    job = submitted(lab, analysed(duration_s=3600))
    with lab.database.begin() as uow:
        calendar.release(uow, calendar.claim(uow, job), "replan")
    reserved(lab, lab.actors["other"], 1)
    with lab.database.begin() as uow:
        row = calendar.claim(uow, job)
        at = uow.now + HOUR * 3
        place = calendar.Place(
            resource_id=lab.resources["mk3"],
            start_at=at,
            run_start_at=at,
            run_end_at=at + HOUR,
            end_at=at + HOUR,
            need_id=row.needs[0].id,
        )
        calendar.hold(uow, row, [place])
    cleared(lab)
    desk.sign_in("staff")
    # What comes next is the reservation: the job behind it is nobody's next tap.
    assert 'class="tap"' not in card(desk, lab)
    answer = desk.post(f"/machines/{lab.resources['mk3']}/tap", htmx=True, job=job)
    assert answer.status_code == 422
    assert "It would run into" in answer.text


def test_a_holder_has_a_button_for_their_own_job_and_others_have_none(desk: Browser, lab: Lab) -> None:
    job = submitted(lab, analysed(duration_s=1800))
    with lab.database.begin() as uow:
        calendar.release(uow, calendar.claim(uow, job), "replan")
    reserved(lab, lab.maker, 0, 3)
    cleared(lab)
    desk.sign_in("other")
    assert 'class="tap"' not in card(desk, lab)
    desk.sign_in("maker")
    text = card(desk, lab)
    assert 'class="tap"' in text
    assert f'value="{job}"' in text
    assert desk.post(f"/machines/{lab.resources['mk3']}/tap", htmx=True, job=job).status_code == 200
    assert run_of(lab, job).operator_id == lab.maker.member_id


def test_what_is_worth_most_is_done_first(desk: Browser, lab: Lab) -> None:
    submitted(lab, analysed(duration_s=1800), name="gear.gcode")
    cleared(lab)
    desk.sign_in("staff")
    text = desk.get("/floor").text
    first = text[text.index('id="floor-first"') : text.index('class="filters"')]
    assert "What to do first" in first
    assert first.index("gear.gcode") < first.index("Look, and clear the bed")
    desk.sign_in("maker")
    assert "hidden" in desk.get("/floor").text.split('id="floor-first"')[1].split(">")[0]


def test_an_outage_says_until_when_and_a_wrong_day_is_told(desk: Browser, lab: Lab) -> None:
    mk3 = lab.resources["mk3"]
    desk.sign_in("staff")
    wrong = desk.post(f"/machines/{mk3}/out-of-service", htmx=True, reason="Nozzle", until="tomorrow")
    assert wrong.status_code == 400
    desk.post(f"/machines/{mk3}/out-of-service", htmx=True, reason="Nozzle", until="2026-11-25T12:00")
    with lab.database.read() as uow:
        assert house.is_out(house.machine(uow, mk3))
        (outage,) = calendar.outages(uow, mk3)
        assert outage.allocations[-1].end_at.isoformat() == "2026-11-25T11:00:00+00:00"


def test_a_reservation_that_the_lab_moved_is_declined_on_its_page(desk: Browser, lab: Lab) -> None:
    submitted(lab, analysed(duration_s=1800))
    with lab.database.begin(lab.staff) as uow:
        uow.session.add(
            ReservationPolicy(resource_id=lab.resources["mk3"], overrun=Overrun.SHIFT, set_at=uow.now)
        )
        run = start_now(uow, lab.resources["mk3"], None, bed_clear=True)
        run_id = run.id
    mine = reserved(lab, lab.actors["other"], 1)
    late = lab.clock.now() + 1.5 * HOUR
    lab.database.write(lambda uow: overruns.see_to(uow, {run_id: late}))
    desk.sign_in("other")
    assert "Decline the new time" in desk.get(f"/reservations/{mine}").text
    assert desk.post(f"/reservations/{mine}/decline-shift").status_code == 303
    with lab.database.read() as uow:
        assert get(uow, mine).state is ReservationState.CANCELLED
    assert "Decline the new time" not in desk.get(f"/reservations/{mine}").text
