"""Media files of every kind for tests, and what the decoder makes of them."""

from functools import cache
from io import BytesIO

import numpy as np
import pytest

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
