"""Pictures of the pages for the README: the demo lab with printers at work, on a screen and on a phone.

    python -m tests.browser.screenshots

Starts the demo in a folder of its own, sends two files as its maker, starts what is due as its staff, and writes
docs/images/{jobs,floor,calendar,machines,job,reserve}-{1280,390}.png, in French and by day.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.screen import Screen, chromium, picture, screen
from tests.lab import GEAR, TAG
from tests.served import ROOT, end_hosts, free_port, until
from web.demo.cast import PASSWORD

IMAGES = ROOT / "docs" / "images"
SIZES = ((1280, 860), (390, 844))
MOST_BYTES = 250_000
STARTED = 3
RESERVE = "/reserve/options?what=fdm&length=120&when=soon"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name) / "data", free_port()
        server = _serve(folder, port)
        try:
            until(lambda: _answers(port), within_s=120)
            with chromium() as browser:
                _take(browser, f"http://127.0.0.1:{port}")
        finally:
            server.terminate()
            server.wait(60)
            end_hosts(folder)


def _serve(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "web.cli", "demo", "--data", str(folder), "--port", str(port)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _answers(port: int) -> bool | None:
    async def knock() -> bool | None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return None
        writer.close()
        return True

    return asyncio.run(knock())


def _take(browser: Browser, base_url: str) -> None:
    with screen(browser, base_url, language="fr") as maker, screen(browser, base_url, language="fr") as staff:
        maker.sign_in("maker@demo.example", PASSWORD)
        staff.sign_in("staff@demo.example", PASSWORD)
        job_path = _submit(maker, GEAR)
        _submit(maker, GEAR)
        _start(staff, job_path.rpartition("/")[2])
        maker.page.goto("/jobs")
        maker.page.set_input_files("#file", TAG)
        maker.page.wait_for_selector("form.draft-form")
        staff.page.wait_for_timeout(6_000)  # so that the machines are warm and under way
        shots = (
            (maker, "jobs", "/jobs"),
            (maker, "job", job_path),
            (maker, "reserve", RESERVE),
            (staff, "floor", "/floor"),
            (staff, "calendar", "/calendar"),
            (staff, "machines", "/machines"),
        )
        for width_px, height_px in SIZES:
            for who, name, path in shots:
                who.page.set_viewport_size({"width": width_px, "height": height_px})
                _shoot(who, path, IMAGES / f"{name}-{width_px}.png")


def _submit(maker: Screen, file: Path) -> str:
    page = maker.page
    page.goto("/jobs")
    maker.is_live()
    page.set_input_files("#file", file)
    page.wait_for_selector("form.draft-form")
    page.click("form.draft-form .button.is-primary")
    page.wait_for_url("**/jobs/*")
    return page.url


def _start(staff: Screen, job_id: str) -> None:
    """The maker's own first, then what else is due."""
    page = staff.page
    page.goto("/floor")
    staff.is_live()
    page.wait_for_selector(".tap button", timeout=60_000)
    page.wait_for_timeout(3_000)
    own = page.locator(f".tap:has(input[value='{job_id}']) button")
    if own.count():
        own.first.click()
        page.wait_for_timeout(800)
    for _ in range(STARTED):
        due = page.locator(".machine:is(.is-due, .is-free) .tap button")
        if due.count():
            due.first.click()
            page.wait_for_timeout(800)


def _shoot(who: Screen, path: str, to: Path) -> None:
    who.page.goto(path)
    who.is_live()
    who.page.wait_for_timeout(1_500)
    picture(who.page, to)
    size = to.stat().st_size
    assert size < MOST_BYTES, f"{to.name} has {size} bytes"
    print(f"{to.relative_to(ROOT)}  {size // 1000} kB")


if __name__ == "__main__":
    main()
