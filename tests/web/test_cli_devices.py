"""Setting machines up from a terminal: scan, key, probe and fault, as a newcomer meets them."""

from __future__ import annotations

import asyncio
import json
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from drivers.config import load
from drivers.host.paths import HostPaths
from drivers.mock.marlin import MockMarlin
from drivers.mock.octoprint import MockOctoPrint
from drivers.scan import Found, Kind
from tests.served import end_hosts
from web.cli import cli
from web.cli.devices.scan import _named, _notes, _show, _write
from web.cli.show import CliError

MOCK = '[devices.ada]\ndriver = "marlin"\nmock = true\nspeed = 100\n'


def run(data: Path, *words: str, answer: str = "") -> Result:
    return CliRunner().invoke(cli, ["devices", *words, "--data", str(data)], input=answer)


def said(result: Result) -> Any:
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def refused(result: Result) -> str:
    """The one sentence; `main` prints it."""
    assert isinstance(result.exception, CliError), result.output
    return str(result.exception)


def found(**more: object) -> Found:
    usual = {"kind": Kind.SERIAL, "what": "CH340 [x]", "where": "/dev/serial/by-id/usb-A", "name": "ada"}
    return Found(**{**usual, **more})  # type: ignore[arg-type]


MARLIN = found(driver="marlin")
MOONRAKER = found(kind=Kind.MOONRAKER, driver="moonraker", where="http://voron.local:7125", name="voron")
PRUSALINK = found(kind=Kind.PRUSALINK, driver="prusalink", where="http://mk4.local", name="mk4")
OCTOPRINT = found(kind=Kind.OCTOPRINT, driver="octoprint", where="http://octopi.local", name="ender")


# -- run


def test_a_machine_that_a_person_works_is_sent_nothing(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_text('[devices.sewing]\ndriver = "manual"\n')
    (tmp_path / "part.gcode").write_text("G28\n")
    result = run(tmp_path, "run", str(tmp_path / "part.gcode"), "--machine", "sewing", "--bed-is-clear")
    assert refused(result) == "a person works sewing; there is nothing to send to it"


# -- scan


def test_a_scan_of_an_empty_room_says_what_to_look_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _show((), None, tmp_path / "devices.toml")
    assert "cable" in capsys.readouterr().out


def test_a_scan_shows_what_where_and_whether_it_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = found(driver="marlin", where="/dev/b", known_as="blaise", name="blaise")
    _show((MARLIN, known, OCTOPRINT), None, tmp_path / "devices.toml")
    shown = capsys.readouterr().out
    rows = [line.split("  ")[-1].strip() for line in shown.splitlines()[:4]]
    assert rows == ["in devices.toml", "new", "blaise", "new"]
    assert "CH340 [x]" in shown
    assert '[devices.ada]\n# CH340 [x]\ndriver = "marlin"' in shown
    assert "[devices.blaise]" not in shown
    assert "fablab devices key http://octopi.local --name ender" in shown


@pytest.mark.parametrize(
    ("one", "driver", "note"),
    [
        (found(), None, "--probe"),
        (found(held_by="process 7 (octoprint)"), None, "held by process 7"),
        (PRUSALINK, None, "password"),
        (OCTOPRINT, None, "devices key"),
        (found(advice="Klipper runs here"), "marlin", "Klipper"),
    ],
)
def test_what_stands_between_a_machine_and_its_table_is_said(
    one: Found, driver: str | None, note: str
) -> None:
    assert note in " ".join(_notes(one, driver))


def test_what_is_ready_is_written_and_the_rest_is_left(tmp_path: Path) -> None:
    path = tmp_path / "lab" / "devices.toml"
    _write(
        (MARLIN, MOONRAKER, OCTOPRINT, PRUSALINK, found(name="unknown")), None, path, yes=True, json_=False
    )
    assert {name: config.driver for name, config in load(path).items()} == {
        "ada": "marlin",
        "voron": "moonraker",
    }


def test_a_firmware_that_a_person_names_is_enough(tmp_path: Path) -> None:
    _write((found(),), "grbl", tmp_path / "devices.toml", yes=True, json_=False)
    assert load(tmp_path / "devices.toml")["ada"].driver == "grbl"


def test_nothing_is_written_over_a_machine_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_text(MOCK)
    with pytest.raises(CliError, match="is taken"):
        _write((MARLIN,), None, tmp_path / "devices.toml", yes=True, json_=False)
    assert (tmp_path / "devices.toml").read_text() == MOCK


def test_a_name_is_for_the_one_new_machine() -> None:
    (one,) = _named((MARLIN,), "grace", {})
    assert one.name == "grace"
    with pytest.raises(CliError, match="there are 2"):
        _named((MARLIN, MOONRAKER), "grace", {})


def test_a_scan_by_a_script_asks_nothing_and_opens_nothing_by_itself(tmp_path: Path) -> None:
    assert "--yes" in refused(run(tmp_path, "scan", "--probe", "--json"))
    assert isinstance(said(run(tmp_path, "scan", "--seconds", "0", "--json")), list)
    assert not (tmp_path / "devices.toml").exists()


def test_a_scan_is_told_that_somebody_prints_and_asks_no_port(tmp_path: Path) -> None:
    assert run(tmp_path, "scan", "--probe", "--seconds", "0", answer="n\n").exit_code == 1


def test_a_broken_file_is_said_before_anything_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_text("[devices")
    assert "not valid TOML" in refused(run(tmp_path, "scan"))


def test_a_password_is_asked_for_and_kept_out_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"

    @click.command()
    def write() -> None:
        _write((PRUSALINK,), None, path, yes=False, json_=False)

    result = CliRunner().invoke(write, input="hunter22\ny\n")
    assert result.exit_code == 0, result.exception
    assert "hunter22" not in path.read_text() + result.output
    assert load(path)["mk4"].options.password.reveal() == "hunter22"  # type: ignore[union-attr]
    assert stat.S_IMODE((tmp_path / "mk4.key").stat().st_mode) == 0o600


def test_an_empty_password_leaves_the_machine_out(tmp_path: Path) -> None:
    @click.command()
    def write() -> None:
        _write((PRUSALINK,), None, tmp_path / "devices.toml", yes=False, json_=False)

    assert "Nothing to add" in CliRunner().invoke(write, input="\n").output
    assert list(tmp_path.iterdir()) == []


# -- key


@contextmanager
def octoprint(*, yes: bool = True) -> Iterator[MockOctoPrint]:
    """A mock in a thread; a person there answers every request for a key at once."""
    mock = MockOctoPrint()
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with mock:
            ready.set()
            while not over.is_set():
                if None in mock.app_keys.asked.values():
                    mock.decide_key(yes)
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(10)
    try:
        yield mock
    finally:
        over.set()
        thread.join(10)


def test_a_key_from_a_url_makes_the_table_and_keeps_the_key_beside_it(tmp_path: Path) -> None:
    with octoprint() as mock:
        result = run(tmp_path, "key", mock.url, "--name", "ender")
        again = said(run(tmp_path, "key", mock.url, "--json"))
    assert result.exit_code == 0, result.exception
    assert "click Allow" in result.output
    assert mock.api_key not in result.output
    config = load(tmp_path / "devices.toml")["ender"]
    assert config.options.api_key.reveal() == mock.api_key  # type: ignore[union-attr]
    assert stat.S_IMODE((tmp_path / "ender.key").stat().st_mode) == 0o600
    assert (again["name"], again["added"]) == ("ender", False)


def test_a_table_without_a_key_is_mended_by_its_name(tmp_path: Path) -> None:
    with octoprint() as mock:
        (tmp_path / "devices.toml").write_text(
            f'# ours\n[devices.o]\ndriver = "octoprint"\nurl = "{mock.url}"\n'
        )
        made = said(run(tmp_path, "key", "o", "--json"))
    assert made["name"] == "o"
    assert load(tmp_path / "devices.toml")["o"].driver == "octoprint"
    assert (tmp_path / "devices.toml").read_text().startswith("# ours\n")


def test_a_request_that_is_denied_changes_nothing(tmp_path: Path) -> None:
    with octoprint(yes=False) as mock:
        result = run(tmp_path, "key", mock.url)
    assert "said no" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("machine", "options", "words"),
    [
        ("nobody", (), "no such machine: nobody"),
        ("adda", (), "did you mean ada?"),
        ("ada", (), "needs no key"),
        ("link", (), "Settings > Network > PrusaLink"),
        ("pretended", (), "is a mock"),
        ("ftp://octopi.local", (), "http(s)://"),
        ("http://me:secret@octopi.local", (), "without user or password"),
        ("http://octopi.local", ("--name", "ada"), "already"),
        ("http://octopi.local", ("--name", "Ada Lovelace"), "a-z"),
    ],
)
def test_a_key_that_cannot_be_had_is_refused_before_anybody_is_asked(
    tmp_path: Path, machine: str, options: tuple[str, ...], words: str
) -> None:
    more = '[devices.link]\ndriver = "prusalink"\nurl = "http://x"\napi_key = "01234567"\n'
    more += '[devices.pretended]\ndriver = "octoprint"\nmock = true\n'
    (tmp_path / "devices.toml").write_text(MOCK + more)
    sentence = refused(run(tmp_path, "key", machine, *options))
    assert words in sentence
    assert "secret" not in sentence


# -- probe


@pytest.mark.xdist_group("wall clock")
def test_a_probe_says_who_answers_and_what_to_do_where_nobody_does(tmp_path: Path) -> None:
    lost = '[devices.lost]\ndriver = "marlin"\nport = "/dev/serial/by-id/usb-nothing-of-this-name"\n'
    (tmp_path / "devices.toml").write_text(MOCK + lost)
    try:
        result = run(tmp_path, "probe")
    finally:
        end_hosts(tmp_path)
    assert result.exit_code == 1
    first, second, third = result.output.splitlines()
    assert first.startswith("✓ ada: answers. Marlin")
    assert first.endswith("Nothing to do.")
    assert second == "✗ lost: /dev/serial/by-id/usb-nothing-of-this-name is not there"
    assert third.startswith("  → ")


def test_a_probe_without_a_file_or_a_machine_says_how_to_begin(tmp_path: Path) -> None:
    assert "fablab devices scan" in refused(run(tmp_path, "probe"))
    (tmp_path / "devices.toml").write_text("")
    assert "fablab devices scan" in run(tmp_path, "probe").output


# -- fault


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[MockMarlin]:
    """The mock of `ada`, as its host starts it, steered through the socket it has there."""
    (tmp_path / "devices.toml").write_text(MOCK)
    paths = HostPaths(tmp_path, "ada")
    paths.prepare()
    with MockMarlin(link=tmp_path / "tty", control=paths.control) as mock:
        yield mock


def test_a_mock_lists_the_faults_it_knows(tmp_path: Path, mock: MockMarlin) -> None:
    known = said(run(tmp_path, "fault", "ada", "--json"))
    assert {"lost_ok", "silence", "unplug"} <= set(known)
    assert "lost_ok" in run(tmp_path, "fault", "ada").output


def test_a_fault_reaches_the_mock(tmp_path: Path, mock: MockMarlin) -> None:
    assert said(run(tmp_path, "fault", "ada", "unplug:60", "--json"))["ok"]
    assert not (tmp_path / "tty").exists()


@pytest.mark.parametrize(
    ("kind", "words"),
    [("lost_okk", "did you mean lost_ok?"), ("xyzzy", "it knows: "), ("busy:many", "busy:many")],
)
def test_a_fault_that_is_none_is_refused(tmp_path: Path, mock: MockMarlin, kind: str, words: str) -> None:
    assert words in refused(run(tmp_path, "fault", "ada", kind))


def test_a_real_machine_does_not_fail_on_request(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_text('[devices.ada]\ndriver = "marlin"\nport = "/dev/x"\n')
    assert "real machine" in refused(run(tmp_path, "fault", "ada", "lost_ok"))


def test_a_mock_that_does_not_run_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_text(MOCK)
    assert "not running" in refused(run(tmp_path, "fault", "ada", "lost_ok"))
