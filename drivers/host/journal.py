"""What a host started and how it ended, so that no later host starts it twice or thinks it runs.

One small JSON file, replaced in one piece. It is on the disk (fsync) before the first line of a
program is sent and after its end; what is written in between, every few seconds, may be lost. Beside it lies
the position: 24 bytes, written over after every line sent, so that it is exact whatever kills the host. Only a
power cut may take the last of it.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from fablab.device import Outcome, Progress


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The last program given to the machine. `ended_at` None: it runs, or the host died over it.

    `outcome` None with `ended_at` set: interrupted, nobody knows how far the part got. `safe` is
    "confirmed" or "not_confirmed" once the guardian or the next host has made the machine safe after
    an interruption; `settled` once a host has done so.
    """

    token: str
    program: str
    sha256: str
    size_bytes: int
    started_at: datetime
    position_bytes: int = 0
    position_line: int = 0
    fraction: float | None = None
    elapsed_s: float = 0.0
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    detail: str = ""
    safe: str = ""
    settled: bool = False

    @property
    def running(self) -> bool:
        return self.ended_at is None

    def progress(self) -> Progress:
        """What a host that did not run it itself can say of it."""
        return Progress(
            token=self.token,
            fraction=self.fraction,
            elapsed_s=self.elapsed_s,
            outcome=self.outcome,
            detail=self.detail,
        )


class Position:
    """How far the driver has sent the file; told from its own thread, read from the loop. None keeps it in memory."""

    def __init__(self, path: Path | None = None) -> None:
        self.line = 0
        self.offset = 0
        self._fd = -1 if path is None else os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def begin(self, token: str) -> None:
        """From here on it is the position in the program of `token`. Raises OSError when the disk takes nothing."""
        self.line = self.offset = 0
        if self._fd >= 0:
            os.pwrite(self._fd, _mark(token) + _PLACE.pack(0, 0), 0)

    def __call__(self, line: int, offset: int) -> None:
        self.line, self.offset = line, offset
        if self._fd >= 0:
            os.pwrite(self._fd, _PLACE.pack(line, offset), _MARK_BYTES)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


_MARK_BYTES: Final = 8
_PLACE: Final = struct.Struct("<QQ")


def position_beside(journal: Path) -> Path:
    return journal.with_suffix(".position")


def _mark(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()[:_MARK_BYTES]


class Journal:
    """`damaged`: a note was there and cannot be read, so a program may have been running; until the next `write`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.entry: Entry | None = read(path)
        self.damaged = self.entry is None and _says_something(path)

    def write(self, entry: Entry | None, *, durable: bool) -> None:
        """`durable` returns only when the disk has it."""
        self.entry = entry
        replace(self._path, msgspec.json.format(msgspec.json.encode(entry)), durable=durable)
        self.damaged = False


def read(path: Path) -> Entry | None:
    """None for a missing file; a damaged one counts as missing: a lost note must not stop the machine.

    Of a program that nobody saw the end of, the position is the one beside it: it is never older.
    """
    try:
        entry = msgspec.json.decode(path.read_bytes(), type=Entry | None)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    if entry is None or entry.outcome is not None or entry.settled:
        return entry
    return _with_position(entry, position_beside(path))


def _with_position(entry: Entry, path: Path) -> Entry:
    try:
        data = path.read_bytes()
    except OSError:
        return entry
    if len(data) != _MARK_BYTES + _PLACE.size or not data.startswith(_mark(entry.token)):
        return entry  # of an earlier program, or of a host that kept none
    line, offset = _PLACE.unpack_from(data, _MARK_BYTES)
    if offset <= entry.position_bytes:
        return entry
    fraction = min(1.0, offset / entry.size_bytes) if entry.size_bytes else entry.fraction
    return msgspec.structs.replace(entry, position_line=line, position_bytes=offset, fraction=fraction)


def _says_something(path: Path) -> bool:
    """A file that is there and is not the plain "nothing was ever started"; an empty one was cut off in a crash."""
    try:
        return path.read_bytes().strip() != b"null"
    except FileNotFoundError:
        return False


def replace(path: Path, data: bytes, *, durable: bool) -> None:
    """Readers see the old file or the new one, never a part."""
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
