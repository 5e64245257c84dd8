"""What is asked of the rules, and what they have to know to answer: frozen, and nothing in it reads a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from fablab.base.intervals import Interval, Intervals
from fablab.claims.rules.models import Overrun, Permission, Presence
from fablab.claims.trainings.following import NextTraining
from fablab.people.certifications.standing import Standing
from fablab.people.models import MemberState
from fablab.places.models import ResourceKind, Technology


class Act(StrEnum):
    """submit: a job, whenever and wherever it fits; reserve: these resources then; start: now; join: a training."""

    SUBMIT = "submit"
    RESERVE = "reserve"
    START = "start"
    JOIN = "join"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who wants to do what, with which resources, from when until when.

    `member_id`: whose leave it takes, that is whoever will use the resources; for a start, whoever stands at the
    machine. `alone_from`: from then on nobody is beside it; None: somebody always is. `claim_id`: the claim that is
    moved or started, which never stands in its own way. `materials`: their ids; None: not known yet, an empty tuple: known
    to be none that the lab stocks. `size_mm`: width, depth, height of what is made, as far as they are known.
    """

    act: Act
    member_id: int
    resource_ids: tuple[int, ...]
    start_at: datetime
    end_at: datetime
    alone_from: datetime | None = None
    materials: tuple[int, ...] | None = None
    size_mm: tuple[float | None, float | None, float | None] | None = None
    claim_id: str | None = None

    @property
    def span(self) -> Interval:
        return Interval(self.start_at, self.end_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a policy's row is about; all empty: everything in the house."""

    kind: ResourceKind | None = None
    technology: Technology | None = None
    resource_id: int | None = None

    def covers(self, where: Where | Booked) -> bool:
        return (
            self.kind in (None, where.kind)
            and self.technology in (None, where.technology)
            and self.resource_id in (None, where.resource_id)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """At most so much within the scope of the row that says so."""

    most: int
    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What holds for one resource and one member, all rows of `reservation_policies` taken together.

    `*_s` in seconds, ages in years; None: no such limit.
    """

    lead_s: int = 0
    horizon_s: int = 365 * 86400
    shortest_s: int = 60
    longest_s: int | None = None
    gap_s: int = 0
    weekly: Quota | None = None
    concurrent: Quota | None = None
    presence: Presence = Presence.OPEN
    subscription: bool = False
    approval: bool = False
    grace_s: int = 15 * 60
    cancel_s: int = 0
    overrun: Overrun = Overrun.REFUSE
    least_age: int | None = None
    consent_age: int | None = 15  # RGPD article 8 with the French law of 1978, article 45
    alone_age: int | None = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """Rules that this member has yet to sign, in the version that counts."""

    rule_text_id: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """One resource in the light of what is asked: its own facts, the hours in the window, and what the member holds.

    `open` and `staffed`: hours within the window, closures taken out. `taken`: places in the window that are firmly
    somebody else's, as (claim id, kind, interval). `list`: what a machine's list says of materials; None: no list.
    """

    resource_id: int
    name: str
    kind: ResourceKind
    technology: Technology | None = None
    policy: Policy = field(default_factory=Policy)
    out_of_service: bool = False
    needs_certification: bool = False
    standing: Standing = field(default_factory=lambda: Standing(held=None))
    supervised_until: datetime | None = None
    next_training: NextTraining | None = None
    unsigned: tuple[Unsigned, ...] = ()
    unattended: bool = False
    unattended_max_s: int = 0
    bed_mm: tuple[float, float, float] | None = None
    materials: Mapping[int, Permission] | None = None
    open: Intervals = ()
    staffed: Intervals = ()
    taken: tuple[Taken, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A place on the resource that somebody else holds for good: `word` is the claim's kind."""

    claim_id: str
    word: str
    span: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """One of the member's own reservations: a resource in a stretch of time."""

    claim_id: str
    resource_id: int
    kind: ResourceKind
    technology: Technology | None
    span: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """The member. `staff`: by their role they answer for the machines themselves. `age`: in years on the day it is
    about; None: of age, or nobody asked. `consent`: a parent has said yes. `subscribed`: a subscription covers the day."""

    state: MemberState = MemberState.ACTIVE
    staff: bool = False
    age: int | None = None
    consent: bool = False
    subscribed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The house is shut, and why."""

    name: str
    span: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Waived:
    """A refusal that was let pass; `resource_id` None: on every resource."""

    code: str
    resource_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything that is known about what is asked, at `now`. `consent_age`: the strictest of the policies; whoever is
    younger needs a parent's yes."""

    now: datetime
    zone: ZoneInfo
    who: Who
    consent_age: int | None = None
    where: tuple[Where, ...] = ()
    closures: tuple[Closed, ...] = ()
    booked: tuple[Booked, ...] = ()
    waived: frozenset[Waived] = frozenset()
