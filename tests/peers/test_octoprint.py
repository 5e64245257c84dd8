"""Our OctoPrint driver against a real OctoPrint 1.11.8 and its virtual printer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from drivers.octoprint import OctoPrint
from fablab.device import DeviceRefused, DeviceState, LinkLost, Misfit, Outcome, Safety, Status
from tests.drivers.network_rig import ended, progress, running, using
from tests.drivers.network_rig import until as until_within
from tests.peers.octoprint_server import Server, serve

pytestmark = pytest.mark.peers

SHORT = "G28\n" + "G1 X1 Y1\nG1 X2 Y2\n" * 5
DWELLING = "G1 X1\nG4 P200\n" * 60  # about twelve seconds

until = partial(until_within, within_s=20)


@pytest.fixture
async def server(octoprint_server: Server) -> Server:
    """The shared OctoPrint with its printer connected, idle and cold."""
    await asyncio.to_thread(octoprint_server.connect)
    return octoprint_server


def opened(server: Server) -> AbstractAsyncContextManager[OctoPrint]:
    return using(OctoPrint(name="virtual", url=server.url, api_key=server.api_key, look_s=2))


@pytest.fixture
async def device(server: Server) -> AsyncIterator[OctoPrint]:
    async with opened(server) as one:
        yield one


def idle(status: Status) -> bool:
    return status.state is DeviceState.IDLE


async def test_opening_tells_who_answered(server: Server) -> None:
    identity = await (device := OctoPrint(name="x", url=server.url + "/", api_key=server.api_key)).open()
    await device.close()
    assert (identity.firmware, identity.model) == ("OctoPrint 1.11.8", "Generic RepRap Printer")


async def test_a_wrong_key_is_a_matter_for_a_person(server: Server) -> None:
    device = OctoPrint(name="x", url=server.url, api_key="f" * 32)
    with pytest.raises(Misfit, match="key"):
        await device.open()


async def test_a_program_is_uploaded_and_printed_to_its_end(
    device: OctoPrint, token: str, program: Callable[[str], Path]
) -> None:
    await device.start(program(SHORT), token)
    status = await until(device, lambda s: ended(s) and idle(s))
    assert (progress(status).token, progress(status).outcome) == (token, Outcome.DONE)
    assert progress(status).fraction == 1.0


async def test_a_second_start_with_the_same_token_prints_nothing_more(
    server: Server, device: OctoPrint, token: str, program: Callable[[str], Path]
) -> None:
    await device.start(program(SHORT), token)
    await device.start(program(SHORT), token)
    await until(device, lambda s: ended(s) and idle(s))
    async with opened(server) as another:
        await another.start(program(SHORT), token)
    prints = server.call("GET", f"/api/files/local/fablab/lab-{token}.gcode")["prints"]
    assert (prints["success"], prints["failure"]) == (1, 0)


async def test_temperatures_and_progress_are_told_while_printing(
    device: OctoPrint, token: str, program: Callable[[str], Path]
) -> None:
    await device.start(program("M104 S40\n" + DWELLING), token)
    status = await until(device, lambda s: s.heat_c.get("tool0_target") == 40 and running(s))
    await device.cancel()
    assert status.heat_c["tool0"] > 20
    assert 0 < (progress(status).fraction or 0) < 1


async def test_a_cancelled_run_is_cancelled_and_not_failed(
    device: OctoPrint, token: str, program: Callable[[str], Path]
) -> None:
    await device.start(program(DWELLING), token)
    await device.cancel()
    status = await until(device, lambda s: ended(s) and idle(s))
    assert progress(status).outcome is Outcome.CANCELLED


async def test_a_pause_holds_and_a_repeated_pause_still_holds(
    device: OctoPrint, token: str, program: Callable[[str], Path]
) -> None:
    await device.start(program(DWELLING), token)
    await device.pause()
    await until(device, lambda s: s.state is DeviceState.PAUSED)
    await device.pause()
    await device.pause()
    held = await until(device, lambda s: True)
    await device.resume()
    await until(device, running)
    await device.cancel()
    assert held.state is DeviceState.PAUSED


async def test_a_firmware_fault_fails_the_run_and_shows_as_fault(
    server: Server, device: OctoPrint, token: str, program: Callable[[str], Path]
) -> None:
    await device.start(program(DWELLING), token)
    await asyncio.to_thread(server.gcode, "!!DEBUG:trigger_fatal_error_marlin")
    status = await until(device, lambda s: ended(s) and s.state is DeviceState.FAULT)
    assert progress(status).outcome is Outcome.FAILED
    assert "Thermal Runaway" in status.message


async def test_a_printer_that_vanishes_fails_the_run(
    server: Server, device: OctoPrint, token: str, program: Callable[[str], Path]
) -> None:
    await device.start(program(DWELLING), token)
    await asyncio.to_thread(server.gcode, "!!DEBUG:drop_connection")
    status = await until(device, ended)
    assert progress(status).outcome is Outcome.FAILED


async def test_a_printer_that_is_not_connected_is_offline_and_refuses(
    server: Server, device: OctoPrint, token: str, program: Callable[[str], Path]
) -> None:
    await asyncio.to_thread(server.call, "POST", "/api/connection", {"command": "disconnect"})
    await until(device, lambda s: s.state is DeviceState.OFFLINE)
    with pytest.raises(DeviceRefused, match="cannot start"):
        await device.start(program(SHORT), token)


async def test_a_busy_printer_refuses_another_run(
    device: OctoPrint, token: str, program: Callable[[str], Path]
) -> None:
    await device.start(program(DWELLING), token)
    with pytest.raises(DeviceRefused):
        await device.start(program(SHORT), "another")
    status = await until(device, running)
    await device.cancel()
    assert progress(status).token == token


async def test_nothing_to_cancel_is_refused(device: OctoPrint) -> None:
    with pytest.raises(DeviceRefused):
        await device.cancel()


async def test_making_safe_is_confirmed_by_the_printers_own_report(
    server: Server, device: OctoPrint, token: str, program: Callable[[str], Path]
) -> None:
    await device.start(program("M140 S50\nM104 S90\n" + DWELLING), token)
    await until(device, lambda s: s.heat_c.get("bed_target") == 50 and s.heat_c.get("tool0_target") == 90)
    assert await device.make_safe() is Safety.CONFIRMED
    status = await until(device, lambda s: ended(s) and idle(s) and s.heat_c.get("bed_target") == 0)
    assert status.heat_c["tool0_target"] == 0


async def test_making_safe_reaches_a_printer_that_was_lost_in_a_fault(
    server: Server, device: OctoPrint, token: str, program: Callable[[str], Path]
) -> None:
    await device.start(program("M104 S90\n" + DWELLING), token)
    await asyncio.to_thread(server.gcode, "!!DEBUG:trigger_fatal_error_marlin")
    await until(device, lambda s: s.state is DeviceState.FAULT)
    assert await device.make_safe() is Safety.CONFIRMED


async def test_a_new_driver_finds_the_run_that_is_printing(
    server: Server, token: str, program: Callable[[str], Path]
) -> None:
    async with opened(server) as first:
        await first.start(program(DWELLING), token)
    async with opened(server) as second:
        status = await until(second, running)
        await second.cancel()
    assert progress(status).token == token


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.CANCELLED])
async def test_a_new_driver_learns_how_the_run_ended_while_nobody_listened(
    server: Server, token: str, program: Callable[[str], Path], outcome: Outcome
) -> None:
    async with opened(server) as first:
        await first.start(program(SHORT if outcome is Outcome.DONE else DWELLING), token)
        if outcome is Outcome.CANCELLED:
            await first.cancel()
    await asyncio.to_thread(server.wait_for, "Operational")
    async with opened(server) as second:
        status = await until(second, idle)
    assert (progress(status).token, progress(status).outcome) == (token, outcome)


async def test_a_server_killed_in_mid_print_leaves_the_outcome_unknown(
    tmp_path: Path, token: str, program: Callable[[str], Path]
) -> None:
    with serve(tmp_path / "base") as server:
        async with opened(server) as device:
            await device.start(program(DWELLING), token)
            await until(device, running)
            await asyncio.to_thread(server.stop, kill=True)
            with pytest.raises(LinkLost):
                await until(device, lambda s: False)
            await asyncio.to_thread(server.start)
            await device.open()
            status = await until(device, idle)
    assert status.progress is None
