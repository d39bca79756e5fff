"""Packs sound for an upload."""

from io import BytesIO

import av
import numpy as np
from av.audio.frame import AudioFrame

from yt_text.engines.engine import SAMPLE_RATE

FRAME_SAMPLES = 4_096


def flac(pcm: bytes) -> bytes:
    """Packs PCM into a FLAC file: the same samples, 16 kHz mono, half as large for speech.

    FLAC because every service takes it: OpenAI and those like it list flac, mp3, m4a, ogg, wav and webm, but
    the small servers that people run themselves read ogg or m4a only where ffmpeg is installed. It loses
    nothing and shifts nothing. The worst sound there is makes it half a percent larger than the PCM.

    Args:
        pcm: 16 kHz mono s16le, at least one sample.
    """
    samples = np.frombuffer(pcm, dtype="<i2")
    file = BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        stream.format = "s16"
        for start in range(0, samples.size, FRAME_SAMPLES):
            part = samples[start : start + FRAME_SAMPLES].reshape(1, -1)
            frame = AudioFrame.from_ndarray(part, format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            frame.pts = start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
