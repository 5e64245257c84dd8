"""Calendar feeds: who finds what in them, what a calendar program may keep, and where their secret never stands."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from icalendar import Calendar

from fablab.people.models import Member, MemberState
from fablab.people.post import feeds
from tests.lab import Lab, counted, submitted
from tests.web.site import Site


def made(lab: Lab, who: str = "maker", resource: str | None = None) -> str:
    with lab.database.begin(lab.actors[who]) as uow:
        resource_id = lab.resources[resource] if resource else None
        return f"/ical/{feeds.make(uow, 'Phone', resource_id).secret}.ics"


def test_my_feed_has_my_jobs_in_the_houses_own_time(site: Site) -> None:
    submitted(site.lab, name="gear.gcode")
    answer = site.client.get(made(site.lab))
    assert answer.headers["content-type"].startswith("text/calendar")
    (event,) = Calendar.from_ical(answer.content).events
    assert "gear.gcode" in str(event["summary"])
    assert event["dtstart"].params["TZID"] == "Europe/Paris"
    assert event.end > event.start


def test_my_feed_has_nobody_elses(site: Site) -> None:
    submitted(site.lab, name="gear.gcode")
    assert Calendar.from_ical(site.client.get(made(site.lab, "staff")).content).events == []


def test_a_machines_feed_says_when_and_never_who_or_what(site: Site) -> None:
    submitted(site.lab, name="marie-curie.gcode")
    with site.lab.database.read() as uow:
        name = uow.session.get_one(Member, site.lab.actors["maker"].member_id).name
    bodies = [site.client.get(made(site.lab, "staff", machine)).text for machine in ("mk3", "ender")]
    events = [event for body in bodies for event in Calendar.from_ical(body).events]
    assert len(events) == 1
    assert all(word not in body for body in bodies for word in ("marie", name, "@lab.example"))


def test_an_unchanged_feed_is_not_sent_again(site: Site) -> None:
    submitted(site.lab)
    path = made(site.lab)
    first = site.client.get(path)
    assert site.client.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    since = first.headers["last-modified"]
    assert site.client.get(path, headers={"If-Modified-Since": since}).status_code == 304
    site.lab.clock.advance(timedelta(hours=1))
    again = site.client.get(path)
    assert (again.content, again.headers["last-modified"]) == (first.content, since)


def test_a_changed_calendar_is_seen_at_once(site: Site) -> None:
    path = made(site.lab)
    first = site.client.get(path)
    submitted(site.lab)
    again = site.client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 200
    assert len(Calendar.from_ical(again.content).events) == 1


def test_what_was_never_a_feed_is_not_found(steady: Site) -> None:
    for name in ("x", "x.ics", "a" * 43 + ".ics", "a" * 43, "a" * 43 + ".txt"):
        assert steady.client.get(f"/ical/{name}").status_code == 404, name


def test_who_is_no_member_any_more_has_no_feed(site: Site) -> None:
    path = made(site.lab)
    with site.lab.database.begin() as uow:
        uow.session.get_one(Member, site.lab.actors["maker"].member_id).state = MemberState.SUSPENDED
    assert site.client.get(path).status_code == 404


def test_the_secret_of_a_feed_is_in_no_log_and_not_in_the_database(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    path = made(site.lab)
    secret = path.removeprefix("/ical/").removesuffix(".ics")
    root = logging.getLogger()
    root.addHandler(caplog.handler)  # the server has put its own handlers in place of all others
    site.client.get(path)
    site.client.get(f"/notices/off/{secret}")
    root.removeHandler(caplog.handler)
    said = "\n".join(str(record.msg) for record in caplog.records)
    assert "/ical/***" in said
    assert "/notices/off/***" in said
    assert secret not in said
    assert counted(site.lab, "SELECT count(*) FROM feeds WHERE secret_hash = :secret", secret=secret) == 0


def test_the_api_makes_lists_and_revokes_feeds(site: Site) -> None:
    site.sign_in("maker")
    new = site.client.post("/api/feeds", json={"name": "Phone"}).json()
    path = "/ical/" + new["address"].rpartition("/")[2]
    assert site.client.get(path).status_code == 200
    (listed,) = site.client.get("/api/feeds").json()
    assert listed["name"] == "Phone"
    assert listed["used_at"] is not None
    assert site.client.delete(f"/api/feeds/{listed['id']}").status_code == 204
    assert site.client.get(path).status_code == 404
    assert site.client.post("/api/feeds", json={"name": "x", "resource_id": 999}).status_code == 404


def test_the_api_keeps_choices_and_says_what_cannot_be_chosen(site: Site) -> None:
    site.sign_in("maker")
    wish = {"channels": {"jobs": "daily"}, "quiet": {"from_min": 1320, "until_min": 420}}
    found = site.client.put("/api/notices/choices", json=wish).json()
    assert found["channels"]["jobs"] == "daily"
    assert found["quiet"] == {"from_min": 1320, "until_min": 420}
    for wrong, code in (
        ({"channels": {"safety": "none"}}, "choice.always"),
        ({"channels": {"weather": "none"}}, "choice.subject"),
        ({"channels": {"jobs": "pigeon"}}, "choice.channel"),
        ({"quiet": {"from_min": 60, "until_min": 60}}, "choice.quiet"),
    ):
        answer = site.client.put("/api/notices/choices", json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_the_api_adds_tries_and_replays_webhooks(site: Site) -> None:
    site.sign_in("admin")
    wish = {"name": "Home", "url": "https://hooks.example.org/x", "events": ["run.failed"]}
    new = site.client.post("/api/hooks", json=wish).json()
    assert new["secret"].startswith("whsec_")
    hook = f"/api/hooks/{new['hook']['id']}"
    assert new["secret"] not in site.client.get("/api/hooks").text
    assert site.client.post(f"{hook}/test").status_code == 201
    (delivery,) = site.client.get(f"{hook}/deliveries").json()
    assert delivery["event"] == "fablab.test"
    # It waits: there is nothing to send again yet.
    assert site.client.post(f"{hook}/deliveries/{delivery['id']}/replay").status_code == 409
    assert site.client.post(f"{hook}/pause").json()["state"] == "paused"
    assert site.client.post(f"{hook}/pause").status_code == 409
    assert site.client.post(f"{hook}/resume").json()["state"] == "active"
    assert site.client.post(f"{hook}/secret").json()["secret"] != new["secret"]
    changed = site.client.put(hook, json={**wish, "events": ["machine.*"]}).json()
    assert changed["events"] == ["machine.*"]
    for wrong, code in (
        ({**wish, "url": "http://169.254.169.254/"}, "hook.private"),
        ({**wish, "events": ["member.notice"]}, "hook.event"),
        ({**wish, "events": []}, "hook.no_events"),
        ({**wish, "name": " "}, "hook.name"),
    ):
        answer = site.client.post("/api/hooks", json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert site.client.delete(hook).status_code == 204
    assert site.client.get("/api/hooks").json() == []
