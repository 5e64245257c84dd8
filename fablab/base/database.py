"""The one door to the database: typed SQLAlchemy 2, synchronous sessions, one unit of work for every use case.

`Database.begin(actor)` opens a transaction, fixes one instant (`uow.now`) and one actor, and publishes the events
that were raised in it only after the commit. SQLite and PostgreSQL behave alike to the callers:

* SQLite: WAL, `BEGIN IMMEDIATE` for writers, and one writer lock per process taken *before* a pooled connection
  (measured: without it, p99 is ten times worse with 32 writers).
* PostgreSQL: psycopg 3, READ COMMITTED; callers lock resource rows in id order, the exclusion constraint is the backstop.

"locked", serialization failures, deadlocks, stale versions and overlaps become `Conflict`; `Database.write` retries
those that another try can heal.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import msgspec
from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Engine,
    MetaData,
    String,
    Table,
    TypeDecorator,
    create_engine,
    event,
    insert,
    make_url,
)
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeEngine

from fablab.base.clock import Clock, SystemClock
from fablab.base.errors import Conflict
from fablab.base.events import Bus, Event
from fablab.base.sealing import FILE_NAME, Sealer

T = TypeVar("T")

BUSY_TIMEOUT_MS = 10_000
RETRIES = 5
#: SQLite's own are 2 MB and 4 MB: with a calendar of years a third of a writer's time went into moving the same pages
#: in and out (`tests.bench.reservations`). The log is at most a little longer than this: 32 MB of pages of 4 KB.
CACHE_KB = 16_000
CHECKPOINT_PAGES = 8000

#: PostgreSQL's own codes for what another try may heal: serialization failure, deadlock, lock not available.
_HEALS = frozenset({"40001", "40P01", "55P03"})
_OVERLAP = frozenset({"23P01"})  # exclusion violation


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant. Refuses naive values going in; gives UTC coming out, on SQLite too."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime must not reach the database")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Entities of the lab. Enumerations are stored as their words, checked by the type on the way in."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime(), str: String()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does it: a member, or the lab itself (`member_id` None) under a name such as "planner"."""

    member_id: int | None
    name: str
    role: str = "system"
    scopes: frozenset[str] | None = None  # None: everything the role allows


SYSTEM = Actor(member_id=None, name="fablab")


@dataclass(slots=True, kw_only=True)
class UnitOfWork:
    """One transaction, one instant, one actor. `raise_event` speaks after the commit, or never.

    `memory` is the database's: what was worked out from many rows and is asked for again and again. Whoever keeps
    something there keeps with it what tells that it is out of date; a transaction that fails does not undo it.
    `ahead` is this transaction's own: what was read for many at once, so that none of them has to ask again.
    `sealer` seals and opens what the database may not hold in clear.
    """

    session: Session
    now: datetime
    actor: Actor
    events: list[Event] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)
    ahead: dict[str, Any] = field(default_factory=dict)
    sealer: Sealer = field(default_factory=lambda: Sealer(None))

    def acting(self, actor: Actor) -> UnitOfWork:
        """The same transaction for somebody else."""
        return replace(self, actor=actor)

    def write_rows(self, entity: type[Base], rows: Sequence[Mapping[str, object]]) -> None:
        """Insert without entities; each row has the same columns. The statement is put together once and for all: to do
        so again each time takes several times longer than the database needs for a hundred rows."""
        if not rows:
            return
        connection = self.session.connection()
        names = tuple(rows[0])
        known: dict[object, _Insert] = self.memory.setdefault("database.inserts", {})
        prepared = known.get((entity, names))
        if prepared is None:
            prepared = known[entity, names] = _prepare_insert(entity, names, connection.dialect)
        connection.exec_driver_sql(prepared.sql, prepared.stored(rows))

    def raise_event(self, topic: str, id: int | str, name: str) -> None:
        self.events.append(Event(topic=topic, id=id, name=name, at=self.now))


@dataclass(frozen=True, slots=True)
class _Insert:
    """`columns`: the name of each, and what makes a value fit to be stored; `usual`: those that no row names.
    `as_json`: all rows are one text that PostgreSQL takes apart; row by row they took it longer than all the rest."""

    sql: str
    columns: Sequence[tuple[str, Callable[[Any], Any] | None]]
    usual: Mapping[str, Callable[[], object]]
    as_json: bool

    def stored(self, rows: Sequence[Mapping[str, object]]) -> Any:
        columns: list[Iterable[object]] = []
        for name, fits in self.columns:
            make = self.usual.get(name)
            values = [row[name] for row in rows] if make is None else [make() for _ in rows]
            columns.append(map(fits, values) if fits is not None else values)
        stored = zip(*columns, strict=True)
        if not self.as_json:
            return list(stored)
        names = [name for name, _ in self.columns]
        return {"rows": _as_json([dict(zip(names, row, strict=True)) for row in stored])}


def _prepare_insert(entity: type[Base], names: Sequence[str], dialect: Dialect) -> _Insert:
    table = cast("Table", entity.__table__)  # SQLAlchemy says FromClause: a class may be mapped to a join
    usual: dict[str, Callable[[], object]] = {}
    for column in table.columns:
        if column.key not in names and column.default is not None:
            usual[column.key] = _usual_of(column)
    compiled = insert(table).compile(dialect=dialect, column_keys=[*names, *usual])
    as_json = dialect.name == "postgresql"
    order = [*names, *usual] if as_json else compiled.positiontup or []
    fitting = [(name, _fits(table.columns[name].type, dialect)) for name in order]
    return _Insert(_from_json(table, order) if as_json else str(compiled), fitting, usual, as_json)


def _from_json(table: Table, names: Sequence[str]) -> str:
    columns = ", ".join(names)
    made = f"json_populate_recordset(NULL::{table.name}, %(rows)s::json)"
    return f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {made}"  # noqa: S608 - our own tables' names


def _fits(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    if isinstance(kind, JSON) and dialect.name == "postgresql":
        return None  # a part of the text that all rows are
    fits = kind.dialect_impl(dialect).bind_processor(dialect)
    # The rows of one transaction name the same few instants again and again.
    return lru_cache(maxsize=1024)(fits) if fits is not None and isinstance(kind, UtcDateTime) else fits


def _usual_of(column: Column[Any]) -> Callable[[], object]:
    default: Any = column.default
    assert default.is_scalar or default.is_callable, f"{column}: only the database knows its default"
    return (lambda: default.arg) if default.is_scalar else (lambda: default.arg(None))


class Database:
    """An engine with its writer lock, its clock and its bus; the only maker of units of work."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        bus: Bus | None = None,
        pool: int = 20,
        sealer: Sealer | None = None,
    ) -> None:
        """`sealer`: with the key of the secrets in it; None: the key lies beside a database that is a file, and there is
        none for any other."""
        self.url = make_url(url)
        self.clock: Clock = clock or SystemClock()
        self.bus = bus or Bus()
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.sealer = sealer or Sealer(self._beside())
        self.memory: dict[str, Any] = {}
        #: Called before each commit that has events to tell, with its unit of work: what they write is kept with it.
        self.witnesses: list[Callable[[UnitOfWork], None]] = []
        self._writer = threading.Lock()
        self.engine = _engine(str(self.url.render_as_string(hide_password=False)), self.is_sqlite, pool)

    @contextmanager
    def begin(self, actor: Actor = SYSTEM, *, at: datetime | None = None) -> Iterator[UnitOfWork]:
        """A writing transaction. Raises `Conflict` where another try may succeed; nothing is kept on any error."""
        with self._turn(), _conflicts():
            session = Session(self.engine, expire_on_commit=False, autoflush=True)
            now = at or self.clock.now()
            uow = UnitOfWork(session=session, now=now, actor=actor, memory=self.memory, sealer=self.sealer)
            try:
                session.connection(execution_options={"fablab_write": True})
                yield uow
                if uow.events:
                    for witness in self.witnesses:
                        witness(uow)
                session.commit()
            except BaseException:
                session.rollback()
                raise
            finally:
                session.close()
        if uow.events:
            self.bus.publish(tuple(uow.events))

    @contextmanager
    def read(self, actor: Actor = SYSTEM) -> Iterator[UnitOfWork]:
        """A reading transaction; whatever is changed in it is thrown away."""
        with _conflicts(), Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            # Closing gives the connection back rolled back, and leaves what was read readable.
            yield UnitOfWork(
                session=session, now=self.clock.now(), actor=actor, memory=self.memory, sealer=self.sealer
            )

    def write(self, work: Callable[[UnitOfWork], T], actor: Actor = SYSTEM, *, tries: int = RETRIES) -> T:
        """Run `work` in a transaction, again on a `Conflict` that may heal, at most `tries` times."""
        for left in range(tries - 1, -1, -1):
            try:
                with self.begin(actor) as uow:
                    return work(uow)
            except Conflict as error:
                if not left or not error.facts.get("heals"):
                    raise
                # Full jitter keeps racing writers from meeting again; a few milliseconds is a whole transaction here.
                time.sleep(random.uniform(0.002, 0.02) * (tries - left))  # noqa: S311 - not a secret
        raise AssertionError("unreachable")

    def _beside(self) -> Path | None:
        found = self.url.database
        return Path(found).with_name(FILE_NAME) if self.is_sqlite and found and found != ":memory:" else None

    def dispose(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        if not self._writer.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise Conflict("busy", heals=True)
        try:
            yield
        finally:
            self._writer.release()


def _engine(url: str, is_sqlite: bool, pool: int) -> Engine:
    if not is_sqlite:
        return create_engine(
            url, pool_size=pool, max_overflow=pool, pool_pre_ping=True, json_serializer=_as_json
        )
    engine = create_engine(
        url,
        json_serializer=_as_json,
        pool_size=pool,
        max_overflow=pool,
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _as_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _prepare_sqlite(connection: Any, _record: ConnectionPoolEntry) -> None:
    # The driver's own implicit BEGIN is off; `_begin_sqlite` says which kind is meant.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        f"cache_size=-{CACHE_KB}",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("fablab_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _conflicts() -> Iterator[None]:
    try:
        yield
    except StaleDataError as error:
        raise Conflict("stale", heals=True) from error
    except IntegrityError as error:
        if _is_overlap(error):
            raise Conflict("slot_taken", heals=False) from error
        raise
    except OperationalError as error:
        if _heals(error):
            raise Conflict("busy", heals=True) from error
        raise


def _is_overlap(error: DBAPIError) -> bool:
    return _sqlstate(error) in _OVERLAP or "fablab: overlap" in str(error.orig)


def _heals(error: DBAPIError) -> bool:
    return _sqlstate(error) in _HEALS or "locked" in str(error.orig)


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", "") or "")
