"""Recordings of known words: what was said, and when.

The speech is synthetic: 400 random phrases of 85 words in the voices that the model `tests.models.MICRO` was
trained on, made by `tools/micro_model/make_recordings.py`. Everything here follows from its arguments: the
same call gives the same recording.

    recording = speech(60, seed=3)
    write(recording, path, codec="mp3")
    ...
    assert word_errors([word.text for word in recording.words], transcript) < 0.15
"""

import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from tests.scoring import matches, word_errors

__all__ = [
    "SAMPLE_RATE",
    "Codec",
    "Pcm",
    "Recording",
    "SpokenWord",
    "concatenate",
    "matches",
    "music",
    "noise",
    "phrases",
    "speech",
    "with_silences",
    "word_errors",
    "write",
    "write_rate_change",
    "write_video_only",
]

SAMPLE_RATE = 16_000
"""Samples a second of all sound in tests."""

Pcm = NDArray[np.int16]
Codec = Literal["mp3", "flac", "wav", "opus", "m4a", "ts"]

_FORMATS = {
    "mp3": ("mp3", "libmp3lame", 44_100),
    "flac": ("flac", "flac", SAMPLE_RATE),
    "wav": ("wav", "pcm_s16le", SAMPLE_RATE),
    "opus": ("ogg", "libopus", 48_000),
    "m4a": ("ipod", "aac", 44_100),
    "ts": ("mpegts", "aac", 44_100),
    "adts": ("adts", "aac", 44_100),
}
"""Container, encoder and usual sample rate of each."""
_BITRATE_BPS = 64_000

PHRASES = Path(__file__).parent / "data" / "recordings" / "phrases.opus"

FLOOR_DBFS = -65.0
"""Level of the noise that lies under all speech, as no room is digitally silent."""
_BLOCK = 60 * SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word, in lower case, and when it is heard, in seconds from the recording's start."""

    text: str
    start_s: float
    end_s: float

    def later(self, by_s: float) -> "SpokenWord":
        """Returns the same word, said `by_s` seconds later."""
        return SpokenWord(self.text, self.start_s + by_s, self.end_s + by_s)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Sound and what is said in it.

    Attributes:
        pcm: 16 kHz mono.
        words: all that is said, in order.
    """

    pcm: Pcm
    words: tuple[SpokenWord, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.pcm) / SAMPLE_RATE

    @property
    def text(self) -> str:
        """All words in order, separated by spaces."""
        return " ".join(word.text for word in self.words)


@cache
def phrases() -> tuple[Recording, ...]:
    """Returns the phrases that `speech` is made of: one to six words each, from one voice."""
    described = json.loads(PHRASES.with_suffix(".json").read_text())
    with av.open(str(PHRASES)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        frames = [*container.decode(audio=0), None]
        pcm = np.concatenate([part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)])
    return tuple(
        Recording(
            pcm[phrase["start"] : phrase["start"] + phrase["length"]],
            tuple(SpokenWord(*word) for word in phrase["words"]),
        )
        for phrase in described["phrases"]
    )


def speech(duration_s: float, *, seed: int = 0, gap_s: tuple[float, float] = (0.2, 0.9)) -> Recording:
    """Returns phrases in random order, each at its own loudness, with pauses between them.

    No phrase comes twice before all have come once (about 16 minutes).

    Args:
        duration_s: exact length; the last phrase ends before it.
        seed: which order, pauses and loudness.
        gap_s: shortest and longest pause before a phrase.
    """
    random = np.random.default_rng(seed)
    pcm = _noise(round(duration_s * SAMPLE_RATE), FLOOR_DBFS, random)
    words: list[SpokenWord] = []
    at = 0
    for phrase in _shuffled(random):
        start = at + round(random.uniform(*gap_s) * SAMPLE_RATE)
        end = start + len(phrase.pcm)
        if end > len(pcm):
            break
        pcm[start:end] += (phrase.pcm * 10 ** random.uniform(-0.6, 0)).astype(np.int16)
        words += [word.later(start / SAMPLE_RATE) for word in phrase.words]
        at = end
    return Recording(pcm, tuple(words))


def _shuffled(random: np.random.Generator) -> Iterator[Recording]:
    while True:
        for place in random.permutation(len(phrases())):
            yield phrases()[place]


def with_silences(passages: int, *, passage_s: float = 12.0, silence_s: float = 45.0, seed: int = 0) -> Recording:
    """Returns passages of speech with long silences between them."""
    parts: list[Recording] = []
    for passage in range(passages):
        silence = noise(silence_s, level_dbfs=FLOOR_DBFS, seed=seed + passage)
        parts += [silence] * bool(passage) + [speech(passage_s, seed=1000 * seed + passage)]
    return concatenate(*parts)


def noise(duration_s: float, *, level_dbfs: float = -40.0, seed: int = 0) -> Recording:
    """Returns white noise of a level (root mean square below full scale); `-math.inf` is digital silence."""
    return Recording(_noise(round(duration_s * SAMPLE_RATE), level_dbfs, np.random.default_rng(seed)))


def _noise(samples: int, level_dbfs: float, random: np.random.Generator) -> Pcm:
    pcm = np.zeros(samples, np.int16)
    for block in np.split(pcm, range(_BLOCK, samples, _BLOCK)):  # views: memory stays at two bytes a sample
        loud = random.standard_normal(len(block), np.float32) * (32768 * 10 ** (level_dbfs / 20))
        block[:] = np.clip(np.round(loud), -32768, 32767)
    return pcm


def music(duration_s: float, *, level_dbfs: float = -18.0, seed: int = 0) -> Recording:
    """Returns chords of three notes with overtones, a new one every two seconds, trembling six times a second."""
    random = np.random.default_rng(seed)
    chord_s = 2.0
    at_s = np.arange(round(chord_s * SAMPLE_RATE)) / SAMPLE_RATE
    envelope = np.minimum(1, np.minimum(at_s, chord_s - at_s) / 0.05) * (1 + 0.4 * np.sin(2 * np.pi * 6 * at_s))
    chords: list[Pcm] = []
    for _ in range(math.ceil(duration_s / chord_s)):
        root_hz = 110 * 2 ** (random.integers(0, 13) / 12)
        notes_hz = [root_hz * 2 ** (step / 12) for step in (0, random.choice([3, 4]), 7)]
        sound = envelope * sum(
            np.sin(2 * np.pi * note_hz * overtone * at_s + random.uniform(0, 2 * np.pi)) / overtone
            for note_hz in notes_hz
            for overtone in range(1, 6)
        )
        scale = 32768 * 10 ** (level_dbfs / 20) / np.sqrt(np.mean(sound**2))
        chords.append(np.clip(sound * scale, -32768, 32767).astype(np.int16))
    return Recording(np.concatenate([np.zeros(0, np.int16), *chords])[: round(duration_s * SAMPLE_RATE)])


def concatenate(*recordings: Recording) -> Recording:
    """Returns recordings one after the other, with the words of all."""
    words: list[SpokenWord] = []
    at = 0
    for recording in recordings:
        words += [word.later(at / SAMPLE_RATE) for word in recording.words]
        at += len(recording.pcm)
    return Recording(np.concatenate([recording.pcm for recording in recordings]), tuple(words))


def write(
    sound: Recording | Pcm,
    path: Path,
    *,
    codec: Codec,
    rate: int | None = None,
    channels: int = 1,
    bitrate_bps: int = _BITRATE_BPS,
    faststart: bool = False,
) -> Path:
    """Encodes sound into a file.

    Times of words are kept, but for `ts`: it cannot say that an encoder started before the sound, so all is
    1024 samples late (23 ms at 44.1 kHz).

    Args:
        sound: a recording, or samples at 16 kHz.
        path: the file; replaced if it exists. What its name ends in does not matter.
        codec: what to write: `opus` is in Ogg, `m4a` and `ts` hold AAC.
        rate: samples a second in the file; the codec's usual one if None.
        channels: 1 or 2; both carry the same.
        bitrate_bps: of a lossy codec. At 64 kbit/s and its usual rate `MICRO` hears it nearly as well as the
            original; an MP3 at 16 kHz doubles its errors, one at 24 kbit/s makes them 48 %.
        faststart: `m4a` only: the index (`moov`) stands before the sound, not after it.

    Returns:
        `path`.
    """
    container, encoder, usual_rate = _FORMATS[codec]
    options = {"fflags": "+bitexact"}  # nothing random in the file, such as the number of an Ogg stream
    if faststart:
        options["movflags"] = "faststart"
    with av.open(str(path), "w", format=container, options=options) as file:
        _encode(_pcm(sound), file, encoder, rate or usual_rate, channels, bitrate_bps)
    return path


def _encode(pcm: Pcm, file: OutputContainer, encoder: str, rate: int, channels: int, bitrate_bps: int) -> None:
    stream = file.add_stream(encoder, rate=rate, layout="mono" if channels == 1 else "stereo")
    assert isinstance(stream, av.AudioStream)
    if encoder not in ("flac", "pcm_s16le"):
        stream.bit_rate = bitrate_bps
    stream.codec_context.open()  # from here on it says how long its frames are
    size = stream.codec_context.frame_size
    resampler = av.AudioResampler(stream.format, stream.layout, rate, frame_size=size)
    for block in (*_blocks(pcm), None):
        for frame in resampler.resample(block):
            file.mux(stream.encode(frame))
    file.mux(stream.encode(None))


def _blocks(pcm: Pcm) -> Iterator[av.AudioFrame]:
    for start in range(0, len(pcm), SAMPLE_RATE):
        frame = av.AudioFrame.from_ndarray(pcm[None, start : start + SAMPLE_RATE], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = start
        frame.time_base = Fraction(1, SAMPLE_RATE)
        yield frame


def write_video_only(path: Path, *, duration_s: float = 2.0) -> Path:
    """Writes an MP4 file with a moving picture and no sound; returns `path`."""
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p")
        for number in range(round(duration_s * 25)):
            picture = np.full((64, 64, 3), number % 256, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    return path


def write_rate_change(
    sound: Recording | Pcm,
    path: Path,
    *,
    rates: tuple[int, int] = (22_050, 44_100),
    codec: Literal["mp3", "adts"] = "mp3",
) -> Path:
    """Writes one stream whose sample rate changes midway; returns `path`.

    The halves of the sound are encoded apart and joined frame after frame, as in a podcast with an inserted
    advertisement. What the demuxer then says of time is true for `mp3`, and wrong for `adts` after the joint.
    """
    pcm = _pcm(sound)
    container, encoder, _ = _FORMATS[codec]
    # Frames alone: an ID3 tag or a Xing frame in the middle of a stream is no part of it.
    options = {"write_xing": "0", "id3v2_version": "0"} if codec == "mp3" else {}
    with path.open("wb") as joined:
        for part, rate in zip(np.array_split(pcm, 2), rates, strict=True):
            buffer = io.BytesIO()
            with av.open(buffer, "w", format=container, options=options) as file:
                _encode(part, file, encoder, rate, channels=1, bitrate_bps=_BITRATE_BPS)
            joined.write(buffer.getvalue())
    return path


def _pcm(sound: Recording | Pcm) -> Pcm:
    return sound if isinstance(sound, np.ndarray) else sound.pcm
