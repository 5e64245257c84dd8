"""What is made in a session: jobs by number, nobody's by name, kept for the session until it ends and paid with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict
from fablab.base.ids import new_id
from fablab.claims import calendar
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import LIVE, Job, JobState
from fablab.claims.jobs.use import Wishes
from fablab.claims.models import Claim
from fablab.claims.workshops.day_models import Piece
from fablab.claims.workshops.models import Session
from fablab.claims.workshops.words import SessionState
from fablab.money import quotes
from fablab.people.access import Right, require
from fablab.programs.models import Program

#: A class and who comes with it; what more there is comes in a second heap.
MOST_PIECES = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One piece with its job, and the claim that says when it will be ready."""

    number: int
    job: Job
    claim: Claim
    told_ready_at: datetime | None

    @property
    def is_done(self) -> bool:
        return self.job.state is JobState.DONE

    @property
    def is_left(self) -> bool:
        return self.job.state in LIVE


def of(uow: UnitOfWork, session_id: str) -> tuple[Made, ...]:
    """By number."""
    query = (
        select(Piece, Job, Claim)
        .join(Job, Job.id == Piece.job_id)
        .join(Claim, Claim.id == Job.id)
        .where(Piece.session_id == session_id)
        .order_by(Piece.number)
    )
    return tuple(
        Made(number=piece.number, job=job, claim=claim, told_ready_at=piece.told_ready_at)
        for piece, job, claim in uow.session.execute(query).unique()
    )


def next_number(uow: UnitOfWork, session_id: str) -> int:
    last = uow.session.scalar(select(func.max(Piece.number)).where(Piece.session_id == session_id))
    return (last or 0) + 1


def add(uow: UnitOfWork, session: Session, sha256: str, number: int) -> Made:
    """One piece of this program, in the queue of the session. By the staff, while the session is to come or goes on.

    What it is called in the house is made of its number: whatever the file was called may be a child's name. Nothing is
    asked for it: the session's own price is. The plan leaves it alone until the session is over.
    Raises `Refused` with what stands against the file; `Conflict` session.state, session.too_many_pieces.
    """
    require(uow.actor, Right.OPERATE)
    if session.state is not SessionState.CONFIRMED or session.end_at is None:
        raise Conflict("session.state", state=session.state.value, action="files")
    if number > MOST_PIECES:
        raise Conflict("session.too_many_pieces", most=MOST_PIECES)
    program = uow.session.get_one(Program, sha256)
    assert uow.actor.member_id is not None  # whoever may operate and drops files is somebody
    job = Job(
        id=new_id(uow.now),
        state=JobState.DRAFT,
        member_id=uow.actor.member_id,
        file_name=f"{session.workshop.slug[:60]}-{number:02d}.gcode",
        program_sha256=program.sha256,
        made_at=uow.now,
    )
    uow.session.add(job)
    uow.session.flush()
    jobs.submit(uow, job.id, Wishes())
    claim = calendar.claim(uow, job.id)
    # Nobody in particular is told of each piece, and nobody in particular pays for it.
    claim.member_id, claim.audience = None, session.audience
    claim.release_at = max(uow.now, session.end_at)
    quotes.take_back(uow, job.id)
    uow.session.add(Piece(job_id=job.id, session_id=session.id, number=number))
    uow.session.flush()
    return Made(number=number, job=job, claim=claim, told_ready_at=None)


def told(uow: UnitOfWork, made: Made, ready_at: datetime | None) -> None:
    """The school knows when this one will be ready."""
    uow.session.get_one(Piece, made.job.id).told_ready_at = ready_at


def left(pieces: Sequence[Made]) -> tuple[Made, ...]:
    """Those that are still to be made, the ones on a machine now among them."""
    return tuple(each for each in pieces if each.is_left)


def drop_left(uow: UnitOfWork, session: Session) -> int:
    """The session does not take place: what was to be made in it is not."""
    found = [each for each in of(uow, session.id) if each.job.state in (JobState.QUEUED, JobState.REVIEW)]
    for each in found:
        jobs.cancel(uow, each.job.id)
    return len(found)
