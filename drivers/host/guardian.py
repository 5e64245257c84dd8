"""The guardian: a tiny process that holds a host's port too, and switches the heaters off if it dies.

Marlin has no watchdog for its host: when the host is gone, heaters keep their targets. So a second process
inherits the open port and one end of a pipe. End of file on the pipe without a goodbye means the host died.
Because the port was never closed, no DTR edge resets the board and nobody else can have taken it.

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
                    return False, "the port was closed at its other end"
                _write(port, back.hear(data), deadline)
    except OSError as error:
        return False, f"the port failed: {error.strerror}"
    return True, "targets read back as 0"


def _write(port: int, data: bytes, deadline: float) -> None:
    while data:
        try:
            data = data[os.write(port, data) :]
        except BlockingIOError:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise
            select.select([], [port], [], left_s)


def note(journal: Path, *, confirmed: bool, detail: str) -> None:
    """Write into the host's journal what became of the heaters; the host is dead, nobody else writes now."""
    try:
        entry: Any = json.loads(journal.read_bytes())
    except (OSError, ValueError):
        return
    if not isinstance(entry, dict):
        return
    entry["safe"] = "confirmed" if confirmed else "not_confirmed"
    if entry.get("ended_at") is None:
        entry["ended_at"] = datetime.now(UTC).isoformat()
        entry["detail"] = f"the host died; heaters off by the guardian: {detail}"
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


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Watches over a host; started by the host only.")
    parser.add_argument("--pipe", type=int, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--within", type=float, default=20.0)
    parser.add_argument("--mock-pid", type=int, default=0, help="a mock of the host's own, ended after all")
    options = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when the host ends, not with whatever else is ended
    with socket.socket(fileno=options.pipe) as pipe:
        port = watch(pipe)
    if port is not None:
        confirmed, detail = make_safe(port, within_s=options.within)
        note(options.journal, confirmed=confirmed, detail=detail)
    if options.mock_pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(options.mock_pid, signal.SIGTERM)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
