"""The catalogue of workshops: read by everybody, written by whoever runs the house."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from fablab.base.database import Actor, Database
from fablab.claims.trainings import use as trainings
from fablab.claims.workshops import catalogue, granting
from fablab.claims.workshops.words import WorkshopKind
from fablab.people.access import SignedIn
from fablab.people.models import Audience
from scheduler.training import plan_training
from web.api.answer import instant_of
from web.api.trainings import TrainingOut, training_out
from web.api.workshops_schema import (
    ChangeIn,
    TrainingIn,
    VersionIn,
    WorkshopIn,
    WorkshopOut,
    said_of,
    workshop_out,
)
from web.security import Access, Right, visitor

TAGS = ["workshops"]
#: Whoever is not signed in: no right of the house is theirs.
VISITOR = Actor(member_id=None, name="", role="visitor")


@get("/workshops", access=Access.PUBLIC, sync_to_thread=True, tags=TAGS)
def listed(
    database: NamedDependency[Database],
    kind: FromQuery[WorkshopKind | None] = None,
    audience: FromQuery[Audience | None] = None,
) -> tuple[WorkshopOut, ...]:
    """What everybody may ask for, workshops before events."""
    with database.read(VISITOR) as uow:
        return tuple(workshop_out(row) for row in catalogue.public(uow, kind=kind, audience=audience))


@get("/workshops/all", access=Right.SEE_ALL, sync_to_thread=True, tags=TAGS)
def everything(
    database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> tuple[WorkshopOut, ...]:
    """The whole catalogue; what was retired stands at the end."""
    with database.read(signed_in.actor) as uow:
        return tuple(workshop_out(row) for row in catalogue.everything(uow))


@get("/workshops/{slug:str}", access=Access.PUBLIC, sync_to_thread=True, tags=TAGS)
def one(
    request: Request[Any, Any, Any], slug: FromPath[str], database: NamedDependency[Database]
) -> WorkshopOut:
    """By its address; what is not public only for the staff."""
    who = visitor(request)
    with database.read(who.actor if who is not None else VISITOR) as uow:
        return workshop_out(catalogue.by_slug(uow, slug))


@post("/workshops", access=Right.PARTNER, sync_to_thread=True, tags=TAGS)
def create(
    data: JSONBody[WorkshopIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> WorkshopOut:
    said = said_of(data)
    return workshop_out(database.write(lambda uow: catalogue.create(uow, said), signed_in.actor))


@put("/workshops/{workshop_id:int}", access=Right.PARTNER, sync_to_thread=True, tags=TAGS)
def change(
    workshop_id: FromPath[int],
    data: JSONBody[ChangeIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> WorkshopOut:
    """All of it; 409 `workshop.changed` where somebody else was faster."""
    said, version = said_of(data), data.version
    return workshop_out(
        database.write(lambda uow: catalogue.change(uow, workshop_id, version, said), signed_in.actor)
    )


@post(
    "/workshops/{workshop_id:int}/retire",
    access=Right.PARTNER,
    sync_to_thread=True,
    status_code=200,
    tags=TAGS,
)
def retire(
    workshop_id: FromPath[int],
    data: JSONBody[VersionIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> WorkshopOut:
    """Nobody asks for it any more; what was asked for goes on."""
    version = data.version
    return workshop_out(
        database.write(lambda uow: catalogue.retire(uow, workshop_id, version), signed_in.actor)
    )


@post(
    "/workshops/{workshop_id:int}/back", access=Right.PARTNER, sync_to_thread=True, status_code=200, tags=TAGS
)
def bring_back(
    workshop_id: FromPath[int],
    data: JSONBody[VersionIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> WorkshopOut:
    version = data.version
    return workshop_out(
        database.write(lambda uow: catalogue.bring_back(uow, workshop_id, version), signed_in.actor)
    )


@post("/workshops/{workshop_id:int}/training", access=Right.SUBMIT, sync_to_thread=True, tags=TAGS)
def train(
    workshop_id: FromPath[int],
    data: JSONBody[TrainingIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> TrainingOut:
    """A training of it, as its entry says, by a trainer or the staff."""
    start = instant_of(data.start_at, "start_at")
    with database.read(signed_in.actor) as uow:
        plan = granting.training_of(
            uow,
            workshop_id,
            start,
            holds=data.holds,
            trainer_id=data.trainer,
            resource_id=data.machine,
        )
    made = plan_training(database, signed_in.actor, plan)
    with database.read(signed_in.actor) as uow:
        return training_out(uow, trainings.get(uow, made.id), {})


ROUTES = (listed, everything, one, create, change, retire, bring_back, train)
