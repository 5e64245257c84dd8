"""Pages of the post: notices and choices, the outbox, feeds and webhooks, as people use them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient
from sqlalchemy import text

from fablab.notices import outbox, tell, write
from fablab.people import post
from tests.lab import Lab, copy_of, counted
from tests.web.page_rig import Browser
from tests.web.site import HOST, make_app
from web.security.limits import Limiter, Pace, Rate

TABLES = (
    "hook_deliveries",
    "hooks",
    "letters",
    "notices",
    "feeds",
    "notice_choices",
    "quiet_hours",
    "doings",
)


@pytest.fixture(scope="module")
def shared(template: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Browser]]:
    """One site for all of these tests: to put it together takes longer than they do."""
    folder = tmp_path_factory.mktemp("post")
    lab = copy_of(template, folder / "lab.db")
    wide = Limiter({pace: Rate(burst=100_000, per_minute=100_000) for pace in Pace})
    with TestClient(
        make_app(lab, folder, limiter=wide), base_url=HOST, raise_server_exceptions=False
    ) as client:
        yield lab, Browser(client)
    lab.database.dispose()


@pytest.fixture
def lab(shared: tuple[Lab, Browser]) -> Lab:
    """With no post in it, and ids that begin at 1."""
    found, _ = shared
    with found.database.engine.begin() as connection:
        for table in TABLES:
            connection.execute(text(f"DELETE FROM {table}"))
    return found


@pytest.fixture
def desk(lab: Lab, shared: tuple[Lab, Browser]) -> Browser:
    return shared[1]


def told(lab: Lab, **facts: str) -> None:
    with lab.database.begin() as uow:
        tell(
            uow,
            lab.actors["maker"].member_id,
            "job.done",
            **(facts or {"file": "gear.gcode", "machine": "MK3"}),
        )


def chosen(page: str, subject: str) -> str:
    select = re.search(rf'<select id="c-{subject}".*?</select>', page, re.DOTALL)
    assert select is not None
    found = re.search(r'value="(\w+)" selected', select[0])
    assert found is not None
    return found[1]


def test_my_notices_stand_on_my_page_and_on_nobody_elses(lab: Lab, desk: Browser) -> None:
    told(lab)
    desk.sign_in("maker")
    assert "gear.gcode" in desk.get("/notices").text
    desk.sign_in("staff")
    assert "gear.gcode" not in desk.get("/notices").text


def test_choices_and_quiet_hours_are_kept(lab: Lab, desk: Browser) -> None:
    desk.sign_in("maker")
    answer = desk.post(
        "/notices/choices", jobs="daily", plan="at_once", **{"from": "22:00", "until": "07:30"}
    )
    assert answer.status_code == 303
    page = desk.get("/notices").text
    assert (chosen(page, "jobs"), chosen(page, "plan")) == ("daily", "at_once")
    assert 'value="22:00"' in page
    assert 'value="07:30"' in page


def test_wrong_quiet_hours_are_said_and_the_form_keeps_what_was_chosen(lab: Lab, desk: Browser) -> None:
    desk.sign_in("maker")
    answer = desk.post("/notices/choices", jobs="none", **{"from": "22:00", "until": ""})
    assert answer.status_code == 422
    assert "two different times" in answer.text
    assert chosen(answer.text, "jobs") == "none"
    assert counted(lab, "SELECT count(*) FROM notice_choices") == 0


def test_the_link_in_a_letter_asks_and_its_button_switches_off_without_a_sign_in(
    lab: Lab, desk: Browser
) -> None:
    told(lab)
    with lab.database.begin() as uow:
        taken = post.take(uow)
    assert taken is not None
    path = f"/notices/off/{taken.off_secret}"
    assert desk.get(path).status_code == 200
    assert counted(lab, "SELECT count(*) FROM notice_choices") == 0
    # As a mail program sends it for its reader: no cookie, no token of ours.
    answer = desk.client.post(path, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert counted(lab, "SELECT count(*) FROM notice_choices WHERE channel = 'page'") == 1


def test_a_link_that_never_was_in_a_letter_is_not_known(desk: Browser) -> None:
    assert desk.get("/notices/off/abcdefghijklmnopqrstuvwxyz").status_code == 404


def test_makers_do_not_see_the_outbox(desk: Browser) -> None:
    desk.sign_in("maker")
    assert desk.get("/outbox").status_code == 403


def test_staff_read_a_letter_as_its_reader_would(lab: Lab, desk: Browser) -> None:
    told(lab)
    desk.sign_in("staff")
    page = desk.get("/outbox").text
    found = re.search(r'href="(/outbox/\d+)"', page)
    assert found is not None
    letter = desk.get(found[1]).text
    assert 'lang="fr"' in letter
    assert "Bonjour" in letter


def test_a_letter_is_cancelled_and_sent_again(lab: Lab, desk: Browser) -> None:
    told(lab)
    desk.sign_in("staff")
    desk.post("/outbox/1/cancel")
    assert counted(lab, "SELECT count(*) FROM letters WHERE id = 1 AND state = 'cancelled'") == 1
    desk.post("/outbox/1/resend")
    assert counted(lab, "SELECT count(*) FROM letters WHERE id = 1 AND state = 'waiting'") == 1


def test_the_link_that_lets_somebody_in_is_for_whoever_manages_members_and_is_logged(
    lab: Lab, desk: Browser
) -> None:
    with lab.database.begin() as uow:
        write(uow, "new@example.org", "en", "job.accepted", file="x", secret_path="/key?key=SECRET")
    desk.sign_in("staff")
    assert "SECRET" not in desk.get("/outbox/1").text
    assert desk.post("/outbox/1/open").status_code == 403
    desk.sign_in("admin")
    assert "SECRET" not in desk.get("/outbox/1").text
    assert "SECRET" in desk.post("/outbox/1/open").text
    assert counted(lab, "SELECT count(*) FROM doings WHERE code = 'letter.read'") == 1


def test_with_a_mail_server_nobody_sees_that_link(lab: Lab, tmp_path: Path) -> None:
    with lab.database.begin() as uow:
        write(uow, "new@example.org", "en", "job.accepted", file="x", secret_path="/key?key=SECRET")
    app = make_app(lab, tmp_path, smtp_host="127.0.0.1", smtp_from="lab@fablab.example")
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        desk = Browser(client)
        desk.sign_in("admin")
        assert desk.post("/outbox/1/open").status_code == 403


def test_the_outbox_says_why_a_letter_was_not_taken(lab: Lab, desk: Browser) -> None:
    told(lab)
    with lab.database.begin() as uow:
        taken = post.take(uow)
        assert taken is not None
        outbox.give_up(uow, taken.lease, "letter.refused", "550 <no> such user")
    desk.sign_in("staff")
    page = desk.get("/outbox?state=given_up").text
    assert "The mail server will not take it." in page
    assert "550 &lt;no&gt; such user" in page


def test_a_feeds_address_is_shown_once_and_revoked_for_good(lab: Lab, desk: Browser) -> None:
    desk.sign_in("maker")
    found = re.search(r'value="http[^"]*(/ical/[^"]+)"', desk.post("/feeds", name="My phone").text)
    assert found is not None
    assert found[1] not in desk.get("/feeds").text
    assert desk.client.get(found[1]).status_code == 200
    desk.post("/feeds/1/revoke")
    assert desk.client.get(found[1]).status_code == 404


def test_a_feed_is_revoked_by_its_member_alone(lab: Lab, desk: Browser) -> None:
    desk.sign_in("maker")
    desk.post("/feeds", name="My phone")
    desk.sign_in("admin")
    assert desk.post("/feeds/1/revoke").status_code == 404


def test_a_feed_without_a_name_is_said_beside_the_field(desk: Browser) -> None:
    desk.sign_in("maker")
    answer = desk.post("/feeds", name=" ", of="1")
    assert answer.status_code == 422
    assert 'value="1" selected' in answer.text


def test_a_webhooks_secret_is_shown_once(lab: Lab, desk: Browser) -> None:
    desk.sign_in("admin")
    form = {"name": "Home", "url": "https://hooks.example.org/x", "topic-run": "on", "more": "calendar.freed"}
    page = desk.post("/hooks", **form).text
    found = re.search(r'value="(whsec_[^"]+)"', page)
    assert found is not None
    again = desk.get("/hooks/1").text
    assert found[1] not in again
    assert 'name="topic-run" checked' in again
    assert "calendar.freed" in again


def test_a_webhook_leads_only_where_it_may_and_the_form_keeps_what_was_typed(desk: Browser) -> None:
    desk.sign_in("admin")
    for url, said in (
        ("http://127.0.0.1:8000/", "private network"),
        ("https://[::1]/", "private network"),
        ("https://localhost/", "private network"),
        ("http://example.org/", "https://"),
        ("ftp://example.org/", "not an address"),
        ("https://user:secret@example.org/", "not an address"),
    ):
        answer = desk.post("/hooks", name="Home", url=url, **{"topic-run": "on"})
        assert answer.status_code == 422, url
        assert said in answer.text, url
        assert 'name="topic-run" checked' in answer.text


def test_a_webhook_is_paused_resumed_tried_out_and_removed(lab: Lab, desk: Browser) -> None:
    desk.sign_in("admin")
    desk.post("/hooks", name="Home", url="https://hooks.example.org/x", **{"topic-run": "on"})
    desk.post("/hooks/1/pause")
    assert "Paused" in desk.get("/hooks").text
    desk.post("/hooks/1/resume")
    desk.post("/hooks/1/test")
    assert "fablab.test" in desk.get("/hooks/1").text
    assert desk.post("/hooks/1/stop").status_code == 404
    desk.post("/hooks/1/remove")
    assert counted(lab, "SELECT count(*) FROM hooks") == 0


def test_webhooks_are_for_whoever_manages_the_house(desk: Browser) -> None:
    desk.sign_in("staff")
    assert desk.get("/hooks").status_code == 403
