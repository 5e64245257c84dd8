"""Requests to a machine's server: bounded in time and size, every failure one of the port's errors.

    no answer in time -> DeviceTimeout      connection, 5xx, 429, damaged answer -> LinkLost
    401, 403, 3xx -> Misfit                 any other 4xx -> DeviceRefused (404: `NotThere`)

Keys travel only in their headers and are in no message, repr or log.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import cache
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
import websockets
from websockets.asyncio.client import ClientConnection, connect

from fablab.device import DeviceError, DeviceRefused, DeviceTimeout, LinkLost, Misfit

# At DEBUG websockets logs frames, and some carry a session: its level does not follow the root's.
log = logging.getLogger(__name__)
log.setLevel(logging.WARNING)

MAX_ANSWER_BYTES: Final = 4_000_000  # a listing of some thousand files; anything longer is not for us
MAX_PUSH_BYTES: Final = 4_000_000  # a first message may hold half an hour of temperatures
_LONGEST_SAID: Final = 200
_TRIES: Final = 3
_AGAIN_S: Final = 0.02
T = TypeVar("T")


class NotThere(DeviceRefused):
    """404: the file, or the whole address, does not exist."""


Refine = Callable[[int, str, str], DeviceError | None]


@cache
def _tls() -> ssl.SSLContext:
    """Made once: to read the list of authorities takes 16 ms (measured), and a link that flickers opens often."""
    return httpx.create_ssl_context(trust_env=False)


class Http:
    """One machine's server. `url` may carry a path prefix; `who` is its name in every message.

    `refine(status, said, what)` may give an unhappy answer another error than the table above; `reason(body)`
    reads the server's own words out of it.
    """

    def __init__(
        self,
        *,
        url: str,
        who: str,
        answer_s: float,
        headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None,
        reason: Callable[[Any], str] = lambda body: (
            str(body.get("error", "")) if isinstance(body, dict) else ""
        ),
        refine: Refine = lambda status, said, what: None,
    ) -> None:
        self._base = url.rstrip("/")
        self._who = who
        self._answer_s = answer_s
        self._reason = reason
        self._refine = refine
        self._closed = False
        self._sending: set[asyncio.Timeout] = set()
        self._client = httpx.AsyncClient(
            # identity: a compressed answer could unfold beyond any bound we set
            headers={**(headers or {}), "Accept-Encoding": "identity"},
            auth=auth,
            timeout=answer_s,
            verify=_tls(),
            trust_env=False,  # a machine stands in the house; a proxy from the environment does not lead to it
        )

    def socket_url(self, path: str) -> str:
        parts = urlsplit(self._base)
        scheme = "wss" if parts.scheme == "https" else "ws"
        return parts._replace(scheme=scheme).geturl() + path

    async def close(self) -> None:
        """Requests on their way end as `LinkLost`: left alone they would go on, and leave their connections open."""
        self._closed = True
        for limit in self._sending:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())
        while self._sending:  # noqa: ASYNC110 - a few turns of the loop, in which httpx lets go of its sockets
            await asyncio.sleep(0)
        await self._client.aclose()

    async def ask(self, method: str, path: str, kind: type[T], **rest: Any) -> T:
        """As `send`, the body decoded as JSON of that kind."""
        body = await self.send(method, path, **rest)
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise LinkLost(f"{self._who}'s answer to {method} {path} cannot be read: {error}") from None

    async def look(self, method: str, path: str, kind: type[T], **rest: Any) -> T:
        """As `ask`, for what changes nothing: a broken connection or answer is met by asking again.

        Silence is not: it has cost the whole of `answer_s` already, and the caller's watch must not stand still.
        """
        for _ in range(_TRIES - 1):
            try:
                return await self.ask(method, path, kind, **rest)
            except DeviceTimeout:
                raise
            except LinkLost:
                await asyncio.sleep(_AGAIN_S)
        return await self.ask(method, path, kind, **rest)

    async def send(self, method: str, path: str, *, within_s: float | None = None, **rest: Any) -> bytes:
        """The body of a happy answer. `rest` goes to httpx (json, content, data, files, headers, params)."""
        what = f"{method} {path.partition('?')[0]}"
        within_s = within_s or self._answer_s
        if self._closed:
            raise LinkLost(f"the connection was closed before {what}")
        # httpx bounds each read, not their sum: a server that drips a byte a second needs this one too
        limit = asyncio.timeout(within_s)
        self._sending.add(limit)
        try:
            async with limit, self._client.stream(method, self._base + path, **rest) as answer:
                body = await _bounded(answer)
        except (httpx.TimeoutException, TimeoutError):
            if self._closed:
                raise LinkLost(f"the connection was closed before {what}") from None
            raise DeviceTimeout(f"{self._who} did not answer {what} within {within_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise LinkLost(f"no connection to {self._who} in {what}: {type(error).__name__}") from None
        except RuntimeError:  # what httpx raises when `close` came in between
            raise LinkLost(f"the connection was closed before {what}") from None
        finally:
            self._sending.discard(limit)
        if not answer.is_success:
            raise self._failure(answer.status_code, body, what)
        return body

    def _failure(self, status: int, body: bytes, what: str) -> DeviceError:
        said = self._said(body) or f"HTTP {status}"
        refined = self._refine(status, said, what)
        if refined is not None:
            return refined
        if status in (401, 403):
            return Misfit(f"{self._who} does not accept our key ({what}: {status})")
        if status < 400:
            return Misfit(f"this address leads elsewhere ({what}: {status}); correct the url")
        if status == 404:
            return NotThere(f"{self._who} knows no {what}")
        if status >= 500 or status == 429:
            return LinkLost(f"{self._who} cannot answer {what} now: {said}")
        return DeviceRefused(f"{self._who} refuses {what}: {said}")

    def _said(self, body: bytes) -> str:
        try:
            return plain(self._reason(msgspec.json.decode(body)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ""


def plain(text: str, limit: int = _LONGEST_SAID) -> str:
    """A machine's words made safe to show: one line, printable, bounded."""
    return "".join(c if c.isprintable() else " " for c in text[:limit]).strip()


async def _bounded(answer: httpx.Response) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise httpx.DecodingError("compressed although asked not to", request=answer.request)
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise httpx.DecodingError("too long", request=answer.request)
    return bytes(body)


async def open_socket(
    url: str, *, who: str, answer_s: float, ping_s: float, headers: Mapping[str, str] | None = None
) -> ClientConnection:
    """A websocket that pings; `LinkLost`, or `Misfit` where a proxy or a wrong key lets none pass."""
    try:
        return await connect(
            url,
            proxy=None,
            additional_headers=dict(headers or {}),
            open_timeout=answer_s,
            close_timeout=1,
            ping_interval=ping_s,
            ping_timeout=answer_s,
            max_size=MAX_PUSH_BYTES,
            logger=log,
        )
    except websockets.InvalidStatus as error:
        status = error.response.status_code
        if status >= 500:
            raise LinkLost(f"{who}'s push socket answers HTTP {status}") from None
        raise Misfit(f"the push socket answers HTTP {status}; let the proxy pass websockets") from None
    except TimeoutError:
        raise LinkLost(f"{who}'s push socket did not open in time") from None
    except (OSError, websockets.WebSocketException) as error:
        raise LinkLost(f"{who}'s push socket did not open: {type(error).__name__}") from None


async def heard(
    socket: ClientConnection, kind: type[T], *, name: str, unread: Callable[[], None]
) -> AsyncGenerator[T, None]:
    """A machine's messages until it closes its socket. `unread` is called for one that is no `kind`; `name` is the
    machine's."""
    decoder = msgspec.json.Decoder(kind)
    garbled = False
    async for message in socket:
        try:
            said = decoder.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if not garbled:
                log.warning("%s: a push message cannot be read: %s", name, plain(str(error)))
            garbled = True
            unread()
            continue
        yield said
