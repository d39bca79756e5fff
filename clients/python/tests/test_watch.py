import asyncio
import random
from contextlib import aclosing

import grpc
import pytest

from clients.python.tests.scripted import ScriptedServer, indexes, status, until
from clients.python.tests.wire import wired
from yt_text.v1 import job_pb2
from yt_text_client import (
    Client,
    Job,
    JobCancelled,
    JobFailed,
    JobState,
    NotFound,
    Segment,
    Unavailable,
    WatchJobResponse,
)


async def collect(client: Client, job_id: str, start: int = 0) -> list[WatchJobResponse]:
    async with asyncio.timeout(120):
        return [each async for each in client.watch(job_id, start)]


async def test_a_watch_brings_every_change_and_ends_with_the_job(client: Client, server: ScriptedServer) -> None:
    job_id = server.service.add_job(segments=1)
    watching = asyncio.create_task(collect(client, job_id))
    await server.service.until_watched()
    await server.service.advance(job_id, segments=2)
    await server.service.advance(job_id, segments=1, state=job_pb2.JOB_STATE_SUCCEEDED)
    changes = await watching
    assert indexes(changes) == [0, 1, 2, 3]
    assert changes[0].job is not None
    assert changes[-1].job is not None
    assert changes[0].job.state == JobState.RUNNING
    assert changes[-1].job.state == JobState.SUCCEEDED


async def test_a_watch_starts_where_it_is_told(client: Client, server: ScriptedServer) -> None:
    job_id = server.service.add_job(segments=5)
    await server.service.advance(job_id, state=job_pb2.JOB_STATE_SUCCEEDED)
    assert indexes(await collect(client, job_id, 3)) == [3, 4]
    assert indexes(await collect(client, job_id, 9)) == []


async def test_a_watch_of_a_missing_job_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound):
        await collect(client, "none")


@pytest.mark.parametrize("grace_s", [0.0, 0.1])
async def test_a_server_that_goes_and_comes_back_costs_no_segment_and_brings_none_twice(
    client: Client, server: ScriptedServer, grace_s: float
) -> None:
    job_id = server.service.add_job(segments=2)
    watching = asyncio.create_task(collect(client, job_id))
    for _ in range(3):
        await server.service.until_watched()
        await server.stop(grace_s)
        await server.service.advance(job_id, segments=2)
        await asyncio.sleep(0.3)  # some tries find nobody there
        await server.start()
    await server.service.until_watched()
    await server.service.advance(job_id, segments=1, state=job_pb2.JOB_STATE_SUCCEEDED)
    assert indexes(await watching) == list(range(9))
    starts = [request.start_segment_index for request in server.service.called("WatchJob")]
    assert starts == sorted(starts)
    assert starts[-1] > 0


async def test_connections_cut_at_any_moment_cost_no_segment(server: ScriptedServer) -> None:
    async with wired(server) as wire, Client(f"127.0.0.1:{wire.port}") as client:
        job_id = server.service.add_job()
        watching = asyncio.create_task(collect(client, job_id))
        await server.service.until_watched()
        rng = random.Random(7)
        for _ in range(40):
            await server.service.advance(job_id, segments=rng.randrange(4))
            await asyncio.sleep(rng.random() * 0.05)
            if rng.random() < 0.4:
                wire.cut()
        await server.service.advance(job_id, segments=1, state=job_pb2.JOB_STATE_SUCCEEDED)
        changes = await watching
        assert indexes(changes) == list(range(len(server.service.segments[job_id])))
        assert wire.accepted >= 2


async def test_a_connection_that_dies_without_a_word_is_replaced(server: ScriptedServer) -> None:
    async with (
        wired(server) as wire,
        Client(f"127.0.0.1:{wire.port}", silence_timeout_s=1) as client,
    ):
        job_id = server.service.add_job(segments=3)
        watching = asyncio.create_task(collect(client, job_id))
        await server.service.until_watched()
        wire.freeze()
        await server.service.advance(job_id, segments=3, state=job_pb2.JOB_STATE_SUCCEEDED)
        assert indexes(await watching) == list(range(6))
        assert wire.accepted >= 2


async def test_a_stream_that_ends_before_the_job_is_taken_up_again(client: Client, server: ScriptedServer) -> None:
    job_id = server.service.add_job(segments=2)
    server.service.end_watch_after_first_message = True
    watching = asyncio.create_task(collect(client, job_id))
    await until(lambda: len(server.service.called("WatchJob")) >= 3)
    server.service.end_watch_after_first_message = False
    await server.service.advance(job_id, segments=2, state=job_pb2.JOB_STATE_SUCCEEDED)
    assert indexes(await watching) == [0, 1, 2, 3]


async def test_a_server_that_is_overloaded_after_a_cut_is_asked_again(server: ScriptedServer) -> None:
    async with wired(server) as wire, Client(f"127.0.0.1:{wire.port}") as client:
        job_id = server.service.add_job(segments=1)
        watching = asyncio.create_task(collect(client, job_id))
        await server.service.until_watched()
        busy = status(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", "Too many calls at once.")
        server.service.errors["WatchJob"] += [busy, busy]
        wire.cut()
        await server.service.advance(job_id, segments=1, state=job_pb2.JOB_STATE_SUCCEEDED)
        assert indexes(await watching) == [0, 1]


async def test_a_watch_gives_up_when_the_service_stays_away(client: Client, server: ScriptedServer) -> None:
    job_id = server.service.add_job(segments=2)
    seen: list[WatchJobResponse] = []

    async def watch_and_stop_the_server() -> None:
        async for change in client.watch(job_id, contact_timeout_s=0.5):
            seen.append(change)
            await server.stop()

    with pytest.raises(Unavailable) as caught:
        await asyncio.wait_for(watch_and_stop_the_server(), 60)
    assert indexes(seen) == [0, 1]
    assert caught.value.reason == "SERVICE_UNREACHABLE"


async def test_leaving_a_watch_ends_the_call_on_the_server(client: Client, server: ScriptedServer) -> None:
    job_id = server.service.add_job(segments=1)
    async with aclosing(client.watch(job_id)) as changes:
        async for _ in changes:
            await server.service.until_watched(1)
            break
    await server.service.until_watched(0)
    assert await client.get_job(job_id)


async def test_a_watch_that_is_simply_dropped_ends_on_the_server(client: Client, server: ScriptedServer) -> None:
    job_id = server.service.add_job(segments=1)
    async for _ in client.watch(job_id):
        await server.service.until_watched(1)
        break
    await server.service.until_watched(0)


async def test_cancelling_the_task_ends_the_call_on_the_server(client: Client, server: ScriptedServer) -> None:
    job_id = server.service.add_job(segments=1)
    watching = asyncio.create_task(collect(client, job_id))
    await server.service.until_watched(1)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    await server.service.until_watched(0)


async def test_a_cancel_that_comes_with_a_cut_is_not_lost(server: ScriptedServer) -> None:
    async with wired(server) as wire, Client(f"127.0.0.1:{wire.port}") as client:
        for cut_first in (True, False) * 10:
            job_id = server.service.add_job(segments=1)
            watching = asyncio.create_task(collect(client, job_id))
            await server.service.until_watched(1)
            if cut_first:
                wire.cut()
                await asyncio.sleep(0)
                watching.cancel()
            else:
                watching.cancel()
                wire.cut()
            with pytest.raises(asyncio.CancelledError):
                await watching
            await server.service.until_watched(0)


async def test_many_watchers_each_get_all(client: Client, server: ScriptedServer) -> None:
    job_id = server.service.add_job()
    watching = [asyncio.create_task(collect(client, job_id)) for _ in range(50)]
    await server.service.until_watched(50)
    for _ in range(5):
        await server.service.advance(job_id, segments=2)
    await server.service.advance(job_id, state=job_pb2.JOB_STATE_SUCCEEDED)
    for changes in await asyncio.gather(*watching):
        assert indexes(changes) == list(range(10))


async def test_transcribe_returns_the_transcript_and_tells_every_change(client: Client, server: ScriptedServer) -> None:
    told: list[int] = []
    states: list[JobState] = []

    def on_update(job: Job, segments: list[Segment]) -> None:
        told.extend(segment.index for segment in segments)
        states.append(job.state)

    working = asyncio.create_task(client.transcribe("https://example.com/a", on_update=on_update))
    await server.service.until_watched()
    [job_id] = server.service.jobs
    await server.service.advance(job_id, segments=3)
    await server.service.advance(job_id, segments=1, state=job_pb2.JOB_STATE_SUCCEEDED)
    transcript = await working
    assert transcript.text == "segment 0 segment 1 segment 2 segment 3"
    assert told == [0, 1, 2, 3]
    assert states[-1] == JobState.SUCCEEDED


async def test_transcribe_survives_a_restart_at_every_step(client: Client, server: ScriptedServer) -> None:
    working = asyncio.create_task(client.transcribe("https://example.com/a"))
    await server.service.until_watched()
    [job_id] = server.service.jobs
    busy = status(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", "The service is stopping.")
    server.service.errors["WatchJob"] += [busy] * 4
    server.service.errors["GetResult"] += [busy] * 4
    await server.stop()
    await server.service.advance(job_id, segments=2, state=job_pb2.JOB_STATE_SUCCEEDED)
    await server.start()
    async with asyncio.timeout(60):
        assert (await working).text == "segment 0 segment 1"


async def test_transcribe_raises_the_jobs_own_error(client: Client, server: ScriptedServer) -> None:
    working = asyncio.create_task(client.transcribe("https://example.com/a"))
    await server.service.until_watched()
    [job_id] = server.service.jobs
    server.service.jobs[job_id].error.CopyFrom(
        status(grpc.StatusCode.FAILED_PRECONDITION, "LOGIN_REQUIRED", "The site wants an account.", site="x")
    )
    await server.service.advance(job_id, state=job_pb2.JOB_STATE_FAILED)
    with pytest.raises(JobFailed, match="The site wants an account") as caught:
        await working
    assert caught.value.reason == "LOGIN_REQUIRED"
    assert caught.value.metadata == {"site": "x"}
    assert caught.value.job.id == job_id


async def test_transcribe_tells_that_the_job_was_cancelled(client: Client, server: ScriptedServer) -> None:
    working = asyncio.create_task(client.transcribe("https://example.com/a"))
    await server.service.until_watched()
    [job_id] = server.service.jobs
    await client.cancel(job_id)
    with pytest.raises(JobCancelled) as caught:
        await working
    assert caught.value.job.id == job_id
