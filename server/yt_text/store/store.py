"""The parts of the store, opened together."""

from yt_text.store.attempts import Attempts
from yt_text.store.budget import Budget
from yt_text.store.changes import Changes
from yt_text.store.database import Database
from yt_text.store.jobs import Jobs
from yt_text.store.media import MediaTable
from yt_text.store.segments import Segments, Snapshots


class Store:
    """Everything that outlives the process, except the bytes of recordings.

    Args:
        url: SQLAlchemy's, with an async driver.
        max_queued_jobs: jobs that may wait.
        max_client_jobs: unfinished jobs that one client may have at once; 0 means no limit.
        requests_per_day: to each engine that costs money; 0 means no limit.
        minutes_per_day: of sound, to each engine that costs money; 0 means no limit.
    """

    def __init__(
        self,
        url: str,
        *,
        max_queued_jobs: int = 1_000,
        max_client_jobs: int = 0,
        requests_per_day: int = 100,
        minutes_per_day: int = 0,
    ) -> None:
        self._database = Database(url)
        self.changes = Changes()
        self.jobs = Jobs(self._database, self.changes, max_queued=max_queued_jobs, max_client_jobs=max_client_jobs)
        self.attempts = Attempts(self._database, self.changes)
        self.segments = Segments(self._database)
        self.snapshots = Snapshots(self.jobs, self.segments, self.changes)
        self.media = MediaTable(self._database)
        self.budget = Budget(self._database, requests_per_day, minutes_per_day)

    async def open(self) -> None:
        """Connects and brings the tables up to date."""
        await self._database.open()

    async def close(self) -> None:
        """Closes all connections."""
        await self._database.close()
