"""GRBL's G-code parser: a line and the modal state in, a checked block or an error number out.

The order of the checks is GRBL's own, since it decides which error a line with two faults gets. Source: `gcode.c`
and the wiki's tables of supported words; everything is converted to mm here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final

from drivers.mock.grbl.motion import Spindle, Vector
from drivers.mock.grbl.settings import SYSTEMS, ZERO, Settings
from drivers.mock.grbl.words import Refused, number

INCH: Final = 25.4
PROBES: Final = frozenset({38.2, 38.3, 38.4, 38.5})
CUTS: Final = frozenset({1.0, 2.0, 3.0})
_TOP_LINE: Final = 10_000_000
_TOP_TOOL: Final = 255
_AXES: Final = "XYZ"
# Word groups by G number; the ones with a special reading are handled by name below.
_MODAL: Final[Mapping[float, str]] = {
    **dict.fromkeys((0.0, 1.0, 2.0, 3.0, 80.0, *PROBES), "motion"),
    **dict.fromkeys((17.0, 18.0, 19.0), "plane"),
    **dict.fromkeys((90.0, 91.0), "distance"),
    91.1: "arc distance",
    **dict.fromkeys((93.0, 94.0), "feed"),
    **dict.fromkeys((20.0, 21.0), "units"),
    40.0: "cutter",
    **dict.fromkeys((43.1, 49.0), "length"),
    **dict.fromkeys((54.0, 55.0, 56.0, 57.0, 58.0, 59.0), "system"),
    61.0: "control",
    **dict.fromkeys((4.0, 10.0, 28.0, 28.1, 30.0, 30.1, 53.0, 92.0, 92.1), "action"),
}
_WITH_AXES: Final = frozenset({10.0, 28.0, 30.0, 92.0})
_M_GROUPS: Final = {0: "flow", 1: "flow", 2: "flow", 30: "flow", 3: "spindle", 4: "spindle", 5: "spindle"}
_PLANES: Final = {17: (0, 1, 2), 18: (2, 0, 1), 19: (1, 2, 0)}


class For(Enum):
    """What the axis words of a block are for."""

    NOTHING = auto()
    MOTION = auto()
    ACTION = auto()
    LENGTH = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Modal:
    """What stays in force from line to line."""

    motion: float = 0.0
    system: str = "G54"
    plane: int = 17
    units: int = 21
    distance: int = 90
    feed_mode: int = 94
    spindle: Spindle = Spindle.OFF
    flood: bool = False
    length: float = 49.0

    def words(self) -> str:
        coolant = "M8" if self.flood else "M9"
        return (
            f"G{self.motion:g} {self.system} G{self.plane} G{self.units} G{self.distance} G{self.feed_mode} "
            f"M{self.spindle.value} {coolant}"
        )


@dataclass(slots=True, kw_only=True)
class Parser:
    """GRBL's parser state. `position` is where the last planned move ends, in machine coordinates."""

    modal: Modal = field(default_factory=Modal)
    feed: float = 0.0
    power: float = 0.0
    tool: int = 0
    position: Vector = ZERO
    system: Vector = ZERO
    g92: Vector = ZERO
    length: float = 0.0

    def offset(self) -> Vector:
        """From machine to work coordinates."""
        (a, b, c), (d, e, f) = self.system, self.g92
        return (a + d, b + e, c + f + self.length)


@dataclass(slots=True, kw_only=True)
class Block:
    """A line that passed all checks. Lengths in mm, feed in mm/min (moves/min with G93), places in machine mm."""

    modal: Modal
    values: dict[str, float]
    jog: bool = False
    odd_jog: bool = False
    action: float = 0.0
    axes: For = For.NOTHING
    axis_words: frozenset[str] = frozenset()
    feed: float = 0.0
    power: float = 0.0
    target: Vector = ZERO
    via: Vector | None = None
    system: Vector = ZERO
    centre: tuple[float, float] = (0.0, 0.0)
    """Of an arc, from its start, in the plane's two axes."""
    radius: float = 0.0
    store_as: str = ""
    flow: int | None = None
    dwell_s: float = 0.0

    @property
    def plane(self) -> tuple[int, int, int]:
        return _PLANES[self.modal.plane]


def parse(line: str, state: Parser, settings: Settings) -> Block:
    """`line` as `words.stripped` gives it, `$J=` included for a jog. Raises Refused."""
    jog = line.startswith("$J=")
    block = _read(line, 3 if jog else 0, state, jog)
    _check_feed(block, state)
    block.power = block.values.get("S", state.power)
    if block.action == 4:
        if "P" not in block.values:
            raise Refused(28)
        block.dwell_s = block.values.pop("P")
    if block.modal.units == 20:
        for axis in block.axis_words:
            block.values[axis] *= INCH
    if block.axes is For.LENGTH and block.modal.length == 43.1 and block.axis_words != {"Z"}:
        raise Refused(37)
    same = block.modal.system == state.modal.system
    block.system = state.system if same else settings.offset(block.modal.system)
    _check_action(block, state, settings)
    _check_motion(block, state)
    _check_unused(block)
    return block


def _read(line: str, at: int, state: Parser, jog: bool) -> Block:
    """The words one by one, with the errors that a word by itself can have."""
    block = Block(modal=replace(state.modal, motion=1.0) if jog else state.modal, values={}, jog=jog)
    groups: set[str] = set()
    while at < len(line):
        letter = line[at]
        if not "A" <= letter <= "Z":
            raise Refused(1)
        value, at = number(line, at + 1)
        if letter == "G":
            group = _g_word(value, block)
        elif letter == "M":
            group = _m_word(value, block)
        else:
            _value_word(letter, value, block)
            continue
        if group in groups:
            raise Refused(21)
        groups.add(group)
    block.axis_words = frozenset(block.values.keys() & set(_AXES))
    if block.axis_words and block.axes is For.NOTHING:
        block.axes = For.MOTION
    # Refused only after the other checks, as GRBL does.
    block.odd_jog = jog and bool(groups - {"distance", "units", "action"} or block.action not in (0, 53))
    if block.values.get("N", 0) > _TOP_LINE:
        raise Refused(27)
    return block


def _g_word(value: float, block: Block) -> str:
    code = round(value, 2)
    if code not in _MODAL:
        whole = float(int(code))
        # 38.x, 43.x, 90.1 and the like are unknown commands; other fractions are "not an integer".
        odd = whole in _MODAL and whole not in (28, 30, 43, 49, 90, 91, 92, 61)
        raise Refused(23 if odd and code != whole else 20)
    group = _MODAL[code]
    if (group == "motion" and code != 80) or code in _WITH_AXES or group == "length":
        if block.axes is not For.NOTHING:
            raise Refused(24)
        block.axes = {"motion": For.MOTION, "length": For.LENGTH}.get(group, For.ACTION)
    modal = block.modal
    if group == "motion":
        block.modal = replace(modal, motion=code)
    elif group == "plane":
        block.modal = replace(modal, plane=int(code))
    elif group == "distance":
        block.modal = replace(modal, distance=int(code))
    elif group == "feed":
        block.modal = replace(modal, feed_mode=int(code))
    elif group == "units":
        block.modal = replace(modal, units=int(code))
    elif group == "length":
        block.modal = replace(modal, length=code)
    elif group == "system":
        block.modal = replace(modal, system=f"G{int(code)}")
    elif group == "action":
        block.action = code
    return group


def _m_word(value: float, block: Block) -> str:
    code = int(value)
    if value != code:
        raise Refused(23)
    if code in _M_GROUPS:
        if _M_GROUPS[code] == "spindle":
            block.modal = replace(block.modal, spindle=Spindle(code))
        elif code != 1:
            block.flow = code
        return _M_GROUPS[code]
    if code not in (8, 9):
        raise Refused(20)
    block.modal = replace(block.modal, flood=code == 8)
    return "coolant"


def _value_word(letter: str, value: float, block: Block) -> None:
    if letter not in "FIJKLNPRSTXYZ":
        raise Refused(20)
    if letter == "T" and value > _TOP_TOOL:
        raise Refused(38)
    if letter in block.values:
        raise Refused(25)
    if letter in "FNPTS" and value < 0:
        raise Refused(4)
    block.values[letter] = value


def _check_feed(block: Block, state: Parser) -> None:
    scale = INCH if block.modal.units == 20 else 1.0
    if block.jog:
        if "F" not in block.values:
            raise Refused(22)
        block.feed = block.values["F"] * scale
    elif block.modal.feed_mode == 93:
        needs = block.axes is For.MOTION and block.modal.motion not in (0, 80)
        if needs and "F" not in block.values:
            raise Refused(22)
        block.feed = block.values.get("F", 0.0)
    elif state.modal.feed_mode == 94:
        block.feed = block.values["F"] * scale if "F" in block.values else state.feed
    else:
        block.feed = block.values.get("F", 0.0)


def _check_action(block: Block, state: Parser, settings: Settings) -> None:
    if block.action == 10:
        _check_g10(block, state, settings)
    elif block.action == 92:
        if not block.axis_words:
            raise Refused(26)
        block.target = _per_axis(block, state.g92, lambda index, value: _g92_of(block, state, index, value))
    else:
        if block.axes is not For.LENGTH:
            block.target = _target(block, state)
        if block.action in (28, 30):
            goal = settings.offset(f"G{int(block.action)}")
            if block.axis_words:
                block.via = block.target
                goal = _mixed(block, goal, state.position)
            block.target = goal
            block.axes = For.ACTION if block.axis_words else For.NOTHING
        elif block.action == 53 and block.modal.motion not in (0, 1):
            raise Refused(30)


def _check_g10(block: Block, state: Parser, settings: Settings) -> None:
    values = block.values
    if not block.axis_words:
        raise Refused(26)
    if "P" not in values and "L" not in values:  # one of the two is enough for GRBL's check
        raise Refused(28)
    which, how = int(values.pop("P", 0)), int(values.pop("L", 0))
    if which > len(SYSTEMS):
        raise Refused(29)
    if how not in (2, 20) or (how == 2 and "R" in values):
        raise Refused(20)
    block.store_as = SYSTEMS[which - 1] if which else block.modal.system

    def value(index: int, given: float) -> float:
        if how == 2:
            return given
        return state.position[index] - state.g92[index] - given - (state.length if index == 2 else 0.0)

    block.target = _per_axis(block, settings.offset(block.store_as), value)


def _g92_of(block: Block, state: Parser, index: int, value: float) -> float:
    length = state.length if index == 2 else 0.0
    return state.position[index] - block.system[index] - value - length


def _per_axis(block: Block, otherwise: Vector, value: Callable[[int, float], float]) -> Vector:
    x, y, z = (
        value(index, block.values[axis]) if axis in block.axis_words else otherwise[index]
        for index, axis in enumerate(_AXES)
    )
    return (x, y, z)


def _mixed(block: Block, named: Vector, others: Vector) -> Vector:
    return _per_axis(block, others, lambda index, _: named[index])


def _target(block: Block, state: Parser) -> Vector:
    def place(index: int, value: float) -> float:
        if block.action == 53:
            return value
        if block.modal.distance == 91:
            return state.position[index] + value
        return value + block.system[index] + state.g92[index] + (state.length if index == 2 else 0.0)

    return _per_axis(block, state.position, place)


def _check_motion(block: Block, state: Parser) -> None:
    motion = block.modal.motion
    if motion == 80:
        if block.axis_words:
            raise Refused(31)
        return
    if block.axes is not For.MOTION:
        return
    if motion != 0 and block.feed == 0:
        raise Refused(22)
    if motion in (0, 1):
        if not block.axis_words:
            block.axes = For.NOTHING
    elif motion in (2, 3):
        _check_arc(block, state)
    else:
        if not block.axis_words:
            raise Refused(26)
        if block.target == state.position:
            raise Refused(33)


def _check_arc(block: Block, state: Parser) -> None:
    first, second, _ = block.plane
    if not block.axis_words:
        raise Refused(26)
    if not block.axis_words & {_AXES[first], _AXES[second]}:
        raise Refused(32)
    x = block.target[first] - state.position[first]
    y = block.target[second] - state.position[second]
    scale = INCH if block.modal.units == 20 else 1.0
    if "R" in block.values:
        _centre_by_radius(block, x, y, block.values.pop("R") * scale, block.target == state.position)
        return
    if not block.values.keys() & {"IJK"[first], "IJK"[second]}:
        raise Refused(35)
    offsets = [block.values.pop(letter, 0.0) * scale for letter in "IJK"]
    block.centre = (offsets[first], offsets[second])
    block.radius = math.hypot(*block.centre)
    off = abs(math.hypot(x - offsets[first], y - offsets[second]) - block.radius)
    if off > 0.005 and (off > 0.5 or off > 0.001 * block.radius):
        raise Refused(33)


def _centre_by_radius(block: Block, x: float, y: float, radius: float, same: bool) -> None:
    """Of the two circles through both points the one with the shorter way, the other for a negative radius."""
    if same:
        raise Refused(33)
    chord = math.hypot(x, y)
    if chord == 0:  # a screw without a way in its plane has no centre (a real one divides by zero here)
        raise Refused(33)
    square = radius * radius - chord * chord / 4
    if square < 0:
        raise Refused(34)
    # To the left of the way for a turn to the left; a negative radius turns the sides round.
    side = (1.0 if block.modal.motion == 3 else -1.0) * math.copysign(1.0, radius)
    height = side * math.sqrt(square) / chord
    block.centre = (x / 2 - y * height, y / 2 + x * height)
    block.radius = abs(radius)


def _check_unused(block: Block) -> None:
    used = {"N", "F"} if block.jog else {"N", "F", "S", "T"}
    if block.axes is not For.NOTHING:
        used |= set(_AXES)
    if block.values.keys() - used:
        raise Refused(36)
    if block.odd_jog:
        raise Refused(16)
    if block.jog and not block.axis_words:
        raise Refused(26)
