"""GRBL's settings and coordinate data, as its EEPROM keeps them: numbers, defaults, what may be stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from drivers.mock.grbl.motion import Axes, Vector
from drivers.mock.grbl.words import Refused

ZERO: Final[Vector] = (0.0, 0.0, 0.0)

# A diode laser of 400 by 400 mm; the numbers are GRBL's own.
DEFAULTS: Final[dict[int, float]] = {
    0: 10,
    1: 25,
    2: 0,
    3: 0,
    4: 0,
    5: 0,
    6: 0,
    10: 1,
    11: 0.01,
    12: 0.002,
    13: 0,
    20: 0,
    21: 0,
    22: 0,
    23: 0,
    24: 25.0,
    25: 500.0,
    26: 250,
    27: 1.0,
    30: 1000.0,
    31: 0.0,
    32: 1,
    100: 80.0,
    101: 80.0,
    102: 80.0,
    110: 12000.0,
    111: 12000.0,
    112: 1200.0,
    120: 1000.0,
    121: 1000.0,
    122: 200.0,
    130: 400.0,
    131: 400.0,
    132: 50.0,
}
WHOLE: Final = frozenset({0, 1, 2, 3, 4, 5, 6, 10, 13, 20, 21, 22, 23, 26, 32})
SYSTEMS: Final = ("G54", "G55", "G56", "G57", "G58", "G59")
STARTUP_LINES: Final = 2


@dataclass(slots=True)
class Settings:
    """What outlives a reset and a loss of power."""

    values: dict[int, float] = field(default_factory=lambda: dict(DEFAULTS))
    offsets: dict[str, Vector] = field(default_factory=dict)
    """Of the coordinate systems G54 to G59, and the places G28 and G30, in machine coordinates."""
    startup: list[str] = field(default_factory=lambda: [""] * STARTUP_LINES)
    build_info: str = ""
    """What `$I=` stored: a lab may keep a machine's name there."""

    def __getitem__(self, number: int) -> float:
        return self.values[number]

    @property
    def laser(self) -> bool:
        return bool(self[32])

    @property
    def axes(self) -> Axes:
        return Axes(
            max_rate=(self[110] / 60, self[111] / 60, self[112] / 60),
            acceleration=(self[120], self[121], self[122]),
            junction_deviation=self[11],
        )

    @property
    def travel(self) -> Vector:
        return (self[130], self[131], self[132])

    def offset(self, name: str) -> Vector:
        return self.offsets.get(name, ZERO)

    def store(self, number: int, value: float) -> None:
        """Raises Refused with GRBL's error number."""
        if value < 0:
            raise Refused(4)
        if number not in self.values:
            raise Refused(3)
        if number == 0 and value < 3:
            raise Refused(6)
        if number == 20 and value and not self[22]:
            raise Refused(10)  # soft limits need homing
        self.values[number] = float(int(value)) if number in WHOLE else value
        if number == 22 and not value:
            self.values[20] = 0.0

    def lines(self) -> list[str]:
        return [
            f"${number}={int(value)}" if number in WHOLE else f"${number}={value:.3f}"
            for number, value in self.values.items()
        ]

    def reachable(self, target: Vector) -> bool:
        """Within the soft limits: machine coordinates run from minus the travel to zero."""
        return all(-most <= at <= 0 for at, most in zip(target, self.travel, strict=True))
