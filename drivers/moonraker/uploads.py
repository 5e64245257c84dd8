"""Our program files on the machine: bringing one there whole, and clearing old ones away."""

from __future__ import annotations

from pathlib import Path

from drivers.http import plain
from drivers.moonraker import wire
from drivers.moonraker.rest import Rest
from drivers.uploads import program_name
from fablab.device import DeviceRefused, DeviceTimeout, LinkLost


async def upload(rest: Rest, program: Path, token: str) -> str:
    """Its path there, which names the run. `LinkLost` if it may not have arrived whole."""
    name = program_name(token)
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


async def older(rest: Rest, keep: str) -> dict[str, float]:
    """Our uploads beside `keep`, which is a path: when each came, by name."""
    paths = {f"{wire.FOLDER}/{f.filename}": f for f in await rest.files()}
    return {f.filename: f.modified for path, f in paths.items() if wire.token_of(path) and path != keep}
