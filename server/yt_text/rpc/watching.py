"""Watching jobs: what is read and made once for all who watch."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from yt_text.job import Job
from yt_text.store.segments import Snapshot
from yt_text.store.store import Store

Made = TypeVar("Made")


async def watch(store: Store, job_id: str, start: int, *, keepalive_s: float) -> AsyncGenerator[Snapshot]:
    """Yields the job as it is, then after every change and when nothing changed for `keepalive_s`.

    By level: subscribe, read, send, wait, read again. A slow client skips states and misses no segment.

    A transcript can begin anew, of other bytes or by another engine. Its segments are then sent from index 0
    again, where `start` is beyond its end, and where another transcript's segments were sent before. So is one
    whose caller began beyond the end of a transcript that only grew: it cannot have had what it says.

    Args:
        start: the first segment to send.
    """
    origin: tuple[str, str, int] | None = None
    with store.changes.subscribe(job_id) as changes:
        while True:
            snapshot = await store.snapshots.read(job_id, start)
            if start and (snapshot.job.segment_count < start or origin not in (None, _origin(snapshot.job))):
                start, snapshot = 0, await store.snapshots.read(job_id, 0)
            yield snapshot
            start, origin = snapshot.next_start, _origin(snapshot.job)
            if not snapshot.whole:
                continue
            if snapshot.job.state.ended:
                return
            await changes.wait(keepalive_s)


def _origin(job: Job) -> tuple[str, str, int]:
    """What a transcript is made by and of: `Attempts.begin` starts anew when it is another."""
    return job.engine, job.model_sha256, job.source_id


class OncePerSnapshot(Generic[Made]):
    """Makes something of a snapshot, on another thread and once for all who watch; forgets it with the snapshot.

    Args:
        make: must not change what it made before; may take long.
    """

    def __init__(self, make: Callable[[Snapshot], Made]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[Snapshot, asyncio.Task[Made]] = WeakKeyDictionary()

    async def of(self, snapshot: Snapshot) -> Made:
        """Returns what is made of a snapshot."""
        task = self._made.get(snapshot)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(self._make, snapshot))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # each caller gets it
            self._made[snapshot] = task
        # A watcher that leaves must not take it from the others.
        return await asyncio.shield(task)

    def __len__(self) -> int:
        return len(self._made)
