"""Decoding what is cut, damaged, empty, too long or out for harm: what is wrong is said, nothing else is opened."""

import contextlib
import struct
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import sounds
from tests.media_files import SPEECH, decode, failure, file, reasons
from yt_text.audio.decode import DecodeLimits, Decoder
from yt_text.errors import MediaError, Reason


@pytest.mark.parametrize("name", ["mp3", "m4a, index first", "flac", "mka", "webm", "flv", "avi"])
def test_a_recording_that_ends_too_early_is_said_to(name: str) -> None:
    pcm = sounds.sample_pcm()
    data = file(name, pcm)
    heard, warnings = decode(data[: len(data) // 2])
    assert Reason.RECORDING_TRUNCATED in reasons(warnings)
    assert len(pcm) * 0.3 < len(heard) < len(pcm) * 0.7


def test_an_mp4_cut_before_its_index_is_unreadable() -> None:
    data = file("m4a")
    assert failure(data[: len(data) // 2]).reason is Reason.MEDIA_UNREADABLE


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_of_unknown_length_is_neither_too_long_nor_truncated(size: int) -> None:
    """As written to a pipe, where nobody comes back to fill in the length."""
    data = bytearray(file("wav"))
    at = data.index(b"data") + 4
    data[4:8] = data[at : at + 4] = struct.pack("<I", size)
    pcm, warnings = decode(bytes(data))
    assert pcm == SPEECH
    assert not warnings


@pytest.mark.parametrize("name", ["mp3", "adts", "ts", "opus", "mka", "flac"])
def test_damage_costs_a_little_sound_and_is_said(name: str) -> None:
    pcm = sounds.sample_pcm()
    data = bytearray(file(name, pcm))
    for at in range(len(data) // 4, len(data), len(data) // 4):
        data[at : at + 3_000] = np.random.default_rng(at).bytes(3_000)
    heard, warnings = decode(bytes(data))
    assert len(pcm) * 0.8 < len(heard) < len(pcm) * 1.2
    if name in ("mp3", "adts", "ts"):  # the others leave out what is damaged before anybody can count it
        assert Reason.RECORDING_DAMAGED in reasons(warnings)


@pytest.mark.parametrize("name", ["m4a, index first", "alac"])
def test_a_recording_that_is_damaged_all_over_is_unreadable(name: str) -> None:
    data = bytearray(file(name, sounds.sample_pcm()))
    at = data.index(b"mdat") + 4
    end = at + int.from_bytes(data[at - 8 : at - 4], "big") - 8
    data[at:end] = np.random.default_rng(0).bytes(end - at)
    assert failure(bytes(data)).reason is Reason.MEDIA_UNREADABLE


def test_a_recording_of_no_bytes_is_said_to_be_empty() -> None:
    assert failure(b"").reason is Reason.RECORDING_EMPTY


def test_a_recording_of_no_samples_is_said_to_be_empty() -> None:
    buffer = BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setparams((1, 2, 16_000, 0, "NONE", ""))
    assert failure(buffer.getvalue()).reason is Reason.RECORDING_EMPTY


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts", "avi"])
def test_a_recording_without_sound_is_said_to_have_none(container: str) -> None:
    assert failure(sounds.video_only(container)).reason is Reason.NO_AUDIO_TRACK


NO_RECORDINGS = {
    "a zero": b"\0",
    "text": b"hello\n",
    "a page": b"<!doctype html><html><body>404</body></html>",
    "zeros": b"\0" * 100_000,
    "json": b'{"error": 1}' * 1_000,
    **{f"random {seed}": np.random.default_rng(seed).bytes(200_000) for seed in range(6)},
    "riff": b"RIFF",
    "wav head": file("wav")[:20],
    "mp4 head": file("m4a")[:40],
    "ogg head": file("opus")[:30],
    "id3 head": b"ID3\x04\0\0\x7f\x7f\x7f\x7f",
    "flac head": b"fLaC\0\0\0\x22",
}


@pytest.mark.parametrize("data", NO_RECORDINGS.values(), ids=NO_RECORDINGS)
def test_what_is_no_recording_is_unreadable(data: bytes) -> None:
    assert failure(data).reason in (Reason.MEDIA_UNREADABLE, Reason.RECORDING_EMPTY, Reason.NO_AUDIO_TRACK)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from(["wav", "mp3", "m4a", "opus", "mka", "ts", "flac", "caf"]))
def test_changed_bytes_give_sound_or_a_media_error(data: st.DataObject, name: str) -> None:
    changed = bytearray(file(name, sounds.seconds(SPEECH, 0, 2)))
    for _ in range(data.draw(st.integers(1, 12))):
        # Mostly the head, where the structure is.
        at = data.draw(st.one_of(st.integers(0, 300), st.integers(0, len(changed) - 1)))
        changed[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MediaError):
        pcm, _ = decode(bytes(changed), DecodeLimits(max_duration_s=600))
        assert 0 < len(pcm) <= 600 * sounds.RATE * 2


def test_a_recording_that_declares_too_much_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(MediaError) as caught:
        Decoder(BytesIO(file("m4a")), DecodeLimits(max_duration_s=8))
    assert caught.value.reason is Reason.RECORDING_TOO_LONG
    assert caught.value.metadata == {"max_duration_s": "8"}


@pytest.mark.parametrize("name", ["ts", "adts", "mp3 without a header", "opus"])
def test_a_recording_that_turns_out_too_long_is_refused(name: str) -> None:
    assert failure(file(name), DecodeLimits(max_duration_s=8)).reason is Reason.RECORDING_TOO_LONG


def test_a_small_file_that_is_hours_of_silence_is_refused() -> None:
    data = sounds.encode(sounds.silence(3_600), "flac", "flac", rate=16_000)
    assert len(data) < 1_000_000
    assert failure(data, DecodeLimits(max_duration_s=60)).reason is Reason.RECORDING_TOO_LONG


@pytest.mark.parametrize("rate", [1, 100, 3_999, 384_001, 4_000_000_000])
def test_sample_rates_that_no_recording_has_are_refused(rate: int) -> None:
    data = bytearray(file("wav"))
    data[24:28] = struct.pack("<I", rate)
    assert failure(bytes(data)).reason is Reason.MEDIA_UNREADABLE


@pytest.mark.parametrize("rate", [4_000, 8_000, 11_025, 192_000, 384_000])
def test_sample_rates_at_the_bounds_are_decoded(rate: int) -> None:
    pcm, _ = decode(sounds.encode(SPEECH, "wav", "pcm_s16le", rate=rate))
    assert len(pcm) / 2 == pytest.approx(12 * sounds.RATE, abs=0.1 * sounds.RATE)


class _Witness(BaseHTTPRequestHandler):
    """Notes every request."""

    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_error(404)

    def log_message(self, *_: object) -> None: ...  # pyright: ignore[reportIncompatibleMethodOverride] - silent


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:12\n#EXTINF:12,\n{target}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{target}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\na=control:{target}\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT12S"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" '
        'bandwidth="1"><BaseURL>{target}</BaseURL><SegmentBase/></Representation></AdaptationSet></Period></MPD>',
        "[playlist]\nFile1={target}\n",
    ],
    ids=["m3u8", "concat", "sdp", "dash", "pls"],
)
@pytest.mark.parametrize("way", ["path", "file", "http"])
def test_files_that_name_other_files_open_nothing(text: str, way: str, tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(file("wav"))
    witness = type("Witness", (_Witness,), {"seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), witness) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        target = {
            "path": str(tmp_path / "secret.wav"),
            "file": f"file://{tmp_path}/secret.wav",
            "http": f"http://127.0.0.1:{server.server_port}/secret.wav",
        }[way]
        assert failure(text.format(target=target).encode()).reason is Reason.MEDIA_UNREADABLE
        server.shutdown()
    assert witness.seen == []
