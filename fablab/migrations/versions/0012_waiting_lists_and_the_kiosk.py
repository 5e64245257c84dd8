"""Waiting lists and the kiosk"""

import sqlalchemy as sa
from alembic import op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

STATES = ('waiting', 'offered', 'taken', 'lapsed', 'expired', 'withdrawn')
AUDIENCES = ('school', 'student', 'professional', 'personal', 'association', 'public_body')


def upgrade():
    op.create_table(
        'waiting_entries',
        sa.Column('id', sa.String(length=16), nullable=False),
        sa.Column('state', sa.Enum(*STATES, name='waiting_state', native_enum=False, length=32), nullable=False),
        sa.Column('member_id', sa.Integer(), nullable=False),
        sa.Column('made_by_id', sa.Integer(), nullable=True),
        sa.Column('project_id', sa.Integer(), nullable=True),
        sa.Column('audience', sa.Enum(*AUDIENCES, name='audience', native_enum=False, length=32), nullable=False),
        sa.Column('wanted', sa.JSON(), nullable=False),
        sa.Column('duration_s', sa.Integer(), nullable=False),
        sa.Column('since', sa.DateTime(timezone=True), nullable=False),
        sa.Column('until', sa.DateTime(timezone=True), nullable=False),
        sa.Column('party', sa.Integer(), nullable=False),
        sa.Column('title', sa.String(length=200), nullable=False),
        sa.Column('passes', sa.Integer(), nullable=False),
        sa.Column('passed', sa.JSON(), nullable=False),
        sa.Column('offered_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('hold_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('claim_id', sa.String(length=16), nullable=True),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.CheckConstraint('since < until', name=op.f('ck_waiting_entries_span')),
        sa.CheckConstraint('duration_s > 0', name=op.f('ck_waiting_entries_duration')),
        sa.CheckConstraint('party > 0', name=op.f('ck_waiting_entries_party')),
        sa.ForeignKeyConstraint(['claim_id'], ['claims.id'], name=op.f('fk_waiting_entries_claim_id_claims')),
        sa.ForeignKeyConstraint(['made_by_id'], ['members.id'], name=op.f('fk_waiting_entries_made_by_id_members')),
        sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f('fk_waiting_entries_member_id_members')),
        sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_waiting_entries_project_id_projects')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_waiting_entries')),
    )
    op.create_index(op.f('ix_waiting_entries_state'), 'waiting_entries', ['state'])
    op.create_index('ix_waiting_entries_member_state', 'waiting_entries', ['member_id', 'state'])


def downgrade():
    op.drop_index('ix_waiting_entries_member_state', 'waiting_entries')
    op.drop_index(op.f('ix_waiting_entries_state'), 'waiting_entries')
    op.drop_table('waiting_entries')
