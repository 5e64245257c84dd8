"""The numbered conversation: which line is sent next, which are not acknowledged yet, what is sent again.

No wire and no clock in here. The firmware takes a line only if its number is the last one plus one, so a
line sent twice is never executed twice; what this class guards is that none is skipped and that the stream
never stalls.
"""

from __future__ import annotations

from enum import StrEnum

from drivers.marlin.words import frame

HISTORY = 512  # lines kept for resends; a firmware asks at most for those in its buffers
SAME_RESENDS = 10  # after so many requests for one line it cannot be got across


class Verdict(StrEnum):
    """What a request for a resend turned out to be."""

    REWIND = "rewind"
    NOTHING = "nothing"  # it asks for the line that comes next anyway
    STRAY = "stray"  # an echo of lines that were in flight when the first request came
    HOPELESS = "hopeless"  # no longer known, or asked for `SAME_RESENDS` times


class Talk:
    """Line numbers start at 1 after `hello`. `inflight` counts lines on the wire whose ok is still owed."""

    def __init__(self, *, window: int = 1) -> None:
        self.window = window
        self.last = 0  # highest number given to a line
        self.cursor = 1  # the next number to go on the wire; not above `last` while resending
        self.inflight = 0
        self.sent = 0
        self.resent = 0
        self._frames = [b""] * HISTORY
        self._swallow = 0
        self._stray_number = -1
        self._strays = 0
        self._asked = -1
        self._asked_times = 0

    def hello(self) -> bytes:
        """`M110 N0`: both sides start counting anew. Lines still in flight keep their claim to an ok."""
        self.last = 0
        self.cursor = 1
        self.inflight += 1
        self._swallow = self._strays = self._asked_times = 0
        self._stray_number = self._asked = -1
        return frame(0, b"M110 N0")

    def forget(self) -> None:
        """Nothing is owed any more: the firmware was restarted, or all its answers have been read."""
        self.inflight = 0

    @property
    def resending(self) -> bool:
        return self.cursor <= self.last

    def new(self, command: bytes) -> bytes:
        """The frame of a command that was not sent before; not to be called while resending."""
        self.last = number = self.last + 1
        data = frame(number, command)
        self._frames[number % HISTORY] = data
        self.cursor = number + 1
        self.inflight += 1
        self.sent += 1
        return data

    def again(self) -> bytes:
        """The next frame while resending."""
        data = self._frames[self.cursor % HISTORY]
        self.cursor += 1
        self.inflight += 1
        return data

    def unnumbered(self, command: bytes) -> bytes:
        self.inflight += 1
        return command + b"\n"

    def ok(self) -> None:
        if self._swallow:
            self._swallow -= 1
        elif self.inflight:
            self.inflight -= 1

    def ok_for(self, number: int) -> None:
        """An ok that tells its line: what is still owed is known exactly, whatever was lost before."""
        if 0 <= number < self.cursor:
            self.inflight = self.cursor - 1 - number
            self._swallow = 0

    def retry(self) -> None:
        """No ok came: the same lines again. If they had arrived, one request for the next will follow."""
        first = max(1, self.cursor - self.inflight)
        self._stray_number = self.cursor
        self._strays = self.cursor - first
        self.cursor = first
        self.inflight = 0

    def resend(self, number: int) -> Verdict:
        self._asked_times = self._asked_times + 1 if number == self._asked else 1
        self._asked = number
        if (
            self._asked_times >= SAME_RESENDS
            or not self.last - HISTORY < number <= self.last + 1
            or number < 1
        ):
            return Verdict.HOPELESS
        if number == self._stray_number and self._strays:
            self._strays -= 1
            if number < self.cursor:
                self._swallow += 1
                return Verdict.STRAY
        if number >= self.cursor:
            self.cursor = number  # while resending: the lines up to it have arrived, skip them
            return Verdict.NOTHING
        self.resent += self.cursor - number
        owed_before = max(0, number - (self.cursor - self.inflight))
        self._stray_number = number
        self._strays = self.cursor - 1 - number
        self.cursor = number
        self.inflight = owed_before + 1  # the request itself is followed by an ok
        return Verdict.REWIND
