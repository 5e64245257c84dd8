"""The door: forged requests, forged headers, too many of them, and the headers that every answer carries."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Request, get, post
from litestar.testing import TestClient

from tests.lab import PASSWORD, Lab
from tests.web.site import HOST, Site, make_app, register
from web.app import Server, create_app
from web.security import Access, Pace, visitor
from web.security.identity import caller_of
from web.security.limits import Limiter, Rate, address_key

HEADERS = (
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "permissions-policy",
    "cross-origin-opener-policy",
)


@pytest.fixture
def form(site: Site) -> Site:
    """A site with a form of its own, as a page would have one."""

    @get("/form", access=Access.PUBLIC, media_type="text/html", sync_to_thread=False)
    def show(request: Request[Any, Any, Any]) -> str:
        return caller_of(request.scope).csrf

    @post("/form", access=Access.PUBLIC, media_type="text/html", sync_to_thread=False)
    def take(request: Request[Any, Any, Any]) -> str:
        found = visitor(request)
        return found.name if found else "nobody"

    register(site.app, show, take)
    return site


def test_a_change_with_a_cookie_needs_the_token_of_the_sign_in(site: Site) -> None:
    site.sign_in("staff")
    del site.client.headers["X-CSRF-Token"]
    address = f"/api/machines/{site.lab.resources['mk3']}/clear"
    assert site.client.post(address).json()["code"] == "csrf.missing"
    assert site.client.post(address, headers={"X-CSRF-Token": "guess"}).json()["code"] == "csrf.missing"


def test_the_token_of_another_sign_in_does_not_do(site: Site) -> None:
    other = site.sign_in("other")["csrf"]
    site.sign_in("staff")
    address = f"/api/machines/{site.lab.resources['mk3']}/clear"
    assert site.client.post(address, headers={"X-CSRF-Token": other}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_change_that_comes_from_another_site_is_not_carried_out(
    site: Site, headers: dict[str, str]
) -> None:
    site.sign_in("staff")
    answer = site.client.post(f"/api/machines/{site.lab.resources['mk3']}/clear", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf.cross_site")


def test_a_sign_in_from_another_site_is_refused(site: Site) -> None:
    body = {"email": "maker@lab.example", "password": PASSWORD}
    answer = site.client.post("/api/login", json=body, headers={"Origin": "https://evil.example"})
    assert answer.json()["code"] == "csrf.cross_site"


def test_a_sign_in_as_a_plain_form_is_refused(site: Site) -> None:
    """A page of another site can post a form without asking; JSON it cannot."""
    answer = site.client.post("/api/login", data={"email": "maker@lab.example", "password": PASSWORD})
    assert answer.status_code == 403


def test_a_form_of_somebody_not_signed_in_must_bring_back_its_visit_cookie(form: Site) -> None:
    token = form.client.get("/form").text
    assert form.client.cookies["fablab_visit"] == token
    assert form.client.post("/form", data={"csrf": token}).text == "nobody"
    assert form.client.post("/form", data={"csrf": "other"}).status_code == 403
    assert form.client.post("/form").status_code == 403
    form.client.cookies.delete("fablab_visit")
    assert form.client.post("/form", data={"csrf": token}).status_code == 403


def test_a_form_of_a_sign_in_carries_its_token_in_a_field(form: Site) -> None:
    me = form.sign_in("maker")
    del form.client.headers["X-CSRF-Token"]
    assert form.client.get("/form").text == me["csrf"]
    assert form.client.post("/form", data={"csrf": me["csrf"]}).text == "Maker"


def test_only_known_names_are_answered_to(steady: Site) -> None:
    answer = steady.client.get("/api/health", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (400, "host.unknown")


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Host", "Forwarded"])
def test_a_forwarded_host_opens_no_door(steady: Site, header: str) -> None:
    """CVE-2026-25479, CVE-2025-59152: the framework's own checks believed such headers."""
    headers = {"Host": "evil.example", header: "localhost"}
    assert steady.client.get("/api/health", headers=headers).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "LOCALHOST", "127.0.0.1:9", "[::1]:8000"])
def test_local_names_are_known_with_any_port(steady: Site, host: str) -> None:
    assert steady.client.get("/api/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["", "localhost.evil.example", "evil.example:localhost", "localhost@evil.example"]
)
def test_names_that_only_look_local_are_not(steady: Site, host: str) -> None:
    assert steady.client.get("/api/health", headers={"Host": host}).status_code == 400


def test_a_starred_name_takes_every_name_under_it(lab: Lab, tmp_path: Path) -> None:
    app = make_app(lab, tmp_path, allowed_hosts=("*.lab.example",))
    with TestClient(app, base_url="http://a.lab.example") as client:
        assert client.get("/api/health").status_code == 200
        assert client.get("/api/health", headers={"Host": "lab.example.evil"}).status_code == 400


@pytest.fixture
def narrow(lab: Lab, tmp_path: Path) -> Iterator[Site]:
    """Two sign-ins at once, then one a minute."""
    limiter = Limiter({Pace.LOGIN: Rate(burst=2, per_minute=1)}, monotonic=lambda: 0.0)
    app = make_app(lab, tmp_path, limiter=limiter)
    with TestClient(app, base_url=HOST) as client:
        yield Site(lab, app, client)


def test_too_many_requests_are_told_when_to_come_again(narrow: Site) -> None:
    body = {"email": "maker@lab.example", "password": "wrong"}
    answers = [narrow.client.post("/api/login", json=body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[2].headers["retry-after"] == "60"
    assert answers[2].json()["retry_after"] == 60


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP"])
def test_a_forwarded_address_gives_no_fresh_tries(narrow: Site, header: str) -> None:
    """CVE-2025-59152: a limit by such a header is no limit at all."""
    body = {"email": "maker@lab.example", "password": "wrong"}
    answers = [
        narrow.client.post("/api/login", json=body, headers={header: f"203.0.113.{n}"}) for n in range(3)
    ]
    assert answers[2].status_code == 429


def test_the_server_believes_no_proxy_that_was_not_named(lab: Lab, tmp_path: Path) -> None:
    app = make_app(lab, tmp_path)
    assert Server(app, app.state.parts.settings).config.proxy_headers is False
    app.state.parts.database.dispose()


def test_wrong_passwords_for_one_address_are_slowed_down_in_the_database(site: Site) -> None:
    body = {"email": "maker@lab.example", "password": "wrong"}
    codes = [site.client.post("/api/login", json=body).json()["code"] for _ in range(9)]
    assert codes == ["login.wrong"] * 8 + ["login.too_many"]


def test_a_bucket_fills_again_with_time() -> None:
    now = [0.0]
    limiter = Limiter({Pace.USUAL: Rate(burst=1, per_minute=60)}, monotonic=lambda: now[0])
    limiter.draw(Pace.USUAL, "a")
    with pytest.raises(Exception, match="too_many"):
        limiter.draw(Pace.USUAL, "a")
    limiter.draw(Pace.USUAL, "b")
    now[0] = 1.0
    limiter.draw(Pace.USUAL, "a")


def test_one_household_has_one_address() -> None:
    assert address_key("2001:db8:1:2::1") == address_key("2001:db8:1:2:ffff::9")
    assert address_key("2001:db8:1:2::1") != address_key("2001:db8:1:3::1")
    assert address_key("::ffff:192.0.2.7") == "192.0.2.7"


@pytest.mark.parametrize("address", ["/api/health", "/api/me", "/nowhere", "/static/logo.svg", "/api/docs"])
def test_every_answer_carries_the_headers_that_keep_browsers_safe(steady: Site, address: str) -> None:
    answer = steady.client.get(address)
    assert [name for name in HEADERS if name not in answer.headers] == []
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_a_versioned_file_is_kept_for_ever_and_a_bare_one_asked_about(steady: Site) -> None:
    lasting = steady.client.get("/static/logo.svg?v=1")
    assert "immutable" in lasting.headers["cache-control"]
    bare = steady.client.get("/static/logo.svg")
    assert "no-cache" in bare.headers["cache-control"]
    again = steady.client.get("/static/logo.svg", headers={"If-None-Match": bare.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("name", ["../settings.py", "..%2fsettings.py", "%2e%2e/app.py", "/etc/passwd"])
def test_no_file_outside_the_folder_is_given(steady: Site, name: str) -> None:
    assert steady.client.get(f"/static/{name}").status_code == 404


def test_a_crash_says_only_under_which_number_the_log_has_it(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    @get("/crash", access=Access.PUBLIC, sync_to_thread=False)
    def crash() -> str:
        raise RuntimeError("the inside of the house")

    register(site.app, crash)
    with caplog.at_level(logging.ERROR):
        answer = site.client.get("/crash")
    body = answer.json()
    assert (answer.status_code, body["code"]) == (500, "internal")
    assert "inside of the house" not in answer.text
    assert body["id"] in caplog.text


def test_no_secret_reaches_the_log(lab: Lab, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    app = make_app(lab, tmp_path)
    with TestClient(app, base_url=HOST) as client:
        site = Site(lab, app, client)
        me = site.sign_in("maker")
        made = client.post("/api/tokens", json={"name": "script", "scopes": ["read"]}).json()
        client.get("/api/me?token=in-the-query", headers={"Authorization": f"Bearer {made['token']}"})
        secrets = [PASSWORD, me["csrf"], client.cookies["fablab_login"], made["token"], "in-the-query"]
    said = "".join(capfd.readouterr())
    assert "/api/login" in said
    assert [secret for secret in secrets if secret in said] == []


def test_a_lab_that_is_not_set_up_still_answers(tmp_path: Path) -> None:
    from fablab import migrations
    from fablab.base.database import Database
    from web.settings import Settings

    settings = Settings(data_dir=tmp_path, dispatch=False)
    database = Database(settings.url)
    migrations.upgrade(database)
    database.dispose()
    with TestClient(create_app(settings, links={}), base_url=HOST) as client:
        assert client.get("/api/health").json()["status"] == "ok"
