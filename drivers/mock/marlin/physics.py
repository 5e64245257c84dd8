"""What moves and what warms in the mocked machine. Times in here are simulated seconds, lengths
millimetres.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

AMBIENT_C = 25.0
BLOCKS = 16  # moves a stock Marlin plans ahead (BLOCK_BUFFER_SIZE)


@dataclass(slots=True, kw_only=True)
class Heater:
    """A first-order body: it nears `full_c` (heater fully on) or the room with the time constant `tau_s`.

    The temperature at any instant follows from the last change of target; there is nothing to step.
    """

    full_c: float
    tau_s: float
    limit_c: float
    target_c: float = 0.0
    since: float = 0.0
    from_c: float = AMBIENT_C

    def at(self, now: float) -> float:
        goal_c = self._goal()
        free_c = goal_c + (self.from_c - goal_c) * math.exp(-max(0.0, now - self.since) / self.tau_s)
        if self.target_c > self.from_c:
            return min(free_c, self.target_c)
        return max(free_c, self.target_c, AMBIENT_C)

    def aim(self, target_c: float, now: float) -> None:
        self.from_c = self.at(now)
        self.since = now
        self.target_c = min(max(0.0, target_c), self.limit_c)

    def reached_at(self, now: float, *, cooling: bool) -> float:
        """When the target is met to one degree; at once if it lies below and nobody waits for cooling."""
        here_c = self.at(now)
        if here_c >= self.target_c - 1 and not (cooling and here_c > self.target_c + 1):
            return now
        if self.target_c < AMBIENT_C:
            return now  # Marlin does not wait for a heater that is off
        near_c = self.target_c + (1 if here_c > self.target_c else -1)
        goal_c = self._goal()
        return now + self.tau_s * math.log((goal_c - here_c) / (goal_c - near_c))

    def _goal(self) -> float:
        return self.full_c if self.target_c > self.from_c else AMBIENT_C - 2


def hotend() -> Heater:
    return Heater(full_c=350.0, tau_s=120.0, limit_c=285.0)


def bed() -> Heater:
    return Heater(full_c=160.0, tau_s=200.0, limit_c=120.0)


class Planner:
    """Moves that were acknowledged and are not over yet: only the end of each is kept."""

    def __init__(self) -> None:
        self._ends: deque[float] = deque()
        self.busy_until = 0.0

    def add(self, duration_s: float, now: float) -> None:
        self.busy_until = max(self.busy_until, now) + duration_s
        self._ends.append(self.busy_until)

    def room_at(self, now: float) -> float:
        """When the next move finds room."""
        while self._ends and self._ends[0] <= now:
            self._ends.popleft()
        return now if len(self._ends) < BLOCKS else self._ends[len(self._ends) - BLOCKS]

    def drop(self, now: float) -> None:
        self._ends.clear()
        self.busy_until = now


class Head:
    """Where the tool is, and how long the next move takes: its length at its feed rate."""

    def __init__(self) -> None:
        self.axes = {"X": 0.0, "Y": 0.0, "Z": 0.0, "E": 0.0}
        self.feed_mm_s = 25.0
        self.percent = 100.0
        self.relative = False
        self.relative_e = False
        self.scale = 1.0  # 25.4 after G20

    def move(self, words: dict[str, float]) -> float:
        """Apply a G0 to G3; the duration in seconds."""
        if "F" in words and words["F"] > 0:
            self.feed_mm_s = words["F"] * self.scale / 60
        square = 0.0
        steps = {}
        for axis in "XYZE":
            if axis in words:
                old = self.axes[axis]
                relative = self.relative_e if axis == "E" else self.relative
                new = words[axis] * self.scale + (old if relative else 0.0)
                self.axes[axis] = new
                steps[axis] = new - old
                if axis != "E":
                    square += (new - old) ** 2
        length = math.sqrt(square) or abs(steps.get("E", 0.0))
        if "I" in words or "J" in words:
            length = self._arc(words, steps)
        return length / max(0.01, self.feed_mm_s * self.percent / 100)

    def _arc(self, words: dict[str, float], steps: dict[str, float]) -> float:
        """An arc is at least its chord; a full circle when it ends where it began."""
        radius = math.hypot(words.get("I", 0.0), words.get("J", 0.0)) * self.scale
        chord = math.hypot(steps.get("X", 0.0), steps.get("Y", 0.0))
        if chord < 1e-6:
            return 2 * math.pi * radius
        return 2 * radius * math.asin(min(1.0, chord / max(1e-9, 2 * radius)))

    def set(self, words: dict[str, float]) -> None:
        for axis in words.keys() & self.axes.keys():
            self.axes[axis] = words[axis] * self.scale
