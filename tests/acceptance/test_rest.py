"""What REST users expect beyond the contract: statuses, headers, files, limits."""

import asyncio
import gzip
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import brotli
import httpx
import pytest

from tests import doors
from tests.recordings import speech, write
from tests.rest import UNKNOWN, URL, reason, serving
from tests.service import closed_port
from yt_text.gateway.config import PAGE


@pytest.fixture
async def http(tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    async with serving(tmp_path) as (_, http):
        yield http


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write(speech(8, seed=1), tmp_path / "talk.mp3", codec="mp3")


async def transcribed(http: httpx.AsyncClient, path: Path, name: str = "talk.mp3") -> str:
    """Uploads and transcribes a recording; returns the id of its job."""
    media = await http.post(f"/api/media/{name}", content=path.read_bytes())
    assert media.status_code == 201, media.text
    job = await http.post("/api/transcribe", json={"mediaId": media.json()["id"]})
    async with http.stream("GET", f"/api/jobs/{job.json()['id']}/events.ndjson") as lines:
        last = [line async for line in lines.aiter_lines()][-1]
    assert json.loads(last)["job"]["state"] == "JOB_STATE_SUCCEEDED"
    return job.json()["id"]


# Statuses


async def test_a_submit_is_accepted_and_says_where_its_job_is(http: httpx.AsyncClient) -> None:
    with closed_port() as url:
        answer = await http.post("/api/transcribe", json={"url": url})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/jobs/{answer.json()['id']}"
    assert "x-http-status" not in answer.headers
    assert "grpc-status" not in answer.headers
    job = await http.get(answer.headers["location"])
    assert job.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("GET", f"/api/jobs/{UNKNOWN}", 404, "JOB_NOT_FOUND"),
        ("GET", "/api/jobs/not-an-id", 400, "INVALID_REQUEST"),
        ("GET", f"/api/jobs/{UNKNOWN}/result/docx", 400, "INVALID_REQUEST"),
        ("GET", f"/api/jobs/{UNKNOWN}/result/srt", 404, "JOB_NOT_FOUND"),
        ("GET", f"/api/jobs/{UNKNOWN}/media", 404, "JOB_NOT_FOUND"),
        ("GET", f"/api/jobs/{UNKNOWN}/events", 404, "JOB_NOT_FOUND"),
        ("GET", f"/ws/jobs/{UNKNOWN}", 404, "JOB_NOT_FOUND"),
        ("GET", f"/api/jobs/{UNKNOWN}/events.ndjson", 404, "JOB_NOT_FOUND"),
        ("GET", "/api/nothing", 404, "PATH_NOT_FOUND"),
        ("GET", "/nothing.html", 404, "PATH_NOT_FOUND"),
        ("PUT", "/api/transcribe", 404, "PATH_NOT_FOUND"),
        ("GET", "/api/jobs?colour=red", 400, "INVALID_REQUEST"),
        ("GET", f"/api/jobs/{UNKNOWN}/events?colour=red", 400, "INVALID_REQUEST"),
        ("POST", "/api/transcribe:batch", 501, "NOT_IMPLEMENTED"),
        ("GET", "/api/jobs/a%2f..%2fb", 400, "INVALID_REQUEST"),
    ],
)
async def test_every_error_has_its_status_and_reason(
    http: httpx.AsyncClient, method: str, path: str, status: int, expected: str
) -> None:
    answer = await http.request(method, path, json={} if method != "GET" else None)
    assert (answer.status_code, reason(answer)) == (status, expected), answer.text
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"url": "https://a.example/b", "langage": "en"}', "langage"),
        (b'{"url": "https://a.example/b", "config": {"langageCode": "en"}}', "config.langageCode"),
        (b'{"url": 5}', "url"),
        (b'{"url": "https://a.example/b",}', "line 1"),
        (b"", "body"),
        (b"[]", "object"),
    ],
)
async def test_a_body_that_is_wrong_is_refused_by_name(http: httpx.AsyncClient, body: bytes, said: str) -> None:
    answer = await http.post("/api/transcribe", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, reason(answer)) == (400, "INVALID_REQUEST")
    assert said in answer.json()["message"]
    assert "yt_text.v1" not in answer.text, "the inner names are of no use to a user"


async def test_unknown_fields_in_bodies_that_are_not_read_change_nothing(http: httpx.AsyncClient) -> None:
    """As the documentation says: `:cancel` and `:retry` read nothing from a body."""
    with closed_port() as url:
        job = (await http.post("/api/transcribe", json={"url": url})).json()
    answer = await http.post(f"/api/jobs/{job['id']}:cancel", json={"reason": "no longer wanted"})
    assert answer.status_code == 200
    assert (await http.post(f"/api/jobs/{job['id']}:retry")).status_code == 200, "without a body too"


async def test_a_result_that_is_not_ready_is_a_conflict(http: httpx.AsyncClient) -> None:
    with closed_port() as url:
        job = (await http.post("/api/transcribe", json={"url": url})).json()
    for path in ("result", "result/srt"):
        answer = await http.get(f"/api/jobs/{job['id']}/{path}")
        assert (answer.status_code, reason(answer)) == (409, "RESULT_NOT_READY")
    assert (await http.get(f"/api/jobs/{job['id']}/result", params={"allowPartial": True})).status_code == 200


async def test_while_it_drains_new_jobs_are_refused_and_the_old_answer(tmp_path: Path) -> None:
    async with serving(tmp_path) as (app, http):
        with closed_port() as url:
            job = (await http.post("/api/transcribe", json={"url": url})).json()
        assert (await http.get("/health/ready")).json() == {"status": "ok"}
        await app.drain()
        answer = await http.post("/api/transcribe", json={"url": URL})
        assert (answer.status_code, reason(answer)) == (503, "SHUTTING_DOWN")
        assert int(answer.headers["retry-after"]) > 0
        ready = await http.get("/health/ready")
        assert (ready.status_code, reason(ready)) == (503, "SHUTTING_DOWN")
        assert (await http.get("/health")).status_code == 200
        assert (await http.get(f"/api/jobs/{job['id']}")).status_code == 200


# Limits


async def test_submits_of_one_client_are_limited_over_all_doors(tmp_path: Path) -> None:
    async with serving(tmp_path, submits_per_minute=10) as (app, http):
        with closed_port() as url:
            answers = [await http.post("/api/transcribe", json={"url": url}) for _ in range(9)]
            async with doors.open_door("grpc-gateway", app) as door:
                await door.call("submit", url=url)
                with pytest.raises(doors.RefusedError) as caught:
                    await door.call("submit", url=url)
            # A client cannot get away from its limit by naming another address.
            headers = {"x-forwarded-for": "203.0.113.9", "x-client-address": "203.0.113.9"}
            refused = await http.post("/api/transcribe", json={"url": url}, headers=headers)
        assert {answer.status_code for answer in answers} == {202}
        assert answers[0].headers["x-ratelimit-limit"].startswith("10")
        assert answers[0].headers["x-ratelimit-remaining"] == "9"
        assert caught.value.reason == "RATE_LIMITED"
        assert (refused.status_code, reason(refused)) == (429, "RATE_LIMITED")
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert (await http.get("/api/jobs")).status_code == 200, "reading is not limited"


async def test_behind_a_trusted_proxy_each_client_has_its_own_limit(tmp_path: Path) -> None:
    async with serving(tmp_path, submits_per_minute=1, trusted_proxy_hops=1) as (_, http):

        async def submit(forwarded_for: str) -> int:
            with closed_port() as url:
                headers = {"x-forwarded-for": forwarded_for}
                return (await http.post("/api/transcribe", json={"url": url}, headers=headers)).status_code

        assert await submit("203.0.113.1") == 202
        assert await submit("203.0.113.2") == 202
        assert await submit("203.0.113.1") == 429
        # The proxy appends the address that it sees; what a client wrote before it counts for nothing.
        assert await submit("198.51.100.7, 203.0.113.1") == 429


async def test_unfinished_jobs_of_one_client_are_limited(tmp_path: Path) -> None:
    async with serving(tmp_path, max_jobs_per_client=3, retry_base_s=60.0) as (app, http):
        with closed_port() as url:
            jobs = [(await http.post("/api/transcribe", json={"url": url})).json() for _ in range(3)]
            headers = {"x-forwarded-for": "203.0.113.9", "x-client-address": "203.0.113.9"}
            refused = await http.post("/api/transcribe", json={"url": url}, headers=headers)
            assert (refused.status_code, reason(refused)) == (429, "TOO_MANY_JOBS")
            assert int(refused.headers["retry-after"]) > 0
            assert (await http.post(f"/api/jobs/{jobs[0]['id']}:cancel")).status_code == 200
            assert (await http.post("/api/transcribe", json={"url": url})).status_code == 202
            async with doors.open_door("grpc", app) as door:
                await door.call("submit", url=url)  # the gRPC port is for a network that is trusted


async def test_a_body_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, max_body_bytes=4_096, max_media_bytes=100_000) as (_, http):
        answer = await http.post("/api/transcribe", json={"url": URL, "config": {"prompt": "a" * 5_000}})
        assert (answer.status_code, reason(answer)) == (413, "REQUEST_TOO_LARGE")
        answer = await http.post("/api/media/talk.mp3", content=b"a" * 100_001)
        assert answer.status_code == 413
        assert reason(answer) in ("UPLOAD_TOO_LARGE", "REQUEST_TOO_LARGE")
        answer = await http.get("/", headers={"x-long": "a" * 40_000})
        assert answer.status_code == 431


async def test_a_client_that_sends_its_headers_too_slowly_is_cut_off(http: httpx.AsyncClient) -> None:
    host, port = http.base_url.host, http.base_url.port
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    await writer.drain()
    async with asyncio.timeout(30):
        answer = await reader.read()
    assert b" 408 " in answer.splitlines()[0]
    writer.close()


# Uploads


async def test_an_upload_of_many_messages_arrives_whole(http: httpx.AsyncClient) -> None:
    content = bytes(range(256)) * 40_000
    answer = await http.post("/api/media/big%20one.bin", content=content)
    assert answer.status_code == 201
    assert answer.json()["sizeBytes"] == str(len(content))
    assert answer.json()["filename"] == "big one.bin"


async def test_an_upload_that_is_cut_off_leaves_nothing_behind(tmp_path: Path) -> None:
    async with serving(tmp_path) as (app, http):
        host, _, port = app.http_address.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /api/media/talk.mp3 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n")
        writer.write(b"a" * 4_000_000)
        await writer.drain()
        media = tmp_path / "data" / "media"
        async with asyncio.timeout(30):
            while not any(path.stat().st_size for path in media.iterdir()):
                await asyncio.sleep(0.01)
            writer.transport.abort()
            while any(media.iterdir()):
                await asyncio.sleep(0.01)
        assert (await http.get("/health")).status_code == 200


async def test_an_upload_without_a_length_is_refused_in_words(http: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        yield b"a" * 100
        yield b"b" * 100

    answer = await http.post("/api/media/talk.mp3", content=pieces())
    assert answer.status_code == 400
    assert "Content-Length" in answer.json()["message"]


# Files


async def test_a_transcript_is_a_file_in_every_format(http: httpx.AsyncClient, recording: Path) -> None:
    job_id = await transcribed(http, recording, "Der Vortrag: Öl & Gas.mp3")
    kinds = {
        "txt": "text/plain; charset=utf-8",
        "srt": "application/x-subrip; charset=utf-8",
        "vtt": "text/vtt; charset=utf-8",
        "json": "application/json",
        "tsv": "text/tab-separated-values; charset=utf-8",
        "md": "text/markdown; charset=utf-8",
    }
    for name, kind in kinds.items():
        answer = await http.get(f"/api/jobs/{job_id}/result/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == kind
        disposition = answer.headers["content-disposition"]
        assert disposition.startswith("attachment; ")
        assert f".{name}" in disposition
        assert "filename*=UTF-8''Der%20Vortrag" in disposition
        assert answer.text
        shown = await http.get(f"/api/jobs/{job_id}/result/{name}", params={"inline": "true"})
        assert shown.headers["content-disposition"].startswith("inline; ")
        assert shown.text == answer.text


async def test_the_recording_can_be_played_from_any_place(http: httpx.AsyncClient, recording: Path) -> None:
    job_id = await transcribed(http, recording)
    content = recording.read_bytes()
    path = f"/api/jobs/{job_id}/media"
    whole = await http.get(path)
    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["content-type"] == "audio/mpeg"
    assert whole.headers["accept-ranges"] == "bytes"
    part = await http.get(path, headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(content)}"
    end = await http.get(path, headers={"range": "bytes=-10"})
    assert (end.status_code, end.content) == (206, content[-10:])
    beyond = await http.get(path, headers={"range": f"bytes={len(content)}-"})
    assert beyond.status_code == 416
    await http.delete(f"/api/jobs/{job_id}")
    assert (await http.get(path)).status_code == 404


async def test_the_page_comes_with_etag_compression_and_headers(http: httpx.AsyncClient) -> None:
    for path, file in (("/", "index.html"), (f"/jobs/{UNKNOWN}", "index.html"), ("/app.js", "app.js")):
        answer = await http.get(path)
        assert answer.content == (PAGE / file).read_bytes()
        again = await http.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-cache"
    for encoding, read in (("gzip", gzip.decompress), ("br", brotli.decompress)):
        async with http.stream("GET", "/app.js", headers={"accept-encoding": encoding}) as raw:
            assert raw.headers["content-encoding"] == encoding
            packed = b"".join([piece async for piece in raw.aiter_raw()])
        content = (PAGE / "app.js").read_bytes()
        assert read(packed) == content
        assert len(packed) < len(content)


async def test_every_file_of_the_page_is_served_with_its_type(http: httpx.AsyncClient) -> None:
    kinds = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
    files = [path for path in PAGE.rglob("*") if path.is_file()]
    assert files
    for file in files:
        answer = await http.get(f"/{file.relative_to(PAGE).as_posix()}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kinds.get(file.suffix, "application/"))


# Events


async def read_events(http: httpx.AsyncClient, path: str, **headers: str) -> tuple[int, list[dict[str, str]], str]:
    """Reads server-sent events to the end of the stream; returns status, events, and the raw text."""
    events: list[dict[str, str]] = []
    async with http.stream("GET", path, headers=headers) as answer:
        raw = "".join([text async for text in answer.aiter_text()])
        if answer.status_code == 200:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-store"
    for block in raw.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            events.append(fields)
    return answer.status_code, events, raw


async def test_events_carry_ids_and_end_for_good(http: httpx.AsyncClient, recording: Path) -> None:
    job_id = await transcribed(http, recording)
    for path in (f"/api/jobs/{job_id}/events", f"/ws/jobs/{job_id}"):
        status, events, _ = await read_events(http, path)
        assert status == 200
        assert events[0]["retry"] == "2000"
        updates = [event for event in events if event.get("event") == "update"]
        segments = [segment for event in updates for segment in json.loads(event["data"])["segments"]]
        assert segments
        assert updates[-1]["id"] == str(len(segments))
        assert events[-1] == {"id": f"{len(segments)}/end", "event": "end", "data": "{}"}
        # One who was cut off before the end goes on where it was.
        _, resumed, _ = await read_events(http, path, **{"Last-Event-ID": str(len(segments) - 1)})
        later = [json.loads(event["data"])["segments"] for event in resumed if event.get("event") == "update"]
        assert [segment for part in later for segment in part] == segments[-1:]
        # One who comes back after the end is asked not to.
        status, events, _ = await read_events(http, path, **{"Last-Event-ID": f"{len(segments)}/end"})
        assert (status, events) == (204, [])


async def test_a_quiet_stream_has_a_heartbeat(tmp_path: Path) -> None:
    async with serving(tmp_path, watch_keepalive_s=0.1, retry_base_s=60.0) as (_, http):
        with closed_port() as url:
            job = (await http.post("/api/transcribe", json={"url": url})).json()
        beats = 0
        async with asyncio.timeout(30), http.stream("GET", f"/api/jobs/{job['id']}/events") as answer:
            async for line in answer.aiter_lines():
                beats += line.startswith(":")
                if beats == 3:
                    break


async def test_ndjson_has_its_type(http: httpx.AsyncClient, recording: Path) -> None:
    job_id = await transcribed(http, recording)
    answer = await http.get(f"/api/jobs/{job_id}/events.ndjson")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["job"]["id"] for line in answer.text.splitlines()] == [job_id]
