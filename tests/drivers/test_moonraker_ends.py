"""How a run on a Moonraker ended, heard or unheard; what is said of a Klipper that halts or goes away; stopping."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.mock.moonraker import Fault, MockMoonraker
from drivers.mock.server import Answer, Request
from drivers.moonraker import Moonraker, follow, wire
from fablab.device import DeviceRefused, DeviceState, LinkLost, Outcome, Safety
from tests.drivers.doubles import until as until_true
from tests.drivers.moonraker_rig import SHORT, driver, opened
from tests.drivers.network_rig import (
    LONG,
    ended,
    in_state,
    now,
    progress,
    running,
    settled,
    until,
    written,
)


@pytest.fixture
async def server() -> AsyncIterator[MockMoonraker]:
    async with MockMoonraker() as mock:
        yield mock


@pytest.fixture
async def device(server: MockMoonraker) -> AsyncIterator[Moonraker]:
    async with opened(server) as one:
        yield one


@pytest.fixture
def short(tmp_path: Path) -> Path:
    return written(tmp_path / "short.gcode", SHORT)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    return written(tmp_path / "long.gcode", LONG)


# -- halted, away


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("printer_fault", "Heater extruder not heating at expected rate"),
        ("printer_lost", "Lost communication"),
    ],
)
async def test_a_shutdown_fails_the_run_although_klipper_calls_it_paused(
    server: MockMoonraker, device: Moonraker, long: Path, fault: str, words: str
) -> None:
    await device.start(long, "r1")
    await until(device, running)
    server.inject(fault)
    status = await until(device, lambda s: ended(s) and s.state is DeviceState.FAULT)
    assert server.klippy.print_state == "paused"
    assert progress(status).outcome is Outcome.FAILED
    assert words in status.message
    assert words in progress(status).detail
    assert status.heat_c == {}
    for command in (device.pause, device.resume, device.cancel, lambda: device.start(long, "r2")):
        with pytest.raises(DeviceRefused, match=words):
            await command()


async def test_a_failure_is_known_after_the_firmware_was_restarted_and_the_machine_is_of_use_again(
    server: MockMoonraker, device: Moonraker, long: Path, short: Path
) -> None:
    await device.start(long, "r1")
    await until_true(lambda: server.history.rows)
    server.inject("printer_lost:0.2")
    await until(device, in_state(DeviceState.FAULT))
    assert progress(await until(device, settled)).outcome is Outcome.FAILED
    async with opened(server) as another:
        assert progress(await until(another, settled)).outcome is Outcome.FAILED
    await device.start(short, "r2")
    assert progress(await until(device, settled)).token == "r2"


async def test_a_board_without_power_is_a_fault_that_names_it(
    server: MockMoonraker, device: Moonraker
) -> None:
    server.inject("printer_lost")
    server.klippy_dies()
    server.klippy_returns()
    status = await until(device, lambda s: "Unable to connect" in s.message)
    assert status.state is DeviceState.FAULT


async def test_a_klipper_that_is_away_says_nothing_of_the_run_until_it_is_back(
    server: MockMoonraker, device: Moonraker, long: Path
) -> None:
    await device.start(long, "r1")
    await until_true(lambda: server.history.rows)
    server.klippy_dies()
    status = await until(device, in_state(DeviceState.OFFLINE))
    assert progress(status).outcome is None
    assert status.heat_c == {}
    with pytest.raises(DeviceRefused, match="Klipper is not ready"):
        await device.start(long, "r2")
    server.klippy_returns()
    status = await until(device, settled)
    assert progress(status).outcome is Outcome.FAILED
    assert "went away" in progress(status).detail


async def test_a_klipper_that_goes_between_two_questions_is_offline_and_no_lost_link(
    server: MockMoonraker, device: Moonraker
) -> None:
    server.before("GET /printer/objects/query", server.klippy_dies)
    status = await until(device, in_state(DeviceState.OFFLINE))
    assert "Klippy Host not connected" in status.message or "not running" in status.message


async def test_a_klipper_that_comes_up_is_heard_again(server: MockMoonraker, device: Moonraker) -> None:
    server.klippy_dies()
    await until(device, in_state(DeviceState.OFFLINE))
    server.klippy_returns()
    await until(device, in_state(DeviceState.IDLE))
    await server.heat_by_hand("M140 S60")
    await until(device, lambda s: s.heat_c.get("bed_target") == 60)
    assert all("wanted" in socket.state for socket in server.sockets)


async def test_a_klipper_that_starts_up_is_not_ready(server: MockMoonraker) -> None:
    server.klippy.state, server.klippy.message = "startup", "Printer is not ready"
    async with opened(server) as device:
        status = await now(device)
    assert (status.state, status.message) == (
        DeviceState.OFFLINE,
        "Klipper is not ready: Printer is not ready",
    )


# -- ends that nobody heard


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.CANCELLED, Outcome.FAILED])
@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("same_driver", [False, True])
async def test_an_end_that_nobody_heard_is_read_from_klipper_or_from_the_history(
    server: MockMoonraker, long: Path, outcome: Outcome, restarted: bool, same_driver: bool
) -> None:
    device = driver(server)
    await device.open()
    await device.start(long, "r1")
    await until_true(lambda: server.history.rows)
    await device.close()
    match outcome:
        case Outcome.DONE:
            server.finish()
        case Outcome.CANCELLED:
            await server.klippy.cancel()
        case Outcome.FAILED:
            server.klippy.fail("Move out of range")
    await until_true(lambda: server.history.rows[0]["status"] != "in_progress")
    if restarted:
        server.klippy_dies()
        server.klippy_returns()
    device = device if same_driver else driver(server)
    await device.open()
    status = await until(device, settled)
    await device.close()
    assert (progress(status).token, progress(status).outcome) == ("r1", outcome)


async def test_moonraker_may_die_in_mid_print_and_the_end_is_klippers_word(
    server: MockMoonraker, device: Moonraker, long: Path
) -> None:
    await device.start(long, "r1")
    await until_true(lambda: server.history.rows)
    await server.down()
    with pytest.raises(LinkLost):
        await until(device, lambda s: False)
    server.finish()
    await server.up()
    await device.open()
    assert progress(await until(device, settled)).outcome is Outcome.DONE
    assert server.history.rows[0]["status"] == "interrupted"


async def test_what_neither_klipper_nor_moonraker_knows_is_forgotten(
    server: MockMoonraker, device: Moonraker, long: Path
) -> None:
    await device.start(long, "r1")
    await until_true(lambda: server.history.rows)
    await server.down()
    server.klippy.restart()
    await server.up()
    await device.open()
    status = await until(device, in_state(DeviceState.IDLE))
    assert status.progress is None


async def test_a_print_without_a_row_is_followed_all_the_same(server: MockMoonraker, short: Path) -> None:
    server.unseen_s = 60
    server.klippy_returns()
    async with opened(server) as device:
        await device.start(short, "r1")
        assert progress(await until(device, settled)).outcome is Outcome.DONE
    assert server.history.rows == []


async def test_a_run_that_ended_unheard_after_another_is_known(
    server: MockMoonraker, device: Moonraker, short: Path
) -> None:
    await device.start(short, "r1")
    await until(device, settled)
    async with opened(server) as another:
        await another.start(short, "r2")
        await until(another, settled)
    assert (
        progress(await until(device, lambda s: progress(s).token == "r2" and ended(s))).outcome
        is Outcome.DONE
    )


async def test_a_cut_wire_ends_the_watch_and_a_new_open_finds_the_run(
    server: MockMoonraker, device: Moonraker, long: Path
) -> None:
    await device.start(long, "r1")
    server.inject("socket_drop")
    with pytest.raises(LinkLost):
        await until(device, lambda s: False)
    await device.open()
    assert progress(await until(device, running)).token == "r1"


async def test_a_half_open_wire_ends_the_watch(server: MockMoonraker) -> None:
    async with opened(server, answer_s=0.3, look_s=0.2) as device:
        server.inject("half_open:5")
        with pytest.raises(LinkLost):
            await until(device, lambda s: False)


async def test_an_answer_from_before_the_start_does_not_make_us_forget_the_run(long: Path) -> None:
    """Of two looks the earlier one is answered last, and by then it is history."""

    class Slow(MockMoonraker):
        held: asyncio.Event | None = None

        async def answer(self, request: Request) -> Answer:
            answer = await super().answer(request)
            if request.path == "/printer/objects/query" and (held := self.held) is not None:
                self.held = None
                self.waits = True
                await held.wait()
            return answer

        waits = False

    async with Slow() as server, opened(server, look_s=0.1) as device:
        server.fault(Fault.LOST, "POST /printer/print/start")
        server.held = held = asyncio.Event()
        await until_true(lambda: server.waits)
        await device.start(long, "r1")
        held.set()
        seen = []
        async with asyncio.timeout(10):
            async for status in device.watch():
                seen.append(status)
                if len(seen) == 5:
                    break
        assert [s.progress.token for s in seen if s.progress is not None] == ["r1"] * 5


# -- making safe


async def test_making_safe_cancels_cools_and_reads_back(
    server: MockMoonraker, device: Moonraker, tmp_path: Path
) -> None:
    (file := tmp_path / "hot.gcode").write_text("M104 S210\nM140 S60\n" + LONG)
    await device.start(file, "r1")
    await until(device, lambda s: s.heat_c.get("bed_target") == 60)
    assert await device.make_safe() is Safety.CONFIRMED
    assert set(server.targets_c.values()) == {0}
    assert progress(await until(device, settled)).outcome is Outcome.CANCELLED


async def test_every_heater_that_klipper_has_must_be_off(server: MockMoonraker, device: Moonraker) -> None:
    server.add_heaters("extruder1", "heater_generic box")
    await server.heat_by_hand("M140 S60")
    server.printer.heaters["heater_generic box"].target_c = 70
    assert await device.make_safe() is Safety.CONFIRMED
    assert set(server.targets_c.values()) == {0}


@pytest.mark.parametrize("open_", [False, True])
async def test_lost_answers_are_met_by_another_round(server: MockMoonraker, open_: bool) -> None:
    device = driver(server)
    if open_:
        await device.open()
    server.fault(Fault.LOST, "POST /printer/gcode/script", times=2)
    server.fault(Fault.LOST, "GET /printer/objects/query", times=4)
    assert await device.make_safe() is Safety.CONFIRMED
    await device.close()


async def test_a_machine_that_keeps_heating_gets_the_emergency_stop_and_is_not_called_safe(
    server: MockMoonraker, caplog: pytest.LogCaptureFixture
) -> None:
    server.heaters_stuck = True
    await server.heat_by_hand("M140 S60")
    assert await driver(server, safe_s=1.2).make_safe() is Safety.NOT_CONFIRMED
    assert server.klippy.state == "shutdown"
    assert "emergency stop" in caplog.text


async def test_a_klipper_that_waits_for_heat_is_not_waited_for(
    server: MockMoonraker, device: Moonraker, tmp_path: Path
) -> None:
    (file := tmp_path / "hot.gcode").write_text("M109 S250\n" + LONG)
    await device.start(file, "r1")
    await until_true(lambda: server.targets_c["tool0"] == 250)
    assert await driver(server, safe_s=1.0).make_safe() is Safety.NOT_CONFIRMED
    assert server.klippy.state == "shutdown"


async def test_a_halted_klipper_is_not_called_safe_and_not_restarted(
    server: MockMoonraker, device: Moonraker, long: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await device.start(long, "r1")
    server.klippy_shutdown()
    assert await device.make_safe() is Safety.NOT_CONFIRMED
    assert not [a for a in server.asked if "restart" in a]
    assert "nobody can read its heaters back" in caplog.text


async def test_a_klipper_without_heaters_cannot_confirm(server: MockMoonraker) -> None:
    server.printer.heaters.clear()
    assert await driver(server, safe_s=1.0).make_safe() is Safety.NOT_CONFIRMED


@pytest.mark.parametrize("key", ["", "wrong"])
async def test_who_cannot_reach_klipper_does_not_call_it_safe(key: str) -> None:
    async with MockMoonraker(api_key=key and "right") as server:
        server.klippy_dies()
        assert await driver(server, api_key=key, safe_s=0.6).make_safe() is Safety.NOT_CONFIRMED


async def test_nobody_there_is_not_safe(server: MockMoonraker, caplog: pytest.LogCaptureFixture) -> None:
    await server.down()
    with caplog.at_level(logging.WARNING):
        assert await driver(server, safe_s=0.6).make_safe() is Safety.NOT_CONFIRMED
    assert "not confirmed off" in caplog.text


async def test_making_safe_ends_in_time_whatever_the_wire_does(server: MockMoonraker) -> None:
    server.inject("half_open:20")
    async with asyncio.timeout(10):
        assert await driver(server, answer_s=5, safe_s=0.5).make_safe() is Safety.NOT_CONFIRMED


# -- words, by themselves


@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("fablab/lab-r1.gcode", "r1"),
        ("fablab/labx-c3a9.gcode", "é"),
        ("lab-r1.gcode", None),
        ("other/lab-r1.gcode", None),
        ("fablab/labx-zz.gcode", None),
        ("fablab/labx-ff.gcode", None),
        ("", None),
    ],
)
def test_a_path_tells_whose_run_it_is(path: str, token: str | None) -> None:
    assert wire.token_of(path) == token


@pytest.mark.parametrize(
    ("klippy", "print_state", "state"),
    [
        ("ready", "standby", DeviceState.IDLE),
        ("ready", "error", DeviceState.IDLE),
        ("ready", "printing", DeviceState.RUNNING),
        ("ready", "paused", DeviceState.PAUSED),
        ("ready", "a word of tomorrow", DeviceState.FAULT),
        ("shutdown", "paused", DeviceState.FAULT),
        ("error", "standby", DeviceState.FAULT),
        ("startup", "standby", DeviceState.OFFLINE),
        ("disconnected", "", DeviceState.OFFLINE),
        ("a word of tomorrow", "", DeviceState.OFFLINE),
    ],
)
def test_klippers_words_in_ours(klippy: str, print_state: str, state: DeviceState) -> None:
    assert wire.state_of(klippy, print_state) is state


def test_a_word_that_is_not_known_is_told() -> None:
    picture = wire.picture(
        wire.Query(status={"webhooks": {"state": "ready"}, "print_stats": {"state": "folding"}})
    )
    seen = follow.looked(follow.Seen(), follow.Look(klippy="ready", picture=picture))
    assert (seen.state, seen.message) == (
        DeviceState.FAULT,
        "Klipper's state 'folding' is not known to the lab",
    )


def test_a_row_that_is_still_open_leaves_the_run_as_it_is() -> None:
    picture = wire.picture(wire.Query(status={"webhooks": {"state": "ready"}}))
    run = follow.Run(token="r1", path="fablab/lab-r1.gcode")
    jobs = [wire.Job(filename=run.path, status="in_progress")]
    seen = follow.looked(follow.Seen(run=run), follow.Look(klippy="ready", picture=picture, jobs=jobs))
    assert seen.run == run


def test_the_first_row_counts_and_not_a_later_reprint() -> None:
    path = "fablab/lab-r1.gcode"
    newest_first = [wire.Job(filename=path, status="cancelled"), wire.Job(filename=path, status="completed")]
    row = follow.row_of(path, newest_first)
    assert row is not None
    assert row.status == "completed"


def test_a_look_that_is_older_than_the_last_word_does_not_turn_progress_back() -> None:
    run = follow.Run(token="r1", path="p").counted(0.5, 10.0).counted(0.4, 9.0)
    assert (run.fraction, run.elapsed_s) == (0.5, 10.0)
