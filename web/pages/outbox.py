"""The outbox: what waits to be sent, what was not taken and why. Without a mail server letters are read here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base import states
from fablab.base.database import UnitOfWork
from fablab.base.errors import Forbidden
from fablab.notices.models import LETTER_STEPS, Channel, LetterState
from fablab.people.post import desk as outbox
from fablab.people.post.desk import Item
from fablab.places import house
from web.mail.letter import House, write
from web.mail.words import LetterWords
from web.pages.shell import AnyRequest, Desk, desk_of, go, in_thread
from web.security import Right
from web.words import LANGUAGES

PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    id: int
    text: str
    to: str
    address: str
    state: str
    state_word: str
    made_at: datetime
    due_at: datetime | None
    sent_at: datetime | None
    tries: int
    reason: str
    said: str
    daily: bool
    can: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxView:
    """`tabs`: (value, label, count, chosen). `older`: the id to look before, None on the last page."""

    rows: tuple[Row, ...]
    tabs: tuple[tuple[str, str, int, bool], ...]
    chosen: str
    older: int | None
    sends_mail: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterView:
    row: Row
    subject: str
    text: str
    language: str
    hides_secret: bool
    may_open: bool


@get("/outbox", access=Right.SEE_ALL, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    chosen = next((s for s in LetterState if s.value == request.query_params.get("state")), None)
    said = request.query_params.get("before", "")
    before = int(said) if said.isdecimal() and len(said) < 12 else None
    with desk.database.read(desk.actor) as uow:
        items = outbox.items(uow, (chosen,) if chosen else (), before=before, limit=PAGE)
        counts = outbox.counts(uow)
    tabs = [("", desk.words.gettext("All letters"), sum(counts.values()), chosen is None)]
    tabs += [
        (state.value, desk.words.word("letter_state", state), counts[state], state is chosen)
        for state in LetterState
        if counts.get(state) or state is chosen
    ]
    view = OutboxView(
        rows=tuple(_row(desk, item) for item in items),
        tabs=tuple(tabs),
        chosen=chosen.value if chosen else "",
        older=items[-1].letter.id if len(items) == PAGE else None,
        sends_mail=desk.parts.settings.sends_mail,
    )
    return desk.page("outbox.html", view=view)


@get("/outbox/{letter_id:int}", access=Right.SEE_ALL, include_in_schema=False, sync_to_thread=True)
def read(request: AnyRequest, letter_id: FromPath[int]) -> Response[str]:
    desk = desk_of(request)
    with desk.database.read(desk.actor) as uow:
        view = _letter(desk, uow, outbox.read(uow, letter_id), hide=True)
    return desk.page("letter.html", view=view)


@post(
    "/outbox/{letter_id:int}/open",
    access=Right.MANAGE,
    include_in_schema=False,
    sync_to_thread=True,
    status_code=200,
)
def open_whole(request: AnyRequest, letter_id: FromPath[int]) -> Response[str]:
    """With the link that lets its reader in: only where no mail server brings it, and it is written down who looked."""
    desk = desk_of(request)
    if desk.parts.settings.sends_mail:
        raise Forbidden
    view = desk.database.write(
        lambda uow: _letter(desk, uow, outbox.read_with_secret(uow, letter_id), hide=False), desk.actor
    )
    answer = desk.page("letter.html", view=view)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@post("/outbox/{letter_id:int}/resend", access=Right.SEE_ALL, include_in_schema=False)
async def resend(request: AnyRequest, letter_id: FromPath[int]) -> Response[str]:
    desk = desk_of(request)
    await in_thread(desk.database.write, lambda uow: outbox.resend(uow, letter_id), desk.actor)
    return go(request, f"/outbox/{letter_id}")


@post("/outbox/{letter_id:int}/cancel", access=Right.SEE_ALL, include_in_schema=False)
async def cancel(request: AnyRequest, letter_id: FromPath[int]) -> Response[str]:
    desk = desk_of(request)
    await in_thread(desk.database.write, lambda uow: outbox.cancel(uow, letter_id), desk.actor)
    return go(request, f"/outbox/{letter_id}")


def _row(desk: Desk, item: Item) -> Row:
    letter = item.letter
    waits = letter.state in (LetterState.WAITING, LetterState.HELD, LetterState.FAILED)
    return Row(
        id=letter.id,
        text=desk.words.notice(letter.code, letter.facts),
        to=item.name,
        address=item.reader.address if item.reader is not None else "",
        state=letter.state.value,
        state_word=desk.words.word("letter_state", letter.state),
        made_at=letter.made_at,
        due_at=letter.due_at if waits and letter.state is not LetterState.WAITING else None,
        sent_at=letter.sent_at,
        tries=letter.tries,
        reason=desk.words.say(letter.reason) if letter.reason else "",
        said=letter.said or "",
        daily=letter.channel is Channel.DAILY,
        can=tuple(a for a in states.actions(LETTER_STEPS, letter.state) if a in ("resend", "cancel")),
    )


def _letter(desk: Desk, uow: UnitOfWork, item: Item, *, hide: bool) -> LetterView:
    """As its reader will read it, in their language."""
    settings, reader = desk.parts.settings, item.reader
    language = reader.language if reader is not None and reader.language in LANGUAGES else LANGUAGES[0]
    row = house.house(uow)
    words = LetterWords(language, ZoneInfo(row.zone), clock=desk.parts.clock)
    lab = House(name=row.name, address=settings.address, sender=settings.smtp_from)
    written = write((item.letter,), reader.name if reader is not None else "", words, lab, hide=hide)
    return LetterView(
        row=_row(desk, item),
        subject=written.subject,
        text=written.text,
        language=language,
        hides_secret=hide and item.has_secret,
        may_open=hide and item.has_secret and not settings.sends_mail and outbox.may_see_secrets(uow),
    )


ROUTES = (show, read, open_whole, resend, cancel)
