"""OctoPrint's shapes and words: only the fields we use, and the names our uploads carry.

Everything here comes from outside and is decoded strictly into small structs; unknown fields are dropped
unread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from drivers.http import plain as plain
from drivers.uploads import program_name, token_in
from fablab.device import DeviceState

FOLDER: Final = "fablab"  # our uploads live in a folder of their own, which is all that tidying ever touches

# Permissions (as role needs) without which the driver cannot do its work.
REQUIRED_ROLES: Final = frozenset(
    {"status", "control", "print", "files_list", "files_upload", "files_select", "files_delete"}
)

EVENTS: Final = (
    "Connected",
    "Disconnected",
    "Error",
    "PrinterStateChanged",
    "PrintStarted",
    "PrintDone",
    "PrintFailed",
    "PrintCancelled",
)

# OctoPrint's texts are not translated. Anything not in this table is a printer that cannot be used (opening,
# detecting, connecting, offline). "Cancelling" still moves and still refuses a start.
_STATES: Final[tuple[tuple[str, DeviceState], ...]] = (
    ("Operational", DeviceState.IDLE),
    ("Starting", DeviceState.RUNNING),
    ("Printing", DeviceState.RUNNING),
    ("Finishing", DeviceState.RUNNING),
    ("Cancelling", DeviceState.RUNNING),
    ("Sending file to SD", DeviceState.RUNNING),
    ("Transferring", DeviceState.RUNNING),
    ("Pausing", DeviceState.PAUSED),
    ("Paused", DeviceState.PAUSED),
    ("Resuming", DeviceState.PAUSED),
    ("Error", DeviceState.FAULT),
    ("Offline after error", DeviceState.FAULT),
)
MOVING: Final = frozenset({DeviceState.RUNNING, DeviceState.PAUSED})

_MAX_HEATERS: Final = 16
_NO_HEAT_C: Final = 1e6  # an integer in JSON may have hundreds of digits, and is then no float


class Version(msgspec.Struct):
    server: str
    text: str = ""


class Needs(msgspec.Struct):
    role: list[str] = []


class Login(msgspec.Struct):
    name: str
    session: str
    needs: Needs = msgspec.field(default_factory=Needs)


class Profile(msgspec.Struct):
    model: str = ""
    name: str = ""
    current: bool = False


class Profiles(msgspec.Struct):
    profiles: dict[str, Profile]


class JobFile(msgspec.Struct):
    path: str | None = None
    size: int | None = None


class JobInfo(msgspec.Struct):
    file: JobFile = msgspec.field(default_factory=JobFile)


class Counters(msgspec.Struct, rename="camel"):
    """`completion` in percent, times in seconds; all are null once a print was cancelled."""

    completion: float | None = None
    filepos: int | None = None
    print_time: float | None = None
    print_time_left: float | None = None


class Job(msgspec.Struct):
    """`GET /api/job`: answers 200 in every state, so it is the one look that can be trusted."""

    state: str
    job: JobInfo = msgspec.field(default_factory=JobInfo)
    progress: Counters = msgspec.field(default_factory=Counters)
    error: str = ""


class Prints(msgspec.Struct):
    """How often a file was printed; a cancel counts as a failure."""

    success: int = 0
    failure: int = 0


class File(msgspec.Struct):
    path: str
    size: int | None = None
    date: float | None = None
    prints: Prints = msgspec.field(default_factory=Prints)


class Folder(msgspec.Struct):
    children: list[File] = []


class UploadedFile(msgspec.Struct):
    path: str


class UploadedTo(msgspec.Struct):
    local: UploadedFile


class Uploaded(msgspec.Struct):
    files: UploadedTo


class StateText(msgspec.Struct):
    text: str


class Heat(msgspec.Struct):
    history: list[dict[str, Any]] = []


class Printer(msgspec.Struct):
    """`GET /api/printer?history=true&limit=1`."""

    state: StateText
    temperature: Heat


class Current(msgspec.Struct):
    """The throttled push: state, job, progress and temperatures."""

    state: StateText
    job: JobInfo = msgspec.field(default_factory=JobInfo)
    progress: Counters = msgspec.field(default_factory=Counters)
    temps: list[dict[str, Any]] = []


class Payload(msgspec.Struct):
    path: str | None = None
    reason: str | None = None
    error: str | None = None
    time: float | None = None


class Event(msgspec.Struct):
    type: str
    payload: Payload | None = None


class Push(msgspec.Struct, rename={"reauth_required": "reauthRequired"}):
    """One message of the push socket; each has one of these, or something we did not ask for."""

    current: Current | None = None
    history: Current | None = None
    event: Event | None = None
    reauth_required: dict[str, Any] | None = None


def state_of(text: str) -> DeviceState:
    for word, state in _STATES:
        if text.startswith(word):
            return state
    return DeviceState.OFFLINE


def program_path(token: str) -> str:
    return f"{FOLDER}/{program_name(token)}"


def token_of(path: str | None) -> str | None:
    """The token an upload's path carries; None for files that are not ours."""
    folder, _, name = (path or "").rpartition("/")
    return token_in(name) if folder == FOLDER else None


def heat_of(reading: Mapping[str, Any]) -> dict[str, float]:
    """`{"tool0": {"actual": 21, "target": 0}}` as `{"tool0": 21.0, "tool0_target": 0.0}`; nulls are left out."""
    heat: dict[str, float] = {}
    for name, value in list(reading.items())[: _MAX_HEATERS + 1]:
        if isinstance(value, dict):
            for part, key in (("actual", name), ("target", f"{name}_target")):
                degrees = value.get(part)
                if isinstance(degrees, bool) or not isinstance(degrees, int | float):
                    continue
                if -_NO_HEAT_C < degrees < _NO_HEAT_C:
                    heat[key] = float(degrees)
    return heat


def newest_heat(temps: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The last reading that holds any heater: after a loss of connection OctoPrint sends empty ones."""
    for reading in reversed(list(temps)):
        if heat := heat_of(reading):
            return heat
    return {}
