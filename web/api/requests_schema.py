"""What the API of schools' requests takes and gives: shapes, and how the lab's values become them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import Any

import msgspec

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.claims import workshops
from fablab.claims.workshops import Half, pricing, thread
from fablab.claims.workshops.invoicing import Bill
from fablab.claims.workshops.models import Session, SessionOffer, ThreadEntry
from fablab.claims.workshops.words import (
    AcceptedBy,
    EntryKind,
    OfferState,
    Payer,
    SchoolLevel,
    SessionState,
    Unit,
)
from fablab.money import invoices
from fablab.money.models import Exemption, Invoice, InvoiceKind
from fablab.people.models import Audience
from scheduler.offering.asked import DateOffer, Dates
from web.api.schema import At
from web.api.workshops_schema import Both
from web.errors import SaidRefusal, said_refusals
from web.words import Words


class WishIO(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One day; or a weekday (0: Monday) of the days from `since` to `until`."""

    day: date | None = None
    weekday: int | None = None
    since: date | None = None
    until: date | None = None
    half: Half = Half.ANY


class RequestIn(msgspec.Struct, frozen=True, kw_only=True):
    """The form: twelve fields. `number`: UAI or SIRET. `place`: postcode and town. `accessibility`: what somebody in the
    group needs, and whatever else should be known. `payer`, `audience` and `language` are not asked on the form."""

    workshop: str
    school: str
    contact: str
    email: str
    level: SchoolLevel
    people: int
    wishes: tuple[WishIO, ...]
    number: str = ""
    place: str = ""
    phone: str = ""
    adults: int = 0
    accessibility: str = ""
    audience: Audience = Audience.SCHOOL
    payer: Payer = Payer.SCHOOL
    language: str = "fr"


class AskedOut(msgspec.Struct, frozen=True, kw_only=True):
    """`id` null: until the address is confirmed by the link that was sent to it. `warnings` stand in nobody's way."""

    id: str | None
    confirm: bool
    warnings: tuple[SaidRefusal, ...]


class KeyIn(msgspec.Struct, frozen=True, kw_only=True):
    """`key`: from the link of the letter."""

    key: str


class ConfirmedOut(msgspec.Struct, frozen=True, kw_only=True):
    """`key` opens the thread from now on: send it as the header `X-Thread-Key`."""

    id: str
    key: str


class HoldIn(msgspec.Struct, frozen=True, kw_only=True):
    """`rank`: of a proposed date. `until` null: the usual time; a school cannot say it."""

    rank: int
    until: str | None = None


class AcceptIn(msgspec.Struct, frozen=True, kw_only=True):
    """online, or order_number with the number; a signed paper is sent as a file. `payer` null: as it was asked."""

    by: AcceptedBy = AcceptedBy.ONLINE
    order_number: str = ""
    payer: Payer | None = None


class ProposeIn(msgspec.Struct, frozen=True, kw_only=True):
    """`starts`: of up to three dates; none: the best there are."""

    starts: tuple[str, ...] = ()


class MoveIn(msgspec.Struct, frozen=True, kw_only=True):
    start_at: str
    why: str = ""


class CountIn(msgspec.Struct, frozen=True, kw_only=True):
    people: int
    adults: int = 0


class WhyIn(msgspec.Struct, frozen=True, kw_only=True):
    why: str


class TextIn(msgspec.Struct, frozen=True, kw_only=True):
    """`for_staff`: a note the school does not see; only from the staff."""

    text: str = ""
    for_staff: bool = False


class InvoiceIn(msgspec.Struct, frozen=True, kw_only=True):
    """Who pays, and who is paid; null: as it is known of the school, and from the house's last invoice. `exemption`: of
    lines without VAT; null: art. 293 B, or art. 261 beside lines with VAT."""

    name: str | None = None
    address: str | None = None
    postcode: str | None = None
    city: str | None = None
    siret: str | None = None
    uai: str | None = None
    order_number: str | None = None
    service_code: str | None = None
    seller_name: str | None = None
    seller_address: str | None = None
    seller_siret: str | None = None
    seller_vat_number: str | None = None
    exemption: Exemption | None = None


class MediatorIn(msgspec.Struct, frozen=True, kw_only=True):
    member: int | None


class PlaceOut(msgspec.Struct, frozen=True, kw_only=True):
    """One resource of the gang, from the set-up to the clearing."""

    need: int
    resource: int
    start_at: At
    end_at: At


class ReasonOut(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    facts: dict[str, Any]


class OfferOut(msgspec.Struct, frozen=True, kw_only=True):
    """A date that was proposed. `places` only for the staff."""

    rank: int
    state: OfferState
    start_at: At
    end_at: At
    places: tuple[PlaceOut, ...]
    reasons: tuple[ReasonOut, ...]


class DateOut(msgspec.Struct, frozen=True, kw_only=True):
    """A date that could be had at this moment. `names`: of all it takes. `moves`: claims that would give way."""

    start_at: At
    end_at: At
    names: tuple[str, ...]
    places: tuple[PlaceOut, ...]
    reasons: tuple[ReasonOut, ...]
    moves: int


class DatesOut(msgspec.Struct, frozen=True, kw_only=True):
    """The best first; `missed`: wished days that cannot be, and what each lacked."""

    dates: tuple[DateOut, ...]
    missed: tuple[ReasonOut, ...]


class LineOut(msgspec.Struct, frozen=True, kw_only=True):
    """Of a quote, as it was promised."""

    unit: Unit
    text: Both
    quantity: int
    unit_cents: int
    net_cents: int
    vat_rate_bp: int
    vat_cents: int
    total_cents: int


class EntryOut(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the thread. `file`: its name; fetched by the entry's id."""

    id: int
    at: At
    by: str
    code: EntryKind
    text: str
    facts: dict[str, Any]
    for_staff: bool
    file: str | None


class InvoiceLineOut(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    quantity: float
    unit_cents: int
    net_cents: int
    vat_rate_bp: int
    vat_cents: int


class InvoiceOut(msgspec.Struct, frozen=True, kw_only=True):
    """As it was made. `cancels`: the number of the invoice that a credit note takes back. `sha256`: of all of it and of
    the one before it in its series."""

    number: str
    kind: InvoiceKind
    cancels: str | None
    why: str
    made_at: At
    day: date
    due_day: date | None
    delivered_day: date
    seller: dict[str, str]
    customer: dict[str, str]
    subject: Both
    lines: tuple[InvoiceLineOut, ...]
    exemption: Exemption | None
    net_cents: int
    vat_cents: int
    total_cents: int
    currency: str
    sha256: str


class SeriesOut(msgspec.Struct, frozen=True, kw_only=True):
    """`broken`: numbers that are not what was written, or do not follow the one before."""

    broken: tuple[str, ...]


class RequestOut(msgspec.Struct, frozen=True, kw_only=True):
    """`price_cents` with tax, null before a date is held."""

    id: str
    version: int
    state: SessionState
    workshop: str
    title: Both
    school: dict[str, Any]
    contact: str
    email: str
    phone: str
    confirmed: bool
    language: str
    audience: Audience
    level: SchoolLevel | None
    people: int
    adults: int
    accessibility: str
    wishes: tuple[WishIO, ...]
    start_at: At | None
    end_at: At | None
    hold_until: At | None
    payer: Payer
    price_cents: int | None
    accepted_by: AcceptedBy | None
    order_number: str
    mediator: int | None
    made_at: At


class ThreadOut(RequestOut, frozen=True, kw_only=True):
    """All that belongs to it, in the order of time."""

    offers: tuple[OfferOut, ...]
    price_lines: tuple[LineOut, ...]
    warnings: tuple[SaidRefusal, ...]
    holds: tuple[int, ...]
    entries: tuple[EntryOut, ...]
    invoices: tuple[InvoiceOut, ...]


def request_of(data: RequestIn) -> workshops.Request:
    fields = {name: value for name, value in msgspec.structs.asdict(data).items() if name != "wishes"}
    return workshops.Request(**fields, wishes=tuple(_wish(wish) for wish in data.wishes))


def _wish(wish: WishIO) -> workshops.Wish:
    if wish.day is not None and wish.weekday is not None:
        raise Invalid("request.wish", field="wishes")
    return workshops.Wish(
        day=wish.day, weekday=wish.weekday, since=wish.since, until=wish.until, half=wish.half
    )


def request_out(session: Session) -> RequestOut:
    return RequestOut(**_request(session))


def thread_out(uow: UnitOfWork, session: Session, words: Words, *, is_staff: bool) -> ThreadOut:
    return ThreadOut(
        **_request(session),
        offers=tuple(_offer_out(row, is_staff=is_staff) for row in session.offers),
        price_lines=tuple(_line(row) for row in pricing.read(session.price_lines)),
        warnings=said_refusals(words, workshops.warnings(session)),
        holds=workshops.resource_ids(uow, session) if is_staff else (),
        entries=tuple(_entry(row) for row in thread.entries(uow, session)),
        invoices=tuple(_invoice(row) for row in invoices.of_claim(uow, session.id)),
    )


def bill_from(data: InvoiceIn, known: Bill) -> Bill:
    """What is said, over what is known."""
    said = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not None}
    of_seller = {name.removeprefix("seller_"): said.pop(name) for name in list(said) if name in _OF_SELLER}
    exemption = said.pop("exemption", None)
    return Bill(
        customer=replace(known.customer, **said),
        seller=replace(known.seller, **of_seller),
        exemption=exemption,
    )


_OF_SELLER = frozenset(name for name in InvoiceIn.__struct_fields__ if name.startswith("seller_"))


def _invoice(row: Invoice) -> InvoiceOut:
    return InvoiceOut(
        number=row.number,
        kind=row.kind,
        cancels=row.cancels.number if row.cancels is not None else None,
        why=row.why,
        made_at=row.made_at,
        day=row.day,
        due_day=row.due_day,
        delivered_day=row.delivered_day,
        seller=row.seller,
        customer=row.customer,
        subject=row.subject,
        lines=tuple(InvoiceLineOut(**asdict(line)) for line in invoices.lines_of(row)),
        exemption=row.exemption,
        net_cents=row.net_cents,
        vat_cents=row.vat_cents,
        total_cents=row.total_cents,
        currency=row.currency,
        sha256=row.sha256,
    )


def dates_out(found: Dates) -> DatesOut:
    return DatesOut(
        dates=tuple(_date(row) for row in found.offers),
        missed=tuple(_reason(row.stored()) for row in found.missed),
    )


def _request(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "version": session.version,
        "state": session.state,
        "workshop": session.workshop.slug,
        "title": session.workshop.title,
        "school": dict(session.school),
        "contact": session.contact_name,
        "email": session.contact_email,
        "phone": session.contact_phone,
        "confirmed": session.email_confirmed_at is not None,
        "language": session.language,
        "audience": session.audience,
        "level": session.school_level,
        "people": session.people,
        "adults": session.adults,
        "accessibility": session.accessibility,
        "wishes": tuple(_wish_out(wish) for wish in workshops.wishes_of(session)),
        "start_at": session.start_at,
        "end_at": session.end_at,
        "hold_until": session.hold_until,
        "payer": session.payer,
        "price_cents": session.price_cents,
        "accepted_by": session.accepted_by,
        "order_number": session.order_number,
        "mediator": session.mediator_id,
        "made_at": session.made_at,
    }


def _wish_out(wish: workshops.Wish) -> WishIO:
    return WishIO(day=wish.day, weekday=wish.weekday, since=wish.since, until=wish.until, half=wish.half)


def _offer_out(row: SessionOffer, *, is_staff: bool) -> OfferOut:
    spots = workshops.proposal_of(row).spots if is_staff else ()
    return OfferOut(
        rank=row.rank,
        state=row.state,
        start_at=row.start_at,
        end_at=row.end_at,
        places=tuple(
            PlaceOut(
                need=spot.need,
                resource=spot.place.resource_id,
                start_at=spot.place.start_at,
                end_at=spot.place.end_at,
            )
            for spot in spots
        ),
        reasons=_reasons(row.reasons),
    )


def _date(row: DateOffer) -> DateOut:
    return DateOut(
        start_at=row.start_at,
        end_at=row.end_at,
        names=row.names,
        places=tuple(
            PlaceOut(
                need=each.need,
                resource=each.place.resource_id,
                start_at=each.place.start_at,
                end_at=each.place.end_at,
            )
            for each in row.spots
        ),
        reasons=_reasons(row.reasons),
        moves=len(row.in_the_way),
    )


def _reasons(rows: Sequence[Mapping[str, object]]) -> tuple[ReasonOut, ...]:
    return tuple(_reason(row) for row in rows)


def _reason(row: Mapping[str, object]) -> ReasonOut:
    facts = row.get("facts")
    return ReasonOut(code=str(row.get("code")), facts=dict(facts) if isinstance(facts, Mapping) else {})


def _line(row: pricing.PriceLine) -> LineOut:
    return LineOut(
        unit=row.code,
        text=dict(row.text),
        quantity=row.quantity,
        unit_cents=row.unit_cents,
        net_cents=row.net_cents,
        vat_rate_bp=row.vat_rate_bp,
        vat_cents=row.vat_cents,
        total_cents=row.total_cents,
    )


def _entry(row: ThreadEntry) -> EntryOut:
    return EntryOut(
        id=row.id,
        at=row.at,
        by=row.by_name,
        code=row.code,
        text=row.text,
        facts=row.facts,
        for_staff=row.for_staff,
        file=row.file_name,
    )
