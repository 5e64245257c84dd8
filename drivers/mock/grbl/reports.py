"""What GRBL says of itself: the status report with its rotating fields, parser state, parameters, build."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from drivers.mock.grbl.machine import Machine, State
from drivers.mock.grbl.motion import BLOCKS, Spindle, Vector
from drivers.mock.grbl.settings import SYSTEMS

RX_BYTES: Final = 128
HELP: Final = "[HLP:$$ $# $G $I $N $x=val $Nx=line $J=line $SLP $C $X $H ~ ! ? ctrl-x]"
# How many reports pass between two that tell the offset, or the overrides: fewer at rest than in motion.
_EVERY: Final = {"wco": (10, 30), "ov": (10, 20)}
_BUSY: Final = frozenset({State.HOME, State.RUN, State.HOLD, State.JOG, State.DOOR})


def triple(place: Vector) -> str:
    return ",".join(f"{round(each, 3) + 0.0:.3f}" for each in place)


def state(machine: Machine) -> str:
    if machine.state is State.HOLD:
        return f"Hold:{0 if machine.suspended else 1}"
    if machine.state is not State.DOOR:
        return machine.state.value
    if machine.restore_s is not None:
        return "Door:3"
    if not machine.suspended:
        return "Door:2"
    return f"Door:{1 if machine.door_ajar else 0}"


def status(machine: Machine, rx_free: int) -> str:
    """The answer to `?`. Changes when the rotating fields come next."""
    mask = int(machine.settings[10])
    position, offset = machine.motion.position, machine.parser.offset()
    fields = [state(machine)]
    if mask & 1:
        fields.append(f"MPos:{triple(position)}")
    else:
        x, y, z = (a - b for a, b in zip(position, offset, strict=True))
        fields.append(f"WPos:{triple((x, y, z))}")
    if mask & 2:
        fields.append(f"Bf:{BLOCKS - len(machine.motion.blocks)},{rx_free}")
    fields.append(f"FS:{machine.motion.speed * 60:.0f},{machine.power:.0f}")
    if machine.door_open:
        fields.append("Pn:D")
    fields += _rotating(machine, offset)
    return f"<{'|'.join(fields)}>"


def _rotating(machine: Machine, offset: Vector) -> list[str]:
    busy = machine.state in _BUSY
    if machine.wco_in > 0:
        machine.wco_in -= 1
    else:
        machine.wco_in = _EVERY["wco"][busy] - 1
        machine.ov_in = machine.ov_in or 1  # not both in one report
        return [*_overrides(machine, busy), f"WCO:{triple(offset)}"]
    return _overrides(machine, busy)


def _overrides(machine: Machine, busy: bool) -> list[str]:
    if machine.ov_in > 0:
        machine.ov_in -= 1
        return []
    machine.ov_in = _EVERY["ov"][busy] - 1
    now = machine.overrides
    fields = [f"Ov:{now.feed},{now.rapid},{now.spindle}"]
    accessories = ""
    if machine.power > 0:
        accessories += "C" if machine.parser.modal.spindle is Spindle.CCW else "S"
    if machine.flooding:
        accessories += "F"
    return [*fields, f"A:{accessories}"] if accessories else fields


def modes(machine: Machine) -> str:
    parser = machine.parser
    return f"[GC:{parser.modal.words()} T{parser.tool} F{parser.feed:.0f} S{parser.power:.0f}]"


def parameters(machine: Machine) -> Iterator[str]:
    for name in (*SYSTEMS, "G28", "G30"):
        yield f"[{name}:{triple(machine.settings.offset(name))}]"
    yield f"[G92:{triple(machine.parser.g92)}]"
    yield f"[TLO:{machine.parser.length:.3f}]"
    yield f"[PRB:{triple(machine.probed)}:0]"


def build(machine: Machine) -> Iterator[str]:
    yield f"[VER:1.1h.20190830:{machine.settings.build_info}]"
    yield f"[OPT:V,{BLOCKS},{RX_BYTES}]"
