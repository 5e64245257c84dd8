"""Whose turn a free seat of a public date is, how long it is held, and when people are reminded. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

T = TypeVar("T")

LONGEST_HOLD = timedelta(hours=24)
SHORTEST_HOLD = timedelta(minutes=30)
#: Nobody reads a letter that near to the beginning: what is free then goes to whoever asks first.
LAST_OFFER = timedelta(hours=1)
#: An offer that would run out while people sleep is held until the morning.
MORNING, EVENING = time(10), time(21)
REMIND_AT = time(10)  # of the day before


def served(waiting: Iterable[tuple[T, int]], free: int) -> list[T]:
    """Who is offered what is free: `waiting` in the order they came, each with their seats. A group gets all of its
    seats or none, and whoever is too many for what is left keeps their place in the line while smaller ones pass."""
    turn: list[T] = []
    for who, seats in waiting:
        if 0 < seats <= free:
            turn.append(who)
            free -= seats
    return turn


def hold_until(now: datetime, start_at: datetime, zone: ZoneInfo) -> datetime | None:
    """A quarter of the time that is left, between half an hour and a day; not past the last hour before it begins.

    None where it is too late to hold anything.
    """
    last = start_at - LAST_OFFER
    if last - now < SHORTEST_HOLD:
        return None
    until = now + min(LONGEST_HOLD, max(SHORTEST_HOLD, (start_at - now) / 4))
    local = until.astimezone(zone)
    if not MORNING <= local.time() < EVENING:
        day = local.date() + timedelta(days=1 if local.time() >= EVENING else 0)
        until = datetime.combine(day, MORNING, zone).astimezone(now.tzinfo)
    return min(until, last)


def remind_from(start_at: datetime, zone: ZoneInfo) -> datetime:
    """From when on a reminder goes out: ten in the morning of the day before, as the house's clocks say."""
    day = start_at.astimezone(zone).date() - timedelta(days=1)
    return datetime.combine(day, REMIND_AT, zone).astimezone(start_at.tzinfo)
