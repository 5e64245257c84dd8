"""A school's visit as people see it, in French: a teacher's form, the staff's dates, a yes, the day itself, and its end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from fablab.claims.jobs.models import Job, JobState
from fablab.claims.workshops.models import Session
from fablab.claims.workshops.words import SessionState
from fablab.money.models import Charge
from tests.browser.screen import PATIENCE_MS, Screen, chromium, screen
from tests.stories.school_rig import FIRST_NAMES, PRINTERS, PUPILS, SchoolHouse, school_house, tag_program

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
A_CLASS_MS = 120_000


@pytest.mark.parametrize("pieces", [len(PRINTERS), pytest.param(PUPILS, marks=pytest.mark.soak)])
async def test_a_teacher_asks_comes_and_reads_the_certificate(tmp_path: Path, pieces: int) -> None:
    async with school_house(tmp_path / "data") as house:
        await asyncio.to_thread(visit, house, tmp_path, FIRST_NAMES[:pieces])


def visit(house: SchoolHouse, tmp_path: Path, names: Sequence[str]) -> None:
    with (
        chromium() as chrome,
        screen(chrome, house.base, language="fr") as school,
        screen(chrome, house.base, language="fr") as staff,
    ):
        asks(school, house)
        staff.sign_in("staff@lab.example")
        session_id = proposes(staff)
        accepts(school, house)
        house.clock.turn_to(date_of(house, session_id) + timedelta(minutes=5))
        staff.sign_in("staff@lab.example")
        drops_files(staff, session_id, tmp_path, names)
        prints(staff, house, session_id, len(names))
        ends(staff, house, session_id)
        reads_it_all(school)
        # A tap on a card that is half a second old may name a piece that another tap has just started.
        taps = re.compile(r"/tap$|status of 422")
        assert (school.complaints, [said for said in staff.complaints if not taps.search(said)]) == ([], [])


def fine(found: Screen) -> None:
    """No barrier, and nothing sticks out at the side."""
    assert (found.overflow_px(), found.barriers()) == (0, [])


def asks(school: Screen, house: SchoolHouse) -> None:
    page = school.page
    page.goto("/house/request?workshop=name-tags")
    page.get_by_role("radio", name=re.compile("Mon badge en 3D")).check()
    page.get_by_label("Quel niveau").select_option("elementaire")
    page.get_by_label("Combien d’élèves").fill(str(PUPILS))
    page.get_by_label("Combien d’adultes").fill("2")
    page.locator("[name=day1]").fill(house.a_school_day().isoformat())
    page.locator("#school").fill("École Jean-Macé")
    page.locator("#place").fill("62400 Béthune")
    page.locator("#contact").fill("Claire Martin")
    page.locator("#email").fill("claire.martin@ac-lille.example")
    page.locator("#accessibility").fill("Un élève en fauteuil.")
    fine(school)
    page.locator(".send button").click()
    page.wait_for_url(lambda url: not url.endswith("/request?workshop=name-tags"))
    page.goto(f"/thread/{house.key_in('session.confirm')}")
    page.locator("main form button").first.click()
    expect(page.locator("main h1")).to_contain_text("Mon badge en 3D")
    fine(school)


def proposes(staff: Screen) -> str:
    page = staff.page
    page.goto("/requests")
    page.get_by_role("link", name=re.compile("Jean-Macé")).first.click()
    page.wait_for_url(re.compile(r"/requests/\w+$"))
    page.locator("#find form button").click()
    expect(page.locator(".found-list input:checked")).to_have_count(3, timeout=PATIENCE_MS)
    fine(staff)
    page.locator("button[value=hold]").click()
    expect(page.locator(".now-card.is-offered")).to_be_visible()
    return page.url.rpartition("/")[2].partition("#")[0]


def accepts(school: Screen, house: SchoolHouse) -> None:
    page = school.page
    page.goto(f"/thread/{house.key_in('session.held')}")
    expect(page.locator(".now-card")).to_contain_text("Room 1")
    expect(page.locator(".price tfoot")).to_contain_text("156,32")
    with page.expect_download() as quote:
        page.locator("a[href$='/quote.pdf']").first.click()
    assert Path(quote.value.path()).read_bytes().startswith(b"%PDF-")
    fine(school)
    page.locator("#accept button.is-primary").click()
    expect(page.locator(".now-card.is-confirmed")).to_be_visible()


def date_of(house: SchoolHouse, session_id: str) -> datetime:
    with house.lab.database.read() as uow:
        session = uow.session.get_one(Session, session_id)
        assert session.state is SessionState.CONFIRMED
        assert session.start_at is not None
        return session.start_at


def drops_files(staff: Screen, session_id: str, tmp_path: Path, names: Sequence[str]) -> None:
    """All files at once, and a list of first names."""
    files = []
    for number, name in enumerate(names):
        files.append(tmp_path / f"{name}.gcode")
        files[-1].write_bytes(tag_program(number))
    page = staff.page
    page.goto(f"/sessions/{session_id}/day")
    expect(page.locator("#h-when")).to_be_visible()
    fine(staff)
    page.locator("#names").fill("\n".join(names))
    page.set_input_files("#files", files)
    page.locator("form[action$='/files'] button").click()
    expect(page.locator(".piece")).to_have_count(len(names), timeout=PATIENCE_MS)
    expect(page.locator("#pieces")).to_contain_text(names[-1])
    fine(staff)


def prints(staff: Screen, house: SchoolHouse, session_id: str, count: int) -> None:
    """On the floor: a tap for each piece, on whichever printer waits for one, until all are made."""
    page = staff.page
    page.goto("/floor")
    staff.is_live()
    machines = [house.lab.resources[name] for name in PRINTERS]
    for _ in range(A_CLASS_MS // 100):
        if done(house) == count:
            break
        for machine_id in machines:
            tap(page, machine_id)
        page.wait_for_timeout(100)
    assert done(house) == count
    page.goto(f"/sessions/{session_id}/day")
    expect(page.locator("#pieces")).to_contain_text(f"{count} sur {count} sont faites")


def tap(page: Page, machine_id: int) -> None:
    """What is to be done with this printer: nothing, its bed, or the next piece."""
    button = page.locator(f"#machine-{machine_id} button.is-tap:not([disabled])")
    if button.count():
        button.first.click(timeout=PATIENCE_MS)
        page.wait_for_function("() => document.querySelector('.htmx-request') === null")


def done(house: SchoolHouse) -> int:
    with house.lab.database.read() as uow:
        return len(uow.session.scalars(select(Job.id).where(Job.state == JobState.DONE)).all())


def ends(staff: Screen, house: SchoolHouse, session_id: str) -> None:
    page = staff.page
    page.locator("#problem-problem").fill("Une buse s’est bouchée.")
    page.locator("#problem form button").click()
    expect(page.locator(".logged")).to_contain_text("Une buse s’est bouchée.")
    page.locator("#attendance-people").fill(str(PUPILS))
    page.get_by_label("féminin").fill("13")
    page.get_by_label("masculin").fill("11")
    page.locator("#attendance form button").click()
    with page.expect_download() as certificates:
        page.get_by_role("link", name="Attestations").click()
    assert Path(certificates.value.path()).read_bytes().startswith(b"%PDF-")
    page.locator("#deliver form button").click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#deliver")).to_contain_text("Facturé")
    expect(page.locator("#deliver")).to_contain_text("156,32")
    expect(page.locator("#pieces")).not_to_contain_text(FIRST_NAMES[0])
    fine(staff)
    with house.lab.database.read() as uow:
        (charge,) = uow.session.scalars(select(Charge))
        assert (charge.claim_id, charge.total_cents) == (session_id, 15632)


def reads_it_all(school: Screen) -> None:
    page = school.page
    page.reload()
    expect(page.locator(".talk")).to_contain_text("156,32")
    with page.expect_download() as certificate:
        page.locator("a[href$='/certificate.pdf']").first.click()
    assert Path(certificate.value.path()).read_bytes().startswith(b"%PDF-")
    fine(school)
