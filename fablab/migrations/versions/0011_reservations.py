"""Reservations"""

import sqlalchemy as sa
from alembic import op

from fablab.migrations import overlap

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

STATES = ('requested', 'confirmed', 'in_use', 'completed', 'missed', 'cancelled', 'declined')


def words(name, *known):
    return sa.Enum(*known, name=name, native_enum=False, length=32)


def upgrade():
    if op.get_bind().dialect.name == 'sqlite':
        # The triggers look at one row now, where they looked through all that lay before.
        overlap.drop()
        overlap.create()
    op.create_table(
        'reservation_series',
        sa.Column('id', sa.String(16), nullable=False),
        sa.Column('member_id', sa.Integer(), nullable=False),
        sa.Column('made_by_id', sa.Integer(), nullable=True),
        sa.Column('every', words('series_every', 'week', 'month'), nullable=False),
        sa.Column('step', sa.Integer(), nullable=False),
        sa.Column('zone', sa.String(64), nullable=False),
        sa.Column('first_day', sa.Date(), nullable=False),
        sa.Column('starts', sa.Time(), nullable=False),
        sa.Column('ends', sa.Time(), nullable=False),
        sa.Column('days', sa.Integer(), nullable=False),
        sa.Column('until', sa.Date(), nullable=True),
        sa.Column('count', sa.Integer(), nullable=True),
        sa.Column('skipped', sa.JSON(), nullable=False),
        sa.Column('key', sa.String(80), nullable=True),
        sa.Column('asked', sa.String(64), nullable=True),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint('step > 0', name=op.f('ck_reservation_series_step')),
        sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f('fk_reservation_series_member_id_members')),
        sa.ForeignKeyConstraint(['made_by_id'], ['members.id'], name=op.f('fk_reservation_series_made_by_id_members')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_reservation_series')),
        sa.UniqueConstraint('made_by_id', 'key', name='uq_reservation_series_key'),
    )
    op.create_index(op.f('ix_reservation_series_member_id'), 'reservation_series', ['member_id'])
    op.create_table(
        'reservations',
        sa.Column('id', sa.String(16), nullable=False),
        sa.Column('state', words('reservation_state', *STATES), nullable=False),
        sa.Column('member_id', sa.Integer(), nullable=False),
        sa.Column('made_by_id', sa.Integer(), nullable=True),
        sa.Column('series_id', sa.String(16), nullable=True),
        sa.Column('resource_ids', sa.JSON(), nullable=False),
        sa.Column('start_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('end_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('unattended_from', sa.DateTime(timezone=True), nullable=True),
        sa.Column('party', sa.Integer(), nullable=False),
        sa.Column('note', sa.String(500), nullable=False),
        sa.Column('why', sa.String(300), nullable=False),
        sa.Column('refusals', sa.JSON(), nullable=False),
        sa.Column('checked_in_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            'checked_in_how', words('arrival', 'page', 'kiosk', 'qr', 'staff', 'start'), nullable=True
        ),
        sa.Column('checked_in_by_id', sa.Integer(), nullable=True),
        sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('decided_by_id', sa.Integer(), nullable=True),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('late', sa.Boolean(), nullable=False),
        sa.Column('key', sa.String(80), nullable=True),
        sa.Column('asked', sa.String(64), nullable=True),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.CheckConstraint('start_at < end_at', name=op.f('ck_reservations_span')),
        sa.CheckConstraint('party > 0', name=op.f('ck_reservations_party')),
        sa.ForeignKeyConstraint(['id'], ['claims.id'], name=op.f('fk_reservations_id_claims')),
        sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f('fk_reservations_member_id_members')),
        sa.ForeignKeyConstraint(['made_by_id'], ['members.id'], name=op.f('fk_reservations_made_by_id_members')),
        sa.ForeignKeyConstraint(
            ['series_id'], ['reservation_series.id'], name=op.f('fk_reservations_series_id_reservation_series')
        ),
        sa.ForeignKeyConstraint(
            ['checked_in_by_id'], ['members.id'], name=op.f('fk_reservations_checked_in_by_id_members')
        ),
        sa.ForeignKeyConstraint(
            ['decided_by_id'], ['members.id'], name=op.f('fk_reservations_decided_by_id_members')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_reservations')),
        sa.UniqueConstraint('made_by_id', 'key', name='uq_reservations_key'),
    )
    op.create_index(op.f('ix_reservations_series_id'), 'reservations', ['series_id'])
    op.create_index('ix_reservations_member_end', 'reservations', ['member_id', 'end_at'])
    op.create_index('ix_reservations_state_start', 'reservations', ['state', 'start_at'])
    # what was done about runs that would not be over in time for a reservation
    op.create_table(
        'clashes',
        sa.Column('run_id', sa.String(16), nullable=False),
        sa.Column('reservation_id', sa.String(16), nullable=False),
        sa.Column('overrun', words('overrun', 'refuse', 'pause', 'shift', 'warn'), nullable=False),
        sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('expected_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('was_start_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('start_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('paused_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('declined_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['run_id'], ['runs.id'], name=op.f('fk_clashes_run_id_runs')),
        sa.ForeignKeyConstraint(
            ['reservation_id'], ['reservations.id'], name=op.f('fk_clashes_reservation_id_reservations')
        ),
        sa.PrimaryKeyConstraint('run_id', 'reservation_id', name=op.f('pk_clashes')),
    )
    op.create_index(op.f('ix_clashes_reservation_id'), 'clashes', ['reservation_id'])


def downgrade():
    op.drop_index(op.f('ix_clashes_reservation_id'), 'clashes')
    op.drop_table('clashes')
    op.drop_table('reservations')
    op.drop_table('reservation_series')
