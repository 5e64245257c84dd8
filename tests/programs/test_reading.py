"""The way bytes come makes no difference, and what is no program is refused in plain codes."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fablab.base.errors import Invalid
from fablab.programs import gcode

Read = Callable[..., gcode.Analysis]

LINES = (
    "G1 X10 Y5 E1 F1200",
    "G1 X-1.5 E.5",
    "G2 X0 Y0 I5 J5 E1",
    "G91",
    "G90",
    "M83",
    "M82",
    "G92 E0",
    "G20",
    "G28",
    "T1",
    "M104 S210",
    "M205 J0.02",
    "M205 X8",
    "G4 P10",
    "M500",
    "$1=2",
    ";LAYER_CHANGE",
    "; filament used [g] = 4.5",
    ";TIME_ELAPSED:9.5",
    "; é € ☃",
    "M3 S100",
    "S0",
    "X5 Y5",
    "(note) G0 Z3",
    "M201 X900",
    "",
    "   ",
)
PROGRAMS = st.lists(st.sampled_from(LINES), min_size=1, max_size=60)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@settings(deadline=None, max_examples=60)
@given(lines=PROGRAMS, end=ENDS, last=st.booleans(), cuts=st.lists(st.integers(1, 40), min_size=1))
def test_any_chunking_gives_the_same_analysis(
    lines: list[str], end: str, last: bool, cuts: list[int]
) -> None:
    data = ("G28" + end + end.join(lines) + (end if last else "")).encode()

    def pieces() -> Iterator[bytes]:
        at, turn = 0, 0
        while at < len(data):
            size = cuts[turn % len(cuts)]
            yield data[at : at + size]
            at, turn = at + size, turn + 1

    assert gcode.analyse(pieces()) == gcode.analyse([data]) == gcode.analyse(BytesIO(data))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=PROGRAMS, end=ENDS, size=st.integers(1, 200))
def test_any_size_of_block_gives_the_same_analysis(
    kernel: ModuleType, lines: list[str], end: str, size: int
) -> None:
    data = ("G28" + end + end.join(lines)).encode()
    whole = gcode.run([data], gcode.DEFAULT, kernel, 1 << 18)
    assert gcode.run([data], gcode.DEFAULT, kernel, size) == whole


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=PROGRAMS, end=ENDS)
def test_compiled_and_uncompiled_agree(
    kernel: ModuleType, plain_kernel: ModuleType, lines: list[str], end: str
) -> None:
    data = ("G28" + end + end.join(lines)).encode()
    assert_close(
        gcode.run([data], gcode.DEFAULT, kernel, 4096), gcode.run([data], gcode.DEFAULT, plain_kernel, 4096)
    )


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.text(alphabet="GMTXYZEFSIJRP0123456789.-+;*()%/$@!~ \t\r\nglé#", max_size=300))
def test_noise_does_the_same_to_both_and_harms_neither(
    kernel: ModuleType, plain_kernel: ModuleType, noise: str
) -> None:
    outcomes = []
    for each in (kernel, plain_kernel):
        try:
            outcomes.append(gcode.run([b"G28\n" + noise.encode()], gcode.DEFAULT, each, 4096))
        except Invalid as refused:
            outcomes.append(refused.code)
    if isinstance(outcomes[0], str):
        assert outcomes[0] == outcomes[1]
    else:
        assert_close(outcomes[0], outcomes[1])


def assert_close(one: gcode.Analysis, other: gcode.Analysis) -> None:
    def flat(value: object, path: str = "") -> Iterator[tuple[str, object]]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from flat(inner, f"{path}.{key}")
        elif isinstance(value, list):
            for at, inner in enumerate(value):
                yield from flat(inner, f"{path}[{at}]")
        else:
            yield path, value

    left, right = dict(flat(msgspec.to_builtins(one))), dict(flat(msgspec.to_builtins(other)))
    assert left == {
        key: pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value
        for key, value in right.items()
    }


def test_compiled_and_uncompiled_agree_on_the_beginning_of_a_real_program(
    kernel: ModuleType, plain_kernel: ModuleType, samples: Path
) -> None:
    packed = (samples / "sliced" / "ball_fast_pla.gcode.gz").read_bytes()
    data = gzip.decompress(packed)[:60_000]
    assert_close(
        gcode.run([data], gcode.DEFAULT, kernel, 1 << 18),
        gcode.run([data], gcode.DEFAULT, plain_kernel, 1 << 18),
    )


def test_an_analysis_travels_as_json(samples: Path) -> None:
    with (samples / "box_side_laser.nc").open("rb") as file:
        found = gcode.analyse(file)
    assert msgspec.json.decode(msgspec.json.encode(found), type=gcode.Analysis) == found


@pytest.mark.parametrize(
    "name", ["ball_fast_pla", "gear_ender3_pla", "vase_mk3s_petg_spiral", "vase_fast_pla"]
)
def test_our_time_is_within_three_percent_of_the_slicers_on_curved_parts(samples: Path, name: str) -> None:
    found = gcode.analyse(BytesIO(gzip.decompress((samples / "sliced" / f"{name}.gcode.gz").read_bytes())))
    assert found.motion_s == pytest.approx(found.stated_s, rel=0.03)


def test_our_filament_is_the_slicers_but_for_flow_and_priming(samples: Path) -> None:
    found = gcode.analyse(
        BytesIO(gzip.decompress((samples / "sliced" / "vase_fast_pla.gcode.gz").read_bytes()))
    )
    assert found.filament[0].motion_mm == pytest.approx(found.filament[0].stated_mm, abs=25)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_whatever_ends_them(read: Read, end: str) -> None:
    found = read(end.join(["; note", "G28", "", "G1 X1", "M84"]))
    assert (found.lines, found.first_line, found.last_line) == (5, 2, 5)


def test_a_byte_order_mark_is_overlooked(read: Read) -> None:
    assert read(b"\xef\xbb\xbfG28\n").incidents == ()


def test_bytes_that_are_no_utf8_are_borne_in_notes(read: Read) -> None:
    assert read(b"; caf\xe9 = \xff\xfe\nG28\n").lines == 2


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "program.empty"),
        (b"\n\n", "program.empty"),
        (b"; only a note\n", "program.empty"),
        (b"Dear Sir or Madam\n", "program.empty"),
        (b"G28\n\0\0\n", "program.binary"),
        (b"G28\n\x18\n", "program.binary"),
        (b"PK\x03\x04 an archive", "program.binary"),
        ("G28\n".encode("utf-16"), "program.binary"),
        (b"GCDE\x01\0\0\0", "program.bgcode"),
        (b"G28\n" + b"X" * 200_000, "program.line_too_long"),
        (b"G28\n;" + b"x" * 200_000 + b"\nG28\n", "program.line_too_long"),
        (b"G4 S99999999\n", "program.too_long"),
        (b"G1 X1 F0.000000001\n", "program.too_long"),
    ],
)
def test_what_is_no_program_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        gcode.analyse([data])
    assert (refused.value.code, refused.value.field) == (code, "file")


def test_a_line_without_end_is_refused_before_it_is_all_read() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 65536
            yield b"G" * 65536

    with pytest.raises(Invalid, match="line_too_long"):
        gcode.analyse(endless())
    assert taken < 1_000_000


def test_a_long_line_is_refused_wherever_it_lies(plain_kernel: ModuleType) -> None:
    data = b"G28\n;" + b"x" * 140_000 + b"\nG28\n"
    for size in (1000, 100_000, 1_000_000):
        with pytest.raises(Invalid, match="line_too_long"):
            gcode.run([data], gcode.DEFAULT, plain_kernel, size)


def test_progress_rises_to_the_size_of_the_program() -> None:
    data = b"G1 X1\nG1 X0\n" * 100_000
    told: list[int] = []
    gcode.analyse([data], progress=told.append)
    assert told == sorted(told)
    assert (len(told) > 3, told[-1]) == (True, len(data))


def test_a_cancelled_reading_ends_at_the_next_block() -> None:
    blocks = 0

    def chunks() -> Iterator[bytes]:
        nonlocal blocks
        while True:
            blocks += 1
            yield b"G1 X1\n" * 50_000

    with pytest.raises(gcode.Cancelled):
        gcode.analyse(chunks(), cancelled=lambda: blocks >= 3)
    assert blocks < 6


def test_a_file_that_cannot_be_sought_is_read_like_a_stream() -> None:
    class Pipe:
        def __init__(self, data: bytes) -> None:
            self._inner = BytesIO(data)

        def read(self, size: int, /) -> bytes:
            return self._inner.read(size)

    assert gcode.analyse(Pipe(b"G28\nG1 X5\n")).moves == 1


def test_programs_are_read_side_by_side_in_threads(samples: Path) -> None:
    data = (samples / "name_tag_ender3_pla.gcode").read_bytes()
    alone = gcode.analyse([data])
    found: list[gcode.Analysis] = []
    threads = [threading.Thread(target=lambda: found.append(gcode.analyse([data]))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [alone] * 6


def test_warming_up_needs_nothing() -> None:
    gcode.warm()


def test_the_kernel_is_compiled_even_where_nothing_can_be_cached(
    kernel: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numba

    real = numba.njit

    def without_a_folder(*, cache: bool = False, **options: bool | str) -> object:
        def wrap(function: Callable[[int], int]) -> object:
            if cache:
                raise RuntimeError("cannot cache function: no locator available")
            return real(**options)(function)

        return wrap

    monkeypatch.setattr(numba, "njit", without_a_folder)
    assert kernel._compiled(lambda number: number + 1)(1) == 2
