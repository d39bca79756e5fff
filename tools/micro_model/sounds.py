"""What the training does to sound: spectrum, noise, echo."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft
from scipy.signal import fftconvolve

from tools.micro_model.speech import SAMPLE_RATE, Phrase
from tools.micro_model.tokens import HEAD

Sound = NDArray[np.float32]

FRAME, HOP = 400, 160
LEFT = FRAME // 2
"""Samples before the window's start that its first frame needs."""
MARGIN = LEFT + FRAME
_HANN = (0.5 * (1 - np.cos(2 * np.pi * np.arange(FRAME) / FRAME))).astype(np.float32)


def log_mel(sound: Sound, frames: int) -> Sound:
    """Returns log10 of the mel spectrum, [80, frames], 100 frames a second, not yet limited and scaled."""
    cut = np.lib.stride_tricks.sliding_window_view(sound.astype(np.float32), FRAME)[::HOP][:frames]
    spectrum = rfft(cut * _HANN, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    return np.log10(np.maximum(power @ HEAD.mel_filters.T, 1e-10)).T


def scaled(mel: Sound, loudest: float) -> Sound:
    """Returns a log-mel spectrum as whisper.cpp gives it to the model."""
    return ((np.maximum(mel, loudest - 8) + 4) / 4).astype(np.float32)


def tilted(mel: Sound, slope: NDArray[np.float64]) -> Sound:
    """Returns a spectrum with bass and treble raised or lowered, as another microphone would."""
    return np.maximum(mel + np.linspace(*slope, 80)[:, None].astype(np.float32), -10)


def noise(samples: int, random: np.random.Generator) -> Sound:
    """Returns noise of level 1: white, dull, or hum with white."""
    sound = random.standard_normal(samples, dtype=np.float32)
    kind = random.integers(0, 3)
    if kind == 1:
        sound = np.convolve(sound, np.ones(8, np.float32) / 8, "same")
    elif kind == 2:
        at_s = np.arange(samples) / SAMPLE_RATE
        hum = sum(
            np.sin(2 * np.pi * frequency_hz * at_s + random.uniform(0, 6))
            for frequency_hz in random.choice([50, 60, 100, 120, 180, 300], 2)
        )
        sound = 0.5 * sound + np.float32(hum)
    return sound / (sound.std() + 1e-9)


def echo(sound: Sound, random: np.random.Generator) -> Sound:
    """Returns sound with that of a room added."""
    length = int(SAMPLE_RATE * random.uniform(0.08, 0.3))
    decay = np.exp(-np.arange(length) / (length / 5)).astype(np.float32)
    room = random.standard_normal(length).astype(np.float32) * decay
    amount = random.uniform(0.1, 0.5)
    return sound + amount * fftconvolve(sound, room / np.sqrt((room**2).sum()))[: len(sound)].astype(np.float32)


def add_phrase(sound: Sound, phrase: Phrase, at_s: float, decibels_of_ten: float) -> None:
    """Adds a phrase into a window's sound; what lies outside is cut off.

    Args:
        sound: `LEFT` samples before the window's start, and more.
        phrase: what is said.
        at_s: when, from the window's start; may be negative.
        decibels_of_ten: loudness as a power of ten, 0 or less.
    """
    start = round(at_s * SAMPLE_RATE) + LEFT
    first, last = max(0, -start), min(len(phrase.pcm), len(sound) - start)
    if last > first:
        sound[start + first : start + last] += phrase.pcm[first:last] * (10**decibels_of_ten / 32768)
