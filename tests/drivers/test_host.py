"""Hosts as real processes, with a mocked firmware on a real pty: what survives the death of whom."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from drivers.host import HostPaths
from drivers.link import Link, Pace
from drivers.mock.marlin import MockMarlin
from fablab.base.clock import SystemClock
from fablab.device import (
    Capability,
    DeviceRefused,
    DeviceState,
    LinkLost,
    Misfit,
    Outcome,
    Safety,
    Status,
)
from tests.drivers.conftest import Hosts
from tests.drivers.doubles import first, until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[MockMarlin]:
    with MockMarlin(link=tmp_path / "tty", speed=1) as mock:
        yield mock


def moves(folder: Path, count: int, *, dwell_ms: int = 2, heat: bool = False) -> tuple[Path, list[str]]:
    """A program of moves that can be told apart, and those moves."""
    lines = [f"G1 X{number / 100:.2f} F60000" for number in range(count)]
    warm = ["M104 S200", "M140 S60"] if heat else []
    path = folder / "part.gcode"
    path.write_text("\n".join([*warm, *(f"{line}\nG4 P{dwell_ms}" for line in lines)]) + "\n")
    return path, lines


def reached(mock: MockMarlin) -> list[str]:
    return [line for line in mock.accepted if line.startswith("G1 X")]


def ended(token: str, outcome: Outcome):  # type: ignore[no-untyped-def]  # a predicate on Status
    def is_so(seen: Status) -> bool:
        progress = seen.progress
        return progress is not None and progress.token == token and progress.outcome is outcome

    return is_so


def running(token: str):  # type: ignore[no-untyped-def]  # a predicate on Status
    return lambda s: s.state is DeviceState.RUNNING and s.progress is not None and s.progress.token == token


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


# -- the daily round


async def test_opening_starts_a_host_of_its_own_that_outlives_its_client(
    hosts: Hosts, mock: MockMarlin
) -> None:
    device = hosts.at(mock.port)
    identity = await device.open()
    assert identity.serial_number == mock.serial_number
    assert Capability.DETACHED in device.capabilities
    pid = device.host_pid
    assert pid is not None
    assert os.getsid(pid) == pid
    await device.close()
    again = hosts.device(hosts.config(mock.port))
    assert await again.open() == identity
    assert again.host_pid == pid
    assert len(hosts.guardians()) == 1


async def test_socket_and_folder_are_for_this_user_only(hosts: Hosts, mock: MockMarlin) -> None:
    await hosts.at(mock.port).open()
    assert stat.S_IMODE(hosts.paths().socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(hosts.paths().folder.stat().st_mode) == 0o700


async def test_a_program_runs_to_its_end_and_the_outcome_stays(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path
) -> None:
    mock.set_speed(0)
    program, lines = moves(tmp_path, 200)
    device = hosts.at(mock.port)
    await device.open()
    await device.start(program, "run-1")
    await first(device.watch(), ended("run-1", Outcome.DONE))
    assert reached(mock) == lines
    entry = hosts.entry()
    assert (entry.token, entry.outcome, entry.size_bytes) == ("run-1", Outcome.DONE, program.stat().st_size)
    # A host that ends and another that comes later still know it, and do not make it again.
    assert await device.quit()
    await device.open()
    await device.start(program, "run-1")
    seen = await anext(device.watch())
    assert seen.state is DeviceState.IDLE
    assert ended("run-1", Outcome.DONE)(seen)
    assert reached(mock) == lines


async def test_many_clients_watch_one_machine(hosts: Hosts, mock: MockMarlin, tmp_path: Path) -> None:
    program, _ = moves(tmp_path, 100)
    config = hosts.config(mock.port)
    clients = [hosts.device(config) for _ in range(5)]
    for client in clients:
        await client.open()
    await clients[0].start(program, "run-1")
    seen = await asyncio.gather(*(first(c.watch(), ended("run-1", Outcome.DONE)) for c in clients))
    assert len({s.progress for s in seen}) == 1


async def test_pause_resume_and_cancel_go_through(hosts: Hosts, mock: MockMarlin, tmp_path: Path) -> None:
    program, _ = moves(tmp_path, 5000)
    device = hosts.at(mock.port)
    await device.open()
    await device.start(program, "run-1")
    await device.pause()
    await first(device.watch(), lambda s: s.state is DeviceState.PAUSED)
    await device.resume()
    await first(device.watch(), running("run-1"))
    await device.cancel()
    await first(device.watch(), ended("run-1", Outcome.CANCELLED))
    with pytest.raises(DeviceRefused, match="no program is running"):
        await device.pause()


async def test_a_start_after_its_deadline_is_refused_by_the_host(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path
) -> None:
    program, _ = moves(tmp_path, 5)
    device = hosts.at(mock.port)
    await device.open()
    with pytest.raises(DeviceRefused, match="start of run-1 came after its deadline and was dropped"):
        await device.start_by(program, "run-1", datetime.now(UTC) - timedelta(seconds=1))
    await device.start_by(program, "run-2", datetime.now(UTC) + timedelta(seconds=60))
    await first(device.watch(), ended("run-2", Outcome.DONE))


async def test_a_second_program_is_refused_while_one_runs(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path
) -> None:
    program, _ = moves(tmp_path, 5000)
    device = hosts.at(mock.port)
    await device.open()
    await device.start(program, "run-1")
    with pytest.raises(DeviceRefused, match="busy with run-1"):
        await device.start(program, "run-2")
    with pytest.raises(DeviceRefused, match="a program is running"):
        await device.quit()


async def test_a_program_that_cannot_be_read_is_refused_and_forgotten(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path
) -> None:
    device = hosts.at(mock.port)
    await device.open()
    for program in (tmp_path / "none.gcode", tmp_path):
        with pytest.raises(DeviceRefused, match="cannot be read"):
            await device.start(program, "run-1")
    assert (await anext(device.watch())).progress is None


async def test_a_software_stop_overtakes_a_heat_wait(hosts: Hosts, mock: MockMarlin, tmp_path: Path) -> None:
    program = tmp_path / "hot.gcode"
    program.write_text("M140 S60\nM109 S250\nG1 X1\n")
    device = hosts.at(mock.port)
    await device.open()
    await device.start(program, "run-1")
    await until(lambda: mock.heat["tool0_target"] == 250)
    assert await device.make_safe() is Safety.CONFIRMED
    assert mock.heat["tool0_target"] == mock.heat["bed_target"] == 0
    await first(device.watch(), ended("run-1", Outcome.CANCELLED))
    assert reached(mock) == []


async def test_a_forced_quit_makes_safe_first(hosts: Hosts, mock: MockMarlin, tmp_path: Path) -> None:
    program, _ = moves(tmp_path, 5000, heat=True)
    device = hosts.at(mock.port)
    await device.open()
    await device.start(program, "run-1")
    await until(lambda: mock.heat["bed_target"] == 60)
    assert await device.quit(force=True)
    assert mock.heat["tool0_target"] == mock.heat["bed_target"] == 0
    assert not hosts.entry().running
    assert hosts.processes() == []
    assert not await device.quit()


async def test_a_signal_ends_a_host_as_a_forced_quit_does(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path
) -> None:
    program, _ = moves(tmp_path, 5000, heat=True)
    device = hosts.at(mock.port)
    await device.open()
    await device.start(program, "run-1")
    await until(lambda: mock.heat["bed_target"] == 60)
    assert device.host_pid is not None
    os.kill(device.host_pid, signal.SIGTERM)
    await until(lambda: hosts.processes() == [])
    assert mock.heat["tool0_target"] == mock.heat["bed_target"] == 0


async def test_a_host_that_nobody_needs_ends_by_itself(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path
) -> None:
    hosts.idle_s = 0.3
    program, lines = moves(tmp_path, 300)
    device = hosts.at(mock.port)
    await device.open()
    await device.start(program, "run-1")
    await device.close()
    await until(lambda: hosts.processes() == [])
    assert reached(mock) == lines
    assert hosts.entry().outcome is Outcome.DONE


async def test_a_heater_that_was_left_on_goes_off_with_the_host(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path
) -> None:
    program, _ = moves(tmp_path, 5000)
    device = hosts.at(mock.port, more='on_cancel = ["M104 S50"]')
    await device.open()
    await device.start(program, "run-1")
    await device.cancel()
    await first(device.watch(), lambda s: s.heat_c.get("tool0_target") == 50 and s.state is DeviceState.IDLE)
    await device.quit()
    assert mock.heat["tool0_target"] == 0


async def test_the_mock_of_the_configuration_is_a_machine_like_any_other(
    hosts: Hosts, tmp_path: Path
) -> None:
    program, _ = moves(tmp_path, 100)
    device = hosts.device(hosts.config(mock=True, more="speed = 200"))
    assert "Marlin" in (await device.open()).firmware
    await device.start(program, "run-1")
    await first(device.watch(), ended("run-1", Outcome.DONE))
    assert len(hosts.processes()) == 3
    await device.quit()
    assert hosts.processes() == []


async def test_a_dead_host_takes_its_own_mock_with_it_and_another_comes(hosts: Hosts) -> None:
    device = hosts.device(hosts.config(mock=True))
    await device.open()
    kill(device.host_pid)
    await until(lambda: hosts.processes() == [])
    await device.open()
    assert (await anext(device.watch())).state is DeviceState.IDLE


# -- deaths

CLIENT = """
import asyncio, sys
from pathlib import Path
from drivers.config import load
from drivers.link import Link
from drivers.registry import make
from fablab.base.clock import SystemClock
from datetime import timedelta

async def main(devices, data, program):
    clock = SystemClock()
    link = Link(make(load(Path(devices))["m1"], data_dir=Path(data), clock=clock), clock=clock)
    link.begin()
    await link.wait_online(30)
    await link.start(Path(program), "run-1", clock.now() + timedelta(seconds=30))
    async for status in link.subscribe():
        print(status.state, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_the_server_may_be_killed_again_and_again_in_mid_print(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path
) -> None:
    program, lines = moves(tmp_path, 20_000, dwell_ms=1)
    config = hosts.config(mock.port)
    chance = random.Random(7)
    command = [sys.executable, "-c", CLIENT, str(config.source), str(hosts.folder), str(program)]
    host_pids = set()
    for _ in range(3):
        server = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.PIPE)
        assert server.stdout is not None
        async with asyncio.timeout(60):
            assert await server.stdout.readline()
        before = len(mock.accepted)
        await until(lambda seen=before: len(mock.accepted) > seen)
        await asyncio.sleep(chance.uniform(0, 0.2))
        server.kill()
        await server.communicate()
        host_pids |= {p.pid for p in hosts.processes() if "--detach" in p.cmdline()}
    assert 0 < len(reached(mock)) < len(lines)
    assert hosts.entry().running
    mock.set_speed(0)
    device = hosts.device(config)
    await device.open()
    seen = await first(device.watch(), ended("run-1", Outcome.DONE))
    assert reached(mock) == lines
    assert len(host_pids) == 1
    assert seen.progress is not None
    assert seen.progress.fraction == 1.0


@pytest.fixture
async def printing(hosts: Hosts, mock: MockMarlin, tmp_path: Path) -> Path:
    """A program that heats, well under way."""
    program, _ = moves(tmp_path, 20_000, heat=True)
    device = hosts.at(mock.port)
    await device.open()
    await device.start(program, "run-1")
    await until(lambda: mock.heat["bed_target"] == 60 and len(reached(mock)) > 20)
    return program


async def cold(mock: MockMarlin) -> None:
    await until(lambda: mock.heat["tool0_target"] == mock.heat["bed_target"] == 0, within_s=5)


async def test_when_the_host_is_killed_its_guardian_switches_the_heaters_off(
    hosts: Hosts, mock: MockMarlin, printing: Path
) -> None:
    device = hosts.made[0]
    pid = device.host_pid
    await device.close()  # the server is gone, too
    kill(pid)
    await cold(mock)
    await until(lambda: hosts.processes() == [])
    entry = hosts.entry()
    assert (entry.safe, entry.outcome, entry.running) == ("confirmed", None, False)
    assert "the host died" in entry.detail


async def test_a_run_whose_host_was_killed_is_interrupted_and_not_resumed(
    hosts: Hosts, mock: MockMarlin, printing: Path
) -> None:
    device = hosts.made[0]
    async with Link(device, clock=SystemClock(), pace=Pace(first_wait_s=0.1)) as link:
        await link.wait_online(30)
        statuses = link.subscribe()
        kill(device.host_pid)
        await cold(mock)
        await first(statuses, lambda s: s.state is DeviceState.OFFLINE)
        seen = await first(statuses, lambda s: s.state is DeviceState.IDLE)
        assert seen.progress is not None
        assert (seen.progress.token, seen.progress.outcome) == ("run-1", None)
        assert 0 < len(reached(mock)) < 20_000
        so_far = reached(mock)
        # The server may ask again for the same run; a token that was started once is not started twice.
        await device.start(printing, "run-1")
        await asyncio.sleep(0.3)
        assert (await anext(device.watch())).state is DeviceState.IDLE
        assert reached(mock) == so_far
        assert hosts.entry().settled


async def test_in_a_heat_wait_the_guardian_is_heard_as_well(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path
) -> None:
    program = tmp_path / "hot.gcode"
    program.write_text("M140 S60\nM109 S250\nG1 X1\n")
    device = hosts.at(mock.port)
    await device.open()
    await device.start(program, "run-1")
    await until(lambda: mock.heat["tool0_target"] == 250)
    kill(device.host_pid)
    await cold(mock)
    await until(lambda: hosts.processes() == [])
    assert hosts.entry().safe == "confirmed"


async def test_a_killed_guardian_is_replaced_and_the_new_one_does_its_work(
    hosts: Hosts, mock: MockMarlin, printing: Path
) -> None:
    (guardian,) = hosts.guardians()
    guardian.kill()
    await until(lambda: [p.pid for p in hosts.guardians()] not in ([], [guardian.pid]))
    await asyncio.sleep(0.2)
    kill(hosts.made[0].host_pid)
    await cold(mock)


async def test_a_guardian_ignores_polite_signals(hosts: Hosts, mock: MockMarlin, printing: Path) -> None:
    (guardian,) = hosts.guardians()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        guardian.send_signal(number)
    kill(hosts.made[0].host_pid)
    await cold(mock)


async def test_a_next_host_first_makes_safe_though_nobody_asks(
    hosts: Hosts, mock: MockMarlin, printing: Path
) -> None:
    """Host and guardian both die (a power cut); the journal says that a program was running."""
    device = hosts.made[0]
    await device.close()
    for process in sorted(hosts.processes(), key=lambda p: p in hosts.guardians(), reverse=True):
        process.suspend()  # so that neither has time to act on the other's death
    for process in hosts.processes():
        process.kill()
    await until(lambda: hosts.processes() == [])
    assert mock.heat["tool0_target"] == 200
    assert hosts.entry().running
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "drivers", "host", "m1", "--detach", "--idle", "60"),
        *("--devices", str(hosts.devices_toml), "--data", str(hosts.folder)),
        cwd=ROOT,
    )
    assert await process.wait() == 0
    await until(lambda: hosts.entry().settled)
    assert mock.heat["tool0_target"] == mock.heat["bed_target"] == 0
    assert hosts.entry().safe == "confirmed"


async def test_a_cable_pulled_in_mid_print_is_lost_then_safe_then_interrupted(
    hosts: Hosts, mock: MockMarlin, printing: Path
) -> None:
    device = hosts.made[0]
    statuses = device.watch()
    await anext(statuses)
    mock.inject("unplug:1")
    with pytest.raises(LinkLost):
        await first(statuses, lambda s: False)
    await until(lambda: hosts.entry().settled)
    assert hosts.entry().safe == "confirmed"
    await cold(mock)
    await device.open()
    seen = await anext(device.watch())
    assert seen.state is DeviceState.IDLE
    assert seen.progress is not None
    assert (seen.progress.token, seen.progress.outcome) == ("run-1", None)
    assert "interrupted" in seen.progress.detail


# -- who may own what


async def test_two_hosts_on_one_port_are_impossible(hosts: Hosts, mock: MockMarlin, tmp_path: Path) -> None:
    await hosts.at(mock.port).open()
    other = Hosts(tmp_path / "data" / "other")
    other.folder.mkdir()
    device = other.at(mock.port, name="m2")
    with pytest.raises(LinkLost, match="is held by the host of m1, process"):
        await device.open()
    await device.quit()
    hosts.config(mock.port)


async def test_two_servers_that_start_a_host_at_once_get_the_same_one(hosts: Hosts, mock: MockMarlin) -> None:
    config = hosts.config(mock.port)
    devices = [hosts.device(config) for _ in range(3)]
    await asyncio.gather(*(device.open() for device in devices))
    assert len({device.host_pid for device in devices}) == 1


async def test_an_idle_host_with_other_settings_is_replaced(hosts: Hosts, mock: MockMarlin) -> None:
    device = hosts.at(mock.port)
    await device.open()
    changed = hosts.at(mock.port, more="baud = 250000")
    await changed.open()
    assert changed.host_pid != device.host_pid


async def test_a_printing_host_with_other_settings_is_kept(
    hosts: Hosts, mock: MockMarlin, printing: Path
) -> None:
    changed = hosts.at(mock.port, more="baud = 250000")
    await changed.open()
    assert changed.host_pid == hosts.made[0].host_pid


async def test_a_server_with_stale_settings_is_told_to_restart(hosts: Hosts, mock: MockMarlin) -> None:
    stale = hosts.device(hosts.config(mock.port))
    hosts.config(mock.port, more="baud = 250000")
    with pytest.raises(Misfit, match="restart the server"):
        await stale.open()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[devices.m1]\ndriver = 3", r"\[devices.m1\]: driver: 3 is not known"),
        ('[devices.m2]\ndriver = "manual"', r"\[devices.m1\]: no such machine; there are: m2"),
        ('[devices.m1]\ndriver = "manual"', "manual has no serial port and needs no host"),
    ],
)
async def test_a_configuration_a_host_cannot_use_is_a_misfit(hosts: Hosts, text: str, words: str) -> None:
    device = hosts.at("/dev/none")
    hosts.devices_toml.write_text(text)
    with pytest.raises(Misfit, match=words):
        await device.open()


async def test_an_absent_port_is_lost_and_the_host_stays_for_the_next_try(
    hosts: Hosts, tmp_path: Path
) -> None:
    device = hosts.at(str(tmp_path / "tty"))
    for _ in range(2):
        with pytest.raises(LinkLost, match="is not there"):
            await device.open()
    with MockMarlin(link=tmp_path / "tty"):
        await device.open()


async def test_a_data_folder_too_deep_for_a_socket_works(tmp_path: Path, mock: MockMarlin) -> None:
    deep = Hosts(tmp_path / ("d" * 90) / "data")
    deep.folder.parent.mkdir()
    device = deep.at(mock.port)
    await device.open()
    assert len(os.fsencode(deep.paths().socket)) < 104
    assert HostPaths(deep.folder, "m1").socket.is_socket()
    await device.quit()
    assert deep.processes() == []


async def test_a_folder_that_cannot_be_used_is_said(hosts: Hosts, tmp_path: Path) -> None:
    hosts.folder.write_text("a file in the way")
    device = hosts.at("/dev/none")
    with pytest.raises(LinkLost, match=r"the host did not start: .*(Not a directory|File exists)"):
        await device.open()


# -- what is said on the socket


async def talk(hosts: Hosts, *lines: bytes) -> list[bytes]:
    reader, writer = await asyncio.open_unix_connection(str(hosts.paths().socket), limit=1 << 20)
    try:
        writer.write(b"".join(lines))
        await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(20):
            return (await reader.read()).splitlines()
    except ConnectionError:
        return []
    finally:
        writer.close()


async def test_nonsense_on_the_socket_is_refused_and_harms_nobody(hosts: Hosts, mock: MockMarlin) -> None:
    device = hosts.at(mock.port)
    await device.open()
    for line, answer in {
        b"hello?\n": b"not a call",
        b'{"id": 1, "op": "fly"}\n': b"not a call",
        b'{"id": 1, "op": "open", "more": 1}\n': b"not a call",
        b'{"id": 1, "op": "start", "deadline": "2026-01-01T00:00:00"}\n': b"no offset",
        b"x" * 70_000 + b"\n": b"more than 64 KB",
        b'{"id": 7, "op": "start", "program": "relative", "token": "t"}\n': b"absolute path",
        b'{"id": 7, "op": "start", "program": "/x", "token": ""}\n': b"needs a token",
    }.items():
        answers = await talk(hosts, line)
        assert any(answer in said for said in answers[1:]), (line[:40], answers)
    assert (await anext(device.watch())).state is DeviceState.IDLE


async def test_a_stop_goes_on_although_its_client_dies(
    hosts: Hosts, mock: MockMarlin, printing: Path
) -> None:
    reader, writer = await asyncio.open_unix_connection(str(hosts.paths().socket))
    await reader.readline()
    writer.write(b'{"id": 1, "op": "make_safe"}\n')
    await writer.drain()
    writer.transport.abort()
    await cold(mock)
    await first(hosts.made[0].watch(), ended("run-1", Outcome.CANCELLED))


async def test_a_client_that_asks_too_much_at_once_is_cut_off(
    hosts: Hosts, mock: MockMarlin, printing: Path
) -> None:
    call = b'{"id": 1, "op": "make_safe"}\n'
    answers = await talk(hosts, call * 40)
    assert sum(b"too many calls at once" in answer for answer in answers) == 1
    assert len(answers) <= 1 + 16 + 1  # a greeting, what was taken up, and the refusal


async def test_more_clients_than_are_served_are_turned_away(hosts: Hosts, mock: MockMarlin) -> None:
    await hosts.at(mock.port).open()
    crowd = [await asyncio.open_unix_connection(str(hosts.paths().socket)) for _ in range(40)]
    greeted = [await reader.readline() for reader, _ in crowd]
    assert all(greeted)
    async with asyncio.timeout(20):
        turned_away = [await reader.read() for reader, _ in crowd[35:]]
    assert turned_away == [b""] * 5
    for _, writer in crowd:
        writer.close()
    await until(lambda: True)


async def test_the_host_stays_small(hosts: Hosts, mock: MockMarlin) -> None:
    device = hosts.at(mock.port)
    await device.open()
    assert psutil.Process(device.host_pid).memory_info().rss < 100_000_000
    (guardian,) = hosts.guardians()
    assert guardian.memory_info().rss < 40_000_000
