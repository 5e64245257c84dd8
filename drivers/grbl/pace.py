"""How long a line's moves take, roughly and rather too long: the measure for how patient to be with its answer."""

from __future__ import annotations

import math
import re

_WORD = re.compile(rb"([A-Z])([+-]?(?:\d+\.?\d*|\.\d+))")
_LONGEST_S = 86_400.0


class Pace:
    """Follows a program's feed rate, units and position line by line. Overrides may slow it down; not in here."""

    def __init__(self, rapid_mm_s: float = 10.0) -> None:
        self._rapid_mm_s = rapid_mm_s
        self._mm = 1.0  # in one unit of the program
        self._absolute = True
        self._feed_mm_s = 0.0
        self._motion = 1.0
        self._at = {b"X": 0.0, b"Y": 0.0, b"Z": 0.0}

    def takes_s(self, command: bytes) -> float:
        dwell = False
        words: dict[bytes, float] = {}
        for letter, digits in _WORD.findall(command.upper().replace(b" ", b"")):
            value = float(digits)
            if letter == b"G":
                dwell = dwell or value == 4
                self._mode(value)
            else:
                words[letter] = value
        if b"F" in words:
            self._feed_mm_s = words[b"F"] * self._mm / 60
        if dwell:
            return min(_LONGEST_S, max(0.0, words.get(b"P", 0.0)))
        way_mm = self._way_mm(words)
        speed_mm_s = self._rapid_mm_s if self._motion == 0 else self._feed_mm_s
        return min(_LONGEST_S, way_mm / speed_mm_s) if way_mm and speed_mm_s > 0 else 0.0

    def _mode(self, code: float) -> None:
        if code in (0, 1, 2, 3):
            self._motion = code
        elif code in (20, 21):
            self._mm = 25.4 if code == 20 else 1.0
        elif code in (90, 91):
            self._absolute = code == 90

    def _way_mm(self, words: dict[bytes, float]) -> float:
        before = dict(self._at)
        for axis in self._at:
            if axis in words:
                mm = words[axis] * self._mm
                self._at[axis] = mm if self._absolute else before[axis] + mm
        straight_mm = math.dist(tuple(before.values()), tuple(self._at.values()))
        if self._motion not in (2, 3):
            return straight_mm
        if b"R" in words:
            radius_mm = abs(words[b"R"]) * self._mm
        else:
            radius_mm = math.hypot(*(words.get(letter, 0.0) * self._mm for letter in (b"I", b"J", b"K")))
        return max(straight_mm, math.tau * radius_mm)  # at most one turn
