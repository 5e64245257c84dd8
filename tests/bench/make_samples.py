"""Makes tests/samples/sliced again with PrusaSlicer (Debian's `prusa-slicer`): `python -m tests.bench.make_samples`.

The printers' profiles are read from the two sliced files in tests/samples; each file changes what is named here.
"""

from __future__ import annotations

import gzip
import subprocess
import tempfile
from pathlib import Path

from tests.bench.shapes import ball, vase, write_stl

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
MK3S, ENDER3 = SAMPLES / "gear_mk3s_petg.gcode", SAMPLES / "name_tag_ender3_pla.gcode"
PLA = ("--temperature=215", "--first-layer-temperature=215", "--bed-temperature=60")
FAST = (  # a quick printer of today, with Marlin 2's own words
    "--gcode-flavor=marlin2",
    "--machine-max-acceleration-x=5000",
    "--machine-max-acceleration-y=5000",
    "--machine-max-acceleration-extruding=4000",
    "--machine-max-acceleration-travel=5000",
    "--machine-max-acceleration-retracting=2500",
    "--machine-max-jerk-x=9",
    "--machine-max-jerk-y=9",
    "--machine-limits-usage=emit_to_gcode",
    "--default-acceleration=4000",
    "--perimeter-acceleration=2500",
    "--perimeter-speed=150",
    "--external-perimeter-speed=110",
    "--infill-speed=200",
    "--slowdown-below-layer-time=2",
)

# name -> model, profile, changes
FILES: dict[str, tuple[str, Path, tuple[str, ...]]] = {
    "ball_mk3s_pla": ("ball", MK3S, (*PLA, "--filament-type=PLA", "--layer-height=0.2")),
    "ball_ender3_pla": ("ball", ENDER3, ("--layer-height=0.28",)),
    "ball_fast_pla": ("ball", ENDER3, FAST),
    "vase_mk3s_petg_spiral": (
        "vase",
        MK3S,
        (
            "--spiral-vase",
            "--perimeters=1",
            "--top-solid-layers=0",
            "--fill-density=0%",
            "--layer-height=0.25",
        ),
    ),
    "vase_ender3_pla": ("vase", ENDER3, ("--layer-height=0.35", "--perimeters=1", "--fill-density=0%")),
    "vase_fast_pla": (
        "vase",
        ENDER3,
        (
            *FAST,
            "--layer-height=0.35",
            "--perimeters=1",
            "--fill-density=0%",
            "--use-relative-e-distances=0",
            "--before-layer-gcode=;BEFORE",
        ),
    ),
    "gear_ender3_pla": ("gear", ENDER3, ("--layer-height=0.2",)),
    "cube_hole_mk3s_petg": ("cube_hole", MK3S, ("--layer-height=0.2",)),
    "cube_hole_fast_pla": ("cube_hole", ENDER3, FAST),
    "name_tag_mk3s_petg": ("name_tag", MK3S, ("--layer-height=0.2",)),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        write_stl(ball(), room / "ball.stl")
        write_stl(vase(), room / "vase.stl")
        for out, (model, profile, changes) in FILES.items():
            made = room / f"{model}.stl"
            stl = made if made.exists() else SAMPLES / "stl" / f"{model}.stl"
            gcode = room / f"{out}.gcode"
            command = ["prusa-slicer", "--load", profile, *changes, "-g", "-o", gcode, stl]
            subprocess.run(
                [str(part) for part in command],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            target = SAMPLES / "sliced" / f"{out}.gcode.gz"
            target.write_bytes(gzip.compress(gcode.read_bytes(), 9, mtime=0))
            print(f"{target.name}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
