"""Commands for the job that is there: PrusaLink only puts them in a queue, and takes none while it is BUSY."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from drivers.http import plain
from drivers.prusalink import wire
from drivers.prusalink.rest import Rest
from fablab.device import DeviceRefused, DeviceState


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long, and how often, something is looked for that comes a moment later."""

    for_s: float
    every_s: float


async def on_job(
    rest: Rest, what: str, act: Callable[[int], Awaitable[None]], *, mine: bool, patience: Patience
) -> None:
    """`act` on the job's number. `mine`: a BUSY machine is at a job of ours (heating, pausing), so it is asked again."""
    until = _now() + patience.for_s
    while True:
        status = await rest.status()
        try:
            if status.job is None or status.job.id is None:
                raise DeviceRefused(f"nothing to {what}: the printer says {plain(status.printer.state)}")
            return await act(status.job.id)
        except DeviceRefused:
            # it may have stopped being BUSY since it said so; then the next try finds its job
            busy = "BUSY" in (status.printer.state, (await rest.status()).printer.state)
            if not (busy and mine) or _now() >= until:
                raise
        await asyncio.sleep(patience.every_s)


async def steer(rest: Rest, action: str, wanted: DeviceState, *, mine: bool, patience: Patience) -> None:
    """Pause or resume, and wait a while for it to work: the next command would be refused before.

    PrusaLink has taken it, so that it is late is no error.
    """
    await on_job(rest, action, lambda job_id: rest.steer(job_id, action), mine=mine, patience=patience)
    until = _now() + patience.for_s
    while _now() < until:
        status = await rest.status()
        if status.job is None or status.printer.device_state is wanted:
            return
        await asyncio.sleep(patience.every_s)


async def stop(rest: Rest, *, mine: bool, patience: Patience) -> None:
    await on_job(rest, "stop", rest.stop, mine=mine, patience=patience)


async def storage(rest: Rest) -> str:
    """Where programs can be put: "/local" behind a Raspberry Pi, "/usb/" in the printer itself."""
    usable = [s for s in await rest.storages() if s.available and not s.read_only]
    if not usable:
        raise DeviceRefused("the printer has no storage for a program; put a USB drive into it")
    return usable[0].path


def must_be_free(status: wire.Status) -> None:
    """An end that is still told (FINISHED) is free as well: the start itself waits for it to pass."""
    printer = status.printer
    if printer.device_state is not DeviceState.IDLE:
        raise DeviceRefused(f"the printer cannot start now: {plain(printer.state)}")


def _now() -> float:
    return asyncio.get_running_loop().time()
