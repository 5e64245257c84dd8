"""Heaters off through PrusaLink, read back from the machine.

API v1 has no way to send G-code. What there is: stopping the job, whose own end in the firmware switches the
heaters off, and two addresses older than v1 (nozzle and bed targets) that 0.8.1 still has and newer firmware
has not. The proof is the same for both: the targets that the printer reports. A report may be some seconds old
(0.8.1 hears temperatures every two seconds), so zero must be said again after that time, by a machine that
does not move. Where heat can be neither stopped nor switched off (somebody preheats a newer printer at its
own screen) the answer is NOT confirmed, which is true.

A printer with several tools reports the active one only: of the others nothing is known, and their heat is
bound to the job that is stopped here.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from drivers.prusalink import wire
from drivers.prusalink.rest import Rest
from fablab.device import DeviceRefused, DeviceState, DeviceTimeout, LinkLost, Safety

_ROUND_S: Final = 0.25
_LOST: Final = 5  # so many answers lost in a row and the wire is gone: a person must be told soon


async def make_safe(rest: Rest, *, fresh_s: float) -> Safety:
    """Stop, heaters off, and wait for the proof; the caller bounds the time. `DeviceError` if the wire fails.

    `fresh_s`: how old a reported target may be, in seconds.
    """
    now = asyncio.get_running_loop().time
    cold_since: float | None = None
    lost = 0
    while True:
        try:
            status = await rest.status()
            if not safe(status):
                cold_since = None
                await _stop(rest, status)
            elif cold_since is None:
                cold_since = now()
                await _switch_off(rest)
            elif now() - cold_since >= fresh_s:
                return Safety.CONFIRMED
            lost = 0
        except LinkLost as error:
            cold_since = None
            lost += 1
            if isinstance(error, DeviceTimeout) or lost >= _LOST:
                raise
        await asyncio.sleep(min(_ROUND_S, fresh_s))


def safe(status: wire.Status) -> bool:
    """What a printer in ERROR is said to have set may be from before it was lost."""
    return status.printer.device_state is DeviceState.IDLE and status.job is None and status.printer.cold


async def _stop(rest: Rest, status: wire.Status) -> None:
    if status.job is not None and status.job.id is not None:
        with suppress(DeviceRefused):  # it ended in this very moment, or is being stopped
            await rest.stop(status.job.id)
    else:  # a machine that is BUSY names no job for a while; until then there are only its heaters
        await _switch_off(rest)


async def _switch_off(rest: Rest) -> None:
    with suppress(DeviceRefused):  # not in this printer
        await rest.heaters_off()
