"""Programs on disk: once each, whole or not at all, whatever they were called."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fablab.base.errors import Invalid, NotFound
from fablab.programs.gcode import Kind, Thumbnail
from fablab.programs.store import Kept, Store, check_extension, clean_name

DATA = b"G28\nG1 X1\n" * 1000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "programs")


def files(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_program_is_kept_under_its_hash(store: Store) -> None:
    kept = store.keep([DATA[:7], DATA[7:]], limit_bytes=1 << 20)
    assert kept == Kept(
        sha256=hashlib.sha256(DATA).hexdigest(),
        size_bytes=len(DATA),
        path=store.path(kept.sha256),
        fresh=True,
    )
    with store.open(kept.sha256) as file:
        assert file.read() == DATA


def test_the_same_bytes_again_are_noticed(store: Store, tmp_path: Path) -> None:
    first = store.keep([DATA], limit_bytes=1 << 20)
    again = store.keep([DATA], limit_bytes=1 << 20)
    assert (again.path, again.fresh, len(files(tmp_path))) == (first.path, False, 1)


def test_too_much_is_refused_early_and_leaves_nothing(store: Store, tmp_path: Path) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield DATA

    with pytest.raises(Invalid) as refused:
        store.keep(endless(), limit_bytes=25_000)
    assert (refused.value.code, refused.value.facts["limit_bytes"], taken) == ("program.too_large", 25_000, 3)
    assert files(tmp_path) == []


def test_exactly_the_limit_is_not_too_much(store: Store) -> None:
    assert store.keep([DATA], limit_bytes=len(DATA)).fresh


def test_nothing_is_not_kept(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"program\.empty"):
        store.keep([b"", b""], limit_bytes=10)
    assert files(tmp_path) == []


def test_an_upload_that_breaks_off_leaves_nothing(store: Store, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield DATA
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store.keep(broken(), limit_bytes=1 << 20)
    assert files(tmp_path) == []


def test_uploads_of_the_same_bytes_at_once_agree(store: Store, tmp_path: Path) -> None:
    kept: list[Kept] = []
    threads = [
        threading.Thread(target=lambda: kept.append(store.keep([DATA], limit_bytes=1 << 20)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len({each.path for each in kept}), len(kept), len(files(tmp_path))) == (1, 8, 1)


@pytest.mark.parametrize("sha256", ["", "../../etc/passwd", "0" * 64, "G" * 64, "a" * 63])
def test_what_was_never_kept_is_not_found(store: Store, sha256: str) -> None:
    with pytest.raises(NotFound):
        store.path(sha256)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_thumbnail_stands_beside_its_program(store: Store, ending: str) -> None:
    sha256 = store.keep([DATA], limit_bytes=1 << 20).sha256
    assert store.thumbnail(sha256) is None
    store.save_thumbnail(sha256, Thumbnail(width_px=9, height_px=9, format=ending, data=b"picture"))
    found = store.thumbnail(sha256)
    assert found is not None
    assert (found.suffix, found.read_bytes()) == (f".{ending}", b"picture")


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("gear.gcode", "gear.gcode"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\vase.gcode", "vase.gcode"),
        ("engrenage été.gcode", "engrenage été.gcode"),
        ("🦊 fox.gcode", "🦊 fox.gcode"),
        ("a\x00b\x1b[31mc\nd.gcode", "ab[31mc d.gcode"),
        ("photo\u202eedocg.exe", "photoedocg.exe"),
        ("zero\u200bwidth.g", "zerowidth.g"),
        ("line\u2028break.g", "line break.g"),
        (".hidden.gcode", "hidden.gcode"),
        ("...", "program"),
        ("", "program"),
        ("/", "program"),
        ("\ud800.gcode", "gcode"),
        ("part.gcode/", "part.gcode"),
    ],
)
def test_names_are_made_fit_for_the_screen(given_name: str, shown: str) -> None:
    assert clean_name(given_name) == shown


def test_a_name_of_300_characters_is_cut_and_keeps_its_ending() -> None:
    name = clean_name("x" * 300 + ".gcode")
    assert (len(name), name[-7:]) == (120, "….gcode")


@given(st.text(max_size=400))
def test_no_name_is_a_path_or_invisible(name: str) -> None:
    shown = clean_name(name)
    assert 0 < len(shown) <= 120
    assert all(c.isprintable() for c in shown)
    assert "/" not in shown
    assert "\\" not in shown
    assert clean_name(shown) == shown


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.gcode", None),
        ("A.GCODE", Kind.FDM),
        ("a.gco", Kind.FDM),
        ("a.nc", Kind.LASER),
        ("a.tap", Kind.CNC),
        ("a.ngc", None),
    ],
)
def test_endings_of_machine_files_pass(name: str, kind: Kind | None) -> None:
    check_extension(name, kind)


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("a.bgcode", None, "program.bgcode"),
        ("a.stl", None, "program.needs_slicing"),
        ("a.3MF", Kind.FDM, "program.needs_slicing"),
        ("a.exe", None, "program.wrong_extension"),
        ("a", None, "program.wrong_extension"),
        ("a.nc", Kind.FDM, "program.wrong_extension"),
        ("a.gcode\u202e.exe", None, "program.wrong_extension"),
        ("", None, "program.wrong_extension"),
    ],
)
def test_other_endings_are_refused_with_a_reason(name: str, kind: Kind | None, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_extension(name, kind)
    assert (refused.value.code, refused.value.field) == (code, "file")
