"""pocketsphinx: small, offline, English only, and often wrong. The engine of last resort.

It carries its own model, so it works where nothing can be downloaded. On a clean reading a third of its
words are wrong, on hard speech most are: whoever chooses it for somebody must say so.
"""

import re
from itertools import groupby
from threading import Event
from typing import Any

from pocketsphinx import Decoder

from yt_text.engines.engine import SAMPLE_RATE, ChunkOptions, ChunkResult
from yt_text.engines.languages import AUTO, ENGLISH, primary_language
from yt_text.errors import EngineError, Reason
from yt_text.transcript import Segment, Word

MAX_CHUNK_MS = 30_000
SLICE_BYTES = SAMPLE_RATE // 10 * 2
"""Given to the decoder at a time. It holds Python's lock meanwhile, some 50 ms: `cancel` waits so long."""

FRAME_MS = 10
PAUSE_MS = 300
"""A pause of this length ends a segment."""

_VARIANT = re.compile(r"\(\d+\)$")  # "the(2)": the second way to pronounce it


class PocketSphinx:
    """The decoder with its US-English model."""

    name = "pocketsphinx"
    model = "en-us"
    model_sha256 = ""
    max_chunk_ms = MAX_CHUNK_MS

    def __init__(self) -> None:
        self._decoder: Any = Decoder(loglevel="FATAL")

    def transcribe(self, pcm: bytes, options: ChunkOptions, cancel: Event) -> ChunkResult:
        """Turns one chunk into segments; words always carry times. See `Engine.transcribe`."""
        if options.translate:
            raise EngineError(Reason.OPTION_NOT_SUPPORTED, "The engine pocketsphinx cannot translate.")
        if options.language_code not in (AUTO, "") and primary_language(options.language_code) != ENGLISH:
            raise EngineError(Reason.LANGUAGE_NOT_SUPPORTED, "The engine pocketsphinx knows English only.")
        if len(pcm) % 2 or len(pcm) // 2 > MAX_CHUNK_MS * SAMPLE_RATE // 1000:
            raise EngineError(Reason.INVALID_REQUEST, "The chunk of sound is malformed or too long.")
        if not any(pcm):
            return ChunkResult((), ENGLISH)
        words = self._words(pcm, cancel)
        if cancel.is_set():
            return ChunkResult(())
        return ChunkResult(_split_at_pauses(words), ENGLISH)

    def close(self) -> None:
        """Frees the model."""
        self._decoder = None

    def _words(self, pcm: bytes, cancel: Event) -> list[Word]:
        # What the decoder has learnt of the last chunk's sound must not colour this one.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        for start in range(0, len(pcm), SLICE_BYTES):
            if cancel.is_set():
                break
            self._decoder.process_raw(pcm[start : start + SLICE_BYTES])
        self._decoder.end_utt()
        if cancel.is_set() or self._decoder.hyp() is None:
            return []
        duration_ms = len(pcm) // 2 * 1000 // SAMPLE_RATE
        words: list[Word] = []
        for entry in self._decoder.seg():
            text = _VARIANT.sub("", entry.word)
            if text.startswith(("<", "[", "+")):  # silence and noises
                continue
            start_ms = min(entry.start_frame * FRAME_MS, duration_ms)
            end_ms = min((entry.end_frame + 1) * FRAME_MS, duration_ms)
            words.append(Word(text, start_ms, end_ms, min(1.0, max(0.0, float(entry.prob)))))
        return words


def _split_at_pauses(words: list[Word]) -> tuple[Segment, ...]:
    number = 0
    numbers: list[int] = []
    for before, word in zip([*words[:1], *words], words, strict=False):
        number += word.start_ms - before.end_ms >= PAUSE_MS
        numbers.append(number)
    groups = groupby(zip(numbers, words, strict=True), key=lambda pair: pair[0])
    segments: list[Segment] = []
    for _, pairs in groups:
        run = tuple(word for _, word in pairs)
        segments.append(Segment(run[0].start_ms, run[-1].end_ms, " ".join(word.text for word in run), run))
    return tuple(segments)
