"""What no engine is believed about: words in silence, and words that are too unlikely."""

from typing import Any

SILENT_PEAK = 32
"""Samples that never go beyond this (60 dB below full scale) hold no speech. Models invent words there."""

LEAST_LIKELIHOOD = -3.0
"""A segment whose tokens are less likely than this on the mean (one in twenty) is rubbish that no retry mended."""


def is_silent(samples: Any) -> bool:
    """Whether no speech can be in there. `samples`: an array of signed 16-bit samples."""
    return samples.size == 0 or max(int(samples.max()), -int(samples.min())) <= SILENT_PEAK
