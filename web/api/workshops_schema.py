"""What the API of the catalogue takes and gives: shapes, and how the lab's values become them."""

from __future__ import annotations

import msgspec

from fablab.claims.workshops import offer
from fablab.claims.workshops.models import Workshop
from fablab.claims.workshops.offer import Piece, Price, Said, Station, Want
from fablab.claims.workshops.words import (
    Level,
    Payer,
    Theme,
    Unit,
    WorkshopKind,
)
from fablab.people.models import Audience
from fablab.places.models import ResourceKind, Technology

#: A text in both languages.
Both = dict[str, str]


class WantIO(msgspec.Struct, frozen=True, kw_only=True):
    """`quantity` resources of a kind; `technology` of machines; `seats`: at least so many; `resources`: only these."""

    kind: ResourceKind
    quantity: int = 1
    technology: Technology | None = None
    seats: int | None = None
    equipment: tuple[str, ...] = ()
    skill: str = ""
    resources: tuple[int, ...] = ()


class StationIO(msgspec.Struct, frozen=True, kw_only=True):
    name: Both
    minutes: int
    technology: Technology | None = None


class PieceIO(msgspec.Struct, frozen=True, kw_only=True):
    """What each one makes on a machine."""

    technology: Technology
    minutes: int
    weight_g: float = 0.0
    sha256: str | None = None


class PriceIO(msgspec.Struct, frozen=True, kw_only=True):
    """Cents without tax; the tax in hundredths of a per cent (2000 is 20 %)."""

    audience: Audience
    payer: Payer
    unit: Unit
    price_cents: int
    vat_rate_bp: int = 0


class WorkshopIn(msgspec.Struct, frozen=True, kw_only=True):
    """Texts are `{"fr": .., "en": ..}`. `grants`: a training. `public`: asked for on the public page."""

    slug: str
    title: Both
    summary: Both
    audiences: tuple[Audience, ...]
    level: Level
    theme: Theme
    most_people: int
    duration_min: int
    least_people: int = 1
    kind: WorkshopKind = WorkshopKind.WORKSHOP
    take_home: Both = {}
    steps: tuple[Both, ...] = ()
    materials: tuple[Both, ...] = ()
    setup_min: int = 0
    clear_min: int = 0
    stations: tuple[StationIO, ...] = ()
    groups: int = 1
    needs: tuple[WantIO, ...] = ()
    piece: PieceIO | None = None
    grants: Technology | None = None
    prices: tuple[PriceIO, ...] = ()
    public: bool = False
    partner: int | None = None


class ChangeIn(WorkshopIn, frozen=True, kw_only=True):
    """All of it; `version`: the one that was read."""

    version: int


class VersionIn(msgspec.Struct, frozen=True, kw_only=True):
    version: int


class TrainingIn(msgspec.Struct, frozen=True, kw_only=True):
    """`holds` null: the first of all it needs that is free then. `trainer` null: oneself. `machine`: for that one only."""

    start_at: str
    holds: tuple[int, ...] | None = None
    trainer: int | None = None
    machine: int | None = None


class WorkshopOut(msgspec.Struct, frozen=True, kw_only=True):
    """`rounds_min`: how long one group stays at a station."""

    id: int
    version: int
    slug: str
    kind: WorkshopKind
    title: Both
    summary: Both
    take_home: Both
    steps: tuple[Both, ...]
    materials: tuple[Both, ...]
    audiences: tuple[Audience, ...]
    level: Level
    theme: Theme
    least_people: int
    most_people: int
    duration_min: int
    setup_min: int
    clear_min: int
    stations: tuple[StationIO, ...]
    groups: int
    needs: tuple[WantIO, ...]
    piece: PieceIO | None
    grants: Technology | None
    prices: tuple[PriceIO, ...]
    public: bool
    active: bool
    partner: int | None


def said_of(data: WorkshopIn) -> Said:
    return Said(
        slug=data.slug[:200],
        title=data.title,
        summary=data.summary,
        audiences=data.audiences,
        level=data.level,
        theme=data.theme,
        most_people=data.most_people,
        duration_min=data.duration_min,
        least_people=data.least_people,
        kind=data.kind,
        take_home=data.take_home or offer.NO_TEXT,
        steps=data.steps,
        materials=data.materials,
        setup_min=data.setup_min,
        clear_min=data.clear_min,
        stations=tuple(
            Station(name=s.name, minutes=s.minutes, technology=s.technology) for s in data.stations
        ),
        groups=data.groups,
        needs=tuple(_want(want) for want in data.needs),
        piece=_piece(data.piece),
        grants=data.grants,
        prices=tuple(Price(**msgspec.structs.asdict(price)) for price in data.prices),
        public=data.public,
        partner_id=data.partner,
    )


def _want(want: WantIO) -> Want:
    return Want(
        kind=want.kind,
        quantity=want.quantity,
        technology=want.technology,
        seats=want.seats,
        equipment=want.equipment,
        skill=want.skill,
        resource_ids=want.resources,
    )


def _piece(piece: PieceIO | None) -> Piece | None:
    return Piece(**msgspec.structs.asdict(piece)) if piece is not None else None


def workshop_out(row: Workshop) -> WorkshopOut:
    return WorkshopOut(
        id=row.id,
        version=row.version,
        slug=row.slug,
        kind=row.kind,
        title=row.title,
        summary=row.summary,
        take_home=row.take_home,
        steps=tuple(row.steps),
        materials=tuple(row.materials),
        audiences=tuple(Audience(word) for word in row.audiences),
        level=row.level,
        theme=row.theme,
        least_people=row.least_people,
        most_people=row.most_people,
        duration_min=row.duration_min,
        setup_min=row.setup_min,
        clear_min=row.clear_min,
        stations=tuple(
            StationIO(name=dict(s.name), minutes=s.minutes, technology=s.technology)
            for s in offer.stations(row.stations)
        ),
        groups=row.groups,
        needs=tuple(_want_out(want) for want in offer.wants(row.needs)),
        piece=_piece_out(offer.piece(row.piece)),
        grants=row.grants,
        prices=tuple(
            PriceIO(
                audience=price.audience,
                payer=price.payer,
                unit=price.unit,
                price_cents=price.price_cents,
                vat_rate_bp=price.vat_rate_bp,
            )
            for price in row.prices
        ),
        public=row.public,
        active=row.active,
        partner=row.partner_id,
    )


def _want_out(want: Want) -> WantIO:
    return WantIO(
        kind=want.kind,
        quantity=want.quantity,
        technology=want.technology,
        seats=want.seats,
        equipment=want.equipment,
        skill=want.skill,
        resources=want.resource_ids,
    )


def _piece_out(piece: Piece | None) -> PieceIO | None:
    if piece is None:
        return None
    return PieceIO(
        technology=piece.technology, minutes=piece.minutes, weight_g=piece.weight_g, sha256=piece.sha256
    )
