"""Our PrusaLink driver, and our PrusaLink mock, beside a real PrusaLink 0.8.1."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from drivers.mock.prusalink import MockPrusaLink
from drivers.prusalink import PrusaLink
from fablab.device import DeviceState, Misfit, Outcome, Safety, Status
from tests.drivers.doubles import first
from tests.peers.mk3 import FIRMWARE, SERIAL_NUMBER
from tests.peers.prusalink_server import API_KEY, PASSWORD, USER, Server, serve

pytestmark = pytest.mark.peers

SHORT = ["G28", *(f"G1 X{n} F6000" for n in range(40))]
HOT = ["M140 S60", "M104 S200", *("G4 P200" for _ in range(300))]
GCODE = {"Content-Type": "text/x.gcode"}
BODY = b"G28\n"
LOCAL = "/api/v1/files/local"

# Asked of both in this order; none depends on whether an end is still told.
QUESTIONS: list[tuple[str, str, dict[str, str], bytes]] = [
    ("GET", "/api/version", {}, b""),
    ("GET", "/api/v1/info", {}, b""),
    ("GET", "/api/v1/nothing", {}, b""),
    ("GET", "/api/version", {"X-Api-Key": "wrong"}, b""),
    ("PUT", f"{LOCAL}/parity.gcode", {"Content-Type": "text/plain"}, BODY),
    ("PUT", f"{LOCAL}/parity.gcode", {"Content-Type": "application/octet-stream"}, BODY),
    ("PUT", f"{LOCAL}/parity.gcode", GCODE, BODY),
    ("PUT", f"{LOCAL}/parity.gcode", GCODE, BODY),
    ("PUT", f"{LOCAL}/parity.gcode", GCODE | {"Overwrite": "?1"}, BODY),
    ("PUT", f"{LOCAL}/parity.txt", GCODE, BODY),
    ("PUT", "/api/v1/files/sdcard/parity.gcode", GCODE, BODY),
    ("PUT", "/api/v1/files/usb/parity.gcode", GCODE, BODY),
    ("GET", f"{LOCAL}/not-there.gcode", {}, b""),
    ("PUT", "/api/v1/job/9999/pause", {}, b""),
    ("DELETE", "/api/v1/job/9999", {}, b""),
]


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("prusalink")) as server:
        yield server


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[PrusaLink]:
    device = PrusaLink(name="peer", url=url, user=USER, password=PASSWORD, look_s=0.5)
    await device.open()
    try:
        yield device
    finally:
        await device.close()


def program(folder: Path, lines: list[str]) -> Path:
    (file := folder / f"{len(lines)}.gcode").write_text("\n".join(lines) + "\n; the end\n")
    return file


def has_ended(outcome: Outcome) -> Callable[[Status], bool]:
    return lambda s: s.state is DeviceState.IDLE and s.progress is not None and s.progress.outcome is outcome


async def answers(url: str) -> list[int]:
    """PrusaLink closes each connection, as HTTP/1.0 does."""
    told = []
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        for method, path, headers, body in QUESTIONS:
            key = {"X-Api-Key": API_KEY, "Accept": "application/json"}
            told.append((await client.request(method, path, headers=key | headers, content=body)).status_code)
        told.append((await client.get("/api/version")).status_code)
    return told


async def test_it_says_who_it_is_and_a_wrong_password_blocks(peer: Server) -> None:
    device = PrusaLink(name="peer", url=peer.url, user=USER, password="wrong")
    with pytest.raises(Misfit, match="user name and password"):
        await device.open()
    async with opened(peer.url) as right:
        identity = await right.open()
    assert identity.firmware == f"PrusaLink 0.8.1 {FIRMWARE}"
    assert (identity.model, identity.serial_number) == ("I3MK3S", SERIAL_NUMBER)


async def test_a_print_runs_whole_and_the_next_is_held_and_stopped(peer: Server, tmp_path: Path) -> None:
    async with opened(peer.url) as device:
        had = len(peer.printer.executed)
        await device.start(program(tmp_path, SHORT), "whole")
        await first(device.watch(), has_ended(Outcome.DONE))
        # PrusaLink mixes its own progress (M73) into a file that has none.
        assert [c for c in peer.printer.executed[had:] if not c.startswith("M73")] == SHORT

        await device.start(program(tmp_path, HOT), "stopped")  # only once the old end is no longer told
        await first(device.watch(), lambda s: s.heat_c.get("tool0_target") == 200)
        await device.pause()
        await first(device.watch(), lambda s: s.state is DeviceState.PAUSED)
        await device.resume()
        await first(device.watch(), lambda s: s.state is DeviceState.RUNNING)
        assert await device.make_safe() is Safety.CONFIRMED
        assert set(peer.printer.targets_c.values()) == {0.0}
        await first(device.watch(), has_ended(Outcome.CANCELLED))


async def test_our_mock_answers_as_the_real_one(peer: Server) -> None:
    async with MockPrusaLink(api_key=API_KEY) as mock:
        ours, theirs = await asyncio.gather(answers(mock.url), answers(peer.url))
    assert ours == theirs
