"""The version of what the rules know of the house (`claims.rules.known`): anew whenever one of these tables changes.

It is drawn, not counted: a count that was rolled back would come again for something else, and whoever has remembered
the first would take the second for it.
"""

from alembic import op

TABLES = (
    "house",
    "hours_rules",
    "hours_exceptions",
    "closures",
    "reservation_policies",
    "certification_terms",
    "rule_texts",
    "machine_materials",
)
EVENTS = ("insert", "update", "delete")
TRIGGERS = tuple(f"rules_watch_{table}_{event}" for table in TABLES for event in EVENTS)

_DRAWN = "UPDATE rules_version SET version = random() & 9223372036854775807"
_FUNCTION = """
CREATE FUNCTION rules_watch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE rules_version SET version = floor(random() * 9007199254740991)::bigint;
    RETURN NULL;
END $$
"""


def create() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_FUNCTION)
        for table in TABLES:
            op.execute(
                f"CREATE TRIGGER rules_watch AFTER INSERT OR UPDATE OR DELETE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION rules_watch()"
            )
        return
    for table in TABLES:
        for event in EVENTS:
            op.execute(
                f"CREATE TRIGGER rules_watch_{table}_{event} AFTER {event.upper()} ON {table} BEGIN {_DRAWN}; END"
            )


def drop() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in TABLES:
            op.execute(f"DROP TRIGGER rules_watch ON {table}")
        op.execute("DROP FUNCTION rules_watch")
        return
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER IF EXISTS {name}")
