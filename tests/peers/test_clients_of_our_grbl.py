"""MeerK40t and grbl-streamer, laser software this project did not write, work on our mocked GRBL."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from drivers.mock.grbl import MockGrbl
from tests.peers.venvs import ROOT, peer_env, peer_venv

pytestmark = [pytest.mark.peers, pytest.mark.timeout(240)]

SIDE = ROOT / "tests" / "samples" / "box_side_laser.nc"

STREAMER = """
import logging, sys, threading, time
from grbl_streamer import GrblStreamer
logging.disable(logging.CRITICAL)
booted, ended, wrong = threading.Event(), threading.Event(), []
def heard(event, *data):
    if event == "on_boot": booted.set()
    if event in ("on_error", "on_alarm"): wrong.append((event, data))
    if event == "on_job_completed" or wrong: ended.set()
grbl = GrblStreamer(heard)
grbl.setup_logging()
grbl.cnect(sys.argv[1], 115200)
assert booted.wait(20), "it never saw the banner"
grbl.poll_start()
time.sleep(2.5)  # it asks for settings, parameters and parser state first, and takes any ok for one of its lines
grbl.incremental_streaming = False  # character counting
grbl.load_file(sys.argv[2])
ended.clear()
grbl.job_run()
assert ended.wait(60) and not wrong, wrong
grbl.disconnect()
"""

MEERK40T = """service device start -i grbl 0
set -p grbl serial_port {port}
set -p grbl interface serial
rect 10mm 10mm 20mm 10mm stroke red engrave -s 15
plan copy preprocess validate blob preopt optimize spool
"""


def words(line: str) -> list[tuple[str, float]]:
    """What a line means, however it is spaced, ordered and padded."""
    return sorted((word[0], float(word[1:])) for word in re.findall(r"[A-Z][-+.0-9]+", line))


@pytest.mark.xdist_group("grbl-streamer")
def test_grbl_streamer_streams_a_box_side_by_counting_characters() -> None:
    python = peer_venv("grbl-streamer") / "bin" / "python"
    wanted = [
        words(line.split(";")[0]) for line in SIDE.read_text().splitlines() if line.split(";")[0].strip()
    ]
    for _ in range(3):
        with MockGrbl(speed=100) as mock:
            done = subprocess.run(
                [python, "-c", STREAMER, mock.port, SIDE],
                env=peer_env(),
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
        # Its own two slips: it takes any ok for one of its lines, so that a late answer to its questions has it overrun
        # the buffer; and it begins to fill the buffer in one thread while another already goes on, without a lock.
        received = [words(line) for line in mock.accepted]
        if mock.rx_lost == 0 and received == wanted:
            break
    assert done.returncode == 0, done.stderr
    assert received == wanted
    assert (mock.refused, mock.rx_lost) == ([], 0)
    assert mock.beam_seconds_still == 0


@pytest.mark.xdist_group("meerk40t")
def test_meerk40t_connects_and_engraves_a_rectangle(tmp_path: Path) -> None:
    program = peer_venv("meerk40t") / "bin" / "meerk40t"
    batch = tmp_path / "batch.txt"
    with MockGrbl(speed=20) as mock, (tmp_path / "said").open("w") as said:
        batch.write_text(MEERK40T.format(port=mock.port))
        with subprocess.Popen(
            [program, "-z", "-p", "-A", "-c", "-b", batch],
            env=peer_env({"HOME": str(tmp_path)}),
            stdin=subprocess.PIPE,  # its console lives as long as somebody may type
            stdout=said,
            stderr=subprocess.STDOUT,
        ) as process:
            deadline = time.monotonic() + 60
            while "M5" not in mock.accepted or mock.state != "Idle":
                assert process.poll() is None, (tmp_path / "said").read_text()
                assert time.monotonic() < deadline, (mock.commands, mock.accepted)
                time.sleep(0.05)
            process.kill()
    assert mock.commands[:3] == ["$", "$$", "$G"]
    assert mock.refused == []
    moves = [dict(words(line)) for line in mock.accepted if "X" in line]
    assert max(move["X"] for move in moves) - min(move["X"] for move in moves) == pytest.approx(20, abs=0.1)
    assert max(move["Y"] for move in moves) - min(move["Y"] for move in moves) == pytest.approx(10, abs=0.1)
    assert not mock.beam_on
    assert mock.beam_seconds_still == 0
