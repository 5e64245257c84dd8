"""Every page that somebody can reach by following the links of the house, wide and narrow: nothing grave for axe."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from fablab.people.models import Member, Role
from tests.browser.screen import Screen, screen
from tests.lab import submitted
from tests.served import Served

WIDTHS_PX = (1280, 390)
#: What is no page: files, the machine room, and what ends a sign-in or another browser's.
NO_PAGE = re.compile(
    r"^/(api|static|ical|logout|language)\b|\.(ics|json|svg|png|csv|pdf|gcode|xlsx|ods)$|/(file|program)$"
)
#: One member's, one machine's, one day's page stands for all of its kind.
ONE_OF = re.compile(r"/(\d[\w-]*|[0-9a-z]{16})(?=/|$)")
#: The pages that makers and staff see most; the whole walk is a soak.
OFTEN = (
    "/members",
    "/certifications",
    "/security",
    "/kiosks",
    "/policies",
    "/hours",
    "/reserve",
    "/reservations",
    "/waiting",
)


def holds(who: Screen, path: str) -> Iterator[str]:
    """What axe finds on a page, in both widths; the page is asked for once."""
    for width in WIDTHS_PX:
        who.page.set_viewport_size({"width": width, "height": 900})
        for fold in who.page.locator("details").all():
            fold.evaluate("element => { element.open = true; }")
        yield from (f"{path} at {width} px: {found}" for found in who.barriers())
        if over := who.overflow_px():
            yield f"{path} at {width} px: {over} px too wide"


def test_the_pages_of_people_and_reservations_stand_in_nobodys_way(chrome: Browser, house: Served) -> None:
    with screen(chrome, str(house.client.base_url), language="fr") as found:
        found.sign_in("admin@lab.example")
        barriers: list[str] = []
        for path in OFTEN:
            found.page.goto(path)
            barriers += holds(found, path)
    assert barriers == []
    assert found.complaints == []


@pytest.mark.soak
@pytest.mark.parametrize("who", ["maker", "other", "admin"], ids=["maker", "mediator", "admin"])
def test_no_page_that_can_be_reached_stands_in_anybodys_way(chrome: Browser, house: Served, who: str) -> None:
    lab = house.lab
    with lab.database.begin() as uow:
        uow.session.get_one(Member, lab.actors["other"].member_id).role = Role.MEDIATOR
    submitted(lab, actor=lab.actors[who])
    seen: dict[str, str] = {}
    barriers: list[str] = []
    with screen(chrome, str(house.client.base_url)) as found:
        found.sign_in(f"{who}@lab.example")
        ahead = deque(["/"])
        while ahead:
            path = ahead.popleft()
            kind = ONE_OF.sub("/*", urlsplit(path).path)
            if kind in seen:
                continue
            seen[kind] = path
            found.page.goto(path)
            barriers += holds(found, path)
            ahead += [each for each in links(found) if not NO_PAGE.search(urlsplit(each).path)]
    assert barriers == []
    assert [each for each in found.complaints if each.startswith("5")] == []
    assert len(seen) > 15, seen


def links(found: Screen) -> list[str]:
    """Of this house, as they stand in the page, without what comes after a #."""
    script = "links => links.filter(a => !a.hasAttribute('download')).map(a => a.getAttribute('href'))"
    hrefs: list[str] = found.page.locator("a[href^='/']").evaluate_all(script)
    return list(dict.fromkeys(href.partition("#")[0] for href in hrefs if not href.startswith("//")))
