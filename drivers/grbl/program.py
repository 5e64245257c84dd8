"""A program on its way to a laser: one bare line after the other, and what is wrong with it before any is sent.

GRBL obeys single bytes the moment they arrive, even inside a comment: `!` stops the feed, bytes beyond ASCII are
overrides or the door. So comments go, and a line that then is not plain G-code is refused, not repaired.
Admission has looked at the file before; this is the last door before the wire and does not rely on it.
"""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from drivers.grbl.talk import LONGEST_LINE, Origin, Sent

_PIECE = 4096  # characters read at once; a longer line of code is nobody's
_PATIENCE = 2000  # lines without a command before the caller gets a turn
_BLANKS = re.compile(r"[ \t]+")
_GCODE = re.compile(r"(?:[A-Z][+-]?(?:\d+\.?\d*|\.\d+))+", re.IGNORECASE)
_ASCII = re.compile(r"[\t\x20-\x7e]*")
_REALTIME = re.compile(r"[!?~]")
_COMMENT = re.compile(r"\([^)]*(?:\)|$)|;.*$", re.DOTALL)
_BRACKETS = re.compile(r"\([^)]*(?:\)|$)")
_BEAM = re.compile(r"M0*[34](?!\d|\.0*[1-9])", re.IGNORECASE)
# These touch the machine's stored values: while it writes them it is deaf, so nothing else may be on its way.
# G54 to G59 read them.
_ALONE = re.compile(r"G0*(?:10|28\.10*|30\.10*|5[4-9])(?!\d|\.0*[1-9])", re.IGNORECASE)
# Of those, the ones that store even in check mode, where nothing else leaves a trace.
_STORES = re.compile(r"G0*(?:10|28\.10*|30\.10*)(?!\d|\.0*[1-9])", re.IGNORECASE)


class Kind(Enum):
    SEND = "send"
    NOTHING = "nothing"  # comments for a long while
    REFUSED = "refused"  # `command` is the text for a person, `why` the reason


class Step(NamedTuple):
    kind: Kind
    command: bytes
    line: int  # in the file, from 1
    end: int  # bytes of the file up to and including this line
    why: str = ""
    alone: bool = False
    stores: bool = False

    def sent(self, origin: Origin, takes_s: float = 0.0) -> Sent:
        return Sent(
            command=self.command,
            origin=origin,
            line=self.line,
            end=self.end,
            takes_s=takes_s,
            alone=self.alone,
        )


class Findings(NamedTuple):
    """About a whole program: its number of commands, whether it turns the beam on, its first refused line."""

    commands: int
    beam: bool
    refused: Step | None


def bare(text: str) -> str:
    """A file's line without comments and the blanks around it. As GRBL has it: `;` inside ( ) is a comment's text,
    ( behind ; is too, and a ( that is never closed takes the rest of the line."""
    if "(" in text or ";" in text:
        text = _COMMENT.sub("", text)
    return text.strip(" \t\r\n")


def judge(text: str) -> tuple[str, str]:
    """A bare line as it is sent, and why it is not: "" when it is."""
    if text.startswith("$"):
        return text, "settings and commands of the machine itself ($) are not taken from a program"
    if not _ASCII.fullmatch(text):
        return text, "it has a character outside plain ASCII, and the machine would obey it at once"
    if found := _REALTIME.search(text):
        return text, f"it has a {found[0]}, which the machine would obey at once"
    tight = _BLANKS.sub("", text)
    if not _GCODE.fullmatch(tight.removeprefix("/")):
        return text, "it is not G-code"
    if len(tight) > LONGEST_LINE:
        return text, f"it is longer than the {LONGEST_LINE} characters the machine can take"
    text = text.replace("\t", " ").removeprefix("/").lstrip(" ")
    return (text if len(text) <= LONGEST_LINE else tight), ""


class Program:
    """A file read line by line in constant memory. Raises OSError when it cannot be opened.

    CR, LF and both together end a line, as on the machine.
    """

    def __init__(self, path: Path) -> None:
        # Latin-1 gives one character for every byte, so that positions are bytes of the file.
        self._file = path.open(encoding="latin-1", newline="")
        self.size = path.stat().st_size
        self.line = 0
        self.end = 0
        self._inside = False  # a very long comment

    def next(self) -> Step | None:
        """The next line that means something to a machine, or None at the end of the file."""
        for _ in range(_PATIENCE):
            raw = self._file.readline(_PIECE)
            if not raw:
                return None
            self.end += len(raw)
            open_end = len(raw) == _PIECE and raw[-1] not in "\r\n"
            if self._inside:
                self._inside = open_end
                continue
            self.line += 1
            if open_end and ";" not in _BRACKETS.sub("", raw):
                return Step(Kind.REFUSED, _shown(raw), self.line, self.end, "it is endless")
            self._inside = open_end
            if step := self._step(raw):
                return step
        return Step(Kind.NOTHING, b"", self.line, self.end)

    def _step(self, raw: str) -> Step | None:
        if self.line == 1:
            raw = raw.removeprefix("\xef\xbb\xbf")  # a mark some editors put before UTF-8
        text = bare(raw)
        if text in ("", "%"):  # % opens and closes a program on paper tape; GRBL does not know it
            return None
        text, why = judge(text)
        if why:
            return Step(Kind.REFUSED, _shown(text), self.line, self.end, why)
        tight = text.replace(" ", "")
        alone = _ALONE.search(tight) is not None
        stores = alone and _STORES.search(tight) is not None
        return Step(Kind.SEND, text.encode("ascii"), self.line, self.end, "", alone, stores)

    def close(self) -> None:
        self._file.close()


def inspect(path: Path) -> Findings:
    """Read the whole file once, up to its first refused line. Raises OSError."""
    program = Program(path)
    commands = 0
    beam = False
    try:
        while step := program.next():
            if step.kind is Kind.REFUSED:
                return Findings(commands, beam, step)
            if step.kind is Kind.SEND:
                commands += 1
                beam = beam or _BEAM.search(step.command.decode("ascii").replace(" ", "")) is not None
    finally:
        program.close()
    return Findings(commands, beam, None)


def _shown(text: str) -> bytes:
    return text.strip()[:60].encode("latin-1").decode("utf-8", "replace").encode()
