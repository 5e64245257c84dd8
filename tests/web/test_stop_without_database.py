"""A machine is stopped although the database is not there, and only by somebody who was there a moment ago."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from litestar.testing import TestClient

from fablab.base.database import Actor
from fablab.people.access import Scope, SignedIn
from fablab.people.models import Role
from tests.lab import Lab
from tests.stopped import stopped
from tests.web.page_rig import CSRF, PageLink
from tests.web.serving import serving
from tests.web.site import HOST, Site, make_app
from web.security.limits import Limiter, Pace, Rate
from web.security.recent import LIFE_S, Recent


@pytest.fixture
def links(lab: Lab) -> dict[str, PageLink]:
    return {name: PageLink(lab, name) for name in ("mk3", "ender")}


@pytest.fixture
def site(lab: Lab, tmp_path: Path, links: dict[str, PageLink]) -> Iterator[Site]:
    app = make_app(lab, tmp_path, links=links, dispatch=True)
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        yield Site(lab, app, client)


def database_of(lab: Lab) -> Path:
    assert lab.database.url.database is not None
    return Path(lab.database.url.database)


def stop_of(lab: Lab) -> str:
    return f"/api/machines/{lab.resources['mk3']}/stop"


def test_a_stop_by_somebody_who_was_just_here_needs_no_database(
    site: Site, links: dict[str, PageLink]
) -> None:
    site.sign_in("staff")
    assert site.client.get("/api/me").status_code == 200
    with stopped(database_of(site.lab)):
        answer = site.client.post(stop_of(site.lab))
    assert (answer.status_code, answer.json()["confirmed"]) == (200, True)
    assert links["mk3"].sent == ["make_safe"]
    assert links["ender"].sent == []


def test_the_button_of_a_page_reaches_the_machine_too(site: Site, links: dict[str, PageLink]) -> None:
    site.sign_in("staff")
    found = CSRF.search(site.client.get("/floor").text)
    assert found is not None
    del site.client.headers["X-CSRF-Token"]
    reached = []
    with stopped(database_of(site.lab)):
        site.client.post(
            f"/machines/{site.lab.resources['mk3']}/stop", data={"csrf": found[1]}, follow_redirects=False
        )
        reached = list(links["mk3"].sent)
    assert reached == ["make_safe"]


def test_a_program_with_a_token_that_was_just_used_is_known_as_well(
    site: Site, links: dict[str, PageLink]
) -> None:
    headers = site.token("staff", Scope.READ, Scope.OPERATE)
    assert site.client.get("/api/me", headers=headers).status_code == 200
    with stopped(database_of(site.lab)):
        assert site.client.post(stop_of(site.lab), headers=headers).status_code == 200
    assert links["mk3"].sent == ["make_safe"]


async def test_forty_pages_that_wait_for_the_database_do_not_stand_in_its_way(
    lab: Lab, tmp_path: Path, links: dict[str, PageLink]
) -> None:
    with TestClient(make_app(lab, tmp_path / "other", dispatch=False), base_url=HOST) as other:
        headers = Site(lab, other.app, other).token("staff", Scope.READ, Scope.OPERATE)
    wide = Limiter({pace: Rate(burst=10_000, per_minute=10_000) for pace in Pace})
    app = make_app(lab, tmp_path, links=links, dispatch=True, limiter=wide)
    async with (
        serving(app) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client,
    ):
        assert (await client.get("/api/me")).status_code == 200
        with stopped(database_of(lab)):
            waiting = [asyncio.create_task(client.get("/api/machines")) for _ in range(60)]
            await asyncio.sleep(0.3)
            assert not any(task.done() for task in waiting)
            answer = await client.post(stop_of(lab))
            assert answer.status_code == 200
            assert not all(task.done() for task in waiting)
        assert links["mk3"].sent == ["make_safe"]
        await asyncio.gather(*waiting)


def test_nothing_else_is_allowed_on_the_strength_of_a_memory(site: Site, links: dict[str, PageLink]) -> None:
    """After signing out the cookie is worth nothing, for a stop neither."""
    site.sign_in("staff")
    site.client.get("/api/me")
    cookie, csrf = site.client.cookies["fablab_login"], site.client.headers["X-CSRF-Token"]
    assert site.client.post("/api/logout").status_code == 204
    site.client.cookies.set("fablab_login", cookie, domain="127.0.0.1")
    answer = site.client.post(stop_of(site.lab), headers={"X-CSRF-Token": csrf})
    assert answer.status_code == 401
    assert links["mk3"].sent == []


def test_whoever_may_not_work_the_machines_is_not_let_through(site: Site, links: dict[str, PageLink]) -> None:
    site.sign_in("maker")
    site.client.get("/api/me")
    assert site.client.post(stop_of(site.lab)).status_code == 403
    assert links["mk3"].sent == []


@pytest.mark.parametrize(
    "headers",
    [{"X-CSRF-Token": "wrong"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://elsewhere.example"}],
    ids=["token", "site", "origin"],
)
def test_a_page_of_another_site_stops_nothing_on_the_strength_of_a_memory(
    site: Site, links: dict[str, PageLink], headers: dict[str, str]
) -> None:
    site.sign_in("staff")
    site.client.get("/api/me")
    assert site.client.post(stop_of(site.lab), headers=headers).status_code == 403
    assert links["mk3"].sent == []


def test_a_member_whose_pages_came_too_fast_can_still_stop_a_machine(
    lab: Lab, tmp_path: Path, links: dict[str, PageLink]
) -> None:
    narrow = Limiter({Pace.USUAL: Rate(burst=3, per_minute=1)})
    app = make_app(lab, tmp_path, links=links, dispatch=True, limiter=narrow)
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        site = Site(lab, app, client)
        site.sign_in("staff")
        answers = [site.client.get("/api/me").status_code for _ in range(5)]
        assert answers[-1] == 429
        assert site.client.post(stop_of(lab)).status_code == 200
    assert links["mk3"].sent == ["make_safe"]


# -- the memory itself


class Hands:
    """A clock that is turned by hand, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def somebody(number: int = 1, role: Role = Role.STAFF, scopes: frozenset[str] | None = None) -> SignedIn:
    actor = Actor(member_id=number, name=f"n{number}", role=role.value, scopes=scopes)
    return SignedIn(actor=actor, member_id=number, name=actor.name, role=role, language="fr", csrf="c")


def test_a_memory_is_short() -> None:
    hands = Hands()
    recent = Recent(monotonic=hands)
    recent.saw("secret", somebody())
    hands.now = LIFE_S
    assert recent.find("secret") == somebody()
    hands.now = LIFE_S + 1
    assert recent.find("secret") is None
    recent.saw("secret", somebody())
    assert recent.find("secret") == somebody()


def test_a_memory_is_small_and_keeps_the_latest() -> None:
    recent = Recent(most=3)
    for number in range(5):
        recent.saw(f"secret {number}", somebody(number))
    assert len(recent) == 3
    recent.saw("secret 2", somebody(2))
    recent.saw("secret 9", somebody(9))
    assert [recent.find(f"secret {n}") is not None for n in (2, 3, 4, 9)] == [True, False, True, True]


@pytest.mark.parametrize(
    "signed_in",
    [None, somebody(role=Role.MAKER), somebody(scopes=frozenset({"read"}))],
    ids=["nobody", "a maker", "a token without the scope"],
)
def test_only_who_may_work_machines_is_remembered_and_a_refusal_forgets(signed_in: SignedIn | None) -> None:
    recent = Recent()
    recent.saw("secret", somebody())
    recent.saw("secret", signed_in)
    assert recent.find("secret") is None
    assert len(recent) == 0
