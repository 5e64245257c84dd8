"""When a public date is decided, and how many of each registration came"""

import sqlalchemy as sa
from alembic import op

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('workshop_sessions', sa.Column('decide_at', sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f('ix_workshop_sessions_decide_at'), 'workshop_sessions', ['decide_at'])
    op.add_column('session_registrations', sa.Column('came', sa.Integer(), nullable=True))


def downgrade():
    op.drop_column('session_registrations', 'came')
    op.drop_index(op.f('ix_workshop_sessions_decide_at'), 'workshop_sessions')
    op.drop_column('workshop_sessions', 'decide_at')
