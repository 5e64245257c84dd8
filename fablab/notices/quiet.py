"""When a letter may arrive: quiet hours and the hour of the day's letter, in the house's own time. Pure."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY_MIN = 24 * 60
DIGEST_AT = time(18)  # the day's letter: after the day, before the evening


def at_minute(day: datetime, minute: int) -> datetime:
    """That wall minute of the local day of `day`: one that a change of the clocks skips is said by the clock after it,
    of one that happens twice it is the first."""
    wall = datetime.combine(day.date(), time(minute // 60, minute % 60), tzinfo=day.tzinfo)
    return wall.astimezone(ZoneInfo("UTC"))


def quiet_until(now: datetime, from_min: int, until_min: int, zone: ZoneInfo) -> datetime | None:
    """When the quiet hours that `now` lies in end; None outside of them. [from, until), over midnight if from > until.

    Equal minutes are no quiet hours at all: nobody wants to hear nothing ever.
    """
    if from_min == until_min:
        return None
    local = now.astimezone(zone)
    minute = local.hour * 60 + local.minute
    if from_min < until_min:
        return at_minute(local, until_min) if from_min <= minute < until_min else None
    if minute >= from_min:
        return at_minute(local + timedelta(days=1), until_min)
    return at_minute(local, until_min) if minute < until_min else None


def next_digest(now: datetime, zone: ZoneInfo) -> datetime:
    """The next time the day's letters leave, later than `now`."""
    local = now.astimezone(zone)
    minute = DIGEST_AT.hour * 60 + DIGEST_AT.minute
    today = at_minute(local, minute)
    return today if today > now else at_minute(local + timedelta(days=1), minute)
