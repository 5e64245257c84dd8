"""The panel's forms that take a job in hand, with script and without: the cost first, then the act, then the way back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fablab.claims import calendar
from fablab.claims.models import AllocationState
from tests.lab import TUESDAY, Lab, analysed, submitted
from tests.web.page_rig import Browser, browser

TOMORROW_NOON = TUESDAY + timedelta(days=1, hours=2)
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Iterator[Browser]:
    with browser(lab, tmp_path) as (found, _):
        found.sign_in("staff")
        yield found


@pytest.fixture
def jobs(lab: Lab) -> list[str]:
    return [submitted(lab, analysed(duration_s=2 * 3600), name=f"part{n}.gcode") for n in range(4)]


def wish(lab: Lab, job: str, **more: str) -> dict[str, Any]:
    ender = str(lab.resources["ender"])
    move = {"action": "move", "resource": ender, "start": TOMORROW_NOON.isoformat()}
    return {"claim": job, **move, **more}


def agreed(page: str) -> dict[str, Any]:
    """What the form under the forecast would send."""
    form = page[page.index('action="/hand/act"') :]
    return dict(HIDDEN.findall(form[: form.index("</form>")]))


def test_the_panel_says_what_a_move_would_cost_then_does_it_and_offers_the_way_back(
    lab: Lab, desk: Browser, jobs: list[str]
) -> None:
    with lab.database.read() as uow:
        (was,) = calendar.current(calendar.claim(uow, jobs[3]))
    said = desk.post("/hand/forecast", htmx=True, **wish(lab, jobs[3]))
    assert said.status_code == 200
    assert "Nobody else is moved." in said.text
    done = desk.post("/hand/act", htmx=True, **agreed(said.text))
    assert "data-hand-done" in done.text
    with lab.database.read() as uow:
        (now,) = calendar.current(calendar.claim(uow, jobs[3]))
    assert (now.run_start_at, now.state) == (TOMORROW_NOON, AllocationState.FIRM)
    toast = done.text[done.text.index("data-toast") :]
    desk.post("/hand/act", htmx=True, **dict(HIDDEN.findall(toast)))
    with lab.database.read() as uow:
        (back,) = calendar.current(calendar.claim(uow, jobs[3]))
    assert (back.resource_id, back.run_start_at, back.state) == (was.resource_id, was.run_start_at, was.state)


def test_without_script_the_same_forms_are_pages(lab: Lab, desk: Browser, jobs: list[str]) -> None:
    block = desk.found(r'href="/allocations/(\d+)"', "/calendar")
    page = desk.get(f"/allocations/{block}")
    assert 'action="/hand/forecast"' in page.text
    said = desk.post("/hand/forecast", **wish(lab, jobs[3], start="2026-11-25T12:00"))
    assert "<html" in said.text
    assert agreed(said.text)["start"] == "2026-11-25T11:00:00+00:00"  # noon in Paris
    done = desk.post("/hand/act", **agreed(said.text))
    assert (done.status_code, done.headers["location"]) == (303, "/calendar")


def test_what_cannot_be_is_said_in_words_and_the_form_stands_as_it_was(
    lab: Lab, desk: Browser, jobs: list[str]
) -> None:
    said = desk.post("/hand/forecast", htmx=True, **wish(lab, jobs[3], start="2026-11-25T03:00"))
    assert "Nobody is there to prepare ender" in said.text
    assert "/hand/act" not in said.text
    assert 'value="2026-11-25T03:00"' in said.text


WRONG: tuple[dict[str, str], ...] = (
    {"action": "explode"},
    {"resource": "ender"},
    {"resource": "9" * 30},
    {"start": ""},
    {"start": "noon"},
    {"action": "prioritise", "priority": "high"},
)


def test_a_form_that_says_nothing_is_answered_plainly(lab: Lab, desk: Browser, jobs: list[str]) -> None:
    answers = [desk.post("/hand/forecast", htmx=True, **wish(lab, jobs[3], **wrong)) for wrong in WRONG]
    assert {answer.status_code for answer in answers} == {400}
    assert all("toast is-bad" in answer.text for answer in answers)
    assert desk.post("/hand/act", htmx=True, **wish(lab, jobs[3], version="no")).status_code == 400


def test_a_calendar_that_moved_on_meanwhile_is_told_of(lab: Lab, desk: Browser, jobs: list[str]) -> None:
    fields = agreed(desk.post("/hand/forecast", htmx=True, **wish(lab, jobs[3])).text)
    lab.intake.cancel(lab.maker, jobs[0])
    late = desk.post("/hand/act", htmx=True, **fields)
    assert late.status_code == 409
    assert "The calendar has changed since you looked" in late.text


def test_the_job_tells_who_took_it_in_hand_and_why(lab: Lab, desk: Browser, jobs: list[str]) -> None:
    fields = agreed(desk.post("/hand/forecast", htmx=True, **wish(lab, jobs[3])).text)
    desk.post("/hand/act", htmx=True, **fields, why="a <b>school</b> comes")
    page = desk.get(f"/jobs/{jobs[3]}").text
    assert "Moved by hand to ender" in page
    assert "a &lt;b&gt;school&lt;/b&gt; comes" in page
    assert "Staff" in page
    desk.sign_in("maker")
    assert "a &lt;b&gt;school&lt;/b&gt; comes" in desk.get(f"/jobs/{jobs[3]}").text


def test_a_menu_says_whom_an_outage_would_move(lab: Lab, desk: Browser, jobs: list[str]) -> None:
    said = desk.fragment(f"/machines/{lab.resources['mk3']}/out-of-service/forecast")
    assert "Moves" in said.text
    assert re.search(r"part\d\.gcode", said.text)


def test_makers_neither_see_the_forms_nor_may_send_them(lab: Lab, desk: Browser, jobs: list[str]) -> None:
    desk.sign_in("maker")
    block = desk.found(r'href="/allocations/(\d+)"', "/calendar")
    page = desk.fragment(f"/allocations/{block}").text
    assert "/hand/" not in page
    assert "Ready between" in page
    assert desk.post("/hand/forecast", htmx=True, **wish(lab, jobs[3])).status_code == 403
    assert desk.post("/hand/act", htmx=True, **wish(lab, jobs[3], version="1")).status_code == 403
    assert desk.fragment(f"/machines/{lab.resources['mk3']}/out-of-service/forecast").status_code == 403
