"""The server's end of the search process: started when first needed, kept warm, started again when it has died."""

from __future__ import annotations

import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from scheduler.problem import Problem, Slot
from scheduler.searcher import LENGTH, MOST_BYTES, ONE_THREAD, Ask, Found, Stop, frame

log = logging.getLogger(__name__)

MEMORY_MB = 1000
COMPILING_S = 120.0  # the first start on a computer compiles the search
ENDING_S = 2.0
ROOT = Path(__file__).resolve().parents[2]

Slots = Mapping[str, tuple[Slot, ...]]


class SearchDied(Exception):
    """There is no answer: the process is gone, or was ended because it said nothing for too long."""


class Searcher(Protocol):
    """Whoever can search. `cancel` and `abandon` may be called from any thread, at any time, and are quick."""

    def search(self, problem: Problem, slots: Slots, *, limit_s: float, seed: int) -> Found: ...
    def cancel(self) -> None: ...
    def abandon(self) -> None: ...
    def close(self) -> None: ...


class SearchProcess:
    """`search` and `close` belong to one thread. `command`: for tests, another process that speaks the same."""

    def __init__(self, *, command: Sequence[str] = (), memory_mb: int = MEMORY_MB) -> None:
        self._command = tuple(command) or (
            sys.executable,
            "-m",
            "scheduler.searcher",
            "--memory-mb",
            str(memory_mb),
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0
        self._abandoned = False
        self._wake_out, self._wake = os.pipe()
        for end in (self._wake_out, self._wake):
            os.set_blocking(end, False)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def search(self, problem: Problem, slots: Slots, *, limit_s: float, seed: int) -> Found:
        """The best plan found in `limit_s`, or until `cancel`. Raises `SearchDied`; the next call starts another."""
        self._is_woken()  # by what was meant for an earlier search
        if self._abandoned:
            raise SearchDied("abandoned")
        process = self._alive()
        self._number += 1
        deadline = time.monotonic() + limit_s + COMPILING_S
        ask = Ask(number=self._number, problem=problem, slots=dict(slots), limit_s=limit_s, seed=seed)
        try:
            self._send(process, frame(ask), deadline)
            return self._receive(process, deadline)
        except (OSError, EOFError, msgspec.DecodeError, TimeoutError) as error:
            code = self._end()
            raise SearchDied(f"{type(error).__name__} {error}, exit code {code}".strip()) from error

    def cancel(self) -> None:
        """The search under way answers at once with what it has; one that begins later is not touched."""
        with suppress(BlockingIOError, OSError):  # full: it is awake already; closed: there is none
            os.write(self._wake, b"!")

    def abandon(self) -> None:
        """The search under way and every later one ends with `SearchDied`, even while the process still compiles."""
        self._abandoned = True
        self.cancel()

    def close(self) -> None:
        self._end()
        for end in (self._wake_out, self._wake):
            os.close(end)

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        if self._process is not None:
            log.warning("the search process had ended with %s; another one starts", self._end())
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **ONE_THREAD},
        )
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
        return self._process

    def _send(self, process: subprocess.Popen[bytes], data: bytes, deadline: float) -> None:
        assert process.stdin is not None
        end, left = process.stdin.fileno(), memoryview(data)
        while left:
            if not _ready({end: select.POLLOUT}, deadline):
                raise TimeoutError("does not read")
            left = left[os.write(end, left) :]

    def _receive(self, process: subprocess.Popen[bytes], deadline: float) -> Found:
        assert process.stdout is not None
        out, buffer = process.stdout.fileno(), bytearray()
        while True:
            ready = _ready({out: select.POLLIN, self._wake_out: select.POLLIN}, deadline)
            if not ready:
                raise TimeoutError("does not answer")
            if self._wake_out in ready and self._is_woken():
                if self._abandoned:
                    raise EOFError("abandoned")
                self._send(process, frame(Stop(number=self._number)), deadline)
            if out in ready:
                data = os.read(out, 1 << 20)
                if not data:
                    raise EOFError("ended")
                buffer += data
            if len(buffer) >= LENGTH.size:
                (size,) = LENGTH.unpack_from(buffer)
                if size > MOST_BYTES:
                    raise EOFError("said something else")
                if len(buffer) >= LENGTH.size + size:
                    found = msgspec.msgpack.decode(bytes(buffer[LENGTH.size :]), type=Found)
                    if found.number != self._number:
                        raise EOFError("answered something else")
                    return found

    def _is_woken(self) -> bool:
        with suppress(BlockingIOError):
            return bool(os.read(self._wake_out, 4096))
        return False

    def _end(self) -> int | None:
        """Its input ends, so it does; whatever does not listen is killed."""
        process, self._process = self._process, None
        if process is None:
            return None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            code = process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        process.stdout.close()
        return code


def _ready(wanted: Mapping[int, int], deadline: float) -> frozenset[int]:
    """Which of the descriptors can be read or written; none when the time is over. `select` itself knows no descriptor
    above 1023, and a server with many listeners has more of them open."""
    poll = select.poll()
    for end, events in wanted.items():
        poll.register(end, events)
    return frozenset(end for end, _ in poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
