"""A serial port at the other end of a network cable: a real TCP server in front of a pty, plain or RFC 2217.

The RFC 2217 side is pyserial's own server (`serial.rfc2217.PortManager`), so that our client is not judged by us.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

import serial
from serial.rfc2217 import PortManager


class PtyPort(serial.Serial):  # type: ignore[misc]  # pyserial has no types
    """A pty has no modem lines; a box with a real port has. What the client sets is kept in `lines`."""

    lines: dict[str, bool]

    def _update_dtr_state(self) -> None:
        self.__dict__.setdefault("lines", {})["dtr"] = self._dtr_state

    def _update_rts_state(self) -> None:
        self.__dict__.setdefault("lines", {})["rts"] = self._rts_state

    cts = dsr = cd = property(lambda self: True)
    ri = property(lambda self: False)


class Bridge:
    """Serves one client at a time on a loopback port, as the cheap boxes do; `with` starts and ends it.

    `hold()` leaves every connection open and passes nothing any more: half-open. `pace_s` is how long each byte
    from the machine takes, beside what the machine itself needs.
    """

    def __init__(self, pty: str, *, rfc2217: bool = False, port: int = 0) -> None:
        self.pace_s = 0.0
        self.connections = 0
        self.to_machine = bytearray()
        self._pty = pty
        self._rfc2217 = rfc2217
        self._held = False
        self._over = False
        self._client: socket.socket | None = None
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name=f"bridge {pty}", daemon=True)

    @property
    def url(self) -> str:
        return f"{'rfc2217' if self._rfc2217 else 'socket'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        self.cut()
        self._listener.close()
        self._thread.join(5)

    def cut(self) -> None:
        """The connection drops, as when the box loses its power; it accepts the next one."""
        client = self._client
        if client is not None:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def hold(self, held: bool = True) -> None:
        self._held = held

    def _serve(self) -> None:
        self._listener.settimeout(0.05)
        while not self._over:
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self.connections += 1
            with client, PtyPort(self._pty, 115200, timeout=0) as wire:
                self._client = client
                with suppress(OSError):
                    self._pass(client, wire)
                self._client = None

    def _pass(self, client: socket.socket, wire: serial.Serial) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        manager = PortManager(wire, _Writer(client)) if self._rfc2217 else None
        while not self._over:
            if self._held:
                time.sleep(0.01)
                continue
            ready, _, _ = select.select([client, wire.fileno()], [], [], 0.05)
            if client in ready:
                data = client.recv(4096)
                if not data:
                    return
                if manager is not None:
                    data = b"".join(manager.filter(data))
                self.to_machine += data
                os.write(wire.fileno(), data)
            if wire.fileno() in ready:
                data = os.read(wire.fileno(), 1 if self.pace_s else 4096)
                time.sleep(self.pace_s)
                client.sendall(b"".join(manager.escape(data)) if manager is not None else data)


class _Writer:
    """What pyserial's server writes its own answers to."""

    def __init__(self, client: socket.socket) -> None:
        self.write = client.sendall
