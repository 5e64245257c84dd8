"""The PrusaLink driver against a mock of both kinds of PrusaLink."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from drivers.mock.octoprint import MockOctoPrint
from drivers.mock.printer import command_of
from drivers.mock.prusalink import Fault, MockPrusaLink, Stored
from drivers.prusalink import PrusaLink, steering
from drivers.prusalink.rest import Rest
from fablab.base.clock import FakeClock
from fablab.device import (
    DeviceRefused,
    DeviceState,
    DeviceTimeout,
    LinkLost,
    Misfit,
    Outcome,
    Safety,
    Status,
)
from tests.drivers.doubles import NOON
from tests.drivers.doubles import until as wait_until
from tests.drivers.network_rig import LONG, ended, in_state, lost, now, progress, until, using, written

SHORT = "G28\n" + "G1 X1\n" * 4
HOT = "M140 S60\nM104 S200\n" + LONG
SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "sliced" / "cube_hole_mk3s_petg.gcode.gz"
QUICK: dict[str, Any] = {"seen_s": 1.5, "held_s": 1.5, "passing_s": 0.03, "listed_s": 0.02}


@pytest.fixture
async def server() -> AsyncIterator[MockPrusaLink]:
    async with MockPrusaLink(**QUICK) as mock:
        yield mock


@pytest.fixture
async def built_in() -> AsyncIterator[MockPrusaLink]:
    async with MockPrusaLink(**QUICK, built_in=True) as mock:
        yield mock


def driver(server: MockPrusaLink, **options: Any) -> PrusaLink:
    settings: dict[str, Any] = {"answer_s": 1.0, "look_s": 0.05, "safe_s": 5.0, "fresh_s": 0.1}
    if "api_key" not in options:
        settings["password"] = server.password
    return PrusaLink(name="mock", url=server.url, **(settings | options))


def opened(server: MockPrusaLink, **options: Any) -> AbstractAsyncContextManager[PrusaLink]:
    return using(driver(server, **options))


@pytest.fixture
async def device(server: MockPrusaLink) -> AsyncIterator[PrusaLink]:
    async with opened(server) as one:
        yield one


@pytest.fixture
def short(tmp_path: Path) -> Path:
    return written(tmp_path / "short.gcode", SHORT)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    return written(tmp_path / "long.gcode", LONG)


@pytest.fixture
def hot(tmp_path: Path) -> Path:
    return written(tmp_path / "hot.gcode", HOT)


def forgotten(status: Status) -> bool:
    return status.state is DeviceState.IDLE and status.progress is None


def hand_over(server: MockPrusaLink, token: str, content: str = LONG) -> None:
    """As if an earlier driver had uploaded and started it."""
    server.print_by_hand(f"lab-{token}.gcode", content.encode())


# -- opening


async def test_opening_tells_firmware_model_and_serial_number(server: MockPrusaLink) -> None:
    async with opened(server) as device:
        identity = await device.open()
    assert identity.firmware == "PrusaLink 0.8.1 3.13.3-7094"
    assert identity.model == "I3MK3S"
    assert identity.serial_number == server.serial_number


async def test_a_built_in_one_is_told_by_its_host_name(built_in: MockPrusaLink) -> None:
    identity = await (device := driver(built_in)).open()
    await device.close()
    assert (identity.firmware, identity.model) == ("PrusaLink", "mock")


async def test_an_api_key_opens_it_as_well(server: MockPrusaLink, short: Path) -> None:
    async with opened(server, api_key=server.api_key) as device:
        await device.start(short, "r1")
        assert progress(await until(device, ended)).outcome is Outcome.DONE
    assert server.digest.rejected == 0


async def test_an_address_with_a_path_prefix_works(short: Path) -> None:
    async with MockPrusaLink(**QUICK, prefix="/printers/left") as server, opened(server) as device:
        await device.start(short, "r1")
        assert progress(await until(device, ended)).outcome is Outcome.DONE


async def test_a_wrong_password_blocks(server: MockPrusaLink) -> None:
    with pytest.raises(Misfit, match="does not accept our user name and password"):
        await driver(server, password="wrong").open()


async def test_a_wrong_key_blocks(server: MockPrusaLink) -> None:
    with pytest.raises(Misfit, match="does not accept our key"):
        await driver(server, api_key="wrong").open()


async def test_a_password_that_stops_being_good_blocks_a_command(
    server: MockPrusaLink, device: PrusaLink
) -> None:
    server.digest.password = "another"
    with pytest.raises(Misfit, match="password"):
        await device.pause()


async def test_an_octoprint_is_not_taken_for_a_prusalink() -> None:
    async with MockOctoPrint() as octoprint:
        with pytest.raises(Misfit, match=r"OctoPrint 1\.11\.8 answers at this address"):
            await PrusaLink(name="x", url=octoprint.url, api_key=octoprint.api_key).open()
        with pytest.raises(Misfit, match="does not ask for a PrusaLink password"):
            await PrusaLink(name="x", url=octoprint.url, password="secret").open()


async def test_an_address_without_a_prusalink_blocks() -> None:
    async with MockOctoPrint() as octoprint:
        with pytest.raises(Misfit, match="there is no PrusaLink at this address"):
            await PrusaLink(name="x", url=octoprint.url + "/x", api_key=octoprint.api_key).open()


async def test_one_that_is_moved_blocks(server: MockPrusaLink) -> None:
    server.fault(Fault.MOVED, "GET /api/version")
    with pytest.raises(Misfit, match="leads elsewhere"):
        await driver(server).open()


async def test_a_prusalink_that_does_not_know_its_printer_yet_is_waited_for(server: MockPrusaLink) -> None:
    server.serial_number = None
    server.printer_lost(0)
    with pytest.raises(LinkLost, match="does not know its printer yet"):
        await driver(server).open()


async def test_a_printer_without_a_serial_number_is_still_a_printer(server: MockPrusaLink) -> None:
    server.serial_number = None
    identity = await (device := driver(server)).open()
    await device.close()
    assert identity.serial_number == ""


async def test_nothing_there_is_a_lost_link() -> None:
    async with MockPrusaLink(**QUICK) as server:
        device = driver(server)
    with pytest.raises(LinkLost):
        await device.open()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"password": "a", "api_key": "b"},
        {"api_key": "clé"},
        {"password": "a\nb"},
        {"user": 'x"y', "password": "a"},
        {"password": "a", "look_s": 3.0},
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="PrusaLink"):
        PrusaLink(name="x", url="http://x", **settings)


async def test_no_message_and_no_log_holds_the_password(
    server: MockPrusaLink, short: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with opened(server) as device:
        await device.start(short, "r1")
        await until(device, ended)
    with pytest.raises(Misfit) as wrong:
        await driver(server, password="not-to-be-shown").open()
    said = caplog.text + str(wrong.value)
    assert server.password not in said
    assert "not-to-be-shown" not in said


# -- printing


@pytest.mark.parametrize("kind", [False, True])
async def test_a_sliced_cube_is_executed_line_by_line(kind: bool, tmp_path: Path) -> None:
    text = gzip.decompress(SAMPLE.read_bytes()).decode()
    commands = [c for line in text.splitlines() if (c := command_of(line))]
    (cube := tmp_path / "cube.gcode").write_text(text)
    mock = MockPrusaLink(**QUICK, speed=100_000, built_in=kind)
    async with mock as server, opened(server, answer_s=5) as device:
        await device.start(cube, "cube")
        seen = await until(device, ended, within_s=30)
    assert progress(seen).outcome is Outcome.DONE
    assert server.executed == commands
    assert server.starts == 1


async def test_a_print_is_followed_to_its_end_and_its_outcome_kept(
    server: MockPrusaLink, device: PrusaLink, short: Path
) -> None:
    await device.start(short, "r1")
    seen = progress(await until(device, ended))
    assert (seen.token, seen.outcome, seen.fraction, seen.remaining_s) == ("r1", Outcome.DONE, 1.0, None)
    await wait_until(lambda: server.text == "IDLE")
    await asyncio.sleep(0.3)
    assert progress(await now(device)).outcome is Outcome.DONE


async def test_the_built_in_one_keeps_an_old_end_that_is_not_the_new_runs(
    built_in: MockPrusaLink, long: Path
) -> None:
    async with opened(built_in) as device:
        await device.start(long, "r1")
        built_in.finish()
        await until(device, ended)
        assert built_in.text == "FINISHED"
        await device.start(long, "r2")
        seen = await now(device)
    assert (progress(seen).token, progress(seen).outcome) == ("r2", None)


async def test_a_new_start_waits_until_the_old_end_is_no_longer_told(
    server: MockPrusaLink, device: PrusaLink, short: Path, long: Path
) -> None:
    server.seen_s = 1
    await device.start(short, "r1")
    await until(device, ended)
    assert server.text == "FINISHED"
    await device.start(long, "r2")
    assert (progress(await now(device)).token, server.starts) == ("r2", 2)


async def test_from_a_start_on_it_is_asked_at_the_pace_of_a_print(server: MockPrusaLink, short: Path) -> None:
    server.seen_s = 1.2  # less than a round of questions to a machine at rest
    async with opened(server, look_s=0.5) as device:
        await device.start(short, "r1")
        assert progress(await until(device, ended)).outcome is Outcome.DONE


async def test_a_token_with_any_letters_travels(
    server: MockPrusaLink, device: PrusaLink, short: Path
) -> None:
    await device.start(short, "café/42 ü")
    assert progress(await until(device, ended)).token == "café/42 ü"


async def test_a_token_too_long_for_a_file_name_is_refused(device: PrusaLink, short: Path) -> None:
    with pytest.raises(ValueError, match="1 to 100 bytes"):
        await device.start(short, "x" * 101)


async def test_the_nonce_growing_old_before_an_upload_sends_it_once(
    server: MockPrusaLink, device: PrusaLink, short: Path
) -> None:
    server.before("GET /api/v1/storage", server.digest.grow_old)
    await device.start(short, "r1")
    assert [a for a in server.asked if a.startswith("PUT /api/v1/files")] == [
        "PUT /api/v1/files/local/lab-r1.gcode"
    ]


async def test_the_nonce_growing_old_right_at_an_upload_does_not_harm_it(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    server.before("PUT /api/v1/files", server.digest.grow_old)
    await device.start(long, "r1")
    assert server.files["lab-r1.gcode"].content == long.read_bytes()
    assert server.starts == 1


async def test_old_uploads_are_tidied_away_and_nothing_else(
    server: MockPrusaLink, device: PrusaLink, short: Path
) -> None:
    for number in range(8):
        server.files[f"lab-old{number}.gcode"] = Stored(content=b"G28\n", m_timestamp=number)
    server.files["somebody.gcode"] = Stored(content=b"G28\n", m_timestamp=0)
    await device.start(short, "r1")
    kept = {f"lab-old{number}.gcode" for number in range(3, 8)}
    assert set(server.files) == kept | {"somebody.gcode", "lab-r1.gcode"}


async def test_a_listing_that_fails_does_not_fail_the_start(
    server: MockPrusaLink, device: PrusaLink, short: Path
) -> None:
    server.fault(Fault.HTTP_500, "GET /api/v1/files/local/")
    server.before("POST /api/v1/files", lambda: server.fault(Fault.HTTP_500, "GET /api/v1/files/local/"))
    server.heal()
    await device.start(short, "r1")
    assert server.starts == 1


async def test_somebody_elses_print_is_running_but_not_mine(server: MockPrusaLink, device: PrusaLink) -> None:
    server.print_by_hand("vase.gcode", LONG.encode())
    seen = await until(device, in_state(DeviceState.RUNNING))
    assert (seen.progress, seen.message) == (None, "prints vase.gcode, which the lab did not start")


async def test_a_print_from_before_the_server_restarted_is_found_again(server: MockPrusaLink) -> None:
    hand_over(server, "r1")
    async with opened(server) as device:
        assert (await now(device)).state is DeviceState.RUNNING
        assert progress(await now(device)).token == "r1"
        server.finish()
        assert progress(await until(device, ended)).outcome is Outcome.DONE


async def test_an_end_that_is_still_told_belongs_to_the_file_that_is_named_as_the_last(
    server: MockPrusaLink,
) -> None:
    server.seen_s = 5
    hand_over(server, "r1")
    server.finish()
    async with opened(server) as device:
        assert (progress(await now(device)).token, progress(await now(device)).outcome) == (
            "r1",
            Outcome.DONE,
        )


async def test_where_no_file_is_named_an_end_from_before_is_nobodys(built_in: MockPrusaLink) -> None:
    hand_over(built_in, "r1")
    built_in.finish()
    async with opened(built_in) as device:
        assert forgotten(await now(device))


async def test_heat_and_progress_are_told(server: MockPrusaLink, device: PrusaLink, hot: Path) -> None:
    await device.start(hot, "r1")
    seen = await until(device, lambda s: s.heat_c.get("tool0_target") == 200 and s.heat_c["bed_target"] == 60)
    assert seen.heat_c["tool0"] > 0
    assert progress(seen).fraction is not None


# -- what nobody saw


async def test_an_end_that_was_missed_is_unknown_never_failed(server: MockPrusaLink, long: Path) -> None:
    async with opened(server) as device:
        await device.start(long, "r1")
        await device.close()
        server.finish()
        await wait_until(lambda: server.text == "IDLE")
        await device.open()
        assert forgotten(await now(device))


async def test_an_end_seen_within_a_minute_is_ours_where_no_file_is_named(
    built_in: MockPrusaLink, long: Path
) -> None:
    clock = FakeClock(NOON)
    async with opened(built_in, clock=clock) as device:
        await device.start(long, "r1")
        await device.close()
        built_in.finish()
        clock.advance(timedelta(seconds=59))
        await device.open()
        assert progress(await now(device)).outcome is Outcome.DONE


async def test_an_end_seen_after_more_than_a_minute_is_unknown_where_no_file_is_named(
    built_in: MockPrusaLink, long: Path
) -> None:
    clock = FakeClock(NOON)
    async with opened(built_in, clock=clock) as device:
        await device.start(long, "r1")
        await device.close()
        built_in.finish()
        clock.advance(timedelta(seconds=61))
        await device.open()
        seen = await now(device)
    assert (seen.state, progress(seen).outcome) == (DeviceState.IDLE, None)


async def test_another_print_in_the_meantime_makes_ours_unknown(server: MockPrusaLink, long: Path) -> None:
    async with opened(server) as device:
        await device.start(long, "r1")
        await device.close()
        server.state.clear()
        server.print_by_hand("vase.gcode", LONG.encode())
        await device.open()
        assert (await now(device)).progress is None


async def test_a_server_that_was_killed_has_forgotten_the_run(server: MockPrusaLink, long: Path) -> None:
    async with opened(server) as device:
        await device.start(long, "r1")
        await server.down()
        await lost(device)
        await server.up()
        await device.open()
        assert forgotten(await now(device))
        with pytest.raises(DeviceRefused, match="may have begun it"):
            await device.start(long, "r1")
    assert server.starts == 1


# -- starting


async def test_a_lost_answer_to_a_start_is_met_by_looking(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    server.fault(Fault.LOST_START)
    await device.start(long, "r1")
    assert (progress(await now(device)).token, server.starts) == ("r1", 1)


async def test_a_start_that_never_arrived_is_lost_and_not_sent_again(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    server.fault(Fault.DROPPED, "POST /api/v1/files")
    with pytest.raises(LinkLost):
        await device.start(long, "r1")
    with pytest.raises(DeviceRefused, match="needs a new token"):
        await device.start(long, "r1")
    assert server.starts == 0


async def test_a_lost_answer_to_an_upload_can_be_tried_again(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    server.fault(Fault.LOST, "PUT /api/v1/files")
    with pytest.raises(LinkLost):
        await device.start(long, "r1")
    await device.start(long, "r1")
    assert server.starts == 1


async def test_a_program_that_another_server_process_left_may_have_been_printed(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    server.files["lab-r1.gcode"] = Stored(content=b"G28\n", m_timestamp=0)
    with pytest.raises(DeviceRefused, match="was on the printer before"):
        await device.start(long, "r1")
    assert server.starts == 0


async def test_a_start_that_was_taken_but_does_not_run_is_not_known_to_have_failed(
    server: MockPrusaLink, long: Path
) -> None:
    async with opened(server, begin_s=0.5) as device:
        server.fault(Fault.NEVER_RUNS)
        with pytest.raises(DeviceTimeout, match="nothing has begun"):
            await device.start(long, "r1")
        assert forgotten(await now(device))
        with pytest.raises(DeviceRefused, match="may have begun it"):
            await device.start(long, "r1")


async def test_two_racing_starts_of_one_run_print_it_once(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    await asyncio.gather(*(device.start(long, "r1") for _ in range(4)))
    assert server.starts == 1


async def test_racing_starts_of_two_servers_print_one(server: MockPrusaLink, long: Path) -> None:
    async with opened(server) as one, opened(server) as other:
        tries = [one.start(long, "r1"), other.start(long, "r2")]
        results = await asyncio.gather(*tries, return_exceptions=True)
    assert server.starts == 1
    assert sorted(type(r).__name__ for r in results) in (
        ["Conflict", "NoneType"],
        ["DeviceRefused", "NoneType"],
    )


@pytest.mark.parametrize("kind", [Fault.CONFLICT_STORM, Fault.HTTP_500])
async def test_a_start_that_was_refused_begins_nothing(
    server: MockPrusaLink, device: PrusaLink, long: Path, kind: Fault
) -> None:
    server.fault(kind, "POST /api/v1/files", times=5)
    with pytest.raises((DeviceRefused, LinkLost)):
        await device.start(long, "r1")
    assert server.starts == 0


async def test_after_a_conflict_the_same_run_may_be_tried_again(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    server.fault(Fault.CONFLICT_STORM, "POST /api/v1/files", times=2)
    with pytest.raises(DeviceRefused):
        await device.start(long, "r1")
    await device.start(long, "r1")
    assert server.starts == 1


async def test_a_busy_printer_refuses_before_the_upload(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    server.print_by_hand("vase.gcode", LONG.encode())
    with pytest.raises(DeviceRefused, match="cannot start now: PRINTING"):
        await device.start(long, "r1")
    assert "lab-r1.gcode" not in server.files


async def test_a_printer_without_a_drive_is_told_apart(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    server.no_drive = True
    with pytest.raises(DeviceRefused, match="USB drive"):
        await device.start(long, "r1")


async def test_an_upload_that_did_not_arrive_whole_is_not_started(server: MockPrusaLink, long: Path) -> None:
    server.truncate_uploads = True
    async with opened(server, answer_s=0.4) as device:
        with pytest.raises(LinkLost, match="did not arrive whole"):
            await device.start(long, "r1")
    assert server.starts == 0


async def test_an_upload_that_never_ends_is_given_up(server: MockPrusaLink, long: Path) -> None:
    server.slow_upload_s = 60
    async with opened(server, upload_s=0.3) as device:
        with pytest.raises(DeviceTimeout):
            await device.start(long, "r1")


def late(clock: FakeClock) -> None:
    clock.advance(minutes=5)


async def test_a_start_after_its_deadline_is_dropped(server: MockPrusaLink, long: Path) -> None:
    clock = FakeClock(NOON)
    async with opened(server, clock=clock) as device:
        server.before("PUT /api/v1/files", partial(late, clock))
        with pytest.raises(DeviceRefused, match="after its deadline"):
            await device.start_by(long, "r1", NOON + timedelta(minutes=1))
    assert server.starts == 0


# -- steering


async def test_pause_and_resume_are_waited_for(server: MockPrusaLink, device: PrusaLink, long: Path) -> None:
    await device.start(long, "r1")
    for _ in range(3):
        await device.pause()
        assert server.text == "PAUSED"
        await device.resume()
        assert server.text == "PRINTING"


async def test_the_built_in_one_is_busy_in_between_and_the_run_stays_ours(
    built_in: MockPrusaLink, long: Path
) -> None:
    built_in.passing_s = 0.5
    async with opened(built_in) as device:
        await device.start(long, "r1")
        await device.pause()
        seen = await until(device, lambda s: built_in.text == "BUSY")
        assert (seen.state, progress(seen).token) == (DeviceState.RUNNING, "r1")
        await device.resume()
        await until(device, in_state(DeviceState.RUNNING))
        await device.cancel()
        assert progress(await until(device, ended)).outcome is Outcome.CANCELLED


async def test_a_machine_that_stops_being_busy_between_two_looks_is_stopped_all_the_same(
    built_in: MockPrusaLink,
) -> None:
    hand_over(built_in, "r1")
    built_in.state.text = "BUSY"
    built_in.before("GET /api/v1/status", lambda: None)
    built_in.before("GET /api/v1/status", lambda: setattr(built_in.state, "text", "PRINTING"))
    rest = Rest(url=built_in.url, user="", password="", api_key=built_in.api_key, answer_s=2.0, upload_s=2.0)
    await steering.stop(rest, mine=True, patience=steering.Patience(for_s=2.0, every_s=0.01))
    await rest.close()
    await wait_until(lambda: built_in.text == "STOPPED")


async def test_a_job_that_is_another_by_now_is_not_stopped(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    await device.start(long, "r1")

    def another() -> None:
        server.state.clear()
        server.print_by_hand("vase.gcode", LONG.encode())

    server.before("DELETE /api/v1/job", another)
    with pytest.raises(DeviceRefused, match="knows no"):
        await device.cancel()
    assert server.text == "PRINTING"


async def test_a_pause_that_is_lost_is_a_lost_link_not_a_second_pause(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    await device.start(long, "r1")
    server.fault(Fault.LOST, "PUT /api/v1/job")
    with pytest.raises(LinkLost):
        await device.pause()
    await wait_until(lambda: server.text == "PAUSED")


async def test_cancelled_during_the_upload_it_never_starts(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    server.slow_upload_s = 0.3
    starting = asyncio.create_task(device.start(long, "r1"))
    await wait_until(lambda: any(a.startswith("PUT") for a in server.asked))
    await device.cancel()
    with pytest.raises(DeviceRefused, match="stopped while its program"):
        await starting
    assert server.starts == 0


async def test_a_stop_that_overtakes_the_start_takes_it_back(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    stops: list[asyncio.Task[None]] = []
    server.before("POST /api/v1/files", lambda: stops.append(asyncio.create_task(device.cancel())))
    await device.start(long, "r1")
    await asyncio.gather(*stops)
    assert progress(await until(device, ended)).outcome is Outcome.CANCELLED


async def test_stopped_while_an_old_end_is_still_told_it_never_starts(
    server: MockPrusaLink, device: PrusaLink, short: Path, long: Path
) -> None:
    await device.start(short, "r1")
    await until(device, ended)
    server.seen_s = server.held_s = 30
    server.state._end("FINISHED")
    starting = asyncio.create_task(device.start(long, "r2"))
    await wait_until(lambda: sum(a.startswith("POST") for a in server.asked) > 1)
    await device.cancel()
    with pytest.raises(DeviceRefused, match="stopped"):
        await starting
    assert server.starts == 1


async def test_attention_is_a_pause_that_needs_a_person(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    await device.start(long, "r1")
    server.state.attention("Extruder fan speed is lower than expected")
    seen = await until(device, in_state(DeviceState.PAUSED))
    assert seen.message == "a person is needed at the printer: Extruder fan speed is lower than expected"
    assert progress(seen).token == "r1"
    server.state.attended()
    assert (await until(device, in_state(DeviceState.RUNNING))).message == ""


async def test_busy_without_a_print_is_said(server: MockPrusaLink, device: PrusaLink) -> None:
    server.state.text = "BUSY"
    seen = await until(device, in_state(DeviceState.RUNNING))
    assert (seen.progress, seen.message) == (None, "busy, though not with a print")


async def test_a_state_nobody_knows_yet_is_a_machine_that_cannot_be_used(
    server: MockPrusaLink, device: PrusaLink
) -> None:
    server.state.text = "DREAMING"
    assert "says DREAMING" in (await until(device, in_state(DeviceState.OFFLINE))).message


# -- failing


async def test_a_heater_fault_fails_the_run_with_its_reason(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    await device.start(long, "r1")
    server.printer_fault()
    seen = await until(device, ended)
    assert (seen.state, progress(seen).outcome) == (DeviceState.FAULT, Outcome.FAILED)
    assert progress(seen).detail == "the printer reports an error: Heaters switched off. Thermal runaway"


async def test_a_printer_lost_behind_its_server_is_a_fault_until_it_is_back(
    server: MockPrusaLink, device: PrusaLink
) -> None:
    server.printer_lost(0.3)
    assert "Serial device" in (await until(device, in_state(DeviceState.FAULT))).message
    await until(device, in_state(DeviceState.IDLE))


@pytest.mark.parametrize(
    "kind",
    [
        Fault.LOST,
        Fault.HALF_ANSWER,
        Fault.GARBAGE,
        Fault.TRICKLE,
        Fault.ENDLESS,
        Fault.PACKED,
        Fault.TIMEOUT,
        Fault.DROPPED,
        Fault.HTTP_500,
        Fault.HTTP_503,
    ],
)
async def test_a_look_that_fails_ends_the_watch_and_a_new_open_finds_the_run(
    server: MockPrusaLink, long: Path, kind: Fault
) -> None:
    async with opened(server, answer_s=0.5) as device:
        await device.start(long, "r1")
        server.fault(kind, "GET /api/v1/status", for_s=30)
        await lost(device)
        server.heal()
        await device.open()
        assert (progress(await now(device)).token, server.starts) == ("r1", 1)


async def test_a_job_that_cannot_be_read_ends_the_watch(
    server: MockPrusaLink, device: PrusaLink, long: Path
) -> None:
    await device.start(long, "r1")
    server.fault(Fault.GARBAGE, "GET /api/v1/job", times=3)
    assert "cannot be read" in str(await lost(device))


async def test_a_half_open_server_ends_the_watch(server: MockPrusaLink) -> None:
    async with opened(server, answer_s=0.3) as device:
        server.fault(Fault.HALF_OPEN, for_s=5)
        assert "did not answer" in str(await lost(device))


async def test_a_job_that_changes_between_two_questions_is_asked_again(
    server: MockPrusaLink, device: PrusaLink, short: Path
) -> None:
    for _ in range(3):
        server.before("GET /api/v1/job", server.state.clear)
        server.print_by_hand("vase.gcode", LONG.encode())
        await until(device, forgotten)


# -- the stop that is read back


@pytest.mark.parametrize("kind", [False, True])
async def test_make_safe_stops_a_hot_print_and_reads_it_back(kind: bool, hot: Path) -> None:
    async with MockPrusaLink(**QUICK, built_in=kind) as server, opened(server) as device:
        await device.start(hot, "r1")
        await wait_until(lambda: server.targets_c == {"tool0": 200.0, "bed": 60.0})
        assert await device.make_safe() is Safety.CONFIRMED
        assert server.targets_c == {"tool0": 0.0, "bed": 0.0}
        assert progress(await until(device, ended)).outcome is Outcome.CANCELLED


async def test_heat_without_a_job_is_switched_off_where_that_can_be_asked(server: MockPrusaLink) -> None:
    await server.heat_by_hand("M104 S200")
    assert await driver(server).make_safe() is Safety.CONFIRMED
    assert server.targets_c["tool0"] == 0


@pytest.mark.parametrize("why", ["stuck", "built in", "no target told", "gone", "lost behind its server"])
async def test_what_is_not_read_back_is_not_confirmed(why: str) -> None:
    async with MockPrusaLink(**QUICK, built_in=why == "built in") as server:
        await server.heat_by_hand("M104 S200")
        server.heaters_stuck = why == "stuck"
        server.targets_told = why != "no target told"
        if why == "gone":
            await server.down()
        if why == "lost behind its server":
            await server.heat_by_hand("M104 S0")
            server.printer_lost(0)
        assert await driver(server, safe_s=0.6).make_safe() is Safety.NOT_CONFIRMED


async def test_heat_that_comes_back_while_it_is_being_proved_is_not_confirmed_at_once(
    server: MockPrusaLink,
) -> None:
    waiting = asyncio.create_task(driver(server, fresh_s=0.5).make_safe())
    await wait_until(lambda: any("tool" in a for a in server.asked))
    await server.heat_by_hand("M104 S200")
    assert await waiting is Safety.CONFIRMED
    assert server.targets_c["tool0"] == 0
    assert sum(a == "POST /api/printer/tool" for a in server.asked) >= 2


async def test_a_stop_for_a_job_without_a_number_says_so(server: MockPrusaLink, device: PrusaLink) -> None:
    with pytest.raises(DeviceRefused, match="nothing to stop: the printer says IDLE"):
        await device.cancel()
