"""Banks: files of many phrases to train and measure with.

    python -m tools.micro_model.bank espeak OUT.npz --count 9000 --seed 1
    python -m tools.micro_model.bank flite OUT.npz --count 200 --seed 4 --unseen

A bank holds all phrases one after the other: `pcm` (int16, 16 kHz), `off` (where each starts, and the end),
`words` (of all phrases), `spans` (start and end of each word, seconds from its phrase's start), `woff` (where
the words of each phrase start, and the end), `voices`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tools.micro_model.speech import (
    ESPEAK_TRAINING,
    ESPEAK_UNSEEN,
    FLITE_TRAINING,
    FLITE_UNSEEN,
    SAMPLE_RATE,
    Phrase,
    espeak_phrases,
    flite_phrases,
)


def write_bank(path: Path, phrases: Sequence[Phrase]) -> None:
    """Writes phrases to a file."""
    np.savez(
        path,
        pcm=np.concatenate([phrase.pcm for phrase in phrases]),
        off=np.cumsum([0, *(len(phrase.pcm) for phrase in phrases)]),
        words=np.concatenate([np.array(phrase.words, np.int16) for phrase in phrases]),
        spans=np.concatenate([phrase.spans_s for phrase in phrases]),
        woff=np.cumsum([0, *(len(phrase.words) for phrase in phrases)]),
        voices=np.array([phrase.voice for phrase in phrases]),
    )


def read_banks(paths: Sequence[Path]) -> list[Phrase]:
    """Returns the phrases of files, those of the first file first."""
    phrases: list[Phrase] = []
    for path in paths:
        with np.load(path) as file:
            pcm, words, spans = file["pcm"], file["words"].tolist(), file["spans"]
            sounds, parts, voices = file["off"], file["woff"], file["voices"]
        for place, voice in enumerate(voices.tolist()):
            sound, part = slice(*sounds[place : place + 2]), slice(*parts[place : place + 2])
            phrases.append(Phrase(pcm[sound], tuple(words[part]), spans[part], voice))
    return phrases


def main() -> None:
    """Makes one bank."""
    arguments = argparse.ArgumentParser(description="Makes a bank of spoken phrases.")
    arguments.add_argument("synthesizer", choices=["espeak", "flite"])
    arguments.add_argument("path", type=Path)
    arguments.add_argument("--count", type=int, default=100, help="number of phrases")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--unseen", action="store_true", help="voices that are not for training")
    given = arguments.parse_args()

    make = espeak_phrases if given.synthesizer == "espeak" else flite_phrases
    voices = {
        "espeak": (ESPEAK_TRAINING, ESPEAK_UNSEEN),
        "flite": (FLITE_TRAINING, FLITE_UNSEEN),
    }[given.synthesizer][given.unseen]
    phrases = list(make(given.count, given.seed, voices))
    write_bank(given.path, phrases)
    hours = sum(len(phrase.pcm) for phrase in phrases) / SAMPLE_RATE / 3600
    print(f"{given.path}: {len(phrases)} phrases, {hours:.2f} h")


if __name__ == "__main__":
    main()
