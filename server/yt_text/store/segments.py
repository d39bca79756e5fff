"""Segments of transcripts, and reads that many watchers share."""

import asyncio
from dataclasses import dataclass

import sqlalchemy as sa

from yt_text.job import Job
from yt_text.store.changes import Changes
from yt_text.store.database import Database
from yt_text.store.jobs import Jobs
from yt_text.store.rows import segment_value
from yt_text.store.tables import segment
from yt_text.transcript import Segment


class Segments:
    """The segments of all jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, job_id: str, start: int = 0, limit: int = 1_000_000) -> list[Segment]:
        """Returns segments in order of index, from `start`, at most `limit`."""
        query = (
            sa.select(segment)
            .where(segment.c.job_id == job_id, segment.c.index >= start)
            .order_by(segment.c.index)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [segment_value(row) for row in await connection.execute(query)]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Snapshot:
    """A job at one moment, and its segments from `start` on (at most a page of them)."""

    job: Job
    start: int
    segments: tuple[Segment, ...]

    @property
    def next_start(self) -> int:
        """Index after the last segment here."""
        return self.start + len(self.segments)

    @property
    def whole(self) -> bool:
        """Whether no segment that the job had at that moment is missing behind these."""
        return self.next_start >= self.job.segment_count


class Snapshots:
    """Reads jobs with their new segments, once for all watchers that are equally far.

    A thousand watchers of one job make one read a change, not a thousand. Callers hold a subscription to
    the job's changes while they use this.
    """

    def __init__(self, jobs: Jobs, segments: Segments, changes: Changes, *, page_size: int = 500) -> None:
        self._jobs = jobs
        self._segments = segments
        self._changes = changes
        self._page_size = page_size
        self._reads: dict[tuple[str, int], tuple[int, asyncio.Task[Snapshot]]] = {}

    async def read(self, job_id: str, start: int) -> Snapshot:
        """Returns the job with its segments from `start` on. Raises RequestError `JOB_NOT_FOUND`."""
        key, version = (job_id, start), self._changes.version(job_id)
        known = self._reads.get(key)
        if known is None or known[0] != version:
            task = asyncio.create_task(self._read(job_id, start))
            self._reads[key] = (version, task)
            task.add_done_callback(lambda _: self._forget_later(key, task))
        else:
            task = known[1]
        # A watcher that leaves must not take the read from the others.
        return await asyncio.shield(task)

    async def _read(self, job_id: str, start: int) -> Snapshot:
        # The job first: its count never promises a segment that the second read does not have.
        job = await self._jobs.get(job_id)
        count = min(self._page_size, max(0, job.segment_count - start))
        segments = await self._segments.read(job_id, start, count) if count else []
        return Snapshot(job, start, tuple(segments))

    def _forget_later(self, key: tuple[str, int], task: asyncio.Task[Snapshot]) -> None:
        def forget() -> None:
            known = self._reads.get(key)
            if known and known[1] is task:
                del self._reads[key]

        # Long enough for all who were woken by the same change, short enough to hold nothing.
        asyncio.get_running_loop().call_later(1.0, forget)
        if not task.cancelled():
            task.exception()  # each caller gets it; asyncio need not complain of one who left
