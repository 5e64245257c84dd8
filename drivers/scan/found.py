"""One machine as a scan sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How it was found, and so what its address is: a port, or a URL."""

    SERIAL = "serial"
    OCTOPRINT = "octoprint"
    MOONRAKER = "moonraker"
    PRUSALINK = "prusalink"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`what` is for people: makers' and servers' own words, cleaned. `where` is a port's path (by-id where there
    is one) or a URL. `device` is the port's real path.

    `driver` is empty while nobody knows which firmware is behind a port. `known_as` is its name in devices.toml,
    empty for a new one; `name` is the one a new one would get, unlike all others of the same scan. `held_by`
    says which program has the port open.
    """

    kind: Kind
    what: str
    where: str
    name: str
    device: str = ""
    driver: str = ""
    known_as: str = ""
    held_by: str = ""
    serial_number: str = ""
    firmware: str = ""
    baud: int = 0
    advice: str = ""
