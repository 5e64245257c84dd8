"""Marlin's words, program lines and line numbers, without a wire."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.marlin import words
from drivers.marlin.program import LONGEST_COMMAND, Kind, Program, judge, remaining_s, tidy
from drivers.marlin.talk import SAME_RESENDS, Talk, Verdict
from drivers.marlin.words import Word


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"ok", Word.OK),
        (b"ok T:210.0 /210.0", Word.OK),
        (b"ok N5 P15 B3", Word.OK),
        (b"okay", Word.OTHER),
        (b"Resend: 3", Word.RESEND),
        (b"rs 3", Word.RESEND),
        (b"rst", Word.OTHER),
        (b"echo:busy: processing", Word.BUSY),
        (b"busy: processing", Word.BUSY),
        (b"wait", Word.WAIT),
        (b"start", Word.START),
        (b"Marlin 2.0.9.7", Word.START),
        (b"FIRMWARE_NAME:Marlin 2.0.9", Word.OTHER),
        (b"//action:pause", Word.ACTION),
        (b"Error:checksum mismatch, Last Line: 2", Word.DAMAGED),
        (b"Error:Line Number is not Last Line Number+1, Last Line: 2", Word.DAMAGED),
        (b"Error:No Line Number with checksum, Last Line: 2", Word.NO_NUMBER),
        (b"Error:Printer halted. kill() called!", Word.FAULT),
        (b"Error:MAXTEMP triggered", Word.FAULT),
        (b"Error:Heating failed, system stopped! Heater_ID: bed", Word.FAULT),
        (b"!!", Word.FAULT),
        (b"Error:Probing failed", Word.ERROR),
        (b"\xff\xfe", Word.OTHER),
    ],
)
def test_a_line_is_known_by_its_first_words(line: bytes, word: Word) -> None:
    assert words.classify(line) is word


@given(st.binary(max_size=200))
def test_no_line_upsets_the_reader(line: bytes) -> None:
    words.classify(line)
    words.heat(line)
    words.resend_number(line)
    words.acknowledged_number(line)
    words.firmware([line])
    assert words.plain(line).isprintable() or words.plain(line) == ""


def test_a_frame_carries_number_and_checksum() -> None:
    assert words.frame(0, b"M110 N0") == b"N0 M110 N0*125\n"
    assert words.frame(3, b"T0") == b"N3 T0*57\n"


@pytest.mark.parametrize(
    ("line", "degrees"),
    [
        (
            b"ok T:21.5 /0.0 B:-3.0 /60.0 @:0 B@:127",
            {"tool0": 21.5, "tool0_target": 0, "bed": -3, "bed_target": 60},
        ),
        (b" T:25.00 /60.00 W:?", {"tool0": 25, "tool0_target": 60}),
        (b"T:1 /2 T0:1 /2 T1:3 /4", {"tool0": 1, "tool0_target": 2, "tool1": 3, "tool1_target": 4}),
        (b"EXTRUDER_COUNT:1 ARC:1 B@:5", {}),
        (b"T:25.0", {"tool0": 25}),
    ],
)
def test_temperatures_are_read(line: bytes, degrees: dict[str, float]) -> None:
    assert words.heat(line) == degrees


def test_only_targets_that_are_told_prove_that_heaters_are_off() -> None:
    assert words.all_off({"tool0": 200.0, "tool0_target": 0.0})
    assert not words.all_off({"tool0": 20.0})
    assert not words.all_off({"tool0": 20.0, "tool0_target": 0.0, "bed": 20.0, "bed_target": 1.0})
    assert not words.all_off({})


def test_a_prusa_tells_its_name_in_one_line() -> None:
    found = words.firmware(
        [b"FIRMWARE_NAME:Prusa-Firmware 3.13 based on Marlin MACHINE_TYPE:Prusa i3 MK3S UUID:a-b"]
    )
    assert found is not None
    assert (found.identity.model, found.identity.serial_number) == ("Prusa i3 MK3S", "a-b")
    assert not found.says_busy


def test_resend_numbers_in_all_dialects() -> None:
    dialects = [
        b"Resend: 3",
        b"Resend:N3",
        b"rs N3 Expected checksum 67",
        b"Resend: ",
        b"Resend: 99999999999",
    ]
    assert [words.resend_number(line) for line in dialects] == [3, 3, 3, None, None]


def test_program_lines_are_tidied() -> None:
    raw = [b"G1 X1 ; go", b"; only words", b"  \r\n", b"N12 G1 X2*33\r\n", b"g1\x00 x3\r", b"NaN", b"G1\tX4"]
    assert [tidy(line) for line in raw] == [b"G1 X1", b"", b"", b"G1 X2", b"g1 x3", b"NaN", b"G1\tX4"]


@given(st.binary(max_size=120))
def test_whatever_a_program_holds_no_stop_and_no_second_line_goes_out(raw: bytes) -> None:
    command = tidy(raw)
    if command:
        kind, sent = judge(command)
        assert b"\n" not in sent
        assert b"\r" not in sent
        assert kind is not Kind.SEND or (len(sent) <= LONGEST_COMMAND and sent[:4].upper() != b"M112")


def test_the_time_left_is_read_from_m73_only() -> None:
    assert remaining_s(b"M73 P3 R12") == 720
    assert remaining_s(b"M73 Q3 S12") is None
    assert remaining_s(b"M117 R12") is None


def test_a_very_long_comment_is_skipped_and_a_very_long_command_is_not(tmp_path: Path) -> None:
    path = tmp_path / "long.gcode"
    path.write_bytes(b"; " + b"x" * 20000 + b"\nG28\n" + b"G1 " + b"X" * 9000 + b"\nG1 ;" + b"y" * 5000)
    program = Program(path)
    steps = [program.next() for _ in range(4)]
    program.close()
    assert [(step.kind, step.line) for step in steps if step] == [
        (Kind.SEND, 2),
        (Kind.TOO_LONG, 3),
        (Kind.SEND, 3),
    ]
    assert program.end == program.size


def sent(talk: Talk, count: int) -> None:
    for index in range(count):
        talk.new(b"G1 X%d" % index)
        talk.ok()


def test_a_request_for_the_line_in_flight_sends_it_again_after_its_ok() -> None:
    talk = Talk()
    sent(talk, 4)
    frame = talk.new(b"G1 X9")
    assert talk.resend(5) is Verdict.REWIND
    assert talk.inflight == 1
    talk.ok()
    assert talk.again() == frame
    assert not talk.resending


def test_a_request_for_what_comes_next_changes_nothing() -> None:
    talk = Talk()
    sent(talk, 4)
    assert talk.resend(5) is Verdict.NOTHING


def test_after_a_retry_one_echo_is_ignored_with_its_ok() -> None:
    """The ok was only late: ok, next line sent, then the answer to the second copy arrives."""
    talk = Talk()
    sent(talk, 4)
    talk.new(b"G1 X4")
    talk.retry()
    talk.again()
    talk.ok()
    talk.new(b"G1 X5")
    assert talk.resend(6) is Verdict.STRAY
    talk.ok()
    assert talk.inflight == 1


def test_a_line_no_longer_known_or_asked_for_too_often_is_hopeless() -> None:
    talk = Talk()
    sent(talk, 1000)
    assert talk.resend(3) is Verdict.HOPELESS
    assert talk.resend(0) is Verdict.HOPELESS
    assert talk.resend(5000) is Verdict.HOPELESS
    verdicts = [talk.resend(1000) for _ in range(SAME_RESENDS)]
    assert verdicts[-1] is Verdict.HOPELESS
    assert Verdict.HOPELESS not in verdicts[:-1]


def test_lines_in_flight_behind_a_damaged_one_ask_for_it_again_once_each() -> None:
    talk = Talk(window=4)
    for index in range(4):
        talk.new(b"G1 X%d" % index)
    assert talk.resend(2) is Verdict.REWIND
    talk.again()
    assert talk.resend(2) is Verdict.STRAY


def test_while_resending_a_request_further_on_skips_what_has_arrived() -> None:
    talk = Talk()
    sent(talk, 6)
    assert talk.resend(3) is Verdict.REWIND
    assert talk.resend(5) is Verdict.NOTHING
    assert talk.cursor == 5


def test_an_ok_with_its_number_sets_right_what_is_owed() -> None:
    talk = Talk(window=4)
    for index in range(3):
        talk.new(b"G1 X%d" % index)
    talk.ok_for(2)
    assert talk.inflight == 1
    talk.ok_for(99)
    assert talk.inflight == 1
    talk.forget()
    talk.ok()
    assert talk.inflight == 0
