"""What every device promises, whatever its wire: the port of `fablab.device`, held against each driver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from fablab.device import (
    Capability,
    Device,
    DeviceRefused,
    DeviceState,
    LinkLost,
    Outcome,
    Safety,
    Status,
    Unsupported,
)
from tests.drivers.conftest import Hosts
from tests.drivers.doubles import first
from tests.drivers.subjects import SUBJECTS, Subject


@pytest.fixture(params=SUBJECTS)
async def subject(request: pytest.FixtureRequest, tmp_path: Path, hosts: Hosts) -> AsyncIterator[Subject]:
    async with SUBJECTS[request.param](tmp_path, hosts) as subject:
        yield subject
        await subject.device.close()


@pytest.fixture
async def device(subject: Subject) -> Device:
    await subject.device.open()
    return subject.device


def is_mine(token: str, state: DeviceState) -> Callable[[Status], bool]:
    return lambda s: s.state is state and s.progress is not None and s.progress.token == token


def has_ended(token: str, outcome: Outcome) -> Callable[[Status], bool]:
    return lambda s: (
        s.state is DeviceState.IDLE
        and s.progress is not None
        and (s.progress.token, s.progress.outcome) == (token, outcome)
    )


async def look(device: Device) -> Status:
    async with asyncio.timeout(10):
        return await anext(device.watch())


async def done(subject: Subject, token: str) -> None:
    await subject.device.start(subject.short, token)
    await subject.finish()
    await first(subject.device.watch(), has_ended(token, Outcome.DONE))


async def test_it_has_a_name_and_can_at_least_start(subject: Subject) -> None:
    assert subject.device.name == "m1"
    assert Capability.START in subject.device.capabilities


async def test_opening_tells_who_answered(subject: Subject) -> None:
    assert (await subject.device.open()).firmware


async def test_it_can_be_opened_again_after_it_was_closed(device: Device) -> None:
    await device.close()
    await device.close()
    assert (await device.open()).firmware


async def test_before_it_is_open_every_command_is_lost(subject: Subject) -> None:
    device = subject.device
    commands: list[Callable[[], Awaitable[object]]] = [device.pause, device.resume, device.cancel]
    for command in [*commands, lambda: device.start(subject.short, "t1"), lambda: anext(device.watch())]:
        with pytest.raises(LinkLost):
            await command()


async def test_a_status_comes_at_once_and_goes_on_coming(device: Device) -> None:
    statuses = device.watch()
    async with asyncio.timeout(30):
        seen = [await anext(statuses) for _ in range(3)]
    assert {s.state for s in seen} == {DeviceState.IDLE}
    assert all(s.at.utcoffset() is not None for s in seen)


async def test_a_program_runs_as_mine_and_its_outcome_is_kept_until_the_next_start(
    subject: Subject, device: Device
) -> None:
    await done(subject, "t1")
    await device.close()
    await device.open()
    assert has_ended("t1", Outcome.DONE)(await first(device.watch(), lambda s: s.state is DeviceState.IDLE))
    await device.start(subject.long, "t2")
    seen = await first(device.watch(), is_mine("t2", DeviceState.RUNNING))
    assert seen.progress is not None
    assert seen.progress.outcome is None
    assert seen.progress.fraction is None or 0 <= seen.progress.fraction < 1


async def test_starting_twice_with_one_token_changes_nothing(subject: Subject, device: Device) -> None:
    await device.start(subject.long, "t1")
    await device.start(subject.long, "t1")
    assert is_mine("t1", DeviceState.RUNNING)(await first(device.watch(), lambda s: s.progress is not None))


async def test_a_token_that_has_ended_is_not_started_again(subject: Subject, device: Device) -> None:
    await done(subject, "t1")
    await device.start(subject.long, "t1")
    assert has_ended("t1", Outcome.DONE)(await look(device))


async def test_another_program_is_refused_while_one_runs(subject: Subject, device: Device) -> None:
    await device.start(subject.long, "t1")
    await first(device.watch(), is_mine("t1", DeviceState.RUNNING))
    with pytest.raises(DeviceRefused):
        await device.start(subject.short, "t2")
    assert is_mine("t1", DeviceState.RUNNING)(await look(device))


async def test_pause_and_resume_hold_and_go_on_or_are_unsupported(subject: Subject, device: Device) -> None:
    await device.start(subject.long, "t1")
    await first(device.watch(), is_mine("t1", DeviceState.RUNNING))
    if Capability.PAUSE not in device.capabilities:
        for command in (device.pause, device.resume):
            with pytest.raises(Unsupported):
                await command()
        return
    for command, state in [(device.pause, DeviceState.PAUSED), (device.resume, DeviceState.RUNNING)] * 2:
        await command()
        await first(device.watch(), is_mine("t1", state))


async def test_cancel_ends_it_cancelled_or_is_unsupported(subject: Subject, device: Device) -> None:
    await device.start(subject.long, "t1")
    await first(device.watch(), is_mine("t1", DeviceState.RUNNING))
    if Capability.CANCEL not in device.capabilities:
        with pytest.raises(Unsupported):
            await device.cancel()
        return
    await device.cancel()
    await first(device.watch(), has_ended("t1", Outcome.CANCELLED))


async def test_without_a_program_there_is_nothing_to_pause_or_cancel(device: Device) -> None:
    for command in (device.pause, device.resume, device.cancel):
        with pytest.raises((DeviceRefused, Unsupported)):
            await command()
    assert (await look(device)).state is DeviceState.IDLE


async def test_make_safe_is_confirmed_only_by_a_machine_that_can_be_read_back(device: Device) -> None:
    safety = await device.make_safe()
    assert safety is (
        Safety.CONFIRMED if Capability.SAFE_STOP in device.capabilities else Safety.NOT_CONFIRMED
    )


async def test_a_watch_ends_with_the_link(subject: Subject, device: Device) -> None:
    statuses = device.watch()
    await anext(statuses)
    await subject.lose()
    with pytest.raises(LinkLost):
        await first(statuses, lambda s: False)


async def test_two_watchers_see_the_same(subject: Subject, device: Device) -> None:
    watches = [device.watch(), device.watch()]
    for statuses in watches:
        await anext(statuses)
    await device.start(subject.long, "t1")
    for statuses in watches:
        await first(statuses, is_mine("t1", DeviceState.RUNNING))
