"""Synthetic speech of 85 known words, with the time of each word.

Two synthesizers speak: espeak-ng through its library, which reports where each word starts, and flite through
its command, which reports where each sound ends. Both must be installed (Debian: `libespeak-ng1`, `flite`).
"""

import ctypes
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

SAMPLE_RATE = 16_000

WORDS = (Path(__file__).parent / "words.txt").read_text().split()
"""All that is ever said."""

ESPEAK_LANGUAGES = [
    *("en", "en-us", "en-gb-scotland", "en-gb-x-rp"),
    *("en-gb-x-gbcwmd", "en-gb-x-gbclan", "en-029", "en-us-nyc"),
]
ESPEAK_TRAINING = [
    *("m1", "m2", "m3", "m4", "m6", "m8", "f1", "f2", "f3", "f5", "Andy", "Annie", "Denis", "Mike"),
    *("Hugo", "Jacky", "Lee", "Michael", "Mario", "Linda", "belinda", "steph", "grandma", "Tweaky", ""),
]
"""Variants of a language's voice that the model was trained on; the last is the voice itself."""
ESPEAK_UNSEEN = ["m5", "m7", "f4", "Alicia", "Diogo", "Storm"]
"""Variants kept for measuring."""
FLITE_TRAINING = ["slt", "awb", "kal16"]
FLITE_UNSEEN = ["rms"]

_WORD_EVENT = 1
_SYNCHRONOUS = 2
_RATE, _PITCH, _PITCH_RANGE, _WORD_GAP = 1, 3, 4, 7
_MARGIN_S = 0.02


@dataclass(frozen=True, slots=True)
class Phrase:
    """One to six words as one voice says them.

    Attributes:
        pcm: int16 at 16 kHz, from 20 ms before the first word to 20 ms after the last.
        words: places of the words in `WORDS`.
        spans_s: start and end of each word, [words, 2], in seconds from the phrase's start.
        voice: who speaks.
    """

    pcm: NDArray[np.int16]
    words: tuple[int, ...]
    spans_s: NDArray[np.float32]
    voice: str


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_void_p),
    )


class EspeakNg:
    """The espeak-ng library. There can be one in a process."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        self.sample_rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, 0)
        self._blocks: list[NDArray[np.int16]] = []
        self._starts_s: list[float] = []
        callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
        self._callback = callback(self._receive)  # kept: the library does not hold it
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(
        self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: "ctypes._Pointer[_Event]"
    ) -> int:
        if samples and count > 0:
            self._blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        place = 0
        while events[place].type != 0:
            if events[place].type == _WORD_EVENT:
                self._starts_s.append(events[place].audio_position / 1000)
            place += 1
        return 0

    def say(
        self, text: str, voice: str, rate: int, pitch: int, pitch_range: int, word_gap: int
    ) -> tuple[NDArray[np.float32], list[float]]:
        """Returns samples at `sample_rate` and the start of each word in seconds.

        Args:
            text: what to say.
            voice: language, or language+variant.
            rate: words a minute.
            pitch: 0 to 100.
            pitch_range: 0 (monotone) to 100.
            word_gap: extra pause between words, in units of 10 ms.

        Raises:
            ValueError: there is no such voice.
        """
        self._blocks, self._starts_s = [], []
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice}")
        for parameter, value in (
            (_RATE, rate),
            (_PITCH, pitch),
            (_PITCH_RANGE, pitch_range),
            (_WORD_GAP, word_gap),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, 1, None, None)
        self._library.espeak_Synchronize()
        return np.concatenate(self._blocks).astype(np.float32), list(self._starts_s)


def espeak_phrases(count: int, seed: int, variants: Sequence[str]) -> Iterator[Phrase]:
    """Yields random phrases in random voices, each language of `ESPEAK_LANGUAGES` with one of `variants`."""
    random, espeak = np.random.default_rng(seed), EspeakNg()
    missing: set[str] = set()
    while count > 0:
        language, variant = random.choice(ESPEAK_LANGUAGES), random.choice(variants)
        voice = f"{language}+{variant}" if variant else str(language)
        if voice in missing:
            continue
        words = _draw_words(random)
        text = " ".join(WORDS[word] + ("," if random.random() < 0.08 else "") for word in words)
        rate, pitch, pitch_range = (int(random.integers(*r)) for r in ((115, 205), (25, 80), (20, 80)))
        word_gap = int(random.choice([0, 0, 0, 2, 5, 10]))
        try:
            sound, starts_s = espeak.say(text, voice, rate, pitch, pitch_range, word_gap)
        except ValueError as error:
            missing.add(voice)
            print(error, file=sys.stderr)
            continue
        if len(starts_s) != len(words) or np.abs(sound).max() < 500:
            continue
        spans_s = _audible_spans(sound, espeak.sample_rate, starts_s)
        if spans_s is not None:
            count -= 1
            yield _finished(sound, espeak.sample_rate, spans_s, random, words, voice)


def flite_phrases(count: int, seed: int, voices: Sequence[str]) -> Iterator[Phrase]:
    """Yields random phrases in random voices of flite.

    flite names sounds, not words: a word starts where the first sound of its own pronunciation does. Phrases
    in which a word is pronounced otherwise than alone are left out.
    """
    random = np.random.default_rng(seed)
    pronunciations: dict[tuple[str, int], list[str]] = {}
    while count > 0:
        voice = str(random.choice(voices))
        words = _draw_words(random)
        for word in words:
            if (voice, word) not in pronunciations:
                _, _, sounds = _flite(WORDS[word], voice, 1.0)
                pronunciations[voice, word] = [name for name, _ in sounds]
        stretch = float(random.uniform(0.8, 1.3))
        sound, sample_rate, sounds = _flite(" ".join(WORDS[word] for word in words), voice, stretch)
        expected = [(name, i == 0) for word in words for i, name in enumerate(pronunciations[voice, word])]
        if [name for name, _ in expected] != [name for name, _ in sounds]:
            continue
        starts_s = [start_s for (_, first), (_, start_s) in zip(expected, sounds, strict=True) if first]
        spans_s = _audible_spans(sound, sample_rate, starts_s)
        if spans_s is not None:
            count -= 1
            yield _finished(sound, sample_rate, spans_s, random, words, f"flite-{voice}")


def _flite(text: str, voice: str, stretch: float) -> tuple[NDArray[np.float32], int, list[tuple[str, float]]]:
    """Returns samples, their rate, and each sound's name and start in seconds, without pauses."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        setting = f"duration_stretch={stretch}"
        command = ["flite", "-voice", voice, "-psdur", "--setf", setting, "-t", text, "-o", str(path)]
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        with wave.open(str(path)) as file:
            sample_rate = file.getframerate()
            sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32)
    sounds, start_s = list[tuple[str, float]](), 0.0
    for name, end in (entry.split(":")[:2] for entry in output.split() if ":" in entry):
        if name != "pau":
            sounds.append((name, start_s))
        start_s = float(end)
    return sound, sample_rate, sounds


def _draw_words(random: np.random.Generator) -> list[int]:
    count = int(random.choice([1, 2, 3, 4, 5, 6], p=[0.12, 0.18, 0.22, 0.2, 0.16, 0.12]))
    pool = len(WORDS) if random.random() < 0.8 else 10  # every fifth phrase is digits only
    words = [int(word) for word in random.integers(0, pool, count)]
    for place in range(1, count):
        if random.random() < 0.04:  # a word said twice
            words[place] = words[place - 1]
    return words


def _audible_spans(
    sound: NDArray[np.float32], sample_rate: int, starts_s: Sequence[float]
) -> list[tuple[float, float]] | None:
    """Returns start and end of each word, shrunk to what is audible; None if one cannot be heard."""
    step = sample_rate // 100
    loudness = np.abs(sound)[: len(sound) // step * step].reshape(-1, step).max(1)
    threshold = 0.02 * loudness.max()
    spans_s: list[tuple[float, float]] = []
    for start_s, next_s in zip(starts_s, [*starts_s[1:], len(sound) / sample_rate], strict=True):
        first = int(start_s * 100)
        last = min(len(loudness), max(first + 1, int(np.ceil(next_s * 100))))
        audible = np.nonzero(loudness[first:last] > threshold)[0]
        if len(audible) == 0:
            return None
        spans_s.append(((first + audible[0]) / 100, (first + audible[-1] + 1) / 100))
    return spans_s


def _finished(
    sound: NDArray[np.float32],
    sample_rate: int,
    spans_s: Sequence[tuple[float, float]],
    random: np.random.Generator,
    words: Sequence[int],
    voice: str,
) -> Phrase:
    """Brings a phrase to 16 kHz and one loudness, and changes speed and pitch together by up to 6 %."""
    up, down = int(320 * random.uniform(0.94, 1.06)), round(320 * sample_rate / SAMPLE_RATE)
    sound = resample_poly(sound, up, down)
    spans = np.array(spans_s) * (up / down * sample_rate / SAMPLE_RATE)
    first = max(0, int((spans[0, 0] - _MARGIN_S) * SAMPLE_RATE))
    last = min(len(sound), int((spans[-1, 1] + _MARGIN_S) * SAMPLE_RATE))
    sound = sound[first:last]
    pcm = (sound / (np.abs(sound).max() + 1e-6) * 20_000).astype(np.int16)
    return Phrase(pcm, tuple(words), (spans - first / SAMPLE_RATE).astype(np.float32), voice)
