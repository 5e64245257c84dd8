"""Hostile input for protocol parsers: seeded noise, and real replies that were damaged, and what each parser is.

A parser is fed whole messages. It may raise the errors it documents and nothing else, and may not take long:
what it takes is what the event loop stands still, so the slowest message is the loop's lag.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from drivers.grbl import words as grbl
from drivers.host import wire as host
from drivers.lines import LONGEST_LINE, Lines, ScriptPort
from drivers.marlin import words as marlin
from drivers.mock.grbl.firmware import Firmware as MockGrbl
from drivers.mock.grbl.settings import Settings
from drivers.mock.marlin.firmware import Firmware as MockMarlin
from drivers.mock.marlin.machine import Abilities
from drivers.moonraker import follow as moonraker_follow
from drivers.moonraker import wire as moonraker
from drivers.octoprint import follow as octoprint_follow
from drivers.octoprint import wire as octoprint
from drivers.prusalink import follow as prusalink_follow
from drivers.prusalink import safety as prusalink_safety
from drivers.prusalink import wire as prusalink
from fablab.device import DeviceError, DeviceState
from tests.drivers import recorded
from tests.drivers.doubles import NOON

T = TypeVar("T")
PIECE_BYTES: Final = 256
_NUMBERS = (
    b"1e999",
    b"-1e308",
    b"9" * 400,
    b"18446744073709551616",
    b"-0.0",
    b"NaN",
    b"-Infinity",
    b"1" * 19,
)
_INSERTS = (
    b"\xff\xfe",
    b"\0",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"[" * 3000,
    b'{"a":' * 3000,
    b"null",
    b"{}",
    b"[]",
    b'""',
    b"true",
    b"\r\n",
    b"-",
    b":" * 50,
    b"," * 50,
    b"A" * 3000,
)


def noise(seed: int, size: int, piece: int = PIECE_BYTES) -> Iterator[bytes]:
    """`size` random bytes in pieces."""
    chance = random.Random(seed)
    for at in range(0, size, piece):
        yield chance.randbytes(min(piece, size - at))


def mutants(samples: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """`count` of the samples with one to three damages each."""
    chance = random.Random(seed)
    for _ in range(count):
        data = samples[int(chance.random() * len(samples))]
        for _ in range(1 + int(chance.random() * 3)):
            data = _DAMAGES[int(chance.random() * len(_DAMAGES))](data, samples, chance)
        yield data


Damage = Callable[[bytes, Sequence[bytes], random.Random], bytes]


def _place(data: bytes, chance: random.Random) -> int:
    return int(chance.random() * (len(data) + 1))


def _cut(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    return data[: _place(data, chance)]


def _doubled(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    return data + data if chance.random() < 0.5 else data[: _place(data, chance)] + data


def _flipped(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    if not data:
        return b"?"
    flipped = bytearray(data)
    for _ in range(1 + int(chance.random() * 4)):
        flipped[int(chance.random() * len(data))] ^= 1 << int(chance.random() * 8)
    return bytes(flipped)


def _numbered(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    """A number becomes one that is too large, or none."""
    places = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
    if not places:
        return data
    at = chance.choice(places)
    end = at + 1
    while end < len(data) and 48 <= data[end] <= 57:
        end += 1
    return data[:at] + chance.choice(_NUMBERS) + data[end:]


def _inserted(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + _INSERTS[int(chance.random() * len(_INSERTS))] + data[at:]


def _retyped(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    """In JSON, a value becomes one of another kind."""
    parts = data.split(b": " if b": " in data else b":")
    if len(parts) < 2:
        return data
    at = 1 + int(chance.random() * (len(parts) - 1))
    cut = next((i for i, byte in enumerate(parts[at]) if byte in b",}]"), len(parts[at]))
    value = chance.choice((b"null", b"[]", b"{}", b'"x"', b"-1", b"1e400", b"true", b"[" * 2000, b"9" * 400))
    parts[at] = value + parts[at][cut:]
    return b":".join(parts)


def _spliced(data: bytes, samples: Sequence[bytes], chance: random.Random) -> bytes:
    other = samples[int(chance.random() * len(samples))]
    return data[: _place(data, chance)] + other[_place(other, chance) :]


_DAMAGES: tuple[Damage, ...] = (_cut, _doubled, _flipped, _numbered, _inserted, _retyped, _spliced)


# -- the parsers


@dataclass(frozen=True, kw_only=True)
class Parser:
    """`make` gives a fresh `feed`; `errors` are those that it documents."""

    samples: Sequence[bytes]
    make: Callable[[], Callable[[bytes], object]]
    errors: tuple[type[Exception], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Fed:
    """`slowest_s`: the most processor time that one message took."""

    messages: int
    took_s: float
    slowest_s: float


def feed(parser: Parser, messages: Iterator[bytes]) -> Fed:
    """Raises AssertionError with the message that broke it."""
    take, count, slowest, began = parser.make(), 0, 0.0, time.perf_counter()
    for data in messages:
        at = time.thread_time()  # others may use this computer, too
        try:
            take(data)
        except parser.errors:
            pass
        except Exception as error:
            raise AssertionError(f"message {count}: {data[:2000]!r} raised {error!r}") from error
        slowest = max(slowest, time.thread_time() - at)
        count += 1
    return Fed(messages=count, took_s=time.perf_counter() - began, slowest_s=slowest)


def decoded(data: bytes, kind: type[T]) -> T | None:
    """As `drivers.http` decodes an answer: None where it would say that it cannot be read."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _marlin_words() -> Callable[[bytes], object]:
    def hear(data: bytes) -> None:
        line = data[:LONGEST_LINE]
        marlin.classify(line)
        marlin.resend_number(line)
        marlin.acknowledged_number(line)
        marlin.all_off(marlin.heat(line))
        marlin.firmware([line, b"FIRMWARE_NAME:Marlin " + line])

    return hear


def _grbl_words() -> Callable[[bytes], object]:
    def hear(data: bytes) -> None:
        line = data[:LONGEST_LINE]
        if grbl.classify(line) in (grbl.Word.ERROR, grbl.Word.ALARM):
            grbl.number(line)
        if (report := grbl.report(line)) is not None:
            assert report.beam in (True, False)
        grbl.setting(line)
        grbl.too_old(line)
        grbl.build([line])

    return hear


def _lines() -> Callable[[bytes], object]:
    port = ScriptPort(lambda data: [])
    lines = Lines(port)

    def hear(data: bytes) -> None:
        port.say(data)
        for line in lines.read(0):
            assert 0 < len(line) <= LONGEST_LINE
            assert not set(line) & {0, 10, 13}

    return hear


def _octoprint() -> Callable[[bytes], object]:
    run = octoprint_follow.Run(token="r1", path="fablab/lab-r1.gcode")
    seen = octoprint_follow.Seen(state=DeviceState.RUNNING, run=run)
    prints = octoprint.Prints(success=1)

    def hear(data: bytes) -> None:
        if (push := decoded(data, octoprint.Push)) is not None:
            if push.event is not None:
                octoprint_follow.heard(seen, push.event)
            if (current := push.current or push.history) is not None:
                octoprint_follow.glanced(seen, current)
        if (job := decoded(data, octoprint.Job)) is not None:
            octoprint_follow.looked(seen, job, prints)
            octoprint_follow.looked(octoprint_follow.Seen(), job, None)
        if (printer := decoded(data, octoprint.Printer)) is not None:
            octoprint.newest_heat(printer.temperature.history)
        if (folder := decoded(data, octoprint.Folder)) is not None:
            sorted((f for f in folder.children if octoprint.token_of(f.path)), key=lambda f: f.date or 0.0)
        for kind in (octoprint.Version, octoprint.Login, octoprint.Profiles, octoprint.Uploaded):
            decoded(data, kind)

    return hear


def _moonraker() -> Callable[[bytes], object]:
    run = moonraker_follow.Run(token="r1", path="fablab/lab-r1.gcode")
    seen = moonraker_follow.Seen(state=DeviceState.RUNNING, run=run, loaded=run.path)

    def hear(data: bytes) -> None:
        push = decoded(data, moonraker.Push)
        if push is not None and isinstance(push.params, list) and push.params:
            first = push.params[0]
            moonraker_follow.glanced(seen, first if isinstance(first, dict) else {})
        query = decoded(data, moonraker.Reply[moonraker.Query])
        if query is not None:
            try:
                picture = moonraker.picture(query.result)
            except msgspec.ValidationError:
                return
            for klippy in ("ready", "shutdown", ""):
                look = moonraker_follow.Look(klippy=klippy, picture=picture)
                moonraker_follow.looked(seen, look)
        history = decoded(data, moonraker.Reply[moonraker.History])
        if history is not None:
            look = moonraker_follow.Look(klippy="ready", jobs=history.result.jobs)
            moonraker_follow.looked(seen, look)
        for kind in (moonraker.ServerInfo, moonraker.PrinterInfo, moonraker.Item, moonraker.Directory):
            decoded(data, moonraker.Reply[kind])  # type: ignore[valid-type]  # a kind in a variable
        decoded(data, moonraker.Uploaded)

    return hear


def _prusalink() -> Callable[[bytes], object]:
    run = prusalink_follow.Run(token="r1", moved=True)
    seen = prusalink_follow.Seen(state=DeviceState.RUNNING, run=run, moved_at=NOON)

    def hear(data: bytes) -> None:
        status = decoded(data, prusalink.Status)
        job = decoded(data, prusalink.Job)
        last = decoded(data, prusalink.OldJob)
        if status is not None:
            prusalink_safety.safe(status)
            for last_token in (None, "r1"):
                look = prusalink_follow.Look(at=NOON, status=status, job=job, last=last_token)
                prusalink_follow.looked(seen, look)
        elif job is not None:
            status = prusalink.Status(printer=prusalink.Printer(state="PRINTING"))
            prusalink_follow.looked(seen, prusalink_follow.Look(at=NOON, status=status, job=job))
        if last is not None:
            assert last.token is None or isinstance(last.token, str)
        if (folder := decoded(data, prusalink.Folder)) is not None:
            sorted((f for f in folder.children if f.token), key=lambda f: f.m_timestamp or 0.0)
        for kind in (prusalink.Version, prusalink.Info, prusalink.Storages, prusalink.File):
            decoded(data, kind)

    return hear


def _host() -> Callable[[bytes], object]:
    def hear(data: bytes) -> None:
        for read in (host.read_hello, host.read_call, host.read_answer):
            try:
                read(data)
            except DeviceError:  # what each of them documents
                continue

    return hear


def _mock_marlin() -> Callable[[bytes], object]:
    firmware = MockMarlin(name="m", speed=0, abilities=Abilities(), accept=lambda line: None)
    return _firmware(firmware)


def _mock_grbl() -> Callable[[bytes], object]:
    firmware = MockGrbl(name="m", speed=0, accept=lambda line: None, settings=Settings())
    return _firmware(firmware)


def _firmware(firmware: Any) -> Callable[[bytes], object]:
    now = [0.0]
    firmware.boot(0.0)

    def hear(data: bytes) -> None:
        now[0] += 1.0
        firmware.receive(data + b"\n", now[0])
        firmware.run(now[0])
        firmware.out.clear()
        if getattr(firmware.machine, "killed", False):
            firmware.boot(now[0])

    return hear


PARSERS: Final[dict[str, Parser]] = {
    "lines": Parser(samples=recorded.MARLIN + recorded.GRBL, make=_lines),
    "marlin words": Parser(samples=recorded.MARLIN, make=_marlin_words),
    "grbl words": Parser(samples=recorded.GRBL, make=_grbl_words),
    "octoprint": Parser(samples=recorded.OCTOPRINT, make=_octoprint),
    "moonraker": Parser(samples=recorded.MOONRAKER, make=_moonraker),
    "prusalink": Parser(samples=recorded.PRUSALINK, make=_prusalink),
    "host socket": Parser(samples=recorded.HOST, make=_host),
    "mock marlin": Parser(samples=recorded.TO_MARLIN, make=_mock_marlin),
    "mock grbl": Parser(samples=recorded.TO_GRBL, make=_mock_grbl),
}
