"""What engines that cost money have used up each day."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "spending",
        sa.Column("engine", sa.String(40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("audio_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("engine", "day", name="pk_spending"),
    )


def downgrade() -> None:
    """Removes the table."""
    op.drop_table("spending")
