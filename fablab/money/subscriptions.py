"""Subscriptions: what it costs to belong, from when until when, and what of it is still due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, String, and_, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from fablab import notices
from fablab.base.database import Base, UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.base.states import step
from fablab.base.units import CURRENCY
from fablab.money.models import in_force
from fablab.people import log, organisations, standing
from fablab.people.access import Right, require
from fablab.people.models import Audience, Member, Organisation, OrganisationMember
from fablab.places import house
from fablab.places.models import words

NAME_LIMIT = 120
MOST_MONTHS = 60
MOST_CENTS = 10_000_000
MOST_DAYS_AWAY = 366


class Cover(StrEnum):
    """Who may use the lab by it."""

    PERSON = "person"
    FAMILY = "family"  # the holder and the children they answer for
    ORGANISATION = "organisation"  # every member of the organisation


class SubscriptionState(StrEnum):
    ASKED = "asked"  # by the member; it counts once the staff has agreed
    AGREED = "agreed"  # it counts from its first to its last day
    CANCELLED = "cancelled"


class Settled(StrEnum):
    """How it was paid at the desk."""

    CASH = "cash"
    CARD = "card"
    CHEQUE = "cheque"
    TRANSFER = "transfer"
    WAIVED = "waived"  # nothing was paid, and nothing will be asked


SUBSCRIPTION_STEPS: Mapping[tuple[SubscriptionState, str], SubscriptionState] = {
    (SubscriptionState.ASKED, "agree"): SubscriptionState.AGREED,
    (SubscriptionState.ASKED, "cancel"): SubscriptionState.CANCELLED,
    (SubscriptionState.AGREED, "cancel"): SubscriptionState.CANCELLED,
}


class SubscriptionTariff(Base):
    """What can be had from `first_day` to `last_day`. `audience` None: whoever has no row of their own."""

    __tablename__ = "subscription_tariffs"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    audience: Mapped[Audience | None] = mapped_column(words(Audience, "audience"))
    cover: Mapped[Cover] = mapped_column(words(Cover, "cover"))
    months: Mapped[int]
    price_cents: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    first_day: Mapped[date]
    last_day: Mapped[date | None]

    __table_args__ = (
        CheckConstraint("months BETWEEN 1 AND 60", name="months"),
        CheckConstraint("price_cents >= 0", name="price"),
    )


class Subscription(Base):
    """Of a member or of an organisation. Name, audience, cover and price are the tariff's as they stood that day.

    `due_cents` is what has still to be paid; who charges and bills it reads it from here.
    """

    __tablename__ = "subscriptions"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"))
    tariff_id: Mapped[int] = mapped_column(ForeignKey("subscription_tariffs.id"))
    state: Mapped[SubscriptionState] = mapped_column(words(SubscriptionState, "subscription_state"))
    name: Mapped[str] = mapped_column(String(120))
    audience: Mapped[Audience] = mapped_column(words(Audience, "audience"))
    cover: Mapped[Cover] = mapped_column(words(Cover, "cover"))
    price_cents: Mapped[int]
    due_cents: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    first_day: Mapped[date]
    last_day: Mapped[date]
    made_at: Mapped[datetime]
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    agreed_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("(member_id IS NULL) <> (organisation_id IS NULL)", name="holder"),
        CheckConstraint("first_day <= last_day", name="order"),
        CheckConstraint("due_cents >= 0 AND due_cents <= price_cents", name="due"),
        Index("ix_subscriptions_member_days", "member_id", "first_day", "last_day"),
        Index("ix_subscriptions_organisation_days", "organisation_id", "first_day", "last_day"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffWish:
    """What a new subscription tariff says; it holds from `first_day` on."""

    name: str
    audience: Audience | None
    cover: Cover
    months: int
    price_cents: int


def add_tariff(uow: UnitOfWork, wish: TariffWish) -> SubscriptionTariff:
    """From today on. What was agreed before keeps its price. Raises `Invalid` subscription.name, .months, .price."""
    require(uow.actor, Right.MANAGE)
    name = " ".join(wish.name.split())
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise Invalid("subscription.name", field="name")
    if not 1 <= wish.months <= MOST_MONTHS:
        raise Invalid("subscription.months", field="months", most=MOST_MONTHS)
    if not 0 <= wish.price_cents <= MOST_CENTS:
        raise Invalid("subscription.price", field="price")
    row = SubscriptionTariff(
        name=name,
        audience=wish.audience,
        cover=wish.cover,
        months=wish.months,
        price_cents=wish.price_cents,
        currency=CURRENCY,
        first_day=house.today(uow),
    )
    uow.session.add(row)
    uow.session.flush()
    log.record(uow, "tariff.made", about=f"subscription tariff {row.id}", price_cents=row.price_cents)
    return row


def end_tariff(uow: UnitOfWork, tariff_id: int) -> SubscriptionTariff:
    """From tomorrow on nobody can have it any more; whoever has it keeps it to its last day."""
    require(uow.actor, Right.MANAGE)
    row = _tariff(uow, tariff_id)
    row.last_day = house.today(uow)
    log.record(uow, "tariff.ended", about=f"subscription tariff {row.id}")
    uow.session.flush()
    return row


def tariffs(uow: UnitOfWork) -> list[SubscriptionTariff]:
    """All that can be had today, by cover and price."""
    today = house.today(uow)
    query = select(SubscriptionTariff).where(
        in_force(SubscriptionTariff.first_day, SubscriptionTariff.last_day, today)
    )
    rows = uow.session.scalars(query)
    return sorted(rows, key=lambda row: (list(Cover).index(row.cover), row.price_cents, row.id))


def tariffs_for(uow: UnitOfWork, audience: Audience, covers: frozenset[Cover]) -> list[SubscriptionTariff]:
    """Of each cover those made for this audience, or where there is none those for everybody."""
    found: list[SubscriptionTariff] = []
    for cover in Cover:
        rows = [row for row in tariffs(uow) if row.cover is cover and cover in covers]
        own = [row for row in rows if row.audience is audience]
        found += own or [row for row in rows if row.audience is None]
    return found


def for_member(uow: UnitOfWork, member: Member) -> list[SubscriptionTariff]:
    return tariffs_for(uow, member.audience, frozenset({Cover.PERSON, Cover.FAMILY}))


def for_organisation(uow: UnitOfWork, organisation: Organisation) -> list[SubscriptionTariff]:
    return tariffs_for(uow, organisation.audience, frozenset({Cover.ORGANISATION}))


def ask(uow: UnitOfWork, tariff_id: int, *, member_id: int | None = None) -> Subscription:
    """By a member for themselves or a child: it counts once the staff has agreed. Raises `Conflict`
    subscription.asked while one is asked for already."""
    member = standing.acting_for(uow, member_id, "subscription.asked")
    if any(row.state is SubscriptionState.ASKED for row in of_member(uow, member.id)):
        raise Conflict("subscription.asked")
    tariff = _one_of(for_member(uow, member), tariff_id)
    row = _made(uow, tariff, member.audience, _next_day(uow, of_member(uow, member.id)), member_id=member.id)
    uow.raise_event("member", member.id, "subscription")
    return row


def sell(
    uow: UnitOfWork,
    tariff_id: int,
    *,
    member_id: int | None = None,
    organisation_id: int | None = None,
    first_day: date | None = None,
) -> Subscription:
    """By the staff, agreed at once. `first_day` None: today, or the day after the one that runs. Raises `Invalid`
    subscription.first_day, `Conflict` subscription.overlaps."""
    require(uow.actor, Right.OPERATE)
    if organisation_id is not None:
        organisation = organisations.get(uow, organisation_id)
        tariff = _one_of(for_organisation(uow, organisation), tariff_id)
        theirs, audience = of_organisation(uow, organisation_id), organisation.audience
    elif member_id is not None:
        member = standing.get(uow, member_id)
        tariff = _one_of(for_member(uow, member), tariff_id)
        theirs, audience = of_member(uow, member_id), member.audience
    else:
        raise Invalid("subscription.whose", field="member")
    start = first_day or _next_day(uow, theirs)
    today = house.today(uow)
    if abs((start - today).days) > MOST_DAYS_AWAY:
        raise Invalid("subscription.first_day", field="first_day", most=MOST_DAYS_AWAY)
    row = _made(uow, tariff, audience, start, member_id=member_id, organisation_id=organisation_id)
    _agree(uow, row, theirs)
    return row


def agree(uow: UnitOfWork, subscription_id: int) -> Subscription:
    """The staff's yes to what a member has asked for. Its days begin today at the earliest."""
    require(uow.actor, Right.OPERATE)
    row = get(uow, subscription_id)
    theirs = [other for other in _of_holder(uow, row) if other.id != row.id]
    start = max(row.first_day, _next_day(uow, theirs))
    row.first_day, row.last_day = start, last_day_of(start, _tariff(uow, row.tariff_id).months)
    _agree(uow, row, theirs)
    return row


def settle(uow: UnitOfWork, subscription_id: int, how: Settled) -> Subscription:
    """Paid at the desk: nothing is due any more. Raises `Conflict` subscription.nothing_due."""
    require(uow.actor, Right.OPERATE)
    row = get(uow, subscription_id)
    if row.state is not SubscriptionState.AGREED or row.due_cents == 0:
        raise Conflict("subscription.nothing_due")
    log.record(
        uow,
        "subscription.settled",
        for_member_id=row.member_id,
        about=f"subscription {row.id}",
        how=how.value,
        paid_cents=row.due_cents,
    )
    row.due_cents, row.settled_at = 0, uow.now
    uow.session.flush()
    return row


def cancel(uow: UnitOfWork, subscription_id: int) -> Subscription:
    """A wish by whoever made it; what is agreed by the staff only. Nothing is due for it any more; what was paid is
    given back by hand, and written down there."""
    row = get(uow, subscription_id)
    if row.state is SubscriptionState.ASKED and row.member_id is not None:
        standing.own_or_at_desk(uow, row.member_id)
    else:
        require(uow.actor, Right.OPERATE)
    row.state = step(SUBSCRIPTION_STEPS, row.state, "cancel")
    row.due_cents, row.cancelled_at = 0, uow.now
    log.record(uow, "subscription.cancelled", for_member_id=row.member_id, about=f"subscription {row.id}")
    uow.session.flush()
    return row


def get(uow: UnitOfWork, subscription_id: int) -> Subscription:
    row = uow.session.get(Subscription, subscription_id)
    if row is None:
        raise NotFound("subscription.unknown")
    return row


def of_member(uow: UnitOfWork, member_id: int) -> list[Subscription]:
    """Their own, newest first."""
    query = select(Subscription).where(Subscription.member_id == member_id)
    return list(uow.session.scalars(query.order_by(Subscription.first_day.desc(), Subscription.id.desc())))


def of_organisation(uow: UnitOfWork, organisation_id: int) -> list[Subscription]:
    query = select(Subscription).where(Subscription.organisation_id == organisation_id)
    return list(uow.session.scalars(query.order_by(Subscription.first_day.desc(), Subscription.id.desc())))


def asked(uow: UnitOfWork) -> list[Subscription]:
    """What waits for the staff's yes, oldest first."""
    require(uow.actor, Right.SEE_ALL)
    query = select(Subscription).where(Subscription.state == SubscriptionState.ASKED)
    return list(uow.session.scalars(query.order_by(Subscription.id)))


def covering(uow: UnitOfWork, member_id: int, day: date) -> Subscription | None:
    """The agreed subscription by which somebody may use the lab on that day: their own, their parent's for the family,
    or one of an organisation they belong to; of several the one that lasts longest. Two queries."""
    member = uow.session.get(Member, member_id)
    if member is None:
        return None
    seats = select(OrganisationMember.organisation_id).where(OrganisationMember.member_id == member_id)
    holders: list[ColumnElement[bool]] = [
        Subscription.member_id == member_id,
        Subscription.organisation_id.in_(seats),
    ]
    if member.parent_id is not None:
        family = Subscription.member_id == member.parent_id, Subscription.cover == Cover.FAMILY
        holders.append(and_(*family))
    query = select(Subscription).where(
        Subscription.state == SubscriptionState.AGREED,
        Subscription.first_day <= day,
        Subscription.last_day >= day,
        or_(*holders),
    )
    return uow.session.scalars(query.order_by(Subscription.last_day.desc())).first()


def due_of(uow: UnitOfWork, member_id: int) -> int:
    """What of their own subscriptions has still to be paid, in cents."""
    return sum(row.due_cents for row in of_member(uow, member_id) if row.state is SubscriptionState.AGREED)


def _made(
    uow: UnitOfWork,
    tariff: SubscriptionTariff,
    audience: Audience,
    first_day: date,
    *,
    member_id: int | None = None,
    organisation_id: int | None = None,
) -> Subscription:
    row = Subscription(
        member_id=member_id,
        organisation_id=organisation_id,
        tariff_id=tariff.id,
        state=SubscriptionState.ASKED,
        name=tariff.name,
        audience=audience,
        cover=tariff.cover,
        price_cents=tariff.price_cents,
        due_cents=tariff.price_cents,
        currency=tariff.currency,
        first_day=first_day,
        last_day=last_day_of(first_day, tariff.months),
        made_at=uow.now,
        made_by_id=uow.actor.member_id,
    )
    uow.session.add(row)
    uow.session.flush()
    return row


def _agree(uow: UnitOfWork, row: Subscription, theirs: list[Subscription]) -> None:
    for other in theirs:
        if other.state is SubscriptionState.AGREED and (
            other.first_day <= row.last_day and row.first_day <= other.last_day
        ):
            raise Conflict("subscription.overlaps", until=str(other.last_day))
    row.state = step(SUBSCRIPTION_STEPS, row.state, "agree")
    row.agreed_at = uow.now
    log.record(uow, "subscription.agreed", for_member_id=row.member_id, about=f"subscription {row.id}")
    notices.tell(
        uow, row.member_id, "subscription.agreed", subscription=row.name, path="/profile#subscriptions"
    )
    uow.session.flush()


def _of_holder(uow: UnitOfWork, row: Subscription) -> list[Subscription]:
    if row.organisation_id is not None:
        return of_organisation(uow, row.organisation_id)
    assert row.member_id is not None
    return of_member(uow, row.member_id)


def _next_day(uow: UnitOfWork, theirs: list[Subscription]) -> date:
    """Today, or the day after the last that is agreed."""
    last = max((row.last_day for row in theirs if row.state is SubscriptionState.AGREED), default=None)
    today = house.today(uow)
    return today if last is None or last < today else last + timedelta(days=1)


def last_day_of(first_day: date, months: int) -> date:
    """The day before the same day so many months on; where a month is too short, before the first of the next."""
    index = first_day.year * 12 + first_day.month - 1 + months
    year, month = divmod(index, 12)
    try:
        end = first_day.replace(year=year, month=month + 1)
    except ValueError:
        end = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    return end - timedelta(days=1)


def _tariff(uow: UnitOfWork, tariff_id: int) -> SubscriptionTariff:
    row = uow.session.get(SubscriptionTariff, tariff_id)
    if row is None:
        raise NotFound("subscription.no_tariff")
    return row


def _one_of(rows: list[SubscriptionTariff], tariff_id: int) -> SubscriptionTariff:
    for row in rows:
        if row.id == tariff_id:
            return row
    raise Invalid("subscription.tariff", field="tariff")
