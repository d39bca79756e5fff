"""Jobs whose text is the captions of a site."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from tests.models import wired_model
from tests.recordings import speech, write
from tests.service import config, finished, running
from tests.sites import Site
from yt_text_client import Client, JobState, RequestError, TextOrigin, read_problem

CUES = [(n * 1000, n * 1000 + 900, f"line {n}") for n in range(1200)]
PAGE = "/page?media=/talk.mp3"
CAPTIONED = f"{PAGE}&track=en:/en.vtt"


def stamp(milliseconds: int) -> str:
    return f"{milliseconds // 60_000:02}:{milliseconds // 1000 % 60:02}.{milliseconds % 1000:03}"


@pytest.fixture
def site(tmp_path: Path) -> Generator[Site]:
    folder = tmp_path / "www"
    folder.mkdir()
    write(speech(5, seed=1), folder / "talk.mp3", codec="mp3")
    cues = "".join(f"{stamp(start)} --> {stamp(end)}\n{text}\n\n" for start, end, text in CUES)
    (folder / "en.vtt").write_text(f"WEBVTT\n\n{cues}")
    (folder / "broken.vtt").write_bytes(b"\x89PNG")
    with Site(folder) as site:
        yield site


@pytest.fixture
async def client(tmp_path: Path) -> AsyncGenerator[Client]:
    model = wired_model(tmp_path / "wired.bin", high=())
    async with running(tmp_path, model=str(model)) as (_, client):
        yield client


@pytest.mark.parametrize("origin", [TextOrigin.CAPTIONS, TextOrigin.CAPTIONS_THEN_SPEECH])
async def test_captions_become_the_transcript_and_say_so(client: Client, site: Site, origin: TextOrigin) -> None:
    job, segments = await finished(client, await client.submit(site.url(CAPTIONED), config(text_origin=origin)))
    assert (job.state, job.engine, job.model, job.warnings) == (JobState.SUCCEEDED, "captions", "manual", [])
    assert [segment.text for segment in segments] == [text for _, _, text in CUES]
    assert [segment.index for segment in segments] == list(range(len(CUES)))
    transcript = await client.get_result(job.id)
    assert transcript.text_origin == TextOrigin.CAPTIONS
    assert transcript.language_code == "en"
    assert transcript.segments == segments
    assert not site.asked("/talk.mp3"), "the recording itself is not fetched"


async def test_without_captions_the_job_fails_if_nothing_else_was_asked_for(client: Client, site: Site) -> None:
    job, _ = await finished(client, await client.submit(site.url(PAGE), config(text_origin=TextOrigin.CAPTIONS)))
    assert job.state == JobState.FAILED
    assert job.error is not None
    assert read_problem(job.error).reason == "NO_CAPTIONS"


@pytest.mark.parametrize(
    ("path", "reason"), [(PAGE, "NO_CAPTIONS"), (f"{PAGE}&track=en:/broken.vtt", "CAPTIONS_UNREADABLE")]
)
async def test_else_the_recording_is_heard_and_a_warning_says_why(
    client: Client, site: Site, path: str, reason: str
) -> None:
    origin = config(text_origin=TextOrigin.CAPTIONS_THEN_SPEECH)
    job, segments = await finished(client, await client.submit(site.url(path), origin))
    assert (job.state, job.engine) == (JobState.SUCCEEDED, "whisper.cpp")
    assert segments
    assert reason in [read_problem(warning).reason for warning in job.warnings]
    assert (await client.get_result(job.id)).text_origin == TextOrigin.SPEECH


async def test_what_captions_cannot_do_is_refused_at_once(client: Client, site: Site) -> None:
    with pytest.raises(RequestError, match="translated"):
        await client.submit(site.url(CAPTIONED), config(text_origin=TextOrigin.CAPTIONS, translate=True))
    media = await client.upload(site.folder / "talk.mp3")
    with pytest.raises(RequestError, match="upload"):
        await client.submit(media, config(text_origin=TextOrigin.CAPTIONS))
    origin = config(text_origin=TextOrigin.CAPTIONS_THEN_SPEECH)
    job, _ = await finished(client, await client.submit(media, origin))
    assert (job.state, job.engine) == (JobState.SUCCEEDED, "whisper.cpp")


async def test_captions_need_no_engine_for_their_language(client: Client, site: Site) -> None:
    (site.folder / "de.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nGuten Tag\n")
    wanted = config(text_origin=TextOrigin.CAPTIONS, engine="pocketsphinx", language_code="de")
    job, segments = await finished(client, await client.submit(site.url(f"{CAPTIONED}&track=de:/de.vtt"), wanted))
    assert (job.engine, [segment.text for segment in segments]) == ("captions", ["Guten Tag"])
