"""Taking a job in hand as a program does it: look, ask what it costs, then act on what was seen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from fablab.claims import calendar
from fablab.people.access import Scope
from tests.lab import TUESDAY, analysed, submitted
from tests.web.site import Site

HOUR = timedelta(hours=1)
TOMORROW = TUESDAY + timedelta(days=1)


@pytest.fixture
def jobs(site: Site) -> list[str]:
    """Both printers are taken for three hours; then two short ones of one maker, and one of another."""
    lab = site.lab
    found = [submitted(lab, analysed(duration_s=3 * 3600)) for _ in range(2)]
    found += [submitted(lab, analysed(duration_s=2400), name="short.gcode") for _ in range(2)]
    found.append(submitted(lab, analysed(duration_s=2400), actor=lab.actors["other"], name="last.gcode"))
    site.sign_in("staff")
    return found


def move(site: Site, at: datetime, machine: str = "ender", **more: object) -> dict[str, object]:
    return {
        "action": "move",
        "resource": site.lab.resources[machine],
        "run_start_at": at.isoformat(),
        **more,
    }


def post(site: Site, path: str, body: object, status: int = 200) -> dict[str, Any]:
    answer = site.client.post(f"/api{path}", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def in_front(site: Site, jobs: list[str]) -> dict[str, object]:
    """A wish for the place of the first short job."""
    with site.lab.database.read() as uow:
        (place,) = calendar.current(calendar.claim(uow, jobs[2]))
        machine = place.resource.name
    return move(site, place.run_start_at, machine)


def test_a_forecast_says_who_moves_by_how_much_and_whether_they_are_told(site: Site, jobs: list[str]) -> None:
    said = post(site, f"/claims/{jobs[4]}/forecast", in_front(site, jobs))
    assert (said["possible"], said["refusals"]) == (True, [])
    (each,) = said["displaced"]
    assert (each["claim"], each["title"], each["owner"]) == (jobs[2], "short.gcode", "Maker")
    assert each["later_s"] > 0
    assert each["said"].startswith("+")
    assert each["told"] == (each["later_s"] >= 900)
    assert said["place"]["ready_from"] <= said["place"]["ready_at"] <= said["place"]["ready_until"]
    assert set(said["cost"]) == {"late_min", "moved_min", "setup_min", "later_min"}
    assert said["said"]


def test_what_was_forecast_is_done_and_answered(site: Site, jobs: list[str]) -> None:
    wish = in_front(site, jobs)
    said = post(site, f"/claims/{jobs[4]}/forecast", wish)
    done = post(site, f"/claims/{jobs[4]}/act", {**wish, "version": said["version"], "why": "a visit"})
    assert done == said
    now = site.client.get("/api/allocations").json()
    (mine,) = [each for each in now if each["job"] == jobs[4]]
    assert (mine["state"], mine["run_start_at"]) == ("firm", said["place"]["run_start_at"])


def test_a_version_that_is_too_old_is_a_conflict_with_a_code_of_its_own(site: Site, jobs: list[str]) -> None:
    said = post(site, f"/claims/{jobs[4]}/forecast", {"action": "pin"})
    post(site, f"/claims/{jobs[3]}/act", {"action": "pin", "version": said["version"]})
    late = post(site, f"/claims/{jobs[4]}/act", {"action": "pin", "version": said["version"]}, 409)
    assert late["code"] == "calendar.moved"
    assert late["detail"]


def test_what_cannot_be_is_forecast_with_its_reason_and_refused_when_tried(
    site: Site, jobs: list[str]
) -> None:
    wish = move(site, TOMORROW + HOUR, "laser")
    said = post(site, f"/claims/{jobs[4]}/forecast", wish)
    assert said["possible"] is False
    assert [each["code"] for each in said["refusals"]] == ["machine.not_eligible"]
    assert said["refusals"][0]["detail"]
    tried = post(site, f"/claims/{jobs[4]}/act", {**wish, "version": said["version"]}, 422)
    assert tried["refusals"] == said["refusals"]


def test_the_reach_names_whom_each_start_would_displace(site: Site, jobs: list[str]) -> None:
    answer = site.client.get(
        f"/api/claims/{jobs[4]}/reach",
        params={"from": TUESDAY.isoformat(), "to": (TUESDAY + 9 * HOUR).isoformat()},
    )
    found = answer.json()
    assert (answer.status_code, found["step_s"], found["refusals"]) == (200, 300, [])
    assert {row["machine"] for row in found["rows"]} == {"mk3", "ender"}
    displaced = {name for row in found["rows"] for span in row["spans"] for name in span["displaced"]}
    assert displaced == set(found["claims"])
    assert jobs[2] in displaced
    assert found["claims"][jobs[2]] == {"title": "short.gcode", "owner": "Maker"}


def test_every_other_wish_has_a_forecast_too(site: Site, jobs: list[str]) -> None:
    ender = site.lab.resources["ender"]
    due_at = (TUESDAY + 4 * HOUR).isoformat()
    for wish in (
        {"action": "pin"},
        {"action": "unpin"},
        {"action": "forbid", "resource": ender},
        {"action": "prioritise", "priority": 1, "due_at": due_at},
    ):
        assert post(site, f"/claims/{jobs[4]}/forecast", wish)["possible"], wish
    said = post(site, f"/claims/{jobs[4]}/forecast", {"action": "allow", "resource": ender})
    assert [each["code"] for each in said["refusals"]] == ["hand.not_barred"]


WRONG: tuple[tuple[dict[str, object], str], ...] = (
    ({"action": "move"}, "resource"),
    ({"action": "move", "resource": 1}, "run_start_at"),
    ({"action": "move", "resource": 1, "run_start_at": "tomorrow"}, "run_start_at"),
    ({"action": "move", "resource": 1, "run_start_at": "2026-11-25T10:00:00"}, "run_start_at"),
    ({"action": "move", "resource": 2**60, "run_start_at": "2026-11-25T10:00:00Z"}, "resource"),
    ({"action": "forbid"}, "resource"),
    ({"action": "prioritise"}, "priority"),
    ({"action": "prioritise", "priority": 7}, "priority"),
)


def test_a_wish_that_cannot_be_understood_is_answered_by_field(site: Site, jobs: list[str]) -> None:
    answered = [post(site, f"/claims/{jobs[4]}/forecast", wish, 400)["field"] for wish, _ in WRONG]
    assert answered == [field for _, field in WRONG]


def test_dates_at_the_ends_of_all_calendars_break_nothing(site: Site, jobs: list[str]) -> None:
    for at in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"):
        wish = {"action": "move", "resource": site.lab.resources["ender"], "run_start_at": at}
        assert post(site, f"/claims/{jobs[4]}/forecast", wish)["possible"] is False
        for params in ({"from": at}, {"to": at}):
            answer = site.client.get(f"/api/claims/{jobs[4]}/reach", params=params)
            assert answer.status_code in (200, 400), answer.text
        for path, body in (
            ("/absence/forecast", {"from": at, "until": at}),
            (f"/machines/{site.lab.resources['mk3']}/out-of-service/forecast", {"until": at}),
        ):
            assert site.client.post(f"/api{path}", json=body).status_code in (200, 400)


def test_what_an_outage_would_do_is_known_before_and_of_strangers_nothing(
    site: Site, jobs: list[str]
) -> None:
    mk3 = site.lab.resources["mk3"]
    said = post(site, f"/machines/{mk3}/out-of-service/forecast", {})
    assert said["displaced"]
    assert str(len(said["displaced"])) in said["said"]
    post(site, "/machines/999/out-of-service/forecast", {}, 404)
    assert post(site, "/claims/nothing/forecast", {"action": "pin"}, 404)["code"] == "claim.unknown"
    shut = {"from": (TUESDAY + 3 * HOUR).isoformat(), "until": (TUESDAY + 9 * HOUR).isoformat()}
    assert post(site, "/absence/forecast", shut)["displaced"]


def test_makers_and_tokens_without_the_scope_take_nothing_in_hand(site: Site, jobs: list[str]) -> None:
    calls: tuple[tuple[str, str, object], ...] = (
        ("GET", f"/api/claims/{jobs[2]}/reach", None),
        ("POST", f"/api/claims/{jobs[2]}/forecast", {"action": "pin"}),
        ("POST", f"/api/claims/{jobs[2]}/act", {"action": "pin", "version": 1}),
        ("POST", f"/api/machines/{site.lab.resources['mk3']}/out-of-service/forecast", {}),
        ("POST", "/api/absence/forecast", {"from": "x", "until": "y"}),
    )
    readers = site.token("staff", Scope.READ)
    for method, path, body in calls:
        assert site.client.request(method, path, json=body, headers=readers).status_code == 403
    site.sign_in("maker")  # it is even their own
    for method, path, body in calls:
        assert site.client.request(method, path, json=body).status_code == 403


def test_a_token_that_may_not_read_learns_no_names(site: Site, jobs: list[str]) -> None:
    headers = site.token("staff", Scope.OPERATE)
    answer = site.client.post(
        f"/api/claims/{jobs[4]}/forecast", json=in_front(site, jobs), headers=headers
    ).json()
    assert [(each["title"], each["owner"]) for each in answer["displaced"]] == [(None, None)]
