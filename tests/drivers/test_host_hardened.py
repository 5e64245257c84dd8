"""What a host keeps through deaths and floods: the place in the print, its memory, its port, its log, and the stop."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from drivers.config import parse
from drivers.host import server as room
from drivers.host.journal import Entry, Journal, Position, position_beside, read
from drivers.host.paths import HostPaths, LockHeld, port_lock, take_lock
from drivers.mock.marlin import MockMarlin
from fablab.device import DeviceState, Misfit, Outcome, Safety, Status
from tests.drivers.conftest import Hosts
from tests.drivers.doubles import NOON, first, until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[MockMarlin]:
    with MockMarlin(link=tmp_path / "tty", speed=1) as mock:
        yield mock


def program(folder: Path, count: int = 20_000, *, dwell_ms: int = 2) -> tuple[Path, list[str]]:
    """Every line differs from every other, and none has the length of another's neighbour."""
    lines = ["M104 S200", "M140 S60"]
    for number in range(count):
        lines += [f"G1 X{number / 100:.2f} F60000", f"G4 P{dwell_ms}"]
    path = folder / "part.gcode"
    path.write_text("\n".join(lines) + "\n")
    return path, lines


def accepted(mock: MockMarlin) -> list[str]:
    """Of the program, what the firmware took."""
    return [line for line in mock.accepted if line.startswith(("G1 X", "G4 P", "M104 S200", "M140 S60"))]


def is_running(seen: Status) -> bool:
    return seen.state is DeviceState.RUNNING and seen.progress is not None


# -- where the print is


SERVER = """
import asyncio, sys
from pathlib import Path
from drivers.config import load
from drivers.registry import make
from fablab.base.clock import SystemClock

async def main(devices, data, program):
    device = make(load(Path(devices))["m1"], data_dir=Path(data), clock=SystemClock())
    await device.open()
    await device.start(Path(program), "run-1")
    async for status in device.watch():
        at = status.at.timestamp() - status.progress.elapsed_s if status.progress else 0
        print(status.state, at, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_server_that_was_killed_finds_progress_and_elapsed_time_as_if_it_had_never_gone(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path
) -> None:
    path, lines = program(tmp_path)
    config = hosts.config(mock.port)
    command = [sys.executable, "-c", SERVER, str(config.source), str(hosts.folder), str(path)]
    server = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.PIPE)
    assert server.stdout is not None
    began_at = 0.0
    async with asyncio.timeout(60):
        while not began_at:
            word, at = (await server.stdout.readline()).split()
            began_at = float(at) if word == b"running" else 0.0
    server.send_signal(signal.SIGKILL)
    await server.communicate()
    before = len(accepted(mock))
    await until(lambda: len(accepted(mock)) > before + 100)  # it prints on, and nobody looks

    device = hosts.device(config)
    await device.open()
    began = []
    for command_now, state in ((device.pause, DeviceState.PAUSED), (device.resume, DeviceState.RUNNING)):
        await command_now()
        seen = await first(device.watch(), lambda s, wanted=state: s.state is wanted)
        assert seen.progress is not None
        began.append(seen.at.timestamp() - seen.progress.elapsed_s)
        if state is DeviceState.PAUSED:
            await until(lambda: _is_still(mock))
            sent = "".join(f"{line}\n" for line in accepted(mock))
            assert accepted(mock) == lines[: len(accepted(mock))]
            quiet = await first(device.watch(), lambda s: s.state is DeviceState.PAUSED)
            assert quiet.progress is not None
            assert quiet.progress.fraction == len(sent) / path.stat().st_size
    # The time of the pause is in there once: what began when it began has always begun then.
    assert began == pytest.approx([began_at] * 2, abs=0.001)


def _is_still(mock: MockMarlin) -> bool:
    before = len(mock.accepted)
    time.sleep(0.05)
    return len(mock.accepted) == before


async def test_the_journal_of_a_host_that_was_killed_names_the_last_line_that_was_sent(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path
) -> None:
    path, lines = program(tmp_path)
    device = hosts.at(mock.port)
    await device.open()
    await device.start(path, "run-1")
    await until(lambda: len(accepted(mock)) > 100)
    assert device.host_pid is not None
    os.kill(device.host_pid, signal.SIGKILL)
    await until(lambda: hosts.processes() == [])
    taken, entry = len(accepted(mock)), hosts.entry()
    assert accepted(mock) == lines[:taken]
    assert entry.position_line - taken in (0, 1)  # the last one may have died on its way
    assert entry.position_bytes == len("".join(f"{line}\n" for line in lines[: entry.position_line]))
    assert entry.fraction == entry.position_bytes / path.stat().st_size
    # The next host says the same of it, and that nobody knows how it ended.
    await device.close()
    await device.open()
    seen = await first(device.watch(), lambda s: s.state is DeviceState.IDLE)
    assert seen.progress is not None
    assert (seen.progress.fraction, seen.progress.outcome) == (entry.fraction, None)


def entry_of(token: str, *, at: int = 0) -> Entry:
    return Entry(
        token=token, program="/p", sha256="0" * 64, size_bytes=200, started_at=NOON, position_bytes=at
    )


def test_a_position_is_of_its_own_program_only(tmp_path: Path) -> None:
    journal, position = tmp_path / "j.json", Position(position_beside(tmp_path / "j.json"))
    position.begin("old")
    position(9, 90)
    Journal(journal).write(entry_of("new"), durable=False)
    assert read(journal) == entry_of("new")
    position.begin("new")
    assert read(journal) == entry_of("new")
    position(3, 50)
    found = read(journal)
    assert found is not None
    assert (found.position_line, found.position_bytes, found.fraction) == (3, 50, 0.25)
    position.close()
    position.close()


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 24, b"x" * 400])
def test_a_damaged_position_is_no_position(tmp_path: Path, damage: bytes) -> None:
    Journal(tmp_path / "j.json").write(entry_of("t"), durable=False)
    position_beside(tmp_path / "j.json").write_bytes(damage)
    assert read(tmp_path / "j.json") == entry_of("t")


def test_a_position_in_memory_needs_no_file() -> None:
    position = Position()
    position.begin("t")
    position(3, 50)
    assert (position.line, position.offset) == (3, 50)


# -- memory and floods


def rss(pid: int | None) -> int:
    assert pid is not None
    return int(psutil.Process(pid).memory_info().rss)


async def day(hosts: Hosts, folder: Path, *, lines: int, speed: float) -> tuple[int, int]:
    """Twenty-four hours of machine time through a host: its memory at a tenth of them and at their end, in bytes."""
    path = folder / "day.gcode"
    pause_s = 24 * 3600 / (lines / 2)
    with path.open("w") as file:
        for number in range(lines // 2):
            file.write(f"G1 X{number % 200}.{number % 997:03d} F6000\nG4 S{pause_s:.3f}\n")
    with MockMarlin(link=folder / "day", speed=speed, keep=False) as mock:
        device = hosts.at(mock.port)
        await device.open()
        await device.start(path, "day")
        await first(device.watch(), lambda s: s.progress is not None and (s.progress.fraction or 0) >= 0.1)
        early = rss(device.host_pid)
        async with asyncio.timeout(3600):
            async for seen in device.watch():
                if seen.progress is not None and seen.progress.outcome is not None:
                    assert seen.progress.outcome is Outcome.DONE
                    return early, rss(device.host_pid)
    raise AssertionError("the day never ended")


async def test_a_day_of_printing_takes_no_memory(hosts: Hosts, tmp_path: Path) -> None:
    early, late = await day(hosts, tmp_path, lines=10_000, speed=50_000)
    assert late - early < 5_000_000


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_a_day_of_fifty_lines_a_second_takes_no_memory(hosts: Hosts, tmp_path: Path) -> None:
    early, late = await day(hosts, tmp_path, lines=24 * 3600 * 50, speed=0)
    assert late - early < 5_000_000


def garbage(size: int) -> bytes:
    """Noise with line ends, errors, requests, buttons and fault-like words in it: what a driver might keep."""
    chance = random.Random(7)
    words = [
        b"Error:",
        b"Resend: 5",
        b"//action:pause",
        b"//action:resume",
        b"ok",
        b"echo:busy: paused for",
        b"T:",
    ]
    noise = b"".join(
        (chance.choice(words) if chance.random() < 0.3 else b"")
        + chance.randbytes(chance.randrange(60)).replace(b"!!", b"??")
        + b"\n"
        for _ in range(20_000)
    )
    return (noise * (size // len(noise) + 1))[:size]


async def test_fifty_megabytes_of_garbage_take_no_memory_and_do_not_hold_a_stop_up(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path
) -> None:
    path, _ = program(tmp_path)
    device = hosts.at(mock.port)
    await device.open()
    await device.start(path, "run-1")
    await until(lambda: mock.heat["bed_target"] == 60)
    before, megabyte = rss(device.host_pid), garbage(1_000_000)
    for number in range(50):
        mock.say(megabyte)
        if number == 25:
            stopping = asyncio.create_task(device.make_safe())
        await asyncio.sleep(0.02)
    await until(lambda: mock.heat["tool0_target"] == mock.heat["bed_target"] == 0, within_s=60)
    await stopping  # confirmed or not: what was read back came through a storm
    await until(lambda: rss(device.host_pid) - before < 8_000_000, within_s=30)


# -- who owns a port, and what stays behind


async def test_of_two_hosts_that_race_for_one_port_one_gets_it(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path
) -> None:
    """Two names in two labs, started in the same moment."""
    other = Hosts(tmp_path / "data" / "other")
    other.folder.mkdir(parents=True)
    one, two = hosts.at(mock.port), other.at(mock.port, name="m2")
    answers = await asyncio.gather(one.open(), two.open(), return_exceptions=True)
    won = [answer for answer in answers if not isinstance(answer, BaseException)]
    lost = [answer for answer in answers if isinstance(answer, BaseException)]
    assert (len(won), len(lost)) == (1, 1)
    assert "is held by the host of" in str(lost[0])
    with pytest.raises(LockHeld, match="the host of m"):
        take_lock(port_lock(mock.port), "a third")
    for device in (one, two):
        await device.close()


async def test_everything_a_host_writes_is_for_its_user_only(hosts: Hosts, mock: MockMarlin) -> None:
    device = hosts.at(mock.port)
    await device.open()
    assert stat.S_IMODE(hosts.paths().folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(hosts.paths().socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(position_beside(hosts.paths().journal).stat().st_mode) == 0o600
    assert stat.S_IMODE(port_lock(mock.port).stat().st_mode) == 0o600


def test_the_log_turns_over_and_stays_small(tmp_path: Path) -> None:
    paths = HostPaths(tmp_path, "m1")
    paths.prepare()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        room.keep_log(paths)
        for number in range(6_000):
            logging.getLogger("drivers.host").info("line %d %s", number, "x" * 800)
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
    files = sorted(paths.folder.glob("m1.log*"))
    assert [file.name for file in files] == ["m1.log", "m1.log.1", "m1.log.2"]
    assert all(file.stat().st_size <= 1_000_000 for file in files)
    last = json.loads(files[0].read_text().splitlines()[-1])
    assert last["event"].startswith("line 5999 ")


async def test_the_wrong_machine_on_a_port_is_named_by_its_own_host(hosts: Hosts, mock: MockMarlin) -> None:
    toml = (
        f'[devices.m1]\ndriver = "marlin"\nport = "{mock.port}"\nserial_number = "A1"\n'
        f'[devices.m2]\ndriver = "marlin"\nport = "/dev/none"\nserial_number = "{mock.serial_number}"\n'
    )
    hosts.config(mock.port)
    hosts.devices_toml.write_text(toml)
    device = hosts.device(parse(toml, hosts.devices_toml)["m1"])
    words = (
        rf"m1 expects A1; {mock.serial_number} \(mock, Marlin .*\), which is m2 of devices.toml, answered on "
    )
    with pytest.raises(Misfit, match=words):
        await device.open()


# -- a stop in every phase


async def _printing(hosts: Hosts, mock: MockMarlin, folder: Path, *first_lines: str) -> Path:
    path, lines = program(folder)
    path.write_text("\n".join([*first_lines, *lines]) + "\n")
    await hosts.made[0].start(path, "run-1")
    await until(lambda: mock.heat["tool0_target"] > 0)
    return path


def cold(mock: MockMarlin) -> bool:
    return mock.heat["tool0_target"] == mock.heat["bed_target"] == 0


@pytest.mark.parametrize("phase", ["heating", "streaming", "paused", "idle and hot"])
async def test_a_stop_is_confirmed_in_every_phase_of_a_print(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path, phase: str
) -> None:
    device = hosts.at(mock.port, more='on_cancel = ["M104 S50"]' if phase == "idle and hot" else "")
    await device.open()
    await _printing(hosts, mock, tmp_path, *(["M109 S250"] if phase == "heating" else []))
    if phase == "paused":
        await device.pause()
        await first(device.watch(), lambda s: s.state is DeviceState.PAUSED)
    elif phase == "idle and hot":
        await device.cancel()
        await first(device.watch(), lambda s: s.state is DeviceState.IDLE and mock.heat["tool0_target"] == 50)
    assert await device.make_safe() is Safety.CONFIRMED
    assert cold(mock)
    seen = await first(device.watch(), lambda s: s.progress is not None and s.progress.outcome is not None)
    assert seen.progress is not None
    assert seen.progress.outcome is Outcome.CANCELLED


async def test_a_stop_is_confirmed_by_a_host_that_has_just_been_started_again(
    hosts: Hosts, mock: MockMarlin, tmp_path: Path
) -> None:
    device = hosts.at(mock.port)
    await device.open()
    await _printing(hosts, mock, tmp_path)
    assert device.host_pid is not None
    os.kill(device.host_pid, signal.SIGKILL)
    await until(lambda: hosts.processes() == [])
    await device.close()
    await device.open()
    assert await device.make_safe() is Safety.CONFIRMED
    assert cold(mock)


async def test_a_stop_that_nobody_can_confirm_is_sent_and_said_to_be_unconfirmed(
    hosts: Hosts, tmp_path: Path
) -> None:
    """Four machines at once, because each takes its time: what is not read back is not confirmed, cold or not."""
    faults = ("silence", "thermal_runaway", "busy:30", "resend_storm")
    path, _ = program(tmp_path)
    with ExitStack() as stack:
        mocks = [stack.enter_context(MockMarlin(link=tmp_path / f"tty{n}", speed=1)) for n in range(4)]
        toml = "".join(
            f'[devices.m{number}]\ndriver = "marlin"\nport = "{mock.port}"\n'
            for number, mock in enumerate(mocks)
        )
        hosts.folder.parent.mkdir(exist_ok=True)
        hosts.devices_toml.write_text(toml)
        configs = parse(toml, hosts.devices_toml)

        async def stop(number: int) -> Safety:
            mock, device = mocks[number], hosts.device(configs[f"m{number}"])
            await device.open()
            await device.start(path, "run-1")
            await until(lambda: mock.heat["bed_target"] == 60)
            mock.inject(faults[number])
            await asyncio.sleep(0.2)
            return await device.make_safe()

        assert await asyncio.gather(*map(stop, range(4))) == [Safety.NOT_CONFIRMED] * 4
        # A firmware that asks for every numbered line again still takes those without a number.
        assert cold(mocks[3])
