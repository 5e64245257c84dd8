"""The machines page: what staff see and do there, and a machine added, tested and taken out while the server runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from drivers.config import load
from drivers.scan import Trouble
from fablab.device import DeviceState, LinkState
from fablab.places import house
from fablab.runs import attempts
from fablab.runs.models import Run
from scheduler.hands import start_now
from tests.lab import Lab, submitted
from tests.web.conftest import copy_of
from tests.web.page_rig import Browser, PageLink, browser, until
from web.machinery.drawer import LIFE_S, MOST, Drawer
from web.trouble import trouble_of
from web.words.codes import WORDS

Seat = tuple[Browser, dict[str, PageLink]]
Calm = tuple[Seat, Lab, Path]
FILE = """
# ours
[devices.mk3]
driver = "octoprint"
url = "http://octopi.local:5000/printer"
api_key = "0123456789ABCDEF0123456789ABCDEF"

[devices.ender]
driver = "manual"

[devices.spare]
driver = "manual"
"""
NEW = {
    "driver": "manual",
    "name": "Rosalie Two",
    "technology": "fdm",
    "bed_x": "250",
    "bed_y": "210,5",
    "bed_z": "210",
    "nozzle": "0,4",
    "nozzle_max": "250",
    "bed_max": "100",
    "alone": "0",
}


@pytest.fixture
def seat(lab: Lab, tmp_path: Path) -> Iterator[Seat]:
    (tmp_path / "devices.toml").write_text(FILE)
    with browser(lab, tmp_path) as found:
        found[0].sign_in("admin")
        yield found


@pytest.fixture(scope="module")
def calm_seat(template: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calm]:
    folder = tmp_path_factory.mktemp("calm")
    lab = copy_of(template, folder)
    (folder / "devices.toml").write_text(FILE)
    with browser(lab, folder) as found:
        yield found, lab, folder
    lab.database.dispose()


@pytest.fixture
def calm(calm_seat: Calm) -> Calm:
    """One server for all tests that leave nothing behind, with the administrator in front of it."""
    calm_seat[0][0].sign_in("admin")
    return calm_seat


def card(desk: Browser, key: object) -> str:
    found = re.search(rf'<article [^>]*id="device-{key}".*?</article>', desk.get("/machines").text, re.DOTALL)
    assert found is not None, f"no card {key}"
    return found[0]


def names(lab: Lab) -> list[str]:
    with lab.database.read() as uow:
        return [row.name for row in house.machines(uow)]


def being_made(lab: Lab) -> str:
    submitted(lab)
    with lab.database.begin(lab.staff) as uow:
        run = start_now(uow, lab.resources["mk3"], None, bed_clear=True)
        attempts.begin(uow, run.id)
        attempts.turn(uow, run, "run")
        return run.id


# -- looking


def test_a_card_says_how_a_machine_is_reached_and_who_answered_but_never_its_key(calm: Calm) -> None:
    (desk, _), lab, _ = calm
    text = card(desk, lab.resources["mk3"])
    for said in ("OctoPrint", "octopi.local:5000", "Connected", "pause", "Last heard"):
        assert said in text
    page = desk.get("/machines").text
    assert "0123456789ABCDEF" not in page
    assert "/printer" not in page


def test_what_stands_in_devices_toml_alone_is_offered_to_the_lab(calm: Calm) -> None:
    (desk, _), _, _ = calm
    text = card(desk, "d-spare")
    assert "not in the lab yet" in text
    assert "/machines/new?device=spare" in text


def test_a_machine_without_a_table_says_so(calm: Calm) -> None:
    (desk, _), lab, _ = calm
    assert "not connected to this server" in card(desk, lab.resources["laser"])


def test_a_blocked_link_says_in_plain_words_why_and_what_to_do(seat: Seat, lab: Lab) -> None:
    desk, links = seat
    links["mk3"].state = LinkState.BLOCKED
    links["mk3"].reason = "OctoPrint does not accept our API key (GET /api/version: 403)"
    for language, said in (("en", "The key or the password"), ("fr", "La clé ou le mot de passe")):
        desk.sign_in("staff", language=language)
        text = card(desk, lab.resources["mk3"])
        assert said in text
    assert "/devices/mk3/retry" in text
    desk.post("/devices/mk3/retry", htmx=True)
    assert links["mk3"].sent == ["retry"]


def test_the_last_fault_is_said_with_its_time(seat: Seat, lab: Lab) -> None:
    desk, _ = seat
    run_id = being_made(lab)
    with lab.database.begin() as uow:
        attempts.turn(uow, attempts.get(uow, run_id), "fail", "Heating failed")
    text = card(desk, lab.resources["mk3"])
    assert "Heating failed" in text
    assert "Last fault" in text


def test_every_trouble_has_plain_words_and_something_to_do() -> None:
    known = {trouble.value for trouble in Trouble}
    assert sorted(known - WORDS["trouble"].keys()) == []
    assert sorted(known - {"none"} - WORDS["todo"].keys()) == []


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        ("/dev/ttyUSB0 is not there; the machine is off or unplugged", "port_absent"),
        ("/dev/ttyUSB0 may not be opened by this account", "port_forbidden"),
        ("/dev/ttyUSB0 is held by another program", "port_held"),
        ("OctoPrint does not accept our API key (GET /api/version: 403)", "wrong_key"),
        ("mk3 expects CZPX1; CZPX2 (MK3, Prusa) answered on /dev/ttyUSB0", "wrong_number"),
        ("this machine speaks GRBL, not Marlin: Grbl 1.1h", "wrong_firmware"),
        ("no connection to OctoPrint in GET /api/version: ConnectError", "refused"),
        ("no answer within 60 s", "silent"),
        ("the moon is in the wrong house", "other"),
    ],
)
def test_a_drivers_reason_becomes_a_trouble(said: str, trouble: str) -> None:
    assert trouble_of(said) == trouble


# -- who may


def test_staff_look_and_administrators_add(calm: Calm) -> None:
    (desk, _), _, _ = calm
    seen = {}
    for who in ("maker", "staff", "admin"):
        desk.sign_in(who)
        paths = ("/machines", "/machines/new", "/machines/new?device=spare")
        seen[who] = [desk.get(path).status_code for path in paths]
    assert seen == {"maker": [403, 403, 403], "staff": [200, 403, 403], "admin": [200, 200, 200]}


def test_staff_are_offered_nothing_that_only_an_administrator_may(calm: Calm) -> None:
    (desk, _), _, _ = calm
    desk.sign_in("staff")
    page = desk.get("/machines").text
    assert "/machines/new" not in page
    assert "/remove" not in page
    desk.get("/machines")
    for path in ("/machines/1/remove", "/devices/spare/remove", "/machines/new/scan", "/machines/new"):
        assert desk.post(path, **NEW).status_code == 403


# -- testing


def test_a_test_of_a_machine_at_work_says_who_answers_and_sends_it_nothing(seat: Seat, lab: Lab) -> None:
    desk, links = seat
    links["mk3"].show(DeviceState.RUNNING)
    desk.post("/devices/mk3/test", htmx=True)
    text = until(lambda: text if "Looking for" not in (text := card(desk, lab.resources["mk3"])) else None)
    assert "It answers." in text
    assert links["mk3"].sent == []


def test_a_test_that_is_under_way_says_so_and_is_asked_for_again(seat: Seat, lab: Lab) -> None:
    desk, links = seat
    links["mk3"].age_s = 3600.0  # it has not been heard for long: the test waits for news
    text = desk.post("/devices/mk3/test", htmx=True).text
    assert "Looking for the machine" in text
    assert 'hx-trigger="every 1s"' in text
    links["mk3"].age_s = 0.5
    until(lambda: True if "It answers." in card(desk, lab.resources["mk3"]) else None)  # type: ignore[arg-type,return-value]


def test_a_machine_that_no_link_leads_to_is_opened_for_its_test(seat: Seat) -> None:
    desk, _ = seat
    assert desk.post("/devices/spare/test").status_code == 303
    until(lambda: text if "It answers." in (text := card(desk, "d-spare")) else None)
    assert desk.post("/devices/nothing/test").status_code == 404


# -- out of service, back, stop


def test_a_machine_is_paused_and_put_back_from_here(seat: Seat, lab: Lab) -> None:
    desk, _ = seat
    ender = lab.resources["ender"]
    text = desk.post(f"/machines/{ender}/out-of-service", htmx=True, where="machines", reason="Belt").text
    assert f'id="device-{ender}"' in text
    assert "Belt (Admin)" in text
    answer = desk.post(f"/machines/{ender}/back", where="machines")
    assert answer.headers["location"] == f"/machines#device-{ender}"


def test_a_stop_from_here_says_whether_it_is_confirmed(seat: Seat, lab: Lab) -> None:
    desk, links = seat
    links["mk3"].show(DeviceState.RUNNING)
    text = desk.post(f"/machines/{lab.resources['mk3']}/stop", htmx=True, where="machines").text
    assert text.count("Stop confirmed: the heaters are off.") == 2
    text = desk.post(f"/machines/{lab.resources['mk3']}/stop/seen", htmx=True, where="machines").text
    assert "Stop confirmed" not in text


# -- adding


def test_a_machine_that_is_added_stands_in_the_file_in_the_lab_and_on_the_wire_at_once(
    seat: Seat, lab: Lab, tmp_path: Path
) -> None:
    desk, _ = seat
    answer = desk.post("/machines/new", **NEW)
    assert answer.status_code == 303, answer.text
    key = answer.headers["location"].removeprefix("/machines#device-")
    assert load(tmp_path / "devices.toml")["rosalie-two"].driver == "manual"
    assert "# ours" in (tmp_path / "devices.toml").read_text()
    until(lambda: text if "Connected" in (text := card(desk, key)) else None)
    with lab.database.read() as uow:
        row = house.machine(uow, int(key))
        assert (row.device, row.resource.name, row.bed_y_mm) == ("rosalie-two", "Rosalie Two", 210.5)


def test_a_device_that_is_in_the_file_already_only_gets_its_row(seat: Seat, lab: Lab, tmp_path: Path) -> None:
    desk, _ = seat
    before = (tmp_path / "devices.toml").read_text()
    assert "as devices.toml says" in desk.get("/machines/new?device=spare").text
    answer = desk.post("/machines/new", **{**NEW, "device": "spare"})
    assert answer.status_code == 303, answer.text
    assert (tmp_path / "devices.toml").read_text() == before
    until(lambda: text if "Connected" in (text := card(desk, answer.headers["location"][17:])) else None)


WRONG = (
    ({"name": ""}, "name has 1 to 120"),
    ({"name": "MK3"}, "already"),
    ({"bed_y": "wide"}, "no number"),
    ({"bed_x": "0"}, "more than 0"),
    ({"nozzle": "40"}, "nozzle"),
    ({"driver": "marlin", "port": "COM3"}, "not an absolute path"),
    ({"driver": "grbl", "port": ""}, "on which port"),
    ({"driver": "octoprint", "url": "octopi.local", "secret": "A" * 32}, "http(s)://HOST"),
    ({"driver": "moonraker", "url": ""}, "at which address"),
    ({"driver": "octoprint", "url": "http://octopi.local"}, "with a key only"),
    ({"driver": "prusalink", "url": "http://mk4.local"}, "with a password only"),
)


def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays(calm: Calm) -> None:
    (desk, _), lab, tmp_path = calm
    before, there = (tmp_path / "devices.toml").read_text(), names(lab)
    for wrong, said in WRONG:
        answer = desk.post("/machines/new", htmx=True, **{**NEW, "model": "Prusa <b>MK3</b>", **wrong})
        assert (answer.status_code, said in answer.text) == (422, True), wrong
        assert 'class="field-error"' in answer.text or 'role="alert"' in answer.text
        assert 'value="Prusa &lt;b&gt;MK3&lt;/b&gt;"' in answer.text
    assert ((tmp_path / "devices.toml").read_text(), names(lab)) == (before, there)


def test_a_key_goes_into_a_file_of_its_own_and_is_never_shown_again(
    seat: Seat, lab: Lab, tmp_path: Path
) -> None:
    desk, _ = seat
    secret = "FEDCBA9876543210FEDCBA9876543210"
    typed = {**NEW, "driver": "octoprint", "url": "http://127.0.0.1:9", "name": "", "secret": secret}
    answer = desk.post("/machines/new", htmx=True, **typed)
    assert answer.status_code == 422
    assert secret not in answer.text
    kept = re.search(r'name="kept" value="([^"]+)"', answer.text)
    assert kept is not None
    answer = desk.post("/machines/new", **{**typed, "name": "Octave", "secret": "", "kept": kept[1]})
    assert answer.status_code == 303, answer.text
    file = tmp_path / "octave.key"
    assert file.read_text().strip() == secret
    assert file.stat().st_mode & 0o777 == 0o600
    assert secret not in (tmp_path / "devices.toml").read_text()
    key = answer.headers["location"].removeprefix("/machines#device-")
    assert desk.post(f"/machines/{key}/remove").status_code == 303
    assert not file.exists()
    assert "octave" not in load(tmp_path / "devices.toml")


def test_a_key_that_one_member_typed_is_not_anothers() -> None:
    drawer: Drawer[str] = Drawer(lambda: 0.0)
    key = drawer.put(1, "secret")
    assert (drawer.get(1, key), drawer.get(2, key)) == ("secret", None)
    for _ in range(MOST):
        drawer.put(1, "other")
    assert drawer.get(1, key) is None


def test_a_key_is_forgotten_after_half_an_hour() -> None:
    now = 0.0
    drawer: Drawer[str] = Drawer(lambda: now)
    key = drawer.put(1, "secret")
    now = LIFE_S + 1
    assert drawer.get(1, key) is None


def test_a_file_that_is_there_already_is_not_taken_for_the_key(seat: Seat, lab: Lab, tmp_path: Path) -> None:
    desk, _ = seat
    (tmp_path / "octave.key").write_text("somebody else's")
    typed = {**NEW, "driver": "octoprint", "url": "http://127.0.0.1:9", "name": "Octave", "secret": "A" * 32}
    answer = desk.post("/machines/new", htmx=True, **typed)
    assert (answer.status_code, "octave.key" in answer.text) == (422, True)
    assert (tmp_path / "octave.key").read_text() == "somebody else's"
    assert "Octave" not in names(lab)


def test_a_server_that_may_not_write_shows_what_to_write(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("a file where a folder should be: not even root can write into it")
    with browser(lab, tmp_path, devices=tmp_path / "etc" / "devices.toml") as (desk, _):
        desk.sign_in("admin")
        assert "may not write" in desk.get("/machines/new").text
        secret = "A" * 32
        typed = {**NEW, "driver": "octoprint", "url": "http://octopi.local", "secret": secret}
        answer = desk.post("/machines/new", htmx=True, **typed)
        assert answer.status_code == 422
        assert "[devices.rosalie-two]" in answer.text
        assert "rosalie-two.key" in answer.text
        assert secret not in answer.text
        assert names(lab) == ["mk3", "ender", "laser"]


def test_choosing_another_kind_asks_for_its_own_fields_and_keeps_the_rest(calm: Calm) -> None:
    (desk, _), _, _ = calm
    text = desk.post("/machines/new/form", htmx=True, **{**NEW, "driver": "prusalink"}).text
    for field in ('name="url"', 'name="user"', 'name="secret"', 'value="Rosalie Two"'):
        assert field in text
    assert 'name="port"' not in text
    text = desk.post("/machines/new/form", **{**NEW, "driver": "grbl", "technology": "laser"}).text
    assert 'name="port"' in text
    assert 'name="nozzle"' not in text


def test_something_that_was_found_fills_the_form(calm: Calm) -> None:
    (desk, _), _, _ = calm
    found = json.dumps({"driver": "octoprint", "url": "http://octopi.local", "name": "Octopi", "evil": "x"})
    text = desk.post("/machines/new/form", htmx=True, **{**NEW, "take": found}).text
    assert 'value="http://octopi.local"' in text
    assert 'value="Octopi"' in text
    for broken in ("{", "[]", '{"driver": 1}', "null"):
        assert desk.post("/machines/new/form", htmx=True, **{**NEW, "take": broken}).status_code == 200


def test_a_machine_is_tried_before_it_is_saved(calm: Calm) -> None:
    (desk, _), _, _ = calm
    typed: dict[str, Any] = {**NEW, "driver": "marlin", "port": "/dev/serial/by-id/usb-nothing"}
    answer = desk.post("/machines/new/test", htmx=True, **typed)
    again = re.search(r'hx-get="(/machines/new/test/[^"]+)"', answer.text)
    text = answer.text
    if again is not None:
        text = until(lambda: t if "hx-get" not in (t := desk.fragment(again[1]).text) else None)
    assert "Its port is not there." in text
    assert "cable in?" in text
    page = desk.post("/machines/new/test", **{**NEW, "driver": "moonraker", "url": "http://127.0.0.1:9"})
    assert "No server answers at this address." in page.text


def test_what_cannot_be_tried_says_why(calm: Calm) -> None:
    (desk, _), _, _ = calm
    for path in ("/machines/new/test", "/machines/new/key"):
        answer = desk.post(
            path, htmx=True, **{**NEW, "driver": "octoprint", "url": "ftp://x", "secret": "A" * 32}
        )
        assert answer.status_code == 422
        assert "http(s)://HOST" in answer.text
    assert desk.fragment("/machines/new/test/unknown").status_code == 404
    assert desk.fragment("/machines/new/key/unknown").status_code == 404


# -- taking out


def test_a_machine_that_prints_is_not_removed(seat: Seat, lab: Lab, tmp_path: Path) -> None:
    desk, _ = seat
    being_made(lab)
    answer = desk.post(f"/machines/{lab.resources['mk3']}/remove", htmx=True)
    assert answer.status_code == 409
    assert "Something is running on this machine." in answer.text
    assert "mk3" in load(tmp_path / "devices.toml")


def test_a_removed_machine_is_gone_from_the_lab_the_file_and_the_wire(
    seat: Seat, lab: Lab, tmp_path: Path
) -> None:
    desk, _ = seat
    lab.clock.advance(timedelta(seconds=1))
    assert desk.post(f"/machines/{lab.resources['mk3']}/remove").status_code == 303
    assert "mk3" not in names(lab)
    assert list(load(tmp_path / "devices.toml")) == ["ender", "spare"]
    assert "mk3" not in re.findall(r'id="device-[^"]*-name">([^<]*)<', desk.get("/machines").text)
    with lab.database.read() as uow:
        assert uow.session.scalars(select(Run)).all() == []


def test_a_table_that_no_machine_stands_on_is_removed_alone(seat: Seat, lab: Lab, tmp_path: Path) -> None:
    desk, _ = seat
    assert desk.post("/devices/ender/remove").status_code == 404  # the lab has a machine on it
    assert desk.post("/devices/spare/remove").status_code == 303
    assert list(load(tmp_path / "devices.toml")) == ["mk3", "ender"]


def test_a_file_that_went_wrong_is_said_and_the_machines_stay(seat: Seat, tmp_path: Path) -> None:
    desk, _ = seat
    desk.get("/machines")
    (tmp_path / "devices.toml").write_text("[devices.mk3]\ndriver = 'nothing'\n")
    page = desk.get("/machines").text
    assert "cannot be used as it is now" in page
    assert "octopi.local:5000" in page
