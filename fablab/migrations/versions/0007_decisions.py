"""What people have decided about a claim's place by hand"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

ACTIONS = ('move', 'pin', 'unpin', 'forbid', 'allow', 'prioritise')


def upgrade():
    op.create_table(
        'decisions',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('claim_id', sa.String(length=16), nullable=False),
        sa.Column('action', sa.Enum(*ACTIONS, name='decision_action', native_enum=False, length=32), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('by_id', sa.Integer(), nullable=True),
        sa.Column('by_name', sa.String(length=120), nullable=False),
        sa.Column('why', sa.String(length=300), nullable=False),
        sa.Column('facts', sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(['by_id'], ['members.id'], name=op.f('fk_decisions_by_id_members')),
        sa.ForeignKeyConstraint(['claim_id'], ['claims.id'], name=op.f('fk_decisions_claim_id_claims')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_decisions')),
    )
    op.create_index(op.f('ix_decisions_claim_id'), 'decisions', ['claim_id'])


def downgrade():
    op.drop_index(op.f('ix_decisions_claim_id'), 'decisions')
    op.drop_table('decisions')
