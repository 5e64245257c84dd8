"""Becoming a member, one's own page, and the staff's pages for members, through the whole application."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path

import pytest
from litestar.testing import TestClient

from fablab.money import subscriptions
from fablab.money.subscriptions import Cover, TariffWish
from fablab.people import families, members, organisations, signup
from fablab.people.families import Child
from fablab.people.models import Audience, ConsentKind, Member, MemberState, ProjectKind, Role, SignUp
from fablab.people.organisations import Firm
from tests.lab import Lab
from tests.web.conftest import copy_of
from tests.web.letters import codes_to, link_to
from tests.web.page_rig import Browser
from tests.web.site import HOST, make_app
from tests.web.test_pages import INLINE, LEFT_OPEN
from web.security.limits import Limiter, Pace, Rate

WORDS = "four words of hers"
PDF = b"%PDF-1.7\n" + b"x" * 300
PATHS = {
    "maker": ["/profile", "/projects", "/projects/1", "/organisations/1"],
    "staff": ["/members", "/members/1", "/members/new", "/organisations", "/organisations/1", "/members/5"],
    "admin": ["/members/settings", "/members/1", "/members?q=mak&state=active"],
}
NUMBERS = count(1)


@pytest.fixture(scope="module")
def lab(template: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One for all of these tests: each leaves people and papers of its own behind."""
    made = copy_of(template, tmp_path_factory.mktemp("members"))
    _furnish(made)
    yield made
    made.database.dispose()


@pytest.fixture(scope="module")
def folder(lab: Lab) -> Path:
    """Where documents lie."""
    assert lab.database.url.database is not None
    return Path(lab.database.url.database).parent


@pytest.fixture(scope="module")
def browser(lab: Lab, folder: Path) -> Iterator[Browser]:
    wide = Limiter({pace: Rate(burst=100_000, per_minute=100_000) for pace in Pace})
    app = make_app(lab, folder, limiter=wide)
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        yield Browser(client)


@pytest.fixture
def desk(browser: Browser) -> Browser:
    """Nobody is signed in, and English is read."""
    browser.client.cookies.clear()
    browser.client.cookies.set("fablab_language", "en")
    return browser


@pytest.fixture
def address() -> str:
    """Of somebody nobody knows yet."""
    return f"anne{next(NUMBERS)}@post.example"


def _furnish(lab: Lab) -> None:
    """With a child of the maker's, a school the maker belongs to, and a subscription to be had."""
    with lab.database.begin(lab.actors["admin"]) as uow:
        wish = TariffWish(name="A year", audience=None, cover=Cover.FAMILY, months=12, price_cents=4500)
        subscriptions.add_tariff(uow, wish)
        school = organisations.create(uow, Firm(name="Lycée", audience=Audience.SCHOOL, uai="0750655E"))
        assert lab.maker.member_id is not None
        organisations.add(uow, school.id, lab.maker.member_id)
        consents = frozenset({ConsentKind.MEMBERSHIP})
        families.add_child(
            uow, lab.maker.member_id, Child(name="Zoé", born_on=date(2015, 5, 1), consents=consents)
        )


def somebody(lab: Lab, address: str, role: Role = Role.MAKER) -> Member:
    """A member with the usual password, whom a test may do anything to."""
    with lab.database.begin() as uow:
        member = members.add_member(uow, name="Some Body", email=address, role=role)
        maker = uow.session.get_one(Member, lab.maker.member_id)
        member.password_hash = maker.password_hash
        members.add_project(uow, member, f"Of {address}", ProjectKind.PERSONAL)
        return member


def enter(desk: Browser, address: str, password: str = "a long password") -> int:
    """The status that signing in is answered with."""
    desk.get("/login")
    answer = desk.post("/login", login=address, password=password)
    desk.get("/profile")
    return answer.status_code


def apply(desk: Browser, address: str, **more: str) -> str:
    desk.get("/signup")
    said = {"name": "Anne Roy", "email": address, "born_on": "1990-05-01", "audience": "personal", **more}
    return desk.post("/signup", **said).text


def follow(desk: Browser, lab: Lab, address: str, **more: str) -> str:
    """Choose a password where the letter leads."""
    link = link_to(lab, address)
    desk.get(link)
    said = {"key": link.partition("key=")[2], "password": WORDS, "again": WORDS, **more}
    return desk.post("/key", **said).text


def upload(desk: Browser, content: bytes, **fields: str) -> int:
    answer = desk.client.post(
        "/documents",
        data={"csrf": desk.csrf, "kind": "student", **fields},
        files={"file": ("card.pdf", content)},
        headers={"Accept": "text/html"},
        follow_redirects=False,
    )
    return answer.status_code


# -- becoming a member ---------------------------------------------------------------------------------------------


def test_from_signing_up_to_signing_in(desk: Browser, lab: Lab, address: str) -> None:
    assert "Look at your letters" in apply(desk, address, name="Berthe Story")
    assert "Your address is confirmed" in follow(desk, lab, address)
    assert enter(desk, address, WORDS) == 401
    desk.sign_in("staff")
    row = re.search(r'/members/(\d+)">Berthe Story', desk.get("/members").text)
    assert row is not None
    assert desk.post(f"/members/{row[1]}/step/approve", back="/members").status_code == 303
    desk.client.cookies.clear()
    assert enter(desk, address, WORDS) == 303
    assert "Berthe Story" in desk.get("/profile").text


def test_an_address_that_is_known_gets_the_same_answer_and_a_letter_with_a_way_in(
    desk: Browser, lab: Lab, address: str
) -> None:
    def plain(page: str) -> str:
        return re.sub(r'(content|value)="[^"]*"|\{"X-CSRF[^}]*\}', "", page)

    somebody(lab, f"known-{address}")
    assert plain(apply(desk, address)) == plain(apply(desk, f"known-{address}"))
    assert codes_to(lab, f"known-{address}") == ["password.lost"]


def test_what_was_typed_stays_in_the_form_and_what_is_wrong_is_said(desk: Browser) -> None:
    page = apply(desk, "nobody", name="Anne <b>")
    assert 'value="nobody"' in page
    assert "Anne &lt;b&gt;" in page
    assert 'id="signup-email-e"' in page


def test_a_child_is_told_to_come_with_a_parent(desk: Browser, address: str) -> None:
    assert "a parent signs up" in apply(desk, address, born_on="2015-05-01")


def test_nobody_signs_up_where_the_house_says_so(desk: Browser, lab: Lab, address: str) -> None:
    with lab.database.begin() as uow:
        signup.set_rule(uow, SignUp.CLOSED)
    shown, said = desk.get("/signup").text, apply(desk, address)
    with lab.database.begin() as uow:
        signup.set_rule(uow, SignUp.APPROVAL)
    assert "Accounts are made at the desk" in shown
    assert "Accounts are made at the desk" in said


def test_two_passwords_that_differ_leave_the_link_as_it_was(desk: Browser, lab: Lab, address: str) -> None:
    apply(desk, address)
    assert "The two passwords are not the same." in follow(desk, lab, address, again="something else")
    assert "Your address is confirmed" in follow(desk, lab, address)


def test_a_link_works_once_and_its_page_tells_nobody_where_it_came_from(
    desk: Browser, lab: Lab, address: str
) -> None:
    apply(desk, address)
    headers = desk.get(link_to(lab, address)).headers
    assert (headers["referrer-policy"], headers["cache-control"]) == ("same-origin", "no-store")
    follow(desk, lab, address)
    answer = desk.get(link_to(lab, address))
    assert answer.status_code == 410
    assert "used already" in answer.text


def test_a_lost_password_is_chosen_anew_by_a_link(desk: Browser, lab: Lab, address: str) -> None:
    somebody(lab, address)
    desk.get("/password/lost")
    desk.post("/password/lost", email=address)
    assert "You can sign in." in follow(desk, lab, address)
    assert enter(desk, address, WORDS) == 303


# -- one's own page ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", sorted(PATHS))
def test_the_pages_are_whole_in_both_languages(desk: Browser, who: str) -> None:
    for language in ("fr", "en"):
        desk.sign_in(who, language=language)
        for path in PATHS[who]:
            answer = desk.get(path)
            assert answer.status_code == 200, path
            assert f'lang="{language}"' in answer.text, path
            assert INLINE.search(answer.text) is None, path
            assert LEFT_OPEN.search(answer.text) is None, path


def test_the_new_address_counts_once_its_link_was_followed(desk: Browser, lab: Lab, address: str) -> None:
    somebody(lab, address)
    enter(desk, address)
    new = f"new-{address}"
    desk.post("/profile/email", email=new)
    key = link_to(lab, new).partition("key=")[2]
    assert "Your address has changed" in desk.post("/key", key=key).text
    assert "member.email_changed" in codes_to(lab, address)


def test_a_profile_is_changed_and_says_so(desk: Browser, lab: Lab, address: str) -> None:
    somebody(lab, address)
    enter(desk, address)
    said = {"name": "Lina M.", "phone": "06 12 34 56 78", "born_on": "1990-05-01", "language": "fr"}
    assert desk.post("/profile", **said).headers["location"] == "/profile?done=saved"
    page = desk.get("/profile?done=saved").text
    assert "0612345678" in page
    assert "Saved." in page


def test_what_stands_in_the_address_is_said_only_if_it_is_ours(desk: Browser) -> None:
    desk.sign_in("maker")
    assert "give me money" not in desk.get("/profile?done=give+me+money").text


def test_everything_kept_about_a_member_comes_as_one_file_without_secrets(
    desk: Browser, lab: Lab, address: str
) -> None:
    somebody(lab, address)
    enter(desk, address)
    answer = desk.get("/profile/data.json")
    assert "attachment" in answer.headers["content-disposition"]
    kept = json.loads(answer.text)
    assert kept["members"][0]["email"] == address
    assert kept["projects"][0]["name"] == f"Of {address}"
    assert not any(word in answer.text for word in ("argon2", "csrf", "token_hash"))


def test_nobody_reads_the_page_or_the_file_of_somebody_else(desk: Browser, lab: Lab) -> None:
    desk.sign_in("maker")
    other = lab.actors["other"].member_id
    assert desk.get(f"/members/{other}").status_code == 404
    assert desk.get(f"/members/{other}/data.json").status_code == 404
    assert desk.get("/members").status_code == 403


def test_an_account_is_closed_by_its_member_who_has_to_mean_it(desk: Browser, lab: Lab, address: str) -> None:
    somebody(lab, address)
    enter(desk, address)
    assert desk.post("/profile/leave").status_code == 422
    assert desk.post("/profile/leave", sure="yes").headers["location"].startswith("/login")
    assert enter(desk, address) == 401


# -- families and papers -------------------------------------------------------------------------------------------


def test_a_parent_reads_and_changes_the_page_of_a_child(desk: Browser) -> None:
    desk.sign_in("maker")
    child = desk.found(r'href="/members/(\d+)"', "/profile")
    assert "Zoé" in desk.get(f"/members/{child}").text
    said = {"name": "Zoé M.", "phone": "", "born_on": "2015-05-01", "language": "fr"}
    assert desk.post(f"/members/{child}/profile", **said).status_code == 303
    assert desk.post(f"/family/{child}/consent", consent="image", say="yes").status_code == 303
    assert "Zoé M." in desk.get("/profile").text


def test_a_child_is_added_with_a_parents_yes(desk: Browser, lab: Lab, address: str) -> None:
    somebody(lab, address)
    enter(desk, address)
    refused = desk.post("/profile/children", name="Tom", born_on="2016-01-01")
    assert refused.status_code == 422
    assert "Under 15, a parent has to agree." in refused.text
    said = {"name": "Tom", "born_on": "2016-01-01", "consent_membership": "yes"}
    assert desk.post("/profile/children", **said).status_code == 303
    assert "Tom" in desk.get("/profile").text


def test_a_document_goes_from_the_member_to_the_staff_and_back(desk: Browser, lab: Lab, address: str) -> None:
    member = somebody(lab, address)
    enter(desk, address)
    assert upload(desk, PDF) == 303
    desk.sign_in("staff")
    row = desk.found(r'href="/documents/(\d+)"', f"/members/{member.id}")
    fetched = desk.get(f"/documents/{row}")
    assert fetched.content == PDF
    assert fetched.headers["content-disposition"].startswith("attachment")
    assert desk.post(f"/documents/{row}/refuse", reason="", back="/members").status_code == 422
    assert desk.post(f"/documents/{row}/refuse", reason="It is out of date").status_code == 303
    desk.client.cookies.clear()
    enter(desk, address)
    assert "It is out of date" in desk.get("/profile").text
    assert desk.post(f"/documents/{row}/delete").status_code == 303
    assert "card.pdf" not in desk.get("/profile").text


@pytest.mark.parametrize("content", [b"<html><script>alert(1)</script>", b"PK\x03\x04zip"])
def test_a_file_that_is_no_document_is_not_kept(desk: Browser, folder: Path, content: bytes) -> None:
    desk.sign_in("maker")
    before = kept_files(folder)
    assert upload(desk, content) == 422
    assert kept_files(folder) == before


def test_a_document_for_somebody_else_leaves_no_file_behind(desk: Browser, lab: Lab, folder: Path) -> None:
    desk.sign_in("maker")
    before = kept_files(folder)
    assert upload(desk, PDF + b"other", for_member=str(lab.staff.member_id)) == 404
    assert kept_files(folder) == before


def kept_files(folder: Path) -> set[Path]:
    return {path for path in (folder / "documents").rglob("*") if path.is_file()}


# -- the staff -----------------------------------------------------------------------------------------------------


def test_the_staff_makes_a_member_without_an_address_and_sells_them_a_year(desk: Browser) -> None:
    desk.sign_in("staff")
    said = {"name": "Odette Pruvost", "born_on": "1951-02-03", "audience": "personal", "role": "maker"}
    made = desk.post("/members", language="fr", **said)
    place = made.headers["location"].partition("?")[0]
    sold = desk.post(f"{place}/subscriptions", tariff="1", first_day="")
    assert sold.status_code == 303, sold.text
    page = desk.get(place).text
    assert "Odette Pruvost" in page
    assert "€45.00 to pay" in page
    row = desk.found(r"/subscriptions/(\d+)/settle", place)
    assert desk.post(f"/subscriptions/{row}/settle", how="cash").status_code == 303
    assert "to pay" not in desk.get(place).text


def test_a_list_is_searched_without_accents_and_page_by_page(desk: Browser, lab: Lab) -> None:
    with lab.database.begin() as uow:
        for number in range(60):
            name = f"Hélène {number:02d}"
            row = Member(name=name, role=Role.MAKER, audience=Audience.STUDENT, created_at=uow.now)
            uow.session.add(row)
    desk.sign_in("staff")
    first = desk.get("/members?q=helene").text
    assert len(re.findall(r'href="/members/\d+">Hélène', first)) == members.PAGE
    assert "60 members" in first
    assert "Hélène 59" in desk.get("/members?q=helene&page=2").text
    assert "Nobody fits" in desk.get("/members?q=helene&state=left").text


def test_the_staff_suspends_with_a_reason_and_the_member_is_out_at_once(
    desk: Browser, lab: Lab, address: str
) -> None:
    member = somebody(lab, address)
    desk.sign_in("staff")
    assert desk.post(f"/members/{member.id}/step/suspend", reason=" ").status_code == 422
    desk.post(f"/members/{member.id}/step/suspend", reason="Keys not given back")
    assert "Keys not given back" in desk.get(f"/members/{member.id}").text
    assert enter(desk, address) == 401


def test_an_administrator_is_not_changed_from_the_desk(desk: Browser, lab: Lab) -> None:
    desk.sign_in("staff")
    admin = lab.actors["admin"].member_id
    assert desk.post(f"/members/{admin}/step/suspend", reason="x").status_code == 403
    assert 'name="email"' not in desk.get(f"/members/{admin}").text


def test_an_administrator_sets_what_a_year_costs(desk: Browser) -> None:
    desk.sign_in("admin")
    wrong = {"name": "Half a year", "cover": "person", "audience": "", "months": "6", "price": "free"}
    assert "Write a price" in desk.post("/members/settings/tariffs", **wrong).text
    desk.post("/members/settings/tariffs", **{**wrong, "price": "12,50"})
    assert "€12.50" in desk.get("/members/settings").text
    assert desk.post("/members/settings", sign_up="approval").status_code == 303


# -- projects and invitations --------------------------------------------------------------------------------------


def test_somebody_invited_to_a_project_joins_it_by_the_letter(desk: Browser, lab: Lab, address: str) -> None:
    desk.sign_in("maker")
    assert desk.post("/projects/1/invitations", email=address).status_code == 303
    desk.client.cookies.clear()
    desk.client.cookies.set("fablab_language", "en")
    link = link_to(lab, address)
    assert "Drone" in desk.get(link).text
    key = link.partition("key=")[2]
    said = {"name": "A Friend", "born_on": "1990-01-01", "password": WORDS, "again": WORDS}
    assert "The staff now looks" in desk.post("/invitation", key=key, answer="join", **said).text
    with lab.database.read() as uow:
        friend = members.member_by_email(uow, address)
        assert friend.state is MemberState.WAITING
        assert [row.name for row in members.projects_of(uow, friend.id)] == ["Drone"]


def test_a_member_who_is_invited_answers_on_their_own_page(desk: Browser, lab: Lab, address: str) -> None:
    somebody(lab, address)
    desk.sign_in("maker")
    desk.post("/projects/1/invitations", email=address)
    desk.client.cookies.clear()
    enter(desk, address)
    row = desk.found(r"/profile/invitations/(\d+)/accept", "/profile")
    assert desk.post(f"/profile/invitations/{row}/accept").status_code == 303
    assert "Drone" in desk.get("/projects").text


def test_a_project_is_closed_and_opened_again(desk: Browser, lab: Lab, address: str) -> None:
    somebody(lab, address)
    enter(desk, address)
    place = desk.found(r'href="(/projects/\d+)"', "/projects")
    desk.post(f"{place}/close")
    assert desk.post(f"{place}", name="Drone 2", kind="personal").status_code == 422
    desk.post(f"{place}/reopen")
    desk.post(f"{place}", name="Drone 2", kind="personal")
    assert "Drone 2" in desk.get("/projects").text
