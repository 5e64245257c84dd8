"""The agenda over the web: read by everybody, registered for without an account, answered by the link of a letter, planned
and counted by the staff; and its shapes for calendars, search engines and OpenAgenda."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import icalendar
import pytest

from fablab.claims.workshops import line
from fablab.claims.workshops.programme import PublicDate
from fablab.claims.workshops.words import Level, Theme, WorkshopKind
from tests.claims.agenda_rig import EVENING, Agenda, agenda_of
from tests.web.page_rig import CSRF
from tests.web.site import Site
from web import agenda as shapes
from web.agenda import Place

ENGLISH = {"Accept-Language": "en", "Accept": "text/html"}
PARIS = ZoneInfo("Europe/Paris")
LD = re.compile(r'<script type="application/ld\+json">(.*?)</script>', re.DOTALL)


@pytest.fixture
def agenda(site: Site) -> Agenda:
    """Three seats, looked at in English."""
    site.client.cookies.set("fablab_language", "en")
    return agenda_of(site.lab, capacity=3)


def send(site: Site, path: str, form: dict[str, str], come_from: str | None = None) -> tuple[int, str]:
    """As a browser does: the form's own token, and after it wherever it leads."""
    token = CSRF.search(site.client.get(come_from or path, headers=ENGLISH).text)
    assert token is not None
    answer = site.client.post(path, data={**form, "csrf": token[1]}, headers=ENGLISH, follow_redirects=False)
    if answer.status_code == 303:
        return 303, site.client.get(answer.headers["location"], headers=ENGLISH).text
    return answer.status_code, answer.text


def register(site: Site, agenda: Agenda, name: str, seats: str = "1") -> tuple[int, str]:
    form = {"name": name.title(), "email": f"{name}@mail.example", "seats": seats}
    site.lab.clock.advance(timedelta(seconds=1))
    return send(site, f"/house/agenda/{agenda.date}", form)


def test_everybody_sees_what_is_on_and_what_fits(site: Site, agenda: Agenda) -> None:
    page = site.client.get("/house/agenda", headers=ENGLISH).text
    assert "Film debate: to repair" in page
    assert "3 seats left" in page
    assert "December 2026" in page
    for nothing in ("kind=workshop", "audience=school", "month=2026-11"):
        assert (
            "Nothing fits what you chose" in site.client.get(f"/house/agenda?{nothing}", headers=ENGLISH).text
        )
    assert "Film debate" in site.client.get("/house/agenda?month=nonsense&kind=x", headers=ENGLISH).text


def test_an_empty_agenda_says_so(site: Site) -> None:
    assert "Nothing is planned yet" in site.client.get("/house/agenda", headers=ENGLISH).text


def test_a_guest_registers_waits_is_offered_takes_and_leaves(site: Site, agenda: Agenda) -> None:
    form = {"name": "Ana", "email": "ana@mail.example", "seats": "2"}
    bare = site.client.post(f"/house/agenda/{agenda.date}", data=form)
    assert (bare.status_code, agenda.states()) == (403, {}), "a form without its token registers nobody"
    status, page = register(site, agenda, "ana", "2")
    assert (status, "Your seat is kept." in page) == (303, True)
    assert "You are on the waiting list." in register(site, agenda, "bob", "2")[1]
    own = f"/house/registration?key={agenda.key('ana')}"
    assert "Cancel it" in site.client.get(own, headers=ENGLISH).text
    leaving = {"key": agenda.key("ana"), "answer": "leave"}
    assert "Your registration is cancelled" in send(site, "/house/registration", leaving, own)[1]
    assert agenda.states() == {"ana": ("left", 2), "bob": ("offered", 2)}
    taking = {"key": agenda.key("bob"), "answer": "take"}
    assert "The seat is yours." in send(site, "/house/registration", taking, own)[1]
    assert agenda.states()["bob"] == ("joined", 2)


def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(site: Site, agenda: Agenda) -> None:
    status, page = register(site, agenda, "ana", "9")
    assert status == 422
    assert "from 1 to 3" in page
    assert 'value="ana@mail.example"' in page


def test_looking_at_a_link_changes_nothing_and_it_is_kept_by_nobody(site: Site, agenda: Agenda) -> None:
    agenda.guest("ana")
    answer = site.client.get(f"/house/registration?key={agenda.key('ana')}", headers=ENGLISH)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert agenda.states() == {"ana": ("joined", 1)}
    assert site.client.get("/house/registration?key=nonsense", headers=ENGLISH).status_code == 410


def test_a_member_registers_with_one_field_and_gives_it_back(site: Site, agenda: Agenda) -> None:
    site.sign_in("maker")
    page = f"/house/agenda/{agenda.date}"
    assert "You register as Maker." in site.client.get(page, headers=ENGLISH).text
    assert "Your registration" in send(site, page, {"seats": "2"})[1]
    assert "Your registration is cancelled" in send(site, f"{page}/mine", {"answer": "leave"}, page)[1]


def test_the_staff_plans_moves_counts_and_prints_on_the_pages(site: Site, agenda: Agenda) -> None:
    site.sign_in("staff")
    form = {"workshop": str(agenda.workshop), "start_at": "2026-12-10T18:00", "capacity": "5", "least": "2"}
    status, page = send(site, "/public-sessions", form)
    assert (status, "It is in the agenda." in page) == (303, True)
    here = f"/public-sessions/{agenda.date}"
    guest = {"name": "Zoé au Téléphone", "email": "", "seats": "2"}
    assert "Zoé au Téléphone" in send(site, f"{here}/people", guest, here)[1]
    agenda.guest("ana")
    moved = {"start_at": "2026-12-09T18:00", "gang": "same", "why": "Salle prise"}
    assert "9 December 2026" in send(site, f"{here}/move", moved, here)[1]
    pdf = site.client.get(f"{here}/sheet.pdf")
    assert pdf.content.startswith(b"%PDF-")
    site.lab.clock.advance(datetime(2026, 12, 9, 17, tzinfo=UTC) - site.lab.clock.now())
    site.client.cookies.clear()  # the first sign-in is two weeks old
    site.client.headers.pop("X-CSRF-Token")
    site.client.cookies.set("fablab_language", "en")
    site.sign_in("staff")
    with site.lab.database.read() as uow:
        ids = {row.name: row.id for row in line.people_in(uow, agenda.date)}
    came = {"here": ids["Zoé au Téléphone"], f"came-{ids['Zoé au Téléphone']}": "1", "more": "3"}
    assert "Who came is written down." in send(site, f"{here}/came", came, here)[1]
    assert agenda.states()["ana"] == ("absent", 1)


def test_a_date_in_the_way_of_another_is_refused_on_the_form(site: Site, agenda: Agenda) -> None:
    site.sign_in("staff")
    form = {"workshop": str(agenda.workshop), "start_at": "2026-12-08T18:00", "note": "mon mot"}
    status, page = send(site, "/public-sessions", form)
    assert (status, "No room that is large enough is free" in page, "mon mot" in page) == (422, True, True)


def test_all_of_it_over_the_api(site: Site, agenda: Agenda) -> None:
    (each,) = site.client.get("/api/agenda?kind=event&free=true").json()
    assert (each["id"], each["free"], each["price_cents"]) == (agenda.date, 3, 0)
    party = {"name": "Ana", "email": "ana@mail.example", "seats": 3}
    joined = site.client.post(f"/api/agenda/{agenda.date}/registrations", json=party)
    assert (joined.status_code, joined.json()) == (202, {"waits": False, "seats": 3, "registration": None})
    key = agenda.key("ana")
    assert site.client.post("/api/registration", json={"key": key}).json()["state"] == "joined"
    fewer = {"key": key, "answer": "fewer", "seats": 1}
    assert site.client.post("/api/registration/answer", json=fewer).json()["seats"] == 1
    assert site.client.get(f"/api/public-sessions/{agenda.date}").status_code == 401
    site.sign_in("staff")
    hall = site.client.get(f"/api/public-sessions/{agenda.date}").json()
    assert [(row["email"], row["seats"]) for row in hall["registrations"]] == [("ana@mail.example", 1)]
    more = site.client.patch(f"/api/public-sessions/{agenda.date}", json={"capacity": 8}).json()
    assert more["date"]["free"] == 7
    off = site.client.post(f"/api/public-sessions/{agenda.date}/cancel", json={"why": "Panne"}).json()
    assert (off["date"]["cancelled"], off["holds"]) == (True, [])


def test_search_engines_calendars_and_openagenda_read_the_same_date(site: Site, agenda: Agenda) -> None:
    page = site.client.get(f"/house/agenda/{agenda.date}", headers=ENGLISH)
    found = LD.search(page.text)
    assert found is not None
    event = json.loads(found[1])
    assert (event["@type"], event["name"]) == ("Event", "Film debate: to repair")
    assert event["startDate"] == EVENING.astimezone(PARIS).isoformat()
    assert event["offers"]["availability"] == "https://schema.org/InStock"
    assert "unsafe-inline" not in page.headers["content-security-policy"]
    for path in ("/house/agenda.ics", f"/house/agenda/{agenda.date}/calendar.ics"):
        answer = site.client.get(path, headers=ENGLISH)
        assert answer.headers["content-type"].startswith("text/calendar")
        (entry,) = icalendar.Calendar.from_ical(answer.content).walk("VEVENT")
        assert entry.decoded("dtstart") == EVENING
        assert str(entry["location"]).startswith("Room 1")
    body = site.client.get("/api/agenda/openagenda").json()
    (event,) = body["events"]
    assert body["total"] == 1
    assert event["title"] == {"fr": "Ciné-débat : réparer", "en": "Film debate: to repair"}
    assert event["timings"] == [{"begin": "2026-12-08T18:00:00+01:00", "end": "2026-12-08T20:00:00+01:00"}]
    assert (event["status"], event["attendanceMode"], event["timezone"]) == (1, 1, "Europe/Paris")
    assert event["registration"][0]["type"] == "link"


# -- shapes ---------------------------------------------------------------------------------------------------------

PLACE = Place(name="Atelier", address="https://lab.example", zone=PARIS)


def date_of(**changes: object) -> PublicDate:
    told: dict[str, object] = {
        "id": "abc",
        "slug": "film",
        "kind": WorkshopKind.EVENT,
        "title": {"fr": "Film", "en": ""},
        "summary": {"fr": "</script><script>alert(1)</script> & co\u2028", "en": ""},
        "take_home": {},
        "theme": Theme.CULTURE_NUMERIQUE,
        "level": Level.DEBUTANT,
        "audiences": ("personal",),
        "start_at": EVENING,
        "end_at": EVENING + timedelta(hours=2),
        "rooms": ("Room 1",),
        "capacity": 5,
        "free": 0,
        "waiting": 2,
        "least": 1,
        "decide_at": None,
        "price_cents": 550,
        "cancelled": False,
        "over": False,
        "note": "",
        "made_at": EVENING - timedelta(days=9),
        "version": 3,
    }
    return PublicDate(**{**told, **changes})  # type: ignore[arg-type]  # a table of any field


def test_nothing_that_people_write_ends_the_element_of_the_page() -> None:
    text = str(shapes.json_ld(PLACE, date_of(), "fr"))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text)["description"] == date_of().summary["fr"]
    assert json.loads(text)["offers"] == {
        "@type": "Offer",
        "price": "5.50",
        "priceCurrency": "EUR",
        "url": "https://lab.example/house/agenda/abc",
        "availability": "https://schema.org/SoldOut",
        "validFrom": (EVENING - timedelta(days=9)).isoformat(),
    }


@pytest.mark.parametrize(
    ("changes", "status", "schema", "ics"),
    [
        ({"free": 2}, 1, "EventScheduled", "CONFIRMED"),
        ({"free": 0}, 5, "EventScheduled", "CONFIRMED"),
        ({"cancelled": True}, 6, "EventCancelled", "CANCELLED"),
    ],
)
def test_full_and_called_off_are_said_in_each_shape(
    changes: dict[str, object], status: int, schema: str, ics: str
) -> None:
    date = date_of(**changes)
    (event,) = cast("list[dict[str, object]]", shapes.openagenda(PLACE, [date])["events"])
    assert event["status"] == status
    assert json.loads(shapes.json_ld(PLACE, date, "en"))["eventStatus"].endswith(schema)
    (entry,) = icalendar.Calendar.from_ical(shapes.ical(PLACE, [date], "en")).walk("VEVENT")
    assert (str(entry["status"]), entry["sequence"], str(entry["uid"])) == (ics, 3, "abc@lab.example")


def test_the_same_dates_make_the_same_bytes() -> None:
    assert shapes.ical(PLACE, [date_of()], "fr") == shapes.ical(PLACE, [date_of()], "fr")
    assert shapes.number("abc") == shapes.number("abc") < 2**53
