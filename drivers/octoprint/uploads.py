"""Programs on their way to OctoPrint, and the old ones of ours that may go."""

from __future__ import annotations

from pathlib import Path

from drivers.octoprint import wire
from drivers.octoprint.rest import Rest
from drivers.uploads import program_name
from fablab.device import DeviceRefused, DeviceTimeout, LinkLost


async def upload(rest: Rest, program: Path, token: str) -> str:
    """The path under which the whole program lies there. Raises `LinkLost` when it did not arrive whole."""
    try:
        path = await rest.upload(program, program_name(token))
    except DeviceTimeout:
        raise
    except LinkLost:  # the answer perhaps, but not the file: the look below says
        path = wire.program_path(token)
    if wire.token_of(path) != token:
        raise DeviceRefused(f"OctoPrint put the upload at {wire.plain(path)}, where it cannot be followed")
    entry = await rest.file(path)
    size = program.stat().st_size
    if entry is None or entry.size != size:
        raise LinkLost(f"the upload did not arrive whole ({size} bytes were sent)")
    return path


async def older(rest: Rest, keep: str) -> dict[str, float]:
    """Our uploads beside `keep`: when each came, by path."""
    return {f.path: f.date or 0.0 for f in await rest.files() if wire.token_of(f.path) and f.path != keep}
