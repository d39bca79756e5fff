"""Decoding: the sound is there, at its time, whatever the container; what is wrong is said."""

import contextlib
import struct
import subprocess
import sys
import wave
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import sounds
from yt_text.audio.decode import DecodeLimits, Decoder
from yt_text.errors import MediaError, Problem, Reason

SPEECH = sounds.seconds(sounds.sample_pcm(), 0, 12)

# container, encoder, rate, layout, muxer's options
FILES = {
    "wav": ("wav", "pcm_s16le", 16_000, "mono", {}),
    "wav 24 bit 96 kHz": ("wav", "pcm_s24le", 96_000, "stereo", {}),
    "flac": ("flac", "flac", 44_100, "stereo", {}),
    "mp3": ("mp3", "libmp3lame", 44_100, "stereo", {}),
    "mp3 without a header": ("mp3", "libmp3lame", 22_050, "mono", {"write_xing": "0", "id3v2_version": "0"}),
    "adts": ("adts", "aac", 44_100, "stereo", {}),
    "m4a": ("ipod", "aac", 44_100, "stereo", {}),
    "m4a, index first": ("ipod", "aac", 44_100, "stereo", {"movflags": "faststart"}),
    "mp4 in fragments": ("mp4", "aac", 48_000, "mono", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    "alac": ("ipod", "alac", 44_100, "stereo", {}),
    "mov": ("mov", "pcm_s16be", 48_000, "mono", {}),
    "opus": ("ogg", "libopus", 48_000, "stereo", {}),
    "vorbis": ("ogg", "vorbis", 44_100, "stereo", {}),
    "webm": ("webm", "libopus", 48_000, "mono", {}),
    "mka": ("matroska", "aac", 44_100, "mono", {}),
    "ts": ("mpegts", "aac", 48_000, "stereo", {}),
    "flv": ("flv", "aac", 44_100, "stereo", {}),
    "avi": ("avi", "libmp3lame", 44_100, "stereo", {}),
    "aiff": ("aiff", "pcm_s16be", 44_100, "mono", {}),
    "caf": ("caf", "pcm_s16le", 44_100, "mono", {}),
    "ac3": ("ac3", "ac3", 48_000, "stereo", {}),
}


@cache
def file(name: str, pcm: bytes = SPEECH) -> bytes:
    container, codec, rate, layout, options = FILES[name]
    return sounds.encode(pcm, container, codec, rate=rate, layout=layout, options=dict(options))


def decode(data: bytes, limits: DecodeLimits | None = None) -> tuple[bytes, tuple[Problem, ...]]:
    with Decoder(BytesIO(data), limits) as decoder:
        pcm = b"".join(decoder)
        assert decoder.samples * 2 == len(pcm)
        return pcm, decoder.warnings


def failure(data: bytes, limits: DecodeLimits | None = None) -> MediaError:
    with pytest.raises(MediaError) as caught:
        decode(data, limits)
    assert not caught.value.retryable
    return caught.value


def delay_s(pcm: bytes, of: bytes) -> float:
    """How much later a sound is heard in `pcm`, by correlation; fails if it is not there."""
    heard = np.frombuffer(pcm, "<i2").astype(float)
    wanted = np.frombuffer(of, "<i2").astype(float)
    size = 1 << (len(heard) + len(wanted)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.fft.rfft(wanted, size).conj(), size)
    at = int(product.argmax())
    at = at if at < len(heard) else at - size
    stretch = heard[max(0, at) : max(0, at) + len(wanted)]
    likeness = product.max() / np.sqrt((stretch**2).sum() * (wanted**2).sum())
    assert likeness > 0.9
    return at / sounds.RATE


def reasons(warnings: tuple[Problem, ...]) -> list[Reason]:
    return [warning.reason for warning in warnings]


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_gives_its_sound_at_its_time(name: str) -> None:
    pcm, warnings = decode(file(name))
    assert not warnings
    assert len(pcm) / 2 == pytest.approx(len(SPEECH) / 2, abs=0.08 * sounds.RATE)
    # Codecs without a place to say so begin with up to 50 ms of their own delay.
    assert -0.001 <= delay_s(pcm, SPEECH) <= 0.06


def test_sound_that_needs_no_change_is_not_changed() -> None:
    assert decode(file("wav")) == (SPEECH, ())


class _Trickle:
    """A source that gives a few bytes at a time."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._file = BytesIO(data)
        self._sizes = sizes
        self._reads = 0

    def read(self, size: int = -1, /) -> bytes:
        self._reads += 1
        return self._file.read(min(size, self._sizes[self._reads % len(self._sizes)]))

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


@pytest.mark.parametrize("name", ["mp3", "m4a", "m4a, index first", "opus", "ts", "flac"])
@settings(max_examples=6, deadline=None)
@given(sizes=st.lists(st.integers(1, 5_000), min_size=1, max_size=8))
def test_the_sound_does_not_depend_on_how_the_bytes_arrive(name: str, sizes: list[int]) -> None:
    sizes[0] = max(sizes[0], 500)  # for speed only
    with Decoder(_Trickle(file(name), sizes)) as decoder:
        assert b"".join(decoder) == decode(file(name))[0]


def test_blocks_are_about_a_second_whatever_the_recording() -> None:
    for data in (file("wav"), file("mp3"), sounds.encode(SPEECH, "matroska", "aac", gap_s=60, gap_at_s=5)):
        with Decoder(BytesIO(data)) as decoder:
            sizes = [len(block) for block in decoder]
        assert max(sizes) <= 4 * sounds.RATE
        assert all(size >= 2 * sounds.RATE for size in sizes[:-1])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"rate": 22_050}, {"rate": 44_100}),
        ({"rate": 48_000}, {"rate": 16_000}),
        ({"rate": 44_100, "layout": "stereo"}, {"rate": 44_100}),
        ({"rate": 44_100}, {"rate": 44_100, "layout": "stereo"}),
    ],
)
@pytest.mark.parametrize(("container", "codec"), [("mp3", "libmp3lame"), ("adts", "aac"), ("mpegts", "aac")])
def test_nothing_is_lost_where_rate_or_layout_change(
    container: str, codec: str, first: dict[str, int], second: dict[str, int]
) -> None:
    options = {"write_xing": "0", "id3v2_version": "0"} if container == "mp3" else {}
    one, two = sounds.seconds(SPEECH, 0, 5), sounds.seconds(SPEECH, 5, 12)
    data = b"".join(
        sounds.encode(pcm, container, codec, options=options, **how)  # pyright: ignore[reportArgumentType] - one of each
        for pcm, how in ((one, first), (two, second))
    )
    pcm, _ = decode(data)
    assert len(pcm) / 2 == pytest.approx(12 * sounds.RATE, abs=0.2 * sounds.RATE)
    assert 0 <= delay_s(pcm, one) <= 0.06
    assert 5 <= delay_s(pcm, two) <= 5.2


OTHER_TRACK = {"codec": "aac", "options": {"mpegts_start_pid": "500"}}
OTHER_CODEC = {"codec": "libmp3lame"}


@pytest.mark.parametrize(
    "parts",
    [
        [{"codec": "aac"}, OTHER_TRACK],
        [{"codec": "aac"}, OTHER_CODEC],
        [{"codec": "aac"}, OTHER_TRACK, {"codec": "aac"}],
        [{"codec": "aac"}, OTHER_CODEC, OTHER_TRACK, {"codec": "aac", "rate": 48_000}],
    ],
    ids=["another track", "another codec", "there and back", "all"],
)
def test_nothing_is_lost_where_a_transport_stream_goes_on_in_another_track_or_codec(
    parts: list[dict[str, object]],
) -> None:
    """As where advertisements are put into a stream."""
    length_s = 12 / len(parts)
    passages = [sounds.seconds(SPEECH, number * length_s, (number + 1) * length_s) for number in range(len(parts))]
    data = b"".join(
        sounds.encode(passage, "mpegts", **how)  # pyright: ignore[reportArgumentType] - one of each
        for passage, how in zip(passages, parts, strict=True)
    )
    pcm, _ = decode(data)
    assert len(pcm) / 2 == pytest.approx(12 * sounds.RATE, abs=0.5 * sounds.RATE)
    for number, passage in enumerate(passages):
        # The last and the first 0.2 s of a part may suffer where it is joined.
        heard_s = delay_s(pcm, passage[6_400:-6_400])
        assert heard_s == pytest.approx(number * length_s + 0.2, abs=0.13 * len(parts))


@pytest.mark.parametrize(("container", "codec"), [("matroska", "aac"), ("mpegts", "aac"), ("mp4", "aac")])
@pytest.mark.parametrize("gap_s", [0.4, 3, 40])
def test_missing_sound_becomes_silence_so_that_times_stay_right(container: str, codec: str, gap_s: float) -> None:
    late = sounds.seconds(SPEECH, 6, 12)
    pcm, warnings = decode(sounds.encode(SPEECH, container, codec, gap_s=gap_s, gap_at_s=6))
    assert not warnings
    assert len(pcm) / 2 == pytest.approx((12 + gap_s) * sounds.RATE, abs=0.1 * sounds.RATE)
    assert delay_s(pcm, late) == pytest.approx(6 + gap_s, abs=0.11)


def test_a_jump_longer_than_a_gap_can_be_is_no_silence() -> None:
    data = sounds.encode(SPEECH, "mpegts", "aac", gap_s=1_000, gap_at_s=6)
    pcm, _ = decode(data, DecodeLimits(max_gap_s=60))
    assert len(pcm) / 2 == pytest.approx(12 * sounds.RATE, abs=0.1 * sounds.RATE)


def test_a_long_gap_that_the_declared_length_accounts_for_is_silence() -> None:
    data = sounds.encode(SPEECH, "mp4", "aac", gap_s=100, gap_at_s=6)
    pcm, _ = decode(data, DecodeLimits(max_gap_s=60))
    assert len(pcm) / 2 == pytest.approx(112 * sounds.RATE, abs=0.1 * sounds.RATE)


def test_times_that_begin_anew_lose_no_sound() -> None:
    one, two = sounds.seconds(SPEECH, 0, 6), sounds.seconds(SPEECH, 6, 12)
    pcm, _ = decode(sounds.encode(one, "mpegts", "aac") + sounds.encode(two, "mpegts", "aac"))
    assert delay_s(pcm, one) == pytest.approx(0, abs=0.13)
    assert delay_s(pcm, two) == pytest.approx(6, abs=0.26)


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
def test_sound_that_begins_later_than_the_picture_is_heard_later(container: str) -> None:
    pcm, _ = decode(sounds.encode(SPEECH, container, "aac", start_s=2.5, video_s=4))
    assert delay_s(pcm, SPEECH) == pytest.approx(2.5, abs=0.11)


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


def test_the_track_that_a_player_would_play_is_chosen() -> None:
    """Two tracks: the first a comment, the second the default."""
    import av

    buffer = BytesIO()
    with av.open(buffer, "w", format="matroska") as output:
        from av.stream import Disposition

        streams = [output.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in range(2)]
        streams[0].disposition = Disposition.comment
        streams[1].disposition = Disposition.default
        for stream, pcm in zip(streams, (sounds.noise(3), sounds.seconds(SPEECH, 0, 3)), strict=True):
            frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2").reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, 0
            output.mux(stream.encode(frame))
    assert delay_s(decode(buffer.getvalue())[0], sounds.seconds(SPEECH, 0, 3)) == 0


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


def test_decoding_needs_neither_the_engine_nor_the_network_libraries() -> None:
    program = (
        "import sys, yt_text.audio.decode; print([m for m in sys.modules if m in ('pywhispercpp', 'grpc', 'yt_dlp')])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
