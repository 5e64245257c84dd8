"""A serial line of so many bytes a second: when bytes have passed it, and how much of it was used."""

from __future__ import annotations


class Pace:
    """A line that carries `bytes_per_s` bytes (0: any number): how many have passed by an instant.

    An idle line saves nothing up: the first byte of a burst takes its time too.
    """

    PORTION_S = 0.0015  # bytes are handed over in portions of this time, not one by one
    LATE_S = 0.01  # what a late look at the line may make up for

    def __init__(self, bytes_per_s: float) -> None:
        self._rate = bytes_per_s
        self._portion_s = max(self.PORTION_S, 1.001 / bytes_per_s) if bytes_per_s else 0.0
        self._from: float | None = None  # None: idle

    def busy(self, wall: float) -> None:
        """There are bytes to carry."""
        if self._from is None:
            self._from = wall
        self._from = max(self._from, wall - self.LATE_S - self._portion_s)

    def room(self, wall: float) -> int:
        if not self._rate:
            return 1 << 16
        return int((wall - self._from) * self._rate) if self._from is not None else 0

    def passed(self, count: int, *, more: bool) -> None:
        """Without `more` to carry the line is idle."""
        if self._from is not None:
            self._from = self._from + count / self._rate if more and self._rate else None

    @property
    def due(self) -> float:
        """When the next portion has passed; an idle line is due at any time."""
        return self._from + self._portion_s if self._from is not None else 0.0


class Use:
    """How much of a paced line was used. The first portion only starts the clock."""

    def __init__(self) -> None:
        self.mark()

    def mark(self) -> None:
        self._first = self._last = 0.0
        self._count = 0

    def heard(self, count: int, wall: float) -> None:
        if not self._first:
            self._first = self._last = wall
        else:
            self._last = wall
            self._count += count

    def percent(self, bytes_per_s: float) -> float:
        took_s = self._last - self._first
        return 100 * self._count / (bytes_per_s * took_s) if bytes_per_s and took_s else 0.0
