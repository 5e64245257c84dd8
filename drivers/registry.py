"""Which driver a name in devices.toml means: a literal table, and what each needs to be made.

A driver is loaded when one is made: the process of a serial machine has no use for those that speak HTTP.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from drivers.config import (
    DeviceConfig,
    GrblOptions,
    ManualOptions,
    MarlinOptions,
    MoonrakerOptions,
    OctoPrintOptions,
    PrusaLinkOptions,
    SerialOptions,
)
from drivers.host import HostedDevice
from drivers.mocked import MockedDevice
from fablab.base.clock import Clock
from fablab.device import Capability, Device


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a driver is given beside its own settings. `sent(line, offset)` hears how far a file was sent; `known`
    are the serial numbers of devices.toml with the names of their tables."""

    data_dir: Path
    clock: Clock
    port: str = ""
    sent: Callable[[int, int], None] | None = None
    known: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """`of`: its module and class; `serial`: its machine gets a host, a process of its own; `wire`: how that host's
    guardian makes it safe."""

    of: str
    build: Callable[[DeviceConfig, Site], Device]
    serial: bool = False
    wire: str = "marlin"

    @property
    def capabilities(self) -> frozenset[Capability]:
        module, _, name = self.of.partition(":")
        found: frozenset[Capability] = getattr(importlib.import_module(module), name).capabilities
        return found


def _marlin(config: DeviceConfig, site: Site) -> Device:
    from drivers.marlin import Marlin

    options = config.options
    assert isinstance(options, MarlinOptions)
    return Marlin(
        name=config.name,
        port=site.port or options.port,
        baud=options.baud,
        clock=site.clock,
        serial_number=config.serial_number,
        known=site.known,
        on_pause=options.on_pause,
        on_resume=options.on_resume,
        on_cancel=options.on_cancel,
        quick_stop=options.quick_stop,
        kill=options.kill,
        journal=site.sent,
    )


def _grbl(config: DeviceConfig, site: Site) -> Device:
    from drivers.grbl import Grbl

    options = config.options
    assert isinstance(options, GrblOptions)
    return Grbl(
        name=config.name,
        port=site.port or options.port,
        baud=options.baud,
        clock=site.clock,
        serial_number=config.serial_number,
        known=site.known,
        journal=site.sent,
    )


def _octoprint(config: DeviceConfig, site: Site) -> Device:
    from drivers.octoprint import OctoPrint

    options = config.options
    assert isinstance(options, OctoPrintOptions)
    return OctoPrint(name=config.name, url=options.url, api_key=options.api_key.reveal(), clock=site.clock)


def _moonraker(config: DeviceConfig, site: Site) -> Device:
    from drivers.moonraker import Moonraker

    options = config.options
    assert isinstance(options, MoonrakerOptions)
    return Moonraker(name=config.name, url=options.url, api_key=options.api_key.reveal(), clock=site.clock)


def _prusalink(config: DeviceConfig, site: Site) -> Device:
    from drivers.prusalink import PrusaLink

    options = config.options
    assert isinstance(options, PrusaLinkOptions)
    return PrusaLink(
        name=config.name,
        url=options.url,
        user=options.user,
        password=options.password.reveal(),
        api_key=options.api_key.reveal(),
        clock=site.clock,
    )


def _manual(config: DeviceConfig, site: Site) -> Device:
    from drivers.manual import Manual

    options = config.options
    assert isinstance(options, ManualOptions)
    state = site.data_dir / "manual" / f"{config.name}.json"
    return Manual(name=config.name, state=state, clock=site.clock, estimate_s=options.estimate_s)


DRIVERS: Final[Mapping[str, Driver]] = {
    "marlin": Driver(of="drivers.marlin:Marlin", build=_marlin, serial=True),
    "grbl": Driver(of="drivers.grbl:Grbl", build=_grbl, serial=True, wire="grbl"),
    "octoprint": Driver(of="drivers.octoprint:OctoPrint", build=_octoprint),
    "moonraker": Driver(of="drivers.moonraker:Moonraker", build=_moonraker),
    "prusalink": Driver(of="drivers.prusalink:PrusaLink", build=_prusalink),
    "manual": Driver(of="drivers.manual:Manual", build=_manual),
}


def make(config: DeviceConfig, *, data_dir: Path, clock: Clock) -> Device:
    """The device as a server uses it: a serial machine through its host, a mock through its program, any other by
    its driver directly."""
    driver = DRIVERS[config.driver]
    if driver.serial:
        return HostedDevice(config, data_dir=data_dir, capabilities=driver.capabilities)
    site = Site(data_dir=data_dir, clock=clock)
    if config.mock:
        return MockedDevice(
            config,
            data_dir=data_dir,
            capabilities=driver.capabilities,
            build=lambda filled: driver.build(filled, site),
        )
    return driver.build(config, site)


def build(
    config: DeviceConfig,
    *,
    data_dir: Path,
    clock: Clock,
    port: str = "",
    sent: Callable[[int, int], None] | None = None,
    known: Mapping[str, str] | None = None,
) -> Device:
    """The driver itself, for a host; `port` stands in for the configured one (a mock has its own)."""
    site = Site(data_dir=data_dir, clock=clock, port=port, sent=sent, known=known or {})
    return DRIVERS[config.driver].build(config, site)


def port_of(config: DeviceConfig) -> str:
    """The serial port; empty for machines that have none."""
    return config.options.port if isinstance(config.options, SerialOptions) else ""
