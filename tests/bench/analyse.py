"""Reading programs: speed beside OctoPrint's own analysis, memory on a large file, error against the slicer's time.

OctoPrint runs as its command line does, on the same files in the same run; what it takes to start (an empty
file) is not counted against it. It reports minutes.
"""

from __future__ import annotations

import gzip
import math
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fablab.programs import gcode
from tests.peers.venvs import peer_env, peer_venv

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
GENERATED_MB, LARGE_MB = 50, 200
CURVED = ("ball", "vase", "gear")


@dataclass(frozen=True, kw_only=True)
class Look:
    """One file read by both; the error is ours or theirs against the slicer's stated time, in percent."""

    name: str
    size_mb: float
    lines: int
    ours_s: float
    theirs_s: float
    error_pct: float | None
    their_error_pct: float | None


def generated(size_bytes: int) -> Iterator[bytes]:
    """A program as a slicer writes it: waving rings of short moves, infill, layer notes; the same every time."""
    yield b"; generated for a bench\nM201 X1000 Y1000 Z200 E5000\nM205 X8 Y8 Z0.4 E4.5\nG28\nG90\nM83\nG1 F2400\n"
    written, layer = 0, 0
    while written < size_bytes:
        layer += 1
        lines = [
            f";LAYER_CHANGE\n;Z:{layer * 0.2:.1f}\n;HEIGHT:0.2\nG1 Z{layer * 0.2:.1f} F720\n;TYPE:Perimeter"
        ]
        for ring in range(4):
            lines.append(
                f"G1 E-.8 F2100\nG1 X{125 + 20 + ring} Y105 F10800\nG1 E.8 F2100\nG1 F{1500 + 300 * ring}"
            )
            for i in range(240):
                angle = i * math.pi / 120
                radius = 20 + ring + math.sin(9 * angle + layer * 0.05)
                x, y = 125 + radius * math.cos(angle), 105 + radius * math.sin(angle)
                lines.append(f"G1 X{x:.3f} Y{y:.3f} E.0{1234 + i}")
        lines.append("M73 P50 R60\n;TYPE:Internal infill\nG1 F4800")
        for i in range(40):
            lines.append(f"G1 X{110 + (i % 2) * 30} Y{90 + i * 0.75:.3f} E.9876")
        chunk = ("\n".join(lines) + "\n").encode()
        written += len(chunk)
        yield chunk


def _write(path: Path, size_mb: int) -> Path:
    with path.open("wb") as file:
        file.writelines(generated(size_mb * 1_000_000))
    return path


def _ours(path: Path) -> tuple[gcode.Analysis, float]:
    """The median of three readings: OctoPrint takes so long that one of it is steady enough."""
    times = []
    for _ in range(3):
        with path.open("rb") as file:
            begin = time.perf_counter()
            analysis = gcode.analyse(file)
            times.append(time.perf_counter() - begin)
    return analysis, statistics.median(times)


def _octoprint(path: Path) -> tuple[float, float | None]:
    """Seconds that its command took, and the print time it answers, in seconds."""
    command = [str(peer_venv("octoprint") / "bin" / "octoprint"), "analysis", "gcode", str(path)]
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=peer_env())
    took = time.perf_counter() - begin
    found = re.search(r"^total_time:\s*([\d.eE+-]+)", done.stdout, re.MULTILINE)
    return took, 60.0 * float(found[1]) if found else None


def look(path: Path, start_s: float) -> Look:
    analysis, ours_s = _ours(path)
    theirs_s, answer_s = _octoprint(path)
    stated = analysis.stated_s
    return Look(
        name=path.stem,
        size_mb=analysis.size_bytes / 1e6,
        lines=analysis.lines,
        ours_s=ours_s,
        theirs_s=max(theirs_s - start_s, 1e-3),
        error_pct=100.0 * (analysis.motion_s / stated - 1.0) if stated else None,
        their_error_pct=100.0 * (answer_s / stated - 1.0) if stated and answer_s else None,
    )


def growth_mb(path: Path) -> float:
    """How much a fresh process grows at its peak while it reads `path`, beyond what it held when warm."""
    command = [sys.executable, "-m", "tests.bench.analyse", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=SAMPLES.parents[1])
    return float(done.stdout)


def _measure_growth(path: Path) -> float:
    def status_kb(key: str) -> int:
        found = re.search(rf"^{key}:\s+(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1])

    gcode.warm()
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = status_kb("VmRSS")
    with path.open("rb") as file:
        gcode.analyse(file)
    return (status_kb("VmHWM") - before) / 1024.0


def samples(room: Path) -> list[Path]:
    """All sliced samples as plain files."""
    for packed in sorted((SAMPLES / "sliced").glob("*.gz")):
        (room / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return sorted([*room.glob("*.gcode"), *SAMPLES.glob("*.gcode")], key=lambda path: path.name)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def _table(looks: list[Look]) -> Table:
    table = Table(title="Reading programs, beside OctoPrint 1.11.8")
    for head in (
        "file",
        "MB",
        "lines",
        "MB/s",
        "lines/s",
        "OctoPrint MB/s",
        "times",
        "error %",
        "OctoPrint's %",
    ):
        table.add_column(head, justify="left" if head == "file" else "right")
    for one in looks:
        table.add_row(
            one.name,
            f"{one.size_mb:.1f}",
            f"{one.lines:,}",
            f"{one.size_mb / one.ours_s:.1f}",
            f"{one.lines / one.ours_s:,.0f}",
            f"{one.size_mb / one.theirs_s:.2f}",
            f"{one.theirs_s / one.ours_s:.0f}",
            _percent(one.error_pct),
            _percent(one.their_error_pct),
        )
    return table


def run(console: Console) -> dict[str, float]:
    gcode.warm()
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        files = samples(room)
        empty = room / "empty.g"
        empty.touch()
        start_s = min(_octoprint(empty)[0] for _ in range(3))
        big = look(_write(room / "generated_50mb.g", GENERATED_MB), start_s)
        looks = [look(path, start_s) for path in files]
        grown = growth_mb(_write(room / "generated_200mb.g", LARGE_MB))
    console.print(_table([big, *looks]))
    errors = [abs(one.error_pct) for one in looks if one.error_pct is not None]
    theirs = [abs(one.their_error_pct) for one in looks if one.their_error_pct is not None]
    curved = sum(one.name.startswith(CURVED) for one in looks)
    console.print(
        f"{len(errors)} sliced files, {curved} of them curved: median error {statistics.median(errors):.2f} %"
    )
    console.print(
        f"OctoPrint: median error {statistics.median(theirs):.2f} %" if theirs else "OctoPrint: no times"
    )
    console.print(f"memory growth on {LARGE_MB} MB: {grown:.1f} MB")
    return {
        "mb_per_s": round(big.size_mb / big.ours_s, 1),
        "lines_per_s": round(big.lines / big.ours_s),
        "ratio_octoprint": round(big.theirs_s / big.ours_s, 1),
        "growth_mb_200mb": round(grown, 1),
        "median_abs_error_pct": round(statistics.median(errors), 2),
        "max_abs_error_pct": round(max(errors), 2),
    }


if __name__ == "__main__":
    print(_measure_growth(Path(sys.argv[1])))
