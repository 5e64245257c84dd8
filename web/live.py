"""What happens, as it happens: server-sent events for the pages and for the API.

The bus of `fablab.base.events` speaks in whatever thread committed; here it is handed to the loop, sorted by who may
know of it, and put into each listener's own small box. A box keeps the last of each name, so a slow listener gets
fewer events and never old ones; one that is far behind is told once to look at everything again (`resync`).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass

import anyio.to_thread
import msgspec
import structlog

from fablab.base.database import Database
from fablab.base.errors import NotFound
from fablab.base.events import Event
from fablab.claims import calendar

log = structlog.get_logger("web")

HEARTBEAT_S = 15.0
LIFE_S = 1800.0  # then the stream ends and the browser comes again: a sign-out reaches open pages too
MOST_WAITING = 256
MOST_LISTENERS = 1000
OWNERS_KEPT = 5000
RETRY_MS = 2000

#: The topics of the house -> the words of the screens. A run is told through its job and its machine.
_TOPICS = {"machine": "machine", "claim": "job", "calendar": "calendar", "member": "notices"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ear:
    """Who listens, which decides what is heard. `pages`: bare names for the screens, instead of JSON."""

    member_id: int
    sees_all: bool
    pages: bool


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One event of `GET /api/events`: `topic` machine, job, calendar or notices; `at` in UTC."""

    topic: str
    id: str
    name: str
    at: str


class Box:
    """What one listener has not heard yet."""

    def __init__(self, ear: Ear) -> None:
        self.ear = ear
        self.waiting: OrderedDict[str, bytes] = OrderedDict()
        self.news = asyncio.Event()
        self.closed = False

    def put(self, key: str, message: bytes) -> None:
        self.waiting.pop(key, None)
        self.waiting[key] = message
        if len(self.waiting) > MOST_WAITING:
            self.waiting.clear()
            self.waiting["resync"] = _message("resync", b"{}")
        self.news.set()

    def close(self) -> None:
        self.closed = True
        self.news.set()


class Live:
    """One for the server. `begin` and `close` belong to the loop; the bus may call from any thread."""

    def __init__(
        self, database: Database, *, heartbeat_s: float = HEARTBEAT_S, life_s: float = LIFE_S
    ) -> None:
        self._database = database
        self._heartbeat_s = heartbeat_s
        self._life_s = life_s
        self._boxes: set[Box] = set()
        self._owners: OrderedDict[str, int] = OrderedDict()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._closed = False

    def begin(self) -> None:
        loop = asyncio.get_running_loop()

        def hear(event: Event) -> None:
            # Waking the loop takes longer than what most transactions do, and mostly nobody listens.
            if self._boxes and event.topic in _TOPICS and not loop.is_closed():
                loop.call_soon_threadsafe(self._events.put_nowait, event)

        self._unsubscribe = self._database.bus.subscribe(hear)
        self._task = asyncio.create_task(self._sort(), name="live")

    def close(self) -> None:
        """End every stream. May be called twice: once when the server is told to stop, once when it has."""
        self._closed = True
        self._unsubscribe()
        for box in self._boxes:
            box.close()
        if self._task is not None:
            self._task.cancel()

    @property
    def listeners(self) -> int:
        return len(self._boxes)

    async def listen(self, ear: Ear, *, again: bool = False) -> AsyncIterator[bytes]:
        """The bytes of one stream. `again`: the listener was here before, and may have missed something."""
        if self._closed or len(self._boxes) >= MOST_LISTENERS:
            return
        box = Box(ear)
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._life_s
        self._boxes.add(box)
        try:
            yield f"retry: {RETRY_MS}\n".encode() + _message("resync" if again else "hello", b"{}")
            while not box.closed and loop.time() < ends_at:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._heartbeat_s):
                        await box.news.wait()
                box.news.clear()
                waiting, box.waiting = box.waiting, OrderedDict()
                yield b"".join(waiting.values()) or b": here\n\n"
        finally:
            self._boxes.discard(box)

    async def _sort(self) -> None:
        while True:
            event = await self._events.get()
            try:
                await self._tell(event)
            except Exception:  # the live pages of everybody must not end with one event nobody can read
                log.exception("an event could not be told", topic=event.topic, id=event.id)

    async def _tell(self, event: Event) -> None:
        topic = _TOPICS[event.topic]
        owner = await self._owner(event)
        private = topic in ("job", "notices")
        name = f"{topic}-{event.id}" if topic in ("machine", "job") else topic
        page = _message(name, b"{}")
        told = Told(
            topic=topic,
            id="" if topic == "notices" else str(event.id),
            name=event.name,
            at=event.at.isoformat(),
        )
        data = _message(topic, msgspec.json.encode(told))
        for box in self._boxes:
            if private and owner != box.ear.member_id and not (topic == "job" and box.ear.sees_all):
                continue
            if box.ear.pages:
                box.put(name, page)
            else:
                box.put(f"{name}:{event.name}", data)

    async def _owner(self, event: Event) -> int | None:
        """Whose event it is; asked of the database once for each claim."""
        if event.topic == "member":
            return int(event.id)
        if event.topic != "claim":
            return None
        claim_id = str(event.id)
        known = self._owners.get(claim_id)
        if known is not None:
            return known
        owner = await anyio.to_thread.run_sync(self._look_up, claim_id)
        if owner is not None:
            self._owners[claim_id] = owner
            if len(self._owners) > OWNERS_KEPT:
                self._owners.popitem(last=False)
        return owner

    def _look_up(self, claim_id: str) -> int | None:
        with self._database.read() as uow:
            try:
                return calendar.claim(uow, claim_id).member_id
            except NotFound:
                return None  # a draft that was discarded before it became a claim


def _message(name: str, data: bytes) -> bytes:
    """The id is always the same: it only lets a listener that comes back say that it was here before."""
    return b"id: 1\nevent: " + name.encode() + b"\ndata: " + data + b"\n\n"
