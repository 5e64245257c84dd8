"""A teacher asks by keyboard alone; school and staff walk the thread to its yes on a phone, in French, without a barrier."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from fablab.claims import workshops
from fablab.claims.workshops import SessionState
from tests.browser.screen import Screen, screen
from tests.claims.workshops_rig import secret_in, stock
from tests.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PARIS = ZoneInfo("Europe/Paris")
MOST_TABS = 90
#: What is answered where, by the name of a field: a choice by the keys that lead to it, all else as it is typed.
ANSWERS = {
    "level": "Coll",
    "people": "24",
    "adults": "2",
    "school": "Collège Jean-Moulin",
    "place": "62400 Béthune",
    "contact": "Claire Petit",
    "email": "claire.petit@ac-lille.example",
    "accessibility": "Un élève en fauteuil.",
}


@contextmanager
def seated(chrome: Browser, house: Served, **options: Any) -> Iterator[Screen]:
    with screen(chrome, str(house.client.base_url), language="fr", **options) as found:
        yield found
        assert found.complaints == []


def fine(found: Screen) -> None:
    assert (found.overflow_px(), found.barriers()) == (0, [])


def focused(page: Page) -> dict[str, str]:
    found: dict[str, str] = page.evaluate(
        "() => { const e = document.activeElement;"
        " return { tag: e.tagName, name: e.name ?? '', type: e.type ?? '', text: e.innerText ?? '' } }"
    )
    return found


def by_keys(page: Page, day: str) -> int:
    """Fills the form from its top and sends it, by Tab, letters, arrows, Space and Enter; how often a key was pressed
    to move on. `day`: month first, as the date field of a Chromium without languages of its own takes it."""
    for tabs in range(1, MOST_TABS):
        page.keyboard.press("Tab")
        at = focused(page)
        if at["name"] == "workshop":
            page.keyboard.press("Space")
        elif at["name"] == "day1" and day:
            page.keyboard.type(day)
            day = ""
        elif at["name"] in ANSWERS:
            page.keyboard.type(ANSWERS[at["name"]])
        elif at["tag"] == "BUTTON" and "Envoyer la demande" in at["text"]:
            page.keyboard.press("Enter")
            return tabs
    raise AssertionError("the form has no end that the keyboard reaches")


def test_a_teacher_asks_by_keyboard_and_the_thread_goes_to_its_yes_on_a_phone(
    chrome: Browser, house: Served, tmp_path: Path
) -> None:
    lab = house.lab
    stock(lab)
    soon = lab.clock.now().astimezone(PARIS).date() + timedelta(days=30)
    wished = soon + timedelta(days=(1 - soon.weekday()) % 7)  # a Tuesday: the house is open
    with seated(chrome, house, width_px=390, height_px=844) as found:
        page = found.page
        page.goto("/house/request")
        fine(found)
        page.locator("#main h1").click()  # where a reader begins
        assert by_keys(page, f"{wished:%m%d%Y}") <= 40
        page.wait_for_url("**/house/request/sent")
        fine(found)
        page.goto(f"/thread/{secret_in(lab, 'session.confirm')}")
        fine(found)
        page.get_by_role("button", name="Oui, cherchez des dates").click()
        expect(page.get_by_role("heading", name="Mon badge en 3D")).to_be_visible()
        fine(found)
        thread = page.url

        with seated(chrome, house) as desk:
            desk.sign_in("staff@lab.example")
            desk.page.goto("/requests")
            fine(desk)
            desk.page.get_by_role("link", name="Collège Jean-Moulin").click()
            desk.page.get_by_role("button", name="Chercher des dates").click()
            fine(desk)
            desk.page.get_by_role("button", name="Proposer, et garder la première").click()
            expect(desk.page.get_by_text("Date gardée").first).to_be_visible()
            fine(desk)

        page.goto(thread)
        expect(page.get_by_text("Date gardée pour vous jusqu’à")).to_be_visible()
        fine(found)
        with page.expect_download() as quote:
            page.get_by_role("link", name="Devis").click()
        quote.value.save_as(tmp_path / "devis.pdf")
        assert (tmp_path / "devis.pdf").read_bytes().startswith(b"%PDF-")
        page.get_by_text("Avec un numéro de bon de commande").click()
        page.get_by_label("Numéro de bon de commande", exact=True).fill("BC-2027-12")
        page.get_by_role("button", name="Oui, nous venons").click()
        expect(page.get_by_text("Votre visite est confirmée")).to_be_visible()
        fine(found)
    with lab.database.read(lab.staff) as uow:
        (row,) = workshops.requests(uow)
        assert (row.state, row.order_number) == (SessionState.CONFIRMED, "BC-2027-12")
