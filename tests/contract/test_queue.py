"""What every queue must do: hand out each job once, in order, not too many at a time, again when asked."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from yt_text.queue import JobQueue

Work = Callable[[str], Awaitable[float | None]]


@asynccontextmanager
async def handing_out(queue: JobQueue, work: Work) -> AsyncGenerator[None]:
    running = asyncio.create_task(queue.run(work))
    try:
        yield
    finally:
        queue.stop()
        async with asyncio.timeout(20):
            await running


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_higher_priorities_come_first_and_equals_in_order() -> None:
    queue, seen = JobQueue(slots=1), list[str]()

    async def work(job_id: str) -> None:
        seen.append(job_id)

    for job_id, priority in (("a", 0), ("low", -5), ("b", 0), ("high", 7)):
        await queue.put(job_id, priority=priority)
    async with handing_out(queue, work):
        await until(lambda: len(seen) == 4)
    assert seen == ["high", "a", "b", "low"]


async def test_a_job_is_in_the_queue_once_while_it_waits_and_while_it_runs() -> None:
    queue, seen = JobQueue(slots=3), list[str]()
    go_on = asyncio.Event()

    async def work(job_id: str) -> None:
        seen.append(job_id)
        await go_on.wait()

    await queue.put("a")
    await queue.put("a")
    async with handing_out(queue, work):
        await until(lambda: seen == ["a"])
        await queue.put_all([("a", 0, 0.0)])  # as the reconciler does while it runs
        await queue.put("b")
        await until(lambda: len(seen) == 2)
        go_on.set()
    assert seen == ["a", "b"]


async def test_a_job_can_come_again_after_its_end() -> None:
    queue, seen = JobQueue(slots=1), list[str]()

    async def work(job_id: str) -> None:
        seen.append(job_id)

    async with handing_out(queue, work):
        for count in (1, 2):
            async with asyncio.timeout(20):
                while len(seen) < count:
                    await queue.put("a")
                    await asyncio.sleep(0.02)
    assert seen[:2] == ["a", "a"]


async def test_no_more_than_the_slots_run_at_once() -> None:
    for slots in (1, 3):
        queue, running, most, done = JobQueue(slots=slots), 0, 0, 0

        async def work(_: str) -> None:
            nonlocal running, most, done
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.05)
            running -= 1
            done += 1

        for number in range(7):
            await queue.put(str(number))
        async with handing_out(queue, work):
            await until(lambda: done == 7)  # noqa: B023 - awaited before the next round
        assert most == slots


async def test_a_job_comes_again_after_the_wait_that_it_asks_for() -> None:
    queue, times = JobQueue(slots=1), list[float]()

    async def work(_: str) -> float | None:
        times.append(asyncio.get_running_loop().time())
        return 0.3 if len(times) < 3 else None

    await queue.put("a")
    async with handing_out(queue, work):
        await until(lambda: len(times) == 3)
        await asyncio.sleep(0.5)
    assert len(times) == 3
    assert all(later - earlier >= 0.29 for earlier, later in itertools.pairwise(times))


async def test_stop_waits_for_what_runs_and_hands_out_no_more() -> None:
    queue, seen, ended = JobQueue(slots=1), list[str](), list[str]()

    async def work(job_id: str) -> None:
        seen.append(job_id)
        await asyncio.sleep(0.3)
        ended.append(job_id)

    await queue.put("a")
    await queue.put("b")
    async with handing_out(queue, work):
        await until(lambda: seen == ["a"])
    assert (seen, ended) == (["a"], ["a"])


async def test_a_job_that_begins_anew_does_not_wait_for_its_old_ticket() -> None:
    queue, seen = JobQueue(slots=1), list[str]()

    async def work(job_id: str) -> float | None:
        seen.append(job_id)
        return 600 if len(seen) == 1 else None

    await queue.put("a")
    async with handing_out(queue, work):
        await until(lambda: seen == ["a"])
        await asyncio.sleep(0.2)  # the ticket waits its ten minutes now
        await queue.put("a")
        await asyncio.sleep(0.3)
        assert seen == ["a"]
        await queue.put_again("a")
        await until(lambda: seen == ["a", "a"])
