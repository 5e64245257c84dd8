"""An arc as GRBL moves it: chords that deviate from it by no more than the arc tolerance."""

from __future__ import annotations

import math
from collections.abc import Iterator

from drivers.mock.grbl.motion import Vector

_MOST = 3_000  # GRBL counts them in sixteen bits; the largest circle of its bed takes some 700
_FULL_TURN = 5e-7  # radians; less than that is a full circle


def chords(
    start: Vector,
    target: Vector,
    *,
    centre: tuple[float, float],
    plane: tuple[int, int, int],
    clockwise: bool,
    tolerance: float,
) -> Iterator[Vector]:
    """The ends of the chords; the last one is `target`. `centre` is from the start, in the plane's axes."""
    first, second, along = plane
    radius = math.hypot(*centre)
    at = (start[first] + centre[0], start[second] + centre[1])
    begin = math.atan2(-centre[1], -centre[0])
    turn = math.atan2(target[second] - at[1], target[first] - at[0]) - begin
    turn = math.remainder(turn, 2 * math.pi)
    if clockwise and turn >= -_FULL_TURN:
        turn -= 2 * math.pi
    elif not clockwise and turn <= _FULL_TURN:
        turn += 2 * math.pi
    deviation = max(tolerance * (2 * radius - tolerance), 1e-9)
    count = min(int(abs(0.5 * turn * radius) / math.sqrt(deviation)), _MOST)
    for step in range(1, count):
        share = step / count
        place = [0.0, 0.0, 0.0]
        place[first] = at[0] + radius * math.cos(begin + turn * share)
        place[second] = at[1] + radius * math.sin(begin + turn * share)
        place[along] = start[along] + (target[along] - start[along]) * share
        yield (place[0], place[1], place[2])
    yield target
