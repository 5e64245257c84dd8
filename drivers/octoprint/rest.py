"""Requests to OctoPrint: bounded in time and size, every failure one of the port's errors.

    no answer in time -> DeviceTimeout      connection, 5xx, 429, damaged answer -> LinkLost
    401, 403, 400 "CSRF", 3xx -> Misfit     any other 4xx -> DeviceRefused (404: `NotThere`)

A POST with a wrong key is not answered 403 but 400 "CSRF validation failed" (measured). The key travels
only in its header and is in no message, repr or log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from drivers.octoprint import wire
from fablab.device import DeviceRefused, DeviceTimeout, LinkLost, Misfit

_MAX_ANSWER_BYTES: Final = 4_000_000  # a listing of some thousand files; anything longer is not for us
T = TypeVar("T")


class NotThere(DeviceRefused):
    """404: the file, or the whole address, does not exist."""


class Rest:
    """A typed client of the few calls we use; `url` may carry a path prefix."""

    def __init__(self, *, url: str, api_key: str, answer_s: float, upload_s: float) -> None:
        self._base = url.rstrip("/")
        self._answer_s = answer_s
        self._upload_s = upload_s
        self._client = httpx.AsyncClient(
            # identity: a compressed answer could unfold beyond any bound we set
            headers={"X-Api-Key": api_key, "Accept-Encoding": "identity"},
            timeout=answer_s,
            trust_env=False,  # a printer stands in the house; a proxy from the environment does not lead to it
        )

    @property
    def socket_url(self) -> str:
        parts = urlsplit(self._base)
        scheme = "wss" if parts.scheme == "https" else "ws"
        return parts._replace(scheme=scheme).geturl() + "/sockjs/websocket"

    async def close(self) -> None:
        await self._client.aclose()

    async def version(self) -> wire.Version:
        return await self._get("/api/version", wire.Version)

    async def login(self) -> wire.Login:
        """A session of the key's own user, for the push socket."""
        return await self._ask("POST", "/api/login", wire.Login, json={"passive": True})

    async def profiles(self) -> wire.Profiles:
        return await self._get("/api/printerprofiles", wire.Profiles)

    async def job(self) -> wire.Job:
        return await self._get("/api/job", wire.Job)

    async def printer(self) -> wire.Printer:
        return await self._get("/api/printer?history=true&limit=1", wire.Printer)

    async def file(self, path: str) -> wire.File | None:
        """Read from the folder's list: asked for a file in a folder that is not there, OctoPrint 1.11.8 answers
        500 (measured), for the folder itself a plain 404; it makes the list for either call."""
        return next((f for f in await self.files() if f.path == path), None)

    async def files(self) -> list[wire.File]:
        """Our own folder's files; empty when there is no such folder yet."""
        try:
            return (await self._get(_file_address(wire.FOLDER), wire.Folder)).children
        except NotThere:
            return []

    async def delete(self, path: str) -> None:
        await self._send("DELETE", _file_address(path))

    async def upload(self, program: Path, name: str) -> str:
        """Answers the path OctoPrint gave the file. Above its size limit it just cuts the connection (measured)."""
        with program.open("rb") as content:
            answer = await self._ask(
                "POST",
                "/api/files/local",
                wire.Uploaded,
                within_s=self._upload_s,
                data={"path": wire.FOLDER},
                files={"file": (name, content, "application/octet-stream")},
            )
        return answer.files.local.path

    async def select_and_print(self, path: str) -> None:
        await self._send("POST", _file_address(path), json={"command": "select", "print": True})

    async def pause(self, action: str) -> None:
        """Always with its action: without one the call toggles, and a retry would undo it."""
        await self._send("POST", "/api/job", json={"command": "pause", "action": action})

    async def cancel(self) -> None:
        await self._send("POST", "/api/job", json={"command": "cancel"})

    async def connect_printer(self) -> None:
        await self._send("POST", "/api/connection", json={"command": "connect"})

    async def commands(self, lines: list[str]) -> None:
        await self._send("POST", "/api/printer/command", json={"commands": lines})

    async def _get(self, path: str, kind: type[T]) -> T:
        return await self._ask("GET", path, kind)

    async def _ask(self, method: str, path: str, kind: type[T], **rest: Any) -> T:
        body = await self._send(method, path, **rest)
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LinkLost(f"OctoPrint's answer to {method} {path} cannot be read: {error}") from None

    async def _send(self, method: str, path: str, *, within_s: float | None = None, **rest: Any) -> bytes:
        what = f"{method} {path.partition('?')[0]}"
        within_s = within_s or self._answer_s
        try:
            # httpx bounds each read, not their sum: a server that drips a byte a second needs this one too
            async with (
                asyncio.timeout(within_s),
                self._client.stream(method, self._base + path, **rest) as answer,
            ):
                body = await _bounded(answer)
        except (httpx.TimeoutException, TimeoutError):
            raise DeviceTimeout(f"OctoPrint did not answer {what} within {within_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise LinkLost(f"no connection to OctoPrint in {what}: {type(error).__name__}") from None
        except RuntimeError:  # what httpx raises when `close` came in between
            raise LinkLost(f"the connection was closed before {what}") from None
        if not answer.is_success:
            raise _failure(answer.status_code, body, what)
        return body


async def _bounded(answer: httpx.Response) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise httpx.DecodingError("compressed although asked not to", request=answer.request)
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > _MAX_ANSWER_BYTES:
            raise httpx.DecodingError("too long", request=answer.request)
    return bytes(body)


def _failure(status: int, body: bytes, what: str) -> Exception:
    said = _reason(body) or f"HTTP {status}"
    if status in (401, 403) or (status == 400 and "CSRF" in said):
        return Misfit(f"OctoPrint does not accept our API key ({what}: {status})")
    if status < 400:
        return Misfit(f"this address leads elsewhere ({what}: {status}); correct the url")
    if status == 404:
        return NotThere(f"OctoPrint knows no {what}")
    if status >= 500 or status == 429:
        return LinkLost(f"OctoPrint cannot answer {what} now: {said}")
    return DeviceRefused(f"OctoPrint refuses {what}: {said}")


def _reason(body: bytes) -> str:
    try:
        answer: Mapping[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return wire.plain(str(answer.get("error", "")))


def _file_address(path: str) -> str:
    return "/api/files/local/" + quote(path)
