"""Compares what was heard with what was said."""

import re
from collections.abc import Sequence

import jiwer


def spoken(text: str) -> list[str]:
    """Returns the words of a text in lower case, without punctuation."""
    return re.sub(r"[^a-z ]", "", re.sub(r"\s", " ", text.lower())).split()


def word_errors(expected: Sequence[str], text: str) -> float:
    """Returns the share of words in error: wrong, missing and invented ones for each expected word.

    Args:
        expected: the words that were said, at least one.
        text: the transcript; case and punctuation do not count.
    """
    return jiwer.wer(" ".join(expected), " ".join(spoken(text)))


def matches(expected: Sequence[str], heard: Sequence[str]) -> list[tuple[int, int]]:
    """Returns the places in `expected` and in `heard` of words that were heard rightly, in order.

    It tells which heard word belongs to which spoken one, so that their times can be compared.
    """
    aligned = jiwer.process_words(" ".join(expected), " ".join("".join(spoken(word)) or "-" for word in heard))
    return [
        pair
        for chunk in aligned.alignments[0]
        if chunk.type == "equal"
        for pair in zip(
            range(chunk.ref_start_idx, chunk.ref_end_idx),
            range(chunk.hyp_start_idx, chunk.hyp_end_idx),
            strict=True,
        )
    ]
