"""How the reserving forms' words become what is asked for; whatever cannot be understood is an error of its field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fablab.base.intervals import instant
from fablab.places.models import ResourceKind, Technology
from web.pages.show_draft import local_instant

LENGTHS_MIN = (30, 60, 120, 180, 240)
SOON, TODAY, TOMORROW, WEEK, DAY, WINDOW = "soon", "today", "tomorrow", "week", "day", "window"
WHENS = (SOON, TODAY, TOMORROW, WEEK, DAY, WINDOW)
OTHER = "other"
USUAL_LENGTH_MIN = 60
LONGEST = timedelta(days=14)
AHEAD = timedelta(days=14)  # how far "as soon as possible" looks
NEAR = timedelta(hours=12)  # what a window is widened by on each side, to say what would work
REACH = timedelta(days=366)
MOST_TEXT = 500
MOST_WEEKS = 52
#: What goes from screen to screen, so that nobody fills anything in twice.
CARRIED = (
    *("what", "length", "length_h", "length_min", "when", "day", "from", "until"),
    *("for", "note", "party", "project", "weeks", "setup"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """What was chosen: one resource, or any of a kind (and of a technology)."""

    resource_id: int | None = None
    kind: ResourceKind = ResourceKind.MACHINE
    technology: Technology | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """The first screen, understood. `errors`: field to the code of its sentence; where there are any, nothing else of
    the field holds. `texts`: the form's own words, to show again."""

    thing: Thing | None
    length: timedelta
    when: str
    since: datetime
    until: datetime
    for_id: int | None
    errors: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """The third screen, understood: these resources at this time, and what else was filled in."""

    resource_ids: tuple[int, ...]
    also: tuple[int, ...]
    start_at: datetime | None
    end_at: datetime | None
    for_id: int | None
    party: int = 1
    note: str = ""
    project_id: int | None = None
    weeks: int = 1
    setup: timedelta | None = None
    key: str = ""
    why: str = ""
    asks: bool = False
    waives: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def everything(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys((*self.resource_ids, *self.also)))


def texts_of(form: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value).strip()[:MOST_TEXT] for name, value in form.items()}


def carried(texts: Mapping[str, str], *names: str, **more: str) -> tuple[tuple[str, str], ...]:
    """What the next screen is to bring along; `names` are left out, `more` added."""
    kept = {name: texts[name] for name in CARRIED if texts.get(name) and name not in names}
    return tuple({**kept, **{name: value for name, value in more.items() if value}}.items())


def address(path: str, fields: Iterable[tuple[str, str]]) -> str:
    query = urlencode(list(fields))
    return f"{path}?{query}" if query else path


def asking(form: Mapping[str, object], now: datetime, zone: ZoneInfo) -> Asking:
    """Never raises. Days and windows that are over, or too far away, are errors too."""
    texts = texts_of(form)
    errors: dict[str, str] = {}
    thing = thing_of(texts.get("what", ""))
    if thing is None:
        errors["what"] = "reserve.what"
    length = _length(texts)
    if length is None:
        errors["length"] = "reserve.length"
    when = texts.get("when") or SOON
    since, until = _span(texts, when, now, zone, errors)
    if length is not None and not errors and until - since < length:
        errors["day" if when == DAY else "until"] = "reserve.too_short"
    return Asking(
        thing=thing,
        length=length or timedelta(minutes=USUAL_LENGTH_MIN),
        when=when if when in WHENS else SOON,
        since=since,
        until=until,
        for_id=number(texts.get("for", "")),
        errors=errors,
        texts=texts,
    )


def thing_of(text: str) -> Thing | None:
    """ "laser", "desk", "room", or "r12" for the resource 12."""
    if text[:1] == "r" and text[1:].isdecimal():
        found = number(text[1:])
        return Thing(resource_id=found) if found is not None else None
    if text in set(Technology):
        return Thing(technology=Technology(text))
    if text in (ResourceKind.DESK, ResourceKind.ROOM):
        return Thing(kind=ResourceKind(text))
    return None


def _length(texts: Mapping[str, str]) -> timedelta | None:
    said = texts.get("length") or str(USUAL_LENGTH_MIN)
    if said != OTHER:
        found = number(said)
        length = timedelta(minutes=found) if found is not None else None
    else:
        hours, minutes = number(texts.get("length_h", "") or "0"), number(texts.get("length_min", "") or "0")
        if hours is None or minutes is None:
            return None
        length = timedelta(hours=hours, minutes=minutes)
    return length if length is not None and timedelta(minutes=5) <= length <= LONGEST else None


def _span(
    texts: Mapping[str, str], when: str, now: datetime, zone: ZoneInfo, errors: dict[str, str]
) -> tuple[datetime, datetime]:
    today = now.astimezone(zone).date()
    if when == TODAY:
        return now, midnight(today + timedelta(days=1), zone)
    if when == TOMORROW:
        return midnight(today + timedelta(days=1), zone), midnight(today + timedelta(days=2), zone)
    if when == WEEK:
        # From Friday on, "this week" has next to nothing left: the days up to the Sunday after are meant too.
        left = 7 - today.weekday() if today.weekday() < 4 else 14 - today.weekday()
        return now, midnight(today + timedelta(days=left), zone)
    if when == DAY:
        day = day_of(texts.get("day", ""))
        if day is None or not today <= day < today + REACH:
            errors["day"] = "reserve.day"
            return now, now + AHEAD
        return max(now, midnight(day, zone)), midnight(day + timedelta(days=1), zone)
    if when == WINDOW:
        return _window(texts, now, zone, errors)
    return now, now + AHEAD


def _window(
    texts: Mapping[str, str], now: datetime, zone: ZoneInfo, errors: dict[str, str]
) -> tuple[datetime, datetime]:
    ends = {name: local_instant(texts.get(name, ""), zone) for name in ("from", "until")}
    for name, at in ends.items():
        if at is None or at > now + REACH:
            errors[name] = "time.wrong"
    since, until = ends["from"] or now, ends["until"] or now + AHEAD
    if not errors and until <= max(since, now):
        errors["until"] = "reserve.window"
    return max(since, now), max(until, now)


def placing(form: Mapping[str, object], also: Iterable[str], zone: ZoneInfo) -> Placing:
    """Never raises. `also`: the ticked boxes. A local time that was not touched is the very instant it was made from:
    in the hour that the clocks repeat, one wall time is two instants."""
    texts = texts_of(form)
    errors: dict[str, str] = {}
    resources = tuple(filter(None, map(number, texts.get("resources", "").split(",")))) or ()
    if not resources:
        errors["resources"] = "reserve.what"
    start_at, end_at = (_moment(texts, name, zone, errors) for name in ("start", "end"))
    if start_at is not None and end_at is not None and end_at <= start_at:
        errors["end"] = "reserve.end"
    setup = number(texts.get("setup", "")) if texts.get("setup") else None
    if texts.get("setup") and setup is None:
        errors["setup"] = "reserve.number"
    party, weeks = (
        _count(texts, name, most, errors) for name, most in (("party", 999), ("weeks", MOST_WEEKS))
    )
    project = texts.get("project", "")
    if project and number(project) is None:
        errors["project"] = "project.unknown"
    return Placing(
        resource_ids=resources,
        also=tuple(found for found in map(number, also) if found is not None)[:50],
        start_at=start_at,
        end_at=end_at,
        for_id=number(texts.get("for", "")),
        party=party,
        note=texts.get("note", ""),
        project_id=number(project),
        weeks=weeks,
        setup=timedelta(minutes=setup) if setup else None,
        key=texts.get("key", "")[:80],
        why=texts.get("why", "")[:300],
        asks=texts.get("ask") == "1",
        waives=texts.get("waive") == "1",
        errors=errors,
        texts=texts,
    )


def _moment(texts: Mapping[str, str], name: str, zone: ZoneInfo, errors: dict[str, str]) -> datetime | None:
    text, before = texts.get(name, ""), texts.get(f"{name}_at", "")
    known = exact(before)
    if known is not None and (not text or text == local_text(known, zone)):
        return known
    at = exact(text) or local_instant(text, zone)
    if at is None:
        errors[name] = "time.wrong"
    return at


def exact(text: str) -> datetime | None:
    """An instant with its zone, as our own addresses write it."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo is not None and 2000 < at.year < 2200 else None


def exact_text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local_text(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def _count(texts: Mapping[str, str], name: str, most: int, errors: dict[str, str]) -> int:
    text = texts.get(name, "")
    found = number(text) if text else 1
    if found is None or not 1 <= found <= most:
        errors[name] = "reserve.number"
        return 1
    return found


def number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def day_of(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def midnight(day: date, zone: ZoneInfo) -> datetime:
    return instant(day, time(), zone)
