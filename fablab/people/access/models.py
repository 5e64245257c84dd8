"""What signing in beyond a password needs to remember: factors, recovery codes, half-done sign-ins, known browsers,
accounts elsewhere and the way there and back."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fablab.base.database import Base
from fablab.people.models import Member
from fablab.places.models import words


class Factor(Base):
    """An authenticator app (RFC 6238). Not in use before `confirmed_at`. `last_step`: no code of this 30 s step or of
    an earlier one is taken again.

    `secret` is base32, sealed with the house's key (`base.sealing`): the server has to know it, the database has not.
    """

    __tablename__ = "factors"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    secret: Mapped[str] = mapped_column(String(200))
    made_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int | None] = mapped_column(BigInteger)


def of_factor(member_id: int) -> str:
    """What a factor's sealed secret is of."""
    return f"factor of member {member_id}"


class RecoveryCode(Base):
    """Takes the place of an authenticator's code once; its hash only."""

    __tablename__ = "recovery_codes"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class LoginStep(Base):
    """A sign-in that is half done: the password was right (or a provider said who it is), the second factor is due."""

    __tablename__ = "login_steps"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    provider: Mapped[str | None] = mapped_column(String(40))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    member: Mapped[Member] = relationship(lazy="joined")


class KnownBrowser(Base):
    """A browser from which this member has signed in before; the hash of a cookie that this server made."""

    __tablename__ = "known_browsers"

    browser_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True, index=True)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class FactorDue(Base):
    """From `due_at` on this member does nothing in the house before they have a second factor."""

    __tablename__ = "factors_due"

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    due_at: Mapped[datetime]


class SigningRules(Base):
    """The house's own rule about second factors: one row, or none where nobody has to have one."""

    __tablename__ = "signing_rules"

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_factor: Mapped[bool]
    grace_days: Mapped[int]
    set_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("grace_days >= 0", name="grace_days"),)


class Identity(Base):
    """An account elsewhere that lets its member in. Only issuer and subject together say who it is, never an e-mail."""

    __tablename__ = "identities"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    provider: Mapped[str] = mapped_column(String(40))
    issuer: Mapped[str] = mapped_column(String(300))
    subject: Mapped[str] = mapped_column(String(255))
    email: Mapped[str] = mapped_column(String(254))
    linked_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    member: Mapped[Member] = relationship(lazy="joined")

    __table_args__ = (UniqueConstraint("issuer", "subject"),)


class TripPurpose(StrEnum):
    """Why a browser was sent to a provider."""

    SIGN_IN = "sign_in"
    LINK = "link"  # the account there to the member who is signed in here
    CONFIRM = "confirm"  # that it is still them, where they have no password


class Trip(Base):
    """A browser on its way to a provider and back: once, within minutes, and only this browser."""

    __tablename__ = "provider_trips"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    browser_hash: Mapped[str] = mapped_column(String(64))
    provider: Mapped[str] = mapped_column(String(40))
    purpose: Mapped[TripPurpose] = mapped_column(words(TripPurpose, "trip_purpose"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"), index=True)
    nonce: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(String(128))
    next_path: Mapped[str] = mapped_column(String(500))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Arrival(Base):
    """Somebody whom a provider has named and whom the lab does not know yet: what is still missing is asked."""

    __tablename__ = "arrivals"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    provider: Mapped[str] = mapped_column(String(40))
    issuer: Mapped[str] = mapped_column(String(300))
    subject: Mapped[str] = mapped_column(String(255))
    email: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(120))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
