"""Marlin's words: what a line from the firmware means, and how a line to it is framed. Pure functions.

Sources: Marlin's own serial protocol as seen on a 2.0.9, and the firmware variations OctoPrint's serial host
meets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce
from operator import xor

from fablab.device import Identity


class Word(StrEnum):
    """What a line from the firmware is, as far as a host must care."""

    OK = "ok"  # a line was taken into the queue (not: executed)
    RESEND = "resend"
    BUSY = "busy"  # alive, and not done with the last line
    WAIT = "wait"  # nothing to do: an acknowledgement was lost if one is still owed
    START = "start"  # the firmware has just booted
    FAULT = "fault"  # it stopped for good: heaters off, nothing is answered until a reset
    NO_NUMBER = "no_number"  # an error that is not followed by a resend
    DAMAGED = "damaged"  # it tells why a resend follows
    ERROR = "error"
    ACTION = "action"  # "//action:...": the machine's own panel asks something of the host
    OTHER = "other"


_WORDS: tuple[tuple[Word, re.Pattern[bytes]], ...] = (
    (Word.OK, re.compile(rb"ok(?![a-z])")),
    (Word.BUSY, re.compile(rb"(?:echo:\s*)?busy:")),
    (Word.RESEND, re.compile(rb"(?:resend|rs)\b", re.IGNORECASE)),
    (Word.WAIT, re.compile(rb"wait$")),
    (
        Word.START,
        re.compile(rb"(?:start$|Marlin \d|PowerUp$|(?:External|Watchdog|Software|Brown out) Reset$)"),
    ),
    (Word.ACTION, re.compile(rb"//\s*action:")),
    (Word.NO_NUMBER, re.compile(rb"error:\s*no line number with checksum", re.IGNORECASE)),
    (
        Word.FAULT,
        re.compile(
            rb"!!|error:.*(?:halted|kill\(\)|system stopped|m(?:in|ax)temp|runaway|heating failed)",
            re.IGNORECASE,
        ),
    ),
    (Word.DAMAGED, re.compile(rb"error:.*(?:checksum|line number)", re.IGNORECASE)),
    (Word.ERROR, re.compile(rb"error:", re.IGNORECASE)),
)


def classify(line: bytes) -> Word:
    for word, pattern in _WORDS:
        if pattern.match(line):
            return word
    return Word.OTHER


_NUMBER = re.compile(rb"\d+")


def resend_number(line: bytes) -> int | None:
    """`Resend: 3`, `Resend:N3`, `rs 3`, `rs N3 Expected checksum 67`: 3 in all of them."""
    found = _NUMBER.search(line)
    return int(found[0]) if found and len(found[0]) < 10 else None


_ADVANCED_OK = re.compile(rb"ok N(\d{1,9})\b")


def acknowledged_number(line: bytes) -> int | None:
    """The line number in `ok N5 P15 B3` (a firmware built with ADVANCED_OK)."""
    found = _ADVANCED_OK.match(line)
    return int(found[1]) if found else None


def frame(number: int, command: bytes) -> bytes:
    """`N<number> <command>*<xor of all bytes before the star>`, with its end of line."""
    body = b"N%d %b" % (number, command)
    return b"%b*%d\n" % (body, reduce(xor, body))


_HEAT = re.compile(rb"(?<![A-Z@])(T\d?|B|C):\s*(-?\d{1,4}(?:\.\d+)?)(?:\s*/\s*(-?\d{1,4}(?:\.\d+)?))?")
_HEATERS = {b"B": "bed", b"C": "chamber"}


def heat(line: bytes) -> dict[str, float]:
    """Degrees from `T:210.0 /210.0 B:60.0 /60.0 T0:... @:127`, as tool0, tool0_target, bed, bed_target,
    chamber ...

    `T:` is the active tool and is tool0 unless the line also names tools with numbers.
    """
    found = {name: (now, goal) for name, now, goal in _HEAT.findall(line)}
    if len(found) > 1 and any(len(name) > 1 for name in found):
        found.pop(b"T", None)
    degrees: dict[str, float] = {}
    for name, (now, goal) in found.items():
        heater = _HEATERS.get(name) or f"tool{name[1:].decode() or '0'}"
        degrees[heater] = float(now)
        if goal:
            degrees[f"{heater}_target"] = float(goal)
    return degrees


def all_off(degrees: Mapping[str, float]) -> bool:
    """Whether a report proves that every heater in it has target 0; without a target, nothing is proved."""
    heaters = [name for name in degrees if not name.endswith("_target")]
    return bool(heaters) and all(degrees.get(f"{name}_target") == 0 for name in heaters)


_CAPABILITY = re.compile(rb"Cap:([A-Z0-9_]+):(\d)")
_FIELD = re.compile(r"([A-Z][A-Z_]+):")


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """What M115 told: who it is, and the capabilities that change how a host must talk."""

    identity: Identity
    emergency_parser: bool = False
    reports_heat: bool = False
    says_busy: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)


def firmware(lines: Iterable[bytes]) -> Firmware | None:
    """The answer to M115, or None when no line of it names a firmware."""
    fields: dict[str, str] = {}
    features: dict[str, str] = {}
    for line in lines:
        if found := _CAPABILITY.match(line):
            features[found[1].decode()] = found[2].decode()
        elif b"FIRMWARE_NAME:" in line:
            _, *parts = _FIELD.split(line.decode("utf-8", "replace"))
            fields |= {key: text.strip() for key, text in zip(parts[::2], parts[1::2], strict=True)}
    if "FIRMWARE_NAME" not in fields:
        return None
    identity = Identity(
        firmware=fields["FIRMWARE_NAME"],
        model=fields.get("MACHINE_TYPE", ""),
        serial_number=fields.get("UUID", ""),
        features=features,
    )
    return Firmware(
        identity=identity,
        emergency_parser=features.get("EMERGENCY_PARSER") == "1",
        reports_heat=features.get("AUTOREPORT_TEMP") == "1",
        says_busy=features.get("BUSY_PROTOCOL") == "1",
        fields=fields,
    )


def plain(line: bytes) -> str:
    """A line for a person: no bytes that a screen or a log would choke on."""
    text = line.decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()[:200]


# Lines that may take minutes; without `echo:busy:` their silence says nothing.
LONG_RUNNERS = frozenset(
    {b"G4", b"G28", b"G29", b"G80", b"M109", b"M190", b"M191", b"M303", b"M400", b"M600"}
)
HEAT_WAITS = frozenset({b"M109", b"M190", b"M191"})


def code(command: bytes) -> bytes:
    return command.split(b" ", 1)[0]
