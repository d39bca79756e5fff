"""Makes segments of cues: in order of time, none over the next, without notes of sounds."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, pairwise

from yt_text.engines.sound_notes import is_said
from yt_text.intake.captions_cue import Cue, Line
from yt_text.intake.captions_text import clean
from yt_text.transcript import Segment, Word

MAX_SEGMENT_CHARS = 600
"""A longer one is cut at a space."""
MAX_TIME_MS = 1000 * 3600 * 1000
"""What is said to be later is not of any recording."""


def segments_of(cues: Iterable[Cue]) -> Iterator[Segment]:
    """Yields the segments of a recording, from cues that are in any order and may be empty or overlap.

    Cues that begin together are one segment; one that reaches into the next is cut there. `words` are given
    where a cue has a time for each of its words. No text is longer than `MAX_SEGMENT_CHARS`.
    """
    said = [segment for cue in cues if (segment := _segment(cue)) is not None]
    said.sort(key=lambda segment: segment.start_ms)
    for segment, following in pairwise(chain(_merged(said), (None,))):
        assert segment is not None  # noqa: S101 - only the last is none
        end_ms = segment.end_ms if following is None else min(segment.end_ms, following.start_ms)
        yield from _cut(replace(segment, end_ms=end_ms, words=tuple(_in_time(segment, end_ms))))


def _segment(cue: Cue) -> Segment | None:
    start_ms = max(0, cue.start_ms)
    end_ms = min(max(start_ms, cue.end_ms), MAX_TIME_MS)
    text = clean("\n".join("".join(piece.text for piece in line) for line in cue.lines))
    # The notes are looked for by a pattern that takes its time with long texts.
    if not text or start_ms > MAX_TIME_MS or (len(text) <= MAX_SEGMENT_CHARS and not is_said(text)):
        return None
    return Segment(start_ms, end_ms, text, _words(cue.lines))


def _words(lines: Iterable[Line]) -> tuple[Word, ...]:
    """The words of a cue; their ends are not known yet."""
    words: list[Word] = []
    for piece in chain.from_iterable(lines):
        text = clean(piece.text)
        if not text:
            continue
        if piece.start_ms is None or " " in text:
            return ()
        words.append(Word(text, piece.start_ms, piece.start_ms, piece.confidence))
    return tuple(words)


def _merged(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Joins segments with the same start; one that is there twice counts once."""
    group: list[Segment] = []
    for segment in segments:
        if group and segment.start_ms != group[0].start_ms:
            yield _joined(group)
            group = []
        group.append(segment)
    if group:
        yield _joined(group)


def _joined(group: list[Segment]) -> Segment:
    different = list({(segment.end_ms, segment.text): segment for segment in group}.values())
    if len(different) == 1:
        return different[0]
    words = tuple(chain.from_iterable(segment.words for segment in different))
    return Segment(
        start_ms=group[0].start_ms,
        end_ms=max(segment.end_ms for segment in different),
        text=" ".join(segment.text for segment in different),
        words=words if all(segment.words for segment in different) else (),
    )


def _in_time(segment: Segment, end_ms: int) -> Iterator[Word]:
    """Yields words with their ends, each within the segment and not before the last."""
    start_ms = segment.start_ms
    for word, following in pairwise(chain(segment.words, (None,))):
        assert word is not None  # noqa: S101 - only the last is none
        start_ms = min(max(start_ms, word.start_ms), end_ms)
        word_end_ms = end_ms if following is None else min(max(start_ms, following.start_ms), end_ms)
        yield replace(word, start_ms=start_ms, end_ms=word_end_ms)


def _cut(segment: Segment) -> Iterator[Segment]:
    """Cuts a segment that is too long, its time in proportion to its text."""
    text, length = segment.text, len(segment.text)
    if length <= MAX_SEGMENT_CHARS:
        yield segment
        return
    lasts_ms, start = segment.end_ms - segment.start_ms, 0
    while start < length:
        end = min(length, start + MAX_SEGMENT_CHARS)
        if end < length:
            space = text.rfind(" ", start, end + 1)
            end = space if space > start else end
        part = text[start:end].strip()
        if part:
            start_ms = segment.start_ms + lasts_ms * start // length
            yield Segment(start_ms, segment.start_ms + lasts_ms * end // length, part)
        start = end
