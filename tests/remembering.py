"""Databases whose engines share what SQLAlchemy has made of a statement.

A statement is compiled once for each engine: a third to two thirds of the time of a test that has an engine of its own,
and says what all say. `sqlite+remembering:` and `postgresql+remembering:` are the same databases in every other way.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Dialect, Engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

SCHEME: Final = "sqlite+remembering"
_SCHEMES: Final = {"sqlite": SCHEME, "postgresql+psycopg": "postgresql+remembering"}
_COMPILED: Final[LRUCache[Any, Any]] = LRUCache(5000)


def remembering(url: str) -> str:
    """The same database by a dialect that remembers."""
    scheme, rest = url.split(":", 1)
    return f"{_SCHEMES[scheme]}:{rest}"


class _Alike(Dialect):
    """One is as good as another: dialects are part of the key of what was compiled."""

    driver = "remembering"
    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        engine.update_execution_options(compiled_cache=_COMPILED)


class Sqlite(_Alike, SQLiteDialect_pysqlite):
    supports_statement_cache = True


class Postgresql(_Alike, PGDialect_psycopg):
    supports_statement_cache = True


registry.register("sqlite.remembering", __name__, "Sqlite")
registry.register("postgresql.remembering", __name__, "Postgresql")
