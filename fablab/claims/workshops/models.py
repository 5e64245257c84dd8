"""Workshops, their sessions, and all that belongs to a session. `session.id == claim.id`.

Texts that people read are kept in both languages, `{"fr": ..., "en": ...}`. Money is integer cents with its tax.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fablab.base.database import Base
from fablab.claims.models import Claim
from fablab.claims.workshops.words import (
    AcceptedBy,
    AttendanceAxis,
    EntryKind,
    KeyUse,
    Level,
    OfferState,
    Payer,
    RegistrationState,
    SchoolLevel,
    SessionState,
    Theme,
    Unit,
    WorkshopKind,
)
from fablab.people.models import Audience, Member, Organisation
from fablab.places.models import Technology, words


class Workshop(Base):
    """What the house offers to a group, or one event of its calendar. A training is one that `grants` a technology.

    `steps`, `materials`: lists of texts in both languages. `stations`: `{"name": {..}, "technology": word or null,
    "minutes": int}`. `needs`: what a session takes, all at once, each `{"kind", "technology", "quantity", "seats",
    "equipment": [..], "skill", "resource_ids": [..]}` (`catalogue.Want`). `piece`: what each one makes on a machine,
    `{"technology", "minutes", "weight_g", "sha256"}`, or null. `public`: asked for on the public page.
    """

    __tablename__ = "workshops"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    kind: Mapped[WorkshopKind] = mapped_column(words(WorkshopKind, "workshop_kind"))
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    title: Mapped[dict[str, str]] = mapped_column(JSON)
    summary: Mapped[dict[str, str]] = mapped_column(JSON)
    take_home: Mapped[dict[str, str]] = mapped_column(JSON)
    steps: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    materials: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    audiences: Mapped[list[str]] = mapped_column(JSON)
    level: Mapped[Level] = mapped_column(words(Level, "workshop_level"))
    theme: Mapped[Theme] = mapped_column(words(Theme, "workshop_theme"))
    least_people: Mapped[int]
    most_people: Mapped[int]
    duration_min: Mapped[int]
    setup_min: Mapped[int]
    clear_min: Mapped[int]
    stations: Mapped[list[dict[str, object]]] = mapped_column(JSON)
    groups: Mapped[int]
    needs: Mapped[list[dict[str, object]]] = mapped_column(JSON)
    piece: Mapped[dict[str, object] | None] = mapped_column(JSON(none_as_null=True))
    grants: Mapped[Technology | None] = mapped_column(words(Technology, "technology"))
    public: Mapped[bool]
    active: Mapped[bool] = mapped_column(default=True)
    made_at: Mapped[datetime]
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    changed_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    prices: Mapped[list[WorkshopPrice]] = relationship(
        order_by="WorkshopPrice.id", lazy="selectin", cascade="all, delete-orphan"
    )
    partner: Mapped[Organisation | None] = relationship(lazy="select", viewonly=True)

    __table_args__ = (
        CheckConstraint("0 < least_people AND least_people <= most_people", name="people"),
        CheckConstraint("duration_min > 0 AND setup_min >= 0 AND clear_min >= 0", name="minutes"),
        CheckConstraint("groups > 0", name="groups"),
    )
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own declarative attribute


class WorkshopPrice(Base):
    """What a session, or a place in one, costs an audience when that payer pays. `price_cents` is without tax;
    `vat_rate_bp`: hundredths of a per cent (2000 is 20 %), 0 where none is asked (art. 293 B, 261 of the CGI)."""

    __tablename__ = "workshop_prices"

    id: Mapped[int] = mapped_column(primary_key=True)
    workshop_id: Mapped[int] = mapped_column(ForeignKey("workshops.id"))
    audience: Mapped[Audience] = mapped_column(words(Audience, "audience"))
    payer: Mapped[Payer] = mapped_column(words(Payer, "workshop_payer"))
    unit: Mapped[Unit] = mapped_column(words(Unit, "workshop_unit"))
    price_cents: Mapped[int]
    vat_rate_bp: Mapped[int]

    __table_args__ = (
        UniqueConstraint("workshop_id", "audience", "payer", "unit", name="uq_workshop_prices_what"),
        CheckConstraint("price_cents >= 0 AND vat_rate_bp >= 0", name="amount"),
    )


class Session(Base):
    """One date of a workshop, from the day it is asked for on.

    `organisation_id`: the school, once it is known here; `school`: what was said of it, `{"name", "uai", "siret",
    "city", "postcode", "zone"}`. `wishes`: `{"day": "2027-03-12", "half": "am|pm|any"}` or `{"weekday": 0..6, "from":
    "2027-03-01", "until": "2027-03-31", "half": ..}`. `start_at`, `end_at`: of the workshop itself, null until a date is
    held; set-up and clearing stand in the allocations. `hold_until`: until when that date is kept for them;
    `reminded_at`: when they were told that it ends. `price_lines` and `price_cents` (with tax) are promised when a date
    is held and never change after. `public`: people may register; then `capacity` places, and at least `least` taken by
    `decide_at`, or it is cancelled by itself then (null: decided, or nothing to decide).
    """

    __tablename__ = "workshop_sessions"

    id: Mapped[str] = mapped_column(String(16), ForeignKey("claims.id"), primary_key=True)
    workshop_id: Mapped[int] = mapped_column(ForeignKey("workshops.id"), index=True)
    state: Mapped[SessionState] = mapped_column(words(SessionState, "session_state"))
    public: Mapped[bool] = mapped_column(default=False)
    capacity: Mapped[int | None]
    least: Mapped[int] = mapped_column(default=0)
    decide_at: Mapped[datetime | None] = mapped_column(index=True)
    audience: Mapped[Audience] = mapped_column(words(Audience, "audience"))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    school: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    contact_name: Mapped[str] = mapped_column(String(120), default="")
    contact_email: Mapped[str] = mapped_column(String(254), default="", index=True)
    contact_phone: Mapped[str] = mapped_column(String(40), default="")
    language: Mapped[str] = mapped_column(String(5), default="fr")
    email_confirmed_at: Mapped[datetime | None]
    people: Mapped[int] = mapped_column(default=0)
    adults: Mapped[int] = mapped_column(default=0)
    school_level: Mapped[SchoolLevel | None] = mapped_column(words(SchoolLevel, "school_level"))
    accessibility: Mapped[str] = mapped_column(String(1000), default="")
    wishes: Mapped[list[dict[str, object]]] = mapped_column(JSON, default=list)
    note: Mapped[str] = mapped_column(String(1000), default="")
    start_at: Mapped[datetime | None]
    end_at: Mapped[datetime | None]
    hold_until: Mapped[datetime | None]
    reminded_at: Mapped[datetime | None]
    accepted_by: Mapped[AcceptedBy | None] = mapped_column(words(AcceptedBy, "accepted_by"))
    order_number: Mapped[str] = mapped_column(String(60), default="")
    payer: Mapped[Payer] = mapped_column(words(Payer, "workshop_payer"), default=Payer.SCHOOL)
    price_cents: Mapped[int | None]
    price_lines: Mapped[list[dict[str, object]]] = mapped_column(JSON, default=list)
    mediator_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"), index=True)
    made_at: Mapped[datetime]
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    closed_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    workshop: Mapped[Workshop] = relationship(lazy="joined")
    claim: Mapped[Claim] = relationship(lazy="select", viewonly=True)
    organisation: Mapped[Organisation | None] = relationship(lazy="select", viewonly=True)
    mediator: Mapped[Member | None] = relationship(foreign_keys=[mediator_id], lazy="select", viewonly=True)
    offers: Mapped[list[SessionOffer]] = relationship(order_by="SessionOffer.rank", lazy="selectin")

    __table_args__ = (
        CheckConstraint("people >= 0 AND adults >= 0 AND least >= 0", name="people"),
        CheckConstraint("capacity IS NULL OR capacity > 0", name="capacity"),
        Index("ix_workshop_sessions_state_start", "state", "start_at"),
    )
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own declarative attribute


class SessionOffer(Base):
    """A date that was proposed. `places`: the whole gang, each `{"need", "resource_id", "start_at", "run_start_at",
    "run_end_at", "end_at"}`, `need` counting the workshop's needs from 0 (`deciding.places_of`). `reasons`: why this
    date, as `{"code", "facts"}`; a date that was wished for and cannot be has no rank here but a line in the thread."""

    __tablename__ = "session_offers"

    session_id: Mapped[str] = mapped_column(ForeignKey("workshop_sessions.id"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    places: Mapped[list[dict[str, object]]] = mapped_column(JSON)
    reasons: Mapped[list[dict[str, object]]] = mapped_column(JSON, default=list)
    state: Mapped[OfferState] = mapped_column(words(OfferState, "session_offer_state"))
    made_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("start_at < end_at", name="span"),)


class ThreadEntry(Base):
    """One step of a session, dated and by whom: rows that are only ever added. `by_name`: as it stood then; of the
    school it is the teacher's. `for_staff`: the school does not see it. A file lies in the store by its SHA-256."""

    __tablename__ = "session_entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("workshop_sessions.id"))
    at: Mapped[datetime]
    by_member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    by_name: Mapped[str] = mapped_column(String(120))
    code: Mapped[EntryKind] = mapped_column(words(EntryKind, "session_entry_kind"))
    text: Mapped[str] = mapped_column(String(4000), default="")
    facts: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    for_staff: Mapped[bool] = mapped_column(default=False)
    file_sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    file_name: Mapped[str | None] = mapped_column(String(200))
    media_type: Mapped[str | None] = mapped_column(String(60))

    __table_args__ = (Index("ix_session_entries_session_at", "session_id", "at"),)


class SessionKey(Base):
    """A link that lets somebody without an account in, its hash only: the school to its thread, a registration to its
    own page. Each letter carries a new one, and those of earlier letters go on working until `expires_at`."""

    __tablename__ = "session_keys"

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("workshop_sessions.id"), index=True)
    registration_id: Mapped[str | None] = mapped_column(ForeignKey("session_registrations.id"), index=True)
    purpose: Mapped[KeyUse] = mapped_column(words(KeyUse, "session_key_use"))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]


class Attendance(Base):
    """How many of each kind came: head-counts only, nobody's name. `word`: La Coop's, of that axis."""

    __tablename__ = "session_attendance"

    session_id: Mapped[str] = mapped_column(ForeignKey("workshop_sessions.id"), primary_key=True)
    axis: Mapped[AttendanceAxis] = mapped_column(words(AttendanceAxis, "attendance_axis"), primary_key=True)
    word: Mapped[str] = mapped_column(String(40), primary_key=True)
    people: Mapped[int]

    __table_args__ = (CheckConstraint("people >= 0", name="people"),)


class Registration(Base):
    """Somebody, with `seats` people, in a session that is public. `hold_until`: until when a freed place is kept for
    whoever waited; `came`: how many of them there were in the end. Their links are in `session_keys`. Some days after,
    who it was is forgotten and the numbers stay (`retiring`)."""

    __tablename__ = "session_registrations"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("workshop_sessions.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"), index=True)
    state: Mapped[RegistrationState] = mapped_column(words(RegistrationState, "registration_state"))
    name: Mapped[str] = mapped_column(String(120))
    email: Mapped[str] = mapped_column(String(254))
    language: Mapped[str] = mapped_column(String(5), default="fr")
    seats: Mapped[int] = mapped_column(default=1)
    came: Mapped[int | None]
    note: Mapped[str] = mapped_column(String(500), default="")
    hold_until: Mapped[datetime | None]
    email_confirmed_at: Mapped[datetime | None]
    asked_at: Mapped[datetime]
    reminded_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    session: Mapped[Session] = relationship(lazy="select", viewonly=True)

    __table_args__ = (
        CheckConstraint("seats > 0", name="seats"),
        Index("ix_session_registrations_session_state", "session_id", "state"),
        Index("ix_session_registrations_email", "email"),
    )
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own declarative attribute
