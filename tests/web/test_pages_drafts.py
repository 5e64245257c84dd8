"""From a dropped file to a submitted job on the pages: what is read, what is refused, and what the form keeps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import JobState
from fablab.people.models import Member, Role
from tests.lab import SAMPLES, Lab
from tests.web.page_rig import Browser, browser, until


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Iterator[Browser]:
    with browser(lab, tmp_path) as (found, _):
        found.sign_in("maker")
        yield found


def state_of(lab: Lab, job_id: str) -> JobState:
    with lab.database.read() as uow:
        return jobs.get(uow, job_id).state


def test_a_dropped_file_becomes_a_draft_with_time_grams_price_and_promise(desk: Browser, lab: Lab) -> None:
    job_id = desk.draft()
    text = desk.fragment(f"/drafts/{job_id}").text.replace("\N{NO-BREAK SPACE}", " ")
    for wanted in ("4.5 g", "€1.18", "today 11:", "PETG", "PrusaSlicer"):
        assert wanted in text, wanted
    assert state_of(lab, job_id) is JobState.DRAFT


def test_a_ticket_becomes_the_draft_that_it_was_for(desk: Browser) -> None:
    first = desk.drop()
    ticket = re.search(r'id="draft-([^"]+)"', first.text)
    assert ticket is not None
    done = until(lambda: _form(desk.fragment(f"/drafts/{ticket[1]}").text))
    assert done in desk.get("/jobs").text


def _form(text: str) -> str | None:
    found = re.search(r'id="form-([^"]+)"', text)
    return found[1] if found else None


def test_without_script_a_file_comes_back_as_the_whole_page(desk: Browser) -> None:
    answer = desk.drop(htmx=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs")
    until(lambda: desk.found(r'id="form-([^"]+)"', "/jobs"))


def test_a_file_that_is_no_program_is_answered_in_its_place(desk: Browser) -> None:
    for content, name, said in (
        (b"", "empty.gcode", "empty"),
        (b"\x7fELF\x00\x00\x01" * 500, "binary.gcode", "text"),
        (b"G28\n", "model.stl", "slice"),
        (b"GCDE", "part.bgcode", "binary g-code"),
        (b"G28\n", "notes.txt", ".gcode"),
    ):
        text = desk.drop(content, name).text
        assert "is-failed" in text, name
        assert said in text.lower(), name
        assert "<article" in text, name


def test_a_bad_file_without_script_is_said_on_the_page(desk: Browser) -> None:
    desk.drop(b"", "empty.gcode", htmx=False)
    assert "is-failed" in desk.get("/jobs").text


def test_a_strange_name_is_shown_safely(desk: Browser) -> None:
    names = ("../../etc/passwd.gcode", "🦊.gcode", "x" * 300 + ".gcode", "<b>.gcode")
    for name in names:
        desk.drop(name=name)
    until(lambda: "all" if desk.get("/jobs").text.count('id="form-') == len(names) else None)
    text = desk.get("/jobs").text
    assert "passwd.gcode" in text
    assert "../" not in text
    assert "<b>.gcode" not in text
    assert "x" * 121 not in text


def test_a_ticket_that_nobody_knows_says_drop_it_again(desk: Browser) -> None:
    text = desk.fragment("/drafts/t-000000000000000000000000").text
    assert "drop it again" in text
    assert "hx-trigger" not in text


def test_somebody_elses_draft_and_ticket_are_unknown(desk: Browser) -> None:
    ticket = re.search(r'id="draft-([^"]+)"', desk.drop().text)
    assert ticket is not None
    job_id = until(lambda: desk.found(r'id="form-([^"]+)"', "/jobs"))
    desk.sign_in("other")
    assert "gear" not in desk.fragment(f"/drafts/{ticket[1]}").text
    assert desk.fragment(f"/drafts/{job_id}").status_code == 404
    assert desk.fragment(f"/drafts/{job_id}/quote").status_code == 404
    assert desk.post(f"/drafts/{job_id}/submit").status_code == 404
    assert desk.post(f"/drafts/{job_id}/discard").status_code == 404


def test_choices_change_the_offer_and_keep_nothing(desk: Browser, lab: Lab) -> None:
    job_id = desk.draft()
    late = desk.fragment(f"/drafts/{job_id}/quote?material=PETG&due_at=2026-11-24T10:30").text
    assert "is-late" in late
    soon = desk.fragment(f"/drafts/{job_id}/quote?material=PETG&due_at=2026-11-26T10:30").text
    assert "is-late" not in soon
    past = desk.fragment(f"/drafts/{job_id}/quote?material=PETG&due_at=2026-11-01T10:30").text
    assert "already past" in past
    assert state_of(lab, job_id) is JobState.DRAFT


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("due_at", "2026-11-01T10:30", "already past"),
        ("due_at", "soon", "no date"),
        ("project", "999999", "project"),
        ("project", "drone", "project"),
    ],
)
def test_a_form_that_is_sent_back_keeps_what_was_filled_in(
    desk: Browser, lab: Lab, field: str, value: str, said: str
) -> None:
    job_id = desk.draft()
    form = {"material": "PLA|orange", "priority": "-1", field: value}
    answer = desk.post(f"/drafts/{job_id}/submit", htmx=True, **form)
    assert answer.status_code == 422
    assert said in answer.text
    assert re.search(r'value="PLA\|orange" checked', answer.text)
    assert re.search(r'value="-1" checked', answer.text)
    if field == "due_at":
        assert f'value="{value}"' in answer.text
    assert state_of(lab, job_id) is JobState.DRAFT
    page = desk.post(f"/drafts/{job_id}/submit", **form)
    assert page.status_code == 422
    assert "<html" in page.text


def test_a_submitted_draft_leads_to_its_job_and_a_second_click_is_a_conflict(desk: Browser, lab: Lab) -> None:
    job_id = desk.draft()
    answer = desk.post(f"/drafts/{job_id}/submit", htmx=True, material="PETG")
    assert answer.headers["hx-redirect"] == f"/jobs/{job_id}"
    assert state_of(lab, job_id) is JobState.QUEUED
    again = desk.post(f"/drafts/{job_id}/submit", htmx=True, material="PETG")
    assert again.status_code == 409
    assert "data-toast" in again.text


def test_a_maker_may_not_push_ahead(desk: Browser, lab: Lab) -> None:
    job_id = desk.draft()
    assert 'name="priority" value="1"' not in desk.fragment(f"/drafts/{job_id}").text
    assert desk.post(f"/drafts/{job_id}/submit", htmx=True, priority="1").status_code == 403
    assert state_of(lab, job_id) is JobState.DRAFT


def test_a_discarded_draft_is_gone(desk: Browser, lab: Lab) -> None:
    job_id = desk.draft()
    assert desk.post(f"/drafts/{job_id}/discard", htmx=True).text == ""
    assert state_of(lab, job_id) is JobState.CANCELLED
    assert job_id not in desk.get("/jobs").text


def test_a_queued_job_is_cancelled_from_its_row(desk: Browser, lab: Lab) -> None:
    job_id = desk.submitted()
    row = desk.post(f"/jobs/{job_id}/cancel", htmx=True).text
    assert "is-cancelled" in row
    assert state_of(lab, job_id) is JobState.CANCELLED


def test_what_the_staff_has_to_agree_to_waits_in_their_queue(desk: Browser, lab: Lab) -> None:
    with lab.database.begin() as uow:
        from fablab.places.models import Spool

        uow.session.get_one(Spool, lab.spools["PETG"]).left_g = 1.0
    job_id = desk.draft()
    assert "Ask the staff" in desk.fragment(f"/drafts/{job_id}").text
    desk.post(f"/drafts/{job_id}/submit", material="PETG")
    assert state_of(lab, job_id) is JobState.REVIEW
    desk.sign_in("staff")
    assert job_id in desk.get("/jobs").text
    assert f'action="/jobs/{job_id}/decide"' in desk.get(f"/jobs/{job_id}").text
    desk.post(f"/jobs/{job_id}/decide", answer="no", why="no PETG before Monday")
    assert state_of(lab, job_id) is JobState.REJECTED
    desk.sign_in("maker")
    assert "no PETG before Monday" in desk.get(f"/jobs/{job_id}").text
    assert "/decide" not in desk.get(f"/jobs/{job_id}").text


def test_a_partner_sends_files_as_a_member_does_and_does_not_touch_machines(desk: Browser, lab: Lab) -> None:
    with lab.database.begin() as uow:
        uow.session.get_one(Member, lab.actors["other"].member_id).role = Role.PARTNER
    desk.sign_in("other")
    assert 'id="drop"' in desk.get("/jobs").text
    assert desk.get("/machines").status_code == 403


def test_a_laser_draft_asks_for_no_filament_and_has_no_layers(desk: Browser) -> None:
    desk.drop((SAMPLES / "box_side_laser.nc").read_bytes(), "box.nc")
    job_id = until(lambda: desk.found(r'id="form-([^"]+)"', "/jobs"))
    text = desk.fragment(f"/drafts/{job_id}").text
    assert "Material and colour" not in text
    assert "Layers" not in text


def test_the_price_says_why_it_counts_more_time_than_the_file_takes(desk: Browser) -> None:
    text = desk.fragment(f"/drafts/{desk.draft()}").text.replace("\N{NO-BREAK SPACE}", " ")
    assert re.search(r"3\d min count as 1 h: a begun step counts whole", text)


def test_a_refusal_names_its_line_once(desk: Browser) -> None:
    desk.drop(b"G28\nG1 X10 Y10 F3000\nM502\nG1 X20 E5\n" * 5, "odd.gcode")
    job_id = until(lambda: desk.found(r'id="form-([^"]+)"', "/jobs"))
    text = desk.fragment(f"/drafts/{job_id}").text
    assert "(line 3)" in text
    assert ">line 3<" not in text
    assert "No machine of this kind can make this file." in text
