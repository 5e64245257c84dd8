"""What the API says of members and of what belongs to them. Days are local, instants UTC, amounts integer cents."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Annotated

import msgspec

from fablab.money.subscriptions import Cover, Subscription, SubscriptionState, SubscriptionTariff
from fablab.people.models import (
    Audience,
    ConsentKind,
    DocumentKind,
    DocumentState,
    Invitation,
    InvitationKind,
    InvitationState,
    Member,
    MemberDocument,
    MemberState,
    Organisation,
    OrganisationMember,
    Project,
    ProjectKind,
    Role,
    Seat,
)
from fablab.reports.members import Card
from web.api.schema import At

Number = Annotated[int, msgspec.Meta(ge=1, le=2_000_000_000)]


class MemberOut(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    email: str | None
    phone: str | None
    state: MemberState
    role: Role
    audience: Audience
    language: str
    born_on: date | None
    parent: int | None
    created_at: At


class MembersOut(msgspec.Struct, frozen=True, kw_only=True):
    members: tuple[MemberOut, ...]
    total: int
    page: int
    pages: int


class SubscriptionOut(msgspec.Struct, frozen=True, kw_only=True):
    """`due_cents`: what has still to be paid. `last_day` is included."""

    id: int
    member: int | None
    organisation: int | None
    name: str
    state: SubscriptionState
    cover: Cover
    audience: Audience
    price_cents: int
    due_cents: int
    currency: str
    first_day: date
    last_day: date


class TariffOut(msgspec.Struct, frozen=True, kw_only=True):
    """`audience` null: for whoever has none of their own."""

    id: int
    name: str
    audience: Audience | None
    cover: Cover
    months: int
    price_cents: int
    currency: str


class DocumentOut(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    member: int
    kind: DocumentKind
    state: DocumentState
    file_name: str
    media_type: str
    size_bytes: int
    sent_at: At
    reason: str
    expires_on: date | None


class SeatOut(msgspec.Struct, frozen=True, kw_only=True):
    organisation: int
    member: int
    name: str
    seat: Seat


class ProjectOut(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    kind: ProjectKind
    owner: int
    organisation: int | None
    closed_at: At | None


class OrganisationOut(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    audience: Audience
    siret: str | None
    uai: str | None
    closed_at: At | None


class InvitationOut(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    kind: InvitationKind
    state: InvitationState
    email: str
    organisation: int | None
    project: int | None
    expires_at: At


class DoingOut(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the log: who did what for this member."""

    at: At
    code: str
    who: str
    about: str


class CardOut(msgspec.Struct, frozen=True, kw_only=True):
    """A member with all that belongs to them. `covered_until`: by which day's end a subscription covers them."""

    member: MemberOut
    age: int | None
    covered_until: date | None
    due_cents: int
    children: tuple[MemberOut, ...]
    consents: tuple[ConsentKind, ...]
    needs_consent: bool
    organisations: tuple[SeatOut, ...]
    projects: tuple[ProjectOut, ...]
    subscriptions: tuple[SubscriptionOut, ...]
    tariffs: tuple[TariffOut, ...]
    documents: tuple[DocumentOut, ...]
    invitations: tuple[InvitationOut, ...]
    log: tuple[DoingOut, ...]


def member_out(row: Member) -> MemberOut:
    return MemberOut(
        id=row.id,
        name=row.name,
        email=row.email,
        phone=row.phone,
        state=row.state,
        role=row.role,
        audience=row.audience,
        language=row.language,
        born_on=row.born_on,
        parent=row.parent_id,
        created_at=row.created_at,
    )


def subscription_out(row: Subscription) -> SubscriptionOut:
    return SubscriptionOut(
        id=row.id,
        member=row.member_id,
        organisation=row.organisation_id,
        name=row.name,
        state=row.state,
        cover=row.cover,
        audience=row.audience,
        price_cents=row.price_cents,
        due_cents=row.due_cents if row.state is SubscriptionState.AGREED else 0,
        currency=row.currency,
        first_day=row.first_day,
        last_day=row.last_day,
    )


def tariff_out(row: SubscriptionTariff) -> TariffOut:
    return TariffOut(
        id=row.id,
        name=row.name,
        audience=row.audience,
        cover=row.cover,
        months=row.months,
        price_cents=row.price_cents,
        currency=row.currency,
    )


def document_out(row: MemberDocument) -> DocumentOut:
    return DocumentOut(
        id=row.id,
        member=row.member_id,
        kind=row.kind,
        state=row.state,
        file_name=row.file_name,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        sent_at=row.sent_at,
        reason=row.reason,
        expires_on=row.expires_on,
    )


def seat_out(row: OrganisationMember, name: str) -> SeatOut:
    return SeatOut(organisation=row.organisation_id, member=row.member_id, name=name, seat=row.seat)


def project_out(row: Project) -> ProjectOut:
    return ProjectOut(
        id=row.id,
        name=row.name,
        kind=row.kind,
        owner=row.owner_id,
        organisation=row.organisation_id,
        closed_at=row.closed_at,
    )


def organisation_out(row: Organisation) -> OrganisationOut:
    return OrganisationOut(
        id=row.id,
        name=row.name,
        audience=row.audience,
        siret=row.siret,
        uai=row.uai,
        closed_at=row.closed_at,
    )


def invitation_out(row: Invitation) -> InvitationOut:
    return InvitationOut(
        id=row.id,
        kind=row.kind,
        state=row.state,
        email=row.email,
        organisation=row.organisation_id,
        project=row.project_id,
        expires_at=row.expires_at,
    )


def invitations_out(rows: Iterable[Invitation]) -> tuple[InvitationOut, ...]:
    return tuple(invitation_out(row) for row in rows)


def card_out(card: Card) -> CardOut:
    child = card.as_child
    return CardOut(
        member=member_out(card.member),
        age=card.age,
        covered_until=card.covering.last_day if card.covering is not None else None,
        due_cents=card.due_cents,
        children=tuple(member_out(each.member) for each in card.children),
        consents=tuple(kind for kind, row in child.consents.items() if row is not None) if child else (),
        needs_consent=child.needs_consent if child is not None else False,
        organisations=tuple(seat_out(row, row.organisation.name) for row in card.seats),
        projects=tuple(project_out(row) for row in card.projects),
        subscriptions=tuple(subscription_out(row) for row in card.subscriptions),
        tariffs=tuple(tariff_out(row) for row in card.tariffs),
        documents=tuple(document_out(row) for row in card.documents),
        invitations=invitations_out(card.invitations),
        log=tuple(
            DoingOut(at=row.at, code=row.code, who=row.actor_name, about=row.about) for row in card.log
        ),
    )
