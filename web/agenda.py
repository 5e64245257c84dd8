"""Public dates for the world outside: iCalendar for people's own calendars, schema.org in the page for search engines,
and the shape of an OpenAgenda event for whoever collects what is on in town. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event
from markupsafe import Markup

from fablab.claims.workshops.offer import in_language
from fablab.claims.workshops.programme import PublicDate
from fablab.claims.workshops.words import WorkshopKind

LANGUAGES = ("fr", "en")
#: OpenAgenda's numbers (developers.openagenda.com, structure of an event): an event may be called off or full; people
#: come to the place; it is published.
OA_SCHEDULED, OA_FULL, OA_CANCELLED = 1, 5, 6
OA_OFFLINE = 1
OA_PUBLISHED = 2
#: Of a text that OpenAgenda calls short.
OA_SHORT, OA_TITLE = 200, 140


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose agenda it is. `address`: what people type into the browser, without a slash at the end."""

    name: str
    address: str
    zone: ZoneInfo

    @property
    def host(self) -> str:
        return self.address.partition("://")[2].partition("/")[0].partition(":")[0] or "localhost"

    def page(self, date: PublicDate) -> str:
        return f"{self.address}/house/agenda/{date.id}"


def ical(place: Place, dates: Iterable[PublicDate], language: str) -> bytes:
    """A calendar to subscribe to, or one entry of it. The same dates make the same bytes; one that moved keeps its UID
    and has a higher SEQUENCE (RFC 5545), one that is called off says so."""
    calendar = Calendar()
    calendar.add("prodid", "-//FabLab//Agenda//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", place.name)
    calendar.add("refresh-interval", timedelta(hours=1), parameters={"VALUE": "DURATION"})
    for date in dates:
        event = Event()
        event.add("uid", f"{date.id}@{place.host}")
        event.add("dtstamp", date.made_at)
        event.add("dtstart", date.start_at.astimezone(place.zone).replace(microsecond=0))
        event.add("dtend", date.end_at.astimezone(place.zone).replace(microsecond=0))
        event.add("summary", in_language(date.title, language))
        event.add("description", in_language(date.summary, language))
        event.add("location", ", ".join((*date.rooms, place.name)))
        event.add("url", place.page(date))
        event.add("sequence", date.version)
        event.add("status", "CANCELLED" if date.cancelled else "CONFIRMED")
        calendar.add_component(event)
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical())


def json_ld(place: Place, date: PublicDate, language: str) -> Markup:
    """schema.org/Event as it stands in the page, in a `<script type="application/ld+json">`. That is data and not a
    script, so the page's policy lets it stand; nothing in it can end the element."""
    body: dict[str, object] = {
        "@context": "https://schema.org",
        "@type": "EducationEvent" if date.kind is WorkshopKind.WORKSHOP else "Event",
        "@id": place.page(date),
        "url": place.page(date),
        "name": in_language(date.title, language),
        "description": in_language(date.summary, language),
        "inLanguage": language,
        "startDate": date.start_at.astimezone(place.zone).isoformat(),
        "endDate": date.end_at.astimezone(place.zone).isoformat(),
        "eventStatus": f"https://schema.org/{'EventCancelled' if date.cancelled else 'EventScheduled'}",
        "eventAttendanceMode": "https://schema.org/OfflineEventAttendanceMode",
        "location": {"@type": "Place", "name": ", ".join((*date.rooms, place.name)), "address": place.name},
        "organizer": {
            "@type": "Organization",
            "name": date.partner or place.name,
            "url": f"{place.address}/house",
        },
        "maximumAttendeeCapacity": date.capacity,
        "remainingAttendeeCapacity": date.free,
    }
    if date.price_cents is not None:
        body["isAccessibleForFree"] = date.price_cents == 0
        body["offers"] = {
            "@type": "Offer",
            "price": f"{date.price_cents / 100:.2f}",
            "priceCurrency": "EUR",
            "url": place.page(date),
            "availability": f"https://schema.org/{'SoldOut' if date.is_full else 'InStock'}",
            "validFrom": date.made_at.isoformat(),
        }
    return embedded(body)


def embedded(body: object) -> Markup:
    """JSON that stands inside an element of HTML: no `<`, `>` or `&` is left in it."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 - every sign that could end the element is written as an escape of JSON


def openagenda(place: Place, dates: Sequence[PublicDate]) -> dict[str, object]:
    """The shape that OpenAgenda's own reading interface answers, so that whatever reads one reads the other."""
    return {
        "total": len(dates),
        "after": None,
        "events": [_openagenda_event(place, date) for date in dates],
    }


def _openagenda_event(place: Place, date: PublicDate) -> dict[str, object]:
    zone = place.zone
    status = OA_CANCELLED if date.cancelled else OA_FULL if date.is_full else OA_SCHEDULED
    return {
        "uid": number(date.id),
        "slug": f"{date.slug}-{date.start_at.astimezone(zone):%Y-%m-%d}-{date.id[-6:]}",
        "extIds": [{"key": place.host, "value": date.id}],
        "title": _both(date.title, OA_TITLE),
        "description": _both(date.summary, OA_SHORT),
        "longDescription": _both(date.summary),
        "conditions": _conditions(date),
        "keywords": {language: [date.theme.value.replace("_", " ")] for language in LANGUAGES},
        "registration": [{"type": "link", "value": place.page(date)}] if date.open else [],
        "timings": [
            {
                "begin": date.start_at.astimezone(zone).isoformat(timespec="seconds"),
                "end": date.end_at.astimezone(zone).isoformat(timespec="seconds"),
            }
        ],
        "timezone": zone.key,
        "attendanceMode": OA_OFFLINE,
        "status": status,
        "state": OA_PUBLISHED,
        "location": {"uid": number(place.host), "name": place.name, "description": ", ".join(date.rooms)},
        "links": [{"link": place.page(date)}],
        "createdAt": date.made_at.isoformat(timespec="seconds"),
    }


def number(text: str) -> int:
    """OpenAgenda's ids are whole numbers: one that is always the same for the same text, within 53 bits."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def _both(texts: Mapping[str, str], most: int = 10_000) -> dict[str, str]:
    found = {language: texts.get(language, "") for language in LANGUAGES}
    return {language: text[:most] for language, text in found.items() if text}


def _conditions(date: PublicDate) -> dict[str, str]:
    if date.price_cents is None:
        return {}
    if date.price_cents == 0:
        return {"fr": "Gratuit, sur inscription", "en": "Free, please register"}
    euros = f"{date.price_cents / 100:.2f}"
    return {
        "fr": f"{euros.replace('.', ',')} € par personne, sur inscription",
        "en": f"€{euros} each, please register",
    }
