"""Who got the machines' time: hours used and held over four weeks, by audience and by project, and who waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Double,
    Executable,
    and_,
    case,
    cast,
    extract,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute

from fablab.base.database import UnitOfWork
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.models import Allocation, Claim, ClaimKind, ClaimState
from fablab.people.access import Right, allows
from fablab.people.models import Audience, Member, Project, ProjectMember
from fablab.places.models import Resource, ResourceKind
from fablab.runs.models import LIVE, Run, RunState

LOOK_BACK = timedelta(days=28)

#: Runs that count as used. What failed or was interrupted is the lab's bad luck, as in `runs.settle`.
_COUNTED = (RunState.SUCCEEDED, RunState.CANCELLED, *LIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Machine hours of one project, or with `project_id` None of one member's work without a project; how many of its
    jobs wait, and since when the first of them (None: none does)."""

    audience: Audience
    project_id: int | None
    member_id: int | None
    used_h: float
    held_h: float
    waiting: int
    since: datetime | None = None

    @property
    def owner(self) -> str:
        return owner_of(self.project_id, self.member_id)


_Instant = InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]
_Whose = tuple[Audience, int | None, int | None]  # with a project, whoever works on it


def owner_of(project_id: int | None, member_id: int | None) -> str:
    """The name under which hours are added up: a project shares, and work without one is its member's."""
    return f"project-{project_id}" if project_id is not None else f"member-{member_id}"


def hours(uow: UnitOfWork) -> list[Hours]:
    """Everybody who used, holds or waits for a machine, in two queries whatever their number.

    Used: what began within LOOK_BACK and was not the lab's bad luck, and people's own time on a machine. Held: what
    the calendar keeps for them from now on.
    """
    uow.session.flush()
    found: dict[_Whose, list[float]] = {}
    oldest: dict[_Whose, datetime] = {}
    for audience, project_id, member_id, used_s, held_s in uow.session.execute(_query(uow)):
        sums = found.setdefault((audience, project_id, None if project_id else member_id), [0.0, 0.0, 0])
        sums[0] += (used_s or 0.0) / 3600
        sums[1] += (held_s or 0.0) / 3600
    waiting = (
        select(Claim.audience, Claim.project_id, Claim.member_id, func.count(), func.min(Claim.made_at))
        .join(Job, Job.id == Claim.id)
        .where(Claim.audience.is_not(None), Job.state.in_((JobState.QUEUED, JobState.REVIEW)))
        .group_by(Claim.audience, Claim.project_id, Claim.member_id)
    )
    for audience, project_id, member_id, count, since in uow.session.execute(waiting):
        assert audience is not None
        whose = (audience, project_id, None if project_id else member_id)
        found.setdefault(whose, [0.0, 0.0, 0])[2] += count
        oldest[whose] = min(since, oldest.get(whose, since))
    return [
        Hours(
            audience=audience,
            project_id=project_id,
            member_id=member_id,
            used_h=used_h,
            held_h=held_h,
            waiting=int(count),
            since=oldest.get((audience, project_id, member_id)),
        )
        for (audience, project_id, member_id), (used_h, held_h, count) in found.items()
    ]


def _query(uow: UnitOfWork) -> Executable:
    seconds = _seconds(uow, Allocation.start_at, Allocation.end_at)
    own = and_(Allocation.run_id.is_(None), Claim.kind != ClaimKind.JOB, Allocation.end_at <= uow.now)
    used = or_(Run.state.in_(_COUNTED), own)
    held = and_(
        Allocation.run_id.is_(None),
        Allocation.end_at > uow.now,
        Claim.state.in_((ClaimState.HELD, ClaimState.OFFERED)),
    )
    return (
        select(
            Claim.audience,
            Claim.project_id,
            Claim.member_id,
            func.sum(case((used, seconds), else_=0.0)),
            func.sum(case((held, seconds), else_=0.0)),
        )
        .select_from(Allocation)
        .join(Claim, Claim.id == Allocation.claim_id)
        .join(Resource, Resource.id == Allocation.resource_id)
        .outerjoin(Run, Run.id == Allocation.run_id)
        .where(
            Allocation.start_at >= uow.now - LOOK_BACK,
            Resource.kind == ResourceKind.MACHINE,
            Claim.kind != ClaimKind.OUTAGE,
            Claim.audience.is_not(None),
            or_(used, held),
        )
        .group_by(Claim.audience, Claim.project_id, Claim.member_id)
    )


def worn_min(uow: UnitOfWork) -> dict[int, int]:
    """Minutes that each machine ran in the runs that ended within LOOK_BACK, however they ended and without pauses, by
    resource id; those that made nothing are not in it."""
    query = (
        select(Run.resource_id, func.sum(_seconds(uow, Run.started_at, Run.ended_at) - Run.paused_s))
        .where(Run.started_at.is_not(None), Run.ended_at >= uow.now - LOOK_BACK)
        .group_by(Run.resource_id)
    )
    return {resource_id: max(0, round(worn_s / 60)) for resource_id, worn_s in uow.session.execute(query)}


def _seconds(uow: UnitOfWork, start: _Instant, end: _Instant) -> ColumnElement[float]:
    """From one to the other; the two databases count time in their own ways."""
    if uow.session.get_bind().dialect.name == "sqlite":
        days = func.julianday(end) - func.julianday(start)
        return days * literal(86_400.0)
    return cast(extract("epoch", end - start), Double)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A job in the queue, with its claim; `claim.reasons` says what the plan made of it."""

    job: Job
    claim: Claim

    @property
    def since(self) -> datetime:
        return self.claim.made_at


def waiting(uow: UnitOfWork) -> list[Waiting]:
    """The longest wait first; of others' jobs only what the actor may see."""
    query = (
        select(Job, Claim)
        .join(Claim, Claim.id == Job.id)
        .where(Job.state.in_((JobState.QUEUED, JobState.REVIEW)))
        .order_by(Claim.made_at, Claim.id)
    )
    if not allows(uow.actor, Right.SEE_ALL):
        query = query.where(Job.member_id == uow.actor.member_id)
    return [Waiting(job=job, claim=claim) for job, claim in uow.session.execute(query).unique()]


def own(uow: UnitOfWork, member_id: int) -> tuple[frozenset[str], frozenset[Audience]]:
    """Under which owners a member's work is added up, closed projects among them, and for which audiences it was."""
    belongs = select(ProjectMember.project_id).where(ProjectMember.member_id == member_id)
    mine = select(Project.id).where(or_(Project.owner_id == member_id, Project.id.in_(belongs)))
    member = uow.session.get(Member, member_id)
    owners = {owner_of(project_id, None) for project_id in uow.session.scalars(mine)}
    return (
        frozenset({owner_of(None, member_id), *owners}),
        frozenset({member.audience} if member is not None else ()),
    )


def names(uow: UnitOfWork, rows: list[Hours]) -> dict[str, tuple[str, str]]:
    """By `owner`: the project's name and its owner's, or with an empty project the member's own."""
    projects = {row.project_id for row in rows if row.project_id is not None}
    members = {row.member_id for row in rows if row.project_id is None and row.member_id is not None}
    found = {
        owner_of(row.id, None): (row.name, row.owner.name)
        for row in uow.session.scalars(select(Project).where(Project.id.in_(projects))).unique()
    }
    for row in uow.session.scalars(select(Member).where(Member.id.in_(members))):
        found[owner_of(None, row.id)] = ("", row.name)
    return found
