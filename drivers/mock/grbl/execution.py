"""What GRBL does with a line that passed its parser.

A line is executed by a generator that yields what it has to wait for. The order of execution is GRBL's (`gcode.c`).
"""

from __future__ import annotations

from dataclasses import replace

from drivers.mock.grbl.arcs import chords
from drivers.mock.grbl.machine import HOMING_S, Aborted, Dwell, Eeprom, Line, Machine, Need, State
from drivers.mock.grbl.motion import Move, Spindle, Vector
from drivers.mock.grbl.parser import CUTS, PROBES, Block, For, Modal, parse
from drivers.mock.grbl.settings import ZERO
from drivers.mock.grbl.words import Refused


def gcode(machine: Machine, text: str) -> Line:
    """Raises Refused, or Aborted after an alarm."""
    if machine.state in (State.ALARM, State.JOG):
        raise Refused(9)
    yield from execute(machine, parse(text, machine.parser, machine.settings))


def jog(machine: Machine, text: str) -> Line:
    block = parse(text, machine.parser, machine.settings)
    if machine.settings[20] and not machine.settings.reachable(block.target):
        raise Refused(15)
    move = Move(
        target=block.target,
        feed=block.feed / 60,
        spindle=machine.parser.modal.spindle,
        power=machine.parser.power,
        dynamic=machine.dynamic(machine.parser.modal.spindle),
        fixed=True,
    )
    yield Need.ROOM
    machine.parser.position = block.target
    if machine.motion.add(move):
        machine.state = State.JOG


def execute(machine: Machine, block: Block) -> Line:
    """In GRBL's order of execution."""
    parser, old, new = machine.parser, machine.parser.modal, block.modal
    cutting = new.motion in CUTS or not machine.settings.laser
    moving = machine.settings.laser and bool(block.axis_words) and block.axes is For.MOTION
    # Constant power has to be set anew when a line changes between cutting and not, without a move.
    changes = old.spindle is Spindle.CW and (old.motion in CUTS) != (new.motion in CUTS)
    sync = machine.settings.laser and not moving and changes
    parser.feed = block.feed
    parser.tool = int(block.values.get("T", 0))
    parser.modal = replace(old, feed_mode=new.feed_mode)
    if (parser.power != block.power or sync) and old.spindle is not Spindle.OFF and not moving:
        yield from _spindle_sync(machine, old.spindle, block.power if cutting else 0.0)
    parser.power = block.power
    power = parser.power if cutting else 0.0
    if old.spindle is not new.spindle:
        yield from _spindle_sync(machine, new.spindle, power)
    parser.modal = replace(parser.modal, spindle=new.spindle)
    if old.flood is not new.flood:
        yield Need.EMPTY
        machine.flooding = new.flood
    if block.action == 4:
        yield from _dwell(machine, block.dwell_s)
    parser.modal = replace(new, motion=old.motion)
    yield from _offsets(machine, block)
    move = Move(
        target=block.target,
        feed=block.feed / 60,
        inverse=new.feed_mode == 93,
        spindle=new.spindle,
        power=power,
        dynamic=machine.dynamic(new.spindle),
    )
    yield from _action(machine, block, move)
    parser.modal = new
    if block.axes is For.MOTION:
        yield from _motion(machine, block, move)
    if block.flow is not None:
        yield from _flow(machine, block.flow)


def _spindle_sync(machine: Machine, spindle: Spindle, power: float) -> Line:
    if machine.state is not State.CHECK:
        yield Need.EMPTY
        machine.spin(spindle, power)


def _dwell(machine: Machine, duration_s: float) -> Line:
    if machine.state is not State.CHECK:
        yield Need.EMPTY
        yield Dwell(duration_s)


def _offsets(machine: Machine, block: Block) -> Line:
    parser = machine.parser
    if block.axes is For.LENGTH:
        parser.length = block.values.get("Z", 0.0) if block.modal.length == 43.1 else 0.0
        machine.wco_in = 0
    if parser.system != block.system:
        parser.system = block.system
        machine.wco_in = 0
    if block.action == 10:
        yield Need.EMPTY
        yield Eeprom()
        machine.settings.offsets[block.store_as] = block.target
        if block.store_as == block.modal.system:
            parser.system = block.target
            machine.wco_in = 0
    elif block.action in (28.1, 30.1):
        yield Need.EMPTY
        yield Eeprom()
        machine.settings.offsets[f"G{int(block.action)}"] = parser.position
    elif block.action in (92, 92.1):
        parser.g92 = block.target if block.action == 92 else ZERO
        machine.wco_in = 0


def _action(machine: Machine, block: Block, move: Move) -> Line:
    if block.action in (28, 30):
        if block.via is not None:
            yield from _line(machine, replace(move, target=block.via, rapid=True))
        yield from _line(machine, replace(move, rapid=True))
        machine.parser.position = block.target


def _motion(machine: Machine, block: Block, move: Move) -> Line:
    motion = block.modal.motion
    if motion in PROBES:
        yield from _probe(machine, motion, move)
        return
    if motion in (2, 3):
        yield from _arc(machine, block, move)
    else:
        yield from _line(machine, replace(move, rapid=motion == 0))
    machine.parser.position = block.target


def _line(machine: Machine, move: Move) -> Line:
    if machine.settings[20] and not machine.settings.reachable(move.target):
        yield from _beyond(machine)
    if machine.state is State.CHECK:
        return
    yield Need.ROOM
    if machine.motion.add(move):
        if machine.state is State.IDLE:
            machine.state = State.RUN
    elif machine.settings.laser and move.spindle is Spindle.CW:
        yield from _spindle_sync(machine, Spindle.CW, move.power)


def _beyond(machine: Machine) -> Line:
    """A soft limit: the head is brought to rest first, so that its position is not lost."""
    if machine.state is State.RUN:
        machine.motion.holding = machine.soft_limit = True
        machine.state = State.HOLD
        yield Need.REST
        machine.settle()
    machine.alarm(2)
    raise Aborted


def _arc(machine: Machine, block: Block, move: Move) -> Line:
    ends = list(
        chords(
            machine.parser.position,
            block.target,
            centre=block.centre,
            plane=block.plane,
            clockwise=block.modal.motion == 2,
            tolerance=machine.settings[12],
        )
    )
    feed = move.feed * len(ends) if move.inverse else move.feed
    for end in ends:
        yield from _line(machine, replace(move, target=end, feed=feed))


def _probe(machine: Machine, motion: float, move: Move) -> Line:
    """There is no probe: towards one never touches, away from one fails at once."""
    if machine.state is State.CHECK:
        return
    yield Need.EMPTY
    if motion in (38.4, 38.5):
        machine.alarm(4)
        return
    yield from _line(machine, move)
    yield Need.EMPTY
    machine.parser.position = machine.motion.position
    if motion == 38.2:
        machine.alarm(5)
    else:
        machine.probed = machine.motion.position
    x, y, z = machine.probed
    machine.say(f"[PRB:{x:.3f},{y:.3f},{z:.3f}:0]")


def _flow(machine: Machine, code: int) -> Line:
    yield Need.EMPTY
    if code == 0:
        machine.hold()
        yield Need.EMPTY
        return
    parser = machine.parser
    keep = parser.modal
    parser.modal = Modal(motion=1.0, units=keep.units, length=keep.length)
    if machine.state is not State.CHECK:
        parser.system = machine.settings.offset("G54")
        machine.wco_in = 0
        machine.spin(Spindle.OFF, 0.0)
        machine.flooding = False
    machine.say("[MSG:Pgm End]")


def home(machine: Machine) -> Line:
    machine.state = State.HOME
    yield Need.EMPTY
    yield Dwell(HOMING_S)
    machine.motion.put(_homed(machine))
    machine.parser.position = machine.motion.position
    if machine.status_asked:
        machine.status_asked = False
        machine.report()
    machine.state = State.IDLE


def _homed(machine: Machine) -> Vector:
    """A pull-off away from the switches: at the top end of an axis, or at the bottom with its bit in $23."""
    pull = machine.settings[27]
    mask = int(machine.settings[23])
    x, y, z = (
        -travel + pull if mask & (1 << index) else -pull
        for index, travel in enumerate(machine.settings.travel)
    )
    return (x, y, z)
