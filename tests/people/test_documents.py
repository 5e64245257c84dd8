"""Supporting documents: what is kept, who decides, and when it goes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from fablab.base.errors import Conflict, Forbidden, Invalid, NotFound
from fablab.people import documents
from fablab.people.documents import Sent
from fablab.people.models import DocumentKind, DocumentState
from fablab.programs.store import Store
from tests.lab import Lab

PDF = b"%PDF-1.7\n" + b"x" * 100


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return documents.store_in(tmp_path)


def sent(lab: Lab, store: Store, content: bytes = PDF, who: str = "maker") -> int:
    found = documents.keep(store, "card.pdf", [content])
    with lab.database.begin(lab.actors[who]) as uow:
        return documents.add(uow, found, kind=DocumentKind.STUDENT).id


def is_there(store: Store, content: bytes = PDF) -> bool:
    import hashlib

    try:
        return store.path(hashlib.sha256(content).hexdigest()).is_file()
    except NotFound:
        return False


@pytest.mark.parametrize(
    ("head", "kind", "ending"),
    [
        (b"%PDF-1.4", "application/pdf", ".pdf"),
        (b"\xff\xd8\xff\xe0", "image/jpeg", ".jpg"),
        (b"\x89PNG\r\n\x1a\n", "image/png", ".png"),
    ],
)
def test_a_file_is_what_its_first_bytes_say(store: Store, head: bytes, kind: str, ending: str) -> None:
    def drip() -> Iterator[bytes]:
        for byte in head + b"0" * 40:
            yield bytes([byte])

    found = documents.keep(store, "page.html", drip())
    assert (found.media_type, found.file_name) == (kind, f"page.html{ending}")
    assert store.path(found.sha256).read_bytes() == head + b"0" * 40


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty"), (b"<svg onload=alert(1)>", "kind"), (b"MZ\x90", "kind"), (b"%PD", "kind")],
)
def test_anything_else_is_not_kept(store: Store, tmp_path: Path, content: bytes, code: str) -> None:
    with pytest.raises(Invalid, match=code):
        documents.keep(store, "card.pdf", [content] if content else [])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_one_that_is_too_large_is_not_kept(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="too_large"):
        documents.keep(store, "card.pdf", [PDF, b"0" * documents.LIMIT_BYTES])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_nobody_else_on_the_computer_may_list_them(store: Store, tmp_path: Path) -> None:
    assert (tmp_path / "documents").stat().st_mode & 0o077 == 0


def test_the_staff_decides_and_a_look_at_it_is_written_down(lab: Lab, store: Store) -> None:
    from fablab.people import log

    row_id = sent(lab, store)
    with lab.database.begin(lab.staff) as uow:
        documents.opened(uow, row_id)
        row = documents.accept(uow, row_id, date(2027, 9, 30))
        assert documents.holds(uow, row.member_id, DocumentKind.STUDENT)
        assert [each.code for each in log.about_member(uow, row.member_id)] == [
            "document.accepted",
            "document.seen",
        ]
    lab.clock.advance(days=400)
    with lab.database.read() as uow:
        assert not documents.holds(uow, row.member_id, DocumentKind.STUDENT)


def test_nobody_decides_on_their_own_papers(lab: Lab, store: Store) -> None:
    row_id = sent(lab, store, who="staff")
    with pytest.raises(Conflict, match="own"), lab.database.begin(lab.staff) as uow:
        documents.accept(uow, row_id, None)


def test_a_refusal_says_why_and_can_be_changed(lab: Lab, store: Store) -> None:
    row_id = sent(lab, store)
    with lab.database.begin(lab.staff) as uow:
        with pytest.raises(Invalid, match="reason"):
            documents.refuse(uow, row_id, " ")
        assert documents.refuse(uow, row_id, "Out of date").state is DocumentState.REFUSED
        assert documents.accept(uow, row_id, None).reason == ""


@pytest.mark.parametrize("day", [date(2026, 11, 23), date(2099, 1, 1)])
def test_a_last_day_lies_ahead_and_not_too_far(lab: Lab, store: Store, day: date) -> None:
    row_id = sent(lab, store)
    with pytest.raises(Invalid, match="expires"), lab.database.begin(lab.staff) as uow:
        documents.accept(uow, row_id, day)


def test_a_stranger_neither_reads_nor_deletes_it(lab: Lab, store: Store) -> None:
    row_id = sent(lab, store)
    with lab.database.begin(lab.actors["other"]) as uow:
        with pytest.raises(NotFound):
            documents.opened(uow, row_id)
        with pytest.raises(NotFound):
            documents.delete(uow, row_id)
        with pytest.raises((NotFound, Forbidden)):
            documents.accept(uow, row_id, None)


def test_a_file_goes_with_the_last_document_that_rests_on_it(lab: Lab, store: Store) -> None:
    first, second = sent(lab, store), sent(lab, store, who="other")
    with lab.database.begin(lab.maker) as uow:
        assert documents.delete(uow, first) is None
    with lab.database.begin(lab.actors["other"]) as uow:
        gone = documents.delete(uow, second)
        assert gone is not None
    documents.throw_away(store, [gone])
    assert not is_there(store)


def test_a_refused_one_goes_after_a_month(lab: Lab, store: Store) -> None:
    row_id = sent(lab, store)
    with lab.database.begin(lab.staff) as uow:
        documents.refuse(uow, row_id, "Out of date")
    assert documents.sweep(lab.database, store) == 0
    lab.clock.advance(documents.KEPT_AFTER + timedelta(hours=1))
    assert documents.sweep(lab.database, store) == 1
    assert not is_there(store)


def test_only_so_many_wait_at_a_time(lab: Lab, store: Store) -> None:
    kept = Sent(sha256="0" * 64, size_bytes=1, media_type="image/png", file_name="x.png")
    with lab.database.begin(lab.maker) as uow:
        for _ in range(documents.MOST_WAITING):
            documents.add(uow, kept, kind=DocumentKind.OTHER)
        with pytest.raises(Conflict, match="too_many"):
            documents.add(uow, kept, kind=DocumentKind.OTHER)


def test_what_is_no_longer_needed_goes_by_itself(lab: Lab, store: Store) -> None:
    from fablab.people import retention

    row_id = sent(lab, store)
    with lab.database.begin(lab.staff) as uow:
        documents.refuse(uow, row_id, "Out of date")
    lab.clock.advance(days=32)
    assert retention.tidy(lab.database, store) == 1
