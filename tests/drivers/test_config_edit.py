"""devices.toml changed by a program: what a person wrote stays, and a broken file is never left behind."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from drivers.config import ConfigError, Secret, edit, load

HAND_WRITTEN = """\
# Our machines. Ask Zoé before you change this.

# --- the corner by the window
[devices.ada]
driver = "marlin"           # the red one
port = "/dev/serial/by-id/usb-Ada-if00"
# serial_number = "CZPX1"

# --- the workbench
[devices.sewing]
driver = "manual"

[devices.sewing.camera]
snapshot = "http://cam/shot"

# Every camera's host.
[cameras]
hosts = ["cam"]

# Goodbye.
"""
BLOCK = '[devices.bee]\ndriver = "grbl"\nport = "/dev/serial/by-id/usb-Bee-if00"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "devices.toml"
    path.write_text(HAND_WRITTEN)
    return path


def test_a_block_is_added_at_the_end_and_everything_else_stays(file: Path) -> None:
    assert edit.append(file, BLOCK) == ("bee",)
    assert file.read_text() == HAND_WRITTEN + "\n" + BLOCK
    assert list(load(file)) == ["ada", "sewing", "bee"]


def test_the_file_as_it_was_is_kept_beside_it(file: Path) -> None:
    edit.append(file, BLOCK)
    assert (file.parent / "devices.toml.bak").read_text() == HAND_WRITTEN


def test_a_file_that_is_not_there_is_made_for_its_owner_only(tmp_path: Path) -> None:
    edit.append(tmp_path / "devices.toml", BLOCK)
    assert (tmp_path / "devices.toml").read_text() == BLOCK
    assert stat.S_IMODE((tmp_path / "devices.toml").stat().st_mode) == 0o600


def test_mode_and_symlink_of_a_file_stay(file: Path, tmp_path: Path) -> None:
    file.chmod(0o640)
    link = tmp_path / "elsewhere.toml"
    link.symlink_to(file)
    edit.append(link, BLOCK)
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert "bee" in load(file)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (BLOCK.replace("bee", "ada"), "is taken"),
        (BLOCK.replace("Bee", "Ada"), "both name"),
        (BLOCK.replace("grbl", "gerbil"), "not known"),
        (BLOCK.replace("port", "prot"), "unknown key"),
        ('[devices.o]\ndriver = "octoprint"\nurl = "http://o"\napi_key_file = "o.key"\n', "api_key_file"),
        ("[cameras]\nhosts = []\n", "no table"),
        ("", "no table"),
        ("[devices", "not valid TOML"),
    ],
)
def test_a_block_that_would_break_the_file_changes_nothing(file: Path, block: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        edit.append(file, block)
    assert file.read_text() == HAND_WRITTEN
    assert [path.name for path in file.parent.iterdir()] == ["devices.toml"]


def test_a_block_cannot_bring_a_table_of_another_kind_along(file: Path) -> None:
    with pytest.raises(ConfigError):
        edit.append(file, BLOCK + '[cameras]\nhosts = ["evil"]\n')


def test_a_table_goes_with_its_own_comments_and_leaves_those_of_others(file: Path) -> None:
    gone = edit.remove(file, "ada")
    assert gone.startswith("[devices.ada]")
    assert gone.endswith('# serial_number = "CZPX1"')
    text = file.read_text()
    assert "CZPX1" not in text
    assert "# --- the workbench\n[devices.sewing]" in text
    assert text.startswith("# Our machines. Ask Zoé")


def test_a_table_goes_with_its_sub_tables(file: Path) -> None:
    edit.remove(file, "sewing")
    assert list(load(file)) == ["ada"]
    assert "# Every camera's host.\n[cameras]" in file.read_text()


def test_what_was_added_and_removed_leaves_the_file_as_it_was(file: Path) -> None:
    edit.append(file, BLOCK)
    edit.remove(file, "bee")
    assert file.read_text().rstrip() == HAND_WRITTEN.rstrip()


def test_the_last_machine_can_go(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    edit.append(path, BLOCK)
    edit.remove(path, "bee")
    assert load(path) == {}


def test_a_machine_that_is_not_there_cannot_be_removed(file: Path) -> None:
    with pytest.raises(ConfigError, match="ada, sewing"):
        edit.remove(file, "nobody")


@pytest.mark.parametrize(
    "text",
    [
        'devices.ada = { driver = "manual" }\n',
        '[devices]\nada = { driver = "manual" }\n',
        '[devices]\nada.driver = "manual"\n',
    ],
)
def test_a_table_that_is_no_block_of_lines_is_left_to_a_person(tmp_path: Path, text: str) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="by hand"):
        edit.remove(path, "ada")
    assert path.read_text() == text


def test_a_line_in_a_string_that_looks_like_a_header_misleads_nobody(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    text = '[devices.ada]\ndriver = "manual"\nserial_number = """\n[devices.bee]\n"""\n'
    path.write_text(text)
    with pytest.raises(ConfigError):
        edit.remove(path, "bee")
    with pytest.raises(ConfigError):
        edit.remove(path, "ada")
    assert path.read_text() == text


def test_a_key_file_mends_a_table_that_had_none(file: Path) -> None:
    table = '\n[devices.octo]\nurl = "http://o"\ndriver = "octoprint"\n\n[devices.zed]\ndriver = "manual"\n'
    file.write_text(HAND_WRITTEN + table)
    (file.parent / "octo.key").write_text("0123456789abcdef")
    assert edit.tables(file)["octo"]["url"] == "http://o"
    edit.set_key(file, "octo", "api_key_file", "octo.key", instead_of=("api_key", "api_key_env"))
    assert 'driver = "octoprint"\napi_key_file = "octo.key"\n\n[devices.zed]' in file.read_text()
    assert "octo" in load(file)


def test_a_key_takes_the_place_of_the_one_that_stood_there(file: Path) -> None:
    table = '\n[devices.octo]\ndriver = "octoprint"\napi_key = "0123"\nurl = "http://o"\n'
    file.write_text(HAND_WRITTEN + table)
    (file.parent / "octo.key").write_text("0123456789abcdef")
    edit.set_key(file, "octo", "api_key_file", "octo.key", instead_of=("api_key", "api_key_env"))
    assert "0123" not in file.read_text()


def test_a_secret_is_kept_beside_the_file_for_its_owner_only(file: Path) -> None:
    assert edit.write_secret(file, "ada", Secret("0123456789")) == "ada.key"
    assert (file.parent / "ada.key").read_text() == "0123456789\n"
    assert stat.S_IMODE((file.parent / "ada.key").stat().st_mode) == 0o600


def test_a_secret_that_cannot_be_kept_is_a_plain_error_without_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written") as caught:
        edit.write_secret(tmp_path / "nowhere" / "devices.toml", "ada", Secret("0123456789"))
    assert "0123456789" not in str(caught.value)


def test_a_file_that_is_a_folder_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        edit.append(tmp_path / "devices.toml", BLOCK)


def test_an_empty_place_has_no_tables(tmp_path: Path) -> None:
    assert edit.tables(tmp_path / "devices.toml") == {}


def test_a_folder_that_is_not_there_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder"):
        edit.append(tmp_path / "nowhere" / "devices.toml", BLOCK)


def test_text_that_is_not_utf_8_is_a_plain_error(file: Path) -> None:
    file.write_bytes(b"# caf\xe9\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        edit.append(file, BLOCK)


@pytest.mark.parametrize(
    "text", ["plain", 'a "quoted" one', "back\\slash", "two\nlines", "é ☃ \x00\x1b[31m\u2028"]
)
def test_any_text_becomes_a_string_that_reads_back_the_same(text: str) -> None:
    line = f"x = {edit.quoted(text)}"
    assert "\n" not in line
    assert tomllib.loads(line) == {"x": text}
