"""A thread that owns a port: orders from outside wake it and are carried out in it, and those who watch are told.

What is particular to a machine stands in `worker`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from drivers.lines import Lines
from fablab.device import DeviceError, DeviceRefused, LinkLost

T = TypeVar("T")


class PortThread(threading.Thread):
    """Runs from `start()` until the link is lost or `stop()`. A subclass says what is done in between."""

    def __init__(self, name: str, connect: Callable[[], Lines]) -> None:
        super().__init__(name=name, daemon=True)
        self.lost: DeviceError | None = None
        self._connect = connect
        self._lines: Lines | None = None
        self._lock = threading.Lock()  # around state that others must see as one
        self._closing = False
        self._orders: deque[Callable[[], None]] = deque()
        self._listeners: dict[object, Callable[[], None]] = {}
        self._told = 0.0

    # -- for a subclass ------------------------------------------------------------------------------------

    def _greet(self) -> None:
        """The first words, once the port is open."""
        raise NotImplementedError

    def _turn(self) -> None:
        """One look at the port and the clock; also has to call `_obey_all`."""
        raise NotImplementedError

    def _let_go(self, error: DeviceError) -> None:
        """The link is lost: whoever waits is told so."""
        raise NotImplementedError

    def _write(self, data: bytes) -> None:
        assert self._lines is not None
        self._lines.write(data)

    def _obey_all(self) -> None:
        while self._orders:
            self._orders.popleft()()

    def _tell(self, *, soon: bool = False) -> None:
        """Wake the watchers: at once, or (`soon`) not more than five times a second."""
        now = time.monotonic()
        if soon and now - self._told < 0.2:
            return
        self._told = now
        with self._lock:
            listeners = list(self._listeners.values())
        for listener in listeners:
            listener()

    # -- for other threads ---------------------------------------------------------------------------------

    def order(self, act: Callable[[], T]) -> Future[T]:
        """Have `act` run in this thread; its future fails with LinkLost when the link goes first."""
        answer: Future[T] = Future()
        with self._lock:
            if self.lost:
                answer.set_exception(self.lost)
                return answer
            self._orders.append(partial(self._obey, answer, act))
        self._wake()
        return answer

    def stop(self) -> None:
        self._closing = True
        self._wake()

    def listen(self, key: object, listener: Callable[[], None] | None) -> None:
        """Have `listener` called on change, from this thread; None takes it away."""
        with self._lock:
            if listener is None:
                self._listeners.pop(key, None)
            else:
                self._listeners[key] = listener

    def _wake(self) -> None:
        if self._lines is not None:
            self._lines.wake()

    # -- the thread ----------------------------------------------------------------------------------------

    def run(self) -> None:
        try:
            self._lines = self._connect()
            self._greet()
            while not self._closing:
                self._turn()
            raise LinkLost("the port was closed by us")
        except DeviceError as error:
            self._end(error)
        finally:
            if self.lost is None:  # a fault of ours: it must not look like a machine that is merely quiet
                self._end(LinkLost("the driver itself failed"))

    def _end(self, error: DeviceError) -> None:
        with self._lock:
            self.lost = error
            if self._lines is not None:
                self._lines.close()
        self._let_go(error)
        self._obey_all()
        self._tell()

    def _obey(self, answer: Future[T], act: Callable[[], T]) -> None:
        if not answer.set_running_or_notify_cancel():
            return  # who asked has gone away before we came to it
        try:
            if self.lost:
                raise self.lost
            answer.set_result(act())
        except DeviceRefused as refusal:
            answer.set_exception(refusal)
        except DeviceError as error:
            answer.set_exception(error)
            if not self.lost:
                raise
        except Exception:
            # The thread ends of it, and whoever waits for the answer must not wait for ever.
            answer.set_exception(LinkLost("the driver itself failed"))
            raise


def promise() -> Future[T]:
    """A future that nobody who merely waits for it can cancel."""
    made: Future[T] = Future()
    made.set_running_or_notify_cancel()
    return made
