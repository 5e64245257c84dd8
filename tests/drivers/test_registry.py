"""From a table of devices.toml to a device."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers import config, registry
from drivers.grbl import Grbl
from drivers.host import HostedDevice
from drivers.manual import Manual
from drivers.marlin import Marlin
from drivers.octoprint import OctoPrint
from fablab.base.clock import FakeClock
from fablab.device import Capability
from tests.drivers.doubles import NOON

TEXT = """
[devices.a]
driver = "marlin"
port = "/dev/serial/by-id/a"
[devices.b]
driver = "octoprint"
url = "http://127.0.0.1:5000"
api_key = "K"
[devices.c]
driver = "manual"
[devices.d]
driver = "marlin"
mock = true
[devices.e]
driver = "grbl"
port = "/dev/serial/by-id/e"
"""


@pytest.mark.parametrize(
    ("name", "served", "own"),
    [
        ("a", HostedDevice, Marlin),
        ("b", OctoPrint, OctoPrint),
        ("c", Manual, Manual),
        ("d", HostedDevice, Marlin),
        ("e", HostedDevice, Grbl),
    ],
)
def test_serial_machines_are_hosted_and_the_others_are_not(
    tmp_path: Path, name: str, served: type, own: type
) -> None:
    device = config.parse(TEXT, tmp_path / "devices.toml")[name]
    clock = FakeClock(NOON)
    made = registry.make(device, data_dir=tmp_path, clock=clock)
    built = registry.build(device, data_dir=tmp_path, clock=clock, port="/dev/pts/0")
    assert type(made) is served
    assert type(built) is own
    assert made.name == built.name == name
    assert made.capabilities == built.capabilities | {Capability.DETACHED}


def test_the_port_is_known_for_serial_machines_only(tmp_path: Path) -> None:
    devices = config.parse(TEXT, tmp_path / "devices.toml")
    assert [registry.port_of(d) for d in devices.values()] == [
        "/dev/serial/by-id/a",
        "",
        "",
        "",
        "/dev/serial/by-id/e",
    ]


def test_every_driver_that_can_be_configured_can_be_made() -> None:
    assert set(registry.DRIVERS) == set(config.KEYS)
