"""Explanations and options as the pages and the API give them: in words, and never with a name too many."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, analysed, drafted, submitted
from tests.web.page_rig import Browser, browser

HOURS = 3600
UNSAID = re.compile(r"%\(\w+\)|…\.|\b[a-z]+_[a-z]+\b")


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Iterator[Browser]:
    with browser(lab, tmp_path) as (found, _):
        yield found


def crowd(lab: Lab) -> str:
    """The maker's job behind two of somebody else."""
    for _ in range(2):
        submitted(lab, analysed(duration_s=4 * HOURS), actor=lab.actors["other"], name="secret.gcode")
    return submitted(lab, analysed(duration_s=4 * HOURS), name="mine.gcode")


def why(page: str) -> str:
    found = re.search(r'<details class="why">.*?</details>', page, re.S)
    assert found is not None
    return re.sub(r"<[^>]+>", " ", found[0])


@pytest.mark.parametrize(
    ("language", "headings"),
    [
        ("fr", ("Pourquoi pas plus tôt", "Pour l’avoir plus tôt", "Pourquoi pas une autre machine")),
        ("en", ("Why not earlier", "What would have it ready earlier", "Why not another machine")),
    ],
)
def test_the_jobs_page_says_why_and_what_would_help(
    desk: Browser, lab: Lab, language: str, headings: tuple[str, ...]
) -> None:
    mine = crowd(lab)
    desk.sign_in("maker", language=language)
    said = why(desk.get(f"/jobs/{mine}").text)
    for heading in headings:
        assert heading in said
    assert not UNSAID.search(said), said


def test_a_maker_does_not_learn_who_is_in_the_way_and_the_staff_does(desk: Browser, lab: Lab) -> None:
    mine = crowd(lab)
    desk.sign_in("maker")
    page = desk.get(f"/jobs/{mine}").text
    assert "secret.gcode" not in page
    assert "Other" not in why(page)
    assert "secret.gcode" not in desk.get(f"/api/jobs/{mine}/explanation").text
    desk.sign_in("staff")
    said = why(desk.get(f"/jobs/{mine}").text)
    assert "secret.gcode" in said
    assert "Other" in said
    assert "secret.gcode" in desk.get(f"/api/jobs/{mine}/explanation").text


def test_the_calendars_panel_explains_to_those_who_may_know(desk: Browser, lab: Lab) -> None:
    mine = crowd(lab)
    with lab.database.read() as uow:
        from fablab.claims import calendar

        (place,) = calendar.claim(uow, mine).allocations
    desk.sign_in("staff")
    assert "secret.gcode" in why(desk.get(f"/allocations/{place.id}").text)
    desk.sign_in("maker")
    assert "secret.gcode" not in why(desk.get(f"/allocations/{place.id}").text)
    desk.sign_in("other")
    assert '<details class="why">' not in desk.get(f"/allocations/{place.id}").text


def test_options_are_the_best_places_and_the_first_is_the_promise(desk: Browser, lab: Lab) -> None:
    mine = crowd(lab)
    desk.sign_in("maker")
    found = desk.get(f"/api/jobs/{mine}/options?n=4").json()
    assert len(found) == 4
    job = desk.get(f"/api/jobs/{mine}").json()
    assert found[0]["ready_at"] == job["promise"]["ready_at"]
    assert all(reason["detail"] for option in found for reason in option["reasons"])
    assert [option["displaced"] for option in found] == [[], [], [], []]
    assert desk.get(f"/api/jobs/{mine}/options?n=99").status_code == 400


def test_whom_an_option_would_displace_is_for_the_staff(desk: Browser, lab: Lab) -> None:
    mine = crowd(lab)
    desk.sign_in("maker")
    assert desk.get(f"/api/jobs/{mine}/options?displacing=2").status_code == 403
    desk.sign_in("staff")
    found = desk.get(f"/api/jobs/{mine}/options?n=1&displacing=2").json()
    assert all(each["title"] for option in found for each in option["displaced"])


def test_a_draft_has_options_with_its_wishes(desk: Browser, lab: Lab) -> None:
    crowd(lab)
    draft = drafted(lab, analysed(duration_s=HOURS))
    desk.sign_in("maker")
    found = desk.get(f"/api/jobs/{draft}/options?n=3&material=PLA&colour=orange").json()
    assert len(found) == 3
    refused = desk.get(f"/api/jobs/{draft}/options?material=PLA&colour=pink")
    assert (refused.status_code, refused.json()["code"]) == (422, "refused")
    assert desk.get(f"/api/jobs/{draft}/options?material=nonsense").status_code in (400, 422)


def test_the_offer_of_a_job_that_is_planned_already_counts_it_as_gone(desk: Browser, lab: Lab) -> None:
    mine = crowd(lab)
    desk.sign_in("maker")
    assert desk.get(f"/drafts/{mine}/quote").status_code == 200


def test_a_drafts_page_shows_other_places_it_could_have(desk: Browser, lab: Lab) -> None:
    crowd(lab)
    draft = drafted(lab, analysed(duration_s=HOURS))
    desk.sign_in("maker")
    page = desk.get(f"/drafts/{draft}/quote").text
    assert "Other places it could have" in page
    places = re.search(r'<details class="why places">.*?</details>', page, re.S)
    assert places is not None
    assert not UNSAID.search(re.sub(r"<[^>]+>", " ", places[0]))


def test_somebody_elses_options_and_reasons_are_not_found(desk: Browser, lab: Lab) -> None:
    mine = crowd(lab)
    desk.sign_in("other")
    assert desk.get(f"/api/jobs/{mine}/options").status_code == 404
    assert desk.get(f"/api/jobs/{mine}/explanation").status_code == 404
