"""Something on a pty that answers set words, where a whole mock machine would be too well behaved."""

from __future__ import annotations

import os
import pty
import select
import threading
import tty
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

Talker = Mapping[bytes, bytes]


@contextmanager
def talker(answers: Talker, heard: list[bytes] | None = None, *, default: bytes = b"") -> Iterator[str]:
    """The path of a port; each line that comes (without its end) is answered from `answers`, or by `default`."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    stop_read, stop_write = os.pipe()

    def serve() -> None:
        rest = b""
        while True:
            ready, _, _ = select.select([ours, stop_read], [], [])
            if stop_read in ready:
                return
            rest += os.read(ours, 4096)
            *lines, rest = rest.split(b"\n")
            for line in lines:
                if heard is not None:
                    heard.append(line)
                os.write(ours, answers.get(line, default))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        os.write(stop_write, b"!")
        thread.join(5)
        for fd in (ours, theirs, stop_read, stop_write):
            os.close(fd)
