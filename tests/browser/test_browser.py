"""The main job as people do it: a file dropped, a bed confirmed, a print watched, a part fetched and paid."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.screen import PATIENCE_MS, Screen, screen
from tests.lab import GEAR, PASSWORD, TAG
from tests.served import Served, until
from tests.web.fake_camera import FakeCamera

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGES = ("/jobs", "/floor", "/calendar", "/calendar?view=week", "/machines")
A_PRINT_MS = 60_000


@contextmanager
def seated(chrome: Browser, house: Served, who: str, **screen_options: Any) -> Iterator[Screen]:
    """Somebody at their screen, who has nothing to complain about in the end."""
    with screen(chrome, str(house.client.base_url), **screen_options) as found:
        found.sign_in(f"{who}@lab.example")
        yield found
        assert found.complaints == []


def dropped(maker: Screen) -> None:
    maker.page.goto("/jobs")
    maker.is_live()
    maker.page.set_input_files("#file", GEAR)
    expect(maker.page.locator("form.draft-form")).to_be_visible(timeout=PATIENCE_MS)


def test_a_dropped_gear_is_printed_watched_and_paid(chrome: Browser, workshop: Served) -> None:
    with seated(chrome, workshop, "maker") as maker, seated(chrome, workshop, "staff") as staff:
        job_path = submits_a_gear(maker)
        machine_id = workshop.lab.resources["mk3"]
        clears_and_starts(staff, machine_id)
        expect(maker.page.locator("#job-live")).to_contain_text("Being made")
        seen = moving(staff, machine_id)
        assert seen == sorted(seen)
        assert maker.barriers() == []
        assert staff.barriers() == []
        machine = staff.page.locator(f"#machine-{machine_id}")
        expect(machine).to_contain_text("Take it off the bed", timeout=A_PRINT_MS)
        expect(maker.page.locator("#job-live")).to_contain_text("Done")
        expect(maker.page.locator("#toasts")).to_contain_text("is ready on mk3")
        finds_it_paid(maker, job_path)
        finds_it_in_the_calendar(maker)


def submits_a_gear(maker: Screen) -> str:
    dropped(maker)
    draft = maker.page.locator("article.draft")
    for said in ("33 min", "4.5\N{NO-BREAK SPACE}g", "€1.18", "Ready"):
        expect(draft).to_contain_text(said)
    assert maker.barriers() == []
    draft.get_by_role("button", name="Submit the job").click()
    maker.page.wait_for_url("**/jobs/*")
    expect(maker.page.locator("#job-live")).to_contain_text("Planned")
    maker.is_live()
    return maker.page.url


def clears_and_starts(staff: Screen, machine_id: int) -> None:
    machine = staff.page.locator(f"#machine-{machine_id}")
    staff.is_live()
    machine.get_by_role("button", name="The bed is clear").click()
    expect(machine).to_contain_text("Next: gear_mk3s_petg.gcode")
    expect(staff.page.locator("#floor-lead")).not_to_contain_text("waiting")
    assert staff.barriers() == []
    machine.get_by_role("button", name="Start").click()
    expect(machine).to_contain_text("Running")


def finds_it_paid(maker: Screen, job_path: str) -> None:
    maker.page.goto(job_path)
    expect(maker.page.locator(".split-side")).to_contain_text("What it cost")
    expect(maker.page.locator(".split-side")).to_contain_text("€1.18")


def finds_it_in_the_calendar(maker: Screen) -> None:
    maker.page.goto("/calendar")
    block = maker.page.locator("a.alloc", has_text="gear_mk3s_petg.gcode").first
    expect(block).to_have_class(re.compile("is-done"))
    block.click()
    expect(maker.page.locator("#panel")).to_contain_text("mk3")
    assert maker.barriers() == []


def moving(staff: Screen, machine_id: int) -> list[int]:
    """Three different percentages, as they come over the live stream without a reload."""
    seen: list[int] = []
    place = f"#machine-{machine_id} .machine-percent"
    staff.page.wait_for_selector(place)
    while len(seen) < 3:
        last = seen[-1] if seen else -1
        script = f"""() => {{
            const now = parseInt(document.querySelector({place!r})?.textContent ?? "");
            return now > {last} ? now + 1 : false;
        }}"""
        seen.append(int(staff.page.wait_for_function(script).json_value()) - 1)
    return seen


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_a_phone_scrolls_only_up_and_down_and_axe_finds_nothing_grave(
    chrome: Browser, house: Served, path: str, language: str
) -> None:
    with screen(chrome, str(house.client.base_url), width_px=390, height_px=844, language=language) as phone:
        phone.sign_in("staff@lab.example")
        phone.page.goto(path)
        phone.is_live()
        assert phone.overflow_px() == 0
        assert phone.barriers() == []


def test_a_job_is_submitted_with_the_keyboard_alone(chrome: Browser, house: Served) -> None:
    with seated(chrome, house, "maker") as maker:
        page = maker.page
        page.goto("/jobs")
        with page.expect_file_chooser() as chooser:
            tab_to(maker, "#file")
            page.keyboard.press("Enter")
        chooser.value.set_files(TAG)
        expect(page.locator("form.draft-form")).to_be_visible(timeout=PATIENCE_MS)
        tab_to(maker, "form.draft-form .button.is-primary")
        page.keyboard.press("Enter")
        page.wait_for_url("**/jobs/*")
        expect(page.locator("#job-live")).to_contain_text("Planned")


def tab_to(who: Screen, selector: str, most: int = 60) -> None:
    for _ in range(most):
        who.page.keyboard.press("Tab")
        if who.page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
    raise AssertionError(f"the Tab key does not reach {selector}")


def test_a_file_of_the_wrong_kind_is_answered_where_it_was_dropped(chrome: Browser, house: Served) -> None:
    with screen(chrome, str(house.client.base_url)) as found:
        found.sign_in("other@lab.example")
        found.page.set_input_files(
            "#file", {"name": "model.stl", "mimeType": "model/stl", "buffer": b"solid x"}
        )
        expect(found.page.locator("article.is-failed")).to_contain_text("slicer")
        refused = [line for line in found.complaints if "422" not in line]
        assert refused == []


def test_a_form_is_sent_back_in_its_place_as_it_was_filled_in(chrome: Browser, house: Served) -> None:
    with screen(chrome, str(house.client.base_url)) as found:
        found.sign_in("admin@lab.example")
        dropped(found)
        draft = found.page.locator("article.draft")
        found.page.locator("input[type=datetime-local]").fill("2020-01-01T10:00")
        expect(draft).to_contain_text("already past")
        draft.get_by_role("button", name="Submit the job").click()
        expect(draft.get_by_role("button", name="Submit the job")).to_be_disabled()
        expect(found.page.locator("input[type=datetime-local]")).to_have_value("2020-01-01T10:00")
        assert found.barriers() == []


def test_a_machine_is_added_tested_and_watched_by_its_camera(
    chrome: Browser, watched: Served, camera: FakeCamera
) -> None:
    with screen(chrome, str(watched.client.base_url), width_px=390, height_px=844) as found:
        found.sign_in("admin@lab.example")
        page = found.page
        page.goto("/machines")
        page.get_by_role("link", name="Add a machine").click()
        page.select_option("#f-driver", "octoprint")
        expect(page.locator("#f-url")).to_be_visible()
        assert found.barriers() == []
        page.fill("#f-name", "Rosalie")
        page.fill("#f-bed_x", "wide")
        page.select_option("#f-driver", "manual")
        expect(page.locator("#f-url")).to_have_count(0)
        page.get_by_role("button", name="Add the machine").click()
        expect(page.locator(".field-error")).to_contain_text("no number")
        expect(page.locator("#f-name")).to_have_value("Rosalie")
        assert found.barriers() == []
        page.fill("#f-bed_x", "200")
        page.get_by_role("button", name="Add the machine").click()
        card = page.locator("article.device", has_text="Rosalie")
        expect(card).to_contain_text("Connected")
        card.get_by_role("button", name="Test").click()
        expect(card).to_contain_text("It answers.")
        assert (found.overflow_px(), found.barriers()) == (0, [])
        shows_its_camera(found, camera, watched.lab.resources["mk3"])
        assert [line for line in found.complaints if "422" not in line] == []


def shows_its_camera(staff: Screen, camera: FakeCamera, machine_id: int) -> None:
    """A picture that is fetched again while it is seen, moving ones on a page, and nothing after that."""
    page = staff.page
    page.goto("/floor")
    picture = f"#machine-{machine_id} .camera img"
    page.locator(picture).scroll_into_view_if_needed()
    page.wait_for_function(
        f"() => {{ const i = document.querySelector('{picture}'); return i.src.includes('?at=') && i.naturalWidth; }}"
    )
    page.locator(f"#machine-{machine_id}").get_by_role("link", name="Live view").click()
    page.wait_for_function("() => document.querySelector('img[data-camera-stream]')?.naturalWidth > 0")
    expect(page.locator("figure.camera")).to_contain_text("nothing is recorded")
    assert (camera.streams, staff.barriers()) == (1, [])
    page.goto("/jobs")
    until(lambda: True if camera.streams == 0 else None)


def test_the_whole_way_in_works_without_script(chrome: Browser, house: Served) -> None:
    context = chrome.new_context(base_url=str(house.client.base_url), java_script_enabled=False, locale="en")
    page = context.new_page()
    page.goto("/jobs")
    page.fill("#login", "staff@lab.example")
    page.fill("#password", PASSWORD)
    page.click("form.stack button")
    page.set_input_files("#file", TAG)
    page.click("#drop button.no-js")
    for _ in range(20):
        if page.locator("form.draft-form").count():
            break
        page.goto("/jobs")
    page.click("form.draft-form .button.is-primary")
    assert "name_tag" in page.inner_text("h1")
    context.close()
