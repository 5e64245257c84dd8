"""Training sessions: to join, to plan, and to write down who came."""

from __future__ import annotations

from datetime import datetime

from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, LabError, Refused
from fablab.claims import calendar
from fablab.claims.trainings import following
from fablab.claims.trainings import use as trainings
from fablab.claims.trainings.models import SeatState, Training, TrainingState
from fablab.claims.trainings.use import Plan
from fablab.people import families
from fablab.people.access import Right, allows
from fablab.people.certifications import granting
from fablab.people.models import CertificationLevel
from scheduler.training import plan_training
from web.pages import show_certifications as show
from web.pages.certifications import back_in, scope_in
from web.pages.certifications_model import SeatRow, TrainingsView, TrainingView
from web.pages.eyes import Eyes
from web.pages.people_forms import (
    Form,
    change,
    done_in,
    maybe_number_in,
    number_in,
    one_of,
    trouble,
    with_done,
)
from web.pages.people_model import Option, Trouble
from web.pages.shell import AnyRequest, Desk, desk_of, go, in_thread
from web.pages.show_draft import local_instant
from web.security import Access

LIST = "/trainings"
MOST_PAST = 12


@get(LIST, access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show_list(request: AnyRequest) -> Response[str]:
    return _list(desk_of(request), None)


def _list(desk: Desk, wrong: Trouble | None) -> Response[str]:
    with desk.look() as (uow, eyes, _):
        view = _list_view(uow, eyes, desk)
    return desk.page(
        "trainings.html",
        status=422 if wrong else 200,
        view=view,
        trouble=wrong,
        flashes=done_in(desk.request, desk.words),
    )


def _list_view(uow: UnitOfWork, eyes: Eyes, desk: Desk) -> TrainingsView:
    member_id = desk.signed_in.member_id
    mine = trainings.seats_of(uow, member_id)
    staff = allows(desk.actor, Right.OPERATE)
    trains = bool(granting.trains(uow, member_id))
    plans = staff or trains
    past = [
        session
        for session in trainings.past(uow, limit=MOST_PAST)
        if trainings.may_hand(uow, session) and session.state is TrainingState.PLANNED
    ]
    return TrainingsView(
        rows=tuple(show.training_row(eyes, session, mine) for session in following.planned(uow)),
        past=tuple(show.training_row(eyes, session, mine) for session in past),
        plans=plans,
        scopes=show.scopes(uow, eyes) if plans else (),
        levels=show.levels(eyes),
        holds=show.holdable(uow) if plans else (),
    )


@post(LIST, access=Right.SUBMIT, include_in_schema=False)
async def plan(request: AnyRequest) -> Response[str]:
    """Not in one transaction with its first try: planned jobs in its way are moved in a second one."""
    desk, sent = desk_of(request), await request.form()
    form = {name: value for name, value in sent.items() if isinstance(value, str)}

    def make() -> Response[str]:
        try:
            made = plan_training(desk.database, desk.actor, _plan_in(desk, form, sent))
        except (Invalid, Conflict, Refused) as error:
            return _list(desk, trouble(desk.words, error, "plan", form))
        return go(request, with_done(f"{LIST}/{made.id}", "saved"))

    return await in_thread(make)


def _plan_in(desk: Desk, form: Form, sent: FormMultiDict) -> Plan:
    technology, machine = scope_in(form)
    held = [text for text in sent.getall("holds", []) if isinstance(text, str) and text.isdecimal()]
    return Plan(
        technology=technology,
        resource_id=machine,
        level=one_of(CertificationLevel, form, "level"),
        trainer_id=maybe_number_in(form, "trainer"),
        places=number_in(form, "places"),
        start_at=_instant(desk, form, "start_at"),
        end_at=_instant(desk, form, "end_at"),
        holds=tuple(int(text[:9]) for text in held),
        note=form.get("note", "")[:500],
    )


def _instant(desk: Desk, form: Form, name: str) -> datetime:
    found = local_instant(form.get(name, ""), desk.words.formats.zone)
    if found is None:
        raise Invalid("time.wrong", field=name, text=form.get(name, "")[:40])
    return found


@post("/trainings/vouch", access=Right.SUBMIT, include_in_schema=False)
async def vouch(request: AnyRequest) -> Response[str]:
    """A trainer, who sees no list of members, certifies somebody or counts a use by their member number."""

    def work(uow: UnitOfWork, form: Form) -> object:
        technology, machine = scope_in(form)
        member_id = number_in(form, "member")
        if form.get("what") == "grant":
            return granting.grant(uow, member_id, technology, resource_id=machine)
        hours = maybe_number_in(form, "hours") or 0
        return granting.supervise(uow, member_id, technology, resource_id=machine, duration_s=hours * 3600)

    return await change(request, "vouch", work, _list, LIST, "saved")


@get("/trainings/{session:str}", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show_one(request: AnyRequest, session: FromPath[str]) -> Response[str]:
    return _one(desk_of(request), session, None)


def _one(desk: Desk, session_id: str, wrong: Trouble | None) -> Response[str]:
    with desk.look() as (uow, eyes, _):
        view = _one_view(uow, eyes, desk, trainings.get(uow, session_id))
    return desk.page(
        "training.html",
        status=422 if wrong else 200,
        view=view,
        trouble=wrong,
        flashes=done_in(desk.request, desk.words),
    )


def _one_view(uow: UnitOfWork, eyes: Eyes, desk: Desk, session: Training) -> TrainingView:
    member_id = desk.signed_in.member_id
    hands = trainings.may_hand(uow, session)
    held = calendar.claim(uow, session.id).allocations
    shown = (SeatState.JOINED, SeatState.WAITING, SeatState.ATTENDED, SeatState.ABSENT)
    return TrainingView(
        row=show.training_row(eyes, session, trainings.seats_of(uow, member_id)),
        note=session.note,
        holds=tuple(dict.fromkeys(allocation.resource.name for allocation in held)),
        state=show.state_mark(eyes, session.state),
        hands=hands,
        now=session.state is TrainingState.PLANNED and session.start_at <= eyes.now,
        planned=session.state is TrainingState.PLANNED,
        places=session.places,
        seats=tuple(
            SeatRow(
                member_id=seat.member_id,
                name=seat.member.name,
                mark=show.seat_mark(eyes, seat.state),
                ticked=seat.state is SeatState.JOINED,
            )
            for seat in session.seats
            if seat.state in shown
        )
        if hands
        else (),
        children=tuple(
            Option(value=str(child.id), label=child.name) for child in families.children_of(uow, member_id)
        ),
    )


@post("/trainings/{session:str}/join", access=Right.SUBMIT, include_in_schema=False)
async def join(request: AnyRequest, session: FromPath[str]) -> Response[str]:
    return await _sit(request, session, "join")


@post("/trainings/{session:str}/leave", access=Right.SUBMIT, include_in_schema=False)
async def leave(request: AnyRequest, session: FromPath[str]) -> Response[str]:
    return await _sit(request, session, "leave")


async def _sit(request: AnyRequest, session_id: str, what: str) -> Response[str]:
    desk, sent = desk_of(request), await request.form()
    form = {name: value for name, value in sent.items() if isinstance(value, str)}

    def make() -> Response[str]:
        deed = trainings.join if what == "join" else trainings.leave
        try:
            member_id = maybe_number_in(form, "member")
            desk.database.write(lambda uow: deed(uow, session_id, member_id), desk.actor)
        except (Invalid, Conflict, Refused) as error:
            return _one(desk, session_id, trouble(desk.words, error, what, form))
        return go(request, with_done(back_in(form, f"{LIST}/{session_id}"), "saved"))

    return await in_thread(make)


@post("/trainings/{session:str}/attendance", access=Right.SUBMIT, include_in_schema=False)
async def attendance(request: AnyRequest, session: FromPath[str]) -> Response[str]:
    desk, sent = desk_of(request), await request.form()
    form = {name: value for name, value in sent.items() if isinstance(value, str)}

    def make() -> Response[str]:
        try:
            present = [int(text[:9]) for text in sent.getall("present", []) if str(text).isdecimal()]
            for number in form.get("more", "").replace(",", " ").split():
                present.append(number_in({"more": number}, "more"))
            desk.database.write(lambda uow: trainings.deliver(uow, session, present), desk.actor)
        except LabError as error:
            if not isinstance(error, Invalid | Conflict) and error.code != "member.unknown":
                raise
            return _one(desk, session, trouble(desk.words, error, "attendance", form))
        return go(request, with_done(f"{LIST}/{session}", "saved"))

    return await in_thread(make)


@post("/trainings/{session:str}/places", access=Right.SUBMIT, include_in_schema=False)
async def resize(request: AnyRequest, session: FromPath[str]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return trainings.resize(uow, session, number_in(form, "places"))

    return await change(
        request,
        "places",
        work,
        lambda desk, wrong: _one(desk, session, wrong),
        f"{LIST}/{session}",
        "saved",
    )


@post("/trainings/{session:str}/cancel", access=Right.SUBMIT, include_in_schema=False)
async def cancel(request: AnyRequest, session: FromPath[str]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return trainings.cancel(uow, session, form.get("why", ""))

    return await change(
        request, "cancel", work, lambda desk, wrong: _one(desk, session, wrong), f"{LIST}/{session}", "cancel"
    )


ROUTES = (show_list, plan, vouch, show_one, join, leave, attendance, resize, cancel)
