"""Letters through a real mail server: what is sent, once, when, in which words, and what happens when it is not taken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from icalendar import Calendar

from fablab.base.database import UnitOfWork
from fablab.claims import agenda
from fablab.notices import LetterState, outbox, take_back, tell, write
from fablab.notices.models import Channel, Letter, Subject
from fablab.people import post
from fablab.people.models import Member
from tests.lab import Lab, counted, submitted
from tests.web.mailbox import Mailbox, mail_server
from tests.web.site import settings_for
from web.mail import Post
from web.mail.letter import header


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    async with mail_server() as found:
        yield found


def post_of(lab: Lab, box: Mailbox, folder: Path, **more: object) -> Post:
    settings = settings_for(
        lab,
        folder,
        **{
            "smtp_host": "127.0.0.1",
            "smtp_port": box.port,
            "smtp_security": "none",
            "smtp_from": "lab@fablab.example",
            "base_url": "https://fablab.example",
            **more,
        },
    )
    return Post(settings, lab.database, lab.clock)


def told(
    lab: Lab, code: str = "job.done", *, who: str = "maker", claim_id: str | None = None, **facts: str
) -> None:
    with lab.database.begin() as uow:
        tell(
            uow,
            lab.actors[who].member_id,
            code,
            claim_id=claim_id,
            **(facts or {"file": "gear.gcode", "machine": "MK3"}),
        )


def letters(lab: Lab) -> list[Letter]:
    with lab.database.read() as uow:
        return list(reversed(outbox.latest(uow)))


def states(lab: Lab) -> list[str]:
    return [row.state.value for row in letters(lab)]


def choose(lab: Lab, *, quiet: tuple[int, int] | None = None, **channels: Channel) -> None:
    who = lab.actors["maker"]
    assert who.member_id is not None
    with lab.database.begin(who) as uow:
        post.choose(uow, who.member_id, {Subject(name): channel for name, channel in channels.items()}, quiet)


def in_language(lab: Lab, language: str) -> None:
    with lab.database.begin() as uow:
        uow.session.get_one(Member, lab.actors["maker"].member_id).language = language


async def test_what_is_told_arrives_as_a_letter_once(lab: Lab, box: Mailbox, tmp_path: Path) -> None:
    told(lab)
    mail = post_of(lab, box, tmp_path)
    await mail.round()
    await mail.round()
    assert box.recipients == [["maker@lab.example"]]
    assert states(lab) == ["sent"]


async def test_a_letter_is_in_its_readers_language_as_text_and_as_html(
    lab: Lab, box: Mailbox, tmp_path: Path
) -> None:
    in_language(lab, "fr")
    told(lab, file="<b>engrenage</b>.gcode", machine="MK3")
    await post_of(lab, box, tmp_path).round()
    assert "est prêt" in box.text() or "est prête" in box.text()
    assert "<b>engrenage</b>.gcode" in box.text()
    assert "&lt;b&gt;engrenage&lt;/b&gt;" in box.html()
    assert box.letters[0]["Content-Language"] == "fr"


async def test_nothing_in_the_facts_becomes_a_line_of_the_head(
    lab: Lab, box: Mailbox, tmp_path: Path
) -> None:
    told(lab, file="gear\r\nBcc: everybody@example.org\r\n\r\nHello", machine="MK3\u2028X-Evil: 1")
    await post_of(lab, box, tmp_path).round()
    assert box.recipients == [["maker@lab.example"]]
    assert box.letters[0]["Bcc"] is None
    assert box.letters[0]["X-Evil"] is None


@pytest.mark.parametrize("evil", ["a\r\nb", "a\nb", "a\x00b", "a\u2028b", "a\u200fb", "a\x85b"])
def test_a_heads_text_is_one_line(evil: str) -> None:
    assert header(evil) == "a b"


@pytest.mark.parametrize(
    "address", ["", "nobody", "a@b.example\nBcc: c@d.example", "a b@c.example", "a" * 260 + "@b.c"]
)
def test_no_letter_is_written_to_what_is_no_address(lab: Lab, address: str) -> None:
    with pytest.raises(Exception, match=r"letter\.address"), lab.database.begin() as uow:
        write(uow, address, "en", "job.done")


async def test_what_is_rolled_back_was_never_written(lab: Lab) -> None:
    def fail(uow: UnitOfWork) -> None:
        tell(uow, lab.actors["maker"].member_id, "job.done", file="x", machine="y")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lab.database.write(fail)
    assert letters(lab) == []


async def test_an_address_that_is_nobodys_gets_its_letter_and_the_secret_leaves_the_house_with_it(
    lab: Lab, box: Mailbox, tmp_path: Path
) -> None:
    with lab.database.begin() as uow:
        write(uow, "new@example.org", "en", "job.accepted", file="x", secret_path="/key?key=SECRET")
    await post_of(lab, box, tmp_path).round()
    assert box.recipients == [["new@example.org"]]
    assert "https://fablab.example/key?key=SECRET" in box.text()
    assert counted(lab, "SELECT count(*) FROM letters WHERE CAST(facts AS text) LIKE '%SECRET%'") == 0


async def test_a_link_leads_to_this_house_and_nowhere_else(lab: Lab, box: Mailbox, tmp_path: Path) -> None:
    told(lab, "job.done", file="x", machine="y", path="//evil.example/")
    await post_of(lab, box, tmp_path).round()
    assert "evil" not in box.text()


async def test_a_letter_that_the_server_cannot_take_now_is_tried_again_later(
    lab: Lab, box: Mailbox, tmp_path: Path
) -> None:
    told(lab)
    box.answers["RCPT"] = ["451 try later"]
    mail = post_of(lab, box, tmp_path)
    await mail.round()
    (row,) = letters(lab)
    assert (row.state, row.reason, row.tries) == (LetterState.FAILED, "letter.not_now", 1)
    await mail.round()
    assert box.letters == []  # not yet
    lab.clock.advance(seconds=outbox.BACK_OFF[0] * 1.3)
    await mail.round()
    assert states(lab) == ["sent"]


async def test_a_letter_that_bounces_is_given_up_with_what_the_server_said(
    lab: Lab, box: Mailbox, tmp_path: Path
) -> None:
    told(lab)
    box.answers["RCPT"] = ["550 5.1.1 no such user"]
    await post_of(lab, box, tmp_path).round()
    (row,) = letters(lab)
    assert (row.state, row.reason) == (LetterState.GIVEN_UP, "letter.refused")
    assert "no such user" in (row.said or "")


async def test_one_bounce_does_not_keep_the_next_letter_from_leaving(
    lab: Lab, box: Mailbox, tmp_path: Path
) -> None:
    told(lab)
    told(lab, who="other" if "other" in lab.actors else "staff")
    box.answers["DATA"] = ["554 no"]
    await post_of(lab, box, tmp_path).round()
    assert sorted(states(lab)) == ["given_up", "sent"]
    assert box.connections == 1


async def test_a_letter_is_given_up_after_its_last_try(lab: Lab, box: Mailbox, tmp_path: Path) -> None:
    told(lab)
    box.answers["RCPT"] = ["451 no"] * 20
    mail = post_of(lab, box, tmp_path)
    for wait_s in (0, *outbox.BACK_OFF):
        lab.clock.advance(seconds=wait_s * 1.3)
        await mail.round()
    (row,) = letters(lab)
    assert (row.state, row.tries) == (LetterState.GIVEN_UP, outbox.MOST_TRIES)


async def test_a_server_that_is_not_there_costs_no_letter_a_try(
    lab: Lab, box: Mailbox, tmp_path: Path
) -> None:
    told(lab)
    gone = post_of(lab, box, tmp_path, smtp_port=1)
    assert await gone.round() >= 30
    (row,) = letters(lab)
    assert (row.state, row.reason, row.tries) == (LetterState.FAILED, "letter.no_server", 0)
    await post_of(lab, box, tmp_path).round()
    assert states(lab) == ["sent"]


async def test_a_wrong_password_is_said_without_the_password(lab: Lab, tmp_path: Path) -> None:
    async with mail_server(auth_require_tls=False, authenticator=_nobody) as box:
        told(lab)
        await post_of(lab, box, tmp_path, smtp_user="lab", smtp_password="hunter2hunter2").round()
    (row,) = letters(lab)
    assert row.reason == "letter.wrong_password"
    assert "hunter2" not in (row.said or "")


def _nobody(*_args: object) -> object:
    from aiosmtpd.smtp import AuthResult

    return AuthResult(success=False, handled=False)


def test_two_processes_never_take_the_same_letter(any_lab: Lab) -> None:
    with any_lab.database.begin() as uow:
        tell(uow, any_lab.actors["maker"].member_id, "job.done", file="x", machine="y")
    with any_lab.database.read() as uow:
        (seen,) = outbox.due(uow)
    with any_lab.database.begin() as uow:
        assert outbox.take(uow, uow.session.get_one(Letter, seen.id), "first")
    with any_lab.database.begin() as uow:
        uow.session.add(seen)  # as the other process has read it before
        assert not outbox.take(uow, seen, "second")


async def test_a_letter_whose_sender_died_is_sent_again_under_the_same_name(
    lab: Lab, box: Mailbox, tmp_path: Path
) -> None:
    told(lab)
    with lab.database.begin() as uow:
        taken = post.take(uow)
    assert taken is not None
    mail = post_of(lab, box, tmp_path)
    await mail.round()
    assert box.letters == []  # it is the other's still
    lab.clock.advance(outbox.LEASE + timedelta(seconds=1))
    await mail.round()
    assert [str(letter["Message-ID"]) for letter in box.letters] == [f"<{taken.key}@fablab.example>"]


async def test_a_lost_lease_answers_for_nothing_any_more(lab: Lab) -> None:
    told(lab)
    with lab.database.begin() as uow:
        taken = post.take(uow)
    assert taken is not None
    lab.clock.advance(outbox.LEASE + timedelta(seconds=1))
    with lab.database.begin() as uow:
        outbox.recover(uow)
    with lab.database.begin() as uow:
        assert outbox.accept(uow, taken.lease) == 0


async def test_a_notice_that_is_taken_back_takes_its_letter_with_it(lab: Lab) -> None:
    told(lab, claim_id="c1")
    with lab.database.begin() as uow:
        take_back(uow, lab.actors["maker"].member_id, "job.done", "c1")
    assert letters(lab) == []


async def test_page_only_means_no_letter_and_none_means_no_notice(lab: Lab) -> None:
    choose(lab, jobs=Channel.PAGE, plan=Channel.NONE)
    told(lab, "job.done", file="x", machine="y")
    told(lab, "job.moved", file="x", ready="2026-01-01", was="2026-01-01")
    assert letters(lab) == []
    assert counted(lab, "SELECT count(*) FROM notices") == 1


@pytest.mark.parametrize("subject", ["safety", "security"])
def test_safety_and_security_cannot_be_switched_off(lab: Lab, subject: str) -> None:
    with pytest.raises(Exception, match=r"choice\.always"):
        choose(lab, **{subject: Channel.PAGE})


async def test_a_days_letter_is_one_and_leaves_at_its_hour(lab: Lab, box: Mailbox, tmp_path: Path) -> None:
    choose(lab, jobs=Channel.DAILY)
    told(lab, file="one", machine="y")
    mail = post_of(lab, box, tmp_path)
    await mail.round()
    told(lab, file="two", machine="y")
    await mail.round()
    assert (box.letters, states(lab)) == ([], ["held", "held"])
    lab.clock.advance(seconds=24 * 3600)
    await mail.round()
    assert len(box.letters) == 1
    assert "one" in box.text()
    assert "two" in box.text()
    assert states(lab) == ["sent", "sent"]


async def test_letters_wait_for_the_end_of_quiet_hours_but_not_those_about_safety(
    lab: Lab, box: Mailbox, tmp_path: Path
) -> None:
    local = lab.clock.now().astimezone(_zone(lab))
    minute = local.hour * 60 + local.minute
    choose(lab, quiet=((minute - 30) % 1440, (minute + 30) % 1440))
    told(lab)
    told(lab, "safety.alarm", file="x")
    mail = post_of(lab, box, tmp_path)
    await mail.round()
    assert states(lab) == ["held", "sent"]
    lab.clock.advance(seconds=31 * 60)
    await mail.round()
    assert states(lab) == ["sent", "sent"]


def _zone(lab: Lab):  # type: ignore[no-untyped-def]  # the house's own
    from zoneinfo import ZoneInfo

    from fablab.places import house

    with lab.database.read() as uow:
        return ZoneInfo(house.house(uow).zone)


async def test_whoever_has_no_address_is_named_as_such(lab: Lab) -> None:
    with lab.database.begin() as uow:
        uow.session.get_one(Member, lab.actors["maker"].member_id).email = None
    told(lab)
    with lab.database.begin() as uow:
        assert post.take(uow) is None
    (row,) = letters(lab)
    assert (row.state, row.reason) == (LetterState.GIVEN_UP, "letter.no_address")


async def test_old_news_is_not_sent(lab: Lab) -> None:
    told(lab)
    lab.clock.advance(outbox.EXPIRES + timedelta(minutes=1))
    with lab.database.begin() as uow:
        assert post.take(uow) is None
    assert letters(lab)[0].reason == "letter.too_old"


async def test_a_reader_may_switch_a_subject_off_from_the_letter(
    lab: Lab, box: Mailbox, tmp_path: Path
) -> None:
    told(lab)
    await post_of(lab, box, tmp_path).round()
    head = str(box.letters[0]["List-Unsubscribe"])
    assert head.startswith("<https://fablab.example/notices/off/")
    assert box.letters[0]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    with lab.database.begin() as uow:
        assert post.switch_off(uow, head.strip("<>").rpartition("/")[2]) is Subject.JOBS
    told(lab)
    assert states(lab) == ["sent"]


async def test_a_letter_about_safety_cannot_be_switched_off_from_it(
    lab: Lab, box: Mailbox, tmp_path: Path
) -> None:
    told(lab, "safety.alarm", file="x")
    await post_of(lab, box, tmp_path).round()
    assert box.letters[0]["List-Unsubscribe"] is None


def calendar_of(box: Mailbox) -> tuple[str, dict[str, object]]:
    found = box.calendar()
    assert found is not None
    parsed = Calendar.from_ical(found)
    (event,) = parsed.events
    return str(parsed["method"]), {
        "uid": str(event["uid"]),
        "sequence": int(event["sequence"]),
        "start": event.start,
        "zone": event["dtstart"].params.get("TZID"),
        "status": str(event["status"]),
    }


async def test_an_invitation_keeps_its_name_counts_up_and_is_called_off(
    lab: Lab, box: Mailbox, tmp_path: Path
) -> None:
    job_id = submitted(lab)
    mail = post_of(lab, box, tmp_path)
    told(lab, "job.accepted", claim_id=job_id, file="x")
    await mail.round()
    method, first = calendar_of(box)
    assert (method, first["sequence"]) == ("REQUEST", 0)
    assert first["zone"] == "Europe/Paris"
    with lab.database.begin() as uow:
        entry = agenda.of_member(
            uow, lab.actors["maker"].member_id or 0, uow.now, uow.now + timedelta(days=30)
        )[0]
    assert first["start"] == entry.start_at

    told(lab, "job.accepted", claim_id=job_id, file="x")
    await mail.round()
    assert calendar_of(box)[1]["sequence"] == 0  # nothing has changed

    from fablab.claims.models import Allocation

    with lab.database.begin() as uow:
        for row in uow.session.query(Allocation).filter_by(claim_id=job_id):
            row.start_at += timedelta(hours=1)
            row.run_start_at += timedelta(hours=1)
            row.run_end_at += timedelta(hours=1)
            row.end_at += timedelta(hours=1)
    told(lab, "job.accepted", claim_id=job_id, file="x")
    await mail.round()
    method, second = calendar_of(box)
    assert (method, second["uid"], second["sequence"]) == ("REQUEST", first["uid"], 1)

    from fablab.claims.jobs import use as jobs

    with lab.database.begin(lab.maker) as uow:
        jobs.cancel(uow, job_id)
    told(lab, "job.accepted", claim_id=job_id, file="x")
    await mail.round()
    method, last = calendar_of(box)
    assert (method, last["uid"], last["sequence"], last["status"]) == ("CANCEL", first["uid"], 2, "CANCELLED")


async def test_the_post_ends_at_once_with_the_server(lab: Lab, box: Mailbox, tmp_path: Path) -> None:
    mail = post_of(lab, box, tmp_path)
    mail.begin()
    told(lab)
    await _until(lambda: states(lab) == ["sent"])
    await mail.close()
    told(lab)
    assert states(lab) == ["sent", "waiting"]


async def _until(condition) -> None:  # type: ignore[no-untyped-def]  # any question without arguments
    import asyncio

    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)
