"""What a member who goes gives back: every hour, place and answer that was kept for them, in the transaction of the step.

`witness` stands among the database's witnesses, before the waiting list's: what is given back here is offered to whoever
waits before anybody else can see that it is free. A machine that runs their job is left to finish it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from fablab.base.database import SYSTEM, UnitOfWork
from fablab.claims import calendar, reservations, waiting
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.models import Claim
from fablab.claims.reservations import handing
from fablab.claims.reservations.models import Reservation, ReservationState
from fablab.claims.trainings import use as trainings
from fablab.claims.waiting.models import LIVE as IN_LINE
from fablab.claims.waiting.models import Entry
from fablab.claims.workshops import registrations
from fablab.notices import tell, write
from fablab.people import invitations, log
from fablab.people.models import Member, Role
from fablab.runs import attempts
from fablab.runs.models import LIVE, Run, RunState

#: The steps of a member after which nothing is kept for them.
_GOES = frozenset({"left", "suspended", "forgotten"})
_OPERATORS = (Role.MEDIATOR, Role.STAFF, Role.ADMIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """How many of each; `running`: jobs that a machine goes on making."""

    reservations: int
    jobs: int
    waiting: int
    seats: int
    invitations: int
    running: int

    @property
    def count(self) -> int:
        return self.reservations + self.jobs + self.waiting + self.seats + self.invitations


def witness(uow: UnitOfWork) -> None:
    """Called before the commit of whatever raised events."""
    for event in list(uow.events):
        if event.topic == "member" and event.name in _GOES and isinstance(event.id, int):
            give_back(uow.acting(SYSTEM), event.id)


def give_back(uow: UnitOfWork, member_id: int) -> GivenBack:
    """By the lab itself: every reservation not begun, every job not running, turns in lines, seats, open invitations.

    The places in lines go first, or what is freed would be offered to whoever goes. A machine that has begun is named to
    the staff; they and the member are told.
    """
    member = uow.session.get_one(Member, member_id)
    waited = _leave_lines(uow, member_id)
    handing.close_of(uow, member_id)
    running = _running(uow, member_id)
    found = GivenBack(
        waiting=waited,
        reservations=_cancel_reservations(uow, member_id),
        jobs=_cancel_jobs(uow, member_id),
        seats=trainings.vacate(uow, member_id) + registrations.vacate(uow, member_id),
        invitations=invitations.close_of(uow, member_id),
        running=len(running),
    )
    for run in running:
        _say_it_goes_on(uow, member, run)
    if found.count or found.running:
        _say_what_went(uow, member, found)
    return found


def _leave_lines(uow: UnitOfWork, member_id: int) -> int:
    query = select(Entry.id).where(Entry.member_id == member_id, Entry.state.in_(IN_LINE))
    ids = list(uow.session.scalars(query.order_by(Entry.id)))
    for entry_id in ids:
        waiting.give_up(uow, entry_id)
    return len(ids)


def _cancel_reservations(uow: UnitOfWork, member_id: int) -> int:
    """One that is in use goes on: its holder, or their work, may still lie on the machine."""
    query = select(Reservation.id).where(
        Reservation.member_id == member_id,
        Reservation.state.in_((ReservationState.REQUESTED, ReservationState.CONFIRMED)),
    )
    ids = list(uow.session.scalars(query.order_by(Reservation.start_at, Reservation.id)))
    for reservation_id in ids:
        reservations.cancel(uow, reservation_id)
    return len(ids)


def _cancel_jobs(uow: UnitOfWork, member_id: int) -> int:
    """Drafts ask nothing of the lab; they go when they are old."""
    query = select(Job.id).where(
        Job.member_id == member_id, Job.state.in_((JobState.REVIEW, JobState.QUEUED))
    )
    ids = list(uow.session.scalars(query.order_by(Job.id)))
    for job_id in ids:
        places = [each.resource_id for each in calendar.claim(uow, job_id).allocations]
        attempts.cancel_job(uow, job_id)  # a tap that was made for it is taken back
        calendar.freed(uow, places)
    return len(ids)


def _running(uow: UnitOfWork, member_id: int) -> list[Run]:
    begun = [state for state in LIVE if state is not RunState.PREPARING]
    query = select(Run).join(Claim, Claim.id == Run.claim_id)
    query = query.where(Claim.member_id == member_id, Run.state.in_(begun))
    return list(uow.session.scalars(query.order_by(Run.id)).unique())


def _say_it_goes_on(uow: UnitOfWork, member: Member, run: Run) -> None:
    operators = select(Member.id).where(Member.role.in_(_OPERATORS), Member.active, Member.id != member.id)
    file_name = jobs.get(uow, run.claim_id).file_name
    for staff_id in uow.session.scalars(operators.order_by(Member.id)):
        tell(
            uow,
            staff_id,
            "job.goes_on",
            claim_id=run.claim_id,
            file=file_name,
            machine=run.resource.name,
            who=member.name,
        )


def _say_what_went(uow: UnitOfWork, member: Member, found: GivenBack) -> None:
    """A letter to their address: of whoever has left, no page is shown any more."""
    log.record(
        uow,
        "member.gave_back",
        for_member_id=member.id,
        reservations=found.reservations,
        jobs=found.jobs,
        waiting=found.waiting,
        seats=found.seats,
        invitations=found.invitations,
        running=found.running,
    )
    code = "member.gave_back_running" if found.running else "member.gave_back"
    if member.email is not None:
        write(uow, member.email, member.language, code, name=member.name, count=found.count)
    elif member.parent_id is not None:
        tell(uow, member.parent_id, code, name=member.name, count=found.count)
