"""Pictures out of what a camera sends: one by its first bytes, many out of a multipart stream of JPEGs.

A camera is hostile until read: every length is bounded, and nothing but pictures comes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message

MOST_FRAME_BYTES = 4_000_000
_MOST_HEAD_BYTES = 4_000
_MAGIC = (("image/jpeg", re.compile(rb"\xff\xd8\xff")), ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")))
_WEBP = re.compile(rb"RIFF....WEBP", re.DOTALL)
_LENGTH = re.compile(rb"^content-length:[ \t]*([0-9]{1,10})[ \t]*$", re.IGNORECASE | re.MULTILINE)
_BOUNDARY = re.compile(r"[!-~]{1,100}")


class NoPicture(ValueError):
    """What came is no picture, or too much of one; `str()` says which."""


def kind_of(body: bytes) -> str:
    """image/jpeg, image/png or image/webp by the first bytes; raises `NoPicture` for everything else."""
    for kind, magic in (*_MAGIC, ("image/webp", _WEBP)):
        if magic.match(body):
            return kind
    raise NoPicture("it is neither JPEG, nor PNG, nor WebP")


def said_kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def boundary_of(content_type: str) -> bytes:
    """What stands between the parts of a multipart/x-mixed-replace answer; raises `NoPicture`."""
    message = Message()
    message["content-type"] = content_type
    found = message.get_param("boundary")
    if said_kind(content_type) != "multipart/x-mixed-replace" or not isinstance(found, str):
        raise NoPicture("it is no stream of pictures")
    # Some cameras put the dashes of the delimiter into the name already.
    name = found.removeprefix("--")
    if not _BOUNDARY.fullmatch(name):
        raise NoPicture("its stream has no usable boundary")
    return b"--" + name.encode()


class Frames:
    """Feed it bytes as they come; it yields the JPEGs that are whole. Never holds more than one frame and its head."""

    def __init__(self, boundary: bytes, *, most_bytes: int = MOST_FRAME_BYTES) -> None:
        self._boundary = boundary
        self._most_bytes = most_bytes
        self._bytes = bytearray()
        self._length: int | None = None  # of the part whose head was read; -1: until the next boundary
        self._looked = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises `NoPicture` when a part is no JPEG, or larger than is allowed."""
        self._bytes += data
        while True:
            frame = self._next()
            if frame is None:
                break
            if frame:
                if kind_of(frame) != "image/jpeg":
                    raise NoPicture("its stream is not of JPEGs")
                yield frame
        if len(self._bytes) > self._most_bytes + _MOST_HEAD_BYTES:
            raise NoPicture(f"one of its pictures has more than {self._most_bytes} bytes")

    def _next(self) -> bytes | None:
        """A whole part; empty after a head only; None when more bytes are needed."""
        if self._length is None:
            return self._head()
        if self._length >= 0:
            if len(self._bytes) < self._length:
                return None
            return self._take(self._length)
        end = self._bytes.find(b"\r\n" + self._boundary, max(0, self._looked - len(self._boundary) - 2))
        self._looked = len(self._bytes)
        return None if end < 0 else self._take(end)

    def _head(self) -> bytes | None:
        start = self._bytes.find(self._boundary)
        end = self._bytes.find(b"\r\n\r\n", start) if start >= 0 else -1
        if end < 0:
            if len(self._bytes) > _MOST_HEAD_BYTES:
                raise NoPicture("the head of a picture in its stream does not end")
            return None
        length = _LENGTH.search(bytes(self._bytes[start:end]).replace(b"\r\n", b"\n"))
        self._length = int(length[1]) if length else -1
        if self._length > self._most_bytes:
            raise NoPicture(f"one of its pictures has more than {self._most_bytes} bytes")
        del self._bytes[: end + 4]
        self._looked = 0
        return b""

    def _take(self, length: int) -> bytes:
        frame = bytes(self._bytes[:length])
        del self._bytes[:length]
        self._length = None
        return frame
