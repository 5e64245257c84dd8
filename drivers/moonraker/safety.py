"""Heaters off through Klipper, read back from it; the emergency stop where that cannot be had.

`TURN_OFF_HEATERS` is a command like any other: it waits until Klipper is done with the one before, which may
be minutes of waiting for heat. So the soft way has its time, and then comes the emergency stop, which does not
wait: Klipper shuts down and tells its boards to. The price is that a person has to restart the firmware.

A Klipper that is shut down is NOT confirmed. Its boards switch their heaters off by themselves (on the command;
or when nothing renews the heater's output for three seconds: `setup_max_duration` in klippy/extras/heaters.py),
but it cannot say that they did: its targets stay as they were (measured), and its temperatures stand still.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from drivers.moonraker import wire
from drivers.moonraker.rest import Rest
from fablab.device import DeviceError, Misfit, Safety

log = logging.getLogger(__name__)

_ROUND_S: Final = 0.2
_RETRY_S: Final = 0.05


async def make_safe(rest: Rest, *, name: str, moving: bool | None, soft_s: float) -> Safety:
    """`moving`: whether something prints, as far as is known, so that the first command need not wait for a look.

    Raises `DeviceError` if even the emergency stop could not be sent; the caller bounds the time.
    """
    try:
        async with asyncio.timeout(soft_s):
            return await _softly(rest, name, moving)
    except TimeoutError:
        log.warning("%s: heaters not confirmed off within %g s: emergency stop", name, soft_s)
    await rest.emergency_stop()
    return Safety.NOT_CONFIRMED


async def _softly(rest: Rest, name: str, moving: bool | None) -> Safety:
    """Cancel, heaters off, and look until Klipper itself says so; a lost answer is met by another round."""
    while True:
        told = moving is not None and await _tell(rest, name, moving)
        try:
            seen = await _look(rest)
        except Misfit:
            raise
        except DeviceError as error:
            log.info("%s: cannot look whether the heaters are off, and trying again: %s", name, error)
        else:
            if seen.klippy in wire.HALTED:
                log.warning("%s: Klipper is shut down; nobody can read its heaters back", name)
                return Safety.NOT_CONFIRMED
            moving = seen.state in wire.MOVING
            if told and not moving and _all_off(seen):
                return Safety.CONFIRMED
        await asyncio.sleep(_ROUND_S if told else _RETRY_S)


async def _tell(rest: Rest, name: str, moving: bool) -> bool:
    try:
        if moving:
            await rest.cancel()
        await rest.heaters_off()
    except Misfit:
        raise
    except DeviceError as error:
        log.info("%s: stopping, and trying again: %s", name, error)
        return False
    return True


async def _look(rest: Rest) -> wire.Picture:
    seen = await rest.objects(())
    return await rest.objects(seen.heaters) if seen.heaters else seen


def _all_off(seen: wire.Picture) -> bool:
    """Every heater that Klipper has says that its target is zero, and there is one at least."""
    return bool(seen.heaters) and all(seen.targets_c.get(name) == 0 for name in seen.heaters)
