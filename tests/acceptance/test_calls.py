"""Every call of the contract, by a plain gRPC client and by ours, against a whole service."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from tests.models import wired_model
from tests.recordings import noise, speech, write
from tests.service import closed_port, config, finished, running
from yt_text.app import App
from yt_text.v1 import job_pb2
from yt_text.v1 import transcription_service_pb2 as pb
from yt_text.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from yt_text_client import Client, Job, JobState, NotFound, NotReady, RequestError, ResourceExhausted

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write(speech(8, seed=1), tmp_path / "talk.mp3", codec="mp3")


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[tuple[App, Client]]:
    model = wired_model(tmp_path / "wired.bin", high=())
    async with running(tmp_path, model=str(model), max_queued_jobs=3) as service:
        yield service


@pytest.fixture
def client(service: tuple[App, Client]) -> Client:
    return service[1]


@pytest.fixture
async def channel(service: tuple[App, Client]) -> AsyncGenerator[grpc.aio.Channel]:
    """A plain gRPC client of the same service."""
    async with grpc.aio.insecure_channel(service[0].address) as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return TranscriptionServiceStub(channel)


async def refused(call: Any) -> tuple[grpc.StatusCode, error_details_pb2.ErrorInfo, list[Any]]:
    """Awaits a call that fails; returns its code, ErrorInfo and other details."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status: Any = rpc_status.from_call(cast(Any, caught.value))
    assert status is not None, "an error of ours has details"
    details: list[Any] = []
    for packed in status.details:
        for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
            if packed.Is(kind.DESCRIPTOR):
                message = kind()
                packed.Unpack(message)
                details.append(message)
    assert details[0].domain == "yt-text"
    return caught.value.code(), details[0], details[1:]


async def upload_and_submit(client: Client, path: Path, **values: Any) -> Job:
    return await client.submit(await client.upload(path), config(**values))


async def test_an_upload_is_transcribed(client: Client, recording: Path) -> None:
    seen: list[tuple[int, int]] = []
    media = await client.upload(recording, on_progress=lambda sent, total: seen.append((sent, total)))
    assert (media.filename, media.size_bytes) == ("talk.mp3", recording.stat().st_size)
    assert seen[-1] == (media.size_bytes, media.size_bytes)
    job, segments = await finished(client, await client.submit(media))
    assert job.state == JobState.SUCCEEDED, job.error
    assert [segment.text for segment in segments] == ["Hello from speaker one.", "Second line!"]
    transcript = await client.get_result(job.id)
    assert transcript.segments == segments
    assert transcript.text == "Hello from speaker one. Second line!"
    assert (transcript.engine, transcript.word_count) == ("whisper.cpp", 6)
    assert (job.progress and job.progress.percent, job.segment_count, job.attempt) == (100, 2, 1)
    assert job.end_time is not None


async def test_config_defaults_are_filled_in_and_options_kept(client: Client, recording: Path) -> None:
    job = await upload_and_submit(client, recording)
    assert job.config is not None
    assert (job.config.engine, job.config.language_code) == ("auto", "auto")
    asked = await upload_and_submit(client, recording, language_code="de", translate=True, enable_word_offsets=True)
    done, segments = await finished(client, asked)
    assert done.config == asked.config
    assert [segment.text for segment in segments] == ["English text"]
    assert [word.word for word in segments[0].words] == ["English", "text"]


async def test_words_come_only_when_asked_for(client: Client, recording: Path) -> None:
    _, segments = await finished(client, await upload_and_submit(client, recording))
    assert all(segment.words == [] for segment in segments)


async def test_the_language_is_heard_and_noted(client: Client, recording: Path) -> None:
    job, _ = await finished(client, await upload_and_submit(client, recording))
    assert (await client.get_result(job.id)).language_code == "de"


async def test_a_recording_without_speech_succeeds_with_a_warning(client: Client, tmp_path: Path) -> None:
    path = write(noise(20), tmp_path / "noise.wav", codec="wav")
    job, segments = await finished(client, await upload_and_submit(client, path))
    assert (job.state, segments) == (JobState.SUCCEEDED, [])
    assert ["Nobody was heard" in warning.message for warning in job.warnings] == [True]
    assert (await client.get_result(job.id)).text == ""


async def test_jobs_are_listed_paged_and_filtered(client: Client, recording: Path) -> None:
    media = await client.upload(recording)
    ids: list[str] = []
    for _ in range(5):
        job, _ = await finished(client, await client.submit(media))
        ids.append(job.id)
    assert [job.id async for job in client.jobs(page_size=2)] == ids[::-1]
    assert [job.id async for job in client.jobs(states=[JobState.FAILED])] == []


async def test_delete_removes_everything(client: Client, recording: Path, tmp_path: Path) -> None:
    job, _ = await finished(client, await upload_and_submit(client, recording))
    media = tmp_path / "data" / "media"
    assert list(media.iterdir()) != []
    await client.delete(job.id)
    with pytest.raises(NotFound) as caught:
        await client.get_job(job.id)
    assert caught.value.reason == "JOB_NOT_FOUND"
    assert list(media.iterdir()) == []


async def test_the_same_request_id_makes_one_job(client: Client, recording: Path) -> None:
    media = await client.upload(recording)
    request_id = str(uuid.uuid4())
    first = await client.submit(media, request_id=request_id)
    assert (await client.submit(media, request_id=request_id)).id == first.id
    with pytest.raises(RequestError) as caught:
        await client.submit(media, config(translate=True), request_id=request_id)
    assert caught.value.reason == "REQUEST_ID_REUSED"


async def test_result_before_the_end_is_refused_and_partial_is_given(client: Client, recording: Path) -> None:
    job = await upload_and_submit(client, recording)
    with pytest.raises(NotReady):
        await client.get_result(job.id)
    assert (await client.get_result(job.id, allow_partial=True)).job_id == job.id


async def test_cancel_twice_and_after_the_end(client: Client, recording: Path) -> None:
    job = await upload_and_submit(client, recording)
    first = await client.cancel(job.id)
    assert first.state == JobState.CANCELLED
    assert (await client.cancel(job.id)).update_time == first.update_time
    done, _ = await finished(client, await upload_and_submit(client, recording))
    assert (await client.cancel(done.id)).state == JobState.SUCCEEDED


async def test_a_cancelled_job_is_retried_with_its_options(client: Client, recording: Path) -> None:
    job = await upload_and_submit(client, recording, language_code="de", translate=True)
    await client.cancel(job.id)
    again = await client.retry(job.id)
    assert again.config == job.config
    done, segments = await finished(client, job.id)
    assert (done.state, [segment.text for segment in segments]) == (JobState.SUCCEEDED, ["English text"])
    with pytest.raises(RequestError) as caught:
        await client.retry(job.id)
    assert caught.value.reason == "JOB_NOT_RETRYABLE"


async def test_engines_are_listed_in_the_order_of_auto(client: Client) -> None:
    engines = await client.list_engines()
    assert [engine.name for engine in engines] == ["whisper.cpp", "openai", "pocketsphinx"]
    assert engines[2].available
    assert "YT_TEXT_OPENAI_API_KEY" in engines[1].unavailable_reason


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.SubmitJobRequest(), "source"),
        (pb.SubmitJobRequest(url="short"), "url"),
        (pb.SubmitJobRequest(url="http://" + "x" * 3000), "url"),
        (pb.SubmitJobRequest(media_id="not-a-uuid"), "media_id"),
        (pb.SubmitJobRequest(url="http://example.com", request_id="x"), "request_id"),
        (pb.SubmitJobRequest(url="http://example.com", priority=11), "priority"),
        (
            pb.SubmitJobRequest(url="http://example.com", config=job_pb2.TranscriptionConfig(prompt="x" * 1001)),
            "config.prompt",
        ),
        (
            pb.SubmitJobRequest(url="http://example.com", config=job_pb2.TranscriptionConfig(language_code="?")),
            "config.language_code",
        ),
    ],
)
async def test_a_request_that_breaks_a_rule_names_the_field(stub: Any, request_: Any, field: str) -> None:
    code, info, details = await refused(stub.SubmitJob(request_))
    assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert [violation.field for violation in details[0].field_violations] == [field]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/a", "URL_INVALID"),
        ("file:///etc/passwd", "URL_INVALID"),
        ("just some words", "URL_INVALID"),
        ("http://user:secret@example.com/", "URL_INVALID"),
        ("http://10.0.0.1/a.mp3", "ADDRESS_NOT_ALLOWED"),
        ("http://169.254.169.254/latest/meta-data", "ADDRESS_NOT_ALLOWED"),
        ("http://[::1]/a.mp3", "ADDRESS_NOT_ALLOWED"),
    ],
)
async def test_a_url_that_cannot_be_fetched_is_refused_at_once(stub: Any, url: str, reason: str) -> None:
    _, info, _ = await refused(stub.SubmitJob(pb.SubmitJobRequest(url=url)))
    assert info.reason == reason


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"engine": "nonsense"}, "ENGINE_UNKNOWN"),
        ({"model": "no-such-model"}, "MODEL_NOT_FOUND"),
        ({"model": "/etc/passwd"}, "INVALID_REQUEST"),
        ({"model": "../../etc/passwd"}, "INVALID_REQUEST"),
        ({"language_code": "xx"}, "LANGUAGE_NOT_SUPPORTED"),
        ({"engine": "pocketsphinx", "translate": True}, "OPTION_NOT_SUPPORTED"),
        ({"engine": "pocketsphinx", "language_code": "de"}, "LANGUAGE_NOT_SUPPORTED"),
        ({"enable_diarization": True}, "NOT_IMPLEMENTED"),
        ({"text_origin": 2, "translate": True}, "OPTION_NOT_SUPPORTED"),
    ],
)
async def test_what_no_engine_can_do_is_refused_at_once(stub: Any, values: dict[str, Any], reason: str) -> None:
    request = pb.SubmitJobRequest(url="http://example.com/a", config=job_pb2.TranscriptionConfig(**values))
    _, info, _ = await refused(stub.SubmitJob(request))
    assert info.reason == reason


async def test_unknown_jobs_and_uploads_are_not_found(stub: Any) -> None:
    async def first(stream: Any) -> None:
        async for _ in stream:
            break

    for call in (
        stub.GetJob(pb.GetJobRequest(job_id=UNKNOWN)),
        stub.GetResult(pb.GetResultRequest(job_id=UNKNOWN)),
        stub.CancelJob(pb.CancelJobRequest(job_id=UNKNOWN)),
        stub.RetryJob(pb.RetryJobRequest(job_id=UNKNOWN)),
        stub.DeleteJob(pb.DeleteJobRequest(job_id=UNKNOWN)),
        first(stub.WatchJob(pb.WatchJobRequest(job_id=UNKNOWN))),
    ):
        code, info, _ = await refused(call)
        assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
    _, info, _ = await refused(stub.SubmitJob(pb.SubmitJobRequest(media_id=UNKNOWN)))
    assert info.reason == "MEDIA_NOT_FOUND"


async def test_a_full_queue_says_when_to_come_back(client: Client, stub: Any) -> None:
    async def submit_many() -> None:
        for _ in range(12):
            await client.submit(url)

    with closed_port() as url:
        with pytest.raises(ResourceExhausted) as caught:
            await submit_many()
        with pytest.raises(grpc.aio.AioRpcError) as plain:
            await stub.SubmitJob(pb.SubmitJobRequest(url=url))
    assert caught.value.reason == "QUEUE_FULL"
    assert caught.value.retry_after_s == 5
    assert ("retry-after", "5") in [tuple(entry) for entry in plain.value.trailing_metadata() or ()]


async def test_batches_are_not_offered_yet(stub: Any) -> None:
    code, info, _ = await refused(stub.BatchSubmitJobs(pb.BatchSubmitJobsRequest()))
    assert (code, info.reason) == (grpc.StatusCode.UNIMPLEMENTED, "NOT_IMPLEMENTED")


@pytest.mark.parametrize("token", ["x", "!!", "bm9uc2Vuc2U=", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5IGE="])
async def test_a_wrong_page_token_is_refused(stub: Any, token: str) -> None:
    code, _, _ = await refused(stub.ListJobs(pb.ListJobsRequest(page_token=token)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def pieces(*messages: Any) -> AsyncGenerator[Any]:
    for message in messages:
        yield message


def piece(data: bytes, **values: Any) -> Any:
    message = pb.UploadMediaRequest(**values)
    message.content.data = data
    return message


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "INVALID_REQUEST"),
        ([piece(b"abc", size_bytes=3)], "INVALID_REQUEST"),
        ([piece(b"abc", filename="a", size_bytes=5)], "UPLOAD_INCOMPLETE"),
        ([piece(b"abc", filename="a", size_bytes=2)], "UPLOAD_INCOMPLETE"),
        ([piece(b"ab", filename="a", size_bytes=4), piece(b"c")], "UPLOAD_INCOMPLETE"),
        ([piece(b"", filename="a", size_bytes=0)], "RECORDING_EMPTY"),
        ([piece(b"abc", filename="a")], "RECORDING_EMPTY"),
        ([piece(b"a", filename="a", size_bytes=1 << 60)], "UPLOAD_TOO_LARGE"),
    ],
)
async def test_a_wrong_upload_is_refused_and_leaves_nothing(
    stub: Any, messages: list[Any], reason: str, tmp_path: Path
) -> None:
    _, info, _ = await refused(stub.UploadMedia(pieces(*messages)))
    assert info.reason == reason
    assert list((tmp_path / "data" / "media").iterdir()) == []


async def test_an_upload_cut_off_leaves_nothing(stub: Any, tmp_path: Path) -> None:
    async def endless() -> AsyncGenerator[Any]:
        for _ in range(5):  # enough to be on the disk
            yield piece(b"x" * 1_000_000, filename="a", size_bytes=10_000_000)
        await asyncio.sleep(600)

    call = stub.UploadMedia(endless())
    folder = tmp_path / "data" / "media"
    async with asyncio.timeout(30):
        while not list(folder.iterdir()):
            await asyncio.sleep(0.01)
    call.cancel()
    async with asyncio.timeout(30):
        while list(folder.iterdir()):
            await asyncio.sleep(0.01)


async def test_the_name_of_an_upload_is_never_a_path(stub: Any, tmp_path: Path) -> None:
    media = await stub.UploadMedia(pieces(piece(b"abc", filename="../../\x00etc/pass\nwd", size_bytes=3)))
    assert media.filename == "passwd"
    assert {path.name.partition(".")[0] for path in (tmp_path / "data" / "media").iterdir()} == {media.id}


async def test_health_and_reflection(channel: grpc.aio.Channel) -> None:
    health: Any = health_pb2_grpc.HealthStub(cast(Any, channel))
    for service in ("", "yt_text.v1.TranscriptionService"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(cast(Any, channel))
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    async for answer in reflection.ServerReflectionInfo(pieces(asked)):
        names = {service.name for service in answer.list_services_response.service}
        assert "yt_text.v1.TranscriptionService" in names
        break


async def test_the_callers_deadline_holds(stub: Any, client: Client) -> None:
    async def watch(job_id: str) -> None:
        async for _ in stub.WatchJob(pb.WatchJobRequest(job_id=job_id), timeout=0.3):
            pass

    with closed_port() as url:
        job = await client.submit(url)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watch(job.id)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
