"""Programs on their way to OctoPrint, and the old ones of ours that may go."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from drivers.octoprint import wire
from drivers.octoprint.rest import Rest
from fablab.device import DeviceError, DeviceRefused, DeviceTimeout, LinkLost

log = logging.getLogger(__name__)

_KEPT: Final = 5  # the newest stay: their print counts answer a late retry
_TIDIED_AT_ONCE: Final = 10


async def upload(rest: Rest, program: Path, token: str) -> str:
    """The path under which the whole program lies there. Raises `LinkLost` when it did not arrive whole."""
    name = wire.program_name(token)
    try:
        path = await rest.upload(program, name)
    except DeviceTimeout:
        raise
    except LinkLost:  # the answer perhaps, but not the file: the look below says
        path = f"{wire.FOLDER}/{name}"
    if wire.token_of(path) != token:
        raise DeviceRefused(f"OctoPrint put the upload at {wire.plain(path)}, where it cannot be followed")
    entry = await rest.file(path)
    size = program.stat().st_size
    if entry is None or entry.size != size:
        raise LinkLost(f"the upload did not arrive whole ({size} bytes were sent)")
    return path


async def tidy(rest: Rest, *, keep: str, name: str) -> None:
    """Old uploads of ours go, oldest first; a failure here is no failure of the start. `name` is the machine's."""
    try:
        ours = [f for f in await rest.files() if wire.token_of(f.path) and f.path != keep]
        ours.sort(key=lambda f: f.date or 0.0, reverse=True)
        for old in ours[_KEPT:][-_TIDIED_AT_ONCE:]:
            await rest.delete(old.path)
    except DeviceError as error:
        log.info("%s: old uploads were not tidied away: %s", name, error)
