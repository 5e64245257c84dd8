"""The port to machines: what the lab asks of any device, and what a device says of itself.

A driver answers with snapshots (`Status`); it never decides what happened to a job. The wire's own words are
mapped to the few below in the driver, and nowhere else.

    DeviceError
    ├── LinkLost        the wire is gone; a new open may heal it
    │   └── DeviceTimeout   the wire is there, the machine did not answer in time
    ├── Misfit          the wrong machine, key or firmware; a person must act
    ├── DeviceRefused   the machine understood and says no (busy, alarm, door open)
    └── Unsupported     this machine cannot do that at all
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class DeviceState(StrEnum):
    OFFLINE = "offline"
    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    FAULT = "fault"


class Outcome(StrEnum):
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Capability(StrEnum):
    START = "start"
    PAUSE = "pause"
    CANCEL = "cancel"
    DETACHED = "detached"  # goes on by itself when the lab's server is gone
    SAFE_STOP = "safe_stop"  # make_safe can be verified
    CAMERA = "camera"


class LinkState(StrEnum):
    """The connection to a device as its `Link` sees it; held in memory only."""

    CLOSED = "closed"
    CONNECTING = "connecting"
    ONLINE = "online"
    WAITING = "waiting"  # lost; the next try comes by itself after a back-off of 1 to 60 s
    BLOCKED = "blocked"  # a person must act: wrong key, wrong machine


class Safety(StrEnum):
    """What is known after `make_safe`; NOT_CONFIRMED is never to be read as safe."""

    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not_confirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who answered on the wire. `serial_number` is empty where the firmware has none."""

    firmware: str
    model: str = ""
    serial_number: str = ""
    features: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where the program named by `token` stands. `outcome` is kept until the next start: only the driver can know it."""

    token: str
    fraction: float | None = None  # 0..1
    elapsed_s: float = 0.0
    remaining_s: float | None = None
    outcome: Outcome | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One look at a machine. `heat_c` has e.g. "tool0", "tool0_target", "bed", "bed_target"."""

    at: datetime
    state: DeviceState
    progress: Progress | None = None
    heat_c: Mapping[str, float] = field(default_factory=dict)
    message: str = ""


class Device(Protocol):
    name: str
    capabilities: frozenset[Capability]

    async def open(self) -> Identity: ...

    async def close(self) -> None: ...

    def watch(self) -> AsyncIterator[Status]:
        """A status at once, then on every change and at least every few seconds; ends by raising `LinkLost`."""
        ...

    async def start(self, program: Path, token: str) -> None:
        """Begin `program`. Idempotent by `token`: a second start with the same token changes nothing."""
        ...

    async def pause(self) -> None: ...

    async def resume(self) -> None: ...

    async def cancel(self) -> None: ...

    async def make_safe(self) -> Safety:
        """Heaters and beam off, by the shortest way; CONFIRMED only when read back from the machine."""
        ...


class DeviceError(Exception):
    """Something between us and the machine; `str()` is a plain sentence for the log and the floor."""


class LinkLost(DeviceError):
    pass


class DeviceTimeout(LinkLost):
    pass


class Misfit(DeviceError):
    pass


class DeviceRefused(DeviceError):
    pass


class Unsupported(DeviceError):
    pass
