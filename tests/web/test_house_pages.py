"""Desks, rooms and partners as people meet them: a tap, a public form and its letter, a part of the house and its file."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from fablab.claims import desks
from fablab.claims.desks import DeskWish, Part
from fablab.claims.hires import Hire, HireState
from fablab.notices.models import Letter
from fablab.people.models import Member
from fablab.places.models import Resource
from tests.lab import TUESDAY, Lab, counted
from tests.parted import Parted, parted
from tests.web.page_rig import Browser, browser
from web.cli import cli

FORM = {
    "day": "2026-11-26",
    "start": "14:00",
    "end": "16:00",
    "people": "40",
    "audience": "association",
    "name": "Ada",
    "email": "ada@town.example",
    "purpose": "A talk",
}


@pytest.fixture
def house(lab: Lab) -> Parted:
    made = parted(lab)
    with lab.database.begin() as uow:
        known = uow.session.get_one(Member, lab.staff.member_id).password_hash
        for actor in (made.of_a, made.of_b):
            uow.session.get_one(Member, actor.member_id).password_hash = known
    return made


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Iterator[Browser]:
    with browser(lab, tmp_path, dispatch=False) as (seat, _links):
        yield seat


def test_a_desk_for_tomorrow_morning_is_one_tap_on_its_page_and_is_given_up_by_another(
    desk: Browser, house: Parted
) -> None:
    desk.sign_in("maker")
    page = desk.get("/desks").text
    part = re.search(r'value="(2026-11-25)"><input[^>]*value="am"><input[^>]*name="mark" value="(\w+)"', page)
    assert part is not None
    for _ in range(2):  # a thumb that taps twice
        desk.post("/desks", day=part[1], part="am", mark=part[2])
    assert counted(house.lab, "SELECT count(*) FROM reservations") == 1
    mine = re.search(r'name="reservation" value="(\w+)"', desk.get("/desks").text)
    assert mine is not None
    desk.post("/desks/give-up", reservation=mine[1])
    assert counted(house.lab, "SELECT count(*) FROM allocations") == 0


def test_the_short_way_over_the_page_of_reservations_takes_one_desk_however_often_it_is_tapped(
    desk: Browser, house: Parted
) -> None:
    desk.sign_in("maker")
    assert 'action="/desks/tomorrow"' in desk.get("/reserve").text
    for _ in range(2):
        assert desk.post("/desks/tomorrow", part="am").status_code in (200, 303)
    assert counted(house.lab, "SELECT count(*) FROM reservations") == 1


def test_a_room_is_asked_for_without_an_account_confirmed_by_letter_and_agreed_to_by_its_partner(
    desk: Browser, house: Parted
) -> None:
    lab, path = house.lab, f"/house/rooms/{house.things['hall']}"
    assert "Auditorium" in desk.get("/house/rooms").text
    looked = desk.post(path, **FORM, kits=str(house.things["projector"]), look="1").text
    assert re.search(r"90,00\s€", looked)
    assert counted(lab, "SELECT count(*) FROM hires") == 0
    assert "ada@town.example" in desk.post(path, **FORM, kits=str(house.things["projector"])).text
    with lab.database.read() as uow:
        letter = uow.session.scalars(select(Letter).where(Letter.code == "hire.confirm")).one()
        link = str(letter.facts["secret_path"])
    answer = desk.get(link)
    assert answer.headers["cache-control"] == "no-store"
    desk.post("/hire", key=link.partition("key=")[2], answer="confirm")
    with lab.database.read() as uow:
        hire = uow.session.scalars(select(Hire)).one()
        assert hire.state is HireState.REQUESTED
    desk.sign_in("a")
    assert "A talk" not in desk.get("/hires").text
    assert desk.post(f"/hires/{hire.id}/approve").status_code == 404
    desk.sign_in("b")
    assert "A talk" in desk.get("/hires").text
    desk.post(f"/hires/{hire.id}/approve")
    assert "Agreed" in desk.get(link).text


def test_what_is_wrong_with_a_request_is_said_at_its_field_with_what_was_typed(
    desk: Browser, house: Parted
) -> None:
    path = f"/house/rooms/{house.things['hall']}"
    desk.get(path)
    answer = desk.post(path, **{**FORM, "people": "500"})
    assert answer.status_code == 422
    assert 'id="ask-people-e"' in answer.text
    assert "A talk" in answer.text


def test_a_wall_says_what_is_taken_and_nobodys_name(desk: Browser, house: Parted) -> None:
    wish = DeskWish(day=TUESDAY.date(), part=Part.PM)
    house.lab.database.write(lambda uow: desks.take(uow, wish), house.lab.maker)
    wall = desk.get("/occupancy/wall").text
    assert "Desk 1" in wall
    assert "Maker" not in wall
    desk.sign_in("staff")
    assert "Maker" in desk.get("/occupancy").text


def test_whoever_runs_a_part_changes_it_on_its_page_and_takes_its_data_along(
    desk: Browser, house: Parted
) -> None:
    desk.sign_in("b")
    page = desk.get(f"/partners/{house.b}").text
    assert "Auditorium" in page
    assert "Desk 1" not in page
    desk.post(
        f"/things/{house.things['hall']}", name="Great hall", seats="60", setup_min="20", clear_min="10"
    )
    with house.lab.database.read() as uow:
        assert uow.session.get_one(Resource, house.things["hall"]).setup_min == 20
    desk.post(f"/partners/{house.b}/stays", what="kit", unit="day", price="12,50")
    assert "€12.50" in desk.get(f"/partners/{house.b}").text.replace("\N{NO-BREAK SPACE}", " ")
    assert desk.get(f"/partners/{house.b}/export").headers["content-type"] == "application/zip"
    desk.sign_in("maker")
    assert desk.get("/partners").status_code == 403


def test_a_partners_data_is_written_by_the_command_line_too(house: Parted, tmp_path: Path) -> None:
    url = house.lab.database.url.render_as_string(hide_password=False)
    path = tmp_path / "b.zip"
    words = ["partner", "export", str(house.b), "--to", str(path), "--database-url", url, "--json"]
    answer = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert json.loads(answer.output)["bytes"] == path.stat().st_size
    assert "data.json" in zipfile.ZipFile(path).namelist()
