"""Notices, choices, feeds, the outbox and webhooks in a real browser: by keyboard, on a phone, without a barrier."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.screen import Screen, screen
from tests.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def holds(who: Screen) -> None:
    assert who.overflow_px() == 0, who.page.url
    assert who.barriers() == [], who.page.url


def test_feeds_webhooks_and_the_outbox_fit_a_phone_and_axe_finds_nothing_grave(
    chrome: Browser, house: Served
) -> None:
    with screen(chrome, str(house.client.base_url), width_px=390, height_px=844, language="fr") as phone:
        phone.sign_in("admin@lab.example")
        for path in ("/notices", "/outbox"):
            phone.page.goto(path)
            holds(phone)
        phone.page.goto("/feeds")
        phone.page.fill("#name", "Téléphone")
        phone.page.press("#name", "Enter")
        expect(phone.page.locator("#address")).to_have_value(re.compile(r"/ical/[\w-]{43}\.ics$"))
        holds(phone)
        phone.page.goto("/hooks")
        holds(phone)
        phone.page.fill("#hook-name", "Maison")
        phone.page.fill("#hook-url", "https://hooks.example.org/" + "long" * 30)
        phone.page.check("[name=topic-run]")
        phone.page.press("#hook-name", "Enter")
        expect(phone.page.locator("#secret")).to_be_visible()
        holds(phone)
        assert phone.complaints == []


def test_choices_are_made_by_keyboard_alone(chrome: Browser, house: Served) -> None:
    # Chromium writes the time as its own computer does, in twelve hours.
    with screen(chrome, str(house.client.base_url)) as maker:
        maker.sign_in("maker@lab.example")
        maker.page.goto("/notices")
        maker.page.focus("#c-jobs")
        maker.page.keyboard.type("One letter")
        maker.page.focus("#q-from")
        maker.page.keyboard.type("1000PM")
        maker.page.focus("#q-until")
        maker.page.keyboard.type("0730AM")
        maker.page.keyboard.press("Enter")
        maker.page.wait_for_url("**/notices?saved=1*")
        expect(maker.page.locator("#c-jobs")).to_have_value("daily")
        expect(maker.page.locator("#q-from")).to_have_value("22:00")
        expect(maker.page.locator("#q-until")).to_have_value("07:30")
        assert maker.complaints == []
