"""The process that decodes: what it gives while a recording arrives, how it dies, and what it may not do."""

import asyncio
import contextlib
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest

from tests import sounds
from yt_text.audio.reader import AudioLimits, AudioReader
from yt_text.audio.timeline import Chunk
from yt_text.errors import MediaError, Reason
from yt_text.spool import SpoolWriter

WAIT_S = 60


@cache
def mp3() -> bytes:
    """A minute of words that can be written one behind the other to make hours."""
    options = {"write_xing": "0", "id3v2_version": "0"}
    return sounds.encode(sounds.sample_pcm(), "mp3", "libmp3lame", rate=22_050, options=options)


async def read(path: Path, **options: object) -> tuple[list[Chunk], AudioReader]:
    async with AudioReader(path, **options) as reader:  # pyright: ignore[reportArgumentType] - as the tests give them
        return [chunk async for chunk in reader], reader


async def failure(path: Path, **options: object) -> MediaError:
    with pytest.raises(MediaError) as caught:
        await read(path, **options)
    return caught.value


def child_of(reader: AudioReader) -> psutil.Process:
    assert reader._child
    return psutil.Process(reader._child.pid)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.02)


@contextlib.contextmanager
def writing(work: Callable[[], None]) -> Generator[None]:
    """Writes a spool beside the reader."""
    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(WAIT_S)
        assert not thread.is_alive()


async def test_a_complete_recording_is_read_to_its_end(tmp_path: Path) -> None:
    chunks, reader = await read(sounds.complete_spool(tmp_path / "spool", sounds.SAMPLE.read_bytes()))
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert reader.summary
    assert reader.summary.chunk_count == len(chunks) == 2
    assert reader.summary.duration_ms == reader.decoded_ms == 60_000
    assert 30_000 < reader.summary.speech_ms < 55_000
    assert reader.summary.warnings == ()
    pcm = sounds.sample_pcm()
    for chunk in chunks:
        assert chunk.pcm == b"".join(pcm[p.start * 2 : (p.start + p.length) * 2] for p in chunk.pieces)
    assert await anext(aiter(reader), None) is None  # the end stays the end


async def test_skipped_chunks_leave_the_others_as_they_are(tmp_path: Path) -> None:
    path = sounds.complete_spool(tmp_path / "spool", mp3() * 3)
    chunks, _ = await read(path, max_chunk_ms=12_000)
    for skip in (1, 5, len(chunks), len(chunks) + 3):
        rest, reader = await read(path, max_chunk_ms=12_000, skip_chunks=skip)
        assert rest == chunks[skip:]
        assert reader.summary
        assert reader.summary.chunk_count == len(chunks)


async def test_chunks_come_while_the_recording_still_arrives(tmp_path: Path) -> None:
    path, data, go_on = tmp_path / "spool", mp3() * 2, Event()

    def write() -> None:
        with SpoolWriter(path) as writer:
            for start in range(0, len(data), 10_000):
                if start > len(data) * 3 // 4:
                    assert go_on.wait(WAIT_S)
                writer.append(data[start : start + 10_000])
            writer.finish()

    with writing(write):
        async with AudioReader(path) as reader:  # perhaps before there is a spool
            chunks = [await anext(reader), await anext(reader)]
            go_on.set()
            chunks += [chunk async for chunk in reader]
    assert (chunks, reader.summary) == (
        (whole := await read(sounds.complete_spool(tmp_path / "whole", data)))[0],
        whole[1].summary,
    )


@pytest.mark.parametrize("ahead", [True, False], ids=["index fetched ahead", "index last"])
async def test_an_mp4_with_its_index_at_the_end_is_read_as_soon_as_that_is_there(tmp_path: Path, ahead: bool) -> None:
    path, go_on = tmp_path / "spool", Event()
    data = sounds.encode(sounds.sample_pcm() * 2, "ipod", "aac", rate=44_100)
    index = data.rindex(b"moov") - 4
    assert index > len(data) // 2

    def write() -> None:
        with SpoolWriter(path) as writer:
            writer.set_total(len(data))
            if ahead:
                writer.write_tail(index, data[index:])
            writer.append(data[: index * 3 // 4])
            if ahead:
                assert go_on.wait(WAIT_S)
            writer.append(data[index * 3 // 4 : index if ahead else len(data)])
            writer.finish()

    with writing(write):
        async with AudioReader(path) as reader:
            chunks = [await anext(reader)]
            go_on.set()
            chunks += [chunk async for chunk in reader]
    assert chunks == (await read(sounds.complete_spool(tmp_path / "whole", data)))[0]


async def test_a_long_silence_shows_progress(tmp_path: Path) -> None:
    silence = sounds.encode(sounds.silence(1_200), "flac", "flac")
    seen: set[int] = set()
    async with AudioReader(sounds.complete_spool(tmp_path / "spool", silence)) as reader:

        async def watch() -> None:
            while True:
                seen.add(reader.decoded_ms)
                await asyncio.sleep(0.01)

        watcher = asyncio.create_task(watch())
        assert [chunk async for chunk in reader] == []
        watcher.cancel()
    assert len(seen) > 2
    assert reader.decoded_ms == 1_200_000
    assert reader.summary
    assert (reader.summary.speech_ms, reader.summary.chunk_count) == (0, 0)


async def test_a_reader_that_takes_nothing_stops_the_child(tmp_path: Path) -> None:
    async with AudioReader(sounds.complete_spool(tmp_path / "spool", mp3() * 30)) as reader:
        await anext(reader)
        child = child_of(reader)

        def waits() -> bool:
            before = sum(child.cpu_times()[:2])
            time.sleep(0.3)
            return sum(child.cpu_times()[:2]) == before

        await until(lambda: waits() and waits())
        assert child.status() == psutil.STATUS_SLEEPING
        assert len([chunk async for chunk in reader]) > 40


async def test_memory_does_not_grow_with_the_length_of_a_recording(tmp_path: Path) -> None:
    path = sounds.complete_spool(tmp_path / "spool", mp3() * 60)
    resident: list[int] = []
    async with AudioReader(path) as reader:
        async for _ in reader:
            with contextlib.suppress(psutil.NoSuchProcess):  # the last chunk may come as the child ends
                resident.append(child_of(reader).memory_info().rss)
    assert reader.summary
    assert reader.summary.duration_ms > 3_590_000
    assert len(resident) > 80
    assert max(resident[60:]) - max(resident[5:30]) < 8 << 20
    assert max(resident) < 200 << 20


async def test_a_killed_child_is_an_error_that_may_pass(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    with SpoolWriter(path) as writer:
        writer.append(mp3())
        async with AudioReader(path) as reader:
            await anext(reader)
            os.kill(child_of(reader).pid, signal.SIGKILL)
            with pytest.raises(MediaError) as caught:
                await anext(reader)
    assert (caught.value.reason, caught.value.retryable) == (Reason.DECODE_FAILED, True)


@pytest.mark.parametrize("way", [signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM])
async def test_a_crash_of_native_code_costs_the_child_only(tmp_path: Path, way: signal.Signals) -> None:
    path = tmp_path / "spool"
    with SpoolWriter(path) as writer:
        writer.append(mp3())
        async with AudioReader(path) as reader:
            await anext(reader)
            child_of(reader).send_signal(way)
            with pytest.raises(MediaError) as caught:
                await anext(reader)
    assert (caught.value.reason, caught.value.retryable) == (Reason.DECODE_FAILED, True)


async def test_leaving_kills_the_child_at_once(tmp_path: Path) -> None:
    with SpoolWriter(tmp_path / "spool") as writer:
        writer.append(mp3())
        async with AudioReader(tmp_path / "spool") as reader:
            await anext(reader)
            pid = child_of(reader).pid
        with pytest.raises(psutil.NoSuchProcess):  # reaped, not only dead
            psutil.Process(pid)


async def test_cancelling_the_reader_kills_the_child(tmp_path: Path) -> None:
    pids: list[int] = []

    async def follow() -> None:
        async with AudioReader(tmp_path / "spool") as reader:
            pids.append(child_of(reader).pid)
            async for _ in reader:
                pass

    with SpoolWriter(tmp_path / "spool") as writer:
        writer.append(mp3())
        task = asyncio.create_task(follow())
        await until(lambda: bool(pids))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert gone(pids[0])


async def test_a_read_that_is_cancelled_loses_nothing(tmp_path: Path) -> None:
    path = sounds.complete_spool(tmp_path / "spool", mp3() * 3)
    chunks: list[Chunk] = []
    async with AudioReader(path) as reader:
        while reader.summary is None:
            with contextlib.suppress(TimeoutError, StopAsyncIteration):
                chunks.append(await asyncio.wait_for(anext(reader), 0.003))
    assert chunks == (await read(path))[0]


@pytest.mark.parametrize("busy", [True, False], ids=["pipe full", "waiting for bytes"])
async def test_the_child_does_not_outlive_its_parent(tmp_path: Path, busy: bool) -> None:
    program = """
import asyncio, sys
from pathlib import Path
from yt_text.audio.reader import AudioReader

async def main():
    async with AudioReader(Path(sys.argv[1])) as reader:
        await anext(reader)
        print(reader._child.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""
    with SpoolWriter(tmp_path / "spool") as writer:
        writer.append(mp3() * (30 if busy else 1))
        parent = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "spool")], stdout=subprocess.PIPE, text=True
        )
        try:
            assert parent.stdout
            pid = int(await asyncio.to_thread(parent.stdout.readline))
            assert not gone(pid)
        finally:
            parent.kill()
            parent.wait()
            if parent.stdout:
                parent.stdout.close()
        await until(lambda: gone(pid))


async def test_the_child_ends_when_its_input_is_closed(tmp_path: Path) -> None:
    """The way that holds on every system, also while it waits for bytes."""
    with SpoolWriter(tmp_path / "spool") as writer:
        writer.append(mp3())
        async with AudioReader(tmp_path / "spool") as reader:
            await anext(reader)
            assert reader._child
            assert reader._child.stdin
            reader._child.stdin.close()
            with pytest.raises(MediaError):
                await anext(reader)


@pytest.mark.parametrize("there", [True, False], ids=["no more bytes", "no spool"])
async def test_bytes_that_do_not_come_are_waited_for_only_so_long(tmp_path: Path, there: bool) -> None:
    with contextlib.ExitStack() as stack:
        if there:
            stack.enter_context(SpoolWriter(tmp_path / "spool")).append(mp3()[:50_000])
        error = await failure(tmp_path / "spool", limits=AudioLimits(stall_s=0.5))
    assert (error.reason, error.retryable) == (Reason.FETCH_FAILED, True)


async def test_a_child_that_stands_still_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yt_text.audio.reader._STARTING_S", 0.5)
    with SpoolWriter(tmp_path / "spool") as writer:
        writer.append(mp3())
        async with AudioReader(tmp_path / "spool", limits=AudioLimits(stall_s=WAIT_S)) as reader:
            await anext(reader)
            child_of(reader).suspend()
            reader._limits = AudioLimits(stall_s=0.5)
            with pytest.raises(MediaError) as caught:
                await anext(reader)
            pid = child_of(reader).pid
    assert (caught.value.reason, caught.value.retryable) == (Reason.DECODE_FAILED, True)
    assert gone(pid)


async def test_a_slow_arrival_is_no_stall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index comes last, so that there is nothing to decode for longer than a stall may take."""
    monkeypatch.setattr("yt_text.audio.reader._STARTING_S", 0)
    path, data = tmp_path / "spool", sounds.encode(sounds.sample_pcm(), "ipod", "aac", rate=44_100)

    def write() -> None:
        with SpoolWriter(path) as writer:
            for start in range(0, len(data), len(data) // 60):
                writer.append(data[start : start + len(data) // 60])
                time.sleep(0.1)
            writer.finish()

    with writing(write):
        chunks, _ = await read(path, limits=AudioLimits(stall_s=4))
    assert len(chunks) == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.RECORDING_EMPTY),
        (b"<html></html>", Reason.MEDIA_UNREADABLE),
        (sounds.video_only(), Reason.NO_AUDIO_TRACK),
    ],
    ids=["empty", "page", "video"],
)
async def test_a_recording_at_fault_is_an_error_that_stays(tmp_path: Path, data: bytes, reason: Reason) -> None:
    error = await failure(sounds.complete_spool(tmp_path / "spool", data))
    assert (error.reason, error.retryable) == (reason, False)


async def test_a_recording_over_the_limit_is_refused(tmp_path: Path) -> None:
    path = sounds.complete_spool(tmp_path / "spool", mp3())
    error = await failure(path, limits=AudioLimits(max_duration_s=30))
    assert (error.reason, error.metadata) == (Reason.RECORDING_TOO_LONG, {"max_duration_s": "30"})


async def test_warnings_come_with_the_summary(tmp_path: Path) -> None:
    data = sounds.SAMPLE.read_bytes()
    _, reader = await read(sounds.complete_spool(tmp_path / "spool", data[: len(data) // 2]))
    assert reader.summary
    truncated = reader.summary.warnings[-1]
    assert truncated.reason is Reason.RECORDING_TRUNCATED
    assert truncated.metadata["declared_s"] == "60"


async def test_a_recording_that_takes_too_much_computing_is_given_up(tmp_path: Path) -> None:
    path = sounds.complete_spool(tmp_path / "spool", mp3() * 120)
    error = await failure(path, limits=AudioLimits(cpu_s=2))
    assert (error.reason, error.retryable) == (Reason.MEDIA_UNREADABLE, False)
    assert "too long to decode" in error.message


def png(side: int) -> bytes:
    """A black picture; small as a file, a byte for each point when decoded."""

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side + 1)) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + box(b"IHDR", head) + box(b"IDAT", rows) + box(b"IEND", b"")


async def test_a_cover_picture_of_many_points_is_not_decoded(tmp_path: Path) -> None:
    picture = b"\0image/png\0\x03\0" + png(16_000)  # 256 MB when decoded
    assert len(picture) < 1 << 20
    frame = b"APIC" + struct.pack(">IH", len(picture), 0) + picture
    size = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    path = sounds.complete_spool(tmp_path / "spool", b"ID3\x03\0\0" + size + frame + mp3())
    async with AudioReader(path, limits=AudioLimits(memory_bytes=300 << 20)) as reader:
        await anext(reader)
        assert child_of(reader).memory_info().rss < 150 << 20
        assert [chunk async for chunk in reader]


async def test_an_index_bomb_costs_no_more_memory_than_is_allowed(tmp_path: Path) -> None:
    """An MP4 whose index lists ten million pieces: hundreds of megabytes when spread out."""
    data = sounds.encode(sounds.sample_pcm(), "ipod", "aac", rate=44_100, options={"movflags": "faststart"})
    count = 10_000_000
    tables = {
        b"stsz": struct.pack(">III", 0, 0, count) + b"\0\0\0\1" * count,
        b"stts": struct.pack(">IIII", 0, 1, count, 1024),
        b"stsc": struct.pack(">IIIII", 0, 1, 1, count, 1),
    }

    def rebuilt(boxes: bytes) -> bytes:
        parts: list[bytes] = []
        while boxes:
            size, kind = int.from_bytes(boxes[:4], "big"), boxes[4:8]
            body, boxes = boxes[8:size], boxes[size:]
            if kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
                body = rebuilt(body)
            body = tables.get(kind, body)
            parts.append(struct.pack(">I", len(body) + 8) + kind + body)
        return b"".join(parts)

    path = sounds.complete_spool(tmp_path / "spool", rebuilt(data))
    error = await failure(path, limits=AudioLimits(memory_bytes=300 << 20))
    assert (error.reason, error.retryable) == (Reason.MEDIA_UNREADABLE, False)


async def test_without_enough_memory_the_error_is_typed(tmp_path: Path) -> None:
    path = sounds.complete_spool(tmp_path / "spool", mp3())
    for memory_bytes in (20 << 20, 60 << 20, 110 << 20):
        error = await failure(path, limits=AudioLimits(memory_bytes=memory_bytes))
        assert error.reason in (Reason.MEDIA_UNREADABLE, Reason.DECODE_FAILED)


FORBIDDEN = {
    "socket": "import socket; socket.socket().connect(('127.0.0.1', 9))",
    "resolver": "import socket; socket.getaddrinfo('localhost', 80)",
    "program": "import subprocess; subprocess.run(['true'])",
    "shell": "import os; os.system('true')",
    "exec": "import os; os.execv('/bin/true', ['true'])",
    "spawn": "import os; os.posix_spawn('/bin/true', ['true'], {})",
    "fork": "import os; os.fork()",
    "write": "open('x', 'w')",
    "append": "import pathlib; pathlib.Path('x').open('ab')",
    "low write": "import os; os.open('x', os.O_CREAT | os.O_WRONLY)",
    "remove": "import os; os.remove('y')",
    "rename": "import os; os.rename('y', 'x')",
    "directory": "import os; os.mkdir('x')",
    "kill": "import os; os.kill(os.getppid(), 0)",
    "library": "import ctypes; ctypes.CDLL('libc.so.6')",
}


@pytest.mark.parametrize("program", FORBIDDEN.values(), ids=FORBIDDEN)
def test_the_child_may_not(program: str, tmp_path: Path) -> None:
    (tmp_path / "y").touch()
    guarded = (
        "import ctypes, os, pathlib, socket, subprocess, sys\n"
        "from yt_text.audio import child\n"
        "sys.addaudithook(child._forbid)\n"
        f"try:\n    {program}\nexcept PermissionError: sys.exit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", guarded], cwd=tmp_path).returncode == 7
    assert [path.name for path in tmp_path.iterdir()] == ["y"]


async def test_a_running_child_has_its_limits(tmp_path: Path) -> None:
    with SpoolWriter(tmp_path / "spool") as writer:
        writer.append(mp3())
        async with AudioReader(tmp_path / "spool", limits=AudioLimits(memory_bytes=600 << 20, cpu_s=99)) as reader:
            await anext(reader)
            child = child_of(reader)
            if sys.platform == "linux":
                assert child.rlimit(psutil.RLIMIT_DATA) == (600 << 20, 600 << 20)
                assert child.rlimit(psutil.RLIMIT_CPU)[0] == 99
                assert child.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
                assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
                assert child.rlimit(psutil.RLIMIT_NOFILE)[0] <= 64
            assert os.getpgid(child.pid) == child.pid
            assert set(child.environ()) <= {
                "OMP_NUM_THREADS",
                "OPENBLAS_NUM_THREADS",
                "GGML_NO_BACKTRACE",
                "PYTHONPATH",
                "LC_CTYPE",
            }


def test_the_parent_loads_none_of_the_heavy_libraries() -> None:
    program = "import sys, yt_text.audio.reader; print([m for m in ('numpy', 'av', 'grpc') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_maximum_that_is_too_small_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="5000"):
        AudioReader(tmp_path / "spool", max_chunk_ms=100)
