"""A Marlin at the other end of a network: plain TCP and RFC 2217, with everything that a network does to it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from drivers.host.paths import port_lock
from drivers.link import Link, Pace
from drivers.marlin import Marlin
from drivers.mock.marlin import MockMarlin
from fablab.base.clock import SystemClock
from fablab.device import DeviceState, DeviceTimeout, LinkLost, LinkState, Outcome, Safety, Status
from tests.drivers.bridges import Bridge
from tests.drivers.conftest import Hosts
from tests.drivers.doubles import first
from tests.drivers.doubles import until as seen
from tests.drivers.marlin_rig import QUICK, ended, holds, lost, moves, outcome, reached, until, written

# pyserial's RFC 2217 client still calls Thread.setDaemon and setName.
pytestmark = pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")

BOTH = pytest.mark.parametrize("rfc2217", [False, True], ids=["socket", "rfc2217"])


@asynccontextmanager
async def over(
    *, rfc2217: bool, speed: float = 0.0, faults: tuple[str, ...] = (), **limits: float
) -> AsyncIterator[tuple[Marlin, MockMarlin, Bridge]]:
    with MockMarlin(speed=speed, faults=faults) as mock, Bridge(mock.port, rfc2217=rfc2217) as bridge:
        marlin = Marlin(name="m1", port=bridge.url, limits=replace(QUICK, **limits), every_s=0.1)
        await marlin.open()
        try:
            yield marlin, mock, bridge
        finally:
            await marlin.close()


@BOTH
async def test_a_program_arrives_once_and_in_order(tmp_path: Path, rfc2217: bool) -> None:
    lines = moves(300)
    faults = ("corrupt_line@50", "lost_ok@90", "resend@120")
    async with over(rfc2217=rfc2217, faults=faults) as (marlin, mock, _):
        await marlin.start(written(tmp_path, ["M104 S60", *lines]), "run-1")
        assert outcome(await ended(marlin)) is Outcome.DONE
        assert reached(mock) == lines
        assert mock.heat["tool0_target"] == 0


@BOTH
async def test_a_stop_is_confirmed_by_what_is_read_back(tmp_path: Path, rfc2217: bool) -> None:
    async with over(rfc2217=rfc2217, speed=1) as (marlin, mock, _):
        await marlin.start(written(tmp_path, ["M104 S200", *moves(5000)]), "run-1")
        await holds(lambda: mock.heat["tool0_target"] == 200)
        assert await marlin.make_safe() is Safety.CONFIRMED
        assert mock.heat["tool0_target"] == 0
        assert outcome(await ended(marlin)) is Outcome.CANCELLED


@BOTH
async def test_a_connection_cut_in_mid_print_fails_nothing_and_comes_back_cold(
    tmp_path: Path, rfc2217: bool
) -> None:
    """Unknown until proven: the wire tells nothing of how the print ended, so nobody says that it failed."""
    async with over(rfc2217=rfc2217, speed=1) as (marlin, mock, bridge):
        await marlin.start(written(tmp_path, ["M104 S200", *moves(5000)]), "run-1")
        await holds(lambda: len(reached(mock)) > 10)
        bridge.cut()
        last, error = await lost(marlin)
        assert isinstance(error, LinkLost)
        assert last is not None
        assert (last.state, outcome(last)) == (DeviceState.OFFLINE, None)
        await marlin.close()
        await marlin.open()
        status = await until(marlin, lambda s: s.heat_c.get("tool0_target") == 0)
        assert (status.state, outcome(status)) == (DeviceState.IDLE, None)
        assert bridge.connections == 2
        so_far = len(reached(mock))
        await asyncio.sleep(0.2)
        assert len(reached(mock)) == so_far


async def both(case: Callable[[bool], Awaitable[None]]) -> None:
    """For cases that mostly wait: plain TCP and RFC 2217 at the same time."""
    await asyncio.gather(case(False), case(True))


async def test_a_half_open_connection_in_mid_print_is_lost_not_failed(tmp_path: Path) -> None:
    await both(partial(_half_open, tmp_path))


async def _half_open(tmp_path: Path, rfc2217: bool) -> None:
    async with over(rfc2217=rfc2217, speed=1) as (marlin, mock, bridge):
        await marlin.start(written(tmp_path, moves(5000)), "run-1")
        await holds(lambda: len(reached(mock)) > 10)
        bridge.hold()
        last, error = await lost(marlin)
        assert isinstance(error, DeviceTimeout)
        assert last is not None
        assert (last.state, outcome(last)) == (DeviceState.OFFLINE, None)
        bridge.hold(False)


async def test_a_port_that_accepts_and_never_says_a_word_times_out_and_a_stop_there_is_not_confirmed() -> (
    None
):
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"socket://127.0.0.1:{listener.getsockname()[1]}"
    marlin = Marlin(name="m1", port=url, limits=replace(QUICK, open_s=0.5))
    opening = asyncio.create_task(marlin.open())
    client, _ = await asyncio.to_thread(listener.accept)
    with client, listener:
        await asyncio.sleep(0.05)
        assert await marlin.make_safe() is Safety.NOT_CONFIRMED
        with pytest.raises(DeviceTimeout, match=f"nothing on {url} answers like a Marlin"):
            await opening
        client.setblocking(False)
        # What switches heaters off went out all the same: a machine that does not answer may listen.
        assert b"M104 S0\nM140 S0\nM107\n" in client.recv(4096)


async def test_an_rfc2217_port_that_accepts_and_never_says_a_word_is_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        marlin = Marlin(name="m1", port=f"rfc2217://127.0.0.1:{listener.getsockname()[1]}", limits=QUICK)
        with pytest.raises(LinkLost, match="cannot be opened"):
            await marlin.open()


async def test_a_port_where_nobody_listens_is_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for scheme in ("socket", "rfc2217"):
        with pytest.raises(LinkLost, match="cannot be opened"):
            await Marlin(name="m1", port=f"{scheme}://127.0.0.1:{port}", limits=QUICK).open()


async def test_a_wire_of_a_byte_a_second_is_lost_in_time_and_a_stop_still_goes_out(tmp_path: Path) -> None:
    await both(partial(_trickle, tmp_path))


async def _trickle(tmp_path: Path, rfc2217: bool) -> None:
    """The trickle is ten times as fast here as it would be, and so are the driver's timers."""
    async with over(rfc2217=rfc2217, speed=1) as (marlin, mock, bridge):
        await marlin.start(written(tmp_path, ["M104 S200", *moves(5000)]), "run-1")
        await holds(lambda: mock.heat["tool0_target"] == 200)
        bridge.pace_s = 0.1
        safety = await marlin.make_safe()
        assert mock.heat["tool0_target"] == 0
        assert safety is Safety.NOT_CONFIRMED
        _, error = await lost(marlin)
        assert isinstance(error, LinkLost)


def test_one_lock_for_one_host_and_port_whatever_is_spoken_there() -> None:
    assert port_lock("socket://Box.lan:2000") == port_lock("rfc2217://box.lan:2000")
    assert port_lock("socket://box.lan:2000") != port_lock("socket://box.lan:2001")


# -- with a host


def ended_as(word: Outcome | None) -> Callable[[Status], bool]:
    return lambda s: s.progress is not None and s.progress.outcome is word and s.state is DeviceState.IDLE


async def test_the_guardian_switches_the_heaters_off_over_tcp_when_the_host_is_killed(
    hosts: Hosts, tmp_path: Path
) -> None:
    with MockMarlin(speed=1) as mock, Bridge(mock.port) as bridge:
        device = hosts.at(bridge.url)
        assert (await device.open()).features["GUARDIAN"] == "1"
        await device.start(written(tmp_path, ["M104 S200", *moves(5000)]), "run-1")
        await holds(lambda: mock.heat["tool0_target"] == 200)
        pid = device.host_pid
        assert pid is not None
        await device.close()
        os.kill(pid, signal.SIGKILL)
        await holds(lambda: mock.heat["tool0_target"] == 0)
        await seen(lambda: hosts.processes() == [])
        assert bridge.connections == 1
        assert (hosts.entry().safe, hosts.entry().outcome) == ("confirmed", None)


async def test_without_a_guardian_the_host_says_so_and_copes(hosts: Hosts, tmp_path: Path) -> None:
    """Nobody can speak through an RFC 2217 connection but the process that made it."""
    with MockMarlin(speed=1) as mock, Bridge(mock.port, rfc2217=True) as bridge:
        device = hosts.at(bridge.url)
        assert (await device.open()).features["GUARDIAN"] == "0"
        assert "if this host dies nobody can switch heat or beam off" in hosts.paths().log.read_text()
        await device.start(written(tmp_path, ["M104 S200", *moves(5000)]), "run-1")
        await holds(lambda: mock.heat["tool0_target"] == 200)
        assert device.host_pid is not None
        os.kill(device.host_pid, signal.SIGKILL)
        await seen(lambda: hosts.processes() == [])
        assert mock.heat["tool0_target"] == 200
        with suppress(LinkLost):
            await device.close()
        await device.open()  # a next host makes it safe before anybody hears that it is open
        assert mock.heat["tool0_target"] == 0
        assert ended_as(None)(await first(device.watch(), lambda s: s.state is DeviceState.IDLE))
        assert hosts.entry().safe == "confirmed"


async def test_two_hosts_cannot_own_one_network_port(hosts: Hosts, tmp_path: Path) -> None:
    with MockMarlin(speed=1) as mock, Bridge(mock.port) as bridge:
        await hosts.at(bridge.url).open()
        other = Hosts(tmp_path / "data" / "other")
        other.folder.mkdir()
        device = other.at(bridge.url.replace("socket", "rfc2217"), name="m2")
        with pytest.raises(LinkLost, match="is held by the host of m1, process"):
            await device.open()
        await device.quit()
        hosts.config(bridge.url)


async def test_a_cut_under_a_host_is_offline_then_idle_never_failed(hosts: Hosts, tmp_path: Path) -> None:
    with MockMarlin(speed=1) as mock, Bridge(mock.port) as bridge:
        device = hosts.at(bridge.url)
        pace = Pace(first_wait_s=0.1, last_wait_s=0.2)
        async with Link(device, clock=SystemClock(), pace=pace) as link:
            await link.wait_online(30)
            statuses = link.subscribe()
            await device.start(written(tmp_path, ["M104 S200", *moves(5000)]), "run-1")
            await holds(lambda: len(reached(mock)) > 10)
            sent = len(reached(mock))
            bridge.cut()
            outcomes = set()

            def back(status: Status) -> bool:
                outcomes.add(outcome(status))
                return status.state is DeviceState.IDLE

            await first(statuses, lambda s: s.state is DeviceState.OFFLINE)
            await first(statuses, back)
            assert outcomes == {None}
            assert link.state is LinkState.ONLINE
            await holds(lambda: mock.heat["tool0_target"] == 0)
            entry = hosts.entry()
            assert (entry.outcome, entry.safe) == (None, "confirmed")
            assert entry.position_line >= sent
