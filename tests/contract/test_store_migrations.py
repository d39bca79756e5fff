"""What a database from before becomes: the newest tables, with everything that was in it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from yt_text.errors import Problem, Reason, RequestError
from yt_text.job import Config, Job, JobState, MediaInfo, Progress
from yt_text.store import tables
from yt_text.store.database import HEAD, MIGRATIONS, Database
from yt_text.store.jobs import Submission
from yt_text.store.store import Store
from yt_text.store.tables import Time
from yt_text.transcript import Segment, Word

JOB_ID = "0b6a3b9e-5f3c-4a52-9c1c-3f4f4c3f0001"
FAILED_ID = "0b6a3b9e-5f3c-4a52-9c1c-3f4f4c3f0002"
# As a program at 0001 wrote it: no column from later.
JOB_OF_0001: dict[str, Any] = {
    "id": JOB_ID,
    "state": "queued",
    "url": "https://example.com/a",
    "media_id": "",
    "config": json.dumps(
        {
            "engine": "whisper.cpp",
            "model": "m",
            "language_code": "de",
            "translate": True,
            "word_offsets": True,
            "prompt": "p",
            "text_origin": "speech",
            "diarization": False,
        }
    ),
    "priority": 2,
    "request_id": "5d0f7f5c-70a2-4a60-93ab-000000000001",
    "request_hash": "40be02201a36347bdd5cc4ff022fe373f9447a9c94230172996a3f43bcc30055",
    "media": json.dumps({"title": "Title"}),
    "duration_ms": 60_000,
    "transcribed_ms": 30_000,
    "fetched_bytes": 500,
    "total_bytes": 1_000,
    "error": None,
    "warnings": json.dumps([{"reason": "ATTEMPT_FAILED", "message": "once", "metadata": {}}]),
    "engine": "whisper.cpp",
    "model": "m",
    "model_sha256": "a" * 64,
    "source_id": 5,
    "language_code": "de",
    "language_confidence": 0.75,
    "segment_count": 1,
    "next_chunk": 1,
    "processing_ms": 70,
    "epoch": 1,
    "failures": 1,
    "cancel_requested": False,
    "from_cache": False,
    "revision": 4,
    "create_time": 1_700_000_000_000_000,
    "update_time": 1_700_000_001_000_000,
    "start_time": 1_700_000_000_500_000,
    "attempt_time": 1_700_000_000_500_000,
    "attempt_from_ms": 0,
    "end_time": None,
    "expire_time": None,
    "retry_time": None,
}
FAILED_OF_0001: dict[str, Any] = JOB_OF_0001 | {
    "id": FAILED_ID,
    "state": "failed",
    "request_id": None,
    "error": json.dumps({"reason": "SITE_ERROR", "message": "the site", "metadata": {"http_status": "500"}}),
    "segment_count": 0,
    "next_chunk": 0,
    "end_time": 1_700_000_002_000_000,
}
SEGMENT_OF_0001: dict[str, Any] = {
    "job_id": JOB_ID,
    "index": 0,
    "start_ms": 0,
    "end_ms": 900,
    "text": "text 0",
    "words": json.dumps([["text", 0, 400, 0.5]]),
    "avg_logprob": -0.25,
    "speaker_label": "1",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


async def migrate(change: Callable[[AlembicConfig, str], None], url: str, revision: str) -> None:
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    await asyncio.to_thread(change, config, revision)


def insert(file: Path, table: str, *rows: dict[str, Any]) -> None:
    """Inserts rows by plain SQL, with the columns that they name and no others."""
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        for row in rows:
            names = ", ".join(f'"{name}"' for name in row)
            values = ", ".join(f":{name}" for name in row)
            connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)
    engine.dispose()


def columns(file: Path) -> set[str]:
    engine = sa.create_engine(f"sqlite:///{file}")
    names = {column["name"] for column in sa.inspect(engine).get_columns("job")}
    engine.dispose()
    return names


def table_names(file: Path) -> set[str]:
    engine = sa.create_engine(f"sqlite:///{file}")
    names = set(sa.inspect(engine).get_table_names())
    engine.dispose()
    return names


async def make_0001(file: Path, url: str) -> None:
    """Makes the database as a program at 0001 left it, with two jobs and a segment."""
    await migrate(command.upgrade, url, "0001")
    assert columns(file) == set(JOB_OF_0001)
    insert(file, "job", JOB_OF_0001, FAILED_OF_0001)
    insert(file, "segment", SEGMENT_OF_0001)


async def opened(url: str, **limits: int) -> Store:
    store = Store(url, **limits)
    await store.open()
    return store


async def test_migrations_make_the_tables_that_the_code_names(url: str) -> None:
    database = Database(url)
    await database.open()
    async with database.read() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), tables.metadata)
        )
        version = await connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    await database.close()
    assert differences == []
    assert version == HEAD == ScriptDirectory(str(MIGRATIONS)).get_current_head()


async def test_jobs_of_0001_are_whole_after_the_upgrade(file: Path, url: str) -> None:
    await make_0001(file, url)
    store = await opened(url)
    job = await store.jobs.get(JOB_ID)
    failed = await store.jobs.get(FAILED_ID)
    segments = await store.segments.read(job.id)
    again, new = await store.jobs.submit(
        Submission(job.config, url=job.url, priority=2, request_id=JOB_OF_0001["request_id"], client="10.0.0.1")
    )
    await store.close()

    def moment(name: str) -> Any:
        return Time().process_result_value(JOB_OF_0001[name], None)  # pyright: ignore[reportArgumentType] - unused

    assert job == Job(
        id=JOB_ID,
        state=JobState.QUEUED,
        url="https://example.com/a",
        media_id="",
        config=Config("whisper.cpp", "m", "de", translate=True, word_offsets=True, prompt="p"),
        create_time=moment("create_time"),
        update_time=moment("update_time"),
        priority=2,
        media=MediaInfo(title="Title", duration_ms=60_000),
        progress=Progress(30_000, 500, 1_000),
        warnings=(Problem(Reason.ATTEMPT_FAILED, "once", {}),),
        engine="whisper.cpp",
        model="m",
        model_sha256="a" * 64,
        source_id=5,
        language_code="de",
        language_confidence=0.75,
        segment_count=1,
        next_chunk=1,
        epoch=1,
        failures=1,
        processing_ms=70,
        start_time=moment("start_time"),
        attempt_time=moment("attempt_time"),
        revision=4,
    )
    assert (failed.state, failed.error) == (
        JobState.FAILED,
        Problem(Reason.SITE_ERROR, "the site", {"http_status": "500"}),
    )
    assert segments == [Segment(0, 900, "text 0", (Word("text", 0, 400, 0.5),), -0.25, "1")]
    assert (again.id, new) == (job.id, False)


async def test_jobs_of_0001_can_be_run_and_retried_and_have_no_limit(file: Path, url: str) -> None:
    await make_0001(file, url)
    store = await opened(url, max_client_jobs=1)
    attempt = await store.attempts.claim(JOB_ID)
    assert attempt is not None
    assert (await store.jobs.retry(FAILED_ID)).state is JobState.QUEUED
    await store.jobs.submit(Submission(attempt.config, url=attempt.url, client="10.0.0.1"))
    with pytest.raises(RequestError) as caught:
        await store.jobs.submit(Submission(attempt.config, url=attempt.url, client="10.0.0.1"))
    assert caught.value.reason is Reason.TOO_MANY_JOBS
    await store.close()


async def test_an_insert_of_a_program_at_0001_works_after_the_upgrade(file: Path, url: str) -> None:
    store = await opened(url)
    insert(file, "job", JOB_OF_0001)
    assert (await store.jobs.get(JOB_ID)).url == "https://example.com/a"
    await store.close()


async def test_a_migration_that_fails_halfway_leaves_nothing_of_itself(file: Path, url: str) -> None:
    await make_0001(file, url)
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:  # in the way of what 0002 makes after its column
        connection.execute(sa.text("CREATE INDEX ix_job_client_state ON job (state)"))
    with pytest.raises(OperationalError, match="ix_job_client_state"):
        await migrate(command.upgrade, url, "0002")
    assert columns(file) == set(JOB_OF_0001)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP INDEX ix_job_client_state"))
    engine.dispose()
    store = await opened(url)
    assert await store.jobs.ids() == {JOB_ID, FAILED_ID}
    await store.close()


async def test_jobs_survive_the_way_back_to_0001(file: Path, url: str) -> None:
    await make_0001(file, url)
    store = await opened(url)
    before = await store.jobs.get(JOB_ID)
    await store.close()
    await migrate(command.downgrade, url, "0001")
    assert columns(file) == set(JOB_OF_0001)
    store = await opened(url)
    assert await store.jobs.get(JOB_ID) == before
    await store.close()


async def test_a_database_of_0002_gets_a_budget_and_keeps_its_jobs(file: Path, url: str) -> None:
    await make_0001(file, url)
    await migrate(command.upgrade, url, "0002")
    assert "spending" not in table_names(file)
    store = await opened(url, requests_per_day=1)
    assert await store.jobs.ids() == {JOB_ID, FAILED_ID}
    await store.budget.take("openai", 1_000)
    assert (await store.budget.left("openai")).requests == 0
    await store.close()


async def test_the_way_back_to_0002_removes_the_budget_and_nothing_else(file: Path, url: str) -> None:
    await make_0001(file, url)
    store = await opened(url)
    await store.budget.take("openai", 1_000)
    before = await store.jobs.get(JOB_ID)
    await store.close()
    everything = table_names(file)
    await migrate(command.downgrade, url, "0002")
    assert table_names(file) == everything - {"spending"}
    store = await opened(url)
    assert await store.jobs.get(JOB_ID) == before
    assert (await store.budget.left("openai")).requests == 100
    await store.close()
