"""Letters feeds and webhooks"""

import sqlalchemy as sa
from alembic import op

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None

SUBJECTS = ('jobs', 'plan', 'reservations', 'waiting', 'trainings', 'account', 'house', 'safety', 'security')
CHANNELS = ('page', 'at_once', 'daily', 'none')
LETTERS = ('waiting', 'held', 'sending', 'sent', 'failed', 'given_up', 'cancelled')
HOOKS = ('active', 'paused', 'stopped')
DELIVERIES = ('waiting', 'sending', 'delivered', 'failed', 'given_up')


def words(values, name):
    return sa.Enum(*values, name=name, native_enum=False, length=32)


def at(name, nullable=False):
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade():
    op.create_table(
        'letters',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('notice_id', sa.Integer(), nullable=True),
        sa.Column('member_id', sa.Integer(), nullable=True),
        sa.Column('address', sa.String(length=254), nullable=True),
        sa.Column('language', sa.String(length=5), nullable=True),
        sa.Column('code', sa.String(length=60), nullable=False),
        sa.Column('facts', sa.JSON(), nullable=False),
        sa.Column('claim_id', sa.String(length=16), nullable=True),
        sa.Column('subject', words(SUBJECTS, 'notice_subject'), nullable=False),
        sa.Column('channel', words(CHANNELS, 'notice_channel'), nullable=False),
        sa.Column('state', words(LETTERS, 'letter_state'), nullable=False),
        at('made_at'),
        at('due_at'),
        sa.Column('lease', sa.String(length=32), nullable=True),
        at('lease_until', True),
        sa.Column('tries', sa.Integer(), nullable=False),
        sa.Column('reason', sa.String(length=60), nullable=True),
        sa.Column('said', sa.String(length=300), nullable=True),
        at('sent_at', True),
        sa.Column('off_hash', sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f('fk_letters_member_id_members')),
        sa.ForeignKeyConstraint(['notice_id'], ['notices.id'], name=op.f('fk_letters_notice_id_notices')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_letters')),
        sa.UniqueConstraint('off_hash', name=op.f('uq_letters_off_hash')),
    )
    op.create_index(op.f('ix_letters_member_id'), 'letters', ['member_id'])
    op.create_index(op.f('ix_letters_notice_id'), 'letters', ['notice_id'])
    op.create_index('ix_letters_state_due', 'letters', ['state', 'due_at'])
    op.create_table(
        'notice_choices',
        sa.Column('member_id', sa.Integer(), nullable=False),
        sa.Column('subject', words(SUBJECTS, 'notice_subject'), nullable=False),
        sa.Column('channel', words(CHANNELS, 'notice_channel'), nullable=False),
        sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f('fk_notice_choices_member_id_members')),
        sa.PrimaryKeyConstraint('member_id', 'subject', name=op.f('pk_notice_choices')),
    )
    op.create_table(
        'quiet_hours',
        sa.Column('member_id', sa.Integer(), nullable=False),
        sa.Column('from_min', sa.Integer(), nullable=False),
        sa.Column('until_min', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f('fk_quiet_hours_member_id_members')),
        sa.PrimaryKeyConstraint('member_id', name=op.f('pk_quiet_hours')),
    )
    op.create_table(
        'invites',
        sa.Column('claim_id', sa.String(length=16), nullable=False),
        sa.Column('member_id', sa.Integer(), nullable=False),
        sa.Column('sequence', sa.Integer(), nullable=False),
        sa.Column('title', sa.String(length=200), nullable=False),
        sa.Column('place', sa.String(length=300), nullable=False),
        at('start_at'),
        at('end_at'),
        at('cancelled_at', True),
        sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f('fk_invites_member_id_members')),
        sa.PrimaryKeyConstraint('claim_id', 'member_id', name=op.f('pk_invites')),
    )
    op.create_table(
        'feeds',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('member_id', sa.Integer(), nullable=False),
        sa.Column('resource_id', sa.Integer(), nullable=True),
        sa.Column('name', sa.String(length=80), nullable=False),
        sa.Column('secret_hash', sa.String(length=64), nullable=False),
        at('made_at'),
        at('used_at', True),
        at('revoked_at', True),
        sa.ForeignKeyConstraint(['member_id'], ['members.id'], name=op.f('fk_feeds_member_id_members')),
        sa.ForeignKeyConstraint(['resource_id'], ['resources.id'], name=op.f('fk_feeds_resource_id_resources')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_feeds')),
        sa.UniqueConstraint('secret_hash', name=op.f('uq_feeds_secret_hash')),
    )
    op.create_index(op.f('ix_feeds_member_id'), 'feeds', ['member_id'])
    op.create_table(
        'hooks',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('name', sa.String(length=80), nullable=False),
        sa.Column('url', sa.String(length=500), nullable=False),
        sa.Column('events', sa.JSON(), nullable=False),
        sa.Column('secret', sa.String(length=80), nullable=False),
        sa.Column('state', words(HOOKS, 'hook_state'), nullable=False),
        sa.Column('failures', sa.Integer(), nullable=False),
        at('made_at'),
        sa.Column('made_by_id', sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(['made_by_id'], ['members.id'], name=op.f('fk_hooks_made_by_id_members')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_hooks')),
    )
    op.create_table(
        'hook_deliveries',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('hook_id', sa.Integer(), nullable=False),
        sa.Column('event', sa.String(length=60), nullable=False),
        sa.Column('key', sa.String(length=40), nullable=False),
        sa.Column('body', sa.Text(), nullable=False),
        sa.Column('state', words(DELIVERIES, 'delivery_state'), nullable=False),
        at('made_at'),
        at('due_at'),
        sa.Column('lease', sa.String(length=32), nullable=True),
        at('lease_until', True),
        sa.Column('tries', sa.Integer(), nullable=False),
        sa.Column('attempts', sa.JSON(), nullable=False),
        at('ended_at', True),
        sa.ForeignKeyConstraint(['hook_id'], ['hooks.id'], name=op.f('fk_hook_deliveries_hook_id_hooks')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_hook_deliveries')),
    )
    op.create_index('ix_hook_deliveries_state_due', 'hook_deliveries', ['state', 'due_at'])
    op.create_index('ix_hook_deliveries_hook', 'hook_deliveries', ['hook_id', 'id'])


def downgrade():
    op.drop_index('ix_hook_deliveries_hook', 'hook_deliveries')
    op.drop_index('ix_hook_deliveries_state_due', 'hook_deliveries')
    op.drop_table('hook_deliveries')
    op.drop_table('hooks')
    op.drop_index(op.f('ix_feeds_member_id'), 'feeds')
    op.drop_table('feeds')
    op.drop_table('invites')
    op.drop_table('quiet_hours')
    op.drop_table('notice_choices')
    op.drop_index('ix_letters_state_due', 'letters')
    op.drop_index(op.f('ix_letters_notice_id'), 'letters')
    op.drop_index(op.f('ix_letters_member_id'), 'letters')
    op.drop_table('letters')
