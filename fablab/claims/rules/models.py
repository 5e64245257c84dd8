"""The rules' own tables: what each kind of place allows, what a beam may cut, and what was let pass by whom."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from fablab.base.database import Base
from fablab.people.models import Audience
from fablab.places.models import ResourceKind, Technology, words


class Presence(StrEnum):
    """When a resource may be used by members: at any hour, while the house is open, while somebody is there."""

    ANYTIME = "anytime"
    OPEN = "open"
    STAFFED = "staffed"


class Overrun(StrEnum):
    """What becomes of a run that is under way and will not be over when somebody's reservation begins; both are told in
    any case. Whatever it says, nothing is started that might run into one, and no run is ended for it."""

    REFUSE = "refuse"  # it may not go on as if nothing were: the staff is asked to stop it or to settle it
    PAUSE = "pause"
    SHIFT = "shift"
    WARN = "warn"  # it goes on


#: Where a pause leaves the part and the house as they are: a beam would burn on, a spindle would rub.
PAUSABLE = frozenset({Technology.FDM, Technology.RESIN, Technology.VINYL})


class Permission(StrEnum):
    """What a machine's list says of a material; what it does not name needs staff's leave."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"


class ReservationPolicy(Base):
    """What holds for a resource, a technology, a kind or the house, for everybody or for one audience.

    An empty column says nothing: the next wider row is asked, column by column (`rules.policies`). `*_s` in seconds,
    ages in years. `weekly_s` is time on resources in a week of the house, `concurrent` reservations still to come.
    """

    __tablename__ = "reservation_policies"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[ResourceKind | None] = mapped_column(words(ResourceKind, "resource_kind"))
    technology: Mapped[Technology | None] = mapped_column(words(Technology, "technology"))
    resource_id: Mapped[int | None] = mapped_column(ForeignKey("resources.id"))
    audience: Mapped[Audience | None] = mapped_column(words(Audience, "audience"))
    lead_s: Mapped[int | None]
    horizon_s: Mapped[int | None]
    shortest_s: Mapped[int | None]
    longest_s: Mapped[int | None]
    gap_s: Mapped[int | None]
    weekly_s: Mapped[int | None]
    concurrent: Mapped[int | None]
    presence: Mapped[Presence | None] = mapped_column(words(Presence, "presence"))
    subscription: Mapped[bool | None]
    approval: Mapped[bool | None]
    grace_s: Mapped[int | None]
    cancel_s: Mapped[int | None]
    overrun: Mapped[Overrun | None] = mapped_column(words(Overrun, "overrun"))
    least_age: Mapped[int | None]
    consent_age: Mapped[int | None]
    alone_age: Mapped[int | None]
    set_at: Mapped[datetime]
    set_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))

    __table_args__ = (UniqueConstraint("kind", "technology", "resource_id", "audience"),)


class MachineMaterial(Base):
    """A material on a machine's list. A machine without a list takes whatever its technology's rules allow."""

    __tablename__ = "machine_materials"

    resource_id: Mapped[int] = mapped_column(ForeignKey("resources.id"), primary_key=True)
    material_id: Mapped[int] = mapped_column(ForeignKey("materials.id"), primary_key=True)
    permission: Mapped[Permission] = mapped_column(words(Permission, "permission"))
    note: Mapped[str] = mapped_column(String(300), default="")


class Waiver(Base):
    """One refusal that was let pass: for a claim, or for a member on a resource until `until_at`.

    It counts from the first signature, or from the second where the rule is one of safety (`rules.table.PASSES`);
    `second_by_id` is never `by_id`. Rows are not changed but for the second signature and for `withdrawn_at`.
    """

    __tablename__ = "waivers"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(60))
    claim_id: Mapped[str | None] = mapped_column(ForeignKey("claims.id"), index=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    resource_id: Mapped[int | None] = mapped_column(ForeignKey("resources.id"))
    why: Mapped[str] = mapped_column(String(300))
    by_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    at: Mapped[datetime]
    second_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    second_at: Mapped[datetime | None]
    until_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("second_by_id IS NULL OR second_by_id <> by_id", name="two_people"),
        CheckConstraint("claim_id IS NOT NULL OR until_at IS NOT NULL", name="ends"),
        Index("ix_waivers_member_until", "member_id", "until_at"),
    )


class RulesVersion(Base):
    """One row, drawn anew by the database itself with every change of what `rules.known` remembers."""

    __tablename__ = "rules_version"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
