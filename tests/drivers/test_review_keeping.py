"""What a second reader of the machine-control path looked for in links, hosts and drivers: heat, late and double starts."""

from __future__ import annotations

import asyncio
import errno
import os
import pty
import tempfile
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from drivers.host.client import HostedDevice
from drivers.host.guard import Guard
from drivers.host.journal import Entry, Journal
from drivers.host.keeper import Keeper
from drivers.host.wire import Push
from drivers.link import Link, Pace
from drivers.marlin import Limits, Marlin
from drivers.mock.marlin import MockMarlin
from drivers.mock.octoprint import Fault, MockOctoPrint
from drivers.octoprint import OctoPrint
from fablab.base.clock import FakeClock
from fablab.device import (
    Capability,
    Device,
    DeviceRefused,
    DeviceState,
    Identity,
    LinkLost,
    LinkState,
    Outcome,
    Progress,
    Safety,
)
from tests.drivers.conftest import Hosts
from tests.drivers.doubles import NOON, PuppetDevice, first, status, until
from tests.drivers.marlin_rig import connected, holds

ENTRY = Entry(token="t1", program="/p", sha256="0" * 64, size_bytes=10, started_at=NOON)
QUICK = Pace(first_wait_s=0.01, last_wait_s=0.02, close_s=0.2, stale_s=5.0)


# -- link


async def test_a_stop_is_tried_although_the_link_is_down() -> None:
    device = PuppetDevice()
    device.open_errors = [LinkLost("off")] * 1000
    async with Link(device, clock=FakeClock(NOON), pace=QUICK) as link:
        await until(lambda: link.state is LinkState.WAITING)
        assert await link.make_safe() is Safety.CONFIRMED


async def test_a_driver_that_fails_in_closing_does_not_end_the_watch(
    caplog: pytest.LogCaptureFixture,
) -> None:
    device = PuppetDevice()
    device.close_error = RuntimeError("a mistake")
    device.open_errors = [LinkLost("off")]
    async with Link(device, clock=FakeClock(NOON), pace=QUICK) as link:
        device.says.put_nowait(status())
        await until(lambda: link.state is LinkState.ONLINE)
        device.close_error = None
    assert "failed to close" in caplog.text


async def test_something_cancelled_inside_a_driver_does_not_end_the_watch(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Inward(PuppetDevice):
        async def open(self) -> Identity:
            self.opened += 1
            if self.opened == 1:
                inside: asyncio.Future[Identity] = asyncio.get_running_loop().create_future()
                inside.cancel()
                return await inside
            return self.identity

    device = Inward()
    async with Link(device, clock=FakeClock(NOON), pace=QUICK) as link:
        device.says.put_nowait(status())
        await until(lambda: link.state is LinkState.ONLINE)
    assert "cancelled from inside" in caplog.text


# -- keeper


class FullDisk(Journal):
    """A journal whose disk can be filled."""

    full = False

    def write(self, entry: Entry | None, *, durable: bool) -> None:
        if self.full:
            self.entry = entry
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(entry, durable=durable)


class Kept:
    """A keeper over a device in the test's hand."""

    def __init__(self, folder: Path, device: Device | None = None, port: str = "") -> None:
        self.device = PuppetDevice()
        self.clock = FakeClock(NOON)
        self.journal = FullDisk(folder / "j.json")
        self.guard = Guard(folder / "j.json")
        self.pushes: list[Push] = []
        self.file = folder / "p.gcode"
        self.file.write_text("G28\n")
        self.keeper = Keeper(
            device or self.device,
            port=port or str(folder / "tty"),
            journal=self.journal,
            guard=self.guard,
            clock=self.clock,
            publish=self.pushes.append,
        )

    def say(
        self, token: str, state: DeviceState = DeviceState.RUNNING, outcome: Outcome | None = None
    ) -> None:
        told = Progress(token=token, fraction=0.5, outcome=outcome)
        self.device.says.put_nowait(replace(status(state), progress=told))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where the locks of ports are
    return tmp_path


@pytest.fixture
async def kept(folder: Path) -> AsyncIterator[Kept]:
    kept = Kept(folder)
    yield kept
    await kept.keeper.close()


@pytest.mark.timeout(30)
async def test_a_full_disk_ends_no_print(kept: Kept) -> None:
    await kept.keeper.open()
    await kept.keeper.start(kept.file, "t1", None)
    kept.journal.full = True
    kept.say("t1")
    await until(lambda: kept.pushes)
    kept.clock.advance(minutes=1)
    kept.say("t1", DeviceState.IDLE, Outcome.DONE)
    await until(lambda: len(kept.pushes) == 2)
    assert [push.lost for push in kept.pushes] == ["", ""]
    assert kept.device.closed == 0


async def test_on_a_full_disk_a_lost_machine_is_still_made_safe(kept: Kept) -> None:
    await kept.keeper.open()
    await kept.keeper.start(kept.file, "t1", None)
    kept.journal.full = True
    kept.device.says.put_nowait(LinkLost("cable"))
    await until(lambda: "make_safe" in kept.device.heard)
    await until(lambda: not kept.keeper.is_healing)
    assert any("cable" in push.lost for push in kept.pushes)


async def test_a_start_that_cannot_be_written_down_is_refused_and_may_come_again(kept: Kept) -> None:
    await kept.keeper.open()
    kept.journal.full = True
    with pytest.raises(DeviceRefused, match="written down"):
        await kept.keeper.start(kept.file, "t1", None)
    assert (kept.device.heard, kept.keeper.busy) == ([], False)
    kept.journal.full = False
    await kept.keeper.start(kept.file, "t1", None)
    assert len(kept.device.heard) == 1


@pytest.mark.parametrize("left", ["", '{"token": "t1", "prog'])
async def test_after_a_damaged_journal_the_machine_is_made_safe(folder: Path, left: str) -> None:
    (folder / "j.json").write_text(left)
    kept = Kept(folder)
    kept.keeper.begin()
    await until(lambda: kept.device.heard == ["make_safe"])
    await until(lambda: not kept.keeper.is_healing)
    await kept.keeper.close()
    assert Journal(folder / "j.json").damaged is False


async def test_a_machine_that_could_not_be_settled_is_closed_and_can_be_opened_again(kept: Kept) -> None:
    kept.journal.write(ENTRY, durable=False)

    async def fails() -> Safety:
        raise ValueError("a mistake")

    good, kept.device.make_safe = kept.device.make_safe, fails  # type: ignore[method-assign]  # a puppet's string
    with pytest.raises(ValueError, match="a mistake"):
        await kept.keeper.open()
    assert (kept.device.closed, kept.keeper.is_open) == (1, False)
    kept.device.make_safe = good  # type: ignore[method-assign]  # as above
    await kept.keeper.open()
    assert kept.device.heard == ["make_safe"]


@pytest.mark.parametrize("order", ["cancel", "make_safe"])
async def test_a_stop_while_the_program_is_still_being_read_wins(kept: Kept, order: str) -> None:
    await kept.keeper.open()

    async def nothing_runs() -> None:
        raise DeviceRefused("no program is running")

    kept.device.cancel = nothing_runs  # type: ignore[method-assign]  # a puppet's string
    starting = asyncio.create_task(kept.keeper.start(kept.file, "t1", None))
    await asyncio.sleep(0)  # it has come as far as its thread
    await getattr(kept.keeper, order)()
    with pytest.raises(DeviceRefused, match="stopped before t1 had begun"):
        await starting
    assert [heard for heard in kept.device.heard if heard.startswith("start")] == []


async def test_a_stop_opens_a_machine_that_is_not_open(kept: Kept) -> None:
    assert await kept.keeper.make_safe() is Safety.CONFIRMED
    assert kept.device.opened == 1


async def test_a_driver_behind_a_host_is_told_the_deadline_when_it_can_look_at_it(folder: Path) -> None:
    class Careful(PuppetDevice):
        async def start_by(self, program: Path, token: str, deadline: datetime) -> None:
            self.heard.append(f"start_by {token} {deadline:%H:%M}")

    device = Careful()
    kept = Kept(folder, device)
    await kept.keeper.open()
    await kept.keeper.start(kept.file, "t1", NOON + timedelta(hours=1))
    await kept.keeper.close()
    assert device.heard == ["start_by t1 13:00"]


async def test_a_watch_that_is_cancelled_inside_a_driver_is_a_lost_machine(folder: Path) -> None:
    device = PuppetDevice()
    kept = Kept(folder, device)
    await kept.keeper.open()
    device.says.put_nowait(asyncio.CancelledError())
    await until(lambda: kept.pushes)
    assert "cancelled from inside" in kept.pushes[-1].lost
    assert not kept.keeper.is_open
    await kept.keeper.close()


async def test_a_host_that_is_ending_starts_nothing(kept: Kept) -> None:
    await kept.keeper.open()
    await kept.keeper.quit(force=False)
    with pytest.raises(DeviceRefused, match="ending"):
        await kept.keeper.start(kept.file, "t1", None)


async def test_a_host_told_to_end_before_it_could_make_safe_tries_once_more(kept: Kept) -> None:
    kept.journal.write(ENTRY, durable=False)
    await kept.keeper.quit(force=True)
    assert kept.device.heard == ["make_safe"]


def _files_of(pid: int) -> list[str]:
    with suppress(OSError):
        return [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    return []


@pytest.fixture
def silent_port() -> Iterator[str]:
    """A port on which nobody ever answers."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    name = os.ttyname(theirs)
    os.close(theirs)  # or it would be found before anybody has opened it
    yield name
    os.close(ours)


async def test_the_guardian_has_the_port_while_the_handshake_lasts(folder: Path, silent_port: str) -> None:
    device = Marlin(name="m", port=silent_port, limits=Limits(open_s=20.0))
    kept = Kept(folder, device, silent_port)
    kept.guard.begin()
    opening = asyncio.create_task(kept.keeper.open())
    await until(lambda: silent_port in _files_of(kept.guard.pid), within_s=10)
    assert not opening.done()
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    assert silent_port not in _files_of(kept.guard.pid)
    await kept.keeper.close()


async def test_a_new_guardian_is_not_handed_what_took_the_ports_number(
    folder: Path, silent_port: str
) -> None:
    guard = Guard(folder / "j.json")
    guard.begin()
    fd = os.open(silent_port, os.O_RDWR | os.O_NOCTTY)
    assert guard.hold(silent_port, ())
    os.close(fd)
    other = folder / "somebody's file"
    other.touch()
    taken = os.open(other, os.O_RDWR)
    assert taken == fd
    before = guard.pid
    os.kill(before, 9)
    await until(lambda: guard.pid not in (0, before))
    assert str(other) not in _files_of(guard.pid)
    guard.end()
    os.close(taken)


# -- whole hosts


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[MockMarlin]:
    with MockMarlin(link=tmp_path / "tty", speed=1) as mock:
        yield mock


async def test_a_stop_reaches_a_host_that_the_link_has_lost(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path
) -> None:
    part = tmp_path / "part.gcode"
    part.write_text("M104 S200\n" + "G4 P100\n" * 600)
    printing = hosts.at(mock.port)
    await printing.open()
    await printing.start(part, "run-1")
    await holds(lambda: mock.heat["tool0_target"] == 200)
    closed = HostedDevice(
        hosts.config(mock.port), data_dir=hosts.folder, capabilities=frozenset({Capability.START})
    )
    assert await closed.make_safe() is Safety.CONFIRMED
    assert mock.heat["tool0_target"] == 0


async def test_without_a_host_a_stop_says_so(hosts: Hosts) -> None:
    with pytest.raises(LinkLost, match="no host runs"):
        await hosts.at("/dev/nothing").make_safe()
    assert hosts.processes() == []


async def test_a_host_whose_machine_may_be_hot_does_not_end_for_want_of_clients(
    hosts: Hosts, tmp_path: Path
) -> None:
    hosts.idle_s = 0.5
    port = tmp_path / "late"
    config = hosts.config(str(port))
    paths = hosts.paths()
    paths.prepare()
    lost = msgspec.structs.replace(ENTRY, ended_at=NOON, detail="interrupted: the cable is out")
    Journal(paths.journal).write(lost, durable=True)
    device = hosts.device(config)
    with suppress(LinkLost):
        await device.open()  # the port is not there yet
    await device.close()
    await asyncio.sleep(2.5)  # the point of the test: five times as long as a host lives for nobody
    with MockMarlin(link=port, speed=1):
        await until(lambda: hosts.entry().settled, within_s=30)
        assert hosts.entry().safe == "confirmed"
        await until(lambda: hosts.processes() == [], within_s=20)


# -- Marlin


async def test_after_a_stop_that_was_not_confirmed_a_new_connection_begins_with_heaters_off(
    tmp_path: Path,
) -> None:
    part = tmp_path / "part.gcode"
    part.write_text("M104 S200\n" + "G4 P100\n" * 600)
    async with connected() as (marlin, mock):
        await marlin.start(part, "t1")
        await holds(lambda: mock.heat.get("tool0_target") == 200)
        mock.inject("silence:4")
        assert await marlin.make_safe() is Safety.NOT_CONFIRMED
        with pytest.raises(LinkLost):
            await first(marlin.watch(), lambda seen: False)
        await marlin.close()
        assert mock.heat["tool0_target"] == 200
        for _ in range(5):
            with suppress(LinkLost):
                await marlin.open()
                break
        await holds(lambda: mock.heat["tool0_target"] == 0)


# -- OctoPrint


@pytest.fixture
async def server() -> AsyncIterator[MockOctoPrint]:
    async with MockOctoPrint() as mock:
        yield mock


@pytest.fixture
async def octoprint(server: MockOctoPrint) -> AsyncIterator[OctoPrint]:
    clock = FakeClock(NOON)
    one = OctoPrint(
        name="m", url=server.url, api_key=server.api_key, clock=clock, answer_s=2.0, look_s=0.5, safe_s=5.0
    )
    await one.open()
    yield one
    await one.close()


@pytest.fixture
def long(tmp_path: Path) -> Path:
    (file := tmp_path / "long.gcode").write_text("G1 X1\n" * 6000)
    return file


async def test_a_start_whose_upload_outlived_its_deadline_is_dropped(
    server: MockOctoPrint, long: Path
) -> None:
    clock = FakeClock(NOON)
    device = OctoPrint(name="m", url=server.url, api_key=server.api_key, clock=clock)
    async with Link(device, clock=clock) as link:
        await link.wait_online(10)
        server.before("POST /api/files/local", lambda: clock.advance(hours=1))  # the computer slept
        with pytest.raises(DeviceRefused, match="after its deadline"):
            await link.start(long, "r1", NOON + timedelta(seconds=90))
    assert server.starts == 0


async def test_a_cancel_that_overtakes_the_command_to_begin_still_stops(
    server: MockOctoPrint, octoprint: OctoPrint, long: Path
) -> None:
    asked: list[asyncio.Task[None]] = []

    def overtake() -> None:
        server.fault(Fault.CONFLICT_STORM, "POST /api/job")  # nothing runs yet that could be cancelled
        asked.append(asyncio.create_task(octoprint.cancel()))

    server.before("POST /api/files/local/fablab/lab-r1.gcode", overtake)
    starting = asyncio.create_task(octoprint.start(long, "r1"))
    await until(lambda: server.asked.count("POST /api/job") >= 1)
    await asyncio.gather(starting, *asked)
    seen = await first(
        octoprint.watch(), lambda s: s.state is DeviceState.IDLE and s.progress and s.progress.outcome
    )
    assert seen.progress is not None
    assert seen.progress.outcome is Outcome.CANCELLED


async def test_a_run_that_died_with_its_octoprint_is_not_begun_again(
    server: MockOctoPrint, octoprint: OctoPrint, long: Path
) -> None:
    await octoprint.start(long, "r1")
    await server.down()
    await server.up()
    with suppress(LinkLost):
        await first(octoprint.watch(), lambda seen: False)
    await octoprint.open()
    with pytest.raises(DeviceRefused, match="needs a new token"):
        await octoprint.start(long, "r1")
    assert server.starts == 1
