"""What goes wrong between a Marlin and its host, on a real pty: nothing is printed twice, nothing is left
out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import pytest

from drivers.lines import Lines, ScriptPort
from drivers.marlin import Marlin
from drivers.mock.marlin import Abilities
from fablab.device import (
    DeviceRefused,
    DeviceState,
    DeviceTimeout,
    LinkLost,
    Misfit,
    Outcome,
    Safety,
)
from tests.drivers.marlin_rig import (
    QUICK,
    connected,
    ended,
    holds,
    lost,
    moves,
    outcome,
    reached,
    until,
    written,
)

HEALS = {
    "a lost ok": ["lost_ok@120"],
    "three lost oks": ["lost_ok@50", "lost_ok@51", "lost_ok@90"],
    "a lost line": ["lost_line@120"],
    "a damaged line": ["corrupt_line@120"],
    "a resend for nothing": ["resend@120"],
    "the same resend five times": ["resend:5@120"],
    "noise": ["garbage@120", "garbage@121", "garbage@122"],
    "a short silence": ["silence:0.6@120"],
    "one after the other": ["corrupt_line@20", "lost_ok@21", "garbage@22", "lost_line@23", "resend@24"],
}


@pytest.mark.parametrize("fault", HEALS)
async def test_every_line_arrives_once_and_in_order_in_spite_of(fault: str, tmp_path: Path) -> None:
    lines = moves(300)
    async with connected(faults=HEALS[fault]) as (marlin, mock):
        await marlin.start(written(tmp_path, lines), "run-1")
        assert outcome(await ended(marlin)) is Outcome.DONE
    assert reached(mock) == lines


@pytest.mark.parametrize("fault", ["lost_ok@100", "corrupt_line@100"])
async def test_a_poorer_firmware_recovers_from(fault: str, tmp_path: Path) -> None:
    """No busy, no reports, no ok after a resend."""
    lines = moves(300)
    plain = Abilities(emergency_parser=False, reports_heat=False, says_busy=False)
    async with connected(faults=[fault], abilities=plain, resend_ok=False) as (marlin, mock):
        await marlin.start(written(tmp_path, lines), "run-1")
        assert outcome(await ended(marlin)) is Outcome.DONE
    assert reached(mock) == lines


async def test_a_line_that_cannot_be_got_across_fails_the_job(tmp_path: Path) -> None:
    async with connected(faults=["resend_storm@100"]) as (marlin, mock):
        await marlin.start(written(tmp_path, ["M104 S100", *moves(300)]), "run-1")
        await until(
            marlin, lambda status: "could not be got across" in getattr(status.progress, "detail", "")
        )
        mock.reset()
        status = await ended(marlin)
    assert outcome(status) is Outcome.FAILED
    assert len(reached(mock)) < 300


async def test_many_resends_are_worth_a_word_about_the_cable(tmp_path: Path) -> None:
    faults = [f"corrupt_line@{at}" for at in range(50, 110, 2)]
    lines = [*moves(200), "M0"]
    async with connected(faults=faults) as (marlin, _):
        await marlin.start(written(tmp_path, lines), "run-1")
        status = await until(marlin, lambda s: "cable" in s.message or s.state is DeviceState.PAUSED)
        assert status.state in (DeviceState.RUNNING, DeviceState.PAUSED)


async def test_a_firmware_that_restarts_in_mid_print_has_lost_the_job(tmp_path: Path) -> None:
    async with connected(faults=["reset@150"]) as (marlin, mock):
        await marlin.start(written(tmp_path, moves(400)), "run-1")
        status = await ended(marlin)
        assert outcome(status) is Outcome.FAILED
        assert status.progress is not None
        assert "restarted" in status.progress.detail
        assert len(reached(mock)) < 400
        await holds(lambda: mock.accepted[-4:-1] == ["M104 S0", "M140 S0", "M107"])
        assert (await until(marlin, lambda status: True)).state is DeviceState.IDLE


async def test_an_idle_firmware_that_restarts_is_greeted_again_and_prints(tmp_path: Path) -> None:
    async with connected() as (marlin, mock):
        mock.reset()
        await holds(lambda: mock.accepted.count("M115") == 2)
        await marlin.start(written(tmp_path, moves(50)), "run-1")
        assert outcome(await ended(marlin)) is Outcome.DONE
    assert reached(mock) == moves(50)


async def test_a_board_that_resets_on_opening_is_waited_for(tmp_path: Path) -> None:
    async with connected(reset_on_open=True) as (marlin, mock):
        await marlin.start(written(tmp_path, moves(50)), "run-1")
        assert outcome(await ended(marlin)) is Outcome.DONE
        assert reached(mock) == moves(50)


async def test_a_halted_firmware_is_a_fault_until_it_is_reset(tmp_path: Path) -> None:
    path = written(tmp_path, moves(400))
    async with connected(faults=["thermal_runaway@150"]) as (marlin, mock):
        await marlin.start(path, "run-1")
        status = await until(marlin, lambda status: "halted" in status.message)
        assert status.state is DeviceState.FAULT
        assert "Thermal Runaway" in status.message
        assert outcome(status) is Outcome.FAILED
        for order in (marlin.pause(), marlin.cancel(), marlin.start(path, "run-2")):
            with pytest.raises(DeviceRefused, match="needs a reset"):
                await order
        assert await marlin.make_safe() is Safety.NOT_CONFIRMED
        mock.reset()
        await until(marlin, lambda status: status.state is DeviceState.IDLE)
        await marlin.start(path, "run-2")
        assert outcome(await ended(marlin)) is Outcome.DONE


async def test_a_machine_that_falls_silent_in_mid_print_is_a_lost_link_and_no_outcome(tmp_path: Path) -> None:
    limits = {"tries_running": 2}
    async with connected(faults=["silence@150"], limits=limits) as (marlin, mock):
        await marlin.start(written(tmp_path, moves(400)), "run-1")
        status, error = await lost(marlin)
        assert isinstance(error, DeviceTimeout)
        assert status is not None
        assert (status.state, outcome(status)) == (DeviceState.OFFLINE, None)
        for order in (marlin.pause(), marlin.cancel()):
            with pytest.raises(LinkLost):
                await order
        assert await marlin.make_safe() is Safety.NOT_CONFIRMED
        assert len(reached(mock)) < 400


async def test_an_idle_machine_that_falls_silent_is_a_lost_link() -> None:
    async with connected() as (marlin, mock):
        mock.inject("silence")
        _, error = await lost(marlin)
        assert isinstance(error, DeviceTimeout)


async def test_an_unplugged_cable_is_a_lost_link_and_can_be_opened_again(tmp_path: Path) -> None:
    path = written(tmp_path, ["M104 S200", *moves(400)])
    async with connected(faults=["unplug:0.2@150"]) as (marlin, mock):
        await marlin.start(path, "run-1")
        status, error = await lost(marlin)
        assert type(error) is LinkLost
        assert outcome(status) is None if status else False
        await holds(lambda: Path(mock.port).is_symlink())
        before = len(mock.accepted)
        await marlin.open()
        await holds(lambda: "M104 S0" in mock.accepted[before:])
        status = await until(marlin, lambda status: status.state is DeviceState.IDLE)
        assert status.progress is None


async def test_an_outcome_outlives_a_lost_link(tmp_path: Path) -> None:
    async with connected() as (marlin, mock):
        await marlin.start(written(tmp_path, moves(5)), "run-1")
        await ended(marlin)
        mock.inject("unplug:0.1")
        await lost(marlin)
        await holds(lambda: Path(mock.port).is_symlink())
        await marlin.open()
        assert outcome(await ended(marlin)) is Outcome.DONE


async def test_make_safe_on_a_silent_machine_is_not_confirmed() -> None:
    async with connected(limits={"safe_s": 0.3, "silence_s": 9, "busy_silence_s": 9}) as (marlin, mock):
        mock.inject("silence")
        assert await marlin.make_safe() is Safety.NOT_CONFIRMED


async def test_make_safe_kills_as_the_last_means_where_that_is_allowed(tmp_path: Path) -> None:
    """A pause that waits for a person holds the queue; M108 ends it, but `busy` cannot be ended."""
    device = {"kill": True, "quick_stop": True}
    async with connected(speed=1, faults=["busy:60@20"], device=device, limits={"safe_s": 0.3}) as (
        marlin,
        mock,
    ):
        await marlin.start(written(tmp_path, ["M104 S200", *moves(100)]), "run-1")
        await holds(lambda: len(mock.accepted) >= 20)
        assert await marlin.make_safe() is Safety.NOT_CONFIRMED
        await until(marlin, lambda status: status.state is DeviceState.FAULT)
        assert mock.heat["tool0_target"] == 0


async def test_a_long_command_that_says_busy_is_waited_for(tmp_path: Path) -> None:
    limits = {"busy_silence_s": 2.2, "tries_running": 0}
    async with connected(faults=["busy:2.5@30"], limits=limits) as (marlin, mock):
        mock.set_speed(1)
        await marlin.start(written(tmp_path, moves(60)), "run-1")
        assert outcome(await ended(marlin)) is Outcome.DONE
        assert reached(mock) == moves(60)


async def test_a_long_command_of_a_firmware_without_busy_is_waited_for(tmp_path: Path) -> None:
    plain = Abilities(says_busy=False, reports_heat=False)
    async with connected(abilities=plain, speed=1) as (marlin, mock):
        await marlin.start(written(tmp_path, ["G4 P1000", *moves(3)]), "run-1")
        assert outcome(await ended(marlin)) is Outcome.DONE
        assert mock.accepted.count("G4 P1000") == 1


async def test_the_machines_own_panel_can_pause_resume_and_cancel(tmp_path: Path) -> None:
    async with connected(speed=1) as (marlin, mock):
        await marlin.start(written(tmp_path, moves(5000)), "run-1")
        mock.say(b"//action:pause\n")
        status = await until(marlin, lambda status: status.state is DeviceState.PAUSED)
        assert status.message == "paused at the machine"
        mock.say(b"//action:resume\n")
        await until(marlin, lambda status: status.state is DeviceState.RUNNING)
        mock.say(b"//action:notification Filament low\n//action:unheard_of\n")
        await until(marlin, lambda status: status.message == "Filament low")
        mock.say(b"//action:cancel\n")
        assert outcome(await ended(marlin)) is Outcome.CANCELLED


async def test_an_error_and_a_wait_for_a_person_are_passed_on(tmp_path: Path) -> None:
    async with connected(speed=1, limits={"busy_silence_s": 5}) as (marlin, mock):
        mock.say(b"Error:Probing failed\n")
        await until(marlin, lambda status: status.message == "Error:Probing failed")
        await marlin.start(written(tmp_path, ["M600", *moves(3)]), "run-1")
        await until(marlin, lambda status: status.message == "paused for user")


async def test_stray_oks_and_half_words_do_not_run_the_program_ahead(tmp_path: Path) -> None:
    lines = moves(200)
    async with connected(speed=2) as (marlin, mock):
        await marlin.start(written(tmp_path, lines), "run-1")
        mock.say(b"ok\nok N5 P15 B3\nResend: x\nwait\nError:No Line Number with checksum, Last Line: 3\no")
        mock.say(b"k\nok T:20.0 /0.0 B:20.0 /0.0\n")
        assert outcome(await ended(marlin)) is Outcome.DONE
    assert reached(mock) == lines


def scripted(answer: dict[bytes, bytes]) -> Marlin:
    """A driver on a wire that answers by the first key found in what was written."""

    def reply(data: bytes) -> Iterable[bytes | None]:
        return [text for key, text in answer.items() if key in data][:1]

    return Marlin(name="m", port="", limits=QUICK, connect=lambda: Lines(ScriptPort(reply)))


@pytest.mark.parametrize(
    "answers",
    [
        {b"M110": b"Grbl 1.1h ['$' for help]\r\n"},
        {b"M110": b"error:20\r\n", b"$I": b"[VER:1.1h.20190830:]\r\n[OPT:V,15,128]\r\nok\r\n"},
        {b"M110": b"[MSG:'$H'|'$X' to unlock]\r\nerror:9\r\n", b"$I": b"[VER:1.1h:]\r\nok\r\n"},
    ],
    ids=["banner", "an error with a number", "locked"],
)
async def test_a_grbl_on_the_port_is_a_misfit(answers: dict[bytes, bytes]) -> None:
    with pytest.raises(Misfit, match=r"expected a Marlin printer, a GRBL 1\.1h answered"):
        await scripted(answers).open()


async def test_a_grbl_that_does_not_tell_its_version_is_a_misfit() -> None:
    with pytest.raises(Misfit, match="a GRBL of unknown version answered"):
        await scripted({b"M110": b"ALARM:1\r\n"}).open()


async def test_a_firmware_of_another_kind_is_a_misfit() -> None:
    answers = {b"M110": b"ok\n", b"M115": b"FIRMWARE_NAME:Klipper FIRMWARE_VERSION:v0.12\nok\n"}
    with pytest.raises(Misfit, match="expected a Marlin printer, Klipper answered"):
        await scripted(answers).open()


async def test_an_ok_from_before_is_not_taken_for_the_hellos() -> None:
    """A board that was busy when the cable came back: the first ok is old, and its numbers stand elsewhere."""
    hellos = count(1)

    def reply(data: bytes) -> Iterable[bytes]:
        if b"M110" in data:
            next(hellos)
            return [b"ok\n"]
        if b"M115" in data:
            known = next(asked) > 1
            return [b"FIRMWARE_NAME:Marlin\nok\n" if known else b"Error:Line Number\nResend: 30\nok\n"]
        return [b"ok T:20.0 /0.0 B:20.0 /0.0\n"]

    asked = count(1)
    marlin = Marlin(name="m", port="", limits=QUICK, connect=lambda: Lines(ScriptPort(reply)))
    assert (await marlin.open()).firmware == "Marlin"
    assert next(hellos) == 3
    await marlin.close()


async def test_a_firmware_that_does_not_say_its_name_is_a_misfit() -> None:
    with pytest.raises(
        Misfit, match="expected a Marlin printer, what answered does not say which firmware it is"
    ):
        await scripted({b"": b"ok\n"}).open()


async def test_a_port_that_never_answers_times_out() -> None:
    marlin = scripted({b"nothing": b""})
    marlin._limits = QUICK.__class__(open_s=0.2, hello_s=0.1, tick_s=0.02)
    with pytest.raises(DeviceTimeout, match="nothing answers like a Marlin"):
        await marlin.open()


async def test_a_wire_that_breaks_in_the_handshake_is_a_lost_link() -> None:
    breaks = Marlin(name="m", port="", limits=QUICK, connect=lambda: Lines(ScriptPort(lambda _: [None])))
    with pytest.raises(LinkLost, match="breaks"):
        await breaks.open()


async def test_a_firmware_that_numbers_its_oks_and_has_two_tools_is_understood(tmp_path: Path) -> None:
    """ADVANCED_OK, a second hotend and a chamber, as the mock has none of them."""
    numbers = count(1)
    asked: list[bytes] = []

    def reply(data: bytes) -> Iterable[bytes]:
        asked.append(data)
        if b"M110" in data:
            return [b"ok\n"]
        number = next(numbers)
        if b"M115" in data:
            return [
                b"FIRMWARE_NAME:Marlin 2.1 UUID:abc\nCap:AUTOREPORT_TEMP:1\n",
                b"ok N%d P15 B3\n" % number,
            ]
        if b"M105" in data:
            return [b"ok T:20.0 /0.0 T0:20.0 /0.0 T1:21.0 /0.0 B:20.0 /0.0 C:19.5 /0.0 @:0\n"]
        return [b"ok N%d P15 B3\n" % number]

    marlin = Marlin(name="m", port="", limits=QUICK, connect=lambda: Lines(ScriptPort(reply)))
    assert (await marlin.open()).serial_number == "abc"
    await marlin.start(written(tmp_path, moves(3)), "run-1")
    status = await ended(marlin)
    await marlin.close()
    assert status.heat_c["tool1"] == 21.0
    assert status.heat_c["chamber"] == 19.5
    sent = b"".join(asked)
    assert b"M104 T1 S0" in sent
    assert b"M141 S0" in sent


async def test_a_journal_that_cannot_be_written_does_not_spoil_the_print(tmp_path: Path) -> None:
    def journal(line: int, offset: int) -> None:
        raise OSError("the disk is full")

    async with connected(device={"journal": journal}, speed=1) as (marlin, _):
        await marlin.start(written(tmp_path, moves(500)), "run-1")
        await until(marlin, lambda status: "disk is full" in status.message)
        assert outcome(await ended(marlin)) is Outcome.DONE


async def test_who_stops_waiting_for_an_answer_does_not_stop_the_print(tmp_path: Path) -> None:
    lines = moves(400)
    async with connected(speed=1) as (marlin, mock):
        await marlin.start(written(tmp_path, lines), "run-1")
        for _ in range(50):
            waiting = asyncio.ensure_future(marlin.resume())
            await asyncio.sleep(0)
            waiting.cancel()
        assert outcome(await ended(marlin)) is Outcome.DONE
        waiting = asyncio.ensure_future(marlin.make_safe())
        await asyncio.sleep(0.01)
        waiting.cancel()
        assert await marlin.make_safe() is Safety.CONFIRMED
    assert reached(mock) == lines
