"""The tables. Alembic's migrations make them; a test compares the two."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Time(TypeDecorator[datetime]):
    """A moment in UTC, kept as microseconds since 1970: exact, sortable, the same in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Returns microseconds."""
        return None if value is None else (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Returns an aware moment."""
        return None if value is None else EPOCH + timedelta(microseconds=value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

job = Table(
    "job",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("url", Text, nullable=False),
    Column("media_id", String(36), nullable=False, index=True),
    Column("config", JSON, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("request_id", String(36), unique=True),
    Column("request_hash", String(64), nullable=False),
    Column("media", JSON, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("transcribed_ms", BigInteger, nullable=False),
    Column("fetched_bytes", BigInteger, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("error", JSON),
    Column("warnings", JSON, nullable=False),
    Column("engine", String(40), nullable=False),
    Column("model", Text, nullable=False),
    Column("model_sha256", String(64), nullable=False),
    Column("source_id", BigInteger, nullable=False),
    Column("language_code", String(40), nullable=False),
    Column("language_confidence", Float, nullable=False),
    Column("segment_count", Integer, nullable=False),
    Column("next_chunk", Integer, nullable=False),
    Column("processing_ms", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("from_cache", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    Column("start_time", Time),
    Column("attempt_time", Time),
    Column("attempt_from_ms", BigInteger, nullable=False),
    Column("end_time", Time),
    Column("expire_time", Time),
    Column("retry_time", Time),
    Column("client", String(64), nullable=False, server_default=""),
    # ListJobs reads newest first; the reconciler and the queue's position read by state.
    Index("ix_job_create_time_id", "create_time", "id"),
    Index("ix_job_state_priority_create_time", "state", "priority", "create_time"),
    # A client's unfinished jobs are counted inside the transaction that adds one.
    Index("ix_job_client_state", "client", "state"),
)

segment = Table(
    "segment",
    metadata,
    Column("job_id", String(36), ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("words", JSON, nullable=False),
    Column("avg_logprob", Float, nullable=False),
    Column("speaker_label", String(40), nullable=False),
)

media = Table(
    "media",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("filename", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("create_time", Time, nullable=False),
)

# What engines that cost money have used up; one row for each day in UTC.
spending = Table(
    "spending",
    metadata,
    Column("engine", String(40), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("requests", Integer, nullable=False),
    Column("audio_ms", BigInteger, nullable=False),
)
