"""Who submitted a job, so that the unfinished jobs of each client can be counted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column in place; jobs from before, and from a program of before, have no client."""
    op.add_column("job", sa.Column("client", sa.String(64), nullable=False, server_default=""))
    op.create_index("ix_job_client_state", "job", ["client", "state"])


def downgrade() -> None:
    """Removes the column."""
    op.drop_index("ix_job_client_state", "job")
    op.drop_column("job", "client")
