"""Curved bodies as STL, made by formula: a ball, and a vase whose wall waves around and on the way up."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from pathlib import Path

Point = tuple[float, float, float]


def _revolve(profile: Callable[[float, float], tuple[float, float]], around: int, up: int) -> list[Point]:
    """Corners of triangles, three by three, of a closed body: `profile(angle, 0..1)` gives radius and height."""

    def at(i: int, j: int) -> Point:
        angle = 2.0 * math.pi * (i % around) / around
        radius, height = profile(angle, j / up)
        return radius * math.cos(angle), radius * math.sin(angle), height

    corners: list[Point] = []
    for j in range(up):
        for i in range(around):
            a, b, c, d = at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)
            corners += [a, b, c, a, c, d]
    for j, order in ((0, 1), (up, -1)):
        middle = (0.0, 0.0, profile(0.0, j / up)[1])
        for i in range(around):
            rim = [at(i + 1, j), at(i, j)]
            corners += [middle, *rim[::order]]
    return corners


def ball(radius_mm: float = 12.0) -> list[Point]:
    """Flattened by a tenth at the poles, so that it stands."""

    def profile(_: float, t: float) -> tuple[float, float]:
        height = (1.8 * t - 0.9) * radius_mm
        return math.sqrt(radius_mm**2 - height**2), height + 0.9 * radius_mm

    return _revolve(profile, 120, 80)


def vase(height_mm: float = 30.0) -> list[Point]:
    def profile(angle: float, t: float) -> tuple[float, float]:
        waist = 14.0 + 4.0 * math.sin(2.0 * math.pi * t)
        return waist + 1.2 * math.sin(9.0 * angle + 4.0 * t), height_mm * t

    return _revolve(profile, 240, 60)


def write_stl(corners: list[Point], path: Path) -> None:
    """Binary STL; the normals are left to the reader, as slicers do."""
    triangles = [corners[i : i + 3] for i in range(0, len(corners), 3)]
    with path.open("wb") as file:
        file.write(b"made by formula".ljust(80) + struct.pack("<I", len(triangles)))
        for a, b, c in triangles:
            file.write(struct.pack("<12fH", 0.0, 0.0, 0.0, *a, *b, *c, 0))
