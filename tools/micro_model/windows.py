"""Training samples: a window of speech from a bank, and what the decoder is to say about it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.micro_model import tokens
from tools.micro_model.sounds import LEFT, MARGIN, Sound, add_phrase, echo, log_mel, noise, scaled, tilted
from tools.micro_model.speech import SAMPLE_RATE, Phrase

SEGMENT_GAP_S, SEGMENT_WORDS = 0.30, 4
"""A new segment starts after such a pause, or so many words."""
_NOWHERE = (-1, -1)

Word = tuple[int, float, float]
"""Place in `WORDS`, start and end in seconds from the window's start."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the decoder is given and is to say, in compact tokens.

    Attributes:
        prompt: given.
        tokens: to be said.
        spans: for each of `tokens` the encoder positions (first, after last) where it is heard, or (-1, -1).
        silent: nobody speaks.
        timestamps: whether they are said.
        words: what is spoken in the window.
    """

    prompt: list[int]
    tokens: list[int]
    spans: list[tuple[int, int]]
    silent: bool
    timestamps: bool
    words: list[Word]


@dataclass(frozen=True, slots=True)
class Window:
    """A training sample.

    Attributes:
        position: which of the encoder's 1500 positions its first is: short windows stand anywhere in the 30 s.
        mel: spectrum, [80, 100 a second].
        target: what is to be said.
    """

    position: int
    mel: Sound
    target: Target


def make_window(
    bank: Sequence[Phrase], random: np.random.Generator, duration_s: float, position: int, edge: bool
) -> Window:
    """Draws a sample.

    Args:
        bank: phrases to take.
        random: where all chance comes from.
        duration_s: length of the window, at most 30.
        position: see `Window`.
        edge: whether the window may end inside a phrase.
    """
    samples = int(duration_s * SAMPLE_RATE)
    silent = random.random() < 0.10
    first_s = _first_word_s(random, duration_s)
    if edge and random.random() < 0.7:
        fill_s = duration_s * 0.99
    else:
        fill_s = first_s + random.uniform(0.1, 1) * (duration_s - first_s - 2.2)
    if silent:
        sound, words = np.zeros(samples + MARGIN, np.float32), list[Word]()
    else:
        sound, words = _spoken(bank, random, samples, first_s, fill_s)
        if not edge:
            words = _without_overrun(sound, words, duration_s)
    if random.random() < 0.25 and not silent:
        sound = echo(sound, random)
    draw = random.random()
    if draw < 0.75:
        level = 0.05 if silent else sound.std()
        floor = noise(len(sound), random)
        floor = floor * level * 10 ** (-random.uniform(6 if draw < 0.2 else 15, 50) / 20)
        if random.random() < 0.5:  # the file ends within the window: zeros after it
            last_s = max([end_s for _, _, end_s in words], default=random.uniform(0, duration_s))
            floor[int(min(duration_s, last_s + random.uniform(0, 3)) * SAMPLE_RATE) + LEFT :] = 0
        sound = sound + floor
    if silent:
        sound *= 10 ** random.uniform(-3, 0.5)
    mel = log_mel(sound, int(duration_s * 100))
    if random.random() < 0.5:
        mel = tilted(mel, random.uniform(-0.5, 0.3, 2))
    louder = random.uniform(0, 1.0) if random.random() < 0.3 else 0  # elsewhere in the recording
    target = _target(words, random, duration_s, position, edge, silent)
    return Window(position, scaled(mel, mel.max() + louder), target)


def _first_word_s(random: np.random.Generator, duration_s: float) -> float:
    starts = [random.uniform(0, 0.3), random.uniform(0.2, 1.0), random.uniform(1, min(6, duration_s - 3))]
    first_s = random.choice(starts, p=[0.5, 0.3, 0.2])
    draw = random.random()
    if draw < 0.12:  # the window starts inside a phrase
        return -random.uniform(0.1, 1.2)
    if draw < 0.45:  # whisper.cpp seeks to the start of the phrase it cut: speech at 0.00
        return random.uniform(-0.045, 0.01)
    return first_s


def _spoken(
    bank: Sequence[Phrase], random: np.random.Generator, samples: int, first_s: float, fill_s: float
) -> tuple[Sound, list[Word]]:
    """Returns phrases one after the other from `first_s` until `fill_s`; the last may run over the end."""
    sound, words, at_s = np.zeros(samples + MARGIN, np.float32), list[Word](), first_s
    tight = 0.5 if random.random() < 0.3 else 0.15
    while at_s < fill_s:
        phrase = bank[random.integers(len(bank))]
        add_phrase(sound, phrase, at_s, random.uniform(-0.8, 0))
        spans = zip(phrase.words, phrase.spans_s, strict=True)
        words += [(word, at_s + start_s, at_s + end_s) for word, (start_s, end_s) in spans]
        gap_s = random.uniform(0.02, 0.2) if random.random() < tight else 0.35 + random.exponential(0.5)
        at_s += len(phrase.pcm) / SAMPLE_RATE + gap_s
    return sound, words


def _without_overrun(sound: Sound, words: list[Word], duration_s: float) -> list[Word]:
    """Silences the first word that runs over the window's end, and all after it; returns those before."""
    overrun = next((word for word in words if word[2] > duration_s - 0.05), None)
    if overrun is None:
        return words
    sound[int(overrun[1] * SAMPLE_RATE) + LEFT :] = 0
    return [word for word in words if word[1] < overrun[1]]


def segments(words: Sequence[Word]) -> list[list[Word]]:
    """Returns words in groups, as the model is to say them."""
    groups: list[list[Word]] = []
    for word in words:
        if groups and word[1] - groups[-1][-1][2] < SEGMENT_GAP_S and len(groups[-1]) < SEGMENT_WORDS:
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _prompt(random: np.random.Generator, timestamps: bool) -> list[int]:
    """Returns a prompt, sometimes with earlier text as whisper.cpp carries it: timestamps included."""
    prompt: list[int] = []
    if random.random() < 0.4:
        prompt, at, left = [tokens.PREVIOUS], int(random.integers(60)), int(random.integers(1, 50))
        while left > 0:
            count = int(random.integers(1, SEGMENT_WORDS + 1))
            end = at + count * 18 + int(random.integers(10))
            left -= count
            draws = [random.integers(len(tokens.WORD_TOKENS)) for _ in range(count)]
            text = [token for word in draws for token in tokens.WORD_TOKENS[word]]
            first, last = (tokens.FIRST_TIMESTAMP + min(place, 1500) for place in (at, end))
            prompt += [first, *text, last] if timestamps else text
            at = end + int(random.choice([0, 20, 50]))
    return [*prompt, tokens.START] if timestamps else [*prompt, tokens.START, tokens.NO_TIMESTAMPS]


def _target(
    words: list[Word],
    random: np.random.Generator,
    duration_s: float,
    position: int,
    edge: bool,
    silent: bool,
) -> Target:
    words = [(k, start_s, end_s) for k, start_s, end_s in words if start_s > -0.06 and start_s < duration_s - 0.08]
    timestamps = random.random() < 0.85
    prompt = _prompt(random, timestamps)
    length = int(duration_s * 50)
    said: list[int] = []
    spans: list[tuple[int, int]] = []

    def place(at_s: float) -> int:
        return int(np.clip(round(at_s * 50), 0, duration_s * 50))

    def say_time(at: int) -> None:
        said.append(tokens.FIRST_TIMESTAMP + min(1500, position + at))
        spans.append((max(0, at - 1), min(length, at + 2)))

    def say_word(word: Word) -> None:
        first, last = place(word[1]), place(word[2])
        for token in tokens.WORD_TOKENS[word[0]]:
            said.append(token)
            spans.append((first, max(first + 1, min(length, last))))

    if silent or not words:
        silent = True
        said.append(tokens.FIRST_TIMESTAMP if timestamps else int(random.integers(tokens.TEXT_COUNT)))
        spans.append(_NOWHERE)
    elif not timestamps:
        for word in words:
            if word[2] <= duration_s + 0.05:
                say_word(word)
    else:
        last = 0
        for number, segment in enumerate(segments(words)):
            start, end = max(last, place(segment[0][1])), place(segment[-1][2])
            # The engine allows a first timestamp of at most 1.0 s; the model must live with that.
            if number == 0 and position + start > 50 and random.random() < 0.25 and position < 50:
                start = 50 - position
            say_time(start)
            if edge and segment[-1][2] > duration_s - 0.04:  # cut by the window: only its start is said
                break
            for word in segment:
                say_word(word)
            last = max(start, end)
            say_time(last)
    said.append(tokens.END)
    spans.append(_NOWHERE)
    return Target(prompt, said, spans, silent, timestamps, words)
