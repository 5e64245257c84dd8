"""The thread of a session: every step of it, dated and by whom, and the links that let a school in without an account.

A school that came by its link acts as `Actor(role="school <session id>")`: it speaks for that session and for nothing
else, since no right of the house belongs to such a role.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, func, select

from fablab import notices
from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Conflict, Fact, Invalid, NotFound, TooMany
from fablab.claims.workshops import letters
from fablab.claims.workshops.letters import SchoolLetter
from fablab.claims.workshops.models import Session, SessionKey, ThreadEntry, Workshop
from fablab.claims.workshops.offer import in_language
from fablab.claims.workshops.words import EntryKind, KeyUse
from fablab.people import keys
from fablab.people.access import Right, allows
from fablab.people.documents import Sent
from fablab.people.models import Member, OrganisationMember, Role
from fablab.programs.store import Store

MOST_TEXT = 4000
MOST_MESSAGES_A_DAY = 20
#: Who of the staff hears of what schools do.
HEARERS = (Role.ADMIN, Role.STAFF, Role.MEDIATOR)
_SCHOOL = "school "


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session that somebody came to by a link, and the actor they are."""

    session: Session
    actor: Actor


# -- who it is -----------------------------------------------------------------------------------------------


def school_actor(session: Session) -> Actor:
    name = session.contact_name or str(session.school.get("name") or "?")
    return Actor(member_id=None, name=name, role=f"{_SCHOOL}{session.id}")


def speaks_for(uow: UnitOfWork, session: Session) -> bool:
    """The school by its link; the member who asked; whoever belongs to the organisation it is for."""
    if uow.actor.role == f"{_SCHOOL}{session.id}":
        return True
    mine = uow.actor.member_id
    if mine is None:
        return False
    if mine == session.made_by_id and not session.public:
        return True
    if session.organisation_id is None:
        return False
    return uow.session.get(OrganisationMember, (session.organisation_id, mine)) is not None


def by_key(uow: UnitOfWork, secret: str) -> Opened:
    """Raises `NotFound` key.unknown, also for a link of another kind; `Conflict` key.expired."""
    row = _key(uow, secret, KeyUse.THREAD)
    session = uow.session.get_one(Session, row.session_id)
    return Opened(session=session, actor=school_actor(session))


def take_key(uow: UnitOfWork, secret: str, purpose: KeyUse) -> SessionKey:
    """One that works once. Raises `NotFound` key.unknown; `Conflict` key.used, key.expired."""
    row = _key(uow, secret, purpose)
    if row.used_at is not None:
        raise Conflict("key.used")
    row.used_at = uow.now
    return row


def forget_keys(uow: UnitOfWork) -> None:
    """Links that have not worked for a month go."""
    old = uow.now - timedelta(days=30)
    uow.session.execute(delete(SessionKey).where(SessionKey.expires_at < old))


def _key(uow: UnitOfWork, secret: str, purpose: KeyUse) -> SessionKey:
    row = uow.session.get(SessionKey, keys.digest(secret))
    if row is None or row.purpose is not purpose:
        raise NotFound("key.unknown")
    if row.expires_at is not None and row.expires_at <= uow.now:
        raise Conflict("key.expired")
    return row


# -- what is written down ------------------------------------------------------------------------------------


def enter(
    uow: UnitOfWork,
    session: Session,
    code: EntryKind,
    text: str = "",
    *,
    facts: Mapping[str, object] | None = None,
    for_staff: bool = False,
    file: Sent | None = None,
) -> ThreadEntry:
    """A line of the thread, in the transaction of what it tells; whoever follows the session hears of it."""
    row = write(uow, session, code, text, facts=facts, for_staff=for_staff, file=file)
    uow.raise_event("session", session.id, code.value)
    return row


def write(
    uow: UnitOfWork,
    session: Session,
    code: EntryKind,
    text: str = "",
    *,
    facts: Mapping[str, object] | None = None,
    for_staff: bool = False,
    file: Sent | None = None,
) -> ThreadEntry:
    """The line alone, for a step that says itself what has changed."""
    row = ThreadEntry(
        session_id=session.id,
        at=uow.now,
        by_member_id=uow.actor.member_id,
        by_name=uow.actor.name[:120],
        code=code,
        text=text,
        facts=dict(facts or {}),
        for_staff=for_staff,
        file_sha256=file.sha256 if file is not None else None,
        file_name=file.file_name if file is not None else None,
        media_type=file.media_type if file is not None else None,
    )
    uow.session.add(row)
    uow.session.flush()
    return row


def entries(uow: UnitOfWork, session: Session) -> list[ThreadEntry]:
    """In the order of time; what is for the staff alone is not told to others."""
    query = select(ThreadEntry).where(ThreadEntry.session_id == session.id)
    if not allows(uow.actor, Right.SEE_ALL):
        query = query.where(ThreadEntry.for_staff.is_(False))
    return list(uow.session.scalars(query.order_by(ThreadEntry.at, ThreadEntry.id)))


def entry(uow: UnitOfWork, session: Session, entry_id: int) -> ThreadEntry:
    """One line, for whoever may read the thread: the way to its file."""
    row = next((each for each in entries(uow, session) if each.id == entry_id), None)
    if row is None:
        raise NotFound("session.no_entry")
    return row


def message(
    uow: UnitOfWork, session: Session, text: str, *, for_staff: bool = False, file: Sent | None = None
) -> ThreadEntry:
    """A word to the other side, who gets a letter; a note among the staff gets none.

    Raises `Invalid` session.text; `TooMany` session.too_many_messages for a school that writes all day.
    """
    said = clean_text(text, empty=file is not None)
    is_staff = allows(uow.actor, Right.OPERATE)
    if not is_staff:
        _slow_down(uow, session)
    row = enter(uow, session, EntryKind.MESSAGE, said, for_staff=for_staff and is_staff, file=file)
    if row.for_staff:
        return row
    if is_staff:
        letters.tell_school(uow, session, SchoolLetter.MESSAGE, by=uow.actor.name, text=said)
    else:
        tell_staff(uow, session, "request.message", by=uow.actor.name, text=said[:300])
    return row


def clean_text(said: str, *, field: str = "text", empty: bool = False) -> str:
    """Lines as they were typed. Raises `Invalid` session.text for none, too long, or what no screen can show."""
    text = "\n".join(line.rstrip() for line in said.strip().replace("\r\n", "\n").split("\n"))
    is_shown = all(c.isprintable() or c in "\n\t" for c in text)
    if (not text and not empty) or len(text) > MOST_TEXT or not is_shown:
        raise Invalid("session.text", field=field, most=MOST_TEXT)
    return text


def store_in(data_dir: Path) -> Store:
    """Where the files of threads lie, apart from the members' own; nobody else on this computer may list it."""
    root = data_dir / "sessions"
    store = Store(root)
    root.chmod(0o700)
    return store


def discard(database: Database, store: Store, sent: Sent) -> None:
    """Throw away a file that came in but was not wanted, unless a line rests on the same bytes."""
    with database.read() as uow:
        used = uow.session.scalar(
            select(ThreadEntry.id).where(ThreadEntry.file_sha256 == sent.sha256).limit(1)
        )
    if used is None:
        store.forget(sent.sha256)


def _slow_down(uow: UnitOfWork, session: Session) -> None:
    since = uow.now - timedelta(days=1)
    query = select(func.count()).where(
        ThreadEntry.session_id == session.id,
        ThreadEntry.code == EntryKind.MESSAGE,
        ThreadEntry.by_member_id.is_(None),
        ThreadEntry.at > since,
    )
    if uow.session.scalars(query).one() >= MOST_MESSAGES_A_DAY:
        raise TooMany("session.too_many_messages", retry_after_s=3600)


# -- who is told ---------------------------------------------------------------------------------------------


def title_of(session: Session, language: str) -> str:
    return in_language(session.workshop.title, language)


def tell_staff(uow: UnitOfWork, session: Session, code: str, **facts: Fact) -> None:
    """Those who run the house, and the one who leads the session."""
    wanted = select(Member).where(Member.active, Member.role.in_(HEARERS))
    rows = list(uow.session.scalars(wanted.order_by(Member.id)))
    for member in rows:
        if member.id != uow.actor.member_id:
            tell_member(uow, session, member, code, **facts)


def tell_member(uow: UnitOfWork, session: Session, member: Member, code: str, **facts: Fact) -> None:
    notices.tell(
        uow,
        member.id,
        code,
        claim_id=session.id,
        workshop=title_of(session, member.language),
        school=school_name(session),
        path=f"/requests/{session.id}",
        **facts,
    )


def school_name(session: Session) -> str:
    return str(session.school.get("name") or session.contact_name)


def claim_title(workshop: Workshop, session: Session) -> str:
    """What stands in the calendar."""
    school = session.school.get("name")
    return " · ".join(filter(None, (in_language(workshop.title, "fr"), str(school or ""))))[:200]
