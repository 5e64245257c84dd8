"""A mediator's week: the sessions they lead and what to prepare for each, trainings they give, hours with somebody there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from itertools import pairwise

from babel.dates import format_date
from litestar import Response, get

from fablab.base.intervals import Interval, instant
from fablab.claims.trainings.models import Training, TrainingState
from fablab.claims.workshops import thread
from fablab.places import house
from fablab.reports import sessions
from fablab.reports.sessions import SessionSoon, Week
from web.pages import show_session, show_thread
from web.pages.people_model import Mark
from web.pages.session_model import SoonRow, WeekDay, WeekView
from web.pages.shell import AnyRequest, desk_of
from web.security import Right
from web.words import Words

DAY = timedelta(days=1)


@get("/my/week", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    """`?day=`: the week that this day lies in; now without."""
    desk = desk_of(request)
    words = desk.words
    with desk.look() as (uow, _eyes, _stock):
        today = house.today(uow)
        monday = _monday(request.query_params.get("day", ""), today)
        ends = [instant(monday + number * DAY, time(0), words.formats.zone) for number in range(8)]
        found = sessions.week(uow, desk.signed_in.member_id, ends[0], ends[-1])
        view = _view(words, found, monday, today, ends)
    return desk.page("my_week.html", view=view)


def _monday(said: str, today: date) -> date:
    try:
        day = date.fromisoformat(said) if said else today
    except ValueError:
        day = today
    day = min(max(day, date(2000, 1, 10)), date(2100, 1, 1))
    return day - day.weekday() * DAY


def _view(words: Words, week: Week, monday: date, today: date, ends: list[datetime]) -> WeekView:
    days = []
    for number, (since, until) in enumerate(pairwise(ends)):
        mine = [
            *((row.session.start_at, _session(words, row)) for row in _on(week.sessions, since, until)),
            *(
                (row.start_at, _training(words, row))
                for row in week.trainings
                if since <= row.start_at < until
            ),
        ]
        staffed = (
            f"{words.clock(span.start)}–{words.clock(span.end)}"
            for span in week.staffed
            if Interval(since, until).contains(span.start)
        )
        days.append(
            WeekDay(
                name=words.day(monday + number * DAY),
                staffed=", ".join(staffed),
                is_today=monday + number * DAY == today,
                mine=tuple(row for _, row in sorted(mine, key=lambda each: each[0] or since)),
                others=tuple(_session(words, row) for row in _on(week.others, since, until)),
            )
        )
    return WeekView(
        title=words.gettext("From %(first)s to %(last)s")
        % {"first": _date(words, monday), "last": _date(words, monday + 6 * DAY)},
        before=(monday - 7 * DAY).isoformat(),
        after=(monday + 7 * DAY).isoformat(),
        days=tuple(day for day in days if day.mine or day.others or day.staffed),
        is_empty=not any(day.mine for day in days),
    )


def _date(words: Words, day: date) -> str:
    """Whole, whether or not it is near: "Monday 14 December"."""
    return format_date(day, "EEEE d MMMM", locale=words.formats.locale)


def _on(rows: Iterable[SessionSoon], since: datetime, until: datetime) -> list[SessionSoon]:
    return [row for row in rows if row.session.start_at is not None and since <= row.session.start_at < until]


def _session(words: Words, row: SessionSoon) -> SoonRow:
    session = row.session
    meta = [thread.school_name(session), show_thread.people(words, session), ", ".join(row.where)]
    prepare = list(show_session.texts(words, session.workshop.materials))
    if session.accessibility:
        prepare.append(session.accessibility)
    if row.left:
        prepare.append(
            words.ngettext("%(num)s piece to make", "%(num)s pieces to make", row.left) % {"num": row.left}
        )
    start = session.start_at
    return SoonRow(
        href=f"/sessions/{session.id}/day",
        title=show_session.title(words, session),
        day=words.day(start) if start is not None else "",
        times=show_session.times(words, start, session.end_at),
        meta=tuple(filter(None, meta)),
        mark=show_thread.mark(words, session),
        prepare=tuple(prepare),
    )


def _training(words: Words, row: Training) -> SoonRow:
    tone = "good" if row.state is TrainingState.DELIVERED else "wait"
    return SoonRow(
        href=f"/trainings/{row.id}",
        title=words.gettext("Training: %(title)s") % {"title": words.word("technology", row.technology)},
        day=words.day(row.start_at),
        times=show_session.times(words, row.start_at, row.end_at),
        meta=(words.ngettext("%(num)s place", "%(num)s places", row.places) % {"num": row.places},),
        mark=Mark(tone=tone, word=words.word("training_state", row.state)),
        prepare=(row.note,) if row.note else (),
    )


ROUTES = (show,)
