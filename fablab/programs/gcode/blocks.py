"""Bytes as they come, cut into blocks of whole lines; refuses what is no text before anything reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, runtime_checkable

from fablab.base.errors import Invalid

BLOCK_BYTES = 256 * 1024
LINE_LIMIT_BYTES = 128 * 1024
PEEK_BYTES = 256 * 1024
_TEXT = bytes(b for b in range(256) if b >= 0x20 or b in b"\t\n\f\r\x1a")  # 1A: the end mark of old CNC files
_BOM = b"\xef\xbb\xbf"
_BGCODE = b"GCDE"


@runtime_checkable
class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


Feed = Iterable[bytes] | Readable


def _reads(source: Readable, size: int) -> Iterator[bytes]:
    while chunk := source.read(size):
        yield chunk


def pieces(source: Feed, size: int) -> Iterator[bytes]:
    """The same bytes in pieces of exactly `size` (the last may be shorter), however they came."""
    waiting: list[bytes] = []
    held = 0
    for chunk in _reads(source, size) if isinstance(source, Readable) else source:
        view = memoryview(chunk)
        while held + len(view) >= size:
            cut = size - held
            yield b"".join((*waiting, view[:cut]))
            view, waiting, held = view[cut:], [], 0
        if len(view):
            waiting.append(bytes(view))
            held += len(view)
    if held:
        yield b"".join(waiting)


def blocks(source: Feed, size: int = BLOCK_BYTES) -> Iterator[tuple[bytes, int]]:
    """Blocks that end with a line's end, each with the count of bytes of the source behind it.

    Lines may end with LF, CR LF or CR. A last line without an end is given one. Raises `Invalid`
    "program.bgcode", "program.binary" or "program.line_too_long".
    """
    rest, done = b"", 0
    for piece in pieces(source, size):
        if done == 0:
            if piece.startswith(_BGCODE):
                raise Invalid("program.bgcode", field="file")
            piece_text = piece.removeprefix(_BOM)
        else:
            piece_text = piece
        done += len(piece)
        if piece_text.translate(None, _TEXT):
            raise Invalid("program.binary", field="file")
        cut = max(piece_text.rfind(b"\n"), piece_text.rfind(b"\r")) + 1
        if cut:
            yield rest + piece_text[:cut], done
            rest = piece_text[cut:]
        else:
            rest += piece_text
        if len(rest) > LINE_LIMIT_BYTES:
            raise Invalid("program.line_too_long", field="file", limit_bytes=LINE_LIMIT_BYTES)
    if rest:
        yield rest + b"\n", done


def peek(source: Feed, found: Callable[[bytes], object | None]) -> object | None:
    """Ask the last and the first bytes of a file; the file stands where it stood. None for a mere stream."""
    tell, seek = getattr(source, "tell", None), getattr(source, "seek", None)
    seekable = getattr(source, "seekable", None)
    if not isinstance(source, Readable) or tell is None or seek is None or not (seekable and seekable()):
        return None
    here: int = tell()
    try:
        end: int = seek(0, 2)
        seek(max(here, end - PEEK_BYTES))
        answer = found(source.read(PEEK_BYTES))
        if answer is None:
            seek(here)
            answer = found(source.read(PEEK_BYTES))
        return answer
    finally:
        seek(here)
