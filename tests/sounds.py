"""Sound for tests: real speech with the times of its words, other sounds, and files of any kind made of them.

PCM is 16 kHz mono s16le throughout, as inside the service.
"""

import json
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from yt_text.spool import SpoolWriter

RATE = 16_000
RECORDINGS = Path(__file__).parent / "data" / "recordings"
SAMPLE = RECORDINGS / "sample.flac"
"""60 s of separate words."""


@dataclass(frozen=True)
class SpokenWord:
    """A word of `SAMPLE` and when it is spoken, in seconds."""

    text: str
    start_s: float
    end_s: float


@cache
def sample_words() -> tuple[SpokenWord, ...]:
    """Returns the words of `SAMPLE` in order."""
    return tuple(SpokenWord(*word) for word in json.loads(SAMPLE.with_suffix(".json").read_text()))


@cache
def sample_pcm() -> bytes:
    """Returns `SAMPLE` as PCM."""
    resampler = AudioResampler("s16", "mono", RATE)
    with av.open(SAMPLE) as container:
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return b"".join(bytes(memoryview(part.planes[0])[: part.samples * 2]) for part in frames)


def pause(least_s: float, near_s: float) -> float:
    """Returns the middle of the pause of `SAMPLE` of at least that length that is nearest to a time, in s."""
    words = sample_words()
    middles = [(a.end_s + b.start_s) / 2 for a, b in pairwise(words) if b.start_s - a.end_s >= least_s]
    return min(middles, key=lambda middle: abs(middle - near_s))


def seconds(pcm: bytes, start_s: float, end_s: float) -> bytes:
    """Cuts a stretch out of PCM."""
    return pcm[round(start_s * RATE) * 2 : round(end_s * RATE) * 2]


def silence(duration_s: float) -> bytes:
    """Returns digital silence."""
    return bytes(round(duration_s * RATE) * 2)


def noise(duration_s: float, amplitude: float = 0.1, seed: int = 0) -> bytes:
    """Returns white noise; `amplitude` of 1 is full scale for its standard deviation."""
    return _pcm(np.random.default_rng(seed).standard_normal(round(duration_s * RATE)) * amplitude)


def chords(duration_s: float, chord_s: float = 0.8) -> bytes:
    """Returns plucked three-note chords with overtones, a new one every `chord_s`."""
    time_s = np.arange(round(duration_s * RATE)) / RATE
    since_s = time_s % chord_s
    which = (time_s // chord_s).astype(int) % 4
    sound = np.zeros_like(time_s)
    for notes in np.array([[220, 277.2, 329.6], [196, 246.9, 293.7], [174.6, 220, 261.6], [164.8, 207.7, 246.9]]).T:
        for overtone in (1, 2, 3):
            sound += np.sin(2 * np.pi * notes[which] * overtone * time_s) / overtone
    return _pcm(sound * np.exp(-2.5 * since_s) * 0.08)


def _pcm(sound: NDArray[np.float64]) -> bytes:
    return (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()


def encode(
    pcm: bytes,
    container: str,
    codec: str,
    *,
    rate: int = RATE,
    layout: str = "mono",
    bit_rate: int = 0,
    start_s: float = 0,
    gap_s: float = 0,
    gap_at_s: float = 0,
    options: dict[str, str] | None = None,
    video_s: float = 0,
) -> bytes:
    """Makes a media file.

    Args:
        pcm: the sound.
        container: a muxer's name, such as `mp4`.
        codec: an encoder's name.
        start_s: time of the first sound.
        gap_s: a jump in the times of the sound, at `gap_at_s`.
        options: of the muxer.
        video_s: length of a black picture beside it; its times begin at 0.
    """
    # A file with a name: some muxers open it once more when all is written.
    with TemporaryDirectory() as folder, av.open(Path(folder) / "f", "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout, options={"strict": "experimental"})
        assert isinstance(stream, AudioStream)
        if bit_rate:
            stream.bit_rate = bit_rate
        if video_s:
            _black(output, video_s)
        resampler = AudioResampler(stream.format.name, layout, rate, frame_size=1024)
        samples = 0
        for part in [*_frames(pcm, resampler), *resampler.resample(None)]:
            jump_s = gap_s if gap_s and samples >= gap_at_s * rate else 0
            part.pts = samples + round((start_s + jump_s) * rate)
            samples += part.samples
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
        output.close()
        return (Path(folder) / "f").read_bytes()


def video_only(container: str = "mp4", duration_s: float = 2) -> bytes:
    """Makes a file with a black picture and no sound."""
    buffer = BytesIO()
    with av.open(buffer, "w", format=container) as output:
        _black(output, duration_s)
    return buffer.getvalue()


def _frames(pcm: bytes, resampler: AudioResampler) -> list[AudioFrame]:
    if not pcm:
        return []
    frame = AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2").reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = RATE
    return resampler.resample(frame)


def _black(output: OutputContainer, duration_s: float) -> None:
    stream = output.add_stream("mpeg4", rate=10)
    stream.width, stream.height = 64, 64
    for number in range(round(duration_s * 10)):
        frame = VideoFrame(64, 64, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts = number
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def complete_spool(path: Path, data: bytes) -> Path:
    """Writes a spool with all its bytes."""
    with SpoolWriter(path) as writer:
        writer.append(data)
        writer.finish()
    return path
