"""A reservation that is offered to somebody else"""

import sqlalchemy as sa
from alembic import op

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None

STATES = ('offered', 'accepted', 'declined', 'withdrawn', 'lapsed')


def upgrade():
    op.create_table(
        'reservation_handovers',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('reservation_id', sa.String(length=16), nullable=False),
        sa.Column(
            'state', sa.Enum(*STATES, name='handover_state', native_enum=False, length=32), nullable=False
        ),
        sa.Column('from_id', sa.Integer(), nullable=False),
        sa.Column('to_id', sa.Integer(), nullable=False),
        sa.Column('why', sa.String(length=300), nullable=False),
        sa.Column('offered_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('until_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ['reservation_id'],
            ['reservations.id'],
            name=op.f('fk_reservation_handovers_reservation_id_reservations'),
        ),
        sa.ForeignKeyConstraint(
            ['from_id'], ['members.id'], name=op.f('fk_reservation_handovers_from_id_members')
        ),
        sa.ForeignKeyConstraint(['to_id'], ['members.id'], name=op.f('fk_reservation_handovers_to_id_members')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_reservation_handovers')),
    )
    for column in ('reservation_id', 'from_id', 'to_id'):
        op.create_index(op.f(f'ix_reservation_handovers_{column}'), 'reservation_handovers', [column])
    op.create_index('ix_reservation_handovers_state', 'reservation_handovers', ['state'])


def downgrade():
    op.drop_table('reservation_handovers')
