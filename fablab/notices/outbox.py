"""The outbox's own verbs: take, hold, accept, fail, give up. Whoever sends a letter has taken it, and nobody else has.

`take` compares and sets in the database, so that of two processes one gets the letter. What is certain: a letter that
is `sent` was accepted by a mail server. What is not: a process that dies between the server's answer and the commit
leaves a letter that is sent again, under the same Message-ID. At least once, never knowingly twice.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from fablab.base.database import UnitOfWork
from fablab.base.states import step
from fablab.notices.models import LETTER_STEPS, Letter, LetterState
from fablab.notices.telling import UNSENT

LEASE = timedelta(minutes=3)  # longer than the longest talk with a mail server (`web.mail.smtp.TIMEOUT_S`)
EXPIRES = timedelta(days=3)  # news that old is no news; links in it have run out
KEPT = timedelta(days=180)
#: Waits between tries; after the last one the letter is given up.
BACK_OFF = (60, 300, 900, 3600, 4 * 3600, 12 * 3600)
MOST_TRIES = len(BACK_OFF) + 1
JITTER = 0.2
#: Facts that let in whoever has them; they leave the outbox with the letter.
SECRET_FACTS = ("secret_path",)


def due(uow: UnitOfWork, *, limit: int = 50) -> list[Letter]:
    """Letters whose time has come, oldest first."""
    query = select(Letter).where(Letter.state.in_(UNSENT), Letter.due_at <= uow.now)
    return list(uow.session.scalars(query.order_by(Letter.due_at, Letter.id).limit(limit)))


def next_due(uow: UnitOfWork) -> datetime | None:
    """When the next letter's time comes, if one waits."""
    query = select(Letter.due_at).where(Letter.state.in_(UNSENT)).order_by(Letter.due_at).limit(1)
    return uow.session.scalar(query)


def take(uow: UnitOfWork, letter: Letter, lease: str) -> bool:
    """Whether it is ours now. Another process that has just taken or held it is no error: then it is not ours."""
    after = step(LETTER_STEPS, letter.state, "take")
    return _move(
        uow,
        letter,
        {"state": after, "lease": lease, "lease_until": uow.now + LEASE, "tries": Letter.tries + 1},
    )


def hold(uow: UnitOfWork, letter: Letter, until: datetime) -> bool:
    """Not before `until`. Whether it was still there to be held."""
    return _move(uow, letter, {"state": step(LETTER_STEPS, letter.state, "hold"), "due_at": until})


def _move(uow: UnitOfWork, letter: Letter, values: dict[str, object]) -> bool:
    """Compare and set: only as the letter was when we looked at it."""
    found = uow.session.execute(
        update(Letter)
        .where(Letter.id == letter.id, Letter.state == letter.state, Letter.due_at == letter.due_at)
        .values(values)
        .execution_options(synchronize_session=False)
    )
    ours: bool = found.rowcount == 1  # type: ignore[attr-defined]  # an UPDATE's result counts its rows
    if ours:
        uow.session.refresh(letter)
    else:  # it may even be gone: what was told has been taken back
        uow.session.expunge(letter)
    return ours


def taken(uow: UnitOfWork, lease: str) -> list[Letter]:
    """What was taken under this lease and not yet answered for."""
    query = select(Letter).where(Letter.lease == lease, Letter.state == LetterState.SENDING)
    return list(uow.session.scalars(query.order_by(Letter.id).with_for_update()))


def accept(uow: UnitOfWork, lease: str) -> int:
    """The mail server has it. How many rows that were: a day's letter is many."""
    rows = taken(uow, lease)
    for letter in rows:
        letter.state = step(LETTER_STEPS, letter.state, "accept")
        letter.sent_at, letter.lease, letter.lease_until = uow.now, None, None
        letter.reason = letter.said = None
        forget_secrets(letter)
    return len(rows)


def fail(uow: UnitOfWork, lease: str, reason: str, said: str = "") -> None:
    """It may work later: after a while that grows, and never for everybody at the same moment."""
    for letter in taken(uow, lease):
        if letter.tries >= MOST_TRIES:
            _give_up(letter, reason, said)
            continue
        letter.state = step(LETTER_STEPS, letter.state, "fail")
        letter.due_at = uow.now + back_off(letter.tries)
        letter.lease, letter.lease_until = None, None
        letter.reason, letter.said = reason, said[:300] or None


def put_back(uow: UnitOfWork, lease: str, reason: str, said: str = "") -> None:
    """The server is not there for anybody: no fault of this letter, so it does not count as a try of it."""
    for letter in taken(uow, lease):
        letter.state = step(LETTER_STEPS, letter.state, "fail")
        letter.tries = max(0, letter.tries - 1)
        letter.due_at, letter.lease, letter.lease_until = uow.now, None, None
        letter.reason, letter.said = reason, said[:300] or None


def give_up(uow: UnitOfWork, lease: str, reason: str, said: str = "") -> None:
    """No further try will help."""
    for letter in taken(uow, lease):
        _give_up(letter, reason, said)


def _give_up(letter: Letter, reason: str, said: str) -> None:
    letter.state = step(LETTER_STEPS, letter.state, "give_up")
    letter.lease, letter.lease_until = None, None
    letter.reason, letter.said = reason, said[:300] or None


def lost(uow: UnitOfWork) -> bool:
    """Whether there is anything to recover: to ask is no write."""
    query = select(Letter.id).where(Letter.state == LetterState.SENDING, Letter.lease_until <= uow.now)
    return uow.session.scalar(query.limit(1)) is not None


def recover(uow: UnitOfWork) -> int:
    """Letters whose sender has gone silent may be tried again."""
    query = select(Letter).where(Letter.state == LetterState.SENDING, Letter.lease_until <= uow.now)
    rows = list(uow.session.scalars(query.with_for_update(skip_locked=True)))
    for letter in rows:
        letter.state = step(LETTER_STEPS, letter.state, "fail")
        letter.due_at, letter.lease, letter.lease_until = uow.now, None, None
        letter.reason = "letter.sender_lost"
    return len(rows)


def back_off(tries: int, chance: random.Random | None = None) -> timedelta:
    """How long to wait after that many tries, give or take a fifth."""
    wait_s = BACK_OFF[min(tries, len(BACK_OFF)) - 1]
    spread = (chance or random).uniform(1 - JITTER, 1 + JITTER)
    return timedelta(seconds=wait_s * spread)


def sweep(uow: UnitOfWork) -> int:
    """Old letters go; what lets somebody in goes as soon as it is too old to be sent."""
    old = select(Letter).where(
        Letter.made_at < uow.now - EXPIRES, Letter.state.in_((LetterState.GIVEN_UP, LetterState.CANCELLED))
    )
    for letter in uow.session.scalars(old):
        forget_secrets(letter)
    gone = uow.session.execute(
        delete(Letter).where(
            Letter.made_at < uow.now - KEPT, Letter.state.not_in((*UNSENT, LetterState.SENDING))
        )
    )
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result counts its rows


def forget_address(uow: UnitOfWork, address: str, start: str, *, before: datetime) -> None:
    """Letters of before then to somebody who is no member, whose code begins so: who was written to is forgotten."""
    uow.session.execute(
        delete(Letter).where(
            Letter.address == address,
            Letter.member_id.is_(None),
            Letter.code.startswith(start, autoescape=True),
            Letter.made_at < before,
            Letter.state != LetterState.SENDING,
        )
    )


def forget_secrets(letter: Letter) -> None:
    if any(name in letter.facts for name in SECRET_FACTS):
        letter.facts = {name: value for name, value in letter.facts.items() if name not in SECRET_FACTS}


def latest(
    uow: UnitOfWork, states: Sequence[LetterState] = (), *, before: int | None = None, limit: int = 50
) -> list[Letter]:
    """Newest first; `before` is the id the page before this one ended with."""
    query = select(Letter).order_by(Letter.id.desc()).limit(limit)
    if states:
        query = query.where(Letter.state.in_(states))
    if before is not None:
        query = query.where(Letter.id < before)
    return list(uow.session.scalars(query))
