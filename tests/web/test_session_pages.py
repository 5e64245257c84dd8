"""The day of a session on its page: files dropped, who came, the end of it; the papers, the questions, and one's week."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fablab.claims.workshops import delivering, survey
from fablab.claims.workshops.words import SessionState
from fablab.places.models import Machine
from tests.claims.workshops_rig import MORNING, Class, make_class
from tests.lab import TAG, Lab
from tests.stories.test_session_day import CAME
from tests.web.page_rig import Browser, browser


@pytest.fixture
def group(lab: Lab) -> Class:
    """A session that has begun, with the material of its files loaded."""
    found = make_class(lab).confirmed()
    lab.clock.advance(MORNING + timedelta(minutes=10) - lab.clock.now())
    with lab.database.begin() as uow:
        for name in ("mk3", "ender"):
            uow.session.get_one(Machine, lab.resources[name]).spool_id = lab.spools["PLA"]
    return found


@pytest.fixture
def person(group: Class, tmp_path: Path) -> Iterator[Browser]:
    with browser(group.lab, tmp_path, dispatch=False) as (found, _links):
        found.sign_in("staff", language="fr")
        yield found


def test_a_day_from_its_files_to_its_end(group: Class, person: Browser) -> None:
    day = f"/sessions/{group.id}/day"
    page = person.get(day).text
    for said in ("Mon badge en 3D", "10:00–12:00", "Un élève en fauteuil.", "Groupe A (10)", "Room 1"):
        assert said in page
    sent = person.client.post(
        f"/sessions/{group.id}/files",
        data={"csrf": person.csrf, "names": "Zoé\r\nAdam", "copies": ""},
        files=[("files", ("tag.gcode", TAG.read_bytes()))],
        follow_redirects=False,
    )
    assert (sent.status_code, sent.headers["location"]) == (303, f"{day}?done=files_added#pieces")
    page = person.get(day).text
    assert "Zoé" in page
    assert "0 sur 2 sont faites" in page
    assert "prévue sur" in page

    wrong = person.post(f"/sessions/{group.id}/attendance", people="20", **{"gender.feminin": "12"})
    assert wrong.status_code == 422
    assert "Le total est de 12, mais 20 personnes sont venues." in wrong.text
    assert 'name="gender.feminin" inputmode="numeric" maxlength="4" value="12"' in wrong.text
    person.post(
        f"/sessions/{group.id}/attendance",
        people="20",
        adults="2",
        **{"gender.feminin": "12", "gender.masculin": "8"},
    )
    person.post(f"/sessions/{group.id}/problem", problem="Une buse bouchée.", resource="")
    for name in ("day-sheet", "labels", "certificate"):
        paper = person.get(f"/sessions/{group.id}/papers/{name}")
        assert paper.content.startswith(b"%PDF-"), name
        assert paper.headers["cache-control"] == "no-store"

    done = person.post(f"/sessions/{group.id}/deliver")
    assert done.headers["location"] == f"{day}?done=delivered#deliver"
    page = person.get(day).text
    assert "Zoé" not in page
    assert "142,26" in page
    assert "Une buse bouchée." in page
    person.post(f"/sessions/{group.id}/close")
    assert group.session.state is SessionState.CLOSED


def test_what_a_file_is_refused_for_is_said_beside_those_that_are_taken(
    group: Class, person: Browser
) -> None:
    files = [
        ("files", ("one.gcode", TAG.read_bytes())),
        ("files", ("photo.jpg", b"\xff\xd8")),
        ("files", ("two.gcode", TAG.read_bytes() + b"; two\n")),
    ]
    answer = person.client.post(
        f"/sessions/{group.id}/files", data={"csrf": person.csrf, "names": ""}, files=files
    )
    assert answer.status_code == 200
    assert "Fichier 2\u00a0:" in answer.text
    assert "0 sur 2 sont faites" in answer.text


def test_questions_are_answered_without_signing_in(group: Class, person: Browser) -> None:
    group.does(delivering.attend, group.id, CAME)
    path = group.does(delivering.deliver, group.id).survey_path
    person.client.cookies.clear()
    page = person.get(path)
    assert page.status_code == 200
    answer = person.post(path, liked="5", learnt="4", helped="5")
    assert answer.status_code == 422
    answer = person.post(path, liked="5", learnt="4", helped="5", again="5", remark="Trop bien")
    assert answer.headers["location"] == f"{path}?sent=1"
    with group.lab.database.read() as uow:
        assert survey.totals(uow, group.id).answers == 1
    assert person.get(f"{survey.PATH}nothing").status_code == 404


def test_ones_week_names_what_is_to_be_prepared(group: Class, person: Browser) -> None:
    page = person.get("/my/week").text
    assert re.search(r"10:00–12:00 · Mon badge en 3D", page)
    assert "École Jean-Macé" in page
    later = person.get("/my/week?day=2027-06-01").text
    assert "Rien n’est prévu pour vous cette semaine." in later
    assert person.get("/my/week?day=nonsense").status_code == 200
