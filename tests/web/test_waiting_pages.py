"""Waiting lists as pages and over the API: joined where nothing fits, taken, let go, given up; the line is the staff's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fablab.base.database import Actor
from fablab.claims import reservations, waiting
from fablab.claims.reservations import Order
from fablab.claims.waiting import WaitingState
from scheduler.waiting import offer_freed
from tests.lab import TUESDAY, Lab
from tests.web.page_rig import Browser, browser
from tests.web.site import Site

TWO, SIX = TUESDAY + timedelta(hours=4), TUESDAY + timedelta(hours=8)


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Iterator[Browser]:
    lab.database.witnesses.append(offer_freed)  # as the app's own has it
    with browser(lab, tmp_path, dispatch=False) as (seat, _links):
        yield seat


def taken(lab: Lab, who: Actor) -> str:
    order = Order(resource_ids=(lab.resources["room"],), start_at=TWO, end_at=SIX)
    return lab.database.write(lambda uow: reservations.reserve(uow, order), who).id


WISH = "/waiting/join?what=room&length=120&when=window&from=2026-11-24T14:00&until=2026-11-24T18:00"


def entries(lab: Lab, who: str) -> list[waiting.Entry]:
    member_id = lab.actors[who].member_id
    assert member_id is not None
    with lab.database.read(lab.actors[who]) as uow:
        return waiting.of_member(uow, member_id)


def test_the_page_of_the_best_times_offers_the_line(desk: Browser, lab: Lab) -> None:
    desk.sign_in("maker")
    text = desk.get("/reserve/options?what=room&length=120&when=soon").text
    assert 'action="/waiting/join?what=room' in text


def test_who_joined_takes_what_is_held_and_has_a_reservation(desk: Browser, lab: Lab) -> None:
    given_back = taken(lab, lab.staff)
    desk.sign_in("maker")
    assert desk.post(WISH).headers["location"] == "/waiting"
    (row,) = entries(lab, "maker")
    assert "In the line" in desk.get("/waiting").text
    lab.database.write(lambda uow: reservations.cancel(uow, given_back), lab.staff)
    assert "Held for you until" in desk.get("/waiting").text
    answer = desk.post(f"/waiting/{row.id}/take")
    assert answer.headers["location"].startswith("/reservations/")


def test_what_is_let_go_leaves_one_in_the_line_and_giving_up_does_not(desk: Browser, lab: Lab) -> None:
    given_back = taken(lab, lab.staff)
    desk.sign_in("maker")
    desk.post(WISH)
    (row,) = entries(lab, "maker")
    lab.database.write(lambda uow: reservations.cancel(uow, given_back), lab.staff)
    desk.post(f"/waiting/{row.id}/pass")
    assert entries(lab, "maker")[0].passes == 1
    desk.post(f"/waiting/{row.id}/give-up")
    assert entries(lab, "maker")[0].state is WaitingState.WITHDRAWN


def test_the_whole_line_is_for_the_staff(desk: Browser, lab: Lab) -> None:
    taken(lab, lab.staff)
    desk.sign_in("maker")
    desk.post(WISH)
    assert "The whole line" not in desk.get("/waiting").text
    desk.sign_in("staff")
    text = desk.get("/waiting").text
    assert "Maker" in text.split("The whole line")[1]


def test_the_api_joins_lists_and_gives_up(site: Site) -> None:
    taken(site.lab, site.lab.staff)
    site.sign_in("maker")
    wish = {
        "wanted": [{"kind": "room"}],
        "duration_s": 7200,
        "since": TWO.isoformat(),
        "until": SIX.isoformat(),
    }
    made = site.client.post("/api/waiting", json=wish)
    assert made.status_code == 201, made.text
    mine = made.json()["id"]
    assert [each["id"] for each in site.client.get("/api/waiting").json()] == [mine]
    assert site.client.get("/api/waiting/line").status_code == 403
    assert site.client.delete(f"/api/waiting/{mine}").json()["state"] == "withdrawn"
    assert site.client.post(f"/api/waiting/{mine}/take").status_code == 409
