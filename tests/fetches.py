"""Fetching from sites on this machine in tests: the recordings they give, and ways to fetch them."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.sites import Site
from tests.sounds import encode, sample_pcm
from yt_text.errors import IntakeError
from yt_text.intake.fetch import Fetch, Fetcher, FetchLimits
from yt_text.job import MediaInfo

OPEN = (ip_network("127.0.0.1/32"),)
"""What fetches of a test may reach of this machine."""
LIMITS = FetchLimits(min_free_disk_bytes=0, stall_timeout_s=120)
PIECE_S = 20


@cache
def recordings() -> dict[str, bytes]:
    """Returns the files of a site: 60 s of speech in several forms.

    `talk.mp3`, `end.m4a` with its index at the end, `front.m4a` with it at the front, `0.ts` to `2.ts` with
    20 s each, `empty.mp3`, and `page.mp3`, which is a page.
    """
    pcm, piece = sample_pcm(), PIECE_S * 32_000
    files = {
        "talk.mp3": encode(pcm, "mp3", "libmp3lame", rate=44_100),
        "end.m4a": encode(pcm, "mp4", "aac", rate=44_100),
        "front.m4a": encode(pcm, "mp4", "aac", rate=44_100, options={"movflags": "faststart"}),
        "empty.mp3": b"",
        "page.mp3": b"<html><body>Your link has expired.</body></html>",
    }
    for number in range(3):
        part = pcm[number * piece : (number + 1) * piece]
        files[f"{number}.ts"] = encode(part, "mpegts", "aac", rate=44_100, start_s=number * PIECE_S)
    return files


@contextmanager
def site_with_recordings(folder: Path, host: str = "127.0.0.1") -> Generator[Site]:
    """Runs a site that has `recordings`."""
    folder.mkdir(exist_ok=True)
    for name, data in recordings().items():
        (folder / name).write_bytes(data)
    with Site(folder, host) as site:
        yield site


async def fetched(fetcher: Fetcher, url: str, path: Path) -> MediaInfo:
    """Fetches a recording to the end."""
    async with fetcher.fetch(url, path) as fetch:
        media = await fetch.info()
        await fetch.wait()
    return media


async def refused(fetcher: Fetcher, url: str, path: Path) -> IntakeError:
    """Fetches what cannot be had, and returns why not."""
    with pytest.raises(IntakeError) as caught:
        await fetched(fetcher, url, path)
    assert "127.0.0" not in caught.value.message
    assert str(path.parent) not in caught.value.message
    return caught.value


async def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Waits until something is so."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def until_fetched(fetch: Fetch, size_bytes: int) -> None:
    """Waits until so much of a recording is there."""
    await fetch.info()
    await until(lambda: fetch.fetched_bytes >= size_bytes)
