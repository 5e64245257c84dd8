"""The guardian of a laser: what it takes for proof, and that the beam is off when the host has died."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.host.guardian import Beam, make_beam_safe
from drivers.link import Link, Pace
from drivers.mock.grbl import MockGrbl
from fablab.base.clock import SystemClock
from fablab.device import DeviceState
from tests.drivers.conftest import Hosts
from tests.drivers.doubles import first, until
from tests.drivers.grbl_rig import back_and_forth, written

BANNER = b"\r\nGrbl 1.1h ['$' for help]\r\n"
DARK = b"<Idle|MPos:0.000,0.000,0.000|FS:0,0|Ov:100,100,100>\r\n"
UNTOLD = b"<Idle|MPos:0.000,0.000,0.000|FS:0,0>\r\n"


def after(*said: bytes) -> Beam:
    beam = Beam()
    for piece in said:
        beam.hear(piece)
    return beam


def test_dark_accessories_after_reset_and_m5_confirm() -> None:
    assert after(BANNER, b"ok\r\n", DARK).confirmed


def test_what_was_said_before_the_reset_or_the_m5_confirms_nothing() -> None:
    assert not after(b"ok\r\n", DARK * 5).confirmed
    assert not after(BANNER, DARK * 5).confirmed
    assert not after(BANNER, b"ok\r\n", DARK, BANNER).answered


def test_a_firmware_that_tells_no_accessories_confirms_by_several_reports() -> None:
    assert not after(BANNER, b"ok\r\n", UNTOLD * 2).confirmed
    assert after(BANNER, b"ok\r\n", UNTOLD * 3).confirmed
    assert not after(BANNER, b"ok\r\n", b"<Idle|MPos:0.000,0.000,0.000|F:0>\r\n" * 9).confirmed


@pytest.mark.parametrize("on", [b"FS:0,300", b"FS:0,0|Ov:100,100,100|A:S", b"FS:0,0|Ov:100,100,100|A:CF"])
def test_a_beam_that_is_told_is_never_confirmed(on: bytes) -> None:
    beam = after(BANNER, b"ok\r\n", UNTOLD, UNTOLD, b"<Idle|MPos:0.000,0.000,0.000|" + on + b">\r\n")
    assert (beam.confirmed, beam.burning, beam.clean) == (False, True, 0)


def test_locked_and_open_machines_confirm_although_they_take_no_m5() -> None:
    assert after(BANNER, b"error:9\r\n", DARK.replace(b"Idle", b"Alarm")).confirmed
    assert after(BANNER, DARK.replace(b"Idle", b"Door:1")).confirmed


@pytest.mark.parametrize(
    ("head", "still"),
    [
        (b"Run", False),
        (b"Hold:1", False),
        (b"Hold:0", True),
        (b"Door:2", False),
        (b"Door:1", True),
        (b"Home", False),
    ],
)
def test_it_is_seen_whether_the_head_stands_still(head: bytes, still: bool) -> None:
    beam = after(UNTOLD.replace(b"Idle", head))
    assert beam.still is still
    beam.hear(BANNER + b"ok\r\n" + DARK.replace(b"Idle", head))
    assert beam.confirmed is still


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_noise_and_pieces_are_borne(pieces: list[bytes]) -> None:
    beam = after(*pieces, b"x" * 10_000)
    assert len(beam.rest) <= 1024
    assert after(BANNER[:9], BANNER[9:], b"o", b"\0k\r", b"\n", DARK[:20], DARK[20:]).confirmed


@contextmanager
def answered(
    fd: int, answers: Mapping[bytes, bytes | None], close: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """A machine at the other end: None among its answers closes the wire."""
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            if select.select([fd], [], [], 0.02)[0]:
                data = os.read(fd, 4096)
                for asked, answer in answers.items():
                    if asked in data and answer is None:
                        close()
                        return
                    os.write(fd, (answer or b"") * data.count(asked))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture
def pty() -> Iterator[tuple[int, int]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(slave, False)
    yield master, slave
    for fd in (master, slave):
        try:
            os.close(fd)
        except OSError:
            continue  # the test has closed it


def test_a_machine_that_says_nothing_is_told_and_not_confirmed(pty: tuple[int, int]) -> None:
    master, slave = pty
    said = make_beam_safe(slave, within_s=0.5, hold_s=0.1, reset_s=0.1)
    assert said == (False, "the machine did not say that its beam is off")
    heard = os.read(master, 4096).replace(b"?", b"")
    assert heard.startswith(b"!\x18\x18M5\n")


def test_a_machine_that_goes_on_burning_is_said(pty: tuple[int, int]) -> None:
    master, slave = pty
    os.write(master, BANNER + b"ok\r\n" + DARK * 3)  # what the host had not read before it died
    assert not make_beam_safe(slave, within_s=0.2, hold_s=0.1, reset_s=0.1)[0]
    answers = {b"?": b"<Idle|FS:0,900>\r\n", b"\x18": BANNER, b"M5\n": b"ok\r\n"}
    with answered(master, answers):
        assert make_beam_safe(slave, within_s=0.6, reset_s=0.2) == (False, "the beam is still on")


def test_a_port_that_fails_or_ends_is_said(pty: tuple[int, int]) -> None:
    master, slave = pty
    os.close(master)
    confirmed, detail = make_beam_safe(slave, within_s=1)
    assert (confirmed, "the port" in detail) == (False, True)
    for last_heard in (b"!", b"\x18", b"M5\n"):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.setblocking(False)
            answers = {b"?": b"<Hold:0|FS:0,0>\n", b"\x18": BANNER} | {last_heard: None}
            with answered(ours.fileno(), answers, close=partial(ours.shutdown, socket.SHUT_WR)):
                said = make_beam_safe(theirs.fileno(), within_s=2, hold_s=0.3, reset_s=0.3)
            assert said == (False, "the port was closed at its other end")


@pytest.fixture
def laser(tmp_path: Path) -> Iterator[MockGrbl]:
    with MockGrbl(link=tmp_path / "tty", speed=1) as mock:
        yield mock


async def test_a_real_firmware_confirms_and_keeps_its_position(laser: MockGrbl) -> None:
    port = os.open(laser.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(port)
    try:
        await until(lambda: laser.state == "Idle")
        os.write(port, b"M4 S500\nG1 X300 F3000\nG1 X1")  # a host that died in the middle of a line
        await until(lambda: laser.beam_on)
        assert make_beam_safe(port, within_s=10) == (True, "beam read back as off")
        assert (laser.beam_on, laser.state) == (False, "Idle")  # an alarm 3 would have cost the position
        assert 0 < laser.position[0] < 300
    finally:
        os.close(port)


async def test_when_the_host_of_a_laser_is_killed_the_beam_goes_off_and_the_run_is_interrupted(
    hosts: Hosts, laser: MockGrbl, tmp_path: Path
) -> None:
    device = hosts.at(laser.port, driver="grbl")
    async with Link(device, clock=SystemClock(), pace=Pace(first_wait_s=0.1)) as link:
        await link.wait_online(30)
        await device.start(written(tmp_path, back_and_forth(300)), "run-1")
        await until(lambda: laser.beam_on)
        statuses = link.subscribe()
        assert device.host_pid is not None
        os.kill(device.host_pid, signal.SIGKILL)
        await until(lambda: not laser.beam_on)
        await until(lambda: hosts.entry().safe == "confirmed")
        await first(statuses, lambda s: s.state is DeviceState.OFFLINE)
        seen = await first(statuses, lambda s: s.state is DeviceState.IDLE)
        assert seen.progress is not None
        assert (seen.progress.token, seen.progress.outcome) == ("run-1", None)
        cuts = [line for line in laser.accepted if line.startswith("G1")]
        assert 0 < len(cuts) < 300
    assert "beam off by the guardian: beam read back as off" in hosts.entry().detail
    assert [line for line in laser.accepted if line.startswith("G1")] == cuts
