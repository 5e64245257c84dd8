"""The `fablab` command as a person or a script would use it: a process, its output and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.served import end_hosts
from tests.terminal import ROOT, environment, fablab, failed, said


def test_migrate_says_from_where_to_where_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    first = said(fablab("migrate", "--data", str(tmp_path), "--json"))
    second = said(fablab("migrate", "--data", str(tmp_path), "--json"))
    assert first["changed"]
    assert first["from"] is None
    assert not second["changed"]


def test_serve_refuses_a_database_that_is_behind_and_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "web.cli", "serve", "--data", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "fablab migrate" in done.stderr
    assert "Traceback" not in done.stderr


def test_seeding_twice_changes_nothing_and_says_so(tmp_path: Path) -> None:
    assert said(fablab("seed", "--data", str(tmp_path), "--json")) == {"seeded": True}
    again = fablab("seed", "--data", str(tmp_path))
    assert again.returncode == 1
    assert "already" in again.stderr


def test_a_member_is_added_and_given_a_token_that_is_shown_once(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))
    said(fablab("migrate", *data, "--json"))
    options = ("--email", "zoe@lab.example", "--role", "staff", "--password-stdin", "--json")
    made = said(fablab("member", "add", "Zoé", *options, *data, stdin="a long password\n"))
    assert (made["name"], made["role"]) == ("Zoé", "staff")
    token = said(fablab("member", "token", "zoe@lab.example", *data, "--json"))["token"]
    assert token.startswith("fab_")


@pytest.mark.parametrize(
    ("language", "words"), [("en_GB.UTF-8", "password"), ("fr_FR.UTF-8", "mot de passe")]
)
def test_a_short_password_is_refused_in_the_terminals_language(
    tmp_path: Path, language: str, words: str
) -> None:
    data = ("--data", str(tmp_path))
    said(fablab("migrate", *data, "--json"))
    add = ("member", "add", "Zoé", "--email", "zoe@lab.example", "--password-stdin", *data)
    done = fablab(*add, stdin="short\n", LANG=language)
    assert done.returncode == 1
    assert words in failed(done).lower()


def test_an_unknown_member_gets_no_token(tmp_path: Path) -> None:
    said(fablab("migrate", "--data", str(tmp_path), "--json"))
    done = fablab("member", "token", "nobody@lab.example", "--data", str(tmp_path))
    assert done.returncode == 1
    assert failed(done)


def test_doctor_names_what_is_missing_and_how_to_mend_it(tmp_path: Path) -> None:
    done = fablab("doctor", "--data", str(tmp_path), "--json")
    found = {check["check"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 1
    assert found["python"]["ok"]
    assert "fablab migrate" in found["database"]["detail"]
    assert "devices.example.toml" in found["machines"]["detail"]


def test_a_broken_devices_file_is_an_error_that_names_file_table_and_key(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_text('[devices.a]\ndriver = "marlin"\nport = "/dev/x"\nbuad = 9600\n')
    done = fablab("devices", "probe", "--data", str(tmp_path))
    assert done.returncode == 1
    for word in ("devices.toml", "[devices.a]", "buad", "baud"):
        assert word in done.stderr


@pytest.mark.xdist_group("wall clock")
def test_a_mock_is_probed_and_runs_a_file_only_when_somebody_has_looked_at_the_bed(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_text('[devices.a]\ndriver = "marlin"\nmock = true\nspeed = 1000\n')
    program = tmp_path / "part.gcode"
    program.write_text("G28\nM83\n" + "".join(f"G1 X{n} Y{n} E1 F3000\n" for n in range(1, 100)))
    data = ("--data", str(tmp_path))
    try:
        (found,) = said(fablab("devices", "probe", *data, "--json"))
        assert (found["name"], found["ok"], found["state"]) == ("a", True, "idle")
        refused = fablab("devices", "run", str(program), "--machine", "a", *data, "--json")
        assert refused.returncode == 1
        assert "bed" in refused.stderr
        run = ("devices", "run", str(program), "--machine", "a", "--bed-is-clear", *data, "--json")
        assert said(fablab(*run))["outcome"] == "done"
    finally:
        end_hosts(tmp_path)
