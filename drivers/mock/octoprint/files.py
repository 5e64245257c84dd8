"""Uploaded files, and the form they come in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from drivers.mock.wire import Request


@dataclass(kw_only=True)
class Stored:
    """`success` and `failure` count prints; a cancel is a failure, too."""

    content: bytes
    date: float
    success: int = 0
    failure: int = 0

    def describe(self, path: str) -> dict[str, Any]:
        told: dict[str, Any] = {
            "path": path,
            "name": path.rpartition("/")[2],
            "origin": "local",
            "date": int(self.date),
            "size": len(self.content),
        }
        if self.success + self.failure:
            told["prints"] = {"success": self.success, "failure": self.failure}
        return told


def multipart(request: Request) -> dict[str, tuple[str, bytes]]:
    """Form fields by name, each with its file name, if any, and content."""
    boundary = request.headers.get("content-type", "").partition("boundary=")[2].strip('"')
    fields: dict[str, tuple[str, bytes]] = {}
    for part in request.body.split(b"--" + boundary.encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        names = dict(re.findall(r'(\w+)="([^"]*)"', head.decode("utf-8", "replace")))
        fields[names.get("name", "")] = (names.get("filename", ""), content.removesuffix(b"\r\n"))
    return fields
