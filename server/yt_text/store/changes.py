"""Wake-ups: tells those who wait that a job has changed. By level: what changed is read from the table."""

import asyncio
import itertools
from collections import defaultdict
from types import TracebackType
from typing import Self


class Subscription:
    """One who waits for a job's changes. Enter it before reading, so that no change falls between.

    A change sets a flag and no more: a slow reader has no backlog, and two changes are one wake-up.
    """

    def __init__(self, changes: "Changes", job_id: str) -> None:
        self._changes = changes
        self._job_id = job_id
        self._changed = asyncio.Event()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Waits for a change since the last wait; False if none came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    def wake(self) -> None:
        """Says that the job has changed."""
        self._changed.set()

    def __enter__(self) -> Self:
        self._changes.add(self._job_id, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._changes.discard(self._job_id, self)


class Changes:
    """Wake-ups inside one process."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[Subscription]] = defaultdict(set)
        self._versions: dict[str, int] = {}
        # Over all jobs and never the same again: what was read for an earlier subscriber is not taken for new.
        self._numbers = itertools.count(1)

    def subscribe(self, job_id: str) -> Subscription:
        """Returns a subscription to one job's changes."""
        return Subscription(self, job_id)

    def notify(self, job_id: str) -> None:
        """Says that a job has changed. Call it after the change is committed."""
        if job_id not in self._waiting:
            return
        self._versions[job_id] = next(self._numbers)
        for subscription in self._waiting[job_id]:
            subscription.wake()

    def version(self, job_id: str) -> int:
        """A number that differs after each change, for those who are subscribed."""
        return self._versions[job_id]

    def add(self, job_id: str, subscription: Subscription) -> None:
        """Called by a subscription."""
        self._waiting[job_id].add(subscription)
        self._versions.setdefault(job_id, next(self._numbers))

    def discard(self, job_id: str, subscription: Subscription) -> None:
        """Called by a subscription."""
        waiting = self._waiting[job_id]
        waiting.discard(subscription)
        if not waiting:
            del self._waiting[job_id]
            del self._versions[job_id]
