"""PrusaLink's calls, typed. Their errors are those of `drivers.http`, with PrusaLink's own words for a wrong key.

Digest needs a nonce from the machine, and a machine that first has to ask for the password cuts an upload
short: so a small request goes before each upload, and the body can be read again from its beginning.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from drivers.http import Http, NotThere
from drivers.prusalink import wire
from fablab.device import DeviceError, DeviceRefused, DeviceTimeout, LinkLost, Misfit

_PIECE_BYTES: Final = 65_536
_LOOK_S: Final = 4.0
_TRIES: Final = 3
_AGAIN_S: Final = 0.02
T = TypeVar("T")


class Conflict(DeviceRefused):
    """409: the machine is in no state for it; a moment later it may be."""


class Program:
    """A file as the body of an upload, read anew each time it is sent."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with self._path.open("rb") as content:
            while piece := content.read(_PIECE_BYTES):
                yield piece


class Rest:
    """`url` may carry a path prefix; either `api_key` or `user` and `password`."""

    def __init__(
        self, *, url: str, user: str, password: str, api_key: str, answer_s: float, upload_s: float
    ) -> None:
        self._upload_s = upload_s
        self._look_s = min(answer_s, _LOOK_S)
        self._keyed = bool(api_key)
        self._http = Http(
            url=url,
            who="PrusaLink",
            answer_s=answer_s,
            headers={"X-Api-Key": api_key, **_JSON} if api_key else _JSON,
            auth=None if api_key else httpx.DigestAuth(user, password),
            reason=_reason,
            refine=self._refine,
        )

    async def close(self) -> None:
        await self._http.close()

    async def version(self) -> wire.Version:
        return await self._http.ask("GET", "/api/version", wire.Version)

    async def info(self) -> wire.Info:
        return await self._http.ask("GET", "/api/v1/info", wire.Info)

    async def status(self) -> wire.Status:
        return await self._again(
            lambda: self._http.ask("GET", "/api/v1/status", wire.Status, within_s=self._look_s)
        )

    async def job(self) -> wire.Job | None:
        return await self._again(lambda: self._if_any("/api/v1/job", wire.Job))

    async def last_token(self) -> str | None:
        """The token of the file that was printed last, where the machine still says so."""
        try:
            old = await self._again(lambda: self._if_any("/api/job", wire.OldJob))
        except NotThere:
            return None
        return None if old is None else old.token

    async def storages(self) -> list[wire.Storage]:
        return (await self._http.ask("GET", "/api/v1/storage", wire.Storages)).storage_list

    async def file(self, place: str) -> wire.File | None:
        try:
            return await self._http.ask("GET", place, wire.File)
        except NotThere:
            return None

    async def files(self, storage: str) -> list[wire.File]:
        return (await self._http.ask("GET", address(storage, ""), wire.Folder)).children

    async def delete(self, place: str) -> None:
        await self._http.send("DELETE", place)

    async def upload(self, program: Path, place: str) -> None:
        """With a type of its own: told "octet-stream", 0.8.1 looks for its type in a file not there yet."""
        headers = {
            "Content-Type": "text/x.gcode",
            "Content-Length": str(program.stat().st_size),  # printers do not take a body in chunks
            "Overwrite": "?1",
            "Print-After-Upload": "?0",
        }
        await self._http.send(
            "PUT", place, within_s=self._upload_s, content=Program(program), headers=headers
        )

    async def start(self, place: str) -> None:
        await self._http.send("POST", place)

    async def steer(self, job_id: int, action: str) -> None:
        """ "pause" or "resume"; names its job, so that it can never meet another one."""
        await self._http.send("PUT", f"/api/v1/job/{job_id}/{action}")

    async def stop(self, job_id: int) -> None:
        await self._http.send("DELETE", f"/api/v1/job/{job_id}")

    async def heaters_off(self) -> None:
        """From before v1, and not in every printer: `NotThere`, or `DeviceRefused`, where it cannot be done."""
        nozzle = {"command": "target", "targets": {"tool0": 0}}
        bed = {"command": "target", "target": 0}
        refused: DeviceRefused | None = None
        for path, target in (("/api/printer/tool", nozzle), ("/api/printer/bed", bed)):
            try:
                await self._http.send("POST", path, json=target)
            except DeviceRefused as error:
                refused = error  # the other one may be taken all the same
        if refused is not None:
            raise refused

    async def _again(self, ask: Callable[[], Awaitable[T]]) -> T:
        """A look changes nothing, so it is met by asking again: at once when an answer broke, and once when none
        came. An end is told for 12 s (measured): one slow answer is not to cost it."""
        left = _TRIES
        while True:
            try:
                return await ask()
            except LinkLost as error:
                left -= 2 if isinstance(error, DeviceTimeout) else 1
                if left <= 0:
                    raise
            await asyncio.sleep(_AGAIN_S)

    async def _if_any(self, path: str, kind: type[T]) -> T | None:
        """None for 204, which has no body."""
        body = await self._http.send("GET", path, within_s=self._look_s)
        try:
            return msgspec.json.decode(body, type=kind) if body else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise LinkLost(f"PrusaLink's answer to GET {path} cannot be read: {error}") from None

    def _refine(self, status: int, said: str, what: str) -> DeviceError | None:
        if status == 401 and not self._keyed:
            return Misfit(f"PrusaLink does not accept our user name and password ({what}: 401)")
        if status == 403 and not self._keyed:  # asked for a password PrusaLink says 401
            return Misfit(f"this address does not ask for a PrusaLink password ({what}: 403); is it one?")
        if status == 409:
            return Conflict(f"PrusaLink refuses {what}: {said}")
        return None


_JSON: Final = {"Accept": "application/json"}  # else errors come as text or HTML


def _reason(body: Any) -> str:
    if not isinstance(body, dict):
        return ""
    return str(body.get("message") or body.get("title") or "")


def address(storage: str, name: str) -> str:
    """`storage` as PrusaLink names it: "/local" or "/usb/"."""
    return f"/api/v1/files/{quote(storage.strip('/'))}/{quote(name, safe='')}"
