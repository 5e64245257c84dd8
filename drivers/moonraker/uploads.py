"""Our program files on the machine: bringing one there whole, and clearing old ones away."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from drivers.http import plain
from drivers.moonraker import wire
from drivers.moonraker.rest import Rest
from fablab.device import DeviceError, DeviceRefused, DeviceTimeout, LinkLost

log = logging.getLogger(__name__)

_KEPT: Final = 5  # the newest stay, for a person who wants one again
_TIDIED_AT_ONCE: Final = 10


async def upload(rest: Rest, program: Path, token: str) -> str:
    """Its path there, which names the run. `LinkLost` if it may not have arrived whole."""
    name = wire.program_name(token)
    try:
        item = await rest.upload(program, name)
    except DeviceTimeout:
        raise
    except LinkLost:  # the answer perhaps, but not the file
        found = next((f for f in await rest.files() if f.filename == name), None)
        if found is None:
            raise
        item = wire.UploadedItem(path=f"{wire.FOLDER}/{name}", size=found.size)
    if wire.token_of(item.path) != token:
        raise DeviceRefused(f"Moonraker put the upload at {plain(item.path)}, where it cannot be followed")
    size = program.stat().st_size
    if item.size is not None and item.size != size:
        raise LinkLost(f"the upload did not arrive whole ({size} bytes were sent)")
    return item.path


async def tidy(rest: Rest, *, name: str, keep: str) -> None:
    """Old uploads of ours go, oldest first; a failure here is no failure of the start. `name`: the machine's."""
    try:
        ours = [f for f in await rest.files() if wire.token_of(f"{wire.FOLDER}/{f.filename}")]
        ours = [f for f in ours if f"{wire.FOLDER}/{f.filename}" != keep]
        ours.sort(key=lambda f: f.modified, reverse=True)
        for old in ours[_KEPT:][-_TIDIED_AT_ONCE:]:
            await rest.delete(old.filename)
    except DeviceError as error:
        log.info("%s: old uploads were not tidied away: %s", name, error)
