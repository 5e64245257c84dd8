"""Charts as plain geometry: figures become points on a drawing, and a template draws them as SVG.

A drawing is about as wide as a phone, so that its words are read there at the size they are set in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2, sqrt

WIDE = 360
#: A share between 0 and 1 on a square with room for the axis' words.
LEFT, RIGHT, TOP, BOTTOM = 40, 348, 10, 268

#: Factors are drawn by doublings: half as long lies as far from the middle as twice as long.
FACTOR_MOST = 2.0
DOT_LEFT, DOT_RIGHT = 14, 346
ROW_HIGH = 40
MOST_DOTS = 120  # of one machine: more would be one blot

BAR_LEFT, BAR_RIGHT = 2, 358
BAR_ROW_HIGH = 46
_NINE_IN_TEN = 1.645


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPoint:
    """Promised against kept. `low`, `high`: where chance alone may have put it, nine times in ten."""

    x: float
    y: float
    low: float
    high: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSeries:
    kind: str  # the class it is drawn with
    label: str
    points: tuple[KeptPoint, ...]

    @property
    def path(self) -> str:
        return " ".join(f"{point.x:g},{point.y:g}" for point in self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptChart:
    label: str
    ticks_x: tuple[Tick, ...]
    ticks_y: tuple[Tick, ...]
    series: tuple[KeptSeries, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DotRow:
    """One machine's factors. `middle`: where its median lies."""

    name: str
    said: str
    y: float
    middle: float
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DotChart:
    label: str
    high: int
    ticks: tuple[Tick, ...]
    rows: tuple[DotRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BarRow:
    """`used`, then `held` behind it, as widths; `due`: where the share due ends."""

    name: str
    said: str
    y: float
    used: float
    held: float
    due: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    label: str
    high: int
    rows: tuple[BarRow, ...]


def kept_series(
    kind: str, label: str, promised: Sequence[float], kept: Sequence[float], count: int, said: Sequence[str]
) -> KeptSeries:
    points = []
    for q, share, word in zip(promised, kept, said, strict=True):
        low, high = wilson(share, count)
        points.append(KeptPoint(x=_x(q), y=_y(share), low=_y(low), high=_y(high), label=word))
    return KeptSeries(kind=kind, label=label, points=tuple(points))


def kept_ticks(percents: Sequence[tuple[float, str]]) -> tuple[tuple[Tick, ...], tuple[Tick, ...]]:
    """Of both axes, from shares and how these are written."""
    return (
        tuple(Tick(at=_x(share), label=word) for share, word in percents),
        tuple(Tick(at=_y(share), label=word) for share, word in percents),
    )


def wilson(share: float, count: int) -> tuple[float, float]:
    """Between what the true share lies, nine times in ten, when `share` of `count` were kept (Wilson's interval)."""
    if not count:
        return 0.0, 1.0
    z = _NINE_IN_TEN
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def factor_x(factor: float) -> float:
    """Where a factor lies; what is further off lies at the edge."""
    doublings = max(-1.0, min(1.0, log2(max(factor, 1e-9)) / log2(FACTOR_MOST)))
    return round(DOT_LEFT + (doublings + 1) / 2 * (DOT_RIGHT - DOT_LEFT), 1)


def dot_row(number: int, name: str, said: str, factors: Sequence[float], middle: float) -> DotRow:
    """Dots side by side would hide each other: they are spread over the row, always in the same way."""
    line = 18 + number * ROW_HIGH + 12
    dots = tuple(
        Dot(x=factor_x(factor), y=line + ((n * 7) % 11 - 5)) for n, factor in enumerate(factors[-MOST_DOTS:])
    )
    return DotRow(name=name, said=said, y=line, middle=factor_x(middle), dots=dots)


def dots_high(rows: int) -> int:
    return 18 + rows * ROW_HIGH + 22


def bar_row(
    number: int, name: str, said: str, *, used: float, held: float, due: float, most: float
) -> BarRow:
    """Shares (0..1) on a scale that ends at `most`."""
    wide = (BAR_RIGHT - BAR_LEFT) / max(most, 1e-9)
    return BarRow(
        name=name,
        said=said,
        y=number * BAR_ROW_HIGH,
        used=round(used * wide, 1),
        held=round(held * wide, 1),
        due=round(BAR_LEFT + due * wide, 1),
    )


def _x(share: float) -> float:
    return round(LEFT + share * (RIGHT - LEFT), 1)


def _y(share: float) -> float:
    return round(BOTTOM - share * (BOTTOM - TOP), 1)
