"""When what a run left on the bed was taken off"""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('runs', sa.Column('cleared_at', sa.DateTime(timezone=True), nullable=True))
    op.execute('UPDATE runs SET cleared_at = ended_at')  # nobody knows better of what was before


def downgrade():
    op.drop_column('runs', 'cleared_at')
