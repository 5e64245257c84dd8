"""When to search: soon after the calendar has come to rest, not for ever waiting for rest, and never without a pause."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(slots=True, kw_only=True)
class Pace:
    """Seconds of any clock that only goes forward. A search comes when nothing was heard for `quiet_s`, or
    `patience_s` after the first that was heard; begins lie `every_s` apart, and the pause between two is at least as
    long as the search was.
    """

    quiet_s: float = 2.0
    patience_s: float = 10.0
    every_s: float = 20.0
    _first: float | None = None
    _last: float = -inf
    _free_at: float = -inf

    def hear(self, now: float) -> None:
        self._first = now if self._first is None else self._first
        self._last = now

    def due_at(self) -> float | None:
        """None as long as there is nothing to search for."""
        if self._first is None:
            return None
        return max(min(self._last + self.quiet_s, self._first + self.patience_s), self._free_at)

    def begin(self) -> None:
        """What was heard so far is being looked at."""
        self._first = None

    def end(self, begun: float, now: float) -> None:
        self._free_at = max(begun + self.every_s, now + (now - begun))
