"""HTTP/1.1 and websocket frames as the mocks of networked machines read and write them, damage on request included."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from websockets.protocol import State
from websockets.server import ServerProtocol

from drivers.mock.network_faults import Fault

_BROKEN_HEADS: Final[Mapping[Fault | None, bytes]] = {
    Fault.HALF_ANSWER: b"HTTP/1.1 2",
    Fault.GARBAGE: b"\xff\xfe\r\n\r\n",
}
_TURNS: Final = (
    6  # of asyncio's loop from an accepted connection to the first step of who serves it, and some to spare
)
_NAMES = re.compile(r'(\w+)="([^"]*)"')


async def stop(server: asyncio.Server) -> None:
    """Listens no longer, once everybody whom it had accepted is let in: asyncio 3.11 would lose such a connection open."""
    for sock in server.sockets:
        asyncio.get_running_loop().remove_reader(sock.fileno())
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    server.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`path` is decoded, without the prefix a proxy would take away; `target` as it came; header names in lower case."""

    method: str
    path: str
    target: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    head: bytes

    @property
    def called(self) -> str:
        return f"{self.method} {self.path}"

    def json(self) -> dict[str, Any]:
        """Empty for anything that is no JSON object."""
        try:
            decoded = json.loads(self.body or b"{}")
        except (ValueError, RecursionError):
            return {}
        return decoded if isinstance(decoded, dict) else {}

    def form(self) -> dict[str, tuple[str, bytes]]:
        """The fields of a multipart form by name, each with its file name, if any, and content."""
        boundary = self.headers.get("content-type", "").partition("boundary=")[2].strip('"')
        fields: dict[str, tuple[str, bytes]] = {}
        for part in self.body.split(b"--" + boundary.encode())[1:-1]:
            head, _, content = part.partition(b"\r\n\r\n")
            names = dict(_NAMES.findall(head.decode("utf-8", "replace")))
            fields[names.get("name", "")] = (names.get("filename", ""), content.removesuffix(b"\r\n"))
        return fields


Answer = tuple[int, Any] | tuple[int, Any, Mapping[str, str]]


class Socket:
    """One open websocket; `state` is the mock's to use, e.g. for who is signed in."""

    def __init__(self, protocol: ServerProtocol, wire: Wire) -> None:
        self._protocol = protocol
        self._wire = wire
        self.state: dict[str, Any] = {}

    def send(self, text: str) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_text(text.encode())
            self.flush()

    def close(self, code: int = 1000) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code)
            self.flush()

    def flush(self) -> None:
        data = b"".join(self._protocol.data_to_send())
        if not self._wire.mute:
            self._wire.writer.write(data)


@dataclass(eq=False, slots=True)
class Wire:
    """One connection; a `mute` one hears everything, does nothing and says nothing."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    mute: bool = False
    socket: Socket | None = None


async def read(wire: Wire, *, prefix: str, max_body: int) -> Request | None:
    """The next request; None at the end."""
    try:
        head = await wire.reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *rest = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in rest)}
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= max_body or "transfer-encoding" in headers:
        raise ValueError("more than an upload may have")  # OctoPrint, too, just cuts the connection
    if "100-continue" in headers.get("expect", "") and not wire.mute:
        wire.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await wire.reader.readexactly(length)
    parts = urlsplit(target)
    return Request(
        method=method,
        path=unquote(parts.path).removeprefix(prefix),
        target=target,
        headers=headers,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        body=body,
        head=head,
    )


async def write(writer: asyncio.StreamWriter, answer: Answer, fault: Fault | None, *, drip_s: float) -> bool:
    """The answer, or what the fault makes of it; False when the connection is to end."""
    if fault in (Fault.LOST, Fault.LOST_START):
        writer.transport.abort()
        return False
    status, told = answer[:2]
    headers = dict(answer[2]) if len(answer) == 3 else {}
    if isinstance(told, AsyncIterator):
        return await _stream(writer, status, told, headers)
    body = _bytes(told)
    if not body and fault in _BROKEN_HEADS:  # nothing to damage but the head itself
        writer.write(_BROKEN_HEADS[fault])
        return False
    if fault is Fault.GARBAGE:
        body = b"\xff\xfe<html>" + body
    length = 1_000_000_000 if fault is Fault.ENDLESS else len(body)
    if fault is Fault.PACKED:
        headers["Content-Encoding"] = "gzip"
    writer.write(_head(status, headers, length))
    if fault is Fault.HALF_ANSWER:
        writer.write(body[: len(body) // 2])
        return False
    while fault is Fault.ENDLESS:
        writer.write(b" " * 65536)
        await writer.drain()
    for byte in body if fault is Fault.TRICKLE else b"":
        writer.write(bytes([byte]))
        await asyncio.sleep(drip_s)
    if fault is not Fault.TRICKLE:
        writer.write(body)
    await writer.drain()
    return True


def _bytes(told: Any) -> bytes:
    if told is None:
        return b""
    return told if isinstance(told, bytes) else json.dumps(told, indent=1).encode()


def _head(status: int, headers: Mapping[str, str], length: int | None) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    if length is None:
        lines.append("Connection: close")
    elif status != 204:
        lines.append(f"Content-Length: {length}")
    if "Content-Type" not in headers and status != 204:
        lines.append("Content-Type: application/json")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _stream(
    writer: asyncio.StreamWriter, status: int, pieces: AsyncIterator[bytes], headers: Mapping[str, str]
) -> bool:
    writer.write(_head(status, headers, None))
    async for piece in pieces:
        writer.write(piece)
        await writer.drain()
    return False
