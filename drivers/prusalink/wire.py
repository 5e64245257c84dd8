"""PrusaLink's shapes and words: only the fields we use, and the names our uploads carry.

Everything here comes from outside and is decoded strictly into small structs; unknown fields are dropped
unread. What a printer leaves out differs: the same field may be missing, null or there.
"""

from __future__ import annotations

from typing import Final

import msgspec

from drivers.uploads import token_in
from fablab.device import DeviceState, Outcome

# BUSY is heating, homing, pausing, stopping: it moves. ATTENTION waits for a hand at the machine.
_STATES: Final = {
    "IDLE": DeviceState.IDLE,
    "READY": DeviceState.IDLE,
    "BUSY": DeviceState.RUNNING,
    "PRINTING": DeviceState.RUNNING,
    "PAUSED": DeviceState.PAUSED,
    "ATTENTION": DeviceState.PAUSED,
    "FINISHED": DeviceState.IDLE,
    "STOPPED": DeviceState.IDLE,
    "ERROR": DeviceState.FAULT,
}
ENDS: Final = {"FINISHED": Outcome.DONE, "STOPPED": Outcome.CANCELLED, "ERROR": Outcome.FAILED}
MOVING: Final = frozenset({DeviceState.RUNNING, DeviceState.PAUSED})


class Version(msgspec.Struct):
    """`GET /api/version`, which OctoPrint answers too."""

    text: str = ""
    firmware: str | None = None
    original: str | None = None
    capabilities: dict[str, bool] = {}

    @property
    def is_prusalink(self) -> bool:
        return self.text.startswith("PrusaLink") or self.capabilities.get("upload-by-put", False)


class Info(msgspec.Struct):
    serial: str | None = None
    hostname: str | None = None
    name: str | None = None


class Condition(msgspec.Struct):
    ok: bool = True
    message: str = ""


class Printer(msgspec.Struct):
    state: str
    temp_nozzle: float | None = None
    target_nozzle: float | None = None
    temp_bed: float | None = None
    target_bed: float | None = None
    status_printer: Condition | None = None

    @property
    def device_state(self) -> DeviceState:
        """A word nobody knows yet is a machine that cannot be used."""
        return _STATES.get(self.state, DeviceState.OFFLINE)

    @property
    def moves(self) -> bool:
        return self.device_state in MOVING

    @property
    def well(self) -> bool:
        complains = self.status_printer is not None and not self.status_printer.ok
        return not complains and self.state not in ("BUSY", "ERROR")

    @property
    def cold(self) -> bool:
        """Both heaters are said to have no target; a heater nobody speaks of is not said to be off."""
        return self.target_nozzle == 0 and self.target_bed == 0

    def heat_c(self) -> dict[str, float]:
        told = {
            "tool0": self.temp_nozzle,
            "tool0_target": self.target_nozzle,
            "bed": self.temp_bed,
            "bed_target": self.target_bed,
        }
        return {name: degrees for name, degrees in told.items() if degrees is not None}


class Counters(msgspec.Struct):
    """The job inside a status: `progress` in percent, times in seconds. `id` counts up for ever."""

    id: int | None = None
    progress: float | None = None
    time_remaining: float | None = None
    time_printing: float | None = None


class Status(msgspec.Struct):
    """`GET /api/v1/status`."""

    printer: Printer
    job: Counters | None = None


class JobFile(msgspec.Struct):
    """Firmware that keeps files on FAT has the 8.3 name in `name` and the real one in `display_name`."""

    name: str | None = None
    display_name: str | None = None


class Job(msgspec.Struct):
    """`GET /api/v1/job`; nothing (204) as soon as a job has ended."""

    id: int | None = None
    file: JobFile | None = None

    @property
    def token(self) -> str | None:
        return None if self.file is None else token_of(self.file.display_name) or token_of(self.file.name)

    @property
    def title(self) -> str:
        return "" if self.file is None else self.file.display_name or self.file.name or ""


class OldJobInfo(msgspec.Struct):
    file: JobFile | None = None


class OldJob(msgspec.Struct):
    """`GET /api/job`: PrusaLink 0.8.1 goes on naming the last file there after its job has ended."""

    job: OldJobInfo | None = None

    @property
    def token(self) -> str | None:
        return None if self.job is None or self.job.file is None else token_of(self.job.file.name)


class Storage(msgspec.Struct):
    path: str
    available: bool = True
    read_only: bool = False


class Storages(msgspec.Struct):
    storage_list: list[Storage] = []


class File(msgspec.Struct):
    name: str
    display_name: str | None = None
    size: int | None = None
    m_timestamp: float | None = None

    @property
    def token(self) -> str | None:
        return token_of(self.display_name) or token_of(self.name)


class Folder(msgspec.Struct):
    children: list[File] = []


def token_of(name: str | None) -> str | None:
    """The token an upload's name carries, in whatever folder; None for files that are not ours."""
    return token_in((name or "").rpartition("/")[2])
