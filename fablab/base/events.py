"""What happened, told to whoever listens in this process: said after the commit, never before.

An event says only which thing changed; a listener that wants more reads it for itself, and so never shows
a state that is already over. There is no asyncio here: callbacks run in the publishing thread and must be
quick; the web hands them to its loop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`topic` is the kind of thing ("job"), `id` which one, `name` what happened to it ("queued")."""

    topic: str
    id: str | int
    name: str
    at: datetime

    def __post_init__(self) -> None:
        if self.at.utcoffset() is None:
            raise ValueError("an event's instant needs a time zone")


Callback = Callable[[Event], None]


class Bus:
    """Carries events to callbacks. Every method may be called from any thread, and from inside a callback."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._callbacks: dict[object, Callback] = {}

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Call `callback` with every event from now on. The answer ends it, and may be called twice."""
        key = object()  # the same callback may be subscribed twice, and each subscription ends by itself
        with self._lock:
            self._callbacks[key] = callback

        def unsubscribe() -> None:
            with self._lock:
                self._callbacks.pop(key, None)

        return unsubscribe

    def publish(self, events: Iterable[Event]) -> None:
        """Each event in order, each to every callback in order of subscription.

        A callback that raises is logged and the others still hear. Events published by two threads at once
        may interleave; those of one call keep their order.
        """
        for event in events:
            with self._lock:
                callbacks = tuple(self._callbacks.values())
            for callback in callbacks:
                try:
                    callback(event)
                except (
                    Exception
                ):  # What happened has happened: one listener's fault is no reason to be silent.
                    _log.exception("a listener failed on %s %s %s", event.topic, event.id, event.name)
