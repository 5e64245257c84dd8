"""The agenda in a real browser: a guest registers by keyboard alone on a phone and gives the seat back by the link of the
letter; the staff's pages hold; nothing grave for axe."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from fablab.base.database import Actor
from fablab.claims.workshops import catalogue, public
from fablab.claims.workshops.public import DatePlan
from fablab.notices import Letter
from fablab.people.models import Member
from tests.browser.screen import Screen, screen
from tests.claims.agenda_rig import FILM
from tests.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def holds(who: Screen) -> None:
    assert who.overflow_px() == 0, who.page.url
    assert who.barriers() == [], who.page.url


def a_date(house: Served) -> str:
    with house.lab.database.begin() as uow:
        admin = uow.session.scalars(select(Member).where(Member.email == "admin@lab.example")).unique().one()
        manager = uow.acting(Actor(member_id=admin.id, name=admin.name, role=admin.role.value))
        workshop = catalogue.create(manager, FILM).id
        plan = DatePlan(workshop_id=workshop, start_at=uow.now + timedelta(days=9), least=2)
        return public.plan(manager, plan).id


def link(house: Served) -> str:
    with house.lab.database.read() as uow:
        query = select(Letter).where(Letter.address == "zoe@mail.example").order_by(Letter.id.desc())
        return str(uow.session.scalars(query).first().facts["secret_path"])  # type: ignore[union-attr]  # it was sent


def test_a_guest_comes_and_goes_by_keyboard_alone_and_axe_finds_nothing_grave(
    chrome: Browser, house: Served
) -> None:
    date = a_date(house)
    with screen(chrome, str(house.client.base_url), width_px=390, height_px=844, language="fr") as phone:
        page = phone.page
        page.goto("/house/agenda")
        holds(phone)
        page.focus(".date-in")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/house/agenda/{date}")
        holds(phone)
        page.focus("#join-name")
        page.keyboard.type("Zoé Martin")
        page.keyboard.press("Tab")
        page.keyboard.type("zoe@mail.example")
        page.keyboard.press("Tab")
        page.keyboard.press("Control+a")
        page.keyboard.type("2")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status").filter(has_text="Votre place est gardée.")).to_be_visible()
        holds(phone)
        page.goto(link(house))
        holds(phone)
        page.focus("text=Je ne peux pas venir")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Annuler").press("Enter")
        expect(page.get_by_role("status").filter(has_text="Votre inscription est annulée")).to_be_visible()
        holds(phone)
        assert phone.complaints == []
    with screen(chrome, str(house.client.base_url)) as staff:
        staff.sign_in("staff@lab.example")
        for path in ("/public-sessions", f"/public-sessions/{date}"):
            staff.page.goto(path)
            for summary in staff.page.locator("main details:not([open]) > summary").all():
                if summary.is_visible():
                    summary.click()
            holds(staff)
        assert staff.complaints == []
