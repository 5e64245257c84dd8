"""The machines of devices.toml as pages see them: looked at, tested, added, taken out. `web.machinery` does it.

Everything here is plain values: no page knows a driver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from web.cameras import Address

OTHER: Final = "other"
USUAL_BAUD: Final = 115200
BAUDS: Final = (115200, 250000, 230400, 500000, 57600)


class Ask(StrEnum):
    """What has to be known to reach a machine; the names of the form's fields."""

    PORT = "port"
    BAUD = "baud"
    URL = "url"
    USER = "user"
    SECRET = "secret"  # noqa: S105 - the name of a field
    MAY_SECRET = "may_secret"  # noqa: S105 - as above: works without one, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A driver as people choose it. `secret_is` "key" or "password". `hands_out_keys`: it can be asked for one."""

    driver: str
    title: str
    asks: frozenset[Ask] = frozenset()
    secret_is: str = "key"  # noqa: S105 - what it is, not the secret itself
    hands_out_keys: bool = False


#: In the order of the form. The names of firmware and programs are the same in every language.
KINDS: Final[tuple[Kind, ...]] = (
    Kind(driver="marlin", title="Marlin (USB)", asks=frozenset({Ask.PORT, Ask.BAUD})),
    Kind(driver="grbl", title="GRBL (USB)", asks=frozenset({Ask.PORT, Ask.BAUD})),
    Kind(
        driver="octoprint",
        title="OctoPrint",
        asks=frozenset({Ask.URL, Ask.SECRET}),
        hands_out_keys=True,
    ),
    Kind(driver="moonraker", title="Moonraker (Klipper)", asks=frozenset({Ask.URL, Ask.MAY_SECRET})),
    Kind(
        driver="prusalink",
        title="PrusaLink",
        asks=frozenset({Ask.URL, Ask.USER, Ask.SECRET}),
        secret_is="password",  # noqa: S106 - what it is, not the secret itself
    ),
    Kind(driver="manual", title="", asks=frozenset()),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """One table of devices.toml. `where` is a port or a host, never a key."""

    name: str
    driver: str
    where: str = ""
    is_mock: bool = False
    serial_number: str = ""
    camera: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A machine that is not in devices.toml yet, as somebody typed it; `name` is the one of its table."""

    name: str
    driver: str
    port: str = ""
    baud: int = USUAL_BAUD
    url: str = ""
    user: str = ""
    secret: str = field(default="", repr=False)
    serial_number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a scan has found. `known_as` is its table in devices.toml, empty for a new one."""

    driver: str
    what: str
    where: str
    name: str
    known_as: str = ""
    held_by: str = ""
    baud: int = USUAL_BAUD
    serial_number: str = ""

    @property
    def is_url(self) -> bool:
        return self.where.startswith(("http://", "https://"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A test of one machine, under way while `trouble` is empty.

    `trouble`: "none", or what stands in the way, by the words of `drivers.scan.Trouble`. `said` are the driver's
    own words. `driver`, `firmware`, `model` and `serial_number` are those of whoever answered.
    """

    began_at: datetime
    ended_at: datetime | None = None
    trouble: str = ""
    said: str = ""
    driver: str = ""
    firmware: str = ""
    model: str = ""
    serial_number: str = ""
    baud: int = 0

    @property
    def is_running(self) -> bool:
        return not self.trouble


class KeyState(StrEnum):
    """Of a request to an OctoPrint for a key."""

    WAITING = "waiting"
    GRANTED = "granted"
    DENIED = "denied"
    EXPIRED = "expired"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """`page`: where a person says yes. `said`: why it failed, in the driver's own words."""

    id: str
    state: KeyState
    page: str = ""
    said: str = ""


class Fleet(Protocol):
    """Every method may raise `LabError`. Those that are not async are quick, or are for a thread where they say so."""

    @property
    def file(self) -> Path: ...

    @property
    def is_writable(self) -> bool: ...

    def devices(self) -> Mapping[str, DeviceFacts]:
        """By name, as devices.toml has them now. One that cannot be read leaves what was read last."""
        ...

    def problem(self) -> str:
        """Why devices.toml cannot be read now; empty while it can."""
        ...

    # -- testing

    def test(self, device: str) -> Check:
        """Begin to look at a machine, in the background, without disturbing it; one test at a time."""
        ...

    def last_test(self, device: str) -> Check | None: ...

    async def retry(self, device: str) -> None:
        """Reach it again now, with the settings that devices.toml has now."""
        ...

    def try_out(self, member_id: int, wish: Wish) -> str:
        """Begin to look for a machine that is not in devices.toml yet; returns what `tried_out` is asked with."""
        ...

    def tried_out(self, member_id: int, check_id: str) -> Check: ...

    async def try_now(self, wish: Wish) -> Check:
        """The same, and wait for what comes of it."""
        ...

    async def scan(self) -> tuple[Seen, ...]: ...

    # -- secrets: kept here for half an hour, never sent back to a browser

    def keep(self, member_id: int, secret: str) -> str: ...

    def kept(self, member_id: int, kept_id: str) -> str: ...

    async def ask_for_key(self, member_id: int, url: str) -> KeyRequest: ...

    def key_request(self, member_id: int, request_id: str) -> KeyRequest: ...

    # -- changing devices.toml

    def name_for(self, words: str, driver: str) -> str:
        """A name for a table that none has yet."""
        ...

    def block(self, wish: Wish) -> str:
        """What stands in devices.toml for it; the secret is in a file beside it."""
        ...

    def secret_file(self, wish: Wish) -> Path | None:
        """Where the secret has to be put; None where there is none."""
        ...

    def write(self, wish: Wish) -> None:
        """Into devices.toml, at once and whole. For a thread."""
        ...

    def erase(self, device: str) -> None:
        """Out of devices.toml, with its secret. For a thread."""
        ...

    async def follow(self, device: str) -> None:
        """Reach it from now on; its machine's row is there already."""
        ...

    async def leave(self, device: str) -> None:
        """Reach it no more."""
        ...

    async def close(self) -> None:
        """Give up tests that are under way."""
        ...
