"""OctoPrint's own serial host, which this project did not write, prints a sliced file on our mocked Marlin."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from drivers.mock.marlin import MockMarlin
from tests.peers.octoprint_server import Server, serve

pytestmark = [pytest.mark.peers, pytest.mark.timeout(240)]

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "name_tag_ender3_pla.gcode"
LINES = 2500  # of it: OctoPrint sends some hundred in a second


def sample(folder: Path) -> tuple[Path, list[str]]:
    """The beginning of a file as a slicer wrote it, and the commands in it, as a host should send them."""
    kept = SAMPLE.read_text().splitlines()[:LINES]
    path = folder / "tag.gcode"
    path.write_text("\n".join(kept) + "\n")
    commands = [" ".join(line.split(";", 1)[0].split()) for line in kept]
    return path, [command for command in commands if command]


def printed(server: Server, path: Path) -> None:
    """From the upload to its end, by OctoPrint's own word."""
    with path.open("rb") as file:
        answer = httpx.post(
            f"{server.url}/api/files/local",
            files={"file": (path.name, file)},
            data={"print": "true"},
            headers={"X-Api-Key": server.api_key},
            trust_env=False,
            timeout=30,
        )
    answer.raise_for_status()
    deadline = time.monotonic() + 150
    while True:
        job = server.call("GET", "/api/job")
        if job["progress"]["completion"] == 100 and job["state"] == "Operational":
            return
        assert not job.get("error"), job
        assert time.monotonic() < deadline, job
        time.sleep(0.1)


def taken(mock: MockMarlin, wanted: list[str]) -> list[str]:
    """Of what the firmware took, what can be of the file: OctoPrint asks for temperatures and more in between."""
    known = set(wanted)
    took = [" ".join(line.split()) for line in mock.accepted]
    first = took.index(wanted[0]) if wanted[0] in took else 0
    return [line for line in took[first:] if line in known]


def test_octoprint_prints_every_line_once_and_in_order_with_and_without_faults(tmp_path: Path) -> None:
    path, wanted = sample(tmp_path)
    with (
        MockMarlin(link=tmp_path / "ttyUSB0", speed=0) as mock,
        serve(tmp_path / "octoprint", serial_port=mock.port) as server,
    ):
        server.wait_for("Operational")
        printed(server, path)
        assert taken(mock, wanted) == wanted
        # Again, on a machine that gets a damaged line, asks for a good one again, and loses an ok.
        lines = len(mock.accepted)
        for offset, fault in ((500, "corrupt_line"), (900, "resend"), (1500, "lost_ok")):
            mock.inject(f"{fault}@{lines + offset}")
        del mock.accepted[:]
        printed(server, path)
        assert len(mock.accepted) > 1500  # all three have struck
        assert taken(mock, wanted) == wanted
