"""Printrun's printcore, a host this project did not write, prints on our mocked Marlin."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from drivers.mock.marlin import MockMarlin
from tests.peers.venvs import peer_env, peer_venv

pytestmark = pytest.mark.peers

HOST = """
import sys, time
from printrun import gcoder
from printrun.printcore import printcore
core = printcore(sys.argv[1], 115200)
deadline = time.time() + 60
while not core.online and time.time() < deadline: time.sleep(0.01)
core.startprint(gcoder.LightGCode([line.strip() for line in open(sys.argv[2])]))
while core.printing and time.time() < deadline: time.sleep(0.01)
time.sleep(0.2)  # its last line is still on its way
core.disconnect()
"""


def lines() -> list[str]:
    return [
        "G28",
        "M104 S40",
        "M140 S30",
        *[f"G1 X{n / 10:.1f} Y{n / 20:.2f} E0.01 F6000" for n in range(600)],
        "M107",
    ]


def printed(mock: MockMarlin, folder: Path) -> list[str]:
    """What the firmware accepted of the program, after printcore has printed it."""
    path = folder / "part.gcode"
    path.write_text("\n".join(["; made for a test", *lines()]) + "\n")
    python = peer_venv("printrun") / "bin" / "python"
    with mock:
        done = subprocess.run(
            [python, "-c", HOST, mock.port, path],
            env=peer_env(),
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
    assert done.returncode == 0, done.stderr
    return [line for line in mock.accepted if not line.startswith(("M110", "M105"))]


def test_printcore_prints_every_line_once_and_in_order(tmp_path: Path) -> None:
    assert printed(MockMarlin(speed=0), tmp_path) == lines()


def test_printcore_recovers_from_damaged_lines_as_on_a_real_machine(tmp_path: Path) -> None:
    faults = ["corrupt_line@40", "resend@90", "corrupt_line@300"]
    assert printed(MockMarlin(speed=0, faults=faults), tmp_path) == lines()
