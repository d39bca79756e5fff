"""Uploads: what is known of them. The bytes are on the disk."""

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from yt_text.errors import Reason, RequestError
from yt_text.store.database import Database
from yt_text.store.tables import job, media


@dataclass(frozen=True, slots=True)
class Media:
    """A stored upload. `filename` is for showing only."""

    id: str
    filename: str
    size_bytes: int
    sha256: str


class MediaTable:
    """All uploads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, value: Media) -> None:
        """Stores what is known of an upload."""
        row = {"filename": value.filename, "size_bytes": value.size_bytes, "sha256": value.sha256}
        async with self._database.write() as connection:
            await connection.execute(sa.insert(media).values(id=value.id, create_time=datetime.now(UTC), **row))

    async def get(self, media_id: str) -> Media:
        """Returns an upload. Raises RequestError `MEDIA_NOT_FOUND`."""
        async with self._database.read() as connection:
            row = (await connection.execute(sa.select(media).where(media.c.id == media_id))).one_or_none()
        if row is None:
            raise RequestError(Reason.MEDIA_NOT_FOUND, "There is no such upload. Upload the recording again.")
        return Media(row.id, row.filename, row.size_bytes, row.sha256)

    async def delete_unused(self, before: datetime) -> list[str]:
        """Forgets uploads from before a moment that no job uses; returns their ids."""
        used = sa.select(job.c.media_id).where(job.c.media_id != "")
        unused = sa.delete(media).where(media.c.create_time < before, media.c.id.not_in(used))
        async with self._database.write() as connection:
            return list(await connection.scalars(unused.returning(media.c.id)))

    async def ids(self) -> set[str]:
        """Returns the ids of all uploads."""
        async with self._database.read() as connection:
            return set(await connection.scalars(sa.select(media.c.id)))
