"""The guardian by itself: what it takes for an answer, and what it does with a port."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.host import guardian
from drivers.host.guard import Guard, descriptor
from drivers.host.guardian import ACK, BYE, DROP, HOLD, ReadBack, make_safe, note, watch
from drivers.mock.marlin import MockMarlin
from tests.drivers.doubles import until

COLD = b"ok T:210.0 /0.0 B:60.0 /0.0 @:0 B@:0\n"


def test_two_cold_reports_after_our_own_acknowledgements_confirm() -> None:
    back = ReadBack()
    assert back.hear(b"ok\nok\nok\n" + COLD) == b""
    assert not back.confirmed
    back.hear(COLD)
    assert back.confirmed


def test_reports_older_than_our_commands_confirm_nothing() -> None:
    back = ReadBack()
    back.hear(COLD * 3)
    assert not back.confirmed


def test_automatic_reports_are_not_taken_for_answers() -> None:
    back = ReadBack()
    back.hear(b"ok\n" * 4 + b" T:210.0 /0.0 B:60.0 /0.0\n" * 5 + b"echo:busy: processing\n")
    assert not back.confirmed


def test_a_heater_that_is_still_set_is_switched_off_by_its_name() -> None:
    back = ReadBack()
    back.hear(b"ok\n" * 4)
    again = back.hear(b"ok T:200 /200 T0:200 /200 T1:190.0 /190.0 B:60 /60 C:40 /45\n")
    assert again == b"M140 S0\nM141 S0\nM104 S0\nM104 T0 S0\nM104 T1 S0\n"
    assert back.hot == {"T", "T0", "T1", "B", "C"}
    back.hear(COLD * 2)
    assert back.confirmed


def test_one_hot_report_takes_a_cold_one_back() -> None:
    back = ReadBack()
    back.hear(b"ok\n" * 3 + COLD + b"ok T:200 /200\n" + COLD)
    assert not back.confirmed


def test_pieces_noise_and_damage_are_borne() -> None:
    back = ReadBack()
    for piece in (
        b"\0ok",
        b"\r\no",
        b"k\nok\n\xff\xfeok\nok T:1 /-\nok T:abc\nok\n",
        b"x" * 100_000,
        COLD,
        COLD,
    ):
        back.hear(piece)
    assert len(back.rest) <= 1024
    back.hear(COLD)
    assert back.confirmed


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


def test_a_machine_that_says_nothing_is_not_confirmed_but_was_told(pty: tuple[int, int]) -> None:
    master, slave = pty
    assert make_safe(slave, within_s=0.2, ask_every_s=0.1) == (False, "targets still set: no report came")
    heard = os.read(master, 4096)
    assert heard.startswith(b"\nM108\nM104 S0\nM140 S0\nM107\nM105\n")


def test_a_machine_that_stays_hot_is_named(pty: tuple[int, int]) -> None:
    master, slave = pty
    os.write(master, b"ok\n" * 4 + b"ok T:200 /200 B:60 /0\n")
    assert make_safe(slave, within_s=0.2) == (False, "targets still set: T")


def test_a_port_whose_machine_is_gone_is_said(pty: tuple[int, int]) -> None:
    master, slave = pty
    os.close(master)
    confirmed, detail = make_safe(slave, within_s=1)
    assert not confirmed
    assert "the port" in detail


def test_a_port_that_ends_while_it_is_read_is_said() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        ours.shutdown(socket.SHUT_WR)
        assert make_safe(theirs.fileno(), within_s=1) == (False, "the port was closed at its other end")


def test_a_port_that_takes_nothing_is_given_up() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        try:
            while True:
                theirs.send(b"x" * 65536)
        except BlockingIOError:
            confirmed, detail = make_safe(theirs.fileno(), within_s=0.1)
    assert not confirmed
    assert "the port failed" in detail


def test_a_real_firmware_confirms(tmp_path: Path) -> None:
    with MockMarlin(link=tmp_path / "tty", speed=1) as mock:
        port = os.open(mock.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            os.write(port, b"M104 S200\nM140 S60\nN5 G1 X")  # a host that died in the middle of a line
            assert make_safe(port, within_s=10, ask_every_s=0.1) == (True, "targets read back as 0")
            assert mock.heat["tool0_target"] == mock.heat["bed_target"] == 0
        finally:
            os.close(port)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", None])
def test_a_journal_that_says_nothing_is_left(tmp_path: Path, content: str | None) -> None:
    journal = tmp_path / "j.json"
    if content is not None:
        journal.write_text(content)
    note(journal, confirmed=True, detail="x")
    assert journal.exists() == (content is not None)


@pytest.mark.parametrize(("ended", "changed"), [(None, True), ("2026-01-01T00:00:00Z", False)])
def test_the_journal_learns_what_became_of_the_heaters(
    tmp_path: Path, ended: str | None, changed: bool
) -> None:
    journal = tmp_path / "j.json"
    journal.write_text(json.dumps({"token": "t", "ended_at": ended, "detail": ""}))
    note(journal, confirmed=False, detail="no report came")
    entry = json.loads(journal.read_text())
    assert (entry["token"], entry["safe"]) == ("t", "not_confirmed")
    assert (entry["ended_at"] != ended) is changed
    assert ("no report came" in entry["detail"]) is changed
    assert list(tmp_path.iterdir()) == [journal]


def test_the_watch_holds_drops_and_tells_a_goodbye_from_a_death(pty: tuple[int, int]) -> None:
    _, slave = pty
    for last_words, left in [((HOLD, DROP), None), ((HOLD, HOLD), "a port"), ((), None), ((HOLD, BYE), None)]:
        ours, theirs = socket.socketpair()
        seen: list[int | None] = []
        thread = threading.Thread(target=lambda pipe=theirs, seen=seen: seen.append(watch(pipe)))
        thread.start()
        for word in last_words:
            socket.send_fds(ours, [word], [slave] if word == HOLD else [])
            assert ours.recv(1) == ACK
        ours.close()
        thread.join()
        theirs.close()
        assert (seen[0] is None) == (left is None)
        if seen[0] is not None:
            os.close(seen[0])


def test_a_guardian_without_a_port_just_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    monkeypatch.setattr(guardian.signal, "signal", lambda *_: None)  # this process keeps its own handlers
    arguments = ["--pipe", str(theirs.detach()), "--journal", str(tmp_path / "j"), "--mock-pid", "999999999"]
    assert guardian.main(arguments) == 0


# -- the host's side of it


async def test_a_guard_without_a_descriptor_to_give_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    guard = Guard(tmp_path / "j.json")
    guard.drop()
    guard.end()
    guard.begin()
    try:
        assert guard.pid > 0
        assert not guard.hold(str(tmp_path / "tty"), ())
        assert "no descriptor found" in caplog.text
    finally:
        guard.end()
    assert guard.pid == 0


async def test_a_guard_renews_a_guardian_it_finds_dead(tmp_path: Path, pty: tuple[int, int]) -> None:
    _, slave = pty
    guard = Guard(tmp_path / "j.json")
    guard.begin()
    try:
        assert guard.hold(os.ttyname(slave), ())
        before = guard.pid
        os.kill(before, 9)
        os.waitpid(before, 0)
        guard.drop()  # before the loop could notice
        assert guard.pid not in (0, before)
        os.kill(guard.pid, 9)
        before = guard.pid
        await until(lambda: guard.pid != before)
    finally:
        guard.end()


def test_an_open_port_is_found_by_any_of_its_names(tmp_path: Path, pty: tuple[int, int]) -> None:
    _, slave = pty
    (tmp_path / "by-id").symlink_to(os.ttyname(slave))
    found = descriptor(str(tmp_path / "by-id"))
    assert found is not None
    assert os.path.sameopenfile(found, slave)
    assert descriptor(str(tmp_path / "other")) is None


async def test_ending_a_guard_leaves_no_process(tmp_path: Path) -> None:
    guard = Guard(tmp_path / "j.json")
    guard.begin()
    pid = guard.pid
    guard.begin()
    guard.end()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    await asyncio.sleep(0)
