"""No overlap, said by the database itself: an exclusion constraint on PostgreSQL, triggers on SQLite.

The integer range stands in for `resource_id WITH =`, so that no extension has to be installed first.
SQLite drops triggers silently when a table is rebuilt in batch mode: a migration that touches `allocations`
must call `create` again, and a test looks that the triggers exist at head.

The rows of a resource never overlap, so the one that starts last before the new one's end is also the one that ends last:
the trigger looks at one row, however long the calendar is.
"""

from alembic import op

TRIGGERS = ("no_overlap_insert", "no_overlap_update")

_EXCLUDE = """
ALTER TABLE allocations ADD CONSTRAINT no_overlap EXCLUDE USING gist (
    int8range(resource_id, resource_id, '[]') WITH &&,
    tstzrange(start_at, end_at, '[)') WITH &&
) DEFERRABLE INITIALLY IMMEDIATE
"""

_TRIGGER = """
CREATE TRIGGER {name} BEFORE {event} ON allocations
WHEN (
    SELECT held.end_at FROM allocations AS held
    WHERE held.resource_id = NEW.resource_id AND held.id IS NOT NEW.id AND held.start_at < NEW.end_at
    ORDER BY held.start_at DESC LIMIT 1
) > NEW.start_at
BEGIN SELECT RAISE(ABORT, 'fablab: overlap'); END
"""


def create() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_EXCLUDE)
        return
    op.execute(_TRIGGER.format(name=TRIGGERS[0], event="INSERT"))
    op.execute(_TRIGGER.format(name=TRIGGERS[1], event="UPDATE OF resource_id, start_at, end_at"))


def drop() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE allocations DROP CONSTRAINT no_overlap")
        return
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER IF EXISTS {name}")
