"""Jobs on an OpenAI-compatible server, through the whole service."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.openai_server import TEXT, OpenAiServer, failure
from tests.recordings import speech, write
from tests.service import config, finished, running
from yt_text_client import Client, Job, JobState, RequestError, read_problem


@pytest.fixture
def server() -> Generator[OpenAiServer]:
    with OpenAiServer() as server:
        yield server


@asynccontextmanager
async def with_openai(folder: Path, server: OpenAiServer, **values: Any) -> AsyncGenerator[Client]:
    """A service that has no model of its own."""
    given = {"openai_api_key": server.key, "openai_base_url": server.url, "openai_model": "whisper-1"}
    async with running(folder, model="", max_attempts=1, **{**given, **values}) as (_, client):
        yield client


async def transcribed(client: Client, folder: Path, duration_s: float = 5, **values: Any) -> Job:
    path = write(speech(duration_s, seed=1), folder / "talk.mp3", codec="mp3")
    job, _ = await finished(client, await client.submit(await client.upload(path), config(**values)))
    return job


def reason(job: Job) -> str:
    assert job.error is not None
    return read_problem(job.error).reason


@pytest.mark.parametrize("engine", ["openai", "auto"])
async def test_without_a_model_of_its_own_a_service_with_a_key_asks_openai(
    tmp_path: Path, server: OpenAiServer, engine: str
) -> None:
    async with with_openai(tmp_path, server) as client:
        job = await transcribed(client, tmp_path, engine=engine)
        assert (job.state, job.engine, job.model, job.warnings) == (JobState.SUCCEEDED, "openai", "whisper-1", [])
        assert (await client.get_result(job.id)).text == TEXT
        assert next(engine.name for engine in await client.list_engines() if engine.available) == "openai"
        commands = [child.cmdline() + list(child.environ().values()) for child in psutil.Process().children(True)]
        assert commands, "the engine's process lives"
        assert not any(server.key in part for words in commands for part in words), "the key goes by no open way"
    assert server.requests[0].headers["authorization"] == f"Bearer {server.key}"


async def test_without_a_key_it_is_refused_with_what_to_do(tmp_path: Path, server: OpenAiServer) -> None:
    async with with_openai(tmp_path, server, openai_api_key="", openai_base_url="") as client:
        with pytest.raises(RequestError, match="YT_TEXT_OPENAI_API_KEY"):
            await transcribed(client, tmp_path, engine="openai")
    assert not server.requests


async def test_a_budget_that_is_spent_ends_the_job_and_keeps_what_is_committed(
    tmp_path: Path, server: OpenAiServer
) -> None:
    async with with_openai(tmp_path, server, openai_requests_per_day=1) as client:
        job = await transcribed(client, tmp_path, duration_s=300, engine="openai")
        assert (job.state, reason(job)) == (JobState.FAILED, "BUDGET_SPENT")
        assert job.error is not None
        assert "midnight UTC" in read_problem(job.error).message
    assert len(server.requests) <= 1
    async with with_openai(tmp_path, server, openai_requests_per_day=1) as client:
        again = await transcribed(client, tmp_path, engine="openai")
        assert reason(again) == "BUDGET_SPENT", "a restart does not forget"
    assert len(server.requests) <= 1


async def test_a_service_that_fails_is_not_paid_again_and_again(tmp_path: Path, server: OpenAiServer) -> None:
    server.will(failure(400, "This file is not for us."))
    async with with_openai(tmp_path, server) as client:
        job = await transcribed(client, tmp_path, engine="openai")
    assert job.state == JobState.FAILED
    assert len(server.requests) <= 3
