"""A class's files: a heap of programs becomes pieces by number, made on the machines that the session holds, and after it.

Nobody's name gets further than the label: it stands in a file beside the database until the session is delivered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from pathlib import PurePosixPath

from sqlalchemy import select

from fablab.base.database import Actor, UnitOfWork
from fablab.base.errors import Conflict, Invalid, LabError, Refusal, Refused
from fablab.claims import calendar
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.models import Allocation, ClaimState
from fablab.claims.workshops import delivering, letters, pieces, thread
from fablab.claims.workshops.day_models import Piece
from fablab.claims.workshops.delivering import Delivered
from fablab.claims.workshops.letters import SchoolLetter
from fablab.claims.workshops.models import Session, Workshop
from fablab.claims.workshops.names import MOST_NAME, Names
from fablab.claims.workshops.names import clean as clean_name
from fablab.claims.workshops.pieces import Made
from fablab.claims.workshops.words import EntryKind, SessionState
from fablab.people.access import Right, require
from fablab.places.models import Resource, ResourceKind
from fablab.programs.store import check_extension
from scheduler import planner
from scheduler.intake import Intake
from scheduler.lore import factors, key_of
from scheduler.sight import PLAN_AT

#: From the end of one piece to the start of the next somebody is on the way to the machine.
WALK_MIN = 2
#: Whoever has not written down by then that a session took place will not need its names any more.
NAMES_KEPT = timedelta(hours=24)
#: Files in one heap; more come in a second one.
MOST_FILES = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A file that has been looked at. `stem`: what it was called, for a label and nothing else. `trouble`: why it is of
    no use, None for one that is."""

    stem: str
    sha256: str = ""
    trouble: LabError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """One machine of the session: free from `free_at`, the session's until `until`."""

    resource_id: int
    free_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Where and when a piece is made in the session, if everything goes as expected."""

    resource_id: int
    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Heap:
    """What became of the files. `after`: of the numbers, those that will not be done in the session; `ready_at`: when
    the last of these will be. `refused`: by the file's place in the heap, from 1 on."""

    numbers: tuple[int, ...]
    after: tuple[int, ...]
    ready_at: datetime | None
    refused: Mapping[int, tuple[Refusal, ...] | LabError]


def line_up(beds: Sequence[Bed], minutes: Sequence[Mapping[int, int]]) -> list[Turn | None]:
    """Pure. Pieces in their order, each on the machine where it is done first; None where it is done on none of them
    before the session ends. `minutes`: by piece, what it takes with loading and clearing on each machine it may go on."""
    free = {bed.resource_id: bed.free_at for bed in beds}
    until = {bed.resource_id: bed.until for bed in beds}
    found: list[Turn | None] = []
    for takes in minutes:
        best: Turn | None = None
        for resource_id in sorted(free.keys() & takes.keys()):
            start = free[resource_id]
            end = start + timedelta(minutes=takes[resource_id])
            if end <= until[resource_id] and (best is None or end < best.end_at):
                best = Turn(resource_id=resource_id, start_at=start, end_at=end)
        if best is not None:
            free[best.resource_id] = best.end_at
        found.append(best)
    return found


def turns(uow: UnitOfWork, session: Session, made: Sequence[Made]) -> dict[int, Turn | None]:
    """By number, of those that wait: in the order in which they are started."""
    waiting = [each for each in made if each.job.state is JobState.QUEUED]
    return dict(
        zip(
            (each.number for each in waiting),
            line_up(beds(uow, session), [_minutes(uow, each) for each in waiting]),
            strict=True,
        )
    )


def beds(uow: UnitOfWork, session: Session) -> tuple[Bed, ...]:
    """The machines that the session holds from now on. One that is lent to a run comes back when that is over."""
    query = select(Resource.id).where(Resource.kind == ResourceKind.MACHINE)
    machines = set(uow.session.scalars(query))
    found: dict[int, Bed] = {}
    for place in calendar.current(calendar.claim(uow, session.id)):
        if place.resource_id in machines and place.run_end_at > uow.now:
            until = min(place.run_end_at, session.end_at or place.run_end_at)
            free_at = max(place.start_at, session.start_at or place.start_at, uow.now)
            found[place.resource_id] = Bed(resource_id=place.resource_id, free_at=free_at, until=until)
    for run_place in _lent(uow, session.id):
        end = session.end_at or run_place.end_at
        found[run_place.resource_id] = Bed(
            resource_id=run_place.resource_id, free_at=max(uow.now, run_place.run_end_at), until=end
        )
    return tuple(found[resource_id] for resource_id in sorted(found))


def _lent(uow: UnitOfWork, session_id: str) -> list[Allocation]:
    ids = [each.claim.id for each in pieces.of(uow, session_id) if each.job.state is JobState.ACTIVE]
    query = select(Allocation).where(Allocation.claim_id.in_(ids), Allocation.end_at > uow.now)
    return list(uow.session.scalars(query).unique())


def _minutes(uow: UnitOfWork, made: Made) -> dict[int, int]:
    known, claim = factors(uow), made.claim
    found: dict[int, int] = {}
    for need in claim.needs:
        for row in uow.session.scalars(select(Resource).where(Resource.id.in_(need.eligible))):
            key = key_of(row.id, claim.material_id, claim.estimate_source)
            run_min = known.distribution(key, max(1, claim.estimate_s)).quantile_min(PLAN_AT)
            clear_min = ceil(row.machine.clear_s / 60) if row.machine is not None else 0
            found[row.id] = run_min + clear_min + WALK_MIN
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """`names`: where first names stand as long as the session does."""

    intake: Intake
    names: Names

    # -- files come in -------------------------------------------------------------------------------------------

    def receive(self, actor: Actor, file_name: str, chunks: Iterable[bytes]) -> Sent:
        """Keep one file and look at it. What is no program is said of that file alone; the others of the heap go on."""
        require(actor, Right.OPERATE)
        stem = PurePosixPath(file_name.replace("\\", "/")).name.rsplit(".", 1)[0]
        try:
            check_extension(file_name)
            sha256 = self.intake.look_at(actor, chunks)
        except LabError as error:
            for _ in chunks:  # the rest of this file is not the next one's beginning
                pass
            return Sent(stem=stem, trouble=error)
        return Sent(stem=stem, sha256=sha256)

    def add(
        self, actor: Actor, session_id: str, sent: Sequence[Sent], said: Sequence[str], copies: int = 0
    ) -> Heap:
        """The pieces of a heap, in one transaction. One file is made once for each name that is said, or `copies` times;
        of several each is a piece, its name the one that is said at its place, or what the file was called.

        Raises `Invalid` piece.none, piece.name; `Conflict` session.state, session.too_many_pieces.
        """
        wanted = _wanted(sent, said, copies)
        heap, named = self.intake.database.write(lambda uow: self._add(uow, session_id, wanted), actor)
        if named:
            self.names.add(session_id, named)
        return heap

    def _add(
        self, uow: UnitOfWork, session_id: str, wanted: Sequence[tuple[Sent, str]]
    ) -> tuple[Heap, dict[int, str]]:
        require(uow.actor, Right.OPERATE)
        session = _locked(uow, session_id)
        refused: dict[int, tuple[Refusal, ...] | LabError] = {}
        named: dict[int, str] = {}
        number = first = pieces.next_number(uow, session.id)
        for place, (sent, name) in enumerate(wanted, start=1):
            if sent.trouble is not None:
                refused[place] = sent.trouble
                continue
            try:
                with uow.session.begin_nested():
                    pieces.add(uow, session, sent.sha256, number)
            except Refused as error:
                refused[place] = error.refusals
                continue
            if name:
                named[number] = name
            number += 1
        numbers = tuple(range(first, number))
        after, ready_at = _promise_left(uow, session, numbers)
        facts = {
            "count": len(numbers),
            "after": len(after),
            "refused": len(refused),
            "ready": ready_at.isoformat() if ready_at is not None else None,
        }
        if numbers:
            thread.enter(uow, session, EntryKind.FILES, facts=facts)
        uow.raise_event("session", session.id, "changed")
        return Heap(numbers=numbers, after=after, ready_at=ready_at, refused=refused), named

    # -- the end ---------------------------------------------------------------------------------------------------

    def deliver(self, actor: Actor, session_id: str) -> Delivered:
        """`delivering.deliver`, what is left promised in the same transaction; nobody is known by name after it."""

        def work(uow: UnitOfWork) -> Delivered:
            made = delivering.deliver(uow, session_id)
            catch_up(uow, made.session)
            return made

        found = self.intake.database.write(work, actor)
        self.names.forget(session_id)
        return found

    def tend(self) -> int:
        """Once a minute: sessions that are over are caught up, those that were called off make nothing; names and files
        of pupils go. How many sessions something was done about."""
        count = self.intake.database.write(_tend)
        with self.intake.database.read() as uow:
            kept = _named(uow)
        self.names.keep_only(kept)
        for sha256 in self.intake.database.write(_done_with):
            self.intake.store.forget(sha256)
        return count


def catch_up(uow: UnitOfWork, session: Session) -> int:
    """What is not done when the session is over has a place in the plan like everybody's, and the school is told when it
    will be ready; once for each piece. How many pieces."""
    made = [
        each
        for each in pieces.left(pieces.of(uow, session.id))
        if each.told_ready_at is None and each.job.state is JobState.QUEUED
    ]
    for each in made:
        each.claim.release_at = min(each.claim.release_at, uow.now)
    ready_at = _promise(uow, made)
    if made:
        facts = {"count": len(made), "ready": ready_at.isoformat() if ready_at is not None else None}
        thread.enter(uow, session, EntryKind.CAUGHT_UP, facts=facts)
        if ready_at is not None:
            letters.tell_school(
                uow, session, SchoolLetter.CAUGHT_UP, count=len(made), ready=ready_at.isoformat()
            )
    return len(made)


def _promise_left(
    uow: UnitOfWork, session: Session, numbers: Sequence[int]
) -> tuple[tuple[int, ...], datetime | None]:
    """Those of these that the session has no time for are planned for afterwards at once."""
    made = pieces.of(uow, session.id)
    found = turns(uow, session, made)
    late = [each for each in made if each.number in numbers and found.get(each.number, ...) is None]
    return tuple(each.number for each in late), _promise(uow, late)


def _promise(uow: UnitOfWork, late: Sequence[Made]) -> datetime | None:
    """A place for each, and the school's word for it; when the last one is ready."""
    last: datetime | None = None
    for each in late:
        if each.claim.state is ClaimState.OPEN:
            planner.insert(uow, each.claim)
        ready_at = each.claim.ready_at
        pieces.told(uow, each, ready_at)
        if ready_at is not None:
            last = ready_at if last is None else max(last, ready_at)
    return last


def _wanted(sent: Sequence[Sent], said: Sequence[str], copies: int) -> list[tuple[Sent, str]]:
    names = [clean_name(line) for line in said if line.strip()]
    if not sent:
        raise Invalid("piece.none", field="files")
    if len(sent) == 1:
        if names:
            return [(sent[0], name) for name in names]
        if not 0 <= copies <= pieces.MOST_PIECES:
            raise Invalid("piece.copies", field="copies", most=pieces.MOST_PIECES)
        return [(sent[0], "")] * max(1, copies)
    if len(names) > len(sent):
        raise Invalid("piece.names", field="names", names=len(names), files=len(sent))
    return [(each, names[n] if n < len(names) else _from(each.stem)) for n, each in enumerate(sent)]


def _from(stem: str) -> str:
    said = " ".join("".join(c if c.isalnum() or c in "-'’. " else " " for c in stem).split())
    return said[:MOST_NAME].strip()


def _locked(uow: UnitOfWork, session_id: str) -> Session:
    query = select(Session).where(Session.id == session_id).with_for_update(of=Session)
    session = uow.session.scalars(query).unique().one_or_none()
    if session is None or session.state is not SessionState.CONFIRMED:
        raise Conflict("session.state", state=session.state.value if session else "", action="files")
    return session


def _tend(uow: UnitOfWork) -> int:
    over = (
        select(Session)
        .join(Piece, Piece.session_id == Session.id)
        .join(Job, Job.id == Piece.job_id)
        .where(Piece.told_ready_at.is_(None), Job.state == JobState.QUEUED)
        .distinct()
    )
    count = 0
    for session in list(uow.session.scalars(over).unique()):
        if session.state in (SessionState.CANCELLED, SessionState.DECLINED, SessionState.LAPSED):
            count += bool(pieces.drop_left(uow, session))
        elif session.end_at is not None and session.end_at <= uow.now:
            count += bool(catch_up(uow, session))
    return count


def _named(uow: UnitOfWork) -> set[str]:
    """Sessions whose names are still needed."""
    query = select(Session.id).where(
        Session.state == SessionState.CONFIRMED, Session.end_at > uow.now - NAMES_KEPT
    )
    return set(uow.session.scalars(query))


def _done_with(uow: UnitOfWork) -> list[str]:
    """Programs that pupils have drawn, once the session is delivered and all that is made of them is: the files go. A
    program that is anybody else's as well, or the workshop's own, stays."""
    over = (SessionState.DELIVERED, SessionState.CLOSED, SessionState.CANCELLED)
    ended = (JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.REJECTED)
    query = (
        select(Job.program_sha256)
        .join(Piece, Piece.job_id == Job.id)
        .join(Session, Session.id == Piece.session_id)
        .where(Session.state.in_(over), Job.state.in_(ended), Session.end_at > uow.now - timedelta(days=60))
        .distinct()
    )
    found = set(uow.session.scalars(query))
    if not found:
        return []
    own = {
        str(piece["sha256"])
        for piece in uow.session.scalars(select(Workshop.piece))
        if piece and piece.get("sha256")
    }
    piece_ids = select(Piece.job_id)
    used = set(
        uow.session.scalars(
            select(Job.program_sha256).where(
                Job.program_sha256.in_(found), (Job.id.not_in(piece_ids)) | (Job.state.not_in(ended))
            )
        )
    )
    return sorted(found - own - used)
