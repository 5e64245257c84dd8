"""The calls to OctoPrint that we use, typed.

A POST with a wrong key is not answered 403 but 400 "CSRF validation failed" (measured).
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from drivers.http import Http, NotThere
from drivers.octoprint import wire
from fablab.device import DeviceError, Misfit

T = TypeVar("T")


class Rest:
    """A typed client of the few calls we use; `url` may carry a path prefix."""

    def __init__(self, *, url: str, api_key: str, answer_s: float, upload_s: float) -> None:
        self._upload_s = upload_s
        self._http = Http(
            url=url, who="OctoPrint", answer_s=answer_s, headers={"X-Api-Key": api_key}, refine=_refined
        )
        self.socket_url = self._http.socket_url("/sockjs/websocket")
        self.close = self._http.close

    async def version(self) -> wire.Version:
        return await self._get("/api/version", wire.Version)

    async def login(self) -> wire.Login:
        """A session of the key's own user, for the push socket."""
        return await self._http.look("POST", "/api/login", wire.Login, json={"passive": True})

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
        await self._http.send("DELETE", _file_address(path))

    async def upload(self, program: Path, name: str) -> str:
        """Answers the path OctoPrint gave the file. Above its size limit it just cuts the connection (measured)."""
        with program.open("rb") as content:
            answer = await self._http.ask(
                "POST",
                "/api/files/local",
                wire.Uploaded,
                within_s=self._upload_s,
                data={"path": wire.FOLDER},
                files={"file": (name, content, "application/octet-stream")},
            )
        return answer.files.local.path

    async def select_and_print(self, path: str) -> None:
        await self._http.send("POST", _file_address(path), json={"command": "select", "print": True})

    async def pause(self, action: str) -> None:
        """Always with its action: without one the call toggles, and a retry would undo it."""
        await self._http.send("POST", "/api/job", json={"command": "pause", "action": action})

    async def cancel(self) -> None:
        await self._http.send("POST", "/api/job", json={"command": "cancel"})

    async def connect_printer(self) -> None:
        await self._http.send("POST", "/api/connection", json={"command": "connect"})

    async def commands(self, lines: list[str]) -> None:
        await self._http.send("POST", "/api/printer/command", json={"commands": lines})

    async def _get(self, path: str, kind: type[T]) -> T:
        return await self._http.look("GET", path, kind)


def _refined(status: int, said: str, what: str) -> DeviceError | None:
    if status in (401, 403) or (status == 400 and "CSRF" in said):
        return Misfit(f"OctoPrint does not accept our API key ({what}: {status})")
    return None


def _file_address(path: str) -> str:
    return "/api/files/local/" + quote(path)
