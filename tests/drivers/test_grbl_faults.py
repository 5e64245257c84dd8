"""What goes wrong between the GRBL driver and its machine, each ending in a state that is true and without a beam."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers.grbl import Grbl, meanings
from drivers.lines import Lines, ScriptPort
from drivers.mock.grbl import MockGrbl
from fablab.device import (
    DeviceError,
    DeviceRefused,
    DeviceState,
    DeviceTimeout,
    LinkLost,
    Misfit,
    Outcome,
    Safety,
)
from tests.drivers.grbl_rig import (
    QUICK,
    back_and_forth,
    burns,
    connected,
    detail,
    ended,
    holds,
    lost,
    outcome,
    until,
    written,
)

LONG = back_and_forth(60)
HASTY = {"safe_s": 0.6, "hold_s": 0.2, "reset_s": 0.15}  # a stop that will not be confirmed


def unlocks(mock: MockGrbl) -> list[str]:
    """What only a person may do: unlock, home, change a setting."""
    return [
        command for command in mock.commands if command.startswith(("$X", "$H", "$RST")) or "=" in command
    ]


# -- acknowledgements


@pytest.mark.parametrize("line", [40, 102])
async def test_a_lost_acknowledgement_is_noticed_and_nothing_is_sent_twice(tmp_path: Path, line: int) -> None:
    """102 is the program's last line: only the closing lines are still to come."""
    lines = burns(100)
    async with connected() as (grbl, mock):
        await holds(lambda: mock.accepted == ["M5"])
        mock.inject(f"lost_ok@{line}")
        await grbl.start(written(tmp_path, lines), "run-1")
        status = await ended(grbl)
        assert mock.accepted[1:-2] == lines
    assert outcome(status) is Outcome.DONE
    assert detail(status) == "an acknowledgement was lost on the wire; check the cable"


async def test_many_lost_acknowledgements_do_not_stall_the_stream(tmp_path: Path) -> None:
    lines = burns(100)
    async with connected() as (grbl, mock):
        await grbl.start(written(tmp_path, lines), "run-1")
        for _ in range(12):
            mock.inject("lost_ok")
        assert outcome(await ended(grbl)) is Outcome.DONE
        assert mock.accepted[1:-2] == lines


@pytest.mark.parametrize("when", ["at its start", "later"])
async def test_a_lost_acknowledgement_in_the_trial_keeps_no_program_from_its_start(
    tmp_path: Path, when: str
) -> None:
    async with connected() as (grbl, mock):
        await holds(lambda: mock.accepted == ["M5"])
        if when == "at its start":
            mock.inject("lost_ok")
        starting = asyncio.create_task(grbl.start(written(tmp_path, burns(3000, step_mm=0.01)), "run-1"))
        if when == "later":
            await holds(lambda: len(mock.checked) > 100)
            mock.inject("lost_ok")
        await starting
        assert len(mock.checked) == 3001
        status = await ended(grbl)
    assert (outcome(status), detail(status)) == (Outcome.DONE, "")


async def test_a_lost_answer_to_the_question_for_lost_acknowledgements_ends_no_program(
    tmp_path: Path,
) -> None:
    lines = burns(100)
    async with connected() as (grbl, mock):
        await holds(lambda: mock.accepted == ["M5"])
        mock.inject("lost_ok@102")
        mock.inject("lost_ok@103")
        await grbl.start(written(tmp_path, lines), "run-1")
        await holds(lambda: len(mock.accepted) == len(lines) + 3)
        mock.inject("lost_ok")
        status = await ended(grbl)
        assert mock.accepted[1:-2] == lines
    assert (outcome(status), mock.commands.count("$G") >= 2) == (Outcome.DONE, True)


async def test_a_damaged_acknowledgement_counts(tmp_path: Path) -> None:
    async with connected(faults=[f"damaged_ok@{n}" for n in range(20, 40)]) as (grbl, _):
        await grbl.start(written(tmp_path, burns(100)), "run-1")
        status = await ended(grbl)
    assert (outcome(status), detail(status)) == (Outcome.DONE, "")


async def test_noise_is_read_over(tmp_path: Path) -> None:
    async with connected(speed=5) as (grbl, mock):
        await grbl.start(written(tmp_path, back_and_forth(3)), "run-1")
        await holds(lambda: mock.beam_on)
        mock.inject("garbage")
        assert outcome(await ended(grbl)) is Outcome.DONE


async def test_a_slow_acknowledgement_is_waited_for_while_the_machine_answers(tmp_path: Path) -> None:
    async with connected(limits={"silence_s": 0.3}) as (grbl, mock):
        mock.inject("busy:0.8@10")
        await grbl.start(written(tmp_path, burns(20)), "run-1")
        status = await ended(grbl)
    assert (outcome(status), detail(status)) == (Outcome.DONE, "")


async def test_a_machine_that_takes_no_more_lines_is_lost_in_the_end(tmp_path: Path) -> None:
    async with connected(limits={"line_s": 0.3}) as (grbl, mock):
        mock.inject("busy:60@10")
        await grbl.start(written(tmp_path, burns(20, feed=60_000)), "run-1")
        _, error = await lost(grbl)
    assert "takes no more lines" in str(error)


# -- what the machine refuses


async def test_a_damaged_line_stops_the_program_at_once_with_its_number_and_its_meaning(
    tmp_path: Path,
) -> None:
    async with connected(speed=20) as (grbl, mock):
        await grbl.start(written(tmp_path, [*LONG[:4], *burns(5)[1:], *LONG]), "run-1")
        await holds(lambda: mock.beam_on)
        mock.inject("corrupt_line")
        status = await ended(grbl)
        assert outcome(status) is Outcome.FAILED
        assert "error 1: a word does not begin with a letter" in detail(status)
        assert detail(status).startswith("line ")
        assert (mock.beam_on, mock.state, status.state) == (False, "Idle", DeviceState.IDLE)


# -- alarms


@pytest.mark.parametrize("number", range(1, 10))
async def test_an_alarm_fails_the_program_and_leaves_a_fault_that_a_person_must_end(
    tmp_path: Path, number: int
) -> None:
    program = written(tmp_path, LONG)
    async with connected(speed=1) as (grbl, mock):
        await grbl.start(program, "run-1")
        await holds(lambda: mock.beam_on)
        mock.inject(f"alarm:{number}")
        status = await ended(grbl)
        assert (outcome(status), status.state) == (Outcome.FAILED, DeviceState.FAULT)
        assert meanings.ALARMS[number] in detail(status)
        assert "home it ($H) or unlock it ($X)" in status.message
        with pytest.raises(DeviceRefused, match=r"not free: .*look at the machine"):
            await grbl.start(program, "run-2")
        assert (mock.state, mock.beam_on, unlocks(mock)) == ("Alarm", False, [])


async def test_an_alarm_at_rest_is_a_fault_whose_machine_goes_on_answering() -> None:
    async with connected() as (grbl, mock):
        mock.inject("alarm:1")
        status = await until(grbl, lambda s: s.state is DeviceState.FAULT)
        assert "a limit switch was hit" in status.message
        await holds(lambda: mock.state == "Alarm")
        assert await grbl.make_safe() is Safety.CONFIRMED
        assert (await until(grbl, lambda s: True)).state is DeviceState.FAULT
        assert unlocks(mock) == []


async def test_a_machine_that_wants_homing_opens_as_a_fault() -> None:
    async with connected(settings={22: 1}) as (grbl, mock):
        status = await until(grbl, lambda s: True)
        assert status.state is DeviceState.FAULT
        assert status.message.startswith("locked; look at the machine")
        assert (await grbl.make_safe(), unlocks(mock)) == (Safety.CONFIRMED, [])


# -- holds and doors


async def test_a_hold_pressed_on_the_machine_pauses_and_a_resume_lets_it_go_on(tmp_path: Path) -> None:
    async with connected(speed=4) as (grbl, mock):
        await grbl.start(written(tmp_path, back_and_forth(4)), "run-1")
        await holds(lambda: mock.beam_on)
        mock.inject("hold")
        status = await until(grbl, lambda s: s.state is DeviceState.PAUSED)
        assert status.message == "on hold at the machine; press resume to go on"
        await grbl.resume()
        assert outcome(await ended(grbl)) is Outcome.DONE


async def test_an_open_door_pauses_and_a_closed_one_does_not_resume_by_itself(tmp_path: Path) -> None:
    async with connected(speed=4) as (grbl, mock):
        await grbl.start(written(tmp_path, back_and_forth(4)), "run-1")
        await holds(lambda: mock.beam_on)
        mock.inject("door")
        await until(grbl, lambda s: s.message == "door open; close it and press resume")
        assert not mock.beam_on
        with pytest.raises(DeviceRefused, match="door is open"):
            await grbl.resume()
        mock.inject("door_close")
        status = await until(grbl, lambda s: s.message == "door closed again; press resume to go on")
        assert status.state is DeviceState.PAUSED
        await asyncio.sleep(0.3)
        assert (mock.state, mock.beam_on) == ("Door:0", False)
        await grbl.resume()
        assert outcome(await ended(grbl)) is Outcome.DONE


async def test_a_program_that_asks_for_a_person_pauses(tmp_path: Path) -> None:
    async with connected(speed=20) as (grbl, mock):
        await grbl.start(written(tmp_path, ["G1 X10 F6000", "M0", "G1 X20"]), "run-1")
        await until(grbl, lambda s: s.state is DeviceState.PAUSED)
        assert mock.position[0] == pytest.approx(10)
        await grbl.resume()
        assert outcome(await ended(grbl)) is Outcome.DONE


async def test_a_hold_without_a_program_is_let_go_by_a_resume_and_keeps_programs_out(tmp_path: Path) -> None:
    async with connected() as (grbl, mock):
        mock.inject("hold")
        await until(grbl, lambda s: s.state is DeviceState.PAUSED)
        with pytest.raises(DeviceRefused, match="not free: on hold"):
            await grbl.start(written(tmp_path, burns(1)), "run-1")
        await grbl.resume()
        await until(grbl, lambda s: s.state is DeviceState.IDLE)


async def test_an_open_door_at_the_opening_is_told_and_the_settings_are_asked_when_it_is_closed(
    tmp_path: Path,
) -> None:
    program = written(tmp_path, burns(3))
    with MockGrbl() as mock:
        grbl = Grbl(name="g", port=mock.port, limits=QUICK, every_s=0.1)
        await grbl.open()
        await grbl.close()
        mock.inject("door")
        identity = await grbl.open()
        assert identity.features["laser_mode"] == "unknown"
        await until(grbl, lambda s: s.state is DeviceState.PAUSED and "door open" in s.message)
        assert await grbl.make_safe() is Safety.CONFIRMED
        mock.inject("door_close")
        await until(grbl, lambda s: "door closed again" in s.message)
        await grbl.resume()
        await until(grbl, lambda s: s.state is DeviceState.IDLE)
        await holds(lambda: mock.commands.count("$$") == 2)
        await grbl.start(program, "run-1")
        assert outcome(await ended(grbl)) is Outcome.DONE
        await grbl.close()


async def test_which_machine_it_is_cannot_be_asked_through_an_open_door() -> None:
    with MockGrbl() as mock:
        first = Grbl(name="g", port=mock.port, limits=QUICK)
        await first.open()
        await first.close()
        mock.inject("door")
        with pytest.raises(DeviceTimeout, match="while its door is open"):
            await Grbl(name="g", port=mock.port, limits=QUICK, serial_number="LASER-1").open()


# -- losses


async def test_a_restart_in_mid_program_is_a_failure(tmp_path: Path) -> None:
    async with connected(speed=1) as (grbl, mock):
        await grbl.start(written(tmp_path, LONG), "run-1")
        await holds(lambda: mock.beam_on)
        mock.inject("reset")
        status = await ended(grbl)
        assert (outcome(status), status.state) == (Outcome.FAILED, DeviceState.IDLE)
        assert detail(status) == "the machine restarted in the middle of the program"
        assert not mock.beam_on


async def test_a_restart_at_rest_is_nothing_but_a_new_beginning(tmp_path: Path) -> None:
    async with connected() as (grbl, mock):
        await holds(lambda: mock.accepted == ["M5"])
        mock.inject("reset")
        await holds(lambda: mock.accepted.count("M5") == 2)
        await until(grbl, lambda s: s.state is DeviceState.IDLE and not s.message)
        await grbl.start(written(tmp_path, burns(2)), "run-1")
        assert outcome(await ended(grbl)) is Outcome.DONE


@pytest.mark.parametrize("fault", ["silence", "unplug:60", "trickle"])
async def test_a_lost_machine_is_offline_without_an_outcome_and_the_program_is_not_taken_up_again(
    tmp_path: Path, fault: str
) -> None:
    async with connected(speed=1) as (grbl, mock):
        await grbl.start(written(tmp_path, LONG), "run-1")
        await holds(lambda: mock.beam_on)
        mock.inject(fault)
        status, error = await lost(grbl)
        assert isinstance(error, LinkLost)
        assert status is not None
        assert status.state is DeviceState.OFFLINE
        assert status.progress is not None
        assert (status.progress.token, status.progress.outcome) == ("run-1", None)
        for order in (grbl.pause, grbl.resume, grbl.cancel):
            with pytest.raises(DeviceError):
                await order()
        assert await grbl.make_safe() is Safety.NOT_CONFIRMED


async def test_after_a_silence_the_machine_is_stopped_and_the_program_forgotten(tmp_path: Path) -> None:
    async with connected(speed=1) as (grbl, mock):
        await grbl.start(written(tmp_path, LONG), "run-1")
        await holds(lambda: mock.beam_on)
        mock.inject("silence:0.9")
        await lost(grbl)
        await asyncio.sleep(
            0.5
        )  # it is over; a reset that was the first byte heard after it would cost the position
        await grbl.close()
        await grbl.open()
        status = await until(grbl, lambda s: True)
        assert (status.state, status.progress) == (DeviceState.IDLE, None)
        assert (mock.beam_on, mock.state) == (False, "Idle")
        before = len(mock.accepted)
        await asyncio.sleep(0.2)
        assert mock.accepted[before:] in ([], ["M5"])


async def test_a_driver_that_comes_back_to_a_moving_head_holds_it_before_the_reset(tmp_path: Path) -> None:
    async with connected(speed=1) as (grbl, mock):
        await grbl.start(written(tmp_path, LONG), "run-1")
        await holds(lambda: mock.beam_on)
        await grbl.close()
        assert mock.state == "Run"
        await grbl.open()
        status = await until(grbl, lambda s: True)
        assert (status.state, mock.beam_on) == (
            DeviceState.IDLE,
            False,
        )  # no alarm 3: the position still holds


async def test_a_restart_in_the_trial_refuses_the_start(tmp_path: Path) -> None:
    async with connected() as (grbl, mock):
        starting = asyncio.create_task(grbl.start(written(tmp_path, burns(20_000, step_mm=0.001)), "run-1"))
        await holds(lambda: len(mock.checked) > 100)
        mock.inject("reset")
        with pytest.raises(DeviceRefused, match="restarted while it checked"):
            await starting
        await until(grbl, lambda s: s.state is DeviceState.IDLE and not s.message)


async def test_a_silence_in_the_trial_is_a_lost_link(tmp_path: Path) -> None:
    async with connected() as (grbl, mock):
        starting = asyncio.create_task(grbl.start(written(tmp_path, burns(20_000, step_mm=0.001)), "run-1"))
        await holds(lambda: len(mock.checked) > 100)
        mock.inject("silence")
        with pytest.raises(LinkLost, match="stopped answering"):
            await starting


async def test_a_program_beyond_the_soft_limits_is_refused_and_the_machine_says_it_is_locked(
    tmp_path: Path,
) -> None:
    async with connected(settings={22: 1, 20: 1}) as (grbl, mock):
        # A person homes it; the driver only sees it.
        mock._do(lambda: setattr(mock._grbl.machine, "state", type(mock._grbl.machine.state)("Idle")))
        await until(grbl, lambda s: s.state is DeviceState.IDLE)
        with pytest.raises(DeviceRefused, match=r"line 2 \(G1 X900 F1000\): alarm 2: .*was not made"):
            await grbl.start(written(tmp_path, ["G21", "G1 X900 F1000", "G1 X-1"]), "run-1")
        assert (await until(grbl, lambda s: True)).state is DeviceState.FAULT
        assert unlocks(mock) == []


# -- make safe


async def test_making_safe_a_running_laser_ends_the_program_and_keeps_the_position(tmp_path: Path) -> None:
    async with connected(speed=1) as (grbl, mock):
        await grbl.start(written(tmp_path, LONG), "run-1")
        await holds(lambda: mock.beam_on)
        assert await asyncio.gather(grbl.make_safe(), grbl.make_safe()) == [Safety.CONFIRMED] * 2
        status = await until(grbl, lambda s: True)
        assert (outcome(status), status.state) == (Outcome.CANCELLED, DeviceState.IDLE)
        assert (mock.beam_on, mock.state) == (False, "Idle")


@pytest.mark.parametrize(("fault", "state"), [("door", DeviceState.PAUSED), ("hold", DeviceState.IDLE)])
async def test_making_safe_works_through_a_door_and_a_hold(
    tmp_path: Path, fault: str, state: DeviceState
) -> None:
    async with connected(speed=1) as (grbl, mock):
        await grbl.start(written(tmp_path, LONG), "run-1")
        await holds(lambda: mock.beam_on)
        mock.inject(fault)
        await until(grbl, lambda s: s.state is DeviceState.PAUSED)
        assert await grbl.make_safe() is Safety.CONFIRMED
        status = await until(grbl, lambda s: outcome(s) is Outcome.CANCELLED)
        assert (status.state, mock.beam_on) == (state, False)


async def test_a_silent_machine_is_told_and_not_confirmed(tmp_path: Path) -> None:
    async with connected(speed=1, limits={"silence_s": 30, **HASTY}) as (grbl, mock):
        await grbl.start(written(tmp_path, LONG), "run-1")
        await holds(lambda: mock.beam_on)
        mock.inject("silence")
        assert await grbl.make_safe() is Safety.NOT_CONFIRMED
        status, error = await lost(grbl)
        assert "does not answer a stop" in str(error)
        assert outcome(status) is None if status else False


# -- a machine that only a script can be


class Script:
    """A GRBL's answers to single writes; `None` breaks the wire."""

    def __init__(self, **answers: list[bytes | None]) -> None:
        self.report = b"<Idle|MPos:0.000,0.000,0.000|FS:0,0|Ov:100,100,100>\r\n"
        self.build = b"[VER:1.1h.20190830:LASER-2]\r\n[OPT:V,15,128]\r\nok\r\n"
        self.settings = b"$32=1\r\nok\r\n"
        self.banner: bytes | None = b"Grbl 1.1h ['$' for help]\r\n"
        self.lines: dict[bytes, bytes] = {}
        self.port = ScriptPort(self._answer)

    def _answer(self, data: bytes) -> list[bytes | None]:
        if data == b"?":
            return [self.report[:17], self.report[17:]]  # in pieces, as it comes through an adapter
        if data == b"\x18":
            return [self.banner]
        if data.strip() == b"$I":
            return [self.build]
        if data.strip() == b"$$":
            return [self.settings]
        return [] if len(data) == 1 else [self.lines.get(data.strip(), b"ok\r\n")]

    def device(self, **more: Any) -> Grbl:
        given = {"name": "g", "port": "/dev/x", "limits": QUICK, "connect": lambda: Lines(self.port)}
        return Grbl(**(given | more))


async def test_the_name_stored_in_the_machine_is_its_serial_number() -> None:
    script = Script()
    identity = await script.device(serial_number="LASER-2").open()
    assert identity.serial_number == "LASER-2"
    with pytest.raises(
        Misfit, match=r"g expects LASER-1; LASER-2 .* which is engraver of devices.toml, answered"
    ):
        await Script().device(serial_number="LASER-1", known={"LASER-2": "engraver"}).open()


async def test_a_grbl_that_is_too_old_is_a_misfit() -> None:
    script = Script()
    script.banner = b"Grbl 0.9j ['$' for help]\r\n"
    with pytest.raises(Misfit, match=r"expected a GRBL 1.1 laser on /dev/x, this answered: Grbl 0.9j"):
        await script.device().open()


async def test_a_port_that_answers_nothing_is_a_timeout_and_one_that_only_babbles_a_misfit() -> None:
    silent = ScriptPort(lambda data: [])
    limits = replace(QUICK, open_s=0.3, hello_s=0.1)
    with pytest.raises(DeviceTimeout, match="nothing on /dev/x answers like a GRBL"):
        await Grbl(name="g", port="/dev/x", limits=limits, connect=lambda: Lines(silent)).open()
    babble = ScriptPort(lambda data: [b"HELLO\r\n"])
    with pytest.raises(Misfit, match="this answered: HELLO"):
        await Grbl(name="g", port="/dev/x", limits=limits, connect=lambda: Lines(babble)).open()


async def test_a_moving_head_is_not_reset_before_it_says_that_it_stands_however_late_it_answers() -> None:
    script = Script()
    late: list[bytes] = [b"", b"", b"<Run|FS:9,9>\r\n"]  # to one question after the other
    slowing = [b"<Hold:1|FS:9,0>\r\n"] * 12  # longer than `hold_s`
    stands = b"<Hold:0|FS:0,0>\r\n"
    last = b""
    seen: list[bytes] = []

    def answer(data: bytes) -> list[bytes | None]:
        nonlocal last
        if data == b"!":
            late[:] = [*slowing, stands]
        elif data == b"\x18":
            seen.append(last)
        elif data == b"?" and not seen:
            last = late.pop(0) if late else last
            return [last]
        return script._answer(data)

    script.port = ScriptPort(answer)
    grbl = script.device(limits=replace(QUICK, hold_s=0.2))
    await grbl.open()
    assert seen == [stands]
    await grbl.close()


async def test_a_beam_that_the_status_still_tells_is_not_confirmed() -> None:
    script = Script()
    grbl = script.device(limits=replace(QUICK, **HASTY))
    await grbl.open()
    script.report = b"<Idle|MPos:0.000,0.000,0.000|FS:0,300|Ov:100,100,100|A:S>\r\n"
    assert await grbl.make_safe() is Safety.NOT_CONFIRMED
    assert script.port.written.count(b"M5\n") > 1  # of the opening, and of the stop
    await grbl.close()


async def test_the_hold_is_the_first_thing_on_the_wire_after_a_stop_is_asked_for(tmp_path: Path) -> None:
    script = Script()
    grbl = script.device(limits=replace(QUICK, check_s=0.05))
    await grbl.open()
    await grbl.start(written(tmp_path, burns(20_000)), "run-1")
    await holds(lambda: b"G1 X1.00 S102 F3000\n" in script.port.written)
    before = len(script.port.written)
    assert await grbl.make_safe() is Safety.CONFIRMED
    after = script.port.written[before:]
    hold = after.index(b"!")
    assert not any(data.startswith(b"G") for data in after[hold:])
    assert [data for data in after[hold:] if data != b"?"][:3] == [b"!", b"\x18", b"M5\n"]
    await grbl.close()


async def test_an_error_after_the_program_fails_it_too(tmp_path: Path) -> None:
    script = Script()
    script.lines[b"G4 P0.01"] = b"error:9\r\n"
    grbl = script.device(every_s=0.05)
    await grbl.open()
    await grbl.start(written(tmp_path, burns(2)), "run-1")
    status = await ended(grbl)
    assert (outcome(status), detail(status)) == (
        Outcome.FAILED,
        "G4 P0.01 after the program: error 9: the machine is locked by an alarm or is jogging",
    )
    await grbl.close()


async def test_an_alarm_whose_line_was_lost_is_seen_in_the_status(tmp_path: Path) -> None:
    script = Script()
    grbl = script.device(every_s=0.05)
    await grbl.open()
    script.lines[b"G4 P0.01"] = b""  # it never comes to its end
    await grbl.start(written(tmp_path, burns(2)), "run-1")
    script.report = b"<Alarm|MPos:0.000,0.000,0.000|FS:0,0|Ov:100,100,100>\r\n"
    status = await ended(grbl)
    assert (outcome(status), detail(status)) == (Outcome.FAILED, "the machine says Alarm")
    assert status.state is DeviceState.FAULT
    await grbl.close()


async def test_a_wire_that_breaks_in_the_handshake_is_a_lost_link() -> None:
    script = Script()
    script.banner = None
    with pytest.raises(LinkLost, match="breaks the wire"):
        await script.device().open()
