"""The pages as makers and staff see them, in both languages, and what they never show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fablab.device import Capability, DeviceState, LinkState, Progress, Safety
from fablab.places.models import Technology
from tests.lab import Lab
from tests.web.page_rig import Browser, PageLink, browser, until
from web.pages import show_floor
from web.pages.eyes import Eyes
from web.pages.shell import local_path
from web.words import Words

Seat = tuple[Browser, dict[str, PageLink]]
PAGES = ("/jobs", "/floor", "/calendar", "/calendar?view=week", "/calendar?day=2026-11-25")
#: What the policy of the pages would stop in a browser, so no page may have it.
INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=\"|<script(?![^>]*\ssrc=)|javascript:", re.I)
LEFT_OPEN = re.compile(r"%\(\w+\)|…\.|Undefined|None\b|\{\{|&lt;Macro")


@pytest.fixture
def seat(lab: Lab, tmp_path: Path) -> Iterator[Seat]:
    with browser(lab, tmp_path) as found:
        yield found


def run_the_gear(seat: Seat, lab: Lab) -> tuple[str, str]:
    """The maker's gear runs on mk3, half done; the staff is signed in. Job and run id."""
    desk, links = seat
    desk.sign_in("maker")
    job_id = desk.submitted(material="PETG|orange", project=str(lab.projects["drone"]))
    desk.sign_in("staff")
    mk3 = lab.resources["mk3"]
    desk.post(f"/machines/{mk3}/clear")
    answer = desk.post(f"/machines/{mk3}/tap", job=job_id)
    assert answer.status_code == 303, answer.text
    run_id = until(lambda: desk.found(r'action="/runs/([^/"]+)/pause"', f"/machines/{mk3}/card"))
    progress = Progress(token=run_id, fraction=0.5, elapsed_s=990, remaining_s=1000, detail="layer 7")
    links["mk3"].show(DeviceState.RUNNING, progress, tool0=230.0, tool0_target=230.0, bed=85.0)
    return job_id, run_id


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("who", ["maker", "staff"])
def test_every_page_is_whole_in_both_languages_for_makers_and_staff(
    seat: Seat, lab: Lab, who: str, language: str
) -> None:
    desk, _ = seat
    job_id, _ = run_the_gear(seat, lab)
    desk.sign_in(who, language=language)
    desk.drop()
    for path in (*PAGES, f"/jobs/{job_id}", "/nowhere"):
        answer = desk.get(path)
        assert answer.status_code == (404 if path == "/nowhere" else 200), path
        assert f'lang="{language}"' in answer.text
        assert INLINE.search(answer.text) is None, (path, INLINE.search(answer.text))
        assert LEFT_OPEN.search(answer.text) is None, (path, LEFT_OPEN.search(answer.text))


def test_somebody_who_is_not_signed_in_is_led_to_the_door_and_back(seat: Seat) -> None:
    desk, _ = seat
    answer = desk.get("/calendar?view=week")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/calendar%3Fview%3Dweek"
    desk.get(answer.headers["location"])
    signed = desk.post(
        "/login", login="maker@lab.example", password="a long password", next="/calendar?view=week"
    )
    assert signed.headers["location"] == "/calendar?view=week"


def test_nobody_is_sent_to_another_site_by_a_crafted_address() -> None:
    for wanted in ("//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "jobs", ""):
        assert local_path(wanted, "/jobs") == "/jobs", wanted
    assert local_path("/calendar?view=week") == "/calendar?view=week"


def test_a_wrong_password_keeps_the_name_and_says_so_in_the_language_of_the_page(seat: Seat) -> None:
    desk, _ = seat
    answer = desk.sign_in("maker", password="wrong", language="fr")
    assert answer.status_code == 401
    assert 'value="maker@lab.example"' in answer.text
    assert 'role="alert"' in answer.text


def test_staff_start_on_the_floor_and_makers_at_their_jobs(seat: Seat) -> None:
    desk, _ = seat
    assert desk.sign_in("staff").headers["location"] == "/floor"
    assert desk.sign_in("maker").headers["location"] == "/jobs"


def test_the_language_is_kept_for_the_member_and_the_page_comes_back(seat: Seat) -> None:
    desk, _ = seat
    desk.sign_in("maker")
    answer = desk.post("/language/fr", next="/calendar?view=week")
    assert answer.headers["location"] == "/calendar?view=week"
    assert 'lang="fr"' in desk.get("/jobs").text


def test_a_form_without_the_token_changes_nothing(seat: Seat, lab: Lab) -> None:
    desk, _ = seat
    desk.sign_in("staff")
    desk.csrf = ""
    answer = desk.post(f"/machines/{lab.resources['mk3']}/clear")
    assert answer.status_code == 403
    with lab.database.read() as uow:
        from fablab.places import house

        assert house.machine(uow, lab.resources["mk3"]).gate == "awaiting_clear"


def test_a_maker_never_sees_whose_a_job_is_or_what_it_is_called(seat: Seat, lab: Lab) -> None:
    desk, _ = seat
    run_the_gear(seat, lab)
    desk.sign_in("other")
    for path in (*PAGES, f"/machines/{lab.resources['mk3']}/card"):
        text = desk.get(path).text
        assert "Maker" not in text.replace("Maker</p>", ""), path  # the role in the menu is no name
        assert "gear.gcode" not in text, path
        assert "Drone" not in text, path
        if path != "/jobs" and "11-25" not in path:
            assert "Occupied" in text, path


def test_a_maker_sees_a_block_of_somebody_else_as_taken_and_nothing_more(seat: Seat, lab: Lab) -> None:
    desk, _ = seat
    run_the_gear(seat, lab)
    block = desk.found(r'href="/allocations/(\d+)"', "/calendar")
    assert "gear.gcode" in desk.fragment(f"/allocations/{block}").text
    desk.sign_in("other")
    text = desk.fragment(f"/allocations/{block}").text
    assert "Occupied" in text
    assert "gear" not in text
    assert "/jobs/" not in text


def test_somebody_elses_job_does_not_exist(seat: Seat, lab: Lab) -> None:
    desk, _ = seat
    job_id, _ = run_the_gear(seat, lab)
    desk.sign_in("other")
    for path in ("", "/live", "/row", "/file"):
        assert desk.get(f"/jobs/{job_id}{path}").status_code == 404, path
    assert desk.get(f"/thumbnails/{job_id}").status_code == 404
    assert desk.post(f"/jobs/{job_id}/cancel").status_code == 404


def test_the_floor_tells_staff_what_runs_and_lets_them_pause_it(seat: Seat, lab: Lab) -> None:
    desk, links = seat
    _, run_id = run_the_gear(seat, lab)
    text = desk.get(f"/machines/{lab.resources['mk3']}/card").text
    assert "Maker" in text
    assert "50<span> %" in text
    assert "230<span" in text
    assert f'action="/runs/{run_id}/pause"' in text
    card = desk.post(f"/runs/{run_id}/pause", htmx=True, where="floor")
    assert links["mk3"].sent == ["start", "pause"] or links["mk3"].sent == ["pause"]
    assert f'id="machine-{lab.resources["mk3"]}"' in card.text


def test_a_maker_gets_no_button_for_a_machine(seat: Seat, lab: Lab) -> None:
    desk, _ = seat
    run_the_gear(seat, lab)
    desk.sign_in("maker")
    assert "<form" not in desk.get(f"/machines/{lab.resources['ender']}/card").text
    assert desk.post(f"/machines/{lab.resources['mk3']}/stop").status_code == 403


def test_a_machine_that_fell_silent_in_a_run_says_that_nothing_is_known(seat: Seat, lab: Lab) -> None:
    desk, links = seat
    run_the_gear(seat, lab)
    links["mk3"].state = LinkState.WAITING
    links["mk3"].show(DeviceState.OFFLINE)
    text = desk.get(f"/machines/{lab.resources['mk3']}/card").text
    assert "is-unknown" in text
    assert "50<span> %" not in text  # what was last written down was less


def test_a_stop_says_whether_the_machine_has_confirmed_it(seat: Seat, lab: Lab) -> None:
    desk, links = seat
    run_the_gear(seat, lab)
    answer = desk.post(f"/machines/{lab.resources['mk3']}/stop", htmx=True)
    assert "make_safe" in links["mk3"].sent
    assert 'hx-swap-oob="beforeend:#toasts"' in answer.text
    assert answer.text.count("Stop confirmed: the heaters are off.") == 2  # on the card, and in the toast


def test_a_stop_stays_on_the_card_until_somebody_has_looked(seat: Seat, lab: Lab) -> None:
    desk, links = seat
    run_the_gear(seat, lab)
    mk3 = lab.resources["mk3"]
    links["mk3"].safety = Safety.NOT_CONFIRMED
    desk.post(f"/machines/{mk3}/stop", htmx=True)
    floor = desk.get("/floor").text
    assert "Stop NOT confirmed: cut the power." in floor
    assert "stopped by Staff" in floor
    desk.sign_in("maker")
    floor = desk.get("/floor").text
    assert "Stop NOT confirmed: cut the power." in floor
    assert f"/machines/{mk3}/stop/seen" not in floor
    desk.sign_in("staff")
    answer = desk.post(f"/machines/{mk3}/stop/seen", htmx=True)
    assert "Stop NOT confirmed" not in answer.text
    assert f'id="machine-{mk3}"' in answer.text


@pytest.mark.parametrize(
    ("technology", "said"),
    [
        (Technology.FDM, "Arrêt confirmé\N{NO-BREAK SPACE}: chauffes coupées."),
        (Technology.LASER, "Arrêt confirmé\N{NO-BREAK SPACE}: faisceau coupé."),
        (Technology.CNC, "Arrêt confirmé\N{NO-BREAK SPACE}: broche arrêtée."),
        (Technology.VINYL, "Arrêt confirmé\N{NO-BREAK SPACE}: tout est coupé."),
        (None, "Arrêt confirmé\N{NO-BREAK SPACE}: tout est coupé."),
    ],
)
def test_a_stop_names_what_the_machine_works_with(lab: Lab, technology: Technology | None, said: str) -> None:
    eyes = Eyes(words=Words("fr", clock=lab.clock), now=lab.clock.now(), actor=lab.staff)
    assert show_floor.stop_sentence(eyes, technology, confirmed=True) == said
    not_confirmed = show_floor.stop_sentence(eyes, technology, confirmed=False)
    assert not_confirmed == "Arrêt NON confirmé\N{NO-BREAK SPACE}: coupez l’alimentation."


def test_a_machine_that_cannot_pause_is_offered_no_pause_and_refuses_it_in_a_code(
    seat: Seat, lab: Lab
) -> None:
    desk, links = seat
    _, run_id = run_the_gear(seat, lab)
    card = f"/machines/{lab.resources['mk3']}/card"
    assert "/pause" in desk.fragment(card).text
    links["mk3"].capabilities = frozenset({Capability.START, Capability.SAFE_STOP})
    text = desk.fragment(card).text
    assert "/pause" not in text
    assert "/cancel" not in text
    desk.get("/floor")
    headers = {"X-CSRF-Token": desk.csrf}
    for action in ("pause", "cancel"):
        answer = desk.client.post(f"/api/runs/{run_id}/{action}", headers=headers)
        refused = answer.json()
        assert answer.status_code == 422
        assert [refusal["code"] for refusal in refused["refusals"]] == [f"machine.cannot_{action}"]
    assert "cancel" not in links["mk3"].sent


def test_a_job_is_not_given_up_while_a_machine_has_it_that_only_a_person_can_end(
    seat: Seat, lab: Lab
) -> None:
    desk, links = seat
    job_id, _ = run_the_gear(seat, lab)
    links["mk3"].capabilities = frozenset({Capability.START, Capability.SAFE_STOP})
    desk.get("/jobs")
    headers = {"X-CSRF-Token": desk.csrf}
    answer = desk.client.delete(f"/api/jobs/{job_id}", headers=headers)
    assert answer.status_code == 422
    assert [refusal["code"] for refusal in answer.json()["refusals"]] == ["machine.cannot_cancel"]
    assert desk.post(f"/jobs/{job_id}/cancel").status_code == 422
    assert desk.client.get(f"/api/jobs/{job_id}").json()["state"] == "active"


def test_a_machine_at_work_for_somebody_else_says_so_and_staff_read_what_it_is(seat: Seat, lab: Lab) -> None:
    desk, links = seat
    links["mk3"].show(DeviceState.RUNNING)
    links["mk3"].tell("prints vase.gcode, which the lab did not start")
    card = f"/machines/{lab.resources['mk3']}/card"
    desk.sign_in("staff")
    assert "Prints vase.gcode, which the lab did not start." in desk.fragment(card).text
    links["mk3"].tell("")
    assert "something that the lab did not start" in desk.fragment(card).text


def test_whoever_clears_a_bed_reads_why_the_run_failed(seat: Seat, lab: Lab) -> None:
    desk, links = seat
    _, run_id = run_the_gear(seat, lab)
    with lab.database.begin() as uow:
        from fablab.runs import attempts

        attempts.turn(uow, attempts.get(uow, run_id), "fail", "the print failed")
    links["mk3"].show(DeviceState.IDLE)
    text = desk.fragment(f"/machines/{lab.resources['mk3']}/card").text
    assert "has failed. Take off what is on the bed. The print failed." in text


def test_what_a_paused_machine_waits_for_is_said_as_it_is_now_and_not_as_it_was(seat: Seat, lab: Lab) -> None:
    desk, links = seat
    job_id, run_id = run_the_gear(seat, lab)
    with lab.database.begin() as uow:
        from fablab.runs import attempts

        attempts.turn(uow, attempts.get(uow, run_id), "pause", "door open; close it and press resume")
    progress = Progress(token=run_id, fraction=0.5, elapsed_s=990)
    links["mk3"].show(DeviceState.PAUSED, progress)
    links["mk3"].tell("door closed again; press resume to go on")
    for path in (f"/jobs/{job_id}/live", f"/machines/{lab.resources['mk3']}/device"):
        text = desk.fragment(path).text
        assert "Door closed again" in text
        assert "oor open" not in text


def test_out_of_service_says_who_and_why_and_back_asks_for_the_bed(seat: Seat, lab: Lab) -> None:
    desk, _ = seat
    desk.sign_in("staff")
    ender = lab.resources["ender"]
    text = desk.post(f"/machines/{ender}/out-of-service", htmx=True, reason="Nozzle  blocked").text
    assert "Nozzle blocked (Staff)" in text
    text = desk.post(f"/machines/{ender}/back", htmx=True).text
    assert "is-awaiting_clear" in text
    text = desk.post(f"/machines/{ender}/clear", htmx=True).text
    assert "is-free" in text


def test_a_tap_with_another_spool_takes_the_one_the_button_named(seat: Seat, lab: Lab) -> None:
    desk, _ = seat
    desk.sign_in("maker")
    job_id = desk.submitted(material="PETG|orange")
    desk.sign_in("staff")
    ender = lab.resources["ender"]
    desk.post(f"/machines/{ender}/clear")
    assert desk.post(f"/machines/{ender}/tap", htmx=True, job=job_id).status_code in (200, 201)
    with lab.database.read() as uow:
        from fablab.places import house

        assert house.machine(uow, ender).spool_id == lab.spools["PETG"]


def test_a_second_tap_is_a_conflict_said_in_a_sentence(seat: Seat, lab: Lab) -> None:
    desk, _ = seat
    job_id, _ = run_the_gear(seat, lab)
    answer = desk.post(f"/machines/{lab.resources['mk3']}/tap", htmx=True, job=job_id)
    assert answer.status_code in (409, 422)
    assert "data-toast" in answer.text


def test_a_finished_job_says_what_it_cost_and_news_are_told_once(seat: Seat, lab: Lab) -> None:
    desk, links = seat
    job_id, run_id = run_the_gear(seat, lab)
    lab.clock.advance(minutes=33)
    with lab.database.begin() as uow:
        from fablab.runs import attempts

        attempts.turn(uow, attempts.get(uow, run_id), "succeed")
    links["mk3"].show(DeviceState.IDLE)
    desk.sign_in("maker")
    text = desk.get(f"/jobs/{job_id}").text
    assert "What it cost" in text
    assert "€1.18" in text
    assert "Finished on mk3." in text
    told = desk.post("/notices/seen", htmx=True).text
    assert "is ready on mk3" in told
    assert desk.post("/notices/seen", htmx=True).text == ""


def test_the_board_is_not_sent_again_when_nothing_has_changed(seat: Seat, lab: Lab) -> None:
    desk, _ = seat
    desk.sign_in("maker")
    first = desk.get("/calendar")
    again = desk.get("/calendar", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.text) == (304, "")


def test_the_days_on_which_the_clocks_change_have_their_true_length(seat: Seat) -> None:
    desk, _ = seat
    desk.sign_in("maker")
    for day, hours in (("2026-10-25", 25), ("2027-03-28", 23)):
        assert f"cols-{hours * 12} " in desk.get(f"/calendar?day={day}&view=day").text
        assert f"cols-{(hours + 6 * 24) * 2} " in desk.get(f"/calendar?day={day}&view=week").text


def test_a_day_that_makes_no_sense_is_today(seat: Seat) -> None:
    desk, _ = seat
    desk.sign_in("maker")
    for day in ("", "yesterday", "0001-01-01", "9999-12-31", "2026-13-01"):
        assert "Tuesday 24 November 2026" in desk.get(f"/calendar?day={day}").text, day


def test_a_job_in_review_has_no_tap_but_a_link_for_the_staff_to_decide(seat: Seat, lab: Lab) -> None:
    desk, _ = seat
    desk.sign_in("maker")
    job_id = desk.submitted(material="PETG|orange")
    _ask_the_staff(lab, job_id)
    desk.sign_in("staff")
    for machine in ("mk3", "ender"):
        desk.post(f"/machines/{lab.resources[machine]}/clear")
    text = desk.get("/floor").text
    assert f'href="/jobs/{job_id}">The staff must look at this job first.' in text
    assert 'class="tap"' not in text
    assert "One job waits for your answer." in text
    desk.sign_in("maker")
    text = desk.get("/floor").text
    assert "The staff must look" not in text
    assert "waits for your answer" not in text


def _ask_the_staff(lab: Lab, job_id: str) -> None:
    with lab.database.begin() as uow:
        from fablab.claims.jobs import use as jobs
        from fablab.claims.jobs.models import JobState

        jobs.get(uow, job_id).state = JobState.REVIEW


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("succeed", "“gear.gcode” is finished."),
        ("fail", "“gear.gcode” has failed."),
        ("cancel", "“gear.gcode” was stopped."),
        ("interrupt", "“gear.gcode” was interrupted."),
    ],
)
def test_the_bed_that_waits_says_how_its_run_ended(seat: Seat, lab: Lab, step: str, said: str) -> None:
    desk, _ = seat
    _end_the_gear(seat, lab, step)
    assert said in desk.get(f"/machines/{lab.resources['mk3']}/card").text


def _end_the_gear(seat: Seat, lab: Lab, step: str, detail: str = "") -> str:
    job_id, run_id = run_the_gear(seat, lab)
    lab.clock.advance(minutes=5)
    with lab.database.begin() as uow:
        from fablab.runs import attempts

        attempts.turn(uow, attempts.get(uow, run_id), step, detail)
    seat[1]["mk3"].show(DeviceState.IDLE)
    return job_id


def test_a_machine_back_in_service_names_no_run_of_before(seat: Seat, lab: Lab) -> None:
    desk, _ = seat
    _end_the_gear(seat, lab, "succeed")
    mk3 = lab.resources["mk3"]
    lab.clock.advance(minutes=5)
    desk.post(f"/machines/{mk3}/out-of-service", reason="Nozzle")
    text = desk.post(f"/machines/{mk3}/back", htmx=True).text
    assert "is-awaiting_clear" in text
    assert "gear.gcode” is" not in text
    assert "Something may be on the bed." in text


def test_a_stopped_job_says_that_nothing_is_charged_and_why_in_french(seat: Seat, lab: Lab) -> None:
    desk, _ = seat
    job_id = _end_the_gear(seat, lab, "cancel", "stopped: the machine was made safe")
    desk.sign_in("maker", language="fr")
    text = desk.get(f"/jobs/{job_id}").text
    assert "<p>Rien n’est facturé.</p>" in text
    assert "Ce que cela coûtera" not in text
    assert "la machine a été mise en sécurité." in text
    assert "Passés" in desk.get("/jobs").text


def test_the_demo_says_how_fast_its_mocks_are_and_a_real_lab_does_not(lab: Lab, tmp_path: Path) -> None:
    from web.demo.run import SPEED

    said = f"mock machines run {SPEED} times as fast"
    for demo in (True, False):
        with browser(lab, tmp_path, demo=demo) as (desk, _):
            desk.sign_in("maker")
            assert (said in desk.get("/floor").text) is demo
