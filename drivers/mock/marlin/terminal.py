"""The mocked Marlin on its pty."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from drivers.mock.marlin.faults import Fault
from drivers.mock.marlin.firmware import Firmware
from drivers.mock.marlin.machine import Abilities
from drivers.mock.pty import SerialMock


class MockMarlin(SerialMock):
    """A Marlin to connect to at `port`. `heat` is what its heaters do; the rest is said in `SerialMock`."""

    def __init__(
        self,
        *,
        name: str = "mock",
        link: Path | None = None,
        speed: float = 0.0,
        faults: Iterable[str] = (),
        record: Path | None = None,
        control: Path | None = None,
        keep: bool = True,
        reset_on_open: bool = False,
        resend_ok: bool = True,
        abilities: Abilities | None = None,
        baud: int = 0,
    ) -> None:
        self._marlin = Firmware(
            name=name,
            speed=speed,
            abilities=abilities or Abilities(),
            accept=self._accept,
            faults=[Fault.parse(text) for text in faults],
            resend_ok=resend_ok,
        )
        super().__init__(
            self._marlin,
            Fault,
            name=name,
            link=link,
            record=record,
            control=control,
            keep=keep,
            reset_on_open=reset_on_open,
            baud=baud,
        )

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
