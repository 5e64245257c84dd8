"""Requests to Moonraker, typed; the errors are those of `drivers.http`, but for three answers.

    401 -> Misfit: no key, or a wrong one, and this computer's address is not trusted
    403 -> DeviceRefused: the file is loaded for printing and may not be overwritten or deleted (measured)
    503 "Klippy ..." -> KlippyAway: Moonraker is well, Klipper's host is not there

A command to Klipper is answered when Klipper has carried it out, after whatever it does at the moment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from drivers.http import Http, NotThere, plain
from drivers.moonraker import wire
from fablab.device import DeviceError, DeviceRefused, LinkLost, Misfit

WHO: Final = "Moonraker"
_NOTHING: Final = "; is Klipper free"
T = TypeVar("T")


class KlippyAway(DeviceRefused):
    """Klipper's host is not connected to Moonraker (switched off, restarting, crashed)."""


class Rest:
    """A typed client of the few calls we use; `url` may carry a path prefix."""

    def __init__(self, *, url: str, api_key: str, answer_s: float, upload_s: float) -> None:
        self._upload_s = upload_s
        self.api_key = api_key
        headers = {"X-Api-Key": api_key} if api_key else {}
        self._http = Http(
            url=url, who=WHO, answer_s=answer_s, headers=headers, reason=_reason, refine=self._refine
        )

    @property
    def socket_url(self) -> str:
        return self._http.socket_url("/websocket")

    async def close(self) -> None:
        await self._http.close()

    # -- looking

    async def server(self) -> wire.ServerInfo:
        return (await self._get("/server/info", wire.Reply[wire.ServerInfo])).result

    async def printer(self) -> wire.PrinterInfo:
        return (await self._get("/printer/info", wire.Reply[wire.PrinterInfo])).result

    async def instance_id(self) -> str:
        """Made by Moonraker at its first start and kept in its data folder; empty where it has none."""
        path = "/server/database/item?namespace=moonraker&key=instance_id"
        try:
            return plain((await self._get(path, wire.Reply[wire.Item])).result.value)
        except DeviceRefused:
            return ""

    async def objects(self, sensors: tuple[str, ...]) -> wire.Picture:
        wanted = "&".join(quote(name) for name in (*wire.OBJECTS, *sensors))
        answer = await self._get(f"/printer/objects/query?{wanted}", wire.Reply[wire.Query])
        try:
            return wire.picture(answer.result)
        except msgspec.ValidationError as error:
            raise LinkLost(f"{WHO}'s answer of Klipper's state cannot be read: {error}") from None

    async def history(self, limit: int) -> list[wire.Job]:
        """Newest first; empty where the history is switched off."""
        path = f"/server/history/list?order=desc&limit={limit}"
        try:
            return (await self._get(path, wire.Reply[wire.History])).result.jobs
        except NotThere:
            return []

    async def files(self) -> list[wire.Stored]:
        """Our own folder's files; a folder that is not there is answered 400 (measured)."""
        path = f"/server/files/directory?path={wire.ROOT}/{wire.FOLDER}"
        try:
            return (await self._get(path, wire.Reply[wire.Directory])).result.files
        except DeviceRefused:
            return []

    # -- files

    async def upload(self, program: Path, name: str) -> wire.UploadedItem:
        with program.open("rb") as content:
            answer = await self._http.ask(
                "POST",
                "/server/files/upload",
                wire.Uploaded,
                within_s=self._upload_s,
                data={"root": wire.ROOT, "path": wire.FOLDER, "print": "false"},
                files={"file": (name, content, "application/octet-stream")},
            )
        return answer.item

    async def delete(self, filename: str) -> None:
        await self._http.send("DELETE", f"/server/files/{wire.ROOT}/{wire.FOLDER}/{quote(filename)}")

    # -- commands

    async def must_be_free(self) -> None:
        """Returns once Klipper takes commands; a comment waits its turn like any command and does nothing."""
        await self.script(_NOTHING)

    async def begin(self, path: str) -> None:
        await self._http.send("POST", f"/printer/print/start?filename={quote(path, safe='')}")

    async def pause(self) -> None:
        await self._http.send("POST", "/printer/print/pause")

    async def resume(self) -> None:
        await self._http.send("POST", "/printer/print/resume")

    async def cancel(self) -> None:
        await self._http.send("POST", "/printer/print/cancel")

    async def script(self, line: str) -> None:
        await self._http.send("POST", f"/printer/gcode/script?script={quote(line, safe='')}")

    async def heaters_off(self) -> None:
        await self.script("TURN_OFF_HEATERS")

    async def emergency_stop(self) -> None:
        """Does not wait for its turn."""
        await self._http.send("POST", "/printer/emergency_stop")

    async def _get(self, path: str, kind: type[T]) -> T:
        return await self._http.look("GET", path, kind)

    def _refine(self, status: int, said: str, what: str) -> DeviceError | None:
        if status == 401:
            return unwelcome(has_key=bool(self.api_key))
        if status == 403:
            return DeviceRefused(f"{WHO} refuses {what}: the file is being printed")
        if status == 503 and "Klippy" in said:
            return KlippyAway(f"the printer cannot be reached now: {said}")
        return None


def unwelcome(*, has_key: bool) -> Misfit:
    if has_key:
        return Misfit(f"{WHO} does not accept our API key")
    return Misfit(f"{WHO} asks who we are: set api_key, or trust this computer's address in moonraker.conf")


def _reason(body: Any) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""
