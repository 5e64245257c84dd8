"""Reserving without a script: four screens, refusals with a way out, a lost race that keeps everything, and what is held."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest

from fablab.claims import calendar
from fablab.claims.reservations import use as reservations
from fablab.claims.reservations.models import Reservation, ReservationState
from fablab.claims.reservations.use import Order
from tests.lab import TUESDAY, Lab, analysed, make_lab, submitted
from tests.web.page_rig import Browser, browser

HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
TUESDAYS, SATURDAYS = 1, 5


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Browser]]:
    """One server for all of them: each test has a day of its own."""
    folder = tmp_path_factory.mktemp("house")
    lab = make_lab(f"sqlite:///{folder / 'lab.sqlite'}", folder)
    with browser(lab, folder) as (found, _):
        yield lab, found
    lab.database.dispose()


@pytest.fixture
def lab(house: tuple[Lab, Browser]) -> Iterator[Lab]:
    yield house[0]
    house[0].clock.set(TUESDAY)


@pytest.fixture
def desk(house: tuple[Lab, Browser]) -> Browser:
    house[1].sign_in("maker")
    return house[1]


@pytest.fixture(scope="module")
def noons() -> Iterator[datetime]:
    """Noon in Paris of the next days on which the lab is open."""
    days = (TUESDAY + timedelta(days=k, hours=2) for k in range(1, 200))
    return (noon for noon in days if TUESDAYS <= noon.weekday() <= SATURDAYS)


@pytest.fixture
def noon(noons: Iterator[datetime]) -> datetime:
    return next(noons)


def hidden(page: str, action: str) -> dict[str, Any]:
    form = page[page.index(f'action="{action}"') :]
    return {name: unescape(value) for name, value in HIDDEN.findall(form[: form.index("</form>")])}


def first_address(page: str, start: str) -> str:
    found = re.search(rf'href="({re.escape(start)}[^"]*)"', page)
    assert found is not None
    return unescape(found[1])


def reserved(lab: Lab, noon: datetime, who: str = "maker", *, hours: float = 0, **more: Any) -> str:
    start = noon + timedelta(hours=hours)
    order = Order(
        resource_ids=(lab.resources["room"],), start_at=start, end_at=start + timedelta(hours=1), **more
    )
    return lab.database.write(lambda uow: reservations.reserve(uow, order), lab.actors[who]).id


def state_of(lab: Lab, found: str) -> ReservationState:
    with lab.database.read() as uow:
        return uow.session.get_one(Reservation, found).state


def test_a_room_is_reserved_in_four_screens(lab: Lab, desk: Browser) -> None:
    assert 'value="room"' in desk.get("/reserve").text
    options = desk.get("/reserve/options?what=room&length=120&when=tomorrow")
    confirm = desk.get(first_address(options.text, "/reserve/confirm"))
    assert "Nobody else is moved." in confirm.text
    done = desk.post("/reserve/now", note="Club", **hidden(confirm.text, "/reserve/now"))
    assert done.status_code == 303
    last = desk.get(done.headers["location"])
    assert "Come, and say that you are there" in last.text
    assert "Club" in last.text


def test_pressed_twice_it_is_one_reservation(lab: Lab, desk: Browser) -> None:
    options = desk.get("/reserve/options?what=room&length=60")
    confirm = desk.get(first_address(options.text, "/reserve/confirm"))
    fields = hidden(confirm.text, "/reserve/now")
    places = {desk.post("/reserve/now", **fields).headers["location"] for _ in range(2)}
    assert len(places) == 1


def test_a_machine_without_its_certification_says_why_and_can_still_be_asked_for(
    lab: Lab, desk: Browser
) -> None:
    page = desk.get("/reserve").text
    laser = page[page.index('value="laser"') :][:400]
    assert "disabled" in laser
    assert 'data-code="certification.missing"' in page
    asked = desk.get("/reserve?what=laser").text
    assert 'value="laser" checked' in asked


def test_bad_input_keeps_the_form_filled_in(desk: Browser) -> None:
    said = desk.get("/reserve/options?what=room&length=other&length_h=x&when=day&day=2020-01-01")
    assert said.status_code == 422
    assert 'value="x"' in said.text
    assert "Say how long" in said.text
    assert "Choose a day from today on" in said.text


@pytest.mark.parametrize(
    "query", ["", "?resources=999&start=a&end=b", "?resources=1&start=9999-01-01T00:00:00Z"]
)
def test_an_address_that_was_cut_short_is_no_crash(desk: Browser, query: str) -> None:
    assert desk.get(f"/reserve/confirm{query}").status_code in (404, 422)


def test_a_lost_race_keeps_what_was_filled_in_and_offers_others_in_one_tap(
    lab: Lab, desk: Browser, noon: datetime
) -> None:
    room = lab.resources["room"]
    query = f"resources={room}&start={noon:%Y-%m-%dT%H:%M}Z&end={noon + timedelta(hours=1):%Y-%m-%dT%H:%M}Z"
    confirm = desk.get(f"/reserve/confirm?{query}")
    reserved(lab, noon, "other")
    fields = hidden(confirm.text, "/reserve/now")
    lost = desk.post("/reserve/now", note="Remember me", party="3", **fields)
    assert lost.status_code == 409
    assert "Remember me" in lost.text
    taken = re.search(r'name="take" value="([^"]*)"', lost.text)
    assert taken is not None
    again = hidden(lost.text, "/reserve/now")
    done = desk.post("/reserve/now", note="Remember me", party="3", take=taken[1], **again)
    assert done.status_code == 303
    assert "Remember me" in desk.get(done.headers["location"]).text


def test_whom_it_displaces_is_said_before_the_button(lab: Lab, desk: Browser) -> None:
    for name in range(5):
        submitted(lab, analysed(duration_s=3600), actor=lab.actors["other"], name=f"secret{name}.gcode")
    with lab.database.read() as uow:
        planned = calendar.between(uow, TUESDAY + timedelta(hours=2), TUESDAY + timedelta(hours=6))
        place = next(row for row in planned if row.start_at > TUESDAY + timedelta(hours=2))
    start, end = place.start_at, place.start_at + timedelta(minutes=30)
    query = f"resources={place.resource_id}&start={start:%Y-%m-%dT%H:%M}Z&end={end:%Y-%m-%dT%H:%M}Z"
    page = desk.get(f"/reserve/confirm?{query}").text
    assert re.search(r"Moves \d other job", page)
    assert "secret" not in page  # whose it is stays with its owner and the staff


def test_a_series_says_beforehand_how_many_planned_jobs_make_room(lab: Lab, desk: Browser) -> None:
    for _ in range(4):
        submitted(lab, analysed(duration_s=7200))
    with lab.database.read() as uow:
        planned = calendar.between(uow, TUESDAY + timedelta(hours=2), TUESDAY + timedelta(hours=6))
        place = next(row for row in planned if row.start_at > TUESDAY + timedelta(hours=2))
    start, end = place.start_at, place.start_at + timedelta(minutes=30)
    query = f"resources={place.resource_id}&start={start:%Y-%m-%dT%H:%M}Z&end={end:%Y-%m-%dT%H:%M}Z"
    fields = hidden(desk.get(f"/reserve/confirm?{query}").text, "/reserve/now")
    page = desk.post("/reserve/check", weeks="3", **fields)
    assert page.status_code == 200
    assert "On these dates 1 planned job makes room" in page.text


def test_several_things_are_taken_together_and_every_week(lab: Lab, desk: Browser, noon: datetime) -> None:
    ender, mk3 = lab.resources["ender"], lab.resources["mk3"]
    query = f"resources={ender}&start={noon:%Y-%m-%dT%H:%M}Z&end={noon + timedelta(hours=1):%Y-%m-%dT%H:%M}Z"
    fields = hidden(desk.get(f"/reserve/confirm?{query}").text, "/reserve/now")
    done = desk.post("/reserve/now", also=str(mk3), weeks="3", **fields)
    assert done.status_code == 303, done.text
    page = desk.get(done.headers["location"]).text
    assert "3 dates reserved:" in page
    found = done.headers["location"].split("/")[2].split("?")[0]
    with lab.database.read() as uow:
        assert set(uow.session.get_one(Reservation, found).resource_ids) == {ender, mk3}


def test_staff_reserve_for_somebody_whom_they_find_by_name(lab: Lab, desk: Browser) -> None:
    desk.sign_in("staff")
    assert 'name="for" value="' in desk.get("/reserve?who=other").text
    member = lab.actors["other"].member_id
    options = desk.get(f"/reserve/options?what=room&length=60&for={member}")
    confirm = desk.get(first_address(options.text, "/reserve/confirm"))
    assert "For Other" in confirm.text
    done = desk.post("/reserve/now", **hidden(confirm.text, "/reserve/now"))
    found = done.headers["location"].split("/")[2].split("?")[0]
    with lab.database.read() as uow:
        assert uow.session.get_one(Reservation, found).member_id == member


def test_nobody_reserves_for_others_but_the_staff(lab: Lab, desk: Browser) -> None:
    assert desk.get(f"/reserve?for={lab.actors['other'].member_id}").status_code == 404


def test_somebody_elses_reservation_does_not_exist(lab: Lab, desk: Browser, noon: datetime) -> None:
    found = reserved(lab, noon, "other")
    assert desk.get(f"/reservations/{found}").status_code == 404
    assert desk.post(f"/reservations/{found}/cancel").status_code == 404


def test_it_is_moved_by_a_form_that_first_says_what_that_would_mean(
    lab: Lab, desk: Browser, noon: datetime
) -> None:
    found = reserved(lab, noon)
    day = noon.date().isoformat()
    form: dict[str, Any] = {"start": f"{day}T15:00", "end": f"{day}T16:30"}
    looked = desk.post(f"/reservations/{found}/move", look="1", **form)
    assert "Nobody else is moved." in looked.text
    assert desk.post(f"/reservations/{found}/move", **form).status_code == 303
    with lab.database.read() as uow:
        row = uow.session.get_one(Reservation, found)
        assert row.end_at - row.start_at == timedelta(minutes=90)


def test_a_move_that_cannot_be_stays_filled_in_with_what_would_work(
    lab: Lab, desk: Browser, noon: datetime
) -> None:
    found = reserved(lab, noon)
    reserved(lab, noon, "other", hours=2)
    day = noon.date().isoformat()
    said = desk.post(f"/reservations/{found}/move", start=f"{day}T14:00", end=f"{day}T15:00")
    assert said.status_code == 409
    assert f'value="{day}T14:00"' in said.text
    assert 'name="take"' in said.text


def test_what_cancelling_means_is_said_before_it_is_done(lab: Lab, desk: Browser, noon: datetime) -> None:
    found = reserved(lab, noon)
    assert "it costs nothing" in desk.get(f"/reservations/{found}").text
    assert desk.post(f"/reservations/{found}/cancel").status_code == 303
    assert state_of(lab, found) is ReservationState.CANCELLED


def test_one_comes_says_so_and_ends_it_early(lab: Lab, desk: Browser, noon: datetime) -> None:
    found = reserved(lab, noon)
    lab.clock.set(noon - timedelta(minutes=5))
    desk.sign_in("maker")
    assert "I am here" in desk.get("/reservations").text
    desk.post(f"/reservations/{found}/check-in", next="/reservations")
    assert state_of(lab, found) is ReservationState.IN_USE
    desk.post(f"/reservations/{found}/end")
    assert state_of(lab, found) is ReservationState.COMPLETED


def test_it_is_handed_over_to_a_member_only(lab: Lab, desk: Browser, noon: datetime) -> None:
    found = reserved(lab, noon)
    assert desk.post(f"/reservations/{found}/hand-over", to="nobody@lab.example").status_code == 422
    assert desk.post(f"/reservations/{found}/hand-over", to="other@lab.example").status_code == 303
    assert "It is yours until they accept" in desk.get(f"/reservations/{found}").text
    desk.sign_in("other")
    assert "Offered to you" in desk.get("/reservations").text
    assert desk.post(f"/reservations/{found}/hand-over/accept").status_code == 303
    with lab.database.read() as uow:
        assert uow.session.get_one(Reservation, found).member_id == lab.actors["other"].member_id


def test_it_goes_into_ones_own_calendar(lab: Lab, desk: Browser, noon: datetime) -> None:
    answer = desk.get(f"/reservations/{reserved(lab, noon)}/calendar.ics")
    assert answer.headers["content-type"].startswith("text/calendar")
    assert answer.text.count("BEGIN:VEVENT") == 1


def test_staff_answer_a_request_and_a_no_needs_its_reason(lab: Lab, desk: Browser, noon: datetime) -> None:
    closed = noon.replace(hour=21)
    order = Order(
        resource_ids=(lab.resources["room"],), start_at=closed, end_at=closed + timedelta(hours=1), ask=True
    )
    found = lab.database.write(lambda uow: reservations.reserve(uow, order), lab.maker).id
    desk.sign_in("staff")
    assert "1 request waits" in desk.get("/reservations/desk").text
    assert desk.post(f"/reservations/{found}/decline", why="").status_code == 422
    assert desk.post(f"/reservations/{found}/decline", why="We are closed then").status_code == 303
    assert state_of(lab, found) is ReservationState.DECLINED


def test_the_calendar_draws_reservations_and_says_whose_only_to_those_who_may_know(
    lab: Lab, desk: Browser, noon: datetime
) -> None:
    found = reserved(lab, noon, "other", note="secret plan")
    day = f"/calendar?day={noon.date().isoformat()}"
    mine = desk.get(day).text
    assert "is-state-confirmed" in mine
    assert f'data-stay="{found}"' not in mine
    assert ">Other<" not in mine
    desk.sign_in("staff")
    staff = desk.get(day).text
    assert f'data-stay="{found}"' in staff
    assert ">Other<" in staff


def test_a_week_of_one_thing_has_a_row_a_day(lab: Lab, desk: Browser, noon: datetime) -> None:
    found = reserved(lab, noon)
    page = desk.get(
        f"/calendar?view=week&resource={lab.resources['room']}&day={noon.date().isoformat()}"
    ).text
    assert page.count('class="track" data-resource') == 7
    assert page.count(f'data-stay="{found}"') == 1


def test_the_hand_is_told_where_it_could_lie_and_what_a_move_would_mean(
    lab: Lab, desk: Browser, noon: datetime
) -> None:
    found = reserved(lab, noon)
    reach = desk.client.get(
        "/api/reservations/reach",
        params={
            "from": noon.isoformat(),
            "to": (noon + timedelta(hours=6)).isoformat(),
            "reservation": found,
        },
    ).json()
    room = next(row for row in reach["rows"] if row["resource"] == lab.resources["room"])
    assert len(room["free"]) == 1
    said = desk.client.post(
        f"/api/reservations/{found}/forecast",
        json={"start_at": (noon + timedelta(hours=1)).isoformat()},
        headers={"X-CSRF-Token": desk.csrf},
    )
    assert said.json()["possible"]
