"""The kiosk beside a machine and the code on it: who may do what there, and what passers-by see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from httpx import Response
from sqlalchemy import select

from fablab.base.database import Actor
from fablab.claims import calendar, reservations
from fablab.claims.reservations import Arrival, Order, ReservationState
from fablab.claims.reservations.reads import get
from fablab.notices import unseen
from fablab.people import badges, kiosks
from fablab.people.models import Member, MemberState
from fablab.runs import attempts
from tests.lab import Lab, analysed, run_of, submitted
from tests.stopped import stopped
from tests.web.page_rig import Browser, PageLink, browser

HOUR = timedelta(hours=1)
BADGE, PIN = "04:A2:19:7F", "402917"


@pytest.fixture
def links() -> dict[str, PageLink]:
    return {}


@pytest.fixture
def desk(lab: Lab, tmp_path: Path, links: dict[str, PageLink]) -> Iterator[Browser]:
    """In front of the first printer's tablet, which is let in."""
    with browser(lab, tmp_path) as (seat, wires):
        links.update(wires)
        made = lab.database.write(lambda uow: kiosks.make(uow, "By the door", mk3(lab)), lab.staff)
        seat.client.cookies.set("fablab_language", "en")
        seat.get(f"/kiosk/enrol/{made.link_token}")
        assert seat.post(f"/kiosk/enrol/{made.link_token}").headers["location"] == f"/kiosk/{mk3(lab)}"
        yield seat


def mk3(lab: Lab) -> int:
    return lab.resources["mk3"]


def page(desk: Browser, lab: Lab) -> str:
    answer = desk.get(f"/kiosk/{mk3(lab)}")
    assert answer.status_code == 200, answer.text
    return answer.text


def press(desk: Browser, lab: Lab, act: str, **form: str) -> Response:
    return desk.post(f"/kiosk/{mk3(lab)}/{act}", **form)


def badge_of(lab: Lab, who: Actor, number: str = BADGE) -> None:
    member_id = who.member_id
    assert member_id is not None
    lab.database.write(lambda uow: badges.set_badge(uow, member_id, number), lab.actors["admin"])


def pin_of(lab: Lab, who: Actor) -> None:
    member_id = who.member_id
    assert member_id is not None
    lab.database.write(lambda uow: badges.set_pin(uow, member_id, PIN), lab.actors["admin"])


def code_of(lab: Lab) -> str:
    with lab.database.read() as uow:
        return kiosks.code_of(uow, mk3(lab))


def reserved(lab: Lab, holder: Actor, *, hours: float = 3) -> str:
    now = lab.clock.now()
    order = Order(resource_ids=(mk3(lab),), start_at=now, end_at=now + hours * HOUR)
    return lab.database.write(lambda uow: reservations.reserve(uow, order), holder).id


def ready_job(lab: Lab) -> str:
    """The maker's job, with no place of its own, and a bed on which nothing lies."""
    job = submitted(lab, analysed(duration_s=1800), name="secret.gcode")
    with lab.database.begin() as uow:
        calendar.release(uow, calendar.claim(uow, job), "replan")
    return job


def cleared(lab: Lab) -> None:
    lab.database.write(lambda uow: attempts.clear_bed(uow, mk3(lab)), lab.staff)


# -- who is there ----------------------------------------------------------------------------------------------------


def test_passers_by_see_the_machine_and_nobodys_name(desk: Browser, lab: Lab) -> None:
    ready_job(lab)
    reserved(lab, lab.maker)
    text = page(desk, lab)
    assert "Reserved by somebody until" in text
    assert "kiosk-red" in text
    assert "Maker" not in text
    assert "secret" not in text


def test_a_badge_makes_its_holder_known_for_a_minute_and_no_longer(desk: Browser, lab: Lab) -> None:
    badge_of(lab, lab.maker)
    page(desk, lab)
    assert press(desk, lab, "scan", badge="04a2197f").status_code == 303
    assert "Hello Maker" in page(desk, lab)
    lab.clock.advance(seconds=61)
    assert "Hello" not in page(desk, lab)


def test_that_is_not_me_ends_it_at_once(desk: Browser, lab: Lab) -> None:
    badge_of(lab, lab.maker)
    page(desk, lab)
    press(desk, lab, "scan", badge=BADGE)
    press(desk, lab, "not-me")
    assert "Hello" not in page(desk, lab)


def test_a_badge_that_is_nobodys_is_said_and_nothing_else(desk: Browser, lab: Lab) -> None:
    page(desk, lab)
    answer = press(desk, lab, "scan", badge="12345678")
    assert answer.status_code == 403
    assert "Nobody is known by this badge." in answer.text


def test_a_pin_makes_known_by_member_number(desk: Browser, lab: Lab) -> None:
    pin_of(lab, lab.maker)
    page(desk, lab)
    assert press(desk, lab, "pin", who=str(lab.maker.member_id), pin=PIN).status_code == 303
    assert "Hello Maker" in page(desk, lab)


def test_wrong_pins_are_counted_and_then_the_right_one_waits_too(desk: Browser, lab: Lab) -> None:
    pin_of(lab, lab.maker)
    who = str(lab.maker.member_id)
    page(desk, lab)
    for _ in range(kiosks.TRIES_BY_PIN):
        assert press(desk, lab, "pin", who=who, pin="402918").status_code == 403
    assert press(desk, lab, "pin", who=who, pin=PIN).status_code == 429
    assert lab.maker.member_id is not None
    with lab.database.read() as uow:
        assert "security.wrong_pins" in [each.code for each in unseen(uow, lab.maker.member_id)]


def test_neither_number_nor_pin_is_kept_in_clear(lab: Lab) -> None:
    badge_of(lab, lab.maker)
    pin_of(lab, lab.maker)
    with lab.database.read() as uow:
        kept = uow.session.scalars(select(badges.Badge.number_hash)).one()
        hashed = uow.session.scalars(select(badges.Pin.pin_hash)).one()
    assert "04A2197F" not in kept.upper()
    assert PIN not in hashed
    assert hashed.startswith("$argon2id$")


@pytest.mark.parametrize("pin", ["111111", "123456", "987654", "121212", "234234"])
def test_a_pin_that_is_tried_first_is_refused(pin: str) -> None:
    assert badges.is_weak(pin)


def test_the_suspended_are_told_why_and_may_do_nothing(desk: Browser, lab: Lab) -> None:
    badge_of(lab, lab.maker)
    mine = reserved(lab, lab.maker)
    with lab.database.begin() as uow:
        uow.session.get_one(Member, lab.maker.member_id).state = MemberState.SUSPENDED
    page(desk, lab)
    press(desk, lab, "scan", badge=BADGE)
    assert 'data-code="membership.not_active"' in page(desk, lab)
    assert press(desk, lab, "here").status_code == 403
    with lab.database.read() as uow:
        assert get(uow, mine).state is ReservationState.CONFIRMED


# -- the tablet ------------------------------------------------------------------------------------------------------


def test_a_tablet_shows_its_own_machine_only(desk: Browser, lab: Lab) -> None:
    assert desk.get(f"/kiosk/{lab.resources['ender']}").status_code == 403


def test_its_link_is_good_once(desk: Browser, lab: Lab) -> None:
    made = lab.database.write(lambda uow: kiosks.make(uow, "Second", mk3(lab)), lab.staff)
    desk.get(f"/kiosk/enrol/{made.link_token}")
    desk.post(f"/kiosk/enrol/{made.link_token}")
    assert desk.get(f"/kiosk/enrol/{made.link_token}").status_code == 404


def test_whoever_is_shut_out_sees_nothing(desk: Browser, lab: Lab) -> None:
    with lab.database.read(lab.staff) as uow:
        (row,) = kiosks.every(uow)
    lab.database.write(lambda uow: kiosks.revoke(uow, row.id), lab.staff)
    assert desk.get(f"/kiosk/{mk3(lab)}").status_code == 403


def test_a_kiosk_opens_no_other_page(desk: Browser, lab: Lab) -> None:
    badge_of(lab, lab.staff)
    page(desk, lab)
    press(desk, lab, "scan", badge=BADGE)
    assert desk.get("/floor").headers["location"].startswith("/login")
    assert desk.get("/members").headers["location"].startswith("/login")


# -- the buttons -----------------------------------------------------------------------------------------------------


def test_i_am_here_and_done(desk: Browser, lab: Lab) -> None:
    badge_of(lab, lab.maker)
    mine = reserved(lab, lab.maker)
    page(desk, lab)
    press(desk, lab, "scan", badge=BADGE)
    assert "I am here" in page(desk, lab)
    assert press(desk, lab, "here").headers["location"].endswith("?told=here")
    with lab.database.read() as uow:
        assert get(uow, mine).checked_in_how is Arrival.KIOSK
    lab.clock.advance(seconds=30)
    assert press(desk, lab, "done").status_code == 303
    with lab.database.read() as uow:
        assert get(uow, mine).state is ReservationState.COMPLETED


def test_its_holder_starts_their_job_once_the_bed_is_said_to_be_clear(desk: Browser, lab: Lab) -> None:
    job = ready_job(lab)
    reserved(lab, lab.maker)
    cleared(lab)
    badge_of(lab, lab.maker)
    page(desk, lab)
    press(desk, lab, "scan", badge=BADGE)
    assert f'value="{job}"' in page(desk, lab)
    assert press(desk, lab, "start", job=job).status_code == 422
    assert press(desk, lab, "start", job=job, bed="1").status_code == 303
    assert run_of(lab, job).operator_id == lab.maker.member_id


def test_nobody_starts_or_ends_anything_without_being_known(desk: Browser, lab: Lab) -> None:
    job = ready_job(lab)
    page(desk, lab)
    said = {
        act: press(desk, lab, act, job=job, bed="1").status_code for act in ("start", "here", "done", "clear")
    }
    assert set(said.values()) == {403}


def test_a_maker_without_a_reservation_starts_nothing(desk: Browser, lab: Lab) -> None:
    job = ready_job(lab)
    cleared(lab)
    badge_of(lab, lab.maker)
    page(desk, lab)
    press(desk, lab, "scan", badge=BADGE)
    assert press(desk, lab, "start", job=job, bed="1").status_code == 403


def test_anybody_stops_the_machine_with_one_press(
    desk: Browser, lab: Lab, links: dict[str, PageLink]
) -> None:
    target = re.search(r'action="(/k/[^"]+/stop)"', page(desk, lab))
    assert target is not None
    answer = desk.client.post(target[1], headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert "Stop confirmed" in answer.text
    assert links["mk3"].sent == ["make_safe"]
    assert links["ender"].sent == []


def test_the_stop_needs_no_database(desk: Browser, lab: Lab, links: dict[str, PageLink]) -> None:
    page(desk, lab)
    code = code_of(lab)
    file = lab.database.url.database
    assert file is not None
    with stopped(Path(file)):
        assert desk.client.post(f"/k/{code}/stop", headers={"Accept": "text/html"}).status_code == 200
    assert links["mk3"].sent == ["make_safe"]


def test_a_stop_from_another_site_is_turned_away(desk: Browser, lab: Lab, links: dict[str, PageLink]) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert desk.client.post(f"/k/{code_of(lab)}/stop", headers=headers).status_code == 403
    assert links["mk3"].sent == []


def test_a_code_that_was_replaced_stops_nothing(desk: Browser, lab: Lab, links: dict[str, PageLink]) -> None:
    old = code_of(lab)
    desk.sign_in("staff")
    desk.get("/kiosks/labels")
    desk.post(f"/kiosks/labels/{mk3(lab)}/new")
    assert desk.client.post(f"/k/{old}/stop").status_code == 404
    assert links["mk3"].sent == []


def test_a_problem_is_told_to_those_who_work_the_machines(desk: Browser, lab: Lab) -> None:
    page(desk, lab)
    assert press(desk, lab, "problem", problem="").status_code == 422
    assert press(desk, lab, "problem", problem="It smells of burning").status_code == 303
    told = {}
    with lab.database.read() as uow:
        for who in ("staff", "maker"):
            member_id = lab.actors[who].member_id
            assert member_id is not None
            told[who] = [each.facts.get("words") for each in unseen(uow, member_id)]
    assert told == {"staff": ["It smells of burning"], "maker": []}


# -- a phone ---------------------------------------------------------------------------------------------------------


def test_a_phone_that_is_signed_in_is_known_and_checks_in_by_the_code(desk: Browser, lab: Lab) -> None:
    mine = reserved(lab, lab.maker)
    desk.sign_in("maker")
    text = desk.get(f"/k/{code_of(lab)}").text
    assert "Hello Maker" in text
    assert desk.post(f"/k/{code_of(lab)}/here").status_code == 303
    with lab.database.read() as uow:
        assert get(uow, mine).checked_in_how is Arrival.QR


def test_a_phone_that_is_not_signed_in_may_stop_and_report_and_is_led_to_the_door(
    desk: Browser, lab: Lab
) -> None:
    desk.client.cookies.clear()
    text = desk.get(f"/k/{code_of(lab)}", headers={"Accept-Language": "en"}).text
    assert "kiosk-red" in text
    assert "/login?next=/k/" in text
    assert 'name="pin"' not in text


# -- giving badges ---------------------------------------------------------------------------------------------------


def test_a_member_sets_a_pin_of_their_own_and_sees_that_it_is_set(desk: Browser, lab: Lab) -> None:
    desk.sign_in("maker")
    assert "None yet." in desk.get("/badge").text
    wrong = desk.post("/badge/pin", pin=PIN, again="000000")
    assert (wrong.status_code, "not the same" in wrong.text) == (422, True)
    assert desk.post("/badge/pin", pin=PIN, again=PIN).status_code == 303
    assert "Known since" in desk.get("/badge").text


def test_one_badge_is_one_members(desk: Browser, lab: Lab) -> None:
    badge_of(lab, lab.actors["other"])
    desk.sign_in("staff")
    path = f"/members/{lab.maker.member_id}/badge"
    desk.get(path)
    answer = desk.post(f"{path}/badge", badge=BADGE)
    assert (answer.status_code, "belongs to somebody else" in answer.text) == (422, True)


def test_staff_make_a_tablets_link_and_see_it_once(desk: Browser, lab: Lab) -> None:
    desk.sign_in("staff")
    desk.get("/kiosks")
    assert "/kiosk/enrol/" in desk.post("/kiosks", name="Laser room", machine=str(mk3(lab))).text
    again = desk.get("/kiosks").text
    assert "Laser room" in again
    assert "/kiosk/enrol/" not in again


def test_the_sheet_of_codes_has_a_picture_for_every_machine(desk: Browser, lab: Lab) -> None:
    desk.sign_in("staff")
    text = desk.get("/kiosks/labels").text
    assert text.count('class="label"') == 3
    assert "<svg" in text.split('class="label"')[1]
