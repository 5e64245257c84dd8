"""Who asked to cancel"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('runs', sa.Column('cancel_asked_by_id', sa.Integer(), nullable=True))


def downgrade():
    op.drop_column('runs', 'cancel_asked_by_id')
