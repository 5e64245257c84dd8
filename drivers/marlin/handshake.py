"""The first words with a Marlin: numbers from zero, and who is there."""

from __future__ import annotations

import time
from collections.abc import Callable

from drivers.lines import Lines
from drivers.marlin import words
from drivers.marlin.limits import Limits
from drivers.marlin.talk import Talk
from drivers.marlin.words import Firmware, Word
from fablab.device import DeviceTimeout, Misfit

ASKED = 8  # times for its name, before we believe that it has none


def greet(lines: Lines, talk: Talk, limits: Limits, closing: Callable[[], bool]) -> Firmware:
    """Raises DeviceTimeout when nothing answers or `closing` becomes true, Misfit when it is no Marlin."""
    deadline = time.monotonic() + limits.open_s
    _hello(lines, talk, limits, deadline, closing)
    heard: list[bytes] = []
    for _ in range(ASKED):
        heard += _ask(lines, talk, b"M115", min(deadline, time.monotonic() + 5 * limits.hello_s), closing)
        # Perhaps that ok belonged to a hello from before: a board that was silent answers all of them at once.
        heard += _drain(lines, limits.tick_s)
        if firmware := words.firmware(heard):
            return firmware
    said = b" ".join(heard)[-200:]
    raise Misfit(
        f"what answers on this port does not say which firmware it is; it may be no Marlin: {words.plain(said)}"
    )


def _hello(lines: Lines, talk: Talk, limits: Limits, deadline: float, closing: Callable[[], bool]) -> None:
    """Until the firmware acknowledges; a board that resets on opening misses the first ones."""
    while time.monotonic() < deadline and not closing():
        lines.write(talk.hello())
        retry_at = min(deadline, time.monotonic() + limits.hello_s)
        while (left_s := retry_at - time.monotonic()) > 0 and not closing():
            for line in lines.read(left_s):
                if line.startswith(b"Grbl"):
                    raise Misfit(f"this machine speaks GRBL, not Marlin: {words.plain(line)}")
                if words.classify(line) is Word.OK:
                    _drain(lines, limits.tick_s / 2)
                    return
                if line == b"start":
                    retry_at = 0.0
    raise DeviceTimeout("nothing on this port answers like a Marlin")


def _drain(lines: Lines, quiet_s: float) -> list[bytes]:
    """Whatever still comes before it is quiet for `quiet_s`: answers to earlier hellos, not to be taken for later ones."""
    late: list[bytes] = []
    for _ in range(100):
        more = lines.read(quiet_s)
        if not more:
            break
        late += more
    return late


def _ask(lines: Lines, talk: Talk, command: bytes, until: float, closing: Callable[[], bool]) -> list[bytes]:
    """The lines up to the ok."""
    lines.write(talk.new(command))
    answer: list[bytes] = []
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
