"""What a program will take: one pass over its bytes in constant memory, by the slicer's word and by our own reckoning.

`analyse` reads G-code of FDM printers, lasers and mills. Slicers note time, filament and pictures in comments
(`notes`); whatever they say, a planner as firmware has it goes over every move (`kernel`), for time, filament,
bounds and heat. `facts` has the values that come out.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

from fablab.base.errors import Invalid
from fablab.programs.gcode.blocks import BLOCK_BYTES, LINE_LIMIT_BYTES, Feed, blocks, peek
from fablab.programs.gcode.facts import (
    DEFAULT,
    Analysis,
    Axes,
    Box,
    Filament,
    Incident,
    Kind,
    LimitsSource,
    MachineLimits,
    Picture,
    Slicer,
    Source,
    Stairs,
    Step,
    Thumbnail,
)
from fablab.programs.gcode.notes import TIME_LIMIT_S, NoteReader, limits_from

__all__ = [
    "DEFAULT",
    "Analysis",
    "Axes",
    "Box",
    "Cancelled",
    "Filament",
    "Incident",
    "Kind",
    "LimitsSource",
    "MachineLimits",
    "Picture",
    "Slicer",
    "Source",
    "Stairs",
    "Step",
    "Thumbnail",
    "analyse",
    "command_name",
    "warm",
]

INCIDENTS_MAX = 256
DENSITY_G_CM3 = {  # of the kinds a FabLab stocks, by their makers' data sheets
    "PLA": 1.24,
    "PETG": 1.27,
    "PET": 1.27,
    "ABS": 1.04,
    "ASA": 1.07,
    "TPU": 1.21,
    "FLEX": 1.21,
    "PA": 1.12,
    "NYLON": 1.12,
    "PC": 1.20,
    "PP": 0.90,
    "HIPS": 1.04,
    "PVA": 1.23,
}
DENSITY_DEFAULT_G_CM3 = 1.24
DIAMETER_DEFAULT_MM = 1.75
# A stated time that is under a third of what the moves alone take belongs to another program, or to a fraud.
DISTRUST_RATIO = 3.0


class Cancelled(Exception):
    """The caller's `cancelled` said yes; nothing was kept."""


def analyse(
    source: Feed,
    limits: MachineLimits | None = None,
    *,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    on_thumbnail: Callable[[Thumbnail], None] | None = None,
) -> Analysis:
    """Read a program once, from a binary file or from chunks of any size; 256 KiB are held at a time.

    `limits`: the machine's; without them those of the slicer's settings count if `source` is a seekable file
    (its last and first 256 KiB are looked at beforehand), else `DEFAULT`. What the program sets itself (M201,
    M203, M204, M205) counts from there on. `progress` is told the bytes done after each block, and `cancelled`
    asked: `Cancelled` is raised. `on_thumbnail` gets the largest PNG or JPG at the end, if any.

    Raises `Invalid` (field "file"): "program.empty" without any command, "program.binary", "program.bgcode",
    "program.line_too_long", "program.too_long" beyond a year of motion.
    """
    from fablab.programs.gcode import kernel  # here, not above: it loads numba

    return run(source, limits, kernel, BLOCK_BYTES, progress, cancelled, on_thumbnail)


def warm() -> None:
    """Compile the kernel, or load it from numba's cache: 10 to 20 s the first time, then 0.2 s."""
    analyse([b"G28\nG1 X1 E1 F600\nG2 X2 I1\n"])


def run(
    source: Feed,
    limits: MachineLimits | None,
    kernel: ModuleType,
    block_bytes: int,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    on_thumbnail: Callable[[Thumbnail], None] | None = None,
) -> Analysis:
    """`analyse` with the kernel and the size of blocks to choose: tests bring the uncompiled kernel."""
    origin = LimitsSource.GIVEN
    if limits is None:
        noted = cast("MachineLimits | None", peek(source, limits_from))
        limits, origin = (noted, LimitsSource.SLICER) if noted else (DEFAULT, LimitsSource.DEFAULT)
    reading = _Pass(kernel, limits)
    size_bytes = 0
    for block, size_bytes in blocks(source, block_bytes):
        if cancelled is not None and cancelled():
            raise Cancelled
        reading.block(block)
        if progress is not None:
            progress(size_bytes)
    analysis = reading.finish(size_bytes, origin)
    if on_thumbnail is not None and reading.notes.thumbnail is not None:
        on_thumbnail(reading.notes.thumbnail)
    return analysis


_CODE = re.compile(r"([GMT])\s*0*(\d+(?:\.\d+)?)", re.IGNORECASE)
_DOLLAR = re.compile(r"\$(\d+|[A-Z]*)", re.IGNORECASE)
_NAME = re.compile(r"[A-Z_]\w{0,39}", re.IGNORECASE)


def command_name(text: str) -> str:
    """The normal form of a rare command: "m0500 S1" -> "M500", "$32=1" -> "$32", "@pause x" -> "@PAUSE"."""
    text = text.strip()
    if match := _CODE.match(text):
        name = match[1].upper() + match[2]
        rest = text[match.end() :].upper()
        if name == "G10" and "L" in rest:
            return "G10 L"
        return f"{name} ACTION" if name == "M118" and "ACTION:" in rest else name
    if match := _DOLLAR.match(text):
        return match[0].upper()
    if text.startswith("@"):
        return "@" + "".join(c for c in text[1:24].upper().split(" ")[0] if c.isalnum())
    if match := _NAME.match(text):
        return match[0].upper()
    return text[:1] if text[:1].isascii() else "NON_ASCII"


class _Pass:
    """One program on its way through the kernel, and what Python notes beside it."""

    def __init__(self, kernel: ModuleType, limits: MachineLimits) -> None:
        self._k = kernel
        self._s: Any = kernel.new_state()
        self._incidents: OrderedDict[str, tuple[int, int, str]] = OrderedDict()
        self._hidden = 0
        self.notes = NoteReader()
        k, f = kernel, self._s.f
        f[k.V_MAX : k.V_MAX + 4] = limits.feed_mm_s
        f[k.A_MAX : k.A_MAX + 4] = limits.acceleration_mm_s2
        f[k.JERK : k.JERK + 4] = limits.jerk_mm_s
        f[k.A_PRINT], f[k.A_RETRACT], f[k.A_TRAVEL] = (
            limits.print_mm_s2,
            limits.retract_mm_s2,
            limits.travel_mm_s2,
        )
        f[k.DEVIATION] = limits.deviation_mm
        f[k.V_MIN], f[k.V_MIN_TRAVEL] = limits.min_feed_mm_s, limits.min_travel_feed_mm_s

    def block(self, block: bytes) -> None:
        import numpy as np

        k, s = self._k, self._s
        buffer = np.frombuffer(block, dtype=np.uint8)
        at = 0
        while at < len(block):
            at = k.scan(s, buffer, at, len(block))
            for i in range(s.n[k.EVENTS]):
                kind, start, end, line = s.events[i].tolist()
                if kind == k.COMMENT:
                    self.notes.comment(block[start:end].decode("utf-8", "replace"))
                else:
                    self._incident(block[start : min(end, start + 80)], line)
            s.n[k.EVENTS] = 0
            if s.n[k.TROUBLE]:
                raise Invalid("program.line_too_long", field="file", limit_bytes=LINE_LIMIT_BYTES)

        self._motion_s()

    def _motion_s(self) -> float:
        """So far; asked after every block, so that an absurd program does not get to take its absurd time."""
        motion_s = float(self._s.f[self._k.TIME])
        if not math.isfinite(motion_s) or motion_s > TIME_LIMIT_S:
            raise Invalid("program.too_long", field="file", limit_days=int(TIME_LIMIT_S / 86_400))
        return motion_s

    def _incident(self, raw: bytes, line: int) -> None:
        text = raw.decode("utf-8", "replace")
        name = command_name(text)
        if name in self._incidents:
            first, count, words = self._incidents[name]
            self._incidents[name] = (first, count + 1, words)
        elif len(self._incidents) < INCIDENTS_MAX:
            printable = "".join(c if c.isprintable() else " " for c in text).partition(";")[0]
            self._incidents[name] = (line, 1, printable.strip())
        else:
            self._hidden += 1

    def finish(self, size_bytes: int, origin: LimitsSource) -> Analysis:
        k, s = self._k, self._s
        k.stand_still(s)
        n = [int(value) for value in s.n]
        if n[k.COMMANDS] == 0:
            raise Invalid("program.empty", field="file")
        motion_s = self._motion_s()
        slicer = self.notes.facts()
        stated_s = slicer.time_s
        trusted = stated_s is not None and stated_s * DISTRUST_RATIO >= motion_s
        stairs = self._stairs()
        filament = self._filament(slicer)
        nozzle, bed = stairs.nozzle[-1:], stairs.bed[-1:]
        return Analysis(
            kind=self._kind(slicer),
            size_bytes=size_bytes,
            lines=n[k.LINE],
            commands=n[k.COMMANDS],
            moves=n[k.MOVES],
            first_line=n[k.FIRST_LINE],
            last_line=n[k.LAST_LINE],
            duration_s=stated_s if trusted and stated_s is not None else motion_s,
            duration_source=Source.SLICER if trusted else Source.MOTION,
            motion_s=motion_s,
            stated_s=stated_s,
            limits_source=origin,
            filament=filament,
            filament_mm=sum(one.used_mm for one in filament),
            filament_g=sum(one.weight_g for one in filament),
            work_mm=self._box(k.WORK_BOX),
            travel_mm=self._box(k.ALL_BOX),
            nozzle_c=nozzle[0].value if nozzle else None,
            nozzle_line=nozzle[0].line if nozzle else None,
            bed_c=bed[0].value if bed else None,
            bed_line=bed[0].line if bed else None,
            chamber_c=stairs.chamber[-1].value if stairs.chamber else None,
            layers=n[k.LAYER_NOTES] or slicer.layers or n[k.LAYERS],
            tools=tuple(one.tool for one in filament),
            tool_changes=n[k.TOOL_CHANGES],
            arcs=n[k.ARCS],
            homes=n[k.HOMES],
            inches=bool(n[k.INCHES]),
            relative=bool(n[k.RELATIVE_SEEN]),
            stairs=stairs,
            incidents=tuple(
                Incident(command=name, line=line, count=count, text=text)
                for name, (line, count, text) in self._incidents.items()
            ),
            incidents_hidden=self._hidden,
            slicer=slicer,
        )

    def _kind(self, slicer: Slicer) -> Kind:
        """By what it does: filament or heat is FDM; cutting below zero, drilling or a tool change is a mill."""
        k, n = self._k, self._s.n
        if n[k.EXTRUDED] or n[k.HEATED]:
            return Kind.FDM
        if slicer.technology and slicer.technology.lower() in ("laser", "cnc"):
            return Kind(slicer.technology.lower())
        drills = any(name in self._incidents for name in ("G81", "G82", "G83", "G73", "G38.2"))
        if n[k.DEEP] or drills or not n[k.SPINDLE_SEEN]:
            return Kind.CNC
        return Kind.LASER

    def _stairs(self) -> Stairs:
        s = self._s
        names = ("min_x", "min_y", "min_z", "max_x", "max_y", "max_z", "nozzle", "bed", "chamber")
        return Stairs(
            **{
                name: tuple(
                    Step(value=float(s.stairs[row, i]), line=int(s.stair_lines[row, i]))
                    for i in range(s.stair_counts[row])
                )
                for row, name in enumerate(names)
            }
        )

    def _box(self, at: int) -> Box | None:
        values = [float(value) for value in self._s.f[at : at + 6]]
        if not any(map(math.isfinite, values)):
            return None
        x0, y0, z0, x1, y1, z1 = (value if math.isfinite(value) else 0.0 for value in values)
        return Box(min_x_mm=x0, min_y_mm=y0, min_z_mm=z0, max_x_mm=x1, max_y_mm=y1, max_z_mm=z1)

    def _filament(self, slicer: Slicer) -> tuple[Filament, ...]:
        k, s = self._k, self._s
        used = [float(s.tools[tool, k.USED]) for tool in range(k.TOOLS)]
        only = [tool for tool in range(k.TOOLS) if used[tool] > 0]
        by_tool = len(slicer.filament_g) >= len(slicer.filament_mm) and len(slicer.filament_g) > 1
        found = []
        for tool in range(k.TOOLS):
            stated_mm = _of(slicer.filament_mm, tool)
            stated_g = _of(slicer.filament_g, tool) if by_tool or only in ([tool], []) else None
            if not by_tool and only == [tool] and slicer.filament_g:
                stated_g = slicer.filament_g[0]
            if used[tool] or stated_mm or stated_g:
                found.append(_one_filament(tool, used[tool], stated_mm, stated_g, slicer))
        return tuple(found)


def _of(values: tuple[float, ...], tool: int) -> float | None:
    return (values[tool] or None) if tool < len(values) else None


def _one_filament(
    tool: int, motion_mm: float, stated_mm: float | None, stated_g: float | None, slicer: Slicer
) -> Filament:
    material = (slicer.materials[tool : tool + 1] or slicer.materials[:1] or (None,))[0]
    kind = re.split(r"[^A-Z]", (material or "").upper())[0]
    diameter = _of(slicer.diameters_mm, tool) or DIAMETER_DEFAULT_MM
    density = _of(slicer.densities_g_cm3, tool) or DENSITY_G_CM3.get(kind, DENSITY_DEFAULT_G_CM3)
    used = stated_mm or motion_mm
    return Filament(
        tool=tool,
        used_mm=used,
        weight_g=stated_g or used * math.pi * diameter * diameter / 4.0 * density / 1000.0,
        source=Source.SLICER if stated_mm else Source.MOTION,
        weight_source=Source.SLICER if stated_g else Source.MOTION,
        motion_mm=motion_mm,
        stated_mm=stated_mm,
        stated_g=stated_g,
        material=material,
        diameter_mm=diameter,
        density_g_cm3=density,
    )
