"""Lines out of pieces, and what a port does when it is absent, taken, closed or broken."""

from __future__ import annotations

import os
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import lines as module
from drivers.lines import Lines, ScriptPort, open_port
from fablab.device import DeviceTimeout, LinkLost, Misfit


def script(*chunks: bytes | None, longest: int = 1024) -> Lines:
    port = ScriptPort(lambda data: [data])
    port.say(*chunks)
    return Lines(port, longest=longest)


def read_all(wire: Lines, reads: int) -> list[bytes]:
    return [line for _ in range(reads) for line in wire.read(0.001)]


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    os.close(slave)
    yield master, name
    os.close(master)


@given(st.lists(st.binary(min_size=1, max_size=30)), st.data())
def test_however_it_is_cut_the_same_lines_come_out(raw: list[bytes], data: st.DataObject) -> None:
    text = b"\n".join(raw) + b"\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = read_all(script(text), 1)
    assert read_all(script(*pieces), len(pieces)) == whole


def test_nuls_and_either_end_of_line_are_tolerated() -> None:
    assert read_all(script(b"\0o\0k\r\n\xff\xfe caf\xc3\xa9 \rwait\r\n\n"), 1) == [
        b"ok",
        b"\xff\xfe caf\xc3\xa9",
        b"wait",
    ]


def test_an_endless_line_takes_no_memory_and_the_next_is_whole() -> None:
    wire = script(b"a" * 30, b"b" * 500, b"c\nok\n", b"d" * 5, b"ok\n", longest=20)
    assert read_all(wire, 5) == [b"a" * 20, b"ok", b"dddddok"]


def test_a_script_answers_what_is_written_and_may_break() -> None:
    port = ScriptPort(lambda data: [b"ok " + data, None])
    wire = Lines(port)
    wire.write(b"M105\n")
    assert wire.read(0.1) == [b"ok M105"]
    with pytest.raises(LinkLost, match="script"):
        wire.read(0.1)
    wire.wake()
    wire.close()
    assert port.closed
    assert port.written == [b"M105\n"]


def test_a_local_port_is_read_and_written(pty: tuple[int, str]) -> None:
    master, name = pty
    wire = Lines.open(name, 115200)
    os.write(master, b"start\nok")
    assert wire.read(1) == [b"start"]
    os.write(master, b"\n")
    assert wire.read(1) == [b"ok"]
    wire.write(b"N1 G28*18\n")
    assert os.read(master, 100) == b"N1 G28*18\n"
    assert wire.read(0.01) == []
    wire.close()
    wire.close()


def test_a_reader_is_woken_from_another_thread(pty: tuple[int, str]) -> None:
    wire = Lines.open(pty[1], 115200)
    threading.Timer(0.05, wire.wake).start()
    began = time.monotonic()
    assert wire.read(20) == []
    assert time.monotonic() - began < 15
    for _ in range(70000):  # more than the pipe holds
        wire.wake()
    wire.close()
    wire.wake()


def test_a_local_port_is_opened_by_one_program_only(pty: tuple[int, str]) -> None:
    first = Lines.open(pty[1], 115200)
    with pytest.raises(LinkLost, match="held by another program"):
        Lines.open(pty[1], 115200)
    first.close()
    Lines.open(pty[1], 115200).close()


def test_a_port_whose_other_end_goes_away_is_a_lost_link() -> None:
    master, slave = os.openpty()
    wire = Lines.open(os.ttyname(slave), 115200)
    os.close(slave)
    os.close(master)
    with pytest.raises(LinkLost):
        wire.read(1)
    with pytest.raises(LinkLost, match="writing"):
        wire.write(b"M105\n")
    wire.close()


def test_a_machine_that_takes_nothing_times_out(pty: tuple[int, str]) -> None:
    wire = Lines(open_port(pty[1], 115200, write_timeout_s=0.05))
    with pytest.raises(DeviceTimeout, match="no more bytes"):
        wire.write(b"x" * 1_000_000)
    wire.close()


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("/dev/there-is-no-such-port", LinkLost, "not there"),
        ("nonsense://x", Misfit, "not a port"),
        ("socket://127.0.0.1:1", LinkLost, "cannot be opened"),
        ("/dev/null", LinkLost, "cannot be opened"),
    ],
)
def test_a_port_that_cannot_be_opened_says_why(url: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        open_port(url, 115200)


def test_a_port_nobody_lets_us_open_needs_a_person(tmp_path: Path) -> None:
    refused = module._cannot_open("/dev/ttyACM0", PermissionError(13, "Permission denied"))
    assert isinstance(refused, Misfit)
    assert "this account" in str(refused)


def test_a_port_without_a_descriptor_works_too() -> None:
    """pyserial's loop:// gives back what is written."""
    wire = Lines.open("loop://", 115200)
    wire.write(b"ok T:20\nwait\n")
    assert [line for _ in range(20) for line in wire.read(0.05)] == [b"ok T:20", b"wait"]
    wire.wake()
    assert wire.read(20) == []
    assert wire.read(0.01) == []
    wire.close()
    with pytest.raises(LinkLost, match="reading"):
        wire.read(0.01)
    with pytest.raises(LinkLost, match="writing"):
        wire.write(b"x")
