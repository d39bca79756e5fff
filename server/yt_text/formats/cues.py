"""Subtitle cues: what is shown from when to when.

Cues never overlap and never are empty or shorter than `MIN_CUE_MS`. A segment of more than two lines becomes
several cues, cut at its words' times where it has them, else in proportion to the text.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from yt_text.formats.lines import one_line
from yt_text.formats.wrap import wrap
from yt_text.transcript import Segment

MIN_CUE_MS = 100
"""Shorter than this nothing can be seen, let alone read."""
LINES_PER_CUE = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """A word begins at `time_ms`, at the `position`th character of its cue, spaces not counted."""

    position: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Cue:
    """One or two lines on the screen. `marks` are within its time, in order, and not at its start."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    marks: tuple[Mark, ...] = ()
    speaker_label: str = ""


def cues(segments: Sequence[Segment]) -> Iterator[Cue]:
    """Yields the cues of segments in order of time.

    Where segments overlap, the earlier one ends when the later one starts.
    """
    said = [(segment, text) for segment in segments if (text := one_line(segment.text))]
    free_from_ms = 0
    for index, (segment, text) in enumerate(said):
        start_ms = max(segment.start_ms, free_from_ms)
        end_ms = max(segment.end_ms, start_ms + MIN_CUE_MS)
        if index + 1 < len(said):
            end_ms = max(min(end_ms, said[index + 1][0].start_ms), start_ms + MIN_CUE_MS)
        yield from _split(segment, text, start_ms, end_ms)
        free_from_ms = end_ms


def _split(segment: Segment, text: str, start_ms: int, end_ms: int) -> Iterator[Cue]:
    lines = wrap(text, lines_per_block=LINES_PER_CUE)
    blocks = [lines[at : at + LINES_PER_CUE] for at in range(0, len(lines), LINES_PER_CUE)]
    if len(blocks) * MIN_CUE_MS > end_ms - start_ms:
        blocks = [lines]  # too short a time to cut up
    word_marks = _marks(segment, text)
    lengths = [sum(len(line.replace(" ", "")) for line in block) for block in blocks]
    position, cue_start_ms = 0, start_ms
    for index, (block, length) in enumerate(zip(blocks, lengths, strict=True)):
        following = len(blocks) - index - 1
        cue_end_ms = end_ms
        if following:
            cut_ms = _time_at(position + length, sum(lengths), word_marks, start_ms, end_ms)
            latest_ms = end_ms - following * MIN_CUE_MS
            cue_end_ms = min(max(cut_ms, cue_start_ms + MIN_CUE_MS), latest_ms)
        marks = _within(word_marks, position, length, cue_start_ms, cue_end_ms)
        yield Cue(cue_start_ms, cue_end_ms, tuple(block), marks, one_line(segment.speaker_label))
        position, cue_start_ms = position + length, cue_end_ms


def _marks(segment: Segment, text: str) -> list[Mark]:
    """Returns where in the text each word begins; nothing if the words are not those of the text."""
    marks: list[Mark] = []
    position, letters = 0, text.replace(" ", "")
    for word in segment.words:
        written = one_line(word.text).replace(" ", "")
        if not letters.startswith(written, position):
            return []
        if written:
            marks.append(Mark(position, word.start_ms))
        position += len(written)
    return marks if position == len(letters) else []


def _time_at(position: int, length: int, marks: list[Mark], start_ms: int, end_ms: int) -> int:
    """Returns when the text reaches a position: when that word begins, or in proportion."""
    if marks:
        return marks[max(0, bisect_right(marks, position, key=lambda mark: mark.position) - 1)].time_ms
    return start_ms + (end_ms - start_ms) * position // length


def _within(marks: list[Mark], position: int, length: int, start_ms: int, end_ms: int) -> tuple[Mark, ...]:
    kept: list[Mark] = []
    last_ms = start_ms
    for mark in marks:
        if position < mark.position < position + length and last_ms < mark.time_ms < end_ms:
            kept.append(Mark(mark.position - position, mark.time_ms))
            last_ms = mark.time_ms
    return tuple(kept)
