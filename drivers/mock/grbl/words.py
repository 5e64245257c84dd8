"""The words of GRBL 1.1: its error numbers' bearer, how it reads a number, and what it makes of a received line."""

from __future__ import annotations

import re
from typing import Final

LONGEST_LINE: Final = 79  # characters that count; the buffer's eightieth byte closes it
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")


class Refused(Exception):
    """GRBL says `error:{code}`."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error:{code}")
        self.code = code


def number(text: str, at: int) -> tuple[float, int]:
    """The number at `at` and where it ends. No exponents. Raises Refused(2)."""
    found = _NUMBER.match(text, at)
    if found is None:
        raise Refused(2)
    return float(found[0]), found.end()


def stripped(raw: bytes) -> str:
    """What GRBL keeps of a line: no comment, blank, control character or slash; in capitals. Raises Refused(11)."""
    kept: list[str] = []
    comment = b""
    for byte in raw:
        if comment:
            if byte == 0x29 and comment == b"(":
                comment = b""
        elif byte in b"(;":
            comment = bytes([byte])
        elif byte > 0x20 and byte != 0x2F:
            if len(kept) >= LONGEST_LINE:
                raise Refused(11)
            kept.append(chr(byte))
    return "".join(kept).upper()
