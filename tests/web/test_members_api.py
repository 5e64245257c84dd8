"""Members and what belongs to them over the API: the same use cases as the pages, the same words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from fablab.people import kiosks, members
from tests.lab import Lab
from tests.web.conftest import copy_of
from tests.web.letters import link_to
from tests.web.site import HOST, Site, make_app
from web.security.limits import Limiter, Pace, Rate

WORDS = "four words of hers"


@pytest.fixture(scope="module")
def seat(template: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("members-api")
    lab = copy_of(template, folder)
    wide = Limiter({pace: Rate(burst=100_000, per_minute=100_000) for pace in Pace})
    app = make_app(lab, folder, limiter=wide)
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        yield Site(lab, app, client)
    lab.database.dispose()


@pytest.fixture
def site(seat: Site) -> Site:
    """Nobody is signed in, and English is read."""
    seat.client.cookies.clear()
    seat.client.headers.pop("X-CSRF-Token", None)
    seat.client.headers["Accept-Language"] = "en"
    return seat


def sent(site: Site, path: str, method: str = "POST", **body: Any) -> Any:
    return site.client.request(method, f"/api{path}", json=body)


def test_from_signing_up_to_signing_in(site: Site) -> None:
    said = {"name": "Anne Roy", "email": "anne@post.example", "born_on": "1990-05-01"}
    assert sent(site, "/signup", **said).status_code == 202
    key = link_to(site.lab, "anne@post.example").partition("key=")[2]
    assert sent(site, "/key", key=key, password=WORDS).json() == {"state": "waiting"}
    assert sent(site, "/key", key=key, password=WORDS).json()["code"] == "key.used"
    site.sign_in("staff")
    found = site.client.get("/api/members?q=anne&state=waiting").json()["members"]
    assert sent(site, f"/members/{found[0]['id']}/step/approve").json()["state"] == "active"
    answer = sent(site, "/login", email="anne@post.example", password=WORDS)
    assert answer.status_code == 200


def test_a_known_address_and_an_unknown_one_are_answered_alike(site: Site) -> None:
    answers = [sent(site, "/signup/again", email=email) for email in ("maker@lab.example", "no@body.example")]
    assert [(a.status_code, a.content) for a in answers] == [(202, answers[0].content)] * 2


def test_a_wrong_field_is_named_with_the_pages_own_words(site: Site) -> None:
    problem = sent(site, "/signup", name="A", email="nobody", born_on="1990-05-01").json()
    assert (problem["code"], problem["field"], problem["detail"]) == (
        "member.email",
        "email",
        "This is not an e-mail address.",
    )


def test_a_member_reads_their_own_card_and_nobody_elses(site: Site) -> None:
    site.sign_in("maker")
    card = site.client.get("/api/members/me").json()
    assert card["member"]["name"] == "Maker"
    assert [project["name"] for project in card["projects"]] == ["Drone"]
    assert site.client.get(f"/api/members/{site.lab.staff.member_id}").status_code == 404
    assert site.client.get("/api/members").status_code == 403


def test_a_member_reads_all_that_is_kept_about_them(site: Site) -> None:
    me = site.sign_in("maker")["id"]
    kept = site.client.get(f"/api/members/{me}/data").json()
    assert kept["members"][0]["name"] == "Maker"
    assert "password_hash" not in kept["members"][0]


def test_their_badge_their_pin_and_where_they_are_known_are_among_it_without_the_numbers(site: Site) -> None:
    site.sign_in("staff")
    maker = site.lab.maker.member_id
    assert sent(site, f"/members/{maker}/badge", "PUT", number="04A1B2C3").status_code == 204
    assert sent(site, f"/members/{maker}/pin", "PUT", pin="274918").status_code == 204
    with site.lab.database.begin(site.lab.staff) as uow:
        made = kiosks.make(uow, "tablet", site.lab.resources["mk3"])
        _, token = kiosks.enrol(uow, made.link_token)
    kiosks.by_badge(site.lab.database, token, "04A1B2C3")
    site.sign_in("maker")
    answer = site.client.get(f"/api/members/{maker}/data")
    kept = answer.json()
    assert {"badges", "pins", "kiosk_presences"} <= set(kept)
    assert not any(word in answer.text for word in ("274918", "04A1B2C3", "argon2", "token_hash"))


def test_the_staff_gives_badges_and_sees_since_when_but_never_which(site: Site) -> None:
    other = site.lab.actors["other"].member_id
    site.sign_in("maker")
    assert sent(site, f"/members/{other}/badge", "PUT", number="04A1B2C9").status_code == 403
    assert site.client.get(f"/api/members/{other}/keys").status_code in (403, 404)
    site.sign_in("staff")
    assert sent(site, f"/members/{other}/badge", "PUT", number="04A1B2C9").status_code == 204
    answer = site.client.get(f"/api/members/{other}/keys")
    assert answer.json()["badge_at"] is not None
    assert "04A1B2C9" not in answer.text
    assert site.client.delete(f"/api/members/{other}/badge").status_code == 204
    assert site.client.get(f"/api/members/{other}/keys").json() == {"badge_at": None, "pin_at": None}


def test_nobody_gives_a_badge_to_whoever_may_more_than_they(site: Site) -> None:
    site.sign_in("staff")
    admin = site.lab.actors["admin"].member_id
    assert (
        sent(site, f"/members/{admin}/badge", "PUT", number="04A1B2C8").json()["code"] == "member.above_you"
    )


def test_a_kiosks_link_is_answered_once_and_a_revoked_one_is_gone(site: Site) -> None:
    site.sign_in("staff")
    made = sent(site, "/kiosks", name="Beside the printer", machine=site.lab.resources["mk3"]).json()
    assert "/kiosk/enrol/" in made["link"]
    listed = site.client.get("/api/kiosks")
    assert made["id"] in [row["id"] for row in listed.json()]
    assert made["link"].rpartition("/")[2] not in listed.text
    assert site.client.delete(f"/api/kiosks/{made['id']}").status_code == 204
    assert made["id"] not in [row["id"] for row in site.client.get("/api/kiosks").json()]
    codes = site.client.get("/api/kiosks/codes").json()
    machine = codes[0]["machine"]
    assert sent(site, f"/kiosks/codes/{machine}/new").json()["address"] != codes[0]["address"]
    site.sign_in("maker")
    assert site.client.get("/api/kiosks").status_code == 403


def test_a_subscription_is_asked_for_agreed_and_paid(site: Site) -> None:
    site.sign_in("admin")
    wish = {"name": "A year", "cover": "person", "months": 12, "price_cents": 4500}
    tariff = sent(site, "/subscriptions/tariffs", **wish).json()
    me = site.sign_in("other")["id"]
    row = sent(site, "/subscriptions", tariff=tariff["id"]).json()
    assert (row["state"], row["due_cents"]) == ("asked", 0)
    assert sent(site, f"/subscriptions/{row['id']}/agree").status_code == 403
    site.sign_in("staff")
    agreed = sent(site, f"/subscriptions/{row['id']}/agree").json()
    assert (agreed["due_cents"], agreed["first_day"], agreed["last_day"]) == (
        4500,
        "2026-11-24",
        "2027-11-23",
    )
    assert sent(site, f"/subscriptions/{row['id']}/settle", how="card").json()["due_cents"] == 0
    assert site.client.get(f"/api/members/{me}").json()["covered_until"] == "2027-11-23"


def test_a_project_goes_from_its_beginning_to_its_end(site: Site) -> None:
    site.sign_in("maker")
    made = sent(site, "/projects", name="Kite", kind="personal").json()
    assert sent(site, "/invitations", email="other@lab.example", project=made["id"]).status_code == 201
    site.sign_in("other")
    row = site.client.get("/api/members/me").json()["invitations"][0]
    assert sent(site, f"/invitations/{row['id']}/accept").json()["state"] == "accepted"
    assert "Kite" in [each["name"] for each in site.client.get("/api/projects").json()]
    assert sent(site, f"/projects/{made['id']}/close").json()["code"] == "project.not_yours"
    site.sign_in("maker")
    assert sent(site, f"/projects/{made['id']}/close").json()["closed_at"] is not None


def test_an_organisation_is_spoken_for_by_whom_the_staff_names(site: Site) -> None:
    site.sign_in("staff")
    wrong = sent(site, "/organisations", name="Lycée", audience="school", uai="0750655F")
    assert wrong.json()["field"] == "uai"
    made = sent(site, "/organisations", name="Lycée", audience="school", uai="0750655E").json()
    place = f"/organisations/{made['id']}/people"
    assert sent(site, place, member=site.lab.maker.member_id, seat="manager").status_code == 204
    site.sign_in("maker")
    assert sent(site, place, member=site.lab.actors["other"].member_id).status_code == 403
    invited = sent(site, "/invitations", email="pupil@post.example", organisation=made["id"])
    assert invited.json()["kind"] == "organisation"


def test_a_child_is_added_by_a_parent_who_agrees(site: Site) -> None:
    site.sign_in("maker")
    child = {"name": "Zoé", "born_on": "2016-01-01"}
    assert sent(site, "/children", **child).json()["code"] == "family.consent"
    made = sent(site, "/children", **child, consents=["membership"]).json()
    assert sent(site, f"/members/{made['id']}/consent", consent="image", given=True).status_code == 204
    assert site.client.get(f"/api/members/{made['id']}").json()["consents"] == ["membership", "image"]


def test_a_document_is_sent_and_fetched(site: Site) -> None:
    site.sign_in("maker")
    files = {"file": ("card.png", b"\x89PNG\r\n\x1a\n" + b"0" * 40)}
    made = site.client.post("/api/documents", data={"kind": "student"}, files=files).json()
    assert made["media_type"] == "image/png"
    assert site.client.get(f"/api/documents/{made['id']}").content.startswith(b"\x89PNG")
    site.sign_in("other")
    assert site.client.get(f"/api/documents/{made['id']}").status_code == 404
    site.sign_in("staff")
    assert sent(site, f"/documents/{made['id']}/accept").json()["state"] == "accepted"


def test_the_staff_makes_changes_and_forgets_a_member(site: Site) -> None:
    site.sign_in("admin")
    made = sent(site, "/members", name="Odette", born_on="1951-02-03", email="odette@post.example").json()
    place = f"/members/{made['id']}"
    assert sent(site, place, "PATCH", name="Odette P.").json()["email"] is None
    assert sent(site, f"{place}/forget").json()["code"] == "member.not_left"
    sent(site, f"{place}/step/leave")
    assert sent(site, f"{place}/forget").status_code == 204
    with site.lab.database.read() as uow:
        row = members.search(_as_admin(site, uow), members.Search(text=str(made["id"]))).rows[0]
        assert (row.name, row.born_on) == (f"#{made['id']}", None)


def _as_admin(site: Site, uow: Any) -> Any:
    uow.actor = site.lab.actors["admin"]
    return uow


def test_who_may_sign_up_is_set_by_an_administrator(site: Site) -> None:
    site.sign_in("staff")
    assert sent(site, "/people/rules", "PUT", sign_up="open").status_code == 403
    site.sign_in("admin")
    assert sent(site, "/people/rules", "PUT", sign_up="approval").json() == {"sign_up": "approval"}
