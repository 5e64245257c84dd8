"""Kiosks, badges, PINs and the codes on the machines"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def when(name, nullable=False):
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def to(table, column, target):
    return sa.ForeignKeyConstraint([column], [f'{target}.id'], name=op.f(f'fk_{table}_{column}_{target}'))


def upgrade():
    salts = op.create_table(
        'badge_salts',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('salt', sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_badge_salts')),
    )
    op.bulk_insert(salts, [{'id': 1, 'salt': secrets.token_hex(16)}])
    op.create_table(
        'badges',
        sa.Column('member_id', sa.Integer(), nullable=False),
        sa.Column('number_hash', sa.String(length=64), nullable=False),
        when('set_at'),
        sa.Column('set_by_id', sa.Integer(), nullable=True),
        to('badges', 'member_id', 'members'),
        to('badges', 'set_by_id', 'members'),
        sa.PrimaryKeyConstraint('member_id', name=op.f('pk_badges')),
        sa.UniqueConstraint('number_hash', name=op.f('uq_badges_number_hash')),
    )
    op.create_table(
        'pins',
        sa.Column('member_id', sa.Integer(), nullable=False),
        sa.Column('pin_hash', sa.String(length=200), nullable=False),
        when('set_at'),
        sa.Column('set_by_id', sa.Integer(), nullable=True),
        to('pins', 'member_id', 'members'),
        to('pins', 'set_by_id', 'members'),
        sa.PrimaryKeyConstraint('member_id', name=op.f('pk_pins')),
    )
    op.create_table(
        'kiosks',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('name', sa.String(length=80), nullable=False),
        sa.Column('resource_id', sa.Integer(), nullable=False),
        sa.Column('link_hash', sa.String(length=64), nullable=True),
        when('link_until', nullable=True),
        sa.Column('token_hash', sa.String(length=64), nullable=True),
        when('made_at'),
        sa.Column('made_by_id', sa.Integer(), nullable=True),
        when('enrolled_at', nullable=True),
        when('seen_at', nullable=True),
        when('revoked_at', nullable=True),
        to('kiosks', 'resource_id', 'resources'),
        to('kiosks', 'made_by_id', 'members'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_kiosks')),
        sa.UniqueConstraint('link_hash', name=op.f('uq_kiosks_link_hash')),
        sa.UniqueConstraint('token_hash', name=op.f('uq_kiosks_token_hash')),
    )
    op.create_index(op.f('ix_kiosks_resource_id'), 'kiosks', ['resource_id'])
    op.create_table(
        'machine_codes',
        sa.Column('resource_id', sa.Integer(), nullable=False),
        sa.Column('code', sa.String(length=32), nullable=False),
        when('made_at'),
        to('machine_codes', 'resource_id', 'resources'),
        sa.PrimaryKeyConstraint('resource_id', name=op.f('pk_machine_codes')),
        sa.UniqueConstraint('code', name=op.f('uq_machine_codes_code')),
    )
    op.create_table(
        'kiosk_presences',
        sa.Column('token_hash', sa.String(length=64), nullable=False),
        sa.Column('kiosk_id', sa.Integer(), nullable=False),
        sa.Column('member_id', sa.Integer(), nullable=False),
        when('expires_at'),
        to('kiosk_presences', 'kiosk_id', 'kiosks'),
        to('kiosk_presences', 'member_id', 'members'),
        sa.PrimaryKeyConstraint('token_hash', name=op.f('pk_kiosk_presences')),
    )
    op.create_index(op.f('ix_kiosk_presences_kiosk_id'), 'kiosk_presences', ['kiosk_id'])
    op.create_index(op.f('ix_kiosk_presences_member_id'), 'kiosk_presences', ['member_id'])


def downgrade():
    for table in ('kiosk_presences', 'machine_codes', 'kiosks', 'pins', 'badges', 'badge_salts'):
        op.drop_table(table)
