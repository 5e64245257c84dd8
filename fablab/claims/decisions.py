"""What people have decided about a claim's place by hand: who, when, why, and what came of it. Rows are never changed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, String, select
from sqlalchemy.orm import Mapped, mapped_column

from fablab.base.database import Base, UnitOfWork
from fablab.base.errors import Fact
from fablab.places.models import words

WHY_MOST = 300


class Action(StrEnum):
    """What somebody may do to a claim in the plan."""

    MOVE = "move"
    PIN = "pin"
    UNPIN = "unpin"
    FORBID = "forbid"
    ALLOW = "allow"
    PRIORITISE = "prioritise"


class Decision(Base):
    """`by_name` is kept as it was then; `facts` say what of it: the machine, the start, the priority, how many moved."""

    __tablename__ = "decisions"

    id: Mapped[int] = mapped_column(primary_key=True)
    claim_id: Mapped[str] = mapped_column(String(16), ForeignKey("claims.id"), index=True)
    action: Mapped[Action] = mapped_column(words(Action, "decision_action"))
    made_at: Mapped[datetime]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    by_name: Mapped[str] = mapped_column(String(120))
    why: Mapped[str] = mapped_column(String(WHY_MOST), default="")
    facts: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)


def record(uow: UnitOfWork, claim_id: str, action: Action, why: str, **facts: Fact) -> Decision:
    """In the transaction of what was decided; `why` is cut to its length and to one line."""
    row = Decision(
        claim_id=claim_id,
        action=action,
        made_at=uow.now,
        by_id=uow.actor.member_id,
        by_name=uow.actor.name[:120],
        why=" ".join(why.split())[:WHY_MOST],
        facts=dict(facts),
    )
    uow.session.add(row)
    return row


def of(uow: UnitOfWork, claim_ids: Collection[str]) -> dict[str, list[Decision]]:
    """By claim, the first one first; only of claims about which anything was decided."""
    found: dict[str, list[Decision]] = {}
    query = select(Decision).where(Decision.claim_id.in_(claim_ids)).order_by(Decision.id)
    for row in uow.session.scalars(query):
        found.setdefault(row.claim_id, []).append(row)
    return found
