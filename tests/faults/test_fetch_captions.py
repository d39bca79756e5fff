"""Captions from sites as they are: with the recording, instead of it, in pieces, broken, hostile."""

import json
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.fetches import LIMITS, OPEN, recordings, site_with_recordings
from tests.sites import Site
from yt_text import spool
from yt_text.errors import IntakeError, Reason
from yt_text.intake.fetch import Captions, CaptionsOrder, Fetcher
from yt_text.job import MediaInfo

PAGE = "/page?media=/talk.mp3"
VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\n<i>Hello</i> there\n\n00:02.500 --> 00:04.000\n&amp; welcome\n"
SRT = "1\r\n00:00:01,000 --> 00:00:02,000\r\nGuten Tag, sch\u00f6n\r\n"
JSON3 = {"events": [{"tStartMs": 500, "dDurationMs": 900, "segs": [{"utf8": "no"}, {"utf8": " no", "tOffsetMs": 300}]}]}
TTML = '<tt xmlns="http://www.w3.org/ns/ttml"><body><div><p begin="1s" end="2s">Hello<br/>there</p></div></body></tt>'
ALONE = CaptionsOrder()
FIRST = CaptionsOrder(then_recording=True)


@pytest.fixture
def site(tmp_path: Path) -> Generator[Site]:
    with site_with_recordings(tmp_path / "www") as site:
        files = {
            "en.vtt": VTT.encode(),
            "de.srt": SRT.encode("cp1252"),
            "a.json3": json.dumps(JSON3).encode(),
            "a.ttml": TTML.encode(),
            "broken.vtt": b"\x89PNG\r\n\x1a\n",
            "empty.vtt": b"WEBVTT\n",
            "more.vtt": b"WEBVTT\n\n00:03.000 --> 00:04.000\nagain\n\n00:05.000 --> 00:06.000\nagain\n",
        }
        for name, data in files.items():
            (site.folder / name).write_bytes(data)
        yield site


@pytest.fixture
async def fetcher() -> AsyncGenerator[Fetcher]:
    async with Fetcher(LIMITS, OPEN) as fetcher:
        yield fetcher


async def captions_of(fetcher: Fetcher, url: str, path: Path, order: CaptionsOrder = ALONE) -> Captions | None:
    """Fetches captions, and nothing else."""
    async with fetcher.fetch(url, path, order) as fetch:
        captions = await fetch.captions()
        await fetch.wait()
    assert not path.exists()
    assert not spool.work_path(path).exists()
    return captions


async def refused(fetcher: Fetcher, url: str, path: Path, order: CaptionsOrder = ALONE) -> IntakeError:
    """Asks for captions that cannot be had, and returns why not."""
    async with fetcher.fetch(url, path, order) as fetch:
        with pytest.raises(IntakeError) as caught:
            await fetch.captions()
    assert "127.0.0" not in caught.value.message
    return caught.value


def lines(captions: Captions | None) -> list[tuple[int, int, str]]:
    assert captions is not None
    return [(segment.start_ms, segment.end_ms, segment.text) for segment in captions.segments]


HELLO = [(1000, 2000, "Hello there"), (2500, 4000, "& welcome")]


@pytest.mark.parametrize(
    "path",
    [
        f"{PAGE}&track=en:/en.vtt",
        "/master/list.m3u8?list=/hls/l.m3u8%3Fpiece=/0.ts&track=en:/hls/s.m3u8%3Fpiece=/en.vtt",
        "/dash?base=/front.m4a&track=en:/en.vtt",
        f"{PAGE}&track=en:{quote('/redirect?to=/en.vtt')}",
    ],
)
@pytest.mark.parametrize("order", [ALONE, FIRST, CaptionsOrder("en-US")])
async def test_captions_come_instead_of_the_recording(
    fetcher: Fetcher, site: Site, tmp_path: Path, path: str, order: CaptionsOrder
) -> None:
    async with fetcher.fetch(site.url(path), tmp_path / "r", order) as fetch:
        captions = await fetch.captions()
        media = await fetch.info()
        await fetch.wait()
    assert lines(captions) == HELLO
    assert captions is not None
    assert (captions.language_code, captions.automatic) == ("en", False)
    assert captions.media == media
    assert media.title
    assert not (tmp_path / "r").exists()
    assert not site.asked("/0.ts")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["www"]


async def test_captions_in_pieces_are_joined(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    listed = quote("/hls/s.m3u8?piece=/en.vtt&piece=/more.vtt")
    path = f"/master/list.m3u8?list=/hls/l.m3u8%3Fpiece=/0.ts&track=en:{listed}"
    captions = await captions_of(fetcher, site.url(path), tmp_path / "r")
    assert [text for _, _, text in lines(captions)] == ["Hello there", "& welcome", "again", "again"]


async def test_the_asked_language_is_taken(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    path = f"{PAGE}&track=en:/en.vtt&track=de:/de.srt"
    captions = await captions_of(fetcher, site.url(path), tmp_path / "r", CaptionsOrder("de"))
    assert lines(captions) == [(1000, 2000, "Guten Tag, sch\u00f6n")]
    assert captions is not None
    assert captions.language_code == "de"
    assert await captions_of(fetcher, site.url(path), tmp_path / "r", CaptionsOrder("fr")) is None
    assert await captions_of(fetcher, site.url(path), tmp_path / "r") is None, "nobody says which is spoken"


async def test_a_track_that_does_not_say_its_language(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    captions = await captions_of(fetcher, site.url(f"{PAGE}&track=:/en.vtt"), tmp_path / "r")
    assert lines(captions) == HELLO
    assert captions is not None
    assert captions.language_code == ""


async def test_times_of_words_come_with_json3(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    captions = await captions_of(fetcher, site.url(f"{PAGE}&track=en:/a.json3"), tmp_path / "r")
    assert captions is not None
    (segment,) = captions.segments
    assert [(word.text, word.start_ms, word.end_ms) for word in segment.words] == [("no", 500, 800), ("no", 800, 1400)]


async def test_ttml(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    captions = await captions_of(fetcher, site.url(f"{PAGE}&track=en:/a.ttml"), tmp_path / "r")
    assert lines(captions) == [(1000, 2000, "Hello there")]


async def test_many_captions_come_whole(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    cues = [f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}.000" for at in range(30_001)]
    text = "".join(f"{cues[at]} --> {cues[at + 1]}\n{at}: \u0434\u0430 \U0001f3a7\n\n" for at in range(30_000))
    (site.folder / "long.vtt").write_text(f"WEBVTT\n\n{text}")
    captions = await captions_of(fetcher, site.url(f"{PAGE}&track=en:/long.vtt"), tmp_path / "r")
    assert lines(captions) == [(at * 1000, at * 1000 + 1000, f"{at}: \u0434\u0430 \U0001f3a7") for at in range(30_000)]


# None


@pytest.mark.parametrize(
    "path", [PAGE, "/talk.mp3", f"{PAGE}&track=de:/de.srt", f"{PAGE}&track=en:/empty.vtt", f"{PAGE}&track=en:/x.json"]
)
async def test_without_captions_comes_what_was_asked_for(
    fetcher: Fetcher, site: Site, tmp_path: Path, path: str
) -> None:
    assert await captions_of(fetcher, site.url(path), tmp_path / "r", CaptionsOrder("en")) is None
    async with fetcher.fetch(site.url(path), tmp_path / "r", CaptionsOrder("en", then_recording=True)) as fetch:
        assert await fetch.captions() is None
        media = await fetch.info()
        await fetch.wait()
    assert (tmp_path / "r").read_bytes() == recordings()["talk.mp3"]
    assert media != MediaInfo()
    assert fetch.fetched_bytes == len(recordings()["talk.mp3"])


async def test_the_site_is_asked_once_for_both(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    path = f"{PAGE}&track=de:/de.srt"
    async with fetcher.fetch(site.url(path), tmp_path / "r") as fetch:
        await fetch.wait()
    alone = [request.path for request in site.requests]
    site.requests.clear()
    async with fetcher.fetch(site.url(path), tmp_path / "other", CaptionsOrder("en", then_recording=True)) as fetch:
        await fetch.wait()
    assert [request.path for request in site.requests] == alone


async def test_without_an_order_there_are_none(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    async with fetcher.fetch(site.url(f"{PAGE}&track=en:/en.vtt"), tmp_path / "r") as fetch:
        await fetch.wait()
        assert await fetch.captions() is None
    assert not site.asked("/en.vtt")
    async with fetcher.fetch(site.url("/talk.mp3"), tmp_path / "r", FIRST) as fetch:
        assert await fetch.captions() is None, "the recording is there already"


async def test_a_recording_without_sound_may_have_captions(fetcher: Fetcher, site: Site, tmp_path: Path) -> None:
    silent = "/master/list.m3u8?list=/hls/l.m3u8%3Fpiece=/0.ts&codecs=avc1.4d401e"
    captions = await captions_of(fetcher, site.url(f"{silent}&track=en:/hls/s.m3u8%3Fpiece=/en.vtt"), tmp_path / "r")
    assert lines(captions) == HELLO
    for order in (ALONE, FIRST):
        error = await refused(fetcher, site.url(silent), tmp_path / "r", order)
        assert error.reason is Reason.NO_AUDIO_TRACK, "why there is no recording says more than that it has no captions"
        assert not spool.is_complete(tmp_path / "r")


# Faults

UNREADABLE = [
    ("/broken.vtt", Reason.CAPTIONS_UNREADABLE, False),
    ("/text", Reason.CAPTIONS_UNREADABLE, False),
    ("/status/404", Reason.RECORDING_GONE, False),
    ("/status/503", Reason.SITE_ERROR, True),
    ("/status/429", Reason.SITE_RATE_LIMITED, True),
    ("/endless/page", Reason.RECORDING_TOO_LARGE, False),
    ("/bomb?mb=40", Reason.RECORDING_TOO_LARGE, False),
    ("/hls/s.m3u8?piece=/broken.vtt", Reason.CAPTIONS_UNREADABLE, False),
    ("/hls/s.m3u8?piece=/broken.vtt&piece=/en.vtt", Reason.CAPTIONS_UNREADABLE, False),
]


@pytest.mark.parametrize(("link", "reason", "retryable"), UNREADABLE)
async def test_captions_that_cannot_be_had(
    fetcher: Fetcher, site: Site, tmp_path: Path, link: str, reason: Reason, retryable: bool
) -> None:
    url = site.url(f"/master/list.m3u8?list=/hls/l.m3u8%3Fpiece=/0.ts&track=en:{quote(link)}")
    error = await refused(fetcher, url, tmp_path / "r")
    assert (error.reason, error.retryable) == (reason, retryable)
    async with fetcher.fetch(url, tmp_path / "r", FIRST) as fetch:
        with pytest.raises(IntakeError) as caught:
            await fetch.captions()
        assert caught.value.reason is reason
        await fetch.info()
        await fetch.wait()
    assert (tmp_path / "r").read_bytes() == recordings()["0.ts"], "the recording comes nevertheless"


async def test_the_limits_of_captions_are_named(site: Site, tmp_path: Path) -> None:
    url = site.url(f"{PAGE}&track=en:/en.vtt")
    async with Fetcher(replace(LIMITS, max_captions_bytes=50), OPEN) as fetcher:
        error = await refused(fetcher, url, tmp_path / "r")
    assert error.metadata == {"max_captions_bytes": "50"}
    async with Fetcher(replace(LIMITS, max_captions_segments=1), OPEN) as fetcher:
        error = await refused(fetcher, url, tmp_path / "r")
    assert error.metadata == {"max_captions_segments": "1"}
    async with Fetcher(replace(LIMITS, max_captions_bytes=len(VTT), max_captions_segments=2), OPEN) as fetcher:
        assert lines(await captions_of(fetcher, url, tmp_path / "r")) == HELLO


async def test_captions_that_never_come_end_the_fetch(site: Site, tmp_path: Path) -> None:
    async with Fetcher(replace(LIMITS, metadata_timeout_s=5), OPEN) as fetcher:
        error = await refused(fetcher, site.url(f"{PAGE}&track=en:/hang"), tmp_path / "r", FIRST)
    assert error.retryable


@pytest.mark.parametrize("order", [ALONE, FIRST])
@pytest.mark.parametrize(
    "link",
    ["{inside}", "/redirect?to={inside}", "/hls/s.m3u8?piece={inside}", "http://[::1]:{port}/x", "file:///etc/passwd"],
)
async def test_captions_do_not_lead_inside(
    fetcher: Fetcher, site: Site, tmp_path: Path, link: str, order: CaptionsOrder
) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "secret.vtt").write_text(VTT)
    with Site(tmp_path / "inside", "127.0.0.2") as inside:
        link = quote(link.format(inside=inside.url("/secret.vtt"), port=inside.port))
        path = f"/master/list.m3u8?list=/hls/l.m3u8%3Fpiece=/0.ts&track=en:{link}"
        error = await refused(fetcher, site.url(path), tmp_path / "r", order)
        assert inside.requests == []
    assert error.reason in {Reason.ADDRESS_NOT_ALLOWED, Reason.NO_MEDIA_FOUND}


@pytest.mark.parametrize(("path", "reason"), [("/status/403", Reason.ACCESS_DENIED), ("/text", Reason.NO_MEDIA_FOUND)])
async def test_a_page_without_a_recording_says_why(
    fetcher: Fetcher, site: Site, tmp_path: Path, path: str, reason: Reason
) -> None:
    for order in (ALONE, FIRST):
        assert (await refused(fetcher, site.url(path), tmp_path / "r", order)).reason is reason
