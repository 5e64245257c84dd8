"""Pictures of machines: fetched by the server from addresses that devices.toml names, shown to those who may look.

The browser never meets the camera, and the camera never meets the browser: no cookie, no header and no redirect goes
through. Nothing is kept but the last picture, in memory, for a second or two.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Final

import httpx

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Forbidden, NotFound, TooMany
from fablab.people.access import Right, allows
from fablab.places import house
from fablab.runs import attempts
from fablab.runs.models import RunState
from web.cameras.feed import Feed
from web.cameras.multipart import MOST_FRAME_BYTES, Frames, NoPicture, boundary_of, kind_of, said_kind

__all__ = ["BOUNDARY", "Address", "Cameras", "Patience", "Picture", "camera_for"]

BOUNDARY: Final = "picture"
NO_PICTURE: Final = Path(__file__).resolve().parent.parent / "static" / "no-picture.jpg"
KINDS: Final = frozenset({"image/jpeg", "image/png", "image/webp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Of one machine's camera; one of the two may be empty."""

    snapshot: str = ""
    stream: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    body: bytes
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """In seconds, but for the last two."""

    connect_s: float = 4.0
    snapshot_s: float = 8.0
    frame_s: float = 10.0  # a stream without a picture for so long has ended
    fresh_s: float = 1.5  # so old may a picture be that somebody else has just fetched
    life_s: float = 900.0  # of one viewer's stream; the page asks for it again
    look_again_s: float = 5.0  # how often it is asked whether this viewer may still look
    most_viewers: int = 8  # of one machine
    most_bytes: int = MOST_FRAME_BYTES


class Cameras:
    """`addresses` by device name; `hosts` are the only ones that are ever asked, in lower case."""

    def __init__(
        self,
        addresses: Callable[[], Mapping[str, Address]],
        hosts: Callable[[], frozenset[str]],
        *,
        patience: Patience | None = None,
    ) -> None:
        self._addresses = addresses
        self._hosts = hosts
        self._patience = patience or Patience()
        self._feeds: dict[str, Feed] = {}
        self._fresh: dict[str, tuple[float, Picture]] = {}
        self._fetching: dict[str, asyncio.Task[Picture]] = {}
        self._client: httpx.AsyncClient | None = None
        self._closed = False

    def address(self, device: str) -> Address | None:
        return self._addresses().get(device)

    def viewers(self, device: str) -> int:
        """Who watches its stream now."""
        return self._feeds[device].viewers if device in self._feeds else 0

    async def close(self) -> None:
        """Every stream ends. May be called twice: once when the server is told to stop, once when it has."""
        self._closed = True
        for task in list(self._fetching.values()):
            task.cancel()
        await asyncio.gather(*(feed.close() for feed in list(self._feeds.values())))
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    # -- one picture -----------------------------------------------------------------------------------------

    async def snapshot(self, device: str) -> Picture:
        """The machine as it is now; many who ask at once are answered with one picture.

        Raises `NotFound` camera.none without a camera, `Conflict` camera.down when it gives no picture.
        """
        address = self._wanted(device)
        at, picture = self._fresh.get(device, (float("-inf"), None))
        if picture is not None and _now() - at < self._patience.fresh_s:
            return picture
        task = self._fetching.get(device)
        if task is None:
            task = asyncio.create_task(self._fetch(device, address), name=f"picture of {device}")
            self._fetching[device] = task
            task.add_done_callback(lambda done: self._fetched(device, done))
        try:
            # Shielded: the one who asked first may leave while others wait for the same picture.
            return await asyncio.shield(task)
        except (NoPicture, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Conflict("camera.down", said=_said(error)) from None

    def _fetched(self, device: str, task: asyncio.Task[Picture]) -> None:
        self._fetching.pop(device, None)
        if not task.cancelled() and task.exception() is None:
            self._fresh[device] = (_now(), task.result())

    async def _fetch(self, device: str, address: Address) -> Picture:
        async with asyncio.timeout(self._patience.snapshot_s):
            if address.snapshot:
                return await self._one(address.snapshot)
            async with self._feed(device).watch() as viewer:
                frame = await viewer.next()
            if frame is None:
                raise NoPicture("its stream ended without a picture")
            return Picture(body=frame, media_type="image/jpeg")

    async def _one(self, url: str) -> Picture:
        async with self._open(url) as answer:
            kind = said_kind(answer.headers.get("content-type", ""))
            if kind not in KINDS:
                raise NoPicture("it says that it is no picture")
            body = bytearray()
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > self._patience.most_bytes:
                    raise NoPicture(f"it has more than {self._patience.most_bytes} bytes")
        if kind_of(bytes(body[:16])) != kind:
            raise NoPicture("it is not the kind of picture that it says")
        return Picture(body=bytes(body), media_type=kind)

    # -- many ------------------------------------------------------------------------------------------------

    def watch(self, device: str, may_look: Callable[[], Awaitable[bool]]) -> AsyncGenerator[bytes]:
        """The parts of a multipart/x-mixed-replace answer with `BOUNDARY`, for one viewer.

        Ends when the camera does, when this viewer may look no more, and after `life_s`. Raises at once: `NotFound`
        camera.none, camera.no_stream; `TooMany` camera.full.
        """
        if not self._wanted(device).stream:
            raise NotFound("camera.no_stream")
        if self.viewers(device) >= self._patience.most_viewers:
            raise TooMany("camera.full", retry_after_s=30)
        return self._parts(self._feed(device), may_look)

    async def _parts(self, feed: Feed, may_look: Callable[[], Awaitable[bool]]) -> AsyncGenerator[bytes]:
        ends_at, looks_at = _now() + self._patience.life_s, _now() + self._patience.look_again_s
        yield f"--{BOUNDARY}\r\n".encode()
        async with feed.watch() as viewer:
            # With more, another has taken the last place meanwhile.
            while feed.viewers <= self._patience.most_viewers and not self._closed and _now() < ends_at:
                frame = None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._patience.frame_s):
                        frame = await viewer.next()
                if frame is None:
                    break
                if _now() >= looks_at:
                    if not await may_look():
                        break
                    looks_at = _now() + self._patience.look_again_s
                yield _part(frame)
        # Else the last picture would stand there for ever, and be taken for the machine as it is.
        yield _part(NO_PICTURE.read_bytes(), last=True)

    def _feed(self, device: str) -> Feed:
        feed = self._feeds.get(device)
        if feed is None:
            feed = self._feeds[device] = Feed(device, lambda: self._frames(self._wanted(device).stream))
        return feed

    async def _frames(self, url: str) -> AsyncGenerator[bytes]:
        async with self._open(url) as answer:
            frames = Frames(
                boundary_of(answer.headers.get("content-type", "")), most_bytes=self._patience.most_bytes
            )
            pieces = answer.aiter_raw()
            last = _now()
            while True:
                async with asyncio.timeout_at(last + self._patience.frame_s):
                    piece = await anext(pieces, b"")
                if not piece:
                    return
                for frame in frames.feed(piece):
                    last = _now()
                    yield frame

    # -- the wire --------------------------------------------------------------------------------------------

    def _wanted(self, device: str) -> Address:
        address = self.address(device)
        if address is None or self._closed:
            raise NotFound("camera.none")
        return address

    @contextlib.asynccontextmanager
    async def _open(self, url: str) -> AsyncIterator[httpx.Response]:
        """Only hosts of the list, looked at again now; what is not a plain 200 is no picture."""
        target = httpx.URL(url)
        if target.scheme not in ("http", "https") or target.host.lower() not in self._hosts():
            raise NoPicture("its host is not among those of [cameras]")
        if target.userinfo:
            raise NoPicture("its address has a password in it")
        async with self._browser().stream("GET", target) as answer:
            if answer.status_code != 200:
                raise NoPicture(f"it answers {answer.status_code}")
            if answer.headers.get("content-encoding", "identity").lower() != "identity":
                raise NoPicture("its answer is packed")
            yield answer

    def _browser(self) -> httpx.AsyncClient:
        if self._client is None:
            patience = self._patience
            self._client = httpx.AsyncClient(
                follow_redirects=False,
                trust_env=False,
                verify=ssl.create_default_context(),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                headers={"accept": "image/*, multipart/x-mixed-replace", "accept-encoding": "identity"},
                timeout=httpx.Timeout(patience.frame_s, connect=patience.connect_s, pool=patience.connect_s),
                limits=httpx.Limits(max_connections=200, max_keepalive_connections=0),
            )
        return self._client


def camera_for(uow: UnitOfWork, machine_id: int) -> str:
    """The device whose camera this actor may look through now: an operator always, a maker while their run is on it.

    Raises `NotFound` machine.unknown, `Forbidden` camera.not_yours.
    """
    row = house.machine(uow, machine_id)
    if not row.resource.active:
        raise NotFound("machine.unknown", id=machine_id)
    if not allows(uow.actor, Right.OPERATE):
        run = attempts.live_on(uow, machine_id)
        mine = run is not None and run.state is not RunState.PREPARING
        if run is None or not mine or run.claim.member_id != uow.actor.member_id:
            raise Forbidden("camera.not_yours")
    return row.device or ""


def _part(frame: bytes, *, last: bool = False) -> bytes:
    """With the boundary after it: a browser shows a picture when it knows that it is whole."""
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(frame)}\r\n\r\n".encode()
    return head + frame + f"\r\n--{BOUNDARY}{'--' if last else ''}\r\n".encode()


def _said(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__


def _now() -> float:
    return asyncio.get_running_loop().time()
