"""Hands job ids to workers. Holds nothing that the job table does not: it can be thrown away and refilled.

PgQueuer's in-memory driver, for one process beside SQLite. A ticket carries a job's id; its dedupe key is
that id, so putting a job that is already in the queue does nothing.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

from pgqueuer import PgQueuer
from pgqueuer.adapters.inmemory import InMemoryDriver, InMemoryQueries
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job as Ticket

ENTRYPOINT = "transcribe"

# A retry is ordinary work to us; PgQueuer logs it with a traceback.
logging.getLogger("pgqueuer").setLevel(logging.ERROR)


class JobQueue:
    """The queue of one process.

    Args:
        slots: jobs at once.
        lease_s: a job whose holder gives no sign for so long is handed out again.
    """

    def __init__(self, *, slots: int, lease_s: float = 30.0) -> None:
        driver = InMemoryDriver()
        self._queries = InMemoryQueries(driver=driver)
        self._pgq = PgQueuer(driver, queries=self._queries)
        self._slots = slots
        self._lease = timedelta(seconds=lease_s)

    async def put(self, job_id: str, *, priority: int = 0, delay_s: float = 0.0) -> None:
        """Adds a job; nothing happens if it is there already."""
        await self._queries.enqueue(
            ENTRYPOINT,
            job_id.encode(),
            priority=priority,
            execute_after=timedelta(seconds=delay_s) if delay_s > 0 else None,
            dedupe_key=job_id,
            on_conflict="skip",
        )

    async def put_all(self, jobs: Iterable[tuple[str, int, float]]) -> None:
        """Adds jobs given as id, priority and delay in seconds, and forgets what was logged of old ones."""
        for job_id, priority, delay_s in jobs:
            await self.put(job_id, priority=priority, delay_s=delay_s)
        await self._queries.clear_queue_log()
        await self._queries.clear_statistics_log()

    async def run(self, work: Callable[[str], Awaitable[float | None]]) -> None:
        """Hands out jobs until `stop`, then waits for those that run.

        Args:
            work: runs one attempt of the job; returns seconds until the next one, or None if there is none.
        """

        async def handle(ticket: Ticket) -> None:
            delay_s = await work((ticket.payload or b"").decode())
            if delay_s is not None:
                raise RetryRequested(timedelta(seconds=delay_s))

        self._pgq.entrypoint(ENTRYPOINT, concurrency_limit=self._slots)(handle)
        await self._pgq.qm.run(
            dequeue_timeout=timedelta(seconds=5),
            batch_size=1,
            max_concurrent_tasks=max(2, self._slots),  # PgQueuer refuses 1; the entrypoint's limit holds
            heartbeat_timeout=self._lease,
        )

    def stop(self) -> None:
        """Hands out no more jobs."""
        self._pgq.shutdown.set()
