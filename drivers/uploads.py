"""The programs we put on a machine behind a server: the names they carry, and which of them may go."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fablab.device import DeviceError

log = logging.getLogger(__name__)

_KEPT: Final = 5  # the newest stay, for a late retry and for a person who wants one again
_TIDIED_AT_ONCE: Final = 10
_PLAIN_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,100}")
_UPLOAD = re.compile(r"lab(?P<hex>x?)-(?P<token>[A-Za-z0-9_-]{1,200})\.gcode")


def program_name(token: str) -> str:
    """The upload's name; a token with characters that a server or a file system may refuse travels in hexadecimal."""
    if _PLAIN_TOKEN.fullmatch(token):
        return f"lab-{token}.gcode"
    coded = token.encode().hex()
    if not 0 < len(coded) <= 200:
        raise ValueError("a run's token has 1 to 100 bytes")
    return f"labx-{coded}.gcode"


def token_in(name: str) -> str | None:
    """The token that a file's name carries; None for files that are not ours."""
    match = _UPLOAD.fullmatch(name)
    if match is None:
        return None
    if not match["hex"]:
        return match["token"]
    try:
        return bytes.fromhex(match["token"]).decode()
    except ValueError:
        return None


async def tidy(
    ours: Awaitable[Mapping[str, float]], delete: Callable[[str], Awaitable[None]], *, name: str
) -> None:
    """Old uploads go, oldest first; a failure here is no failure of the start. `name` is the machine's.

    `ours`: when each came that may go, in seconds of the machine's own clock, by what `delete` knows it by.
    """
    try:
        came = await ours
        newest_first = sorted(came, key=came.__getitem__, reverse=True)
        for old in newest_first[_KEPT:][-_TIDIED_AT_ONCE:]:
            await delete(old)
    except DeviceError as error:
        log.info("%s: old uploads were not tidied away: %s", name, error)
