"""What is known of a program once it was read: frozen values that travel as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

Axes = tuple[float, float, float, float]  # X Y Z E


class Kind(StrEnum):
    """What sort of machine a program speaks to; worked out from its commands, not from its name."""

    FDM = "fdm"
    LASER = "laser"
    CNC = "cnc"


class Source(StrEnum):
    """Who says so: the slicer's own notes, or our pass over the moves."""

    SLICER = "slicer"
    MOTION = "motion"


class LimitsSource(StrEnum):
    """Whose machine limits the motion time was planned with, before what the program itself sets (M201...)."""

    GIVEN = "given"
    SLICER = "slicer"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineLimits:
    """What a machine's planner allows; mm, s. The defaults are those of a Creality Ender-3 (Prusa's profile)."""

    feed_mm_s: Axes = (500.0, 500.0, 10.0, 60.0)
    acceleration_mm_s2: Axes = (500.0, 500.0, 100.0, 5000.0)
    jerk_mm_s: Axes = (8.0, 8.0, 0.4, 5.0)
    print_mm_s2: float = 500.0
    retract_mm_s2: float = 1000.0
    travel_mm_s2: float = 500.0
    deviation_mm: float = 0.0  # junction deviation; 0: classic jerk
    min_feed_mm_s: float = 0.0
    min_travel_feed_mm_s: float = 0.0


DEFAULT = MachineLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box in machine coordinates, mm. An axis that never moved has 0 to 0."""

    min_x_mm: float
    min_y_mm: float
    min_z_mm: float
    max_x_mm: float
    max_y_mm: float
    max_z_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """At `line` a value first rose to `value`, above all before it."""

    value: float
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stairs:
    """How far each quantity went, step by step with the line: so any limit can be checked later without the file.

    `min_*` hold the value negated (steps always rise). mm and °C. Beyond 128 steps every second one is dropped,
    the highest never.
    """

    min_x: tuple[Step, ...] = ()
    min_y: tuple[Step, ...] = ()
    min_z: tuple[Step, ...] = ()
    max_x: tuple[Step, ...] = ()
    max_y: tuple[Step, ...] = ()
    max_z: tuple[Step, ...] = ()
    nozzle: tuple[Step, ...] = ()
    bed: tuple[Step, ...] = ()
    chamber: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A command outside the everyday ones: its normal form ("M500", "$32", "@PAUSE", "SAVE_CONFIG"), where first."""

    command: str
    line: int
    count: int
    text: str  # the first one as written, at most 80 characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Filament:
    """One tool's filament. `motion_mm` is ours, `stated_*` the slicer's; `used_mm` and `weight_g` are the answer."""

    tool: int
    used_mm: float
    weight_g: float
    source: Source
    weight_source: Source
    motion_mm: float
    stated_mm: float | None = None
    stated_g: float | None = None
    material: str | None = None
    diameter_mm: float = 1.75
    density_g_cm3: float = 1.24


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A thumbnail that the slicer put in; QOI is named here but not kept."""

    width_px: int
    height_px: int
    format: str  # png, jpg, qoi


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """The largest PNG or JPG of a program, checked by its first bytes; at most 1 MiB."""

    width_px: int
    height_px: int
    format: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Slicer:
    """What the slicer wrote about itself and its settings; None and () where it did not."""

    name: str | None = None
    version: str | None = None
    time_s: float | None = None
    filament_mm: tuple[float, ...] = ()  # by extruder
    filament_g: tuple[float, ...] = ()  # by extruder, or one sum
    materials: tuple[str, ...] = ()
    diameters_mm: tuple[float, ...] = ()
    densities_g_cm3: tuple[float, ...] = ()
    nozzle_mm: tuple[float, ...] = ()
    layer_height_mm: float | None = None
    layers: int | None = None
    printer_model: str | None = None
    technology: str | None = None
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What a program will take. Lines count from 1; times in s, without heating and homing."""

    kind: Kind
    size_bytes: int
    lines: int
    commands: int
    moves: int
    first_line: int  # of the first and the last command
    last_line: int
    duration_s: float
    duration_source: Source
    motion_s: float
    stated_s: float | None
    limits_source: LimitsSource
    filament: tuple[Filament, ...]
    filament_mm: float
    filament_g: float
    work_mm: Box | None  # moves that extrude, or cut
    travel_mm: Box | None  # all moves
    nozzle_c: float | None
    nozzle_line: int | None
    bed_c: float | None
    bed_line: int | None
    chamber_c: float | None
    layers: int
    tools: tuple[int, ...]
    tool_changes: int
    arcs: int
    homes: int
    inches: bool
    relative: bool  # G91 appears
    stairs: Stairs
    incidents: tuple[Incident, ...]
    incidents_hidden: int  # commands outside the everyday ones that had no room in `incidents`
    slicer: Slicer = field(default_factory=Slicer)
