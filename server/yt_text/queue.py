"""Hands job ids to workers. Holds nothing that the job table does not: it can be thrown away and refilled.

PgQueuer's in-memory driver, for one process beside SQLite. A ticket carries a job's id; its dedupe key is
that id, so putting a job that is already in the queue does nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgqueuer import PgQueuer
    from pgqueuer.adapters.inmemory import InMemoryQueries
    from pgqueuer.models import Job as Ticket
    from pgqueuer.types import JobId

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
        self._slots = slots
        self._lease = timedelta(seconds=lease_s)
        self._opening = asyncio.Lock()
        self._opened: tuple[PgQueuer, InMemoryQueries] | None = None
        self._stopped = False
        self._tickets: dict[str, JobId] = {}

    async def put(self, job_id: str, *, priority: int = 0, delay_s: float = 0.0) -> None:
        """Adds a job; nothing happens if it is there already. A higher priority runs earlier."""
        _, queries = await self._open()
        [ticket] = await queries.enqueue(
            ENTRYPOINT,
            job_id.encode(),
            priority=priority,
            execute_after=timedelta(seconds=delay_s) if delay_s > 0 else None,
            dedupe_key=job_id,
            on_conflict="skip",
        )
        if ticket is not None:
            self._tickets[job_id] = ticket

    async def put_again(self, job_id: str, *, priority: int = 0) -> None:
        """Adds a job that begins anew; a ticket of its earlier life, perhaps one that waits, is taken out."""
        _, queries = await self._open()
        if ticket := self._tickets.pop(job_id, None):
            await queries.mark_job_as_cancelled([ticket])
        await self.put(job_id, priority=priority)

    async def put_all(self, jobs: Iterable[tuple[str, int, float]]) -> None:
        """Adds jobs given as id, priority and delay in seconds, and forgets what was logged of old ones."""
        for job_id, priority, delay_s in jobs:
            await self.put(job_id, priority=priority, delay_s=delay_s)
        _, queries = await self._open()
        await queries.clear_queue_log()
        await queries.clear_statistics_log()

    async def run(self, work: Callable[[str], Awaitable[float | None]]) -> None:
        """Hands out jobs until `stop`, then waits for those that run.

        Args:
            work: runs one attempt of the job; returns seconds until the next one, or None if there is none.
        """
        pgq, _ = await self._open()
        from pgqueuer.errors import RetryRequested  # see _open

        async def handle(ticket: "Ticket") -> None:
            job_id = (ticket.payload or b"").decode()
            delay_s = await work(job_id)
            if delay_s is not None:
                raise RetryRequested(timedelta(seconds=delay_s))
            if self._tickets.get(job_id) == ticket.id:
                del self._tickets[job_id]

        pgq.entrypoint(ENTRYPOINT, concurrency_limit=self._slots, accepts_context=False)(handle)
        if self._stopped:
            return
        await pgq.qm.run(
            dequeue_timeout=timedelta(seconds=5),
            batch_size=1,
            max_concurrent_tasks=max(2, self._slots),  # PgQueuer refuses 1; the entrypoint's limit holds
            heartbeat_timeout=self._lease,
        )

    def stop(self) -> None:
        """Hands out no more jobs."""
        self._stopped = True
        if self._opened:
            self._opened[0].shutdown.set()

    async def _open(self) -> "tuple[PgQueuer, InMemoryQueries]":
        """Makes the queue at its first use: PgQueuer takes a quarter of a second to import.

        The service answers calls meanwhile.
        """
        async with self._opening:
            if self._opened is None:
                self._opened = await asyncio.to_thread(_in_memory)
        return self._opened


def _in_memory() -> "tuple[PgQueuer, InMemoryQueries]":
    from pgqueuer import PgQueuer
    from pgqueuer.adapters.inmemory import InMemoryDriver, InMemoryQueries

    driver = InMemoryDriver()
    queries = InMemoryQueries(driver=driver)
    return PgQueuer(driver, queries=queries), queries
