"""A networked machine with `mock = true`: its mock is a program that goes on by itself, and ends by itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from drivers.config import DeviceConfig, parse
from drivers.link import Link, Pace
from drivers.mock.networked import until_idle
from drivers.mock.octoprint import MockOctoPrint, Stored
from drivers.mocked import MockedDevice
from drivers.registry import DRIVERS, Site, make
from fablab.base.clock import SystemClock
from fablab.device import Device, DeviceState, LinkLost, Outcome, Safety, Status

CLOCK = SystemClock()


@dataclass
class Bench:
    """Devices of one data folder; every mock they started is ended afterwards."""

    folder: Path
    made: list[MockedDevice] = field(default_factory=list)

    def config(self, more: str = "speed = 1000") -> DeviceConfig:
        text = f'[devices.o1]\ndriver = "octoprint"\nmock = true\n{more}\n'
        return parse(text, self.folder / "devices.toml")["o1"]

    def device(self, config: DeviceConfig | None = None, *, idle_s: float = 60.0) -> MockedDevice:
        config = config or self.config()
        driver = DRIVERS[config.driver]
        site = Site(data_dir=self.folder / "data", clock=CLOCK)
        device = MockedDevice(
            config,
            data_dir=self.folder / "data",
            capabilities=driver.capabilities,
            build=lambda filled: driver.build(filled, site),
            idle_s=idle_s,
        )
        self.made.append(device)
        return device

    def told(self) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self.ready_file.read_text()))

    @property
    def ready_file(self) -> Path:
        return self.folder / "data" / "hosts" / "o1.mock.json"

    @property
    def pid(self) -> int:
        return int(self.told()["pid"])

    async def ask(self, question: object) -> dict[str, Any]:
        reader, writer = await asyncio.open_unix_connection(
            str(self.folder / "data" / "hosts" / "o1.control")
        )
        writer.write(json.dumps(question).encode() + b"\n")
        answer = json.loads(await reader.readline())
        writer.close()
        await writer.wait_closed()
        return cast("dict[str, Any]", answer)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for device in bench.made:
        await device.close()
    if bench.ready_file.exists():
        await ended(bench.pid, bench.ready_file, by=signal.SIGTERM)


async def ended(pid: int, ready: Path, *, by: signal.Signals | None = None) -> None:
    if by is not None:
        os.kill(pid, by)
    async with asyncio.timeout(20):
        while ready.exists():
            await asyncio.sleep(0.02)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    (file := tmp_path / "long.gcode").write_text("M104 S60\n" + "G4 P60000\n" * 2000)
    return file


@pytest.fixture
def short(tmp_path: Path) -> Path:
    (file := tmp_path / "short.gcode").write_text("G28\nG1 X1\n")
    return file


async def until(device: Device, want: Any, within_s: float = 20) -> Status:
    async with asyncio.timeout(within_s):
        async with aclosing(cast("Any", device.watch())) as looks:
            async for status in looks:
                if want(status):
                    return cast("Status", status)
    raise AssertionError("the watch ended")


def moving(status: Status) -> bool:
    return status.state is DeviceState.RUNNING and status.progress is not None


async def test_the_registry_makes_a_mocked_device_of_a_mock(bench: Bench) -> None:
    device = make(bench.config(), data_dir=bench.folder / "data", clock=CLOCK)
    assert isinstance(device, MockedDevice)
    assert device.capabilities == DRIVERS["octoprint"].capabilities


async def test_opening_starts_the_mock_and_a_print_goes_to_its_end(bench: Bench, short: Path) -> None:
    device = bench.device()
    assert (await device.open()).firmware == "OctoPrint 1.11.8"
    await device.start_by(short, "r1", CLOCK.now() + timedelta(minutes=1))
    status = await until(device, lambda s: s.progress and s.progress.outcome)
    assert status.progress is not None
    assert (status.progress.token, status.progress.outcome) == ("r1", Outcome.DONE)


async def test_where_it_is_and_its_key_are_for_this_user_alone(bench: Bench) -> None:
    await bench.device().open()
    assert stat.S_IMODE(bench.ready_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(bench.ready_file.parent.stat().st_mode) == 0o700
    assert len(bench.told()["api_key"]) == 32


async def test_a_print_goes_on_while_the_server_is_away(bench: Bench, long: Path) -> None:
    first = bench.device(bench.config("speed = 100"))
    await first.open()
    await first.start(long, "r1")
    await first.close()  # the server is killed: nothing is said to the mock
    pid = bench.pid
    second = bench.device(bench.config("speed = 100"))
    await second.open()
    status = await until(second, moving)
    assert status.progress is not None
    assert (status.progress.token, bench.pid) == ("r1", pid)


async def test_two_servers_share_one_mock(bench: Bench) -> None:
    left, right = bench.device(), bench.device()
    await asyncio.gather(left.open(), right.open())
    assert (await bench.ask({"do": "state"}))["starts"] == 0
    assert left.ready_file == right.ready_file


async def test_a_mock_ends_by_itself_when_nobody_asks(bench: Bench) -> None:
    device = bench.device(idle_s=2.0)
    await device.open()
    pid = bench.pid
    await device.close()
    await ended(pid, bench.ready_file)
    assert not (bench.folder / "data" / "hosts" / "o1.control").exists()


async def test_a_mock_that_prints_does_not_end(long: Path) -> None:
    async with MockOctoPrint(speed=10) as mock:
        mock.files["long.gcode"] = Stored(content=long.read_bytes(), date=1.0)
        mock.print_by_hand("long.gcode")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await until_idle(mock, 0.05, asyncio.Event())


async def test_a_killed_mock_is_offline_until_the_link_has_started_a_new_one(bench: Bench) -> None:
    pace = Pace(first_wait_s=0.05, last_wait_s=0.1)
    async with Link(bench.device(), clock=CLOCK, pace=pace) as link:
        await link.wait_online(20)
        pid = bench.pid
        os.kill(pid, signal.SIGKILL)
        states = []
        async with asyncio.timeout(20):
            async for status in link.subscribe():
                states.append(status.state)
                if states[-1] is DeviceState.IDLE and bench.pid != pid:
                    break
    assert DeviceState.OFFLINE in states


async def test_new_settings_reach_an_idle_mock_at_the_next_open(bench: Bench) -> None:
    await bench.device().open()
    await bench.device(bench.config("speed = 7")).open()
    assert (await bench.ask({"do": "state"}))["speed"] == 7


async def test_a_mock_that_prints_is_not_ended_for_new_settings(bench: Bench, long: Path) -> None:
    device = bench.device(bench.config("speed = 10"))
    await device.open()
    await device.start(long, "r1")
    other = bench.device(bench.config("speed = 7"))
    await other.open()
    assert (await bench.ask({"do": "state"}))["speed"] == 10


async def test_a_mock_can_be_told_to_end_and_by_force_while_it_prints(bench: Bench, long: Path) -> None:
    device = bench.device()
    assert not await device.quit()
    await device.open()
    await device.start(long, "t1")
    assert not await device.quit()
    assert await device.quit(force=True)
    assert not bench.ready_file.exists() or not await device.quit()


async def test_faults_of_devices_toml_are_there_from_the_start(bench: Bench, short: Path) -> None:
    device = bench.device(bench.config('faults = ["http_503:3"]'))
    with pytest.raises(LinkLost):
        await device.open()
    await device.open()


async def test_a_fault_that_no_mock_knows_is_said(bench: Bench) -> None:
    with pytest.raises(LinkLost, match="is no fault"):
        await bench.device(bench.config('faults = ["flood"]')).open()


async def test_faults_are_asked_for_over_the_control_socket(bench: Bench, long: Path) -> None:
    device = bench.device(bench.config("speed = 10"))
    await device.open()
    await device.start(long, "r1")
    assert (await bench.ask({"fault": "printer_fault"})) == {"ok": True}
    status = await until(device, lambda s: s.state is DeviceState.FAULT)
    assert status.progress is not None
    assert status.progress.outcome is Outcome.FAILED


@pytest.mark.parametrize("question", [{"fault": "flood"}, {"do": "dance"}, {"speed": -1}, [], "x"])
async def test_the_control_socket_says_what_it_does_not_know(bench: Bench, question: object) -> None:
    await bench.device().open()
    assert (await bench.ask(question))["ok"] is False


async def test_commands_before_the_first_open_are_a_lost_link(bench: Bench, short: Path) -> None:
    device = bench.device()
    for command in (device.start(short, "r1"), device.pause(), device.resume(), device.cancel()):
        with pytest.raises(LinkLost, match="not open"):
            await command
    with pytest.raises(LinkLost, match="not open"):
        await device.make_safe()


async def test_a_machine_is_made_safe_by_a_server_that_has_not_opened_it(bench: Bench, long: Path) -> None:
    first = bench.device()
    await first.open()
    assert await bench.device().make_safe() is Safety.CONFIRMED
