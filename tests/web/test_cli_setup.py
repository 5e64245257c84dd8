"""A lab of one's own from a terminal, the way the README goes: from an empty folder to a lab that is well."""

from __future__ import annotations

from pathlib import Path

import pytest
from litestar.testing import TestClient

from fablab import migrations
from fablab.base.database import Database
from fablab.people import members
from fablab.people.models import Role
from tests import terminal
from tests.lab import PASSWORD
from tests.terminal import failed, said
from web.app import create_app
from web.settings import Settings

MOCK = '[devices.ada]\ndriver = "marlin"\nmock = true\n'


def fablab(data: Path, *words: str, stdin: str = "") -> terminal.Done:
    return terminal.fablab(*words, stdin=stdin, FABLAB_DATA_DIR=str(data))


def test_the_way_of_the_readme_ends_in_a_lab_that_is_well(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    founded = fablab(lab, "init", "Atelier [du] canal")
    assert founded.returncode == 0, founded.stderr
    assert "“Atelier [du] canal” is founded" in founded.stdout
    assert "fablab machine add" in founded.stdout
    (lab / "devices.toml").write_text(MOCK)
    machine = said(
        fablab(lab, "machine", "add", "Ada", "--device", "ada", "--bed", "250x210x210.5", "--json")
    )
    assert (machine["bed_mm"], machine["gate"], machine["warning"]) == (
        [250, 210, 210.5],
        "awaiting_clear",
        None,
    )
    assert (machine["nozzle_mm"], machine["max_nozzle_c"], machine["max_bed_c"]) == (0.4, 250, 100)
    spool = ("PLA-01", "--material", "PLA", "--colour", "orange", "--grams", "1000", "--on", "ada")
    stocked = said(fablab(lab, "spool", "add", *spool, "--json"))
    assert (stocked["hex"], stocked["on"]) == ("#e8590c", "Ada")
    email = ("--email", "you@example.org", "--role", "admin", "--password-stdin")
    said(fablab(lab, "member", "add", "Your Name", *email, "--json", stdin="a long password\n"))
    (listed,) = said(fablab(lab, "machine", "list", "--json"))
    assert (listed["name"], listed["spool"], listed["in_devices_file"]) == ("Ada", "PLA-01", True)
    doctor = fablab(lab, "doctor", "--json")
    assert said(doctor), doctor.stdout


def test_a_second_lab_in_one_folder_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    first = said(fablab(tmp_path, "init", "One", "--zone", "Europe/Berlin", "--json"))
    assert (first["name"], first["zone"]) == ("One", "Europe/Berlin")
    assert "“One”" in failed(fablab(tmp_path, "init", "Two"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--zone", "Mars/Olympus"), "Mars/Olympus"),
        (("--open", "Someday 9:00-10:00"), "Someday"),
    ],
)
def test_a_slip_in_the_hours_founds_nothing(tmp_path: Path, options: tuple[str, str], words: str) -> None:
    assert words in failed(fablab(tmp_path, "init", "One", *options))
    assert said(fablab(tmp_path, "init", "One", "--json"))["name"] == "One"


def test_without_a_lab_a_machine_is_refused_and_told_how_to_begin(tmp_path: Path) -> None:
    add = ("machine", "add", "Ada", "--device", "ada", "--bed", "250x210x210")
    assert "fablab init" in failed(fablab(tmp_path, *add))
    said(fablab(tmp_path, "migrate", "--json"))
    assert "fablab init" in failed(fablab(tmp_path, *add))


def test_a_machine_that_devices_toml_does_not_know_is_added_with_a_warning(tmp_path: Path) -> None:
    said(fablab(tmp_path, "init", "One", "--json"))
    (tmp_path / "devices.toml").write_text(MOCK)
    added = fablab(tmp_path, "machine", "add", "Blaise", "--device", "blaise", "--bed", "220x220x250")
    assert added.returncode == 0
    assert "[devices.blaise]" in added.stderr
    taken = fablab(tmp_path, "machine", "add", "Colette", "--device", "blaise", "--bed", "220x220x250")
    assert "Blaise" in failed(taken)


def test_a_bed_that_is_not_three_lengths_is_a_plain_error(tmp_path: Path) -> None:
    done = fablab(tmp_path, "machine", "add", "Ada", "--device", "ada", "--bed", "250x210")
    assert "250x210x210" in failed(done)


def test_a_spool_on_a_machine_that_is_not_there_is_not_taken_in(tmp_path: Path) -> None:
    said(fablab(tmp_path, "init", "One", "--json"))
    add = ["spool", "add", "PLA-01", "--material", "PLA", "--colour", "mauve", "--grams", "500"]
    failed(fablab(tmp_path, *add, "--on", "Nobody"))
    assert said(fablab(tmp_path, *add, "--json"))["hex"] == "#868e96"


def test_the_pages_of_a_lab_without_a_house_are_there_or_say_how_to_found_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, dispatch=False)
    database = Database(settings.url)
    migrations.upgrade(database)
    with database.begin() as uow:
        members.add_member(uow, name="You", email="you@lab.example", role=Role.ADMIN, password=PASSWORD)
    database.dispose()
    with TestClient(create_app(settings, links={}), base_url="http://127.0.0.1") as client:
        client.post("/api/login", json={"email": "you@lab.example", "password": PASSWORD})
        answers = {
            page: client.get(page, headers={"Accept": "text/html"})
            for page in ("/floor", "/jobs", "/calendar")
        }
    assert {page: answer.status_code for page, answer in answers.items()} == {
        "/floor": 200,
        "/jobs": 200,
        "/calendar": 503,
    }
    assert "fablab init" in answers["/calendar"].text
