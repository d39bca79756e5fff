"""Jobs as clients see them: submit, read, list, cancel, retry, delete."""

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from yt_text.errors import Reason, RequestError
from yt_text.job import ENDED, Config, Job, JobState
from yt_text.store.attempts import OPEN
from yt_text.store.changes import Changes
from yt_text.store.database import Database
from yt_text.store.rows import job_value
from yt_text.store.tables import job, media, segment


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client asks for; either `url` or `media_id` is set.

    Attributes:
        client: who asks: an address or a network, at most 64 characters; empty for one without a limit.
    """

    config: Config
    url: str = ""
    media_id: str = ""
    request_id: str | None = None
    priority: int = 0
    client: str = ""

    @property
    def hash(self) -> str:
        """Tells two requests with the same `request_id` apart, whoever sends them: an address may change."""
        values = json.dumps([self.url, self.media_id, asdict(self.config), self.priority], sort_keys=True)
        return hashlib.sha256(values.encode()).hexdigest()


def not_found() -> RequestError:
    """The error for a job that is not there."""
    return RequestError(Reason.JOB_NOT_FOUND, "There is no such job. It may have been deleted.")


class Jobs:
    """The jobs of a service.

    Args:
        database: where they are.
        changes: told of each change.
        max_queued: jobs that may wait.
        max_client_jobs: unfinished jobs that one client may have at once; 0 means no limit.
    """

    def __init__(
        self, database: Database, changes: Changes, *, max_queued: int = 1_000, max_client_jobs: int = 0
    ) -> None:
        self._database = database
        self._changes = changes
        self._max_queued = max_queued
        self._max_client_jobs = max_client_jobs

    async def submit(self, submission: Submission) -> tuple[Job, bool]:
        """Stores a job; it is on the disk when this returns.

        Returns:
            The job, and whether it is new: the same `request_id` returns the job that it made before.

        Raises:
            RequestError: `REQUEST_ID_REUSED`, `QUEUE_FULL`, `MEDIA_NOT_FOUND`, `TOO_MANY_JOBS`.
        """
        now = datetime.now(UTC)
        async with self._database.write() as connection:
            if submission.request_id:
                known = sa.select(job).where(job.c.request_id == submission.request_id)
                if row := (await connection.execute(known)).one_or_none():
                    if row.request_hash != submission.hash:
                        raise RequestError(
                            Reason.REQUEST_ID_REUSED,
                            "This request_id was used for another request. Use a new one for each request.",
                        )
                    return job_value(row), False
            waiting = sa.select(sa.func.count()).where(job.c.state == JobState.QUEUED)
            if (await connection.scalar(waiting) or 0) >= self._max_queued:
                raise RequestError(
                    Reason.QUEUE_FULL,
                    f"{self._max_queued} jobs are waiting already. Try again later.",
                    retryable=True,
                )
            title = await _upload_name(connection, submission.media_id) if submission.media_id else ""
            insert = sa.insert(job).values(
                id=str(uuid.uuid4()),
                state=JobState.QUEUED.value,
                url=submission.url,
                media_id=submission.media_id,
                config=asdict(submission.config),
                priority=submission.priority,
                client=submission.client,
                request_id=submission.request_id,
                request_hash=submission.hash,
                media={"title": title} if title else {},
                duration_ms=0,
                transcribed_ms=0,
                fetched_bytes=0,
                total_bytes=0,
                warnings=[],
                engine="",
                model="",
                model_sha256="",
                source_id=0,
                attempt_from_ms=0,
                language_code="",
                language_confidence=0.0,
                segment_count=0,
                next_chunk=0,
                processing_ms=0,
                epoch=0,
                failures=0,
                cancel_requested=False,
                from_cache=False,
                revision=1,
                create_time=now,
                update_time=now,
            )
            row = (await connection.execute(insert.returning(job))).one()
            await self._check_client(connection, submission.client)
        return job_value(row), True

    async def get(self, job_id: str) -> Job:
        """Returns a job, with its place in the queue. Raises RequestError `JOB_NOT_FOUND`."""
        async with self._database.read() as connection:
            row = (await connection.execute(sa.select(job).where(job.c.id == job_id))).one_or_none()
            if row is None:
                raise not_found()
            value = job_value(row)
            if value.state is not JobState.QUEUED:
                return value
            before = sa.select(sa.func.count()).where(job.c.state == JobState.QUEUED, _runs_before(value))
            position = await connection.scalar(before)
        return _with_position(value, position or 0)

    async def list(
        self, *, limit: int, states: Sequence[JobState] = (), before: tuple[datetime, str] | None = None
    ) -> list[Job]:
        """Returns jobs, newest first.

        Args:
            limit: at most so many.
            states: only jobs in these; empty means all.
            before: creation time and id of the last job of the page before.
        """
        query = sa.select(job).order_by(job.c.create_time.desc(), job.c.id.desc()).limit(limit)
        if states:
            query = query.where(job.c.state.in_(states))
        if before:
            query = query.where(sa.tuple_(job.c.create_time, job.c.id) < _place(*before))
        async with self._database.read() as connection:
            jobs = [job_value(row) for row in await connection.execute(query)]
            queued = [value for value in jobs if value.state is JobState.QUEUED]
            if not queued:
                return jobs
            order = sa.select(job.c.id).where(job.c.state == JobState.QUEUED)
            order = order.order_by(job.c.priority.desc(), job.c.create_time, job.c.id)
            positions = {job_id: index for index, job_id in enumerate(await connection.scalars(order))}
        return [_with_position(value, positions.get(value.id, 0)) for value in jobs]

    async def ids(self) -> set[str]:
        """Returns the ids of all jobs."""
        async with self._database.read() as connection:
            return set(await connection.scalars(sa.select(job.c.id)))

    async def ids_with_media(self, *, ended_after: datetime) -> set[str]:
        """Returns the ids of jobs that may need what was fetched for them: open ones, and those that could be retried.

        Args:
            ended_after: a job that failed or was cancelled before fetches again when it is retried.
        """
        retryable = sa.and_(job.c.state.in_([JobState.FAILED, JobState.CANCELLED]), job.c.end_time > ended_after)
        needed = sa.or_(job.c.state.in_(OPEN), retryable)
        async with self._database.read() as connection:
            return set(await connection.scalars(sa.select(job.c.id).where(needed)))

    async def cancel(self, job_id: str) -> Job:
        """Ends a job that waits; asks a running one to stop. One that has ended is returned as it is."""
        now = datetime.now(UTC)
        async with self._database.write() as connection:
            ended = sa.update(job).where(job.c.id == job_id, job.c.state == JobState.QUEUED)
            ended = ended.values(state=JobState.CANCELLED.value, end_time=now, retry_time=None)
            asked = sa.update(job).where(job.c.id == job_id, job.c.state == JobState.RUNNING)
            asked = asked.values(cancel_requested=True)
            for update in (ended, asked):
                changed = update.values(update_time=now, revision=job.c.revision + 1).returning(job)
                if row := (await connection.execute(changed)).one_or_none():
                    break
            else:
                row = (await connection.execute(sa.select(job).where(job.c.id == job_id))).one_or_none()
        if row is None:
            raise not_found()
        self._changes.notify(job_id)
        return job_value(row)

    async def retry(self, job_id: str) -> Job:
        """Puts a failed or cancelled job back in the queue, with its options and what is committed.

        Raises:
            RequestError: `JOB_NOT_FOUND`, `JOB_NOT_RETRYABLE`, `TOO_MANY_JOBS`.
        """
        async with self._database.write() as connection:
            update = (
                sa.update(job)
                .where(job.c.id == job_id, job.c.state.in_([JobState.FAILED, JobState.CANCELLED]))
                .values(
                    state=JobState.QUEUED.value,
                    error=sa.null(),
                    warnings=[],
                    failures=0,
                    cancel_requested=False,
                    end_time=None,
                    expire_time=None,
                    retry_time=None,
                    update_time=datetime.now(UTC),
                    revision=job.c.revision + 1,
                )
                .returning(job)
            )
            row = (await connection.execute(update)).one_or_none()
            if row:
                await self._check_client(connection, row.client)
        if row is None:
            state = (await self.get(job_id)).state
            raise RequestError(
                Reason.JOB_NOT_RETRYABLE,
                f"Only a failed or cancelled job can be retried; this one is {state.value}.",
                state=state.value,
            )
        self._changes.notify(job_id)
        return job_value(row)

    async def delete(self, job_id: str) -> tuple[Job, bool]:
        """Deletes an ended job with its segments, and its upload if no other job uses that.

        Returns:
            The job as it was, and whether its upload was deleted with it.

        Raises:
            RequestError: `JOB_NOT_FOUND`; `DEADLINE_EXCEEDED`: it has not ended yet.
        """
        async with self._database.write() as connection:
            ended = sa.delete(job).where(job.c.id == job_id, job.c.state.in_(ENDED)).returning(job)
            row = (await connection.execute(ended)).one_or_none()
            if row is None:
                if await connection.scalar(sa.select(job.c.id).where(job.c.id == job_id)):
                    raise RequestError(
                        Reason.DEADLINE_EXCEEDED, "The job is still stopping. Try again in a moment.", retryable=True
                    )
                raise not_found()
            await connection.execute(sa.delete(segment).where(segment.c.job_id == job_id))
            others = sa.select(sa.func.count()).where(job.c.media_id == row.media_id)
            orphaned = bool(row.media_id) and not await connection.scalar(others)
            if orphaned:
                await connection.execute(sa.delete(media).where(media.c.id == row.media_id))
        self._changes.notify(job_id)
        return job_value(row), orphaned

    async def _check_client(self, connection: AsyncConnection, client: str) -> None:
        # After the write that adds a job, which the error takes back: that write holds the database's lock,
        # so nobody else can add one between this count and the commit.
        limit = self._max_client_jobs
        if not client or not limit:
            return
        unfinished = sa.select(sa.func.count()).where(job.c.client == client, job.c.state.in_(OPEN))
        if (await connection.scalar(unfinished) or 0) > limit:
            raise RequestError(
                Reason.TOO_MANY_JOBS,
                f"You have as many unfinished jobs as you may have at once ({limit}). "
                "Wait until one ends, or cancel one, and try again.",
                retryable=True,
                limit=str(limit),
            )


async def _upload_name(connection: AsyncConnection, media_id: str) -> str:
    # In the transaction that makes the job: the upload cannot go in between.
    name = await connection.scalar(sa.select(media.c.filename).where(media.c.id == media_id))
    if name is None:
        raise RequestError(Reason.MEDIA_NOT_FOUND, "There is no such upload. Upload the recording again.")
    return name


def _runs_before(value: Job) -> sa.ColumnElement[bool]:
    same = sa.and_(
        job.c.priority == value.priority,
        sa.tuple_(job.c.create_time, job.c.id) < _place(value.create_time, value.id),
    )
    return sa.or_(job.c.priority > value.priority, same)


def _place(create_time: datetime, job_id: str) -> sa.Tuple:
    return sa.tuple_(sa.literal(create_time, job.c.create_time.type), sa.literal(job_id))


def _with_position(value: Job, position: int) -> Job:
    return replace(value, queue_position=position)
