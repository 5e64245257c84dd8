"""Our mocked Moonraker beside the real one: the same questions, the same answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from drivers.mock.moonraker import MockMoonraker
from tests.peers.moonraker_server import Server

pytestmark = [pytest.mark.peers, pytest.mark.xdist_group("moonraker")]

LONG = "M104 S60\n" + "G1 X1\nG4 P100\n" * 100
FILE = "fablab/lab-asked.gcode"


@dataclass
class Asked:
    """One server, asked past our driver; `heard` is what it answered, in words that do not differ by machine."""

    client: httpx.AsyncClient
    heard: list[object]

    async def call(self, method: str, path: str, **rest: Any) -> Any:
        answer = await self.client.request(method, path, **rest)
        body = answer.json()
        error = body.get("error", {}).get("message", "") if isinstance(body, dict) else ""
        self.heard.append((method, path, answer.status_code, error))
        return body

    async def upload(self, content: str, name: str = "lab-asked.gcode", start: bool = False) -> None:
        form = {"root": "gcodes", "path": "fablab", "print": str(start).lower()}
        body = await self.call(
            "POST", "/server/files/upload", data=form, files={"file": (name, content.encode())}
        )
        item = body.get("item", {})
        self.heard.append((item.get("path"), item.get("size"), body.get("print_started")))

    async def look(self) -> None:
        wanted = "webhooks&print_stats&virtual_sdcard&heaters&pause_resume&extruder&heater_bed"
        body = await self.call("GET", f"/printer/objects/query?{wanted}")
        told = body["result"]["status"]
        self.heard.append(
            (
                told["webhooks"],
                {k: told["print_stats"][k] for k in ("filename", "state", "message")},
                told["pause_resume"]["is_paused"],
                sorted(told["heaters"]["available_heaters"]),
                told["extruder"]["target"],
                told["heater_bed"]["target"],
            )
        )

    async def history(self, want: str, name: str = FILE) -> None:
        """The newest row, which comes a moment later."""
        for _ in range(200):
            answer = await self.client.get("/server/history/list?limit=1")
            jobs = [(job["filename"], job["status"]) for job in answer.json()["result"]["jobs"]]
            if jobs == [(name, want)]:
                break
            await asyncio.sleep(0.05)
        self.heard.append(jobs)

    async def until(self, state: str) -> None:
        for _ in range(200):
            answer = await self.client.get("/server/info")
            if answer.json()["result"]["klippy_state"] == state:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"not {state} in time")


async def interview(url: str, key: str) -> list[object]:
    async with httpx.AsyncClient(
        base_url=url, headers={"X-Api-Key": key}, trust_env=False, timeout=20
    ) as client:
        asked = Asked(client, [])
        await asked.call("GET", "/server/info", headers={"X-Api-Key": "f" * 32})
        for command in ("pause", "resume", "cancel"):
            await asked.call("POST", f"/printer/print/{command}")
        await asked.look()
        await asked.call("POST", "/printer/print/start?filename=fablab/nothing.gcode")
        await asked.upload(LONG, start=True)
        await asked.history("in_progress")
        await asked.upload(LONG)
        await asked.call("DELETE", f"/server/files/gcodes/{FILE}")
        await asked.call("POST", f"/printer/print/start?filename={FILE}")
        for command in ("pause", "pause", "resume", "resume"):
            await asked.call("POST", f"/printer/print/{command}")
            await asked.look()
        await asked.call("POST", "/printer/print/cancel")
        await asked.look()
        await asked.history("cancelled")
        await asked.call("POST", "/printer/gcode/script?script=TURN_OFF_HEATERS")
        await asked.call("POST", "/printer/gcode/script?script=%3B+is+Klipper+free")
        await asked.call("POST", f"/printer/print/start?filename={FILE}")
        await asked.history("in_progress")
        await asked.call("POST", "/printer/print/pause")
        await asked.upload(LONG, name="lab-other.gcode")
        # The real one hears of states four times a second: to it, a pause and a start in between are no change.
        await asyncio.sleep(1)
        await asked.call("POST", "/printer/print/start?filename=fablab/lab-other.gcode")
        await asked.history("in_progress", "fablab/lab-other.gcode")
        await asked.call("POST", "/printer/emergency_stop")
        await asked.history("klippy_shutdown", "fablab/lab-other.gcode")
        await asked.look()
        for path in ("print/start?filename=" + FILE, "print/cancel", "gcode/script?script=TURN_OFF_HEATERS"):
            await asked.call("POST", f"/printer/{path}")
        await asked.upload(LONG, start=True)
        await asked.call("POST", "/printer/firmware_restart")
        await asked.until("ready")
        await asked.look()
        return asked.heard


@pytest.fixture
async def mock() -> AsyncIterator[MockMoonraker]:
    async with MockMoonraker(api_key="0123456789abcdef") as server:
        yield server


async def test_the_mock_answers_as_the_real_one_does(moonraker_server: Server, mock: MockMoonraker) -> None:
    await asyncio.to_thread(moonraker_server.make_ready)
    await asyncio.to_thread(moonraker_server.restart_firmware)
    await asyncio.sleep(1)  # what begins in the first half second is missed by the history of the real one
    real = await interview(moonraker_server.url, moonraker_server.api_key)
    ours = await interview(mock.url, mock.api_key)
    assert ours == real
