"""GRBL's words, buffer, program lines and stop, without a wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.grbl import Limits, meanings, words
from drivers.grbl.job import look, obstacle
from drivers.grbl.pace import Pace
from drivers.grbl.program import Kind, Program, bare, inspect, judge
from drivers.grbl.stop import Act, Leg, Stop
from drivers.grbl.talk import Origin, Sent, Talk, frame
from drivers.grbl.trial import Stage, Trial
from drivers.grbl.words import Report, State, Word
from fablab.device import DeviceState, Safety


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"ok", Word.OK),
        (b"okay", Word.OTHER),
        (b"error:20", Word.ERROR),
        (b"Error:Printer halted. kill() called!", Word.OTHER),
        (b"ALARM:3", Word.ALARM),
        (b"<Idle|MPos:0.000,0.000,0.000|FS:0,0>", Word.STATUS),
        (b"<Idle|MPos:0.000,0.0", Word.OTHER),
        (b"<Idle|MPos:0.0<Run|FS:1,1>", Word.OTHER),
        (b"Grbl 1.1h ['$' for help]", Word.BANNER),
        (b"GrblHAL 1.1f ['$' or '$HELP' for help]", Word.BANNER),
        (b">G21G90:ok", Word.STARTUP),
        (b">G21G90:error:7", Word.STARTUP),
        (b"[MSG:Pgm End]", Word.MESSAGE),
        (b"[VER:1.1h.20190830:]", Word.INFO),
        (b"[GC:G0 G54 G17]", Word.INFO),
        (b"$32=1", Word.SETTING),
        (b"\xff\xfe", Word.OTHER),
        (b"", Word.OTHER),
    ],
)
def test_a_line_is_known_by_its_form(line: bytes, word: Word) -> None:
    assert words.classify(line) is word


@given(st.binary(max_size=200))
def test_no_line_upsets_the_reader(line: bytes) -> None:
    word = words.classify(line)
    words.report(line)
    words.report(b"<" + line + b">")
    words.setting(line)
    words.build([line])
    words.too_old(line)
    if word in (Word.ERROR, Word.ALARM):
        assert words.number(line) < 1000
    assert words.plain(line).isprintable() or words.plain(line) == ""


def test_a_report_tells_state_position_power_and_now_and_then_the_accessories() -> None:
    seen = words.report(b"<Run|MPos:1.000,-2.500,0.000|FS:1138,474|Ov:100,100,100|A:SF>")
    assert seen == Report(
        state=State.RUN, position_mm=(1.0, -2.5, 0.0), power=474.0, accessories="SF", feed_override=100
    )
    assert seen.beam
    quiet = words.report(b"<Idle|MPos:0.000,0.000,0.000|FS:0,0|Ov:100,100,100>")
    assert quiet is not None
    assert (quiet.accessories, quiet.beam) == ("", False)
    silent = words.report(b"<Idle|WPos:0.000,0.000,0.000|F:0|WCO:0.000,0.000,0.000>")
    assert silent is not None
    assert (silent.accessories, silent.power) == (None, None)


@pytest.mark.parametrize("line", [b"<>", b"<Idle", b"<Nonsense|FS:0,0>", b"Idle|FS:0,0", b"<Idle|FS:0,0"])
def test_a_damaged_report_is_no_report(line: bytes) -> None:
    assert words.report(line) is None


@pytest.mark.parametrize("damage", [b"<Run|FS:a,b>", b"<Run|FS:1,>", b"<Run|FS:0,5.5.5|Ov:x>"])
def test_a_report_with_damaged_numbers_proves_nothing_about_the_beam(damage: bytes) -> None:
    seen = words.report(damage)
    assert seen is not None
    assert (seen.power, seen.accessories) == (None, None)


@pytest.mark.parametrize(
    ("head", "still", "held", "ready"),
    [
        (b"Idle", True, False, False),
        (b"Run", False, False, False),
        (b"Jog", False, False, False),
        (b"Home", False, False, False),
        (b"Alarm", True, False, False),
        (b"Hold:0", True, True, True),
        (b"Hold:1", False, True, False),
        (b"Door:0", True, True, True),
        (b"Door:1", True, True, False),
        (b"Door:2", False, True, False),
        (b"Door:3", False, False, False),
    ],
)
def test_what_stands_still_waits_and_may_go_on(head: bytes, still: bool, held: bool, ready: bool) -> None:
    seen = words.report(b"<" + head + b"|FS:0,0>")
    assert seen is not None
    assert (seen.still, seen.held, seen.ready) == (still, held, ready)


def test_the_build_info_tells_version_name_and_buffer() -> None:
    build = words.build([b"[VER:1.1h.20190830:LASER-1]", b"[OPT:V,15,256]", b"ok"])
    assert (build.version, build.name, build.options, build.rx) == ("1.1h.20190830", "LASER-1", "V", 256)
    assert words.build([b"[VER:1.1h.20190830:]", b"[OPT:V]"]).rx == 0


@pytest.mark.parametrize(
    ("banner", "old"),
    [(b"Grbl 0.9j ['$' for help]", True), (b"Grbl 1.1h", False), (b"Grbl 3.7", False), (b"x", False)],
)
def test_a_grbl_before_1_1_is_too_old(banner: bytes, old: bool) -> None:
    assert words.too_old(banner) is old


def test_settings_are_read_and_nonsense_is_not() -> None:
    assert words.setting(b"$32=1 (laser mode)") == (32, 1.0)
    assert words.setting(b"$N0=G21") is None


def test_every_alarm_and_error_has_words_of_its_own() -> None:
    assert set(meanings.ALARMS) == set(range(1, 10))
    assert set(meanings.ERRORS) == set(range(1, 39)) - {18, 19}
    for texts in (meanings.ALARMS, meanings.ERRORS):
        assert len(set(texts.values())) == len(texts)
    assert "position is lost" in meanings.alarm(3)
    assert "99" in meanings.error(99)
    assert "77" in meanings.alarm(77)


# -- how a state reads


@pytest.mark.parametrize(
    ("report", "program", "state", "said"),
    [
        (Report(state=State.IDLE), False, DeviceState.IDLE, ""),
        (Report(state=State.IDLE), True, DeviceState.RUNNING, ""),
        (Report(state=State.RUN), False, DeviceState.RUNNING, ""),
        (Report(state=State.HOLD, part=1), True, DeviceState.RUNNING, "slowing down"),
        (Report(state=State.HOLD), True, DeviceState.PAUSED, "on hold at the machine"),
        (Report(state=State.DOOR, part=1), True, DeviceState.PAUSED, "door open; close it and press resume"),
        (Report(state=State.DOOR, part=0), True, DeviceState.PAUSED, "door closed again; press resume"),
        (Report(state=State.DOOR, part=3), True, DeviceState.RUNNING, "going on"),
        (Report(state=State.ALARM), False, DeviceState.FAULT, "limit switch"),
        (Report(state=State.SLEEP), False, DeviceState.FAULT, "asleep"),
        (Report(state=State.CHECK), False, DeviceState.IDLE, "checking"),
        (None, False, DeviceState.IDLE, ""),
    ],
)
def test_a_state_of_the_machine_reads_in_the_labs_words(
    report: Report | None, program: bool, state: DeviceState, said: str
) -> None:
    seen, message = look(report, 1, program=program, ours=False)
    assert seen is state
    assert said in message


def test_an_alarm_from_before_we_came_says_what_a_person_must_do() -> None:
    assert look(Report(state=State.ALARM), 0, program=False, ours=False)[1].startswith(
        "locked; look at the machine"
    )


def test_only_an_idle_machine_has_no_obstacle() -> None:
    assert obstacle(Report(state=State.IDLE), 0) == ""
    assert "not told" in obstacle(None, 0)
    assert "door open" in obstacle(Report(state=State.DOOR, part=1), 0)
    assert "Run" in obstacle(Report(state=State.RUN), 0)


# -- the buffer


def sent(command: bytes, origin: Origin = Origin.PROGRAM, takes_s: float = 0.0) -> Sent:
    return Sent(command=command, origin=origin, takes_s=takes_s)


@given(st.lists(st.integers(1, 79), min_size=1, max_size=200))
def test_no_more_than_the_buffer_less_one_is_ever_on_its_way(lengths: list[int]) -> None:
    talk = Talk()
    for length in lengths:
        command = b"X" * length
        while not talk.fits(command):
            assert talk.answered() is not None
        talk.send(sent(command))
        assert sum(len(one.command) + 1 for one in talk.flying) <= 127


def test_answers_belong_to_the_oldest_line() -> None:
    talk = Talk()
    talk.send(sent(b"G1"))
    talk.send(sent(b"G2"))
    first, second, none = talk.answered(), talk.answered(), talk.answered()
    assert [first and first.command, second and second.command, none] == [b"G1", b"G2", None]


def test_a_mark_tells_which_acknowledgements_were_lost() -> None:
    talk = Talk()
    for command, origin in [(b"G1", Origin.PROGRAM), (b"G2", Origin.PROGRAM), (b"$G", Origin.MARK)]:
        talk.send(sent(command, origin))
    assert [one.command for one in talk.marked()] == [b"G1", b"G2"]
    assert [one.command for one in talk.flying] == [b"$G"]
    talk.answered()
    assert talk.marked() == []


def test_a_reset_empties_the_buffer_and_an_unbelievable_size_is_not_believed() -> None:
    talk = Talk()
    talk.resize(256)
    for _ in range(3):
        talk.send(sent(b"X" * 79, takes_s=1.0))
    assert talk.owed_s == 3
    talk.forget()
    assert (talk.owed_s, len(talk.flying)) == (0, 0)
    talk.resize(3)
    talk.send(sent(b"X" * 79))
    assert talk.fits(b"X" * 46)
    assert not talk.fits(b"X" * 47)


def test_what_is_in_the_planner_is_waited_for_too() -> None:
    talk = Talk()
    for _ in range(20):
        talk.send(sent(b"G1 X1", takes_s=1.0))
        talk.answered()
    assert talk.owed_s == 16


@pytest.mark.parametrize("command", [b"G1 X1!", b"?", b"~", b"G1\nG2", b"\x18", b"\x85", b"X" * 80, b"G1\rX"])
def test_the_last_door_lets_no_such_line_pass(command: bytes) -> None:
    with pytest.raises(ValueError, match="not to be sent"):
        frame(command)


# -- time


@pytest.mark.parametrize(
    ("program", "seconds"),
    [
        ([b"G1 X60 F60"], 60),
        ([b"G0 X100"], 10),
        ([b"G20", b"G1 X1 F60"], 25.4 / 25.4),
        ([b"G91", b"F600", b"G1 X10", b"X10"], 1),
        ([b"G4 P12.5"], 12.5),
        ([b"G1 F60 X10", b"G2 X10 I10"], 2 * 3.14159265 * 10),
        ([b"G1 F60 X10", b"G3 X10 Y5 R10"], 2 * 3.14159265 * 10),
        ([b"M4 S100"], 0),
        ([b"G1 X10"], 0),
        ([b"G1 X9999999999 F0.001"], 86_400),
    ],
)
def test_a_lines_time_is_its_way_by_its_feed(program: list[bytes], seconds: float) -> None:
    pace = Pace()
    for line in program[:-1]:
        pace.takes_s(line)
    assert pace.takes_s(program[-1]) == pytest.approx(seconds, rel=1e-3)


# -- the program


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("G1 X1 ; half !\n", "G1 X1"),
        ("G1 (Terminé !) X1", "G1  X1"),
        ("G1 X1 (never closed", "G1 X1"),
        ("(a ; b) G1", "G1"),
        ("; (a) G1", ""),
        ("\tG1 X1\r\n", "G1 X1"),
        ("G1) X1", "G1) X1"),
    ],
)
def test_comments_are_cut_as_the_machine_reads_them(line: str, left: str) -> None:
    assert bare(line) == left


@pytest.mark.parametrize("line", ["G1 X-1.5 Y.5 F100", "g1x+1", "M4 S0", "N10 G0 X1", "T1", "G28.1"])
def test_plain_g_code_is_sent_as_it_is(line: str) -> None:
    assert judge(line) == (line, "")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("$H", r"\$"),
        ("$X", r"\$"),
        ("$32=0", r"\$"),
        ("G1 X1 !", "!"),
        ("?", r"\?"),
        ("~", "~"),
        ("G1 X1 é", "ASCII"),
        ("\x18", "ASCII"),
        ("\x85", "ASCII"),
        ("G1 X", "not G-code"),
        ("[ESP]", "not G-code"),
        ("hello", "not G-code"),
        ("G1 X" + "1" * 80, "longer than the 79"),
    ],
)
def test_everything_else_is_refused_with_its_reason(line: str, why: str) -> None:
    import re

    assert re.search(why, judge(line)[1])


def test_a_line_that_is_long_by_its_blanks_only_is_sent_without_them() -> None:
    assert judge("G1" + " " * 90 + "X1") == ("G1X1", "")
    assert judge("/G1\tX1") == ("G1 X1", "")


def test_positions_are_bytes_of_the_file_and_all_line_ends_count(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.write_bytes(b"\xef\xbb\xbf%\r\nG21\rG90\n; caf\xc3\xa9\n\nM4 S1\r\n")
    program = Program(path)
    steps = []
    while step := program.next():
        steps.append((step.command, step.line, step.end))
    program.close()
    assert steps == [(b"G21", 2, 10), (b"G90", 3, 14), (b"M4 S1", 6, 30)]
    assert program.size == 30


def test_storing_lines_go_alone_and_the_storing_ones_are_not_tried(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.write_text("G10 L20 P1 X0\nG28.1\nG30.1\nG54\nG 59\nG28\nG5\nG1 X54\nG100\n")
    program = Program(path)
    seen = {step.command: (step.alone, step.stores) for step in iter(program.next, None) if step}
    program.close()
    assert seen == {
        b"G10 L20 P1 X0": (True, True),
        b"G28.1": (True, True),
        b"G30.1": (True, True),
        b"G54": (True, False),
        b"G 59": (True, False),
        b"G28": (False, False),
        b"G5": (False, False),
        b"G1 X54": (False, False),
        b"G100": (False, False),
    }


def test_the_first_bad_line_is_found_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.write_text("G21\nM4 S1\n(ok)\n$H\n$X\n")
    found = inspect(path)
    assert found.refused is not None
    assert (found.commands, found.beam, found.refused.line) == (2, True, 4)


@pytest.mark.parametrize(
    ("text", "beam"),
    [
        ("M4 S1", True),
        ("m 03", True),
        ("M3.0", True),
        ("M30", False),
        ("M5", False),
        ("G1 M4", True),
        ("M3.5", False),
    ],
)
def test_a_program_with_a_beam_is_known(tmp_path: Path, text: str, beam: bool) -> None:
    path = tmp_path / "a.nc"
    path.write_text(text + "\n")
    assert inspect(path).beam is beam


def test_a_comment_without_an_end_does_not_hold_the_reader_up(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.write_bytes(b"G21 ;" + b"x" * 10_000_000 + b"\nG90\n")
    program = Program(path)
    kinds = [step.kind for step in iter(program.next, None) if step]
    program.close()
    assert kinds == [Kind.SEND, Kind.NOTHING, Kind.SEND]
    assert inspect(path).commands == 2


def test_a_line_of_code_without_an_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.write_bytes(b"G1 X1" * 5000)
    found = inspect(path)
    assert found.refused is not None
    assert found.refused.why == "it is endless"


IDLE = Report(state=State.IDLE)


class Tried:
    """A trial of `text` and the machine's side of it: every line is answered as soon as it is sent."""

    def __init__(self, folder: Path, text: str, *, until: float = 99.0, **answers: int) -> None:
        path = folder / "a.nc"
        path.write_text(text)
        self.sent: list[str] = []
        self.resets = 0
        self.talk = Talk()
        self._answers = answers
        self.trial = Trial(
            token="t",
            read=Program(path),
            program=Program(path),
            commands=inspect(path).commands,
            answer=Future(),
            until=until,
            limits=Limits(),
            talk=self.talk,
            send=self._send,
            ask=lambda: None,
            reset=self._reset,
        )
        self.trial.begin(0.0)
        self.trial.hear_report(IDLE, 0, 0.0)
        self.trial.hear_banner(0.0)

    def _send(self, sent: Sent) -> None:
        self.talk.send(sent)
        self.sent.append(sent.command.decode())

    def _reset(self) -> None:
        self.resets += 1

    def answer(self, now: float = 0.0) -> None:
        while sent := self.talk.answered():
            self.trial.hear_answer(sent, self._answers.get(sent.command.decode()[:2], 0), now)

    def go_on(self, now: float = 0.0, turns: int = 5) -> Trial:
        for _ in range(turns):
            self.trial.feed(now)
            self.answer(now)
        return self.trial

    def close(self) -> None:
        self.trial.close()
        self.trial.program.close()


@pytest.fixture
def tried(tmp_path: Path) -> Iterator[Callable[..., Tried]]:
    made: list[Tried] = []

    def make(text: str, **more: Any) -> Tried:
        made.append(Tried(tmp_path, text, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_good_program_is_tried_left_by_a_reset_and_may_begin(tried: Callable[..., Tried]) -> None:
    machine = tried("G21\nG10 L20 P1 X0\nG54\nG90\n")
    machine.answer()
    trial = machine.go_on()
    assert (machine.sent, machine.resets, trial.stage) == (["$C", "G21", "G54", "G90"], 2, Stage.LEAVING)
    trial.hear_report(IDLE, 0, 0.0)
    assert trial.verdict is None
    trial.hear_banner(0.0)
    trial.hear_report(IDLE, 0, 0.0)
    assert (trial.verdict, trial.remark) == ("", "")


def test_time_is_up_for_a_long_program_and_that_is_said(tried: Callable[..., Tried]) -> None:
    machine = tried("G21\n" * 100, until=5.0)
    machine.answer()
    machine.trial.feed(1.0)
    fitted = len(machine.sent) - 1
    machine.answer(1.0)
    machine.go_on(6.0)
    assert machine.resets == 2
    assert machine.trial.remark == f"the machine tried the first {fitted} of 100 lines before the start"


def test_a_refused_line_is_named_and_ends_the_trial(tried: Callable[..., Tried]) -> None:
    machine = tried("G21\nG5\n", G5=20)
    machine.answer()
    trial = machine.go_on()
    trial.hear_banner(0.0)
    trial.hear_report(IDLE, 0, 0.0)
    assert trial.verdict == "line 2 (G5): error 20: the machine does not know this command"


def test_an_alarm_in_the_trial_is_told_with_the_oldest_line(tried: Callable[..., Tried]) -> None:
    machine = tried("G1 X999 F1\n")
    machine.answer()
    machine.trial.feed(0.0)
    machine.trial.hear_alarm(2, 0.0)
    machine.trial.hear_banner(0.0)
    machine.trial.hear_report(Report(state=State.ALARM), 2, 0.0)
    assert machine.resets == 2
    assert (machine.trial.verdict or "").startswith("line 1 (G1 X999 F1): alarm 2: a move would have left")


def test_a_machine_that_knows_no_check_mode_takes_no_program(tried: Callable[..., Tried]) -> None:
    machine = tried("G21\n", **{"$C": 8})
    machine.answer()
    assert "error 8" in (machine.trial.verdict or "")


def test_a_restart_in_the_trial_is_told(tried: Callable[..., Tried]) -> None:
    machine = tried("G21\n")
    machine.trial.hear_banner(0.0)
    assert "restarted" in (machine.trial.verdict or "")


@pytest.mark.parametrize("turns", [0, 1, 5])
def test_a_trial_that_comes_to_no_end_is_given_up(tried: Callable[..., Tried], turns: int) -> None:
    machine = tried("G21\n" * 3)
    if turns:
        machine.answer()
        machine.trial.feed(0.0)
    if turns > 1:
        machine.go_on()
    machine.trial.tick(0.01)
    assert machine.trial.verdict is None
    machine.trial.tick(9999.0)
    assert (machine.trial.stuck, "did not finish" in (machine.trial.verdict or "")) == (True, True)


def test_a_file_that_has_changed_since_it_was_read_is_refused_in_the_trial(
    tried: Callable[..., Tried],
) -> None:
    machine = tried("G21\n$H\n")
    machine.answer()
    trial = machine.go_on()
    trial.hear_banner(0.0)
    trial.hear_report(IDLE, 0, 0.0)
    assert (trial.verdict or "").startswith("line 2: settings and commands")


# -- the stop

OFF = Report(state=State.IDLE, power=0.0, accessories="")
UNTOLD = Report(state=State.IDLE, power=0.0)
BURNING = Report(state=State.IDLE, power=0.0, accessories="S")
MOVING = Report(state=State.RUN, power=500.0)
HELD = Report(state=State.HOLD, power=0.0)
LIMITS = Limits()


def read_back(*, ok: bool = True) -> Stop:
    """A stop that has come as far as its M5."""
    stop = Stop(LIMITS, 0.0)
    stop.hear_report(HELD, 0.1)
    stop.hear_banner(0.2)
    stop.hear_answer(ok=ok)
    return stop


def test_a_stop_holds_resets_and_switches_off_in_this_order() -> None:
    stop = Stop(LIMITS, 0.0)
    acts = [stop.begin(), stop.hear_report(MOVING, 0.1), stop.hear_report(HELD, 0.2), stop.hear_banner(0.3)]
    assert acts == [Act.HOLD, Act.NOTHING, Act.RESET, Act.OFF]
    assert stop.safety is None


def test_a_report_of_dark_accessories_after_the_m5_confirms() -> None:
    stop = read_back()
    stop.hear_report(OFF, 0.4)
    assert (stop.safety, stop.over) == (Safety.CONFIRMED, True)


def test_a_locked_machine_that_refuses_the_m5_is_read_back_all_the_same() -> None:
    stop = read_back(ok=False)
    stop.hear_report(Report(state=State.ALARM, power=0.0, accessories=""), 0.4)
    assert stop.safety is Safety.CONFIRMED


def test_reports_that_do_not_speak_of_accessories_confirm_only_together() -> None:
    stop = read_back()
    for at in (0.4, 0.6):
        stop.hear_report(UNTOLD, at)
    assert stop.safety is None
    stop.hear_report(UNTOLD, 0.8)
    assert stop.safety is Safety.CONFIRMED


def test_a_firmware_that_tells_neither_power_nor_accessories_confirms_nothing() -> None:
    stop = read_back()
    for at in range(20):
        stop.hear_report(Report(state=State.IDLE), 0.4 + at / 10)
    assert stop.safety is None


def test_reports_from_before_the_m5_was_taken_confirm_nothing() -> None:
    stop = Stop(LIMITS, 0.0)
    stop.hear_report(OFF, 0.1)
    stop.hear_report(OFF, 0.1)
    stop.hear_banner(0.2)
    stop.hear_report(OFF, 0.3)
    assert stop.safety is None


def test_an_open_door_reads_no_m5_and_the_reset_counts() -> None:
    stop = Stop(LIMITS, 0.0)
    stop.hear_report(HELD, 0.1)
    stop.hear_banner(0.2)
    stop.hear_report(Report(state=State.DOOR, part=1, power=0.0, accessories=""), 0.4)
    assert stop.safety is Safety.CONFIRMED


def test_a_beam_that_is_still_on_is_switched_off_again_and_never_confirmed() -> None:
    stop = read_back()
    acts = [stop.hear_report(BURNING, at) for at in (0.3, 0.8, 0.9, 1.5)]
    assert acts == [Act.NOTHING, Act.OFF, Act.NOTHING, Act.OFF]
    stop.tick(LIMITS.safe_s + 0.1)
    assert stop.safety is Safety.NOT_CONFIRMED


def test_an_m5_whose_answer_was_lost_is_sent_again() -> None:
    stop = Stop(LIMITS, 0.0)
    stop.hear_report(HELD, 0.1)
    stop.hear_banner(0.2)
    assert [stop.tick(at) for at in (0.5, 0.8, 1.0)] == [Act.NOTHING, Act.OFF, Act.NOTHING]
    stop.hear_answer(ok=True)
    assert stop.tick(2.0) is Act.NOTHING
    stop.hear_report(OFF, 2.1)
    assert stop.safety is Safety.CONFIRMED


def test_a_machine_that_moves_right_before_its_trial_is_not_reset(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.write_text("G21\n")
    resets: list[None] = []
    trial = Trial(
        token="t",
        read=Program(path),
        program=Program(path),
        commands=1,
        answer=Future(),
        until=9.0,
        limits=Limits(),
        talk=Talk(),
        send=lambda sent: None,
        ask=lambda: None,
        reset=lambda: resets.append(None),
    )
    trial.begin(0.0)
    trial.hear_report(MOVING, 0, 0.1)
    assert (trial.verdict, resets) == ("the machine is not free: Run", [])
    trial.close()
    trial.program.close()


def test_silence_is_reset_twice_told_off_and_not_confirmed() -> None:
    stop = Stop(LIMITS, 0.0)
    acts = [stop.tick(at / 10) for at in range(60)]
    assert [act for act in acts if act is not Act.NOTHING] == [Act.RESET, Act.RESET]
    assert stop.safety is Safety.NOT_CONFIRMED


def test_a_reset_that_no_banner_follows_is_told_off_without_it() -> None:
    limits = Limits(hold_s=0.1, reset_s=0.1)
    stop = Stop(limits, 0.0)
    assert [stop.tick(at) for at in (0.2, 0.4, 0.6, 0.8)] == [Act.RESET, Act.RESET, Act.OFF, Act.NOTHING]
    stop.hear_report(OFF, 0.9)
    assert stop.safety is None
    stop.hear_answer(ok=True)
    stop.hear_report(OFF, 1.0)
    assert stop.safety is Safety.CONFIRMED


def test_a_stop_may_begin_with_the_reset_or_after_one_and_hears_nothing_after_its_end() -> None:
    assert Stop(LIMITS, 0.0, first=Leg.RESETTING).begin() is Act.RESET
    stop = Stop(LIMITS, 0.0, first=Leg.READING)
    assert stop.begin() is Act.OFF
    stop.hear_answer(ok=True)
    stop.hear_report(OFF, 0.1)
    assert stop.safety is Safety.CONFIRMED
    assert (stop.hear_banner(0.2), stop.hear_report(MOVING, 0.3), stop.tick(99)) == (Act.NOTHING,) * 3
    assert stop.safety is Safety.CONFIRMED
