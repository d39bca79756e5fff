import asyncio
import uuid

import pytest

import yt_text_client
from clients.python.tests.scripted import ScriptedServer
from yt_text.v1 import job_pb2
from yt_text_client import (
    Client,
    JobState,
    Media,
    RequestError,
    TextOrigin,
    TranscriptionConfig,
    milliseconds,
)


def test_the_public_names_are_these() -> None:
    names = """
        Client DeadlineExceeded Engine ErrorReason FieldViolation Internal Job JobCancelled JobFailed
        JobState Media MediaInfo NotAllowed NotFound NotReady Problem Progress RequestError
        ResourceExhausted RpcStatus Segment TextOrigin Transcript TranscriptionConfig Unavailable
        WatchJobResponse Word YtTextError has_ended milliseconds read_problem
    """
    assert sorted(yt_text_client.__all__) == sorted(names.split())
    assert all(hasattr(yt_text_client, name) for name in yt_text_client.__all__)


async def test_submit_sends_every_option(client: Client, server: ScriptedServer) -> None:
    config = TranscriptionConfig(
        engine="whisper.cpp", language_code="de", enable_word_offsets=True, text_origin=TextOrigin.CAPTIONS
    )
    request_id = str(uuid.uuid4())
    job = await client.submit(
        "https://example.com/talk",
        config,
        request_id=request_id,
        priority=-3,
        skip_cache=True,
        webhook_url="https://example.com/hook",
    )
    [request] = server.service.called("SubmitJob")
    assert request.url == "https://example.com/talk"
    assert request.request_id == request_id
    assert (request.priority, request.skip_cache) == (-3, True)
    assert request.webhook_url == "https://example.com/hook"
    assert request.config.engine == "whisper.cpp"
    assert request.config.text_origin == job_pb2.TEXT_ORIGIN_CAPTIONS
    assert job.config is not None
    assert (job.config.language_code, job.config.enable_word_offsets) == ("de", True)
    assert job.priority == -3


async def test_submit_of_an_upload_names_the_upload(client: Client, server: ScriptedServer) -> None:
    job = await client.submit(Media(id="8e1f6a1c-0f4e-4b8f-9c6a-0d6f6a1c0f4e"))
    assert job.media_id == "8e1f6a1c-0f4e-4b8f-9c6a-0d6f6a1c0f4e"
    assert server.service.called("SubmitJob")[0].WhichOneof("source") == "media_id"


async def test_each_submit_makes_a_request_id_of_its_own(client: Client, server: ScriptedServer) -> None:
    first, second = await client.submit("https://example.com/a"), await client.submit("https://example.com/a")
    assert first.id != second.id
    ids = {uuid.UUID(request.request_id) for request in server.service.called("SubmitJob")}
    assert len(ids) == 2


async def test_jobs_reads_all_pages_and_only_the_states_asked_for(client: Client, server: ScriptedServer) -> None:
    running = [server.service.add_job() for _ in range(7)]
    for _ in range(3):
        await server.service.advance(server.service.add_job(), state=job_pb2.JOB_STATE_FAILED)
    found = [job.id async for job in client.jobs([JobState.RUNNING], page_size=2)]
    assert found == running
    assert len(server.service.called("ListJobs")) == 4
    assert len([job async for job in client.jobs()]) == 10


async def test_jobs_of_an_empty_service_is_empty(client: Client) -> None:
    assert [job async for job in client.jobs()] == []


async def test_result_cancel_retry_delete_and_engines(client: Client, server: ScriptedServer) -> None:
    job_id = server.service.add_job(segments=2)
    partial = await client.get_result(job_id, allow_partial=True)
    assert partial.text == "segment 0 segment 1"
    assert [milliseconds(each.end_offset) for each in partial.segments] == [990, 1990]
    assert (await client.cancel(job_id)).state == JobState.CANCELLED
    assert (await client.cancel(job_id)).state == JobState.CANCELLED
    assert (await client.retry(job_id)).state == JobState.QUEUED
    assert (await client.get_job(job_id)).segment_count == 2
    await client.delete(job_id)
    assert job_id not in server.service.jobs
    [engine] = await client.list_engines()
    assert (engine.name, engine.available, engine.models) == ("whisper.cpp", True, ["base-q5_1"])


async def test_the_api_key_goes_with_every_call(server: ScriptedServer) -> None:
    async with Client(server.target, api_key="secret") as client:
        await client.list_engines()
        job_id = server.service.add_job(segments=1)
        await server.service.advance(job_id, state=job_pb2.JOB_STATE_SUCCEEDED)
        assert [each async for each in client.watch(job_id)]
    assert [metadata["authorization"] for _, _, metadata in server.service.calls] == ["Bearer secret"] * 2


async def test_it_talks_over_tcp(server: ScriptedServer) -> None:
    async with Client(f"127.0.0.1:{server.port}") as client:
        assert await client.list_engines()
    async with Client(f"localhost:{server.port}") as client:
        assert await client.list_engines()


@pytest.mark.parametrize(
    "target",
    [
        "",
        "localhost",
        ":50051",
        "localhost:",
        "localhost:x",
        "localhost:0",
        "localhost:65536",
        "::1:50051",
        "http://localhost:50051",
        "unix:",
        "unix:relative",
        "unix:/",
        "unix://host/path",
    ],
)
def test_an_address_that_is_none_is_refused_at_once(target: str) -> None:
    with pytest.raises(RequestError, match="is not an address") as caught:
        Client(target)
    assert caught.value.reason == "INVALID_REQUEST"


@pytest.mark.parametrize("target", ["unix:/run/x.sock", "unix:///run/x.sock", "[::1]:50051", "host.example:1"])
def test_these_are_addresses(target: str) -> None:
    Client(target)


async def test_a_client_that_is_not_open_says_how_to_open_it() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await Client("127.0.0.1:1").list_engines()


async def test_many_calls_at_once_share_the_connection(client: Client, server: ScriptedServer) -> None:
    job_id = server.service.add_job()
    jobs = await asyncio.gather(*(client.get_job(job_id) for _ in range(300)))
    assert {job.id for job in jobs} == {job_id}


@pytest.mark.parametrize("api_key", ["a\nb: c", "schlüssel", "\x7f"])
def test_an_api_key_that_cannot_be_sent_is_refused_without_showing_it(api_key: str) -> None:
    with pytest.raises(RequestError) as caught:
        Client(api_key=api_key)
    assert api_key not in str(caught.value)


@pytest.mark.parametrize("name", ["timeout_s", "contact_timeout_s", "silence_timeout_s"])
def test_a_timeout_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(RequestError, match="above 0"):
        Client(**{name: 0.0})  # pyright: ignore[reportArgumentType] - the names are those of float arguments


async def test_a_result_larger_than_every_window_arrives(client: Client, server: ScriptedServer) -> None:
    job_id = server.service.add_job(segments=1)
    server.service.segments[job_id][0].text = "x" * (20 << 20)
    transcript = await client.get_result(job_id, allow_partial=True)
    assert len(transcript.text) == 20 << 20


async def test_the_event_loop_runs_on_while_a_large_result_is_decoded(client: Client, server: ScriptedServer) -> None:
    job_id = server.service.add_job(segments=20_000)
    loop = asyncio.get_running_loop()
    gaps_s: list[float] = []

    async def tick() -> None:
        while True:
            before = loop.time()
            await asyncio.sleep(0)
            gaps_s.append(loop.time() - before)

    ticking = asyncio.create_task(tick())
    started = loop.time()
    transcript = await client.get_result(job_id, allow_partial=True)
    took_s = loop.time() - started
    ticking.cancel()
    assert len(transcript.segments) == 20_000
    assert max(gaps_s) < took_s / 2
