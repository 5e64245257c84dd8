"""Subscriptions: what it costs to belong, from when until when, and what of it is still due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from fablab.base.database import Base
from fablab.people.models import Audience
from fablab.places.models import words


class Cover(StrEnum):
    """Who may use the lab by it."""

    PERSON = "person"
    FAMILY = "family"  # the holder and the children they answer for
    ORGANISATION = "organisation"  # every member of the organisation


class SubscriptionState(StrEnum):
    ASKED = "asked"  # by the member; it counts once the staff has agreed
    AGREED = "agreed"  # it counts from its first to its last day
    CANCELLED = "cancelled"


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
