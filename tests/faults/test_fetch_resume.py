"""Downloads that break: they go on where they were, in the same attempt or in the next one."""

import json
import os
import signal
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import psutil
import pytest

from tests.fetches import LIMITS, OPEN, fetched, recordings, refused, site_with_recordings, until, until_fetched
from tests.sites import Site
from yt_text import spool
from yt_text.errors import IntakeError, Reason
from yt_text.intake.fetch import Fetcher
from yt_text.spool import SpoolReader

SIZE = len(recordings()["talk.mp3"])
SLOW = f"/slow/{SIZE // 8}"


@pytest.fixture
def site(tmp_path: Path) -> Generator[Site]:
    with site_with_recordings(tmp_path / "www") as site:
        yield site


@pytest.fixture
async def fetcher() -> AsyncGenerator[Fetcher]:
    async with Fetcher(LIMITS, OPEN) as fetcher:
        yield fetcher


def starts(site: Site, link: str) -> list[int]:
    """Where each request for a link began."""
    return [request.range_start or 0 for request in site.asked(link)]


async def left_unfinished(fetcher: Fetcher, url: str, path: Path, size_bytes: int = 60_000) -> int:
    """Fetches a part of a recording and leaves; returns how much is there."""
    async with fetcher.fetch(url, path) as fetch:
        await until_fetched(fetch, size_bytes)
    with SpoolReader(path) as reader:
        assert not reader.complete
        return reader.prefix


@pytest.mark.parametrize("name", ["talk.mp3", "end.m4a"])
async def test_a_connection_that_drops_again_and_again_is_resumed(
    fetcher: Fetcher, site: Site, tmp_path: Path, name: str
) -> None:
    await fetched(fetcher, site.url(f"/drop/70000/{name}"), tmp_path / "r")
    assert (tmp_path / "r").read_bytes() == recordings()[name]
    began = starts(site, f"/drop/70000/{name}")
    assert len(began) > 5
    assert len(set(began)) > 5, "each goes on further along"


async def test_a_drop_is_made_up_for_where_the_server_gives_only_whole_files(
    fetcher: Fetcher, site: Site, tmp_path: Path
) -> None:
    await fetched(fetcher, site.url("/no-ranges/drop-once/200000/talk.mp3"), tmp_path / "r")
    assert (tmp_path / "r").read_bytes() == recordings()["talk.mp3"]


async def test_a_server_that_never_gives_the_rest_fails_for_now(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    error = await refused(fetcher, site.url("/no-ranges/drop/200000/talk.mp3"), tmp_path / "r")
    assert (error.reason, error.retryable) == (Reason.SITE_UNREACHABLE, True)


async def test_a_killed_child_is_told_and_the_next_fetch_goes_on(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    path, url = tmp_path / "r", site.url(f"{SLOW}/talk.mp3")
    async with fetcher.fetch(url, path) as fetch:
        await until_fetched(fetch, 60_000)
        os.kill(fetch.child_pid, signal.SIGKILL)
        with pytest.raises(IntakeError) as caught:
            await fetch.wait()
    assert (caught.value.reason, caught.value.retryable) == (Reason.FETCH_FAILED, True)
    with SpoolReader(path) as reader:
        prefix = reader.prefix
    assert prefix >= 60_000
    site.requests.clear()
    await fetched(fetcher, site.url("/talk.mp3"), path)
    assert path.read_bytes() == recordings()["talk.mp3"]
    assert starts(site, "/talk.mp3")[-1] == prefix
    assert site.requests[-1].headers["if-range"]


async def test_a_fetch_that_is_left_ends_at_once_and_the_next_goes_on(
    fetcher: Fetcher, site: Site, tmp_path: Path
) -> None:
    async with fetcher.fetch(site.url(f"{SLOW}/talk.mp3"), tmp_path / "r") as fetch:
        await until_fetched(fetch, 60_000)
        child = psutil.Process(fetch.child_pid)
    assert not child.is_running()
    assert not spool.work_path(tmp_path / "r").exists()
    with SpoolReader(tmp_path / "r") as reader:
        prefix = reader.prefix
    await fetched(fetcher, site.url("/talk.mp3"), tmp_path / "r")
    assert starts(site, "/talk.mp3")[-1] == prefix
    assert (tmp_path / "r").read_bytes() == recordings()["talk.mp3"]


async def test_an_end_that_is_there_is_not_fetched_again(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    await left_unfinished(fetcher, site.url(f"{SLOW}/end.m4a"), tmp_path / "r")
    await fetched(fetcher, site.url("/end.m4a"), tmp_path / "r")
    assert (tmp_path / "r").read_bytes() == recordings()["end.m4a"]
    assert max(starts(site, "/end.m4a")) < len(recordings()["end.m4a"]) // 2


@pytest.mark.parametrize("way", ["changing", "no-validator"])
async def test_what_may_be_another_file_is_fetched_from_its_first_byte(
    fetcher: Fetcher, site: Site, tmp_path: Path, way: str
) -> None:
    await left_unfinished(fetcher, site.url(f"/{way}{SLOW}/talk.mp3"), tmp_path / "r")
    await fetched(fetcher, site.url(f"/{way}/talk.mp3"), tmp_path / "r")
    assert (tmp_path / "r").read_bytes() == recordings()["talk.mp3"]
    assert site.requests[-1].range_start is None


async def test_another_recording_under_the_same_link_is_fetched_from_its_first_byte(
    fetcher: Fetcher, site: Site, tmp_path: Path
) -> None:
    await left_unfinished(fetcher, site.url(f"{SLOW}/talk.mp3"), tmp_path / "r")
    (site.folder / "talk.mp3").write_bytes(recordings()["end.m4a"])
    await fetched(fetcher, site.url("/talk.mp3"), tmp_path / "r")
    assert (tmp_path / "r").read_bytes() == recordings()["end.m4a"]


@pytest.mark.parametrize("note", ["", "{}", "not json", '{"total": 1, "validator": "x", "boot_id": "y"}', None])
async def test_bytes_that_nobody_can_vouch_for_are_not_kept(
    fetcher: Fetcher, site: Site, tmp_path: Path, note: str | None
) -> None:
    path = tmp_path / "r"
    await left_unfinished(fetcher, site.url(f"{SLOW}/talk.mp3"), path)
    if note is None:  # as after a power cut: the bytes are zeros, and the machine was started again
        kept = json.loads(spool.source_path(path).read_text())
        note = json.dumps({**kept, "boot_id": "an earlier one"})
        path.write_bytes(bytes(path.stat().st_size))
    spool.source_path(path).write_text(note)
    await fetched(fetcher, site.url("/talk.mp3"), path)
    assert path.read_bytes() == recordings()["talk.mp3"]


async def test_a_file_that_changes_on_the_way_is_not_mixed(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    error = await refused(fetcher, site.url("/changing/drop/200000/talk.mp3"), tmp_path / "r")
    assert (error.reason, error.retryable) == (Reason.FETCH_FAILED, True)


async def test_a_link_that_expires_on_the_way_is_asked_for_again(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    page = "/signed-page?media=/expiring/2/drop/250000/talk.mp3"
    await fetched(fetcher, site.url(page), tmp_path / "r")
    assert (tmp_path / "r").read_bytes() == recordings()["talk.mp3"]
    assert len(site.asked(page)) > 1


async def test_a_link_that_keeps_expiring_fails_for_now(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    page = "/signed-page?media=/expiring/2/drop/20000/talk.mp3"
    error = await refused(fetcher, site.url(page), tmp_path / "r")
    assert (error.reason, error.retryable) == (Reason.FETCH_FAILED, True)


async def test_a_dropped_piece_of_a_stream_is_fetched_again(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    link = "/hls?piece=/drop-once/100000/0.ts&piece=/1.ts"
    await fetched(fetcher, site.url(link), tmp_path / "r")
    assert (tmp_path / "r").read_bytes() == recordings()["0.ts"] + recordings()["1.ts"]


async def test_a_stream_begins_again_in_the_next_fetch(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    url = site.url(f"/hls?piece=/0.ts&piece={SLOW}/1.ts")
    async with fetcher.fetch(url, tmp_path / "r") as fetch:
        await fetch.info()
        await until(lambda: len(site.asked(f"{SLOW}/1.ts")) > 0)
    assert not spool.work_path(tmp_path / "r").exists(), "pieces on their way are gone"
    await fetched(fetcher, url, tmp_path / "r")
    assert (tmp_path / "r").read_bytes() == recordings()["0.ts"] + recordings()["1.ts"]


async def test_a_piece_that_is_missing_fails_the_fetch(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    error = await refused(fetcher, site.url("/hls?piece=/0.ts&piece=/nothing.ts"), tmp_path / "r")
    assert error.reason is Reason.RECORDING_GONE
    assert not spool.is_complete(tmp_path / "r")
