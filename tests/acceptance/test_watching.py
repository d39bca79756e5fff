"""Watching a job: from the start, late, cut off, five hundred at once; nobody misses or doubles a segment."""

import asyncio
import random
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.models import wired_model
from tests.recordings import speech, write
from tests.service import closed_port, finished, running
from yt_text.app import App
from yt_text.v1 import job_pb2
from yt_text.v1 import transcription_service_pb2 as pb
from yt_text.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from yt_text_client import Client, Job, JobState


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[tuple[App, Client]]:
    # Layers make each chunk take about a quarter of a second: time to be watched.
    model = wired_model(tmp_path / "wired.bin", high=(), encoder_layers=12)
    async with running(tmp_path, model=str(model), watch_keepalive_s=0.2) as service:
        yield service


async def submit_long(client: Client, folder: Path, duration_s: float = 300) -> Job:
    path = write(speech(duration_s, seed=3), folder / "long.mp3", codec="mp3")
    return await client.submit(await client.upload(path))


async def test_the_first_message_comes_at_once_and_the_last_is_terminal(
    service: tuple[App, Client], tmp_path: Path
) -> None:
    app, client = service
    job = await submit_long(client, tmp_path, 60)
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub: Any = TranscriptionServiceStub(channel)
        messages = [message async for message in stub.WatchJob(pb.WatchJobRequest(job_id=job.id))]
        assert messages[0].job.id == job.id
        assert [message.job.state for message in messages[:-1]].count(job_pb2.JOB_STATE_SUCCEEDED) == 0
        assert messages[-1].job.state == job_pb2.JOB_STATE_SUCCEEDED
        indexes = [segment.index for message in messages for segment in message.segments]
        assert indexes == list(range(messages[-1].job.segment_count))
        # Watched after its end: one message with everything.
        again = [message async for message in stub.WatchJob(pb.WatchJobRequest(job_id=job.id))]
        assert [len(message.segments) for message in again] == [len(indexes)]


async def test_progress_never_goes_back_and_is_100_only_at_the_end(service: tuple[App, Client], tmp_path: Path) -> None:
    _, client = service
    job = await submit_long(client, tmp_path, 120)
    percents: list[int] = []
    states: list[JobState] = []
    async for change in client.watch(job.id):
        assert change.job is not None
        assert change.job.progress is not None
        percents.append(change.job.progress.percent)
        states.append(change.job.state)
    assert percents == sorted(percents)
    assert [state for state, percent in zip(states, percents, strict=True) if percent == 100] == [JobState.SUCCEEDED]


async def test_an_unchanged_job_is_sent_again_as_a_sign_of_life(service: tuple[App, Client]) -> None:
    app, client = service
    with closed_port() as url:
        job = await client.submit(url)
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub: Any = TranscriptionServiceStub(channel)
        call = stub.WatchJob(pb.WatchJobRequest(job_id=job.id))
        async with asyncio.timeout(20):
            for _ in range(3):
                assert (await call.read()).job.id == job.id
        call.cancel()


async def test_watchers_cut_and_resumed_at_random_end_with_the_result(
    service: tuple[App, Client], tmp_path: Path
) -> None:
    app, client = service
    job = await submit_long(client, tmp_path)

    async def watch(seed: int) -> list[Any]:
        dice = random.Random(seed)
        seen: list[Any] = []
        while True:
            async with grpc.aio.insecure_channel(app.address) as channel:
                stub: Any = TranscriptionServiceStub(channel)
                call = stub.WatchJob(pb.WatchJobRequest(job_id=job.id, start_segment_index=len(seen)))
                for _ in range(dice.randrange(1, 4)):
                    message = await call.read()
                    if message is grpc.aio.EOF:
                        return seen
                    seen += message.segments
                call.cancel()

    watched = await asyncio.gather(*(watch(seed) for seed in range(20)))
    await finished(client, job)
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub: Any = TranscriptionServiceStub(channel)
        result = await stub.GetResult(pb.GetResultRequest(job_id=job.id))
    assert len(result.segments) > 10
    for seen in watched:
        assert seen == list(result.segments)


async def test_500_watchers_of_one_job_miss_nothing(service: tuple[App, Client], tmp_path: Path) -> None:
    app, client = service
    job = await submit_long(client, tmp_path, 150)

    async def watch(stub: Any) -> list[int]:
        indexes: list[int] = []
        async for message in stub.WatchJob(pb.WatchJobRequest(job_id=job.id)):
            indexes += [segment.index for segment in message.segments]
        return indexes

    async with grpc.aio.insecure_channel(app.address) as channel:
        stub: Any = TranscriptionServiceStub(channel)
        watched = await asyncio.gather(*(watch(stub) for _ in range(500)))
    count = (await client.get_job(job.id)).segment_count
    assert count > 5
    assert watched == [list(range(count))] * 500
