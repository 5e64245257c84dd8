"""The calendar's version"""

import sqlalchemy as sa
from alembic import op

from fablab.migrations import counting

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        'calendar_version',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.CheckConstraint('id = 1', name=op.f('ck_calendar_version_one_row')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_calendar_version')),
    )
    op.execute('INSERT INTO calendar_version (id, version) VALUES (1, 1)')
    counting.create()


def downgrade():
    counting.drop()
    op.drop_table('calendar_version')
