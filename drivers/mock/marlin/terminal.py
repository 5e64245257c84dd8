"""The mocked Marlin on its pty."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Unpack

from drivers.mock.marlin.faults import Fault
from drivers.mock.marlin.firmware import Firmware
from drivers.mock.marlin.machine import Abilities
from drivers.mock.pty import NAME, Port, SerialMock


class MockMarlin(SerialMock):
    """A Marlin to connect to at `port`. `heat` is what its heaters do; the rest is said in `SerialMock`."""

    def __init__(
        self,
        *,
        speed: float = 0.0,
        faults: Iterable[str] = (),
        resend_ok: bool = True,
        abilities: Abilities | None = None,
        **port: Unpack[Port],
    ) -> None:
        self._marlin = Firmware(
            name=port.get("name", NAME),
            speed=speed,
            abilities=abilities or Abilities(),
            accept=self._accept,
            faults=[Fault.parse(text) for text in faults],
            resend_ok=resend_ok,
        )
        super().__init__(self._marlin, Fault, **port)

    @property
    def heat(self) -> dict[str, float]:
        return self._marlin.heat(time.monotonic())

    @property
    def fan(self) -> int:
        return self._marlin.machine.fan

    @property
    def serial_number(self) -> str:
        return self._marlin.machine.serial_number

    def facts(self) -> dict[str, Any]:
        machine = self._marlin.machine
        return {
            "heat": self.heat,
            "killed": machine.killed,
            "fan": machine.fan,
            "position": dict(machine.head.axes),
        }
