"""A job in hand as the panel shows it: what can be done with it, and in words what would come of each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from fablab.claims.decisions import Action
from fablab.claims.models import Allocation, Claim
from fablab.places.models import Resource
from scheduler.fairness import PRIORITIES
from scheduler.planner.forecast import Forecast, Moved, Placed
from scheduler.planner.wishes import BARRED, Bar, Move, Pin, Prioritise, Wish, is_firm
from web.pages import eyes as small
from web.pages.eyes import Eyes
from web.pages.hand_model import ForecastView, HandView, MovedView, PlaceView, UndoView
from web.pages.model import Choice
from web.words import hand as said

Names = Mapping[int, Resource]


def hand(
    eyes: Eyes, claim: Claim, row: Allocation, names: Names, wish: Wish | None, forecast: ForecastView | None
) -> HandView:
    """`wish`: what was asked about, so that the forms stand as they were filled in."""
    zone, need = eyes.words.formats.zone, claim.needs[0]
    moving = wish if isinstance(wish, Move) else None
    start_at = moving.run_start_at if moving else row.run_start_at
    here = moving.resource_id if moving else row.resource_id
    asked = wish if isinstance(wish, Prioritise) else None
    priority, due_at = (asked.priority, asked.due_at) if asked else (claim.priority, claim.due_at)
    barred = [int(key) for key, code in need.barred.items() if code == BARRED]
    return HandView(
        claim_id=claim.id,
        is_firm=is_firm(claim),
        machines=_machines(names, need.eligible, here),
        barred=_machines(names, barred, 0),
        priorities=tuple(
            Choice(value=str(p), label=eyes.words.word("priority", p), selected=p == priority)
            for p in PRIORITIES
        ),
        start_value=local(start_at, zone),
        due_value=local(due_at, zone) if due_at is not None else "",
        opened=action_of(wish).value if wish is not None and forecast and forecast.refusals else "",
        forecast=forecast,
    )


def _machines(names: Names, ids: list[int], chosen: int) -> tuple[Choice, ...]:
    return tuple(Choice(value=str(i), label=names[i].name, selected=i == chosen) for i in ids if i in names)


def local(at: datetime, zone: ZoneInfo) -> str:
    """As a browser's field for a date and a time has it."""
    return at.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def action_of(wish: Wish) -> Action:
    if isinstance(wish, Pin):
        return Action.PIN if wish.firm else Action.UNPIN
    if isinstance(wish, Bar):
        return Action.FORBID if wish.barred else Action.ALLOW
    return Action.MOVE if isinstance(wish, Move) else Action.PRIORITISE


def fields(claim_id: str, wish: Wish, version: int) -> tuple[tuple[str, str], ...]:
    """A wish as a form's hidden fields."""
    found = {"claim": claim_id, "action": action_of(wish).value, "version": str(version)}
    if isinstance(wish, Move):
        found |= {"resource": str(wish.resource_id), "start": wish.run_start_at.isoformat()}
        found |= {} if wish.firm else {"free": "1"}
    elif isinstance(wish, Bar):
        found["resource"] = str(wish.resource_id)
    elif isinstance(wish, Prioritise):
        found["priority"] = str(wish.priority)
        found["due"] = wish.due_at.isoformat() if wish.due_at is not None else ""
    return tuple(found.items())


def forecast(eyes: Eyes, claim: Claim, wish: Wish, found: Forecast, names: Names) -> ForecastView:
    words = eyes.words
    return ForecastView(
        heading=heading(eyes, wish, names),
        fields=fields(claim.id, wish, found.version),
        refusals=small.refusals(words, found.refusals),
        was=_place(found.was),
        place=_place(found.place),
        displaced=displaced(eyes, found),
        summary=said.summary(words, found),
        late=said.late(words, found),
        is_told=found.is_told,
    )


def displaced(eyes: Eyes, found: Forecast) -> tuple[MovedView, ...]:
    return tuple(_moved(eyes, each) for each in found.displaced)


def heading(eyes: Eyes, wish: Wish, names: Names) -> str:
    words = eyes.words
    machine = ""
    if isinstance(wish, Move | Bar):
        machine = names[wish.resource_id].name if wish.resource_id in names else "?"
    if isinstance(wish, Move):
        at = words.when(wish.run_start_at)
        return eyes.gettext("Move to %(machine)s, start %(at)s?", machine=machine, at=at)
    if isinstance(wish, Bar):
        if wish.barred:
            return eyes.gettext("Keep it off %(machine)s?", machine=machine)
        return eyes.gettext("Let it on %(machine)s again?", machine=machine)
    if isinstance(wish, Pin):
        return eyes.gettext("Make it firm?") if wish.firm else eyes.gettext("Let the plan move it again?")
    return eyes.gettext("Priority “%(priority)s”?", priority=words.word("priority", wish.priority))


def done(eyes: Eyes, title: str, wish: Wish, found: Forecast) -> str:
    """What the toast says once it is done."""
    place = found.place
    if isinstance(wish, Move) and place is not None:
        at = eyes.words.when(place.run_start_at)
        return eyes.gettext(
            "“%(title)s” starts %(at)s on %(machine)s.", title=title, at=at, machine=place.machine
        )
    if isinstance(wish, Pin) and wish.firm:
        return eyes.gettext("“%(title)s” is firm now.", title=title)
    return eyes.gettext("Done: “%(title)s”.", title=title)


def undo(text: str, claim_id: str, wish: Wish, found: Forecast, version: int) -> UndoView | None:
    """The move back to where it was, for a move that had somewhere to come from."""
    if not isinstance(wish, Move) or found.was is None:
        return None
    back = Move(
        resource_id=found.was.resource_id, run_start_at=found.was.run_start_at, firm=found.was.is_firm
    )
    return UndoView(text=text, fields=fields(claim_id, back, version))


def _place(place: Placed | None) -> PlaceView | None:
    if place is None:
        return None
    return PlaceView(
        machine_name=place.machine,
        start_at=place.run_start_at,
        ready_at=place.ready_at,
        early_at=place.ready_from,
        late_at=place.ready_until,
    )


def _moved(eyes: Eyes, each: Moved) -> MovedView:
    later_s = each.later_s
    knows = eyes.knows(each.member_id)
    return MovedView(
        title=each.title if knows else eyes.gettext("Occupied"),
        owner_name=each.owner if knows else "",
        machine_name=each.machine,
        ready_at=each.ready_at,
        shift=said.shift(eyes.words, each),
        is_worse=each.ready_at is None or (later_s or 0) > 0,
        is_told=each.is_told,
    )
