"""A program on its way to the machine: one command after the other, with what a host must not pass on held
back.

Admission has looked at the file before; this is the last door before the wire and does not rely on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from drivers.marlin.words import code

# Marlin's command buffer holds 96 bytes with the terminating zero; number, star and checksum need some of
# them.
LONGEST_COMMAND = 95 - len("N99999999 *255")
_CONTROL = bytes([*range(0x09), *range(0x0A, 0x20), 0x7F])
_NUMBERED = re.compile(rb"[Nn]\d+\s*")
_CODE = re.compile(rb"([GMTgmt])\s*0*(\d+)")
_TEXT = frozenset({b"M117", b"M118"})  # may be cut short without harm
_PAUSE = frozenset({b"M0", b"M1"})
_REMAINING = re.compile(rb"[Rr](\d{1,6}(?:\.\d+)?)")
# Never out of a program: stops that only a person may order (M112, M410), the line counter (M110), restarts
# and firmware updates (M997, M999), and file writing, in which the machine stores lines instead of obeying
# (M28, M29).
_NEVER = frozenset({b"M28", b"M29", b"M108", b"M110", b"M112", b"M410", b"M997", b"M999"})


class Kind(Enum):
    SEND = "send"
    PAUSE = "pause"  # M0 or M1; `command` is its message
    WITHHELD = "withheld"
    TOO_LONG = "is longer than the firmware can take"
    UNREADABLE = "could not be read from the file"


class Step(NamedTuple):
    kind: Kind
    command: bytes
    line: int  # in the file, from 1
    end: int  # bytes of the file up to and including this line


def tidy(raw: bytes) -> bytes:
    """A file's line as a bare command: no comment, no number or checksum, no control characters."""
    command = raw.split(b";", 1)[0].translate(None, _CONTROL).strip()
    if command[:1] in b"Nn" and (numbered := _NUMBERED.match(command)):
        command = command[numbered.end() :].rsplit(b"*", 1)[0].rstrip()
    return command


def judge(command: bytes) -> tuple[Kind, bytes]:
    """What becomes of a bare command, and the command in the spelling the machine is given."""
    found = _CODE.match(command)
    if not found:
        return (Kind.WITHHELD, command) if command[:1] in b"@$!#%" else _measured(command, command)
    name = found[1].upper() + found[2]
    if name in _PAUSE:
        return Kind.PAUSE, command[found.end() :].strip()
    if name in _NEVER:
        return Kind.WITHHELD, command
    return _measured(name, command)


def _measured(name: bytes, command: bytes) -> tuple[Kind, bytes]:
    if len(command) <= LONGEST_COMMAND:
        return Kind.SEND, command
    return (Kind.SEND, command[:LONGEST_COMMAND].rstrip()) if name in _TEXT else (Kind.TOO_LONG, command[:40])


def remaining_s(command: bytes) -> float | None:
    """The minutes left that `M73 P12 R25` announces, in seconds."""
    if code(command) == b"M73" and (found := _REMAINING.search(command)):
        return float(found[1]) * 60
    return None


class Program:
    """A file read line by line in constant memory. Raises OSError when it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.size = path.stat().st_size
        self.line = 0
        self.end = 0
        self._readline: Callable[[int], bytes] = self._file.readline

    def next(self) -> Step | None:
        """The next command that means something to a machine or its host, or None at the end of the file."""
        while raw := self._readline(4096):
            self.end += len(raw)
            if len(raw) == 4096 and not self._skip_rest(raw):
                return Step(Kind.TOO_LONG, raw[:40], self.line + 1, self.end)
            self.line += 1
            if command := tidy(raw):
                kind, command = judge(command)
                return Step(kind, command, self.line, self.end)
        return None

    def _skip_rest(self, raw: bytes) -> bool:
        """Go to the end of a very long line; False when it is its command that is long, not a comment."""
        harmless = b";" in raw
        while not raw.endswith(b"\n"):
            raw = self._readline(4096)
            if not raw:
                break
            self.end += len(raw)
        return harmless

    def close(self) -> None:
        self._file.close()
