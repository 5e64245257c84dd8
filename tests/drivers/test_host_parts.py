"""The parts of a host by themselves: journal, paths, locks, messages, the keeper and the command line."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from drivers import __main__ as program
from drivers.config import parse
from drivers.host import client as client_room
from drivers.host import server, wire
from drivers.host.client import HostedDevice
from drivers.host.guard import Guard
from drivers.host.journal import Entry, Journal, Position, read
from drivers.host.keeper import Keeper
from drivers.host.mocks import MockMachine
from drivers.host.paths import HostPaths, LockHeld, port_lock, runtime_dir, take_lock
from drivers.host.wire import Call, Hello, Op, Push, Reply
from drivers.mock.wire import stop
from fablab.base.clock import FakeClock
from fablab.device import (
    Capability,
    DeviceError,
    DeviceRefused,
    DeviceState,
    DeviceTimeout,
    Identity,
    LinkLost,
    Misfit,
    Outcome,
    Progress,
    Safety,
    Unsupported,
)
from tests.drivers.doubles import NOON, PuppetDevice, status, until

ENTRY = Entry(
    token="t1", program="/p", sha256="0" * 64, size_bytes=10, started_at=NOON, elapsed_s=5, fraction=0.5
)


# -- journal


@pytest.mark.parametrize("durable", [True, False])
def test_a_journal_is_read_as_it_was_written(tmp_path: Path, durable: bool) -> None:
    journal = Journal(tmp_path / "j.json")
    assert journal.entry is None
    journal.write(ENTRY, durable=durable)
    assert Journal(tmp_path / "j.json").entry == journal.entry == ENTRY
    assert ENTRY.running
    assert ENTRY.progress() == Progress(token="t1", fraction=0.5, elapsed_s=5)
    journal.write(None, durable=durable)
    assert read(tmp_path / "j.json") is None
    assert [p.name for p in tmp_path.iterdir()] == ["j.json"]


def test_a_damaged_journal_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "j.json").write_text('{"token": 3}')
    assert Journal(tmp_path / "j.json").entry is None


def test_a_journal_that_cannot_be_written_leaves_nothing_half_done(tmp_path: Path) -> None:
    (tmp_path / "j.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        Journal(tmp_path / "other.json").__class__.write(_at(tmp_path / "j.json"), ENTRY, durable=True)
    assert [p.name for p in tmp_path.iterdir()] == ["j.json"]


def _at(path: Path) -> Journal:
    journal = Journal(path.parent / "none")
    journal._path = path
    return journal


# -- paths and locks


@pytest.fixture
def short_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_runtime_folder_must_be_our_own(short_tmp: Path) -> None:
    folder = runtime_dir()
    assert runtime_dir() == folder
    folder.chmod(0o777)
    with pytest.raises(PermissionError, match="mode 0700"):
        runtime_dir()


def test_a_short_path_keeps_the_socket_in_the_data_folder() -> None:
    assert HostPaths(Path("/data"), "m1").socket == Path("/data/hosts/m1.sock")


def test_a_long_path_is_found_again_by_its_pointer(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    paths = HostPaths(short_tmp / ("x" * 120), "m1")
    paths.prepare()
    made = paths.socket
    monkeypatch.setattr(tempfile, "tempdir", "/elsewhere")
    assert paths.socket == made


def test_a_lock_is_for_one_and_says_who_has_it(tmp_path: Path) -> None:
    fd = take_lock(tmp_path / "l", "process 7")
    with pytest.raises(LockHeld, match="process 7"):
        take_lock(tmp_path / "l", "process 8")
    os.close(fd)
    os.close(take_lock(tmp_path / "l", ""))


def test_a_port_has_one_lock_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "by-id").symlink_to(tmp_path / "tty")
    assert port_lock(str(tmp_path / "by-id")) == port_lock(str(tmp_path / "tty"))


# -- messages


@pytest.mark.parametrize("kind", [DeviceTimeout, LinkLost, Misfit, DeviceRefused, Unsupported, DeviceError])
def test_an_error_keeps_its_kind_and_words_across_the_socket(kind: type[DeviceError]) -> None:
    reply = wire.read_answer(wire.line(wire.failed(3, kind("why"))))
    assert isinstance(reply, Reply)
    with pytest.raises(kind, match="why") as caught:
        wire.raise_if_failed(reply)
    assert type(caught.value) is kind


def test_messages_come_back_as_they_were_sent() -> None:
    call = Call(id=1, op=Op.START, program="/p", token="t", deadline=NOON)
    assert wire.read_call(wire.line(call)) == call
    seen = replace(
        status(DeviceState.RUNNING), progress=Progress(token="t", fraction=0.5), heat_c={"bed": 60.0}
    )
    for answer in (Push(status=seen), Push(lost="x"), Reply(id=2, identity=Identity(firmware="f"))):
        assert wire.read_answer(wire.line(answer)) == answer


def test_what_is_no_host_is_not_believed() -> None:
    with pytest.raises(LinkLost, match="is not a host"):
        wire.read_hello(b"HTTP/1.1 200 OK\n")
    for data in (b"[]\n", b'{"id": "x"}\n', b"\xff\n"):
        with pytest.raises(LinkLost, match="not understood"):
            wire.read_answer(data)


# -- keeper


class Kept:
    """A keeper with a puppet, and what it published."""

    def __init__(self, folder: Path) -> None:
        self.device = PuppetDevice()
        self.clock = FakeClock(NOON)
        self.journal = Journal(folder / "j.json")
        self.guard = Guard(folder / "j.json")
        self.position = Position()
        self.pushes: list[Push] = []
        self.file = folder / "p.gcode"
        self.file.write_text("G28\n")
        self.keeper = Keeper(
            self.device,
            port=str(folder / "tty"),
            journal=self.journal,
            guard=self.guard,
            clock=self.clock,
            publish=self.pushes.append,
            position=self.position,
        )

    def say(
        self, token: str, *, outcome: Outcome | None = None, state: DeviceState = DeviceState.RUNNING
    ) -> None:
        told = Progress(token=token, fraction=0.5, elapsed_s=3, outcome=outcome)
        self.device.says.put_nowait(replace(status(state), progress=told))


@pytest.fixture
async def kept(short_tmp: Path, tmp_path: Path) -> AsyncIterator[Kept]:
    kept = Kept(tmp_path)
    yield kept
    await kept.keeper.close()


async def test_a_start_is_in_the_journal_before_it_is_sent(kept: Kept) -> None:
    await kept.keeper.open()
    await kept.keeper.start(kept.file, "t1", None)
    entry = kept.journal.entry
    assert entry is not None
    assert (entry.token, entry.size_bytes, entry.running) == ("t1", 4, True)
    assert entry.sha256 == hashlib.sha256(b"G28\n").hexdigest()
    assert kept.keeper.busy


async def test_positions_are_written_every_few_seconds_and_the_end_at_once(kept: Kept) -> None:
    await kept.keeper.open()
    await kept.keeper.start(kept.file, "t1", None)
    for line in (1, 2, 3):
        kept.position(line, line * 10)
        kept.say("t1")
        await until(lambda n=line: len(kept.pushes) == n)
        kept.clock.advance(seconds=1.5)
    entry = read(kept.journal._path)
    assert entry is not None
    assert (entry.position_line, entry.position_bytes) == (3, 30)
    kept.say("t1", outcome=Outcome.FAILED, state=DeviceState.FAULT)
    await until(lambda: not kept.keeper.busy)
    assert kept.journal.entry is not None
    assert kept.journal.entry.outcome is Outcome.FAILED


async def test_a_refused_start_leaves_the_last_outcome(kept: Kept) -> None:
    done = msgspec.structs.replace(ENTRY, outcome=Outcome.DONE, ended_at=NOON)
    kept.journal.write(done, durable=False)
    before = kept.journal.entry
    await kept.keeper.open()
    kept.device.close_error = DeviceError("no")
    with pytest.raises(DeviceError, match="start"):
        await kept.keeper.start(kept.file, "t2", None)
    kept.device.close_error = None
    assert kept.journal.entry == before


async def test_a_machine_that_has_forgotten_its_program_interrupted_it(kept: Kept) -> None:
    await kept.keeper.open()
    await kept.keeper.start(kept.file, "t1", None)
    kept.device.says.put_nowait(status(DeviceState.IDLE))
    await until(lambda: kept.pushes)
    assert kept.journal.entry is not None
    assert kept.journal.entry.detail == "the machine no longer knows of it"
    pushed = kept.pushes[0].status
    assert pushed is not None
    assert pushed.progress is not None
    assert (pushed.progress.token, pushed.progress.outcome) == ("t1", None)


async def test_a_foreign_program_is_not_taken_for_ours(kept: Kept) -> None:
    await kept.keeper.open()
    await kept.keeper.start(kept.file, "t1", None)
    kept.say("t1", outcome=Outcome.DONE, state=DeviceState.IDLE)
    kept.device.says.put_nowait(status(DeviceState.RUNNING))
    await until(lambda: len(kept.pushes) == 2)
    assert kept.pushes[1].status == status(DeviceState.RUNNING)


async def test_an_offline_status_decides_nothing(kept: Kept) -> None:
    await kept.keeper.open()
    await kept.keeper.start(kept.file, "t1", None)
    kept.device.says.put_nowait(status(DeviceState.OFFLINE))
    await until(lambda: kept.pushes)
    assert kept.keeper.busy


@pytest.mark.parametrize(
    ("said", "reason"),
    [(LinkLost("cable"), "cable"), (None, "ended its watch"), (ValueError("oops"), "the driver failed")],
)
async def test_however_a_watch_ends_the_machine_is_made_safe_again(
    kept: Kept, said: Exception | None, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    await kept.keeper.open()
    await kept.keeper.start(kept.file, "t1", None)
    kept.device.says.put_nowait(said)
    await until(lambda: kept.journal.entry is not None and kept.journal.entry.settled)
    assert kept.device.heard[-1] == "make_safe"
    assert any(reason in push.lost for push in kept.pushes)
    assert kept.journal.entry is not None
    assert (kept.journal.entry.safe, kept.journal.entry.outcome) == ("confirmed", None)


async def test_an_idle_machine_that_is_lost_is_left_until_somebody_asks(kept: Kept) -> None:
    await kept.keeper.open()
    kept.device.says.put_nowait(LinkLost("off"))
    await until(lambda: kept.pushes)
    assert not kept.keeper.is_open
    assert kept.device.opened == 1
    with pytest.raises(LinkLost, match="not open"):
        kept.keeper.opened()


async def test_making_safe_is_tried_until_the_machine_answers(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    kept.journal.write(ENTRY, durable=False)
    kept.device.open_errors = [LinkLost("off")]
    kept.keeper.begin()
    await until(lambda: kept.device.heard == ["make_safe"])
    assert "cannot make the machine safe yet: off" in caplog.text


async def test_the_wrong_machine_is_not_made_safe_for_ever(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    kept.journal.write(ENTRY, durable=False)
    kept.device.open_errors = [Misfit("another machine")]
    kept.keeper.begin()
    await until(lambda: "cannot make the machine safe: another machine" in caplog.text)
    await asyncio.sleep(0)
    assert kept.device.opened == 1


async def test_a_stop_that_is_not_confirmed_is_said_in_the_outcome(kept: Kept) -> None:
    kept.journal.write(ENTRY, durable=False)

    async def refuse() -> Safety:
        raise DeviceError("no answer")

    kept.device.make_safe = refuse  # type: ignore[method-assign]  # a puppet's string
    await kept.keeper.open()
    assert kept.journal.entry is not None
    assert kept.journal.entry.safe == "not_confirmed"
    assert "NOT confirmed" in kept.journal.entry.detail


async def test_a_forced_end_writes_down_what_the_driver_did_not_tell(kept: Kept) -> None:
    await kept.keeper.open()
    await kept.keeper.start(kept.file, "t1", None)
    with pytest.raises(DeviceRefused):
        await kept.keeper.quit(force=False)
    await kept.keeper.quit(force=True)
    assert kept.journal.entry is not None
    assert (kept.journal.entry.detail, kept.journal.entry.settled) == ("the host was told to end", True)


async def test_a_port_that_moved_is_locked_anew(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "tty").symlink_to(tmp_path / "ttyUSB0")
    await kept.keeper.open()
    kept.device.says.put_nowait(LinkLost("moved"))
    await until(lambda: not kept.keeper.is_open)
    (tmp_path / "tty").unlink()
    (tmp_path / "tty").symlink_to(tmp_path / "ttyUSB1")
    await kept.keeper.open()
    os.close(take_lock(port_lock(str(tmp_path / "ttyUSB0")), "free again"))
    with pytest.raises(LockHeld):
        take_lock(port_lock(str(tmp_path / "ttyUSB1")), "")


# -- a client and hosts that are not what they should be


CONFIG = '[devices.m1]\ndriver = "marlin"\nport = "/dev/none"\n'


class Impostor:
    """Listens where a host would, and says what the test wants."""

    def __init__(self, folder: Path) -> None:
        self.paths = HostPaths(folder, "m1")
        self.paths.prepare()
        self.config = parse(CONFIG, folder / "devices.toml")["m1"]
        self.hello = Hello(
            protocol=wire.PROTOCOL, name="m1", pid=1, fingerprint=self.config.fingerprint, busy=False
        )
        self.answers: list[bytes] = []
        self.calls: list[Call] = []
        self.greeting: bytes | None = None
        self.patience: asyncio.Event | None = None  # before it hangs up

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(wire.line(self.hello) if self.greeting is None else self.greeting)
            if self.greeting is not None and self.patience is not None:
                await self.patience.wait()
            while self.greeting is None and (data := await reader.readline()):
                call = wire.read_call(data)
                self.calls.append(call)
                if not self.answers:
                    break
                writer.write(self.answers.pop(0).replace(b"ID", str(call.id).encode()))
                await writer.drain()
        except ConnectionError:
            pass
        if self.patience is not None:
            await self.patience.wait()
        writer.close()

    def client(self) -> HostedDevice:
        return HostedDevice(
            self.config, data_dir=self.paths.data_dir, capabilities=frozenset({Capability.START})
        )


@pytest.fixture
async def impostor(tmp_path: Path) -> AsyncIterator[Impostor]:
    impostor = Impostor(tmp_path)
    listener = await asyncio.start_unix_server(impostor.serve, path=str(impostor.paths.socket))
    yield impostor
    await stop(listener)


OPENED = b'{"id": ID, "identity": {"firmware": "f"}}\n'


async def test_something_else_on_the_socket_is_not_a_host(impostor: Impostor) -> None:
    impostor.greeting = b"220 smtp ready\n"
    with pytest.raises(LinkLost, match="is not a host"):
        await impostor.client().open()


async def test_a_host_that_vanishes_in_mid_call_is_lost(impostor: Impostor) -> None:
    client = impostor.client()
    with pytest.raises(LinkLost, match="the host is gone"):
        await client.open()
    with pytest.raises(LinkLost, match="the host is gone"):
        await client.pause()
    await client.close()
    with pytest.raises(LinkLost, match="m1 is not open"):
        await client.pause()


async def test_a_host_that_does_not_say_who_answered_is_lost(impostor: Impostor) -> None:
    impostor.answers = [b'{"id": ID}\n']
    client = impostor.client()
    with pytest.raises(LinkLost, match="did not say who"):
        await client.open()
    await client.close()


async def test_answers_to_nobody_and_unknown_errors_are_borne(impostor: Impostor) -> None:
    strange = b'{"id": 99}\n{}\n{"id": ID, "error": "brand_new", "message": "hm"}\n'
    impostor.answers = [OPENED, strange, b'{"id": ID}\n{"status": null}\n{"lost": "cable"}\n']
    client = impostor.client()
    await client.open()
    with pytest.raises(DeviceError, match="hm"):
        await client.pause()
    with pytest.raises(LinkLost, match="cable"):
        await anext(client.watch())
    await client.close()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b'{"id": 0, "error": "refused", "message": "too many calls"}\n', "refused to go on: too many calls"),
        (b"x" * 70_000 + b"\n", "the host is gone"),
        (b"{]\n", "not understood"),
    ],
)
async def test_a_host_that_talks_nonsense_is_lost(impostor: Impostor, said: bytes, words: str) -> None:
    impostor.answers = [OPENED, said]
    client = impostor.client()
    await client.open()
    with pytest.raises(DeviceError, match=words):
        await client.cancel()
    await client.close()


async def test_a_printing_host_of_another_version_is_left_alone(impostor: Impostor) -> None:
    impostor.hello = Hello(protocol=99, name="m1", pid=1, fingerprint="", busy=True)
    with pytest.raises(LinkLost, match="another version prints"):
        await impostor.client().open()
    assert impostor.calls == []


async def test_an_idle_host_of_another_version_is_told_to_quit(impostor: Impostor) -> None:
    impostor.hello = Hello(protocol=99, name="m1", pid=1, fingerprint="", busy=False)
    impostor.answers = [b'{"id": ID, "error": "refused", "message": "not now"}\n']
    with pytest.raises(DeviceRefused, match="not now"):
        await impostor.client().open()
    assert [call.op for call in impostor.calls] == [Op.QUIT]


# -- the command line


def run(*words: str) -> int:
    try:
        return program.main(words)
    except SystemExit as end:
        return int(end.code or 0)


def test_the_command_line_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert run("host", "--help") == 0
    assert "devices.toml" in capsys.readouterr().out
    assert run() == 2
    assert run("host", "m1", "--idle", "-3") == 2
    assert "must be more than 0 seconds" in capsys.readouterr().err


def test_an_unknown_mock_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("mock", "toaster") == 2
    assert "known: marlin" in capsys.readouterr().err
    assert run("mock", "marlin", "--help") == 0
    assert "--link" in capsys.readouterr().out


def test_a_host_without_a_usable_configuration_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("host", "m1", "--devices", str(tmp_path / "devices.toml")) == 2
    assert "no such file; copy devices.example.toml" in capsys.readouterr().err


async def test_a_host_in_the_foreground_ends_on_a_signal_and_there_is_only_one(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "drivers", "host", "m1", "--devices", str(tmp_path / "devices.toml")]
    command += ["--data", str(tmp_path / "data")]
    root = Path(__file__).resolve().parents[2]
    host = await asyncio.create_subprocess_exec(*command, cwd=root)
    try:
        await until(HostPaths(tmp_path / "data", "m1").socket.is_socket)
        second = await asyncio.create_subprocess_exec(*command, cwd=root, stderr=asyncio.subprocess.PIPE)
        _, said = await second.communicate()
        assert (second.returncode, said.strip()) == (0, b"the host of m1 runs already")
    finally:
        host.terminate()
        assert await host.wait() == 0


def test_a_lock_that_nobody_answers_for_is_waited_for_and_then_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "devices.toml").write_text(CONFIG)
    paths = HostPaths(tmp_path, "m1")
    paths.prepare()
    fd = take_lock(paths.lock, "a guardian")
    monkeypatch.setattr(server, "_LOCK_WAIT_S", 0.2)
    assert run("host", "m1", "--devices", str(tmp_path / "devices.toml"), "--data", str(tmp_path)) == 75
    assert "m1 is held by a guardian" in capsys.readouterr().err
    os.close(fd)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "devices.toml").write_text(CONFIG)
    (tmp_path / "data").write_text("in the way")
    words = ["--devices", str(tmp_path / "devices.toml"), "--data", str(tmp_path / "data")]
    assert run("host", "m1", *words) == 75
    assert "the host cannot work in" in capsys.readouterr().err


async def test_a_mock_that_cannot_start_is_lost(tmp_path: Path) -> None:
    config = parse('[devices.m1]\ndriver = "marlin"\nmock = true', tmp_path / "devices.toml")["m1"]
    machine = MockMachine(msgspec.structs.replace(config, driver="none"), tmp_path / "tty")
    assert machine.pid == 0
    with pytest.raises(LinkLost, match="ended as soon as it was started"):
        await machine.plug_in()
    machine.pull()
    machine.pull()


def test_the_log_is_lines_of_json(tmp_path: Path) -> None:
    formatter = server._JsonLines()
    try:
        raise ValueError("oops")
    except ValueError:
        record = logging.LogRecord("a", logging.ERROR, "f", 1, "what %s", ("now",), sys.exc_info())
    line = formatter.format(record)
    assert '"event": "what now"' in line
    assert "ValueError: oops" in line
    assert "\n" not in line


async def test_a_host_that_does_not_greet_times_out(
    impostor: Impostor, monkeypatch: pytest.MonkeyPatch
) -> None:
    impostor.greeting = b""
    impostor.patience = asyncio.Event()
    monkeypatch.setattr(client_room, "_CONNECT_S", 0.05)
    with pytest.raises(DeviceTimeout, match="the host does not answer"):
        await impostor.client().open()
    impostor.patience.set()


async def test_a_host_that_does_not_end_times_out(
    impostor: Impostor, monkeypatch: pytest.MonkeyPatch
) -> None:
    impostor.answers = [b'{"id": ID}\n']
    impostor.patience = asyncio.Event()
    monkeypatch.setattr(client_room, "_QUIT_S", 0.05)
    with pytest.raises(DeviceTimeout, match="did not end in time"):
        await impostor.client().quit()
    impostor.patience.set()
