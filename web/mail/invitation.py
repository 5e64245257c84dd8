"""iCalendar (RFC 5545, RFC 5546): the invitation in a letter, and the events of a feed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from icalendar import Alarm, Calendar, Event, vCalAddress, vText

from fablab.claims.agenda import Entry, Invitation
from fablab.claims.models import ClaimKind
from web.words import Words

PRODUCT = "-//FabLab//Calendar//EN"
REMIND = timedelta(hours=1)


def invitation(
    told: Invitation,
    words: Words,
    *,
    at: datetime,
    host: str,
    organiser: tuple[str, str],
    reader: tuple[str, str],
) -> tuple[str, bytes]:
    """(method, text): REQUEST, or CANCEL where it was called off. `organiser` and `reader`: name and address.

    The same claim has the same UID in every letter, and a SEQUENCE that grows, so that a calendar moves its entry
    instead of making a second one.
    """
    method = "CANCEL" if told.cancelled else "REQUEST"
    calendar = _calendar(method)
    event = Event()
    _common(
        event,
        uid=f"{told.claim_id}@{host}",
        title=title(words, told.kind, told.title),
        place=told.place,
        start_at=told.start_at,
        end_at=told.end_at,
        stamp=at,
        zone=words.formats.zone,
    )
    event.add("sequence", told.sequence)
    event.add("status", "CANCELLED" if told.cancelled else "TENTATIVE" if told.tentative else "CONFIRMED")
    lab = vCalAddress(f"MAILTO:{organiser[1]}")
    lab.params["CN"] = vText(organiser[0])
    event["organizer"] = lab
    who = vCalAddress(f"MAILTO:{reader[1]}")
    who.params.update({"CN": vText(reader[0]), "RSVP": vText("FALSE"), "PARTSTAT": vText("ACCEPTED")})
    event.add("attendee", who, encode=False)
    if not told.cancelled and told.kind is not ClaimKind.JOB:
        event.add_component(_reminder(event))
    calendar.add_component(event)
    calendar.add_missing_timezones()
    return method, bytes(calendar.to_ical())


def feed(name: str, entries: Iterable[Entry], words: Words, *, host: str) -> bytes:
    """A calendar to subscribe to. Nothing in it depends on when it was asked for: equal entries, equal bytes."""
    calendar = _calendar("PUBLISH")
    calendar.add("x-wr-calname", name)
    calendar.add("name", name)
    calendar.add("refresh-interval", timedelta(minutes=15), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", timedelta(minutes=15))
    for entry in entries:
        event = Event()
        said = title(words, entry.kind, "" if entry.is_anonymous else entry.title)
        _common(
            event,
            uid=f"{entry.claim_id}@{host}",
            title=said,
            place=", ".join(entry.places),
            start_at=entry.start_at,
            end_at=entry.end_at,
            stamp=entry.made_at,
            zone=words.formats.zone,
        )
        event.add("sequence", entry.version)
        event.add("status", "TENTATIVE" if entry.tentative else "CONFIRMED")
        calendar.add_component(event)
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical())


def title(words: Words, kind: ClaimKind, said: str) -> str:
    """The kind of thing, and what it is called where that may be said."""
    kind_said = words.word("claim_kind", kind)
    return f"{kind_said}: {said}" if said else kind_said


def _calendar(method: str) -> Calendar:
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    return calendar


def _common(
    event: Event,
    *,
    uid: str,
    title: str,
    place: str,
    start_at: datetime,
    end_at: datetime,
    stamp: datetime,
    zone: ZoneInfo,
) -> None:
    event.add("uid", uid)
    event.add("dtstamp", stamp)
    # In the house's zone and not in UTC: a calendar that shows where its owner is says when to be in the house.
    event.add("dtstart", start_at.astimezone(zone).replace(microsecond=0))
    event.add("dtend", end_at.astimezone(zone).replace(microsecond=0))
    event.add("summary", title)
    if place:
        event.add("location", place)


def _reminder(event: Event) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", event["summary"])
    alarm.add("trigger", -REMIND)
    return alarm
