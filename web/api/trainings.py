"""Training sessions: planned, joined, left, and written down who came."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Invalid
from fablab.claims import calendar
from fablab.claims.trainings import following
from fablab.claims.trainings import use as trainings
from fablab.claims.trainings.models import SeatState, Training, TrainingState
from fablab.claims.trainings.use import Plan
from fablab.people.access import SignedIn
from fablab.people.models import CertificationLevel
from fablab.places.models import Technology
from scheduler.training import plan_training
from web.api.answer import instant
from web.api.certifications import WhyIn
from web.api.schema import At
from web.security import Access, Right


class SeatOut(msgspec.Struct, frozen=True, kw_only=True):
    member: int
    name: str
    state: SeatState
    asked_at: At


class TrainingOut(msgspec.Struct, frozen=True, kw_only=True):
    """`mine`: your own state in it. `seats` only for its trainer and the staff. `free` 0: one waits."""

    id: str
    state: TrainingState
    technology: Technology
    machine: int | None
    level: CertificationLevel
    trainer: str
    start_at: At
    end_at: At
    places: int
    free: int
    waiting: int
    note: str
    holds: tuple[int, ...]
    mine: SeatState | None
    seats: tuple[SeatOut, ...]


class PlanIn(msgspec.Struct, frozen=True, kw_only=True):
    """Instants are ISO 8601 with a zone. `holds`: machines and a room that are kept for it."""

    technology: Technology
    start_at: str
    end_at: str
    places: int
    level: CertificationLevel = CertificationLevel.USER
    machine: int | None = None
    trainer: int | None = None
    holds: tuple[int, ...] = ()
    note: str = ""


class WhomIn(msgspec.Struct, frozen=True, kw_only=True):
    """Null: oneself; a child one answers for; anybody, by the staff."""

    member: int | None = None


class PlacesIn(msgspec.Struct, frozen=True, kw_only=True):
    places: int


class PresentIn(msgspec.Struct, frozen=True, kw_only=True):
    """The ids of those who came; whoever is not among them did not."""

    present: tuple[int, ...]


class DeliveredOut(msgspec.Struct, frozen=True, kw_only=True):
    certified: tuple[int, ...]


@get("/trainings", access=Access.SIGNED_IN, sync_to_thread=True, tags=["trainings"])
def sessions(
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    technology: FromQuery[Technology | None] = None,
) -> tuple[TrainingOut, ...]:
    """Those to come, by their start."""
    with database.read(signed_in.actor) as uow:
        mine = trainings.seats_of(uow, signed_in.member_id)
        found = following.planned(uow, [technology] if technology is not None else ())
        return tuple(training_out(uow, session, mine) for session in found)


@get("/trainings/{training:str}", access=Access.SIGNED_IN, sync_to_thread=True, tags=["trainings"])
def session_one(
    training: FromPath[str], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> TrainingOut:
    with database.read(signed_in.actor) as uow:
        return _out(uow, trainings.get(uow, training))


@post("/trainings", access=Right.SUBMIT, sync_to_thread=True, tags=["trainings"])
def create(
    data: JSONBody[PlanIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> TrainingOut:
    """By a trainer or the staff. Planned jobs in its way are moved elsewhere; 409 where somebody holds a place for good."""
    start, end = instant(data.start_at, "start_at"), instant(data.end_at, "end_at")
    if start is None or end is None:
        raise Invalid("time.wrong", field="start_at" if start is None else "end_at", text="")
    plan = Plan(
        technology=data.technology,
        start_at=start,
        end_at=end,
        places=data.places,
        level=data.level,
        resource_id=data.machine,
        trainer_id=data.trainer,
        holds=data.holds,
        note=data.note,
    )
    made = plan_training(database, signed_in.actor, plan)
    with database.read(signed_in.actor) as uow:
        return _out(uow, trainings.get(uow, made.id))


@post(
    "/trainings/{training:str}/join",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=["trainings"],
)
def join(
    training: FromPath[str],
    data: JSONBody[WhomIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> TrainingOut:
    """A place, or one's turn to wait for one (`mine`)."""

    def work(uow: UnitOfWork) -> TrainingOut:
        trainings.join(uow, training, data.member)
        return _out(uow, trainings.get(uow, training))

    return database.write(work, signed_in.actor)


@post(
    "/trainings/{training:str}/leave",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=["trainings"],
)
def leave(
    training: FromPath[str],
    data: JSONBody[WhomIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> TrainingOut:
    """The place goes to whoever has waited longest."""

    def work(uow: UnitOfWork) -> TrainingOut:
        trainings.leave(uow, training, data.member)
        return _out(uow, trainings.get(uow, training))

    return database.write(work, signed_in.actor)


@post(
    "/trainings/{training:str}/places",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=["trainings"],
)
def resize(
    training: FromPath[str],
    data: JSONBody[PlacesIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> TrainingOut:
    """More places let those in who wait."""

    def work(uow: UnitOfWork) -> TrainingOut:
        return _out(uow, trainings.resize(uow, training, data.places))

    return database.write(work, signed_in.actor)


@post(
    "/trainings/{training:str}/attendance",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=["trainings"],
)
def attendance(
    training: FromPath[str],
    data: JSONBody[PresentIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> DeliveredOut:
    """Who came is certified, and the session is over."""
    found = database.write(lambda uow: trainings.deliver(uow, training, data.present), signed_in.actor)
    return DeliveredOut(certified=found)


@post(
    "/trainings/{training:str}/cancel",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=204,
    tags=["trainings"],
)
def cancel(
    training: FromPath[str],
    data: JSONBody[WhyIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    """Everybody in it and everybody who waits is told why."""
    database.write(lambda uow: trainings.cancel(uow, training, data.why), signed_in.actor)


def _out(uow: UnitOfWork, session: Training) -> TrainingOut:
    member_id = uow.actor.member_id
    mine = trainings.seats_of(uow, member_id) if member_id is not None else {}
    return training_out(uow, session, mine)


def training_out(uow: UnitOfWork, session: Training, mine: Mapping[str, SeatState]) -> TrainingOut:
    seats = session.seats if trainings.may_hand(uow, session) else []
    return TrainingOut(
        id=session.id,
        state=session.state,
        technology=session.technology,
        machine=session.resource_id,
        level=session.level,
        trainer=session.trainer.name,
        start_at=session.start_at,
        end_at=session.end_at,
        places=session.places,
        free=following.free_places(session),
        waiting=len(trainings.waiting(session)),
        note=session.note,
        holds=tuple(a.resource_id for a in calendar.claim(uow, session.id).allocations),
        mine=mine.get(session.id),
        seats=tuple(
            SeatOut(member=seat.member_id, name=seat.member.name, state=seat.state, asked_at=seat.asked_at)
            for seat in seats
        ),
    )


ROUTES = (sessions, session_one, create, join, leave, resize, attendance, cancel)
