"""Waiting lists: what one waits for, what is held for one and until when; for the staff the whole line in its order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import SYSTEM, UnitOfWork
from fablab.base.errors import Conflict, Invalid, LabError, NotFound, Refused
from fablab.claims import calendar, waiting
from fablab.claims.reservations import Reservation
from fablab.claims.waiting import Entry, WaitingState
from fablab.people.access import Right as Rights
from fablab.people.access import allows
from fablab.places import house
from fablab.places.models import Resource, ResourceKind
from scheduler import waiting as turns
from scheduler.reserving import Kind, Wanted
from web.pages.eyes import Eyes
from web.pages.gate import RefusalView, refusal_views
from web.pages.reserve_form import Asking, asking
from web.pages.shell import AnyRequest, Desk, desk_of, go, in_thread
from web.security import Right

KINDS: Final = frozenset(ResourceKind)
ACTS: Final[Mapping[str, Callable[[UnitOfWork, str], object]]] = {
    "take": waiting.take,
    "pass": waiting.pass_on,
    "give-up": waiting.give_up,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """`place`: what is held, where and when. `who` is empty on one's own page. `turn`: 1 is next; 0 where it is not said."""

    id: str
    what: str
    duration_s: int
    since: datetime
    until: datetime
    state: str
    word: str
    place: str
    starts_at: datetime | None
    hold_until: datetime | None
    who: str
    turn: int
    reservation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingView:
    mine: tuple[EntryView, ...]
    line: tuple[EntryView, ...]
    is_staff: bool
    problem: str = ""
    against: tuple[RefusalView, ...] = ()


@get("/waiting", access=Right.SUBMIT, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    return _page(desk_of(request))


def _page(desk: Desk, error: LabError | None = None) -> Response[str]:
    refused = isinstance(error, Refused)
    with desk.look() as (uow, eyes, _):
        names = {row.id: row for row in house.resources(uow, KINDS)}
        staff = allows(desk.actor, Rights.SEE_ALL)
        line: list[EntryView] = []
        if staff:
            held = [row for row in waiting.live(uow) if row.state is WaitingState.OFFERED]
            line = [_entry(uow, eyes, names, row, who=row.member.name) for row in held]
            for turn, row in enumerate(turns.line(uow.acting(SYSTEM)), start=1):
                line.append(_entry(uow, eyes, names, row, who=row.member.name, turn=turn))
        view = WaitingView(
            mine=tuple(
                _entry(uow, eyes, names, row) for row in waiting.of_member(uow, desk.signed_in.member_id)
            ),
            line=tuple(line),
            is_staff=staff,
            problem=desk.words.error(error) if error is not None and not refused else "",
            against=refusal_views(desk.words, error.refusals) if isinstance(error, Refused) else (),
        )
    status = 200 if error is None else 409 if isinstance(error, Conflict) else 422
    return desk.page("waiting.html", view=view, status=status)


def _entry(
    uow: UnitOfWork, eyes: Eyes, names: Mapping[int, Resource], row: Entry, *, who: str = "", turn: int = 0
) -> EntryView:
    place, starts_at = "", None
    if row.state is WaitingState.OFFERED and row.claim_id is not None:
        held = calendar.claim(uow, row.claim_id).allocations
        place = ", ".join(names[each.resource_id].name for each in held if each.resource_id in names)
        starts_at = min((each.start_at for each in held), default=None)
    return EntryView(
        id=row.id,
        what=", ".join(_what(eyes, names, each) for each in turns.kind_of(row).wanted),
        duration_s=row.duration_s,
        since=row.since,
        until=row.until,
        state=row.state.value,
        word=eyes.words.word("waiting_state", row.state),
        place=place,
        starts_at=starts_at,
        hold_until=row.hold_until,
        who=who,
        turn=turn,
        reservation=row.claim_id or "" if row.state is WaitingState.TAKEN else "",
    )


def _what(eyes: Eyes, names: Mapping[int, Resource], wanted: Wanted) -> str:
    known = [names[each].name for each in wanted.resource_ids if each in names]
    if known:
        return " / ".join(known)
    kind = (
        eyes.words.word("technology", wanted.technology)
        if wanted.technology is not None
        else eyes.words.word("resource_kind", wanted.kind)
    )
    return f"{wanted.quantity} × {kind}" if wanted.quantity > 1 else kind


@post("/waiting/join", access=Right.SUBMIT, include_in_schema=False)
async def join(request: AnyRequest) -> Response[str]:
    """What was asked for on the page of the best times, which brings it along in its address."""
    desk = desk_of(request)
    return await in_thread(_join, desk)


def _join(desk: Desk) -> Response[str]:
    with desk.look() as (_, eyes, _stock):
        asked = asking(dict(desk.request.query_params), eyes.now, desk.words.formats.zone)
    if asked.errors or asked.thing is None:
        return go(desk.request, f"/reserve?{desk.request.url.query}")
    try:
        kind = _kind(asked)
        desk.database.write(lambda uow: turns.join(uow, kind, party=_party(asked)), desk.actor)
    except (Invalid, Conflict, Refused, NotFound) as error:
        return _page(desk, error)
    return go(desk.request, "/waiting")


def _kind(asked: Asking) -> Kind:
    thing = asked.thing
    assert thing is not None
    wanted = Wanted(
        kind=thing.kind,
        technology=thing.technology,
        resource_ids=(thing.resource_id,) if thing.resource_id is not None else (),
        seats=_party(asked) if thing.kind is ResourceKind.ROOM else 0,
    )
    return Kind(
        wanted=(wanted,),
        duration_s=int(asked.length.total_seconds()),
        since=asked.since,
        until=asked.until,
        member_id=asked.for_id,
    )


def _party(asked: Asking) -> int:
    said = asked.texts.get("party", "")
    return max(1, int(said)) if said.isascii() and said.isdecimal() and len(said) < 4 else 1


@post("/waiting/{entry_id:str}/{act:str}", access=Right.SUBMIT, include_in_schema=False)
async def answer(request: AnyRequest, entry_id: FromPath[str], act: FromPath[str]) -> Response[str]:
    """Take what is held, let it go to the next, or wait no longer."""
    desk, work = desk_of(request), ACTS.get(act)
    if work is None:
        raise NotFound("waiting.unknown")

    def do() -> Response[str]:
        try:
            made = desk.database.write(lambda uow: work(uow, entry_id), desk.actor)
        except (Conflict, Refused) as error:
            return _page(desk, error)
        if isinstance(made, Reservation):
            return go(desk.request, f"/reservations/{made.id}?new=1")
        return go(desk.request, "/waiting")

    return await in_thread(do)


ROUTES = (show, join, answer)
