"""The app-key flow: an application asks for a key, a person decides in OctoPrint's page, the application polls."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

from drivers.mock.wire import Answer, Request

ADDRESS: Final = "/plugin/appkeys"


@dataclass(kw_only=True)
class AppKeys:
    """`asked`: token -> the key once it is granted, None while nobody has decided."""

    asked: dict[str, str | None] = field(default_factory=dict)

    def answer(self, request: Request, base: str) -> Answer | None:
        """None where this flow has no such address."""
        asking = f"{ADDRESS}/request"
        if request.called == f"GET {ADDRESS}/probe":
            return 204, None
        if request.called == f"POST {asking}":
            if not request.json().get("app"):
                return 400, {"error": "No app name provided"}
            token = secrets.token_hex(16)
            self.asked[token] = None
            where = f"{base}{asking}/{token}"
            told = {"app_token": token, "auth_dialog": f"{base}{ADDRESS}/auth/{token}"}
            return 201, told, {"Location": where}
        if request.method == "GET" and request.path.startswith(f"{asking}/"):
            token = request.path.rpartition("/")[2]
            if token not in self.asked:
                return 404, {"error": "The requested URL was not found on the server."}
            key = self.asked[token]
            if key is None:
                return 202, {"message": "Awaiting decision"}
            del self.asked[token]
            return 200, {"api_key": key}
        return None

    def decide(self, yes: bool, key: str) -> None:
        """Every request that waits is granted with `key`, or denied and forgotten."""
        self.asked = {token: key for token, had in self.asked.items() if had is None} if yes else {}
