"""The best dates for a gang as the calendar is now, why each of them, and what the wished ones lacked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from math import floor
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Fact, Invalid
from fablab.base.intervals import instant
from fablab.claims.calendar import Place
from fablab.claims.models import Allocation, AllocationState, Claim
from fablab.claims.rules.known import known
from fablab.claims.workshops import Spot
from fablab.claims.workshops.offer import Want
from fablab.places import terms
from fablab.places.models import ResourceKind
from scheduler.offering.asked import (
    AROUND_DAYS,
    FURTHEST_DAYS,
    LONGEST_DAYS,
    Asked,
    DateOffer,
    Dates,
    Missed,
    wished,
)
from scheduler.offering.field import Field, Minutes, name_of
from scheduler.offering.look import Seen, see, starts_of
from scheduler.offering.making import AFTER, made, makers
from scheduler.offering.rank import NOON_MIN, Chosen, Closeness, Half, Lack, Table, Wished
from scheduler.reserving.asked import InTheWay
from scheduler.sight import MINUTE

_DAY = timedelta(days=1)
_SATURDAY, _WEDNESDAY = 5, 2
#: What a want is called when it could not be met.
_SHORT = {
    ResourceKind.MACHINE: "machines",
    ResourceKind.ROOM: "no_room",
    ResourceKind.PERSON: "no_mediator",
    ResourceKind.KIT: "no_kit",
    ResourceKind.DESK: "no_desk",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """`earliest`: from this instant on. `days`: those looked at, by date; never none."""

    earliest: datetime
    days: tuple[date, ...]
    zone: ZoneInfo


def find(uow: UnitOfWork, asked: Asked, n: int = 3) -> Dates:
    """Up to `n` dates, the best first, and each wished day that is not possible. Nothing is written and nothing is held.

    Raises `Invalid` for what cannot be understood: offer.nothing, span.wrong, span.too_long.
    """
    gang = asked.gang
    if not gang.wants or gang.duration_min < 1 or n < 1:
        raise Invalid("offer.nothing", field="needs")
    wishes = wished(asked.wishes)
    window = _window(uow, asked, wishes)
    shut = _shut(asked, window)
    days = [day for day in window.days if day not in shut and (not asked.school or _may_come(day, wishes))]
    seen = see(uow, gang.wants, *_reach(asked, window), without=asked.without)
    table = _table(seen, asked, window, days, wishes)
    chosen = table.best(n)
    return Dates(
        offers=_offers(uow, seen, asked, table, chosen),
        missed=tuple(_missed(uow, asked, table, window, shut)),
    )


def find_at(uow: UnitOfWork, asked: Asked, start_at: datetime) -> DateOffer | None:
    """The gang of this very start, whatever day it is; None where it cannot be had. For the staff, which knows why."""
    if not asked.gang.wants or asked.gang.duration_min < 1:
        raise Invalid("offer.nothing", field="needs")
    around = timedelta(minutes=asked.gang.setup_min + asked.gang.duration_min + asked.gang.clear_min)
    until = start_at + around + _behind(asked)
    seen = see(uow, asked.gang.wants, start_at - around, until, without=asked.without)
    local = start_at.astimezone(seen.zone)
    table = Table(
        field=_field(seen, asked, np.array([(start_at - seen.origin) // MINUTE], dtype=np.int64)),
        days=np.array([local.toordinal()], dtype=np.int64),
        clocks=np.array([local.hour * 60 + local.minute], dtype=np.int64),
    )
    return next(iter(_offers(uow, seen, asked, table, table.best(1))), None)


# --- which days


def _window(uow: UnitOfWork, asked: Asked, wishes: Sequence[Wished]) -> _Window:
    zone = known(uow).zone
    earliest = uow.now + asked.lead
    soonest = earliest.astimezone(zone).date()
    if asked.first is not None or asked.last is not None:
        days = _stated(asked, soonest)
    else:
        days = _around(soonest, wishes) or _run(soonest, soonest + timedelta(days=LONGEST_DAYS))
    return _Window(earliest=earliest, days=days, zone=zone)


def _stated(asked: Asked, soonest: date) -> tuple[date, ...]:
    first = max(asked.first or soonest, soonest)
    last = asked.last or first + timedelta(days=LONGEST_DAYS)
    if last < first:
        raise Invalid("span.wrong", field="until")
    if last - first > timedelta(days=LONGEST_DAYS):
        raise Invalid("span.too_long", field="until", days=LONGEST_DAYS)
    return _run(first, last)


def _around(soonest: date, wishes: Sequence[Wished]) -> tuple[date, ...]:
    """The days near any wish, however far the wishes lie from each other."""
    first = soonest.toordinal()
    near = {
        day
        for wish in wishes
        if first <= wish.day <= first + FURTHEST_DAYS
        for day in range(max(first, wish.day - AROUND_DAYS), wish.day + AROUND_DAYS + 1)
    }
    return tuple(map(date.fromordinal, sorted(near)))


def _run(first: date, last: date) -> tuple[date, ...]:
    return tuple(first + number * _DAY for number in range((last - first).days + 1))


def _reach(asked: Asked, window: _Window) -> tuple[datetime, datetime]:
    """From the first set-up to the last clearing there could be."""
    gang = asked.gang
    since = instant(window.days[0], time(0), window.zone) - timedelta(minutes=gang.setup_min)
    until = instant(window.days[-1] + _DAY, time(0), window.zone)
    return since, until + timedelta(minutes=gang.duration_min + gang.clear_min) + _behind(asked)


def _behind(asked: Asked) -> timedelta:
    """How much further to look for what is left to make."""
    return AFTER if asked.making is not None else timedelta(0)


def _shut(asked: Asked, window: _Window) -> Mapping[date, tuple[str, dict[str, Fact]]]:
    """Days on which nobody comes, with the code of why and its facts."""
    found: dict[date, tuple[str, dict[str, Fact]]] = {}
    for day in window.days:
        feast = terms.public_holiday(day)
        pause = terms.school_break(asked.zone, day)
        if feast is not None:
            found[day] = "public_holiday", {"name": feast.value}
        elif pause is not None and asked.zone is not None:
            facts: dict[str, Fact] = {"zone": asked.zone.value, "back": pause.back.isoformat()}
            found[day] = "school_holiday", {"name": pause.name.value, **facts}
    return found


def _may_come(day: date, wishes: Sequence[Wished]) -> bool:
    """A school, on that day of the week."""
    return day.weekday() < _SATURDAY or any(wish.day == day.toordinal() for wish in wishes)


def _table(
    seen: Seen, asked: Asked, window: _Window, days: Sequence[date], wishes: Sequence[Wished]
) -> Table:
    gang = asked.gang
    starts, ordinals, clocks = starts_of(seen, days, gang.setup_min, gang.duration_min + gang.clear_min)
    keep = starts >= (window.earliest - seen.origin) / timedelta(minutes=1)
    if asked.school:
        free = (ordinals - 1) % 7 == _WEDNESDAY  # an ordinal of 1 is a Monday
        free &= clocks >= NOON_MIN
        named = [wish.day for wish in wishes if wish.half is not Half.AM]
        keep &= ~free | np.isin(ordinals, named)
    field = _field(seen, asked, starts[keep])
    return Table(field=field, days=ordinals[keep], clocks=clocks[keep], wishes=wishes)


def _field(seen: Seen, asked: Asked, starts: Minutes) -> Field:
    gang = asked.gang
    return Field(
        things=seen.things,
        wants=seen.wants,
        starts=starts,
        before_min=gang.setup_min,
        length_min=gang.duration_min,
        after_min=gang.clear_min,
    )


# --- what is offered


def _offers(
    uow: UnitOfWork, seen: Seen, asked: Asked, table: Table, chosen: Sequence[Chosen]
) -> tuple[DateOffer, ...]:
    jobs = _jobs(uow, seen, chosen)
    return tuple(
        DateOffer(
            start_at=(start_at := seen.instant(int(table.field.starts[each.at_start]))),
            end_at=start_at + timedelta(minutes=asked.gang.duration_min),
            spots=tuple(
                Spot(need=need, place=_place(asked, resource, start_at))
                for need, resource in each.opening.taken
            ),
            names=tuple(seen.names[resource] for resource in each.opening.resources),
            reasons=_reasons(seen, asked, table, each, chosen),
            in_the_way=tuple(jobs[name] for name in each.opening.moved),
        )
        for each in chosen
    )


def _place(asked: Asked, resource_id: int, start_at: datetime) -> Place:
    gang = asked.gang
    end_at = start_at + timedelta(minutes=gang.duration_min)
    return Place(
        resource_id=resource_id,
        start_at=start_at - timedelta(minutes=gang.setup_min),
        run_start_at=start_at,
        run_end_at=end_at,
        end_at=end_at + timedelta(minutes=gang.clear_min),
    )


def _reasons(
    seen: Seen, asked: Asked, table: Table, each: Chosen, others: Sequence[Chosen]
) -> tuple[dict[str, object], ...]:
    """What speaks for this one beside the others, the strongest first."""
    count = len(each.opening.moved)
    some_move = any(other.opening.moved for other in others)
    first = min(other.day for other in others)
    near = date.fromordinal(each.wish.day).isoformat() if each.wish else ""
    said: list[tuple[bool, str, dict[str, object]]] = [
        (
            each.closeness is Closeness.WISHED,
            "wished_day",
            {"choice": each.wish.rank + 1 if each.wish else 0},
        ),
        (each.closeness is Closeness.OTHER_HALF, "other_half", {"day": near}),
        (each.closeness is Closeness.NEAR, "near_wish", {"days": each.days_off, "day": near}),
        (each.day == first and len(others) > 1, "earliest", {}),
        (each.usual and asked.school, "usual_hours", {}),
        (some_move and not count, "nobody_moves", {}),
        (count > 0, "jobs_move", {"count": count}),
        *_spare(asked, table, each),
    ]
    found: list[dict[str, object]] = [{"code": code, "facts": facts} for holds, code, facts in said if holds]
    if asked.making is not None and (machines := makers(asked.gang.wants, each.opening.taken, asked.making)):
        start, gang = int(table.field.starts[each.at_start]), asked.gang
        told = made(seen, asked.making, machines, start, gang.duration_min, gang.clear_min)
        # What is left for afterwards is known before the date is taken: it stands right behind the wish.
        found.insert(min(1, len(found)), told.reason())
    return tuple(found or [{"code": "next_best", "facts": {}}])


def _spare(asked: Asked, table: Table, each: Chosen) -> list[tuple[bool, str, dict[str, object]]]:
    """Machines beyond what is asked for: one may break down, and the session goes on."""
    found: list[tuple[bool, str, dict[str, object]]] = []
    for number, want in enumerate(asked.gang.wants):
        if want.kind is not ResourceKind.MACHINE:
            continue
        free = int(table.field.had(number)[each.at_start])
        facts: dict[str, object] = {"free": free, "wanted": want.quantity}
        if want.technology is not None:
            facts["technology"] = want.technology.value
        found.append((free > want.quantity, "spare_machines", facts))
    return found


# --- what was missing


def _missed(
    uow: UnitOfWork,
    asked: Asked,
    table: Table,
    window: _Window,
    shut: Mapping[date, tuple[str, dict[str, Fact]]],
) -> list[Missed]:
    found: dict[tuple[int, Half], Missed] = {}
    for wish in table.wishes:
        day = date.fromordinal(wish.day)
        if (said := _why_not(uow, asked, table, window, shut, wish)) is not None:
            code, facts = said
            found.setdefault((wish.day, wish.half), Missed(day=day, half=wish.half, code=code, facts=facts))
    return [found[key] for key in sorted(found)]


def _why_not(
    uow: UnitOfWork,
    asked: Asked,
    table: Table,
    window: _Window,
    shut: Mapping[date, tuple[str, dict[str, Fact]]],
    wish: Wished,
) -> tuple[str, dict[str, Fact]] | None:
    day = date.fromordinal(wish.day)
    soonest = window.earliest.astimezone(window.zone).date()
    if day < soonest:
        return "too_soon", {"earliest": soonest.isoformat()}
    if day not in window.days:
        return "too_far", {"latest": _latest(asked, window, soonest).isoformat()}
    if day in shut:
        return shut[day]
    lack = table.lack(wish)
    if lack is None:
        return None
    if lack.want is not None:
        return _short(asked.gang.wants[lack.want], lack)
    if lack.starts:
        return "not_together", {}
    house = known(uow)
    midnights = instant(day, time(0), window.zone), instant(day + _DAY, time(0), window.zone)
    if day == soonest and house.calendars[None].open.between(*midnights):
        return "too_soon", {"earliest": (day + _DAY).isoformat()}
    return "closed", {"name": next((closed.name for closed in house.shut(*midnights)), "")}


def _latest(asked: Asked, window: _Window, soonest: date) -> date:
    return window.days[-1] if asked.last is not None else soonest + timedelta(days=FURTHEST_DAYS)


def _short(want: Want, lack: Lack) -> tuple[str, dict[str, Fact]]:
    facts: dict[str, Fact] = {"wanted": want.quantity, "free": lack.most_free}
    if want.technology is not None:
        facts["technology"] = want.technology.value
    if want.seats:
        facts["seats"] = want.seats
    if want.skill:
        facts["skill"] = want.skill
    return _SHORT[want.kind], facts


def _jobs(uow: UnitOfWork, seen: Seen, chosen: Sequence[Chosen]) -> dict[str, InTheWay]:
    """Whose runs would move, by what they are called here."""
    names = {name for each in chosen for name in each.opening.moved}
    if not names:
        return {}
    places = [tuple(map(int, name.split("@"))) for name in sorted(names)]
    starts = [seen.instant(start) for _resource, start in places]
    query = (
        select(Allocation.resource_id, Allocation.start_at, Claim.id, Claim.member_id, Claim.title)
        .join(Claim, Claim.id == Allocation.claim_id)
        .where(
            Allocation.resource_id.in_({resource for resource, _start in places}),
            Allocation.start_at >= min(starts),
            Allocation.start_at < max(starts) + MINUTE,
            Allocation.state == AllocationState.TENTATIVE,
        )
    )
    found = {
        name_of(row.resource_id, floor((row.start_at - seen.origin) / MINUTE)): InTheWay(
            claim_id=row.id, member_id=row.member_id, title=row.title
        )
        for row in uow.session.execute(query)
    }
    return {name: found[name] for name in names}
