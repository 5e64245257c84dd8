"""The day of a session: pieces by number, questions afterwards, and runs that take place within one"""

import sqlalchemy as sa
from alembic import op

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('runs', sa.Column('host_id', sa.String(length=16), nullable=True))
    op.add_column('runs', sa.Column('host_until', sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f('ix_runs_host_id'), 'runs', ['host_id'])
    op.create_table(
        'session_pieces',
        sa.Column('job_id', sa.String(length=16), nullable=False),
        sa.Column('session_id', sa.String(length=16), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('told_ready_at', sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint('number > 0', name=op.f('ck_session_pieces_number')),
        sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], name=op.f('fk_session_pieces_job_id_jobs')),
        sa.ForeignKeyConstraint(
            ['session_id'], ['workshop_sessions.id'], name=op.f('fk_session_pieces_session_id_workshop_sessions')
        ),
        sa.PrimaryKeyConstraint('job_id', name=op.f('pk_session_pieces')),
        sa.UniqueConstraint('session_id', 'number', name='uq_session_pieces_number'),
    )
    op.create_table(
        'session_surveys',
        sa.Column('session_id', sa.String(length=16), nullable=False),
        sa.Column('token', sa.String(length=43), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ['session_id'], ['workshop_sessions.id'], name=op.f('fk_session_surveys_session_id_workshop_sessions')
        ),
        sa.PrimaryKeyConstraint('session_id', name=op.f('pk_session_surveys')),
        sa.UniqueConstraint('token', name=op.f('uq_session_surveys_token')),
    )
    op.create_table(
        'session_answers',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('session_id', sa.String(length=16), nullable=False),
        sa.Column('marks', sa.JSON(), nullable=False),
        sa.Column('remark', sa.String(length=1000), nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ['session_id'], ['workshop_sessions.id'], name=op.f('fk_session_answers_session_id_workshop_sessions')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_session_answers')),
    )
    op.create_index(op.f('ix_session_answers_session_id'), 'session_answers', ['session_id'])


def downgrade():
    op.drop_table('session_answers')
    op.drop_table('session_surveys')
    op.drop_table('session_pieces')
    op.drop_index(op.f('ix_runs_host_id'), 'runs')
    op.drop_column('runs', 'host_until')
    op.drop_column('runs', 'host_id')
