"""Opening and staffed hours: the usual week, days that differ, times shut; and who moves, before it is done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from litestar import Response, get, post

from fablab.base.errors import Invalid, LabError
from fablab.base.intervals import parse_spans
from fablab.places import hours
from fablab.places.hours import Change, Differs, Reopen, Shut, Usual
from fablab.places.models import HoursKind
from scheduler.planner import timetable
from web.pages import show_hours
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, in_thread
from web.pages.show_draft import local_instant
from web.security import Right


@get("/hours", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    return _page(desk_of(request), {})


@post("/hours", access=Right.OPERATE, include_in_schema=False)
async def save(request: AnyRequest) -> Response[str]:
    """First who would move, where anybody would; then, with `sure`, the change itself."""
    desk, form = desk_of(request), await form_of(request)
    return await in_thread(_save, desk, form)


def _save(desk: Desk, form: Mapping[str, str]) -> Response[str]:
    try:
        wishes = _wishes(desk, form)
        if form.get("sure") != "1" and wishes:
            found = timetable.foresee(desk.database, desk.actor, *wishes)
            if found.forecast.displaced or found.stays:
                return _page(desk, form, found=found)
        desk.database.write(lambda uow: timetable.change(uow, *wishes), desk.actor)
    except Invalid as error:
        return _page(desk, form, error=error)
    return go(desk.request, "/hours")


def _wishes(desk: Desk, form: Mapping[str, str]) -> tuple[Change, ...]:
    """What the form asks for; of a week only what is not so already. Raises `Invalid` with its field."""
    what = form.get("what")
    if what == "usual":
        with desk.look() as (uow, _, _stock):
            week = hours.week(uow)
        return tuple(
            Usual(kind=kind, weekday=weekday, spans=spans)
            for kind in HoursKind
            for weekday in range(7)
            if (spans := _spans(form, f"{kind.value}-{weekday}")) != week[kind][weekday]
        )
    if what == "day":
        how, spans = form.get("how"), _spans(form, "spans")
        if how == "hours" and not spans:
            raise Invalid("hours_empty", field="spans")
        chosen = {"usual": None, "shut": ()}.get(how or "", spans)
        return tuple(Differs(day=_day(form), kind=kind, spans=chosen) for kind in _kinds(form))
    if what == "shut":
        with desk.look() as (_, eyes, _stock):
            zone = eyes.words.formats.zone
        ends = {name: local_instant(form.get(name, "")[:20], zone) for name in ("start", "end")}
        start_at, end_at = ends["start"], ends["end"]
        if start_at is None or end_at is None:
            raise Invalid("time.wrong", field="start" if start_at is None else "end", text="")
        return (Shut(start_at=start_at, end_at=end_at, name=form.get("name", "")[:200]),)
    number = form.get("closure", "")
    if what != "reopen" or not number.isdecimal() or len(number) > 9:
        raise Invalid(field="what")
    return (Reopen(closure_id=int(number)),)


def _spans(form: Mapping[str, str], field: str) -> hours.Spans:
    try:
        return parse_spans(form.get(field, "")[:80])
    except Invalid as error:
        raise Invalid(error.code, field=field, **error.facts) from error


def _day(form: Mapping[str, str]) -> date:
    said = form.get("day", "")[:20]
    try:
        return date.fromisoformat(said)
    except ValueError:
        raise Invalid("time.wrong", field="day", text=said) from None


def _kinds(form: Mapping[str, str]) -> tuple[HoursKind, ...]:
    try:
        return (HoursKind(form["kind"]),) if form.get("kind") else tuple(HoursKind)
    except ValueError:
        raise Invalid(field="kind") from None


def _page(
    desk: Desk,
    form: Mapping[str, str],
    *,
    found: timetable.Foreseen | None = None,
    error: LabError | None = None,
) -> Response[str]:
    with desk.look() as (uow, eyes, _):
        view = show_hours.view(eyes, uow, form, found=found, error=error)
    return desk.page("hours.html", hours=view, status=422 if error is not None else 200)


ROUTES = (show, save)
