"""Reading a recording's chunks in tests, and the process behind it."""

import asyncio
import contextlib
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path
from threading import Thread

import psutil
import pytest

from tests import sounds
from yt_text.audio.reader import AudioReader
from yt_text.audio.timeline import Chunk
from yt_text.errors import MediaError

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
