"""Jobs, segments, uploads."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "job",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("media_id", sa.String(36), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(36)),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("media", sa.JSON(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("transcribed_ms", sa.BigInteger(), nullable=False),
        sa.Column("fetched_bytes", sa.BigInteger(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.JSON()),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("engine", sa.String(40), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("language_code", sa.String(40), nullable=False),
        sa.Column("language_confidence", sa.Float(), nullable=False),
        sa.Column("segment_count", sa.Integer(), nullable=False),
        sa.Column("next_chunk", sa.Integer(), nullable=False),
        sa.Column("processing_ms", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("from_cache", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger()),
        sa.Column("attempt_time", sa.BigInteger()),
        sa.Column("attempt_from_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_time", sa.BigInteger()),
        sa.Column("expire_time", sa.BigInteger()),
        sa.Column("retry_time", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.UniqueConstraint("request_id", name="uq_job_request_id"),
    )
    op.create_index("ix_job_media_id", "job", ["media_id"])
    op.create_index("ix_job_create_time_id", "job", ["create_time", "id"])
    op.create_index("ix_job_state_priority_create_time", "job", ["state", "priority", "create_time"])
    op.create_table(
        "segment",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("words", sa.JSON(), nullable=False),
        sa.Column("avg_logprob", sa.Float(), nullable=False),
        sa.Column("speaker_label", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_segment_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "index", name="pk_segment"),
    )
    op.create_table(
        "media",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_media"),
    )


def downgrade() -> None:
    """Removes the tables."""
    op.drop_table("media")
    op.drop_table("segment")
    op.drop_table("job")
