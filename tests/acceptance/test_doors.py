"""The same job through every door: the same values, the same errors."""

import uuid
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from tests import doors
from tests.doors import Door, Json, RefusedError
from tests.models import wired_model
from tests.recordings import speech, write
from tests.service import closed_port
from yt_text.app import App
from yt_text_client import Client

UNKNOWN = "00000000-0000-4000-8000-000000000000"
ENDED = {"JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    model = wired_model(tmp_path / "wired.bin", high=())
    async with App(doors.open_settings(tmp_path, model=str(model))) as app:
        yield app


@pytest.fixture(params=doors.NAMES)
async def door(request: pytest.FixtureRequest, app: App) -> AsyncGenerator[Door]:
    async with doors.open_door(request.param, app) as door:
        yield door


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write(speech(8, seed=1), tmp_path / "talk.mp3", codec="mp3")


async def uploaded(app: App, door: Door, path: Path) -> str:
    """An upload's id; through another door where this one has no streams to the server."""
    try:
        media = await door.upload(path)
    except NotImplementedError:
        async with Client(app.address) as client:
            return (await client.upload(path)).id
    assert media["filename"] == path.name
    assert media["sizeBytes"] == str(path.stat().st_size)
    return media["id"]


async def watched(door: Door, job_id: str, start: int = 0) -> tuple[Json, list[Json]]:
    """Watches a job to its end; returns it and its segments."""
    segments: list[Json] = []
    job: Json = {}
    async for message in door.watch(job_id, start):
        job = message["job"]
        segments += message.get("segments", [])
    assert job["state"] in ENDED
    return job, segments


async def refused(door: Door, name: str, **fields: Any) -> str:
    with pytest.raises(RefusedError) as caught:
        await door.call(name, **fields)
    assert caught.value.message, "a person reads why"
    return caught.value.reason


async def test_a_recording_is_uploaded_submitted_watched_and_read(app: App, door: Door, recording: Path) -> None:
    media_id = await uploaded(app, door, recording)
    job = await door.call("submit", mediaId=media_id, config={"enableWordOffsets": True}, requestId=str(uuid.uuid4()))
    assert job["state"] == "JOB_STATE_QUEUED"
    assert job["config"]["engine"] == "auto"
    assert job["config"]["enableWordOffsets"] is True
    ended, segments = await watched(door, job["id"])
    assert ended["state"] == "JOB_STATE_SUCCEEDED", ended
    assert ended["progress"]["percent"] == 100
    assert ended["mediaAvailable"] is True
    assert [segment.get("index", 0) for segment in segments] == list(range(ended["segmentCount"]))
    result = await door.call("result", jobId=job["id"])
    assert result["segments"] == segments
    assert result["text"] == " ".join(segment["text"] for segment in segments)
    assert await watched(door, job["id"], start=len(segments)) == (ended, []), "one who has all gets nothing twice"
    assert await door.call("job", jobId=job["id"]) == ended
    assert (await door.call("jobs"))["jobs"] == [ended]
    assert await door.call("cancel", jobId=job["id"]) == ended, "what has ended stays so"
    assert await refused(door, "retry", jobId=job["id"]) == "JOB_NOT_RETRYABLE"
    assert await door.call("delete", jobId=job["id"]) == {}
    assert await refused(door, "job", jobId=job["id"]) == "JOB_NOT_FOUND"
    assert (await door.call("jobs"))["jobs"] == []


async def test_a_failed_job_is_data_and_can_be_retried(door: Door) -> None:
    with closed_port() as url:
        job = await door.call("submit", url=url, config={"languageCode": "en"})
        assert await refused(door, "result", jobId=job["id"]) == "RESULT_NOT_READY"
        job = await door.call("cancel", jobId=job["id"])
        assert job["state"] == "JOB_STATE_CANCELLED"
        job = await door.call("retry", jobId=job["id"])
        assert job["state"] == "JOB_STATE_QUEUED"
        await door.call("cancel", jobId=job["id"])


async def test_the_same_request_id_gives_the_same_job(door: Door) -> None:
    request_id = str(uuid.uuid4())
    with closed_port() as url:
        first = await door.call("submit", url=url, requestId=request_id)
        second = await door.call("submit", url=url, requestId=request_id)
        assert first["id"] == second["id"]
        other = {"url": f"{url}/other", "requestId": request_id}
        assert await refused(door, "submit", **other) == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("name", "fields", "reason"),
    [
        ("submit", {}, "INVALID_REQUEST"),
        ("submit", {"url": "https://a.example/b", "priority": 11}, "INVALID_REQUEST"),
        ("submit", {"url": "ftp://example.com/talk"}, "URL_INVALID"),
        ("submit", {"url": "http://169.254.169.254/latest"}, "ADDRESS_NOT_ALLOWED"),
        ("submit", {"mediaId": UNKNOWN}, "MEDIA_NOT_FOUND"),
        ("submit", {"url": "https://a.example/b", "config": {"engine": "no-such"}}, "ENGINE_UNKNOWN"),
        ("submit", {"url": "https://a.example/b", "webhookUrl": "https://c.example"}, "NOT_IMPLEMENTED"),
        ("job", {"jobId": UNKNOWN}, "JOB_NOT_FOUND"),
        ("job", {"jobId": "not-an-id"}, "INVALID_REQUEST"),
        ("result", {"jobId": UNKNOWN}, "JOB_NOT_FOUND"),
        ("jobs", {"pageToken": "nonsense"}, "INVALID_REQUEST"),
        ("jobs", {"pageSize": 201}, "INVALID_REQUEST"),
        ("delete", {"jobId": UNKNOWN}, "JOB_NOT_FOUND"),
    ],
)
async def test_a_refusal_has_the_same_reason(door: Door, name: str, fields: Json, reason: str) -> None:
    assert await refused(door, name, **fields) == reason


async def test_watching_what_is_not_there_is_refused(door: Door) -> None:
    with pytest.raises(RefusedError) as caught:
        await watched(door, UNKNOWN)
    assert caught.value.reason == "JOB_NOT_FOUND"


async def test_engines_are_listed(door: Door) -> None:
    engines = (await door.call("engines"))["engines"]
    assert {engine["name"] for engine in engines} >= {"whisper.cpp", "pocketsphinx"}


async def test_our_client_works_through_the_gateway(app: App, recording: Path) -> None:
    async with Client(app.http_address) as client:
        job = await client.submit(await client.upload(recording))
        changes = [change async for change in client.watch(job.id)]
        transcript = await client.get_result(job.id)
    assert [segment for change in changes for segment in change.segments] == transcript.segments
