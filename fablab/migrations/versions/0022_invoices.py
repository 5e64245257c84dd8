"""Invoices, their credit notes, and where the series of their numbers stand"""

import sqlalchemy as sa
from alembic import op

revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def kind():
    return sa.Column(
        'kind',
        sa.Enum('invoice', 'credit', name='invoice_kind', native_enum=False, length=32),
        nullable=False,
    )


def upgrade():
    op.create_table(
        'invoice_series',
        kind(),
        sa.Column('year', sa.Integer(), nullable=False),
        sa.Column('last', sa.Integer(), nullable=False),
        sa.Column('last_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('last_sha256', sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint('kind', name=op.f('pk_invoice_series')),
    )
    op.create_table(
        'invoices',
        sa.Column('id', sa.Integer(), nullable=False),
        kind(),
        sa.Column('year', sa.Integer(), nullable=False),
        sa.Column('position', sa.Integer(), nullable=False),
        sa.Column('number', sa.String(length=20), nullable=False),
        sa.Column('claim_id', sa.String(length=16), nullable=False),
        sa.Column('credits_id', sa.Integer(), nullable=True),
        sa.Column('why', sa.String(length=300), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('made_by_id', sa.Integer(), nullable=True),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('due_day', sa.Date(), nullable=True),
        sa.Column('delivered_day', sa.Date(), nullable=False),
        sa.Column('subject', sa.JSON(), nullable=False),
        sa.Column('seller', sa.JSON(), nullable=False),
        sa.Column('customer', sa.JSON(), nullable=False),
        sa.Column('lines', sa.JSON(), nullable=False),
        sa.Column(
            'exemption',
            sa.Enum('franchise', 'article_261', name='exemption', native_enum=False, length=32),
            nullable=True,
        ),
        sa.Column('net_cents', sa.Integer(), nullable=False),
        sa.Column('vat_cents', sa.Integer(), nullable=False),
        sa.Column('total_cents', sa.Integer(), nullable=False),
        sa.Column('currency', sa.String(length=3), nullable=False),
        sa.Column('before_sha256', sa.String(length=64), nullable=False),
        sa.Column('sha256', sa.String(length=64), nullable=False),
        sa.CheckConstraint('position > 0', name=op.f('ck_invoices_position')),
        sa.CheckConstraint("(kind = 'credit') = (credits_id IS NOT NULL)", name=op.f('ck_invoices_credits')),
        sa.ForeignKeyConstraint(
            ['credits_id'], ['invoices.id'], name=op.f('fk_invoices_credits_id_invoices')
        ),
        sa.ForeignKeyConstraint(['made_by_id'], ['members.id'], name=op.f('fk_invoices_made_by_id_members')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_invoices')),
        sa.UniqueConstraint('number', name=op.f('uq_invoices_number')),
        sa.UniqueConstraint('credits_id', name=op.f('uq_invoices_credits_id')),
        sa.UniqueConstraint('kind', 'year', 'position', name='uq_invoices_position'),
    )
    op.create_index(op.f('ix_invoices_claim_id'), 'invoices', ['claim_id'])


def downgrade():
    op.drop_table('invoices')
    op.drop_table('invoice_series')
