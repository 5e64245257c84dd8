"""Uploaded files, as OctoPrint tells of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
