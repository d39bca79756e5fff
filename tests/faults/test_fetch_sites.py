"""Recordings from sites as they are: files, pages with players, streams, slow ones."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from io import BytesIO
from pathlib import Path

import av
import pytest
from Cryptodome.Cipher import AES
from Cryptodome.Util.Padding import pad

from tests.fetches import LIMITS, OPEN, PIECE_S, fetched, recordings, refused, site_with_recordings, until_fetched
from tests.sites import Site
from yt_text import spool
from yt_text.errors import Reason
from yt_text.intake.fetch import Fetcher
from yt_text.spool import SpoolReader

PIECES = "/hls?piece=/0.ts&piece=/1.ts&piece=/2.ts"


@pytest.fixture
def site(tmp_path: Path) -> Generator[Site]:
    with site_with_recordings(tmp_path / "www") as site:
        yield site


@pytest.fixture
async def fetcher() -> AsyncGenerator[Fetcher]:
    async with Fetcher(LIMITS, OPEN) as fetcher:
        yield fetcher


def decoded_s(data: bytes) -> float:
    """How long the sound of a file is."""
    with av.open(BytesIO(data), "r") as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/talk.mp3", "talk.mp3"),
        ("/end.m4a", "end.m4a"),
        ("/front.m4a", "front.m4a"),
        ("/no-length/talk.mp3", "talk.mp3"),
        ("/no-ranges/end.m4a", "end.m4a"),
        ("/as/application/octet-stream/talk.mp3", "talk.mp3"),
        ("/redirect?to=/talk.mp3", "talk.mp3"),
        ("/page?media=/talk.mp3", "talk.mp3"),
        ("/og?media=/end.m4a", "end.m4a"),
        ("/cookie-page?media=/needs-cookie/talk.mp3", "talk.mp3"),
        ("/page?media=/needs-referer/talk.mp3", "talk.mp3"),
        ("/rss?media=/talk.mp3", "talk.mp3"),
        ("/hls/list.m3u8?piece=/0.ts", "0.ts"),
        ("/page?media=/hls/list.m3u8?piece=/0.ts", "0.ts"),
        ("/dash?base=/front.m4a", "front.m4a"),
        ("/dash?piece=/front.m4a", "front.m4a"),
    ],
)
async def test_a_recording_is_fetched_whole(fetcher: Fetcher, site: Site, tmp_path: Path, path: str, name: str) -> None:
    target = tmp_path / "recording"
    async with fetcher.fetch(site.url(path), target) as fetch:
        media = await fetch.info()
        assert target.exists()
        await fetch.wait()
    assert target.read_bytes() == recordings()[name]
    assert spool.is_complete(target)
    assert fetch.fetched_bytes == fetch.total_bytes == len(recordings()[name])
    assert media.title
    assert media.webpage_url.startswith("http://")
    assert media.extractor
    assert sorted(file.name for file in tmp_path.iterdir()) == ["recording", "recording.state", "www"]


async def test_the_title_is_the_pages(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    media = await fetched(fetcher, site.url("/og?media=/talk.mp3"), tmp_path / "r")
    assert media.title == "An open talk"
    assert media.thumbnail_url == site.url("/talk.mp3.jpg")


async def test_a_stream_is_joined_from_its_pieces(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    media = await fetched(fetcher, site.url(PIECES), tmp_path / "r")
    data = (tmp_path / "r").read_bytes()
    assert data == b"".join(recordings()[f"{number}.ts"] for number in range(3))
    assert decoded_s(data) == pytest.approx(3 * PIECE_S, abs=1)
    assert media.duration_ms == 30_000, "as its playlist says"


async def test_an_encrypted_stream_is_decrypted(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    key, vector = bytes(range(16)), bytes(16)
    locked = AES.new(key, AES.MODE_CBC, vector).encrypt(pad(recordings()["0.ts"], 16))
    (site.folder / "key").write_bytes(key)
    (site.folder / "locked.ts").write_bytes(locked)
    await fetched(fetcher, site.url("/hls?key=/key&piece=/locked.ts"), tmp_path / "r")
    assert (tmp_path / "r").read_bytes() == recordings()["0.ts"]


async def test_a_slow_recording_can_be_read_while_it_comes(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    data = recordings()["talk.mp3"]
    async with fetcher.fetch(site.url(f"/slow/{len(data) // 4}/talk.mp3"), tmp_path / "r") as fetch:
        await fetch.info()
        seen: list[int] = []
        with SpoolReader(tmp_path / "r") as reader:
            assert reader.total == len(data)
            head = await asyncio.to_thread(reader.read, 4096)
            assert not reader.complete
            assert data.startswith(head)
            while not reader.complete:
                seen.append(fetch.fetched_bytes)
                await asyncio.sleep(0.05)
        await fetch.wait()
    assert seen == sorted(seen)
    assert len(set(seen)) > 3
    assert (tmp_path / "r").read_bytes() == data


async def test_an_index_at_the_end_is_fetched_first(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    data = recordings()["end.m4a"]
    link = f"/slow/{len(data) // 6}/end.m4a"
    async with fetcher.fetch(site.url(link), tmp_path / "r") as fetch:
        await until_fetched(fetch, 30_000)
        with SpoolReader(tmp_path / "r") as reader:
            assert reader.seekable()

            def decode_some() -> int:
                with av.open(reader, "r") as container:
                    frame = next(container.decode(audio=0))
                    return frame.samples

            assert await asyncio.to_thread(decode_some) > 0
            assert reader.prefix < len(data) // 2
        await fetch.wait()
    assert (tmp_path / "r").read_bytes() == data
    assert [request.range_start for request in site.asked(link)][-1] > 400_000  # pyright: ignore[reportOptionalOperand] - it has a range


async def test_a_complete_spool_is_not_fetched_again(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    await fetched(fetcher, site.url("/talk.mp3"), tmp_path / "r")
    asked = len(site.requests)
    async with fetcher.fetch(site.url("/talk.mp3"), tmp_path / "r") as fetch:
        assert (await fetch.info()).title == ""
        await fetch.wait()
        assert fetch.fetched_bytes == len(recordings()["talk.mp3"])
        assert fetch.child_pid == 0
    assert len(site.requests) == asked


async def test_several_recordings_are_fetched_at_once(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    names = ["talk.mp3", "end.m4a", "front.m4a", "0.ts"]
    await asyncio.gather(*(fetched(fetcher, site.url(f"/{name}"), tmp_path / name) for name in names))
    for name in names:
        assert (tmp_path / name).read_bytes() == recordings()[name]


@pytest.mark.parametrize(
    "path",
    ["/rss?media=/talk.mp3&media=/end.m4a", "/page?media=/talk.mp3&media=/end.m4a"],
)
async def test_several_recordings_behind_one_link_are_refused(
    fetcher: Fetcher, site: Site, tmp_path: Path, path: str
) -> None:
    error = await refused(fetcher, site.url(path), tmp_path / "r")
    assert error.reason is Reason.PLAYLIST_NOT_SUPPORTED
    assert "batch" in error.message
    assert not site.asked("/talk.mp3")
