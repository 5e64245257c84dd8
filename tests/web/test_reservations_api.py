"""Reservations over the API: what is answered to whom, in which status, and what a loser is offered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fablab.people.access import Scope
from tests.web.site import Site

USUAL = (Scope.READ, Scope.SUBMIT)


def body(site: Site, *names: str, start: float = 1, hours: float = 1, **more: object) -> dict[str, object]:
    begin = site.lab.clock.now() + timedelta(hours=start)
    return {
        "resources": [site.lab.resources[name] for name in names or ("mk3",)],
        "start_at": begin.isoformat(),
        "end_at": (begin + timedelta(hours=hours)).isoformat(),
        **more,
    }


def post(site: Site, who: str, path: str, json: object, **headers: str) -> Any:
    return site.client.post(path, json=json, headers={**site.token(who, *USUAL, Scope.OPERATE), **headers})


def reserve(site: Site, who: str = "maker", *names: str, **more: object) -> dict[str, Any]:
    answer = post(site, who, "/api/reservations", body(site, *names, **more))  # type: ignore[arg-type]
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_place_is_taken_and_seen_with_its_price(site: Site) -> None:
    row = reserve(site, "maker", "mk3", "room", hours=2)
    whole = site.client.get(f"/api/reservations/{row['id']}", headers=site.token("maker", Scope.READ)).json()
    assert (whole["state"], whole["price"]["total_cents"]) == ("confirmed", 200)


def test_a_loser_gets_a_conflict_with_alternatives_that_can_be_had(site: Site) -> None:
    reserve(site)
    answer = post(site, "other", "/api/reservations", body(site))
    assert answer.status_code == 409
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["code"] == "slot_taken"
    first = problem["alternatives"][0]
    wanted = {key: first[key] for key in ("resources", "start_at", "end_at")}
    assert post(site, "other", "/api/reservations", wanted).status_code == 201


def test_a_refusal_says_every_reason_in_the_callers_language(site: Site) -> None:
    answer = post(
        site, "maker", "/api/reservations", body(site, "laser", start=14), **{"Accept-Language": "en"}
    )
    assert answer.status_code == 422
    assert {"certification.missing", "hours.closed"} <= {each["code"] for each in answer.json()["refusals"]}


def test_the_idempotency_key_may_be_a_header(site: Site) -> None:
    key = {"Idempotency-Key": "tap-1"}
    first, again = (post(site, "maker", "/api/reservations", body(site), **key) for _ in range(2))
    assert first.json() == again.json()


def test_a_time_without_a_zone_is_said_with_its_field(site: Site) -> None:
    answer = post(site, "maker", "/api/reservations", {**body(site), "start_at": "2026-11-24T10:00:00"})
    assert (answer.status_code, answer.json()["field"]) == (400, "start_at")


def test_others_see_that_a_place_is_taken_and_not_by_whom(site: Site) -> None:
    reserve(site, title="A gift for Ana")
    resource = site.lab.resources["mk3"]
    for path in (f"/api/reservations/week?resource={resource}", "/api/reservations/day"):
        seen = {
            who: site.client.get(path, headers=site.token(who, Scope.READ)).json()["places"][0]
            for who in ("maker", "other", "staff")
        }
        assert seen["maker"]["mine"]
        assert seen["maker"]["title"] == seen["staff"]["title"] == "A gift for Ana"
        assert {"id", "title", "member", "mine"}.isdisjoint(seen["other"])


def test_a_week_begins_on_monday_at_local_midnight(site: Site) -> None:
    path = f"/api/reservations/week?resource={site.lab.resources['mk3']}&day=2026-10-25"
    week = site.client.get(path, headers=site.token("maker", Scope.READ)).json()
    assert (week["from"], week["to"]) == ("2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z")


def test_it_is_moved_come_to_and_ended(site: Site) -> None:
    row = reserve(site)
    path = f"/api/reservations/{row['id']}"
    end = (site.lab.clock.now() + timedelta(hours=3)).isoformat()
    assert post(site, "maker", f"{path}/move", {"end_at": end}).status_code == 200
    site.lab.clock.advance(hours=1)
    assert post(site, "maker", f"{path}/check-in", {"how": "qr"}).json()["state"] == "in_use"
    site.lab.clock.advance(minutes=30)
    assert post(site, "maker", f"{path}/end", None).json()["state"] == "completed"


def test_a_move_into_somebody_elses_place_offers_another(site: Site) -> None:
    row = reserve(site)
    reserve(site, "other", start=4)
    start = (site.lab.clock.now() + timedelta(hours=4)).isoformat()
    answer = post(site, "maker", f"/api/reservations/{row['id']}/move", {"start_at": start})
    assert answer.status_code == 409
    assert answer.json()["alternatives"]


def test_a_series_says_what_it_skips(site: Site) -> None:
    reserve(site, "other", start=24 * 7 + 1)
    found = post(site, "maker", "/api/reservations/repeat", body(site, count=3)).json()
    assert (len(found["made"]), [each["refusals"][0]["code"] for each in found["skipped"]]) == (
        2,
        ["slot_taken"],
    )
    gone = post(site, "maker", f"/api/reservations/series/{found['series']}/cancel", {}).json()
    assert gone == {"count": 2}


def test_it_is_handed_over_and_cancelled_by_its_new_holder(site: Site) -> None:
    path = f"/api/reservations/{reserve(site)['id']}"
    other = site.lab.actors["other"].member_id
    assert post(site, "maker", f"{path}/hand-over", {"member": other}).json()["to"] == other
    assert post(site, "maker", f"{path}/hand-over/accept", {}).status_code == 404
    assert post(site, "other", f"{path}/hand-over/accept", {}).json()["state"] == "accepted"
    assert post(site, "maker", f"{path}/cancel", {}).status_code == 404
    assert post(site, "other", f"{path}/cancel", {}).json()["state"] == "cancelled"


def test_a_token_that_only_reads_reserves_nothing(site: Site) -> None:
    headers = site.token("maker", Scope.READ)
    assert site.client.post("/api/reservations", json=body(site), headers=headers).status_code == 403


def test_a_browser_without_its_csrf_token_reserves_nothing(site: Site) -> None:
    site.sign_in("maker")
    del site.client.headers["X-CSRF-Token"]
    assert site.client.post("/api/reservations", json=body(site)).status_code == 403


def test_what_could_be_had_of_a_kind_is_offered(site: Site) -> None:
    wanted = {"wanted": [{"kind": "machine", "technology": "fdm"}], "duration_s": 7200}
    found = post(site, "maker", "/api/reservations/options", wanted).json()
    assert found
    names = {name for offer in found for name in offer["names"]}
    assert names <= {"mk3", "ender"}


def test_what_would_come_of_it_is_said_before(site: Site) -> None:
    assert post(site, "maker", "/api/reservations/forecast", body(site)).json()["possible"]
    reserve(site)
    found = post(site, "other", "/api/reservations/forecast", body(site)).json()
    assert [each["code"] for each in found["refusals"]] == ["slot_taken"]
