"""A networked mock as a program: `python -m drivers mock octoprint --ready PATH ...`.

Like a small computer in the house it goes on by itself, and ends when nobody has asked anything for a while and
nothing prints. One runs for one `--ready` file: a second one ends at once. The file (mode 0600) says where it is:

    {"url": "http://127.0.0.1:41234", "api_key": "...", "about": "...", "pid": 4711}

with the keys that the driver of this machine takes. The control socket is that of `drivers.mock.control`, and takes

    {"do": "quit"}    end, unless something prints; with "force": true also then
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import signal
import stat
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from drivers.host.paths import LockHeld, take_lock
from drivers.mock.control import Control
from drivers.mock.network_faults import FAULTS, parse
from drivers.mock.server import NetworkMock

_LOCK_TRIES: Final = 4
_LOCK_PAUSE_S: Final = 0.05
_LOOK_S: Final = 0.05  # how often it is asked whether it is time to end


def main(kind: str, argv: Sequence[str], build: Callable[[argparse.Namespace], NetworkMock]) -> int:
    """`build` makes the mock from `name`, `speed`, `port` and `key`."""
    options = _parser(kind).parse_args(argv)
    try:
        lock = _lock(options.ready)
    except LockHeld:
        return 0
    if options.detach:
        if os.fork():
            return 0
        os.setsid()  # the lock came along
    try:
        _sign(lock)
        return asyncio.run(serve(build(options), options))
    finally:
        os.close(lock)


def _parser(kind: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m drivers mock {kind}", description=__doc__)
    add = parser.add_argument
    add("--name", default="mock", help="the machine's name, where its server can say it")
    add("--speed", type=_speed, default=1.0, help="pretended seconds in one second")
    add("--port", type=int, default=0, help="on 127.0.0.1; 0: a free one")
    add("--key", default=secrets.token_hex(16), help="API key or password; made up if not given")
    add(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="KIND[:VALUE][@METHOD /path]",
        help="; ".join(f"{kind}: {meaning.words}" for kind, meaning in FAULTS.items()).replace("%", "%%"),
    )
    add("--control", type=Path, help="a Unix socket that takes JSON lines")
    add("--ready", type=Path, help="a file that says where it is, once it can be asked")
    add("--about", default="", help="repeated in the ready file")
    add(
        "--idle",
        type=float,
        default=float("inf"),
        help="end after so many seconds without question and print",
    )
    add("--detach", action="store_true", help="go on in the background")
    return parser


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed <= 1e6:
        raise ValueError("a speed is a number above 0")
    return speed


def _fault(text: str) -> str:
    try:
        parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _lock(ready: Path | None) -> int:
    """Held for as long as this process lives. Who only looks whether it is held holds it for an instant."""
    if ready is None:
        return os.open(os.devnull, os.O_RDONLY)
    ready.parent.mkdir(parents=True, exist_ok=True)
    holders: list[str] = []
    while True:
        try:
            return take_lock(ready.with_suffix(".lock"), "a mock that starts")
        except LockHeld as holder:
            holders = [*holders, str(holder)]
            if len(holders) >= _LOCK_TRIES and len(set(holders[-_LOCK_TRIES:])) == 1:
                raise
        time.sleep(_LOCK_PAUSE_S)


def _sign(lock: int) -> None:
    if stat.S_ISREG(os.fstat(lock).st_mode):
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"pid {os.getpid()}".encode(), 0)


async def serve(mock: NetworkMock, options: argparse.Namespace) -> int:
    """Until SIGTERM, SIGINT, SIGHUP, a quit or idleness; leaves no file behind."""
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, end.set)
    async with mock:
        for fault in options.fault:
            mock.inject(fault)
        control = steered(mock, options.control, end.set) if options.control else None
        told = {"url": mock.url, **mock.credentials(), "about": options.about, "pid": os.getpid()}
        if options.ready:
            _write(options.ready, told)
        if not options.detach:
            sys.stdout.write(f"ready: {options.name} at {mock.url}\n")
            sys.stdout.flush()
        try:
            await until_idle(mock, options.idle, end)
        finally:
            if options.ready:
                options.ready.unlink(missing_ok=True)
            if control is not None:
                control()
    return 0


async def until_idle(mock: NetworkMock, idle_s: float, end: asyncio.Event) -> None:
    busy_at = time.monotonic()
    while not end.is_set():
        if mock.busy:
            busy_at = time.monotonic()
        if time.monotonic() - max(busy_at, mock.heard_at) >= idle_s:
            return
        try:
            async with asyncio.timeout(_LOOK_S if idle_s < 10 else 1.0):
                await end.wait()
        except TimeoutError:
            pass


def steered(mock: NetworkMock, path: Path, quit_: Callable[[], None]) -> Callable[[], None]:
    """Serve the control socket from this event loop; the call that is returned closes it."""
    loop = asyncio.get_running_loop()
    control = Control(path, lambda asked: _obey(mock, asked, quit_))
    known: set[int] = set()

    def follow() -> None:
        now = set(control.descriptors())
        for gone in known - now:
            loop.remove_reader(gone)
        for new in now - known:
            loop.add_reader(new, ready, new)
        known.clear()
        known.update(now)

    def ready(fd: int) -> None:
        control.serve(fd)
        follow()

    def close() -> None:
        for fd in known:
            loop.remove_reader(fd)
        control.close()

    follow()
    return close


def _obey(mock: NetworkMock, asked: Mapping[str, Any], quit_: Callable[[], None]) -> dict[str, Any]:
    """Raises ValueError, which is answered, for anything it does not know."""
    match asked:
        case {"fault": str(text)}:
            mock.inject(text)
            return {}
        case {"speed": float() | int() as speed}:
            mock.speed = _speed(str(speed))
            return {}
        case {"do": "faults"}:
            return {"faults": {str(kind): meaning.words for kind, meaning in FAULTS.items()}}
        case {"do": "state"}:
            return mock.facts()
        case {"do": "heal"}:
            mock.heal()
            return {}
        case {"do": "quit"} if mock.busy and asked.get("force") is not True:
            raise ValueError("something prints")
        case {"do": "quit"}:
            quit_()
            return {}
    raise ValueError("known are fault, speed, and do: faults, state, heal, quit")


def _write(path: Path, told: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(told, file)
    new.replace(path)
