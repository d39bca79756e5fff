"""What was said comes out: every word once, in order, at its time. The micro model through the whole service."""

import asyncio
import statistics
from collections.abc import AsyncGenerator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.models import MICRO
from tests.recordings import (
    Recording,
    concatenate,
    matches,
    music,
    noise,
    speech,
    with_silences,
    word_errors,
    write,
    write_rate_change,
    write_video_only,
)
from tests.scoring import spoken
from tests.service import config, finished, running
from yt_text.audio.reader import AudioReader
from yt_text.engines.catalog import load
from yt_text.engines.engine import SAMPLE_RATE, ChunkOptions
from yt_text.intake.uploads import UploadLimits, UploadWriter
from yt_text_client import Client, Job, JobState, Transcript, milliseconds, read_problem

WER_MARGIN = 0.01
TIME_MARGIN_MS = 300


@pytest.fixture
async def client(tmp_path: Path) -> AsyncGenerator[Client]:
    async with running(tmp_path) as (_, client):
        yield client


async def transcribe(client: Client, path: Path, **values: Any) -> tuple[Job, Transcript]:
    job = await client.submit(await client.upload(path), config(**values))
    done, segments = await finished(client, job, timeout_s=170)
    assert done.state == JobState.SUCCEEDED, done.error
    transcript = await client.get_result(job.id)
    assert transcript.segments == segments
    return done, transcript


def words_of(recording: Recording) -> list[str]:
    return [word.text for word in recording.words]


async def chunk_by_chunk(path: Path, folder: Path) -> tuple[str, list[float]]:
    """Transcribes a file's chunks one by one by hand; returns the text and where they were cut, in seconds."""
    data = path.read_bytes()
    spool = folder / "by-hand"
    async with UploadWriter(spool, len(data), UploadLimits(1 << 32, 0)) as upload:
        await upload.write(data)
        await upload.finish()
    engine = load("whisper.cpp", str(MICRO), 1)
    texts: list[str] = []
    cuts_s: list[float] = []
    async with AudioReader(spool, max_chunk_ms=engine.max_chunk_ms) as reader:
        async for chunk in reader:
            result = await asyncio.to_thread(engine.transcribe, chunk.pcm, ChunkOptions("en"), Event())
            texts += [segment.text for segment in result.segments]
            cuts_s.append(chunk.end / SAMPLE_RATE)
    engine.close()
    return " ".join(texts), cuts_s[:-1]


def check_times(recording: Recording, transcript: Transcript) -> None:
    """Words that were heard are where they were said."""
    heard = [word for segment in transcript.segments for word in segment.words]
    pairs = matches(words_of(recording), [spoken(word.word)[0] if spoken(word.word) else "" for word in heard])
    assert len(pairs) > 0.8 * len(recording.words)
    off_ms = [
        abs(milliseconds(heard[theirs].start_offset) - recording.words[ours].start_s * 1000) for ours, theirs in pairs
    ]
    assert statistics.quantiles(off_ms, n=20)[-1] < TIME_MARGIN_MS


async def test_ten_minutes_come_out_as_from_the_engine_by_hand(client: Client, tmp_path: Path) -> None:
    recording = speech(600, seed=11)
    path = write(recording, tmp_path / "talk.mp3", codec="mp3")
    _, transcript = await transcribe(client, path, enable_word_offsets=True)
    ours = word_errors(words_of(recording), transcript.text)
    text, cuts_s = await chunk_by_chunk(path, tmp_path)
    by_hand = word_errors(words_of(recording), text)
    assert by_hand < 0.15, "the model hears this recording"
    assert ours <= by_hand + WER_MARGIN
    assert abs(milliseconds(transcript.duration) - recording.duration_s * 1000) < 200
    check_times(recording, transcript)
    heard = {ours for ours, _ in matches(words_of(recording), transcript.text.split())}
    at_cuts = [
        number
        for number, word in enumerate(recording.words)
        if any(word.start_s - 1 < cut_s < word.end_s + 1 for cut_s in cuts_s)
    ]
    assert len(at_cuts) > 20
    assert len(heard.intersection(at_cuts)) > 0.85 * len(at_cuts), "words beside a cut are heard as others are"
    starts = [milliseconds(segment.start_offset) for segment in transcript.segments]
    assert starts == sorted(starts)


async def test_long_silences_cost_no_word_and_shift_no_time(client: Client, tmp_path: Path) -> None:
    recording = with_silences(6, passage_s=12, silence_s=45, seed=5)
    path = write(recording, tmp_path / "sparse.flac", codec="flac")
    _, transcript = await transcribe(client, path, enable_word_offsets=True)
    assert word_errors(words_of(recording), transcript.text) < 0.15
    check_times(recording, transcript)
    spans = [(word.start_s, word.end_s) for word in recording.words]
    for segment in transcript.segments:
        start, end = milliseconds(segment.start_offset) / 1000, milliseconds(segment.end_offset) / 1000
        assert any(start < their_end + 1 and end > their_start - 1 for their_start, their_end in spans)
        assert end - start < 30, "no segment lies over a silence"


async def test_noise_and_music_between_give_no_words(client: Client, tmp_path: Path) -> None:
    parts = [speech(20, seed=1), noise(40, level_dbfs=-25), speech(20, seed=2), music(40), speech(20, seed=3)]
    recording = concatenate(*parts)
    path = write(recording, tmp_path / "mixed.flac", codec="flac")
    _, transcript = await transcribe(client, path)
    assert word_errors(words_of(recording), transcript.text) < 0.15


async def test_a_change_of_sample_rate_in_mid_stream_loses_nothing(client: Client, tmp_path: Path) -> None:
    recording = speech(50, seed=1)
    path = write_rate_change(recording, tmp_path / "change.mp3")
    _, transcript = await transcribe(client, path)
    assert word_errors(words_of(recording), transcript.text) < 0.15


@pytest.mark.parametrize("codec", ["mp3", "flac", "wav", "opus", "m4a", "ts"])
async def test_every_usual_format_is_heard(client: Client, tmp_path: Path, codec: Any) -> None:
    recording = speech(25, seed=9)
    _, transcript = await transcribe(client, write(recording, tmp_path / f"a.{codec}", codec=codec))
    assert word_errors(words_of(recording), transcript.text) < 0.15


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: write_video_only(path), "NO_AUDIO_TRACK"),
        (lambda path: path.write_bytes(b"\x00" * 5000), "MEDIA_UNREADABLE"),
        (lambda path: path.write_bytes(b"<html>not sound</html>" * 100), "MEDIA_UNREADABLE"),
        (lambda path: path.write_bytes(b"#EXTM3U\nfile:///etc/passwd\n"), "MEDIA_UNREADABLE"),
    ],
    ids=["no audio track", "zeros", "html", "playlist"],
)
async def test_what_holds_no_sound_fails_with_what_to_do(
    client: Client, tmp_path: Path, make: Any, reason: str
) -> None:
    path = tmp_path / "bad.mp4"
    make(path)
    job, _ = await finished(client, await client.submit(await client.upload(path)))
    assert job.state == JobState.FAILED
    assert job.error is not None

    problem = read_problem(job.error)
    assert problem.reason == reason
    assert len(problem.message) > 20
    assert str(tmp_path) not in problem.message


async def test_a_cut_recording_gives_its_text_and_a_warning(client: Client, tmp_path: Path) -> None:
    recording = speech(60, seed=4)
    whole = write(recording, tmp_path / "whole.flac", codec="flac")
    cut = tmp_path / "cut.flac"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    job, transcript = await transcribe(client, cut)
    half = [word.text for word in recording.words if word.end_s < 29.5]
    heard = transcript.text.split()
    assert word_errors(half, " ".join(heard[: len(half)])) < 0.2
    assert "RECORDING_TRUNCATED" in [read_problem(warning).reason for warning in job.warnings]
