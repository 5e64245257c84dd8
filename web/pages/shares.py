"""Who got what: machine hours beside shares due, and why a job waits. Staff see all of it, a member their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from litestar import Response, get, post

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.people import shares as due
from fablab.people.access import Right, allows
from fablab.people.models import Audience
from fablab.reports import shares as report
from scheduler.lore import fairness
from scheduler.sight import look
from web.pages import show_shares
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, in_thread
from web.security import Access


@get("/shares", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    return _page(desk_of(request), {}, {})


@post("/shares/due", access=Right.MANAGE, include_in_schema=False)
async def set_due(request: AnyRequest) -> Response[str]:
    """All fields or none: a number that cannot be is said beside its field."""
    desk = desk_of(request)
    form = await form_of(request)
    typed = {a.value: form[a.value].strip()[:20] for a in Audience if a.value in form}
    errors = await in_thread(_set, desk, typed)
    if errors:
        return await in_thread(_page, desk, errors, typed)
    return go(request, "/shares")


def _set(desk: Desk, typed: Mapping[str, str]) -> dict[str, str]:
    """By field what is wrong with it; empty once all are set."""
    wrong: dict[str, str] = {}

    def work(uow: UnitOfWork) -> None:
        wrong.clear()
        for name, said in typed.items():
            try:
                due.set_parts(uow, Audience(name), _number(said))
            except Invalid as error:
                wrong[name] = desk.words.error(error)
        if wrong:
            raise Invalid("share.parts", field=next(iter(wrong)), most=due.MOST_PARTS)

    try:
        desk.database.write(work, desk.actor)
    except Invalid:
        return wrong
    return {}


def _number(said: str) -> float:
    """As people write it, with a comma or a point; what is no number is no share either."""
    try:
        return float(said.replace(",", "."))
    except ValueError:
        return 0.0


def _page(desk: Desk, errors: Mapping[str, str], typed: Mapping[str, str]) -> Response[str]:
    with desk.look() as (uow, eyes, _):
        found = _find(uow, desk)
        view = show_shares.view(eyes, found, errors, typed)
    return desk.page("shares.html", shares=view, status=422 if errors else 200)


def _find(uow: UnitOfWork, desk: Desk) -> show_shares.Found:
    hours = report.hours(uow)
    waiting = report.waiting(uow)
    sight = look(uow) if waiting else None
    own, audiences = report.own(uow, desk.signed_in.member_id)
    seen = hours if allows(desk.actor, Right.SEE_ALL) else [row for row in hours if row.owner in own]
    return show_shares.Found(
        hours=seen,
        fairness=fairness(uow, hours),
        waiting=waiting,
        parts={row.claim.id: sight.parts(row.claim) for row in waiting} if sight is not None else {},
        names=report.names(uow, seen),
        own=own,
        own_audiences=audiences | {row.audience for row in seen if row.owner in own},
        due=due.parts_due(uow),
        oldest=_oldest(hours),
    )


def _oldest(hours: Sequence[report.Hours]) -> dict[Audience, datetime]:
    found: dict[Audience, datetime] = {}
    for row in hours:
        if row.since is not None:
            found[row.audience] = min(row.since, found.get(row.audience, row.since))
    return found


ROUTES = (show, set_due)
