"""Supporting documents: sent by a member, looked at by the staff, and thrown away when they are no longer needed.

A file is what its first bytes say, never what it is called. It lies under the data folder, outside of anything that is
served, and goes out again as a download only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from pathlib import Path

from sqlalchemy import or_, select

from fablab import notices
from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.base.states import step
from fablab.people import log, standing
from fablab.people.access import Right, require
from fablab.people.models import DOCUMENT_STEPS, DocumentKind, DocumentState, MemberDocument
from fablab.places import house
from fablab.programs.store import Store, clean_name

LIMIT_BYTES = 10_000_000
MOST_WAITING = 10
#: A refused or an expired one is kept so long, for whoever asks why; then it goes.
KEPT_AFTER = timedelta(days=30)
MOST_YEARS = 10
_HEAD_BYTES = 16

#: How a file begins -> what it is.
KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF-", "application/pdf", ".pdf"),
    (b"\xff\xd8\xff", "image/jpeg", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", "image/png", ".png"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A file that lies in the store already, and what it is."""

    sha256: str
    size_bytes: int
    media_type: str
    file_name: str


def keep(store: Store, file_name: str, pieces: Iterable[bytes]) -> Sent:
    """Write it down as it comes. Raises `Invalid` document.too_large, document.empty, document.kind."""
    stream = iter(pieces)
    head = _head(stream)
    if not head:
        raise Invalid("document.empty", field="file")
    found = next(((kind, ending) for start, kind, ending in KINDS if head.startswith(start)), None)
    if found is None:
        raise Invalid("document.kind", field="file")
    try:
        kept = store.keep(chain((head,), stream), limit_bytes=LIMIT_BYTES)
    except Invalid as error:
        if error.code == "program.too_large":
            raise Invalid("document.too_large", field="file", limit_bytes=LIMIT_BYTES) from error
        raise
    media_type, ending = found
    name = clean_name(file_name)
    if not name.lower().endswith((ending, ".jpeg")):
        name = f"{name[:100]}{ending}"  # what opens it elsewhere goes by the ending
    return Sent(sha256=kept.sha256, size_bytes=kept.size_bytes, media_type=media_type, file_name=name)


def _head(stream: Iterator[bytes]) -> bytes:
    head = b""
    for piece in stream:
        head += piece
        if len(head) >= _HEAD_BYTES:
            break
    return head


def add(uow: UnitOfWork, sent: Sent, *, kind: DocumentKind, member_id: int | None = None) -> MemberDocument:
    """One's own, a child's, or somebody's whom the staff does it for. Raises `Conflict` document.too_many."""
    member = standing.acting_for(uow, member_id, "document.sent")
    waiting = [row for row in of_member(uow, member.id) if row.state is DocumentState.WAITING]
    if len(waiting) >= MOST_WAITING:
        raise Conflict("document.too_many", most=MOST_WAITING)
    row = MemberDocument(
        member_id=member.id,
        kind=kind,
        state=DocumentState.WAITING,
        file_name=sent.file_name,
        media_type=sent.media_type,
        size_bytes=sent.size_bytes,
        sha256=sent.sha256,
        sent_at=uow.now,
        sent_by_id=uow.actor.member_id,
        reason="",
    )
    uow.session.add(row)
    uow.session.flush()
    uow.raise_event("member", member.id, "document")
    return row


def of_member(uow: UnitOfWork, member_id: int) -> list[MemberDocument]:
    """Newest first."""
    query = select(MemberDocument).where(MemberDocument.member_id == member_id)
    return list(uow.session.scalars(query.order_by(MemberDocument.id.desc())).unique())


def waiting(uow: UnitOfWork) -> list[MemberDocument]:
    """What the staff has to look at, oldest first."""
    require(uow.actor, Right.SEE_ALL)
    query = select(MemberDocument).where(MemberDocument.state == DocumentState.WAITING)
    return list(uow.session.scalars(query.order_by(MemberDocument.id)).unique())


def opened(uow: UnitOfWork, document_id: int) -> MemberDocument:
    """For whoever it is about, a parent and the staff; that somebody of the staff looked is written down."""
    row = _get(uow, document_id)
    if uow.actor.member_id in (row.member_id, row.member.parent_id):
        return row
    require(uow.actor, Right.OPERATE)
    log.record(uow, "document.seen", for_member_id=row.member_id, about=f"document {row.id}")
    return row


def about(uow: UnitOfWork, document_id: int) -> int:
    """Whose it is, for whoever may know of it."""
    return _get(uow, document_id).member_id


def accept(uow: UnitOfWork, document_id: int, expires_on: date | None) -> MemberDocument:
    """It shows what it should, until the end of `expires_on`; None: for good. Raises `Invalid` document.expires."""
    row = _decided(uow, document_id, "accept")
    today = house.today(uow)
    if expires_on is not None and not today <= expires_on <= today.replace(
        year=today.year + MOST_YEARS, day=1
    ):
        raise Invalid("document.expires", field="expires_on")
    row.expires_on, row.reason = expires_on, ""
    log.record(uow, "document.accepted", for_member_id=row.member_id, about=f"document {row.id}")
    notices.tell(uow, row.member_id, "document.accepted", file=row.file_name, path="/profile#documents")
    uow.session.flush()
    return row


def refuse(uow: UnitOfWork, document_id: int, reason: str) -> MemberDocument:
    """The member is told why, and may send another."""
    why = standing.reason_of(reason)
    row = _decided(uow, document_id, "refuse")
    row.reason, row.expires_on = why, None
    log.record(uow, "document.refused", for_member_id=row.member_id, about=f"document {row.id}", why=why)
    notices.tell(
        uow, row.member_id, "document.refused", file=row.file_name, why=why, path="/profile#documents"
    )
    uow.session.flush()
    return row


def delete(uow: UnitOfWork, document_id: int) -> str | None:
    """By whoever it is about, a parent, or the staff. The SHA-256 of a file that nothing else needs: whoever calls
    throws it away after the commit (`Store.forget`)."""
    row = _get(uow, document_id)
    if uow.actor.member_id not in (row.member_id, row.member.parent_id):
        standing.at_desk(uow, row.member_id)
    log.record(uow, "document.deleted", for_member_id=row.member_id, about=f"document {row.id}")
    return _drop(uow, row)


def forget_all(uow: UnitOfWork, member_id: int) -> list[str]:
    """Every document of somebody who is forgotten; the files as for `delete`."""
    require(uow.actor, Right.MANAGE)
    found = [_drop(uow, row) for row in of_member(uow, member_id)]
    return [sha256 for sha256 in found if sha256 is not None]


def forget_old(uow: UnitOfWork) -> list[str]:
    """What was refused or has expired a month ago; the files as for `delete`."""
    query = select(MemberDocument).where(
        or_(
            MemberDocument.expires_on < house.today(uow) - KEPT_AFTER,
            (MemberDocument.state == DocumentState.REFUSED)
            & (MemberDocument.decided_at < uow.now - KEPT_AFTER),
        )
    )
    found = [_drop(uow, row) for row in uow.session.scalars(query).unique()]
    return [sha256 for sha256 in found if sha256 is not None]


def discard(database: Database, store: Store, sent: Sent) -> None:
    """Throw away a file that came in but was not wanted, unless a document rests on the same bytes."""
    with database.read() as uow:
        used = uow.session.scalar(select(MemberDocument.id).where(MemberDocument.sha256 == sent.sha256))
    if used is None:
        store.forget(sent.sha256)


def throw_away(store: Store, files: Iterable[str]) -> None:
    """After the rows: a file without a row is found by nobody."""
    for sha256 in files:
        store.forget(sha256)


def sweep(database: Database, store: Store) -> int:
    """Throw away what is no longer needed; how many files that were."""
    files = database.write(forget_old)
    throw_away(store, files)
    return len(files)


def holds(uow: UnitOfWork, member_id: int, kind: DocumentKind) -> bool:
    """Whether the staff has accepted one of this kind that is good today."""
    today = house.today(uow)
    return any(
        row.kind is kind
        and row.state is DocumentState.ACCEPTED
        and (row.expires_on is None or row.expires_on >= today)
        for row in of_member(uow, member_id)
    )


def store_in(data_dir: Path) -> Store:
    """The store of documents; nobody else on this computer may list it."""
    root = data_dir / "documents"
    store = Store(root)
    root.chmod(0o700)
    return store


def _get(uow: UnitOfWork, document_id: int) -> MemberDocument:
    row = uow.session.get(MemberDocument, document_id)
    if row is None:
        raise NotFound("document.unknown")
    own = uow.actor.member_id in (row.member_id, row.member.parent_id)
    if not own and Right.SEE_ALL not in standing.rights_of_role(uow.actor):
        raise NotFound("document.unknown")
    return row


def _decided(uow: UnitOfWork, document_id: int, action: str) -> MemberDocument:
    """Nobody decides on their own papers."""
    row = _get(uow, document_id)
    require(uow.actor, Right.OPERATE)
    if uow.actor.member_id in (row.member_id, row.member.parent_id):
        raise Conflict("document.own")
    row.state = step(DOCUMENT_STEPS, row.state, action)
    row.decided_at, row.decided_by_id = uow.now, uow.actor.member_id
    return row


def _drop(uow: UnitOfWork, row: MemberDocument) -> str | None:
    uow.session.delete(row)
    uow.session.flush()
    other = select(MemberDocument.id).where(MemberDocument.sha256 == row.sha256)
    return row.sha256 if uow.session.scalar(other) is None else None
