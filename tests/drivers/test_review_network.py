"""Machines behind a server of their own: what a fresh pair of eyes looked for, late starts, lost stops, old answers."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drivers.link import Link
from drivers.mock.moonraker import MockMoonraker
from drivers.mock.octoprint import MockOctoPrint
from drivers.mock.prusalink import MockPrusaLink
from drivers.mock.server import Answer, Fault, NetworkMock, Request
from drivers.moonraker import Moonraker
from drivers.octoprint import OctoPrint
from drivers.prusalink import PrusaLink, follow, wire
from fablab.base.clock import FakeClock
from fablab.device import Device, DeviceRefused, DeviceState, DeviceTimeout, LinkLost, Safety, Status
from tests.drivers import marlin_rig
from tests.drivers.doubles import NOON, PuppetDevice
from tests.drivers.doubles import until as until_true
from tests.drivers.network_rig import LONG, using, written

HOT = "M104 S200\nM140 S60\n" + LONG
QUICK: dict[str, Any] = {"seen_s": 0.5, "held_s": 0.5, "passing_s": 0.03, "listed_s": 0.02}


def octoprint(server: MockOctoPrint, **more: Any) -> OctoPrint:
    given: dict[str, Any] = {"api_key": server.api_key, "answer_s": 2.0, "look_s": 0.1, "safe_s": 8.0}
    return OctoPrint(name="mock", url=server.url, **(given | more))


def moonraker(server: MockMoonraker, **more: Any) -> Moonraker:
    given: dict[str, Any] = {"answer_s": 6.0, "look_s": 0.1, "safe_s": 8.0, "settle_s": 0.0}
    return Moonraker(name="mock", url=server.url, api_key=server.api_key, **(given | more))


def prusalink(server: MockPrusaLink, **more: Any) -> PrusaLink:
    given: dict[str, Any] = {"answer_s": 2.0, "look_s": 0.05, "safe_s": 8.0, "fresh_s": 0.1}
    return PrusaLink(name="mock", url=server.url, password=server.password, **(given | more))


@pytest.fixture
def hot(tmp_path: Path) -> Path:
    return written(tmp_path / "hot.gcode", HOT)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    return written(tmp_path / "long.gcode", LONG)


async def some(device: Device, count: int) -> list[Status]:
    seen: list[Status] = []
    async with asyncio.timeout(10):
        async for status in device.watch():
            seen.append(status)
            if len(seen) == count:
                break
    return seen


# -- old answers


class _Slow(NetworkMock):
    """Of two looks the earlier one is answered last, and by then it is history."""

    looks = ""
    held: asyncio.Event | None = None
    waits = False

    async def answer(self, request: Request) -> Answer:
        answer = await super().answer(request)
        if request.path == self.looks and (held := self.held) is not None:
            self.held, self.waits = None, True
            await held.wait()
        return answer


class _SlowOctoPrint(_Slow, MockOctoPrint):
    looks = "/api/job"

    def _to_listeners(self, text: str) -> None:
        """No push: an event that comes first would hide the matter."""


class _SlowPrusaLink(_Slow, MockPrusaLink):
    looks = "/api/v1/status"


async def _goes_on(server: _Slow, device: Device, start: str, program: Path) -> list[Status]:
    async with using(device):
        server.fault(Fault.LOST, start)
        server.held = held = asyncio.Event()
        await until_true(lambda: server.waits)
        await device.start(program, "r1")
        held.set()
        return await some(device, 5)


async def test_an_answer_from_before_a_start_does_not_make_octoprints_run_forgotten(long: Path) -> None:
    async with _SlowOctoPrint() as server:
        seen = await _goes_on(server, octoprint(server), "POST /api/files/local/fablab", long)
    assert [s.progress.token for s in seen if s.progress is not None] == ["r1"] * 5


async def test_an_answer_from_before_a_start_does_not_make_prusalinks_run_forgotten(long: Path) -> None:
    async with _SlowPrusaLink(**QUICK) as server:
        seen = await _goes_on(server, prusalink(server), "POST /api/v1/files", long)
    assert [s.progress.token for s in seen if s.progress is not None] == ["r1"] * 5


async def test_one_answer_that_does_not_come_does_not_cost_a_prusalinks_end(hot: Path) -> None:
    async with MockPrusaLink(**QUICK) as server, using(prusalink(server, answer_s=0.3)) as device:
        for kind, times in ((Fault.TIMEOUT, 1), (Fault.HTTP_500, 2), (Fault.HALF_ANSWER, 2)):
            server.fault(kind, "GET /api/v1/status", times=times)
            asked = len(server.asked)
            await until_true(lambda: len(server.asked) > asked + 4)  # noqa: B023 - called in this round only
        assert (await some(device, 1))[0].state is DeviceState.IDLE


def test_an_end_from_another_day_is_not_ours_because_the_clock_was_set_back() -> None:
    seen = follow.Seen(
        state=DeviceState.RUNNING, run=follow.Run(token="r1", moved=True), moved_at=NOON + timedelta(days=1)
    )
    status = wire.Status(printer=wire.Printer(state="FINISHED"))
    run = follow.looked(seen, follow.Look(at=NOON, status=status)).run
    assert run is not None
    assert run.outcome is None


# -- stops


async def _lost_with_a_cancel(server: NetworkMock, device: Device, start: str, program: Path) -> None:
    """The start is carried out, nothing is answered any more, and somebody presses cancel in that moment."""
    stops: list[asyncio.Task[None]] = []

    def act() -> None:
        server.fault(Fault.DROPPED, "GET /", times=200)
        server.fault(Fault.LOST_START)
        stops.append(asyncio.ensure_future(device.cancel()))

    server.before(start, act)
    async with using(device):
        with pytest.raises(LinkLost):
            await device.start(program, "r1")
        await asyncio.gather(*stops, return_exceptions=True)
        await until_true(lambda: not server.busy)


async def test_a_start_whose_answer_was_lost_is_taken_back_by_a_cancel_octoprint(long: Path) -> None:
    async with MockOctoPrint() as server:
        device = octoprint(server, look_s=30.0)
        server.fault(Fault.CONFLICT_STORM, "POST /api/job")  # as it would be before the start has come
        await _lost_with_a_cancel(server, device, "POST /api/files/local/fablab", long)


async def test_a_start_whose_answer_was_lost_is_taken_back_by_a_cancel_moonraker(long: Path) -> None:
    async with MockMoonraker() as server:
        device = moonraker(server, look_s=30.0, answer_s=2.0)
        await _lost_with_a_cancel(server, device, "POST /printer/print/start", long)


class _LateMoonraker(MockMoonraker):
    """The start is on its way for a while."""

    async def answer(self, request: Request) -> Answer:
        if request.path == "/printer/print/start":
            self.waits = True
            await self.goes.wait()
        return await super().answer(request)

    waits = False
    goes: asyncio.Event


async def test_a_stop_that_overtakes_a_start_leaves_no_heater_on(hot: Path) -> None:
    async with _LateMoonraker() as server, using(moonraker(server)) as device:
        server.goes = asyncio.Event()
        starting = asyncio.create_task(device.start(hot, "r1"))
        await until_true(lambda: server.waits)
        assert await device.make_safe() is Safety.CONFIRMED
        server.goes.set()
        await starting
        assert (server.busy, set(server.targets_c.values())) == (False, {0})


async def test_a_cancel_leaves_no_heater_on_where_klippers_own_command_does(hot: Path) -> None:
    async with MockMoonraker() as server, using(moonraker(server)) as device:
        await device.start(hot, "r1")
        await until_true(lambda: server.targets_c["tool0"] == 200)
        await device.cancel()
        assert (server.busy, set(server.targets_c.values())) == (False, {0})


@pytest.mark.parametrize("kind", [Fault.DROPPED, Fault.LOST, Fault.HTTP_500, Fault.CONFLICT_STORM])
async def test_a_stop_is_not_given_up_because_one_of_its_answers_was_lost(hot: Path, kind: Fault) -> None:
    async def octoprints() -> Safety:
        async with MockOctoPrint() as server, using(octoprint(server)) as device:
            await device.start(hot, "r1")
            for request in ("POST /api/job", "POST /api/printer/command"):
                server.fault(kind, request, times=2)
            return await device.make_safe()

    async def prusalinks() -> Safety:
        async with MockPrusaLink(**QUICK) as server, using(prusalink(server)) as device:
            await device.start(hot, "r1")
            for request in ("DELETE /api/v1/job", "POST /api/printer/tool"):
                server.fault(kind, request, times=2)
            return await device.make_safe()

    assert tuple(await asyncio.gather(octoprints(), prusalinks())) == (Safety.CONFIRMED, Safety.CONFIRMED)


async def test_a_klipper_that_is_busy_is_not_told_to_go_on_at_a_moment_nobody_expects(long: Path) -> None:
    async with MockMoonraker() as server, using(moonraker(server, answer_s=0.5)) as device:
        await device.start(long, "r1")
        await device.pause()
        async with server.printer.turn:
            with pytest.raises(DeviceRefused, match="press resume again later"):
                await device.resume()
        assert "POST /printer/print/resume" not in server.asked


async def test_a_cancel_that_klipper_obeys_later_is_said_to_be_so(long: Path) -> None:
    async with MockMoonraker() as server, using(moonraker(server, answer_s=0.5)) as device:
        await device.start(long, "r1")
        async with server.printer.turn:
            with pytest.raises(DeviceTimeout, match="will obey after that"):
                await device.cancel()
        await until_true(lambda: not server.busy)


# -- tasks that end


async def _unheard(device: Device) -> str:
    async with using(device):
        for task in asyncio.all_tasks():
            if task.get_name() == "mock: looks":
                task.cancel()
        with pytest.raises(LinkLost) as caught:
            await some(device, 1000)
    return str(caught.value)


@pytest.mark.parametrize("make", [octoprint, moonraker, prusalink])
async def test_a_task_that_was_cancelled_from_inside_ends_the_watch(
    make: Callable[[Any], Device],
) -> None:
    kinds: dict[object, Callable[[], Any]] = {
        octoprint: MockOctoPrint,
        moonraker: MockMoonraker,
        prusalink: lambda: MockPrusaLink(**QUICK),
    }
    async with kinds[make]() as server:
        assert "broken off" in await _unheard(make(server))


async def test_a_close_that_is_cancelled_from_inside_does_not_end_the_link() -> None:
    class Odd(PuppetDevice):
        async def close(self) -> None:
            await super().close()
            if self.closed == 1:
                raise asyncio.CancelledError

    device = Odd()
    async with Link(device, clock=FakeClock(NOON)) as link:
        device.says.put_nowait(LinkLost("gone"))
        await until_true(lambda: device.opened == 1 and device.closed == 1)
        link.retry()
        await until_true(lambda: device.opened == 2)


def test_no_driver_waits_in_the_way_that_loses_a_cancel() -> None:
    """asyncio.wait_for in Python 3.11 swallows a cancel that meets its answer, and a link would never close."""
    sources = (Path(__file__).parents[2] / "drivers").rglob("*.py")
    assert [path.name for path in sources if "asyncio.wait_for(" in path.read_text()] == []


async def test_a_start_that_meets_a_lost_link_leaves_no_file_open(long: Path) -> None:
    async with marlin_rig.connected() as (device, mock):
        mock.inject("unplug:5")
        with pytest.raises(LinkLost):
            await some(device, 1000)
        with pytest.raises(LinkLost):
            await device.start(long, "r1")
        gc.collect()  # a file that nobody closed is a warning here, and so a failure
