"""The first words with a GRBL: a reset that leaves nothing running, who is there, and what it is set to."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.grbl import words
from drivers.grbl.limits import Limits
from drivers.grbl.talk import ASK, BUFFER, HOLD, RESET
from drivers.grbl.words import Build, Report, Setup, State, Word
from drivers.lines import Lines
from fablab.device import DeviceTimeout, Identity, Misfit

# What firmware that is no GRBL says at its start, or to a line it does not know.
_FOREIGN = re.compile(
    rb"(?:start$|echo:|Marlin|FIRMWARE_NAME|T:-?\d|Error:|!!|// |rs \d|Resend|Smoothie|Klipper|\{)",
    re.IGNORECASE,
)
_ANSWER_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    identity: Identity
    setup: Setup
    rx: int = BUFFER
    report: Report | None = None
    alarm: int = 0
    unanswered: tuple[bytes, ...] = ()  # questions it could not answer in its state; they wait in its buffer


@dataclass(slots=True)
class _Heard:
    """All that was said until now. Boards say their settings before their banner after a first start."""

    banner: bytes = b""
    report: Report | None = None
    alarm: int = 0
    oks: int = 0
    banners: int = 0
    lines: list[bytes] = field(default_factory=list)
    settings: dict[int, float] = field(default_factory=dict)

    def hear(self, line: bytes) -> None:
        word = words.classify(line)
        if word is Word.BANNER:
            self.banner = line
            self.report = None
            self.banners += 1
        elif word is Word.STATUS:
            self.report = words.report(line) or self.report
        elif word is Word.ALARM:
            self.alarm = words.number(line)
        elif word in (Word.OK, Word.ERROR):
            self.oks += 1
        elif word is Word.SETTING and (found := words.setting(line)):
            self.settings[found[0]] = found[1]
        elif not self.banner and word is Word.OTHER and _FOREIGN.match(line):
            raise Misfit(f"a GRBL machine was expected on this port, but this answered: {words.plain(line)}")
        self.lines = [*self.lines[-200:], line]


def greet(lines: Lines, limits: Limits, closing: Callable[[], bool]) -> Firmware:
    """Raises DeviceTimeout when nothing answers or `closing` becomes true, Misfit when it is no GRBL 1.1."""
    heard = _Heard()
    deadline = time.monotonic() + limits.open_s
    _reset(lines, limits, heard, deadline, closing)
    if words.too_old(heard.banner):
        raise Misfit(f"GRBL 1.1 or newer was expected, but this answered: {words.plain(heard.banner)}")
    _listen(
        lines, heard, limits.tick_s, lambda: False, closing
    )  # what follows a banner: locks, start-up lines
    unanswered = next(((q,) for q in (b"$I", b"$$") if not _ask(lines, heard, q, limits, closing)), ())
    if heard.report is None:
        lines.write(ASK)
        _listen(lines, heard, _ANSWER_S, lambda: heard.report is not None, closing)
    return _firmware(heard, unanswered)


def _reset(lines: Lines, limits: Limits, heard: _Heard, deadline: float, closing: Callable[[], bool]) -> None:
    """Until a banner comes. What moves is held first: a reset in motion costs the position."""
    tries = 0
    while time.monotonic() < deadline and not closing():
        lines.write(ASK)
        if _listen(lines, heard, limits.poll_s, lambda: bool(heard.banner), closing, or_report=True):
            return  # it has just booted by itself
        if heard.report is not None and not heard.report.still:
            _hold(lines, limits, heard, closing)
        if tries:
            # The end of whatever somebody else left unfinished; other firmware answers to it, and is known by that.
            lines.write(b"\n$I\n")
        lines.write(RESET)
        tries += 1
        wait_s = min(limits.hello_s, max(0.0, deadline - time.monotonic()))
        if _listen(lines, heard, wait_s, lambda: bool(heard.banner), closing):
            return
    said = [line for line in heard.lines if words.classify(line) is not Word.STATUS]
    if said and not closing():
        raise Misfit(f"a GRBL machine was expected on this port, but this answered: {words.plain(said[-1])}")
    raise DeviceTimeout("nothing on this port answers like a GRBL")


def _hold(lines: Lines, limits: Limits, heard: _Heard, closing: Callable[[], bool]) -> None:
    lines.write(HOLD)
    until = time.monotonic() + limits.hold_s
    while time.monotonic() < until and not (heard.report and heard.report.still) and not closing():
        lines.write(ASK)
        _listen(lines, heard, limits.poll_s, lambda: False, closing)


def _ask(lines: Lines, heard: _Heard, command: bytes, limits: Limits, closing: Callable[[], bool]) -> bool:
    """Whether `command` was answered. With the door open nothing is read before it is closed and let go."""
    owed = heard.oks + 1
    banners = heard.banners
    lines.write(command + b"\n")
    until = time.monotonic() + limits.hello_s
    while time.monotonic() < until and not closing():
        if _listen(lines, heard, limits.poll_s, lambda: heard.oks >= owed, closing):
            return True
        if heard.report is not None and heard.report.state is State.DOOR:
            return False
        if heard.banners > banners:  # the answer to an earlier reset: our question went with it
            banners = heard.banners
            lines.write(command + b"\n")
        lines.write(ASK)
    if heard.report is not None:
        return False
    raise DeviceTimeout(f"the machine does not answer {command.decode()}")


def _listen(
    lines: Lines,
    heard: _Heard,
    within_s: float,
    enough: Callable[[], bool],
    closing: Callable[[], bool],
    *,
    or_report: bool = False,
) -> bool:
    """Whether it was enough; `or_report`: a status ends the wait, too."""
    until = time.monotonic() + within_s
    while not enough() and not closing() and (left_s := until - time.monotonic()) > 0:
        for line in lines.read(left_s):
            heard.hear(line)
        if or_report and heard.report is not None:
            break
    return enough()


def _firmware(heard: _Heard, unanswered: tuple[bytes, ...]) -> Firmware:
    build: Build = words.build(heard.lines)
    setup = Setup(values=heard.settings)
    told = {"options": build.options, "rx_buffer": str(build.rx) if build.rx else ""}
    identity = Identity(
        firmware=f"Grbl {build.version}" if build.version else words.plain(heard.banner).split(" [")[0],
        serial_number=build.name,
        features={name: text for name, text in told.items() if text} | setup.features(),
    )
    return Firmware(
        identity=identity,
        setup=setup,
        rx=build.rx or BUFFER,
        report=heard.report,
        alarm=heard.alarm,
        unanswered=unanswered,
    )
