"""What the driver tests share: hosts that are all ended afterwards, whatever the test did to them."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from drivers.config import DeviceConfig, parse
from drivers.host import HostedDevice, HostPaths
from drivers.host.journal import Entry, read
from drivers.registry import DRIVERS
from tests.drivers.doubles import until


@dataclass
class Hosts:
    """Real host processes of one test; `folder` is their data folder."""

    folder: Path
    idle_s: float = 60.0
    made: list[HostedDevice] = field(default_factory=list)

    @property
    def devices_toml(self) -> Path:
        return self.folder.parent / "devices.toml"

    def config(
        self, port: str = "", *, driver: str = "marlin", name: str = "m1", more: str = "", mock: bool = False
    ) -> DeviceConfig:
        """Written to devices.toml, as a host reads it from there."""
        where = "mock = true" if mock else f'port = "{port}"'
        text = f'[devices.{name}]\ndriver = "{driver}"\n{where}\n{more}\n'
        self.devices_toml.write_text(text)
        return parse(text, self.devices_toml)[name]

    def device(self, config: DeviceConfig) -> HostedDevice:
        """One more client; a test may have several of one machine."""
        capabilities = DRIVERS[config.driver].capabilities
        device = HostedDevice(config, data_dir=self.folder, capabilities=capabilities, idle_s=self.idle_s)
        self.made.append(device)
        return device

    def at(self, port: str, **config: object) -> HostedDevice:
        return self.device(self.config(port, **config))  # type: ignore[arg-type]  # keywords as for config

    def paths(self, name: str = "m1") -> HostPaths:
        return HostPaths(self.folder, name)

    def entry(self, name: str = "m1") -> Entry:
        entry = read(self.paths(name).journal)
        assert entry is not None
        return entry

    def processes(self) -> list[psutil.Process]:
        """Hosts, guardians and mocks of this test: all have its folder in their command line."""
        return self._alive("")

    def guardians(self) -> list[psutil.Process]:
        return self._alive("guardian.py")

    def _alive(self, program: str) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
                alive = process.status() != psutil.STATUS_ZOMBIE
            except psutil.Error:  # it has just ended
                continue
            if not alive or process.pid == os.getpid():
                continue
            if any(str(self.folder) in word for word in words) and any(program in word for word in words):
                found.append(process)
        return found


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[Hosts]:
    hosts = Hosts(tmp_path / "data")
    yield hosts
    for device in hosts.made:
        await device.close()
    # An orderly end first, so that nothing is left half done and coverage of the hosts is written.
    for process in hosts.processes():
        if "--detach" in process.cmdline():
            process.send_signal(signal.SIGTERM)
    try:
        await until(lambda: hosts.processes() == [], within_s=30)
    finally:
        for process in hosts.processes():
            process.kill()
