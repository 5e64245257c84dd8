"""The first words with a GRBL: a reset that leaves nothing running, who is there, and what it is set to."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

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


class Haste(Enum):
    """What somebody wants of us while the handshake goes on."""

    NONE = "none"
    STOP = "stop"
    CLOSE = "close"


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
    foreign: bytes = b""
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
            self.foreign = line
        self.lines = [*self.lines[-200:], line]


def greet(lines: Lines, limits: Limits, asked: Callable[[], Haste], where: str) -> Firmware:
    """Raises DeviceTimeout when nothing answers or we are to close, Misfit when it is no GRBL 1.1."""
    return _Greeting(lines, limits, asked, f" on {where}" if where else "").greet()


class _Greeting:
    def __init__(self, lines: Lines, limits: Limits, asked: Callable[[], Haste], where: str) -> None:
        self._lines = lines
        self._limits = limits
        self._asked = asked
        self._where = where
        self._heard = _Heard()
        self._deadline = time.monotonic() + limits.open_s

    def greet(self) -> Firmware:
        heard = self._heard
        self._reset()
        if words.too_old(heard.banner):
            raise self._misfit(heard.banner)
        self._listen(self._limits.tick_s, lambda: False)  # what follows a banner: locks, start-up lines
        unanswered = next(((question,) for question in (b"$I", b"$$") if not self._answers(question)), ())
        if heard.report is None:
            self._lines.write(ASK)
            self._listen(_ANSWER_S, lambda: heard.report is not None)
        return _firmware(heard, unanswered)

    def _reset(self) -> None:
        """Until a banner comes. What moves is held first: a reset in motion costs the position."""
        heard, limits = self._heard, self._limits
        tries = 0
        while time.monotonic() < self._deadline and self._go_on():
            self._lines.write(ASK)
            if self._booted(limits.poll_s if tries else limits.hello_s):
                return
            if heard.report is not None and not heard.report.still:
                self._hold()
            if tries:
                # Ends whatever line somebody left unfinished; other firmware answers to it, and is known by that.
                self._lines.write(b"\n$I\n")
            self._lines.write(RESET)
            tries += 1
            heard.report = None
            # A status without a banner: the reset was not heard, and the machine is to be held before the next.
            if self._booted(limits.hello_s):
                return
        said = [line for line in heard.lines if words.classify(line) is not Word.STATUS]
        if said and self._go_on():
            raise self._misfit(said[-1])
        raise DeviceTimeout(f"nothing{self._where} answers like a GRBL")

    def _booted(self, within_s: float) -> bool:
        """Wait until it says how it is, asking again, or for a banner: True for that. One question without an answer
        tells nothing: what is reset for it may be moving."""
        heard = self._heard
        until = min(self._deadline, time.monotonic() + within_s)
        while time.monotonic() < until and self._go_on():
            if self._listen(self._limits.poll_s, lambda: bool(heard.banner), or_report=True):
                return True
            if heard.report is not None:
                return False
            self._lines.write(ASK)
        return False

    def _hold(self) -> None:
        """Until the head is seen to stand still. One that goes on moving is given `pause_s`, one that says no more
        `hold_s`."""
        heard, limits = self._heard, self._limits
        self._lines.write(HOLD)
        now = time.monotonic()
        until, silent_at = min(self._deadline, now + limits.pause_s), now + limits.hold_s
        while now < min(until, silent_at) and not (heard.report and heard.report.still) and self._go_on():
            before = heard.report
            self._lines.write(ASK)
            self._listen(limits.poll_s, lambda: False)
            now = time.monotonic()
            if heard.report is not before:
                silent_at = now + limits.hold_s

    def _answers(self, question: bytes) -> bool:
        """With the door open nothing is read before it is closed and let go."""
        heard = self._heard
        owed, banners = heard.oks + 1, heard.banners
        self._lines.write(question + b"\n")
        until = time.monotonic() + self._limits.hello_s
        while time.monotonic() < until and self._go_on():
            if self._listen(self._limits.poll_s, lambda: heard.oks >= owed):
                return True
            if heard.report is not None and heard.report.state is State.DOOR:
                return False
            if heard.banners > banners:  # the answer to an earlier reset: our question went with it
                banners = heard.banners
                self._lines.write(question + b"\n")
            self._lines.write(ASK)
        if heard.report is not None:
            return False
        raise DeviceTimeout(f"the machine{self._where} does not answer {question.decode()}")

    def _listen(self, within_s: float, enough: Callable[[], bool], *, or_report: bool = False) -> bool:
        """Whether it was enough; `or_report`: a status ends the wait, too. Raises Misfit."""
        until = time.monotonic() + within_s
        heard = self._heard
        while not enough() and (left_s := until - time.monotonic()) > 0 and self._go_on():
            for line in self._lines.read(left_s):
                heard.hear(line)
            if heard.foreign:
                raise self._misfit(heard.foreign)
            if or_report and heard.report is not None:
                break
        return enough()

    def _go_on(self) -> bool:
        """False when we are to close. A stop that is asked for goes out at once, whoever may be listening."""
        haste = self._asked()
        if haste is Haste.STOP:
            self._lines.write(HOLD if self._heard.report else HOLD + RESET)
        return haste is not Haste.CLOSE

    def _misfit(self, line: bytes) -> Misfit:
        return Misfit(f"expected a GRBL 1.1 laser{self._where}, this answered: {words.plain(line)}")


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
