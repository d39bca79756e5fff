"""Opens the database: connections, pragmas, migrations."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0003"
"""Newest migration; a test compares it with Alembic's."""

# FULL: a job is on the disk when SubmitJob returns, also if the power goes.
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "busy_timeout=10000",
    "foreign_keys=ON",
    "cache_size=-1000",
)


def _configure_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Database:
    """One database.

    Args:
        url: SQLAlchemy's, with an async driver.
        pool_size: most connections at once.
    """

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self.url = url
        self.engine: AsyncEngine = create_async_engine(url, pool_size=pool_size, max_overflow=0, pool_timeout=30)
        # SQLite has one writer: they queue here, in order, and not in its busy handler, which sleeps.
        self._writing = asyncio.Lock()
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine.sync_engine, "connect", _configure_sqlite)

    async def open(self) -> None:
        """Brings the tables up to date."""
        if await self._revision() == HEAD:
            return  # the usual start: Alembic takes a quarter of a second to import
        await asyncio.to_thread(self._migrate)

    async def _revision(self) -> str | None:
        async with self.engine.connect() as connection:
            if not await connection.run_sync(lambda sync: sa.inspect(sync).has_table("alembic_version")):
                return None
            return await connection.scalar(sa.text("SELECT version_num FROM alembic_version"))

    def _migrate(self) -> None:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["url"] = self.url
        command.upgrade(config, "head")

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction that writes; commits at the end, rolls back on an exception."""
        async with self._writing, self.engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """A connection that reads."""
        async with self.engine.connect() as connection:
            yield connection

    async def close(self) -> None:
        """Closes all connections."""
        await self.engine.dispose()
