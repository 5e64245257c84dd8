"""Where somebody stands with a machine: pure, from what was granted, what it asks for and how lately it was used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from fablab.people.models import CertificationLevel
from fablab.places.models import Technology

#: A higher level includes the lower ones.
RANK: dict[CertificationLevel, int] = {
    CertificationLevel.USER: 1,
    CertificationLevel.TRAINER: 2,
    CertificationLevel.MAINTENANCE: 3,
}


class Lapse(StrEnum):
    """Why a certification is none any more."""

    EXPIRED = "expired"
    DISUSED = "disused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """As in `CertificationTerms`; without a row there are no limits."""

    valid_days: int | None = None
    disuse_days: int | None = None
    supervised_uses: int = 0
    remind_days: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One certification that was not revoked. `resource_id` None: for the whole technology. `since`: its last renewal."""

    id: int
    technology: Technology
    resource_id: int | None
    level: CertificationLevel
    since: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What somebody holds for one machine. `ends_at`: when it ends by its date or by disuse, whichever comes first.

    `supervised_left`: uses under somebody's eyes that are still to come before the first one alone.
    """

    certification_id: int
    level: CertificationLevel
    ends_at: datetime | None
    end: Lapse | None
    supervised_left: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`held` None: nothing that counts now; `lapse` and `lapsed_at` then say of the last one why it is over."""

    held: Held | None
    lapse: Lapse | None = None
    lapsed_at: datetime | None = None


def standing(
    grants: Sequence[Grant],
    *,
    technology: Technology,
    resource_id: int | None,
    terms: Terms,
    last_used_at: datetime | None,
    supervised: int,
    at: datetime,
    least: CertificationLevel = CertificationLevel.USER,
) -> Standing:
    """The best of the grants for this machine at `at`, of level `least` or above.

    `resource_id` None asks for the whole technology, which leave for one machine does not give. `supervised` uses are
    counted by whoever stood beside; only leave at the level of a user asks for them.
    """
    live: list[Held] = []
    over: list[tuple[datetime, Lapse]] = []
    for grant in grants:
        if grant.technology is not technology or RANK[grant.level] < RANK[least]:
            continue
        if grant.resource_id is not None and grant.resource_id != resource_id:
            continue
        ends_at, end = _end(grant, terms, last_used_at)
        if ends_at is not None and end is not None and ends_at <= at:
            over.append((ends_at, end))
            continue
        left = terms.supervised_uses - supervised if grant.level is CertificationLevel.USER else 0
        live.append(
            Held(
                certification_id=grant.id,
                level=grant.level,
                ends_at=ends_at,
                end=end,
                supervised_left=max(0, left),
            )
        )
    if live:
        return Standing(held=max(live, key=_worth))
    if over:
        lapsed_at, lapse = max(over)
        return Standing(held=None, lapse=lapse, lapsed_at=lapsed_at)
    return Standing(held=None)


def _worth(held: Held) -> tuple[int, bool, float, int]:
    ends = held.ends_at.timestamp() if held.ends_at is not None else 0.0
    return RANK[held.level], held.ends_at is None, ends, held.certification_id


def _end(grant: Grant, terms: Terms, last_used_at: datetime | None) -> tuple[datetime | None, Lapse | None]:
    """Its date stands on the grant; disuse counts from the last use, or from the day it was granted or renewed."""
    ends: list[tuple[datetime, Lapse]] = []
    if grant.expires_at is not None:
        ends.append((grant.expires_at, Lapse.EXPIRED))
    if terms.disuse_days is not None:
        used = max(grant.since, last_used_at) if last_used_at is not None else grant.since
        ends.append((used + timedelta(days=terms.disuse_days), Lapse.DISUSED))
    if not ends:
        return None, None
    return min(ends)
