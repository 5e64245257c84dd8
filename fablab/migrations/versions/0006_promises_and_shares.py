"""What was promised, how long runs were paused, and what audiences are owed"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

AUDIENCES = ('school', 'student', 'professional', 'personal', 'association', 'public_body')


def upgrade():
    op.create_table(
        'promises',
        sa.Column('claim_id', sa.String(length=16), nullable=False),
        sa.Column('told_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('start_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('p10_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('p50_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('p80_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('p90_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('middle_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('scale_s', sa.Double(), nullable=False),
        sa.Column('run_log_mean', sa.Double(), nullable=True),
        sa.Column('run_log_sigma', sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(['claim_id'], ['claims.id'], name=op.f('fk_promises_claim_id_claims')),
        sa.PrimaryKeyConstraint('claim_id', name=op.f('pk_promises')),
    )
    op.create_index('ix_promises_told_at', 'promises', ['told_at'])
    op.create_table(
        'shares_due',
        sa.Column('audience', sa.Enum(*AUDIENCES, name='audience', native_enum=False, length=32), nullable=False),
        sa.Column('parts', sa.Double(), nullable=False),
        sa.Column('set_at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint('parts > 0', name=op.f('ck_shares_due_parts')),
        sa.PrimaryKeyConstraint('audience', name=op.f('pk_shares_due')),
    )
    op.add_column('runs', sa.Column('paused_s', sa.Double(), nullable=False, server_default='0'))
    op.create_index('ix_runs_state_ended', 'runs', ['state', 'ended_at'])


def downgrade():
    op.drop_index('ix_runs_state_ended', 'runs')
    op.drop_column('runs', 'paused_s')
    op.drop_table('shares_due')
    op.drop_index('ix_promises_told_at', 'promises')
    op.drop_table('promises')
