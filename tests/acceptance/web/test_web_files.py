"""WebService by a plain gRPC client, against a whole service: transcripts and recordings as files."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from tests.recordings import noise, speech, write
from tests.service import closed_port
from tests.web import drained, headers, refused, transcribed, watching, whole
from yt_text.formats import FORMATS
from yt_text.v1 import transcription_service_pb2 as pb
from yt_text.v1 import web_service_pb2 as web
from yt_text_client import Client

UNKNOWN = "00000000-0000-4000-8000-000000000000"


# Exports


@pytest.mark.parametrize("name", list(FORMATS))
async def test_a_transcript_is_a_file_in_every_format(stub: Any, client: Client, recording: Path, name: str) -> None:
    job = await transcribed(client, recording)
    found, data, kinds = await whole(stub.ExportTranscript(web.ExportTranscriptRequest(job_id=job.id, format=name)))
    assert found["content-disposition"] == (
        f"attachment; filename=\"Ol & Gas.{name}\"; filename*=UTF-8''%C3%96l%20&%20Gas.{name}"
    )
    assert kinds == {FORMATS[name].media_type}
    assert "Hello from speaker one." in data.decode()
    request = web.ExportTranscriptRequest(job_id=job.id, format=name, inline=True)
    found, again, _ = await whole(stub.ExportTranscript(request))
    assert found["content-disposition"].startswith("inline; ")
    assert again == data


async def test_a_large_transcript_comes_in_pieces(stub: Any, client: Client, recording: Path, tmp_path: Path) -> None:
    job = await transcribed(client, recording)
    with sqlite3.connect(tmp_path / "data" / "yt-text.db") as database:
        database.execute("UPDATE segment SET text = ? WHERE job_id = ?", ("Öl " * 50_000, job.id))
    call = stub.ExportTranscript(web.ExportTranscriptRequest(job_id=job.id, format="txt"))
    pieces = [piece.data async for piece in call]
    assert max(len(piece) for piece in pieces) <= 64 << 10
    assert len(pieces) > 4
    assert b"".join(pieces).decode().count("Öl") == 100_000


async def test_a_transcript_without_words_is_a_file_too(stub: Any, client: Client, tmp_path: Path) -> None:
    job = await transcribed(client, write(noise(20), tmp_path / "noise.wav", codec="wav"))
    call = stub.ExportTranscript(web.ExportTranscriptRequest(job_id=job.id, format="txt"))
    _, data, kinds = await whole(call)
    assert (data.strip(), kinds) == (b"", {"text/plain; charset=utf-8"})


async def test_a_transcript_that_is_not_there_is_a_conflict(stub: Any, programs: Any, client: Client) -> None:
    with closed_port() as url:
        job = await client.submit(url)
        export = stub.ExportTranscript(web.ExportTranscriptRequest(job_id=job.id, format="srt"))
        for call in (drained(export), programs.GetResult(pb.GetResultRequest(job_id=job.id))):
            reason, trailers, _, _ = await refused(call)
            assert (reason, trailers["x-http-status"]) == ("RESULT_NOT_READY", "409")
    unknown = stub.ExportTranscript(web.ExportTranscriptRequest(job_id=UNKNOWN, format="srt"))
    assert (await refused(drained(unknown)))[0] == "JOB_NOT_FOUND"


# Recordings


def content(stub: Any, job_id: str, **entries: str) -> Any:
    metadata = [(name.replace("_", "-"), value) for name, value in entries.items()]
    return stub.GetMediaContent(web.GetMediaContentRequest(job_id=job_id), metadata=metadata)


async def test_a_recording_is_given_whole(stub: Any, client: Client, tmp_path: Path) -> None:
    path = write(speech(60, seed=2), tmp_path / "talk.mp3", codec="mp3", bitrate_bps=128_000)
    job = await client.submit(await client.upload(path))
    call = content(stub, job.id)
    found = headers(await call.initial_metadata())
    pieces = [piece async for piece in call]
    assert b"".join(piece.data for piece in pieces) == path.read_bytes()
    assert len(pieces) > 1
    assert max(len(piece.data) for piece in pieces) <= 256 << 10
    assert {piece.content_type for piece in pieces} == {"audio/mpeg"}
    assert (found["accept-ranges"], found["cache-control"]) == ("bytes", "private")
    assert found["content-disposition"].startswith('inline; filename="talk.mp3"')
    assert "x-http-status" not in found
    assert "content-range" not in found


async def test_a_part_of_a_recording_is_given(stub: Any, client: Client, recording: Path) -> None:
    data, size = recording.read_bytes(), recording.stat().st_size
    job = await client.submit(await client.upload(recording))
    for asked, begin, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=100-", 100, size),
        ("bytes=-10", size - 10, size),
        (f"bytes=5-{size * 2}", 5, size),
    ):
        found, part, _ = await whole(content(stub, job.id, range=asked))
        assert (found["x-http-status"], found["content-range"]) == ("206", f"bytes {begin}-{end - 1}/{size}")
        assert part == data[begin:end]
    for asked in ("bytes=0-1,5-6", "bytes=5-4", "nonsense"):
        found, part, _ = await whole(content(stub, job.id, range=asked))
        assert "x-http-status" not in found
        assert part == data


async def test_a_part_behind_the_end_is_refused(stub: Any, client: Client, recording: Path) -> None:
    size = recording.stat().st_size
    job = await client.submit(await client.upload(recording))
    reason, trailers, message, _ = await refused(drained(content(stub, job.id, range=f"bytes={size}-")))
    assert (reason, trailers["x-http-status"]) == ("INVALID_REQUEST", "416")
    assert trailers["content-range"] == f"bytes */{size}"
    assert str(size) in message


async def test_a_part_is_given_only_of_the_recording_that_the_caller_has(
    stub: Any, client: Client, recording: Path
) -> None:
    first = await client.submit(await client.upload(recording))
    other = await client.submit(await client.upload(recording))
    tag = headers(await content(stub, first.id).initial_metadata())["etag"]
    assert tag.startswith('"')
    assert headers(await content(stub, other.id).initial_metadata())["etag"] != tag
    found, _, _ = await whole(content(stub, first.id, range="bytes=0-1", if_range=tag))
    assert found["x-http-status"] == "206"
    found, data, _ = await whole(content(stub, first.id, range="bytes=0-1", if_range='"another"'))
    assert data == recording.read_bytes()


async def test_a_page_that_was_uploaded_is_never_served_as_one(stub: Any, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<!doctype html><script>alert(1)</script>")
    job = await client.submit(await client.upload(path))
    found, _, kinds = await whole(content(stub, job.id))
    assert kinds == {"application/octet-stream"}
    assert found["content-disposition"].startswith('attachment; filename="page.bin"')


async def test_a_recording_that_is_not_kept_is_not_found(stub: Any, client: Client) -> None:
    with closed_port() as url:
        job = await client.submit(url)
    assert (await refused(drained(content(stub, job.id))))[0] == "MEDIA_NOT_KEPT"
    assert (await refused(drained(content(stub, UNKNOWN))))[0] == "JOB_NOT_FOUND"


async def test_a_recording_that_is_deleted_is_read_to_its_end(stub: Any, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "noise.bin"
    path.write_bytes(bytes(range(256)) * (64 << 10))  # more than fits into the buffers on the way
    job = await client.submit(await client.upload(path))
    call = content(stub, job.id)
    first = await call.read()
    await client.delete(job.id)
    data = bytearray(first.data)
    while (more := await call.read()) is not grpc.aio.EOF:
        data += more.data
    assert data == path.read_bytes()


async def test_who_leaves_in_the_middle_of_a_recording_leaves_nothing_open(
    stub: Any, client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "noise.bin"
    path.write_bytes(bytes(64 << 20))
    job = await client.submit(await client.upload(path))
    stored = tmp_path / "data" / "media" / job.media_id
    for n in range(10):
        call = content(stub, job.id)
        await call.read()
        await asyncio.sleep(0.01 * n)
        call.cancel()
    async with asyncio.timeout(30):
        while any(Path(entry.path) == stored for entry in psutil.Process().open_files()):
            await asyncio.sleep(0.05)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_recording_that_shrinks_under_a_reader_ends_by_an_error(
    stub: Any, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "noise.bin"
    path.write_bytes(bytes(16 << 20))
    job = await client.submit(await client.upload(path))
    call = content(stub, job.id)
    await call.read()
    (tmp_path / "data" / "media" / str(job.media_id)).write_bytes(b"")

    async def read_on() -> None:
        while await call.read() is not grpc.aio.EOF:
            pass

    assert (await refused(read_on()))[0] == "MEDIA_NOT_KEPT"


async def test_every_message_says_whether_the_recording_is_kept(
    stub: Any, programs: Any, client: Client, recording: Path
) -> None:
    job = await transcribed(client, recording)
    again = await programs.SubmitJob(pb.SubmitJobRequest(media_id=job.media_id))
    assert again.media_available
    with closed_port() as url:
        linked = await programs.SubmitJob(pb.SubmitJobRequest(url=url))
        assert not linked.media_available
        cancelled = await programs.CancelJob(pb.CancelJobRequest(job_id=linked.id))
        assert not cancelled.media_available
    assert (await programs.GetJob(pb.GetJobRequest(job_id=job.id))).media_available
    listed = await programs.ListJobs(pb.ListJobsRequest())
    assert {entry.id: entry.media_available for entry in listed.jobs} == {
        job.id: True,
        again.id: True,
        linked.id: False,
    }
    async for message in programs.WatchJob(pb.WatchJobRequest(job_id=job.id)):
        assert message.job.media_available
    assert (await watching(stub, linked.id).all())[0][2]["job"]["mediaAvailable"] is False
