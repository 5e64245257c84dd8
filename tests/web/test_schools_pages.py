"""A school's request on pages: the form, the link of the letter, the thread as the school and as the staff walk it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from fablab.claims import workshops
from fablab.claims.workshops import AcceptedBy, EntryKind, SessionState, delivering, letters
from fablab.claims.workshops.attendance import Came
from fablab.claims.workshops.words import AttendanceAxis
from tests.claims.workshops_rig import MORNING, Class, make_class, secret_in, stock
from tests.lab import TUESDAY, Lab
from tests.web.page_rig import Browser, browser
from web.mail.post import take
from web.words.codes import NOTICES

FORM: dict[str, Any] = {
    "workshop": "name-tags",
    "level": "college",
    "people": "24",
    "adults": "2",
    "when": "dates",
    "day1": "2026-12-15",
    "half": "am",
    "school": "Collège Jean-Moulin",
    "place": "62400 Béthune",
    "contact": "Claire Petit",
    "email": "claire.petit@ac-lille.example",
}
SCAN = b"%PDF-1.7 signed by the head"


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Iterator[Browser]:
    with browser(lab, tmp_path, dispatch=False) as (seat, _links):
        as_school(seat)
        yield seat


def as_school(desk: Browser) -> None:
    """Nobody who is signed in, reading English."""
    desk.client.cookies.clear()
    desk.client.cookies.set("fablab_language", "en")


def text_of(answer: Response) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def thread_of(group: Class) -> str:
    """A link of its own, as a letter would bring it."""
    return str(group.does(lambda uow: letters.link(uow, workshops.get(uow, group.id))))


def signed(desk: Browser, school: str, scan: bytes) -> Response:
    return desk.client.post(
        f"{school}/sign",
        data={"csrf": desk.csrf},
        files={"file": ("bon.pdf", scan)},
        headers={"Accept": "text/html"},
        follow_redirects=False,
    )


def sessions(lab: Lab) -> list[workshops.Session]:
    with lab.database.read(lab.staff) as uow:
        return workshops.requests(uow)


def test_everything_that_is_missing_is_said_at_once_and_what_was_typed_stays(desk: Browser, lab: Lab) -> None:
    stock(lab)
    desk.get("/house/request")
    answer = desk.post("/house/request", school="Collège Jean-Moulin", number="0620001Z", half="pm")
    said = text_of(answer)
    assert answer.status_code == 422
    for sentence in ("choose a workshop", "level of your pupils", "how many pupils", "one date", "your name"):
        assert sentence in said, sentence
    assert 'value="Collège Jean-Moulin"' in answer.text
    assert answer.text.count('aria-invalid="true"') >= 5


def test_a_wrong_number_is_said_in_the_words_of_the_api(desk: Browser, lab: Lab) -> None:
    stock(lab)
    desk.get("/house/request")
    answer = desk.post("/house/request", **FORM, number="0620001Z")
    names = ("workshop", "level", "school", "contact", "email")
    asked = {name: FORM[name] for name in names} | {"people": 24, "wishes": [{"day": "2026-12-15"}]}
    said = desk.client.post("/api/requests", json={**asked, "number": "0620001Z"}).json()
    assert answer.status_code == 422
    assert 'id="number-e"' in answer.text
    assert said["detail"] in html.unescape(answer.text)
    assert sessions(lab) == []


def test_a_teacher_asks_confirms_by_the_letter_and_reads_the_thread(desk: Browser, lab: Lab) -> None:
    stock(lab)
    desk.get("/house/request?workshop=name-tags")
    assert desk.post("/house/request", **FORM).headers["location"] == "/house/request/sent"
    assert "look into your mail" in desk.get("/house/request/sent").text
    assert sessions(lab) == []  # nobody of the staff sees it before the address is confirmed
    link = f"/thread/{secret_in(lab, 'session.confirm')}"
    assert "Is this your request?" in desk.get(link).text
    assert sessions(lab) == []  # a mail program that looks first confirms nothing
    own = desk.post(f"{link}/confirm").headers["location"]
    page = desk.get(own)
    assert "Claire Petit" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert desk.get(link).status_code == 410
    (row,) = sessions(lab)
    assert row.school["uai"] is None
    assert row.wishes == [{"day": "2026-12-15", "half": "am"}]


def test_any_school_day_of_a_month_is_a_wish_for_each_of_them(desk: Browser, lab: Lab) -> None:
    stock(lab)
    desk.get("/house/request")
    form: dict[str, Any] = {**FORM, "when": "weekday", "month": "2027-03", "weekday": ""}
    assert desk.post("/house/request", **form).status_code == 303
    desk.post(f"/thread/{secret_in(lab, 'session.confirm')}/confirm")
    (row,) = sessions(lab)
    assert [wish["weekday"] for wish in row.wishes] == [0, 1, 2, 3, 4]
    assert {wish["until"] for wish in row.wishes} == {"2027-03-31"}


def test_the_staff_finds_dates_holds_one_and_the_school_says_yes_with_its_order(
    desk: Browser, lab: Lab
) -> None:
    group = make_class(lab, wishes=(workshops.Wish(day=date(2026, 12, 15)),))
    school = thread_of(group)
    desk.sign_in("staff")
    assert "École Jean-Macé" in desk.get("/requests").text
    page = f"/requests/{group.id}"
    found = re.findall(r'name="(date\d)" value="([^"]+)"', desk.get(f"{page}?find=1").text)
    assert len(found) >= 2
    until = f"{TUESDAY + timedelta(days=5):%Y-%m-%dT18:00}"
    answer = desk.post(f"{page}/propose", then="hold", hold_until=until, **dict(found[:2]))
    assert answer.status_code == 303
    as_school(desk)
    shown = text_of(desk.get(school))
    assert "Held for you until Sunday 18:00" in shown
    assert "The other dates that were proposed" in shown
    quote = desk.get(f"{school}/quote.pdf")
    assert quote.content.startswith(b"%PDF-")
    assert desk.get(f"{school}/agreement.pdf").status_code == 404
    assert desk.post(f"{school}/accept", way="order_number", order_number="").status_code == 422
    assert desk.post(f"{school}/accept", way="order_number", order_number="BC-77").status_code == 303
    assert "said yes with the order number BC-77" in text_of(desk.get(school))
    assert desk.get(f"{school}/agreement.pdf").content.startswith(b"%PDF-")
    assert b"STATUS:CONFIRMED" in desk.get(f"{school}/calendar.ics").content
    assert group.session.state is SessionState.CONFIRMED


def test_a_signed_paper_is_a_yes_and_both_sides_can_fetch_it(desk: Browser, lab: Lab) -> None:
    group = make_class(lab).offered()
    school = thread_of(group)
    desk.get(school)
    assert signed(desk, school, SCAN).status_code == 303
    assert group.session.accepted_by is AcceptedBy.SIGNED
    path = re.search(rf'href="({school}/files/\d+)"', desk.get(school).text)
    assert path is not None
    assert desk.get(path[1]).content == SCAN
    desk.sign_in("staff")
    assert desk.get(path[1].replace(school, f"/requests/{group.id}")).content == SCAN


def test_a_paper_that_is_no_yes_any_more_is_not_kept(desk: Browser, lab: Lab, tmp_path: Path) -> None:
    group = make_class(lab).offered()
    school = thread_of(group)
    group.does(workshops.give_back, group.id)
    desk.get(school)
    assert signed(desk, school, SCAN).status_code == 422
    assert [path for path in (tmp_path / "sessions").rglob("*") if path.is_file()] == []


def test_to_call_it_off_one_has_to_be_sure_and_then_all_is_free(desk: Browser, lab: Lab) -> None:
    group = make_class(lab).confirmed()
    school = thread_of(group)
    desk.get(school)
    assert desk.post(f"{school}/cancel", text="Bus").status_code == 422
    assert desk.post(f"{school}/cancel", text="No bus.", sure="1").status_code == 303
    assert group.held == []
    assert "No bus." in text_of(desk.get(school))


def test_moving_shows_what_moves_before_it_does(desk: Browser, lab: Lab) -> None:
    group = make_class(lab, wishes=(workshops.Wish(day=date(2026, 12, 15)),)).confirmed()
    before = group.session.start_at
    desk.sign_in("staff")
    page = f"/requests/{group.id}"
    found = re.search(r'name="date" value="([^"]+)"', desk.get(f"{page}?find=1").text)
    assert found is not None
    looked = desk.post(f"{page}/move", date=found[1], look="1")
    assert "What would move" in looked.text
    assert group.session.start_at == before
    assert desk.post(f"{page}/move", date=found[1], sure="1").status_code == 303
    assert group.session.start_at != before
    assert "session.moved" in group.letters()


def test_both_sides_write_and_a_note_of_the_staff_is_for_the_staff(desk: Browser, lab: Lab) -> None:
    group = make_class(lab)
    school = thread_of(group)
    desk.get(school)
    assert desk.post(f"{school}/message", text="We are 22 now.").status_code == 303
    assert desk.post(f"{school}/recount", people="99").status_code == 422
    assert desk.post(f"{school}/recount", people="22").status_code == 303
    assert (group.session.people, group.session.adults) == (22, 2)
    desk.sign_in("staff")
    page = f"/requests/{group.id}"
    assert "We are 22 now." in desk.get(page).text
    desk.post(f"{page}/message", text="Fine.")
    desk.post(f"{page}/message", text="They were late last year.", for_staff="1")
    as_school(desk)
    shown = desk.get(school).text
    assert "Fine." in shown
    assert "late last year" not in shown


def test_whoever_has_no_link_reads_nothing(desk: Browser, lab: Lab) -> None:
    make_class(lab)
    assert desk.get("/thread/notasecretnotasecretnotasecret").status_code == 410
    assert desk.get("/thread/notasecretnotasecretnotasecret/quote.pdf").status_code == 404
    desk.sign_in("maker")
    assert desk.get("/requests").status_code == 403


def test_an_empty_list_says_where_requests_come_from(desk: Browser, lab: Lab) -> None:
    desk.sign_in("staff")
    assert "No school has asked yet" in desk.get("/requests").text


def test_each_line_of_a_thread_and_each_letter_has_words() -> None:
    said = {kind for kind in EntryKind if kind is not EntryKind.MESSAGE}
    assert [kind.value for kind in said if f"thread.{kind.value}" not in NOTICES] == []
    assert [code.value for code in letters.SchoolLetter if code.value not in NOTICES] == []


def test_after_the_visit_the_thread_has_the_numbers_the_certificate_and_what_is_paid(
    desk: Browser, lab: Lab
) -> None:
    group = make_class(lab).confirmed()
    lab.clock.set(MORNING + timedelta(hours=2))
    counts = {AttendanceAxis.AGE: {"moins_de_douze": 20}}
    group.does(delivering.attend, group.id, Came(people=20, adults=2, counts=counts))
    group.does(delivering.deliver, group.id)
    school = thread_of(group)
    shown = text_of(desk.get(school))
    for sentence in (
        "counted who came: 20 pupils, 2 adults",
        "made the certificate",
        "€142.26",
        "To the questions",
    ):
        assert sentence in shown, sentence
    assert desk.get(f"{school}/certificate.pdf").content.startswith(b"%PDF-")


def test_a_letter_brings_the_date_into_the_calendar_and_takes_it_out_again(lab: Lab) -> None:
    group = make_class(lab).offered()
    group.does(workshops.give_back, group.id)
    brought = []
    while (taken := lab.database.write(take)) is not None:
        brought += [taken.told] if taken.told is not None else []
    assert [(told.tentative, told.cancelled) for told in brought] == [(True, False), (False, True)]
    assert {told.start_at for told in brought} == {MORNING}
