"""A few questions after a session, by a link that the school passes on: answers without a name, shown as totals only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import func, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.claims.workshops.day_models import Answer, Survey
from fablab.claims.workshops.models import Session
from fablab.people import keys
from fablab.places import house

OPEN_FOR = timedelta(days=60)
PATH = "/house/questions/"
MOST_REMARK = 1000
#: A class, its adults, and some who answer twice: more than that is no class.
MOST_ANSWERS = 120
MARKS = range(1, 6)
#: Fewer answers than that would be somebody’s own: nothing of them is shown but how many there are.
LEAST_SHOWN = 3


class Question(StrEnum):
    """What is asked; each is answered from 1 (not at all) to 5 (very much)."""

    LIKED = "liked"
    LEARNT = "learnt"
    HELPED = "helped"  # the mediator was there when needed
    AGAIN = "again"  # would do it again


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """`means`: by question, of `answers`; nothing of fewer than `LEAST_SHOWN`. `marks`: how often each was given."""

    answers: int
    means: Mapping[Question, float]
    marks: Mapping[Question, Mapping[int, int]]
    remarks: tuple[str, ...]


def open_for(uow: UnitOfWork, session: Session) -> str:
    """The token of the link; the same one again where there is one."""
    row = uow.session.get(Survey, session.id)
    if row is None:
        row = Survey(
            session_id=session.id,
            token=keys.new_secret(),
            made_at=uow.now,
            ends_at=uow.now + OPEN_FOR,
        )
        uow.session.add(row)
        uow.session.flush()
    return row.token


def path(token: str) -> str:
    return f"{PATH}{token}"


def path_of(uow: UnitOfWork, session_id: str) -> str | None:
    row = uow.session.get(Survey, session_id)
    return path(row.token) if row is not None else None


def session_of(uow: UnitOfWork, token: str) -> Session:
    """Raises `NotFound` survey.unknown; `Conflict` survey.over."""
    row = uow.session.scalar(select(Survey).where(Survey.token == token[:43]))
    if row is None:
        raise NotFound("survey.unknown")
    if row.ends_at <= uow.now:
        raise Conflict("survey.over")
    return uow.session.get_one(Session, row.session_id)


def answer(uow: UnitOfWork, token: str, marks: Mapping[str, int], remark: str = "") -> None:
    """Raises `Invalid` survey.mark with the question as its field, survey.remark; `Conflict` survey.full."""
    session = session_of(uow, token)
    said = " ".join(remark.split())
    if len(said) > MOST_REMARK or not said.isprintable():
        raise Invalid("survey.remark", field="remark", most=MOST_REMARK)
    found: dict[str, int] = {}
    for question in Question:
        mark = marks.get(question.value)
        if mark is None or mark not in MARKS:
            raise Invalid("survey.mark", field=question.value)
        found[question.value] = mark
    there = uow.session.scalar(select(func.count()).where(Answer.session_id == session.id)) or 0
    if there >= MOST_ANSWERS:
        raise Conflict("survey.full")
    uow.session.add(Answer(session_id=session.id, marks=found, remark=said, day=house.today(uow)))
    uow.session.flush()
    uow.raise_event("session", session.id, "changed")


def totals(uow: UnitOfWork, session_id: str) -> Totals:
    """In an order that is not the order in which they came."""
    rows = list(uow.session.scalars(select(Answer).where(Answer.session_id == session_id)))
    remarks = tuple(sorted(row.remark for row in rows if row.remark))
    if len(rows) < LEAST_SHOWN:
        return Totals(answers=len(rows), means={}, marks={}, remarks=())
    marks = {
        question: {mark: sum(row.marks.get(question.value) == mark for row in rows) for mark in MARKS}
        for question in Question
    }
    means = {
        question: sum(mark * count for mark, count in found.items()) / len(rows)
        for question, found in marks.items()
    }
    return Totals(answers=len(rows), means=means, marks=marks, remarks=remarks)
