"""The search as a process of its own: `python -m scheduler.searcher`, problems in, better plans out, no database.

Whoever starts it writes `Ask` and `Stop` into its standard input and reads `Found` from its standard output, each in a
frame: four bytes of length, then MessagePack. It is nice to everybody else on the computer, takes no more memory than
it is given, and ends when its input does: a server that dies leaves none behind.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import struct
import sys
import threading
from collections.abc import Mapping
from queue import SimpleQueue
from types import MappingProxyType
from typing import Any, BinaryIO

import msgspec

from scheduler.plan import Plan
from scheduler.problem import Problem, Slot

NICE = 10
LENGTH = struct.Struct(">I")
MOST_BYTES = 256_000_000  # of a frame: a problem of 500 machines and 10,000 demands has 4 MB

#: Threads are the search's own (`usual_threads`), whatever numpy and numba think of the computer.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag="ask"):
    """Improve the plan of these slots for `limit_s` at most. `number` comes back in the answer."""

    number: int
    problem: Problem
    slots: dict[str, tuple[Slot, ...]]
    limit_s: float
    seed: int


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag="stop"):
    """The best so far is asked for at once, or nobody wants it any more."""

    number: int


class Found(msgspec.Struct, frozen=True, kw_only=True, tag="found"):
    """All slots of the plan, the ones that stayed as well. `iterations`: moves tried."""

    number: int
    slots: dict[str, tuple[Slot, ...]]
    iterations: int
    runtime_s: float


Asked = Ask | Stop


def frame(message: Ask | Stop | Found) -> bytes:
    body = msgspec.msgpack.encode(message, enc_hook=_plain)
    return LENGTH.pack(len(body)) + body


def _plain(value: Any) -> Any:
    """The read-only mappings that some defaults are."""
    if isinstance(value, MappingProxyType):
        return dict(value)
    raise NotImplementedError(type(value))


def read_frame(stream: BinaryIO) -> bytes | None:
    """None at the end of the stream, also when it comes in the middle of a frame."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size,) = LENGTH.unpack(head)
    body = stream.read(size)
    return body if len(body) == size else None


class _Orders:
    """What the other side wants, read in a thread beside the search: a stop must overtake it."""

    def __init__(self, stream: BinaryIO) -> None:
        self.asked: SimpleQueue[Ask] = SimpleQueue()
        self._stream = stream
        self._stopped = -1
        threading.Thread(target=self._read, daemon=True).start()

    def is_stopped(self, number: int) -> bool:
        return self._stopped >= number

    def _read(self) -> None:
        decoder = msgspec.msgpack.Decoder(Asked)
        while (body := read_frame(self._stream)) is not None:
            message = decoder.decode(body)
            if isinstance(message, Stop):
                self._stopped = message.number
            else:
                self.asked.put(message)
        os._exit(0)  # the server is gone; nobody would hear of what is being found


def answer(ask: Ask, orders: _Orders) -> Found:
    from scheduler.search import search, usual_threads

    plan = Plan(slots=ask.slots)
    result = search(
        ask.problem,
        plan,
        limit_s=ask.limit_s,
        seed=ask.seed,
        threads=usual_threads(),
        stop=lambda: orders.is_stopped(ask.number),
    )
    slots: Mapping[str, tuple[Slot, ...]] = result.plan.slots
    return Found(
        number=ask.number, slots=dict(slots), iterations=result.iterations, runtime_s=result.runtime_s
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="scheduler.searcher", description=__doc__.splitlines()[0])
    parser.add_argument("--memory-mb", type=int, default=0, help="the most it may take; 0: no limit")
    memory_mb: int = parser.parse_args().memory_mb
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between two frames
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then ends this one
    os.nice(NICE)
    if memory_mb:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))
    orders = _Orders(sys.stdin.buffer)
    from scheduler.search import warm

    warm()
    while True:
        out.write(frame(answer(orders.asked.get(), orders)))
        out.flush()


if __name__ == "__main__":
    main()
