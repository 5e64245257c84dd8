"""Room for sealed secrets; those in clear are sealed at the next start, with the key in the data folder"""

import sqlalchemy as sa
from alembic import op

revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None

COLUMNS = (('factors', 64), ('hooks', 80))


def upgrade():
    for table, was in COLUMNS:
        with op.batch_alter_table(table) as batch:
            batch.alter_column('secret', existing_type=sa.String(length=was), type_=sa.String(length=200))


def downgrade():
    """Sealed secrets are of no use to an earlier version: factors and webhooks that have one are taken off."""
    op.execute("DELETE FROM factors WHERE secret LIKE 'sealed1:%'")
    op.execute("DELETE FROM hook_deliveries WHERE hook_id IN (SELECT id FROM hooks WHERE secret LIKE 'sealed1:%')")
    op.execute("DELETE FROM hooks WHERE secret LIKE 'sealed1:%'")
    for table, was in COLUMNS:
        with op.batch_alter_table(table) as batch:
            batch.alter_column('secret', existing_type=sa.String(length=200), type_=sa.String(length=was))
