"""What the budget must do in every database behind the store. PostgreSQL joins when it is supported."""

import asyncio
import multiprocessing
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from yt_text.errors import EngineError, Reason
from yt_text.store.budget import Budget, BudgetLeft
from yt_text.store.database import Database
from yt_text.store.store import Store
from yt_text.store.tables import spending

NOON = datetime(2026, 12, 31, 12, tzinfo=UTC)
MIDNIGHT = datetime(2027, 1, 1, tzinfo=UTC)
MINUTE = 60_000


class Clock:
    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
async def database(url: str) -> AsyncGenerator[Database]:
    database = Database(url)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def refused(budget: Budget, audio_ms: int = 1_000, engine: str = "openai") -> EngineError:
    with pytest.raises(EngineError) as caught:
        await budget.take(engine, audio_ms)
    return caught.value


async def days(database: Database) -> list[str]:
    async with database.read() as connection:
        found = await connection.scalars(sa.select(spending.c.day).order_by(spending.c.day))
        return [str(day) for day in found]


async def test_so_many_requests_a_day_and_not_one_more(database: Database, clock: Clock) -> None:
    budget = Budget(database, 3, clock=clock)
    for taken in range(3):
        assert await budget.left("openai") == BudgetLeft(3 - taken, None, MIDNIGHT)
        await budget.take("openai", 30_000)
    error = await refused(budget)
    assert error.reason is Reason.BUDGET_SPENT
    assert not error.retryable
    assert error.metadata == {"resets": "2027-01-01T00:00:00Z", "limit": "requests"}
    assert "3 requests" in error.message
    assert "midnight UTC, 2027-01-01T00:00:00Z" in error.message
    assert await budget.left("openai") == BudgetLeft(0, None, MIDNIGHT)


async def test_minutes_can_be_used_up_to_the_last_millisecond(database: Database, clock: Clock) -> None:
    budget = Budget(database, 100, 10, clock=clock)
    await budget.take("openai", 4 * MINUTE)
    await budget.take("openai", 4 * MINUTE)
    error = await refused(budget, 2 * MINUTE + 1)
    assert error.metadata == {"resets": "2027-01-01T00:00:00Z", "limit": "minutes"}
    assert "10 minutes" in error.message
    assert await budget.left("openai") == BudgetLeft(98, 2 * MINUTE, MIDNIGHT)  # what is refused takes nothing
    await budget.take("openai", 2 * MINUTE)
    assert (await refused(budget, 1)).metadata["limit"] == "minutes"
    assert await budget.left("openai") == BudgetLeft(97, 0, MIDNIGHT)


async def test_more_sound_at_once_than_a_day_has_is_refused_on_a_fresh_day(database: Database, clock: Clock) -> None:
    budget = Budget(database, 100, 1, clock=clock)
    assert (await refused(budget, MINUTE + 1)).metadata["limit"] == "minutes"
    assert await days(database) == []
    await budget.take("openai", MINUTE)


async def test_without_limits_everything_is_given(database: Database, clock: Clock) -> None:
    budget = Budget(database, 0, 0, clock=clock)
    for _ in range(120):
        await budget.take("openai", 240_000)
    assert await budget.left("openai") == BudgetLeft(None, None, MIDNIGHT)


async def test_the_default_is_a_hundred_requests(database: Database) -> None:
    left = await Budget(database).left("openai")
    assert (left.requests, left.audio_ms) == (100, None)
    assert timedelta(0) < left.resets - datetime.now(UTC) <= timedelta(days=1)


async def test_engines_do_not_share_a_budget(database: Database, clock: Clock) -> None:
    budget = Budget(database, 1, clock=clock)
    await budget.take("openai", 1)
    await budget.take("other", 1)
    assert (await refused(budget)).metadata["limit"] == "requests"


async def test_a_new_day_begins_at_midnight_utc_and_not_before(database: Database, clock: Clock) -> None:
    budget = Budget(database, 1, clock=clock)
    await budget.take("openai", 1)
    clock.now = MIDNIGHT - timedelta(microseconds=1)
    assert (await refused(budget)).metadata["resets"] == "2027-01-01T00:00:00Z"
    clock.now = MIDNIGHT
    assert await budget.left("openai") == BudgetLeft(1, None, MIDNIGHT + timedelta(days=1))
    await budget.take("openai", 1)
    assert (await refused(budget)).metadata["resets"] == "2027-01-02T00:00:00Z"


async def test_the_zone_of_the_clock_does_not_move_midnight(database: Database, clock: Clock) -> None:
    budget = Budget(database, 1, clock=clock)
    await budget.take("openai", 1)
    # 1 January there, 31 December in UTC.
    clock.now = datetime(2027, 1, 1, 8, tzinfo=timezone(timedelta(hours=9)))
    assert (await refused(budget)).metadata["resets"] == "2027-01-01T00:00:00Z"


async def test_old_days_are_removed_but_not_the_one_before(database: Database, clock: Clock) -> None:
    budget = Budget(database, 1, clock=clock)
    for _ in range(4):
        await budget.take("openai", 1)
        clock.now += timedelta(days=1)
    assert await days(database) == ["2027-01-02", "2027-01-03"]
    # A worker whose clock is a little behind finds its day spent.
    clock.now = datetime(2027, 1, 2, 23, 59, 59, tzinfo=UTC)
    await refused(budget)


async def test_a_restart_does_not_forget(url: str, clock: Clock) -> None:
    for left in (1, 0):
        database = Database(url)
        await database.open()
        budget = Budget(database, 2, clock=clock)
        await budget.take("openai", 1_000)
        assert (await budget.left("openai")).requests == left
        await database.close()
    database = Database(url)
    assert (await refused(Budget(database, 2, clock=clock))).metadata["limit"] == "requests"
    await database.close()


async def test_the_stores_settings_reach_the_budget(url: str) -> None:
    store = Store(url, requests_per_day=7, minutes_per_day=5)
    await store.open()
    left = await store.budget.left("openai")
    await store.close()
    assert (left.requests, left.audio_ms) == (7, 5 * MINUTE)


async def test_concurrent_callers_of_several_stores_get_what_there_is_together(database: Database, url: str) -> None:
    others = [Database(url) for _ in range(3)]
    budgets = [Budget(each, 20, clock=Clock()) for each in (database, *others)]
    tries = [budget.take("openai", 1_000) for _ in range(15) for budget in budgets]
    results = await asyncio.gather(*tries, return_exceptions=True)
    for other in others:
        await other.close()
    assert results.count(None) == 20
    assert all(isinstance(result, EngineError) for result in results if result is not None)
    assert (await budgets[0].left("openai")).requests == 0


async def test_concurrent_callers_do_not_overdraw_the_minutes(database: Database, clock: Clock) -> None:
    budget = Budget(database, 0, 10, clock=clock)
    tries = [budget.take("openai", 3 * MINUTE) for _ in range(20)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert results.count(None) == 3
    assert (await budget.left("openai")).audio_ms == MINUTE


def take_all_there_is(url: str) -> int:
    async def run() -> int:
        database = Database(url)
        budget = Budget(database, 30, clock=Clock())
        taken = 0
        for _ in range(30):
            try:
                await budget.take("openai", 1_000)
            except EngineError:
                break
            taken += 1
        await database.close()
        return taken

    return asyncio.run(run())


async def test_processes_share_the_budget(database: Database, url: str) -> None:
    def run() -> list[int]:
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            return pool.map(take_all_there_is, [url] * 2)

    assert sum(await asyncio.to_thread(run)) == 30
    assert (await Budget(database, 30, clock=Clock()).left("openai")).requests == 0


@pytest.mark.parametrize("limits", [(-1, 0), (0, -1)])
async def test_a_budget_below_nothing_is_refused(database: Database, limits: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="budget"):
        Budget(database, *limits)


async def test_sound_shorter_than_nothing_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="sound"):
        await Budget(database).take("openai", -1)
