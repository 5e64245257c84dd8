"""Charts as SVG, written by hand: grouped bars and lines, readable in a page of text and without its style sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, log10

WIDE, HIGH = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 54, 34
#: Told apart by those who do not see colours alike (Okabe and Ito 2008), and by their place in the legend.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
_INK, _FAINT = "#333", "#ddd"


def bars(title: str, unit: str, groups: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    """For each group one bar of each series, all from zero."""
    top = _top(max((v for values in series.values() for v in values), default=0.0))
    body = _grid(top, unit)
    step = (WIDE - _LEFT - _RIGHT) / max(1, len(groups))
    wide = step * 0.8 / max(1, len(series))
    for number, group in enumerate(groups):
        at = _LEFT + number * step
        body.append(_text(at + step / 2, HIGH - 12, group, "middle"))
        for place, (name, values) in enumerate(series.items()):
            x, y = at + step * 0.1 + place * wide, _y(values[number], top)
            body.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide * 0.92:.1f}" height="{HIGH - _BOTTOM - y:.1f}" '
                f'fill="{COLOURS[place % len(COLOURS)]}"><title>{escape(f"{group}, {name}: {values[number]:.1f} {unit}")}'
                "</title></rect>"
            )
            if wide >= 26:
                body.append(_text(x + wide * 0.46, y - 4, f"{values[number]:.3g}", "middle"))
    return _whole(title, list(series), body)


def lines(title: str, unit: str, x_name: str, series: Mapping[str, Sequence[float]]) -> str:
    """Every series over the same steps, counted from one."""
    top = _top(max((v for values in series.values() for v in values), default=0.0))
    body = _grid(top, unit)
    count = max((len(values) for values in series.values()), default=1)
    step = (WIDE - _LEFT - _RIGHT) / max(1, count - 1)
    for number in range(0, count, max(1, count // 12)):
        body.append(_text(_LEFT + number * step, HIGH - 12, str(number + 1), "middle"))
    body.append(_text(WIDE - _RIGHT, HIGH - 1, x_name, "end"))
    for place, values in enumerate(series.values()):
        points = " ".join(f"{_LEFT + n * step:.1f},{_y(v, top):.1f}" for n, v in enumerate(values))
        body.append(
            f'<polyline points="{points}" fill="none" stroke="{COLOURS[place % len(COLOURS)]}" stroke-width="2"/>'
        )
    return _whole(title, list(series), body)


def _top(highest: float) -> float:
    """A round number not below the highest value."""
    if highest <= 0:
        return 1.0
    unit = 10.0 ** (ceil(log10(highest)) - 1)
    return next(unit * part for part in (1, 2, 3, 4, 5, 6, 8, 10) if unit * part >= highest)


def _y(value: float, top: float) -> float:
    return HIGH - _BOTTOM - (HIGH - _BOTTOM - _TOP) * max(0.0, value) / top


def _grid(top: float, unit: str) -> list[str]:
    found = [_text(4, _TOP - 8, unit, "start")]
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(top * part, top)
        found.append(f'<path d="M{_LEFT} {y:.1f}H{WIDE - _RIGHT}" stroke="{_FAINT}"/>')
        found.append(_text(_LEFT - 6, y + 4, f"{top * part:g}", "end"))
    return found


def _text(x: float, y: float, said: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_INK}">{escape(said)}</text>'


def _whole(title: str, names: Sequence[str], body: Sequence[str]) -> str:
    legend = []
    for place, name in enumerate(names):
        x = _LEFT + place * (WIDE - _LEFT - _RIGHT) / max(1, len(names))
        legend.append(
            f'<rect x="{x:.1f}" y="26" width="12" height="12" fill="{COLOURS[place % len(COLOURS)]}"/>'
        )
        legend.append(_text(x + 17, 36, name, "start"))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="12">'
    )
    heading = (
        f'<text x="{_LEFT}" y="16" font-size="14" font-weight="bold" fill="{_INK}">{escape(title)}</text>'
    )
    background = f'<rect width="{WIDE}" height="{HIGH}" fill="#fff"/>'
    return "\n".join((head, background, heading, *legend, *body, "</svg>", ""))
