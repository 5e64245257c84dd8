"""The first words with a Marlin: numbers from zero, and who is there."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable

from drivers.lines import Lines
from drivers.marlin import words
from drivers.marlin.limits import Limits
from drivers.marlin.talk import Talk
from drivers.marlin.words import Firmware, Word
from fablab.device import DeviceTimeout, Misfit

ASKED = 8  # times for its name, before we believe that it has none
MOST_KEPT = 200  # lines of an answer: a capability list has 30, noise has no end

# GRBL, which answers "error:20" with a number where Marlin says "Error:" with words, and what else it only says.
_GRBL = re.compile(rb"Grbl (\S+)|error:\d+$|ALARM:\d|\[(?:MSG|VER|GC|HLP):|<[A-Z][a-z]+[|:>]")
_GRBL_VERSION = re.compile(rb"Grbl (\S+)|\[VER:([^:\]]+?)(?:\.\d{8})?[:\]]")
# They take G-code too, but not these line numbers, these reports or these commands for heaters.
_STRANGERS = re.compile(r"(?:grbl|fluidnc|klipper|smoothie|reprapfirmware|tinyg|g2core)", re.IGNORECASE)


def greet(lines: Lines, talk: Talk, limits: Limits, closing: Callable[[], bool], where: str) -> Firmware:
    """Raises DeviceTimeout when nothing answers or `closing` becomes true, Misfit when it is no Marlin."""
    deadline = time.monotonic() + limits.open_s
    _hello(lines, talk, limits, deadline, closing, where)
    heard: deque[bytes] = deque(maxlen=MOST_KEPT)
    for _ in range(ASKED):
        until = min(deadline, time.monotonic() + 5 * limits.hello_s)
        answer = _ask(lines, talk, b"M115", until, closing)
        if _counts_otherwise(answer, talk):
            # The ok that we took for the hello's was a late one, to a line from before we came.
            _hello(lines, talk, limits, deadline, closing, where)
        heard += answer
        # Perhaps that ok belonged to a hello from before: a board that was silent answers all of them at once.
        heard += _drain(lines, limits.tick_s)
        if firmware := words.firmware(heard):
            if _STRANGERS.match(firmware.identity.firmware):
                raise _misfit(f"{words.plain(firmware.identity.firmware.encode())} answered", where)
            return firmware
    said = b" ".join(heard)[-200:]
    raise _misfit(f"what answered does not say which firmware it is: {words.plain(said)}", where)


def _counts_otherwise(answer: Iterable[bytes], talk: Talk) -> bool:
    asked = [words.resend_number(line) for line in answer if words.classify(line) is Word.RESEND]
    return any(number is not None and number > talk.last + 1 for number in asked)


def _misfit(found: str, where: str) -> Misfit:
    return Misfit(f"expected a Marlin printer{_on(where)}, {found}")


def _on(where: str) -> str:
    return f" on {where}" if where else ""


def _hello(
    lines: Lines, talk: Talk, limits: Limits, deadline: float, closing: Callable[[], bool], where: str
) -> None:
    """Until the firmware acknowledges; a board that resets on opening misses the first ones."""
    while time.monotonic() < deadline and not closing():
        lines.write(talk.hello())
        retry_at = min(deadline, time.monotonic() + limits.hello_s)
        while (left_s := retry_at - time.monotonic()) > 0 and not closing():
            for line in lines.read(left_s):
                if _GRBL.match(line):
                    raise _misfit(f"a GRBL {_grbl_version(lines, line, limits)} answered", where)
                if words.classify(line) is Word.OK:
                    _drain(lines, limits.tick_s / 2)
                    return
                if line == b"start":
                    retry_at = 0.0
    raise DeviceTimeout(f"nothing{_on(where)} answers like a Marlin")


def _grbl_version(lines: Lines, line: bytes, limits: Limits) -> str:
    """From its banner, or asked for by the question that every GRBL answers, even in an alarm."""
    heard = [line]
    if not _GRBL_VERSION.match(line):
        lines.write(b"\n$I\n")
        heard += _drain(lines, max(limits.tick_s, limits.hello_s / 4))
    found = next((found for line in heard if (found := _GRBL_VERSION.match(line))), None)
    return words.plain(found[1] or found[2]) if found else "of unknown version"


def _drain(lines: Lines, quiet_s: float) -> deque[bytes]:
    """Whatever still comes before it is quiet for `quiet_s`: answers to earlier hellos, not to be taken for later ones."""
    late: deque[bytes] = deque(maxlen=MOST_KEPT)
    for _ in range(100):
        more = lines.read(quiet_s)
        if not more:
            break
        late += more
    return late


def _ask(lines: Lines, talk: Talk, command: bytes, until: float, closing: Callable[[], bool]) -> deque[bytes]:
    """The lines up to the ok."""
    lines.write(talk.new(command))
    answer: deque[bytes] = deque(maxlen=MOST_KEPT)
    while (left_s := until - time.monotonic()) > 0 and not closing():
        for line in lines.read(left_s):
            word = words.classify(line)
            if word is Word.OK:
                if talk.resending:
                    lines.write(talk.again())
                    continue
                return answer
            if word is Word.RESEND and (number := words.resend_number(line)) is not None:
                talk.resend(number)
            answer.append(line)
    raise DeviceTimeout(f"the firmware does not answer {words.plain(command)}")
