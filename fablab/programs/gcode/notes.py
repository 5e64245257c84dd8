"""What slicers write into their comments: time, material, printer, pictures. Each has its own words.

Sources: files of PrusaSlicer, SuperSlicer, OrcaSlicer, Bambu Studio, Cura, ideaMaker and Simplify3D. CuraEngine
may leave placeholders in its header (`;TIME:6666`, `;Filament used: 0m`): its last `;TIME_ELAPSED` is the truth.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from fablab.programs.gcode.facts import MachineLimits, Picture, Slicer, Thumbnail

PICTURE_LIMIT_BYTES = 1 << 20
PICTURES_MAX = 16
TIME_LIMIT_S = 366 * 86_400.0
CURA_PLACEHOLDER_S = 6666.0
TEXT_LIMIT = 80
NOTE_LIMIT = 400  # characters of a comment that are looked at

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|m|s)[a-z]*", re.IGNORECASE)
_UNIT_S = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_GENERATOR = re.compile(
    r"(?:generated (?:by|with)|sliced by)\s+(PrusaSlicer|SuperSlicer|OrcaSlicer|BambuStudio|Bambu Studio|"
    r"Cura_SteamEngine|ideaMaker|Simplify3D|Slic3r|KISSlicer|Creality[ _]?Print)(?:\(R\))?"
    r"[\s,]*(?:version\s+|v)?([0-9][\w.+-]*)?",
    re.IGNORECASE,
)
_BAMBU = re.compile(r"^BambuStudio\s+([\w.+-]+)")
_NAMES = {
    "prusaslicer": "PrusaSlicer",
    "superslicer": "SuperSlicer",
    "orcaslicer": "OrcaSlicer",
    "bambustudio": "Bambu Studio",
    "bambu studio": "Bambu Studio",
    "cura_steamengine": "Cura",
    "ideamaker": "ideaMaker",
    "simplify3d": "Simplify3D",
}
_PICTURE = re.compile(r"^thumbnail(?:_(PNG|JPG|QOI))?\s+(begin|end)\b(?:\s+(\d{1,5})\s*[x ]\s*(\d{1,5}))?")
_SPLIT = re.compile(r"\s*[=:]\s*|,")


def duration_s(text: str) -> float | None:
    """Seconds of "1d 2h 3m 4s", "0 hours 58 minutes" or a bare number of seconds."""
    parts = _DURATION.findall(text)
    if parts:
        total = sum(float(number) * _UNIT_S[unit.lower()] for number, unit in parts)
    elif match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*", text):
        total = float(match[1])
    else:
        return None
    return total if 0 < total <= TIME_LIMIT_S else None


def numbers(text: str) -> tuple[float, ...]:
    """The non-negative numbers of a list, at most 16 of them: "1.75,1.75" or "0.4;0.4"."""
    return tuple(min(float(n), 1e9) for n in _NUMBER.findall(text)[:16])


def words(text: str) -> tuple[str, ...]:
    parts = (part.strip().strip('"') for part in re.split("[;,]", text)[:16])
    return tuple(plain(part) for part in parts if part)


def plain(text: str) -> str:
    """Fit for a screen: printable characters only, bounded."""
    return "".join(c for c in text if c.isprintable())[:TEXT_LIMIT].strip()


def _metres(text: str) -> tuple[float, ...]:
    return tuple(1000.0 * n for n in numbers(text))


def _first(text: str) -> tuple[float, ...]:
    return numbers(text)[:1]


def _total_s(text: str) -> float | None:
    """Bambu: "11m 56s; total estimated time: 18m 36s"; the total holds the machine's own preparation."""
    return duration_s(text.rpartition("total estimated time:")[2])


# key (in lower case) -> field of the reader, how to read the value. A later line of a file wins over an earlier.
_TIMES: dict[str, tuple[str, Callable[[str], float | None]]] = {
    "estimated printing time (normal mode)": ("stated", duration_s),
    "estimated printing time": ("stated", duration_s),
    "model printing time": ("stated", _total_s),
    "total estimated time": ("stated", duration_s),
    "print time": ("stated", duration_s),
    "print.time": ("stated", duration_s),
    "build time": ("stated", duration_s),
    "time": ("header", duration_s),
    "time_elapsed": ("elapsed", duration_s),
}
_LISTS: dict[str, tuple[str, Callable[[str], tuple[float, ...]]]] = {
    "filament used [mm]": ("mm", numbers),
    "total filament length [mm]": ("mm", numbers),
    "filament used": ("mm", _metres),
    "filament length": ("mm", _first),
    "filament used [g]": ("g", numbers),
    "total filament weight [g]": ("g", numbers),
    "total filament used [g]": ("g_sum", numbers),
    "plastic weight": ("g", _first),
    "filament_diameter": ("diameter", numbers),
    "filamentdiameters": ("diameter", numbers),
    "filament diameter": ("diameter", numbers),
    "filament_density": ("density", numbers),
    "filament density": ("density", numbers),
    "nozzle_diameter": ("nozzle", numbers),
    "extruderdiameter": ("nozzle", numbers),
    "nozzle diameter": ("nozzle", numbers),
    "extruder_train.0.nozzle.diameter": ("nozzle", numbers),
    "layer_height": ("layer_height", numbers),
    "layer height": ("layer_height", numbers),
    "layerheight": ("layer_height", numbers),
    "layer_count": ("layers", numbers),
    "total layer number": ("layers", numbers),
    "total layers count": ("layers", numbers),
}
_TEXTS = {
    "filament_type": "material",
    "printmaterial": "material",
    "material": "material",
    "printer_model": "printer",
    "target_machine.name": "printer",
    "printer": "printer",
    "technology": "technology",
}
_MATERIAL_USED = re.compile(r"material#(\d{1,2}) used")


class NoteReader:
    """Fed with every comment that may matter, in the order of the file; says at the end what it learnt."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._version: str | None = None
        self._times: dict[str, float] = {}
        self._lists: dict[str, tuple[float, ...]] = {}
        self._texts: dict[str, tuple[str, ...]] = {}
        self._idea_mm: dict[int, float] = {}
        self._pictures: list[Picture] = []
        self._open: Picture | None = None
        self._lines: list[str] = []
        self._room = 0
        self._best: Thumbnail | None = None

    def comment(self, text: str) -> None:
        """One comment without its end of line; the leading `;` may still be there."""
        text = text.lstrip("; ").rstrip()
        if text.startswith("thumbnail"):
            self._picture(text[:NOTE_LIMIT])
        elif self._open is not None:
            self._room -= len(text)
            if self._room >= 0:
                self._lines.append(text)
        else:
            self._note(text[:NOTE_LIMIT])

    def _note(self, text: str) -> None:
        if self._name is None and self._generator(text):
            return
        parts = _SPLIT.split(text, maxsplit=1)
        if len(parts) != 2 or not parts[1]:
            return
        key, value = parts[0].strip().lower(), parts[1].strip()
        if key in _TIMES:
            name, read = _TIMES[key]
            seconds = read(value)
            if seconds is not None:
                self._times[name] = seconds
        elif key in _LISTS:
            target, read_list = _LISTS[key]
            found = read_list(value)
            if found:
                self._lists[target] = found
        elif key in _TEXTS:
            target = _TEXTS[key]
            found_words = words(value) if target == "material" else (plain(value),)
            if found_words and found_words[0]:
                self._texts[target] = found_words
        elif match := _MATERIAL_USED.fullmatch(key):
            self._idea_mm[min(int(match[1]), 16)] = sum(numbers(value)[:1])

    def _generator(self, text: str) -> bool:
        if match := _GENERATOR.search(text):
            self._name = _NAMES.get(match[1].lower(), plain(match[1]))
            self._version = plain(match[2].rstrip(".,")) if match[2] else None
        elif match := _BAMBU.match(text):
            self._name, self._version = "Bambu Studio", plain(match[1])
        else:
            return False
        return True

    def _picture(self, text: str) -> None:
        match = _PICTURE.match(text)
        if match is None:
            return
        if match[2] == "end":
            self._close()
        elif match[3] and len(self._pictures) < PICTURES_MAX:
            self._open = Picture(
                width_px=int(match[3]), height_px=int(match[4]), format=(match[1] or "png").lower()
            )
            self._lines, self._room = [], PICTURE_LIMIT_BYTES * 4 // 3 + 4

    def _close(self) -> None:
        seen, self._open = self._open, None
        if seen is None:
            return
        self._pictures.append(seen)
        if self._room < 0:
            return
        try:
            data = base64.b64decode("".join(self._lines), validate=True)
        except (binascii.Error, ValueError):
            return
        found = picture_format(data)
        area = seen.width_px * seen.height_px
        if found is None or (self._best and area <= self._best.width_px * self._best.height_px):
            return
        self._best = Thumbnail(width_px=seen.width_px, height_px=seen.height_px, format=found, data=data)

    @property
    def thumbnail(self) -> Thumbnail | None:
        return self._best

    def _time_s(self) -> float | None:
        if "elapsed" in self._times:
            return self._times["elapsed"]
        header = self._times.get("header")
        if header == CURA_PLACEHOLDER_S:
            header = None
        return self._times.get("stated", header)

    def facts(self) -> Slicer:
        get = self._lists.get
        mm = tuple(self._idea_mm[k] for k in sorted(self._idea_mm)) or get("mm", ())
        grams = get("g", ())
        if not any(grams):
            grams = get("g_sum", ())
        heights, layers = get("layer_height", ()), get("layers", ())
        name = self._name or ("Cura" if "elapsed" in self._times else None)
        return Slicer(
            name=name,
            version=self._version,
            time_s=self._time_s(),
            filament_mm=mm if any(mm) else (),
            filament_g=grams if any(grams) else (),
            materials=self._texts.get("material", ()),
            diameters_mm=get("diameter", ()),
            densities_g_cm3=get("density", ()),
            nozzle_mm=get("nozzle", ()),
            layer_height_mm=heights[0] if heights and heights[0] > 0 else None,
            layers=int(layers[0]) if layers and layers[0] >= 1 else None,
            printer_model=self._texts.get("printer", (None,))[0],
            technology=self._texts.get("technology", (None,))[0],
            pictures=tuple(self._pictures),
        )


def picture_format(data: bytes) -> str | None:
    """What the first bytes say: "png", "jpg", or None for anything that a browser should not be given."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    return None


_SETTING = re.compile(rb"^; *(machine_m(?:ax|in)_\w+|gcode_flavor) *= *([^\r\n]{1,200})", re.MULTILINE)


def limits_from(text: bytes) -> MachineLimits | None:
    """The machine limits that PrusaSlicer and its kin note in their settings; None where they are not all there.

    The first of several values is the normal mode. The older Marlin knows no travel acceleration of its own.
    """
    settings = {key.decode(): value.decode("ascii", "replace") for key, value in _SETTING.findall(text)}

    def one(name: str) -> float:
        return numbers(settings[f"machine_{name}"])[0]

    def four(name: str) -> tuple[float, float, float, float]:
        return one(f"{name}_x"), one(f"{name}_y"), one(f"{name}_z"), one(f"{name}_e")

    try:
        feed, acceleration, jerk = four("max_feedrate"), four("max_acceleration"), four("max_jerk")
        extruding = one("max_acceleration_extruding")
        legacy = settings.get("gcode_flavor", "marlin").strip() == "marlin"
        travel = extruding if legacy else one("max_acceleration_travel") or extruding
        found = MachineLimits(
            feed_mm_s=feed,
            acceleration_mm_s2=acceleration,
            jerk_mm_s=jerk,
            print_mm_s2=extruding,
            retract_mm_s2=one("max_acceleration_retracting"),
            travel_mm_s2=travel,
            min_feed_mm_s=one("min_extruding_rate"),
            min_travel_feed_mm_s=one("min_travel_rate"),
        )
    except (KeyError, IndexError):
        return None
    usable = min(*feed, *acceleration, extruding, found.retract_mm_s2, travel) > 0
    return found if usable else None
