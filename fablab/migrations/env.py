"""Alembic's entry: the same migrations on SQLite and PostgreSQL, inside one transaction."""

from alembic import context

from fablab.migrations import METADATA, include_object


def run() -> None:
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        include_object=include_object,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
