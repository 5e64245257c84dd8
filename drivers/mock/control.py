"""A Unix socket to steer a running mock: one JSON object a line, one answer a line.

    {"fault": "lost_ok"}          any fault the mock knows, e.g. "reset@300", "busy:20"
    {"do": "faults"}              {"faults": {kind: what it does, ...}}
    {"do": "state"}               what is true of the machine now; which keys, the mock says

Serial mocks also take

    {"speed": 200}                0 is as fast as possible
    {"say": "//action:pause\\n"}   bytes for the host
    {"do": "reset"}               the reset button
    {"do": "plug"}                the cable back in, after "unplug"
    {"do": "mark"}                begin to measure the use of the line anew

Answers `{"ok": true, ...}`, or `{"ok": false, "error": "..."}`.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

LONGEST_REQUEST = 65536


class Control:
    """Not a thread: the owner polls `descriptors` and calls `serve` for those that are ready."""

    def __init__(self, path: Path, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._path = path
        self._answer = answer
        self._clients: dict[int, tuple[socket.socket, bytearray]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen()
        self._listener.setblocking(False)

    def descriptors(self) -> list[int]:
        return [self._listener.fileno(), *self._clients]

    def serve(self, fd: int) -> None:
        if fd == self._listener.fileno():
            with suppress(BlockingIOError):
                client, _ = self._listener.accept()
                client.settimeout(1.0)
                self._clients[client.fileno()] = (client, bytearray())
        elif fd in self._clients:
            self._serve_client(fd, *self._clients[fd])

    def _serve_client(self, fd: int, client: socket.socket, buffer: bytearray) -> None:
        try:
            data = client.recv(65536)
            buffer += data
            while (end := buffer.find(b"\n")) >= 0:
                request = bytes(buffer[:end])
                del buffer[: end + 1]
                client.sendall(json.dumps(self._reply(request)).encode() + b"\n")
        except OSError:
            data = b""
        if not data or len(buffer) > LONGEST_REQUEST:
            del self._clients[fd]
            client.close()

    def _reply(self, request: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(request)
            if not isinstance(asked, dict):
                raise ValueError("a request is one JSON object")
            return {"ok": True, **self._answer(asked)}
        except (ValueError, RecursionError) as error:
            return {"ok": False, "error": str(error)}

    def close(self) -> None:
        for client, _ in self._clients.values():
            client.close()
        self._listener.close()
        self._path.unlink(missing_ok=True)
