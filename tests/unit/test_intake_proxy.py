"""The filtering proxy, spoken to byte by byte."""

import asyncio
import base64
import socket
from collections.abc import AsyncGenerator, Generator, Sequence
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sites import Site
from yt_text.intake.proxy import FilterProxy, Pass, ProxyLimits
from yt_text.intake.proxy_http import ProxyRequest, closing_head

OPEN = (ip_network("127.0.0.1/32"),)
WAIT_S = 60


@pytest.fixture
def site(tmp_path: Path) -> Generator[Site]:
    (tmp_path / "talk.mp3").write_bytes(bytes(range(256)) * 100)
    with Site(tmp_path) as site:
        yield site


@pytest.fixture
async def proxy() -> AsyncGenerator[FilterProxy]:
    proxy = FilterProxy(OPEN)
    await proxy.start()
    yield proxy
    await proxy.close()


def authorization(token: str) -> str:
    return "Proxy-Authorization: Basic " + base64.b64encode(f"fetch:{token}".encode()).decode()


async def asked(proxy: FilterProxy, *lines: str) -> bytes:
    """Sends the head of a request and returns all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(WAIT_S):
            return await reader.read()
    finally:
        writer.close()


def status(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


async def test_a_request_is_relayed_to_the_site(proxy: FilterProxy, site: Site) -> None:
    allowed = proxy.admit()
    lines = [authorization(allowed.token), "Host: elsewhere.example", "Proxy-Connection: keep-alive", "X-Own: 1"]
    answer = await asked(proxy, f"GET {site.url('/talk.mp3?a=b')} HTTP/1.1", *lines)
    assert status(answer) == 200
    assert answer.endswith((site.folder / "talk.mp3").read_bytes())
    assert b"\r\nConnection: close\r\n" in answer
    seen = site.requests[0]
    assert seen.path == "/talk.mp3?a=b"
    assert seen.headers["host"] == f"127.0.0.1:{site.port}"
    assert seen.headers["x-own"] == "1"
    assert not [name for name in seen.headers if name.startswith("proxy")]


async def test_a_tunnel_is_made_to_the_site(proxy: FilterProxy, site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    head = f"CONNECT 127.0.0.1:{site.port} HTTP/1.1\r\n{authorization(proxy.admit().token)}\r\n\r\n"
    writer.write(head.encode())
    async with asyncio.timeout(WAIT_S):
        assert status(await reader.readuntil(b"\r\n\r\n")) == 200
        for _ in range(2):  # it stays
            writer.write(b"GET /talk.mp3 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status(await reader.readuntil(b"\r\n\r\n")) == 200
            await reader.readexactly(25_600)
    writer.close()
    assert len(site.requests) == 2


@pytest.mark.parametrize(
    "line", ["X: y", authorization("guess"), "Proxy-Authorization: Basic ?", "Proxy-Authorization: x"]
)
@pytest.mark.parametrize("tunnel", [False, True])
async def test_nobody_gets_through_without_the_token(proxy: FilterProxy, site: Site, line: str, tunnel: bool) -> None:
    proxy.admit()
    first = f"CONNECT 127.0.0.1:{site.port} HTTP/1.1" if tunnel else f"GET {site.url('/talk.mp3')} HTTP/1.1"
    assert status(await asked(proxy, first, line)) == 407
    assert site.requests == []


async def test_a_revoked_token_lets_nobody_through(proxy: FilterProxy, site: Site) -> None:
    allowed = proxy.admit()
    await proxy.revoke(allowed)
    answer = await asked(proxy, f"GET {site.url('/talk.mp3')} HTTP/1.1", authorization(allowed.token))
    assert status(answer) == 407
    assert site.requests == []


@pytest.mark.parametrize("end", ["revoke", "close"])
async def test_running_connections_end(proxy: FilterProxy, site: Site, end: str) -> None:
    allowed = proxy.admit()
    lines = (f"GET {site.url('/slow/2000/talk.mp3')} HTTP/1.1", authorization(allowed.token))
    answering = asyncio.create_task(asked(proxy, *lines))
    async with asyncio.timeout(WAIT_S):
        while not site.requests:
            await asyncio.sleep(0.01)
    await (proxy.revoke(allowed) if end == "revoke" else proxy.close())
    assert len(await answering) < 25_600


@pytest.mark.parametrize(
    "line",
    [
        "GET / HTTP/1.1",
        "GET file:///etc/passwd HTTP/1.1",
        "GET ftp://127.0.0.1/ HTTP/1.1",
        "nonsense",
        "CONNECT : x",
        "",
    ],
)
async def test_what_a_proxy_does_not_serve_is_refused(proxy: FilterProxy, line: str) -> None:
    assert status(await asked(proxy, line, authorization(proxy.admit().token))) == 400


async def test_a_head_that_is_too_long_is_refused(proxy: FilterProxy) -> None:
    answer = await asked(proxy, "GET http://127.0.0.1/ HTTP/1.1", f"X: {'x' * (80 << 10)}")
    assert status(answer) == 400


async def test_a_visitor_that_says_nothing_is_not_waited_for() -> None:
    proxy = FilterProxy(OPEN, ProxyLimits(header_timeout_s=0.2))
    await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    async with asyncio.timeout(WAIT_S):
        assert status(await reader.read()) == 400
    writer.close()
    await proxy.close()


async def test_a_site_that_says_nothing_is_not_waited_for_for_ever(site: Site) -> None:
    proxy = FilterProxy(OPEN, ProxyLimits(idle_timeout_s=0.2))
    await proxy.start()
    allowed = proxy.admit()
    assert await asked(proxy, f"GET {site.url('/hang')} HTTP/1.1", authorization(allowed.token)) == b""
    await proxy.close()


async def test_a_visitor_that_leaves_frees_its_place(site: Site) -> None:
    proxy = FilterProxy(OPEN, ProxyLimits(max_connections=1))
    await proxy.start()
    allowed = proxy.admit()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(f"GET {site.url('/hang')} HTTP/1.1\r\n{authorization(allowed.token)}\r\n\r\n".encode())
    async with asyncio.timeout(WAIT_S):
        while not site.requests:
            await asyncio.sleep(0.01)
    lines = (f"GET {site.url('/talk.mp3')} HTTP/1.1", authorization(allowed.token))
    second = asyncio.create_task(asked(proxy, *lines))
    await asyncio.sleep(0.3)
    assert not second.done(), "there is only one place"
    writer.close()
    assert status(await second) == 200
    assert reader is not None
    await proxy.close()


class Names:
    """Names and their addresses; of several lists each is given once, the last one for ever."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = answers

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        found = self.answers.get(host.partition(".")[0])
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return found.pop(0) if len(found) > 1 else found[0]


async def through(site: Site, names: Names, *hosts: str) -> tuple[list[int], Pass]:
    """Asks for a recording at each of the hosts in turn."""
    proxy = FilterProxy(OPEN, resolve=names)
    await proxy.start()
    allowed = proxy.admit()
    statuses: list[int] = []
    for host in hosts:
        url = f"http://{host}:{site.port}/talk.mp3"
        statuses.append(status(await asked(proxy, f"GET {url} HTTP/1.1", authorization(allowed.token))))
    await proxy.close()
    return statuses, allowed


async def test_a_name_is_judged_by_all_its_addresses(site: Site) -> None:
    names = Names(good=[["127.0.0.1"]], bad=[["127.0.0.2"]], both=[["127.0.0.1", "10.0.0.1"]], none=[[]])
    hosts = ("good.example", "bad.example", "both.example", "none.example", "unknown.example")
    statuses, allowed = await through(site, names, *hosts)
    assert statuses == [200, 470, 470, 471, 471]
    assert allowed.refused == 2
    assert len(site.requests) == 1


async def test_a_name_that_changes_its_mind_is_judged_each_time(site: Site) -> None:
    names = Names(fickle=[["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1"]])
    statuses, _ = await through(site, names, *["fickle.example"] * 3)
    assert statuses == [200, 470, 200]


async def test_a_resolver_that_gives_a_name_gets_nowhere(site: Site) -> None:
    statuses, _ = await through(site, Names(alias=[["localhost"]]), "alias.example")
    assert statuses == [470]


async def test_the_ports_of_other_services_are_refused(proxy: FilterProxy) -> None:
    allowed = proxy.admit()
    for port in (22, 25, 6379):
        line = f"GET http://127.0.0.1:{port}/ HTTP/1.1"
        assert status(await asked(proxy, line, authorization(allowed.token))) == 470
    assert allowed.refused == 3


async def test_the_systems_resolver_is_asked_for_names(proxy: FilterProxy, site: Site) -> None:
    statuses = [
        status(
            await asked(proxy, f"GET http://{host}:{site.port}/talk.mp3 HTTP/1.1", authorization(proxy.admit().token))
        )
        for host in ("2130706433", "0x7f.1", "nothing.invalid")
    ]
    assert statuses[:2] == [200, 200]
    assert statuses[2] in {471, 570}


@settings(deadline=None)
@given(st.binary(max_size=100) | st.text(max_size=100).map(lambda text: f"GET http://{text} HTTP/1.1\r\n\r\n".encode()))
def test_any_head_is_a_request_or_none(head: bytes) -> None:
    request = ProxyRequest.parse(head)
    assert request is None or request.host


OK, CLOSE = b"HTTP/1.1 200 OK\r\n", b"Connection: close\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "head"),
    [
        (OK + b"connection: keep-alive\r\nA: b\r\n\r\nbody", OK + b"A: b\r\n" + CLOSE),
        (EARLY + OK + b"\r\n", EARLY + OK + CLOSE),
        (b"no http", b"no http"),
        (b"", b""),
    ],
)
async def test_an_answer_says_that_its_connection_closes(answer: bytes, head: bytes) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(answer)
    reader.feed_eof()
    assert await closing_head(reader) == head
