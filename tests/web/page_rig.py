"""A browser without a screen: signs in, follows forms, and reads pages of a lab whose machines a test holds by hand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from httpx import Response
from litestar.testing import TestClient

from fablab.device import (
    Capability,
    DeviceState,
    Identity,
    LinkState,
    Progress,
    Safety,
    Status,
)
from tests.lab import GEAR, PASSWORD, Lab
from tests.web.site import HOST, make_app

CSRF = re.compile(r'name="csrf-token" content="([^"]*)"')


class PageLink:
    """A link that only shows what it is told; commands are remembered."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.name = name
        self.capabilities = frozenset(Capability)
        self.state = LinkState.ONLINE
        self.reason = ""
        self.identity: Identity | None = Identity(firmware="test")
        self.age_s: float | None = 2.0
        self.sent: list[str] = []
        self.safety = Safety.CONFIRMED
        self.status = Status(at=lab.clock.now(), state=DeviceState.IDLE, heat_c={"tool0": 24.0, "bed": 23.0})
        self._lab = lab
        self._closed = asyncio.Event()

    def show(self, state: DeviceState, progress: Progress | None = None, **heat_c: float) -> None:
        self.status = Status(at=self._lab.clock.now(), state=state, progress=progress, heat_c=heat_c)

    def tell(self, message: str) -> None:
        self.status = replace(self.status, message=message)

    def begin(self) -> None: ...

    async def close(self) -> None:
        self._closed.set()

    def retry(self) -> None:
        self.sent.append("retry")

    async def subscribe(self) -> AsyncIterator[Status]:
        yield self.status
        await self._closed.wait()

    async def start(self, program: Path, token: str, deadline: datetime) -> None:
        self.sent.append("start")
        self.show(DeviceState.RUNNING, Progress(token=token))

    async def pause(self) -> None:
        self.sent.append("pause")

    async def resume(self) -> None:
        self.sent.append("resume")

    async def cancel(self) -> None:
        self.sent.append("cancel")

    async def make_safe(self) -> Safety:
        self.sent.append("make_safe")
        return self.safety


class Browser:
    """One person at one screen; `get` is a page, `fragment` what htmx asks for."""

    def __init__(self, client: TestClient[Any]) -> None:
        self.client = client
        self.csrf = ""

    def sign_in(self, who: str, password: str = PASSWORD, language: str = "en") -> Response:
        self.client.cookies.clear()
        self.client.cookies.set("fablab_language", language)
        self.get("/login")
        answer = self.post("/login", login=f"{who}@lab.example", password=password)
        self.get("/jobs")
        return answer

    def get(self, path: str, **options: Any) -> Response:
        headers = {"Accept": "text/html", **options.pop("headers", {})}
        answer = self.client.get(path, headers=headers, follow_redirects=False, **options)
        found = CSRF.search(answer.text) if "html" in answer.headers.get("content-type", "") else None
        if found:
            self.csrf = found[1]
        return answer

    def fragment(self, path: str) -> Response:
        return self.get(path, headers={"HX-Request": "true"})

    def post(self, path: str, *, htmx: bool = False, **form: str) -> Response:
        headers = {"Accept": "text/html"} | ({"HX-Request": "true"} if htmx else {})
        return self.client.post(
            path, data={"csrf": self.csrf, **form}, headers=headers, follow_redirects=False
        )

    def drop(self, content: bytes | None = None, name: str = "gear.gcode", *, htmx: bool = True) -> Response:
        headers = {"Accept": "text/html"} | ({"HX-Request": "true"} if htmx else {})
        body = GEAR.read_bytes() if content is None else content
        return self.client.post(
            "/drafts",
            data={"csrf": self.csrf},
            files={"file": (name, body)},
            headers=headers,
            follow_redirects=False,
        )

    def draft(self) -> str:
        """The id of a gear that is read and waits for its form."""
        self.drop()
        return until(lambda: self.found(r'id="form-([^"]+)"', "/jobs"))

    def submitted(self, **form: str) -> str:
        job_id = self.draft()
        answer = self.post(f"/drafts/{job_id}/submit", **form)
        assert answer.status_code == 303, answer.text
        return job_id

    def found(self, pattern: str, path: str) -> str | None:
        match = re.search(pattern, self.get(path).text)
        return match[1] if match else None


def until(look: Callable[[], str | None], tries: int = 200) -> str:
    """What `look` finds in the end; each look is a request, so there is no waiting on a wall clock."""
    for _ in range(tries):
        found = look()
        if found is not None:
            return found
    raise AssertionError("it did not happen in time")


@contextmanager
def browser(lab: Lab, folder: Path, **settings: Any) -> Iterator[tuple[Browser, dict[str, PageLink]]]:
    """A server over `lab` with both printers in the test's hand, and somebody in front of it."""
    links = {name: PageLink(lab, name) for name in ("mk3", "ender")}
    app = make_app(lab, folder, links=links, **{"dispatch": True, **settings})
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        yield Browser(client), links
