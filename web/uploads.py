"""A file on its way in: multipart read as it comes, handed on in pieces, never whole in memory.

Litestar would put the whole body into a temporary file before a handler sees any of it. Here the pieces go straight
to the store, which hashes them as they come; whatever breaks off leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from typing import Any, TypeVar

import anyio.from_thread
import anyio.to_thread
from anyio import CapacityLimiter
from litestar import Request
from litestar.exceptions import HTTPException
from multipart import (  # type: ignore[import-untyped]  # it has annotations, but does not say so in a py.typed
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from fablab.base.errors import Invalid
from web.security import CSRF_FIELD, CSRF_HEADER, check_csrf_token
from web.security.identity import caller_of

T = TypeVar("T")
FIELD_LIMIT_BYTES = 20_000
MOST_PARTS = 40
SILENCE_S = 30.0  # nothing came for so long: the sender is gone, or means no good
DRAIN_S = 20.0
AT_ONCE = 12  # uploads have threads of their own: slow ones must not hold up the pages


class Uploads:
    """One for the server."""

    def __init__(self, *, limit_bytes: int, silence_s: float = SILENCE_S) -> None:
        self._limit_bytes = limit_bytes
        self._silence_s = silence_s
        self._threads: CapacityLimiter | None = None

    async def take(
        self, request: Request[Any, Any, Any], work: Callable[[str, Iterable[bytes]], T]
    ) -> tuple[T, dict[str, str]]:
        """Run `work(file name, pieces)` in a thread while the file comes in; returns its answer and the fields.

        Raises `Invalid` for an upload that breaks off or cannot be read, and whatever `work` raises; the rest of the
        body is then swallowed, so that the sender hears the answer. Without a token in the header, the field `csrf`
        must come before the file.
        """
        made, fields = await self.take_all(request, work, most=1)
        return made[0], fields

    async def take_all(
        self, request: Request[Any, Any, Any], work: Callable[[str, Iterable[bytes]], T], *, most: int
    ) -> tuple[list[T], dict[str, str]]:
        """As `take`, for up to `most` files of one form, one after the other; at least one."""
        events = self._events(request)
        try:
            return await self._take(request, events, work, most)
        except Exception:
            await _drain(events)
            raise
        finally:
            await events.aclose()

    async def _take(
        self,
        request: Request[Any, Any, Any],
        events: AsyncGenerator[Any, None],
        work: Callable[[str, Iterable[bytes]], T],
        most: int,
    ) -> tuple[list[T], dict[str, str]]:
        caller, fields = caller_of(request.scope), dict[str, str]()
        checked = CSRF_HEADER in request.headers
        made: list[T] = []
        async for event in events:
            if not isinstance(event, MultipartSegment):
                continue
            if event.filename is None:
                fields[event.name] = await _field(events, event.name)
            elif event.filename:
                if len(made) >= most:
                    code = "upload.two_files" if most == 1 else "upload.too_many_files"
                    raise Invalid(code, field="file", most=most)
                if not checked:
                    check_csrf_token(caller, fields.get(CSRF_FIELD, ""))
                made.append(await self._work(events, event.filename, work))
        if not made:
            raise Invalid("upload.no_file", field="file")
        return made, fields

    async def _work(
        self,
        events: AsyncGenerator[Any, None],
        file_name: str,
        work: Callable[[str, Iterable[bytes]], T],
    ) -> T:
        async def following() -> bytes | None:
            piece = await anext(events, None)
            return bytes(piece) if piece is not None else None

        def pieces() -> Iterator[bytes]:
            while (piece := anyio.from_thread.run(following)) is not None:
                yield piece

        if self._threads is None:
            self._threads = CapacityLimiter(AT_ONCE)
        return await anyio.to_thread.run_sync(lambda: work(file_name, pieces()), limiter=self._threads)

    async def _events(self, request: Request[Any, Any, Any]) -> AsyncGenerator[Any, None]:
        """Segments, their bytes, and None at the end of each."""
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        if kind != "multipart/form-data" or not options.get("boundary"):
            raise Invalid("upload.not_multipart", field="file")
        announced = int(request.headers.get("content-length") or 0)
        if announced > self._limit_bytes + MOST_PARTS * FIELD_LIMIT_BYTES:
            raise Invalid("program.too_large", field="file", limit_bytes=self._limit_bytes)
        try:
            with PushMultipartParser(options["boundary"], max_segment_count=MOST_PARTS) as parser:
                async for chunk in self._chunks(request):
                    for event in parser.parse(chunk):
                        yield event
        except ParserLimitReached as error:
            raise Invalid("upload.malformed", field="file") from error
        except MultipartError as error:
            # The parser says "unexpected end" only when it is closed before the last boundary.
            broken = "end of" in str(error).lower()
            raise Invalid("upload.broken_off" if broken else "upload.malformed", field="file") from error

    async def _chunks(self, request: Request[Any, Any, Any]) -> AsyncGenerator[bytes, None]:
        stream = request.stream()
        while True:
            try:
                async with asyncio.timeout(self._silence_s):
                    chunk = await anext(stream, None)
            except (TimeoutError, HTTPException) as error:
                # Litestar's own word for a client that went away is an internal error.
                raise Invalid("upload.broken_off", field="file") from error
            if chunk is None:
                return
            if chunk:
                yield chunk


async def _field(events: AsyncGenerator[Any, None], name: str) -> str:
    value = bytearray()
    while (piece := await anext(events, None)) is not None:
        value += piece
        if len(value) > FIELD_LIMIT_BYTES:
            raise Invalid("upload.field_too_long", field=name[:40], name=name[:40])
    return value.decode("utf-8", "replace").strip()


async def _drain(events: AsyncGenerator[Any, None]) -> None:
    """Browsers show "connection reset" instead of an answer that comes before they have sent everything."""
    try:
        async with asyncio.timeout(DRAIN_S):
            async for _ in events:
                pass
    except (TimeoutError, Invalid):
        return
