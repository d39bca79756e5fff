"""Chunks from a recording that arrives whole, slowly, in odd order, or not to its end."""

import asyncio
import contextlib
import subprocess
import sys
import time
from pathlib import Path
from threading import Event

import psutil
import pytest

from tests import sounds
from tests.audio_readers import WAIT_S, child_of, failure, gone, mp3, read, until, writing
from yt_text.audio.reader import AudioLimits, AudioReader
from yt_text.errors import MediaError, Reason
from yt_text.spool import SpoolWriter


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


def test_the_parent_loads_none_of_the_heavy_libraries() -> None:
    program = "import sys, yt_text.audio.reader; print([m for m in ('numpy', 'av', 'grpc') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_maximum_that_is_too_small_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="5000"):
        AudioReader(tmp_path / "spool", max_chunk_ms=100)
