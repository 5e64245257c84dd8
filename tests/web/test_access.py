"""Who gets in: sign-in, tokens, rights, and routes that forgot to say."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from litestar import get
from litestar.routes import HTTPRoute
from litestar.testing import TestClient

from fablab.people.access import LOGIN_LIFE, Scope
from tests.lab import PASSWORD, Lab
from tests.web.site import HOST, Site, make_app, register
from web.security import Access, Right


def routes_of(site: Site) -> list[tuple[str, str, object]]:
    """(method, path, access) of every handler but the OPTIONS that Litestar adds by itself."""
    found = []
    for route in site.app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                methods = sorted(set(handler.http_methods) - {"OPTIONS"})
                found += [(method, route.path_format, handler.opt.get("access")) for method in methods]
    return found


def test_every_route_says_who_may_call_it(site: Site) -> None:
    unsaid = [row for row in routes_of(site) if not isinstance(row[2], Access | Right)]
    assert unsaid == []


def test_every_route_that_is_not_public_turns_a_stranger_away(site: Site) -> None:
    closed = [(method, path) for method, path, access in routes_of(site) if access is not Access.PUBLIC]
    assert len(closed) > 20
    open_doors = []
    for method, path in closed:
        answer = site.client.request(
            method, re.sub(r"\{[^}]*\}", "1", path), headers={"accept": "application/json"}
        )
        if answer.status_code != 401:
            open_doors.append((method, path, answer.status_code))
    assert open_doors == []


def test_a_route_that_says_nothing_lets_nobody_in(site: Site) -> None:
    @get("/forgotten", sync_to_thread=False)
    def forgotten() -> str:
        return "secret"

    register(site.app, forgotten)
    site.sign_in("admin")
    answer = site.client.get("/forgotten")
    assert (answer.status_code, answer.json()["code"]) == (403, "access.unstated")


def test_a_sign_in_gets_a_fresh_token_whatever_the_browser_brought(site: Site) -> None:
    planted = "planted-by-an-attacker-0123456789"
    site.client.cookies.set("fablab_login", planted, domain="127.0.0.1")
    site.sign_in("maker")
    assert site.client.cookies["fablab_login"] != planted
    stranger = TestClient(site.app, base_url=HOST)
    stranger.cookies.set("fablab_login", planted)
    assert stranger.get("/api/me").status_code == 401


def test_signing_in_again_ends_the_sign_in_before(site: Site) -> None:
    site.sign_in("maker")
    before = site.client.cookies["fablab_login"]
    site.sign_in("maker")
    site.client.cookies.set("fablab_login", before)
    assert site.client.get("/api/me").json()["code"] == "login.expired"


def test_the_login_cookie_is_out_of_reach_of_scripts_and_of_other_sites(site: Site) -> None:
    answer = site.client.post("/api/login", json={"email": "maker@lab.example", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("fablab_login=")
    assert all(word in cookie for word in ("httponly", "samesite=lax", "path=/"))
    assert "secure" not in cookie


def test_over_https_the_cookie_is_bound_to_this_very_host(lab: Lab, tmp_path: Path) -> None:
    app = make_app(lab, tmp_path, secure_cookies=True, base_url="https://lab.example")
    with TestClient(app, base_url="https://lab.example") as client:
        answer = client.post("/api/login", json={"email": "maker@lab.example", "password": PASSWORD})
        assert answer.headers["set-cookie"].startswith("__Host-fablab_login=")
        assert "; secure" in answer.headers["set-cookie"].lower()
        assert "max-age" in answer.headers["strict-transport-security"]
        assert client.get("/api/me").status_code == 200


def test_signing_out_ends_it_on_the_server(site: Site) -> None:
    site.sign_in("maker")
    token = site.client.cookies["fablab_login"]
    assert site.client.post("/api/logout").status_code == 204
    site.client.cookies.set("fablab_login", token)
    assert site.client.get("/api/me").status_code == 401


def test_a_sign_in_runs_out(site: Site) -> None:
    site.sign_in("maker")
    site.lab.clock.advance(LOGIN_LIFE + timedelta(seconds=1))
    answer = site.client.get("/api/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "login.expired")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_sign_in_that_is_used_goes_on(site: Site) -> None:
    site.sign_in("maker")
    for _ in range(3):
        site.lab.clock.advance(LOGIN_LIFE / 2)
        assert site.client.get("/api/me").status_code == 200


@pytest.mark.parametrize(
    ("email", "password"), [("maker@lab.example", "wrong one"), ("nobody@x.yz", PASSWORD)]
)
def test_a_wrong_password_and_an_unknown_address_are_answered_alike(
    site: Site, email: str, password: str
) -> None:
    answer = site.client.post("/api/login", json={"email": email, "password": password})
    assert (answer.status_code, answer.json()["code"]) == (401, "login.wrong")


def test_a_token_may_do_what_its_scopes_say(site: Site) -> None:
    read = site.token("maker", Scope.READ)
    assert site.client.get("/api/jobs", headers=read).status_code == 200
    refused = site.client.post("/api/jobs", headers=read, files={"file": ("a.gcode", b"G28\n")})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_a_token_without_read_reads_nothing(site: Site) -> None:
    answer = site.client.get("/api/jobs", headers=site.token("maker", Scope.SUBMIT))
    assert (answer.status_code, answer.json()["code"]) == (403, "access.scope")


def test_a_token_never_does_more_than_its_member_may(site: Site) -> None:
    headers = site.token("maker", *Scope)
    machine = site.lab.resources["mk3"]
    assert site.client.post(f"/api/machines/{machine}/clear", headers=headers).status_code == 403


def test_a_token_makes_no_other_token(site: Site) -> None:
    answer = site.client.post(
        "/api/tokens", json={"name": "more", "scopes": ["manage"]}, headers=site.token("admin", *Scope)
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "access.in_person")


def test_an_unknown_token_is_refused_even_beside_a_good_cookie(site: Site) -> None:
    site.sign_in("maker")
    answer = site.client.get("/api/me", headers={"Authorization": "Bearer fab_" + "x" * 43})
    assert (answer.status_code, answer.json()["code"]) == (401, "token.unknown")


def test_a_member_makes_a_token_and_a_program_uses_it(site: Site) -> None:
    site.sign_in("maker")
    made = site.client.post("/api/tokens", json={"name": "script", "scopes": ["read"], "days": 30})
    assert made.status_code == 201
    program = TestClient(site.app, base_url=HOST)
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    assert program.get("/api/me", headers=headers).json()["name"] == "Maker"
    site.lab.clock.advance(days=31)
    assert program.get("/api/me", headers=headers).json()["code"] == "token.expired"


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"name": " ", "scopes": ["read"]}, "name"),
        ({"name": "x", "scopes": ["everything"]}, "scopes"),
        ({"name": "x", "scopes": ["read"], "days": 0}, "days"),
    ],
)
def test_a_token_that_cannot_be_is_explained_by_field(
    site: Site, wish: dict[str, object], field: str
) -> None:
    site.sign_in("maker")
    answer = site.client.post("/api/tokens", json=wish)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_somebody_elses_job_does_not_exist(site: Site) -> None:
    site.sign_in("maker")
    job = site.send(b"G28\nG1 X10 Y10 E1 F600\nG1 X60 Y10 E3\n", draft="true").json()
    site.sign_in("other")
    answer = site.client.get(f"/api/jobs/{job['id']}")
    assert (answer.status_code, answer.json()["code"]) == (404, "job.unknown")
