"""The day of a session: what it holds, its rotations and pieces, who came, and its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import anyio.to_thread
import msgspec
from litestar import Request, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Invalid
from fablab.claims.jobs.models import JobState
from fablab.claims.workshops import delivering, survey
from fablab.claims.workshops.attendance import Came
from fablab.claims.workshops.words import AttendanceAxis, SessionState
from fablab.people.access import SignedIn
from fablab.reports import sessions
from fablab.reports.sessions import DayNow
from fablab.runs import lodging
from scheduler.batch import MOST_FILES, Heap, Sent, turns
from web.api.schema import At
from web.batch import batch_of
from web.pages.sessions import LIMIT_BYTES, refused_said
from web.security import Access, Pace, Right
from web.uploads import Uploads
from web.words import Words

TAGS = ["sessions"]


class PieceOut(msgspec.Struct, frozen=True, kw_only=True):
    """`machine`: of its last run, or where it is expected in the session; `ready_at`: of one that is made afterwards."""

    number: int
    job: str
    state: JobState
    machine: int | None
    start_at: At | None
    ready_at: At | None


class RoundOut(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes from the beginning. `groups`: by station, counted from 0; null where nobody is."""

    since_min: int
    until_min: int
    groups: tuple[int | None, ...]


class CameBody(msgspec.Struct, frozen=True, kw_only=True):
    """Head-counts. `age`, `gender`, `status`: by La Coop's word; each adds up to `people`, or is left out."""

    people: int
    adults: int = 0
    age: dict[str, int] = {}
    gender: dict[str, int] = {}
    status: dict[str, int] = {}


class TotalsOut(msgspec.Struct, frozen=True, kw_only=True):
    answers: int
    means: dict[str, float]


class DayOut(msgspec.Struct, frozen=True, kw_only=True):
    """`places`: resource ids by kind; `held`: machines that may still be given back."""

    id: str
    state: SessionState
    since: At
    start_at: At
    end_at: At
    until: At
    places: dict[str, tuple[int, ...]]
    held: tuple[int, ...]
    groups: tuple[int, ...]
    rounds: tuple[RoundOut, ...]
    pieces: tuple[PieceOut, ...]
    came: CameBody | None
    charged_cents: int | None
    questions: str | None
    totals: TotalsOut


class HeapOut(msgspec.Struct, frozen=True, kw_only=True):
    """`numbers`: of the pieces; `after`: those that will be made after the session, `ready_at` the last of them.
    `refused`: a sentence for each file that was not taken."""

    numbers: tuple[int, ...]
    after: tuple[int, ...]
    ready_at: At | None
    refused: tuple[str, ...]


class ProblemIn(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    resource: int | None = None


class ReleaseIn(msgspec.Struct, frozen=True, kw_only=True):
    resource: int


class AnswerIn(msgspec.Struct, frozen=True, kw_only=True):
    """From 1 (not at all) to 5 (very much)."""

    liked: int
    learnt: int
    helped: int
    again: int
    remark: str = ""


@get("/sessions/{session_id:str}/day", access=Right.OPERATE, sync_to_thread=True, tags=TAGS)
def day(
    session_id: FromPath[str], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> DayOut:
    with database.read(signed_in.actor) as uow:
        return _out(uow, sessions.day(uow, session_id))


@post(
    "/sessions/{session_id:str}/pieces",
    access=Right.OPERATE,
    pace=Pace.UPLOAD,
    csrf="stream",
    request_max_body_size=LIMIT_BYTES,
    tags=TAGS,
)
async def add_pieces(
    session_id: FromPath[str],
    request: Request[Any, Any, Any],
    uploads: NamedDependency[Uploads],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> HeapOut:
    """Files as multipart/form-data, any number of them; `names`: first names or numbers for the labels, one on each line,
    never kept after the session; `copies`: how many of a single file."""
    batch = batch_of(request.app.state.parts)

    def keep(name: str, chunks: Iterable[bytes]) -> Sent:
        return batch.receive(signed_in.actor, name, chunks)

    sent, fields = await uploads.take_all(request, keep, most=MOST_FILES)

    def add() -> Heap:
        said = fields.get("names", "").splitlines()
        return batch.add(signed_in.actor, session_id, sent, said, _copies(fields))

    heap = await anyio.to_thread.run_sync(add)
    return HeapOut(
        numbers=heap.numbers,
        after=heap.after,
        ready_at=heap.ready_at,
        refused=refused_said(words, heap),
    )


def _copies(fields: Mapping[str, str]) -> int:
    said = fields.get("copies", "").strip()
    if not said:
        return 0
    if not (said.isascii() and said.isdigit() and len(said) < 5):
        raise Invalid("piece.copies", field="copies", most=MOST_FILES)
    return int(said)


@put("/sessions/{session_id:str}/attendance", access=Right.OPERATE, sync_to_thread=True, tags=TAGS)
def attend(
    session_id: FromPath[str],
    data: JSONBody[CameBody],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> DayOut:
    """Who came, as numbers; in the place of what was written before."""
    came = Came(
        people=data.people,
        adults=data.adults,
        counts={
            AttendanceAxis.AGE: data.age,
            AttendanceAxis.GENDER: data.gender,
            AttendanceAxis.STATUS: data.status,
        },
    )

    def work(uow: UnitOfWork) -> DayOut:
        delivering.attend(uow, session_id, came)
        return _out(uow, sessions.day(uow, session_id))

    return database.write(work, signed_in.actor)


@post("/sessions/{session_id:str}/problems", access=Right.OPERATE, sync_to_thread=True, tags=TAGS)
def report(
    session_id: FromPath[str],
    data: JSONBody[ProblemIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    """For the staff alone."""
    database.write(
        lambda uow: delivering.report_problem(uow, session_id, data.text, data.resource), signed_in.actor
    )


@post("/sessions/{session_id:str}/release", access=Right.OPERATE, sync_to_thread=True, tags=TAGS)
def release(
    session_id: FromPath[str],
    data: JSONBody[ReleaseIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> DayOut:
    """A machine that the session no longer needs is anybody's, after what runs on it."""

    def work(uow: UnitOfWork) -> DayOut:
        lodging.release_early(uow, session_id, data.resource)
        return _out(uow, sessions.day(uow, session_id))

    return database.write(work, signed_in.actor)


@post("/sessions/{session_id:str}/deliver", access=Right.OPERATE, sync_to_thread=True, tags=TAGS)
def deliver(
    session_id: FromPath[str],
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> DayOut:
    """It has taken place: charged as it was promised, certificates and questions for the school, names forgotten."""
    batch_of(request.app.state.parts).deliver(signed_in.actor, session_id)
    with database.read(signed_in.actor) as uow:
        return _out(uow, sessions.day(uow, session_id))


@post("/questions/{token:str}", access=Access.PUBLIC, csrf="json", sync_to_thread=True, tags=TAGS)
def answer(token: FromPath[str], data: JSONBody[AnswerIn], database: NamedDependency[Database]) -> None:
    """What somebody thought of a session; of whom, nobody knows."""
    marks = {question.value: int(getattr(data, question.value)) for question in survey.Question}
    database.write(lambda uow: survey.answer(uow, token, marks, data.remark))


def _out(uow: UnitOfWork, now: DayNow) -> DayOut:
    session = now.session
    assert session.start_at is not None
    assert session.end_at is not None
    expected = turns(uow, session, [each.made for each in now.pieces])
    stations = range(len(now.stations))
    return DayOut(
        id=session.id,
        state=session.state,
        since=now.since,
        start_at=session.start_at,
        end_at=session.end_at,
        until=now.until,
        places={kind.value: tuple(row.id for row in rows) for kind, rows in now.places.items()},
        held=tuple(row.id for row in now.held),
        groups=now.groups,
        rounds=tuple(
            RoundOut(
                since_min=each.since_min,
                until_min=each.until_min,
                groups=tuple({s.station: s.group for s in each.stops}.get(n) for n in stations),
            )
            for each in now.rounds
        ),
        pieces=tuple(
            PieceOut(
                number=each.made.number,
                job=each.made.job.id,
                state=each.made.job.state,
                machine=turn.resource_id if turn else each.run.resource_id if each.run else None,
                start_at=turn.start_at if turn else None,
                ready_at=each.made.claim.ready_at if turn is None else None,
            )
            for each in now.pieces
            for turn in (expected.get(each.made.number),)
        ),
        came=_came(now.came),
        charged_cents=now.charged_cents,
        questions=now.survey_path,
        totals=TotalsOut(
            answers=now.totals.answers,
            means={question.value: round(mean, 2) for question, mean in now.totals.means.items()},
        ),
    )


def _came(came: Came | None) -> CameBody | None:
    if came is None:
        return None
    return CameBody(
        people=came.people,
        adults=came.adults,
        age=dict(came.counts.get(AttendanceAxis.AGE, {})),
        gender=dict(came.counts.get(AttendanceAxis.GENDER, {})),
        status=dict(came.counts.get(AttendanceAxis.STATUS, {})),
    )


ROUTES = (day, add_pieces, attend, report, release, deliver, answer)
