"""Words with times out of a Whisper model's tokens.

Whisper says when a segment begins and ends. At each token it also holds an opinion on what the time is,
though it writes it only between segments. That opinion, kept where it runs forward, is a good time for
the beginning of a word (within some 20 ms on our own model, where the library's own token times, which
look at the sound of another place, were often off by half a second). Words without one share the time
between their neighbours by length; a word ends where the next begins, or where the sound falls before it.
"""

import unicodedata
from codecs import getincrementaldecoder
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from yt_text.transcript import Word

FRAME_MS = 10
"""Length of one value of loudness."""

QUIET = 0.1
"""Quieter than this part of a word's loudest frame (20 dB down) is not the word any more."""

FAINTEST_OPINION = 0.08
"""A time less probable than this is no better than a guess from the words' lengths."""

SHORTEST_WORD_MS = 60
FASTEST_MS_A_LETTER = 20
"""Nobody speaks faster: some fifty letters a second."""

# Scripts written without spaces: a word of ours is then one character, or what one token holds of them.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # ideographic repeat, closing, zero
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, for compatibility
    (0x20000, 0x323AF),  # Han, later additions
)


@dataclass(frozen=True, slots=True)
class Token:
    """One token of text.

    Attributes:
        data: UTF-8, possibly only a part of a character.
        confidence: the model's probability, in [0, 1].
        time_ms: what time the model takes it to be, from the start of the chunk; None without opinion.
        time_confidence: the model's probability of that time among all times, in [0, 1].
    """

    data: bytes
    confidence: float
    time_ms: int | None = None
    time_confidence: float = 0.0


@dataclass(slots=True)
class _Draft:
    text: str
    confidences: list[float]
    time_ms: int | None
    time_confidence: float


def text_of(tokens: Sequence[Token]) -> str:
    """The tokens' text without surrounding space; a character that was cut off is left out."""
    return b"".join(token.data for token in tokens).decode("utf-8", "ignore").strip()


def words_of(tokens: Sequence[Token], start_ms: int, end_ms: int, loudness: Sequence[float] = ()) -> tuple[Word, ...]:
    """Joins the tokens of one segment to words and gives each its time.

    Args:
        tokens: the segment's text.
        start_ms: where the segment begins in the chunk.
        end_ms: where it ends.
        loudness: of the whole chunk, one value for each `FRAME_MS`; without it, words touch.

    Returns:
        Words in order, inside the segment, none beginning before its forerunner has ended.
    """
    drafts = _join(tokens)
    if not drafts:
        return ()
    starts = [*_starts(drafts, start_ms, end_ms), end_ms]
    words: list[Word] = []
    for draft, (begin, end) in zip(drafts, pairwise(starts), strict=True):
        confidence = sum(draft.confidences) / len(draft.confidences)
        words.append(Word(draft.text, *_without_quiet(begin, end, loudness), confidence))
    return tuple(words)


def _join(tokens: Sequence[Token]) -> list[_Draft]:
    """Merges tokens to words: at spaces, and at every character where a script has none."""
    drafts: list[_Draft] = []
    decoder = getincrementaldecoder("utf-8")("ignore")
    parts: list[Token] = []  # of a character that is not complete yet
    for token in tokens:
        parts.append(token)
        text = decoder.decode(token.data)
        if not text:
            continue
        first, confidences = parts[0], [part.confidence for part in parts]
        parts = []
        if not text.strip():
            continue
        if drafts and not _begins_word(drafts[-1].text, text):
            drafts[-1].text += text.strip()
            drafts[-1].confidences += confidences
        else:
            drafts.append(_Draft(text.strip(), confidences, first.time_ms, first.time_confidence))
    return drafts


def _begins_word(before: str, text: str) -> bool:
    if text[0].isspace():
        # A mark set apart by a space ("word !") still belongs to the word.
        return any(unicodedata.category(c)[0] in "LNS" for c in text)
    if unicodedata.category(text[0])[0] not in "LN":
        return False
    return _is_unspaced(text[0]) or _is_unspaced(before[-1])


def _is_unspaced(character: str) -> bool:
    code = ord(character)
    return any(low <= code <= high for low, high in _UNSPACED)


def _starts(drafts: Sequence[_Draft], start_ms: int, end_ms: int) -> list[int]:
    known = _running_forward(drafts, start_ms, end_ms)
    known[0] = start_ms
    starts = [start_ms] * len(drafts)
    places = [i for i, time in enumerate(known) if time is not None]
    for first, last in pairwise([*places, len(drafts)]):
        begin = known[first] or start_ms
        end = end_ms if last == len(drafts) else (known[last] or end_ms)
        lengths = [_spoken_length(draft.text) for draft in drafts[first:last]]
        passed, whole = 0.0, sum(lengths)
        for place, length in enumerate(lengths, first):
            starts[place] = begin + round((end - begin) * passed / whole)
            passed += length
    return starts


def _running_forward(drafts: Sequence[_Draft], start_ms: int, end_ms: int) -> list[int | None]:
    """Picks the opinions on time that agree with each other; the others become None.

    Of all selections whose times leave each word room to be said, the one with the most probability.
    """
    # Needed before word i, at the fastest that people speak.
    need = [0, *accumulate(FASTEST_MS_A_LETTER * _spoken_length(draft.text) for draft in drafts)]
    score = [0.0] * len(drafts)
    before = [-1] * len(drafts)
    best = -1
    for i, draft in enumerate(drafts):
        time = draft.time_ms
        if i == 0 or time is None or draft.time_confidence < FAINTEST_OPINION:
            continue
        if time - start_ms < need[i] or end_ms - time < need[-1] - need[i]:
            continue
        score[i] = draft.time_confidence
        for j in range(1, i):
            earlier = drafts[j].time_ms
            if not score[j] or earlier is None or time - earlier < need[i] - need[j]:
                continue
            if score[j] + draft.time_confidence > score[i]:
                score[i], before[i] = score[j] + draft.time_confidence, j
        if best < 0 or score[i] > score[best]:
            best = i
    kept: list[int | None] = [None] * len(drafts)
    while best >= 0:
        kept[best] = drafts[best].time_ms
        best = before[best]
    return kept


def _spoken_length(text: str) -> float:
    """About how long a word takes to say, in letters."""
    return 1.0 + sum(3.0 if c.isdigit() else 1.0 for c in text if c.isalnum())


def _without_quiet(begin_ms: int, end_ms: int, loudness: Sequence[float]) -> tuple[int, int]:
    """Cuts the quiet off both ends of a word."""
    first, last = -(-begin_ms // FRAME_MS), min(end_ms // FRAME_MS, len(loudness))
    if last - first <= SHORTEST_WORD_MS // FRAME_MS:
        return begin_ms, end_ms
    floor = QUIET * max(loudness[first:last])
    loud = [i for i in range(first, last) if loudness[i] > floor]
    if not loud:
        return begin_ms, end_ms
    start = max(begin_ms, loud[0] * FRAME_MS) if loud[0] > first else begin_ms
    end = min(end_ms, (loud[-1] + 1) * FRAME_MS) if loud[-1] + 1 < last else end_ms
    if end - start < SHORTEST_WORD_MS:
        start = max(begin_ms, min(start, end_ms - SHORTEST_WORD_MS))
        end = min(end_ms, start + SHORTEST_WORD_MS)
    return start, end
