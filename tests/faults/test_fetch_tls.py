"""Sites that speak https: the same through a tunnel of the proxy."""

import asyncio
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.certificates import certify
from tests.fetches import LIMITS, OPEN, recordings, refused
from tests.sites import Site
from yt_text import spool
from yt_text.errors import Reason
from yt_text.intake.fetch import Fetcher
from yt_text.intake.fetch_messages import FetchOrder
from yt_text.intake.proxy import FilterProxy


@dataclass
class Ground:
    """A site with a certificate, and the file of those who trust it."""

    site: Site
    trusted: Path


@pytest.fixture
def ground(tmp_path: Path) -> Generator[Ground]:
    (tmp_path / "www").mkdir()
    for name in ("talk.mp3", "end.m4a"):
        (tmp_path / "www" / name).write_bytes(recordings()[name])
    context, trusted = certify(tmp_path)
    with Site(tmp_path / "www", tls=context) as site:
        yield Ground(site, trusted)


async def test_a_certificate_that_nobody_trusts_is_refused(ground: Ground, tmp_path: Path) -> None:
    async with Fetcher(LIMITS, OPEN) as fetcher:
        error = await refused(fetcher, ground.site.url("/talk.mp3"), tmp_path / "r")
    assert (error.reason, error.retryable) == (Reason.SITE_UNREACHABLE, False)
    assert "certificate" in error.message
    assert ground.site.requests == []


# The child itself, except that it trusts the test's certificate in place of those of the public authorities.
CHILD = """
import sys, certifi
certifi.where = lambda: sys.argv[1]
from yt_text.intake import fetch_child
fetch_child.main()
"""


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/talk.mp3", "talk.mp3"),
        ("/end.m4a", "end.m4a"),
        ("/drop/100000/talk.mp3", "talk.mp3"),
        ("/page?media=/talk.mp3", "talk.mp3"),
    ],
)
async def test_a_recording_is_fetched_through_a_tunnel(ground: Ground, tmp_path: Path, path: str, name: str) -> None:
    proxy = FilterProxy(OPEN)
    await proxy.start()
    (tmp_path / "work").mkdir()
    order = FetchOrder(
        url=ground.site.url(path),
        spool=str(tmp_path / "r"),
        work_dir=str(tmp_path / "work"),
        proxy_url=proxy.url(proxy.admit()),
        max_bytes=10 << 20,
        max_duration_s=100,
        socket_timeout_s=30,
        min_free_disk_bytes=0,
        memory_bytes=1 << 30,
        cpu_s=100,
    )

    def fetch() -> bytes:
        command = [sys.executable, "-c", CHILD, str(ground.trusted)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(order.line())
            child.stdin.flush()
            return child.stdout.read()

    events = await asyncio.to_thread(fetch)
    await proxy.close()
    assert b'"done"' in events, events
    assert spool.is_complete(tmp_path / "r")
    assert (tmp_path / "r").read_bytes() == recordings()[name]
