"""Workshops and requests over the API: the catalogue, and one school from its form to a confirmed date."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient
from sqlalchemy import select

from fablab.claims import workshops
from fablab.claims.workshops import catalogue
from fablab.claims.workshops.models import Session
from fablab.claims.workshops.words import LIVE
from fablab.places.models import Resource, ResourceKind
from tests.claims.workshops_rig import secret_in
from tests.lab import make_lab
from tests.remembering import SCHEME
from tests.web.site import HOST, Site, make_app
from web.api.workshops_schema import WorkshopIn, said_of

WORKSHOP: dict[str, Any] = {
    "slug": "name-tags",
    "title": {"fr": "Mon badge en 3D", "en": "My name tag in 3D"},
    "summary": {"fr": "Chacun dessine son badge.", "en": "Everybody draws a name tag."},
    "audiences": ["school"],
    "level": "debutant",
    "theme": "creer_avec_le_numerique",
    "least_people": 6,
    "most_people": 24,
    "duration_min": 120,
    "setup_min": 30,
    "clear_min": 15,
    "stations": [
        {"name": {"fr": "Dessin", "en": "Drawing"}, "minutes": 40},
        {"name": {"fr": "Machines", "en": "Machines"}, "minutes": 40, "technology": "fdm"},
    ],
    "groups": 2,
    "needs": [
        {"kind": "machine", "technology": "fdm", "quantity": 2},
        {"kind": "room", "seats": 24},
        {"kind": "person"},
    ],
    "piece": {"technology": "fdm", "minutes": 12, "weight_g": 4.5},
    "grants": "fdm",
    "prices": [
        {"audience": "school", "payer": "school", "unit": "session", "price_cents": 6000, "vat_rate_bp": 2000}
    ],
    "public": True,
}
REQUEST: dict[str, Any] = {
    "workshop": "name-tags",
    "school": "École Jean-Macé",
    "number": "0620001P",
    "place": "62400 Béthune",
    "contact": "Claire Martin",
    "email": "claire@ecole.example",
    "level": "elementaire",
    "people": 20,
    "adults": 1,
    "wishes": [{"day": "2026-12-08", "half": "am"}, {"day": "2026-12-22"}],
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """With a mediator and the workshop in its catalogue. A site takes a second to build: the tests share it, and each has
    a school of its own."""
    folder = tmp_path_factory.mktemp("schools")
    lab = make_lab(f"{SCHEME}:///{folder / 'lab.db'}", folder)
    with lab.database.begin() as uow:
        uow.session.add(Resource(kind=ResourceKind.PERSON, name="Samuel"))
    with lab.database.begin(lab.actors["admin"]) as uow:
        catalogue.create(uow, said_of(msgspec.convert(WORKSHOP, WorkshopIn)))
    app = make_app(lab, folder)
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        yield Site(lab, app, client)
    lab.database.dispose()


@pytest.fixture
def house(built: Site) -> Site:
    """Nobody is signed in, and whatever an earlier school was given is free again."""
    built.client.cookies.clear()
    built.client.headers.pop("X-CSRF-Token", None)
    with built.lab.database.begin() as uow:
        for session in uow.session.scalars(select(Session).where(Session.state.in_(LIVE))).unique():
            workshops.cancel(uow, session.id, "the next test")
    return built


def asked(site: Site, **changes: Any) -> tuple[str, dict[str, str]]:
    """A confirmed request: its id, and the header that opens its thread."""
    email = f"{secrets.token_hex(4)}@ecole.example"
    answer = site.client.post("/api/requests", json={**REQUEST, "email": email, **changes})
    assert (answer.status_code, answer.json()["confirm"]) == (202, True), answer.text
    secret = secret_in(site.lab, "session.confirm")
    confirmed = site.client.post("/api/requests/confirm", json={"key": secret})
    assert confirmed.status_code == 200, confirmed.text
    return confirmed.json()["id"], {"X-Thread-Key": confirmed.json()["key"]}


def staff_does(site: Site, request_id: str, act: str, **body: Any) -> Any:
    return site.client.post(f"/api/requests/{request_id}/{act}", json=body)


def test_everybody_reads_the_catalogue_and_only_an_administrator_writes_in_it(house: Site) -> None:
    (found,) = house.client.get("/api/workshops?audience=school").json()[:1]
    assert {key: found[key] for key in ("slug", "groups", "grants", "piece")} == {
        "slug": "name-tags",
        "groups": 2,
        "grants": "fdm",
        "piece": {"technology": "fdm", "minutes": 12, "weight_g": 4.5, "sha256": None},
    }
    assert house.client.get("/api/workshops/name-tags").json()["title"]["fr"] == "Mon badge en 3D"
    house.sign_in("staff")
    assert house.client.post("/api/workshops", json={**WORKSHOP, "slug": "x"}).status_code == 403


def test_a_change_is_made_to_what_was_read_and_a_retired_workshop_is_gone(house: Site) -> None:
    house.sign_in("admin")
    other = {**WORKSHOP, "slug": "other", "public": False}
    found = house.client.post("/api/workshops", json=other).json()
    path = f"/api/workshops/{found['id']}"
    changed = house.client.put(path, json={**other, "duration_min": 150, "version": found["version"]})
    assert (changed.status_code, changed.json()["duration_min"]) == (200, 150)
    again = house.client.put(path, json={**other, "version": found["version"]})
    assert (again.status_code, again.json()["code"]) == (409, "workshop.changed")
    wrong = house.client.put(path, json={**other, "groups": 9, "version": changed.json()["version"]})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "groups")
    gone = house.client.post(f"{path}/retire", json={"version": changed.json()["version"]})
    assert gone.json()["active"] is False
    assert [row["active"] for row in house.client.get("/api/workshops/all").json()] == [True, False]


def test_a_workshop_that_grants_a_technology_becomes_a_training_with_all_it_needs(house: Site) -> None:
    house.sign_in("staff")
    found = house.client.get("/api/workshops/name-tags").json()
    answer = house.client.post(
        f"/api/workshops/{found['id']}/training", json={"start_at": "2026-12-17T10:00:00+01:00"}
    )
    assert answer.status_code == 201, answer.text
    training = answer.json()
    assert (training["technology"], training["places"], training["end_at"]) == (
        "fdm",
        24,
        "2026-12-17T11:00:00Z",
    )
    assert sorted(training["holds"]) == sorted(house.lab.resources[name] for name in ("mk3", "ender", "room"))


def test_a_request_that_is_wrong_says_in_which_field(house: Site) -> None:
    answer = house.client.post("/api/requests", json={**REQUEST, "people": 40})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert (answer.json()["code"], answer.json()["field"]) == ("request.people", "people")


def test_a_school_goes_from_its_form_to_a_confirmed_date(house: Site) -> None:
    request_id, key = asked(house)
    house.sign_in("staff")
    assert request_id in [row["id"] for row in house.client.get("/api/requests?text=bethune").json()]

    found = house.client.get(f"/api/requests/{request_id}/dates").json()
    assert found["dates"][0]["start_at"].startswith("2026-12-08")
    assert len(found["dates"][0]["places"]) == 4
    assert [row["code"] for row in found["missed"]] == ["school_holiday"]

    starts = [row["start_at"] for row in found["dates"][:2]]
    proposed = staff_does(house, request_id, "propose", starts=starts).json()
    assert [row["start_at"] for row in proposed["offers"]] == starts

    held = house.client.post("/api/thread/hold", json={"rank": 1}, headers=key)
    assert held.status_code == 200, held.text
    said = held.json()
    assert (said["state"], said["start_at"], said["price_cents"]) == ("offered", starts[0], 7200)
    assert [row["code"] for row in said["warnings"]] == ["request.adults"]
    assert said["offers"][0]["places"] == []  # what it holds is the house's own business

    yes = house.client.post(
        "/api/thread/accept", json={"by": "order_number", "order_number": "BC-17"}, headers=key
    ).json()
    assert (yes["state"], yes["order_number"]) == ("confirmed", "BC-17")
    assert [row["code"] for row in yes["entries"]] == [
        "requested",
        "email_confirmed",
        "proposed",
        "held",
        "quoted",
        "ordered",
    ]
    assert len(house.client.get(f"/api/requests/{request_id}").json()["holds"]) == 4

    later = house.client.get(f"/api/requests/{request_id}/dates?n=20").json()["dates"][-1]["start_at"]
    moved = staff_does(house, request_id, "move", start_at=later, why="Panne").json()
    assert (moved["state"], moved["start_at"], len(moved["holds"])) == ("confirmed", later, 4)
    off = house.client.post("/api/thread/cancel", json={"why": "Grève"}, headers=key).json()
    assert off["state"] == "cancelled"
    assert house.client.get(f"/api/requests/{request_id}").json()["holds"] == []


def test_a_signed_paper_is_a_yes_and_comes_back_to_both_sides_as_it_was_sent(house: Site) -> None:
    request_id, key = asked(house)
    house.sign_in("staff")
    staff_does(house, request_id, "propose")
    staff_does(house, request_id, "hold", rank=1)
    wrong = house.client.post("/api/thread/signed?name=a.exe", content=b"MZ...", headers=key)
    assert (wrong.status_code, wrong.json()["code"]) == (400, "document.kind")
    paper = b"%PDF-1.7 signed"
    yes = house.client.post("/api/thread/signed?name=bon.pdf", content=paper, headers=key)
    assert (yes.status_code, yes.json()["accepted_by"]) == (200, "signed")
    line = next(row for row in yes.json()["entries"] if row["file"])
    assert (line["code"], line["file"]) == ("signed", "bon.pdf")
    for answer in (
        house.client.get(f"/api/thread/files/{line['id']}", headers=key),
        house.client.get(f"/api/requests/{request_id}/files/{line['id']}"),
    ):
        assert (answer.content, answer.headers["content-disposition"]) == (paper, "attachment")


def test_what_nobody_answers_for_is_free_for_others(house: Site) -> None:
    request_id, key = asked(house)
    house.sign_in("staff")
    staff_does(house, request_id, "propose")
    until = (house.lab.clock.now() + timedelta(days=2)).isoformat()
    held = staff_does(house, request_id, "hold", rank=1, until=until)
    assert held.status_code == 200, held.text
    back = house.client.post("/api/thread/give-back", json={"text": "Plutôt en mars"}, headers=key).json()
    assert (back["state"], back["start_at"], back["price_cents"]) == ("requested", None, None)
    declined = staff_does(house, request_id, "decline", why="Fermé en mars").json()
    assert declined["state"] == "declined"
    again = staff_does(house, request_id, "reopen", text="Finalement si").json()
    assert again["state"] == "requested"


def test_a_thread_is_for_its_school_and_the_staff_and_for_nobody_else(house: Site) -> None:
    request_id, key = asked(house)
    assert house.client.get("/api/thread", headers={"X-Thread-Key": "x" * 43}).status_code == 404
    assert house.client.get("/api/thread").status_code == 400
    house.sign_in("maker")
    assert house.client.get(f"/api/requests/{request_id}").status_code == 404
    assert staff_does(house, request_id, "cancel", why="Pour rire").status_code == 404
    assert staff_does(house, request_id, "propose").status_code == 403
    house.sign_in("staff")
    note = staff_does(house, request_id, "message", text="Classe remuante", for_staff=True).json()
    assert note["entries"][-1]["for_staff"] is True
    texts = [row["text"] for row in house.client.get("/api/thread", headers=key).json()["entries"]]
    assert "Classe remuante" not in texts
