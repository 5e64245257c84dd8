"""Workshops and their sessions"""

import sqlalchemy as sa
from alembic import op

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None

THEMES = (
    'diagnostic_numerique', 'prendre_en_main_du_materiel', 'maintenance_de_materiel',
    'gere_ses_contenus_numeriques', 'navigation_sur_internet', 'email', 'bureautique',
    'reseaux_sociaux', 'sante', 'banque_et_achats_en_ligne', 'entrepreneuriat',
    'insertion_professionnelle', 'securite_numerique', 'parentalite', 'scolarite_et_numerique',
    'creer_avec_le_numerique', 'culture_numerique', 'intelligence_artificielle',
)
AUDIENCES = ('school', 'student', 'professional', 'personal', 'association', 'public_body')
PAYERS = ('school', 'city', 'pass_culture', 'person', 'free')
STATES = ('requested', 'offered', 'confirmed', 'delivered', 'closed', 'declined', 'lapsed', 'cancelled')
SCHOOL_LEVELS = ('maternelle', 'elementaire', 'college', 'lycee', 'superieur', 'other')
ENTRIES = (
    'requested', 'email_confirmed', 'edited', 'message', 'proposed', 'held', 'quoted', 'reminded',
    'given_back', 'accepted', 'ordered', 'signed', 'planned', 'moved', 'lapsed', 'declined',
    'cancelled', 'reopened', 'mediator', 'files', 'printed', 'released', 'caught_up', 'problem',
    'attended', 'delivered', 'certified', 'charged', 'invoiced', 'questionnaire', 'answered',
    'closed',
)
REGISTRATIONS = ('joined', 'waiting', 'offered', 'attended', 'absent', 'left')


def words(name, *known):
    return sa.Enum(*known, name=name, native_enum=False, length=32)


def when(name, nullable=False):
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def to(table, column, other):
    return sa.ForeignKeyConstraint([column], [f'{other}.id'], name=op.f(f'fk_{table}_{column}_{other}'))


def upgrade():
    op.create_table(
        'workshops',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('slug', sa.String(length=80), nullable=False),
        sa.Column('kind', words('workshop_kind', 'workshop', 'event'), nullable=False),
        sa.Column('partner_id', sa.Integer(), nullable=True),
        sa.Column('title', sa.JSON(), nullable=False),
        sa.Column('summary', sa.JSON(), nullable=False),
        sa.Column('take_home', sa.JSON(), nullable=False),
        sa.Column('steps', sa.JSON(), nullable=False),
        sa.Column('materials', sa.JSON(), nullable=False),
        sa.Column('audiences', sa.JSON(), nullable=False),
        sa.Column('level', words('workshop_level', 'debutant', 'intermediaire', 'avance'), nullable=False),
        sa.Column('theme', words('workshop_theme', *THEMES), nullable=False),
        sa.Column('least_people', sa.Integer(), nullable=False),
        sa.Column('most_people', sa.Integer(), nullable=False),
        sa.Column('duration_min', sa.Integer(), nullable=False),
        sa.Column('setup_min', sa.Integer(), nullable=False),
        sa.Column('clear_min', sa.Integer(), nullable=False),
        sa.Column('stations', sa.JSON(), nullable=False),
        sa.Column('groups', sa.Integer(), nullable=False),
        sa.Column('needs', sa.JSON(), nullable=False),
        sa.Column('piece', sa.JSON(), nullable=True),
        sa.Column('grants', words('technology', 'fdm', 'resin', 'laser', 'cnc', 'vinyl'), nullable=True),
        sa.Column('public', sa.Boolean(), nullable=False),
        sa.Column('active', sa.Boolean(), nullable=False),
        when('made_at'),
        sa.Column('made_by_id', sa.Integer(), nullable=True),
        when('changed_at'),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.CheckConstraint('0 < least_people AND least_people <= most_people', name=op.f('ck_workshops_people')),
        sa.CheckConstraint('duration_min > 0 AND setup_min >= 0 AND clear_min >= 0', name=op.f('ck_workshops_minutes')),
        sa.CheckConstraint('groups > 0', name=op.f('ck_workshops_groups')),
        to('workshops', 'made_by_id', 'members'),
        to('workshops', 'partner_id', 'organisations'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_workshops')),
        sa.UniqueConstraint('slug', name=op.f('uq_workshops_slug')),
    )
    op.create_index(op.f('ix_workshops_partner_id'), 'workshops', ['partner_id'])
    op.create_table(
        'workshop_prices',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('workshop_id', sa.Integer(), nullable=False),
        sa.Column('audience', words('audience', *AUDIENCES), nullable=False),
        sa.Column('payer', words('workshop_payer', *PAYERS), nullable=False),
        sa.Column('unit', words('workshop_unit', 'session', 'person'), nullable=False),
        sa.Column('price_cents', sa.Integer(), nullable=False),
        sa.Column('vat_rate_bp', sa.Integer(), nullable=False),
        sa.CheckConstraint('price_cents >= 0 AND vat_rate_bp >= 0', name=op.f('ck_workshop_prices_amount')),
        to('workshop_prices', 'workshop_id', 'workshops'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_workshop_prices')),
        sa.UniqueConstraint('workshop_id', 'audience', 'payer', 'unit', name='uq_workshop_prices_what'),
    )
    op.create_table(
        'workshop_sessions',
        sa.Column('id', sa.String(length=16), nullable=False),
        sa.Column('workshop_id', sa.Integer(), nullable=False),
        sa.Column('state', words('session_state', *STATES), nullable=False),
        sa.Column('public', sa.Boolean(), nullable=False),
        sa.Column('capacity', sa.Integer(), nullable=True),
        sa.Column('least', sa.Integer(), nullable=False),
        sa.Column('audience', words('audience', *AUDIENCES), nullable=False),
        sa.Column('organisation_id', sa.Integer(), nullable=True),
        sa.Column('school', sa.JSON(), nullable=False),
        sa.Column('contact_name', sa.String(length=120), nullable=False),
        sa.Column('contact_email', sa.String(length=254), nullable=False),
        sa.Column('contact_phone', sa.String(length=40), nullable=False),
        sa.Column('language', sa.String(length=5), nullable=False),
        when('email_confirmed_at', nullable=True),
        sa.Column('people', sa.Integer(), nullable=False),
        sa.Column('adults', sa.Integer(), nullable=False),
        sa.Column('school_level', words('school_level', *SCHOOL_LEVELS), nullable=True),
        sa.Column('accessibility', sa.String(length=1000), nullable=False),
        sa.Column('wishes', sa.JSON(), nullable=False),
        sa.Column('note', sa.String(length=1000), nullable=False),
        when('start_at', nullable=True),
        when('end_at', nullable=True),
        when('hold_until', nullable=True),
        when('reminded_at', nullable=True),
        sa.Column('accepted_by', words('accepted_by', 'online', 'order_number', 'signed'), nullable=True),
        sa.Column('order_number', sa.String(length=60), nullable=False),
        sa.Column('payer', words('workshop_payer', *PAYERS), nullable=False),
        sa.Column('price_cents', sa.Integer(), nullable=True),
        sa.Column('price_lines', sa.JSON(), nullable=False),
        sa.Column('mediator_id', sa.Integer(), nullable=True),
        when('made_at'),
        sa.Column('made_by_id', sa.Integer(), nullable=True),
        when('closed_at', nullable=True),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.CheckConstraint('capacity IS NULL OR capacity > 0', name=op.f('ck_workshop_sessions_capacity')),
        sa.CheckConstraint('people >= 0 AND adults >= 0 AND least >= 0', name=op.f('ck_workshop_sessions_people')),
        to('workshop_sessions', 'id', 'claims'),
        to('workshop_sessions', 'made_by_id', 'members'),
        to('workshop_sessions', 'mediator_id', 'members'),
        to('workshop_sessions', 'organisation_id', 'organisations'),
        to('workshop_sessions', 'workshop_id', 'workshops'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_workshop_sessions')),
    )
    op.create_index(op.f('ix_workshop_sessions_contact_email'), 'workshop_sessions', ['contact_email'])
    op.create_index(op.f('ix_workshop_sessions_mediator_id'), 'workshop_sessions', ['mediator_id'])
    op.create_index(op.f('ix_workshop_sessions_organisation_id'), 'workshop_sessions', ['organisation_id'])
    op.create_index('ix_workshop_sessions_state_start', 'workshop_sessions', ['state', 'start_at'])
    op.create_index(op.f('ix_workshop_sessions_workshop_id'), 'workshop_sessions', ['workshop_id'])
    op.create_table(
        'session_attendance',
        sa.Column('session_id', sa.String(length=16), nullable=False),
        sa.Column('axis', words('attendance_axis', 'age', 'gender', 'status', 'adults'), nullable=False),
        sa.Column('word', sa.String(length=40), nullable=False),
        sa.Column('people', sa.Integer(), nullable=False),
        sa.CheckConstraint('people >= 0', name=op.f('ck_session_attendance_people')),
        to('session_attendance', 'session_id', 'workshop_sessions'),
        sa.PrimaryKeyConstraint('session_id', 'axis', 'word', name=op.f('pk_session_attendance')),
    )
    op.create_table(
        'session_entries',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('session_id', sa.String(length=16), nullable=False),
        when('at'),
        sa.Column('by_member_id', sa.Integer(), nullable=True),
        sa.Column('by_name', sa.String(length=120), nullable=False),
        sa.Column('code', words('session_entry_kind', *ENTRIES), nullable=False),
        sa.Column('text', sa.String(length=4000), nullable=False),
        sa.Column('facts', sa.JSON(), nullable=False),
        sa.Column('for_staff', sa.Boolean(), nullable=False),
        sa.Column('file_sha256', sa.String(length=64), nullable=True),
        sa.Column('file_name', sa.String(length=200), nullable=True),
        sa.Column('media_type', sa.String(length=60), nullable=True),
        to('session_entries', 'by_member_id', 'members'),
        to('session_entries', 'session_id', 'workshop_sessions'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_session_entries')),
    )
    op.create_index(op.f('ix_session_entries_file_sha256'), 'session_entries', ['file_sha256'])
    op.create_index('ix_session_entries_session_at', 'session_entries', ['session_id', 'at'])
    op.create_table(
        'session_offers',
        sa.Column('session_id', sa.String(length=16), nullable=False),
        sa.Column('rank', sa.Integer(), nullable=False),
        when('start_at'),
        when('end_at'),
        sa.Column('places', sa.JSON(), nullable=False),
        sa.Column('reasons', sa.JSON(), nullable=False),
        sa.Column('state', words('session_offer_state', 'proposed', 'held', 'passed'), nullable=False),
        when('made_at'),
        sa.CheckConstraint('start_at < end_at', name=op.f('ck_session_offers_span')),
        to('session_offers', 'session_id', 'workshop_sessions'),
        sa.PrimaryKeyConstraint('session_id', 'rank', name=op.f('pk_session_offers')),
    )
    op.create_table(
        'session_registrations',
        sa.Column('id', sa.String(length=16), nullable=False),
        sa.Column('session_id', sa.String(length=16), nullable=False),
        sa.Column('member_id', sa.Integer(), nullable=True),
        sa.Column('state', words('registration_state', *REGISTRATIONS), nullable=False),
        sa.Column('name', sa.String(length=120), nullable=False),
        sa.Column('email', sa.String(length=254), nullable=False),
        sa.Column('language', sa.String(length=5), nullable=False),
        sa.Column('seats', sa.Integer(), nullable=False),
        sa.Column('note', sa.String(length=500), nullable=False),
        when('hold_until', nullable=True),
        when('email_confirmed_at', nullable=True),
        when('asked_at'),
        when('reminded_at', nullable=True),
        when('ended_at', nullable=True),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.CheckConstraint('seats > 0', name=op.f('ck_session_registrations_seats')),
        to('session_registrations', 'member_id', 'members'),
        to('session_registrations', 'session_id', 'workshop_sessions'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_session_registrations')),
    )
    op.create_index('ix_session_registrations_email', 'session_registrations', ['email'])
    op.create_index(op.f('ix_session_registrations_member_id'), 'session_registrations', ['member_id'])
    op.create_index('ix_session_registrations_session_state', 'session_registrations', ['session_id', 'state'])
    op.create_table(
        'session_keys',
        sa.Column('key_hash', sa.String(length=64), nullable=False),
        sa.Column('session_id', sa.String(length=16), nullable=False),
        sa.Column('registration_id', sa.String(length=16), nullable=True),
        sa.Column('purpose', words('session_key_use', 'confirm', 'thread', 'registration'), nullable=False),
        when('made_at'),
        when('expires_at', nullable=True),
        when('used_at', nullable=True),
        to('session_keys', 'registration_id', 'session_registrations'),
        to('session_keys', 'session_id', 'workshop_sessions'),
        sa.PrimaryKeyConstraint('key_hash', name=op.f('pk_session_keys')),
    )
    op.create_index(op.f('ix_session_keys_registration_id'), 'session_keys', ['registration_id'])
    op.create_index(op.f('ix_session_keys_session_id'), 'session_keys', ['session_id'])


def downgrade():
    for table in (
        'session_keys',
        'session_registrations',
        'session_offers',
        'session_entries',
        'session_attendance',
        'workshop_sessions',
        'workshop_prices',
        'workshops',
    ):
        op.drop_table(table)
