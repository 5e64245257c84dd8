"""Members and what belongs to them"""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

AUDIENCES = ('school', 'student', 'professional', 'personal', 'association', 'public_body')


def folded(name):
    """As it was when this was written; what the code does later must not change what this did."""
    plain = unicodedata.normalize('NFKD', name.casefold())
    return ''.join(c for c in plain if not unicodedata.combining(c))[:200]


def words(name, *values):
    return sa.Enum(*values, name=name, native_enum=False, length=32)


def at(name, nullable=False):
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def link(name, to, nullable=False):
    return sa.Column(name, sa.Integer(), nullable=nullable), to


def table(name, *columns):
    """`link`s become foreign keys under the house's names."""
    plain = [each[0] if isinstance(each, tuple) else each for each in columns]
    keys = [
        sa.ForeignKeyConstraint([each[0].name], [f'{each[1]}.id'], name=f'fk_{name}_{each[0].name}_{each[1]}')
        for each in columns
        if isinstance(each, tuple)
    ]
    op.create_table(name, *plain, *keys)


def numbered(name):
    return sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{name}'))


def number():
    return sa.Column('id', sa.Integer(), nullable=False)


MEMBER_STATE = ('unconfirmed', 'waiting', 'active', 'suspended', 'left')


def upgrade():
    _members()
    op.add_column('organisations', at('closed_at', nullable=True))
    table(
        'people_rules',
        number(),
        sa.Column('sign_up', words('sign_up', 'closed', 'approval', 'open'), nullable=False),
        at('set_at'),
        numbered('people_rules'),
    )
    table(
        'organisation_members',
        link('organisation_id', 'organisations'),
        link('member_id', 'members'),
        sa.Column('seat', words('seat', 'member', 'manager'), nullable=False),
        at('since'),
        sa.PrimaryKeyConstraint('organisation_id', 'member_id', name=op.f('pk_organisation_members')),
    )
    op.create_index('ix_organisation_members_member_id', 'organisation_members', ['member_id'])
    op.execute(
        'INSERT INTO organisation_members (organisation_id, member_id, seat, since)'
        " SELECT organisation_id, id, 'member', created_at FROM members WHERE organisation_id IS NOT NULL"
    )
    with op.batch_alter_table('members') as batch:
        batch.drop_constraint('fk_members_organisation_id_organisations', type_='foreignkey')
        batch.drop_column('organisation_id')
    _keys_and_papers()
    _subscriptions()
    table(
        'doings',
        number(),
        at('at'),
        sa.Column('code', sa.String(length=60), nullable=False),
        link('actor_id', 'members', nullable=True),
        sa.Column('actor_name', sa.String(length=120), nullable=False),
        link('for_member_id', 'members', nullable=True),
        sa.Column('about', sa.String(length=80), nullable=False),
        sa.Column('facts', sa.JSON(), nullable=False),
        numbered('doings'),
    )
    op.create_index('ix_doings_at', 'doings', ['at'])
    op.create_index('ix_doings_actor_id', 'doings', ['actor_id'])
    op.create_index('ix_doings_member_at', 'doings', ['for_member_id', 'at'])


def _members():
    with op.batch_alter_table('members') as batch:
        batch.add_column(
            sa.Column('state', words('member_state', *MEMBER_STATE), nullable=False, server_default='active')
        )
        batch.add_column(sa.Column('sort_name', sa.String(length=200), nullable=False, server_default=''))
        batch.add_column(sa.Column('born_on', sa.Date(), nullable=True))
        batch.add_column(sa.Column('phone', sa.String(length=20), nullable=True))
        batch.add_column(sa.Column('parent_id', sa.Integer(), nullable=True))
        batch.create_foreign_key(op.f('fk_members_parent_id_members'), 'members', ['parent_id'], ['id'])
    members = sa.table(
        'members',
        *(sa.column(name, sa.String()) for name in ('name', 'sort_name', 'state')),
        sa.column('id', sa.Integer()),
        sa.column('active', sa.Boolean()),
    )
    op.execute(members.update().where(sa.not_(members.c.active)).values(state='suspended'))
    for row in op.get_bind().execute(sa.select(members.c.id, members.c.name)).all():
        op.execute(members.update().where(members.c.id == row.id).values(sort_name=folded(row.name)))
    with op.batch_alter_table('members') as batch:
        batch.alter_column('state', server_default=None)
        batch.alter_column('sort_name', server_default=None)
        batch.drop_column('active')
    op.create_index('ix_members_parent_id', 'members', ['parent_id'])
    op.create_index('ix_members_state_name', 'members', ['state', 'sort_name'])


def _keys_and_papers():
    table(
        'one_time_keys',
        number(),
        sa.Column('key_hash', sa.String(length=64), nullable=False),
        sa.Column('purpose', words('key_purpose', 'confirm', 'password', 'email'), nullable=False),
        link('member_id', 'members'),
        sa.Column('email', sa.String(length=254), nullable=False),
        at('made_at'),
        at('expires_at'),
        at('used_at', nullable=True),
        numbered('one_time_keys'),
        sa.UniqueConstraint('key_hash', name=op.f('uq_one_time_keys_key_hash')),
    )
    op.create_index('ix_one_time_keys_member_id', 'one_time_keys', ['member_id'])
    op.create_index('ix_one_time_keys_expires_at', 'one_time_keys', ['expires_at'])
    table(
        'invitations',
        number(),
        sa.Column('kind', words('invitation_kind', 'lab', 'organisation', 'project'), nullable=False),
        sa.Column(
            'state', words('invitation_state', 'open', 'accepted', 'declined', 'withdrawn'), nullable=False
        ),
        sa.Column('key_hash', sa.String(length=64), nullable=False),
        sa.Column('email', sa.String(length=254), nullable=False),
        link('organisation_id', 'organisations', nullable=True),
        link('project_id', 'projects', nullable=True),
        link('invited_by_id', 'members', nullable=True),
        at('made_at'),
        at('expires_at'),
        at('answered_at', nullable=True),
        link('answered_by_id', 'members', nullable=True),
        numbered('invitations'),
        sa.UniqueConstraint('key_hash', name=op.f('uq_invitations_key_hash')),
    )
    for column in ('email', 'organisation_id', 'project_id'):
        op.create_index(f'ix_invitations_{column}', 'invitations', [column])
    table(
        'consents',
        number(),
        link('member_id', 'members'),
        sa.Column('kind', words('consent_kind', 'membership', 'image'), nullable=False),
        sa.Column('said_by', sa.String(length=120), nullable=False),
        link('recorded_by_id', 'members', nullable=True),
        at('given_at'),
        sa.Column('expires_on', sa.Date(), nullable=True),
        at('withdrawn_at', nullable=True),
        numbered('consents'),
    )
    op.create_index('ix_consents_member_id', 'consents', ['member_id'])
    kinds = ('identity', 'student', 'insurance', 'consent', 'organisation', 'other')
    table(
        'member_documents',
        number(),
        link('member_id', 'members'),
        sa.Column('kind', words('document_kind', *kinds), nullable=False),
        sa.Column('state', words('document_state', 'waiting', 'accepted', 'refused'), nullable=False),
        sa.Column('file_name', sa.String(length=200), nullable=False),
        sa.Column('media_type', sa.String(length=40), nullable=False),
        sa.Column('size_bytes', sa.Integer(), nullable=False),
        sa.Column('sha256', sa.String(length=64), nullable=False),
        at('sent_at'),
        link('sent_by_id', 'members', nullable=True),
        at('decided_at', nullable=True),
        link('decided_by_id', 'members', nullable=True),
        sa.Column('reason', sa.String(length=300), nullable=False),
        sa.Column('expires_on', sa.Date(), nullable=True),
        numbered('member_documents'),
    )
    for column in ('member_id', 'state', 'sha256'):
        op.create_index(f'ix_member_documents_{column}', 'member_documents', [column])


def _subscriptions():
    table(
        'subscription_tariffs',
        number(),
        sa.Column('name', sa.String(length=120), nullable=False),
        sa.Column('audience', words('audience', *AUDIENCES), nullable=True),
        sa.Column('cover', words('cover', 'person', 'family', 'organisation'), nullable=False),
        sa.Column('months', sa.Integer(), nullable=False),
        sa.Column('price_cents', sa.Integer(), nullable=False),
        sa.Column('currency', sa.String(length=3), nullable=False),
        sa.Column('first_day', sa.Date(), nullable=False),
        sa.Column('last_day', sa.Date(), nullable=True),
        sa.CheckConstraint('months BETWEEN 1 AND 60', name=op.f('ck_subscription_tariffs_months')),
        sa.CheckConstraint('price_cents >= 0', name=op.f('ck_subscription_tariffs_price')),
        numbered('subscription_tariffs'),
    )
    table(
        'subscriptions',
        number(),
        link('member_id', 'members', nullable=True),
        link('organisation_id', 'organisations', nullable=True),
        link('tariff_id', 'subscription_tariffs'),
        sa.Column('state', words('subscription_state', 'asked', 'agreed', 'cancelled'), nullable=False),
        sa.Column('name', sa.String(length=120), nullable=False),
        sa.Column('audience', words('audience', *AUDIENCES), nullable=False),
        sa.Column('cover', words('cover', 'person', 'family', 'organisation'), nullable=False),
        sa.Column('price_cents', sa.Integer(), nullable=False),
        sa.Column('due_cents', sa.Integer(), nullable=False),
        sa.Column('currency', sa.String(length=3), nullable=False),
        sa.Column('first_day', sa.Date(), nullable=False),
        sa.Column('last_day', sa.Date(), nullable=False),
        at('made_at'),
        link('made_by_id', 'members', nullable=True),
        at('agreed_at', nullable=True),
        at('settled_at', nullable=True),
        at('cancelled_at', nullable=True),
        sa.CheckConstraint(
            '(member_id IS NULL) <> (organisation_id IS NULL)', name=op.f('ck_subscriptions_holder')
        ),
        sa.CheckConstraint('first_day <= last_day', name=op.f('ck_subscriptions_order')),
        sa.CheckConstraint(
            'due_cents >= 0 AND due_cents <= price_cents', name=op.f('ck_subscriptions_due')
        ),
        numbered('subscriptions'),
    )
    for holder in ('member', 'organisation'):
        op.create_index(
            f'ix_subscriptions_{holder}_days', 'subscriptions', [f'{holder}_id', 'first_day', 'last_day']
        )


def downgrade():
    for name in (
        'doings',
        'subscriptions',
        'subscription_tariffs',
        'member_documents',
        'consents',
        'invitations',
        'one_time_keys',
    ):
        op.drop_table(name)
    op.drop_index('ix_members_state_name', 'members')
    op.drop_index('ix_members_parent_id', 'members')
    with op.batch_alter_table('members') as batch:
        batch.add_column(sa.Column('active', sa.Boolean(), nullable=False, server_default=sa.true()))
        batch.add_column(sa.Column('organisation_id', sa.Integer(), nullable=True))
        batch.create_foreign_key(
            op.f('fk_members_organisation_id_organisations'), 'organisations', ['organisation_id'], ['id']
        )
        batch.drop_constraint('fk_members_parent_id_members', type_='foreignkey')
        batch.drop_column('parent_id')
        batch.drop_column('phone')
        batch.drop_column('born_on')
        batch.drop_column('sort_name')
    members = sa.table('members', sa.column('state', sa.String()), sa.column('active', sa.Boolean()))
    op.execute(members.update().where(members.c.state != 'active').values(active=sa.false()))
    op.execute(
        'UPDATE members SET organisation_id = (SELECT min(organisation_id) FROM organisation_members AS seat'
        ' WHERE seat.member_id = members.id)'
    )
    op.drop_table('organisation_members')
    op.drop_table('people_rules')
    with op.batch_alter_table('members') as batch:
        batch.alter_column('active', server_default=None)
        batch.drop_column('state')
    op.drop_column('organisations', 'closed_at')
