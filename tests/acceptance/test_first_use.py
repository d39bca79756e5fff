"""The first job on a machine without a model: the default model is fetched, visibly, or the job goes on without."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.model_mirrors import Mirror
from tests.models import wired_model
from tests.recordings import speech, write
from tests.service import closed_port, config, finished, running, until
from yt_text.engines import model_table
from yt_text.engines.model_table import DEFAULT_MODEL, PublishedModel
from yt_text_client import Client, Job, JobState, read_problem

FILE = f"/ggml-{DEFAULT_MODEL}.bin"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The bytes of a small model that goes by the name of the default one: the public one is 80 MB and far away."""
    data = wired_model(tmp_path / "wired.bin", high=()).read_bytes()
    wired = PublishedModel(DEFAULT_MODEL, len(data), sha256(data).hexdigest())
    monkeypatch.setitem(model_table.PUBLISHED, DEFAULT_MODEL, wired)
    return data


@asynccontextmanager
async def without_model(folder: Path, mirror: str) -> AsyncGenerator[Client]:
    values: dict[str, Any] = {"model": "", "model_download": True, "model_mirrors": (mirror,), "max_attempts": 1}
    async with running(folder, **values) as (_, client):
        yield client


async def submitted(client: Client, folder: Path, **values: Any) -> Job:
    path = write(speech(5, seed=1), folder / "talk.mp3", codec="mp3")
    return await client.submit(await client.upload(path), config(**values))


def reasons(job: Job) -> list[str]:
    return [read_problem(warning).reason for warning in job.warnings]


async def test_the_default_model_is_fetched_at_its_first_use_and_the_job_says_so(tmp_path: Path, model: bytes) -> None:
    with Mirror({FILE: model}) as mirror:
        mirror.rate = len(model) // 3
        async with without_model(tmp_path, mirror.url("")) as client:
            job = await submitted(client, tmp_path)
            seen = await until(client, job.id, lambda job: "MODEL_DOWNLOAD" in reasons(job))
            assert seen.state == JobState.RUNNING
            assert "MB" in read_problem(seen.warnings[0]).message
            job, _ = await finished(client, job)
            assert (job.state, job.engine, job.model) == (JobState.SUCCEEDED, "whisper.cpp", DEFAULT_MODEL)
            assert reasons(job) == ["MODEL_DOWNLOAD"]
            assert (await client.get_result(job.id)).model_sha256 == sha256(model).hexdigest()
            second, _ = await finished(client, await submitted(client, tmp_path))
            assert (second.state, second.warnings) == (JobState.SUCCEEDED, [])
        assert (tmp_path / "models" / f"ggml-{DEFAULT_MODEL}.bin").read_bytes() == model


async def test_offline_the_job_goes_on_with_the_small_engine_and_says_why(tmp_path: Path) -> None:
    with closed_port() as nowhere:
        async with without_model(tmp_path, nowhere) as client:
            job, _ = await finished(client, await submitted(client, tmp_path))
    assert (job.state, job.engine) == (JobState.SUCCEEDED, "pocketsphinx")
    assert set(reasons(job)) >= {"MODEL_DOWNLOAD_FAILED", "LOWER_QUALITY_ENGINE"}
    assert "127.0.0.1" not in " ".join(read_problem(warning).message for warning in job.warnings)


async def test_an_engine_that_was_named_is_not_replaced(tmp_path: Path) -> None:
    with closed_port() as nowhere:
        async with without_model(tmp_path, nowhere) as client:
            job, _ = await finished(client, await submitted(client, tmp_path, engine="whisper.cpp"))
    assert job.state == JobState.FAILED
    assert job.error is not None
    assert read_problem(job.error).reason == "MODEL_DOWNLOAD_FAILED"


async def test_a_cancel_stops_the_fetch_and_keeps_what_came(tmp_path: Path, model: bytes) -> None:
    with Mirror({FILE: model}) as mirror:
        mirror.hold_at = len(model) // 2
        async with without_model(tmp_path, mirror.url("")) as client:
            job = await submitted(client, tmp_path)
            await until(client, job.id, lambda job: "MODEL_DOWNLOAD" in reasons(job))
            assert (await client.cancel(job.id)).state == JobState.CANCELLED
        parts = [path.name for path in (tmp_path / "models").iterdir()]
    assert f"ggml-{DEFAULT_MODEL}.bin.part" in parts
    assert f"ggml-{DEFAULT_MODEL}.bin" not in parts
