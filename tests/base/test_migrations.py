"""The schema on both databases: up, down and up again, true to the models, and overlaps refused by it alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from alembic.util.exc import CommandError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from fablab import migrations
from fablab.base.clock import FakeClock
from fablab.base.database import Database
from fablab.migrations import counting, overlap, watching
from tests.conftest import LabMaker
from tests.lab import Lab, counted

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
INSERT = """
INSERT INTO allocations (claim_id, resource_id, state, start_at, run_start_at, run_end_at, end_at)
VALUES ('c1', :resource, 'firm', :start, :start, :end, :end)
"""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, clock=FakeClock(NOW))
    yield found
    found.dispose()


@pytest.fixture
def claimed(any_lab: Lab) -> Lab:
    """A lab with one claim, `c1`, written by hand."""
    with any_lab.database.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO claims (id, kind, state, title, priority, release_at, estimate_s, estimate_source,"
                " attended, reasons, made_at, version)"
                " VALUES ('c1', 'outage', 'open', 'raw', 0, :now, 60, 'given', :yes, '[]', :now, 1)"
            ),
            {"now": at(any_lab, 0), "yes": True},
        )
    return any_lab


def at(lab: Lab, hour: int) -> datetime | str:
    """An instant as the database stores it: text on SQLite, written as SQLAlchemy writes it."""
    instant = NOW.replace(hour=hour)
    return f"{instant:%Y-%m-%d %H:%M:%S}.000000" if lab.database.is_sqlite else instant


def add(lab: Lab, resource: str, start: int, end: int) -> None:
    with lab.database.engine.begin() as connection:
        values = {"resource": lab.resources[resource], "start": at(lab, start), "end": at(lab, end)}
        connection.execute(text(INSERT), values)


def move(lab: Lab, start: int, to: int, until: int) -> None:
    with lab.database.engine.begin() as connection:
        values = {"was": at(lab, start), "start": at(lab, to), "end": at(lab, until)}
        connection.execute(
            text(
                "UPDATE allocations SET start_at = :start, run_start_at = :start, run_end_at = :end, end_at = :end"
                " WHERE start_at = :was"
            ),
            values,
        )


def test_it_goes_up_down_and_up_again_and_then_says_what_the_models_say(database: Database) -> None:
    migrations.upgrade(database)
    migrations.downgrade(database)
    assert migrations.revision_of(database)[0] is None
    migrations.upgrade(database)
    current, wanted = migrations.revision_of(database)
    assert current == wanted
    migrations.check(database)


def test_nothing_is_left_behind_on_the_way_down(database: Database) -> None:
    migrations.upgrade(database)
    migrations.downgrade(database)
    tables = (
        "SELECT count(*) FROM sqlite_master WHERE name NOT LIKE 'sqlite%' AND name <> 'alembic_version'"
        " AND tbl_name <> 'alembic_version'"
        if database.is_sqlite
        else "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    )
    with database.engine.connect() as connection:
        assert connection.execute(text(tables)).scalar_one() == 0


def test_a_schema_that_is_behind_is_said(database: Database) -> None:
    with pytest.raises(CommandError, match="not up to date"):
        migrations.check(database)


def test_a_failed_migration_leaves_foreign_keys_on(tmp_path) -> None:  # type: ignore[no-untyped-def]
    database = Database(f"sqlite:///{tmp_path / 'lab.db'}", pool=1)
    with pytest.raises(CommandError):
        migrations.check(database)
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    database.dispose()


def test_the_triggers_stand_at_head_on_sqlite(lab: Lab) -> None:
    with lab.database.engine.connect() as connection:
        found = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars()
        assert set(found) == {*overlap.TRIGGERS, *counting.TRIGGERS, *watching.TRIGGERS}


def test_the_exclusion_constraint_stands_at_head_on_postgresql(
    lab_maker: LabMaker, postgres_url: str
) -> None:
    lab = lab_maker(postgres_url)
    with lab.database.engine.connect() as connection:
        found = connection.execute(
            text("SELECT contype, condeferrable FROM pg_constraint WHERE conname = 'no_overlap'")
        ).one()
    assert tuple(found) in {("x", True), (b"x", True)}


@pytest.mark.parametrize(("start", "end"), [(10, 12), (9, 11), (11, 13), (9, 13), (10, 11), (11, 12)])
def test_the_database_refuses_an_overlapping_insert(claimed: Lab, start: int, end: int) -> None:
    add(claimed, "mk3", 10, 12)
    with pytest.raises(IntegrityError, match="overlap"):
        add(claimed, "mk3", start, end)


def test_the_database_refuses_an_update_into_an_overlap(claimed: Lab) -> None:
    add(claimed, "mk3", 10, 12)
    add(claimed, "mk3", 14, 16)
    with pytest.raises(IntegrityError, match="overlap"):
        move(claimed, 14, 11, 13)


def test_the_database_refuses_a_move_onto_a_taken_resource(claimed: Lab) -> None:
    add(claimed, "mk3", 10, 12)
    add(claimed, "ender", 10, 12)
    with pytest.raises(IntegrityError, match="overlap"), claimed.database.engine.begin() as connection:
        connection.execute(text("UPDATE allocations SET resource_id = :id"), {"id": claimed.resources["mk3"]})


def test_the_database_counts_every_change_of_the_calendar_by_itself(claimed: Lab) -> None:
    def version() -> int:
        return counted(claimed, "SELECT version FROM calendar_version")

    seen = [version()]
    add(claimed, "mk3", 10, 12)
    seen.append(version())
    move(claimed, 10, 11, 13)
    seen.append(version())
    with claimed.database.engine.begin() as connection:
        connection.execute(text("DELETE FROM allocations"))
    seen.append(version())
    assert seen == sorted(set(seen))


def test_a_change_that_is_rolled_back_does_not_count(claimed: Lab) -> None:
    before = counted(claimed, "SELECT version FROM calendar_version")
    add(claimed, "mk3", 10, 12)
    with pytest.raises(IntegrityError, match="overlap"):
        add(claimed, "mk3", 11, 13)
    after = counted(claimed, "SELECT version FROM calendar_version")
    assert after - before == 1


def test_an_allocation_may_move_within_its_own_place(claimed: Lab) -> None:
    add(claimed, "mk3", 10, 12)
    move(claimed, 10, 11, 13)


def test_touching_allocations_are_no_overlap(claimed: Lab) -> None:
    add(claimed, "mk3", 10, 12)
    add(claimed, "mk3", 12, 14)
    add(claimed, "mk3", 8, 10)
    add(claimed, "ender", 10, 12)


def test_the_database_refuses_an_empty_allocation_and_instants_out_of_order(claimed: Lab) -> None:
    with pytest.raises(IntegrityError, match="span"):
        add(claimed, "mk3", 10, 10)
    with pytest.raises(IntegrityError, match=r"order|span"):
        add(claimed, "mk3", 12, 10)
