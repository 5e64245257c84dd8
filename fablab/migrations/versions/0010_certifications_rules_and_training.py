"""Certifications rules and training"""

import sqlalchemy as sa
from alembic import op

from fablab.migrations import watching

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

AUDIENCES = ('school', 'student', 'professional', 'personal', 'association', 'public_body')
KINDS = ('machine', 'room', 'desk', 'person', 'kit')
TECHNOLOGIES = ('fdm', 'resin', 'laser', 'cnc', 'vinyl')
LEVELS = ('user', 'trainer', 'maintenance')


def word(name, values):
    return sa.Enum(*values, name=name, native_enum=False, length=32)


def moment():
    return sa.DateTime(timezone=True)


def refers(table, column, to):
    return sa.ForeignKeyConstraint([column], [f'{to}.id'], name=op.f(f'fk_{table}_{column}_{to}'))


def upgrade():
    with op.batch_alter_table('certifications') as batch_op:
        batch_op.add_column(sa.Column('revoked_by_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('revoked_why', sa.String(length=300), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('renewed_at', moment(), nullable=True))
        batch_op.add_column(sa.Column('reminded_at', moment(), nullable=True))
        batch_op.add_column(sa.Column('session_id', sa.String(length=16), nullable=True))
        batch_op.create_foreign_key(
            batch_op.f('fk_certifications_revoked_by_id_members'), 'members', ['revoked_by_id'], ['id']
        )
    terms()
    texts()
    policies()
    waivers()
    trainings()
    op.create_table(
        'rules_version',
        sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('version', sa.BigInteger(), nullable=False),
        sa.CheckConstraint('id = 1', name=op.f('ck_rules_version_one_row')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_rules_version')),
    )
    op.execute('INSERT INTO rules_version (id, version) VALUES (1, 1)')
    watching.create()


def terms():
    op.create_table(
        'certification_terms',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('technology', word('technology', TECHNOLOGIES), nullable=False),
        sa.Column('resource_id', sa.Integer(), nullable=True),
        sa.Column('valid_days', sa.Integer(), nullable=True),
        sa.Column('disuse_days', sa.Integer(), nullable=True),
        sa.Column('supervised_uses', sa.Integer(), nullable=False),
        sa.Column('remind_days', sa.Integer(), nullable=False),
        sa.Column('set_at', moment(), nullable=False),
        sa.Column('set_by_id', sa.Integer(), nullable=True),
        sa.CheckConstraint('supervised_uses >= 0', name=op.f('ck_certification_terms_supervised_uses')),
        refers('certification_terms', 'resource_id', 'resources'),
        refers('certification_terms', 'set_by_id', 'members'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_certification_terms')),
        sa.UniqueConstraint('technology', 'resource_id', name=op.f('uq_certification_terms_technology')),
    )
    op.create_table(
        'supervised_uses',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('member_id', sa.Integer(), nullable=False),
        sa.Column('technology', word('technology', TECHNOLOGIES), nullable=False),
        sa.Column('resource_id', sa.Integer(), nullable=True),
        sa.Column('by_id', sa.Integer(), nullable=True),
        sa.Column('at', moment(), nullable=False),
        sa.Column('until_at', moment(), nullable=False),
        sa.Column('note', sa.String(length=300), nullable=False),
        refers('supervised_uses', 'member_id', 'members'),
        refers('supervised_uses', 'resource_id', 'resources'),
        refers('supervised_uses', 'by_id', 'members'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_supervised_uses')),
    )
    op.create_index('ix_supervised_uses_member_at', 'supervised_uses', ['member_id', 'at'])


def texts():
    op.create_table(
        'rule_texts',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('technology', word('technology', TECHNOLOGIES), nullable=False),
        sa.Column('resource_id', sa.Integer(), nullable=True),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('title_fr', sa.String(length=160), nullable=False),
        sa.Column('title_en', sa.String(length=160), nullable=False),
        sa.Column('text_fr', sa.Text(), nullable=False),
        sa.Column('text_en', sa.Text(), nullable=False),
        sa.Column('sign_by', sa.Date(), nullable=True),
        sa.Column('published_at', moment(), nullable=False),
        sa.Column('published_by_id', sa.Integer(), nullable=True),
        sa.Column('withdrawn_at', moment(), nullable=True),
        refers('rule_texts', 'resource_id', 'resources'),
        refers('rule_texts', 'published_by_id', 'members'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_rule_texts')),
        sa.UniqueConstraint('technology', 'resource_id', 'version', name=op.f('uq_rule_texts_technology')),
    )
    op.create_table(
        'rule_signatures',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('rule_text_id', sa.Integer(), nullable=False),
        sa.Column('member_id', sa.Integer(), nullable=False),
        sa.Column('typed_name', sa.String(length=120), nullable=False),
        sa.Column('signed_at', moment(), nullable=False),
        sa.Column('language', sa.String(length=5), nullable=False),
        sa.Column('witness_id', sa.Integer(), nullable=True),
        refers('rule_signatures', 'rule_text_id', 'rule_texts'),
        refers('rule_signatures', 'member_id', 'members'),
        refers('rule_signatures', 'witness_id', 'members'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_rule_signatures')),
        sa.UniqueConstraint('rule_text_id', 'member_id', name=op.f('uq_rule_signatures_rule_text_id')),
    )
    op.create_index(op.f('ix_rule_signatures_member_id'), 'rule_signatures', ['member_id'])


def policies():
    numbers = ('lead_s', 'horizon_s', 'shortest_s', 'longest_s', 'gap_s', 'weekly_s', 'concurrent')
    op.create_table(
        'reservation_policies',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('kind', word('resource_kind', KINDS), nullable=True),
        sa.Column('technology', word('technology', TECHNOLOGIES), nullable=True),
        sa.Column('resource_id', sa.Integer(), nullable=True),
        sa.Column('audience', word('audience', AUDIENCES), nullable=True),
        *(sa.Column(name, sa.Integer(), nullable=True) for name in numbers),
        sa.Column('presence', word('presence', ('anytime', 'open', 'staffed')), nullable=True),
        sa.Column('subscription', sa.Boolean(), nullable=True),
        sa.Column('approval', sa.Boolean(), nullable=True),
        sa.Column('grace_s', sa.Integer(), nullable=True),
        sa.Column('cancel_s', sa.Integer(), nullable=True),
        sa.Column('overrun', word('overrun', ('refuse', 'pause', 'shift', 'warn')), nullable=True),
        sa.Column('least_age', sa.Integer(), nullable=True),
        sa.Column('consent_age', sa.Integer(), nullable=True),
        sa.Column('alone_age', sa.Integer(), nullable=True),
        sa.Column('set_at', moment(), nullable=False),
        sa.Column('set_by_id', sa.Integer(), nullable=True),
        refers('reservation_policies', 'resource_id', 'resources'),
        refers('reservation_policies', 'set_by_id', 'members'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_reservation_policies')),
        sa.UniqueConstraint(
            'kind', 'technology', 'resource_id', 'audience', name=op.f('uq_reservation_policies_kind')
        ),
    )
    op.create_table(
        'machine_materials',
        sa.Column('resource_id', sa.Integer(), nullable=False),
        sa.Column('material_id', sa.Integer(), nullable=False),
        sa.Column('permission', word('permission', ('allowed', 'forbidden')), nullable=False),
        sa.Column('note', sa.String(length=300), nullable=False),
        refers('machine_materials', 'resource_id', 'resources'),
        refers('machine_materials', 'material_id', 'materials'),
        sa.PrimaryKeyConstraint('resource_id', 'material_id', name=op.f('pk_machine_materials')),
    )


def waivers():
    op.create_table(
        'waivers',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('code', sa.String(length=60), nullable=False),
        sa.Column('claim_id', sa.String(length=16), nullable=True),
        sa.Column('member_id', sa.Integer(), nullable=False),
        sa.Column('resource_id', sa.Integer(), nullable=True),
        sa.Column('why', sa.String(length=300), nullable=False),
        sa.Column('by_id', sa.Integer(), nullable=False),
        sa.Column('at', moment(), nullable=False),
        sa.Column('second_by_id', sa.Integer(), nullable=True),
        sa.Column('second_at', moment(), nullable=True),
        sa.Column('until_at', moment(), nullable=True),
        sa.Column('withdrawn_at', moment(), nullable=True),
        sa.CheckConstraint(
            'second_by_id IS NULL OR second_by_id <> by_id', name=op.f('ck_waivers_two_people')
        ),
        sa.CheckConstraint('claim_id IS NOT NULL OR until_at IS NOT NULL', name=op.f('ck_waivers_ends')),
        refers('waivers', 'claim_id', 'claims'),
        refers('waivers', 'member_id', 'members'),
        refers('waivers', 'resource_id', 'resources'),
        refers('waivers', 'by_id', 'members'),
        refers('waivers', 'second_by_id', 'members'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_waivers')),
    )
    op.create_index(op.f('ix_waivers_claim_id'), 'waivers', ['claim_id'])
    op.create_index('ix_waivers_member_until', 'waivers', ['member_id', 'until_at'])


def trainings():
    op.create_table(
        'training_sessions',
        sa.Column('id', sa.String(length=16), nullable=False),
        sa.Column('state', word('training_state', ('planned', 'delivered', 'cancelled')), nullable=False),
        sa.Column('technology', word('technology', TECHNOLOGIES), nullable=False),
        sa.Column('resource_id', sa.Integer(), nullable=True),
        sa.Column('level', word('certification_level', LEVELS), nullable=False),
        sa.Column('trainer_id', sa.Integer(), nullable=False),
        sa.Column('places', sa.Integer(), nullable=False),
        sa.Column('start_at', moment(), nullable=False),
        sa.Column('end_at', moment(), nullable=False),
        sa.Column('note', sa.String(length=500), nullable=False),
        sa.Column('made_by_id', sa.Integer(), nullable=True),
        sa.Column('made_at', moment(), nullable=False),
        sa.Column('ended_at', moment(), nullable=True),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.CheckConstraint('places > 0', name=op.f('ck_training_sessions_places')),
        sa.CheckConstraint('start_at < end_at', name=op.f('ck_training_sessions_order')),
        refers('training_sessions', 'id', 'claims'),
        refers('training_sessions', 'resource_id', 'resources'),
        refers('training_sessions', 'trainer_id', 'members'),
        refers('training_sessions', 'made_by_id', 'members'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_training_sessions')),
    )
    op.create_index(
        'ix_training_sessions_technology_start', 'training_sessions', ['technology', 'start_at']
    )
    seats = ('joined', 'waiting', 'left', 'attended', 'absent')
    op.create_table(
        'training_seats',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('session_id', sa.String(length=16), nullable=False),
        sa.Column('member_id', sa.Integer(), nullable=False),
        sa.Column('state', word('seat_state', seats), nullable=False),
        sa.Column('asked_at', moment(), nullable=False),
        sa.Column('by_id', sa.Integer(), nullable=True),
        refers('training_seats', 'session_id', 'training_sessions'),
        refers('training_seats', 'member_id', 'members'),
        refers('training_seats', 'by_id', 'members'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_training_seats')),
        sa.UniqueConstraint('session_id', 'member_id', name=op.f('uq_training_seats_session_id')),
    )
    op.create_index(op.f('ix_training_seats_member_id'), 'training_seats', ['member_id'])


def downgrade():
    watching.drop()
    op.drop_table('rules_version')
    op.drop_index(op.f('ix_training_seats_member_id'), 'training_seats')
    op.drop_table('training_seats')
    op.drop_index('ix_training_sessions_technology_start', 'training_sessions')
    op.drop_table('training_sessions')
    op.drop_index('ix_waivers_member_until', 'waivers')
    op.drop_index(op.f('ix_waivers_claim_id'), 'waivers')
    op.drop_table('waivers')
    op.drop_table('machine_materials')
    op.drop_table('reservation_policies')
    op.drop_index(op.f('ix_rule_signatures_member_id'), 'rule_signatures')
    op.drop_table('rule_signatures')
    op.drop_table('rule_texts')
    op.drop_index('ix_supervised_uses_member_at', 'supervised_uses')
    op.drop_table('supervised_uses')
    op.drop_table('certification_terms')
    with op.batch_alter_table('certifications') as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_certifications_revoked_by_id_members'), type_='foreignkey')
        for column in ('session_id', 'reminded_at', 'renewed_at', 'revoked_why', 'revoked_by_id'):
            batch_op.drop_column(column)
