"""A thread that owns a port, and the device on the side of asyncio that hands it orders and watches it.

What is particular to a machine stands in its driver's `worker`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from drivers.identity import Expected
from drivers.lines import Lines
from fablab.device import DeviceError, DeviceRefused, DeviceState, Identity, LinkLost, Status

T = TypeVar("T")
W = TypeVar("W", bound="PortThread")
Journal = Callable[[int, int], None]


class PortThread(threading.Thread, ABC):
    """Runs from `start()` until the link is lost or `stop()`. Orders from outside wake it and are carried out in it,
    and those who watch are told. `ready` is answered by `_greet`."""

    def __init__(self, name: str, connect: Callable[[], Lines]) -> None:
        super().__init__(name=name, daemon=True)
        self.ready: Future[Identity] = promise()
        self.lost: DeviceError | None = None
        self._connect = connect
        self._lines: Lines | None = None
        self._lock = threading.Lock()  # around state that others must see as one
        self._closing = False
        self._urgent = False  # a stop was asked for and may not have reached the wire yet
        self._orders: deque[Callable[[], None]] = deque()
        self._listeners: dict[object, Callable[[], None]] = {}
        self._told = 0.0

    # -- for a subclass ------------------------------------------------------------------------------------

    @abstractmethod
    def status(self) -> Status:
        """For other threads: how the machine is now, OFFLINE once the link is lost."""

    @abstractmethod
    def _greet(self) -> None:
        """The first words, once the port is open; answers `ready`."""

    @abstractmethod
    def _turn(self) -> None:
        """One look at the port and the clock; also has to call `_obey_all`."""

    @abstractmethod
    def _let_go(self, error: DeviceError) -> None:
        """The link is lost: whoever waits, but for `ready`, is told so."""

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

    def hurry(self) -> None:
        """A stop is coming: its first bytes go out even in the middle of a handshake."""
        self._urgent = True
        self._wake()

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
            self._lines.close()  # not under the lock: a network port takes 0.3 s, and `status` is asked meanwhile
        if not self.ready.done():
            self.ready.set_exception(error)
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


class PortDevice(ABC, Generic[W]):
    """The part of a `fablab.device.Device` that is the same whatever hangs on the port.

    `serial_number` is what must answer, where it is known, and `known` whose the others are; `every_s` the longest
    pause between two statuses.
    """

    def __init__(
        self, *, name: str, port: str, serial_number: str, known: Mapping[str, str] | None, every_s: float
    ) -> None:
        self.name = name
        self._port = port
        self._expected = Expected(name=name, serial_number=serial_number, where=port, known=known or {})
        self._every_s = every_s
        self._worker: W | None = None

    @abstractmethod
    def _made(self, last: W | None) -> W:
        """The thread of a new link, not started; `last` is that of the link before."""

    def _check(self, worker: W, identity: Identity) -> None:
        """Raises DeviceError when it is not the machine that is expected."""
        self._expected.check(identity)

    async def open(self) -> Identity:
        """Raises LinkLost or Misfit."""
        last = self._worker
        if last and last.is_alive():
            raise DeviceRefused(f"{self.name} is open already")
        worker = self._worker = self._made(last)
        worker.start()
        try:
            identity = await asyncio.wrap_future(worker.ready)
        except asyncio.CancelledError:
            worker.stop()
            raise
        try:
            self._check(worker, identity)
        except DeviceError:
            await self.close()
            raise
        return identity

    async def close(self) -> None:
        if self._worker:
            self._worker.stop()
            await asyncio.to_thread(self._worker.join)

    async def watch(self) -> AsyncIterator[Status]:
        """Ends with a status OFFLINE and LinkLost."""
        worker = self._opened()
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        key = object()
        worker.listen(key, partial(_wake, loop, changed))
        try:
            while True:
                changed.clear()
                lost = worker.lost
                status = worker.status()
                yield status
                if lost or status.state is DeviceState.OFFLINE:
                    raise lost or worker.lost or LinkLost(f"{self.name} is not connected")
                # Not asyncio.wait_for: in Python 3.11 a cancel that meets the event is lost, and a link never closes.
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._every_s):
                        await changed.wait()
        finally:
            worker.listen(key, None)

    def _opened(self) -> W:
        if self._worker is None:
            raise LinkLost(f"{self.name} is not open")
        return self._worker


def promise() -> Future[T]:
    """A future that nobody who merely waits for it can cancel."""
    made: Future[T] = Future()
    made.set_running_or_notify_cancel()
    return made


def _wake(loop: asyncio.AbstractEventLoop, changed: asyncio.Event) -> None:
    try:
        loop.call_soon_threadsafe(changed.set)
    except RuntimeError:
        return  # the watcher's loop has ended before its watch did
