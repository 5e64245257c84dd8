"""A session's day in words: for its page, for the day sheet, the labels and the certificates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from fablab.base.database import UnitOfWork
from fablab.claims.jobs.models import JobState
from fablab.claims.workshops import thread
from fablab.claims.workshops.attendance import AXES
from fablab.claims.workshops.models import Session
from fablab.claims.workshops.offer import in_language
from fablab.claims.workshops.rotations import letter
from fablab.claims.workshops.survey import LEAST_SHOWN, Question
from fablab.claims.workshops.words import AttendanceAxis, SessionState
from fablab.places import house
from fablab.places.models import ResourceKind
from fablab.reports.sessions import DayNow, PieceNow
from scheduler.batch import Turn
from web.pages import show_thread
from web.pages.eyes import Eyes
from web.pages.people_model import Mark, Option
from web.pages.session_model import (
    AxisView,
    CountRow,
    DayView,
    PieceRow,
    ProblemRow,
    QuestionRow,
    RoundRow,
    SpanRow,
)
from web.words import Words

MINUTE: Final = timedelta(minutes=1)
_TONES: Final[Mapping[JobState, str]] = {
    JobState.QUEUED: "wait",
    JobState.REVIEW: "bad",
    JobState.ACTIVE: "wait",
    JobState.DONE: "good",
    JobState.FAILED: "bad",
}


def view(eyes: Eyes, now: DayNow, names: Mapping[int, str], turns: Mapping[int, Turn | None]) -> DayView:
    words, session = eyes.words, now.session
    assert session.start_at is not None
    is_over = session.state in (SessionState.DELIVERED, SessionState.CLOSED)
    machines = tuple(
        Option(value=str(row.id), label=row.name) for row in now.places.get(ResourceKind.MACHINE, ())
    )
    people = now.came.people if now.came is not None else session.people
    return DayView(
        id=session.id,
        title=title(words, session),
        subtitle=thread.school_name(session),
        mark=show_thread.mark(words, session),
        day=words.day(session.start_at),
        times=times(words, session.start_at, session.end_at),
        facts=facts(words, now),
        accessibility=session.accessibility,
        timetable=timetable(words, now),
        stations=tuple(in_language(each.name, words.language) for each in now.stations),
        rounds=rounds(words, now),
        steps=texts(words, session.workshop.steps),
        materials=texts(words, session.workshop.materials),
        pieces=tuple(_piece(words, each, names, turns, now) for each in now.pieces),
        pieces_said=_pieces_said(words, now, turns),
        machines=machines,
        held=tuple(Option(value=str(row.id), label=row.name) for row in now.held),
        problems=tuple(
            ProblemRow(
                said=" · ".join(
                    filter(None, (words.when(row.at), row.by_name, str(row.facts.get("name", ""))))
                ),
                text=row.text,
            )
            for row in reversed(now.problems)
        ),
        people=people,
        adults=now.came.adults if now.came is not None else session.adults,
        axes=_axes(words, now),
        is_counted=now.came is not None,
        is_open=session.state is SessionState.CONFIRMED,
        has_begun=session.start_at <= eyes.now,
        is_over=is_over,
        is_closed=session.state is SessionState.CLOSED,
        charged=words.money(now.charged_cents) if now.charged_cents is not None else "",
        survey_path=now.survey_path or "",
        survey_said=_survey_said(words, now),
        questions=tuple(
            QuestionRow(
                name=each.value,
                label=words.word("survey_question", each),
                mean=words.decimal(round(now.totals.means[each], 1)),
            )
            for each in Question
            if each in now.totals.means
        ),
        remarks=now.totals.remarks,
    )


def title(words: Words, session: Session) -> str:
    return in_language(session.workshop.title, words.language)


def times(words: Words, since: datetime | None, until: datetime | None) -> str:
    return "–".join(words.clock(each) for each in (since, until) if each is not None)


def texts(words: Words, rows: list[dict[str, str]]) -> tuple[str, ...]:
    return tuple(in_language(row, words.language) for row in rows)


def facts(words: Words, now: DayNow) -> tuple[tuple[str, str], ...]:
    """What is known, each with its label."""
    session, places = now.session, now.places
    adults = words.ngettext("%(num)s adult", "%(num)s adults", session.adults) % {"num": session.adults}
    contact = [session.contact_name, session.contact_phone, session.contact_email]
    led_by = session.mediator.name if session.mediator is not None else ""
    people = dict.fromkeys(filter(None, (led_by, *(row.name for row in places.get(ResourceKind.PERSON, ())))))

    def named(*kinds: ResourceKind) -> str:
        return ", ".join(row.name for kind in kinds for row in places.get(kind, ()))

    rows = (
        (
            "group",
            ", ".join(filter(None, (show_thread.people(words, session), adults if session.adults else ""))),
        ),
        ("where", named(ResourceKind.ROOM, ResourceKind.DESK)),
        ("led_by", ", ".join(people)),
        ("machines", named(ResourceKind.MACHINE)),
        ("kit", named(ResourceKind.KIT)),
        ("contact", " · ".join(filter(None, contact))),
        ("note", session.note),
    )
    return tuple((words.word("day_fact", name), said) for name, said in rows if said)


def timetable(words: Words, now: DayNow) -> tuple[SpanRow, ...]:
    session = now.session
    spans = (
        ("setup", now.since, session.start_at),
        ("workshop", session.start_at, session.end_at),
        ("clear", session.end_at, now.until),
    )
    return tuple(
        SpanRow(since=words.clock(since), until=words.clock(until), what=words.word("day_part", name))
        for name, since, until in spans
        if since is not None and until is not None and since < until
    )


def rounds(words: Words, now: DayNow) -> tuple[RoundRow, ...]:
    start = now.session.start_at
    assert start is not None

    def group(number: int) -> str:
        return words.gettext("Group %(letter)s (%(people)s)") % {
            "letter": letter(number),
            "people": now.groups[number],
        }

    found = []
    for each in now.rounds:
        there = {stop.station: group(stop.group) for stop in each.stops}
        since, until = start + each.since_min * MINUTE, start + each.until_min * MINUTE
        found.append(
            RoundRow(
                times=times(words, since, until),
                groups=tuple(there.get(number, "") for number in range(len(now.stations))),
            )
        )
    return tuple(found)


def _piece(
    words: Words, piece: PieceNow, names: Mapping[int, str], turns: Mapping[int, Turn | None], now: DayNow
) -> PieceRow:
    job, claim, number = piece.made.job, piece.made.claim, piece.made.number
    turn = turns.get(number)
    said = ""
    if job.state is JobState.QUEUED and turn is not None:
        where = next(
            (row.name for row in now.places.get(ResourceKind.MACHINE, ()) if row.id == turn.resource_id), ""
        )
        said = words.gettext("expected on %(machine)s at %(time)s") % {
            "machine": where,
            "time": words.clock(turn.start_at),
        }
    elif job.state is JobState.QUEUED and claim.ready_at is not None:
        said = words.gettext("after the session, ready %(ready)s") % {"ready": words.when(claim.ready_at)}
    elif job.state is JobState.QUEUED:
        said = words.gettext("after the session")
    elif piece.run is not None:
        said = piece.run.resource.name
    return PieceRow(
        number=number,
        name=names.get(number, ""),
        mark=Mark(tone=_TONES.get(job.state, "quiet"), word=words.word("job_state", job.state)),
        said=said,
        href=f"/jobs/{job.id}",
    )


def _pieces_said(words: Words, now: DayNow, turns: Mapping[int, Turn | None]) -> str:
    if not now.pieces:
        return ""
    done = sum(each.made.is_done for each in now.pieces)
    late = sum(turn is None for turn in turns.values())
    facts = {"done": done, "all": len(now.pieces), "late": late}
    if late:
        return (
            words.ngettext(
                "%(done)s of %(all)s are made. %(late)s will be made after the session.",
                "%(done)s of %(all)s are made. %(late)s will be made after the session.",
                late,
            )
            % facts
        )
    return words.gettext("%(done)s of %(all)s are made.") % facts


def _axes(words: Words, now: DayNow) -> tuple[AxisView, ...]:
    counts = now.came.counts if now.came is not None else {}
    return tuple(
        AxisView(
            name=axis.value,
            label=words.word("attendance_axis", axis),
            rows=tuple(
                CountRow(
                    word=word.value,
                    label=words.word(f"attendance_{axis.value}", word),
                    people=counts.get(axis, {}).get(word.value, 0),
                )
                for word in AXES[axis]
            ),
        )
        for axis in (AttendanceAxis.AGE, AttendanceAxis.GENDER, AttendanceAxis.STATUS)
    )


def _survey_said(words: Words, now: DayNow) -> str:
    count = now.totals.answers
    said = words.ngettext("%(num)s answer", "%(num)s answers", count) % {"num": count}
    if count < LEAST_SHOWN:
        return words.gettext("%(answers)s. Totals are shown from %(least)s answers on.") % {
            "answers": said,
            "least": LEAST_SHOWN,
        }
    return said


# -- on paper ------------------------------------------------------------------------------------------------


def lab_on_paper(uow: UnitOfWork) -> dict[str, object]:
    return {"name": house.house(uow).name}


def sheet(uow: UnitOfWork, words: Words, now: DayNow) -> dict[str, object]:
    """Data of `day-sheet`."""
    session, places = now.session, now.places
    said = dict(
        zip(("group", "where", "led_by", "machines", "kit", "contact", "note"), [""] * 7, strict=True)
    )
    labels = {words.word("day_fact", name): name for name in said}
    said |= {labels[label]: text for label, text in facts(words, now)}
    stations = [in_language(each.name, words.language) for each in now.stations]
    rotation = {
        "stations": stations,
        "rounds": [{"times": row.times, "groups": list(row.groups)} for row in rounds(words, now)],
    }
    return {
        "lab": lab_on_paper(uow),
        "title": words.gettext("Day sheet"),
        "subtitle": title(words, session),
        "day": words.day(session.start_at) if session.start_at is not None else "",
        "times": times(words, session.start_at, session.end_at),
        "group": said["group"],
        "school": " · ".join(
            filter(None, (thread.school_name(session), str(session.school.get("uai") or "")))
        ),
        "contact": said["contact"],
        "places": [said["where"]] if said["where"] else [],
        "people": [said["led_by"]] if said["led_by"] else [],
        "machines": [row.name for row in places.get(ResourceKind.MACHINE, ())],
        "kits": [row.name for row in places.get(ResourceKind.KIT, ())],
        "note": session.note,
        "accessibility": session.accessibility,
        "timetable": [
            {"since": row.since, "until": row.until, "what": row.what} for row in timetable(words, now)
        ],
        "rotations": rotation if stations else None,
        "materials": list(texts(words, session.workshop.materials)),
        "steps": list(texts(words, session.workshop.steps)),
    }


def labels(uow: UnitOfWork, words: Words, now: DayNow, names: Mapping[int, str]) -> dict[str, object]:
    """Data of `labels`; a piece without a name has its number alone."""
    session = now.session
    return {
        "lab": lab_on_paper(uow),
        "title": words.gettext("Labels for the pieces"),
        "subtitle": " · ".join((title(words, session), words.day(session.start_at or now.since))),
        "labels": [
            {
                "number": f"{each.made.number:02d}",
                "name": names.get(each.made.number, ""),
                "file": each.made.job.file_name,
                "machine": each.run.resource.name if each.run is not None else None,
            }
            for each in now.pieces
        ],
    }


def certificates(uow: UnitOfWork, words: Words, now: DayNow) -> dict[str, object]:
    """Data of `certificate`: one of the group, and one for each who came, its name to be written by the school."""
    session, people = now.session, now.came.people if now.came is not None else 0
    assert session.start_at is not None
    assert session.end_at is not None
    return {
        "lab": lab_on_paper(uow),
        "title": words.gettext("Certificate of attendance"),
        "workshop": title(words, session),
        "day": words.day(session.start_at),
        "lasted": words.duration((session.end_at - session.start_at).total_seconds()),
        "made": in_language(session.workshop.take_home, words.language),
        "issued": words.day(uow.now),
        "group": {"name": thread.school_name(session), "people": people},
        "blanks": min(people, 60),
    }
