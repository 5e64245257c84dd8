"""The machine inside the machine: reads G-code bytes, keeps a firmware's state, plans every move.

Everything here is compiled by numba and runs without the GIL. It holds no Python object: a program's state is a
few flat arrays (`new_state`), so one call eats one block of whole lines and the next call goes on where it ended.
Uncompiled (NUMBA_DISABLE_JIT=1) the same functions give the same numbers; a test compares them.

All of it stands in one file on purpose: numba's cache looks only at the age of the file a function stands in.

The planner is the one of Marlin: per-axis speed and acceleration limits, classic jerk (M205 X Y Z E) or junction
deviation (M205 J), a look-ahead over many moves, trapezoids. Lengths in mm, times in s.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
P = ParamSpec("P")
R = TypeVar("R")

# --- where things stand in the float state -------------------------------------------------------------------
X, Y, Z, E = 0, 1, 2, 3  # X Y Z: on the machine; E: as the program counts it
OFFSET = 4  # 3: machine = program + offset (G92)
FEED, SPEED, FLOW, UNIT = 7, 8, 9, 10  # mm/s; M220; M221; mm per program unit
V_MAX, A_MAX, JERK = 11, 15, 19  # 4 each
A_PRINT, A_RETRACT, A_TRAVEL, DEVIATION, V_MIN, V_MIN_TRAVEL = 23, 24, 25, 26, 27, 28
TIME, POWER, TOP_Z, FEED_AREA = 29, 30, 31, 32
WORK_BOX, ALL_BOX = 33, 39  # 6 each: min x y z, max x y z
PREV_V, PREV_SPEED, PREV_SAFE, PREV_DIR = 45, 49, 50, 51  # 4, 1, 1, 4
FLOATS = 55

# --- where things stand in the integer state -----------------------------------------------------------------
LINE, AFTER_CR, RELATIVE, RELATIVE_E, PLANE, TOOL, MOTION, QUEUED = 0, 1, 2, 3, 4, 5, 6, 7
MOVES, COMMANDS, FIRST_LINE, LAST_LINE, LAYERS, LAYER_NOTES, TOOL_CHANGES = 8, 9, 10, 11, 12, 13, 14
INCHES, SPINDLE, SPINDLE_SEEN, EXTRUDED, ARCS, HOMES, PICTURE, RELATIVE_SEEN = 15, 16, 17, 18, 19, 20, 21, 22
HEATED, DEEP, EVENTS, TROUBLE = 23, 24, 25, 26
INTS = 27

TOOLS = 16
NET, USED = 0, 1  # columns of the tools table, mm of filament

# --- staircases: each time a value rises above all before it, with its line ----------------------------------
X_MIN, Y_MIN, Z_MIN, X_MAX, Y_MAX, Z_MAX, NOZZLE, BED, CHAMBER = 0, 1, 2, 3, 4, 5, 6, 7, 8
STAIRS, STAIR_LENGTH = 9, 128

# --- the queue of planned moves ------------------------------------------------------------------------------
LENGTH, ACCELERATION, CRUISE, ENTRY, ENTRY_MAX, SAFE = 0, 1, 2, 3, 4, 5
QUEUE, LOOK_AHEAD = 512, 64

# --- what goes to Python: (kind, from byte, to byte, line) ----------------------------------------------------
COMMENT, COMMAND, ODD = 0, 1, 2
EVENT_ROOM = 4096
HEADER_LINES = 2000  # every comment up to here is shown to Python; later ones only where they hold = or :
LINE_LIMIT = 128 * 1024
LINE_TOO_LONG = 1

# --- what the reader does with a code ------------------------------------------------------------------------
RARE, QUIET, KNOWN = (
    0,
    1,
    2,
)  # RARE: Python is told, rest of line skipped; QUIET: rest skipped; KNOWN: read on
ARC_SEGMENT_MM, ARC_SEGMENTS_A_TURN, ARC_SEGMENTS_MAX = 1.0, 72.0, 512
TINY = 1e-9


def _table(known: tuple[int, ...], quiet: tuple[int, ...]) -> Bytes:
    table = np.zeros(1000, dtype=np.uint8)
    table[list(known)] = KNOWN
    table[list(quiet)] = QUIET
    return table


_G = _table(
    (
        0,
        1,
        2,
        3,
        4,
        10,
        11,
        17,
        18,
        19,
        20,
        21,
        28,
        40,
        49,
        53,
        54,
        55,
        56,
        57,
        58,
        59,
        61,
        64,
        80,
        90,
        91,
        92,
        94,
    ),
    (12, 27, 29, 34, 35, 60, 425),
)
_M = _table(
    (2, 3, 4, 5, 6, 7, 8, 9, 82, 83, 104, 109, 140, 141, 190, 191, 201, 203, 204, 205, 220, 221, 400, 200),
    (
        17,
        18,
        73,
        84,
        105,
        106,
        107,
        113,
        114,
        115,
        117,
        155,
        207,
        208,
        209,
        240,
        300,
        420,
        486,
        569,
        572,
        593,
        862,
        900,
    ),
)
_POW10 = 10.0 ** np.arange(19)
_LAYERS = (
    np.frombuffer(b"LAYER_CHANGE", dtype=np.uint8),
    np.frombuffer(b"LAYER:", dtype=np.uint8),
    np.frombuffer(b"CHANGE_LAYER", dtype=np.uint8),
)
_WORD_LAYER = np.frombuffer(b"layer ", dtype=np.uint8)  # Simplify3D: a number follows
_WORD_PICTURE = np.frombuffer(b"thumbnail", dtype=np.uint8)
_CHATTER = (  # comments of every few lines, with nothing in them for us
    np.frombuffer(b"TYPE:", dtype=np.uint8),
    np.frombuffer(b"WIDTH:", dtype=np.uint8),
    np.frombuffer(b"HEIGHT:", dtype=np.uint8),
    np.frombuffer(b"Z:", dtype=np.uint8),
    np.frombuffer(b"MESH:", dtype=np.uint8),
    np.frombuffer(b"FEATURE:", dtype=np.uint8),
    np.frombuffer(b"LINE_WIDTH:", dtype=np.uint8),
    np.frombuffer(b"LAYER_HEIGHT:", dtype=np.uint8),
    np.frombuffer(b"Z_HEIGHT:", dtype=np.uint8),
)


class State(Protocol):
    """A program's whole state between two blocks; sizes are fixed, so memory does not grow with the program.

    At run time one numpy record: unlike a tuple of arrays it is handed on without counting references, which
    is half of the running time otherwise.
    """

    f: Floats
    n: Ints
    tools: Floats
    stairs: Floats
    stair_lines: Ints
    stair_counts: Ints
    queue: Floats
    words: Floats
    codes: Ints
    events: Ints


_STATE = np.dtype(
    [
        ("f", np.float64, (FLOATS,)),
        ("n", np.int64, (INTS,)),
        ("tools", np.float64, (TOOLS, 2)),
        ("stairs", np.float64, (STAIRS, STAIR_LENGTH)),
        ("stair_lines", np.int64, (STAIRS, STAIR_LENGTH)),
        ("stair_counts", np.int64, (STAIRS,)),
        ("queue", np.float64, (QUEUE, 6)),
        ("words", np.float64, (26,)),
        ("codes", np.int64, (8,)),
        ("events", np.int64, (EVENT_ROOM, 4)),
    ],
    align=True,
)


def new_state() -> State:
    s = cast(State, np.zeros(1, dtype=_STATE).view(np.recarray)[0])
    f = s.f
    f[SPEED] = f[FLOW] = f[UNIT] = f[FEED_AREA] = 1.0
    f[FEED] = 25.0  # a firmware's feed before the first F: Marlin starts at 1500 mm/min
    for box in (WORK_BOX, ALL_BOX):
        f[box : box + 3] = np.inf
        f[box + 3 : box + 6] = -np.inf
    f[TOP_Z] = -np.inf
    s.n[MOTION] = -1
    return s


def _compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile, keep the result on disk beside the source or under NUMBA_CACHE_DIR, else only in memory."""
    try:
        done: Any = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba finds no folder it may write to
        done = numba.njit(nogil=True, error_model="numpy")(function)
    return cast(Callable[P, R], done)


# --- planner -------------------------------------------------------------------------------------------------


@_compiled
def trapezoid_s(length: float, acceleration: float, cruise: float, entry: float, leave: float) -> float:
    """Seconds for `length` mm that begins at `entry`, ends at `leave` and never exceeds `cruise` mm/s."""
    ramps = (2.0 * cruise * cruise - entry * entry - leave * leave) / (2.0 * acceleration)
    if ramps <= length:
        return (2.0 * cruise - entry - leave) / acceleration + (length - ramps) / cruise
    peak = math.sqrt(acceleration * length + 0.5 * (entry * entry + leave * leave))
    if peak < entry or peak < leave:  # the look-ahead was too short to brake in time: an even ramp
        return 2.0 * length / (entry + leave)
    return (2.0 * peak - entry - leave) / acceleration


@_compiled
def retire(s: State, keep: int) -> None:
    """Plan the whole queue, add up all moves but the last `keep`, and let those wait for what follows."""
    queue, count = s.queue, s.n[QUEUED]
    leave = queue[count - 1, SAFE] if count else 0.0
    for i in range(count - 1, 0, -1):
        leave = min(
            queue[i, ENTRY_MAX], math.sqrt(leave * leave + 2.0 * queue[i, ACCELERATION] * queue[i, LENGTH])
        )
        queue[i, ENTRY] = leave
    for i in range(1, count):
        before = queue[i - 1, ENTRY]
        reach = math.sqrt(before * before + 2.0 * queue[i - 1, ACCELERATION] * queue[i - 1, LENGTH])
        if queue[i, ENTRY] > reach:
            queue[i, ENTRY] = reach
    total = 0.0
    for i in range(count - keep):
        leave = queue[i + 1, ENTRY] if i + 1 < count else queue[i, SAFE]
        total += trapezoid_s(
            queue[i, LENGTH], queue[i, ACCELERATION], queue[i, CRUISE], queue[i, ENTRY], leave
        )
    s.f[TIME] += total
    for i in range(keep):
        for k in range(6):
            queue[i, k] = queue[count - keep + i, k]
    s.n[QUEUED] = keep


@_compiled
def stand_still(s: State) -> None:
    """The machine comes to rest (G4, heating, homing, the end): no speed is carried over."""
    retire(s, 0)
    s.f[PREV_SPEED] = 0.0


@_compiled
def jerk_speed(s: State, speed: float, safe: float, direction: tuple[float, float, float, float]) -> float:
    """Greatest speed at the corner after the last move under classic jerk limits (Marlin, `planner.cpp`)."""
    f = s.f
    corner = min(speed, f[PREV_SPEED])
    scale = corner / f[PREV_SPEED]
    factor = 1.0
    for a in range(4):
        leaving = f[PREV_V + a] * scale * factor
        arriving = corner * direction[a] * factor
        if leaving > arriving:
            jump = leaving - arriving if arriving > 0.0 or leaving < 0.0 else max(leaving, -arriving)
        else:
            jump = arriving - leaving if arriving < 0.0 or leaving > 0.0 else max(-leaving, arriving)
        if jump > f[JERK + a]:
            factor *= f[JERK + a] / jump
    corner *= factor
    if f[PREV_SAFE] > corner * 0.99 and safe > corner * 0.99:
        return safe  # stopping between the moves is no slower than rounding the corner
    return float(corner)


@_compiled
def deviation_speed(
    s: State, speed: float, length: float, acceleration: float, direction: tuple[float, float, float, float]
) -> float:
    """Greatest speed at the corner under junction deviation (Marlin, GRBL): a circle that misses it by J mm."""
    f = s.f
    cosine = 0.0
    for a in range(4):
        cosine -= f[PREV_DIR + a] * direction[a]
    corner = min(speed, f[PREV_SPEED])
    if cosine > 0.999999:
        return 0.0
    if cosine < -0.999999:
        return float(corner)
    half = math.sqrt(0.5 * (1.0 - cosine))
    across = math.sqrt(2.0 + 2.0 * cosine)  # length of the change of direction
    limit = acceleration
    for a in range(4):
        part = abs(direction[a] - f[PREV_DIR + a]) / across
        if limit * part > f[A_MAX + a]:
            limit = f[A_MAX + a] / part
    square = limit * f[DEVIATION] * half / (1.0 - half)
    if length < 1.0 and cosine < -0.7071:  # short pieces of a curve: the curve's own radius counts
        square = min(square, length / (math.pi - math.acos(-cosine)) * limit) if cosine > -1.0 else square
    return float(min(corner, math.sqrt(square)))


@_compiled
def push(s: State, dx: float, dy: float, dz: float, de: float, length: float, feed: float) -> None:
    """Queue one straight move; `length` of the way in space (0: filament only), `feed` wished in mm/s."""
    f, n, queue = s.f, s.n, s.queue
    acceleration = f[A_PRINT] if de > 0.0 or n[SPINDLE] else f[A_TRAVEL]
    if length < TINY:
        length = abs(de)
        acceleration = f[A_RETRACT]
        if length < TINY:
            return
    speed = max(feed, f[V_MIN] if de > 0.0 else f[V_MIN_TRAVEL])
    direction = (dx / length, dy / length, dz / length, de / length)
    for a in range(4):
        part = abs(direction[a])
        if part * speed > f[V_MAX + a]:
            speed = f[V_MAX + a] / part
        if part * acceleration > f[A_MAX + a]:
            acceleration = f[A_MAX + a] / part
    safe = speed
    for a in range(4):
        part = abs(direction[a])
        if part * speed > f[JERK + a]:
            safe = min(safe, f[JERK + a])
    if f[DEVIATION] > 0.0:
        safe = 0.0
    corner = safe
    if f[PREV_SPEED] > 0.0:
        if f[DEVIATION] > 0.0:
            corner = deviation_speed(s, speed, length, acceleration, direction)
        else:
            corner = jerk_speed(s, speed, safe, direction)
    if n[QUEUED] == QUEUE:
        retire(s, LOOK_AHEAD)
    i = n[QUEUED]
    queue[i, LENGTH] = length
    queue[i, ACCELERATION] = acceleration
    queue[i, CRUISE] = speed
    queue[i, ENTRY] = safe
    queue[i, ENTRY_MAX] = corner
    queue[i, SAFE] = safe
    n[QUEUED] = i + 1
    f[PREV_SPEED] = speed
    f[PREV_SAFE] = safe
    for a in range(4):
        f[PREV_V + a] = direction[a] * speed
        f[PREV_DIR + a] = direction[a]


# --- what was reached, and where -----------------------------------------------------------------------------


@_compiled
def climb(s: State, stair: int, value: float) -> None:
    """Note `value` if it is the highest yet; when the room is full every second step is forgotten."""
    count = s.stair_counts[stair]
    if count and value <= s.stairs[stair, count - 1]:
        return
    if count == STAIR_LENGTH:
        for i in range(STAIR_LENGTH // 2):
            s.stairs[stair, i] = s.stairs[stair, 2 * i + 1]
            s.stair_lines[stair, i] = s.stair_lines[stair, 2 * i + 1]
        count = STAIR_LENGTH // 2
    s.stairs[stair, count] = value
    s.stair_lines[stair, count] = s.n[LINE] + 1
    s.stair_counts[stair] = count + 1


@_compiled
def reach(s: State, axis: int, at: float, working: bool) -> None:
    f = s.f
    if at < f[ALL_BOX + axis]:
        f[ALL_BOX + axis] = at
        climb(s, X_MIN + axis, -at)
    if at > f[ALL_BOX + 3 + axis]:
        f[ALL_BOX + 3 + axis] = at
        climb(s, X_MAX + axis, at)
    if working:
        f[WORK_BOX + axis] = min(f[WORK_BOX + axis], at)
        f[WORK_BOX + 3 + axis] = max(f[WORK_BOX + 3 + axis], at)


@_compiled
def work_at(s: State) -> None:
    """Material is placed or cut from here: the box of the work, and a new layer where it is higher than ever."""
    f = s.f
    for axis in range(3):
        f[WORK_BOX + axis] = min(f[WORK_BOX + axis], f[axis])
        f[WORK_BOX + 3 + axis] = max(f[WORK_BOX + 3 + axis], f[axis])


# --- commands ------------------------------------------------------------------------------------------------


@_compiled
def has(mask: int, letter: int) -> bool:
    return (mask >> (letter - 65)) & 1 == 1


@_compiled
def feed_filament(s: State, de: float) -> float:
    """Account for `de` mm of filament (after flow); gives it back for the planner."""
    if de != 0.0:
        tool = s.n[TOOL]
        s.tools[tool, NET] += de
        if s.tools[tool, NET] > s.tools[tool, USED]:
            s.tools[tool, USED] = s.tools[tool, NET]
            s.n[EXTRUDED] = 1
    return de


@_compiled
def arc(
    s: State, mask: int, target: tuple[float, float, float], de: float, feed: float, working: bool
) -> bool:
    """G2, G3 in the chosen plane, by I J K or R; False where it describes no circle."""
    f, n, w = s.f, s.n, s.words
    a, b, c = 0, 1, 2
    if n[PLANE] == 18:
        a, b, c = 2, 0, 1
    elif n[PLANE] == 19:
        a, b, c = 1, 2, 0
    clockwise = n[MOTION] == 2
    da, db = target[a] - f[a], target[b] - f[b]
    if has(mask, 82):
        chord = math.hypot(da, db)
        radius = w[17] * f[UNIT]
        if chord < TINY or abs(radius) < TINY:
            return False
        height = math.sqrt(max(0.0, radius * radius - 0.25 * chord * chord)) / chord
        if clockwise == (radius > 0.0):
            height = -height
        ca, cb = 0.5 * da - height * db, 0.5 * db + height * da
    else:
        ca = w[8 + a] * f[UNIT] if has(mask, 73 + a) else 0.0
        cb = w[8 + b] * f[UNIT] if has(mask, 73 + b) else 0.0
    radius = math.hypot(ca, cb)
    if radius < TINY:
        return False
    start = math.atan2(-cb, -ca)
    sweep = (math.atan2(db - cb, da - ca) - start) % (2.0 * math.pi)
    if clockwise:
        sweep -= 2.0 * math.pi
    if abs(sweep) < TINY:  # back to where it began: a whole circle
        sweep = -2.0 * math.pi if clockwise else 2.0 * math.pi
    ca += f[a]
    cb += f[b]
    for quarter in range(-6, 7):
        angle = quarter * 0.5 * math.pi
        if min(start, start + sweep) <= angle <= max(start, start + sweep):
            reach(s, a, ca + radius * math.cos(angle), working)
            reach(s, b, cb + radius * math.sin(angle), working)
    flat = abs(sweep) * radius
    wish = max(flat / ARC_SEGMENT_MM, abs(sweep) / (2.0 * math.pi) * ARC_SEGMENTS_A_TURN, 1.0)
    pieces = int(min(wish, ARC_SEGMENTS_MAX))
    rise = (target[c] - f[c]) / pieces
    length = math.hypot(flat / pieces, rise)
    turn = sweep / pieces
    for i in range(pieces):
        middle = start + (i + 0.5) * turn
        along = flat / pieces if sweep > 0.0 else -flat / pieces
        pa, pb = -math.sin(middle) * along, math.cos(middle) * along
        if a == 0:
            push(s, pa, pb, rise, de / pieces, length, feed)
        elif a == 2:
            push(s, pb, rise, pa, de / pieces, length, feed)
        else:
            push(s, rise, pa, pb, de / pieces, length, feed)
    n[ARCS] += 1
    return True


@_compiled
def go(s: State, mask: int) -> None:
    """One G0, G1, G2 or G3."""
    f, n, w = s.f, s.n, s.words
    unit = f[UNIT]
    if has(mask, 70) and w[5] > 0.0:
        f[FEED] = w[5] * unit / 60.0
    if n[SPINDLE_SEEN] and has(mask, 83):
        f[POWER] = w[18]
    x, y, z = f[X], f[Y], f[Z]
    if has(mask, 88):
        x = x + w[23] * unit if n[RELATIVE] else w[23] * unit + f[OFFSET]
    if has(mask, 89):
        y = y + w[24] * unit if n[RELATIVE] else w[24] * unit + f[OFFSET + 1]
    if has(mask, 90):
        z = z + w[25] * unit if n[RELATIVE] else w[25] * unit + f[OFFSET + 2]
    de = 0.0
    if has(mask, 69):
        if n[RELATIVE_E] or n[RELATIVE]:
            de = w[4] * unit
            f[E] += de
        else:
            de = w[4] * unit - f[E]
            f[E] = w[4] * unit
        de = feed_filament(s, de * f[FLOW] * f[FEED_AREA])
    dx, dy, dz = x - f[X], y - f[Y], z - f[Z]
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    curved = n[MOTION] >= 2
    moving = length > TINY or curved
    working = moving and (de > 0.0 or (n[SPINDLE] == 1 and n[MOTION] > 0 and f[POWER] > 0.0))
    feed = f[FEED] * f[SPEED]
    if n[MOTION] == 0 and n[SPINDLE_SEEN] and not n[EXTRUDED]:
        feed = 1e9  # a rapid of GRBL: as fast as the axes go
    if working:
        work_at(s)
    if not curved or not arc(s, mask, (x, y, z), de, feed, working):
        push(s, dx, dy, dz, de, length, feed)
    if has(mask, 88):
        reach(s, 0, x, working)
    if has(mask, 89):
        reach(s, 1, y, working)
    if has(mask, 90):
        reach(s, 2, z, working)
    f[X], f[Y], f[Z] = x, y, z
    if working:
        work_at(s)
        if z > f[TOP_Z] + 0.01:
            f[TOP_Z] = z
            n[LAYERS] += 1
        if z < -TINY:
            n[DEEP] = 1
    n[MOVES] += 1


@_compiled
def set_limits(s: State, mask: int, first: int, scale: float, zero_counts: bool) -> None:
    """X Y Z E of M201, M203, M205 into four places of the state; nonsense (0, negative) changes nothing."""
    for a in range(4):
        letter = 88 + a if a < 3 else 69
        if has(mask, letter):
            value = s.words[letter - 65] * scale
            if value > 0.0 or (zero_counts and value == 0.0):
                s.f[first + a] = value


@_compiled
def heat(s: State, mask: int, stair: int) -> None:
    value = -1.0
    if has(mask, 83):
        value = s.words[18]
    if has(mask, 82):
        value = max(value, s.words[17])
    if value > 0.0:
        climb(s, stair, value)
        s.n[HEATED] = 1


@_compiled
def run_m(s: State, code: int, mask: int) -> None:
    """One M command of those the tables call KNOWN; `code` is ten times its number."""
    f, n, w = s.f, s.n, s.words
    if code == 30 or code == 40:
        n[SPINDLE] = 1
        n[SPINDLE_SEEN] = 1
        if has(mask, 83):
            f[POWER] = w[18]
    elif code == 50:
        n[SPINDLE] = 0
    elif code == 820:
        n[RELATIVE_E] = 0
    elif code == 830:
        n[RELATIVE_E] = 1
    elif code == 1040 or code == 1090:
        heat(s, mask, NOZZLE)
    elif code == 1400 or code == 1900:
        heat(s, mask, BED)
    elif code == 1410 or code == 1910:
        heat(s, mask, CHAMBER)
    elif code == 2010:
        set_limits(s, mask, A_MAX, f[UNIT], False)
    elif code == 2030:
        set_limits(s, mask, V_MAX, f[UNIT], False)
    elif code == 2040:
        if has(mask, 83) and w[18] > 0.0:
            f[A_PRINT] = f[A_TRAVEL] = w[18]
            if has(mask, 84) and w[19] > 0.0:
                f[A_RETRACT] = w[19]  # the older Marlin, which the MK3 speaks: T is the retraction
        else:
            if has(mask, 80) and w[15] > 0.0:
                f[A_PRINT] = w[15]
            if has(mask, 82) and w[17] > 0.0:
                f[A_RETRACT] = w[17]
            if has(mask, 84) and w[19] > 0.0:
                f[A_TRAVEL] = w[19]
    elif code == 2050:
        set_limits(s, mask, JERK, f[UNIT], True)
        if has(mask, 74) and w[9] >= 0.0:
            f[DEVIATION] = w[9]
        if has(mask, 83) and w[18] >= 0.0:
            f[V_MIN] = w[18]
        if has(mask, 84) and w[19] >= 0.0:
            f[V_MIN_TRAVEL] = w[19]
    elif code == 2200 and has(mask, 83) and w[18] > 0.0:
        f[SPEED] = 0.01 * w[18]
    elif code == 2210 and has(mask, 83) and w[18] > 0.0 and (not has(mask, 84) or w[19] == n[TOOL]):
        f[FLOW] = 0.01 * w[18]
    elif code == 2000 and has(mask, 68):
        f[FEED_AREA] = 1.0 / (0.25 * math.pi * w[3] * w[3]) if w[3] > 0.0 else 1.0  # E in mm3 from here on
    if code == 1090 or code == 1900 or code == 1910 or code == 4000 or code == 60:
        stand_still(s)


@_compiled
def run_g(s: State, code: int, mask: int) -> bool:
    """One G command of those the tables call KNOWN; True where it used up the axis words of its line."""
    f, n, w = s.f, s.n, s.words
    if code <= 30:
        n[MOTION] = code // 10
    elif code == 40:
        stand_still(s)
        if has(mask, 83):
            f[TIME] += max(0.0, w[18])
        elif has(mask, 80):  # GRBL counts P in seconds, Marlin in milliseconds
            f[TIME] += max(0.0, w[15]) * (1.0 if n[SPINDLE_SEEN] and not n[EXTRUDED] else 0.001)
        return True
    elif 170 <= code <= 190:
        n[PLANE] = code // 10
    elif code == 200:
        f[UNIT] = 25.4
        n[INCHES] = 1
    elif code == 210:
        f[UNIT] = 1.0
    elif code == 280:
        stand_still(s)
        every = not (has(mask, 88) or has(mask, 89) or has(mask, 90))
        for a in range(3):
            if every or has(mask, 88 + a):
                f[a] = f[OFFSET + a] = 0.0
        n[HOMES] += 1
        return True
    elif code == 900:
        n[RELATIVE] = 0
    elif code == 910:
        n[RELATIVE] = n[RELATIVE_SEEN] = 1
    elif code == 920:
        every = not (has(mask, 88) or has(mask, 89) or has(mask, 90) or has(mask, 69))
        for a in range(3):
            if every or has(mask, 88 + a):
                f[OFFSET + a] = f[a] - (0.0 if every else w[23 + a] * f[UNIT])
        if every or has(mask, 69):
            f[E] = 0.0 if every else w[4] * f[UNIT]
        return True
    elif code == 100 or code == 110:
        return True  # firmware retraction gives back what it took; G10 with a tool or an offset moves nothing
    elif code == 921:
        f[OFFSET] = f[OFFSET + 1] = f[OFFSET + 2] = 0.0
        return True
    return False


@_compiled
def change_tool(s: State, tool: int) -> None:
    if 0 <= tool < TOOLS and tool != s.n[TOOL]:
        stand_still(s)
        s.n[TOOL] = tool
        s.n[TOOL_CHANGES] += 1


_T, _M_BASE = 200_000, 100_000
_MOTION_WORDS = (1 << 23) | (1 << 24) | (1 << 25) | (1 << 4) | (1 << 8) | (1 << 9) | (1 << 10) | (1 << 17)


@_compiled
def execute(s: State, count: int, mask: int) -> None:
    """Run the codes of one line in order, then the motion that the line asks for."""
    n = s.n
    free = True
    explicit = False
    for i in range(count):
        code = s.codes[i]
        if code >= _T:
            change_tool(s, code - _T)
            free = False
        elif code >= _M_BASE:
            run_m(s, code - _M_BASE, mask)
            free = False
        else:
            if code <= 30:
                explicit = True
            if run_g(s, code, mask):
                free = False
    if explicit or (free and n[MOTION] >= 0 and mask & _MOTION_WORDS):
        go(s, mask)
    elif free and has(mask, 70) and s.words[5] > 0.0:
        s.f[FEED] = s.words[5] * s.f[UNIT] / 60.0
    if free and not explicit and n[SPINDLE_SEEN] and has(mask, 83):
        s.f[POWER] = s.words[18]


# --- reader --------------------------------------------------------------------------------------------------


@_compiled
def starts(buf: Bytes, i: int, end: int, word: Bytes) -> bool:
    if end - i < word.size:
        return False
    for k in range(word.size):  # noqa: SIM110 - a plain loop is what compiles
        if buf[i + k] != word[k]:
            return False
    return True


@_compiled
def line_end(buf: Bytes, i: int) -> int:
    while buf[i] != 10 and buf[i] != 13:
        i += 1
    return i


@_compiled
def tell(s: State, kind: int, start: int, end: int) -> None:
    events, n = s.events, s.n
    if n[EVENTS] < EVENT_ROOM:
        at = n[EVENTS]
        events[at, 0] = kind
        events[at, 1] = start
        events[at, 2] = end
        events[at, 3] = n[LINE] + 1
        n[EVENTS] = at + 1


@_compiled
def read_comment(s: State, buf: Bytes, i: int, end: int) -> None:
    """A comment with a line of its own: counts layers, and tells Python what may be a slicer's note."""
    n = s.n
    start = i
    while i < end and (buf[i] == 59 or buf[i] == 32):
        i += 1
    if starts(buf, i, end, _WORD_PICTURE):
        n[PICTURE] = 1 - n[PICTURE]
        tell(s, COMMENT, start, end)
        return
    for note in _LAYERS:
        if starts(buf, i, end, note):
            n[LAYER_NOTES] += 1
            return
    if starts(buf, i, end, _WORD_LAYER) and 48 <= buf[i + _WORD_LAYER.size] <= 57:
        n[LAYER_NOTES] += 1
        return
    for word in _CHATTER:
        if starts(buf, i, end, word):
            return
    if n[LINE] < HEADER_LINES or n[PICTURE]:
        tell(s, COMMENT, start, end)
        return
    for k in range(i, end):
        if buf[k] == 58 or buf[k] == 61:
            tell(s, COMMENT, start, end)
            return


@_compiled
def read_number(buf: Bytes, i: int) -> tuple[float, int]:
    """A decimal number at `i` and where it ends; where none stands, the end is `i` itself."""
    start = i
    negative = False
    c = int(buf[i])
    if c == 45 or c == 43:
        negative = c == 45
        i += 1
        c = int(buf[i])
    mantissa, digits, beyond, decimals, seen = 0, 0, 0, 0, False
    while 48 <= c <= 57:
        seen = True
        if digits < 18:
            mantissa = mantissa * 10 + (c - 48)
            digits += mantissa > 0
        else:
            beyond += 1
        i += 1
        c = int(buf[i])
    if c == 46:
        i += 1
        c = int(buf[i])
        while 48 <= c <= 57:
            seen = True
            if digits < 18 and decimals < 18:
                mantissa = mantissa * 10 + (c - 48)
                digits += mantissa > 0
                decimals += 1
            i += 1
            c = int(buf[i])
    if not seen:
        return 0.0, start
    value = mantissa / _POW10[decimals] * _POW10[min(beyond, 18)]
    return (-value if negative else value), i


@_compiled
def read_line(s: State, buf: Bytes, i: int) -> int:
    """Read the words of one line and run them; gives the place of the line's end."""
    begin, count = i, 0
    mask = i - begin  # 0, but a constant would make numba compile everything behind it twice
    while True:
        c = int(buf[i])
        if c == 10 or c == 13:
            break
        if c == 32 or c == 9 or c == 37 or (c == 47 and mask == 0):  # blank, tab, % and block delete
            i += 1
            continue
        if c == 59:
            end = line_end(buf, i)
            if count == 0 and mask == 0:
                read_comment(s, buf, i, end)
            i = end
            break
        if c == 40:
            while buf[i] != 41 and buf[i] != 10 and buf[i] != 13:
                i += 1
            i += buf[i] == 41
            continue
        if c == 42:  # a checksum ends the line
            i = line_end(buf, i)
            break
        if 97 <= c <= 122:
            c -= 32
        if c < 65 or c > 90:
            end = line_end(buf, i)
            tell(s, COMMAND if count == 0 and mask == 0 else ODD, i, end)
            i = end
            break
        word = i
        i += 1
        while buf[i] == 32:
            i += 1
        value, after = read_number(buf, i)
        if after == i:
            i = word + 1
            follow = int(buf[i]) & 0xDF
            if count == 0 and mask == 0 and (65 <= follow <= 90 or buf[i] == 95):  # a name: Klipper's words
                end = line_end(buf, i)
                if c != 84:  # Tx, Tc, T?: a person or the firmware chooses the tool
                    tell(s, COMMAND, word, end)
                i = end
                break
            mask |= 1 << (c - 65)
            s.words[c - 65] = 0.0
            continue
        i = after
        if c == 71 or c == 77:
            code = int(value * 10.0 + 0.5) if 0.0 <= value < 1000.0 else 9990
            kind = _G[code // 10] if c == 71 else _M[code // 10]
            if kind != KNOWN or (code % 10 and code != 921):
                end = line_end(buf, i)
                if kind != QUIET:
                    tell(s, COMMAND, word, end)
                i = end
                if count == 0:
                    count = -1  # a command of its own: the words of the line are not ours to run
                break
            if count < 8:
                s.codes[count] = code if c == 71 else _M_BASE + code
                count += 1
        elif c == 84 and count == 0:
            s.codes[0] = _T + (int(value) if 0.0 <= value < 1000.0 else 999)
            count = 1
        elif c != 78:  # N is the number of the line
            mask |= 1 << (c - 65)
            s.words[c - 65] = value
    if count > 0 and s.codes[0] == 100 and has(mask, 76):
        tell(s, COMMAND, begin, line_end(buf, begin))  # G10 L: a stored offset is written
    if count != 0 or mask != 0:
        n = s.n
        n[COMMANDS] += 1
        n[LAST_LINE] = n[LINE] + 1
        if n[FIRST_LINE] == 0:
            n[FIRST_LINE] = n[LAST_LINE]
        if count >= 0:
            execute(s, count, mask)
    if i - begin > LINE_LIMIT:
        s.n[TROUBLE] = LINE_TOO_LONG
    return i


@_compiled
def scan(s: State, buf: Bytes, i: int, stop: int) -> int:
    """Run whole lines from byte `i`; `buf[stop - 1]` ends a line. Gives the first byte not yet read.

    Comes back before `stop` when the events need emptying (set `n[EVENTS]` to 0 and call again), or with
    `n[TROUBLE]` set when line `n[LINE] + 1` cannot be read.
    """
    n = s.n
    while i < stop:
        if n[AFTER_CR]:
            n[AFTER_CR] = 0
            if buf[i] == 10:
                i += 1
                continue
        if n[EVENTS] >= EVENT_ROOM - 2:
            break
        i = read_line(s, buf, i)
        if n[TROUBLE]:
            break
        n[AFTER_CR] = buf[i] == 13
        n[LINE] += 1
        i += 1
    return i
