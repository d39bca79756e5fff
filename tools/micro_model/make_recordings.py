"""Makes the recordings of known words that the tests use: `python -m tools.micro_model.make_recordings`.

Writes `phrases.opus` and `phrases.json` (the phrases that `tests.recordings` puts together, one after the
other with silence between) and `demo.mp3` and `demo.json` (a ready recording). The phrases are a random
sample: none was chosen or left out for how well a model hears it. The seed is one that no training bank has.

espeak-ng 1.51 made the committed files; another version speaks a little differently.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.recordings import Pcm, speech, write
from tools.micro_model.speech import ESPEAK_TRAINING, SAMPLE_RATE, WORDS, Phrase, espeak_phrases

FOLDER = Path(__file__).parents[2] / "tests" / "data" / "recordings"
SILENCE = SAMPLE_RATE // 5
"""Samples before, between and after phrases, so that the codec smears none into its neighbour."""
PHRASES_BPS = 32_000
DEMO_S, DEMO_BPS, DEMO_RATE, DEMO_SEED = 80.0, 48_000, 24_000, 2


def joined(phrases: list[Phrase]) -> tuple[Pcm, list[dict[str, Any]]]:
    """Returns all phrases in one piece of sound, and where each is and what it says."""
    silence = np.zeros(SILENCE, np.int16)
    parts, described, at = [silence], list[dict[str, Any]](), SILENCE
    for phrase in phrases:
        words = [
            [WORDS[word], round(float(start_s), 3), round(float(end_s), 3)]
            for word, (start_s, end_s) in zip(phrase.words, phrase.spans_s, strict=True)
        ]
        described.append({"start": at, "length": len(phrase.pcm), "voice": phrase.voice, "words": words})
        parts += [phrase.pcm, silence]
        at += len(phrase.pcm) + SILENCE
    return np.concatenate(parts), described


def lines(entries: list[Any]) -> str:
    """Returns a JSON array with one entry a line."""
    return "[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]"


def main() -> None:
    """Writes the four files."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--folder", type=Path, default=FOLDER)
    arguments.add_argument("--count", type=int, default=400, help="number of phrases")
    arguments.add_argument("--seed", type=int, default=41)
    given = arguments.parse_args()

    pcm, described = joined(list(espeak_phrases(given.count, given.seed, ESPEAK_TRAINING)))
    write(pcm, given.folder / "phrases.opus", codec="opus", rate=SAMPLE_RATE, bitrate_bps=PHRASES_BPS)
    made = f"tools/micro_model/make_recordings.py --seed {given.seed} --count {given.count}"
    text = f'{{"made_by": {json.dumps(made)}, "phrases": {lines(described)}}}\n'
    (given.folder / "phrases.json").write_text(text)

    demo = speech(DEMO_S, seed=DEMO_SEED)
    write(demo, given.folder / "demo.mp3", codec="mp3", rate=DEMO_RATE, bitrate_bps=DEMO_BPS)
    words = [[word.text, round(word.start_s, 3), round(word.end_s, 3)] for word in demo.words]
    (given.folder / "demo.json").write_text(lines(words) + "\n")


if __name__ == "__main__":
    main()
