"""Limits of a fetch: size, length, time, memory, processor, disk. Each ends it with a reason of its own."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.fetches import LIMITS, OPEN, fetched, recordings, refused, site_with_recordings, until, until_fetched
from tests.sites import Site
from yt_text import spool
from yt_text.errors import IntakeError, Reason
from yt_text.intake.fetch import Fetcher, FetchLimits

SIZE = len(recordings()["talk.mp3"])
PIECES = "/hls?piece=/0.ts&piece=/1.ts&piece=/2.ts"


@pytest.fixture
def site(tmp_path: Path) -> Generator[Site]:
    with site_with_recordings(tmp_path / "www") as site:
        yield site


async def failing(site: Site, tmp_path: Path, path: str, **limits: float) -> IntakeError:
    """Fetches within limits of which one is too tight; returns how it fails."""
    async with Fetcher(replace(LIMITS, **limits), OPEN) as fetcher:
        error = await refused(fetcher, site.url(path), tmp_path / "r")
    assert not spool.is_complete(tmp_path / "r")
    assert not spool.work_path(tmp_path / "r").exists()
    return error


@pytest.mark.parametrize(
    "path", ["/talk.mp3", "/no-length/talk.mp3", "/end.m4a", "/endless/media", PIECES, "/page?media=/talk.mp3"]
)
async def test_a_recording_that_is_too_large(site: Site, tmp_path: Path, path: str) -> None:
    error = await failing(site, tmp_path, path, max_bytes=300_000)
    assert (error.reason, error.retryable) == (Reason.RECORDING_TOO_LARGE, False)
    assert error.metadata == {"max_bytes": "300000"}
    assert (tmp_path / "r").stat().st_size <= 300_000


async def test_a_recording_as_large_as_may_be(site: Site, tmp_path: Path) -> None:
    for number, path in enumerate(["/talk.mp3", "/no-length/talk.mp3"]):
        async with Fetcher(replace(LIMITS, max_bytes=SIZE), OPEN) as fetcher:
            await fetched(fetcher, site.url(path), tmp_path / f"{number}")


async def test_a_recording_that_its_site_says_is_too_long(site: Site, tmp_path: Path) -> None:
    error = await failing(site, tmp_path, PIECES, max_duration_s=29)
    assert (error.reason, error.retryable) == (Reason.RECORDING_TOO_LONG, False)
    assert "30 s" in error.message
    assert not site.asked("/0.ts"), "found out before anything was fetched"


@pytest.mark.parametrize("path", ["/endless/page", "/bomb?mb=300"])
async def test_a_page_without_end(site: Site, tmp_path: Path, path: str) -> None:
    async with Fetcher(LIMITS, OPEN) as fetcher, fetcher.fetch(site.url(path), tmp_path / "r") as fetch:
        with pytest.raises(IntakeError) as caught:
            await fetch.info()
    assert (caught.value.reason, caught.value.retryable) == (Reason.NO_MEDIA_FOUND, False)


@pytest.mark.parametrize("path", ["/talk.mp3", "/no-length/talk.mp3", PIECES])
async def test_a_disk_without_room(site: Site, tmp_path: Path, path: str) -> None:
    error = await failing(site, tmp_path, path, min_free_disk_bytes=1 << 60)
    assert (error.reason, error.retryable) == (Reason.DISK_FULL, True)


@pytest.mark.parametrize("path", ["/stall/100000/talk.mp3", "/hls?piece=/stall/100000/0.ts"])
async def test_a_download_to_which_nothing_comes(site: Site, tmp_path: Path, path: str) -> None:
    error = await failing(site, tmp_path, path, stall_timeout_s=4)
    assert error.retryable
    assert error.reason in {Reason.FETCH_FAILED, Reason.SITE_UNREACHABLE}


async def test_a_download_that_takes_too_long(site: Site, tmp_path: Path) -> None:
    error = await failing(site, tmp_path, "/slow/5000/talk.mp3", total_timeout_s=6)
    assert (error.reason, error.retryable) == (Reason.FETCH_FAILED, False)
    assert "6 s" in error.message


async def test_a_page_that_takes_too_long(site: Site, tmp_path: Path) -> None:
    error = await failing(site, tmp_path, "/hang", metadata_timeout_s=3, read_timeout_s=60)
    assert (error.reason, error.retryable) == (Reason.SITE_UNREACHABLE, True)


async def test_a_page_that_takes_too_much_computing(site: Site, tmp_path: Path) -> None:
    error = await failing(site, tmp_path, "/bomb?mb=30", cpu_s=1)
    assert (error.reason, error.retryable) == (Reason.FETCH_FAILED, False)
    assert "computing" in error.message


async def test_a_page_that_takes_too_much_memory(site: Site, tmp_path: Path) -> None:
    error = await failing(site, tmp_path, "/bomb?mb=30", memory_bytes=80 << 20)
    assert (error.reason, error.retryable) == (Reason.FETCH_FAILED, False)
    assert "memory" in error.message


async def test_a_child_holds_no_more_than_a_little_of_a_large_recording(site: Site, tmp_path: Path) -> None:
    with (site.folder / "large.bin").open("wb") as file:
        file.write(b"\xff\xfb\x90\x00")
        file.truncate(400 << 20)
    peak_bytes = 0
    async with Fetcher(LIMITS, OPEN) as fetcher, fetcher.fetch(site.url("/large.bin"), tmp_path / "r") as fetch:
        await fetch.info()
        child = psutil.Process(fetch.child_pid)
        done = asyncio.create_task(fetch.wait())
        while not done.done():
            if child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
                peak_bytes = max(peak_bytes, child.memory_info().rss)
            await asyncio.sleep(0.02)
        await done
    assert 0 < peak_bytes < 200 << 20


async def test_a_child_dies_when_its_service_is_killed(site: Site, tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from ipaddress import ip_network\n"
        "from yt_text.intake.fetch import Fetcher, FetchLimits\n"
        "async def main():\n"
        "    async with Fetcher(FetchLimits(), [ip_network('127.0.0.1/32')]) as fetcher:\n"
        "        async with fetcher.fetch(sys.argv[1], Path(sys.argv[2])) as fetch:\n"
        "            await fetch.info()\n"
        "            print(fetch.child_pid, flush=True)\n"
        "            await fetch.wait()\n"
        "asyncio.run(main())\n"
    )
    url = site.url("/slow/5000/talk.mp3")
    with subprocess.Popen([sys.executable, "-c", program, url, str(tmp_path / "r")], stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        child = psutil.Process(int(await asyncio.to_thread(service.stdout.readline)))
        assert child.is_running()
        service.send_signal(signal.SIGKILL)
    await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


async def test_a_fetch_ends_when_its_fetcher_does(site: Site, tmp_path: Path) -> None:
    limits = replace(LIMITS, read_timeout_s=2)
    link = site.url("/slow/5000/talk.mp3")
    async with Fetcher(limits, OPEN) as fetcher, fetcher.fetch(link, tmp_path / "r") as fetch:
        await until_fetched(fetch, 1)
        await fetcher.close()
        with pytest.raises(IntakeError) as caught:
            await fetch.wait()
    assert caught.value.retryable


async def test_leaving_a_fetch_at_any_moment_leaves_no_process_behind(site: Site, tmp_path: Path) -> None:
    async with Fetcher(LIMITS, OPEN) as fetcher:
        for number in range(6):
            async with fetcher.fetch(site.url("/slow/20000/talk.mp3"), tmp_path / f"{number}") as fetch:
                pid = fetch.child_pid
                await asyncio.sleep(number * 0.15)
            assert fetch.child_pid == 0
            assert not psutil.pid_exists(pid) or psutil.Process(pid).ppid() != os.getpid()


async def test_a_fetch_cancelled_at_any_moment_leaves_nothing_behind(site: Site, tmp_path: Path) -> None:
    async def work(fetcher: Fetcher) -> None:
        async with fetcher.fetch(site.url("/slow/20000/talk.mp3"), tmp_path / "r") as fetch:
            await fetch.wait()

    async with Fetcher(LIMITS, OPEN) as fetcher:
        for wait_s in (0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.3, 1):
            task = asyncio.create_task(work(fetcher))
            await asyncio.sleep(wait_s)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            children = psutil.Process().children(recursive=True)
            assert [child for child in children if "fetch_child" in " ".join(child.cmdline())] == []
            assert not spool.work_path(tmp_path / "r").exists()


def test_the_default_limits_are_bounded() -> None:
    assert all(value > 0 for value in vars(FetchLimits()).values())
