"""The OctoPrint driver against a mock that repeats what was measured on the real one."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import Any, cast

import pytest

from drivers.http import Http
from drivers.mock.octoprint import Fault, MockOctoPrint, Stored
from drivers.octoprint import OctoPrint
from fablab.device import (
    DeviceRefused,
    DeviceState,
    DeviceTimeout,
    LinkLost,
    Misfit,
    Outcome,
    Progress,
    Safety,
    Status,
)
from tests.drivers.network_rig import (
    LONG,
    ended,
    lost,
    now,
    progress,
    running,
    settled,
    until,
    using,
    written,
)

SHORT = "G28\n" + "G1 X1\n" * 4


@pytest.fixture
async def server() -> AsyncIterator[MockOctoPrint]:
    async with MockOctoPrint() as mock:
        yield mock


def driver(server: MockOctoPrint, **options: Any) -> OctoPrint:
    settings: dict[str, Any] = {"api_key": server.api_key, "answer_s": 2.0, "look_s": 0.5, "safe_s": 5.0}
    return OctoPrint(name="mock", url=server.url, **(settings | options))


def opened(server: MockOctoPrint, **options: Any) -> AbstractAsyncContextManager[OctoPrint]:
    return using(driver(server, **options))


@pytest.fixture
async def device(server: MockOctoPrint) -> AsyncIterator[OctoPrint]:
    async with opened(server) as one:
        yield one


@pytest.fixture
def short(tmp_path: Path) -> Path:
    return written(tmp_path / "short.gcode", SHORT)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    return written(tmp_path / "long.gcode", LONG)


# -- opening


async def test_opening_tells_firmware_and_model(server: MockOctoPrint) -> None:
    device = driver(server)
    identity = await device.open()
    await device.close()
    assert (identity.firmware, identity.model) == ("OctoPrint 1.11.8", "Mock printer")


async def test_an_address_with_a_path_prefix_works(short: Path) -> None:
    async with MockOctoPrint(prefix="/printers/left") as server, opened(server) as device:
        await device.start(short, "r1")
        assert progress(await until(device, settled)).outcome is Outcome.DONE


async def test_a_wrong_key_blocks(server: MockOctoPrint) -> None:
    with pytest.raises(Misfit, match="key"):
        await driver(server, api_key="f" * 32).open()


async def test_a_key_that_stops_being_good_blocks_a_command(server: MockOctoPrint, device: OctoPrint) -> None:
    server.api_key = "another"
    with pytest.raises(Misfit, match="key"):
        await device.pause()


async def test_a_key_without_the_permissions_is_told_which_are_missing(server: MockOctoPrint) -> None:
    server.roles = ["status", "files_list"]
    with pytest.raises(Misfit, match=r"may not: .*files_upload.*print"):
        await driver(server).open()


async def test_an_address_without_an_octoprint_blocks(server: MockOctoPrint) -> None:
    device = OctoPrint(name="x", url=server.url + "/elsewhere", api_key=server.api_key)
    with pytest.raises(Misfit, match="no OctoPrint"):
        await device.open()


async def test_nobody_at_the_address_is_a_lost_link(server: MockOctoPrint) -> None:
    device = driver(server)
    await server.down()
    with pytest.raises(LinkLost):
        await device.open()


async def test_an_address_that_leads_elsewhere_blocks(server: MockOctoPrint) -> None:
    server.fault(Fault.MOVED, "GET /api/version")
    with pytest.raises(Misfit, match="leads elsewhere"):
        await driver(server).open()


async def test_a_model_that_may_not_be_read_stays_empty(server: MockOctoPrint) -> None:
    server.fault(Fault.FORBIDDEN, "GET /api/printerprofiles")
    device = driver(server)
    assert (await device.open()).model == ""
    await device.close()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.HALF_ANSWER, LinkLost),
        (Fault.GARBAGE, LinkLost),
        (Fault.HTTP_503, LinkLost),
        (Fault.DROPPED, LinkLost),
        (Fault.ENDLESS, LinkLost),
        (Fault.PACKED, LinkLost),
        (Fault.TIMEOUT, DeviceTimeout),
        (Fault.TRICKLE, DeviceTimeout),
    ],
)
async def test_a_damaged_or_missing_answer_is_a_lost_link(
    server: MockOctoPrint, fault: Fault, error: type[LinkLost]
) -> None:
    server.fault(fault, "GET /api/job", times=3)  # a look is asked for again where its answer was damaged
    with pytest.raises(error) as caught:
        await driver(server, answer_s=0.3 if error is DeviceTimeout else 5.0).open()
    assert caught.type is error


@pytest.mark.parametrize(
    "fault", [Fault.HALF_ANSWER, Fault.GARBAGE, Fault.DROPPED, Fault.LOST, Fault.HTTP_503]
)
async def test_a_look_whose_answer_was_damaged_is_asked_for_again(
    server: MockOctoPrint, fault: Fault
) -> None:
    server.fault(fault, "GET /api/job", times=2)
    async with opened(server) as device:
        assert (await now(device)).state is DeviceState.IDLE


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.FORBIDDEN, Misfit),
        (Fault.HTTP_503, LinkLost),
        (Fault.DROPPED, LinkLost),
        (Fault.TIMEOUT, LinkLost),
    ],
)
async def test_a_push_socket_that_does_not_open_is_told_as_what_it_is(
    server: MockOctoPrint, fault: Fault, error: type[Exception]
) -> None:
    server.fault(fault, "GET /sockjs/websocket")
    with pytest.raises(error):
        await driver(server, answer_s=0.5).open()


@pytest.mark.parametrize("key", ["", "clé", "two\nlines"])
def test_a_key_that_is_no_key_is_refused_at_once(key: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        OctoPrint(name="x", url="http://127.0.0.1", api_key=key)


async def test_the_key_and_the_session_are_in_no_log(
    server: MockOctoPrint, short: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with opened(server) as device:
        await device.start(short, "r1")
        await until(device, settled)
    with pytest.raises(Misfit) as caught:
        await driver(server, api_key="e" * 32).open()
    said = caplog.text + str(caught.value) + repr(device)
    assert server.api_key not in said
    assert "session1" not in said
    assert "e" * 32 not in said


async def test_commands_on_a_closed_device_are_a_lost_link(server: MockOctoPrint, short: Path) -> None:
    device = driver(server)
    for command in (device.start(short, "r1"), device.pause(), device.resume(), device.cancel()):
        with pytest.raises(LinkLost):
            await command
    await lost(device)


# -- a run


async def test_a_run_goes_to_its_end(server: MockOctoPrint, device: OctoPrint, short: Path) -> None:
    await device.start(short, "r1")
    status = await until(device, settled)
    assert progress(status) == Progress(
        token="r1", fraction=1.0, elapsed_s=progress(status).elapsed_s, outcome=Outcome.DONE
    )
    assert server.files["fablab/lab-r1.gcode"].content == short.read_bytes()


async def test_a_token_of_any_letters_survives_the_journey(
    server: MockOctoPrint, device: OctoPrint, short: Path
) -> None:
    await device.start(short, "run é/../7")
    assert progress(await until(device, settled)).token == "run é/../7"


@pytest.mark.parametrize("token", ["", "x" * 101])
async def test_a_token_that_fits_no_name_is_a_mistake(device: OctoPrint, short: Path, token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        await device.start(short, token)


async def test_heat_and_progress_are_told(server: MockOctoPrint, device: OctoPrint, tmp_path: Path) -> None:
    (file := tmp_path / "hot.gcode").write_text("M104 S60\n" + LONG)
    await device.start(file, "r1")
    status = await until(device, lambda s: running(s) and s.heat_c.get("tool0_target") == 60)
    assert 0 < (progress(status).fraction or 0) < 1
    assert set(status.heat_c) == {"tool0", "tool0_target", "bed", "bed_target"}


async def test_a_quiet_machine_is_told_again_and_again(server: MockOctoPrint, device: OctoPrint) -> None:
    server.push_s = 60.0
    seen = 0
    async with asyncio.timeout(10):
        async with aclosing(cast("AsyncGenerator[Status]", device.watch())) as looks:
            async for _ in looks:
                if (seen := seen + 1) == 4:
                    break
    assert seen == 4


async def test_pausing_twice_still_pauses_and_resuming_goes_on(
    server: MockOctoPrint, device: OctoPrint, long: Path
) -> None:
    await device.start(long, "r1")
    await device.pause()
    await device.pause()
    assert (await until(device, lambda s: s.state is DeviceState.PAUSED)).progress is not None
    await device.resume()
    await until(device, running)
    assert server.text == "Printing"


async def test_a_resume_waits_until_the_pause_is_complete(
    server: MockOctoPrint, device: OctoPrint, long: Path
) -> None:
    server.pausing_s = 0.3
    await device.start(long, "r1")
    await device.pause()
    await device.resume()
    assert server.text == "Printing"


async def test_a_cancelled_run_keeps_that_outcome(
    server: MockOctoPrint, device: OctoPrint, long: Path
) -> None:
    await device.start(long, "r1")
    await until(device, running)
    await device.cancel()
    await device.cancel()  # while it still stops: nothing more to say
    assert progress(await until(device, settled)).outcome is Outcome.CANCELLED


async def test_a_machine_that_still_stops_is_not_idle(
    server: MockOctoPrint, device: OctoPrint, short: Path, long: Path
) -> None:
    server.cancelling_s = 60.0
    await device.start(long, "r1")
    await device.cancel()
    status = await until(device, lambda s: ended(s) and s.message == "stopping")
    assert status.state is DeviceState.RUNNING
    with pytest.raises(DeviceRefused):
        await device.start(short, "r2")


async def test_a_fault_fails_the_run(server: MockOctoPrint, device: OctoPrint, long: Path) -> None:
    await device.start(long, "r1")
    server.fail("MAXTEMP triggered")
    status = await until(device, lambda s: ended(s) and s.state is DeviceState.FAULT)
    assert (progress(status).outcome, progress(status).detail) == (Outcome.FAILED, "MAXTEMP triggered")
    assert status.message == "MAXTEMP triggered"
    assert status.heat_c == {}


async def test_a_printer_without_power_is_offline_without_an_outcome(
    server: MockOctoPrint, device: OctoPrint, long: Path
) -> None:
    await device.start(long, "r1")
    server.unplug()
    status = await until(device, lambda s: s.state is DeviceState.OFFLINE)
    assert progress(status).outcome is None
    assert "not connected" in status.message


async def test_the_outcome_is_kept_until_the_next_start(
    server: MockOctoPrint, device: OctoPrint, short: Path
) -> None:
    await device.start(short, "r1")
    await until(device, settled)
    server.unplug()
    assert progress(await until(device, lambda s: s.state is DeviceState.OFFLINE)).outcome is Outcome.DONE


async def test_a_strangers_print_is_named_and_is_not_ours(server: MockOctoPrint, device: OctoPrint) -> None:
    server.files["vase.gcode"] = Stored(content=LONG.encode(), date=1.0)
    server.print_by_hand("vase.gcode")
    status = await until(device, lambda s: s.state is DeviceState.RUNNING and s.message != "")
    assert (status.progress, status.message) == (None, "prints vase.gcode, which the lab did not start")


async def test_a_strangers_print_leaves_our_outcome_alone(
    server: MockOctoPrint, device: OctoPrint, short: Path
) -> None:
    await device.start(short, "r1")
    await until(device, settled)
    server.files["vase.gcode"] = Stored(content=SHORT.encode(), date=1.0)
    server.print_by_hand("vase.gcode")
    await until(device, lambda s: s.state is DeviceState.RUNNING)
    assert progress(await until(device, settled)).token == "r1"


# -- one start, whatever the wire does


async def test_the_same_token_starts_once(server: MockOctoPrint, device: OctoPrint, short: Path) -> None:
    await device.start(short, "r1")
    await device.start(short, "r1")
    await until(device, settled)
    await device.start(short, "r1")
    assert server.starts == 1


async def test_a_start_whose_answer_was_lost_is_found_and_not_sent_again(
    server: MockOctoPrint, device: OctoPrint, long: Path
) -> None:
    server.fault(Fault.LOST, "POST /api/files/local/fablab/lab-r1.gcode")
    await device.start(long, "r1")
    assert server.starts == 1
    assert server.asked.count("POST /api/files/local/fablab/lab-r1.gcode") == 1


async def test_a_start_that_never_arrived_is_told_and_may_be_tried_again(
    server: MockOctoPrint, device: OctoPrint, short: Path
) -> None:
    server.fault(Fault.DROPPED, "POST /api/files/local/fablab/lab-r1.gcode")
    with pytest.raises(LinkLost):
        await device.start(short, "r1")
    assert server.starts == 0
    await device.start(short, "r1")
    assert server.starts == 1


async def test_a_start_whose_answer_died_with_the_server_is_not_sent_again(
    server: MockOctoPrint, device: OctoPrint, long: Path
) -> None:
    server.inject("lost_start")
    server.before(
        "POST /api/files/local/fablab/lab-r1.gcode",
        lambda: server.fault(Fault.DROPPED, "GET /", times=100),
    )
    with pytest.raises(LinkLost):
        await device.start(long, "r1")
    await server.down()
    server.heal()
    await server.up()
    await device.open()
    with pytest.raises(DeviceRefused, match="needs a new token"):
        await device.start(long, "r1")
    assert server.starts == 1


async def test_a_run_that_ended_unheard_after_another_is_known(
    server: MockOctoPrint, device: OctoPrint, short: Path
) -> None:
    await device.start(short, "r1")
    await until(device, settled)
    server.inject("lost_start")
    server.before(
        "POST /api/files/local/fablab/lab-r2.gcode",
        lambda: server.fault(Fault.DROPPED, "GET /", times=9),  # the looks that come after the lost answer
    )
    with pytest.raises(LinkLost):
        await device.start(short, "r2")
    await device.close()
    while server.busy:  # it runs to its end, and nobody listens
        await asyncio.sleep(0.01)
    server.heal()
    await device.open()
    status = await now(device)
    assert (progress(status).token, progress(status).outcome) == ("r2", Outcome.DONE)


async def test_a_new_driver_looks_before_it_repeats_a_start(server: MockOctoPrint, long: Path) -> None:
    async with opened(server) as first:
        await first.start(long, "r1")
    async with opened(server) as second:
        await second.start(long, "r1")
    assert server.starts == 1


async def test_a_run_that_ended_well_long_ago_is_not_begun_again(
    server: MockOctoPrint, device: OctoPrint, short: Path
) -> None:
    server.files["fablab/lab-r1.gcode"] = Stored(content=b"", date=1.0, success=1)
    await device.start(short, "r1")
    assert (progress(await now(device)).outcome, server.starts) == (Outcome.DONE, 0)


async def test_a_run_that_ended_badly_long_ago_is_refused(
    server: MockOctoPrint, device: OctoPrint, short: Path
) -> None:
    server.files["fablab/lab-r1.gcode"] = Stored(content=b"", date=1.0, failure=1)
    with pytest.raises(DeviceRefused, match="new token"):
        await device.start(short, "r1")


async def test_two_starts_at_once_print_once(server: MockOctoPrint, long: Path) -> None:
    async with opened(server) as left, opened(server) as right:
        await asyncio.gather(left.start(long, "r1"), right.start(long, "r1"))
    assert server.starts == 1


async def test_a_busy_machine_refuses_another_run(
    server: MockOctoPrint, device: OctoPrint, long: Path
) -> None:
    await device.start(long, "r1")
    with pytest.raises(DeviceRefused, match="cannot start now: Printing"):
        await device.start(long, "r2")
    assert progress(await now(device)).token == "r1"


async def test_losing_the_race_to_another_run_is_a_refusal(
    server: MockOctoPrint, device: OctoPrint, long: Path
) -> None:
    server.files["vase.gcode"] = Stored(content=LONG.encode(), date=1.0)
    server.before("POST /api/files/local/fablab", lambda: server.print_by_hand("vase.gcode"))
    with pytest.raises(DeviceRefused, match="already printing"):
        await device.start(long, "r1")
    assert server.starts == 1


async def test_an_offline_machine_refuses(server: MockOctoPrint, device: OctoPrint, short: Path) -> None:
    server.unplug()
    with pytest.raises(DeviceRefused, match="Offline"):
        await device.start(short, "r1")


async def test_a_start_that_is_answered_well_and_does_nothing_is_noticed(
    server: MockOctoPrint, device: OctoPrint, short: Path
) -> None:
    server.selecting_works = False
    with pytest.raises(DeviceRefused, match="nothing began"):
        await device.start(short, "r1")
    assert (await now(device)).progress is None


async def test_a_cancel_during_the_upload_wins(server: MockOctoPrint, device: OctoPrint, short: Path) -> None:
    cancelled: list[asyncio.Task[None]] = []

    def cancel() -> None:
        cancelled.append(asyncio.create_task(device.cancel()))

    server.before("POST /api/files/local", cancel)
    server.slow_upload_s = 0.2
    with pytest.raises(DeviceRefused, match="stopped"):
        await device.start(short, "r1")
    await cancelled[0]
    assert server.starts == 0


async def test_nothing_to_cancel_or_pause_is_refused(device: OctoPrint) -> None:
    with pytest.raises(DeviceRefused):
        await device.cancel()
    with pytest.raises(DeviceRefused):
        await device.pause()


async def test_an_upload_under_another_name_is_not_started(
    server: MockOctoPrint, device: OctoPrint, short: Path
) -> None:
    server.rename_uploads = "other.gcode"
    with pytest.raises(DeviceRefused, match="cannot be followed"):
        await device.start(short, "r1")
    assert server.starts == 0


async def test_an_upload_that_lost_its_tail_is_not_started(
    server: MockOctoPrint, device: OctoPrint, short: Path
) -> None:
    server.truncate_uploads = True
    with pytest.raises(LinkLost, match="whole"):
        await device.start(short, "r1")
    assert server.starts == 0


async def test_old_uploads_go_and_the_newest_and_others_files_stay(
    server: MockOctoPrint, device: OctoPrint, short: Path
) -> None:
    server.files["fablab/notes.gcode"] = Stored(content=b"", date=1.0)
    server.files |= {
        f"fablab/lab-old{n}.gcode": Stored(content=b"", date=float(n), success=1) for n in range(8)
    }
    await device.start(short, "r1")
    left = {path.removeprefix("fablab/") for path in server.files}
    assert left == {"notes.gcode", "lab-r1.gcode", *(f"lab-old{n}.gcode" for n in range(3, 8))}


async def test_a_failure_to_tidy_does_not_fail_the_start(
    server: MockOctoPrint, device: OctoPrint, short: Path
) -> None:
    server.files |= {f"fablab/lab-old{n}.gcode": Stored(content=b"", date=float(n)) for n in range(8)}
    server.fault(Fault.HTTP_503, "DELETE ")
    await device.start(short, "r1")
    assert server.starts == 1


# -- losing and finding


async def test_a_cut_wire_ends_the_watch_and_a_new_open_finds_the_run(
    server: MockOctoPrint, device: OctoPrint, long: Path
) -> None:
    await device.start(long, "r1")
    await until(device, running)
    server.hang_up()
    await lost(device)
    await device.open()
    assert progress(await until(device, running)).token == "r1"


async def test_a_new_driver_finds_the_run_by_its_token(server: MockOctoPrint, long: Path) -> None:
    async with opened(server) as first:
        await first.start(long, "r1")
    async with opened(server) as second:
        assert progress(await until(second, running)).token == "r1"


@pytest.mark.parametrize("same_driver", [True, False])
@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.CANCELLED])
async def test_an_end_that_nobody_heard_is_read_from_what_is_left(
    server: MockOctoPrint, short: Path, long: Path, outcome: Outcome, same_driver: bool
) -> None:
    async with opened(server) as other:
        first = driver(server)
        await first.open()
        await first.start(short if outcome is Outcome.DONE else long, "r1")
        await first.close()
        if outcome is Outcome.CANCELLED:
            await other.cancel()
        await until(other, settled)
    async with opened(server) as new:
        if same_driver:
            await first.open()
        status = await until(first if same_driver else new, settled)
        await first.close()
    assert (progress(status).token, progress(status).outcome) == ("r1", outcome)


async def test_a_cancel_that_nobody_heard_is_known_while_the_machine_still_stops(
    server: MockOctoPrint, long: Path
) -> None:
    server.cancelling_s = 60.0
    async with opened(server) as first:
        await first.start(long, "r1")
        await first.cancel()
    async with opened(server) as second:
        assert progress(await until(second, ended)).outcome is Outcome.CANCELLED


async def test_a_failure_that_nobody_heard_is_known_by_the_driver_that_started_it(
    server: MockOctoPrint, long: Path
) -> None:
    device = driver(server)
    await device.open()
    await device.start(long, "r1")
    await device.close()
    server.fail("kill")
    await device.open()
    assert progress(await until(device, ended)).outcome is Outcome.FAILED
    await device.close()


async def test_a_failure_is_not_blamed_on_a_run_nobody_knows(server: MockOctoPrint, long: Path) -> None:
    async with opened(server) as first:
        await first.start(long, "r1")
    server.fail("kill")
    async with opened(server) as second:
        status = await now(second)
    assert (status.state, status.progress) == (DeviceState.FAULT, None)


async def test_a_server_killed_in_mid_print_leaves_the_outcome_unknown(
    server: MockOctoPrint, device: OctoPrint, long: Path
) -> None:
    await device.start(long, "r1")
    await until(device, running)
    await server.down()
    await lost(device)
    await server.up()
    await device.open()
    assert (await until(device, lambda s: s.state is DeviceState.IDLE)).progress is None


async def test_a_run_that_ended_just_before_the_server_died_is_known_by_its_count(
    server: MockOctoPrint, device: OctoPrint, long: Path
) -> None:
    await device.start(long, "r1")
    await server.down()
    await lost(device)
    server.files["fablab/lab-r1.gcode"].success = 1
    await server.up()
    await device.open()
    assert progress(await until(device, settled)).outcome is Outcome.DONE


async def test_a_picture_that_cannot_be_read_is_made_good_by_a_look(
    server: MockOctoPrint, device: OctoPrint, caplog: pytest.LogCaptureFixture
) -> None:
    server.push_s = 60.0
    server.say("not json")
    server.say('{"current": 7}')
    server.unplug()
    await until(device, lambda s: s.state is DeviceState.OFFLINE)
    assert [r.levelname for r in caplog.records if "cannot be read" in r.message] == ["WARNING"]


async def test_a_stale_session_is_renewed(server: MockOctoPrint, device: OctoPrint, short: Path) -> None:
    server.ask_for_login()
    await device.start(short, "r1")
    await until(device, settled)
    assert server.logins == 2


async def test_a_renewal_with_a_bad_key_ends_the_watch(server: MockOctoPrint, device: OctoPrint) -> None:
    server.api_key = "another"
    server.ask_for_login()
    assert "key" in str(await lost(device))


async def test_messages_we_did_not_ask_for_change_nothing(
    server: MockOctoPrint, device: OctoPrint, short: Path
) -> None:
    await device.start(short, "r1")
    before = progress(await until(device, settled))
    for event, payload in (
        ("PrintFailed", {"path": "fablab/lab-r1.gcode", "reason": "cancelled"}),
        ("PrintFailed", {"path": "fablab/lab-r0.gcode", "reason": "error"}),
        ("PrintDone", {"path": "lab-r1.gcode"}),
        ("ZChange", {"path": "fablab/lab-r1.gcode"}),
        ("Connected", None),
    ):
        server.say(json.dumps({"event": {"type": event, "payload": payload}}))
    server.say('{"timelapse": null}')
    server.unplug()
    status = await until(device, lambda s: s.state is DeviceState.OFFLINE)
    assert progress(status) == before


# -- safe


async def test_making_safe_cancels_cools_and_reads_back(
    server: MockOctoPrint, device: OctoPrint, tmp_path: Path
) -> None:
    (file := tmp_path / "hot.gcode").write_text("M104 S200\nM140 S60\n" + LONG)
    await device.start(file, "r1")
    await until(device, lambda s: s.heat_c.get("bed_target") == 60)
    assert await device.make_safe() is Safety.CONFIRMED
    assert progress(await until(device, settled)).outcome is Outcome.CANCELLED
    assert {"M104 S0", "M140 S0"} <= set(server.commands)


async def test_a_machine_that_keeps_heating_is_not_called_safe(server: MockOctoPrint) -> None:
    server.heaters_stuck = True
    await server.heat_by_hand("M104 S200")
    async with opened(server, safe_s=1.5) as device:
        assert await device.make_safe() is Safety.NOT_CONFIRMED


async def test_a_machine_that_reports_no_target_is_not_called_safe(server: MockOctoPrint) -> None:
    server.targets_told = False
    async with opened(server, safe_s=1.5) as device:
        assert await device.make_safe() is Safety.NOT_CONFIRMED


async def test_a_lost_printer_is_connected_again_to_be_cooled(
    server: MockOctoPrint, device: OctoPrint, long: Path
) -> None:
    await device.start(long, "r1")
    server.fail()
    assert await device.make_safe() is Safety.CONFIRMED
    assert "POST /api/connection" in server.asked


async def test_every_tool_and_a_chamber_are_cooled(server: MockOctoPrint, device: OctoPrint) -> None:
    server.add_heaters("tool1", "chamber")
    await device.make_safe()
    assert {"M104 T1 S0", "M141 S0"} <= set(server.commands)


async def test_making_safe_works_on_a_closed_device(server: MockOctoPrint) -> None:
    assert await driver(server).make_safe() is Safety.CONFIRMED


async def test_nobody_there_is_not_safe(server: MockOctoPrint, caplog: pytest.LogCaptureFixture) -> None:
    device = driver(server)
    await server.down()
    assert await device.make_safe() is Safety.NOT_CONFIRMED
    assert "not confirmed off" in caplog.text


async def test_a_cancel_that_comes_too_late_does_not_keep_the_heaters_on(
    server: MockOctoPrint, device: OctoPrint, long: Path
) -> None:
    await device.start(long, "r1")
    server.fault(Fault.CONFLICT_STORM, "POST /api/job")
    server.before("POST /api/job", lambda: server.finish())
    assert await device.make_safe() is Safety.CONFIRMED


# -- closing


@pytest.mark.parametrize("turns", [0, 1, 3, 10])
async def test_what_is_on_its_way_when_the_link_closes_ends_with_it(
    server: MockOctoPrint, turns: int
) -> None:
    http = Http(url=server.url, who="OctoPrint", answer_s=5.0, headers={"X-Api-Key": server.api_key})
    server.fault(Fault.TIMEOUT, "GET /api/version")
    asking = asyncio.create_task(http.send("GET", "/api/version"))
    for _ in range(turns):
        await asyncio.sleep(0)
    await http.close()
    with pytest.raises(LinkLost, match="closed before"):
        await asking
