"""The mocked GRBL on its pty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from drivers.mock.grbl import reports
from drivers.mock.grbl.faults import Fault
from drivers.mock.grbl.firmware import Firmware
from drivers.mock.grbl.motion import Vector
from drivers.mock.grbl.settings import Settings
from drivers.mock.pty import NAME, Port, SerialMock


class MockGrbl(SerialMock):
    """A GRBL 1.1h with a laser (`$32=1`) to connect to at `port`; the pty's side is said in `SerialMock`.

    `settings` changes `$` values before the first boot, e.g. `{22: 1}` for a machine that has to be homed;
    `build_info` is what `$I=` stored before; `factory_new` boots once with `error:7` and a dump of its settings.
    The truth is in `accepted` (G-code executed, in order), `checked` (taken in `$C`), `commands` (`$...`),
    `refused` (line and error number), `beam_on`, `power`, `position`, `state`, `beam_seconds_still`, `rx_lost`.
    """

    def __init__(
        self,
        *,
        speed: float = 0.0,
        faults: Iterable[str] = (),
        settings: Mapping[int, float] | None = None,
        factory_new: bool = False,
        build_info: str = "",
        **port: Unpack[Port],
    ) -> None:
        eeprom = Settings(build_info=build_info)
        for number, value in (settings or {}).items():
            eeprom.store(number, value)
        self._grbl = Firmware(
            name=port.get("name", NAME),
            speed=speed,
            accept=self._accept,
            settings=eeprom,
            faults=[Fault.parse(text) for text in faults],
            factory_new=factory_new,
            keep=port.get("keep", True),
        )
        super().__init__(self._grbl, Fault, **port)

    @property
    def checked(self) -> list[str]:
        return self._grbl.checked

    @property
    def commands(self) -> list[str]:
        return self._grbl.commands

    @property
    def refused(self) -> list[tuple[str, int]]:
        return self._grbl.refused

    @property
    def beam_on(self) -> bool:
        return self.power > 0

    @property
    def power(self) -> float:
        """In S units; without power there is no beam."""
        return 0.0 if self._grbl.off else self._grbl.machine.power

    @property
    def beam_seconds_still(self) -> float:
        """Machine time for which the beam burnt one spot. In laser mode only M3 can do that."""
        return self._grbl.machine.motion.still_s

    @property
    def position(self) -> Vector:
        """Machine coordinates, mm."""
        return self._grbl.machine.motion.position

    @property
    def state(self) -> str:
        """As a status report says it: "Idle", "Hold:0"; "Off" without power."""
        return "Off" if self._grbl.off else reports.state(self._grbl.machine)

    @property
    def rx_lost(self) -> int:
        """Bytes that found the receive buffer full."""
        return self._grbl.rx_lost

    @property
    def rx_starved_s(self) -> float:
        """Since `mark`, between its first and last line: how long a line was wanted and none was there."""
        return self._grbl.starved_s

    def mark(self) -> None:
        super().mark()
        self._do(self._grbl.mark)

    def facts(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "position": self.position,
            "power": self.power,
            "beam_on": self.beam_on,
            "beam_seconds_still": self.beam_seconds_still,
            "checked": len(self.checked),
            "refused": self.refused[-20:],
            "door_open": self._grbl.machine.door_open,
            "rx_lost": self.rx_lost,
            "rx_starved_s": self.rx_starved_s,
        }
