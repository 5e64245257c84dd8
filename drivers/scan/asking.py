"""Asking a port that nobody owns which firmware is behind it. Opening a port resets most boards: only on request.

A few harmless words: M115 for Marlin at its two usual rates, and $I for GRBL once something answered like one.
Nothing moves, nothing heats, nothing is written.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from drivers.host.paths import LockHeld, port_lock, take_lock
from drivers.lines import Lines
from drivers.marlin import words
from drivers.scan.blocks import name_for
from drivers.scan.found import Found, Kind
from fablab.device import DeviceError

BAUDS: Final = (115200, 250000)
ANSWER_S: Final = 8.0  # a board with a boot loader takes 2 s, one with a screen and a card up to 6
_EVERY_S: Final = 1.5
_SLICE_S: Final = 0.25
_GRBL_BANNER: Final = re.compile(rb"Grbl \S+")
_GRBL_VERSION: Final = re.compile(rb"\[VER:([^:\]]*):?([^\]]*)")  # the second is the text kept with $I=
# They answer M115 too, but the marlin driver refuses them; any other name is a Marlin by one of its many makers.
_STRANGERS: Final = re.compile("grbl|fluidnc|klipper|smoothie|reprapfirmware|tinyg|g2core", re.IGNORECASE)
_GRBL_LIKE: Final = re.compile(rb"error:\d{1,3}$|\[MSG:|ALARM:\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`driver` is empty when something spoke that no driver of ours knows."""

    driver: str
    firmware: str
    baud: int
    model: str = ""
    serial_number: str = ""


async def ask(
    found: Iterable[Found], *, bauds: tuple[int, ...] = BAUDS, answer_s: float = ANSWER_S
) -> tuple[Found, ...]:
    """The same, and what answered at those serial ports that are new and that nobody has open."""
    found = tuple(found)
    names = {one.name for one in found}

    async def one_of(one: Found) -> Found:
        if one.kind is not Kind.SERIAL or one.known_as or one.held_by:
            return one
        return _told(one, await asyncio.to_thread(_ask, one.where, bauds, answer_s), names)

    return tuple(await asyncio.gather(*map(one_of, found)))


def _told(one: Found, answer: Answer | str, names: set[str]) -> Found:
    if isinstance(answer, str):
        return replace(one, advice=one.advice or answer)
    better = name_for(answer.model, names - {one.name}, otherwise=one.name) if answer.model else one.name
    names.add(better)
    return replace(
        one,
        what=f"{answer.model or one.what}, {answer.firmware}",
        name=better,
        driver=answer.driver,
        firmware=answer.firmware,
        serial_number=answer.serial_number,
        baud=answer.baud,
    )


def _ask(port: str, bauds: tuple[int, ...], answer_s: float) -> Answer | str:
    """Who is there; or, in a plain sentence, why that is not known."""
    try:
        lock = take_lock(port_lock(port), f"fablab devices scan, process {os.getpid()}")
    except LockHeld as holder:
        return f"not asked: the port is held by {holder}"
    except OSError as error:
        return f"not asked: {error}"
    try:
        for baud in bauds:
            answer = _greet(port, baud, answer_s)
            if answer is not None:
                return answer
    except DeviceError as error:
        return f"not asked: {error}"
    finally:
        os.close(lock)
    return f"nothing answered at {' or '.join(map(str, bauds))} baud: is the machine switched on?"


def _greet(port: str, baud: int, answer_s: float) -> Answer | None:
    lines = Lines.open(port, baud)
    try:
        deadline = time.monotonic() + answer_s
        heard: list[bytes] = []
        is_grbl = False
        while time.monotonic() < deadline:
            lines.write(b"$I\n" if is_grbl else b"M115\n")
            until = min(deadline, time.monotonic() + _EVERY_S)
            while (left_s := until - time.monotonic()) > 0:
                new = lines.read(min(left_s, _SLICE_S))
                heard = (heard + new)[-100:]
                if not is_grbl and any(_GRBL_BANNER.match(line) or _GRBL_LIKE.match(line) for line in new):
                    is_grbl = True
                    break
                if b"ok" in new and (answer := _understood(heard, baud)):
                    return answer
        return _understood(heard, baud)
    finally:
        lines.close()


def _understood(heard: list[bytes], baud: int) -> Answer | None:
    if firmware := words.firmware(heard):
        name = firmware.identity.firmware
        ours = not _STRANGERS.match(name)
        return Answer(
            driver="marlin" if ours else "",
            firmware=words.plain(name.encode()),
            baud=baud,
            model=words.plain(firmware.identity.model.encode()),
            serial_number=words.plain(firmware.identity.serial_number.encode()),
        )
    for line in heard:
        if version := _GRBL_VERSION.match(line):
            name, number = (words.plain(part) for part in version.groups())
            return Answer(driver="grbl", firmware=f"Grbl {name}", serial_number=number, baud=baud)
    if banner := next(filter(None, map(_GRBL_BANNER.match, heard)), None):
        return Answer(driver="grbl", firmware=words.plain(banner[0]), baud=baud)
    return None
