"""All that a partner has in this house as one file to take along: tables as CSV, the same as JSON, and what they mean.

Personal data is minimal: who reserved is an audience and a number that is the same person throughout this file and
nothing outside of it; names and addresses of visitors, schools and members stay in the house.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

from sqlalchemy import Select, or_, select

from fablab.base.database import UnitOfWork
from fablab.claims.hires.models import Hire
from fablab.claims.models import Allocation, Claim
from fablab.claims.workshops.models import Attendance, Session, Workshop
from fablab.money.passes import Pass, PassTariff
from fablab.money.stays import StayPrice
from fablab.people import log, partners
from fablab.places import house
from fablab.reports.partners import charges_of, things_of

Row = Mapping[str, object]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What each table is, for whoever opens the file in another house.
TABLES: Mapping[str, str] = {
    "resources": "Rooms, desks, kits, machines. minutes: set-up and clearing around every use.",
    "offers": "Workshops and events, texts in French and English, with what a session takes.",
    "offer_prices": "What a session or a place costs; cents without tax, tax in hundredths of a per cent.",
    "stay_prices": "What an hour, a half-day or a day costs, of a resource or of all of a kind; cents.",
    "pass_tariffs": "Passes of half-days at a desk; cents.",
    "passes": "Passes sold. person: a number, the same throughout this file.",
    "sessions": "Dates of workshops and events. school: UAI and town only.",
    "attendance": "Head-counts of sessions.",
    "reservations": "Everything that held a resource: when, of what kind, for which audience.",
    "hires": "Rooms asked for by the public: when, how many people, what became of it.",
    "charges": "What was charged for the resources and sessions, with its lines; cents.",
}
_README = """\
{name}: its data in {house}, as of {at}.

One table is one file, tables/NAME.csv (UTF-8, commas, a first line of names), and all of them once more in data.json.
Instants are ISO 8601 in UTC, money is in cents of EUR, lists and texts in several languages are JSON inside a field.

"person" is a number for a member that is the same throughout this file and is not kept anywhere else. Names, e-mail
addresses, telephone numbers and messages are not in it: they were given to the house, and not to its partner.

{tables}
"""


def export(uow: UnitOfWork, partner_id: int) -> bytes:
    """The zip. Raises as `partners.require_sight`. The log says who took it."""
    partners.require_sight(uow, partner_id)
    partner = partners.get(uow, partner_id)
    found = tables(uow, partner_id)
    log.record(uow, "partner.exported", about=f"organisation {partner_id}")
    readme = _README.format(
        name=partner.name,
        house=house.house(uow).name,
        at=_said(uow.now),
        tables="\n".join(f"{name} ({len(found[name])}): {what}" for name, what in TABLES.items()),
    )
    head = {"partner": partner.name, "at": _said(uow.now), "since": partner.since, "until": partner.until}
    whole = {"about": head, "tables": found}
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", readme)
        archive.writestr("data.json", json.dumps(whole, ensure_ascii=False, indent=1, default=_said))
        for name, rows in found.items():
            archive.writestr(f"tables/{name}.csv", _csv(rows))
    return held.getvalue()


def tables(uow: UnitOfWork, partner_id: int) -> dict[str, list[Row]]:
    """Each of `TABLES` as rows; every row of a table has the same names."""
    partners.require_sight(uow, partner_id)
    things = things_of(uow, partner_id)
    ids = [row.id for row in things]
    people = _Numbers()
    offers = _all(uow, select(Workshop).where(Workshop.partner_id == partner_id).order_by(Workshop.id))
    sessions = _sessions(uow, [row.id for row in offers])
    charges = charges_of(uow, partner_id, _EPOCH, datetime.max.replace(tzinfo=UTC))
    stay = select(StayPrice).where(or_(StayPrice.partner_id == partner_id, StayPrice.resource_id.in_(ids)))
    return {
        "resources": [_columns(row, _RESOURCE) for row in things],
        "offers": [_columns(row, _OFFER) for row in offers],
        "offer_prices": [
            _columns(price, ("workshop_id", "audience", "payer", "unit", "price_cents", "vat_rate_bp"))
            for row in offers
            for price in row.prices
        ],
        "stay_prices": [_columns(row, _STAY) for row in _all(uow, stay.order_by(StayPrice.id))],
        "pass_tariffs": [
            _columns(row, _TARIFF)
            for row in _all(uow, select(PassTariff).where(PassTariff.partner_id == partner_id))
        ],
        "passes": [
            {**_columns(row, _PASS), "person": people.of(row.member_id)}
            for row in _all(uow, select(Pass).where(Pass.partner_id == partner_id).order_by(Pass.id))
        ],
        "sessions": [_session(row) for row in sessions],
        "attendance": _attendance(uow, [row.id for row in sessions]),
        "reservations": _held(uow, ids, people),
        "hires": [
            _columns(row, _HIRE)
            for row in _all(uow, select(Hire).where(Hire.partner_id == partner_id).order_by(Hire.id))
        ],
        "charges": [
            {
                "claim_id": charge.claim_id,
                "made_at": charge.made_at,
                "audience": charge.audience,
                "person": people.of(charge.member_id),
                "amount_cents": sum(amounts.values()),
                "currency": charge.currency,
                "lines": [line for line in charge.lines if _is_of(line, amounts)],
            }
            for charge, amounts in charges
        ],
    }


_RESOURCE = (
    "id",
    "kind",
    "name",
    "technology",
    "seats",
    "setup_min",
    "clear_min",
    "public",
    "equipment",
    "home_id",
    "active",
    "note",
)
_OFFER = (
    "id",
    "slug",
    "kind",
    "title",
    "summary",
    "take_home",
    "steps",
    "materials",
    "audiences",
    "level",
    "theme",
    "least_people",
    "most_people",
    "duration_min",
    "setup_min",
    "clear_min",
    "stations",
    "groups",
    "needs",
    "piece",
    "grants",
    "public",
    "active",
)
_STAY = ("id", "resource_id", "kind", "audience", "unit", "price_cents", "first_day", "last_day")
_TARIFF = ("id", "name", "audience", "half_days", "months", "price_cents", "first_day", "last_day")
_PASS = (
    "id",
    "tariff_id",
    "name",
    "audience",
    "half_days",
    "price_cents",
    "due_cents",
    "first_day",
    "last_day",
)
_HIRE = ("id", "state", "resource_ids", "start_at", "end_at", "audience", "people", "made_at", "ended_at")
_SESSION = ("id", "workshop_id", "state", "start_at", "end_at", "people", "adults", "payer", "price_cents")


class _Numbers:
    """The same member is the same number, in the order in which they come up; nothing else says who it is."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}

    def of(self, member_id: int | None) -> int | None:
        return None if member_id is None else self._known.setdefault(member_id, len(self._known) + 1)


def _sessions(uow: UnitOfWork, workshop_ids: Sequence[int]) -> list[Session]:
    return _all(uow, select(Session).where(Session.workshop_id.in_(workshop_ids)).order_by(Session.id))


def _session(row: Session) -> Row:
    school = row.school or {}
    where = {name: school.get(name) for name in ("uai", "city")}
    return {**_columns(row, _SESSION), "school": where}


def _attendance(uow: UnitOfWork, session_ids: Sequence[str]) -> list[Row]:
    query = select(Attendance).where(Attendance.session_id.in_(session_ids))
    return [_columns(row, ("session_id", "axis", "word", "people")) for row in _all(uow, query)]


def _held(uow: UnitOfWork, ids: Sequence[int], people: _Numbers) -> list[Row]:
    query = (
        select(Allocation, Claim)
        .join(Claim, Claim.id == Allocation.claim_id)
        .where(Allocation.resource_id.in_(ids))
        .order_by(Allocation.start_at, Allocation.id)
    )
    return [
        {
            "claim_id": claim.id,
            "resource_id": place.resource_id,
            "kind": claim.kind,
            "state": claim.state,
            "start_at": place.start_at,
            "end_at": place.end_at,
            "audience": claim.audience,
            "person": people.of(claim.member_id),
        }
        for place, claim in uow.session.execute(query)
    ]


def _is_of(line: Mapping[str, object], amounts: Mapping[int, int]) -> bool:
    """A line that names another partner's resource is that partner's business."""
    said = line.get("resource_id")
    return said is None or 0 in amounts or said in amounts


def _all(uow: UnitOfWork, query: Select[*tuple[Any, ...]]) -> list[Any]:
    return list(uow.session.scalars(query).unique())


def _columns(row: object, names: Iterable[str]) -> Row:
    return {name: getattr(row, name) for name in names}


def _csv(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=_said)
    said = _said(value) if value is not None and not isinstance(value, (bool, int, float)) else value
    # A spreadsheet takes such a text for a formula, and people have written these texts.
    return f"'{said}" if isinstance(said, str) and said[:1] in ("=", "+", "-", "@", "\t", "\r") else said


def _said(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat() if isinstance(value, date) else str(value)
