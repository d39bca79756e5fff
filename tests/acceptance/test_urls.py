"""From a URL to a transcript: pages, streams, slow sites, broken sites; fair sharing; cancel."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import psutil
import pytest

from tests.models import wired_model
from tests.recordings import speech, word_errors, write
from tests.service import config, finished, running, until
from tests.sites import Site
from yt_text_client import Client, JobState, RequestError, read_problem

SPOKEN = speech(90, seed=21)


@pytest.fixture
def site(tmp_path: Path) -> Generator[Site]:
    folder = tmp_path / "www"
    folder.mkdir()
    write(SPOKEN, folder / "talk.mp3", codec="mp3")
    write(SPOKEN, folder / "end.m4a", codec="m4a")
    with Site(folder) as site:
        yield site


@pytest.fixture
async def client(tmp_path: Path) -> AsyncGenerator[Client]:
    async with running(tmp_path) as (_, client):
        yield client


def words() -> list[str]:
    return [word.text for word in SPOKEN.words]


async def test_a_page_is_transcribed_while_it_is_fetched(client: Client, site: Site) -> None:
    size = (site.folder / "talk.mp3").stat().st_size
    job = await client.submit(site.url(f"/page?media=/slow/{size // 15}/talk.mp3"))
    early = 0
    async for change in client.watch(job.id):
        assert change.job is not None
        job = change.job
        if change.segments and job.progress is not None and job.progress.fetched_bytes < size:
            early += len(change.segments)
    assert job.state == JobState.SUCCEEDED, job.error
    assert early > 0, "text came before the download's end"
    assert job.media is not None
    assert job.media.title
    assert word_errors(words(), (await client.get_result(job.id)).text) < 0.15


async def test_an_index_at_the_end_does_not_hold_up_the_text(client: Client, site: Site) -> None:
    size = (site.folder / "end.m4a").stat().st_size
    job = await client.submit(site.url(f"/slow/{size // 15}/end.m4a"))
    await until(client, job.id, lambda job: job.segment_count > 0)
    seen = await client.get_job(job.id)
    assert seen.progress is not None
    assert seen.progress.fetched_bytes < size
    done, _ = await finished(client, job)
    assert done.state == JobState.SUCCEEDED, done.error
    assert word_errors(words(), (await client.get_result(job.id)).text) < 0.15


async def test_a_dropped_connection_is_resumed(client: Client, site: Site) -> None:
    job, _ = await finished(client, await client.submit(site.url("/drop/200000/talk.mp3")))
    assert job.state == JobState.SUCCEEDED, job.error
    assert word_errors(words(), (await client.get_result(job.id)).text) < 0.15


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nothing-here", "RECORDING_GONE"),
        ("/status/403", "ACCESS_DENIED"),
        ("/empty.mp3", "RECORDING_EMPTY"),
        ("/text", "NO_MEDIA_FOUND"),
    ],
)
async def test_a_site_without_a_recording_fails_once_and_says_why(
    client: Client, site: Site, path: str, reason: str
) -> None:
    (site.folder / "empty.mp3").touch()
    job, _ = await finished(client, await client.submit(site.url(path)))
    assert (job.state, job.attempt) == (JobState.FAILED, 1)
    assert job.error is not None
    problem = read_problem(job.error)
    assert problem.reason == reason
    assert "127.0.0.1" not in problem.message


async def test_an_error_that_may_pass_is_tried_again_and_then_given_up(tmp_path: Path, site: Site) -> None:
    async with running(tmp_path, max_attempts=2) as (_, client):
        job, _ = await finished(client, await client.submit(site.url("/status/500")))
    assert (job.state, job.attempt) == (JobState.FAILED, 2)
    assert job.error is not None
    assert read_problem(job.error).reason == "SITE_ERROR"
    assert [read_problem(warning).reason for warning in job.warnings] == ["ATTEMPT_FAILED"]


async def test_a_closed_address_is_reached_by_no_way(tmp_path: Path, site: Site) -> None:
    with Site(site.folder, host="127.0.0.2") as closed:
        async with running(tmp_path) as (_, client):
            with pytest.raises(RequestError) as caught:
                await client.submit(closed.url("/talk.mp3"))
            assert caught.value.reason == "ADDRESS_NOT_ALLOWED"
            job = await client.submit(site.url(f"/redirect?to={closed.url('/talk.mp3')}"))
            job, _ = await finished(client, job)
            assert job.error is not None
            assert read_problem(job.error).reason == "ADDRESS_NOT_ALLOWED"
        assert closed.requests == []


@pytest.mark.parametrize("moment", ["queued", "fetching", "in a chunk"])
async def test_cancel_stops_everything_within_a_second(tmp_path: Path, site: Site, moment: str) -> None:
    slow = wired_model(tmp_path / "slow.bin", high=(), encoder_layers=60)  # a chunk takes a second
    async with running(tmp_path, model=str(slow), max_running_jobs=1) as (_, client):
        first = await client.submit(site.url("/slow/20000/talk.mp3" if moment == "fetching" else "/talk.mp3"))
        job = await client.submit(site.url("/talk.mp3")) if moment == "queued" else first
        if moment == "fetching":
            await until(client, job.id, lambda job: job.progress is not None and job.progress.fetched_bytes > 0)
        if moment == "in a chunk":
            await until(client, job.id, lambda job: job.state == JobState.RUNNING and job.engine != "")
            await asyncio.sleep(1.5)  # into the chunk
        began = time.monotonic()
        answer = await client.cancel(job.id)
        assert answer.state == JobState.CANCELLED
        assert (await client.cancel(job.id)).state == JobState.CANCELLED
        assert time.monotonic() - began < 20
        if moment == "queued":
            await client.cancel(first.id)
        await asyncio.sleep(1)  # the promise: within a second of the answer
        busy = [
            child
            for child in psutil.Process().children(recursive=True)
            if child.status() != psutil.STATUS_ZOMBIE and computes(child)
        ]
        assert busy == [], "nothing computes for a cancelled job"
        assert (await client.get_job(job.id)).segment_count == 0


def computes(process: psutil.Process) -> bool:
    """Whether a process uses the processor now."""
    try:
        before = process.cpu_times()
        time.sleep(0.5)
        after = process.cpu_times()
    except psutil.NoSuchProcess:
        return False
    return after.user - before.user > 0.2


async def test_a_short_job_does_not_wait_for_long_ones(tmp_path: Path) -> None:
    model = wired_model(tmp_path / "wired.bin", high=(), encoder_layers=25)
    long = write(speech(600, seed=5), tmp_path / "long.mp3", codec="mp3")
    short = write(speech(20, seed=6), tmp_path / "short.mp3", codec="mp3")
    async with running(tmp_path, model=str(model), max_running_jobs=4) as (_, client):
        media = await client.upload(long)
        jobs = [await client.submit(media, config(language_code="de")) for _ in range(3)]
        for job in jobs:
            await until(client, job.id, lambda job: job.segment_count > 0)
        short_media = await client.upload(short)
        before = sum([(await client.get_job(job.id)).segment_count for job in jobs])
        done, _ = await finished(client, await client.submit(short_media, config(language_code="de")))
        after = sum([(await client.get_job(job.id)).segment_count for job in jobs])
        assert done.state == JobState.SUCCEEDED
        # Two segments a chunk: each long job had at most a few turns meanwhile.
        assert (after - before) / 2 <= 4 * len(jobs)
        for job in jobs:
            assert (await client.get_job(job.id)).state == JobState.RUNNING
            await client.cancel(job.id)
