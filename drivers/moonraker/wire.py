"""Moonraker's shapes and words: only the fields we use, and the names our uploads carry.

Everything here comes from outside and is decoded strictly into small values; unknown fields are dropped unread.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from drivers.uploads import program_name, token_in
from fablab.device import DeviceState

T = TypeVar("T")

FOLDER: Final = "fablab"  # our uploads live in a folder of their own, which is all that tidying ever touches
ROOT: Final = "gcodes"

# What a look asks for and a subscription tells, beside the heaters of the machine itself.
OBJECTS: Final = ("webhooks", "print_stats", "virtual_sdcard", "heaters")

READY: Final = "ready"
STARTUP: Final = "startup"

# Klipper's host is up, but no print can run: it halted, or it could not begin (its configuration, its board).
# Both last until a person restarts it. Any other word but "ready" is a host that is away or on its way.
HALTED: Final = frozenset({"shutdown", "error"})

MOVING: Final = frozenset({DeviceState.RUNNING, DeviceState.PAUSED})
_STATES: Final[Mapping[str, DeviceState]] = {
    "standby": DeviceState.IDLE,
    "complete": DeviceState.IDLE,
    "cancelled": DeviceState.IDLE,
    "error": DeviceState.IDLE,  # the file was at fault, not the machine
    "printing": DeviceState.RUNNING,
    "paused": DeviceState.PAUSED,
}

_EXTRUDER = re.compile(r"extruder(?P<number>[0-9]{0,2})")
_MAX_SENSORS: Final = 16
_NO_NUMBER: Final = 1e12  # an integer in JSON may have hundreds of digits, and is then no float


class Reply(msgspec.Struct, Generic[T]):
    """The envelope of every happy answer but an upload's."""

    result: T


class ServerInfo(msgspec.Struct):
    """`GET /server/info`: answers 200 whatever Klipper does."""

    klippy_state: str
    klippy_connected: bool = False
    moonraker_version: str = ""


class PrinterInfo(msgspec.Struct):
    """`GET /printer/info`: 503 while Klipper's host is away."""

    state: str = ""
    state_message: str = ""
    hostname: str = ""
    software_version: str = ""
    app: str = "Klipper"


class Item(msgspec.Struct):
    """`GET /server/database/item`."""

    value: str


class Query(msgspec.Struct):
    """`GET /printer/objects/query`: an object that does not exist is told as an empty one."""

    status: dict[str, dict[str, Any]]


class Webhooks(msgspec.Struct):
    state: str = ""
    state_message: str = ""


class PrintStats(msgspec.Struct):
    """`message` is why a print ended in "error"; `total_duration` in seconds, pauses and waiting included."""

    filename: str | None = ""
    state: str = "standby"
    message: str | None = ""
    total_duration: float = 0.0


class VirtualSd(msgspec.Struct):
    progress: float | None = None


class Heaters(msgspec.Struct):
    available_heaters: list[str] = []
    available_sensors: list[str] = []


class Job(msgspec.Struct):
    """A row of Moonraker's history. The last row of a run may be missing (see `device._settle`)."""

    filename: str
    status: str
    total_duration: float = 0.0


class History(msgspec.Struct):
    """Newest first."""

    jobs: list[Job]


class Stored(msgspec.Struct):
    """A file in a listing; `modified` in seconds since 1970 by the printer's own clock."""

    filename: str
    modified: float = 0.0
    size: int | None = None


class Directory(msgspec.Struct):
    files: list[Stored] = []


class UploadedItem(msgspec.Struct):
    path: str
    size: int | None = None


class Uploaded(msgspec.Struct):
    item: UploadedItem


class Wrong(msgspec.Struct):
    code: int = 0
    message: str = ""


class Push(msgspec.Struct):
    """One message of the websocket: a notification has a method, an answer an id."""

    method: str = ""
    params: Any = None
    id: int | None = None
    error: Wrong | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What Klipper says of itself in one answer. `targets_c`: of every heater it has, by Klipper's names."""

    klippy: str
    klippy_message: str
    filename: str
    print_state: str
    print_message: str
    elapsed_s: float
    fraction: float | None
    heaters: tuple[str, ...]
    sensors: tuple[str, ...]
    heat_c: Mapping[str, float]
    targets_c: Mapping[str, float]

    @property
    def state(self) -> DeviceState:
        return state_of(self.klippy, self.print_state)


def picture(query: Query) -> Picture:
    """`msgspec.ValidationError` for an answer of another shape."""
    told = query.status
    webhooks = msgspec.convert(told.get("webhooks", {}), Webhooks)
    stats = msgspec.convert(told.get("print_stats", {}), PrintStats)
    card = msgspec.convert(told.get("virtual_sdcard", {}), VirtualSd)
    heaters = msgspec.convert(told.get("heaters", {}), Heaters)
    return Picture(
        klippy=webhooks.state,
        klippy_message=webhooks.state_message,
        filename=stats.filename or "",
        print_state=stats.state,
        print_message=stats.message or "",
        elapsed_s=max(stats.total_duration, 0.0),
        fraction=card.progress,
        heaters=tuple(heaters.available_heaters[:_MAX_SENSORS]),
        sensors=tuple(dict.fromkeys(heaters.available_heaters + heaters.available_sensors))[:_MAX_SENSORS],
        heat_c=heat_of(told),
        targets_c={
            name: target
            for name in heaters.available_heaters
            if (target := number(told.get(name, {}).get("target"))) is not None
        },
    )


def state_of(klippy: str, print_state: str) -> DeviceState:
    if klippy in HALTED:
        return DeviceState.FAULT
    if klippy != READY:
        return DeviceState.OFFLINE
    return _STATES.get(print_state, DeviceState.FAULT)  # a word we do not know must not look startable


def heat_of(told: Mapping[str, Any]) -> dict[str, float]:
    """`{"extruder": {"temperature": 21, "target": 0}}` as `{"tool0": 21.0, "tool0_target": 0.0}`."""
    heat: dict[str, float] = {}
    for name, value in told.items():
        if isinstance(value, dict):
            for part, suffix in (("temperature", ""), ("target", "_target")):
                if (degrees := number(value.get(part))) is not None:
                    heat[heater_name(name) + suffix] = degrees
    return heat


def heater_name(name: str) -> str:
    """Klipper's name in the port's words: extruder1 -> tool1, heater_bed -> bed, "heater_generic box" -> box."""
    if tool := _EXTRUDER.fullmatch(name):
        return f"tool{int(tool['number'] or 0)}"
    return "bed" if name == "heater_bed" else name.rpartition(" ")[2]


def number(value: object) -> float | None:
    """None for anything else, and for a number that no machine means."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_NO_NUMBER < value < _NO_NUMBER:
        return None
    return float(value)


def program_path(token: str) -> str:
    return f"{FOLDER}/{program_name(token)}"


def token_of(path: str) -> str | None:
    """The token an upload's path carries; None for files that are not ours."""
    folder, _, name = path.rpartition("/")
    return token_in(name) if folder == FOLDER else None
