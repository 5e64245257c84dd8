"""Secrets in the database are sealed with a key of the data folder: what leaves with the database alone opens nothing."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fablab.base.sealing import FILE_NAME, MARK, Sealer, SealError, is_sealed


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return Sealer(tmp_path / "data" / FILE_NAME)


@given(clear=st.text(), of=st.text())
def test_what_is_sealed_is_opened_again_and_shows_nothing(
    tmp_path_factory: pytest.TempPathFactory, clear: str, of: str
) -> None:
    sealer = Sealer(tmp_path_factory.getbasetemp() / "one" / FILE_NAME)
    sealed = sealer.seal(clear, of)
    assert is_sealed(sealed)
    assert len(clear) < 8 or clear not in sealed
    assert sealer.open(sealed, of) == clear


def test_the_key_is_made_once_and_for_its_owner_alone(sealer: Sealer) -> None:
    assert not sealer.exists()
    sealed = sealer.seal("JBSWY3DP", "factor of member 1")
    assert sealer.path is not None
    assert stat.S_IMODE(sealer.path.stat().st_mode) == 0o600
    assert Sealer(sealer.path).open(sealed, "factor of member 1") == "JBSWY3DP"
    assert [path.name for path in sealer.path.parent.iterdir()] == [FILE_NAME]


def test_a_key_that_others_may_read_is_closed_to_them(sealer: Sealer) -> None:
    sealer.make()
    assert sealer.path is not None
    sealer.path.chmod(0o644)
    Sealer(sealer.path).make()
    assert stat.S_IMODE(sealer.path.stat().st_mode) == 0o600


def test_the_same_is_never_sealed_to_the_same(sealer: Sealer) -> None:
    assert sealer.seal("a", "b") != sealer.seal("a", "b")


def test_a_value_opens_only_as_what_it_was_sealed_for(sealer: Sealer) -> None:
    sealed = sealer.seal("theirs", "factor of member 1")
    with pytest.raises(SealError):
        sealer.open(sealed, "factor of member 2")


def test_another_key_opens_nothing(sealer: Sealer, tmp_path: Path) -> None:
    with pytest.raises(SealError):
        Sealer(tmp_path / "other" / FILE_NAME).open(sealer.seal("a", "b"), "b")
    other = Sealer(tmp_path / "other" / FILE_NAME)
    other.make()
    with pytest.raises(SealError):
        other.open(sealer.seal("a", "b"), "b")


def test_what_was_kept_in_clear_is_read_as_it_is(sealer: Sealer) -> None:
    assert sealer.open("whsec_abc", "webhook 1") == "whsec_abc"


@pytest.mark.parametrize("said", ["", "not a key", "AAAA"])
def test_a_file_that_holds_no_key_is_said_and_never_written_over(sealer: Sealer, said: str) -> None:
    assert sealer.path is not None
    sealer.path.parent.mkdir()
    sealer.path.write_text(said)
    with pytest.raises(SealError):
        sealer.seal("a", "b")
    assert sealer.path.read_text() == said


def test_without_a_key_file_nothing_is_sealed() -> None:
    with pytest.raises(SealError):
        Sealer(None).seal("a", "b")
    assert MARK not in Sealer(None).open("a", "b")
