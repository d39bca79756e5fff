"""Watching a store: transcripts that begin anew, work that watchers share, events as bytes."""

import asyncio
import gc
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from yt_text.engine_choice import Models
from yt_text.intake.uploads import UploadLimits
from yt_text.job import Config, Job
from yt_text.queue import JobQueue
from yt_text.rpc import events, translate
from yt_text.rpc.interceptors import Guard
from yt_text.rpc.server import RpcServer
from yt_text.rpc.transcription import ServiceLimits, TranscriptionService
from yt_text.rpc.watching import OncePerSnapshot, watch
from yt_text.store.jobs import Submission
from yt_text.store.segments import Snapshot
from yt_text.store.store import Store
from yt_text.transcript import Segment
from yt_text.v1 import transcription_service_pb2 as pb
from yt_text_client import Client

NEVER_S = 600.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    store = Store(f"sqlite+aiosqlite:///{tmp_path / 'store.db'}")
    await store.open()
    yield store
    await store.close()


async def begin(store: Store, job: Job, source_id: int) -> Job:
    attempt = await store.attempts.claim(job.id)
    assert attempt
    return await store.attempts.begin(attempt, engine="e", model="m", model_sha256="", source_id=source_id)


async def commit(store: Store, attempt: Job, text: str, count: int) -> Job:
    return await store.attempts.commit(
        attempt,
        [Segment(n * 1000, n * 1000 + 900, f"{text} {n}") for n in range(count)],
        chunk=attempt.next_chunk,
        transcribed_ms=(attempt.next_chunk + 1) * 10_000,
        processing_ms=1,
        language_code="en",
        language_confidence=1.0,
    )


async def submit(store: Store) -> Job:
    return (await store.jobs.submit(Submission(Config(), url="https://example.com/a")))[0]


async def until(watching: AsyncGenerator[Snapshot], count: int) -> Snapshot:
    """Returns the first snapshot of a job with so many segments."""
    async with asyncio.timeout(30):
        async for snapshot in watching:
            if snapshot.job.segment_count == count:
                return snapshot
    raise AssertionError("the watch ended")


def texts(snapshot: Snapshot) -> list[str]:
    return [segment.text for segment in snapshot.segments]


async def test_a_transcript_that_began_anew_is_sent_from_its_beginning(store: Store) -> None:
    job = await submit(store)
    attempt = await commit(store, await begin(store, job, 1), "old", 3)
    async with aclosing(watch(store, job.id, 0, keepalive_s=NEVER_S)) as watching:
        assert texts(await until(watching, 3)) == ["old 0", "old 1", "old 2"]
        await store.attempts.release(attempt)
        attempt = await begin(store, job, 2)
        assert texts(await until(watching, 0)) == []
        await commit(store, attempt, "new", 2)
        snapshot = await until(watching, 2)
        assert (snapshot.start, texts(snapshot)) == (0, ["new 0", "new 1"])


async def test_a_slow_watcher_gets_the_new_text_although_it_is_longer_by_now(store: Store) -> None:
    job = await submit(store)
    attempt = await commit(store, await begin(store, job, 1), "old", 2)
    async with aclosing(watch(store, job.id, 0, keepalive_s=NEVER_S)) as watching:
        await until(watching, 2)
        await store.attempts.release(attempt)
        await commit(store, await begin(store, job, 2), "new", 4)
        snapshot = await until(watching, 4)
        assert (snapshot.start, texts(snapshot)) == (0, ["new 0", "new 1", "new 2", "new 3"])


async def test_our_client_gets_the_new_text_too(store: Store, tmp_path: Path) -> None:
    limits = ServiceLimits(UploadLimits(1, 0))
    service = TranscriptionService(
        store, JobQueue(slots=1), media_dir=tmp_path, models=Models(tmp_path, ""), url_check=str, limits=limits
    )
    server = RpcServer(service, Guard(max_calls=10, timeout_s=60), max_message_bytes=1 << 20)
    async with Client(await server.start("127.0.0.1:0")) as client:
        job = await submit(store)
        attempt = await commit(store, await begin(store, job, 1), "old", 3)
        async with asyncio.timeout(30), aclosing(client.watch(job.id)) as changes:
            assert [segment.text for segment in (await anext(changes)).segments] == ["old 0", "old 1", "old 2"]
            await store.attempts.release(attempt)
            await commit(store, await begin(store, job, 2), "new", 2)
            text: list[str] = []
            while len(text) < 2:
                text += [segment.text for segment in (await anext(changes)).segments]
    await server.stop(0)
    assert text == ["new 0", "new 1"]


async def test_an_attempt_that_goes_on_sends_nothing_twice(store: Store) -> None:
    job = await submit(store)
    attempt = await commit(store, await begin(store, job, 1), "one", 2)
    async with aclosing(watch(store, job.id, 0, keepalive_s=NEVER_S)) as watching:
        await until(watching, 2)
        await store.attempts.release(attempt)
        await commit(store, await begin(store, job, 1), "two", 1)
        snapshot = await until(watching, 3)
        assert (snapshot.start, texts(snapshot)) == (2, ["two 0"])


async def test_who_begins_beyond_the_end_gets_all_there_is_once(store: Store) -> None:
    job = await submit(store)
    attempt = await commit(store, await begin(store, job, 1), "one", 2)
    async with aclosing(watch(store, job.id, 7, keepalive_s=NEVER_S)) as watching:
        assert texts(await anext(watching)) == ["one 0", "one 1"]
        await commit(store, attempt, "two", 1)
        snapshot = await anext(watching)
        assert (snapshot.start, texts(snapshot)) == (2, ["two 0"])


async def test_who_begins_at_the_end_gets_only_what_is_new(store: Store) -> None:
    job = await submit(store)
    attempt = await commit(store, await begin(store, job, 1), "one", 2)
    async with aclosing(watch(store, job.id, 2, keepalive_s=NEVER_S)) as watching:
        assert texts(await anext(watching)) == []
        await commit(store, attempt, "two", 1)
        assert texts(await anext(watching)) == ["two 0"]


async def test_a_thousand_watchers_share_what_is_made_of_a_snapshot_and_nothing_stays(store: Store) -> None:
    job = await submit(store)
    made: list[str] = []

    def make(snapshot: Snapshot) -> str:
        made.append(snapshot.job.id)
        return snapshot.job.id

    once = OncePerSnapshot(make)
    snapshot = Snapshot(job, 0, ())
    assert set(await asyncio.gather(*(once.of(snapshot) for _ in range(1_000)))) == {job.id}
    assert made == [job.id]
    await once.of(Snapshot(job, 0, ()))
    assert len(made) == 2
    del snapshot
    gc.collect()
    assert len(once) == 0


async def test_what_cannot_be_made_fails_for_each_and_a_watcher_that_leaves_takes_nothing_along(store: Store) -> None:
    snapshot = Snapshot(await submit(store), 0, ())

    def fail(_: Snapshot) -> str:
        raise KeyError("no")

    failing = OncePerSnapshot(fail)
    results = await asyncio.gather(*(failing.of(snapshot) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [KeyError] * 3

    once = OncePerSnapshot(lambda snapshot: snapshot.job.id)
    first, second = asyncio.create_task(once.of(snapshot)), asyncio.create_task(once.of(snapshot))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == snapshot.job.id


async def test_an_event_is_one_line_of_json_with_the_next_index_as_its_id(store: Store) -> None:
    job = await submit(store)
    await commit(store, await begin(store, job, 1), "line\r\nbreak\u2028", 2)
    snapshot = await store_snapshot(store, job, 1)
    message = pb.WatchJobResponse(
        job=translate.job_message(snapshot.job, media_available=False),
        segments=[translate.segment_message(1, snapshot.segments[0])],
    )
    body = events.update(message, snapshot)
    assert body.content_type == "text/event-stream"
    lines = body.data.decode().split("\n")
    assert (lines[0], lines[1], lines[3:]) == ("id: 2", "event: update", ["", ""])
    assert "\r" not in lines[2]
    value = json.loads(lines[2].removeprefix("data: "))
    assert value["segments"][0]["text"] == "line\r\nbreak\u2028 1"
    assert (value["job"]["state"], value["job"]["attempt"]) == ("JOB_STATE_RUNNING", 1)
    assert (value["job"]["fromCache"], value["job"]["progress"]["fetchedBytes"]) == (False, "0")


async def store_snapshot(store: Store, job: Job, start: int) -> Snapshot:
    with store.changes.subscribe(job.id):
        return await store.snapshots.read(job.id, start)


@pytest.mark.parametrize(
    ("header", "seen"),
    [
        ("", None),
        ("0", (0, False)),
        (" 17 ", (17, False)),
        ("17/end", (17, True)),
        ("-1", None),
        ("17/END", None),
        ("1e3", None),
        ("9" * 400, None),
        ("٣", None),
    ],
)
def test_a_last_event_id_is_read_or_ignored(header: str, seen: tuple[int, bool] | None) -> None:
    assert events.read_last_id(header) == seen
