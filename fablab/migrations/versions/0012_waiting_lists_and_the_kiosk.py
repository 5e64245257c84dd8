"""Waiting lists and the kiosk"""

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade():
    """Nothing yet."""


def downgrade():
    """Nothing yet."""
