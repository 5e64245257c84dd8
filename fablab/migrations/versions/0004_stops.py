"""Stops, and who acknowledged them"""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        'stops',
        sa.Column('resource_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('by_id', sa.Integer(), nullable=True),
        sa.Column('confirmed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('seen_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('seen_by_id', sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ['resource_id'], ['resources.id'], name=op.f('fk_stops_resource_id_resources')
        ),
        sa.PrimaryKeyConstraint('resource_id', 'at', name=op.f('pk_stops')),
    )


def downgrade():
    op.drop_table('stops')
