"""Which recordings are kept, and what they are."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recordings import Codec, speech, write
from yt_text.job import Config, Job, JobState
from yt_text.rpc.recordings import HEAD_BYTES, UNKNOWN, Recordings, recognise
from yt_text.spool import SpoolWriter

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(state: JobState = JobState.SUCCEEDED, media_id: str = "") -> Job:
    return Job("job", state, "" if media_id else "https://a.example/b", media_id, Config(), NOW, NOW)


def store(path: Path, *, whole: bool = True) -> None:
    with SpoolWriter(path) as writer:
        writer.append(b"abc")
        if whole:
            writer.finish()


def test_an_upload_is_kept_under_its_own_id(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path)
    assert recordings.find(job(media_id="upload")) is None
    store(tmp_path / "upload")
    assert recordings.find(job(media_id="upload")) == tmp_path / "upload"


def test_a_recording_that_is_still_being_fetched_is_not_kept_yet(tmp_path: Path) -> None:
    store(tmp_path / "job", whole=False)
    assert Recordings(tmp_path, keep_fetched=True).find(job(JobState.RUNNING)) is None


def test_what_was_fetched_is_not_shown_if_it_goes_at_the_end(tmp_path: Path) -> None:
    store(tmp_path / "job")
    assert Recordings(tmp_path).find(job()) is None
    assert Recordings(tmp_path).find(job(JobState.RUNNING)) is None
    assert Recordings(tmp_path, keep_fetched=True).find(job(JobState.RUNNING)) == tmp_path / "job"
    assert Recordings(tmp_path).find(job(JobState.FAILED)) == tmp_path / "job"
    assert Recordings(tmp_path, keep_fetched=True).find(job()) == tmp_path / "job"


@pytest.mark.parametrize(
    ("name", "codec", "media_type"),
    [
        ("a.mp3", "mp3", "audio/mpeg"),
        ("a.wav", "wav", "audio/wav"),
        ("a.flac", "flac", "audio/flac"),
        ("a.ogg", "opus", "audio/ogg"),
        ("a.m4a", "m4a", "audio/mp4"),
        ("a.aac", "adts", "audio/aac"),
    ],
)
def test_real_recordings_are_recognised(tmp_path: Path, name: str, codec: Codec, media_type: str) -> None:
    path = write(speech(2), tmp_path / name, codec=codec)
    with path.open("rb") as file:
        assert recognise(file.read(HEAD_BYTES)).media_type == media_type


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\x00\x00\x00\x18ftypisom", "video/mp4"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm...A_OPUS", "audio/webm"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm...V_VP9", "video/webm"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", "application/octet-stream"),
        (b"<!doctype html><script>", "application/octet-stream"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_a_kind_is_told_by_the_first_bytes(head: bytes, media_type: str) -> None:
    assert recognise(head).media_type == media_type


@given(st.binary(max_size=64))
def test_whatever_it_is_it_is_never_a_page(head: bytes) -> None:
    kind = recognise(head)
    assert kind is UNKNOWN or kind.media_type.partition("/")[0] in ("audio", "video")
