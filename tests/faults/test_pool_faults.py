"""What goes wrong with engine processes costs one process, never the pool, and never a chunk."""

import asyncio
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.engine_hosts import computing, cpu_s, eventually, hosts, pool_in
from tests.models import MICRO, Line, wired_model
from tests.sounds import noise, sample_pcm, seconds
from yt_text.engines.engine import ChunkOptions, ChunkResult
from yt_text.errors import EngineError, Reason
from yt_text.pool.pool import EnginePool, EngineSpec, PoolLimits

GERMAN = ChunkOptions(language_code="de")
SOUND = noise(2)
SAID = "Hello from one."
CANCELLED_CPU_S = 1.5
"""At most this much is computed after a chunk was cancelled."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def quick(folder: Path) -> EngineSpec:
    model = wired_model(folder / "ggml-quick.bin", low=(Line(0.0, f" {SAID}", 2.0),), high=())
    return EngineSpec("whisper.cpp", str(model))


@pytest.fixture(scope="module")
def slow(folder: Path) -> EngineSpec:
    """Computes about a second for a chunk, without looking whether it is cancelled."""
    model = wired_model(folder / "ggml-slow.bin", low=(Line(0.0, f" {SAID}", 2.0),), high=(), encoder_layers=64)
    return EngineSpec("whisper.cpp", str(model))


def text(result: ChunkResult) -> str:
    return " ".join(segment.text for segment in result.segments)


async def test_chunk_survives_the_death_of_its_engine(tmp_path: Path, slow: EngineSpec):
    async with pool_in(tmp_path, PoolLimits()) as pool:
        await pool.info(slow)
        chunk = asyncio.create_task(pool.transcribe(slow, "job", SOUND, GERMAN))
        host = await computing()
        host.kill()
        assert text(await chunk) == SAID
        assert [other.pid for other in hosts()] != [host.pid]


async def test_engine_that_dies_idle_is_replaced_when_needed(tmp_path: Path, quick: EngineSpec):
    async with pool_in(tmp_path, PoolLimits()) as pool:
        await pool.info(quick)
        (host,) = hosts()
        host.kill()
        assert text(await pool.transcribe(quick, "job", SOUND, GERMAN)) == SAID
        host = hosts()[0]
        host.kill()
        await eventually(lambda: not hosts(), "the dead child is gone")
        assert text(await pool.transcribe(quick, "job", SOUND, GERMAN)) == SAID


async def test_death_of_one_engine_leaves_the_others_alone(tmp_path: Path, slow: EngineSpec, quick: EngineSpec):
    async with pool_in(tmp_path, PoolLimits(processes=2)) as pool:
        await pool.info(quick)
        (survivor,) = hosts()
        chunk = asyncio.create_task(pool.transcribe(slow, "job", SOUND, GERMAN))
        await eventually(lambda: len(hosts()) == 2, "the second engine starts")
        (victim,) = (host for host in hosts() if host != survivor)
        victim.kill()
        assert text(await pool.transcribe(quick, "other", SOUND, GERMAN)) == SAID
        assert text(await chunk) == SAID
        assert survivor in hosts()


async def test_engine_that_dies_every_time_is_given_up(tmp_path: Path, slow: EngineSpec, quick: EngineSpec):
    async with pool_in(tmp_path, PoolLimits(tries=2)) as pool:
        chunk = asyncio.create_task(pool.transcribe(slow, "job", SOUND, GERMAN))
        while not chunk.done():
            for host in hosts():
                with suppress(psutil.NoSuchProcess):
                    host.kill()
            await asyncio.sleep(0.01)
        error = chunk.exception()
        assert isinstance(error, EngineError)
        assert error.reason is Reason.ENGINE_FAILED
        assert text(await pool.transcribe(quick, "job", SOUND, GERMAN)) == SAID


async def test_stuck_engine_is_replaced_and_its_chunk_begun_again(tmp_path: Path, quick: EngineSpec):
    async with pool_in(tmp_path, PoolLimits(chunk_timeout_s=6)) as pool:
        await pool.info(quick)
        (host,) = hosts()
        host.send_signal(signal.SIGSTOP)
        assert text(await pool.transcribe(quick, "job", SOUND, GERMAN)) == SAID
        assert host.pid not in [other.pid for other in hosts()]


async def test_engine_that_does_not_get_ready_in_time_is_given_up(tmp_path: Path, quick: EngineSpec):
    async with pool_in(tmp_path, PoolLimits(load_timeout_s=0.01, tries=2)) as pool:
        with pytest.raises(EngineError) as caught:
            await pool.info(quick)
        assert caught.value.reason is Reason.ENGINE_FAILED


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can limit the memory of data")
async def test_engine_that_takes_too_much_memory_is_ended(tmp_path: Path, quick: EngineSpec):
    async with pool_in(tmp_path, PoolLimits(memory_base_bytes=30_000_000, tries=2)) as pool:
        with pytest.raises(EngineError) as caught:
            await pool.transcribe(quick, "job", SOUND, GERMAN)
        assert caught.value.reason is Reason.ENGINE_FAILED


@pytest.mark.parametrize("broken", ["cut", "page", "empty", "header", "tensor", "missing"])
async def test_broken_model_is_refused_at_once_and_the_pool_lives_on(tmp_path: Path, quick: EngineSpec, broken: str):
    whole = MICRO.read_bytes()
    last_name = whole.rindex(b"decoder.")
    model = tmp_path / "ggml-broken.bin"
    reason = Reason.MODEL_INVALID
    match broken:
        case "cut":
            model.write_bytes(whole[:-1_000])
        case "page":
            model.write_bytes(b"<!doctype html><title>404</title>")
        case "empty":
            model.touch()
        case "header":
            model.write_bytes(whole[:8] + b"\xff" * 40 + whole[48:])
        case "tensor":
            model.write_bytes(whole[:last_name] + b"Xecoder" + whole[last_name + 7 :])
        case _:
            reason = Reason.MODEL_NOT_FOUND
    spec = EngineSpec("whisper.cpp", str(model))
    async with pool_in(tmp_path, PoolLimits()) as pool:
        waiting = [pool.info(spec), *(pool.transcribe(spec, "job", SOUND, GERMAN) for _ in range(3))]
        good = asyncio.create_task(pool.transcribe(quick, "good", SOUND, GERMAN))
        for error in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(error, EngineError)
            assert error.reason is reason
            assert str(model) not in error.message
        assert text(await good) == SAID
        assert text(await pool.transcribe(quick, "good", SOUND, GERMAN)) == SAID


async def test_run_directory_that_vanished_is_an_error_and_no_hang(tmp_path: Path, quick: EngineSpec):
    folder = Path(tempfile.mkdtemp(prefix="yt-"))  # short enough to be used for sockets
    pool = EnginePool(folder, PoolLimits(tries=2))
    await pool.start()
    folder.rmdir()
    with pytest.raises(EngineError) as caught:
        await pool.transcribe(quick, "job", SOUND, GERMAN)
    assert caught.value.reason is Reason.ENGINE_FAILED
    folder.mkdir()
    assert text(await pool.transcribe(quick, "job", SOUND, GERMAN)) == SAID
    await pool.close()
    folder.rmdir()


async def test_model_that_was_mended_is_loaded(tmp_path: Path):
    model = tmp_path / "ggml-late.bin"
    spec = EngineSpec("whisper.cpp", str(model))
    async with pool_in(tmp_path, PoolLimits()) as pool:
        with pytest.raises(EngineError):
            await pool.info(spec)
        model.write_bytes(MICRO.read_bytes())
        first = await pool.info(spec)
        assert first.model == "late"


async def test_unknown_engine_is_refused(tmp_path: Path):
    async with pool_in(tmp_path, PoolLimits()) as pool:
        with pytest.raises(EngineError) as caught:
            await pool.info(EngineSpec("siri"))
        assert caught.value.reason is Reason.ENGINE_UNKNOWN


async def stopped(host: psutil.Process) -> float:
    """Waits until a process computes no more, and returns how much it has computed."""
    last = -1.0
    with suppress(psutil.NoSuchProcess):
        while (now := cpu_s(host)) != last:
            last = now
            await asyncio.sleep(0.5)
    return last


async def test_cancelling_stops_an_engine_that_listens_and_keeps_it(tmp_path: Path):
    spec = EngineSpec("pocketsphinx")
    speech = seconds(sample_pcm(), 0, 30)
    # A generous time of grace: on a busy machine it must not be killed for being slow.
    async with pool_in(tmp_path, PoolLimits(cancel_grace_s=30)) as pool:
        await pool.info(spec)
        chunk = asyncio.create_task(pool.transcribe(spec, "job", speech, ChunkOptions()))
        host = await computing()
        at_cancel_s = cpu_s(host)
        chunk.cancel()
        with pytest.raises(asyncio.CancelledError):
            await chunk
        assert await stopped(host) - at_cancel_s < CANCELLED_CPU_S
        assert hosts() == [host]
        assert (await pool.transcribe(spec, "job", seconds(speech, 0, 2), ChunkOptions())).language_code == "en"


async def test_cancelling_kills_an_engine_that_does_not_listen(tmp_path: Path, slow: EngineSpec, quick: EngineSpec):
    async with pool_in(tmp_path, PoolLimits(cancel_grace_s=0.3)) as pool:
        await pool.info(slow)
        chunk = asyncio.create_task(pool.transcribe(slow, "job", SOUND, GERMAN))
        host = await computing()
        host.send_signal(signal.SIGSTOP)
        chunk.cancel()
        with pytest.raises(asyncio.CancelledError):
            await chunk
        await eventually(lambda: host not in hosts(), "the engine is killed")
        assert text(await pool.transcribe(quick, "job", SOUND, GERMAN)) == SAID


async def test_cancelling_what_waits_takes_it_out_of_the_line(tmp_path: Path, slow: EngineSpec):
    async with pool_in(tmp_path, PoolLimits()) as pool:
        first = asyncio.create_task(pool.transcribe(slow, "job", SOUND, GERMAN))
        waiting = [asyncio.create_task(pool.transcribe(slow, "job", SOUND, GERMAN)) for _ in range(50)]
        last = asyncio.create_task(pool.transcribe(slow, "job", SOUND, GERMAN))
        await computing()
        for task in waiting:
            task.cancel()
        assert text(await first) == SAID
        assert text(await last) == SAID  # 50 chunks of a second each do not come before it
        assert all(task.cancelled() for task in waiting)
        (host,) = hosts()
        assert cpu_s(host) < 25


async def test_idle_engine_is_unloaded_and_loaded_again_when_needed(tmp_path: Path, quick: EngineSpec):
    async with pool_in(tmp_path, PoolLimits(idle_unload_s=0.2)) as pool:
        assert text(await pool.transcribe(quick, "job", SOUND, GERMAN)) == SAID
        await eventually(lambda: not hosts(), "the idle engine is unloaded")
        assert text(await pool.transcribe(quick, "job", SOUND, GERMAN)) == SAID


async def test_closing_ends_everything_and_tells_those_who_wait(tmp_path: Path, slow: EngineSpec):
    pool = EnginePool(tmp_path / "run", PoolLimits(processes=2))
    await pool.start()
    chunks = [asyncio.create_task(pool.transcribe(slow, f"job {number}", SOUND, GERMAN)) for number in range(6)]
    await computing()
    await pool.close()
    for error in await asyncio.gather(*chunks, return_exceptions=True):
        assert isinstance(error, EngineError)
        assert error.reason is Reason.SHUTTING_DOWN
        assert error.retryable
    assert hosts() == []
    assert list((tmp_path / "run").iterdir()) == []
    await pool.close()


async def test_closing_while_engines_start_leaves_nothing(tmp_path: Path, slow: EngineSpec):
    for delay_s in (0, 0.001, 0.01, 0.05, 0.1, 0.2):
        pool = EnginePool(tmp_path / "run", PoolLimits(processes=2))
        await pool.start()
        chunks = [asyncio.create_task(pool.transcribe(slow, "job", SOUND, GERMAN)) for _ in range(2)]
        await asyncio.sleep(delay_s)
        await pool.close()
        await asyncio.gather(*chunks, return_exceptions=True)
        assert hosts() == []
        assert list((tmp_path / "run").iterdir()) == []


OWNER = """
import asyncio, sys
from pathlib import Path
from yt_text.pool.pool import EnginePool, EngineSpec, PoolLimits

async def main():
    pool = EnginePool(Path(sys.argv[1]), PoolLimits())
    await pool.start()
    await pool.info(EngineSpec("whisper.cpp", sys.argv[2]))
    print("ready", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_engines_end_with_a_server_that_is_killed(tmp_path: Path, quick: EngineSpec):
    command = [sys.executable, "-c", OWNER, str(tmp_path / "run"), quick.model_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert await asyncio.to_thread(owner.stdout.readline) == b"ready\n"
        (host,) = hosts(owner.pid)
        owner.kill()
        await eventually(lambda: not host.is_running() or host.status() == "zombie", "the engine ends too")
    assert list((tmp_path / "run").iterdir()) == []
