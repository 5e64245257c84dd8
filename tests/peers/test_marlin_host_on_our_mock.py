"""marlin-host, a host this project did not write, streams to our mocked Marlin with numbers and checksums."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from drivers.mock.marlin import MockMarlin
from tests.peers.venvs import peer_env, peer_venv

pytestmark = [pytest.mark.peers, pytest.mark.xdist_group("marlin-host"), pytest.mark.timeout(240)]

LINES = ["G28", "M104 S40", *[f"G1 X{n / 10:.1f} Y{n / 20:.2f} E0.01 F6000" for n in range(400)], "M107"]


@pytest.mark.parametrize("faults", [[], ["corrupt_line@40", "resend@90", "corrupt_line@300"]])
def test_marlin_host_streams_every_line_once_and_in_order(faults: list[str], tmp_path: Path) -> None:
    program = peer_venv("marlin-host") / "bin" / "marlin-host"
    part = tmp_path / "part.gcode"
    part.write_text("\n".join(LINES) + "\n")
    with (
        MockMarlin(speed=0, faults=faults) as mock,
        subprocess.Popen(
            [program, "--port", mock.port, "--reliable", "--no-reset"],
            env=peer_env(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as host,
    ):
        assert host.stdin
        host.stdin.write(f":stream {part}\n:quit\n")
        host.stdin.flush()
        deadline = time.monotonic() + 60
        while host.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        host.kill()
        assert host.stderr
        assert host.returncode == 0, host.stderr.read()
    sent = [line for line in mock.accepted if not line.startswith(("M110", "M115", "M105"))]
    assert sent == LINES
