"""A link: online, lost, blocked, late and stale, with a device that does what the test says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from drivers.link import Link, Pace, StartTooLate
from fablab.base.clock import FakeClock
from fablab.device import (
    DeviceRefused,
    DeviceState,
    DeviceTimeout,
    Identity,
    LinkLost,
    LinkState,
    Misfit,
    Safety,
)
from tests.drivers.doubles import NOON, PuppetDevice, status, until

FAST = Pace(stale_s=30, open_s=30, command_s=30, close_s=0.05, first_wait_s=0.01, last_wait_s=0.04)
PROGRAM = Path("/p.gcode")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def device() -> PuppetDevice:
    return PuppetDevice()


@pytest.fixture
async def link(device: PuppetDevice, clock: FakeClock) -> AsyncIterator[Link]:
    async with Link(device, clock=clock, pace=FAST, jitter=lambda: 0.5) as link:
        yield link
    assert [t for t in asyncio.all_tasks() if t.get_name().startswith("link ")] == []


async def online(link: Link, device: PuppetDevice) -> None:
    device.says.put_nowait(status())
    await link.wait_online(20)


async def test_a_new_link_is_closed_and_offline(device: PuppetDevice, clock: FakeClock) -> None:
    link = Link(device, clock=clock)
    assert (link.state, link.status.state, link.age_s) == (LinkState.CLOSED, DeviceState.OFFLINE, None)
    assert (link.name, link.capabilities) == ("puppet", device.capabilities)
    await link.close()


async def test_the_first_status_makes_it_online(link: Link, device: PuppetDevice, clock: FakeClock) -> None:
    assert link.state is LinkState.CONNECTING
    device.says.put_nowait(status(DeviceState.RUNNING))
    assert await link.wait_online(20) == device.identity
    assert (link.state, link.status.state, link.reason) == (LinkState.ONLINE, DeviceState.RUNNING, "")
    clock.advance(seconds=7)
    assert link.age_s == 7.0


async def test_beginning_twice_opens_once(link: Link, device: PuppetDevice) -> None:
    link.begin()
    await online(link, device)
    assert device.opened == 1


async def test_a_lost_link_is_offline_with_its_reason_and_opens_again(
    link: Link, device: PuppetDevice
) -> None:
    await online(link, device)
    device.says.put_nowait(LinkLost("the cable is out"))
    await until(lambda: link.status.message == "the cable is out")
    assert link.status.state is DeviceState.OFFLINE
    assert device.closed == 1
    await online(link, device)
    assert device.opened == 2


async def test_a_watch_that_merely_ends_counts_as_lost(link: Link, device: PuppetDevice) -> None:
    await online(link, device)
    device.says.put_nowait(None)
    await until(lambda: "ended its watch" in link.status.message)


async def test_losing_and_returning_are_logged_once_each(
    link: Link, device: PuppetDevice, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "drivers.link")
    await online(link, device)
    device.open_errors = [LinkLost("off")] * 5
    device.says.put_nowait(LinkLost("off"))
    await until(lambda: device.opened == 7)
    await online(link, device)
    assert [r.message for r in caplog.records] == [
        "puppet is online",
        "puppet is offline: off",
        "puppet is online",
    ]


async def test_misfit_blocks_until_a_person_says_retry(link: Link, device: PuppetDevice) -> None:
    device.says.put_nowait(Misfit("wrong key"))
    with pytest.raises(Misfit, match="wrong key"):
        await link.wait_online(20)
    assert (link.state, link.status.message) == (LinkState.BLOCKED, "wrong key")
    await asyncio.sleep(0.1)  # several back-offs long
    assert device.opened == 1
    link.retry()
    await until(lambda: link.state is not LinkState.BLOCKED)
    await online(link, device)


async def test_the_wrong_serial_number_blocks(device: PuppetDevice, clock: FakeClock) -> None:
    async with Link(device, clock=clock, serial_number="S2", pace=FAST) as link:
        with pytest.raises(Misfit, match=r"puppet expects S2; S1 \(puppet\) answered"):
            await link.wait_online(20)


async def test_a_wrong_machine_that_is_known_is_called_by_its_name(
    device: PuppetDevice, clock: FakeClock
) -> None:
    known = {"S1": "mini", "S2": "puppet"}
    link = Link(device, clock=clock, serial_number="S2", known=known, where="/dev/ttyUSB0", pace=FAST)
    words = r"puppet expects S2; S1 \(puppet\), which is mini of devices.toml, answered on /dev/ttyUSB0"
    async with link:
        with pytest.raises(Misfit, match=words):
            await link.wait_online(20)


async def test_a_machine_without_a_number_is_not_the_one_with_a_number(
    device: PuppetDevice, clock: FakeClock
) -> None:
    device.identity = Identity(firmware="Marlin 2.0", model="MK3S")
    async with Link(device, clock=clock, serial_number="S2", pace=FAST) as link:
        with pytest.raises(Misfit, match=r"a machine without a serial number \(MK3S, Marlin 2.0\) answered"):
            await link.wait_online(20)


async def test_the_right_serial_number_is_let_through(device: PuppetDevice, clock: FakeClock) -> None:
    async with Link(device, clock=clock, serial_number="S1", pace=FAST) as link:
        await online(link, device)


async def test_silence_is_offline(device: PuppetDevice, clock: FakeClock) -> None:
    async with Link(device, clock=clock, pace=Pace(stale_s=0.05, close_s=0.05)) as link:
        await online(link, device)
        await until(lambda: link.status.state is DeviceState.OFFLINE)
        assert link.status.message == "no status for 0 s"
        assert link.state is LinkState.WAITING


async def test_an_open_that_hangs_is_given_up(device: PuppetDevice, clock: FakeClock) -> None:
    device.hang = True
    pace = Pace(open_s=0.02, close_s=0.02, first_wait_s=0.01, last_wait_s=0.01)
    async with Link(device, clock=clock, pace=pace) as link:
        await until(lambda: device.opened >= 2)
        assert "no answer within" in link.status.message
        device.hang = False
        await online(link, device)


async def test_a_mistake_in_the_driver_is_logged_and_tried_again(
    link: Link, device: PuppetDevice, caplog: pytest.LogCaptureFixture
) -> None:
    device.says.put_nowait(ValueError("a mistake"))
    await until(lambda: device.opened == 2)
    assert "the driver failed" in caplog.text
    assert "ValueError: a mistake" in caplog.text
    await online(link, device)


@pytest.mark.parametrize("trouble", ["hang", "raise"])
async def test_a_device_that_does_not_close_is_left(
    link: Link, device: PuppetDevice, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    device.hang_close, device.close_error = (
        trouble == "hang",
        LinkLost("gone") if trouble == "raise" else None,
    )
    device.says.put_nowait(LinkLost("off"))
    await until(lambda: device.opened == 2)


async def test_retry_cuts_a_back_off_short(device: PuppetDevice, clock: FakeClock) -> None:
    device.open_errors = [LinkLost("off")]
    async with Link(device, clock=clock, pace=Pace(first_wait_s=3600, last_wait_s=3600)) as link:
        await until(lambda: link.state is LinkState.WAITING)
        link.retry()
        await online(link, device)


async def test_who_waits_too_long_is_told_why(device: PuppetDevice, clock: FakeClock) -> None:
    async with Link(device, clock=clock, pace=Pace(first_wait_s=3600)) as link:
        with pytest.raises(LinkLost, match="puppet cannot be reached: no answer yet"):
            await link.wait_online(0.01)
        device.says.put_nowait(LinkLost("switched off"))
        await until(lambda: link.state is LinkState.WAITING)
        with pytest.raises(LinkLost, match="switched off"):
            await link.wait_online(0.01)


@pytest.mark.parametrize(
    ("failures", "jitter", "wait_s"),
    [
        (0, 0.0, 1.0),
        (0, 1.0, 1.0),
        (3, 0.0, 4.0),
        (3, 1.0, 8.0),
        (9, 1.0, 60.0),
        (9, 0.0, 30.0),
        (10**6, 1.0, 60.0),
    ],
)
def test_the_back_off_doubles_from_1_to_60_s(failures: int, jitter: float, wait_s: float) -> None:
    assert Pace().back_off_s(failures, jitter) == wait_s


# -- commands


def soon(clock: FakeClock) -> datetime:
    return clock.now() + timedelta(seconds=30)


async def test_commands_reach_the_device(link: Link, device: PuppetDevice, clock: FakeClock) -> None:
    await online(link, device)
    await link.start(PROGRAM, "t1", soon(clock))
    await link.pause()
    await link.resume()
    await link.cancel()
    assert await link.make_safe() is Safety.CONFIRMED
    assert device.heard == ["start /p.gcode t1", "pause", "resume", "cancel", "make_safe"]


async def test_commands_while_offline_are_lost_and_not_kept(
    link: Link, device: PuppetDevice, clock: FakeClock
) -> None:
    with pytest.raises(LinkLost, match="start: puppet cannot be reached: connecting"):
        await link.start(PROGRAM, "t1", soon(clock))
    with pytest.raises(LinkLost):
        await link.cancel()
    await online(link, device)
    assert device.heard == []


async def test_a_late_start_is_dropped_and_said(
    link: Link, device: PuppetDevice, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    await online(link, device)
    deadline = soon(clock)
    clock.advance(seconds=90)
    with pytest.raises(StartTooLate, match="start of t1 on puppet came 60 s too late"):
        await link.start(PROGRAM, "t1", deadline)
    assert device.heard == []
    assert "60 s too late and was dropped" in caplog.text
    assert issubclass(StartTooLate, DeviceRefused)


async def test_a_device_that_can_is_given_the_deadline(clock: FakeClock) -> None:
    class ByDeadline(PuppetDevice):
        async def start_by(self, program: Path, token: str, deadline: datetime) -> None:
            self.heard.append(f"{token} by {deadline:%H:%M:%S}")

    device = ByDeadline()
    async with Link(device, clock=clock, pace=FAST) as link:
        await online(link, device)
        await link.start(PROGRAM, "t1", soon(clock))
    assert device.heard == ["t1 by 12:00:30"]


async def test_a_command_without_an_answer_times_out(device: PuppetDevice, clock: FakeClock) -> None:
    async with Link(device, clock=clock, pace=Pace(command_s=0.02)) as link:
        await online(link, device)
        device.hang = True
        with pytest.raises(DeviceTimeout, match="pause: puppet did not answer"):
            await link.pause()


# -- subscriptions


async def test_a_subscription_gives_the_present_then_each_new_status(
    link: Link, device: PuppetDevice
) -> None:
    await online(link, device)
    statuses = link.subscribe()
    assert (await anext(statuses)).state is DeviceState.IDLE
    device.says.put_nowait(status(DeviceState.RUNNING))
    assert (await anext(statuses)).state is DeviceState.RUNNING


async def test_a_slow_reader_skips_to_the_latest(link: Link, device: PuppetDevice) -> None:
    statuses = link.subscribe()
    for number in range(500):
        device.says.put_nowait(status(message=str(number)))
    await until(lambda: link.status.message == "499")
    assert (await anext(statuses)).message == "499"


async def test_subscriptions_end_with_the_link(device: PuppetDevice, clock: FakeClock) -> None:
    async with Link(device, clock=clock, pace=FAST) as link:
        statuses = link.subscribe()
        await online(link, device)
    assert [s.message async for s in statuses] == ["closed"]
    assert link.state is LinkState.CLOSED


async def test_a_closed_or_dropped_subscription_hears_nothing_more(link: Link, device: PuppetDevice) -> None:
    statuses = link.subscribe()
    statuses.close()
    await online(link, device)
    assert [s.message async for s in statuses] == ["not connected yet"]
    dropped = link.subscribe()
    del dropped
    device.says.put_nowait(status(message="on"))
    await until(lambda: link.status.message == "on")
    assert len(link._subscriptions) == 1


async def test_a_link_can_be_begun_again_after_it_was_closed(device: PuppetDevice, clock: FakeClock) -> None:
    link = Link(device, clock=clock, pace=FAST)
    for _ in range(2):
        link.begin()
        await online(link, device)
        await link.close()
    assert (device.opened, device.closed) == (2, 2)
