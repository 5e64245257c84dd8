"""A real Chromium before a real server, and what every page must hold: no error, no policy broken, no barrier."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.lab import PASSWORD

#: Chromium as root, without a network of its own to look for.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 20_000
#: Until nothing fades in or out any more; a second at most, for what never ends.
SETTLED = """() => Promise.race([
    new Promise((done) => setTimeout(done, 1000)),
    Promise.allSettled(document.getAnimations().map((animation) => animation.finished)),
])"""
GRAVE = frozenset({"serious", "critical"})


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's; Playwright's own cannot be downloaded everywhere."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path is not None, "there is no chromium on this machine: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Screen:
    """One person's browser; everything it complains about is remembered."""

    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)

    def sign_in(self, login: str, password: str = PASSWORD) -> None:
        self.page.goto("/login")
        self.page.fill("#login", login)
        self.page.fill("#password", password)
        self.page.click("form.stack button")
        self.page.wait_for_url(lambda url: "/login" not in url)

    def is_live(self) -> None:
        self.page.wait_for_selector("#link[data-state=live]")

    def barriers(self) -> list[str]:
        """Serious and critical findings of axe, each with its first place; what fades in has arrived before."""
        self.page.wait_for_function("() => document.querySelector('.htmx-request') === null")
        self.page.evaluate(SETTLED)
        found = Axe().run(self.page).response["violations"]
        return [
            f"{rule['id']}: {rule['nodes'][0]['html'][:200]} {rule['nodes'][0]['failureSummary']}"
            for rule in found
            if rule["impact"] in GRAVE
        ]

    def overflow_px(self) -> int:
        """How far the page can be scrolled sideways."""
        found = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return int(found)


@contextmanager
def screen(
    browser: Browser, base_url: str, *, width_px: int = 1280, height_px: int = 900, language: str = "en"
) -> Iterator[Screen]:
    locale = "fr-FR" if language == "fr" else "en-GB"
    context = browser.new_context(
        base_url=base_url,
        viewport={"width": width_px, "height": height_px},
        locale=locale,
        timezone_id="Europe/Paris",
        color_scheme="light",
    )
    context.add_cookies([{"name": "fablab_language", "value": language, "url": base_url}])
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    found = Screen(context, page)
    page.on("console", lambda message: _hear(found, message))
    page.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
    page.on("response", lambda answer: _look(found, answer))
    try:
        yield found
    finally:
        context.close()


def _hear(found: Screen, message: Any) -> None:
    if message.type == "error":
        found.complaints.append(f"console: {message.text}")


def _look(found: Screen, answer: Any) -> None:
    if answer.status >= 400:
        found.complaints.append(f"{answer.status}: {answer.request.method} {answer.url}")


def picture(page: Page, path: Path) -> None:
    """A PNG of what is seen without scrolling."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, animations="disabled", caret="hide")
