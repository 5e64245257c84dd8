"""Heaters off through OctoPrint, read back from the machine.

OctoPrint writes down a target when it *sends* M104; only a temperature report parsed afterwards is the
machine's own word. So a reading counts when it is newer than the last one before our commands and every
target in it is zero.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from drivers.octoprint import wire
from drivers.octoprint.rest import Rest
from fablab.device import DeviceRefused, DeviceTimeout, LinkLost, Safety

_ROUND_S: Final = 0.5
_AGAIN_S: Final = 0.2
# So many answers lost in a row, or waited for in vain, and the wire is gone: a person must be told soon.
_LOST: Final = 5
_SILENT: Final = 2
_TOOL = re.compile(r"tool([0-9]{1,2})")


async def make_safe(rest: Rest) -> Safety:
    """Cancel, heaters off, and wait for the proof; the caller bounds the time. `DeviceError` if the wire fails."""
    before: float | None = None
    lost = 0
    while True:
        try:
            await _stop(rest)
            printer = await rest.printer()
            reading = printer.temperature.history[-1] if printer.temperature.history else {}
            if before is None:
                before = _time(reading)
            elif printer.state.text == "Operational" and _time(reading) > before and _all_off(reading):
                return Safety.CONFIRMED
            await rest.commands(_off(reading))
            lost = 0
        except DeviceRefused:
            before = None  # 409: not connected (any more, or not yet)
        except LinkLost as error:
            lost += 1
            if lost >= (_SILENT if isinstance(error, DeviceTimeout) else _LOST):
                raise
        await asyncio.sleep(_AGAIN_S if lost else _ROUND_S)


async def _stop(rest: Rest) -> None:
    """Asked in every round: a cancel may have been refused, or lost on its way."""
    text = (await rest.job()).state
    if wire.state_of(text) in wire.MOVING:
        if text != "Cancelling":
            with suppress(DeviceRefused):  # it may have ended in this very moment
                await rest.cancel()
    elif text.startswith(("Offline", "Closed", "Error")):
        # Heaters of a printer that was lost in a print stay on; only over a new connection can they be
        # reached.
        await rest.connect_printer()


def _off(reading: Mapping[str, Any]) -> list[str]:
    """M108 ends a wait for heat where the firmware can; M105 asks for the report that proves the rest."""
    tools = sorted({int(m[1]) for name in reading if (m := _TOOL.fullmatch(name))} - {0})
    chamber = ["M141 S0"] if wire.heat_of({"c": reading.get("chamber")}) else []
    return ["M108", "M104 S0", *(f"M104 T{n} S0" for n in tools), "M140 S0", *chamber, "M105"]


def _time(reading: Mapping[str, Any]) -> int | float:
    time = reading.get("time", 0)
    return time if isinstance(time, int | float) else 0  # an integer may be too large for a float


def _all_off(reading: Mapping[str, Any]) -> bool:
    """Every heater that is measured says that its target is zero, and there is one at least."""
    heat = wire.heat_of(reading)
    measured = [name for name in heat if not name.endswith("_target")]
    return bool(measured) and all(heat.get(f"{name}_target") == 0 for name in measured)
