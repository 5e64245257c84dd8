"""The one door to the database: one instant, one actor, events after the commit, and conflicts that heal."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, StatementError

from fablab.base.clock import FakeClock
from fablab.base.database import SYSTEM, Actor, Database, UnitOfWork
from fablab.base.errors import Conflict
from fablab.base.events import Event
from fablab.claims.models import Claim, ClaimKind, ClaimState
from fablab.claims.reservations.models import Reservation, ReservationState
from fablab.people.models import Audience, Member, Role
from fablab.places.models import House, Machine
from tests.conftest import LabMaker
from tests.lab import Lab


def newcomer(uow: UnitOfWork, name: str) -> Member:
    member = Member(
        name=name,
        role=Role.MAKER,
        audience=Audience.PERSONAL,
        email=f"{name}@lab.example",
        created_at=uow.now,
    )
    uow.session.add(member)
    return member


def found(lab: Lab, name: str) -> Member | None:
    with lab.database.read() as uow:
        return uow.session.scalar(select(Member).where(Member.name == name))


def heard(lab: Lab) -> list[Event]:
    events: list[Event] = []
    lab.database.bus.subscribe(events.append)
    return events


def test_a_unit_of_work_has_one_instant_and_one_actor(any_lab: Lab) -> None:
    actor = Actor(member_id=1, name="Ada")
    with any_lab.database.begin(actor) as uow:
        before = uow.now
        any_lab.clock.advance(minutes=5)
        assert (uow.now, uow.actor) == (before, actor)


def test_an_instant_may_be_given(lab: Lab) -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC)
    with lab.database.begin(at=at) as uow:
        assert uow.now == at
        assert uow.actor is SYSTEM


def test_what_was_written_is_kept(any_lab: Lab) -> None:
    with any_lab.database.begin() as uow:
        newcomer(uow, "zoe")
    assert found(any_lab, "zoe") is not None


def test_nothing_is_kept_on_any_error(any_lab: Lab) -> None:
    events = heard(any_lab)

    def broken_off() -> None:
        with any_lab.database.begin() as uow:
            newcomer(uow, "zoe")
            uow.raise_event("member", 1, "added")
            uow.session.flush()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert found(any_lab, "zoe") is None
    assert events == []


def test_what_a_reading_transaction_changes_is_thrown_away(any_lab: Lab) -> None:
    with any_lab.database.read() as uow:
        newcomer(uow, "zoe")
        uow.session.flush()
    assert found(any_lab, "zoe") is None


def test_what_was_read_stays_readable(any_lab: Lab) -> None:
    with any_lab.database.read() as uow:
        house = uow.session.scalars(select(House)).one()
    assert house.name == "Atelier"


def test_events_are_told_after_the_commit_and_can_read_it(any_lab: Lab) -> None:
    seen: list[bool] = []
    any_lab.database.bus.subscribe(lambda _: seen.append(found(any_lab, "zoe") is not None))
    with any_lab.database.begin() as uow:
        newcomer(uow, "zoe")
        uow.raise_event("member", "zoe", "added")
        assert seen == []
    assert seen == [True]


def test_events_keep_their_order_and_carry_the_instant(lab: Lab) -> None:
    events = heard(lab)
    with lab.database.begin() as uow:
        uow.raise_event("job", "a", "queued")
        uow.raise_event("job", "b", "queued")
    assert [(e.topic, e.id, e.name, e.at) for e in events] == [
        ("job", "a", "queued", lab.clock.now()),
        ("job", "b", "queued", lab.clock.now()),
    ]


def test_a_listener_may_begin_a_transaction_of_its_own(lab: Lab) -> None:
    def listen(event: Event) -> None:
        with lab.database.begin() as uow:
            newcomer(uow, str(event.id))

    lab.database.bus.subscribe(listen)
    with lab.database.begin() as uow:
        uow.raise_event("member", "zoe", "wished")
    assert found(lab, "zoe") is not None


def test_a_naive_datetime_never_reaches_the_database(any_lab: Lab) -> None:
    with pytest.raises(StatementError, match="naive"), any_lab.database.begin() as uow:
        newcomer(uow, "zoe").created_at = datetime(2026, 1, 1)  # noqa: DTZ001 - the point of the test
    with pytest.raises(StatementError, match="naive"), any_lab.database.read() as uow:
        uow.session.scalar(select(Member).where(Member.created_at < datetime(2026, 1, 1)))  # noqa: DTZ001


def test_instants_come_back_in_utc_to_the_microsecond(any_lab: Lab) -> None:
    noon = datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    with any_lab.database.begin() as uow:
        newcomer(uow, "zoe").created_at = noon
    member = found(any_lab, "zoe")
    assert member is not None
    assert member.created_at == noon
    assert member.created_at.utcoffset() == timedelta(0)


def test_other_broken_rules_are_no_conflict(any_lab: Lab) -> None:
    with pytest.raises(IntegrityError), any_lab.database.begin() as uow:
        newcomer(uow, "maker")  # whose e-mail is taken


def test_other_failures_of_the_database_are_no_conflict(any_lab: Lab) -> None:
    with pytest.raises((OperationalError, ProgrammingError)), any_lab.database.begin() as uow:
        uow.session.execute(text("SELECT 1 FROM no_such_table"))


def test_a_row_that_moved_on_meanwhile_is_a_conflict_that_heals(
    lab_maker: LabMaker, postgres_url: str
) -> None:
    lab = lab_maker(postgres_url)

    def note(uow: UnitOfWork, words: str) -> None:
        uow.session.get_one(Machine, lab.resources["mk3"]).gate_note = words

    def overtaken() -> None:
        with lab.database.begin() as slow:
            note(slow, "slow")
            with lab.database.begin() as fast:
                note(fast, "fast")

    with pytest.raises(Conflict) as stale:
        overtaken()
    assert (stale.value.code, stale.value.facts["heals"]) == ("stale", True)


def test_write_tries_again_where_that_heals(lab: Lab) -> None:
    tries: list[int] = []

    def work(uow: UnitOfWork) -> str:
        tries.append(1)
        newcomer(uow, f"zoe{len(tries)}")
        uow.session.flush()
        if len(tries) < 3:
            raise Conflict("busy", heals=True)
        return "done"

    assert lab.database.write(work) == "done"
    assert len(tries) == 3
    assert [found(lab, f"zoe{n}") is not None for n in (1, 2, 3)] == [False, False, True]


def test_write_gives_up_after_a_while(lab: Lab) -> None:
    tries: list[int] = []

    def work(_: UnitOfWork) -> None:
        tries.append(1)
        raise Conflict("busy", heals=True)

    with pytest.raises(Conflict, match="busy"):
        lab.database.write(work, tries=3)
    assert len(tries) == 3


def test_write_does_not_try_again_where_that_heals_nothing(lab: Lab) -> None:
    tries: list[int] = []

    def work(_: UnitOfWork) -> None:
        tries.append(1)
        raise Conflict("slot_taken")

    with pytest.raises(Conflict):
        lab.database.write(work)
    assert len(tries) == 1


def impatient(lab: Lab, busy_ms: int) -> None:
    """New connections wait for a foreign lock no longer than that."""

    @event.listens_for(lab.database.engine, "connect")
    def _(connection, _record) -> None:  # type: ignore[no-untyped-def]
        connection.execute(f"PRAGMA busy_timeout={busy_ms}")

    lab.database.engine.dispose()


def test_a_foreign_writer_on_sqlite_is_a_conflict_that_heals(lab: Lab) -> None:
    impatient(lab, 20)
    assert lab.database.url.database is not None
    other = sqlite3.connect(lab.database.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Conflict) as busy, lab.database.begin():
        raise AssertionError("nobody gets in here")
    assert (busy.value.code, busy.value.facts["heals"]) == ("busy", True)
    other.execute("ROLLBACK")
    other.close()
    with lab.database.begin() as uow:
        newcomer(uow, "zoe")
    assert found(lab, "zoe") is not None


def test_write_outlasts_a_foreign_writer_on_sqlite(lab: Lab) -> None:
    impatient(lab, 20)
    assert lab.database.url.database is not None
    other = sqlite3.connect(lab.database.url.database, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    refusals: list[Conflict] = []

    def attempt() -> None:
        """As `write` does it; the foreign transaction ends once one try has failed on it."""
        try:
            lab.database.write(lambda uow: newcomer(uow, "zoe"), tries=1)
        except Conflict as error:
            refusals.append(error)
            other.execute("ROLLBACK")
            lab.database.write(lambda uow: newcomer(uow, "zoe"))

    attempt()
    other.close()
    assert len(refusals) == 1
    assert found(lab, "zoe") is not None


def test_reading_goes_on_beside_a_writer(any_lab: Lab) -> None:
    with any_lab.database.begin() as uow:
        newcomer(uow, "zoe")
        uow.session.flush()
        assert found(any_lab, "zoe") is None
        assert found(any_lab, "Maker") is not None


def test_one_writer_at_a_time_on_sqlite(lab: Lab) -> None:
    inside = threading.Lock()
    together: list[bool] = []

    def work(uow: UnitOfWork) -> None:
        together.append(not inside.acquire(blocking=False))
        newcomer(uow, f"n{len(together)}").email = None
        uow.session.flush()
        inside.release()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: lab.database.write(work), range(40)))
    assert together == [False] * 40


def test_a_deadlock_on_postgresql_is_a_conflict_that_heals(lab_maker: LabMaker, postgres_url: str) -> None:
    lab = lab_maker(postgres_url)
    meet = threading.Barrier(2, timeout=30)

    def cross(first: str, second: str) -> str:
        lock = text("SELECT 1 FROM resources WHERE id = :id FOR UPDATE")
        try:
            with lab.database.begin() as uow:
                uow.session.execute(lock, {"id": lab.resources[first]})
                meet.wait()
                uow.session.execute(lock, {"id": lab.resources[second]})
        except Conflict as error:
            return f"{error.code} {error.facts['heals']}"
        return "done"

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(cross, "mk3", "ender"), pool.submit(cross, "ender", "mk3")]
        assert sorted(answer.result(timeout=60) for answer in answers) == ["busy True", "done"]


def test_a_serialization_failure_on_postgresql_is_a_conflict_that_heals(
    lab_maker: LabMaker, postgres_url: str
) -> None:
    lab = lab_maker(postgres_url)
    count = text("UPDATE house SET name = name || '!'")

    def overtaken() -> None:
        with lab.database.begin() as slow:
            slow.session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            slow.session.execute(text("SELECT 1"))
            with lab.database.begin() as fast:
                fast.session.execute(count)
            slow.session.execute(count)

    with pytest.raises(Conflict, match="busy") as busy:
        overtaken()
    assert busy.value.facts["heals"]


def test_an_actor_may_be_passed_through_write_and_read(lab: Lab) -> None:
    assert lab.database.write(lambda uow: uow.actor, lab.maker) == lab.maker
    with lab.database.read(lab.staff) as uow:
        assert uow.actor == lab.staff


def test_a_database_without_a_clock_goes_by_the_system_s(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    before = datetime.now(UTC)
    with database.read() as uow:
        assert before <= uow.now <= datetime.now(UTC)
    database.dispose()


def test_the_fake_clock_of_a_lab_is_the_one_its_database_goes_by(lab: Lab) -> None:
    assert isinstance(lab.database.clock, FakeClock)
    assert lab.database.clock is lab.clock


def test_rows_without_entities_have_the_same_values_as_entities(any_lab: Lab) -> None:
    """What no row names is as usual: a plain value, a fresh one for each, or nothing."""
    at = any_lab.clock.now()
    row = {
        "id": "aaaaaaaaaaaaaaaa",
        "state": ReservationState.CONFIRMED,
        "member_id": any_lab.maker.member_id,
        "resource_ids": [1, 2],
        "start_at": at.astimezone(timezone(timedelta(hours=2))),
        "end_at": at + timedelta(hours=1),
        "made_at": at,
    }
    claim = {"kind": ClaimKind.RESERVATION, "state": ClaimState.HELD, "title": "é", "release_at": at}
    with any_lab.database.begin() as uow:
        uow.write_rows(
            Claim, [{**claim, "id": id_ * 16, "estimate_s": 60, "made_at": at} for id_ in ("a", "b")]
        )
        uow.write_rows(Reservation, [row, {**row, "id": "b" * 16, "resource_ids": []}])
        uow.write_rows(Reservation, [])
    with any_lab.database.read() as uow:
        first, second = uow.session.scalars(select(Reservation).order_by(Reservation.id))
    assert (first.state, first.resource_ids, first.start_at) == (ReservationState.CONFIRMED, [1, 2], at)
    assert (first.party, first.note, first.refusals, first.late, first.version) == (1, "", [], False, 1)
    assert (second.resource_ids, second.unattended_from, second.key) == ([], None, None)
