"""Takes jobs from the queue and runs them: claim, watch for a cancel, retry what may pass, give up."""

import asyncio
import logging
import random
from collections.abc import Coroutine, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from yt_text.errors import Problem, Reason, RequestError, YtTextError
from yt_text.job import Job
from yt_text.pipeline import Pipeline
from yt_text.queue import JobQueue
from yt_text.store.attempts import LostError
from yt_text.store.store import Store

_log = logging.getLogger(__name__)


class _JobLog(logging.LoggerAdapter[logging.Logger]):
    """Puts the job's id on each line."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **kwargs.get("extra", {})}
        return msg, kwargs


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """How often and how soon a job is tried again, and how often the queue is checked; times in seconds."""

    max_attempts: int = 5
    retry_base_s: float = 2.0
    retry_max_s: float = 300.0
    reconcile_s: float = 60.0

    def delay_s(self, failures: int) -> float:
        """Wait before the next attempt, after so many failed ones: doubling, spread by half each way."""
        return min(self.retry_max_s, self.retry_base_s * 2 ** (failures - 1) * random.uniform(0.5, 1.5))  # noqa: S311 - spreading load needs no secrecy


class Worker:
    """Runs jobs, several at once.

    Args:
        store: the job table.
        queue: hands out jobs.
        pipeline: runs one attempt.
    """

    def __init__(self, store: Store, queue: JobQueue, pipeline: Pipeline, limits: WorkerLimits) -> None:
        self._store = store
        self._queue = queue
        self._pipeline = pipeline
        self._limits = limits
        self._attempts: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._cut = False

    async def start(self) -> None:
        """Refills the queue from the job table and begins to work."""
        await self.reconcile()
        self._tasks = [
            asyncio.create_task(self._queue.run(self._run)),
            asyncio.create_task(self._reconcile_for_ever()),
        ]

    async def stop(self, grace_s: float) -> None:
        """Takes no more jobs; lets running ones end for `grace_s`, then puts them back at their checkpoint."""
        if not self._tasks:
            return
        running, healing = self._tasks
        healing.cancel()
        self._queue.stop()
        done, _ = await asyncio.wait([running], timeout=grace_s)
        if not done:
            self._cut = True  # for one that is just being claimed
            for attempt in list(self._attempts):
                attempt.cancel()
        await asyncio.wait([running, healing])

    async def failed(self) -> None:
        """Waits for ever, or until the worker ends by a fault: then no job runs any more."""
        await asyncio.wait(self._tasks[:1])
        if error := self._tasks[0].exception():
            _log.error("the worker ended by a fault", exc_info=error)

    async def reconcile(self) -> None:
        """Puts every job that has not ended into the queue; nothing happens for those already there."""
        waiting = await self._store.attempts.waiting()
        await self._queue.put_all((entry.job_id, entry.priority, entry.delay_s) for entry in waiting)

    async def _reconcile_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._limits.reconcile_s)
            try:
                await self.reconcile()
            except (SQLAlchemyError, OSError):
                _log.exception("reconcile failed")

    async def _run(self, job_id: str) -> float | None:
        """Runs one attempt; returns seconds until the next, or None."""
        try:
            attempt = await self._store.attempts.claim(job_id)
        except SQLAlchemyError:
            _log.exception("the job table cannot be written")
            return self._limits.retry_base_s
        if attempt is None:
            return None
        logger = _JobLog(_log, {"job_id": job_id, "attempt": attempt.epoch})
        try:
            return await self._attempt(attempt, logger)
        except (LostError, RequestError):  # another worker has it, or it was deleted
            logger.info("attempt lost")
        except SQLAlchemyError:
            logger.exception("the job table cannot be written")
            return self._limits.retry_base_s
        except asyncio.CancelledError:
            with suppress(LostError):
                await self._store.attempts.release(attempt)
            logger.info("attempt released")
        return None

    async def _attempt(self, attempt: Job, logger: "_JobLog") -> float | None:
        logger.info("attempt started", extra={"next_chunk": attempt.next_chunk})
        with self._store.changes.subscribe(attempt.id) as changes:

            async def until_cancelled() -> None:
                # The first read is behind the subscription: no cancel falls between.
                while True:
                    try:
                        if (await self._store.jobs.get(attempt.id)).cancel_requested:
                            return
                    except SQLAlchemyError:
                        logger.exception("the job table cannot be read")
                    await changes.wait(self._limits.reconcile_s)

            work = self._start(self._pipeline.run(attempt))
            watch = asyncio.create_task(until_cancelled())
            try:
                await asyncio.wait([work, watch], return_when=asyncio.FIRST_COMPLETED)
                if not work.done():
                    await self._end(work)
                    watch.result()  # raises if the job was deleted
                    await self._store.attempts.cancel(attempt)
                    logger.info("job cancelled")
                    return None
            finally:
                watch.cancel()
                await asyncio.wait([watch])
                await self._end(work)
        try:
            work.result()
        except YtTextError as error:
            return await self._failed(attempt, error.problem, error.retryable, logger)
        except (LostError, asyncio.CancelledError):
            raise
        except Exception:
            logger.exception("attempt failed by a fault of the service")
            problem = Problem(Reason.INTERNAL, "The service failed at this job. It has been noted in its log.")
            return await self._failed(attempt, problem, True, logger)
        logger.info("job succeeded")
        return None

    async def _failed(self, attempt: Job, problem: Problem, retryable: bool, logger: "_JobLog") -> float | None:
        failures = attempt.failures + 1
        facts = {"reason": problem.reason.value, "retryable": retryable, "failures": failures}
        logger.info("attempt failed", extra=facts)
        if not retryable or failures >= self._limits.max_attempts:
            await self._store.attempts.fail(attempt, problem)
            return None
        delay_s = self._limits.delay_s(failures)
        warning = Problem(
            Reason.ATTEMPT_FAILED,
            f"Attempt {failures} failed and the job is tried again: {problem.message}",
            {"cause": problem.reason.value, "failures": str(failures)},
        )
        waiting = await self._store.attempts.retry_later(attempt, warning, delay_s)
        if waiting.cancel_requested:  # it came while the attempt failed
            await self._store.jobs.cancel(attempt.id)
            return None
        return delay_s

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._attempts.add(task)
        task.add_done_callback(self._attempts.discard)
        if self._cut:
            task.cancel()
        return task

    @staticmethod
    async def _end(work: asyncio.Task[None]) -> None:
        """Stops an attempt and waits until its children are gone."""
        if not work.done():
            work.cancel()
            await asyncio.wait([work])
