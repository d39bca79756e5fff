"""What a site refuses or fails at is told with a reason, and with whether to try again."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fetches import LIMITS, OPEN, refused, site_with_recordings
from tests.sites import Site
from yt_text import spool
from yt_text.errors import Reason
from yt_text.intake.fetch import Fetcher


@pytest.fixture
def site(tmp_path: Path) -> Generator[Site]:
    with site_with_recordings(tmp_path / "www") as site:
        yield site


@pytest.fixture
async def fetcher() -> AsyncGenerator[Fetcher]:
    async with Fetcher(LIMITS, OPEN) as fetcher:
        yield fetcher


@pytest.mark.parametrize(
    ("path", "reason", "retryable"),
    [
        ("/status/401", Reason.LOGIN_REQUIRED, False),
        ("/status/403", Reason.ACCESS_DENIED, False),
        ("/status/404", Reason.RECORDING_GONE, False),
        ("/status/410", Reason.RECORDING_GONE, False),
        ("/status/418", Reason.SITE_ERROR, False),
        ("/status/429", Reason.SITE_RATE_LIMITED, True),
        ("/status/451", Reason.GEO_BLOCKED, False),
        ("/status/500", Reason.SITE_ERROR, True),
        ("/status/503", Reason.SITE_ERROR, True),
        ("/robot-check", Reason.BOT_CHECK, False),
        ("/text", Reason.NO_MEDIA_FOUND, False),
        ("/page.mp3", Reason.NO_MEDIA_FOUND, False),
        ("/page?media=/page.mp3", Reason.NO_MEDIA_FOUND, False),
        ("/page?media=/nothing.mp3", Reason.RECORDING_GONE, False),
        ("/page?media=ftp://127.0.0.1/talk.mp3", Reason.NO_MEDIA_FOUND, False),
        ("/page?media=file:///etc/passwd", Reason.NO_MEDIA_FOUND, False),
        ("/needs-cookie/talk.mp3", Reason.ACCESS_DENIED, False),
        ("/empty.mp3", Reason.RECORDING_EMPTY, False),
        ("/no-length/empty.mp3", Reason.RECORDING_EMPTY, False),
        ("/hls?piece=/empty.mp3", Reason.RECORDING_EMPTY, False),
        ("/hls?piece=/0.ts&live=1", Reason.LIVE_NOT_SUPPORTED, False),
        ("/hls?piece=/0.ts&drm=1", Reason.DRM_PROTECTED, False),
    ],
)
async def test_a_site_that_gives_no_recording(
    fetcher: Fetcher, site: Site, tmp_path: Path, path: str, reason: Reason, retryable: bool
) -> None:
    error = await refused(fetcher, site.url(path), tmp_path / "r")
    assert (error.reason, error.retryable) == (reason, retryable)
    assert not spool.is_complete(tmp_path / "r")
    assert not spool.work_path(tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("code", "retryable"),
    [(socket.EAI_NONAME, False), (socket.EAI_AGAIN, True)],
)
async def test_a_name_that_is_not_found(tmp_path: Path, code: int, retryable: bool) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(code, "as the system's resolver says it")

    async with Fetcher(LIMITS, OPEN, resolve) as fetcher:
        for scheme in ("http", "https"):
            error = await refused(fetcher, f"{scheme}://nowhere.example/talk.mp3", tmp_path / "r")
            assert (error.reason, error.retryable) == (Reason.SITE_UNREACHABLE, retryable)
            assert "name" in error.message


async def test_a_resolver_that_hangs_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with Fetcher(replace(LIMITS, resolve_timeout_s=0.3), OPEN, resolve) as fetcher:
        error = await refused(fetcher, "http://nowhere.example/talk.mp3", tmp_path / "r")
    assert (error.reason, error.retryable) == (Reason.SITE_UNREACHABLE, True)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_site_that_takes_no_connections(fetcher: Fetcher, tmp_path: Path, scheme: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"{scheme}://127.0.0.1:{closed.getsockname()[1]}/talk.mp3"
        error = await refused(fetcher, url, tmp_path / "r")
    assert (error.reason, error.retryable) == (Reason.SITE_UNREACHABLE, True)
    assert "takes no connections" in error.message


async def test_a_site_that_does_not_speak_tls(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    url = site.url("/talk.mp3").replace("http:", "https:")
    error = await refused(fetcher, url, tmp_path / "r")
    assert error.reason is Reason.SITE_UNREACHABLE


async def test_a_site_that_answers_nothing(site: Site, tmp_path: Path) -> None:
    async with Fetcher(replace(LIMITS, read_timeout_s=0.5), OPEN) as fetcher:
        error = await refused(fetcher, site.url("/hang"), tmp_path / "r")
    assert (error.reason, error.retryable) == (Reason.SITE_UNREACHABLE, True)
