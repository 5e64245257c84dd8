"""The API as a program sees it: send a file, follow it, work the machines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from sqlalchemy import event

from fablab.device import Capability, DeviceState, Identity, LinkLost, LinkState, Safety, Status
from tests.lab import GEAR, TAG, Lab, counted
from tests.web.site import HOST, Site, make_app


@pytest.fixture
def maker(site: Site) -> Site:
    site.sign_in("maker")
    return site


def send_gear(site: Site, **fields: str) -> dict[str, Any]:
    answer = site.send(GEAR.read_bytes(), "gear_mk3s_petg.gcode", **fields)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_file_becomes_a_job_with_a_promise_a_price_and_an_explanation(maker: Site) -> None:
    job = send_gear(maker, project=str(maker.lab.projects["drone"]), priority="-1", note="for Tuesday")
    assert (job["state"], job["planned"], job["project"], job["material"]) == (
        "queued",
        True,
        "Drone",
        "PETG",
    )
    promise = job["promise"]
    assert promise["machines"] == ["mk3"]
    assert promise["start_at"] < promise["ready_from"] <= promise["ready_at"] <= promise["ready_until"]
    assert job["program"]["duration_source"] == "slicer"
    assert job["quote"]["total_cents"] == sum(line["amount_cents"] for line in job["quote"]["lines"])
    assert {reason["about"] for reason in job["reasons"]} == {"here", "not_there"}
    assert all(reason["detail"] for reason in job["reasons"])
    assert job["note"] == "for Tuesday"


def test_a_job_is_found_again_alone_and_in_the_list(maker: Site) -> None:
    job = send_gear(maker)
    assert maker.client.get(f"/api/jobs/{job['id']}").json() == job
    (listed,) = maker.client.get("/api/jobs").json()
    assert listed == {key: job.get(key) for key in listed if key not in ("quoted_cents", "charged_cents")} | {
        "quoted_cents": job["quote"]["total_cents"],
        "charged_cents": None,
    }


def test_a_draft_waits_until_it_is_submitted(maker: Site) -> None:
    draft = send_gear(maker, draft="true")
    assert (draft["state"], draft["promise"], draft["quote"]) == ("draft", None, None)
    wishes = {"due_at": "2026-11-27T18:00:00+01:00", "project": maker.lab.projects["drone"]}
    job = maker.client.post(f"/api/jobs/{draft['id']}/submit", json=wishes).json()
    assert (job["state"], job["due_at"]) == ("queued", "2026-11-27T17:00:00Z")
    again = maker.client.post(f"/api/jobs/{draft['id']}/submit", json={})
    assert (again.status_code, again.json()["code"]) == (409, "bad_step")


def test_a_cancelled_job_gives_its_place_back(maker: Site) -> None:
    job = send_gear(maker)
    assert len(allocations(maker)) == 1
    cancelled = maker.client.delete(f"/api/jobs/{job['id']}")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert allocations(maker) == []
    assert maker.client.delete(f"/api/jobs/{job['id']}").status_code == 409


def allocations(site: Site, **query: str) -> list[dict[str, Any]]:
    answer = site.client.get("/api/allocations", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def test_the_calendar_shows_others_that_a_place_is_taken_and_not_by_whom(maker: Site) -> None:
    job = send_gear(maker)
    mine = allocations(maker)[0]
    assert (mine["mine"], mine["job"], mine["title"]) == (True, job["id"], "gear_mk3s_petg.gcode")
    maker.sign_in("other")
    theirs = allocations(maker)[0]
    assert (theirs["mine"], theirs["job"], theirs["title"], theirs["member"]) == (False, None, None, None)
    assert theirs["start_at"] == mine["start_at"]
    maker.sign_in("staff")
    assert allocations(maker)[0]["member"] == "Maker"


def test_the_calendar_gives_what_touches_the_span(maker: Site) -> None:
    send_gear(maker)
    start = datetime.fromisoformat(allocations(maker)[0]["start_at"])
    before = (start - timedelta(hours=1)).isoformat(), start.isoformat()
    assert allocations(maker, **{"from": before[0], "to": before[1]}) == []
    after = (start + timedelta(minutes=1)).isoformat()
    assert len(allocations(maker, **{"from": start.isoformat(), "to": after})) == 1


@pytest.mark.parametrize("address", ["/api/allocations", "/api/machines"])
def test_what_has_not_changed_is_not_sent_again(maker: Site, address: str) -> None:
    first = maker.client.get(address)
    again = maker.client.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    send_gear(maker)
    assert maker.client.get(address, headers={"If-None-Match": first.headers["etag"]}).status_code == 200


@pytest.mark.parametrize("address", ["/api/jobs", "/api/machines", "/api/allocations"])
def test_a_list_takes_the_same_number_of_queries_however_long_it_is(maker: Site, address: str) -> None:
    def queries() -> int:
        counted: list[str] = []
        engine = maker.app.state.parts.database.engine

        def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            counted.append(statement)

        event.listen(engine, "before_cursor_execute", count)
        assert maker.client.get(address).status_code == 200
        event.remove(engine, "before_cursor_execute", count)
        return len(counted)

    project = str(maker.lab.projects["drone"])
    for _ in range(2):
        maker.send(TAG.read_bytes(), material="PLA", project=project)
    few = queries()
    for _ in range(5):
        maker.send(TAG.read_bytes(), material="PLA", project=project)
    assert queries() == few


def test_the_floor_lists_every_machine_with_its_word(maker: Site) -> None:
    send_gear(maker)
    machines = {machine["name"]: machine for machine in maker.client.get("/api/machines").json()}
    assert sorted(machines) == ["ender", "laser", "mk3"]
    assert machines["mk3"]["word"] == "offline"
    assert machines["mk3"]["spool"]["material"] == "PETG"
    assert machines["mk3"]["next"]["title"] == "gear_mk3s_petg.gcode"
    maker.sign_in("other")
    mk3 = maker.client.get(f"/api/machines/{maker.lab.resources['mk3']}").json()
    assert (mk3["next"]["title"], mk3["next"]["job"]) == (None, None)


def test_a_tap_makes_a_run_and_its_owner_may_take_it_back(maker: Site) -> None:
    job = send_gear(maker)
    mk3 = maker.lab.resources["mk3"]
    maker.sign_in("staff")
    run = maker.client.post(f"/api/machines/{mk3}/tap", json={"bed_clear": True})
    assert (run.status_code, run.json()["state"], run.json()["job"]) == (201, "preparing", job["id"])
    maker.sign_in("other")
    assert maker.client.get(f"/api/runs/{run.json()['id']}").status_code == 404
    assert maker.client.post(f"/api/runs/{run.json()['id']}/cancel").status_code == 403
    maker.sign_in("maker")
    assert maker.client.get(f"/api/runs/{run.json()['id']}").json()["machine_name"] == "mk3"
    cancelled = maker.client.post(f"/api/runs/{run.json()['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
    again = maker.client.post(f"/api/runs/{run.json()['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "run.already_ended")


def test_nothing_starts_on_a_bed_that_nobody_confirmed(maker: Site) -> None:
    send_gear(maker)
    maker.sign_in("staff")
    answer = maker.client.post(f"/api/machines/{maker.lab.resources['mk3']}/tap", json={"bed_clear": False})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
        400,
        "bed.not_confirmed",
        "bed_clear",
    )


def test_a_machine_goes_out_of_service_and_comes_back_uncleared(site: Site) -> None:
    site.sign_in("staff")
    address = f"/api/machines/{site.lab.resources['mk3']}"
    away = site.client.post(f"{address}/out-of-service", json={"note": "nozzle blocked"}).json()
    assert (away["word"], away["gate"], away["gate_note"]) == (
        "out_of_service",
        "out_of_service",
        "nozzle blocked",
    )
    assert site.client.post(f"{address}/back").json()["gate"] == "awaiting_clear"
    assert site.client.post(f"{address}/clear").json()["gate"] == "clear"
    assert site.client.post(f"{address}/back").status_code == 409


def test_a_machine_that_is_expected_back_has_an_outage_until_then(site: Site) -> None:
    site.sign_in("staff")
    address = f"/api/machines/{site.lab.resources['mk3']}"
    until = (site.lab.clock.now() + timedelta(hours=5)).isoformat()
    assert site.client.post(f"{address}/out-of-service", json={"until": until}).status_code == 200
    assert counted(site.lab, "SELECT count(*) FROM claims WHERE kind = 'outage' AND state = 'held'") == 1
    late = site.client.post(f"{address}/out-of-service", json={"until": "2020-01-01T00:00:00Z"})
    assert (late.status_code, late.json()["field"]) == (400, "until")
    site.client.post(f"{address}/back")
    assert counted(site.lab, "SELECT count(*) FROM claims WHERE kind = 'outage' AND state = 'held'") == 0


def test_a_machine_without_a_wire_cannot_be_stopped_from_here(site: Site) -> None:
    site.sign_in("staff")
    answer = site.client.post(f"/api/machines/{site.lab.resources['mk3']}/stop")
    assert (answer.status_code, answer.json()["code"]) == (404, "machine.no_link")


def test_the_schema_names_every_path_and_the_docs_load_nothing_from_elsewhere(site: Site) -> None:
    schema = site.client.get("/api/openapi.json").json()
    assert {"/api/jobs", "/api/machines/{machine_id}/tap", "/api/allocations", "/api/login"} <= set(
        schema["paths"]
    )
    assert schema["openapi"].startswith("3.1")
    docs = site.client.get("/api/docs", headers={"Accept": "text/html"})
    assert docs.status_code == 200
    assert "/api/openapi.json" in docs.text
    assert "https://" not in docs.text


def test_a_problem_type_can_be_looked_up(site: Site) -> None:
    answer = site.client.get("/problems/program.empty", headers={"Accept-Language": "en"})
    assert "This file is empty." in answer.text
    assert site.client.get("/problems/no.such").status_code == 404


class StillLink:
    """A link to a machine that stands still, and says of every stop what it was told to say."""

    def __init__(self, name: str, stop: Safety | Exception) -> None:
        self.name = name
        self.capabilities = frozenset({Capability.START, Capability.PAUSE})
        self.state = LinkState.ONLINE
        self.status = Status(
            at=datetime(2026, 11, 24, 9, tzinfo=UTC), state=DeviceState.IDLE, heat_c={"bed": 21.5}
        )
        self.age_s: float | None = 0.4
        self.reason = ""
        self.identity: Identity | None = None
        self._stop = stop

    def begin(self) -> None: ...

    async def close(self) -> None: ...

    def retry(self) -> None: ...

    async def subscribe(self) -> AsyncIterator[Status]:
        yield self.status
        await asyncio.Event().wait()

    async def start(self, program: Path, token: str, deadline: datetime) -> None: ...

    async def pause(self) -> None: ...

    async def resume(self) -> None: ...

    async def cancel(self) -> None: ...

    async def make_safe(self) -> Safety:
        if isinstance(self._stop, Exception):
            raise self._stop
        return self._stop


@pytest.fixture
def wired(lab: Lab, tmp_path: Path) -> Iterator[Site]:
    links = {
        "mk3": StillLink("mk3", Safety.NOT_CONFIRMED),
        "ender": StillLink("ender", LinkLost("cable out")),
    }
    app = make_app(lab, tmp_path, links=links, dispatch=True)
    with TestClient(app, base_url=HOST) as client:
        site = Site(lab, app, client)
        site.sign_in("staff")
        yield site


def test_a_stop_that_was_not_confirmed_says_so(wired: Site) -> None:
    headers = {"Accept-Language": "en"}
    wired.client.cookies.set("fablab_language", "en")
    answer = wired.client.post(f"/api/machines/{wired.lab.resources['mk3']}/stop", headers=headers)
    assert answer.json()["confirmed"] is False
    assert "red button" in answer.json()["detail"]


def test_a_machine_that_does_not_answer_is_no_success(wired: Site) -> None:
    answer = wired.client.post(f"/api/machines/{wired.lab.resources['ender']}/stop")
    assert (answer.status_code, answer.json()["code"]) == (503, "machine.no_answer")


def test_a_machine_on_the_wire_is_shown_as_it_is(wired: Site) -> None:
    address = f"/api/machines/{wired.lab.resources['mk3']}"
    machine = wired.client.get(address).json()
    assert (machine["word"], machine["link"]) == ("awaiting_clear", "online")
    assert machine["status"]["heat_c"] == {"bed": 21.5}
    assert wired.client.post(f"{address}/clear").json()["word"] == "free"
    assert wired.client.get("/api/health").json()["machines"] == {"online": 2}
