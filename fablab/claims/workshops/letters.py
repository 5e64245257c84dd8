"""What a school is told by letter, in its language: one letter a step, each with a link of its own to the thread.

A letter is written in the transaction of its step. What its words need is in the facts; the words are `web.words`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from fablab import notices
from fablab.base.database import UnitOfWork
from fablab.base.errors import Fact
from fablab.claims.agenda import Invitation
from fablab.claims.models import ClaimKind
from fablab.claims.workshops.models import Session, SessionKey
from fablab.claims.workshops.offer import in_language
from fablab.claims.workshops.words import KeyUse
from fablab.people import keys

THREAD = "/thread/"
#: A thread can be read long after its session: certificates and invoices stand there.
THREAD_LIFE = timedelta(days=400)
CONFIRM_LIFE = timedelta(days=7)
MOST_TEXT = 600


class SchoolLetter(StrEnum):
    """What a letter to a school is about; each has its words under this very code."""

    CONFIRM = "session.confirm"  # is this your request?
    RECEIVED = "session.received"
    PROPOSED = "session.proposed"
    HELD = "session.held"
    REMINDER = "session.reminder"
    CONFIRMED = "session.confirmed"
    MOVED = "session.moved"
    CANCELLED = "session.cancelled"
    LAPSED = "session.lapsed"
    DECLINED = "session.declined"
    GIVEN_BACK = "session.given_back"
    MESSAGE = "session.message"
    DELIVERED = "session.delivered"
    INVOICED = "session.invoiced"
    CREDITED = "session.credited"
    CAUGHT_UP = "session.caught_up"  # what was not done in the session, and when it will be


#: Those that bring an entry for the reader's calendar, or take it out again.
WITH_DATE = frozenset(
    {
        SchoolLetter.HELD,
        SchoolLetter.CONFIRMED,
        SchoolLetter.MOVED,
        SchoolLetter.CANCELLED,
        SchoolLetter.LAPSED,
        SchoolLetter.GIVEN_BACK,
        SchoolLetter.DECLINED,
    }
)
_GONE = frozenset(
    {SchoolLetter.CANCELLED, SchoolLetter.LAPSED, SchoolLetter.GIVEN_BACK, SchoolLetter.DECLINED}
)


def link(uow: UnitOfWork, session: Session, purpose: KeyUse = KeyUse.THREAD) -> str:
    """A new secret address of the session's thread; those of earlier letters go on working."""
    secret = keys.new_secret()
    life = CONFIRM_LIFE if purpose is KeyUse.CONFIRM else THREAD_LIFE
    uow.session.add(
        SessionKey(
            key_hash=keys.digest(secret),
            session_id=session.id,
            purpose=purpose,
            made_at=uow.now,
            expires_at=max(uow.now, session.end_at or uow.now) + life,
        )
    )
    return f"{THREAD}{secret}"


def tell_school(uow: UnitOfWork, session: Session, code: SchoolLetter, **facts: Fact) -> None:
    """Nobody to write to is no error: staff may have written the request down for somebody without an address.

    `facts` as the words of `code` need them (`web.words.codes.schools`): instants as ISO text, `text` and `why` as they
    were written. The title, the school's name and the number of people are added here.
    """
    if not session.contact_email:
        return
    if session.email_confirmed_at is None and code is not SchoolLetter.CONFIRM:
        return
    purpose = KeyUse.CONFIRM if code is SchoolLetter.CONFIRM else KeyUse.THREAD
    told = {name: value[:MOST_TEXT] if isinstance(value, str) else value for name, value in facts.items()}
    notices.write(
        uow,
        session.contact_email,
        session.language,
        code.value,
        claim_id=session.id if code in WITH_DATE else None,
        secret_path=link(uow, session, purpose),
        name=session.contact_name,
        title=in_language(session.workshop.title, session.language),
        school=str(session.school.get("name") or ""),
        people=session.people,
        **told,
    )


def invitation(
    uow: UnitOfWork, claim_id: str, code: str, facts: Mapping[str, object], place: str
) -> Invitation | None:
    """What a letter to a school brings for its calendar: the date it tells of, or that it is off. None where there is no
    date. The session's version is the sequence: it grows with every step."""
    session = uow.session.get(Session, claim_id)
    start = str(facts.get("start") or "")
    if session is None or not start or code not in set(WITH_DATE):
        return None
    start_at = datetime.fromisoformat(start)
    return Invitation(
        claim_id=claim_id,
        kind=ClaimKind.SESSION,
        sequence=session.version,
        title=in_language(session.workshop.title, session.language),
        place=place,
        start_at=start_at,
        end_at=start_at + timedelta(minutes=session.workshop.duration_min),
        tentative=code == SchoolLetter.HELD,
        cancelled=code in _GONE,
    )
