"""The server may die at any moment of a print; the print does not. The host may die too; then the heat goes off."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from drivers.mock.marlin import MockMarlin
from tests.served import Served, end_hosts, served, until

pytestmark = [pytest.mark.xdist_group("wall clock"), pytest.mark.timeout(300)]


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[MockMarlin]:
    with MockMarlin(link=tmp_path / "tty", speed=1) as mock:
        yield mock


@pytest.fixture
def server(tmp_path: Path, mock: MockMarlin) -> Iterator[Served]:
    toml = f'[devices.mk3]\ndriver = "marlin"\nport = "{mock.port}"\n'
    try:
        with served(tmp_path / "data", toml, {"mk3": "mk3"}) as server:
            yield server
    finally:
        end_hosts(tmp_path / "data")


def program(folder: Path, moves: int, dwell_ms: int) -> tuple[Path, list[str]]:
    """A part whose every move can be told from every other, and those moves."""
    lines = [f"G1 X{number / 100:.2f} E0.01 F60000" for number in range(1, moves + 1)]
    text = ["; filament_type = PETG", "M83", "M104 S220", "M140 S60"]
    text += [part for line in lines for part in (line, f"G4 P{dwell_ms}")]
    path = folder / "part.gcode"
    path.write_text("\n".join(text) + "\n")
    return path, lines


def reached(mock: MockMarlin) -> list[str]:
    return [line for line in mock.accepted if line.startswith("G1 X")]


def heat_asked(mock: MockMarlin) -> bool:
    """Whether the firmware still heats anything."""
    return any(value > 0 for part, value in mock.heat.items() if part.endswith("_target"))


def begun(server: Served, path: Path) -> tuple[str, str]:
    """Job and run ids of a print that is under way."""
    job = server.submit(path)
    server.online("mk3")
    run = server.tap("mk3", job["id"])
    until(lambda: True if server.get(f"/api/runs/{run['id']}")["state"] == "running" else None)
    return job["id"], run["id"]


def host_of(server: Served) -> psutil.Process:
    hosts = [
        process
        for process in psutil.process_iter(["cmdline"])
        if "host" in (words := process.info["cmdline"] or []) and str(server.folder) in " ".join(words)
    ]
    (host,) = [process for process in hosts if "mk3" in process.info["cmdline"]]
    return host


@pytest.mark.parametrize(("kills", "moves"), [(3, 1500), pytest.param(10, 4000, marks=pytest.mark.soak)])
def test_a_server_killed_again_and_again_in_a_print_loses_no_line_and_repeats_none(
    server: Served, mock: MockMarlin, tmp_path: Path, kills: int, moves: int
) -> None:
    path, lines = program(tmp_path, moves, dwell_ms=8)
    job, run = begun(server, path)
    chance = random.Random(7)
    for _ in range(kills):
        time.sleep(chance.uniform(0.05, 0.6))  # the moment is the point of the test
        server.kill()
        server.start()
    assert server.get(f"/api/runs/{run}")["state"] in ("running", "succeeded")
    until(lambda: True if server.get(f"/api/runs/{run}")["state"] == "succeeded" else None, within_s=120)
    assert reached(mock) == lines
    seen = server.get(f"/api/jobs/{job}")
    assert seen["state"] == "done"
    assert [attempt["id"] for attempt in seen["runs"]] == [run]
    assert seen["charge"]["total_cents"] == seen["quote"]["total_cents"]


def test_a_killed_host_leaves_no_heat_and_nothing_restarts(
    server: Served, mock: MockMarlin, tmp_path: Path
) -> None:
    path, lines = program(tmp_path, 20000, dwell_ms=20)
    job, run = begun(server, path)
    until(lambda: True if heat_asked(mock) else None)
    os.kill(host_of(server).pid, signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: True if not heat_asked(mock) else None, within_s=5.0)
    assert time.monotonic() - killed < 5.0
    until(lambda: True if server.get(f"/api/runs/{run}")["state"] == "interrupted" else None, within_s=60)
    sent = len(reached(mock))
    assert server.get(f"/api/jobs/{job}")["state"] == "queued"
    server.online("mk3")
    assert server.machine("mk3")["gate"] == "awaiting_clear"
    assert len(reached(mock)) == sent < len(lines)
