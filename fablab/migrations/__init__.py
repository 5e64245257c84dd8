"""Schema changes, up and down, the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

import fablab.claims.decisions
import fablab.claims.hires.models
import fablab.claims.jobs.models
import fablab.claims.models
import fablab.claims.promises
import fablab.claims.reservations.models
import fablab.claims.rules.models
import fablab.claims.trainings.models
import fablab.claims.waiting.models
import fablab.claims.workshops.day_models
import fablab.claims.workshops.models
import fablab.money.models
import fablab.money.passes
import fablab.money.stays
import fablab.money.subscriptions
import fablab.notices
import fablab.people.access.models
import fablab.people.badges
import fablab.people.certifications.models
import fablab.people.kiosks
import fablab.people.log
import fablab.people.models
import fablab.people.partners
import fablab.people.shares
import fablab.places.models
import fablab.programs.models
import fablab.runs.models  # noqa: F401 - every room's tables must be known to the metadata
from fablab.base.database import Base, Database

METADATA = Base.metadata
HERE = Path(__file__).parent

#: Made by hand, per database, in the migrations: Alembic's comparison cannot read them back.
_BY_HAND = frozenset({"no_overlap"})


def include_object(_item: Any, name: str | None, _kind: str, _reflected: bool, _other: Any) -> bool:
    return name not in _BY_HAND


def upgrade(database: Database, revision: str = "head") -> None:
    _run(database, lambda config: command.upgrade(config, revision))


def downgrade(database: Database, revision: str = "base") -> None:
    _run(database, lambda config: command.downgrade(config, revision))


def check(database: Database) -> None:
    """Raises Alembic's own error when the models and the schema differ."""
    _run(database, command.check)


def revision_of(database: Database) -> tuple[str | None, str | None]:
    """What the database has, and what this code wants."""
    with database.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(config_for()).get_current_head()


def config_for() -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
    return config


def _run(database: Database, work: Any) -> None:
    config = config_for()
    with database.engine.connect() as connection:
        if database.is_sqlite:
            # Tables are rebuilt by copying in batch mode; the copies must not trip over foreign keys.
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        try:
            work(config)
            connection.commit()
        finally:
            connection.rollback()
            if database.is_sqlite:
                connection.exec_driver_sql("COMMIT")
                connection.exec_driver_sql("PRAGMA foreign_keys=ON")
                connection.exec_driver_sql("BEGIN")
