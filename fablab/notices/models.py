"""What is told and sent, as rows: notices, the outbox of letters, people's choices, calendar feeds and webhooks."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, Enum, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fablab.base.database import Base


class Subject(StrEnum):
    """What a notice is about; people choose how they hear of each. The last two cannot be switched off."""

    JOBS = "jobs"  # my prints and cuts: done, failed, accepted
    PLAN = "plan"  # they were moved
    RESERVATIONS = "reservations"
    WAITING = "waiting"  # a place that was waited for has become free
    TRAININGS = "trainings"  # certifications and trainings
    ACCOUNT = "account"  # membership, documents, projects, family
    HOUSE = "house"  # for whoever runs it: a webhook stopped, a letter came back
    SAFETY = "safety"
    SECURITY = "security"  # confirmations, passwords, sign-ins


ALWAYS_SENT = frozenset({Subject.SAFETY, Subject.SECURITY})


class Channel(StrEnum):
    """How somebody hears of a subject. `none`: neither a letter nor a line on the page."""

    PAGE = "page"
    AT_ONCE = "at_once"
    DAILY = "daily"
    NONE = "none"


#: Unless the member says otherwise: what asks them to do or to come somewhere is a letter, the rest is on the page.
USUAL: dict[Subject, Channel] = {
    Subject.JOBS: Channel.AT_ONCE,
    Subject.PLAN: Channel.PAGE,
    Subject.RESERVATIONS: Channel.AT_ONCE,
    Subject.WAITING: Channel.AT_ONCE,
    Subject.TRAININGS: Channel.AT_ONCE,
    Subject.ACCOUNT: Channel.AT_ONCE,
    Subject.HOUSE: Channel.DAILY,
    Subject.SAFETY: Channel.AT_ONCE,
    Subject.SECURITY: Channel.AT_ONCE,
}


class LetterState(StrEnum):
    """failed: will be tried again at `due_at`; held: for the end of the quiet hours, or for the day's letter.

    sending: one process has it until `lease_until`; should that process die, it counts as failed and is tried again,
    with the same Message-ID: at least once, never knowingly twice.
    """

    WAITING = "waiting"
    HELD = "held"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    GIVEN_UP = "given_up"
    CANCELLED = "cancelled"


LETTER_STEPS: dict[tuple[LetterState, str], LetterState] = {
    (LetterState.WAITING, "take"): LetterState.SENDING,
    (LetterState.WAITING, "hold"): LetterState.HELD,
    (LetterState.WAITING, "cancel"): LetterState.CANCELLED,
    (LetterState.HELD, "take"): LetterState.SENDING,
    (LetterState.HELD, "hold"): LetterState.HELD,
    (LetterState.HELD, "cancel"): LetterState.CANCELLED,
    (LetterState.SENDING, "accept"): LetterState.SENT,
    (LetterState.SENDING, "fail"): LetterState.FAILED,
    (LetterState.SENDING, "give_up"): LetterState.GIVEN_UP,
    (LetterState.FAILED, "take"): LetterState.SENDING,
    (LetterState.FAILED, "hold"): LetterState.HELD,
    (LetterState.FAILED, "cancel"): LetterState.CANCELLED,
    (LetterState.FAILED, "resend"): LetterState.WAITING,
    (LetterState.SENT, "resend"): LetterState.WAITING,
    (LetterState.GIVEN_UP, "resend"): LetterState.WAITING,
    (LetterState.CANCELLED, "resend"): LetterState.WAITING,
}


class HookState(StrEnum):
    """paused: by a person; stopped: by itself, after failing again and again."""

    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"


HOOK_STEPS: dict[tuple[HookState, str], HookState] = {
    (HookState.ACTIVE, "pause"): HookState.PAUSED,
    (HookState.ACTIVE, "stop"): HookState.STOPPED,
    (HookState.PAUSED, "resume"): HookState.ACTIVE,
    (HookState.STOPPED, "resume"): HookState.ACTIVE,
    (HookState.STOPPED, "pause"): HookState.PAUSED,
}


class DeliveryState(StrEnum):
    """One event on its way to one webhook; failed: will be tried again at `due_at`."""

    WAITING = "waiting"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    GIVEN_UP = "given_up"


DELIVERY_STEPS: dict[tuple[DeliveryState, str], DeliveryState] = {
    (DeliveryState.WAITING, "take"): DeliveryState.SENDING,
    (DeliveryState.SENDING, "accept"): DeliveryState.DELIVERED,
    (DeliveryState.SENDING, "fail"): DeliveryState.FAILED,
    (DeliveryState.SENDING, "give_up"): DeliveryState.GIVEN_UP,
    (DeliveryState.FAILED, "take"): DeliveryState.SENDING,
    (DeliveryState.FAILED, "replay"): DeliveryState.WAITING,
    (DeliveryState.DELIVERED, "replay"): DeliveryState.WAITING,
    (DeliveryState.GIVEN_UP, "replay"): DeliveryState.WAITING,
}


def _words(kind: type[StrEnum], name: str) -> Enum:
    """As `fablab.places.models.words`, which this room lies too low to see."""
    return Enum(kind, name=name, native_enum=False, length=32, values_callable=lambda e: [m.value for m in e])


class Notice(Base):
    """`code` and `facts` become words at the edge; `seen_at` is set when the member has looked."""

    __tablename__ = "notices"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    code: Mapped[str] = mapped_column(String(60))
    facts: Mapped[dict[str, object]] = mapped_column(JSON)
    claim_id: Mapped[str | None] = mapped_column(String(16))
    made_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_notices_member_seen", "member_id", "seen_at"),)


class Letter(Base):
    """A row of the outbox: to a member, or to an `address` that is no member's yet, in `language`.

    `due_at`: not before then. `lease` names who is sending it. `reason` is a code, `said` what the mail server said.
    `off_hash`: of the secret in the letter with which its reader may switch the subject off. Facts that let somebody
    in (`secret_path`) are dropped once it is sent.
    """

    __tablename__ = "letters"

    id: Mapped[int] = mapped_column(primary_key=True)
    notice_id: Mapped[int | None] = mapped_column(ForeignKey("notices.id"), index=True)
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"), index=True)
    address: Mapped[str | None] = mapped_column(String(254))
    language: Mapped[str | None] = mapped_column(String(5))
    code: Mapped[str] = mapped_column(String(60))
    facts: Mapped[dict[str, object]] = mapped_column(JSON)
    claim_id: Mapped[str | None] = mapped_column(String(16))
    subject: Mapped[Subject] = mapped_column(_words(Subject, "notice_subject"))
    channel: Mapped[Channel] = mapped_column(_words(Channel, "notice_channel"))
    state: Mapped[LetterState] = mapped_column(_words(LetterState, "letter_state"))
    made_at: Mapped[datetime]
    due_at: Mapped[datetime]
    lease: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str | None] = mapped_column(String(60))
    said: Mapped[str | None] = mapped_column(String(300))
    sent_at: Mapped[datetime | None]
    off_hash: Mapped[str | None] = mapped_column(String(64), unique=True)

    notice: Mapped[Notice | None] = relationship(lazy="raise")

    __table_args__ = (Index("ix_letters_state_due", "state", "due_at"),)


class Choice(Base):
    """How a member hears of a subject; without a row `USUAL` holds."""

    __tablename__ = "notice_choices"

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    subject: Mapped[Subject] = mapped_column(_words(Subject, "notice_subject"), primary_key=True)
    channel: Mapped[Channel] = mapped_column(_words(Channel, "notice_channel"))


class QuietHours(Base):
    """Minutes of the house's local day in which letters wait: [from, until), over midnight where from > until."""

    __tablename__ = "quiet_hours"

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    from_min: Mapped[int]
    until_min: Mapped[int]


class Invite(Base):
    """What a member's calendar was last told of a claim, so that the next telling counts up and a cancellation fits."""

    __tablename__ = "invites"

    claim_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    sequence: Mapped[int]
    title: Mapped[str] = mapped_column(String(200))
    place: Mapped[str] = mapped_column(String(300))
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]


class Feed(Base):
    """A calendar that programs may fetch with a secret address: a member's own, or that of a resource. Its hash only."""

    __tablename__ = "feeds"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    resource_id: Mapped[int | None] = mapped_column(ForeignKey("resources.id"))
    name: Mapped[str] = mapped_column(String(80))
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Hook(Base):
    """A webhook: who is told of which events. `secret` signs, so the server has to know it: it is sealed
    (`base.sealing`), and shown once."""

    __tablename__ = "hooks"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    url: Mapped[str] = mapped_column(String(500))
    events: Mapped[list[str]] = mapped_column(JSON)
    secret: Mapped[str] = mapped_column(String(200))
    state: Mapped[HookState] = mapped_column(_words(HookState, "hook_state"))
    failures: Mapped[int] = mapped_column(default=0)  # in a row
    made_at: Mapped[datetime]
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


class Delivery(Base):
    """One event for one webhook. `key` is the same in every try and replay; `body` is exactly what is signed and sent.

    `attempts`: the last tries, each {at, status, reason, said, took_ms}.
    """

    __tablename__ = "hook_deliveries"

    id: Mapped[int] = mapped_column(primary_key=True)
    hook_id: Mapped[int] = mapped_column(ForeignKey("hooks.id"))
    event: Mapped[str] = mapped_column(String(60))
    key: Mapped[str] = mapped_column(String(40))
    body: Mapped[str] = mapped_column(Text())
    state: Mapped[DeliveryState] = mapped_column(_words(DeliveryState, "delivery_state"))
    made_at: Mapped[datetime]
    due_at: Mapped[datetime]
    lease: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[list[dict[str, object]]] = mapped_column(JSON, default=list)
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_hook_deliveries_state_due", "state", "due_at"),
        Index("ix_hook_deliveries_hook", "hook_id", "id"),
    )
