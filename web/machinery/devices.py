"""devices.toml as it is now, and a link for each of its machines."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from drivers.config import ConfigError, DeviceConfig, NetworkOptions, SerialOptions, load_whole
from drivers.link import Link
from drivers.registry import make
from fablab.base.clock import Clock
from fablab.device import Capability
from web.cameras import Address
from web.fleet import DeviceFacts
from web.settings import Settings

log = structlog.get_logger("web")


class Devices:
    """Read again when the file has changed; a file that is wrong leaves what was read last, and says why."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.file = Path(os.path.abspath(settings.devices_file))  # noqa: PTH100 - as `load` names it
        self.problem = ""
        self._settings = settings
        self._clock = clock
        self._stamp: tuple[int, int] | None = None
        self._configs: dict[str, DeviceConfig] = {}
        self._hosts: frozenset[str] = frozenset()
        self._linked: dict[str, DeviceConfig] = {}

    def read_strictly(self) -> None:
        """For the start of a server: raises `ConfigError`. Without the file there are no machines, and that is said."""
        if not self.file.is_file():
            log.warning("no devices.toml: no machine is connected", looked_for=str(self.file))
            return
        self._take(self._now())

    def configs(self) -> Mapping[str, DeviceConfig]:
        stamp = self._now()
        if stamp is None:
            self._configs, self._hosts, self._stamp, self.problem = {}, frozenset(), None, ""
        elif stamp != self._stamp:
            try:
                self._take(stamp)
            except ConfigError as error:
                self._stamp, self.problem = stamp, str(error)
                log.warning("devices.toml cannot be used as it is now", why=str(error))
        return self._configs

    def facts(self) -> Mapping[str, DeviceFacts]:
        return {name: _facts(config) for name, config in self.configs().items()}

    def cameras(self) -> Mapping[str, Address]:
        facts = self.facts()
        return {name: fact.camera for name, fact in facts.items() if fact.camera is not None}

    def camera_hosts(self) -> frozenset[str]:
        """The only hosts that pictures may be fetched from."""
        self.configs()
        return self._hosts

    def links(self) -> dict[str, Link]:
        return {name: self.link(config) for name, config in self.configs().items()}

    def link(self, config: DeviceConfig) -> Link:
        self._linked[config.name] = config
        device = make(config, data_dir=self._settings.data_dir, clock=self._clock)
        if config.camera is not None:
            device.capabilities |= {Capability.CAMERA}
        known = {other.serial_number: name for name, other in self._configs.items() if other.serial_number}
        return Link(
            device,
            clock=self._clock,
            serial_number=config.serial_number,
            known=known,
            where=_where(config),
        )

    def has_changed(self, device: str) -> bool:
        """Whether the file says something else of a machine by now than when its link was made."""
        linked, now = self._linked.get(device), self.configs().get(device)
        return linked is not None and now is not None and linked != now

    def _take(self, stamp: tuple[int, int] | None) -> None:
        self._configs, self._hosts = load_whole(self.file)
        self._stamp, self.problem = stamp, ""

    def _now(self) -> tuple[int, int] | None:
        try:
            stat = self.file.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size


def _facts(config: DeviceConfig) -> DeviceFacts:
    camera = config.camera
    return DeviceFacts(
        name=config.name,
        driver=config.driver,
        where=_where(config),
        is_mock=config.mock,
        serial_number=config.serial_number,
        camera=Address(snapshot=camera.snapshot, stream=camera.stream) if camera is not None else None,
    )


def _where(config: DeviceConfig) -> str:
    """A port, or a host and its port: whatever else stands in an address is nobody's business."""
    options = config.options
    if isinstance(options, SerialOptions):
        return options.port
    if isinstance(options, NetworkOptions) and options.url:
        return urlsplit(options.url).netloc.rpartition("@")[2]
    return ""
