"""The staff's catalogue as a browser sees it: one form for an entry, from the first word to its retirement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from httpx import Response

from fablab.claims.workshops import catalogue
from fablab.claims.workshops.models import Session, Workshop
from fablab.claims.workshops.offer import Price, Said, Text, Want
from fablab.claims.workshops.words import Payer, SessionState, Unit
from fablab.people.models import Audience, Member
from fablab.places.models import ResourceKind, Technology
from tests.claims.workshops_rig import TAGS, make_class
from tests.lab import Lab
from tests.parted import parted
from tests.web.page_rig import Browser, browser
from web.api.workshops_schema import workshop_out


class Fields(HTMLParser):
    """What a browser would send back of the catalogue's form if nothing were touched."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self._inside = False
        self._open = ""
        self._chosen: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self._inside = given.get("class") == "cat-form"
        elif not self._inside:
            return
        elif tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self.sent[name] = given.get("value", "")
        elif tag in ("textarea", "select"):
            self._open = name
            self.sent[name] = ""
        elif tag == "option" and self._open and ("selected" in given or self._open not in self._chosen):
            self.sent[self._open] = given.get("value", "")
            self._chosen.add(self._open)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("textarea", "select"):
            if tag == "textarea":  # the first line break of a text area is the markup's
                self.sent[self._open] = self.sent[self._open].removeprefix("\n")
            self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open and self.lasttag == "textarea":
            self.sent[self._open] += data


def send(person: Browser, path: str, form: dict[str, str]) -> Response:
    return person.client.post(path, data=form, headers={"Accept": "text/html"}, follow_redirects=False)


def both(text: str) -> Text:
    return {"fr": text, "en": f"{text} (en)"}


def rich(lab: Lab) -> Said:
    """An entry that uses everything an entry may have."""
    return replace(
        TAGS,
        title=both("Badges & cie « x »"),
        steps=({"fr": "", "en": "Only English"}, both("Dessiner"), {"fr": "Imprimer", "en": ""}),
        needs=(
            *TAGS.needs,
            Want(
                kind=ResourceKind.ROOM,
                seats=12,
                equipment=("screen", "sink"),
                resource_ids=(lab.resources["room"],),
            ),
            Want(kind=ResourceKind.PERSON, quantity=2, skill="laser"),
        ),
        piece=replace(TAGS.piece, sha256="a" * 64) if TAGS.piece else None,
        grants=Technology.LASER,
        prices=(
            *TAGS.prices,
            Price(audience=Audience.PERSONAL, payer=Payer.FREE, unit=Unit.PERSON, price_cents=0),
        ),
    )


def kept(lab: Lab, workshop_id: int) -> Workshop:
    with lab.database.read() as uow:
        return uow.session.get_one(Workshop, workshop_id)


@pytest.fixture
def person(lab: Lab, tmp_path: Path) -> Iterator[Browser]:
    with browser(lab, tmp_path, dispatch=False) as (found, _links):
        found.sign_in("admin", language="fr")
        yield found


def test_what_is_saved_untouched_stays_as_it_was_to_the_last_field(lab: Lab, person: Browser) -> None:
    row = lab.database.write(lambda uow: catalogue.create(uow, rich(lab)), lab.actors["admin"])
    before = workshop_out(row)
    sent = Fields(person.get(f"/workshops/{row.id}").text).sent
    lab.clock.advance(timedelta(minutes=1))
    answer = send(person, f"/workshops/{row.id}", sent)
    assert answer.headers.get("location") == f"/workshops/{row.id}?done=saved"
    after = workshop_out(kept(lab, row.id))
    assert after.version > before.version
    assert msgspec.structs.replace(after, version=before.version) == before


def test_an_entry_is_written_with_few_words_and_its_address_is_made_of_its_title(
    lab: Lab, person: Browser
) -> None:
    assert "Le catalogue est vide" in person.get("/workshops").text
    sent = Fields(person.get("/workshops/new").text).sent
    sent |= {"title.fr": "L’œuf découpé", "audience.school": "1", "least_people": "1", "most_people": "12"}
    answer = send(person, "/workshops", {**sent, "duration_min": "90"})
    row = kept(lab, int(answer.headers["location"].rpartition("/")[2].partition("?")[0]))
    assert (row.slug, row.duration_min, row.public, row.needs, row.prices) == (
        "l-oeuf-decoupe",
        90,
        False,
        [],
        [],
    )
    assert "L’œuf découpé" in person.get("/workshops").text


WRONG: tuple[tuple[dict[str, str], str, str], ...] = (
    ({"title.fr": "", "title.en": ""}, "title", "un texte manque"),
    ({"slug": "Pas Bon"}, "slug", "minuscules"),
    ({"audience.school": ""}, "audiences", "pour qui"),
    ({"most_people": "beaucoup"}, "most_people", "1000"),
    ({"duration_min": "3"}, "duration_min", "minutes"),
    ({"need.1.what": "room", "need.1.only": "La Lune"}, "needs", "ligne 2\u00a0:"),
    ({"station.0.fr": "Seule", "station.0.minutes": "999"}, "stations", "plus long"),
    (
        {"price.3.audience": "school", "price.3.payer": "city", "price.3.price": "dix"},
        "prices",
        "ligne 4\u00a0:",
    ),
    ({"piece.minutes": "5", "piece.technology": ""}, "piece", "grammes"),
)


def test_what_is_wrong_is_said_at_its_field_and_everything_typed_stays(person: Browser) -> None:
    empty = Fields(person.get("/workshops/new").text).sent
    few = {"title.fr": "Titre", "audience.school": "1", "least_people": "1", "most_people": "9"}
    unsaid, lost = [], []
    for typed, field, said in WRONG:
        sent = empty | few | {"summary.en": "long " * 300, "duration_min": "60"} | typed
        answer = send(person, "/workshops", sent)
        place = answer.text.partition(f'id="workshop-{field}-e"')[2].partition("</p>")[0]
        if answer.status_code != 422 or said not in place.lower():
            unsaid.append((field, answer.status_code, place))
        again = Fields(answer.text).sent
        lost += [(field, name) for name in sent if again.get(name, "").strip() != sent[name].strip()]
    assert unsaid == []
    assert lost == []


def test_whoever_read_an_older_version_overwrites_nothing_and_keeps_their_text(
    lab: Lab, person: Browser
) -> None:
    row = lab.database.write(lambda uow: catalogue.create(uow, TAGS), lab.actors["admin"])
    sent = Fields(person.get(f"/workshops/{row.id}").text).sent
    lab.clock.advance(timedelta(minutes=1))
    send(person, f"/workshops/{row.id}", sent)
    answer = send(person, f"/workshops/{row.id}", {**sent, "title.fr": "Trop tard"})
    assert answer.status_code == 422
    assert "Quelqu’un a modifié cet atelier" in answer.text
    assert Fields(answer.text).sent["title.fr"] == "Trop tard"
    assert kept(lab, row.id).title == TAGS.title
    assert person.post(f"/workshops/{row.id}/retire", version=sent["version"]).status_code == 422
    assert kept(lab, row.id).active
    person.post(f"/workshops/{row.id}/retire", version=str(kept(lab, row.id).version))
    assert not kept(lab, row.id).active
    assert "Retiré" in person.get("/workshops").text
    person.post(f"/workshops/{row.id}/back", version=str(kept(lab, row.id).version))
    assert kept(lab, row.id).active


def test_the_team_reads_it_all_a_partner_its_own_and_a_member_nothing(lab: Lab, person: Browser) -> None:
    group, house = make_class(lab), parted(lab)
    with lab.database.begin() as uow:
        uow.session.get_one(Session, group.id).state = SessionState.CLOSED
        known = uow.session.get_one(Member, lab.staff.member_id).password_hash
        for actor in (house.of_a, house.of_b):
            uow.session.get_one(Member, actor.member_id).password_hash = known
    theirs = replace(TAGS, slug="theirs", title=both("Celui de B"), partner_id=house.b)
    row = lab.database.write(lambda uow: catalogue.create(uow, theirs), house.of_b)

    person.sign_in("staff", language="fr")
    page = person.get("/workshops").text
    assert "Donné 1 fois" in page
    assert "Celui de B" in page
    assert "/workshops/new" not in page
    assert '<fieldset class="cat-all" disabled>' in person.get(f"/workshops/{row.id}").text
    assert person.post(f"/workshops/{row.id}", version="1").status_code == 403

    for who, entry in (("a", 404), ("b", 200)):
        person.sign_in(who, language="fr")
        listed = person.get("/workshops").text
        assert ("Celui de B" in listed, "Mon badge en 3D" in listed) == (who == "b", False)
        assert person.get(f"/workshops/{row.id}").status_code == entry
    person.sign_in("maker", language="fr")
    assert [person.get(path).status_code for path in ("/workshops", f"/workshops/{row.id}")] == [403, 403]
