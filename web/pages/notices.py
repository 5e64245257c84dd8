"""What one was told, how one wants to hear of it, and the page behind a letter's "no more of these"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from litestar import Response, get, post
from litestar.params import FromPath

from fablab import notices
from fablab.base.errors import Invalid
from fablab.notices.models import ALWAYS_SENT, Channel, Subject
from fablab.notices.quiet import DAY_MIN
from fablab.people import post as letters
from fablab.people.access import Right, allows
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, in_thread, templates_of
from web.security import Access
from web.words import Words

MOST_SHOWN = 50
SHOWN_TO_ALL = tuple(subject for subject in Subject if subject is not Subject.HOUSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeLine:
    """One thing that was told. `path`: the page about it, or empty."""

    text: str
    at: datetime
    is_new: bool
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceField:
    """`options`: (value, label, chosen). `fixed`: always a letter at once."""

    name: str
    label: str
    options: tuple[tuple[str, str, bool], ...]
    fixed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticesView:
    lines: tuple[NoticeLine, ...]
    choices: tuple[ChoiceField, ...]
    quiet_from: str
    quiet_until: str
    error: str
    saved: bool
    sends_mail: bool
    sees_outbox: bool
    manages: bool


@get("/notices", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    return _page(desk_of(request), saved=request.query_params.get("saved") == "1")


@post("/notices/choices", access=Access.IN_PERSON, include_in_schema=False)
async def save(request: AnyRequest) -> Response[str]:
    desk, form = desk_of(request), await form_of(request)
    return await in_thread(_save, desk, form)


def _save(desk: Desk, form: Mapping[str, str]) -> Response[str]:
    try:
        channels = {subject: _channel(form[subject.value]) for subject in Subject if form.get(subject.value)}
        quiet = quiet_of(form.get("from", ""), form.get("until", ""))
        member_id = desk.signed_in.member_id
        desk.database.write(lambda uow: letters.choose(uow, member_id, channels, quiet), desk.actor)
    except Invalid as error:
        return _page(desk, form=form, error=desk.words.error(error))
    return go(desk.request, "/notices?saved=1#choices")


def _channel(said: str) -> Channel:
    try:
        return Channel(said)
    except ValueError:
        raise Invalid("choice.channel", field="channel") from None


def quiet_of(begins: str, ends: str) -> tuple[int, int] | None:
    """ "22:00", "07:30" as minutes of the day; both empty: no quiet hours. Raises `Invalid("choice.quiet")`."""
    if not begins.strip() and not ends.strip():
        return None
    return _minute(begins), _minute(ends)


def _minute(said: str) -> int:
    hours, colon, minutes = said.strip().partition(":")
    good = colon and hours.isdecimal() and minutes[:2].isdecimal() and hours.isascii() and minutes.isascii()
    found = int(hours) * 60 + int(minutes[:2]) if good and len(hours) <= 2 else DAY_MIN
    if not 0 <= found < DAY_MIN or int(minutes[:2]) > 59:
        raise Invalid("choice.quiet", field="quiet")
    return found


def clock_of(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _page(
    desk: Desk, *, form: Mapping[str, str] | None = None, error: str = "", saved: bool = False
) -> Response[str]:
    member_id = desk.signed_in.member_id
    with desk.database.read(desk.actor) as uow:
        rows = notices.latest(uow, member_id, limit=MOST_SHOWN)
        chosen = letters.choices(uow, member_id)
    typed = form or {}
    quiet = chosen.quiet
    sees_all = allows(desk.actor, Right.SEE_ALL)
    view = NoticesView(
        lines=tuple(_line(desk.words, row) for row in rows),
        choices=tuple(
            _field(desk.words, subject, typed.get(subject.value, chosen.channels[subject].value))
            for subject in (Subject if sees_all else SHOWN_TO_ALL)
        ),
        quiet_from=typed.get("from", clock_of(quiet[0]) if quiet else "")[:10],
        quiet_until=typed.get("until", clock_of(quiet[1]) if quiet else "")[:10],
        error=error,
        saved=saved,
        sends_mail=desk.parts.settings.sends_mail,
        sees_outbox=sees_all,
        manages=allows(desk.actor, Right.MANAGE),
    )
    return desk.page("notices.html", view=view, status=422 if error else 200)


def _line(words: Words, row: notices.Notice) -> NoticeLine:
    path = row.facts.get("path")
    local = isinstance(path, str) and path.startswith("/") and not path.startswith("//")
    about = f"/jobs/{row.claim_id}" if row.claim_id and row.code.startswith("job.") else ""
    return NoticeLine(
        text=words.notice(row.code, row.facts),
        at=row.made_at,
        is_new=row.seen_at is None,
        path=str(path) if local else about,
    )


def _field(words: Words, subject: Subject, chosen: str) -> ChoiceField:
    return ChoiceField(
        name=subject.value,
        label=words.word("notice_subject", subject),
        options=tuple(
            (channel.value, words.word("notice_channel", channel), channel.value == chosen)
            for channel in Channel
        ),
        fixed=subject in ALWAYS_SENT,
    )


# -- no more of these ---------------------------------------------------------------------------------------------


@get("/notices/off/{secret:str}", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def ask_off(request: AnyRequest, secret: FromPath[str]) -> Response[str]:
    """Only asks: mail programs fetch links that nobody has clicked."""
    parts = request.app.state.parts
    with parts.database.read() as uow:
        subject = letters.letter_behind(uow, secret).subject
    return _off_page(request, subject, done=False)


@post(
    "/notices/off/{secret:str}",
    access=Access.PUBLIC,
    csrf="secret",
    include_in_schema=False,
    sync_to_thread=True,
    status_code=200,
)
def switch_off(request: AnyRequest, secret: FromPath[str]) -> Response[str]:
    """By the page's button, or by the mail program for its reader (RFC 8058)."""
    parts = request.app.state.parts
    subject = parts.database.write(lambda uow: letters.switch_off(uow, secret))
    return _off_page(request, subject, done=True)


def _off_page(request: AnyRequest, subject: Subject, *, done: bool) -> Response[str]:
    templates = templates_of(request)
    words: Words = templates.context(request)["words"]
    return templates.page(
        request, "notices_off.html", subject=words.word("notice_subject", subject), done=done, path="/notices"
    )


ROUTES = (show, save, ask_off, switch_off)
