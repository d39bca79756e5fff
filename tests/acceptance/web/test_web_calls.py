"""WebService by a plain gRPC client, against a whole service: jobs from JSON, uploads, health, draining."""

import asyncio
import json
import sqlite3
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.recordings import speech, write
from tests.service import closed_port, running, until
from tests.web import body, drained, headers, refused, watching
from yt_text.app import App
from yt_text.v1 import job_pb2
from yt_text.v1 import transcription_service_pb2 as pb
from yt_text.v1 import web_service_pb2 as web
from yt_text.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from yt_text.v1.web_service_pb2_grpc import WebServiceStub
from yt_text_client import Client, JobState

UNKNOWN = "00000000-0000-4000-8000-000000000000"


# Submitting


async def test_a_job_is_submitted_as_json(stub: Any, client: Client) -> None:
    with closed_port() as url:
        call = stub.SubmitJobJson(body({"url": url, "priority": 2, "config": {"languageCode": "de"}}))
        job = await call
    assert headers(await call.initial_metadata()).items() >= {
        ("location", f"/api/jobs/{job.id}"),
        ("x-http-status", "202"),
    }
    assert (job.url, job.priority, job.config.language_code) == (url, 2, "de")
    assert (await client.get_job(job.id)).id == job.id


async def test_an_unknown_field_is_refused_by_its_name(stub: Any, client: Client) -> None:
    wrong = {"url": "https://example.com/a", "config": {"langage": "de"}}
    reason, _, message, fields = await refused(stub.SubmitJobJson(body(wrong)))
    assert (reason, fields) == ("INVALID_REQUEST", ["config.langage"])
    assert "did you mean `languageCode`" in message
    assert [job async for job in client.jobs()] == []


async def test_json_follows_the_rules_of_the_contract_too(stub: Any) -> None:
    reason, _, _, fields = await refused(stub.SubmitJobJson(body({"url": "https://example.com/a", "priority": 11})))
    assert (reason, fields) == ("INVALID_REQUEST", ["priority"])
    reason, _, _, _ = await refused(stub.SubmitJobJson(body({"url": "http://10.0.0.1/a.mp3"})))
    assert reason == "ADDRESS_NOT_ALLOWED"


async def test_a_body_that_is_no_json_has_its_own_status(stub: Any) -> None:
    reason, trailers, _, _ = await refused(stub.SubmitJobJson(body({"url": "https://example.com/a"}, "text/plain")))
    assert (reason, trailers["x-http-status"]) == ("INVALID_REQUEST", "415")
    reason, trailers, _, _ = await refused(stub.SubmitJobJson(body(b" " * 100_000)))
    assert (reason, trailers["x-http-status"]) == ("REQUEST_TOO_LARGE", "413")


async def test_the_longest_list_of_mistakes_still_fits_into_an_answer(stub: Any) -> None:
    wrong = {"config": {f"{n:02}" + "😀" * 60: 1 for n in range(100)}}
    reason, _, _, fields = await refused(stub.SubmitJobJson(body(json.dumps(wrong, ensure_ascii=False).encode())))
    assert (reason, len(fields)) == ("INVALID_REQUEST", 8)


async def test_unfinished_jobs_are_counted_for_each_client_of_the_gateway(tmp_path: Path) -> None:
    # A socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="ytt-") as folder, closed_port() as url:
        values: dict[str, Any] = {"grpc_address": f"unix:{folder}/s", "max_jobs_per_client": 1, "retry_base_s": 60.0}
        async with running(tmp_path, **values) as (app, _), grpc.aio.insecure_channel(app.address) as channel:
            stub: Any = WebServiceStub(channel)
            programs: Any = TranscriptionServiceStub(channel)

            def submit(client: str) -> Any:
                return stub.SubmitJobJson(body({"url": url}), metadata=(("x-client-address", client),))

            await submit("2001:db8::1")
            reason, trailers, _, _ = await refused(submit("2001:db8::ffff"))
            assert (reason, trailers["retry-after"]) == ("TOO_MANY_JOBS", "5")
            by_program = programs.SubmitJob(
                pb.SubmitJobRequest(url=url), metadata=(("x-client-address", "2001:db8::2"),)
            )
            assert (await refused(by_program))[0] == "TOO_MANY_JOBS"
            await submit("2001:db8:0:1::1")
            await programs.SubmitJob(pb.SubmitJobRequest(url=url))


# Uploads through the gateway


def piece(data: bytes, **values: Any) -> pb.UploadMediaRequest:
    message = pb.UploadMediaRequest(**values)
    message.content.data = data
    return message


async def pieces(*messages: Any) -> AsyncGenerator[Any]:
    for message in messages:
        yield message


def upload(programs: Any, length: str, *messages: Any) -> Any:
    return programs.UploadMedia(pieces(*messages), metadata=(("x-upload-length", length),))


async def test_the_length_of_an_upload_may_stand_in_a_header(programs: Any) -> None:
    call = upload(programs, "5", piece(b"abc", filename="a"), piece(b"de"))
    assert (await call).size_bytes == 5
    assert headers(await call.initial_metadata())["x-http-status"] == "201"
    assert (await upload(programs, "3", piece(b"abc", filename="a", size_bytes=3))).size_bytes == 3


@pytest.mark.parametrize(
    ("length", "messages", "expected", "said"),
    [
        ("6", [piece(b"abc", filename="a"), piece(b"de")], "UPLOAD_INCOMPLETE", "5 of 6"),
        ("4", [piece(b"abc", filename="a"), piece(b"de")], "UPLOAD_INCOMPLETE", "longer"),
        ("5", [piece(b"abc", filename="a", size_bytes=3)], "INVALID_REQUEST", "3 bytes and as 5"),
        ("0", [piece(b"", filename="a")], "RECORDING_EMPTY", "Content-Length"),
        ("", [piece(b"abc", filename="a")], "RECORDING_EMPTY", "Content-Length"),
        ("-3", [piece(b"abc", filename="a")], "INVALID_REQUEST", "Content-Length"),
        ("9" * 400, [piece(b"abc", filename="a")], "INVALID_REQUEST", "Content-Length"),
    ],
)
async def test_a_header_that_is_not_true_refuses_the_upload(
    programs: Any, tmp_path: Path, length: str, messages: list[Any], expected: str, said: str
) -> None:
    reason, _, message, _ = await refused(upload(programs, length, *messages))
    assert reason == expected
    assert said in message
    assert list((tmp_path / "data" / "media").iterdir()) == []


async def test_an_upload_that_is_too_large_has_its_own_status(programs: Any) -> None:
    reason, trailers, _, _ = await refused(upload(programs, str(1 << 60), piece(b"abc", filename="a")))
    assert (reason, trailers["x-http-status"]) == ("UPLOAD_TOO_LARGE", "413")


async def test_an_upload_by_its_header_that_is_cut_off_leaves_nothing(programs: Any, tmp_path: Path) -> None:
    async def endless() -> AsyncGenerator[Any]:
        yield piece(b"x" * 1_000_000, filename="a")
        for _ in range(4):  # enough to be on the disk
            yield piece(b"x" * 1_000_000)
        await asyncio.sleep(600)

    call = programs.UploadMedia(endless(), metadata=(("x-upload-length", "10000000"),))
    folder = tmp_path / "data" / "media"
    async with asyncio.timeout(30):
        while not list(folder.iterdir()):
            await asyncio.sleep(0.01)
        call.cancel()
        while list(folder.iterdir()):
            await asyncio.sleep(0.01)


# Health and draining


async def test_health_and_reflection_know_the_service(channel: grpc.aio.Channel, stub: Any) -> None:
    assert (await stub.CheckHealth(web.CheckHealthRequest())).status == "ok"
    assert (await stub.CheckReady(web.CheckReadyRequest())).status == "ok"
    health: Any = health_pb2_grpc.HealthStub(cast(Any, channel))
    answer = await health.Check(health_pb2.HealthCheckRequest(service="yt_text.v1.WebService"))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(cast(Any, channel))
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    async for answer in reflection.ServerReflectionInfo(pieces(asked)):
        assert "yt_text.v1.WebService" in {entry.name for entry in answer.list_services_response.service}
        break


async def test_a_service_whose_store_does_not_answer_is_not_ready(stub: Any, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "data" / "yt-text.db") as database:
        database.execute("ALTER TABLE job RENAME TO hidden")
        database.commit()
        reason, trailers, message, _ = await refused(stub.CheckReady(web.CheckReadyRequest()))
        assert (reason, trailers["retry-after"]) == ("SERVICE_UNREACHABLE", "5")
        assert "job" not in message.replace("jobs", "")
        assert (await stub.CheckHealth(web.CheckHealthRequest())).status == "ok"
        database.execute("ALTER TABLE hidden RENAME TO job")
        database.commit()
    assert (await stub.CheckReady(web.CheckReadyRequest())).status == "ok"


async def test_a_service_that_drains_takes_no_new_work_and_ends_the_old(
    service: tuple[App, Client], stub: Any, programs: Any, client: Client, tmp_path: Path
) -> None:
    app, _ = service
    path = write(speech(120, seed=3), tmp_path / "long.mp3", codec="mp3")
    media = await client.upload(path)
    with closed_port() as url:
        stopped = await client.submit(url)
        await client.cancel(stopped.id)
    job = await client.submit(media)
    events = watching(stub, job.id)
    assert await events.next() == ("retry", "", "2000")
    await until(client, job.id, lambda job: job.state == JobState.RUNNING)
    await app.drain()
    for call in (
        programs.SubmitJob(pb.SubmitJobRequest(media_id=media.id)),
        stub.SubmitJobJson(body({"mediaId": media.id})),
        programs.RetryJob(pb.RetryJobRequest(job_id=stopped.id)),
        upload(programs, "3", piece(b"abc", filename="a")),
        stub.CheckReady(web.CheckReadyRequest()),
    ):
        reason, trailers, message, _ = await refused(call)
        assert (reason, trailers["retry-after"]) == ("SHUTTING_DOWN", "5")
        assert "stop" in message
    assert (await stub.CheckHealth(web.CheckHealthRequest())).status == "ok"
    kinds = [""]
    async with asyncio.timeout(120):
        while kinds[-1] != "end":
            kinds.append((await events.next())[0])
    assert (await client.get_job(job.id)).state == JobState.SUCCEEDED
    assert (await programs.CancelJob(pb.CancelJobRequest(job_id=job.id))).state == job_pb2.JOB_STATE_SUCCEEDED
    await client.delete(stopped.id)


@pytest.mark.parametrize(
    "call",
    [
        lambda stub: stub.StreamJobEvents(web.StreamJobEventsRequest(job_id="x")),
        lambda stub: stub.ExportTranscript(web.ExportTranscriptRequest(job_id=UNKNOWN, format="docx")),
        lambda stub: stub.GetMediaContent(web.GetMediaContentRequest(job_id="../x")),
    ],
)
async def test_requests_are_held_to_the_rules_of_the_contract(stub: Any, call: Any) -> None:
    reason, _, _, fields = await refused(drained(call(stub)))
    assert (reason, len(fields)) == ("INVALID_REQUEST", 1)
