"""WebService by a plain gRPC client, against a whole service: a job's changes as server-sent events."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.protobuf import json_format

from tests.models import wired_model
from tests.recordings import speech, write
from tests.service import closed_port, running, until
from tests.web import headers, refused, transcribed, watching, whole
from yt_text.app import App
from yt_text.v1 import job_pb2
from yt_text.v1 import transcription_service_pb2 as pb
from yt_text.v1.web_service_pb2_grpc import WebServiceStub
from yt_text_client import Client

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[tuple[App, Client]]:
    model = wired_model(tmp_path / "wired.bin", high=())
    async with running(tmp_path, model=str(model), watch_keepalive_s=0.3) as service:
        yield service


async def test_events_tell_a_job_from_its_beginning_to_its_end(
    stub: Any, programs: Any, client: Client, recording: Path
) -> None:
    job = await client.submit(await client.upload(recording))
    events = watching(stub, job.id)
    found = await events.all()
    assert headers(await events.call.initial_metadata())["cache-control"] == "no-store"
    assert [kind for kind, _, _ in found] == ["update"] * (len(found) - 1) + ["end"]
    assert found[-1][1:] == ("2/end", {})
    last = found[-2]
    assert (last[1], last[2]["job"]["state"]) == ("2", "JOB_STATE_SUCCEEDED")
    indexes = [segment["index"] for _, _, data in found for segment in data.get("segments", [])]
    assert indexes == [0, 1]
    # What an event says is what a program is told.
    told = await programs.GetJob(pb.GetJobRequest(job_id=job.id))
    assert json_format.ParseDict(last[2]["job"], job_pb2.Job()) == told
    segments = (await programs.GetResult(pb.GetResultRequest(job_id=job.id))).segments
    watched = [segment for _, _, data in found for segment in data.get("segments", [])]
    assert [json_format.ParseDict(value, type(segments[0])()) for value in watched] == list(segments)
    assert (last[2]["job"]["progress"]["fetchedBytes"], last[2]["job"]["mediaAvailable"]) == ("0", True)


async def test_a_browser_that_comes_back_gets_what_it_lacks(stub: Any, client: Client, recording: Path) -> None:
    job = await transcribed(client, recording)

    async def indexes(start: int, last_id: str | None) -> list[int]:
        found = await watching(stub, job.id, start, last_id=last_id).all()
        assert [kind for kind, _, _ in found] == ["update", "end"]
        assert (found[0][1], found[1][1]) == ("2", "2/end")
        return [segment["index"] for segment in found[0][2]["segments"]]

    assert await indexes(0, None) == [0, 1]
    assert await indexes(1, None) == [1]
    assert await indexes(0, "1") == [1]
    assert await indexes(2, "0") == [0, 1]
    assert await indexes(1, "2") == []
    assert await indexes(1, "nonsense") == [1]
    assert await indexes(0, "1/end") == [1]  # ended otherwise meanwhile
    assert await indexes(0, "9") == [0, 1]  # the transcript began anew


async def test_a_browser_that_saw_the_end_is_told_not_to_come_back(stub: Any, client: Client, recording: Path) -> None:
    job = await transcribed(client, recording)
    found, data, kinds = await whole(watching(stub, job.id, last_id="2/end").call)
    assert (found["x-http-status"], data, kinds) == ("204", b"", {"text/event-stream"})


async def test_a_job_that_is_retried_is_told_again(stub: Any, client: Client) -> None:
    with closed_port() as url:
        job = await client.submit(url)
        await client.cancel(job.id)
        found = await watching(stub, job.id).all()
        assert [kind for kind, _, _ in found] == ["update", "end"]
        assert found[0][2]["job"]["state"] == "JOB_STATE_CANCELLED"
        await client.retry(job.id)
        events = watching(stub, job.id, last_id="0/end")
        await events.next()
        kind, _, data = await events.next()
        assert (kind, data["job"]["state"] == "JOB_STATE_CANCELLED") == ("update", False)
        events.call.cancel()


async def test_while_nothing_changes_a_comment_is_sent(tmp_path: Path) -> None:
    with closed_port() as url:
        values: dict[str, Any] = {"watch_keepalive_s": 0.1, "retry_base_s": 600.0, "retry_max_s": 600.0}
        async with running(tmp_path, **values) as (app, other):
            job = await other.submit(url)
            await until(other, job.id, lambda job: job.retry_time is not None)
            async with grpc.aio.insecure_channel(app.address) as channel, asyncio.timeout(60):
                events = watching(cast(Any, WebServiceStub(channel)), job.id)
                kinds = [(await events.next())[0] for _ in range(5)]
                assert kinds == ["retry", "update", "comment", "comment", "comment"]
                # Who comes back is told at once, whether there is news or not.
                again = watching(cast(Any, WebServiceStub(channel)), job.id, last_id="0")
                assert [(await again.next())[0] for _ in range(2)] == ["retry", "update"]
                events.call.cancel()
                again.call.cancel()


async def test_many_watchers_see_the_same(stub: Any, client: Client, tmp_path: Path) -> None:
    path = write(speech(60, seed=3), tmp_path / "long.mp3", codec="mp3")
    job = await client.submit(await client.upload(path))
    watched = await asyncio.gather(*(watching(stub, job.id).all() for _ in range(200)))
    count = (await client.get_job(job.id)).segment_count
    assert count > 1
    for found in watched:
        assert found[-1][:2] == ("end", f"{count}/end")
        segments = [segment for _, _, data in found for segment in data.get("segments", [])]
        assert [segment["index"] for segment in segments] == list(range(count))


@pytest.mark.parametrize("last_id", [None, "3", "3/end"])
async def test_events_of_an_unknown_job_are_refused(stub: Any, last_id: str | None) -> None:
    reason, _, _, _ = await refused(watching(stub, UNKNOWN, last_id=last_id).next())
    assert reason == "JOB_NOT_FOUND"
