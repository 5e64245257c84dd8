"""One stream of pictures from a camera for all who watch it: opened by the first, closed when the last has left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import httpx
import structlog

log = structlog.get_logger("web.cameras")

Frames = Callable[[], AsyncGenerator[bytes, None]]


class Viewer:
    """Holds the latest frame only: who is slow sees fewer pictures, and costs no memory."""

    def __init__(self) -> None:
        self._frame: bytes | None = None
        self._news = asyncio.Event()
        self._ended = False

    def put(self, frame: bytes) -> None:
        self._frame = frame
        self._news.set()

    def end(self) -> None:
        self._ended = True
        self._news.set()

    async def next(self) -> bytes | None:
        """The next frame; None when there are no more."""
        await self._news.wait()
        self._news.clear()
        frame, self._frame = self._frame, None
        if frame is None and self._ended:
            self._news.set()
        return frame


class Feed:
    """`frames` opens the camera; it ends, or raises, when the camera does."""

    def __init__(self, name: str, frames: Frames) -> None:
        self._name = name
        self._frames = frames
        self._viewers: set[Viewer] = set()
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    @property
    def is_open(self) -> bool:
        return self._task is not None and not self._task.done()

    @contextlib.asynccontextmanager
    async def watch(self) -> AsyncIterator[Viewer]:
        viewer = Viewer()
        self._viewers.add(viewer)
        if not self.is_open:
            self._task = asyncio.create_task(self._run(), name=f"camera of {self._name}")
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)
            if not self._viewers:
                await self.close()

    async def close(self) -> None:
        """Ends the camera's stream and everybody's."""
        task, self._task = self._task, None
        if task is not None:
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            task.cancel()
            # Not gathered: who leaves is often cancelled again, and that must not reach the camera's own goodbye.
            await asyncio.wait((task,))

    async def _run(self) -> None:
        viewers = self._viewers
        try:
            async with contextlib.aclosing(self._frames()) as frames:
                async for frame in frames:
                    for viewer in viewers:
                        viewer.put(frame)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            log.info("a camera's stream ended", machine=self._name, why=str(error) or type(error).__name__)
        finally:
            for viewer in viewers:
                viewer.end()
