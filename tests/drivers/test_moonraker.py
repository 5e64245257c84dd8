"""The Moonraker driver against a mock that repeats what was measured on the real one: opening, printing, starting."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from drivers.mock.moonraker import Fault, MockMoonraker
from drivers.mock.server import Answer, Request, Socket
from drivers.moonraker import Moonraker
from fablab.base.clock import FakeClock
from fablab.device import (
    Device,
    DeviceRefused,
    DeviceState,
    DeviceTimeout,
    LinkLost,
    Misfit,
    Outcome,
    Status,
)
from tests.drivers.doubles import NOON
from tests.drivers.doubles import until as until_true
from tests.drivers.moonraker_rig import SHORT, driver, opened
from tests.drivers.network_rig import (
    LONG,
    ended,
    in_state,
    lost,
    now,
    progress,
    running,
    settled,
    until,
    written,
)

SAMPLE = Path(__file__).parents[1] / "samples" / "name_tag_ender3_pla.gcode"
START = "POST /printer/print/start"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
async def server() -> AsyncIterator[MockMoonraker]:
    async with MockMoonraker(api_key=KEY) as mock:
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


async def back(device: Device) -> None:
    """Open it as soon as there is somebody."""
    async with asyncio.timeout(10):
        while True:
            try:
                await device.open()
                return
            except LinkLost:
                await asyncio.sleep(0.05)


# -- opening


async def test_opening_tells_who_answered(server: MockMoonraker) -> None:
    device = driver(server)
    identity = await device.open()
    await device.close()
    assert (identity.firmware, identity.model) == ("Moonraker 0.11.0", "mock")
    assert identity.serial_number == server.instance_id
    assert identity.features == {"klipper": "Klipper v0.13.0-mock"}


async def test_a_machine_whose_klipper_is_away_is_known_by_its_moonraker(server: MockMoonraker) -> None:
    server.klippy_dies()
    device = driver(server)
    identity = await device.open()
    status = await now(device)
    await device.close()
    assert (identity.serial_number, identity.model) == (server.instance_id, "")
    assert status.state is DeviceState.OFFLINE
    assert status.message == "Klipper is not ready: its host program is not running"


async def test_an_address_with_a_path_prefix_works_and_no_key_is_needed_where_we_are_trusted(
    short: Path,
) -> None:
    async with MockMoonraker(prefix="/printers/left") as server, opened(server) as device:
        await device.start(short, "r1")
        assert progress(await until(device, settled)).outcome is Outcome.DONE


@pytest.mark.parametrize(("key", "words"), [("f" * 32, "does not accept our API key"), ("", "set api_key")])
async def test_who_is_not_known_is_told_what_to_do(server: MockMoonraker, key: str, words: str) -> None:
    with pytest.raises(Misfit, match=words):
        await driver(server, api_key=key).open()


async def test_a_key_that_stops_being_good_blocks_a_command(server: MockMoonraker, device: Moonraker) -> None:
    server.api_key = "another"
    with pytest.raises(Misfit, match="API key"):
        await device.pause()


async def test_an_address_without_a_moonraker_blocks(server: MockMoonraker) -> None:
    device = Moonraker(name="x", url=server.url + "/nowhere", api_key=KEY)
    with pytest.raises(Misfit, match="no Moonraker"):
        await device.open()


async def test_nobody_at_the_address_is_a_lost_link(server: MockMoonraker) -> None:
    await server.down()
    with pytest.raises(LinkLost):
        await driver(server).open()


@pytest.mark.parametrize("key", ["clé", "two\nlines"])
def test_a_key_that_is_no_key_is_refused_at_once(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        Moonraker(name="x", url="http://127.0.0.1:1", api_key=key)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Fault.TIMEOUT, DeviceTimeout),
        (Fault.TRICKLE, DeviceTimeout),
        (Fault.DROPPED, LinkLost),
        (Fault.HALF_ANSWER, LinkLost),
        (Fault.GARBAGE, LinkLost),
        (Fault.ENDLESS, LinkLost),
        (Fault.PACKED, LinkLost),
        (Fault.HTTP_500, LinkLost),
        (Fault.MOVED, Misfit),
    ],
)
async def test_a_damaged_or_missing_answer_is_told_as_what_it_is(
    server: MockMoonraker, kind: Fault, error: type[Exception]
) -> None:
    server.fault(kind, "GET /server/info", times=3)
    with pytest.raises(error):
        await driver(server, answer_s=0.3).open()


@pytest.mark.parametrize("kind", [Fault.DROPPED, Fault.GARBAGE, Fault.HTTP_500])
async def test_a_look_whose_answer_broke_is_asked_for_again(server: MockMoonraker, kind: Fault) -> None:
    server.fault(kind, "GET /printer/objects/query", times=2)
    async with opened(server) as device:
        assert (await now(device)).state is DeviceState.IDLE


async def test_an_answer_of_another_shape_is_a_lost_link() -> None:
    class Strange(MockMoonraker):
        async def answer(self, request: Request) -> Answer:
            if request.path == "/printer/objects/query":
                return 200, {"result": {"status": {"print_stats": {"filename": ["no", "name"]}}}}
            return await super().answer(request)

    async with Strange() as server:
        with pytest.raises(LinkLost, match="cannot be read"):
            await driver(server).open()


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        (Fault.HTTP_503, LinkLost, "503"),
        (Fault.FORBIDDEN, Misfit, "proxy"),
        (Fault.TIMEOUT, LinkLost, "in time"),
        (Fault.DROPPED, LinkLost, "did not open"),
    ],
)
async def test_a_push_socket_that_does_not_open_is_told_as_what_it_is(
    server: MockMoonraker, kind: Fault, error: type[Exception], words: str
) -> None:
    server.fault(kind, "GET /websocket")
    with pytest.raises(error, match=words):
        await driver(server, answer_s=0.5).open()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ('{"id": 1, "error": {"code": -32602, "message": "Unauthorized"}}', Misfit),
        ('{"id": 1, "error": {"code": 400, "message": "Invalid Client Type"}}', LinkLost),
        ("<html>", LinkLost),
        ("", LinkLost),
    ],
)
async def test_a_push_socket_that_does_not_take_us_is_told_as_what_it_is(
    said: str, error: type[Exception]
) -> None:
    class Unwelcoming(MockMoonraker):
        def socket_heard(self, socket: Socket, text: str) -> None:
            self.say(said) if said else self.hang_up()

    async with Unwelcoming() as server:
        with pytest.raises(error):
            await driver(server).open()


async def test_a_push_socket_that_says_nothing_is_a_lost_link() -> None:
    class Mute(MockMoonraker):
        def socket_heard(self, socket: Socket, text: str) -> None:
            self.say('{"method": "notify_proc_stat_update"}')

    async with Mute() as server:
        with pytest.raises(LinkLost, match="says nothing"):
            await driver(server, answer_s=0.3).open()


async def test_the_key_is_in_no_log(
    server: MockMoonraker, short: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with opened(server) as device:
            await device.start(short, "r1")
            await until(device, settled)
    assert KEY not in caplog.text


async def test_commands_on_a_closed_device_are_a_lost_link(server: MockMoonraker, short: Path) -> None:
    device = driver(server)
    for command in (device.pause, device.resume, device.cancel, lambda: device.start(short, "r1")):
        with pytest.raises(LinkLost, match="not open"):
            await command()


# -- printing


async def test_a_run_goes_to_its_end(server: MockMoonraker, device: Moonraker, short: Path) -> None:
    await device.start(short, "r1")
    status = await until(device, settled)
    assert (progress(status).token, progress(status).outcome) == ("r1", Outcome.DONE)
    assert progress(status).fraction == 1.0
    assert server.starts == 1


async def test_what_the_printer_gets_is_the_file_line_by_line() -> None:
    async with MockMoonraker(speed=1e6) as server, opened(server) as device:
        await device.start(SAMPLE, "whole")
        assert progress(await until(device, settled, 60)).outcome is Outcome.DONE
        wanted = [line.split(";")[0].strip() for line in SAMPLE.read_text().splitlines()]
        assert server.executed == [line for line in wanted if line]


@pytest.mark.parametrize("token", ["Ä 1/../x", "a.b", "x" * 100])
async def test_a_token_of_any_letters_survives_the_journey(
    server: MockMoonraker, device: Moonraker, short: Path, token: str
) -> None:
    await device.start(short, token)
    assert progress(await until(device, settled)).token == token
    async with opened(server) as another:
        assert progress(await now(another)).token == token


@pytest.mark.parametrize("token", ["", "x" * 101 + "/"])
async def test_a_token_that_fits_no_name_is_a_mistake(device: Moonraker, short: Path, token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        await device.start(short, token)


async def test_heat_and_progress_are_told(server: MockMoonraker, device: Moonraker, tmp_path: Path) -> None:
    server.add_heaters("heater_generic chamber", "extruder1")
    server.klippy_dies()
    server.klippy_returns()
    (file := tmp_path / "hot.gcode").write_text("M104 S210\nM140 S60\n" + LONG)
    await device.start(file, "r1")
    status = await until(device, lambda s: running(s) and s.heat_c.get("bed_target") == 60)
    assert status.heat_c["tool0_target"] == 210
    assert {"tool0", "bed", "chamber", "chamber_target", "tool1"} <= status.heat_c.keys()
    assert 0 < (progress(status).fraction or 0) < 1
    await until(device, lambda s: s.heat_c["bed"] > 22 and progress(s).elapsed_s > 0)


async def test_a_quiet_machine_is_told_again_and_again(server: MockMoonraker, device: Moonraker) -> None:
    seen: list[Status] = []
    async with asyncio.timeout(10):
        async for status in device.watch():
            seen.append(status)
            if len(seen) == 3:
                break
    assert {status.state for status in seen} == {DeviceState.IDLE}
    assert seen[0].at < seen[-1].at


async def test_pausing_twice_still_pauses_and_resuming_goes_on(
    server: MockMoonraker, device: Moonraker, long: Path
) -> None:
    await device.start(long, "r1")
    await device.pause()
    await until(device, in_state(DeviceState.PAUSED))
    await device.pause()
    assert server.busy
    await device.resume()
    await until(device, running)
    await device.resume()
    assert list(server.asked).count("POST /printer/print/pause") == 1
    assert list(server.asked).count("POST /printer/print/resume") == 1


async def test_nothing_to_command_is_refused_and_never_sent(server: MockMoonraker, device: Moonraker) -> None:
    for command in (device.pause, device.resume, device.cancel):
        with pytest.raises(DeviceRefused, match="nothing is printing"):
            await command()
    assert not [asked for asked in server.asked if asked.startswith("POST")]


async def test_a_cancelled_run_keeps_that_outcome_and_how_far_it_came(
    server: MockMoonraker, device: Moonraker, long: Path
) -> None:
    await device.start(long, "r1")
    far = progress(await until(device, running)).fraction
    await device.cancel()
    status = await until(device, settled)
    assert progress(status).outcome is Outcome.CANCELLED
    assert (progress(status).fraction or 0) >= (far or 1)


async def test_a_file_at_fault_fails_the_run_and_leaves_the_machine_idle(
    server: MockMoonraker, device: Moonraker, long: Path
) -> None:
    await device.start(long, "r1")
    server.klippy.fail("Move out of range: 500.000 0.000 0.200\nand advice")
    status = await until(device, settled)
    assert progress(status).outcome is Outcome.FAILED
    assert progress(status).detail == "Move out of range: 500.000 0.000 0.200"


async def test_a_strangers_print_is_named_and_is_not_ours(server: MockMoonraker, device: Moonraker) -> None:
    server.files["vase.gcode"] = LONG.encode()
    server.print_by_hand("vase.gcode")
    status = await until(device, in_state(DeviceState.RUNNING))
    assert status.progress is None
    assert status.message == "prints vase.gcode, which the lab did not start"


async def test_a_strangers_print_leaves_our_outcome_alone(
    server: MockMoonraker, device: Moonraker, short: Path
) -> None:
    await device.start(short, "r1")
    await until(device, settled)
    server.files["vase.gcode"] = LONG.encode()
    server.print_by_hand("vase.gcode")
    status = await until(device, in_state(DeviceState.RUNNING))
    assert (progress(status).token, progress(status).outcome) == ("r1", Outcome.DONE)


async def test_our_file_printed_again_by_hand_keeps_its_first_outcome(
    server: MockMoonraker, device: Moonraker, long: Path
) -> None:
    await device.start(long, "r1")
    await device.cancel()
    await until(device, settled)
    server.print_by_hand("fablab/lab-r1.gcode")
    status = await until(device, in_state(DeviceState.RUNNING))
    assert progress(status).outcome is Outcome.CANCELLED


# -- starting


async def test_the_same_token_starts_once(server: MockMoonraker, device: Moonraker, short: Path) -> None:
    await device.start(short, "r1")
    await device.start(short, "r1")
    await until(device, settled)
    await device.start(short, "r1")
    assert server.starts == 1


@pytest.mark.parametrize("kind", [Fault.LOST, Fault.HALF_ANSWER, Fault.HTTP_500])
async def test_a_start_whose_answer_was_lost_is_found_or_told_and_never_sent_twice(
    server: MockMoonraker, long: Path, kind: Fault
) -> None:
    server.fault(kind, START)
    async with opened(server, answer_s=0.5) as device:
        if kind is Fault.HTTP_500:  # that one was not obeyed
            with pytest.raises(LinkLost):
                await device.start(long, "r1")
        await device.start(long, "r1")
        assert progress(await until(device, running)).token == "r1"
    assert server.starts == 1


async def test_a_start_whose_answer_died_with_moonraker_is_not_sent_again(
    server: MockMoonraker, long: Path
) -> None:
    async with opened(server, answer_s=0.5) as device:
        server.before(START, lambda: server.fault(Fault.SERVER_KILLED, for_s=0.8))
        server.fault(Fault.LOST, START)
        with pytest.raises(LinkLost):
            await device.start(long, "r1")
        await lost(device)
        await until_true(
            lambda: server.port and server._server is not None and "r1" in server.klippy.filename
        )
        while True:
            try:
                await device.open()
                break
            except LinkLost:
                await asyncio.sleep(0.05)
        await device.start(long, "r1")
        assert progress(await until(device, running)).token == "r1"
    assert server.starts == 1


async def test_a_start_that_died_with_klipper_is_not_sent_again(server: MockMoonraker, long: Path) -> None:
    """Klipper was restarted before Moonraker had written the run down."""
    server.unseen_s = 60

    def killed() -> None:
        server.soon(restart())

    async def restart() -> None:
        await until_true(lambda: server.starts == 1)
        server.klippy_dies()
        await asyncio.sleep(0.1)
        server.klippy_returns()

    server.klippy_returns()
    async with opened(server, answer_s=0.5) as device:
        server.before(START, killed)
        server.fault(Fault.LOST, START)
        with pytest.raises((LinkLost, DeviceRefused)):
            await device.start(long, "r1")
        await until(device, in_state(DeviceState.IDLE))
        with pytest.raises(DeviceRefused, match="new token"):
            await device.start(long, "r1")
    assert server.starts == 1


async def test_a_new_driver_looks_before_it_repeats_a_start(server: MockMoonraker, long: Path) -> None:
    async with opened(server) as first:
        await first.start(long, "r1")
    async with opened(server) as second:
        await second.start(long, "r1")
    assert server.starts == 1


@pytest.mark.parametrize(("status", "words"), [("cancelled", "new token"), ("interrupted", "new token")])
async def test_a_run_that_ended_badly_long_ago_is_refused(
    server: MockMoonraker, short: Path, status: str, words: str
) -> None:
    await past(server, short, "old", status)
    async with opened(server) as device:
        with pytest.raises(DeviceRefused, match=words):
            await device.start(short, "old")
    assert server.starts == 2


@pytest.mark.parametrize("status", ["completed", "in_progress"])
async def test_a_run_that_ended_well_long_ago_is_not_begun_again(
    server: MockMoonraker, short: Path, status: str
) -> None:
    await past(server, short, "old", status)
    async with opened(server) as device:
        await device.start(short, "old")
    assert server.starts == 2


async def past(server: MockMoonraker, short: Path, token: str, status: str) -> None:
    """A run of long ago, and another one since."""
    async with opened(server) as device:
        for each in (token, "since"):
            await device.start(short, each)
            await until(device, settled)
        await until_true(lambda: len(server.history.rows) == 2)
    server.history.rows[0]["status"] = status


async def test_two_starts_at_once_print_once(server: MockMoonraker, long: Path) -> None:
    async with opened(server) as one, opened(server) as two:
        await asyncio.gather(one.start(long, "r1"), two.start(long, "r1"))
    assert server.starts == 1


@pytest.mark.parametrize("paused", [False, True])
async def test_a_busy_machine_refuses_another_run(
    server: MockMoonraker, device: Moonraker, long: Path, paused: bool
) -> None:
    """While paused Klipper itself would take the start, and drop what it had."""
    await device.start(long, "r1")
    if paused:
        await device.pause()
    with pytest.raises(DeviceRefused, match="cannot start"):
        await device.start(long, "r2")
    assert progress(await now(device)).token == "r1"
    assert server.starts == 1


async def test_losing_the_race_to_another_run_is_a_refusal(
    server: MockMoonraker, device: Moonraker, short: Path
) -> None:
    server.files["vase.gcode"] = LONG.encode()
    server.before(START, lambda: server.print_by_hand("vase.gcode"))
    with pytest.raises(DeviceRefused, match="SD busy"):
        await device.start(short, "r1")


async def test_a_klipper_that_is_busy_with_a_persons_commands_is_not_given_a_start_that_would_come_late(
    server: MockMoonraker, short: Path
) -> None:
    async with opened(server, answer_s=0.4) as device, server.printer.turn:
        with pytest.raises(DeviceRefused, match="busy with other commands"):
            await device.start(short, "r1")
    assert server.starts == 0


async def test_a_klipper_that_has_just_come_up_is_given_time_before_a_start(
    server: MockMoonraker, short: Path
) -> None:
    """Else Moonraker keeps no history of the run."""
    server.unseen_s = 0.4
    async with opened(server, settle_s=0.6) as device:
        await until(device, in_state(DeviceState.IDLE))
        server.klippy_dies()
        server.klippy_returns()
        await device.start(short, "r1")
        await until(device, settled)
        await until_true(lambda: [row["status"] for row in server.history.rows] == ["completed"])


async def test_a_start_that_is_answered_well_and_does_nothing_is_noticed(
    server: MockMoonraker, device: Moonraker, short: Path
) -> None:
    server.inject("never_runs")
    with pytest.raises(DeviceRefused, match="nothing began"):
        await device.start(short, "r1")


async def test_a_start_after_its_deadline_is_dropped(server: MockMoonraker, short: Path) -> None:
    clock = FakeClock(NOON)
    server.before("POST /server/files/upload", lambda: clock.advance(seconds=10) and None)
    async with opened(server, clock=clock) as device:
        with pytest.raises(DeviceRefused, match="deadline"):
            await device.start_by(short, "r1", NOON + timedelta(seconds=5))
        assert server.starts == 0
        await device.start_by(short, "r2", NOON + timedelta(seconds=50))
    assert server.starts == 1


async def test_a_cancel_during_the_upload_wins(server: MockMoonraker, device: Moonraker, short: Path) -> None:
    server.slow_upload_s = 0.3
    starting = asyncio.create_task(device.start(short, "r1"))
    await until_true(lambda: "POST /server/files/upload" in server.asked)
    await device.cancel()
    with pytest.raises(DeviceRefused, match="stopped"):
        await starting
    assert server.starts == 0


async def test_a_stop_that_overtakes_the_command_to_begin_takes_it_back(
    server: MockMoonraker, device: Moonraker, long: Path
) -> None:
    stops: list[asyncio.Task[None]] = []
    server.before(START, lambda: stops.append(asyncio.ensure_future(device.cancel())))
    await device.start(long, "r1")
    await asyncio.gather(*stops)
    assert progress(await until(device, settled)).outcome is Outcome.CANCELLED


async def test_an_upload_under_another_name_is_not_started(
    server: MockMoonraker, device: Moonraker, short: Path
) -> None:
    server.rename_uploads = "other.gcode"
    with pytest.raises(DeviceRefused, match="cannot be followed"):
        await device.start(short, "r1")
    assert server.starts == 0


async def test_an_upload_that_lost_its_tail_is_not_started(
    server: MockMoonraker, device: Moonraker, short: Path
) -> None:
    server.truncate_uploads = True
    with pytest.raises(LinkLost, match="whole"):
        await device.start(short, "r1")
    assert server.starts == 0


@pytest.mark.parametrize(("kind", "arrived"), [(Fault.LOST, True), (Fault.DROPPED, False)])
async def test_an_upload_whose_answer_was_lost_is_looked_up(
    server: MockMoonraker, device: Moonraker, short: Path, kind: Fault, arrived: bool
) -> None:
    server.fault(kind, "POST /server/files/upload")
    if arrived:
        await device.start(short, "r1")
    else:
        with pytest.raises(LinkLost):
            await device.start(short, "r1")
    assert server.starts == arrived


async def test_an_upload_that_takes_too_long_is_told(server: MockMoonraker, short: Path) -> None:
    server.slow_upload_s = 5
    async with opened(server, upload_s=0.2) as device:
        with pytest.raises(DeviceTimeout):
            await device.start(short, "r1")


async def test_old_uploads_go_and_the_newest_and_others_files_stay(
    server: MockMoonraker, device: Moonraker, short: Path
) -> None:
    server.files |= {"vase.gcode": b"G1\n", "fablab/mine.gcode": b"G1\n"}
    for n in range(8):
        await device.start(short, f"r{n}")
        await until(device, settled)
    kept = {f"fablab/lab-r{n}.gcode" for n in range(2, 8)}
    assert set(server.files) == {"vase.gcode", "fablab/mine.gcode"} | kept


async def test_a_failure_to_tidy_does_not_fail_the_start(
    server: MockMoonraker, device: Moonraker, short: Path
) -> None:
    server.fault(Fault.HTTP_500, "GET /server/files/directory", times=3)
    await device.start(short, "r1")
    assert progress(await until(device, ended)).token == "r1"


# -- the push socket


async def test_a_message_that_cannot_be_read_is_made_good_by_a_look(
    server: MockMoonraker, device: Moonraker, caplog: pytest.LogCaptureFixture
) -> None:
    looks = len(server.asked)
    server.say("{")
    server.say('{"method": 5}')
    await until_true(lambda: len(server.asked) > looks)
    assert (await now(device)).state is DeviceState.IDLE
    assert caplog.text.count("cannot be read") == 1


@pytest.mark.parametrize(
    "said",
    [
        {"method": "notify_gcode_response", "params": ["ok"]},
        {"method": "notify_status_update"},
        {"method": "notify_status_update", "params": "?"},
        {"method": "notify_status_update", "params": [["?"], 1.0]},
        {"method": "notify_status_update", "params": [{"print_stats": 7, "virtual_sdcard": None}, 1.0]},
        {"method": "notify_status_update", "params": [{"extruder": {"temperature": "hot"}}, 1.0]},
    ],
)
async def test_messages_we_did_not_ask_for_change_nothing(
    server: MockMoonraker, device: Moonraker, long: Path, said: dict[str, object]
) -> None:
    await device.start(long, "r1")
    await until(device, running)
    server.say(json.dumps(said))
    assert progress(await until(device, running)).token == "r1"


async def test_a_subscription_that_is_refused_is_asked_for_again(
    server: MockMoonraker, device: Moonraker, caplog: pytest.LogCaptureFixture
) -> None:
    for socket in server.sockets:
        del socket.state["wanted"]
    server.say('{"id": 2, "error": {"code": 503, "message": "Klippy Host not connected"}}')
    await until_true(lambda: all("wanted" in socket.state for socket in server.sockets))
    assert "no subscription" in caplog.text
