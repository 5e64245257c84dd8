"""Public dates for the staff: to plan one, move it, call it off, write people in, print the sheet, tick who came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound, Refused, TooMany
from fablab.claims.workshops import came, programme, public, registrations
from fablab.claims.workshops.public import DatePlan
from fablab.claims.workshops.registrations import Party
from scheduler.public import move_date, plan_date
from web.documents import pdf
from web.pages import show_agenda as show
from web.pages.agenda import said_in
from web.pages.people_forms import Form, maybe_number_in, number_in, trouble
from web.pages.people_model import Trouble
from web.pages.shell import AnyRequest, Desk, Flash, desk_of, go, in_thread, templates_of
from web.pages.show_draft import local_instant
from web.security import Right

LIST = "/public-sessions"
MOST_TICKED = 2000
_Work = Callable[[Desk, Form, FormMultiDict], None]


@get(LIST, access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def show_list(request: AnyRequest) -> Response[str]:
    return _list(desk_of(request), None)


def _list(desk: Desk, wrong: Trouble | None) -> Response[str]:
    with desk.database.read(desk.actor) as uow:
        view = show.dates(uow, desk.words)
    return _page(desk, "public_sessions.html", wrong, view=view)


@post(LIST, access=Right.OPERATE, include_in_schema=False)
async def plan(request: AnyRequest) -> Response[str]:
    """Not in one transaction with its first try: planned jobs in its way are moved in a second one."""
    desk, sent = desk_of(request), await request.form()
    form = _texts(sent)

    def make() -> Response[str]:
        try:
            by_itself = form.get("gang") != "chosen"
            said = DatePlan(
                workshop_id=number_in(form, "workshop"),
                start_at=_instant(desk, form, "start_at"),
                holds=None if by_itself else _ids(sent, "holds"),
                capacity=maybe_number_in(form, "capacity"),
                least=maybe_number_in(form, "least"),
                decide_at=_instant(desk, form, "decide_at") if form.get("decide_at") else None,
                note=form.get("note", ""),
            )
            made = plan_date(desk.database, desk.actor, said)
        except (Invalid, Conflict, Refused, NotFound) as error:
            return _list(desk, trouble(desk.words, error, "plan", form))
        return go(request, f"{LIST}/{made.id}?done=planned")

    return await in_thread(make)


@get(f"{LIST}/{{session:str}}", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def show_one(request: AnyRequest, session: FromPath[str]) -> Response[str]:
    return _one(desk_of(request), session, None)


def _one(desk: Desk, session_id: str, wrong: Trouble | None) -> Response[str]:
    with desk.database.read(desk.actor) as uow:
        view = show.hall(uow, desk.words, programme.hall(uow, session_id))
    return _page(desk, "public_session.html", wrong, view=view, most=show.most_together())


@post(f"{LIST}/{{session:str}}/move", access=Right.OPERATE, include_in_schema=False)
async def move(request: AnyRequest, session: FromPath[str]) -> Response[str]:
    def work(desk: Desk, form: Form, sent: FormMultiDict) -> None:
        holds = _ids(sent, "holds") if form.get("gang") == "chosen" else None
        start_at = _instant(desk, form, "start_at")
        move_date(desk.database, desk.actor, session, start_at, holds, form.get("why", ""))

    return await _do(request, session, "move", work, "moved")


@post(f"{LIST}/{{session:str}}/change", access=Right.OPERATE, include_in_schema=False)
async def amend(request: AnyRequest, session: FromPath[str]) -> Response[str]:
    def work(desk: Desk, form: Form, sent: FormMultiDict) -> None:
        capacity, least = number_in(form, "capacity"), number_in(form, "least")
        note = form.get("note", "")
        desk.database.write(
            lambda uow: public.amend(uow, session, capacity=capacity, least=least, note=note), desk.actor
        )

    return await _do(request, session, "change", work, "amended")


@post(f"{LIST}/{{session:str}}/cancel", access=Right.OPERATE, include_in_schema=False)
async def cancel(request: AnyRequest, session: FromPath[str]) -> Response[str]:
    def work(desk: Desk, form: Form, sent: FormMultiDict) -> None:
        desk.database.write(lambda uow: public.call_off(uow, session, form.get("why", "")), desk.actor)

    return await _do(request, session, "cancel", work, "cancelled")


@post(f"{LIST}/{{session:str}}/people", access=Right.OPERATE, include_in_schema=False)
async def write_in(request: AnyRequest, session: FromPath[str]) -> Response[str]:
    """Somebody who telephoned, or stands at the desk."""

    def work(desk: Desk, form: Form, sent: FormMultiDict) -> None:
        name, email = form.get("name", "")[:300], form.get("email", "")[:300]
        if not name.strip():
            raise Invalid("member.name", field="name")
        seats = number_in(form, "seats")
        party = Party(seats=seats, name=name, email=email, note=form.get("note", ""))
        desk.database.write(lambda uow: registrations.join(uow, session, party), desk.actor)

    return await _do(request, session, "people", work, "written_in")


@post(f"{LIST}/{{session:str}}/people/{{person:str}}/leave", access=Right.OPERATE, include_in_schema=False)
async def take_out(request: AnyRequest, session: FromPath[str], person: FromPath[str]) -> Response[str]:
    def work(desk: Desk, form: Form, sent: FormMultiDict) -> None:
        def leave(uow: UnitOfWork) -> None:
            row = registrations.mine(uow, person)
            if row.session_id != session:
                raise NotFound("registration.unknown")
            registrations.leave(uow, row.id)

        desk.database.write(leave, desk.actor)

    return await _do(request, session, "people", work, "taken_out")


@post(f"{LIST}/{{session:str}}/came", access=Right.OPERATE, include_in_schema=False)
async def tick(request: AnyRequest, session: FromPath[str]) -> Response[str]:
    """`here`: the registrations that were ticked; `came-ID`: how many of each."""

    def work(desk: Desk, form: Form, sent: FormMultiDict) -> None:
        here = [text for text in sent.getall("here", []) if isinstance(text, str)][:MOST_TICKED]
        told = {id_: number_in(form, f"came-{id_}") if f"came-{id_}" in form else 1 for id_ in here}
        more = maybe_number_in(form, "more") or 0
        desk.database.write(lambda uow: came.tick(uow, session, told, more), desk.actor)

    return await _do(request, session, "came", work, "ticked")


@get(f"{LIST}/{{session:str}}/sheet.pdf", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def sheet(request: AnyRequest, session: FromPath[str]) -> Response[bytes]:
    desk = desk_of(request)
    with desk.database.read(desk.actor) as uow:
        found, at = programme.hall(uow, session), uow.now
        data = show.sheet(desk.words, found, templates_of(request).lab.name)
    body = pdf("sign-in", data, language=desk.words.language, at=at)
    return Response(
        body,
        media_type="application/pdf",
        headers={
            "Content-Disposition": f'inline; filename="{found.date.slug}.pdf"',
            "Cache-Control": "no-store",
        },
    )


async def _do(request: AnyRequest, session_id: str, name: str, work: _Work, done: str) -> Response[str]:
    desk, sent = desk_of(request), await request.form()
    form = _texts(sent)

    def make() -> Response[str]:
        try:
            work(desk, form, sent)
        except (Invalid, Conflict, Refused, TooMany) as error:
            return _one(desk, session_id, trouble(desk.words, error, name, form))
        return go(request, f"{LIST}/{session_id}?done={done}")

    return await in_thread(make)


def _page(desk: Desk, name: str, wrong: Trouble | None, **more: object) -> Response[str]:
    done = said_in(desk.request, desk.words)
    flashes = [Flash(kind="good", text=done)] if done and wrong is None else []
    return desk.page(name, status=422 if wrong else 200, trouble=wrong, flashes=flashes, **more)


def _texts(sent: FormMultiDict) -> dict[str, str]:
    return {name: value for name, value in sent.items() if isinstance(value, str)}


def _ids(sent: FormMultiDict, name: str) -> tuple[int, ...]:
    found = [text for text in sent.getall(name, []) if isinstance(text, str) and text.isdecimal()]
    return tuple(int(text[:9]) for text in found[: public.MOST_HELD + 1])


def _instant(desk: Desk, form: Form, name: str) -> datetime:
    found = local_instant(form.get(name, ""), desk.words.formats.zone)
    if found is None:
        raise Invalid("time.wrong", field=name, text=form.get(name, "")[:40])
    return found


ROUTES = (show_list, plan, show_one, move, amend, cancel, write_in, take_out, tick, sheet)
