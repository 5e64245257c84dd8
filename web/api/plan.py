"""The plan in a person's hand: where a job could go, what that would cost whom, and then doing it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from fablab.base.database import Actor, Database
from fablab.base.errors import Invalid
from fablab.claims.decisions import Action
from fablab.people.access import SignedIn, allows
from scheduler.planner import hand
from scheduler.planner.forecast import Forecast, Moved, Placed
from scheduler.planner.outage import forecast_absence, forecast_outage
from scheduler.planner.reach import STEP_MIN, reach
from scheduler.planner.wishes import Bar, Move, Pin, Prioritise, Wish
from scheduler.sight import HORIZON
from web.api.answer import instant
from web.api.schema import At
from web.errors import SaidRefusal, said_refusals
from web.security import Right
from web.words import Words
from web.words.hand import shift, summary

WEEK = timedelta(days=7)


class WishIn(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with the job. `resource`: for move, forbid and allow. `run_start_at`: for move, ISO 8601 with zone;
    `firm` false leaves it to the plan afterwards. `priority` (-1, 0, 1) and `due_at` (null: no day): for prioritise."""

    action: Action
    resource: int | None = None
    run_start_at: str | None = None
    firm: bool = True
    priority: int | None = None
    due_at: str | None = None


class ActIn(WishIn, frozen=True, kw_only=True):
    """`version`: of the forecast that was looked at. `why`: for whoever asks later."""

    version: int
    why: str = ""


class UntilIn(msgspec.Struct, frozen=True, kw_only=True):
    """`until`: ISO 8601 with zone; null: until somebody says that it is back."""

    until: str | None = None


class AbsenceIn(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    from_: str
    until: str


class PlacedOut(msgspec.Struct, frozen=True, kw_only=True):
    """Held from `start_at` (set-up) to `ready_at`; ready between `ready_from` and `ready_until` (10 % to 90 %)."""

    resource: int
    machine: str
    start_at: At
    run_start_at: At
    run_end_at: At
    ready_at: At
    ready_from: At
    ready_until: At
    firm: bool


class MovedOut(msgspec.Struct, frozen=True, kw_only=True):
    """Another job that would go elsewhere; null where it has no place before or after. `title` and `owner` only for
    those who may see them; `said` is by how much, in words."""

    claim: str
    title: str | None
    owner: str | None
    was_ready_at: At | None
    ready_at: At | None
    machine: str | None
    run_start_at: At | None
    later_s: float | None
    told: bool
    said: str


class ForecastOut(msgspec.Struct, frozen=True, kw_only=True):
    """`possible` false: `refusals` say why. `cost`: minutes that the plan as a whole loses, negative where it gains:
    late_min and moved_min (weighted), setup_min (of a person), later_min. Send `version` back with the act."""

    version: int
    possible: bool
    refusals: tuple[SaidRefusal, ...]
    was: PlacedOut | None
    place: PlacedOut | None
    displaced: tuple[MovedOut, ...]
    told: int
    owner_told: bool
    cost: Mapping[str, float]
    said: str


class SpanOut(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """The run may start at every `step_s` in [from, until); then the jobs in `displaced` give way."""

    from_: At
    until: At
    displaced: tuple[str, ...]


class RowOut(msgspec.Struct, frozen=True, kw_only=True):
    resource: int
    machine: str
    run_s: int
    spans: tuple[SpanOut, ...]


class NameOut(msgspec.Struct, frozen=True, kw_only=True):
    title: str | None
    owner: str | None


class ReachOut(msgspec.Struct, frozen=True, kw_only=True):
    """Where the job could be put by hand. A machine or a start that is in no row is not possible."""

    version: int
    step_s: int
    refusals: tuple[SaidRefusal, ...]
    rows: tuple[RowOut, ...]
    claims: Mapping[str, NameOut]


@get("/claims/{claim_id:str}/reach", access=Right.OPERATE, sync_to_thread=True, tags=["plan"])
def get_reach(
    claim_id: FromPath[str],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
    from_: Annotated[str | None, QueryParameter(name="from")] = None,
    to: FromQuery[str | None] = None,
) -> ReachOut:
    """Every start on every machine that the job could be moved to in [from, to), and whom each would displace.

    ISO 8601 with zone; a week from now where nothing is said, 9 days at most.
    """
    knows = allows(signed_in.actor, Right.SEE_ALL)
    with database.read(signed_in.actor) as uow:
        # The plan ends there; a date at the end of all calendars has no week after it.
        since = min(instant(from_, "from") or uow.now, uow.now + HORIZON)
        found = reach(uow, claim_id, since, instant(to, "to") or since + WEEK)
        return ReachOut(
            version=found.version,
            step_s=STEP_MIN * 60,
            refusals=said_refusals(words, found.refusals),
            rows=tuple(
                RowOut(
                    resource=row.resource_id,
                    machine=row.machine,
                    run_s=row.run_s,
                    spans=tuple(
                        SpanOut(from_=span.start_at, until=span.end_at, displaced=span.displaced)
                        for span in row.spans
                    ),
                )
                for row in found.rows
            ),
            claims={
                name: NameOut(
                    title=row.title if knows else None,
                    owner=row.member.name if knows and row.member is not None else None,
                )
                for name, row in found.claims.items()
            },
        )


@post(
    "/claims/{claim_id:str}/forecast",
    access=Right.OPERATE,
    sync_to_thread=True,
    status_code=200,
    tags=["plan"],
)
def forecast_act(
    claim_id: FromPath[str],
    data: JSONBody[WishIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ForecastOut:
    """What would come of it: the place, who else would move and be told, the cost. Nothing is changed."""
    wish = wish_of(data)
    with database.read(signed_in.actor) as uow:
        return forecast_out(hand.forecast(uow, claim_id, wish), signed_in.actor, words)


@post("/claims/{claim_id:str}/act", access=Right.OPERATE, sync_to_thread=True, status_code=200, tags=["plan"])
def act(
    claim_id: FromPath[str],
    data: JSONBody[ActIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ForecastOut:
    """Do it. 409 `calendar.moved` where the calendar has changed since the forecast; 422 with what stands against it.

    Answers what has come of it. Who did it and why is written down.
    """
    wish = wish_of(data)
    done = database.write(
        lambda uow: hand.carry_out(uow, claim_id, wish, version=data.version, why=data.why), signed_in.actor
    )
    return forecast_out(done, signed_in.actor, words)


@post(
    "/machines/{machine_id:int}/out-of-service/forecast",
    access=Right.OPERATE,
    sync_to_thread=True,
    status_code=200,
    tags=["plan"],
)
def forecast_lock_out(
    machine_id: FromPath[int],
    data: JSONBody[UntilIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ForecastOut:
    """Who would have to move if this machine went out of service now. Nothing is changed."""
    with database.read(signed_in.actor) as uow:
        found = forecast_outage(uow, machine_id, instant(data.until, "until"))
        return forecast_out(found, signed_in.actor, words)


@post("/absence/forecast", access=Right.OPERATE, sync_to_thread=True, status_code=200, tags=["plan"])
def forecast_closing(
    data: JSONBody[AbsenceIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ForecastOut:
    """Who would have to move if nobody were there in [from, until). Nothing is changed."""
    since, until = instant(data.from_, "from"), instant(data.until, "until")
    if since is None or until is None:
        raise Invalid("time.wrong", field="from" if since is None else "until", text="")
    with database.read(signed_in.actor) as uow:
        return forecast_out(forecast_absence(uow, since, until), signed_in.actor, words)


def wish_of(data: WishIn) -> Wish:
    """Raises `Invalid` with the field that the action needs and that is not there."""
    if data.action in (Action.PIN, Action.UNPIN):
        return Pin(firm=data.action is Action.PIN)
    if data.action is Action.PRIORITISE:
        if data.priority is None:
            raise Invalid("hand.incomplete", field="priority")
        return Prioritise(priority=data.priority, due_at=instant(data.due_at, "due_at"))
    if data.resource is None or abs(data.resource) > 2**31:
        raise Invalid("hand.incomplete", field="resource")
    if data.action is not Action.MOVE:
        return Bar(resource_id=data.resource, barred=data.action is Action.FORBID)
    at = instant(data.run_start_at, "run_start_at")
    if at is None:
        raise Invalid("hand.incomplete", field="run_start_at")
    return Move(resource_id=data.resource, run_start_at=at, firm=data.firm)


def forecast_out(found: Forecast, actor: Actor, words: Words) -> ForecastOut:
    knows = allows(actor, Right.SEE_ALL)
    return ForecastOut(
        version=found.version,
        possible=not found.refusals,
        refusals=said_refusals(words, found.refusals),
        was=_placed(found.was),
        place=_placed(found.place),
        displaced=tuple(_moved(each, words, knows) for each in found.displaced),
        told=found.told,
        owner_told=found.is_told,
        cost=dict(found.cost),
        said="" if found.refusals else summary(words, found),
    )


def _placed(place: Placed | None) -> PlacedOut | None:
    if place is None:
        return None
    return PlacedOut(
        resource=place.resource_id,
        machine=place.machine,
        start_at=place.start_at,
        run_start_at=place.run_start_at,
        run_end_at=place.run_end_at,
        ready_at=place.ready_at,
        ready_from=place.ready_from,
        ready_until=place.ready_until,
        firm=place.is_firm,
    )


def _moved(each: Moved, words: Words, knows: bool) -> MovedOut:
    return MovedOut(
        claim=each.claim_id,
        title=each.title if knows else None,
        owner=each.owner if knows else None,
        was_ready_at=each.was_ready_at,
        ready_at=each.ready_at,
        machine=each.machine or None,
        run_start_at=each.run_start_at,
        later_s=each.later_s,
        told=each.is_told,
        said=shift(words, each),
    )


ROUTES = (get_reach, forecast_act, act, forecast_lock_out, forecast_closing)
