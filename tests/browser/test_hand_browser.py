"""A planned job in hand on the real calendar: dragged, moved by keys, and on a phone by a form; the cost comes first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Locator, expect

from fablab.claims import calendar
from scheduler.planner.hand import carry_out, forecast
from scheduler.planner.wishes import Move
from tests.browser.screen import Screen, screen
from tests.lab import Lab, analysed, submitted
from tests.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PARIS = ZoneInfo("Europe/Paris")
TUESDAY, SATURDAY = 1, 5


def days(lab: Lab) -> Iterator[datetime]:
    """Midnight of each of the next days on which somebody is there; today, and whatever lies on tomorrow, are left."""
    day = lab.clock.now().astimezone(PARIS).date() + timedelta(days=4)
    while True:
        if TUESDAY <= day.weekday() <= SATURDAY:
            yield datetime.combine(day, time(), PARIS)
        day += timedelta(days=1)


def put(lab: Lab, job: str, machine: str, at: datetime) -> None:
    """Where the plan has it, and may move it from."""
    wish = Move(resource_id=lab.resources[machine], run_start_at=at, firm=False)
    with lab.database.read(lab.staff) as uow:
        version = forecast(uow, job, wish).version
    lab.database.write(lambda uow: carry_out(uow, job, wish, version=version), lab.staff)


@pytest.fixture(scope="module")
def free_days(house: Served) -> Iterator[datetime]:
    return days(house.lab)


@pytest.fixture
def planned(house: Served, free_days: Iterator[datetime]) -> tuple[str, str, datetime]:
    """Ada's job at eleven and Ben's at two, both on the ender; and the day, which is this test's own."""
    lab, day = house.lab, next(free_days)
    ben = submitted(lab, analysed(duration_s=3600), actor=lab.actors["other"], name="ben.gcode")
    ada = submitted(lab, analysed(duration_s=3600), name="ada.gcode")
    put(lab, ada, "ender", day + timedelta(hours=11))
    put(lab, ben, "ender", day + timedelta(hours=14))
    return ada, ben, day


@contextmanager
def at_the_calendar(
    chrome: Browser, house: Served, day: datetime, who: str = "staff", **options: Any
) -> Iterator[Screen]:
    with screen(chrome, str(house.client.base_url), **options) as found:
        found.sign_in(f"{who}@lab.example")
        found.page.goto(f"/calendar?day={day.date().isoformat()}")
        found.is_live()
        yield found
        assert found.complaints == []


def block(found: Screen, title: str) -> Locator:
    return found.page.locator("a.alloc", has_text=title)


def starts(house: Served, job: str) -> datetime:
    with house.lab.database.read() as uow:
        (place,) = calendar.current(calendar.claim(uow, job))
        return place.run_start_at.astimezone(PARIS)


def is_at(locator: Locator, at: datetime) -> None:
    """Run start, as the block says it to the script."""
    utc = at.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M")
    expect(locator).to_have_attribute("data-run", re.compile(f"^{utc}"))


def test_a_job_is_dragged_onto_another_and_brought_back(
    chrome: Browser, house: Served, planned: tuple[str, str, datetime]
) -> None:
    _, ben, day = planned
    with at_the_calendar(chrome, house, day) as found:
        page = found.page
        mine = block(found, "ben.gcode")
        mine.scroll_into_view_if_needed()
        box, track = mine.bounding_box(), page.locator(f'[data-resource="{house.lab.resources["ender"]}"]')
        wide = track.bounding_box()
        assert box is not None
        assert wide is not None
        x, y = box["x"] + 15, box["y"] + box["height"] / 2
        three_hours = wide["width"] / 8
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 20, y, steps=4)
        expect(page.locator(".reach.is-free").first).to_be_attached()
        expect(page.locator(".reach.is-moves").first).to_be_attached()
        expect(page.locator(".track.is-other").first).to_be_attached()  # neither laser nor room
        page.mouse.move(x - three_hours, y, steps=8)
        expect(page.locator("#hand-chip")).to_contain_text("ada.gcode")
        expect(page.locator("#hand-chip")).to_contain_text("Moves 1 other job")
        assert found.barriers() == []
        page.mouse.up()
        panel = page.locator("#panel")
        expect(panel).to_contain_text("ada.gcode")
        expect(panel).to_contain_text("start")
        assert starts(house, ben) == day + timedelta(hours=14)  # nothing is done yet
        assert found.barriers() == []
        panel.get_by_label("Why?").fill("a school comes by")
        panel.get_by_role("button", name="Do it").click()
        expect(panel).not_to_be_visible()
        is_at(block(found, "ben.gcode"), day + timedelta(hours=11))
        expect(block(found, "ben.gcode")).to_have_class(re.compile("is-firm"))
        page.locator("#toasts").get_by_role("button", name="Undo").click()
        is_at(block(found, "ben.gcode"), day + timedelta(hours=14))
        expect(block(found, "ben.gcode")).to_have_class(re.compile("is-tentative"))


def test_a_job_is_moved_by_keys_alone(
    chrome: Browser, house: Served, planned: tuple[str, str, datetime]
) -> None:
    _, ben, day = planned
    with at_the_calendar(chrome, house, day) as found:
        page = found.page
        said = page.locator("#hand-said")
        block(found, "ben.gcode").focus()
        page.keyboard.press("m")
        expect(said).to_contain_text("Escape leaves it")
        assert found.barriers() == []
        for _ in range(3):
            page.keyboard.press("Shift+ArrowLeft")
        expect(said).to_contain_text("ada.gcode")
        page.keyboard.press("Escape")
        expect(said).to_contain_text("Left where it was")
        expect(page.locator(".reach")).to_have_count(0)
        page.keyboard.press("m")
        expect(said).to_contain_text("Escape leaves it")
        for _ in range(2):
            page.keyboard.press("ArrowRight")
        expect(said).to_contain_text("free")
        page.keyboard.press("Enter")
        expect(page.locator("#panel")).to_contain_text("Nobody else is moved")
        expect(page.locator("#hand-yes")).to_be_focused()
        page.keyboard.press("Enter")
        is_at(block(found, "ben.gcode"), day + timedelta(hours=14, minutes=10))
        assert starts(house, ben) == day + timedelta(hours=14, minutes=10)


def test_on_a_phone_a_form_does_what_the_hand_does_elsewhere(
    chrome: Browser, house: Served, planned: tuple[str, str, datetime]
) -> None:
    _, ben, day = planned
    with at_the_calendar(chrome, house, day, width_px=390, height_px=844) as found:
        page, panel = found.page, found.page.locator("#panel")
        block(found, "ben.gcode").click()
        expect(panel).to_contain_text("Ready between")
        panel.get_by_text("Move it").click()
        panel.get_by_label("Start of the run").fill((day + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M"))
        panel.get_by_role("button", name="What would it cost?").click()
        expect(panel.locator("#forecast")).to_contain_text("Nobody is there to prepare ender")
        assert (found.overflow_px(), found.barriers()) == (0, [])
        panel.get_by_label("Start of the run").fill((day + timedelta(hours=11)).strftime("%Y-%m-%dT%H:%M"))
        panel.get_by_role("button", name="What would it cost?").click()
        expect(panel.locator("#forecast")).to_contain_text("Moves 1 other job")
        assert (found.overflow_px(), found.barriers()) == (0, [])
        panel.get_by_role("button", name="Do it").click()
        expect(panel).not_to_be_visible()
        assert starts(house, ben) == day + timedelta(hours=11)
        assert page.locator("#toasts").get_by_role("button", name="Undo").is_visible()


def test_a_job_is_made_firm_kept_off_a_machine_and_made_urgent(
    chrome: Browser, house: Served, planned: tuple[str, str, datetime]
) -> None:
    _, ben, day = planned
    with at_the_calendar(chrome, house, day) as found:
        page, panel = found.page, found.page.locator("#panel")
        block(found, "ben.gcode").click()
        panel.get_by_role("button", name="Make it firm").click()
        panel.get_by_role("button", name="Do it").click()
        expect(block(found, "ben.gcode")).to_have_class(re.compile("is-firm"))
        block(found, "ada.gcode").click()
        panel.get_by_text("How urgent it is").click()
        panel.get_by_label("Urgent").check()
        panel.get_by_text("How urgent it is").locator("xpath=ancestor::details").get_by_role(
            "button", name="What would it cost?"
        ).click()
        panel.get_by_role("button", name="Do it").click()
        expect(panel).not_to_be_visible()
        block(found, "ben.gcode").click()
        panel.get_by_text("Not on this machine").click()
        panel.get_by_text("Not on this machine").locator("xpath=ancestor::details").get_by_role(
            "button", name="What would it cost?"
        ).click()
        expect(panel.locator("#forecast")).to_contain_text("Keep it off ender?")
        assert found.barriers() == []
        panel.get_by_role("button", name="Do it").click()
        expect(panel).not_to_be_visible()
        with house.lab.database.read() as uow:
            assert calendar.claim(uow, ben).needs[0].eligible == [house.lab.resources["mk3"]]
        page.goto(f"/jobs/{ben}")
        expect(page.locator(".history")).to_contain_text("Kept off ender.")


def test_a_maker_sees_why_and_has_nothing_to_take_in_hand(
    chrome: Browser, house: Served, planned: tuple[str, str, datetime]
) -> None:
    _, _, day = planned
    with at_the_calendar(chrome, house, day, who="maker") as found:
        block(found, "ada.gcode").click()
        expect(found.page.locator("#panel")).to_contain_text("Ready between")
        expect(found.page.locator(".in-hand, [data-claim], #hand-form")).to_have_count(0)


def test_who_would_have_to_move_is_said_before_a_machine_goes_out_of_service(
    chrome: Browser, house: Served, planned: tuple[str, str, datetime]
) -> None:
    with screen(chrome, str(house.client.base_url)) as found:
        found.sign_in("staff@lab.example")
        found.page.goto("/floor")
        found.is_live()
        card = found.page.locator(f"#machine-{house.lab.resources['ender']}")
        card.locator("details.menu summary").click()
        expect(card.locator(".foreseen")).to_contain_text(re.compile(r"Moves \d+ other jobs"))
        expect(card.locator(".foreseen")).to_contain_text("ada.gcode")
        assert found.barriers() == []
        assert found.complaints == []
