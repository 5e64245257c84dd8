"""One machine of devices.toml looked at: who answers and how it is, or what stands in the way and what to do.

A serial machine is reached through its host, as a server reaches it: where a server runs already, both share the
host and nothing is opened a second time. A machine behind a server is just asked.
"""

from __future__ import annotations

import asyncio
import difflib
import grp
import os
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.config import DeviceConfig, NetworkOptions, SerialOptions
from drivers.host.paths import HostPaths
from drivers.identity import Expected
from drivers.registry import make
from drivers.scan.ports import BY_ID, PROC, holders
from drivers.scan.servers import explain
from drivers.scan.trouble import Finding, Trouble, in_words
from fablab.base.clock import Clock, SystemClock
from fablab.device import (
    Device,
    DeviceError,
    DeviceRefused,
    DeviceState,
    DeviceTimeout,
    Identity,
    LinkLost,
    Misfit,
    Status,
)

_WITHIN_S: Final = 25.0
# How the firmware of another driver gives itself away in what the driver heard instead.
_SIGNS: Final = {
    "grbl": re.compile(r"\bgrbl\b", re.IGNORECASE),
    "marlin": re.compile(r"\bmarlin\b|\bT:-?\d|\becho:|\bok T", re.IGNORECASE),
}
_HEATED: Final = frozenset({"marlin", "octoprint", "moonraker", "prusalink"})
_HEAT_S: Final = 4.0  # a Marlin reports every 2 s
_OTHER_BAUD: Final = {115200: 250000, 250000: 115200}


def _may_open(port: str) -> bool:
    return os.access(port, os.R_OK | os.W_OK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Computer:
    """What is seen of ports without opening one: this computer's, unless a test has another."""

    by_id: Path = BY_ID
    proc: Path = PROC
    may_open: Callable[[str], bool] = _may_open


async def look(
    config: DeviceConfig,
    *,
    data_dir: Path,
    within_s: float = _WITHIN_S,
    clock: Clock | None = None,
    known: Mapping[str, str] | None = None,
    computer: Computer | None = None,
) -> Finding:
    """Never raises a `DeviceError`: whatever happens is a finding.

    `known`, from serial numbers to the names of their tables, lets it say which machine answered in another's
    place.
    """
    computer = computer or Computer()
    standing = _in_the_way(config, data_dir, computer)
    if standing is not None:
        return standing
    device = make(config, data_dir=data_dir, clock=clock or SystemClock())
    try:
        async with asyncio.timeout(within_s):
            identity, status = await _meet(device, config, known or {})
    except TimeoutError:
        return await _why(config, DeviceTimeout(f"no answer within {within_s:.0f} s"), computer)
    except DeviceError as error:
        return await _why(config, error, computer)
    finally:
        await device.close()
    return _answers(config, identity, status)


async def _meet(device: Device, config: DeviceConfig, known: Mapping[str, str]) -> tuple[Identity, Status]:
    identity = await device.open()
    Expected(name=config.name, serial_number=config.serial_number, known=known).check(identity)
    statuses = device.watch()
    try:
        status = await anext(statuses)
        if config.driver in _HEATED and status.state not in (DeviceState.OFFLINE, DeviceState.FAULT):
            # The first look may be older than the first report of temperatures.
            with suppress(TimeoutError):
                async with asyncio.timeout(_HEAT_S):
                    while not status.heat_c:
                        status = await anext(statuses)
        return identity, status
    finally:
        if isinstance(statuses, AsyncGenerator):
            await statuses.aclose()


# -- it answers


def _answers(config: DeviceConfig, identity: Identity, status: Status) -> Finding:
    if config.driver == "manual":
        said = f"a person works it, and says when a piece is done; {status.state.value}"
        return Finding(
            name=config.name, trouble=Trouble.NONE, said=said, todo="Nothing to do.", state=status.state.value
        )
    model = f" on {identity.model}" if identity.model and identity.model not in identity.firmware else ""
    number = f", number {identity.serial_number}" if identity.serial_number else ""
    said = f"answers. {identity.firmware}{model}{number}, {status.state.value}{_heat(status)}"
    message = f" ({status.message})" if status.message else ""
    match status.state:
        case DeviceState.FAULT:
            trouble, todo = Trouble.FAULT, "look at the machine; it reports a fault of its own"
        case DeviceState.OFFLINE:
            trouble = Trouble.PRINTER_OFF
            todo = (
                "switch the printer on, or connect it in its server: the server answers, the printer does not"
            )
        case _:
            trouble, todo, message = Trouble.NONE, "Nothing to do.", ""
    return Finding(
        name=config.name, trouble=trouble, said=said + message, todo=todo, state=status.state.value
    )


def _heat(status: Status) -> str:
    names = {"tool0": "nozzle"}
    parts = [
        f"{names.get(part, part)} {degrees:.0f} °C"
        for part, degrees in status.heat_c.items()
        if not part.endswith("_target")
    ]
    return "".join(f", {part}" for part in parts)


# -- it does not


def _in_the_way(config: DeviceConfig, data_dir: Path, computer: Computer) -> Finding | None:
    """What can be seen of a local port without opening it. A port whose host runs is not looked at."""
    port = _local_port(config)
    if not port or HostPaths(data_dir, config.name).socket.exists():
        return None
    return _of_port(config, port, computer)


def _local_port(config: DeviceConfig) -> str:
    options = config.options
    if not isinstance(options, SerialOptions) or config.mock or "://" in options.port:
        return ""
    return options.port


def _of_port(config: DeviceConfig, port: str, computer: Computer) -> Finding | None:
    def finding(trouble: Trouble, said: str, todo: str) -> Finding:
        return Finding(name=config.name, trouble=trouble, said=said, todo=todo)

    if not os.path.exists(port):  # noqa: PTH110 - it is a name from a file, and may lead through links
        return finding(Trouble.PORT_ABSENT, f"{port} is not there", _instead(port, computer.by_id))
    if not computer.may_open(port):
        group = _group(port)
        todo = f"add the account to the group {group}: sudo usermod -aG {group} $USER, then log in again"
        return finding(Trouble.PORT_FORBIDDEN, f"this account may not open {port}", todo)
    held = holders(port, proc=computer.proc)
    if held:
        pid, words = held[0]
        todo = f"end that program (kill {pid}), or take its hands off this port: a machine has one owner"
        return finding(Trouble.PORT_HELD, f"{port} is held by process {pid} ({words})", todo)
    return None


def _instead(port: str, by_id: Path) -> str:
    try:
        there = sorted(str(path) for path in by_id.iterdir())
    except OSError:
        there = []
    if not there:
        return "no USB port is there at all: is the machine switched on, and its cable in?"
    near = difflib.get_close_matches(port, there, n=1, cutoff=0.6)
    if near:
        return f"a name like it is there; is it this one? port = {near[0]}"
    return f"is the machine switched on, and its cable in? There are: {', '.join(there)}"


def _group(port: str) -> str:
    try:
        group = grp.getgrgid(os.stat(port).st_gid).gr_name  # noqa: PTH116 - as above
    except (OSError, KeyError):
        return "dialout"
    # A port that belongs to root's own group is not to be had by joining that one.
    return group if group not in ("root", "tty") else "dialout"


async def _why(config: DeviceConfig, error: DeviceError, computer: Computer) -> Finding:
    if config.mock:
        todo = f"the folder hosts in the data folder says more: {config.name}.log and {config.name}.stderr"
        return Finding(name=config.name, trouble=Trouble.MOCK, said=f"the mock: {error}", todo=todo)
    if isinstance(error, Misfit) and config.serial_number and f"expects {config.serial_number}" in str(error):
        todo = "are two cables swapped? If this machine is the right one, correct serial_number in its table"
        said = str(error).removeprefix(f"{config.name} ")
        return Finding(name=config.name, trouble=Trouble.WRONG_NUMBER, said=said, todo=todo)
    if isinstance(config.options, NetworkOptions) and config.options.url:
        return await explain(config, str(error))
    return _why_serial(config, error, computer)


def _why_serial(config: DeviceConfig, error: DeviceError, computer: Computer) -> Finding:
    def finding(trouble: Trouble, todo: str) -> Finding:
        return Finding(name=config.name, trouble=trouble, said=words, todo=todo)

    port, words = _local_port(config), str(error)
    seen = _of_port(config, port, computer) if port else None
    if isinstance(error, DeviceRefused):
        return finding(Trouble.FAULT, "look at the machine: it answers, and says no")
    if isinstance(error, Misfit) and "expected a" in words:
        return finding(Trouble.WRONG_FIRMWARE, _other_driver(config, words))
    if isinstance(error, DeviceTimeout) or "answers" in words:
        baud = getattr(config.options, "baud", 0)
        todo = f"is the machine switched on? If it is, try baud = {_OTHER_BAUD.get(baud, 115200)} (it is {baud} now)"
        return finding(Trouble.SILENT, todo)
    remote = getattr(config.options, "port", "")
    if "://" in remote and isinstance(error, LinkLost):
        return finding(
            Trouble.REFUSED,
            f"is the serial server at {remote.partition('://')[2]} on, and is that its address?",
        )
    # The machine's own host has the port open, too: that is no trouble.
    if seen is not None and (seen.trouble is not Trouble.PORT_HELD or "held" in words):
        return seen
    return in_words(config.name, words)


def _other_driver(config: DeviceConfig, said: str) -> str:
    """The firmware on the port is not the one the table names; where the driver says which, say which to write."""
    for driver, signs in _SIGNS.items():
        if driver != config.driver and signs.search(said.partition("expected a")[2].partition(",")[2]):
            return f'write driver = "{driver}" in its table: that is what answers on this port'
    return "is it the right port? `fablab devices scan --probe` asks the ports nobody owns who is there"
