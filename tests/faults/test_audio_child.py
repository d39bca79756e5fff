"""The process that decodes: how it dies, what it costs at most, and what it may not do."""

import asyncio
import contextlib
import os
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import psutil
import pytest

from tests import sounds
from tests.audio_readers import child_of, failure, gone, mp3, read, until
from yt_text.audio.reader import AudioLimits, AudioReader
from yt_text.audio.timeline import Chunk
from yt_text.errors import MediaError, Reason
from yt_text.spool import SpoolWriter


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
