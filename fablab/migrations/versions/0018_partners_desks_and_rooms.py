"""Partners and their part of the house, prices of stays, passes, rooms for the public"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

LIVE = sa.text("returned_at IS NULL")
#: One by one and not as a batch: a batch writes the table anew, and half of the house refers to it. As SQLite and
#: PostgreSQL both read them.
RESOURCES = (
    ("partner_id", "INTEGER CONSTRAINT fk_resources_partner_id_organisations REFERENCES organisations (id)"),
    ("setup_min", "INTEGER DEFAULT 0 NOT NULL"),
    (
        "clear_min",
        "INTEGER DEFAULT 0 NOT NULL CONSTRAINT ck_resources_around CHECK (setup_min >= 0 AND clear_min >= 0)",
    ),
    ("public", "BOOLEAN DEFAULT FALSE NOT NULL"),
    ("equipment", "JSON DEFAULT '[]' NOT NULL"),
    ("home_id", "INTEGER CONSTRAINT fk_resources_home_id_resources REFERENCES resources (id)"),
)


def number(name, nullable=False):
    return sa.Column(name, sa.Integer(), nullable=nullable)


def text(name, length, nullable=False):
    return sa.Column(name, sa.String(length=length), nullable=nullable)


def word(name, nullable=False):
    return text(name, 32, nullable)


def day(name, nullable=False):
    return sa.Column(name, sa.Date(), nullable=nullable)


def when(name, nullable=False):
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def to(table, column, target, key="id"):
    return sa.ForeignKeyConstraint([column], [f"{target}.{key}"], name=op.f(f"fk_{table}_{column}_{target}"))


def check(table, name, rule):
    return sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{name}"))


def pk(table, column="id"):
    return sa.PrimaryKeyConstraint(column, name=op.f(f"pk_{table}"))


def upgrade():
    for name, kind in RESOURCES:
        op.execute(f"ALTER TABLE resources ADD COLUMN {name} {kind}")
    op.create_index(op.f("ix_resources_partner_id"), "resources", ["partner_id"])
    op.create_index(op.f("ix_resources_home_id"), "resources", ["home_id"])
    op.create_table(
        "partners",
        number("organisation_id"),
        day("since"),
        day("until", nullable=True),
        check("partners", "span", "until IS NULL OR since <= until"),
        to("partners", "organisation_id", "organisations"),
        pk("partners", "organisation_id"),
    )
    op.create_table(
        "stay_prices",
        number("id"),
        number("partner_id", nullable=True),
        number("resource_id", nullable=True),
        word("kind", nullable=True),
        word("audience", nullable=True),
        word("unit"),
        number("price_cents"),
        day("first_day"),
        day("last_day", nullable=True),
        check("stay_prices", "scope", "(resource_id IS NULL) <> (kind IS NULL)"),
        check("stay_prices", "price", "price_cents >= 0"),
        to("stay_prices", "partner_id", "organisations"),
        to("stay_prices", "resource_id", "resources"),
        pk("stay_prices"),
    )
    op.create_index(op.f("ix_stay_prices_partner_id"), "stay_prices", ["partner_id"])
    op.create_index(op.f("ix_stay_prices_resource_id"), "stay_prices", ["resource_id"])
    op.create_table(
        "pass_tariffs",
        number("id"),
        number("partner_id", nullable=True),
        text("name", 120),
        word("audience", nullable=True),
        number("half_days"),
        number("months"),
        number("price_cents"),
        text("currency", 3),
        day("first_day"),
        day("last_day", nullable=True),
        check("pass_tariffs", "half_days", "half_days > 0"),
        check("pass_tariffs", "months", "months BETWEEN 1 AND 60"),
        check("pass_tariffs", "price", "price_cents >= 0"),
        to("pass_tariffs", "partner_id", "organisations"),
        pk("pass_tariffs"),
    )
    op.create_index(op.f("ix_pass_tariffs_partner_id"), "pass_tariffs", ["partner_id"])
    op.create_table(
        "passes",
        number("id"),
        number("member_id"),
        number("tariff_id"),
        number("partner_id", nullable=True),
        text("name", 120),
        word("audience"),
        number("half_days"),
        number("price_cents"),
        number("due_cents"),
        text("currency", 3),
        day("first_day"),
        day("last_day"),
        when("made_at"),
        number("made_by_id", nullable=True),
        when("settled_at", nullable=True),
        when("cancelled_at", nullable=True),
        check("passes", "half_days", "half_days > 0"),
        check("passes", "order", "first_day <= last_day"),
        check("passes", "due", "due_cents >= 0 AND due_cents <= price_cents"),
        to("passes", "member_id", "members"),
        to("passes", "tariff_id", "pass_tariffs"),
        to("passes", "partner_id", "organisations"),
        to("passes", "made_by_id", "members"),
        pk("passes"),
    )
    op.create_index(op.f("ix_passes_member_id"), "passes", ["member_id"])
    op.create_index(op.f("ix_passes_partner_id"), "passes", ["partner_id"])
    op.create_table(
        "pass_uses",
        number("id"),
        number("pass_id"),
        number("number"),
        number("most"),
        text("claim_id", 16),
        day("day"),
        word("half"),
        when("used_at"),
        when("returned_at", nullable=True),
        check("pass_uses", "number", "number BETWEEN 1 AND most"),
        to("pass_uses", "pass_id", "passes"),
        pk("pass_uses"),
    )
    op.create_index(op.f("ix_pass_uses_claim_id"), "pass_uses", ["claim_id"])
    for name, columns in (
        ("uq_pass_uses_number", ["pass_id", "number"]),
        ("uq_pass_uses_half", ["claim_id", "day", "half"]),
    ):
        op.create_index(name, "pass_uses", columns, unique=True, sqlite_where=LIVE, postgresql_where=LIVE)
    op.create_table(
        "hires",
        text("id", 16),
        word("state"),
        number("partner_id", nullable=True),
        sa.Column("resource_ids", sa.JSON(), nullable=False),
        when("start_at"),
        when("end_at"),
        word("audience"),
        text("name", 120),
        text("organisation", 200),
        text("email", 254),
        text("phone", 40),
        text("language", 5),
        number("people"),
        text("purpose", 500),
        text("why", 300),
        text("key_hash", 64),
        when("hold_until", nullable=True),
        when("made_at"),
        when("email_confirmed_at", nullable=True),
        when("decided_at", nullable=True),
        number("decided_by_id", nullable=True),
        when("ended_at", nullable=True),
        number("version"),
        check("hires", "span", "start_at < end_at"),
        check("hires", "people", "people > 0"),
        to("hires", "id", "claims"),
        to("hires", "partner_id", "organisations"),
        to("hires", "decided_by_id", "members"),
        pk("hires"),
        sa.UniqueConstraint("key_hash", name=op.f("uq_hires_key_hash")),
    )
    op.create_index(op.f("ix_hires_partner_id"), "hires", ["partner_id"])
    op.create_index(op.f("ix_hires_hold_until"), "hires", ["hold_until"])
    op.create_index("ix_hires_state_start", "hires", ["state", "start_at"])


def downgrade():
    for table in ("hires", "pass_uses", "passes", "pass_tariffs", "stay_prices", "partners"):
        op.drop_table(table)
    for name in ("ix_resources_home_id", "ix_resources_partner_id"):
        op.drop_index(op.f(name), "resources")
    for name, _ in reversed(RESOURCES):
        op.execute(f"ALTER TABLE resources DROP COLUMN {name}")
