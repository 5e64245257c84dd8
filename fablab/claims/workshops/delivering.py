"""The end of a session: who came, as numbers; what went wrong; what is charged, as it was promised; certificates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.models import ClaimState
from fablab.claims.workshops import attendance, letters, pricing, survey, thread
from fablab.claims.workshops.attendance import ADULTS, Came
from fablab.claims.workshops.letters import SchoolLetter
from fablab.claims.workshops.models import Attendance, Session, ThreadEntry
from fablab.claims.workshops.words import SESSION_STEPS, AttendanceAxis, EntryKind, SessionState
from fablab.money import quotes
from fablab.money.quotes import Line, Quote
from fablab.people.access import Right, require
from fablab.places.models import Resource

#: After that nobody writes down who came: a report may have been made of it.
OPEN_STATES = (SessionState.CONFIRMED, SessionState.DELIVERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """`charged_cents`: with tax; None where nothing was promised. `survey_path`: where the follow-up questions are."""

    session: Session
    charged_cents: int | None
    survey_path: str


def attend(uow: UnitOfWork, session_id: str, came: Came) -> Session:
    """Write down who came, in the place of what was written before. By the staff, from the beginning on.

    Raises `Invalid` attendance.*; `Conflict` session.state, session.not_begun.
    """
    session = _open(uow, session_id, "attend")
    if session.start_at is None or session.start_at > uow.now:
        raise Conflict("session.not_begun")
    rows = attendance.checked(came)
    uow.session.execute(delete(Attendance).where(Attendance.session_id == session.id))
    uow.session.add_all(
        Attendance(session_id=session.id, axis=axis, word=word, people=people)
        for axis, counts in rows.items()
        for word, people in counts.items()
    )
    uow.session.flush()
    thread.enter(uow, session, EntryKind.ATTENDED, facts={"people": came.people, "adults": came.adults})
    uow.raise_event("session", session.id, "changed")
    return session


def came_of(uow: UnitOfWork, session_id: str) -> Came | None:
    """What was written down; None before that."""
    rows = list(uow.session.scalars(select(Attendance).where(Attendance.session_id == session_id)))
    if not rows:
        return None
    counts: dict[AttendanceAxis, dict[str, int]] = {}
    for row in rows:
        counts.setdefault(row.axis, {})[row.word] = row.people
    adults = counts.pop(AttendanceAxis.ADULTS, {}).get(ADULTS, 0)
    people = max((sum(each.values()) for each in counts.values()), default=0)
    return Came(people=people, adults=adults, counts=counts)


def deliver(uow: UnitOfWork, session_id: str) -> Delivered:
    """It has taken place: what was promised is charged once, the school gets its certificates and a few questions, and
    whatever it still holds is free. What is not made yet goes on in the plan.

    Raises `Conflict` session.state, session.not_begun, session.no_attendance.
    """
    session = _open(uow, session_id, "deliver")
    if session.start_at is None or session.start_at > uow.now:
        raise Conflict("session.not_begun")
    came = came_of(uow, session.id)
    if came is None:
        raise Conflict("session.no_attendance")
    session.state = step(SESSION_STEPS, session.state, "deliver")
    claim = calendar.claim(uow, session.id)
    if claim.state is not ClaimState.CLOSED:
        held = [allocation.resource_id for allocation in claim.allocations if allocation.end_at > uow.now]
        calendar.finish(uow, claim, uow.now)
        calendar.freed(uow, held)
    thread.enter(uow, session, EntryKind.DELIVERED, facts={"people": came.people})
    thread.enter(uow, session, EntryKind.CERTIFIED, facts={"people": came.people})
    charged = _charge(uow, session)
    token = survey.open_for(uow, session)
    path = survey.path(token)
    thread.enter(uow, session, EntryKind.QUESTIONNAIRE, facts={"path": path})
    letters.tell_school(uow, session, SchoolLetter.DELIVERED)
    uow.raise_event("session", session.id, "changed")
    return Delivered(session=session, charged_cents=charged, survey_path=path)


def report_problem(
    uow: UnitOfWork, session_id: str, text: str, resource_id: int | None = None
) -> ThreadEntry:
    """Something did not go as it should: for the staff, so that the next one goes better. `resource_id`: with which.

    Raises `Invalid` session.text, choice.unknown.
    """
    session = _open(uow, session_id, "problem")
    said = thread.clean_text(text, field="problem")
    facts: dict[str, object] = {}
    if resource_id is not None:
        row = uow.session.get(Resource, resource_id)
        if row is None:
            raise Invalid("choice.unknown", field="resource")
        facts = {"resource_id": row.id, "name": row.name}
    return thread.enter(uow, session, EntryKind.PROBLEM, said, facts=facts, for_staff=True)


def _charge(uow: UnitOfWork, session: Session) -> int | None:
    """The frozen lines, each with its tax beside it; the session is its own run, so that nothing is charged twice."""
    lines = pricing.read(session.price_lines)
    if not lines:
        return session.price_cents
    found: list[Line] = []
    for line in lines:
        found.append(
            Line(
                code=f"workshop_{line.code.value}",
                quantity=line.quantity,
                unit_cents=line.unit_cents,
                amount_cents=line.net_cents,
            )
        )
        if line.vat_cents:
            found.append(
                Line(
                    code="vat",
                    quantity=line.vat_rate_bp / 100,
                    unit_cents=line.net_cents,
                    amount_cents=line.vat_cents,
                )
            )
    total = sum(line.amount_cents for line in found)
    claim = calendar.claim(uow, session.id)
    quotes.charge(
        uow,
        Quote(lines=tuple(found), total_cents=total),
        claim_id=session.id,
        run_id=session.id,
        member_id=None,
        project_id=claim.project_id,
        audience=session.audience,
    )
    thread.enter(uow, session, EntryKind.CHARGED, facts={"total_cents": total, "payer": session.payer.value})
    return total


def _open(uow: UnitOfWork, session_id: str, action: str) -> Session:
    """Its row is held until the end of the transaction; a school's or a public one."""
    require(uow.actor, Right.OPERATE)
    query = select(Session).where(Session.id == session_id).with_for_update(of=Session)
    session = uow.session.scalars(query).unique().one_or_none()
    if session is None:
        raise NotFound("request.unknown", id=session_id[:20])
    if session.state not in OPEN_STATES or (action == "deliver" and session.state is SessionState.DELIVERED):
        raise Conflict("session.state", state=session.state.value, action=action)
    return session


def counted(counts: Mapping[AttendanceAxis, Mapping[str, int]], axis: AttendanceAxis, word: str) -> int:
    return counts.get(axis, {}).get(word, 0)
