"""Signing in beyond passwords on the web: the second step, one's own keys, what is held back, and the staff's help."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from fablab.people import access
from fablab.people.access import Rules, Scope, totp
from tests.lab import PASSWORD, Lab
from tests.web.page_rig import Browser
from tests.web.signing_rig import forget, founded
from tests.web.site import Site

MAIL = "maker@lab.example"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with founded(tmp_path_factory.mktemp("signing")) as site:
        yield site


@pytest.fixture
def site(shared: Site) -> Iterator[Site]:
    forget(shared)
    yield shared
    forget(shared)


@pytest.fixture
def lab(site: Site) -> Lab:
    return site.lab


@pytest.fixture
def browser(site: Site) -> Browser:
    return Browser(site.client)


def code(lab: Lab, secret: str) -> str:
    return totp.code_at(secret, totp.step_of(lab.clock.now()))


def enrolled(lab: Lab, who: str = "maker") -> tuple[str, tuple[str, ...]]:
    """Secret and recovery codes of somebody who set a factor up elsewhere."""
    signed_in = access.sign_in(lab.database, f"{who}@lab.example", PASSWORD, address="10.9.9.9")
    with lab.database.begin() as uow:
        secret = access.enrol(uow, signed_in.token).secret
    with lab.database.begin() as uow:
        codes = access.confirm_enrolment(uow, signed_in.token, code(lab, secret))
    lab.clock.advance(minutes=1)
    return secret, codes


def rule(lab: Lab, days: int = 0) -> None:
    with lab.database.begin(lab.actors["admin"]) as uow:
        access.set_rules(uow, Rules(staff_factor=True, grace_days=days))


# -- pages ---------------------------------------------------------------------------------------------------------


def test_a_factor_is_set_up_with_a_picture_and_the_key_in_text(lab: Lab, browser: Browser) -> None:
    browser.sign_in("maker")
    browser.get("/security")
    assert browser.post("/security/factor").headers["location"] == "/security/factor"
    page = browser.get("/security/factor")
    assert "<svg" in page.text
    assert "no-store" in page.headers["cache-control"]
    found = re.search(r'class="key"[^>]*>([A-Z2-7 ]+)<', page.text)
    assert found is not None
    secret = found[1].replace(" ", "")
    wrong = browser.post("/security/factor/confirm", code="12345")
    assert (wrong.status_code, secret in wrong.text.replace(" ", "")) == (422, True)
    shown = browser.post("/security/factor/confirm", code=code(lab, secret))
    codes = re.findall(r"<code>([0-9A-Z-]{19})</code>", shown.text)
    assert len(codes) == 10
    assert codes[0] not in browser.get("/security").text


def test_signing_in_takes_two_steps_and_leads_where_one_wanted_to_go(lab: Lab, browser: Browser) -> None:
    secret, _ = enrolled(lab)
    browser.get("/login?next=/calendar")
    answer = browser.post("/login", login=MAIL, password=PASSWORD, next="/calendar")
    assert answer.headers["location"] == "/login/second?next=/calendar"
    assert browser.get("/jobs").status_code == 303
    assert "one-time-code" in browser.get("/login/second?next=/calendar").text
    wrong = browser.post("/login/second", code="1234567", next="/calendar")
    assert wrong.status_code == 401
    answer = browser.post("/login/second", code=code(lab, secret), next="/calendar")
    assert answer.headers["location"] == "/calendar"
    assert browser.get("/jobs").status_code == 200


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1"]
)
def test_no_step_of_signing_in_leads_out_of_the_house(lab: Lab, browser: Browser, wanted: str) -> None:
    secret, _ = enrolled(lab)
    browser.get("/login")
    assert (
        browser.post("/login", login=MAIL, password=PASSWORD, next=wanted).headers["location"]
        == "/login/second"
    )
    browser.get("/login/second")
    assert browser.post("/login/second", code=code(lab, secret), next=wanted).headers["location"] == "/jobs"
    lab.clock.advance(access.FRESH_FOR)
    browser.get("/security/confirm")
    lab.clock.advance(minutes=1)
    answer = browser.post("/security/confirm", password=PASSWORD, code=code(lab, secret), next=wanted)
    assert answer.headers["location"] == "/security"


def test_without_a_first_step_there_is_no_second(browser: Browser) -> None:
    assert browser.get("/login/second").headers["location"] == "/login"
    browser.get("/login")
    answer = browser.post("/login/second", code="123456")
    assert answer.status_code == 401
    assert 'name="password"' in answer.text


def test_what_could_let_somebody_in_asks_for_the_password_again_and_comes_back(
    lab: Lab, browser: Browser
) -> None:
    browser.sign_in("maker")
    lab.clock.advance(access.FRESH_FOR)
    assert "Confirm that it is me" in browser.get("/security").text
    for path in ("/security/factor", "/security/factor/remove", "/security/tokens", "/security/links/none"):
        answer = browser.post(path, name="x", scopes="read", days="1")
        assert answer.headers.get("location", "") == "/security/confirm" or answer.status_code == 404, path
    wrong = browser.post("/security/confirm", password="not it")
    assert (wrong.status_code, "Password or code is wrong" in wrong.text) == (403, True)
    assert browser.post("/security/confirm", password=PASSWORD).headers["location"] == "/security"
    assert "Make the token" in browser.get("/security").text


def test_a_password_is_changed_and_the_other_browser_is_out(lab: Lab, browser: Browser) -> None:
    browser.sign_in("maker")
    other = access.sign_in(lab.database, MAIL, PASSWORD, address="10.9.9.9")
    browser.get("/security")
    differ = browser.post("/security/password", password="a newer password", again="another one")
    assert (differ.status_code, 'id="again-error"' in differ.text) == (422, True)
    short = browser.post("/security/password", password="short", again="short")
    assert (short.status_code, 'id="password-error"' in short.text) == (422, True)
    assert (
        browser.post("/security/password", password="a newer password", again="a newer password").status_code
        == 303
    )
    assert browser.get("/security").status_code == 200
    with lab.database.read() as uow, pytest.raises(Exception, match=r"login\.expired"):
        access.resume(uow, other.token)


def test_sign_ins_are_ended_one_by_one_and_all_at_once(lab: Lab, browser: Browser) -> None:
    browser.sign_in("maker")
    for agent in ("first/1", "second/2", "third/3"):
        access.sign_in(lab.database, MAIL, PASSWORD, address="10.9.9.9", agent=agent)
    page = browser.get("/security").text
    found = re.search(r'action="(/security/sessions/[0-9a-f]{16}/end)"', page)
    assert found is not None
    assert page.count('/end"') == 4
    browser.post(found[1])
    assert browser.get("/security").text.count('/end"') == 3
    browser.post("/security/sessions/end")
    assert "Sign out everywhere else" not in browser.get("/security").text


def test_a_token_is_made_shown_once_and_withdrawn(browser: Browser) -> None:
    browser.sign_in("maker")
    browser.get("/security")
    kept = browser.post("/security/tokens", name="screen", days="0", scopes="read")
    assert (kept.status_code, 'value="screen"' in kept.text) == (422, True)
    shown = browser.post("/security/tokens", name="screen", days="30", scopes="read")
    found = re.search(r"fab_[A-Za-z0-9_-]{43}", shown.text)
    assert found is not None
    page = browser.get("/security").text
    assert found[0] not in page
    revoke = re.search(r'action="(/security/tokens/\d+/revoke)"', page)
    assert revoke is not None
    browser.post(revoke[1])
    assert "No program acts for you" in browser.get("/security").text


def test_what_happened_to_the_account_stays_on_the_page(lab: Lab, browser: Browser) -> None:
    access.sign_in(lab.database, MAIL, PASSWORD, address="10.9.9.9", agent="one/1")
    browser.sign_in("maker")
    browser.post("/notices/seen", htmx=True)
    assert "from a new browser" in browser.get("/security").text


def test_the_staff_takes_a_factor_off_with_a_reason(lab: Lab, browser: Browser) -> None:
    enrolled(lab)
    browser.sign_in("staff")
    path = f"/members/{lab.maker.member_id}/factor"
    assert "Take it off" in browser.get(path).text
    empty = browser.post(path, reason="")
    assert (empty.status_code, 'id="reason-error"' in empty.text) == (422, True)
    assert browser.post(path, reason="lost phone").status_code == 303
    assert "has no second factor" in browser.get(path).text
    browser.sign_in("maker")
    assert "lost phone" in browser.get("/security").text


def test_a_maker_does_not_see_the_staff_s_page(lab: Lab, browser: Browser) -> None:
    browser.sign_in("maker")
    assert browser.get(f"/members/{lab.maker.member_id}/factor").status_code == 403


def test_whoever_is_held_back_sees_security_alone_until_they_have_a_factor(
    lab: Lab, browser: Browser
) -> None:
    rule(lab)
    browser.client.cookies.set("fablab_language", "en")
    browser.get("/login")
    assert (
        browser.post("/login", login="staff@lab.example", password=PASSWORD).headers["location"]
        == "/security"
    )
    for path in ("/floor", "/jobs", "/calendar"):
        assert browser.get(path).headers["location"] == "/security"
    browser.get("/security")
    browser.post("/security/factor")
    secret = re.search(r'class="key"[^>]*>([A-Z2-7 ]+)<', browser.get("/security/factor").text)
    assert secret is not None
    browser.post("/security/factor/confirm", code=code(lab, secret[1].replace(" ", "")))
    assert browser.get("/floor").status_code == 200


def test_the_rule_of_the_house_is_made_by_whoever_runs_it(lab: Lab, browser: Browser) -> None:
    browser.sign_in("admin")
    browser.get("/security")
    assert browser.post("/security/rules", staff_factor="1", grace_days="x").status_code == 422
    assert browser.post("/security/rules", staff_factor="1", grace_days="7").status_code == 303
    assert "You have until" in browser.get("/security").text
    browser.sign_in("maker")
    browser.get("/security")
    assert browser.post("/security/rules", staff_factor="1", grace_days="7").status_code == 403


# -- API -----------------------------------------------------------------------------------------------------------


def test_the_api_says_that_a_code_is_missing_and_takes_it_beside_the_password(site: Site) -> None:
    secret, codes = enrolled(site.lab)
    who = {"email": MAIL, "password": PASSWORD}
    answer = site.client.post("/api/login", json=who)
    assert (answer.status_code, answer.json()["code"]) == (401, "login.second_step")
    assert "set-cookie" not in answer.headers
    answer = site.client.post("/api/login", json=who | {"code": "000"})
    assert (answer.status_code, answer.json()["code"]) == (401, "factor.wrong")
    assert site.client.post("/api/login", json=who | {"code": code(site.lab, secret)}).status_code == 200
    assert site.client.post("/api/login", json=who | {"code": codes[0]}).status_code == 200


def test_factors_over_the_api(site: Site) -> None:
    site.sign_in("maker")
    assert site.client.get("/api/factor").json()["state"] == "off"
    secret = site.client.post("/api/factor").json()["secret"]
    made = site.client.post("/api/factor/confirm", json={"code": code(site.lab, secret)})
    assert len(made.json()["codes"]) == 10
    assert site.client.get("/api/factor").json() | {"since": None} == {
        "state": "on",
        "since": None,
        "codes_left": 10,
        "due_at": None,
    }
    site.lab.clock.advance(access.FRESH_FOR)
    answer = site.client.delete("/api/factor")
    assert (answer.status_code, answer.json()["code"]) == (403, "access.confirm")
    said = {"password": PASSWORD, "code": code(site.lab, secret)}
    assert site.client.post("/api/confirm", json=said).status_code == 204
    assert site.client.post("/api/factor/codes").status_code == 201
    assert site.client.delete("/api/factor").status_code == 204


def test_sessions_and_tokens_over_the_api(site: Site) -> None:
    site.sign_in("maker")
    access.sign_in(site.lab.database, MAIL, PASSWORD, address="10.9.9.9", agent="x/1")
    rows = site.client.get("/api/sessions").json()
    assert [row["here"] for row in rows] == [True, False]
    assert site.client.delete(f"/api/sessions/{rows[1]['id']}").status_code == 204
    assert site.client.delete("/api/sessions/nothing").status_code == 404
    assert site.client.delete("/api/sessions").json() == {"ended": 0}
    site.client.post("/api/tokens", json={"name": "a", "scopes": ["read"]})
    (token,) = site.client.get("/api/tokens").json()
    assert (token["name"], token["scopes"]) == ("a", ["read"])
    assert site.client.delete(f"/api/tokens/{token['id']}").status_code == 204
    assert site.client.get("/api/tokens").json() == []


def test_a_password_is_changed_over_the_api(site: Site) -> None:
    site.sign_in("maker")
    short = site.client.post("/api/password", json={"password": "short"})
    assert (short.status_code, short.json()["code"]) == (400, "password.too_short")
    assert site.client.post("/api/password", json={"password": "a newer password"}).status_code == 204
    site.sign_in("maker", "a newer password")


def test_no_token_comes_near_the_locks_whatever_its_scopes(site: Site) -> None:
    headers = site.token("admin", *Scope)
    for method, path in (
        ("GET", "/api/factor"),
        ("POST", "/api/factor"),
        ("GET", "/api/sessions"),
        ("GET", "/api/tokens"),
        ("POST", "/api/confirm"),
        ("POST", "/api/password"),
        ("POST", "/api/members/1/factor/reset"),
    ):
        answer = site.client.request(method, path, headers=headers, json={})
        assert (answer.status_code, answer.json()["code"]) in (
            (403, "access.in_person"),
            (400, "http.fields"),
        ), path
        if path != "/api/members/1/factor/reset":
            assert answer.status_code == 403, path


def test_held_back_a_program_goes_on_and_a_machine_can_be_stopped(site: Site) -> None:
    headers = site.token("staff", Scope.READ)
    site.sign_in("staff")
    rule(site.lab)
    answer = site.client.get("/api/jobs")
    assert (answer.status_code, answer.json()["code"]) == (403, "factor.required")
    assert site.client.get("/api/jobs", headers=headers).status_code == 200
    assert site.client.get("/api/me").status_code == 200
    stop = site.client.post(f"/api/machines/{site.lab.resources['mk3']}/stop")
    assert stop.json().get("code") != "factor.required"


def test_the_staff_resets_a_factor_over_the_api(site: Site) -> None:
    enrolled(site.lab)
    site.sign_in("staff")
    path = f"/api/members/{site.lab.maker.member_id}/factor/reset"
    assert site.client.post(path, json={"reason": ""}).json()["code"] == "reason.missing"
    assert site.client.post(path, json={"reason": "lost"}).status_code == 204
    site.sign_in("maker")
    assert site.client.post(path, json={"reason": "lost"}).status_code == 403


def test_a_browser_keeps_its_name_from_one_sign_in_to_the_next(site: Site) -> None:
    site.sign_in("maker")
    name = site.client.cookies["fablab_browser"]
    site.client.post("/api/logout")
    del site.client.headers["X-CSRF-Token"]
    site.sign_in("maker")
    assert site.client.cookies["fablab_browser"] == name


def test_a_browser_s_name_that_was_planted_is_replaced(site: Site) -> None:
    site.client.cookies.set("fablab_browser", "planted", domain="127.0.0.1")
    answer = site.client.post("/api/login", json={"email": MAIL, "password": PASSWORD})
    assert "fablab_browser=planted" not in answer.headers["set-cookie"]
    assert "fablab_browser=" in answer.headers["set-cookie"]
