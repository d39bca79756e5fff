"""What every database behind the store must do. PostgreSQL joins this list when it is supported."""

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from yt_text.errors import Problem, Reason, RequestError
from yt_text.job import Config, Job, JobState, MediaInfo
from yt_text.store.attempts import LostError
from yt_text.store.jobs import Submission
from yt_text.store.media import Media
from yt_text.store.store import Store
from yt_text.transcript import Segment, TextOrigin, Word

CONFIG = Config(engine="whisper.cpp", model="m", language_code="de", translate=True, word_offsets=True, prompt="p")


@pytest.fixture(params=["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
async def store(url: str) -> AsyncGenerator[Store]:
    store = Store(url, max_queued_jobs=50)
    await store.open()
    yield store
    await store.close()


def segments(count: int, start: int = 0) -> list[Segment]:
    return [
        Segment(n * 1000, n * 1000 + 900, f"text {n}", (Word("text", n * 1000, n * 1000 + 400, 0.5),), -0.25, "1")
        for n in range(start, start + count)
    ]


async def submit(store: Store, url: str = "https://example.com/a", **values: object) -> Job:
    job, new = await store.jobs.submit(Submission(CONFIG, url=url, **values))  # pyright: ignore[reportArgumentType] - spread
    assert new
    return job


async def commit(store: Store, attempt: Job, found: list[Segment], chunk: int) -> Job:
    return await store.attempts.commit(
        attempt,
        found,
        chunk=chunk,
        transcribed_ms=(chunk + 1) * 10_000,
        processing_ms=70,
        language_code="de",
        language_confidence=0.75,
    )


async def claim(store: Store, job: Job) -> Job:
    attempt = await store.attempts.claim(job.id)
    assert attempt is not None
    return attempt


async def test_a_job_comes_back_as_it_was_submitted(store: Store) -> None:
    job = await submit(store, priority=3)
    assert job.state is JobState.QUEUED
    assert (job.config, job.url, job.priority) == (CONFIG, "https://example.com/a", 3)
    assert await store.jobs.get(job.id) == job


async def test_what_is_stored_outlives_the_store(url: str) -> None:
    first = Store(url)
    await first.open()
    job = await submit(first)
    attempt = await claim(first, job)
    await commit(first, attempt, segments(3), 0)
    await first.close()
    second = Store(url)
    await second.open()
    again = await second.jobs.get(job.id)
    assert (again.segment_count, again.next_chunk, again.config) == (3, 1, CONFIG)
    assert await second.segments.read(job.id) == segments(3)
    await second.close()


async def test_a_request_id_makes_one_job(store: Store) -> None:
    request_id = str(uuid.uuid4())
    job = await submit(store, request_id=request_id)
    again, new = await store.jobs.submit(Submission(CONFIG, url="https://example.com/a", request_id=request_id))
    assert (again.id, new) == (job.id, False)
    with pytest.raises(RequestError) as caught:
        await store.jobs.submit(Submission(CONFIG, url="https://example.com/b", request_id=request_id))
    assert caught.value.reason is Reason.REQUEST_ID_REUSED


async def test_the_same_request_id_at_once_makes_one_job(store: Store) -> None:
    request = Submission(CONFIG, url="https://example.com/a", request_id=str(uuid.uuid4()))
    answers = await asyncio.gather(*(store.jobs.submit(request) for _ in range(10)))
    assert len({job.id for job, _ in answers}) == 1
    assert [new for _, new in answers].count(True) == 1


async def test_a_full_queue_takes_no_more(store: Store) -> None:
    for _ in range(50):
        await submit(store)
    with pytest.raises(RequestError) as caught:
        await submit(store)
    assert caught.value.reason is Reason.QUEUE_FULL
    await claim(store, (await store.jobs.list(limit=1))[0])
    await submit(store)


@pytest.fixture
async def limited(url: str) -> AsyncGenerator[Store]:
    """A store in which a client may have three unfinished jobs."""
    store = Store(url, max_client_jobs=3)
    await store.open()
    yield store
    await store.close()


async def refused(answer: Awaitable[object]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        await answer
    return caught.value


async def end(store: Store, job: Job, how: JobState) -> None:
    if how is JobState.CANCELLED:
        await store.jobs.cancel(job.id)
    elif how is JobState.FAILED:
        await store.attempts.fail(await claim(store, job), Problem(Reason.INTERNAL, "x"))
    else:
        await store.attempts.succeed(await claim(store, job), duration_ms=1, warnings=[])


async def test_a_client_has_no_more_unfinished_jobs_than_the_limit(limited: Store) -> None:
    jobs = [await submit(limited, client="10.0.0.1") for _ in range(3)]
    await claim(limited, jobs[0])  # a running job counts like a waiting one
    error = await refused(submit(limited, client="10.0.0.1"))
    assert (error.reason, error.retryable, error.metadata) == (Reason.TOO_MANY_JOBS, True, {"limit": "3"})
    assert "cancel one" in error.message
    assert await limited.jobs.ids() == {job.id for job in jobs}


@pytest.mark.parametrize("how", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
async def test_an_ended_job_makes_room_for_one_more_of_its_client(limited: Store, how: JobState) -> None:
    jobs = [await submit(limited, client="10.0.0.1") for _ in range(3)]
    await end(limited, jobs[1], how)
    await submit(limited, client="10.0.0.1")
    assert (await refused(submit(limited, client="10.0.0.1"))).reason is Reason.TOO_MANY_JOBS


async def test_a_running_job_that_was_asked_to_stop_counts_until_it_has(limited: Store) -> None:
    job, *_ = [await submit(limited, client="10.0.0.1") for _ in range(3)]
    attempt = await claim(limited, job)
    await limited.jobs.cancel(job.id)
    assert (await refused(submit(limited, client="10.0.0.1"))).reason is Reason.TOO_MANY_JOBS
    await limited.attempts.cancel(attempt)
    await submit(limited, client="10.0.0.1")


async def test_the_limit_of_one_client_is_not_that_of_others(limited: Store) -> None:
    for client in ["10.0.0.1", "10.0.0.2", "2001:db8::/64"]:
        for _ in range(3):
            await submit(limited, client=client)
    for _ in range(5):
        await submit(limited)  # no client, no limit
    assert (await refused(submit(limited, client="10.0.0.2"))).reason is Reason.TOO_MANY_JOBS


async def test_a_store_without_a_limit_refuses_no_client(store: Store) -> None:
    for _ in range(10):
        await submit(store, client="10.0.0.1")


async def test_a_repeated_request_id_returns_its_job_also_at_the_limit(limited: Store) -> None:
    first, *_ = requests = [
        Submission(CONFIG, url="https://example.com/a", request_id=str(uuid.uuid4()), client="10.0.0.1")
        for _ in range(3)
    ]
    job, *_ = [(await limited.jobs.submit(request))[0] for request in requests]
    assert await limited.jobs.submit(first) == (job, False)
    moved = replace(first, client="10.0.0.2")  # the client's address has changed: it is the same request
    assert await limited.jobs.submit(moved) == (job, False)


async def test_a_retried_job_counts_again_and_is_refused_at_the_limit(limited: Store) -> None:
    failed, second, *_ = [await submit(limited, client="10.0.0.1") for _ in range(3)]
    await end(limited, failed, JobState.FAILED)
    before = await limited.jobs.get(failed.id)
    await submit(limited, client="10.0.0.1")
    error = await refused(limited.jobs.retry(failed.id))
    assert (error.reason, error.retryable, error.metadata) == (Reason.TOO_MANY_JOBS, True, {"limit": "3"})
    assert await limited.jobs.get(failed.id) == before
    assert (await refused(limited.jobs.retry(second.id))).reason is Reason.JOB_NOT_RETRYABLE
    await limited.jobs.cancel(second.id)
    assert (await limited.jobs.retry(failed.id)).state is JobState.QUEUED
    assert (await refused(submit(limited, client="10.0.0.1"))).reason is Reason.TOO_MANY_JOBS


async def test_of_many_submits_at_once_as_many_come_in_as_the_limit_has_room_for(limited: Store, url: str) -> None:
    """Also through a second store: what holds the limit is the database, not a lock in the process."""
    other = Store(url, max_client_jobs=3)
    await other.open()
    for turn in range(10):
        client = f"10.0.0.{turn}"
        for _ in range(2):
            await submit(limited, client=client)
        answers = await asyncio.gather(
            *(submit(store, client=client) for store in (limited, other)), return_exceptions=True
        )
        [error] = [answer for answer in answers if not isinstance(answer, Job)]
        assert isinstance(error, RequestError)
        assert error.reason is Reason.TOO_MANY_JOBS
    await other.close()


async def test_jobs_are_listed_newest_first_in_pages(store: Store) -> None:
    jobs = [await submit(store) for _ in range(7)]
    found: list[str] = []
    before = None
    while page := await store.jobs.list(limit=3, before=before):
        found += [job.id for job in page]
        before = (page[-1].create_time, page[-1].id)
    assert found == [job.id for job in reversed(jobs)]


async def test_jobs_are_listed_by_state(store: Store) -> None:
    first, second = await submit(store), await submit(store)
    await claim(store, first)
    assert [job.id for job in await store.jobs.list(limit=9, states=[JobState.RUNNING])] == [first.id]
    assert [job.id for job in await store.jobs.list(limit=9, states=[JobState.QUEUED])] == [second.id]


async def test_the_queue_position_counts_who_runs_before(store: Store) -> None:
    low, first, second = await submit(store, priority=-1), await submit(store), await submit(store)
    high = await submit(store, priority=5)
    positions = {job.id: (await store.jobs.get(job.id)).queue_position for job in (low, first, second, high)}
    assert positions == {high.id: 0, first.id: 1, second.id: 2, low.id: 3}
    assert {job.id: job.queue_position for job in await store.jobs.list(limit=9)} == positions


async def test_a_commit_stores_segments_and_checkpoint_together(store: Store) -> None:
    attempt = await claim(store, await submit(store))
    attempt = await commit(store, attempt, segments(2), 0)
    attempt = await commit(store, attempt, [], 1)
    attempt = await commit(store, attempt, segments(3, 2), 2)
    assert (attempt.segment_count, attempt.next_chunk, attempt.processing_ms) == (5, 3, 210)
    assert attempt.progress.transcribed_ms == 30_000
    assert (attempt.language_code, attempt.language_confidence) == ("de", 0.75)
    assert await store.segments.read(attempt.id) == segments(5)
    assert await store.segments.read(attempt.id, 1, 2) == segments(2, 1)


async def test_a_chunk_is_committed_once_and_in_order(store: Store) -> None:
    attempt = await claim(store, await submit(store))
    await commit(store, attempt, segments(1), 0)
    for chunk in (0, 2):
        with pytest.raises(LostError):
            await commit(store, attempt, segments(1), chunk)
    assert await store.segments.read(attempt.id) == segments(1)


async def test_an_old_attempt_changes_nothing(store: Store) -> None:
    job = await submit(store)
    old = await claim(store, job)
    new = await claim(store, job)
    assert new.epoch == old.epoch + 1
    problem = Problem(Reason.INTERNAL, "x")
    for write in (
        lambda: commit(store, old, segments(1), 0),
        lambda: store.attempts.begin(old, engine="e", model="m", model_sha256="", source_id=1),
        lambda: store.attempts.describe(old, MediaInfo(title="t")),
        lambda: store.attempts.progress(old, fetched_bytes=1, total_bytes=2),
        lambda: store.attempts.warn(old, problem),
        lambda: store.attempts.succeed(old, duration_ms=1, warnings=[]),
        lambda: store.attempts.fail(old, problem),
        lambda: store.attempts.cancel(old),
        lambda: store.attempts.retry_later(old, problem, 1),
        lambda: store.attempts.release(old),
    ):
        with pytest.raises(LostError):
            await write()
    assert await store.jobs.get(job.id) == new
    assert await store.segments.read(job.id) == []


async def test_an_ended_job_cannot_be_claimed_or_written(store: Store) -> None:
    attempt = await claim(store, await submit(store))
    done = await store.attempts.succeed(attempt, duration_ms=5000, warnings=[Problem(Reason.NO_SPEECH, "none")])
    assert (done.state, done.media.duration_ms, done.percent) == (JobState.SUCCEEDED, 5000, 100)
    assert done.end_time is not None
    assert await store.attempts.claim(attempt.id) is None
    with pytest.raises(LostError):
        await commit(store, attempt, segments(1), 0)


async def test_warnings_are_kept_one_of_a_reason(store: Store) -> None:
    attempt = await claim(store, await submit(store))
    await store.attempts.warn(attempt, Problem(Reason.ATTEMPT_FAILED, "first", {"a": "1"}))
    await store.attempts.warn(attempt, Problem(Reason.NO_SPEECH, "none"))
    await store.attempts.retry_later(attempt, Problem(Reason.ATTEMPT_FAILED, "second"), 0)
    warnings = (await store.jobs.get(attempt.id)).warnings
    assert {(w.reason, w.message) for w in warnings} == {
        (Reason.NO_SPEECH, "none"),
        (Reason.ATTEMPT_FAILED, "second"),
    }


async def test_a_failed_job_says_why_and_can_be_retried_with_its_options(store: Store) -> None:
    attempt = await claim(store, await submit(store))
    attempt = await commit(store, attempt, segments(2), 0)
    failed = await store.attempts.fail(attempt, Problem(Reason.SITE_ERROR, "the site", {"http_status": "500"}))
    assert failed.error == Problem(Reason.SITE_ERROR, "the site", {"http_status": "500"})
    again = await store.jobs.retry(attempt.id)
    assert (again.state, again.error, again.config) == (JobState.QUEUED, None, CONFIG)
    assert (again.next_chunk, again.segment_count, again.failures) == (1, 2, 0)


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED])
async def test_only_failed_and_cancelled_jobs_can_be_retried(store: Store, state: JobState) -> None:
    job = await submit(store)
    if state is not JobState.QUEUED:
        attempt = await claim(store, job)
        if state is JobState.SUCCEEDED:
            await store.attempts.succeed(attempt, duration_ms=1, warnings=[])
    with pytest.raises(RequestError) as caught:
        await store.jobs.retry(job.id)
    assert caught.value.reason is Reason.JOB_NOT_RETRYABLE


async def test_cancel_ends_a_waiting_job_and_asks_a_running_one(store: Store) -> None:
    waiting, running = await submit(store), await submit(store)
    attempt = await claim(store, running)
    assert (await store.jobs.cancel(waiting.id)).state is JobState.CANCELLED
    assert await store.attempts.claim(waiting.id) is None
    asked = await store.jobs.cancel(running.id)
    assert (asked.state, asked.cancel_requested) == (JobState.RUNNING, True)
    ended = await store.attempts.cancel(attempt)
    assert ended.state is JobState.CANCELLED
    assert (await store.jobs.cancel(running.id)).revision == ended.revision


async def test_delete_removes_job_and_segments(store: Store) -> None:
    attempt = await claim(store, await submit(store))
    await commit(store, attempt, segments(2), 0)
    await store.attempts.fail(attempt, Problem(Reason.INTERNAL, "x"))
    await store.jobs.delete(attempt.id)
    assert await store.segments.read(attempt.id) == []
    with pytest.raises(RequestError) as caught:
        await store.jobs.get(attempt.id)
    assert caught.value.reason is Reason.JOB_NOT_FOUND


async def test_an_upload_is_orphaned_with_its_last_job(store: Store) -> None:
    media = Media(str(uuid.uuid4()), "a.mp3", 5, "0" * 64)
    await store.media.add(media)
    assert await store.media.get(media.id) == media
    first, second = [await submit(store, url="", media_id=media.id) for _ in range(2)]
    for job in (first, second):
        await store.jobs.cancel(job.id)
    assert (await store.jobs.delete(first.id))[1] is False
    assert (await store.jobs.delete(second.id))[1] is True
    with pytest.raises(RequestError):
        await store.media.get(media.id)
    with pytest.raises(RequestError) as caught:
        await submit(store, url="", media_id=media.id)
    assert caught.value.reason is Reason.MEDIA_NOT_FOUND


async def test_a_job_that_has_not_ended_is_not_deleted(store: Store) -> None:
    attempt = await claim(store, await submit(store))
    with pytest.raises(RequestError):
        await store.jobs.delete(attempt.id)
    assert (await store.jobs.get(attempt.id)).state is JobState.RUNNING


@pytest.mark.parametrize("change", ["engine", "model_sha256", "source_id"])
async def test_a_checkpoint_holds_only_for_the_same_sound_and_engine(store: Store, change: str) -> None:
    used: dict[str, Any] = {"engine": "e", "model": "m", "model_sha256": "a", "source_id": 5}
    job = await submit(store)
    attempt = await store.attempts.begin(await claim(store, job), **used)
    await commit(store, attempt, segments(3), 0)
    same = await store.attempts.begin(await claim(store, job), **used)
    assert (same.next_chunk, same.segment_count, same.warnings) == (1, 3, ())
    used[change] = 7 if change == "source_id" else "x"
    other = await store.attempts.begin(await claim(store, job), **used)
    assert (other.next_chunk, other.segment_count, other.language_code) == (0, 0, "")
    assert [warning.reason for warning in other.warnings] == [Reason.ATTEMPT_FAILED]
    assert await store.segments.read(job.id) == []
    await commit(store, other, segments(1), 0)


async def test_a_watcher_that_comes_after_another_left_sees_what_changed_meanwhile(store: Store) -> None:
    job = await submit(store)
    with store.changes.subscribe(job.id):
        await store.snapshots.read(job.id, 0)
    attempt = await claim(store, job)
    with store.changes.subscribe(job.id):
        assert (await store.snapshots.read(job.id, 0)).job.revision == attempt.revision


async def test_media_is_kept_for_jobs_that_may_need_it(store: Store) -> None:
    waiting, done, failed = [await submit(store) for _ in range(3)]
    await store.attempts.succeed(await claim(store, done), duration_ms=1, warnings=[])
    await store.attempts.fail(await claim(store, failed), Problem(Reason.INTERNAL, "x"))
    now = datetime.now(UTC)
    assert await store.jobs.ids_with_media(ended_after=now - timedelta(hours=1)) == {waiting.id, failed.id}
    assert await store.jobs.ids_with_media(ended_after=now + timedelta(hours=1)) == {waiting.id}


async def test_waiting_lists_open_jobs_running_first(store: Store) -> None:
    low, high, running, ended = [await submit(store, priority=p) for p in (0, 5, -5, 0)]
    await claim(store, running)
    await store.jobs.cancel(ended.id)
    assert [entry.job_id for entry in await store.attempts.waiting()] == [running.id, high.id, low.id]


async def test_a_job_that_waits_for_its_next_attempt_says_how_long(store: Store) -> None:
    attempt = await claim(store, await submit(store))
    later = await store.attempts.retry_later(attempt, Problem(Reason.ATTEMPT_FAILED, "x"), 60)
    assert (later.state, later.failures) == (JobState.QUEUED, 1)
    assert later.retry_time is not None
    [entry] = await store.attempts.waiting()
    assert 50 < entry.delay_s <= 60


async def test_release_is_no_failure(store: Store) -> None:
    attempt = await claim(store, await submit(store))
    released = await store.attempts.release(attempt)
    assert (released.state, released.failures) == (JobState.QUEUED, 0)


async def test_each_change_wakes_a_subscriber_and_raises_the_revision(store: Store) -> None:
    job = await submit(store)
    with store.changes.subscribe(job.id) as changes:
        assert not await changes.wait(0)
        attempt = await claim(store, job)
        assert await changes.wait(5)
        after = await commit(store, attempt, segments(1), 0)
        assert await changes.wait(5)
        assert job.revision < attempt.revision < after.revision


async def test_watchers_that_are_equally_far_share_one_read(store: Store) -> None:
    attempt = await commit(store, await claim(store, await submit(store)), segments(3), 0)
    with store.changes.subscribe(attempt.id):
        first, second, behind = await asyncio.gather(*(store.snapshots.read(attempt.id, start) for start in (2, 2, 0)))
    assert first is second
    assert (first.segments, behind.segments) == (tuple(segments(1, 2)), tuple(segments(3)))


async def test_a_reader_that_leaves_does_not_take_the_read_from_others(store: Store) -> None:
    job = await submit(store)
    with store.changes.subscribe(job.id):
        leaving = asyncio.create_task(store.snapshots.read(job.id, 0))
        staying = asyncio.create_task(store.snapshots.read(job.id, 0))
        await asyncio.sleep(0)
        leaving.cancel()
        assert (await staying).job == job


async def test_readers_among_many_commits_see_every_segment_once(store: Store) -> None:
    """Watching by level under a random schedule: no segment missed, none doubled, always in order."""
    job = await submit(store)
    dice = random.Random(7)

    async def watch() -> list[Segment]:
        seen: list[Segment] = []
        with store.changes.subscribe(job.id) as changes:
            while True:
                snapshot = await store.snapshots.read(job.id, len(seen))
                seen += snapshot.segments
                if snapshot.job.state.ended and snapshot.whole:
                    return seen
                if snapshot.whole:
                    await changes.wait(5)
                await asyncio.sleep(dice.random() * 0.01)

    watchers = [asyncio.create_task(watch()) for _ in range(20)]
    attempt, total = await claim(store, job), 0
    for chunk in range(40):
        count = dice.randrange(4)
        attempt = await commit(store, attempt, segments(count, total), chunk)
        total += count
        await asyncio.sleep(dice.random() * 0.01)
    await store.attempts.succeed(attempt, duration_ms=1, warnings=[])
    for seen in await asyncio.gather(*watchers):
        assert seen == segments(total)


async def test_unused_uploads_are_forgotten(store: Store) -> None:
    used, unused = [Media(str(uuid.uuid4()), "a", 1, "0" * 64) for _ in range(2)]
    for media in (used, unused):
        await store.media.add(media)
    job = await submit(store, url="", media_id=used.id)
    assert await store.media.delete_unused(job.create_time.replace(year=2000)) == []
    assert await store.media.delete_unused(job.create_time.replace(year=2999)) == [unused.id]
    assert await store.media.ids() == {used.id}


async def test_captions_origin_survives(store: Store) -> None:
    config = Config(text_origin=TextOrigin.CAPTIONS)
    job, _ = await store.jobs.submit(Submission(config, url="https://example.com"))
    assert (await store.jobs.get(job.id)).config == config
