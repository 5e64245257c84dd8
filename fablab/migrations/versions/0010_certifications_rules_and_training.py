"""Certifications rules and training"""

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade():
    """Nothing yet."""


def downgrade():
    """Nothing yet."""
