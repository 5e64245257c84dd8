"""Uploaded files, as the two kinds of PrusaLink name them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

_short = itertools.count(1)


@dataclass(kw_only=True)
class Stored:
    """`short` is the 8.3 name that firmware with a FAT drive uses; a file is listed from `listed_at` on."""

    content: bytes
    m_timestamp: int
    listed_at: float = 0.0
    short: str = ""

    def describe(self, name: str) -> dict[str, Any]:
        return {
            "name": self.short or name,
            "display_name": name,
            "type": "PRINT_FILE",
            "size": len(self.content),
            "m_timestamp": self.m_timestamp,
        }


def short_name(name: str) -> str:
    return f"{name[:4].upper()}~{next(_short) % 1000}.GCO"
