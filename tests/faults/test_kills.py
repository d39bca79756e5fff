"""kill -9 of each process in the middle of a job: the job goes on, nothing is lost or doubled."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.models import wired_model
from tests.recordings import speech, write
from tests.service import ServeProcess, config, finished, until
from tests.sites import Site
from yt_text_client import Client, Job, JobState, Segment

DURATION_S = 240


def sound(folder: Path) -> Path:
    (folder / "www").mkdir(exist_ok=True)
    return write(speech(DURATION_S, seed=8), folder / "www" / "talk.mp3", codec="mp3")


def environment(folder: Path) -> dict[str, str]:
    # Each chunk takes about half a second: time to be killed.
    model = wired_model(folder / "wired.bin", high=(), encoder_layers=25)
    return {"YT_TEXT_MODEL": str(model)}


async def undisturbed(folder: Path, options: dict[str, Any]) -> list[Segment]:
    """The transcript of the same recording when nobody kills anything."""
    folder.mkdir()
    path = sound(folder)
    async with ServeProcess(folder, **environment(folder)) as service, Client(service.address) as client:
        job, segments = await finished(client, await client.submit(await client.upload(path), config(**options)))
        assert job.state == JobState.SUCCEEDED
        return segments


def committed(count: int) -> Callable[[Job], bool]:
    return lambda job: job.segment_count >= count


async def child(service: ServeProcess, module: str) -> psutil.Process:
    async with asyncio.timeout(60):
        while (found := service.child(module)) is None:
            await asyncio.sleep(0.02)
    return found


@pytest.mark.parametrize("module", ["yt_text.pool.host", "yt_text.audio.child"])
async def test_a_killed_child_is_replaced(tmp_path: Path, module: str) -> None:
    path = sound(tmp_path)
    async with ServeProcess(tmp_path, **environment(tmp_path)) as service, Client(service.address) as client:
        job = await client.submit(await client.upload(path))
        await until(client, job.id, committed(4))
        (await child(service, module)).kill()
        done, segments = await finished(client, job)
        assert done.state == JobState.SUCCEEDED, done.error
        assert (await client.get_result(job.id)).segments == segments
    assert [s.text for s in segments] == [s.text for s in await undisturbed(tmp_path / "calm", {})]


async def test_a_killed_fetch_is_resumed(tmp_path: Path) -> None:
    path = sound(tmp_path)
    with Site(path.parent) as site:
        async with ServeProcess(tmp_path, **environment(tmp_path)) as service, Client(service.address) as client:
            job = await client.submit(site.url("/slow/150000/talk.mp3"))
            await until(client, job.id, lambda job: job.progress is not None and job.progress.fetched_bytes > 300_000)
            (await child(service, "yt_text.intake.fetch_child")).kill()
            done, segments = await finished(client, job)
            assert done.state == JobState.SUCCEEDED, done.error
            assert done.attempt == 2
            assert (await client.get_result(job.id)).segments == segments
    assert segments == await undisturbed(tmp_path / "calm", {})


async def test_the_killed_service_goes_on_from_its_checkpoints(tmp_path: Path) -> None:
    """Three jobs, the whole service killed three times while they run, and a watcher that stays."""
    path = sound(tmp_path)
    options = {"language_code": "de", "enable_word_offsets": True, "prompt": "names to expect"}
    service = ServeProcess(tmp_path, **environment(tmp_path))
    async with service, Client(service.address, contact_timeout_s=120) as client:
        media = await client.upload(path)
        jobs = [await client.submit(media, config(**options)) for _ in range(3)]
        watching = [asyncio.create_task(finished(client, job, timeout_s=170)) for job in jobs]
        before = 0
        for _ in range(3):
            await until(client, jobs[0].id, committed(before + 3))
            children = service.children()
            service.kill()
            _, alive = psutil.wait_procs(children, timeout=20)
            assert alive == [], "children die with the service"
            service.start()
            await service.ready()
            resumed = await client.get_job(jobs[0].id)
            assert resumed.segment_count >= before + 3, "what was committed is still there"
            before = resumed.segment_count
        watched = await asyncio.gather(*watching)
        calm = await undisturbed(tmp_path / "calm", options)
        for job, segments in watched:
            assert job.state == JobState.SUCCEEDED, job.error
            assert job.attempt >= 2
            assert job.config == jobs[0].config
            assert segments == calm
            assert (await client.get_result(job.id)).segments == calm


async def test_sigterm_puts_jobs_back_and_a_new_service_ends_them(tmp_path: Path) -> None:
    path = sound(tmp_path)
    more = {**environment(tmp_path), "YT_TEXT_SHUTDOWN_GRACE_S": "0.2"}
    service = ServeProcess(tmp_path, **more)
    async with service, Client(service.address) as client:
        job = await client.submit(await client.upload(path))
        await until(client, job.id, committed(3))
        children = service.children()
        assert service.terminate() == 0, service.log()
        assert psutil.wait_procs(children, timeout=20)[1] == []
        service.start()
        await service.ready()
        done, segments = await finished(client, job)
        assert done.state == JobState.SUCCEEDED, done.error
        assert [warning.message for warning in done.warnings] == [], "a stop is no failure"
    assert segments == await undisturbed(tmp_path / "calm", {})


async def test_sigterm_lets_a_short_job_end(tmp_path: Path) -> None:
    path = write(speech(40, seed=2), tmp_path / "short.mp3", codec="mp3")
    service = ServeProcess(tmp_path, **environment(tmp_path), YT_TEXT_SHUTDOWN_GRACE_S="60")
    async with service, Client(service.address, contact_timeout_s=120) as client:
        job = await client.submit(await client.upload(path))
        await until(client, job.id, lambda job: job.state == JobState.RUNNING)
        assert service.terminate() == 0
        service.start()
        await service.ready()
        done = await client.get_job(job.id)
        assert (done.state, done.attempt) == (JobState.SUCCEEDED, 1)
