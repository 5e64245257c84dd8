"""Text lines over a wire: any port pyserial can open, or a script that answers in a test.

pyserial opens and configures the port; where the port has a file descriptor it is then read and written
directly, because pyserial's own `read` costs two system calls and several Python frames for every line. What
arrives is hostile: in pieces, with NULs, in no known character set, and perhaps without any end of line.
"""

from __future__ import annotations

import errno
import io
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

import serial

from fablab.device import DeviceTimeout, LinkLost, Misfit

LONGEST_LINE = 1024  # bytes; a firmware's longest banner line is under 200
WRITE_TIMEOUT_S = 5.0
SLICE_S = 0.05  # how long a port without a descriptor is read at a time: it cannot be woken
MOST_WAITING = 65536  # bytes that pyserial's own reader of an rfc2217:// port may hold for us
# Seconds without a sign of life after which the kernel itself gives a peer up that left without a word.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 20), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 4))


class Port(Protocol):
    """Bytes in both directions. `read` gives b"" when nothing came in time or somebody called `wake`."""

    def read(self, timeout_s: float) -> bytes: ...

    def write(self, data: bytes) -> None: ...

    def wake(self) -> None: ...

    def close(self) -> None: ...


class DescriptorPort:
    """A port with a file descriptor: poll, read, write. `wake` may be called from any thread."""

    def __init__(self, wire: serial.SerialBase, fd: int, *, write_timeout_s: float) -> None:
        self._wire = wire
        self._url = str(wire.port)
        self._fd = fd
        self._write_timeout_s = write_timeout_s
        self._closed = False
        # `wake` must never write to a descriptor that is somebody else's by now.
        self._closing = threading.Lock()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._poll.register(self._wake_read, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(fd, select.POLLOUT)

    def read(self, timeout_s: float) -> bytes:
        for fd, events in self._poll.poll(timeout_s * 1000):
            if fd != self._fd:
                os.read(self._wake_read, 4096)
            elif events & select.POLLIN:
                return self._receive()
            else:
                raise LinkLost("the port is gone")
        return b""

    def _receive(self) -> bytes:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise LinkLost(f"reading the port failed: {error.strerror}") from error
        if not data:
            raise LinkLost("the port was closed at its other end")
        return data

    def write(self, data: bytes) -> None:
        """Raises DeviceTimeout when the machine takes nothing for `write_timeout_s`."""
        deadline = time.monotonic() + self._write_timeout_s
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise DeviceTimeout("the port takes no more bytes") from None
                self._writable.poll(left_s * 1000)
            except OSError as error:
                raise LinkLost(f"writing to the port failed: {error.strerror}") from error

    def wake(self) -> None:
        with self._closing:
            if not self._closed:
                try:
                    os.write(self._wake_write, b"!")
                except BlockingIOError:
                    return  # full of wake-ups already: nobody sleeps

    def close(self) -> None:
        with self._closing:
            if self._closed:
                return
            self._closed = True
            _open.pop(self._url, None)
            os.close(self._wake_read)
            os.close(self._wake_write)
        _close(self._wire)


class PlainPort:
    """A port without a descriptor (rfc2217://, loop://): slower, and woken within `SLICE_S`.

    `wire` was opened with `SLICE_S` as its time-out.
    """

    def __init__(self, wire: serial.SerialBase) -> None:
        self._wire = wire
        self._woken = False
        # An rfc2217 port has a thread that reads ahead into a queue without bounds: a flood would fill the memory.
        self._ahead = getattr(wire, "_read_buffer", None)
        if self._ahead is not None:
            self._ahead.maxsize = MOST_WAITING

    def read(self, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        while not self._woken:
            try:
                data = bytes(self._wire.read(max(1, int(getattr(self._wire, "in_waiting", 0)))))
            except (serial.SerialException, OSError) as error:
                raise LinkLost(f"reading the port failed: {error}") from error
            if data or time.monotonic() >= deadline:
                return data
        self._woken = False
        return b""

    def write(self, data: bytes) -> None:
        try:
            self._wire.write(data)
        except serial.SerialTimeoutException as error:
            raise DeviceTimeout("the port takes no more bytes") from error
        except (serial.SerialException, OSError) as error:
            raise LinkLost(f"writing to the port failed: {error}") from error

    def wake(self) -> None:
        self._woken = True

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.maxsize = 0  # a reader that waits for room would never see that the port is closed
            with self._ahead.not_full:
                self._ahead.not_full.notify_all()
        _close(self._wire)


def _close(wire: serial.SerialBase) -> None:
    network = getattr(wire, "_socket", None)
    wire.close()  # pyserial waits 0.3 s in here for a network port
    if network is not None:
        network.close()  # pyserial forgets to, where the other side was faster


class ScriptPort:
    """A machine in a test: `answer` is given every chunk written and returns the chunks that come back.

    `None` among them means the wire breaks there.
    """

    def __init__(self, answer: Callable[[bytes], Iterable[bytes | None]]) -> None:
        self._answer = answer
        self._coming: deque[bytes | None] = deque()
        self.written: list[bytes] = []
        self.closed = False

    def say(self, *chunks: bytes | None) -> None:
        self._coming.extend(chunks)

    def read(self, timeout_s: float) -> bytes:
        if not self._coming:
            time.sleep(min(timeout_s, 0.001))
            return b""
        chunk = self._coming.popleft()
        if chunk is None:
            raise LinkLost("the script breaks the wire here")
        return chunk

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self._coming.extend(self._answer(data))

    def wake(self) -> None:
        return

    def close(self) -> None:
        self.closed = True


def open_port(url: str, baud: int, *, write_timeout_s: float = WRITE_TIMEOUT_S) -> Port:
    """A device path or any URL pyserial knows. A local port is opened exclusively: nobody else may write to
    it.

    Raises LinkLost when it is absent or taken (both may heal), Misfit when we may not open it or it is no
    port.
    """
    scheme = url.partition("://")[0] if "://" in url else ""
    # pyserial refuses a write time-out on rfc2217://; there its socket has one of 5 s of its own.
    times = (SLICE_S, None) if scheme in _WITHOUT_DESCRIPTOR else (0, write_timeout_s)
    try:
        wire = serial.serial_for_url(url, baud, timeout=times[0], write_timeout=times[1], do_not_open=True)
        if not scheme:
            wire.exclusive = True
        wire.open()
    except ValueError as error:
        raise Misfit(f"{url} is not a port: {error}") from error
    except OSError as error:  # SerialException is one
        raise _cannot_open(url, error) from error
    try:
        fd = wire.fileno()
    except (io.UnsupportedOperation, AttributeError):
        return PlainPort(wire)
    if scheme == "socket":
        _over_tcp(fd)
        _open[url] = fd
    return DescriptorPort(wire, fd, write_timeout_s=write_timeout_s)


def descriptor(url: str) -> int | None:
    """The descriptor of a socket:// `url` that this process has open; None once it is closed."""
    return _open.get(url)


_WITHOUT_DESCRIPTOR = ("rfc2217", "loop")
_open: dict[str, int] = {}


def _over_tcp(fd: int) -> None:
    """Each line is sent at once, because the next one waits for its ok; a dead peer is noticed."""
    with socket.socket(fileno=os.dup(fd)) as wire:  # options belong to the connection, not to the number
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            wire.setsockopt(socket.IPPROTO_TCP, option, value)


def _cannot_open(url: str, error: OSError) -> LinkLost | Misfit:
    cause = error.errno
    if cause is None and isinstance(error.__context__, OSError):
        cause = error.__context__.errno
    if cause == errno.EACCES:
        return Misfit(f"{url} may not be opened by this account")
    if cause in (errno.EAGAIN, errno.EBUSY):
        return LinkLost(f"{url} is held by another program")
    if cause == errno.ENOENT:
        return LinkLost(f"{url} is not there; the machine is off or unplugged")
    return LinkLost(f"{url} cannot be opened: {error}")


class Lines:
    """Whole lines out of pieces. Not thread-safe, but for `wake`."""

    def __init__(self, port: Port, *, longest: int = LONGEST_LINE) -> None:
        self._port = port
        self._longest = longest
        self._rest = b""
        self._skipping = False  # inside a line that has outgrown `longest`
        self.write = port.write
        self.wake = port.wake
        self.close = port.close

    @classmethod
    def open(cls, url: str, baud: int) -> Lines:
        return cls(open_port(url, baud))

    def read(self, timeout_s: float) -> list[bytes]:
        """The lines that have come, without their ends, blanks at both sides and NULs; empty lines are
        dropped.

        CR and LF both end a line. Of a line longer than `longest` only the first part is given.
        """
        data = self._port.read(timeout_s)
        if data == b"ok\n" and not self._rest and not self._skipping:
            return [b"ok"]  # nine lines of ten while a program streams
        if not data:
            return []
        return self._split(data)

    def _split(self, data: bytes) -> list[bytes]:
        *lines, rest = (self._rest + data).replace(b"\0", b"").replace(b"\r", b"\n").split(b"\n")
        if self._skipping and lines:
            self._skipping = False
            lines[0] = b""
        if self._skipping:
            rest = b""
        elif len(rest) > self._longest:
            self._skipping = True
            lines.append(rest)
            rest = b""
        self._rest = rest
        return [tidy for line in lines if (tidy := line[: self._longest].strip())]
