"""Who may call by HTTP, and what odd callers are told."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from tests.rest import UNKNOWN, URL, reason, serving
from tests.service import closed_port


@pytest.fixture
async def http(tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    async with serving(tmp_path) as (_, http):
        yield http


async def test_other_origins_may_call_only_if_they_are_named(tmp_path: Path) -> None:
    async with serving(tmp_path, cors_origins=("https://good.example",)) as (_, http):
        preflight = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
        for origin, allowed in (("https://good.example", True), ("https://bad.example", False)):
            answer = await http.options("/api/transcribe", headers={"origin": origin, **preflight})
            assert (answer.headers.get("access-control-allow-origin") == origin) is allowed
            answer = await http.get("/api/jobs", headers={"origin": origin})
            assert (answer.headers.get("access-control-allow-origin") == origin) is allowed


@pytest.mark.parametrize("path", ["/api/media/talk.mp3", f"/api/jobs/{UNKNOWN}:cancel", "/api/transcribe"])
async def test_a_page_of_another_origin_cannot_act_through_a_browser(tmp_path: Path, path: str) -> None:
    """A form needs no preflight: a browser would send it, and only hide the answer."""
    bad, good, own = "https://bad.example", "https://good.example", "http://localhost"
    async with serving(tmp_path, cors_origins=(good,)) as (_, http):

        async def allowed(**headers: str) -> bool:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = await http.post(path, content=b"{}", headers={"content-type": "text/plain", **named})
            assert answer.status_code != 403 or reason(answer) == "ORIGIN_NOT_ALLOWED"
            return answer.status_code != 403

        assert not await allowed(origin=bad, sec_fetch_site="cross-site")
        assert not await allowed(origin=bad, sec_fetch_site="same-site")
        assert not await allowed(sec_fetch_site="cross-site"), "a browser that hides the origin"
        assert not await allowed(origin=bad), "one that says nothing else, as over http"
        assert not await allowed(origin="null")
        assert await allowed(origin=good, sec_fetch_site="cross-site")
        assert await allowed(origin=own, host="localhost")
        assert await allowed(origin=f"{own}:8080", host="localhost:8080")
        assert await allowed(origin="https://proxy.example", sec_fetch_site="same-origin"), "behind a proxy of ours"
        assert await allowed(), "a program"


async def test_on_loopback_it_answers_to_its_own_names_only(tmp_path: Path) -> None:
    """A page whose name was given this machine's address would otherwise be of the same origin."""
    async with serving(tmp_path) as (_, http):
        for host, status in (("localhost", 200), ("127.0.0.1:99", 200), ("[::1]:8080", 200), ("evil.example", 421)):
            for path in ("/api/jobs", "/", "/health"):
                answer = await http.get(path, headers={"host": host})
                assert answer.status_code == status
                if status == 421:
                    assert reason(answer) == "ORIGIN_NOT_ALLOWED"


async def test_a_name_can_be_added(tmp_path: Path) -> None:
    async with serving(tmp_path, http_hosts=("text.example",)) as (_, http):
        assert (await http.get("/health", headers={"host": "text.example"})).status_code == 200
        assert (await http.get("/health", headers={"host": "localhost"})).status_code == 421


# What other programs send


async def raw(http: httpx.AsyncClient, request: bytes) -> bytes:
    """Sends a request as it stands; returns what comes until the connection is closed."""
    reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    writer.write(request)
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    return answer


async def test_an_old_proxy_is_answered(http: httpx.AsyncClient) -> None:
    answer = await raw(http, b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert b" 200 " in answer.splitlines()[0]
    assert answer.endswith(b'{"status":"ok"}')


async def test_a_slash_at_the_end_changes_nothing(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/transcribe/", json={"url": URL, "langage": "en"})
    assert (answer.status_code, "langage" in answer.json()["message"]) == (400, True)
    with closed_port() as url:
        assert (await http.post("/api/transcribe/", json={"url": url})).status_code == 202


async def test_a_monitor_may_ask_for_the_head_alone(http: httpx.AsyncClient) -> None:
    for path in ("/health", "/health/ready", "/"):
        answer = await http.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
    assert (await http.get("/health")).json() == {"status": "ok"}, "the connection is still in step"


async def test_the_page_is_for_reading(http: httpx.AsyncClient) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = await http.request(method, "/")
        assert (answer.status_code, reason(answer)) == (404, "PATH_NOT_FOUND")


async def test_what_is_no_text_is_refused_in_our_words(http: httpx.AsyncClient) -> None:
    for path in ("/api/jobs/%ff", "/api/jobs?pageToken=%ff"):
        answer = await http.get(path)
        assert (answer.status_code, reason(answer)) == (400, "INVALID_REQUEST")
        assert "protobuf" not in answer.text
    answer = await http.post("/api/media/%ff.mp3", content=b"a")
    assert (answer.status_code, reason(answer)) == (400, "INVALID_REQUEST")


async def test_cookies_of_other_programs_do_no_harm(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/jobs", headers={"cookie": f"a={'b' * 15_000}", "x-other": "c" * 10_000})
    assert answer.status_code == 200


async def test_a_form_is_no_recording(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/media/talk.mp3", files={"file": b"abc"})
    assert (answer.status_code, reason(answer)) == (400, "INVALID_REQUEST")
    assert "--data-binary" in answer.json()["message"]


async def test_a_websocket_is_told_what_this_is(http: httpx.AsyncClient) -> None:
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "a"}
    answer = await http.get(f"/ws/jobs/{UNKNOWN}", headers=upgrade)
    assert answer.status_code == 403
    assert "EventSource" in answer.json()["message"]


@pytest.mark.parametrize(
    ("limits", "status", "why"),
    [
        ({"max_streams_per_client": 2}, 429, "RATE_LIMITED"),
        ({"max_concurrent_calls": 2}, 503, "OVERLOADED"),
    ],
)
async def test_streams_are_limited_and_probes_are_always_answered(
    tmp_path: Path, limits: dict[str, int], status: int, why: str
) -> None:
    async with serving(tmp_path, retry_base_s=60.0, **limits) as (_, http):
        with closed_port() as url:
            path = f"/api/jobs/{(await http.post('/api/transcribe', json={'url': url})).json()['id']}/events"
        async with http.stream("GET", path) as one, http.stream("GET", path) as two:
            assert (one.status_code, two.status_code) == (200, 200)
            refused = await http.get(path)
            assert (refused.status_code, reason(refused)) == (status, why)
            assert int(refused.headers["retry-after"]) > 0
            assert (await http.get("/health")).status_code == 200
        async with asyncio.timeout(30):
            while (await http.head("/health")).status_code != 200 or (await http.get("/api/jobs")).status_code != 200:
                await asyncio.sleep(0.01)
