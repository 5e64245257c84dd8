"""What the owner was told"""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('claims', sa.Column('told_ready_at', sa.DateTime(timezone=True), nullable=True))


def downgrade():
    op.drop_column('claims', 'told_ready_at')
