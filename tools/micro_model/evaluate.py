"""Measures a model's file in the real whisper.cpp.

python -m tools.micro_model.evaluate MODEL.bin BANK.npz... [--count 20]

For each bank and length: word error, how far the starts and ends of segments are off (50th, 90th and 99th
percentile, ms), computing time as a share of the recording. Then what it says to silence and noise.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pywhispercpp.model import Model, Segment

from tests.recordings import Recording, SpokenWord, matches, noise, word_errors
from tests.scoring import spoken
from tools.micro_model.bank import read_banks
from tools.micro_model.speech import SAMPLE_RATE, WORDS, Phrase

DURATIONS_S = (4, 12, 28, 180)
NOISE_DBFS = (-float("inf"), -60.0, -40.0, -20.0)


def clip(bank: Sequence[Phrase], random: np.random.Generator, duration_s: float) -> Recording:
    """Returns phrases with pauses, some of them short, as the training has them; nothing else is heard."""
    pcm, words = np.zeros(int(duration_s * SAMPLE_RATE), np.int16), list[SpokenWord]()
    at_s = random.uniform(0.1, 0.8)
    while True:
        phrase = bank[random.integers(len(bank))]
        length_s = len(phrase.pcm) / SAMPLE_RATE
        if at_s + length_s > duration_s - 0.3:
            return Recording(pcm, tuple(words))
        start = int(at_s * SAMPLE_RATE)
        pcm[start : start + len(phrase.pcm)] += (phrase.pcm * 10 ** random.uniform(-0.6, 0)).astype(np.int16)
        for word, (start_s, end_s) in zip(phrase.words, phrase.spans_s, strict=True):
            words.append(SpokenWord(WORDS[word], at_s + float(start_s), at_s + float(end_s)))
        pause_s = random.uniform(0.05, 0.2) if random.random() < 0.2 else 0.35 + random.exponential(0.5)
        at_s += length_s + pause_s


@dataclass
class Score:
    """What was measured over some recordings."""

    expected: list[str] = field(default_factory=list[str])
    heard: list[str] = field(default_factory=list[str])
    starts_ms: list[float] = field(default_factory=list[float])
    ends_ms: list[float] = field(default_factory=list[float])
    sound_s: float = 0.0
    computing_s: float = 0.0

    def add(self, recording: Recording, segments: Sequence[Segment]) -> None:
        """Compares what was heard in one recording with what is said there."""
        said = [word.text for word in recording.words]
        heard = [word for segment in segments for word in spoken(segment.text)]
        self.expected += said
        self.heard += heard
        edges = list(_edges(segments))
        for i, j in matches(said, heard):
            start_s, end_s = edges[j]
            if start_s is not None:
                self.starts_ms.append(1000 * abs(start_s - recording.words[i].start_s))
            if end_s is not None:
                self.ends_ms.append(1000 * abs(end_s - recording.words[i].end_s))

    def __str__(self) -> str:
        wrong = 100 * word_errors(self.expected, " ".join(self.heard))
        starts, ends = (
            np.percentile(ms, (50, 90, 99)).round().tolist() if ms else "no" for ms in (self.starts_ms, self.ends_ms)
        )
        return (
            f"{wrong:.1f} % of {len(self.expected)} words wrong; starts off by {starts} ms, ends by {ends} ms; "
            f"computing {self.computing_s / self.sound_s:.4f} of the time"
        )


def _edges(segments: Sequence[Segment]) -> Iterator[tuple[float | None, float | None]]:
    """Yields for each heard word the start of its segment if it is its first, and the end if its last."""
    for segment in segments:
        count = len(spoken(segment.text))
        for i in range(count):
            yield segment.t0 / 100 if i == 0 else None, segment.t1 / 100 if i == count - 1 else None


def main() -> None:
    """Prints one line for each measure."""
    arguments = argparse.ArgumentParser(description="Measures a model in the real whisper.cpp.")
    arguments.add_argument("model", type=Path)
    arguments.add_argument("banks", type=Path, nargs="+")
    arguments.add_argument("--count", type=int, default=20, help="recordings of 12 s; others in proportion")
    given = arguments.parse_args()

    model = Model(str(given.model), n_threads=1, print_progress=False, redirect_whispercpp_logs_to=None)

    def hear(recording: Recording) -> Sequence[Segment]:
        sound = (recording.pcm / 32768).astype(np.float32)
        return model.transcribe(sound, language="en", no_timestamps=False, n_max_text_ctx=0)

    for path in given.banks:
        bank, random = read_banks([path]), np.random.default_rng(1)
        for duration_s in DURATIONS_S:
            score = Score()
            for _ in range(max(1, round(given.count * 12 / duration_s))):
                recording = clip(bank, random, duration_s)
                began_s = time.process_time()
                segments = hear(recording)
                score.computing_s += time.process_time() - began_s
                score.sound_s += duration_s
                score.add(recording, segments)
            print(f"{path.stem}, {duration_s} s: {score}", flush=True)
    for level_dbfs in NOISE_DBFS:
        segments = hear(noise(20, level_dbfs=level_dbfs))
        print(f"noise of {level_dbfs} dBFS: {[segment.text for segment in segments]}")


if __name__ == "__main__":
    main()
