"""A job as the worker that runs it sees it. Every write is fenced by the attempt's epoch.

A worker that was thought dead and comes back holds an old epoch: its writes match no row, change nothing
and raise `LostError`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from yt_text.errors import Problem, Reason
from yt_text.job import Job, JobState, MediaInfo
from yt_text.store.changes import Changes
from yt_text.store.database import Database
from yt_text.store.rows import job_value, media_row, problem_row, segment_row
from yt_text.store.tables import job, segment
from yt_text.transcript import Segment

OPEN = (JobState.QUEUED, JobState.RUNNING)

ANEW = Problem(
    Reason.ATTEMPT_FAILED,
    "The recording or the engine is another one than in the attempt before, so the transcript began anew.",
)


class LostError(Exception):
    """The attempt is over: another worker has the job, or it was deleted. Never shown to a user."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that should be in the queue."""

    job_id: str
    priority: int
    delay_s: float


class Attempts:
    """Claims jobs and writes what their attempts do."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes

    async def waiting(self) -> list[Waiting]:
        """Returns every job that has not ended: running ones first, then in the order of the queue."""
        query = (
            sa.select(job.c.id, job.c.priority, job.c.retry_time)
            .where(job.c.state.in_(OPEN))
            .order_by(job.c.state.desc(), job.c.priority.desc(), job.c.create_time, job.c.id)
        )
        now = datetime.now(UTC)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [
            Waiting(
                row.id,
                row.priority,
                max(0.0, (row.retry_time - now).total_seconds()) if row.retry_time else 0.0,
            )
            for row in rows
        ]

    async def claim(self, job_id: str) -> Job | None:
        """Begins an attempt; None if the job has ended or is gone."""
        now = datetime.now(UTC)
        update = (
            sa.update(job)
            .where(job.c.id == job_id, job.c.state.in_(OPEN))
            .values(
                state=JobState.RUNNING.value,
                epoch=job.c.epoch + 1,
                start_time=sa.func.coalesce(job.c.start_time, sa.literal(now, job.c.start_time.type)),
                attempt_time=now,
                attempt_from_ms=job.c.transcribed_ms,
                retry_time=None,
            )
        )
        async with self._database.write() as connection:
            value = await self._change(connection, update)
        if value:
            self._changes.notify(job_id)
        return value

    async def begin(self, attempt: Job, *, engine: str, model: str, model_sha256: str, source_id: int) -> Job:
        """Notes which engine, model and bytes the attempt uses.

        What is committed holds only for the same ones. If they are others than in the attempt before, the
        transcript begins anew, with a warning: half of one and half of another would be neither.
        """
        used: dict[str, Any] = {"engine": engine, "model": model, "model_sha256": model_sha256, "source_id": source_id}
        before = (attempt.engine, attempt.model_sha256, attempt.source_id)
        if attempt.next_chunk == 0 or before == (engine, model_sha256, source_id):
            return await self._write(attempt, **used)
        async with self._database.write() as connection:
            warnings = await self._with_warnings(connection, attempt.id, [ANEW])
            nothing = {
                "next_chunk": 0,
                "segment_count": 0,
                "transcribed_ms": 0,
                "attempt_from_ms": 0,
                "processing_ms": 0,
            }
            unheard = {"language_code": "", "language_confidence": 0.0}
            update = _fenced(attempt).values(**used, **nothing, **unheard, warnings=warnings)
            value = await self._change(connection, update)
            if value is None:
                raise LostError
            await connection.execute(sa.delete(segment).where(segment.c.job_id == attempt.id))
        self._changes.notify(value.id)
        return value

    async def describe(self, attempt: Job, media: MediaInfo) -> Job:
        """Notes what is known of the recording."""
        return await self._write(attempt, **media_row(media))

    async def progress(self, attempt: Job, *, fetched_bytes: int, total_bytes: int) -> Job:
        """Notes how much was fetched."""
        return await self._write(attempt, fetched_bytes=fetched_bytes, total_bytes=total_bytes)

    async def warn(self, attempt: Job, problem: Problem) -> Job:
        """Adds a warning; one with the same reason is replaced."""
        return await self._write(attempt, add_warnings=[problem])

    async def commit(
        self,
        attempt: Job,
        segments: Sequence[Segment],
        *,
        chunk: int,
        transcribed_ms: int,
        processing_ms: int,
        language_code: str,
        language_confidence: float,
    ) -> Job:
        """Stores one chunk's segments together with the checkpoint behind it.

        Args:
            attempt: as the last write returned it.
            chunk: the chunk's index; it must be the attempt's next one.
        """
        update = (
            _fenced(attempt)
            .where(job.c.next_chunk == chunk)
            .values(
                next_chunk=chunk + 1,
                segment_count=job.c.segment_count + len(segments),
                transcribed_ms=transcribed_ms,
                processing_ms=job.c.processing_ms + processing_ms,
                language_code=language_code,
                language_confidence=language_confidence,
            )
        )
        async with self._database.write() as connection:
            value = await self._change(connection, update)
            if value is None:
                raise LostError
            first = value.segment_count - len(segments)
            rows = [segment_row(value.id, first + index, entry) for index, entry in enumerate(segments)]
            if rows:
                await connection.execute(sa.insert(segment), rows)
        self._changes.notify(value.id)
        return value

    async def succeed(self, attempt: Job, *, duration_ms: int, warnings: Sequence[Problem]) -> Job:
        """Ends the job: the transcript is whole."""
        return await self._write(
            attempt,
            add_warnings=warnings,
            state=JobState.SUCCEEDED.value,
            end_time=datetime.now(UTC),
            duration_ms=duration_ms,
            transcribed_ms=duration_ms,
        )

    async def fail(self, attempt: Job, problem: Problem) -> Job:
        """Ends the job by an error."""
        return await self._write(
            attempt, state=JobState.FAILED.value, end_time=datetime.now(UTC), error=problem_row(problem)
        )

    async def cancel(self, attempt: Job) -> Job:
        """Ends the job as its client asked."""
        return await self._write(attempt, state=JobState.CANCELLED.value, end_time=datetime.now(UTC))

    async def retry_later(self, attempt: Job, problem: Problem, delay_s: float) -> Job:
        """Puts the job back in the queue after an error that may pass."""
        return await self._write(
            attempt,
            add_warnings=[problem],
            state=JobState.QUEUED.value,
            failures=job.c.failures + 1,
            retry_time=datetime.now(UTC) + timedelta(seconds=delay_s),
        )

    async def release(self, attempt: Job) -> Job:
        """Puts the job back in the queue because the worker stops; it counts as no failure."""
        return await self._write(attempt, state=JobState.QUEUED.value)

    async def _write(self, attempt: Job, add_warnings: Sequence[Problem] = (), **values: Any) -> Job:
        async with self._database.write() as connection:
            if add_warnings:
                values["warnings"] = await self._with_warnings(connection, attempt.id, add_warnings)
            value = await self._change(connection, _fenced(attempt).values(**values))
        if value is None:
            raise LostError
        self._changes.notify(value.id)
        return value

    async def _with_warnings(
        self, connection: AsyncConnection, job_id: str, problems: Sequence[Problem]
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = await connection.scalar(sa.select(job.c.warnings).where(job.c.id == job_id)) or []
        for problem in problems:
            rows = [row for row in rows if row["reason"] != problem.reason.value] + [problem_row(problem)]
        return rows

    async def _change(self, connection: AsyncConnection, update: sa.Update) -> Job | None:
        update = update.values(update_time=datetime.now(UTC), revision=job.c.revision + 1)
        row = (await connection.execute(update.returning(job))).one_or_none()
        return job_value(row) if row else None


def _fenced(attempt: Job) -> sa.Update:
    return sa.update(job).where(job.c.id == attempt.id, job.c.epoch == attempt.epoch, job.c.state == JobState.RUNNING)
