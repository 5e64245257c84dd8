"""The calendar's version, counted by the database itself: no change of an allocation can forget it.

SQLite has one writer at a time, so its triggers count row by row. On PostgreSQL a row that every change updates would
be locked from a transaction's first change on, and two that then want the same resource would wait for each other:
there the counting is put off to the commit, where the row is the last thing anybody locks, and happens once a
transaction, however many allocations it has changed.
"""

from alembic import op

TRIGGERS = ("calendar_counts_insert", "calendar_counts_update", "calendar_counts_delete")

_TRIGGER = """
CREATE TRIGGER {name} AFTER {event} ON allocations
BEGIN UPDATE calendar_version SET version = version + 1; END
"""

_FUNCTION = """
CREATE FUNCTION calendar_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('fablab.counted', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        UPDATE calendar_version SET version = version + 1;
        PERFORM set_config('fablab.counted', pg_current_xact_id()::text, true);
    END IF;
    RETURN NULL;
END $$
"""

_PUT_OFF = """
CREATE CONSTRAINT TRIGGER calendar_counts AFTER INSERT OR UPDATE OR DELETE ON allocations
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION calendar_counts()
"""


def create() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_FUNCTION)
        op.execute(_PUT_OFF)
        return
    for name in TRIGGERS:
        op.execute(_TRIGGER.format(name=name, event=name.rsplit("_", 1)[1].upper()))


def drop() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER calendar_counts ON allocations")
        op.execute("DROP FUNCTION calendar_counts")
        return
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER IF EXISTS {name}")
