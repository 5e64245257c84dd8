"""The main job through a printer that this project did not write: a real OctoPrint with its virtual printer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab import GEAR
from tests.peers.octoprint_server import serve
from tests.served import served, until

pytestmark = [pytest.mark.peers, pytest.mark.xdist_group("octoprint"), pytest.mark.timeout(240)]


def test_a_gear_dropped_on_the_lab_is_printed_by_octoprint_and_charged(tmp_path: Path) -> None:
    # Heating is the peer's slowest part; a warm room and hurried moves make a half-hour print a matter of seconds.
    with serve(tmp_path / "octoprint", ambient_c=260) as octoprint:
        octoprint.hurry(1000)
        toml = (
            f'[devices.mk3]\ndriver = "octoprint"\nurl = "{octoprint.url}"\napi_key = "{octoprint.api_key}"\n'
        )
        with served(tmp_path / "data", toml, {"mk3": "mk3"}) as server:
            job = server.submit(GEAR)
            assert job["promise"]["ready_at"] > job["made_at"]
            server.online("mk3")
            run = server.tap("mk3", job["id"])
            path = f"/api/runs/{run['id']}"
            until(lambda: True if server.get(path)["state"] == "running" else None, within_s=60)
            until(lambda: True if server.get(path)["state"] == "succeeded" else None, within_s=150)
            seen = server.get(f"/api/jobs/{job['id']}")
            machine = server.machine("mk3")
    assert seen["state"] == "done"
    assert seen["charge"]["total_cents"] == job["quote"]["total_cents"] == 118
    assert seen["runs"][0]["used_g"] == pytest.approx(4.5)
    assert machine["spool"]["left_g"] == pytest.approx(795.5)
    assert machine["gate"] == "awaiting_clear"
