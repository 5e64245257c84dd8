"""GRBL's planner and steppers: fifteen blocks, looked ahead over, each a trapezoid of speed; and what the spindle
output does meanwhile.

Lengths are mm, speeds mm/s, instants and durations machine seconds. Sources: GRBL's wiki and `planner.c` for the
junction rule, the laser mode page for the power rules.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

BLOCKS: Final = 15
MIN_FEED: Final = 1 / 60
Vector = tuple[float, float, float]


class Spindle(IntEnum):
    """As its M word. In laser mode CW is constant power, CCW power that follows the speed."""

    CW = 3
    CCW = 4
    OFF = 5


@dataclass(slots=True, kw_only=True)
class Axes:
    """What the settings say of the three axes."""

    max_rate: Vector = (1.0, 1.0, 1.0)
    acceleration: Vector = (1.0, 1.0, 1.0)
    junction_deviation: float = 0.01

    def limit(self, values: Vector, unit: Vector) -> float:
        """The most along `unit` that exceeds none of the axes' own limits."""
        return min(v / abs(u) for v, u in zip(values, unit, strict=True) if u)


@dataclass(slots=True, kw_only=True)
class Move:
    """What the parser asks for. `feed` is mm/s, or with `inverse` moves per second; rapids ignore it."""

    target: Vector
    feed: float = 0.0
    rapid: bool = False
    inverse: bool = False
    spindle: Spindle = Spindle.OFF
    power: float = 0.0
    dynamic: bool = False
    """Power follows the speed: M4 in laser mode."""
    fixed: bool = False
    """The feed override does not count: a jog."""


@dataclass(slots=True, kw_only=True)
class Block:
    move: Move
    start: Vector
    unit: Vector
    length: float
    programmed: float
    rapid_rate: float
    acceleration: float
    junction: float
    entry: float = 0.0
    done: float = 0.0

    def nominal(self, feed_percent: float, rapid_percent: float) -> float:
        if self.move.rapid:
            return max(MIN_FEED, self.programmed * rapid_percent / 100)
        percent = 100.0 if self.move.fixed else feed_percent
        return max(MIN_FEED, min(self.programmed * percent / 100, self.rapid_rate))


@dataclass(slots=True)
class Motion:
    """`advance` lets time pass. `output` is what the spindle pin puts out, in S units before limits."""

    axes: Axes = field(default_factory=Axes)
    position: Vector = (0.0, 0.0, 0.0)
    speed: float = 0.0
    output: float = 0.0
    still_s: float = 0.0
    """How long the output was on while the head stood still."""
    holding: bool = False
    feed_percent: float = 100.0
    rapid_percent: float = 100.0
    blocks: deque[Block] = field(default_factory=deque)
    _end: Vector = (0.0, 0.0, 0.0)

    # -- planning ----------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        return len(self.blocks) >= BLOCKS

    @property
    def free(self) -> int:
        return BLOCKS - len(self.blocks)

    def add(self, move: Move) -> bool:
        """False for a move of no length, which GRBL drops."""
        start = self._end
        way = tuple(b - a for a, b in zip(start, move.target, strict=True))
        length = math.sqrt(sum(each * each for each in way))
        if length < 1e-4:
            return False
        unit: Vector = (way[0] / length, way[1] / length, way[2] / length)
        rapid_rate = self.axes.limit(self.axes.max_rate, unit)
        feed = rapid_rate if move.rapid else move.feed * length if move.inverse else move.feed
        block = Block(
            move=move,
            start=start,
            unit=unit,
            length=length,
            programmed=max(feed, MIN_FEED),
            rapid_rate=rapid_rate,
            acceleration=max(self.axes.limit(self.axes.acceleration, unit), 1e-3),  # a setting may be 0
            junction=self._junction(unit) if self.blocks else 0.0,
        )
        self.blocks.append(block)
        self._end = move.target
        self._replan()
        return True

    def _junction(self, unit: Vector) -> float:
        """The speed at which a corner deviates by no more than the setting says."""
        before = self.blocks[-1].unit
        cos = -sum(a * b for a, b in zip(before, unit, strict=True))
        if cos > 0.999999:
            return 0.0
        if cos < -0.999999:
            return math.inf
        bend = tuple(b - a for a, b in zip(before, unit, strict=True))
        size = math.sqrt(sum(each * each for each in bend))
        along: Vector = (bend[0] / size, bend[1] / size, bend[2] / size)
        sin_half = math.sqrt(0.5 * (1 - cos))
        pull = self.axes.limit(self.axes.acceleration, along)
        return math.sqrt(pull * self.axes.junction_deviation * sin_half / (1 - sin_half))

    def _nominal(self, block: Block) -> float:
        return block.nominal(self.feed_percent, self.rapid_percent)

    def _replan(self) -> None:
        """Entry speeds so that every block can be left at the next one's, and the last one at zero."""
        if len(self.blocks) < 2:
            return
        after = 0.0
        coming = list(self.blocks)
        for before, block in zip(reversed(coming[:-1]), reversed(coming[1:]), strict=True):
            block.entry = min(
                block.junction,
                self._nominal(block),
                self._nominal(before),
                math.sqrt(after * after + 2 * block.acceleration * block.length),
            )
            after = block.entry
        first = coming[0]
        reach = math.sqrt(self.speed**2 + 2 * first.acceleration * (first.length - first.done))
        for block in coming[1:]:
            block.entry = min(block.entry, reach)
            reach = math.sqrt(block.entry**2 + 2 * block.acceleration * block.length)

    def override(self, feed_percent: float, rapid_percent: float) -> None:
        self.feed_percent, self.rapid_percent = feed_percent, rapid_percent
        self._replan()

    # -- moving ------------------------------------------------------------------------------------------

    def _phases(self) -> list[tuple[float, float]]:
        """(acceleration, duration) from here to the end of the present block, or to standstill in a hold."""
        block = self.blocks[0]
        rate, way = block.acceleration, block.length - block.done
        if self.holding:
            if self.speed**2 <= 2 * rate * way:
                return [(-rate, self.speed / rate)]
            return [(-rate, (self.speed - math.sqrt(self.speed**2 - 2 * rate * way)) / rate)]
        leave = self.blocks[1].entry if len(self.blocks) > 1 else 0.0
        top = min(self._nominal(block), math.sqrt((2 * rate * way + self.speed**2 + leave**2) / 2))
        top = max(top, leave)
        phases = [(math.copysign(rate, top - self.speed), abs(top - self.speed) / rate)]
        way -= abs(top**2 - self.speed**2) / (2 * rate)
        way -= (top**2 - leave**2) / (2 * rate)
        if way > 0 and top > 0:
            phases.append((0.0, way / top))
        phases.append((-rate, (top - leave) / rate))
        return phases

    @property
    def block_s(self) -> float:
        """Until the present block is over, or a hold has come to its end."""
        return sum(duration for _, duration in self._phases()) if self.blocks and not self.held else math.inf

    @property
    def held(self) -> bool:
        return self.holding and self.speed == 0

    def advance(self, duration_s: float) -> None:
        while duration_s > 0:
            if not self.blocks or self.held:
                if self.output > 0 and duration_s < math.inf:
                    self.still_s += duration_s
                return
            duration_s = self._advance_block(duration_s)

    def _advance_block(self, duration_s: float) -> float:
        """What is left of the time when the block is over, or 0."""
        block = self.blocks[0]
        for rate, phase_s in self._phases():
            taken_s = min(phase_s, duration_s)
            block.done += self.speed * taken_s + rate * taken_s * taken_s / 2
            self.speed = max(0.0, self.speed + rate * taken_s)
            duration_s -= taken_s
            if duration_s <= 0 and taken_s < phase_s:
                break
        else:
            if not self.holding or block.length - block.done < 1e-6:
                self._next()
                return duration_s
            self.speed = 0.0
        block.done = min(block.done, block.length)
        self._place(block)
        self._set_output(block)
        return duration_s

    def _place(self, block: Block) -> None:
        x, y, z = (a + u * block.done for a, u in zip(block.start, block.unit, strict=True))
        self.position = (x, y, z)

    def _next(self) -> None:
        block = self.blocks.popleft()
        self.position = block.move.target
        if self.blocks:
            self.speed = min(self.speed, max(self.blocks[0].entry, 0.0)) if not self.holding else self.speed
            self._set_output(self.blocks[0])
        else:
            self.speed = 0.0
            self._set_output(block)

    def _set_output(self, block: Block) -> None:
        move = block.move
        if move.spindle is Spindle.OFF:
            self.output = 0.0
        elif move.dynamic:
            self.output = move.power * self.speed / block.programmed
        else:
            self.output = move.power

    def drop(self) -> None:
        """Everything planned is forgotten; the head stands where it is."""
        self.blocks.clear()
        self.speed = 0.0
        self.holding = False
        self._end = self.position

    def put(self, position: Vector) -> None:
        """The position is known anew: after homing, or lost with the power."""
        self.drop()
        self.position = self._end = position
