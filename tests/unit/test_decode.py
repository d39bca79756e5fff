"""Decoding: the sound is there, at its time, whatever the container and whatever happens in it."""

import subprocess
import sys
from io import BytesIO

import av
import numpy as np
import pytest
from av.stream import Disposition
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import sounds
from tests.media_files import FILES, SPEECH, decode, delay_s, file
from yt_text.audio.decode import DecodeLimits, Decoder


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
@example(sizes=[500, 1])  # the first byte alone once hid what kind of recording it is
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


def test_the_track_that_a_player_would_play_is_chosen() -> None:
    """Two tracks: the first a comment, the second the default."""
    buffer = BytesIO()
    with av.open(buffer, "w", format="matroska") as output:
        streams = [output.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in range(2)]
        streams[0].disposition = Disposition.comment
        streams[1].disposition = Disposition.default
        for stream, pcm in zip(streams, (sounds.noise(3), sounds.seconds(SPEECH, 0, 3)), strict=True):
            frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2").reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, 0
            output.mux(stream.encode(frame))
    assert delay_s(decode(buffer.getvalue())[0], sounds.seconds(SPEECH, 0, 3)) == 0


def test_decoding_needs_neither_the_engine_nor_the_network_libraries() -> None:
    program = (
        "import sys, yt_text.audio.decode; print([m for m in sys.modules if m in ('pywhispercpp', 'grpc', 'yt_dlp')])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
