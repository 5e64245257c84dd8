"""Reserving as people do it: four screens by mouse and by keys alone, wide and narrow; and a hand on the calendar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from fablab.claims.reservations import use as reservations
from fablab.claims.reservations.models import Reservation
from fablab.claims.reservations.use import Order
from tests.browser.screen import PATIENCE_MS, Screen, screen
from tests.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PARIS = ZoneInfo("Europe/Paris")
TUESDAY, SATURDAY = 1, 5
WIDTHS = (1280, 390)
MOST_TABS = 60


def days(now: datetime) -> Iterator[datetime]:
    """Midnight of each of the next days on which the lab is open, from next week on."""
    day = now.astimezone(PARIS).date() + timedelta(days=8)
    while True:
        if TUESDAY <= day.weekday() <= SATURDAY:
            yield datetime.combine(day, time(), PARIS)
        day += timedelta(days=1)


@pytest.fixture(scope="module")
def free_days(house: Served) -> Iterator[datetime]:
    return days(house.lab.clock.now())


@pytest.fixture
def day(free_days: Iterator[datetime]) -> datetime:
    return next(free_days)


@contextmanager
def seated(chrome: Browser, house: Served, who: str = "maker", **options: Any) -> Iterator[Screen]:
    with screen(chrome, str(house.client.base_url), **options) as found:
        found.sign_in(f"{who}@lab.example")
        yield found
        assert found.complaints == []


def fine(found: Screen) -> None:
    """No barrier, and nothing sticks out at the side."""
    assert (found.overflow_px(), found.barriers()) == (0, [])


def held(house: Served, page: Page) -> Reservation:
    reservation_id = page.url.rpartition("/")[2].partition("?")[0]
    with house.lab.database.read() as uow:
        return uow.session.get_one(Reservation, reservation_id)


def reserve(house: Served, day: datetime, hour: int = 11, who: str = "maker") -> str:
    start = day + timedelta(hours=hour)
    order = Order(
        resource_ids=(house.lab.resources["room"],), start_at=start, end_at=start + timedelta(hours=2)
    )
    return house.lab.database.write(lambda uow: reservations.reserve(uow, order), house.lab.actors[who]).id


def span(house: Served, reservation_id: str) -> tuple[datetime, datetime]:
    with house.lab.database.read() as uow:
        row = uow.session.get_one(Reservation, reservation_id)
        return row.start_at.astimezone(PARIS), row.end_at.astimezone(PARIS)


@pytest.mark.parametrize("width_px", WIDTHS)
def test_a_printer_is_reserved_in_four_screens_by_mouse(
    chrome: Browser, house: Served, day: datetime, width_px: int
) -> None:
    with seated(chrome, house, width_px=width_px, height_px=844) as found:
        page = found.page
        page.goto("/reserve")
        fine(found)
        for choice in ("^3D printing", "^2 h", "^One day"):
            page.get_by_role("radio", name=re.compile(choice)).click()
        page.get_by_label("Which day").fill(day.date().isoformat())
        page.get_by_role("button", name="See the best times").click()
        page.wait_for_url("**/reserve/options?*")
        expect(page.locator(".best.is-first")).to_be_visible()
        fine(found)
        page.get_by_role("link", name=re.compile("^ender, 15:30 to 17:30, free")).last.click()
        page.wait_for_url("**/reserve/confirm?*")
        expect(page.locator(".confirm-when")).to_contain_text("15:30–17:30")
        expect(page.locator("#check")).to_contain_text("Nobody else is moved.")
        fine(found)
        page.locator("#reserve-now").click()
        page.wait_for_url("**/reservations/*")
        expect(page.locator(".yours")).to_contain_text("Reserved")
        expect(page.locator("main")).to_contain_text("Come, and say that you are there")
        fine(found)
        row = held(house, page)
        assert row.start_at == day + timedelta(hours=15, minutes=30)
        assert row.resource_ids == [house.lab.resources["ender"]]


def tab_to(page: Page, target: Locator) -> None:
    """By the Tab key alone, as somebody without a mouse gets there."""
    for _ in range(MOST_TABS):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("it cannot be reached by Tab")


@pytest.mark.parametrize("width_px", WIDTHS)
def test_a_room_is_reserved_by_keys_alone(
    chrome: Browser, house: Served, day: datetime, width_px: int
) -> None:
    with seated(chrome, house, width_px=width_px, height_px=844, language="fr") as found:
        page = found.page
        page.goto("/reserve")
        tab_to(page, page.locator('input[name=what][value="fdm"]'))
        page.keyboard.press("Space")
        for _ in range(
            3
        ):  # its two machines, then the laser that this maker may not use, which is passed over
            page.keyboard.press("ArrowDown")
        expect(page.locator('input[name=what][value="room"]')).to_be_checked()
        tab_to(page, page.locator('input[name=length][value="60"]'))
        page.keyboard.press("ArrowRight")
        tab_to(page, page.locator('input[name=when][value="soon"]'))
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        tab_to(page, page.locator("#day"))
        page.keyboard.type(day.strftime("%m%d%Y"))
        tab_to(page, page.locator(".ask-go button"))
        page.keyboard.press("Enter")
        page.wait_for_url("**/reserve/options?*")
        expect(page.locator(".best.is-first")).to_be_visible()
        tab_to(page, page.locator("#pick-grid a").first)
        for _ in range(3):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url("**/reserve/confirm?*")
        expect(page.locator(".confirm-when")).to_contain_text("10:30–12:30")
        tab_to(page, page.locator("#note"))
        page.keyboard.type("Club")
        tab_to(page, page.locator("#reserve-now"))
        page.keyboard.press("Enter")
        page.wait_for_url("**/reservations/*")
        expect(page.locator(".yours")).to_contain_text("Réservé")
        row = held(house, page)
        assert (row.start_at, row.note) == (day + timedelta(hours=10, minutes=30), "Club")


def test_a_reservation_is_dragged_made_longer_and_brought_back(
    chrome: Browser, house: Served, day: datetime
) -> None:
    stay = reserve(house, day)
    with seated(chrome, house, height_px=900) as found:
        page = found.page
        page.goto(f"/calendar?day={day.date().isoformat()}")
        found.is_live()
        mine = page.locator(f'[data-stay="{stay}"]')
        box = middle(mine)
        hour = (page.locator(".track[data-resource]").first.bounding_box() or {})["width"] / 24
        drag(page, box[0], box[1], hour)
        expect(page.locator("#hand-chip")).to_contain_text("Nobody else is moved.", timeout=PATIENCE_MS)
        page.mouse.up()
        expect(page.locator("#forecast")).to_contain_text("12:00–14:00", timeout=PATIENCE_MS)
        assert found.barriers() == []
        page.locator("#hand-yes").click()
        expect(page.locator("#panel")).not_to_be_visible(timeout=PATIENCE_MS)
        eventually(lambda: span(house, stay)[0] == day + timedelta(hours=12), page)
        moved = (day + timedelta(hours=12)).astimezone(UTC).strftime("^%Y-%m-%dT%H:%M")
        expect(mine).to_have_attribute("data-start", re.compile(moved), timeout=PATIENCE_MS)
        right = mine.bounding_box() or {}
        drag(page, right["x"] + right["width"] - 3, right["y"] + 20, hour / 2)
        page.mouse.up()
        expect(page.locator("#forecast")).to_contain_text("12:00–14:30", timeout=PATIENCE_MS)
        page.keyboard.press("Escape")
        page.locator("#toasts").get_by_role("button", name="Undo").click()
        eventually(lambda: span(house, stay)[0] == day + timedelta(hours=11), page)


def middle(block: Locator) -> tuple[float, float]:
    block.scroll_into_view_if_needed()
    box = block.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, x: float, y: float, by: float) -> None:
    """Taken up, and held there until the rows have been shown."""
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by / 3, y, steps=3)
    expect(page.locator(".reach.is-free").first).to_be_attached(timeout=PATIENCE_MS)
    page.mouse.move(x + by, y, steps=4)


def eventually(holds: Any, page: Page) -> None:
    for _ in range(PATIENCE_MS // 50):
        if holds():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not become so")


def test_a_reservation_is_moved_and_made_longer_by_keys(
    chrome: Browser, house: Served, day: datetime
) -> None:
    stay = reserve(house, day)
    with seated(chrome, house) as found:
        page = found.page
        page.goto(f"/calendar?day={day.date().isoformat()}")
        found.is_live()
        page.locator(f'[data-stay="{stay}"]').focus()
        page.keyboard.press("m")
        expect(page.locator("#hand-said")).to_contain_text("Moving it", timeout=PATIENCE_MS)
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("e")
        page.keyboard.press("ArrowRight")
        expect(page.locator("#hand-said")).to_contain_text("Nobody else is moved.", timeout=PATIENCE_MS)
        page.keyboard.press("Enter")
        expect(page.locator("#hand-yes")).to_be_focused(timeout=PATIENCE_MS)
        page.keyboard.press("Enter")
        wanted = day + timedelta(hours=12), day + timedelta(hours=14, minutes=5)
        eventually(lambda: span(house, stay) == wanted, page)


def test_a_new_one_is_drawn_on_an_empty_stretch(chrome: Browser, house: Served, day: datetime) -> None:
    with seated(chrome, house, height_px=900) as found:
        page = found.page
        page.goto(f"/calendar?day={day.date().isoformat()}")
        found.is_live()
        track = page.locator(f'.track[data-resource="{house.lab.resources["room"]}"]')
        track.scroll_into_view_if_needed()
        box = track.bounding_box() or {}
        hour = box["width"] / 24
        drag(page, box["x"] + hour * 14 + 2, box["y"] + 20, hour)
        page.mouse.up()
        page.wait_for_url("**/reserve/confirm?*")
        expect(page.locator(".confirm-when")).to_contain_text("14:00–15:0")


def test_the_other_pages_of_reserving_stand_in_nobodys_way(
    chrome: Browser, house: Served, day: datetime
) -> None:
    """Narrow, where there is least room; the screens of reserving themselves are looked at in both widths above."""
    stay = reserve(house, day)
    resource = house.lab.resources["room"]
    paths = (
        "/reservations",
        f"/reservations/{stay}",
        "/reservations/desk",
        "/reserve?who=other",
        f"/calendar?view=week&resource={resource}&day={day.date().isoformat()}",
    )
    with seated(chrome, house, "staff", width_px=390, height_px=844) as found:
        for path in paths:
            found.page.goto(path)
            for fold in found.page.locator("details.fold").all():
                fold.evaluate("element => { element.open = true; }")
            fine(found)
