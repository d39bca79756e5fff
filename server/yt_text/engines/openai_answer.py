"""Reads what a service like OpenAI's answers, and believes nothing of it unseen."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, cast

from yt_text.engines.engine import ChunkResult
from yt_text.engines.implausible import LEAST_LIKELIHOOD
from yt_text.engines.language_names import named_language
from yt_text.engines.repetition import without_loops
from yt_text.engines.sound_notes import is_said
from yt_text.transcript import Segment, Word

# Whisper's own limits. Past the first and one of the others, it holds its text for failed; the service has tried
# again by then, and nothing mended it.
UNLIKELY = -1.0
SILENT = 0.6
REPETITIVE = 2.4

LATE_S = 30.0
"""Whisper hears in windows of this length, so it may put times as far behind the end; they are held to it."""

SLIP_S = 1.0
"""Times that go back by less are held to their forerunners'. More, and they are no times of this sound."""


class AnswerError(Exception):
    """The answer is not what it should be."""


@dataclass(slots=True)
class _Draft:
    start_s: float
    end_s: float
    text: str
    avg_logprob: float = 0.0
    no_speech: float = 0.0
    compression: float = 0.0
    words: list["_Draft"] = field(default_factory=list["_Draft"])
    confidence: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the model itself does not believe it."""
        doubtful = self.no_speech > SILENT or self.compression > REPETITIVE
        return self.avg_logprob < LEAST_LIKELIHOOD or (self.avg_logprob < UNLIKELY and doubtful)


def read_answer(answer: object, duration_ms: int) -> ChunkResult:
    """Turns an answer in the form `verbose_json` or `json` into segments.

    One without segments becomes one segment over the whole chunk. Words get the spelling, with marks, that they
    have in their segment.

    Args:
        answer: parsed JSON.
        duration_ms: of the chunk.

    Raises:
        AnswerError: a part is missing or has the wrong type; times are not finite, run backwards, or are far
            outside the chunk.
    """
    whole = _mapping(answer)
    text = _text(whole, "text")
    language = _language(whole)
    items = _items(whole, "segments")
    drafts = _in_order([_segment(item) for item in items], duration_ms)
    if not drafts:
        said = (Segment(0, duration_ms, text),) if is_said(text) else ()
        return ChunkResult(without_loops(said), language)
    # OpenAI lists the words beside the segments, some servers inside them.
    words = _items(whole, "words") or [word for item in items for word in _items(item, "words")]
    _share_out(_in_order([_word(item) for item in words], duration_ms), drafts)
    segments: list[Segment] = []
    earliest_ms = 0
    for draft in drafts:
        start_ms = min(max(round(draft.start_s * 1000), earliest_ms), duration_ms)
        end_ms = min(max(round(draft.end_s * 1000), start_ms), duration_ms)
        if draft.failed or not is_said(draft.text) or start_ms >= duration_ms:
            continue
        segments.append(Segment(start_ms, end_ms, draft.text, _words(draft, start_ms, end_ms), draft.avg_logprob))
        earliest_ms = end_ms
    return ChunkResult(without_loops(segments), language)


def _language(whole: Mapping[str, object]) -> str:
    if whole.get("language") is not None:
        return named_language(_text(whole, "language"))
    # gpt-transcribe lists what it heard. Of several none is the one.
    heard = [_text(item, "code") for item in _items(whole, "languages")]
    return named_language(heard[0]) if len(heard) == 1 else ""


def _segment(item: Mapping[str, object]) -> _Draft:
    return _Draft(
        _number(item, "start"),
        _number(item, "end"),
        _text(item, "text"),
        _number(item, "avg_logprob", 0.0),
        _number(item, "no_speech_prob", 0.0),
        _number(item, "compression_ratio", 0.0),
    )


def _word(item: Mapping[str, object]) -> _Draft:
    # Not OpenAI's, but others' servers say how sure they are of a word.
    confidence = min(1.0, max(0.0, _number(item, "probability", 0.0)))
    return _Draft(_number(item, "start"), _number(item, "end"), _text(item, "word"), confidence=confidence)


def _in_order(drafts: list[_Draft], duration_ms: int) -> list[_Draft]:
    """Checks the times of segments or of words."""
    earliest_s = 0.0
    for draft in drafts:
        if draft.start_s < 0 or draft.end_s < draft.start_s or draft.end_s > duration_ms / 1000 + LATE_S:
            raise AnswerError("a time is outside the chunk, or an end before its start")
        if draft.start_s < earliest_s - SLIP_S:
            raise AnswerError("times run backwards")
        earliest_s = max(earliest_s, draft.start_s)
    return drafts


def _share_out(words: Sequence[_Draft], segments: Sequence[_Draft]) -> None:
    """Gives each word to its segment: by the letters where both have the same, else by the time."""
    words = [word for word in words if word.text]
    lengths = [len(_letters(word.text)) for word in words]
    if "".join(_letters(word.text) for word in words) == "".join(_letters(segment.text) for segment in segments):
        ends = list(accumulate(len(_letters(segment.text)) for segment in segments))
        places = [bisect_right(ends, end - length) for end, length in zip(accumulate(lengths), lengths, strict=True)]
    else:
        starts = [segment.start_s for segment in segments]
        places = [bisect_right(starts, (word.start_s + word.end_s) / 2) - 1 for word in words]
    for word, place in zip(words, places, strict=True):
        segments[min(max(place, 0), len(segments) - 1)].words.append(word)


def _words(draft: _Draft, start_ms: int, end_ms: int) -> tuple[Word, ...]:
    texts = [word.text for word in draft.words]
    spelled = draft.text.split()
    if [_letters(text) for text in spelled] == [_letters(text) for text in texts]:
        texts = spelled
    words: list[Word] = []
    for text, word in zip(texts, draft.words, strict=True):
        begin_ms = min(max(round(word.start_s * 1000), start_ms), end_ms)
        start_ms = min(max(round(word.end_s * 1000), begin_ms), end_ms)
        words.append(Word(text, begin_ms, start_ms, word.confidence))
    return tuple(words)


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise AnswerError("an object is missing")
    return cast("Mapping[str, object]", value)


def _items(whole: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    value = whole.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise AnswerError(f"{name} is no list")
    return [_mapping(item) for item in cast("list[Any]", value)]


def _text(whole: Mapping[str, object], name: str) -> str:
    value = whole.get(name)
    if not isinstance(value, str):
        raise AnswerError(f"{name} is no text")
    # Halves of characters and NUL can be written in JSON, but not sent on or stored.
    return value.encode("utf-8", "ignore").decode("utf-8").replace("\0", "").strip()


def _number(whole: Mapping[str, object], name: str, default: float | None = None) -> float:
    value = whole.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise AnswerError(f"{name} is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise AnswerError(f"{name} is not finite")
    return number
