"""The guardian: a tiny process that holds a host's port too, and switches heaters or beam off if it dies.

Neither Marlin nor GRBL has a watchdog for its host: when the host is gone, heaters keep their targets, and a laser
cuts on through all it has buffered and may then stand still with its beam on. So a second process inherits the
open port and one end of a pipe. End of file on the pipe without a goodbye means the host died. Because the port
was never closed, no DTR edge resets the board and nobody else can have taken it.

It is run by file name and uses the standard library only, so that it starts fast, stays small and shares no
mistake with the driver it watches over.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import select
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

# What the host sends: one byte; HOLD carries the port and its lock as descriptors. Each is answered: ACK.
HOLD: Final = b"H"
DROP: Final = b"D"
BYE: Final = b"B"
ACK: Final = b"k"
_MAX_FDS: Final = 4
_CLOSED: Final = "the port was closed at its other end"

# No line number and no checksum: Marlin takes such lines whatever number it expects next. The first line end
# closes a line the host may have died in; M108 ends a heat wait where there is an emergency parser.
_OFF: Final = b"\nM108\nM104 S0\nM140 S0\nM107\n"
_READ_BACK: Final = b"M105\n"
# Acknowledgements of M104, M140, M107 and M105 itself; fewer means the answer was to something older.
_OWED_OKS: Final = 4
# With several of the host's lines still queued one report may be older than our commands; two cannot be.
_REPORTS: Final = 2
_TARGET: Final = re.compile(rb"\b(T\d*|B|C) ?:\s*-?[\d.]+\s*/\s*(-?[\d.]+)")


@dataclass(slots=True)
class ReadBack:
    """Judges what the firmware says after heaters were commanded off. Pure: bytes in, commands out."""

    oks: int = 0
    cold_reports: int = 0
    rest: bytes = b""
    hot: set[str] = field(default_factory=set)

    @property
    def confirmed(self) -> bool:
        return self.cold_reports >= _REPORTS

    def hear(self, data: bytes) -> bytes:
        """Commands to send now: a heater that still has a target is named and switched off by its name."""
        *lines, self.rest = (self.rest + data).replace(b"\0", b"").replace(b"\r", b"\n").split(b"\n")
        self.rest = self.rest[-1024:]
        return b"".join(self._line(line.strip()) for line in lines)

    def _line(self, line: bytes) -> bytes:
        if not line.startswith(b"ok"):
            return b""
        self.oks += 1
        targets = {name.decode(): float(value) for name, value in _TARGET.findall(line) if _number(value)}
        if not targets or self.oks < _OWED_OKS:
            return b""
        self.hot = {name for name, target in targets.items() if target > 0}
        self.cold_reports = 0 if self.hot else self.cold_reports + 1
        return b"".join(_off(name) for name in sorted(self.hot)) or b""


def _number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _off(heater: str) -> bytes:
    if heater == "B":
        return b"M140 S0\n"
    if heater == "C":
        return b"M141 S0\n"
    tool = heater[1:]
    return f"M104 T{tool} S0\n".encode() if tool else b"M104 S0\n"


def make_safe(port: int, *, within_s: float, ask_every_s: float = 1.0) -> tuple[bool, str]:
    """Command everything off on the open `port`, then read the targets back; (confirmed, what was seen)."""
    back = ReadBack()
    deadline = time.monotonic() + within_s
    ask_at = 0.0
    try:
        _write(port, _OFF, deadline)
        while not back.confirmed:
            now = time.monotonic()
            if now >= deadline:
                return False, f"targets still set: {', '.join(sorted(back.hot)) or 'no report came'}"
            if now >= ask_at:
                _write(port, _READ_BACK, deadline)
                ask_at = now + ask_every_s
            ready, _, _ = select.select([port], [], [], max(0.0, min(ask_at, deadline) - now))
            if ready:
                data = os.read(port, 4096)
                if not data:
                    return False, _CLOSED
                _write(port, back.hear(data), deadline)
    except OSError as error:
        return False, f"the port failed: {error.strerror}"
    return True, "targets read back as 0"


# -- a laser: hold, reset, beam off, read back -----------------------------------------------------------------

_GRBL_HOLD: Final = b"!"
_GRBL_ASK: Final = b"?"
_GRBL_RESET: Final = b"\x18"
_GRBL_OFF: Final = b"M5\n"
_GRBL_ASK_EVERY_S: Final = 0.2  # a GRBL bears five questions a second
_GRBL_HOLD_S: Final = 2.0  # until the head stands still; a reset in motion costs the position
_GRBL_RESET_S: Final = 2.0
_MOST_UNREAD: Final = 64  # pieces; a terminal holds one
# Accessories are told in every tenth report or so; from a firmware that never tells them, this many are enough.
_GRBL_REPORTS: Final = 3
_GRBL_STATUS: Final = re.compile(rb"<([A-Z][a-z]+)(?::(\d))?\|([^<>]*)>$")
_GRBL_SPEEDS: Final = re.compile(rb"(?:^|\|)FS:-?[\d.]+,(-?[\d.]+)")
_GRBL_ACCESSORIES: Final = re.compile(rb"(?:^|\|)A:([A-Z]*)")


@dataclass(slots=True)
class Beam:
    """Judges what a GRBL says while it is stopped. Pure: bytes in; what it knows stands in its fields.

    Only what was said after the reset's banner, or after M5 was taken, proves anything.
    """

    still: bool = False
    reset: bool = False
    answered: bool = False  # our M5, be it with "locked"; the reset has switched the beam off before that
    confirmed: bool = False
    burning: bool = False
    heard: bool = False
    clean: int = 0
    rest: bytes = b""

    def hear(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).replace(b"\0", b"").replace(b"\r", b"\n").split(b"\n")
        self.rest = self.rest[-1024:]
        for line in lines:
            self._line(line.strip())

    def _line(self, line: bytes) -> None:
        self.heard = self.heard or bool(line)
        if line[:4].lower() == b"grbl":
            self.reset, self.answered, self.clean = True, False, 0
        elif self.reset and (line == b"ok" or line.startswith(b"error:")):
            self.answered = True
        elif found := _GRBL_STATUS.match(line):
            self._status(found[1], found[2] or b"0", found[3])

    def _status(self, state: bytes, part: bytes, fields: bytes) -> None:
        self.still = state not in (b"Run", b"Jog", b"Home") and not (
            (state == b"Hold" and part != b"0") or (state == b"Door" and part in (b"2", b"3"))
        )
        power = _GRBL_SPEEDS.search(fields)
        told = _GRBL_ACCESSORIES.search(fields)
        on = told is not None and (b"S" in told[1] or b"C" in told[1])
        self.burning = on or (power is not None and power[1].strip(b"-0.") != b"")
        # With the door open no line is read, and so M5 is not answered.
        if not self.reset or not (self.answered or state == b"Door"):
            return
        self.clean = 0 if self.burning or not self.still else self.clean + 1
        whole = told is not None or b"|Ov:" in fields
        self.confirmed = self.clean > 0 and (whole or (power is not None and self.clean >= _GRBL_REPORTS))


def make_beam_safe(
    port: int, *, within_s: float, hold_s: float = _GRBL_HOLD_S, reset_s: float = _GRBL_RESET_S
) -> tuple[bool, str]:
    """Hold, reset and M5 on the open `port` of a GRBL, then its status read back; (confirmed, what was seen)."""
    beam = Beam()
    deadline = time.monotonic() + within_s
    try:
        _write(port, _GRBL_HOLD, deadline)
        _drop_unread(port)
        if not _converse(port, beam, min(deadline, time.monotonic() + hold_s), lambda: beam.still):
            return False, _CLOSED
        for _ in range(2):
            beam.reset = beam.answered = False
            _write(port, _GRBL_RESET, deadline)
            if not _converse(port, beam, min(deadline, time.monotonic() + reset_s), lambda: beam.reset):
                return False, _CLOSED
            if beam.reset:
                break
        while not beam.confirmed and time.monotonic() < deadline:
            _write(port, _GRBL_OFF, deadline)
            if not _converse(port, beam, min(deadline, time.monotonic() + reset_s), lambda: beam.confirmed):
                return False, _CLOSED
    except OSError as error:
        return False, f"the port failed: {error.strerror}"
    if beam.confirmed:
        return True, "beam read back as off"
    return False, "the beam is still on" if beam.burning else "the machine did not say that its beam is off"


def _drop_unread(port: int) -> None:
    """What the host did not read before it died is no answer to us."""
    for _ in range(_MOST_UNREAD):
        if not select.select([port], [], [], 0)[0] or not os.read(port, 4096):
            return


def _converse(port: int, beam: Beam, until: float, enough: Callable[[], bool]) -> bool:
    """Ask and listen until it is enough or time is up; False when the port's other end is closed."""
    ask_at = 0.0
    while not enough() and (now := time.monotonic()) < until:
        if now >= ask_at:
            _write(port, _GRBL_ASK, until)
            ask_at = now + _GRBL_ASK_EVERY_S
        ready, _, _ = select.select([port], [], [], max(0.0, min(ask_at, until) - now))
        if ready:
            data = os.read(port, 4096)
            if not data:
                return False
            beam.hear(data)
    return True


def _write(port: int, data: bytes, deadline: float) -> None:
    while data:
        try:
            data = data[os.write(port, data) :]
        except BlockingIOError:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise
            select.select([], [port], [], left_s)


def note(journal: Path, *, confirmed: bool, detail: str, what: str = "heaters") -> None:
    """Write into the host's journal what became of `what`; the host is dead, nobody else writes now."""
    try:
        entry: Any = json.loads(journal.read_bytes())
    except (OSError, ValueError):
        return
    if not isinstance(entry, dict):
        return
    entry["safe"] = "confirmed" if confirmed else "not_confirmed"
    if entry.get("ended_at") is None:
        entry["ended_at"] = datetime.now(UTC).isoformat()
        entry["detail"] = f"the host died; {what} off by the guardian: {detail}"
    with contextlib.suppress(OSError):
        fd, temporary = tempfile.mkstemp(dir=journal.parent, prefix=f".{journal.name}.")
        with os.fdopen(fd, "w") as file:
            json.dump(entry, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(journal)


def watch(pipe: socket.socket) -> int | None:
    """Serve the host until it says goodbye (None) or dies; then the port to make safe, if there was one."""
    held: list[int] = []
    while True:
        try:
            data, fds, _, _ = socket.recv_fds(pipe, 1, _MAX_FDS)
        except OSError:
            data, fds = b"", []
        if data in (HOLD, DROP):
            for fd in held:
                os.close(fd)
            held = list(fds)
        if data in (HOLD, DROP, BYE):
            with contextlib.suppress(OSError):
                pipe.sendall(ACK)
        if data == BYE:
            return None
        if not data:
            return held[0] if held else None


# How a machine of each wire is made safe, and what of it is then off.
WIRES: Final[Mapping[str, tuple[Callable[..., tuple[bool, str]], str]]] = {
    "marlin": (make_safe, "heaters"),
    "grbl": (make_beam_safe, "beam"),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Watches over a host; started by the host only.")
    parser.add_argument("--pipe", type=int, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--wire", choices=sorted(WIRES), default="marlin")
    parser.add_argument("--within", type=float, default=20.0)
    parser.add_argument("--mock-pid", type=int, default=0, help="a mock of the host's own, ended after all")
    options = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when the host ends, not with whatever else is ended
    with socket.socket(fileno=options.pipe) as pipe:
        port = watch(pipe)
    if port is not None:
        stop, what = WIRES[options.wire]
        confirmed, detail = stop(port, within_s=options.within)
        note(options.journal, confirmed=confirmed, detail=detail, what=what)
    if options.mock_pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(options.mock_pid, signal.SIGTERM)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
