"""Signing in with a real OpenID provider: Django OAuth Toolkit, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from fablab.people import signup
from fablab.people.access.models import Identity
from fablab.people.models import Member, MemberState, SignUp
from tests.lab import Lab
from tests.peers.oidc_server import CLIENT_ID, SECRET, Provider, Visitor, serve
from tests.web.page_rig import Browser
from tests.web.signing_rig import forget, founded
from tests.web.site import HOST, Site

pytestmark = [pytest.mark.peers, pytest.mark.xdist_group("oidc")]

BACK = f"{HOST}/login/from/dot"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with serve(tmp_path_factory.mktemp("oidc"), BACK) as server:
        yield server


@dataclass
class Rig:
    lab: Lab
    browser: Browser
    visitor: Visitor

    def out(self, path: str = "/login/with/dot") -> str:
        """Where our page sends the browser."""
        answer = self.browser.get(path)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def come_back(self, to: str):  # type: ignore[no-untyped-def]
        assert to.startswith(BACK + "?")
        return self.browser.get(to.removeprefix(HOST))

    def sign_in(self, who: str, path: str = "/login/with/dot"):  # type: ignore[no-untyped-def]
        return self.come_back(self.visitor.through(self.out(path), who))

    def link(self, who: str):  # type: ignore[no-untyped-def]
        """From the page Security, by a form and a page that goes on by itself."""
        self.browser.get("/security")
        page = self.browser.post("/security/links/dot")
        assert page.status_code == 200, page.text
        address = page.text.split('content="0;url=')[1].split('"')[0].replace("&amp;", "&")
        return self.come_back(self.visitor.through(address, who))

    def signed_in_as(self) -> str | None:
        answer = self.browser.client.get("/api/me")
        return answer.json()["name"] if answer.status_code == 200 else None

    def rule(self, sign_up: SignUp) -> None:
        with self.lab.database.begin() as uow:
            signup.set_rule(uow, sign_up)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "secret").write_text(SECRET + "\n")
    (folder / "providers.toml").write_text(
        f'[dot]\nlabel = "Django"\nissuer = "{provider.issuer}"\nclient_id = "{CLIENT_ID}"\n'
        'secret_file = "secret"\n'
        '[gone]\nlabel = "Gone"\nissuer = "http://127.0.0.1:9"\nclient_id = "x"\n'
    )
    with founded(folder) as site:
        yield site


@pytest.fixture
def rig(shared: Site) -> Iterator[Rig]:
    forget(shared)
    shared.lab.clock.set(datetime.now(UTC))  # the provider's clock is the wall's
    visitor = Visitor()
    yield Rig(shared.lab, Browser(shared.client), visitor)
    visitor.close()
    forget(shared)


def test_a_member_links_their_account_and_from_then_on_signs_in_with_it(rig: Rig) -> None:
    rig.browser.sign_in("maker")
    assert rig.link("maker").headers["location"] == "/security"
    assert "Maker@lab.example".lower() in rig.browser.get("/security").text
    rig.browser.post("/logout")
    assert rig.signed_in_as() is None
    answer = rig.sign_in("maker", "/login/with/dot?next=/calendar")
    assert (answer.status_code, answer.headers["location"]) == (303, "/calendar")
    assert rig.signed_in_as() == "Maker"


def test_what_is_sent_there_is_the_code_flow_with_pkce_state_and_nonce(rig: Rig, provider: Provider) -> None:
    address = urlsplit(rig.out())
    asked = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{provider.issuer}/authorize/"
    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == BACK
    assert asked["code_challenge_method"] == "S256"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 32
    assert "client_secret" not in asked


def test_an_e_mail_that_is_known_here_opens_nothing_until_its_member_has_linked_it(rig: Rig) -> None:
    answer = rig.sign_in("maker")
    assert answer.status_code == 403
    assert "not linked yet" in answer.text
    assert rig.signed_in_as() is None


def test_an_e_mail_that_the_provider_has_not_verified_says_nothing_about_who_is_a_member(rig: Rig) -> None:
    answer = rig.sign_in("vague")
    assert answer.status_code == 403
    assert "does not vouch" in answer.text
    assert "not linked" not in answer.text


def test_an_account_with_another_e_mail_is_not_linked(rig: Rig) -> None:
    rig.browser.sign_in("maker")
    answer = rig.link("other")
    assert answer.status_code == 403
    assert "another e-mail address" in answer.text
    with rig.lab.database.read() as uow:
        assert uow.session.query(Identity).count() == 0


@pytest.mark.parametrize(
    ("sign_up", "state"), [(SignUp.APPROVAL, MemberState.WAITING), (SignUp.OPEN, MemberState.ACTIVE)]
)
def test_somebody_new_says_the_rest_and_goes_through_the_house_s_rule(
    rig: Rig, sign_up: SignUp, state: MemberState
) -> None:
    rig.rule(sign_up)
    assert rig.sign_in("new").headers["location"] == "/login/new"
    page = rig.browser.get("/login/new")
    assert "new@elsewhere.example" in page.text
    assert "New Elsewhere" in page.text
    early = rig.browser.post("/login/new", name="Nina Neu", born_on="")
    assert early.status_code == 422
    assert 'value="Nina Neu"' in early.text
    answer = rig.browser.post("/login/new", name="Nina Neu", born_on="1990-05-01")
    with rig.lab.database.read() as uow:
        member = uow.session.query(Member).filter_by(email="new@elsewhere.example").one()
        assert (member.name, member.state) == ("Nina Neu", state)
    if state is MemberState.ACTIVE:
        assert (answer.status_code, rig.signed_in_as()) == (303, "Nina Neu")
    else:
        assert rig.signed_in_as() is None
        assert "waits for the staff" in answer.text
        assert "waits for the staff" in rig.sign_in("new").text


def test_where_nobody_signs_up_alone_somebody_new_is_told_so(rig: Rig) -> None:
    rig.rule(SignUp.CLOSED)
    assert rig.sign_in("new").status_code == 403
    with rig.lab.database.read() as uow:
        assert uow.session.query(Member).filter_by(email="new@elsewhere.example").count() == 0


def test_an_answer_works_once_and_only_in_the_browser_that_set_out(rig: Rig) -> None:
    to = rig.visitor.through(rig.out(), "new")
    trip = rig.browser.client.cookies["fablab_trip"]
    rig.browser.client.cookies.delete("fablab_trip")
    stranger = rig.come_back(to)
    assert stranger.status_code == 403
    assert "not asked for by this browser" in stranger.text
    rig.browser.client.cookies.set("fablab_trip", trip, domain="127.0.0.1")
    assert rig.come_back(to).headers["location"] == "/login/new"
    rig.browser.client.cookies.set("fablab_trip", trip, domain="127.0.0.1")
    assert rig.come_back(to).status_code == 403


def test_an_answer_that_took_too_long_is_refused(rig: Rig) -> None:
    to = rig.visitor.through(rig.out(), "new")
    rig.lab.clock.advance(minutes=11)
    assert rig.come_back(to).status_code == 403


def test_whoever_says_no_over_there_is_told_in_plain_words(rig: Rig) -> None:
    answer = rig.come_back(rig.visitor.through(rig.out(), "other", agrees=False))
    assert answer.status_code == 403
    assert "You did not agree over there" in answer.text


def test_a_made_up_code_is_refused_by_the_provider_and_told_in_plain_words(rig: Rig) -> None:
    state = parse_qs(urlsplit(rig.out()).query)["state"][0]
    answer = rig.browser.get(f"/login/from/dot?code=made-up&state={state}")
    assert answer.status_code == 403
    assert "does not hold" in answer.text


def test_a_provider_that_does_not_answer_is_said_and_leaves_the_password(rig: Rig) -> None:
    answer = rig.browser.get("/login/with/gone")
    assert answer.status_code == 503
    assert "Gone does not answer" in answer.text
    assert 'name="password"' in answer.text


def test_a_member_without_a_password_confirms_with_the_account_that_lets_them_in(rig: Rig) -> None:
    rig.rule(SignUp.OPEN)
    rig.sign_in("new")
    rig.browser.get("/login/new")
    rig.browser.post("/login/new", name="Nina Neu", born_on="1990-05-01")
    rig.lab.clock.advance(minutes=11)
    page = rig.browser.get("/security/confirm?next=/security")
    assert page.status_code == 200
    assert "Confirm with Django" in page.text
    page = rig.browser.post("/security/confirm/dot", next="/security")
    address = page.text.split('content="0;url=')[1].split('"')[0].replace("&amp;", "&")
    rig.lab.clock.set(datetime.now(UTC))
    assert "prompt=login" in address
    assert rig.come_back(rig.visitor.through(address, "new")).headers["location"] == "/security"
    assert "Confirm that it is me" not in rig.browser.get("/security").text


def test_whoever_came_through_a_provider_is_offered_to_sign_out_there_too(
    rig: Rig, provider: Provider
) -> None:
    rig.browser.sign_in("maker")
    rig.link("maker")
    rig.browser.post("/logout")
    rig.sign_in("maker")
    rig.browser.get("/security")
    answer = rig.browser.post("/logout")
    assert answer.headers["location"] == "/login?out=dot"
    assert "/login/leave/dot" in rig.browser.get("/login?out=dot").text
    address = rig.out("/login/leave/dot")
    assert address.startswith(f"{provider.issuer}/logout/")
    assert rig.visitor.through(address, "maker", back=f"{HOST}/login") == f"{HOST}/login"
