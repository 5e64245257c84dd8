"""Our Moonraker driver against a real Moonraker 0.11 and a real Klipper host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from drivers.moonraker import Moonraker
from fablab.device import DeviceRefused, DeviceState, LinkLost, Misfit, Outcome, Safety
from tests.drivers.network_rig import ended, progress, running, settled, using
from tests.drivers.network_rig import until as until_within
from tests.peers.moonraker_server import Server, serve

pytestmark = [pytest.mark.peers, pytest.mark.xdist_group("moonraker")]

SHORT = "G28\n" + "G1 X1 Y1\n" * 5 + "G4 P600\n"
HOT = "M104 S60\nM140 S40\n" + "G1 X1\nG4 P100\n" * 200  # about twenty seconds

until = partial(until_within, within_s=20)


@pytest.fixture
async def server(moonraker_server: Server) -> Server:
    """The shared Klipper, ready, idle and cold."""
    await asyncio.to_thread(moonraker_server.make_ready)
    return moonraker_server


def opened(server: Server) -> AbstractAsyncContextManager[Moonraker]:
    return using(Moonraker(name="klipper", url=server.url, api_key=server.api_key, look_s=2, settle_s=0.6))


@pytest.fixture
async def device(server: Server) -> AsyncIterator[Moonraker]:
    async with opened(server) as one:
        yield one


async def test_opening_tells_who_answered(server: Server) -> None:
    identity = await (device := Moonraker(name="x", url=server.url + "/", api_key=server.api_key)).open()
    await device.close()
    assert identity.firmware == "Moonraker 0.11.0"
    assert identity.features["klipper"].startswith("Kalico")
    assert identity.serial_number == (server.folder / ".moonraker.uuid").read_text()


@pytest.mark.parametrize(("key", "words"), [("f" * 32, "does not accept our API key"), ("", "set api_key")])
async def test_who_is_not_known_is_a_matter_for_a_person(server: Server, key: str, words: str) -> None:
    with pytest.raises(Misfit, match=words):
        await Moonraker(name="x", url=server.url, api_key=key).open()


async def test_a_program_is_uploaded_and_printed_once_to_its_end_however_often_it_is_started(
    server: Server, device: Moonraker, token: str, program: Callable[[str], Path]
) -> None:
    await device.start(program(SHORT), token)
    await device.start(program(SHORT), token)
    status = await until(device, settled)
    assert (progress(status).token, progress(status).outcome) == (token, Outcome.DONE)
    assert progress(status).fraction == 1.0
    async with opened(server) as another:
        await another.start(program(SHORT), token)
    prints = [row for row in server.history() if token in row[0]]
    assert prints == [(f"fablab/lab-{token}.gcode", "completed")]


async def test_a_print_is_held_goes_on_tells_its_heat_refuses_another_and_is_cancelled(
    server: Server, device: Moonraker, token: str, program: Callable[[str], Path]
) -> None:
    await device.start(program(HOT), token)
    status = await until(device, lambda s: running(s) and s.heat_c.get("bed_target") == 40)
    assert status.heat_c["tool0_target"] == 60
    await device.pause()
    await until(device, lambda s: s.state is DeviceState.PAUSED)
    await device.pause()
    with pytest.raises(DeviceRefused, match="cannot start"):
        await device.start(program(SHORT), "another")
    await device.resume()
    await until(device, running)
    with pytest.raises(DeviceRefused, match="cannot start"):
        await device.start(program(SHORT), "another")
    await device.cancel()
    status = await until(device, settled)
    assert (progress(status).token, progress(status).outcome) == (token, Outcome.CANCELLED)
    assert server.history()[0][1] == "cancelled"


async def test_with_nothing_printing_there_is_nothing_to_command(server: Server, device: Moonraker) -> None:
    for command in (device.pause, device.resume, device.cancel):
        with pytest.raises(DeviceRefused, match="nothing is printing"):
            await command()
    assert server.objects("pause_resume")["pause_resume"]["is_paused"] is False


async def test_a_file_that_klipper_cannot_obey_fails_the_run_and_not_the_machine(
    device: Moonraker, token: str, program: Callable[[str], Path]
) -> None:
    await device.start(program("M104 S50\nG4 P700\nM104 S9999\nG4 P500\n"), token)
    status = await until(device, settled)
    assert progress(status).outcome is Outcome.FAILED
    assert "out of range" in progress(status).detail


async def test_making_safe_ends_a_print_and_is_confirmed_by_klippers_own_targets(
    server: Server, device: Moonraker, token: str, program: Callable[[str], Path]
) -> None:
    await device.start(program(HOT), token)
    await until(device, lambda s: s.heat_c.get("bed_target") == 40 and s.heat_c.get("tool0_target") == 60)
    assert await device.make_safe() is Safety.CONFIRMED
    told = server.objects("extruder", "heater_bed", "print_stats")
    assert (told["extruder"]["target"], told["heater_bed"]["target"]) == (0, 0)
    assert told["print_stats"]["state"] == "cancelled"


async def test_a_klipper_that_waits_is_stopped_by_the_emergency_stop_and_never_called_confirmed(
    server: Server, token: str, program: Callable[[str], Path]
) -> None:
    device = Moonraker(name="k", url=server.url, api_key=server.api_key, answer_s=1, safe_s=3, settle_s=0.6)
    await device.open()
    await device.start(program("M104 S60\nG4 P100\nG4 P6000\n"), token)
    await until(device, lambda s: s.heat_c.get("tool0_target") == 60)
    safety = await device.make_safe()
    status = await until(device, lambda s: s.state is DeviceState.FAULT)
    await device.close()
    assert safety is Safety.NOT_CONFIRMED
    assert progress(status).outcome is Outcome.FAILED


async def test_a_heater_fault_is_a_fault_and_stays_known_after_the_firmware_was_restarted(
    server: Server, device: Moonraker, token: str, program: Callable[[str], Path]
) -> None:
    await device.start(program(HOT), token)
    await until(device, running)
    await asyncio.to_thread(server.fail, "Heater extruder not heating at expected rate")
    status = await until(device, lambda s: ended(s) and s.state is DeviceState.FAULT)
    assert progress(status).outcome is Outcome.FAILED
    assert "not heating" in status.message
    assert status.heat_c == {}
    assert await device.make_safe() is Safety.NOT_CONFIRMED
    with pytest.raises(DeviceRefused, match="not heating"):
        await device.start(program(SHORT), "another")
    await asyncio.to_thread(server.call, "POST", "/printer/firmware_restart")
    await until(device, lambda s: s.state is DeviceState.OFFLINE)
    await until(device, settled)
    async with opened(server) as second:
        status = await until(second, settled)
    assert (progress(status).token, progress(status).outcome) == (token, Outcome.FAILED)


async def test_a_run_goes_on_while_nobody_listens_and_its_end_is_learnt_later(
    server: Server, token: str, program: Callable[[str], Path]
) -> None:
    async with opened(server) as first:
        await first.start(program("G4 P300\n" * 4), token)
    async with opened(server) as second:
        assert progress(await until(second, running)).token == token
    await asyncio.to_thread(
        server.wait_for, lambda: server.objects("print_stats")["print_stats"]["state"] == "complete"
    )
    async with opened(server) as third:
        status = await until(third, settled)
    assert (progress(status).token, progress(status).outcome) == (token, Outcome.DONE)


async def test_klipper_and_moonraker_may_die_and_nothing_is_said_that_is_not_known(
    tmp_path: Path, token: str, program: Callable[[str], Path]
) -> None:
    """On a Moonraker that trusts this computer and is given no key."""
    with serve(tmp_path / "m", trusted="127.0.0.1") as server:

        def printing() -> bool:
            return [status for _, status in server.history()][:1] == ["in_progress"]

        device = Moonraker(name="klipper", url=server.url, look_s=1, settle_s=1.0)
        await device.open()
        await device.start(program(HOT), token)
        await asyncio.to_thread(server.wait_for, printing)

        server.stop("moonraker", kill=True)
        with pytest.raises(LinkLost):
            await until(device, lambda s: False)
        await asyncio.to_thread(server.start_moonraker)
        await device.open()
        assert progress(await until(device, running)).token == token
        assert server.history() == [(f"fablab/lab-{token}.gcode", "interrupted")]
        await asyncio.sleep(
            1
        )  # what ends in its first half second Moonraker may miss, and all that follows (measured)
        await device.cancel()
        status = await until(device, settled)  # by Klipper's own word; the history has not changed
        assert (progress(status).token, progress(status).outcome) == (token, Outcome.CANCELLED)

        await device.start(program(HOT), "second")
        await asyncio.to_thread(server.wait_for, printing)
        server.stop("klippy", kill=True)
        status = await until(device, lambda s: s.state is DeviceState.OFFLINE)
        assert progress(status).outcome is None
        with pytest.raises(DeviceRefused, match="Klipper is not ready"):
            await device.start(program(SHORT), "third")
        assert await Moonraker(name="k", url=server.url, safe_s=1).make_safe() is Safety.NOT_CONFIRMED
        server.start_klippy()
        status = await until(device, settled)
        assert (progress(status).token, progress(status).outcome) == ("second", Outcome.FAILED)
        await device.start(program(SHORT), "third")
        assert progress(await until(device, settled)).token == "third"
        await device.close()
