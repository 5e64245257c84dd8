"""A lab on the web for tests: the whole application over a real SQLite database, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.testing import TestClient

from fablab.people.access import Scope, make_token
from fablab.people.models import Member
from scheduler.dispatch import MachineLink
from tests.lab import PASSWORD, Lab
from web.app import create_app
from web.security.limits import Limiter
from web.settings import Settings

HOST = "http://127.0.0.1"


@dataclass
class Site:
    lab: Lab
    app: Litestar
    client: TestClient[Litestar]

    def sign_in(self, who: str, password: str = PASSWORD) -> dict[str, Any]:
        """Afterwards the client is `who`, and sends the csrf token with everything."""
        answer = self.client.post("/api/login", json={"email": f"{who}@lab.example", "password": password})
        assert answer.status_code == 200, answer.text
        me: dict[str, Any] = answer.json()
        self.client.headers["X-CSRF-Token"] = me["csrf"]
        return me

    def token(self, who: str, *scopes: Scope) -> dict[str, str]:
        """Headers of a program that acts for `who`."""
        with self.lab.database.begin() as uow:
            member = uow.session.get(Member, self.lab.actors[who].member_id)
            assert member is not None
            secret = make_token(uow, member, "test", frozenset(scopes))
        return {"Authorization": f"Bearer {secret}"}

    def send(self, content: bytes, name: str = "part.gcode", **fields: str) -> Any:
        return self.client.post("/api/jobs", files={"file": (name, content)}, data=fields)


def settings_for(lab: Lab, folder: Path, **more: Any) -> Settings:
    url = lab.database.url.render_as_string(hide_password=False)
    return Settings(**{"data_dir": folder, "database_url": url, "dispatch": False, "search_s": 0, **more})


def make_app(
    lab: Lab,
    folder: Path,
    *,
    limiter: Limiter | None = None,
    links: Mapping[str, MachineLink] | None = None,
    **settings: Any,
) -> Litestar:
    """The whole application, on the routes of one that has ended where there is such a one."""
    spare = _ended.pop() if _ended else None
    app = create_app(
        settings_for(lab, folder, **settings),
        clock=lab.clock,
        limiter=limiter,
        links=links or {},
        routes=spare,
    )
    if spare is None:
        app.on_shutdown.append(_has_ended)
    return app


_ended: list[Litestar] = []


def _has_ended(app: Litestar) -> None:
    if app not in _ended:
        _ended.append(app)


def register(app: Litestar, *handlers: HTTPRouteHandler) -> None:
    """Routes of one test's own; no other test gets this application afterwards."""
    app.on_shutdown.remove(_has_ended)
    if app in _ended:  # it has served another server of this test before
        _ended.remove(app)
    for handler in handlers:
        app.register(handler)
