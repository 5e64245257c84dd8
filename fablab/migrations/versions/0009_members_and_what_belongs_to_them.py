"""Members and what belongs to them"""

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade():
    """Nothing yet."""


def downgrade():
    """Nothing yet."""
