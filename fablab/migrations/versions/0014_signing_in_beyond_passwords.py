"""Signing in beyond passwords"""

import sqlalchemy as sa
from alembic import op

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None

PURPOSES = ('sign_in', 'link', 'confirm')


def when(name, nullable=False):
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def member(table, nullable=False):
    return (
        sa.Column('member_id', sa.Integer(), nullable=nullable),
        sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f(f'fk_{table}_member_id_members')),
    )


def upgrade():
    op.add_column('logins', sa.Column('address', sa.String(length=64), nullable=False, server_default=''))
    op.add_column('logins', sa.Column('provider', sa.String(length=40), nullable=True))
    op.add_column('logins', when('confirmed_at', nullable=True))
    op.create_table(
        'factors',
        sa.Column('id', sa.Integer(), nullable=False),
        *member('factors'),
        sa.Column('secret', sa.String(length=64), nullable=False),
        when('made_at'),
        when('confirmed_at', nullable=True),
        sa.Column('last_step', sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_factors')),
    )
    op.create_index('ix_factors_member_id', 'factors', ['member_id'])
    op.create_table(
        'recovery_codes',
        sa.Column('id', sa.Integer(), nullable=False),
        *member('recovery_codes'),
        sa.Column('code_hash', sa.String(length=64), nullable=False),
        when('made_at'),
        when('used_at', nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_recovery_codes')),
        sa.UniqueConstraint('code_hash', name=op.f('uq_recovery_codes_code_hash')),
    )
    op.create_index('ix_recovery_codes_member_id', 'recovery_codes', ['member_id'])
    op.create_table(
        'login_steps',
        sa.Column('token_hash', sa.String(length=64), nullable=False),
        *member('login_steps'),
        sa.Column('provider', sa.String(length=40), nullable=True),
        when('made_at'),
        when('expires_at'),
        sa.PrimaryKeyConstraint('token_hash', name=op.f('pk_login_steps')),
    )
    op.create_index('ix_login_steps_member_id', 'login_steps', ['member_id'])
    op.create_index('ix_login_steps_expires_at', 'login_steps', ['expires_at'])
    op.create_table(
        'known_browsers',
        sa.Column('browser_hash', sa.String(length=64), nullable=False),
        *member('known_browsers'),
        when('first_at'),
        when('last_at'),
        sa.PrimaryKeyConstraint('browser_hash', 'member_id', name=op.f('pk_known_browsers')),
    )
    op.create_index('ix_known_browsers_member_id', 'known_browsers', ['member_id'])
    op.create_table(
        'factors_due',
        *member('factors_due'),
        when('due_at'),
        sa.PrimaryKeyConstraint('member_id', name=op.f('pk_factors_due')),
    )
    op.create_table(
        'signing_rules',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('staff_factor', sa.Boolean(), nullable=False),
        sa.Column('grace_days', sa.Integer(), nullable=False),
        when('set_at'),
        sa.CheckConstraint('grace_days >= 0', name=op.f('ck_signing_rules_grace_days')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_signing_rules')),
    )
    op.create_table(
        'identities',
        sa.Column('id', sa.Integer(), nullable=False),
        *member('identities'),
        sa.Column('provider', sa.String(length=40), nullable=False),
        sa.Column('issuer', sa.String(length=300), nullable=False),
        sa.Column('subject', sa.String(length=255), nullable=False),
        sa.Column('email', sa.String(length=254), nullable=False),
        when('linked_at'),
        when('used_at', nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_identities')),
        sa.UniqueConstraint('issuer', 'subject', name=op.f('uq_identities_issuer')),
    )
    op.create_index('ix_identities_member_id', 'identities', ['member_id'])
    op.create_table(
        'provider_trips',
        sa.Column('state_hash', sa.String(length=64), nullable=False),
        sa.Column('browser_hash', sa.String(length=64), nullable=False),
        sa.Column('provider', sa.String(length=40), nullable=False),
        sa.Column(
            'purpose', sa.Enum(*PURPOSES, name='trip_purpose', native_enum=False, length=32), nullable=False
        ),
        *member('provider_trips', nullable=True),
        sa.Column('nonce', sa.String(length=64), nullable=False),
        sa.Column('verifier', sa.String(length=128), nullable=False),
        sa.Column('next_path', sa.String(length=500), nullable=False),
        when('made_at'),
        when('expires_at'),
        sa.PrimaryKeyConstraint('state_hash', name=op.f('pk_provider_trips')),
    )
    op.create_index('ix_provider_trips_member_id', 'provider_trips', ['member_id'])
    op.create_index('ix_provider_trips_expires_at', 'provider_trips', ['expires_at'])
    op.create_table(
        'arrivals',
        sa.Column('token_hash', sa.String(length=64), nullable=False),
        sa.Column('provider', sa.String(length=40), nullable=False),
        sa.Column('issuer', sa.String(length=300), nullable=False),
        sa.Column('subject', sa.String(length=255), nullable=False),
        sa.Column('email', sa.String(length=254), nullable=False),
        sa.Column('name', sa.String(length=120), nullable=False),
        when('made_at'),
        when('expires_at'),
        sa.PrimaryKeyConstraint('token_hash', name=op.f('pk_arrivals')),
    )
    op.create_index('ix_arrivals_expires_at', 'arrivals', ['expires_at'])


def downgrade():
    for table in (
        'arrivals',
        'provider_trips',
        'identities',
        'signing_rules',
        'factors_due',
        'known_browsers',
        'login_steps',
        'recovery_codes',
        'factors',
    ):
        op.drop_table(table)
    for column in ('confirmed_at', 'provider', 'address'):
        op.drop_column('logins', column)
