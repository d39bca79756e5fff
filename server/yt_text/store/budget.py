"""How much a day engines that cost money may be used. It outlives restarts, and all workers share it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from yt_text.errors import EngineError, Reason
from yt_text.store.database import Database
from yt_text.store.tables import spending

MS_PER_MINUTE = 60_000

_INSERTS: dict[str, Callable[[sa.Table], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """What is left of a day.

    Attributes:
        requests: how many; None if there is no limit.
        audio_ms: how much sound; None if there is no limit.
        resets: when the next day begins.
    """

    requests: int | None
    audio_ms: int | None
    resets: datetime


def _now() -> datetime:
    return datetime.now(UTC)


class Budget:
    """The budget of each engine for each day, from midnight to midnight in UTC.

    What is taken is not given back, whatever becomes of the request: one that failed here may have been served
    and charged all the same, and what a killed worker took could never be given back. So a budget may be used up
    by requests that brought nothing, but it is never overdrawn.

    Args:
        database: where it is kept.
        requests_per_day: to each engine; 0 means no limit.
        minutes_per_day: of sound, to each engine; 0 means no limit.
        clock: the time, with its zone.
    """

    def __init__(
        self,
        database: Database,
        requests_per_day: int = 100,
        minutes_per_day: int = 0,
        *,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        if requests_per_day < 0 or minutes_per_day < 0:
            raise ValueError("a budget cannot be less than nothing")
        self._database = database
        self._requests = requests_per_day
        self._minutes = minutes_per_day
        self._clock = clock

    async def take(self, engine: str, audio_ms: int) -> None:
        """Takes one request out of the day's budget; call it before the request is made.

        Args:
            engine: its name.
            audio_ms: how much sound is sent.

        Raises:
            EngineError: `BUDGET_SPENT`: that much is not left today, and nothing was taken. `resets` says
                when the next day begins, `limit` names what is spent: `requests` or `minutes`. Not retryable: a
                job is not tried again for hours.
        """
        if audio_ms < 0:
            raise ValueError("sound cannot be shorter than nothing")
        now = self._clock().astimezone(UTC)
        today = now.date()
        enough: list[sa.ColumnElement[bool]] = [sa.true()]
        if self._requests:
            enough.append(spending.c.requests < self._requests)
        if self._minutes:
            if audio_ms > self._minutes * MS_PER_MINUTE:  # the first row of a day is checked by nothing else
                raise await self._spent(engine, audio_ms, now)
            enough.append(spending.c.audio_ms + audio_ms <= self._minutes * MS_PER_MINUTE)
        insert = _INSERTS[self._database.engine.dialect.name](spending)
        # One statement checks and takes, so that no two can take the same.
        take = (
            insert.values(engine=engine, day=today, requests=1, audio_ms=audio_ms)
            .on_conflict_do_update(
                index_elements=[spending.c.engine, spending.c.day],
                set_={"requests": spending.c.requests + 1, "audio_ms": spending.c.audio_ms + audio_ms},
                where=sa.and_(*enough),
            )
            .returning(spending.c.requests)
        )
        async with self._database.write() as connection:
            taken = await connection.scalar(take)
            if taken == 1:
                # The day before stays: a worker whose clock is behind may still take from it.
                old = sa.delete(spending).where(spending.c.day < today - timedelta(days=1))
                await connection.execute(old)
        if taken is None:
            raise await self._spent(engine, audio_ms, now)

    async def left(self, engine: str) -> BudgetLeft:
        """Says what is left of an engine's budget for today."""
        return await self._left(engine, self._clock().astimezone(UTC))

    async def _left(self, engine: str, now: datetime) -> BudgetLeft:
        query = sa.select(spending.c.requests, spending.c.audio_ms).where(
            spending.c.engine == engine, spending.c.day == now.date()
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        requests, audio_ms = (row.requests, row.audio_ms) if row else (0, 0)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return BudgetLeft(
            max(0, self._requests - requests) if self._requests else None,
            max(0, self._minutes * MS_PER_MINUTE - audio_ms) if self._minutes else None,
            midnight + timedelta(days=1),
        )

    async def _spent(self, engine: str, audio_ms: int, now: datetime) -> EngineError:
        left = await self._left(engine, now)
        resets = left.resets.strftime("%Y-%m-%dT%H:%M:%SZ")
        if left.audio_ms is not None and audio_ms > left.audio_ms:
            limit, amount = "minutes", f"{self._minutes} minutes of sound"
        else:
            limit, amount = "requests", f"{self._requests} requests"
        return EngineError(
            Reason.BUDGET_SPENT,
            f"The day's budget for the engine {engine} is spent ({amount}). It is full again at midnight UTC, "
            f"{resets}. Wait until then, choose another engine, or set a larger budget.",
            resets=resets,
            limit=limit,
        )
