"""Takes out the loops that a model falls into: the same words over and over where nobody said them."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from yt_text.transcript import Segment, Word

LONGEST_PHRASE_WORDS = 12
"""Loops of longer phrases come as segments of their own."""

_NOT_WORD = re.compile(r"[\W_]+")


def repeats_allowed(phrase_words: int) -> int:
    """How often people may say a phrase of so many words in a row before we take it for a loop."""
    if phrase_words <= 1:
        return 9
    return 5 if phrase_words == 2 else 3


def without_loops(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Keeps the first of every loop: of equal segments in a row, and of phrases inside a segment.

    What people do say twice or a few times ("Yes. Yes.", "left left") stays as it is.
    """
    kept: list[Segment] = []
    for key, group in groupby(segments, lambda segment: _plain(segment.text)):
        run = list(group)
        if key and len(run) > repeats_allowed(len(key.split())):
            run = run[:1]
        kept += run
    return tuple(_collapsed(segment) for segment in kept)


def _plain(text: str) -> str:
    return _NOT_WORD.sub(" ", text).strip().casefold()


def _collapsed(segment: Segment) -> Segment:
    texts = [word.text for word in segment.words] or segment.text.split()
    keys = [_plain(text) or text for text in texts]
    keep = kept_places(keys)
    if len(keep) == len(keys):
        return segment
    if not segment.words:
        return replace(segment, text=" ".join(texts[i] for i in keep))
    words = tuple(segment.words[i] for i in keep)
    return replace(segment, text=_joined(segment.text, words), words=words, end_ms=words[-1].end_ms)


def _joined(text: str, words: Sequence[Word]) -> str:
    # Scripts without spaces stay without.
    return (" " if " " in text else "").join(word.text for word in words)


def kept_places(keys: Sequence[str]) -> list[int]:
    """Which of the words stay, in order, when every loop is cut to its first round."""
    kept: list[int] = []
    place = 0
    while place < len(keys):
        for length in range(1, LONGEST_PHRASE_WORDS + 1):
            rounds = _rounds(keys, place, length)
            if rounds > repeats_allowed(length):
                kept += range(place, place + length)
                place += rounds * length
                # A loop mostly breaks off in the middle of its phrase: that rest is a part of it.
                rest = 0
                while rest < length and place < len(keys) and keys[place] == keys[place - length]:
                    place, rest = place + 1, rest + 1
                break
        else:
            kept.append(place)
            place += 1
    return kept


def _rounds(keys: Sequence[str], start: int, length: int) -> int:
    """How many times in a row the phrase at `start` is said."""
    phrase = keys[start : start + length]
    if len(phrase) < length:
        return 0
    rounds = 1
    while keys[start + rounds * length : start + (rounds + 1) * length] == phrase:
        rounds += 1
    return rounds
