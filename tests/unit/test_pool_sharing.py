"""The pool shares its children: fairly between jobs, in turns between models, within its limits."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.engine_hosts import eventually, hosts, pool_in
from tests.models import MICRO, Line, wired_model
from tests.scoring import word_errors
from tests.sounds import noise, pause, sample_pcm, sample_words, seconds
from yt_text.engines.engine import ChunkOptions, ChunkResult
from yt_text.errors import EngineError, Reason
from yt_text.pool.pool import EngineInfo, EnginePool, EngineSpec, PoolLimits

GERMAN = ChunkOptions(language_code="de")
SOUND = noise(2)


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory) -> EngineSpec:
    """Says the first line."""
    path = tmp_path_factory.mktemp("models") / "ggml-first.bin"
    return EngineSpec("whisper.cpp", str(wired_model(path, low=(Line(0.0, " Hello from one.", 2.0),), high=())))


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> EngineSpec:
    path = tmp_path_factory.mktemp("models") / "ggml-second.bin"
    return EngineSpec("whisper.cpp", str(wired_model(path, low=(Line(0.0, " Now the other!", 2.0),), high=())))


def text(result: ChunkResult) -> str:
    return " ".join(segment.text for segment in result.segments)


class Order:
    """Notes in which order work ends."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def note(self, name: str, work: Coroutine[Any, Any, ChunkResult]) -> ChunkResult:
        result = await work
        self.ended.append(name)
        return result


async def test_speech_goes_through_the_pool(tmp_path: Path):
    cut = pause(0.4, 20)
    async with pool_in(tmp_path, PoolLimits()) as pool:
        spec = EngineSpec("whisper.cpp", str(MICRO))
        result = await pool.transcribe(spec, "job", seconds(sample_pcm(), 0, cut), ChunkOptions("en"))
    said = [word.text for word in sample_words() if word.end_s <= cut]
    assert word_errors(said, text(result)) < 0.15
    assert all(segment.words and segment.avg_logprob < 0 for segment in result.segments)


async def test_info_is_what_the_engine_says(tmp_path: Path, wired: EngineSpec):
    async with pool_in(tmp_path, PoolLimits()) as pool:
        info = await pool.info(wired)
        assert info == EngineInfo("whisper.cpp", "first", info.model_sha256, 30_000)
        assert len(info.model_sha256) == 64
        assert await pool.info(wired) == info
        assert await pool.info(EngineSpec("pocketsphinx")) == EngineInfo("pocketsphinx", "en-us", "", 30_000)
        assert pool.capacity == 1


async def test_known_info_costs_no_child_that_is_in_use(tmp_path: Path, wired: EngineSpec, second: EngineSpec):
    async with pool_in(tmp_path, PoolLimits()) as pool:
        known = await pool.info(wired)
        await pool.info(second)
        (host,) = hosts()
        assert await pool.info(wired) == known
        assert hosts() == [host]


async def test_asking_for_info_loads_the_engine_ahead(tmp_path: Path, wired: EngineSpec):
    async with pool_in(tmp_path, PoolLimits(idle_unload_s=0.1)) as pool:
        await pool.info(wired)
        await eventually(lambda: not hosts(), "the idle engine is unloaded")
        await pool.info(wired)
        await eventually(hosts, "it is loaded again")


async def test_short_job_does_not_wait_for_a_long_one(tmp_path: Path, wired: EngineSpec):
    async with pool_in(tmp_path, PoolLimits()) as pool:
        order = Order()
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(order.note(f"long {number}", pool.transcribe(wired, "long", SOUND, GERMAN)))
            await asyncio.sleep(0)
            group.create_task(order.note("short", pool.transcribe(wired, "short", SOUND, GERMAN)))
    assert order.ended.index("short") <= 2
    assert [name for name in order.ended if name != "short"] == [f"long {number}" for number in range(20)]


async def test_chunks_of_one_job_use_every_child(tmp_path: Path, wired: EngineSpec):
    async with pool_in(tmp_path, PoolLimits(processes=2)) as pool:
        results = await asyncio.gather(*(pool.transcribe(wired, "job", SOUND, GERMAN) for _ in range(12)))
        assert len(hosts()) == 2
        assert {text(result) for result in results} == {"Hello from one."}


async def test_several_models_are_loaded_side_by_side(tmp_path: Path, wired: EngineSpec, second: EngineSpec):
    async with pool_in(tmp_path, PoolLimits(processes=2)) as pool:
        pids: set[int] = set()
        for _ in range(2):
            results = await asyncio.gather(
                pool.transcribe(wired, "a", SOUND, GERMAN), pool.transcribe(second, "b", SOUND, GERMAN)
            )
            assert [text(result) for result in results] == ["Hello from one.", "Now the other!"]
            pids |= {host.pid for host in hosts()}
        assert len(pids) == 2, "no child was replaced"


async def test_idle_model_gives_way_to_another(tmp_path: Path, wired: EngineSpec, second: EngineSpec):
    async with pool_in(tmp_path, PoolLimits()) as pool:
        assert text(await pool.transcribe(wired, "a", SOUND, GERMAN)) == "Hello from one."
        assert text(await pool.transcribe(second, "b", SOUND, GERMAN)) == "Now the other!"
        assert text(await pool.transcribe(wired, "a", SOUND, GERMAN)) == "Hello from one."
        await eventually(lambda: len(hosts()) == 1, "only one child is left")


async def test_model_in_constant_use_gives_way_after_its_turn(tmp_path: Path, wired: EngineSpec, second: EngineSpec):
    async with pool_in(tmp_path, PoolLimits(turn_chunks=2)) as pool:
        order = Order()
        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(order.note(f"{number}", pool.transcribe(wired, "a", SOUND, GERMAN)))
            await pool.info(wired)
            group.create_task(order.note("other", pool.transcribe(second, "b", SOUND, GERMAN)))
    assert 1 <= order.ended.index("other") <= 4


async def test_child_idle_for_a_while_goes_to_a_model_that_needs_more(
    tmp_path: Path, wired: EngineSpec, second: EngineSpec
):
    async with pool_in(tmp_path, PoolLimits(processes=2, steal_after_s=0.1)) as pool:
        await asyncio.gather(pool.info(wired), pool.info(second))
        before = {host.pid for host in hosts()}
        results = await asyncio.gather(*(pool.transcribe(wired, "a", SOUND, GERMAN) for _ in range(40)))
        assert {text(result) for result in results} == {"Hello from one."}
        await eventually(lambda: len(hosts()) == 2, "the replaced child is gone")
        assert len(before & {host.pid for host in hosts()}) == 1


async def test_refusal_of_the_engine_comes_back_typed(tmp_path: Path, wired: EngineSpec):
    async with pool_in(tmp_path, PoolLimits()) as pool:
        await pool.info(wired)
        (host,) = hosts()
        for pcm, options, reason in (
            (SOUND, ChunkOptions("tlh"), Reason.LANGUAGE_NOT_SUPPORTED),
            (b"\0", GERMAN, Reason.INVALID_REQUEST),
            (bytes(9 * 1024 * 1024), GERMAN, Reason.INVALID_REQUEST),
        ):
            with pytest.raises(EngineError) as caught:
                await pool.transcribe(wired, "job", pcm, options)
            assert caught.value.reason is reason
        assert text(await pool.transcribe(wired, "job", SOUND, GERMAN)) == "Hello from one."
        assert hosts() == [host], "a refusal costs no child"


async def test_more_waiting_than_the_limit_is_refused(tmp_path: Path, wired: EngineSpec):
    async with pool_in(tmp_path, PoolLimits(max_waiting_chunks=3)) as pool:
        tasks = [asyncio.create_task(pool.transcribe(wired, "job", SOUND, GERMAN)) for _ in range(5)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [result for result in results if isinstance(result, EngineError)]
    assert [error.reason for error in refused] == [Reason.OVERLOADED] * 2
    assert all(error.retryable for error in refused)


async def test_pool_that_is_not_started_or_closed_refuses(tmp_path: Path, wired: EngineSpec):
    pool = EnginePool(tmp_path / "run", PoolLimits())
    for step in (pool.start, pool.close):
        with pytest.raises(EngineError) as caught:
            await pool.transcribe(wired, "job", SOUND, GERMAN)
        assert caught.value.reason is Reason.SHUTTING_DOWN
        await step()
        if step == pool.start:
            await pool.close()


@pytest.mark.parametrize("name", ["x" * 120, "spaces and ünusual %41 ?x#y"])
async def test_any_run_directory_will_do(tmp_path: Path, wired: EngineSpec, name: str):
    folder = tmp_path / name
    folder.mkdir()
    async with pool_in(folder, PoolLimits()) as pool:
        assert text(await pool.transcribe(wired, "job", SOUND, GERMAN)) == "Hello from one."
