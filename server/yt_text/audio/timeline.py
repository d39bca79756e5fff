"""What a chunk of speech is, and the way back from its times to those of the recording.

A chunk is packed from pieces of the recording with the long silences between them left out, so a time in
the chunk is not a time in the recording. `place` turns one into the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from yt_text.engines.engine import SAMPLE_RATE
from yt_text.transcript import Segment, Word

BYTES_PER_SAMPLE = 2
FRAME_SAMPLES = 512
"""Samples that are judged together to be speech or not: 32 ms."""

MIN_CHUNK_MS = 5_000
"""The shortest maximum that an engine may have for its chunks."""

_SAMPLES_PER_MS = SAMPLE_RATE // 1000
_FAR = SAMPLE_RATE
"""Pieces further apart than this (1 s) do not share a segment."""


@dataclass(frozen=True, slots=True)
class Piece:
    """An unbroken part of the recording inside a chunk. All in samples.

    Attributes:
        chunk_start: where it begins in the chunk.
        start: where it begins in the recording.
        length: how long it is.
    """

    chunk_start: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Speech for one call of an engine.

    Attributes:
        index: 0 for the first of the recording; the same recording gives the same chunks each time.
        pieces: where it comes from, in order, without gaps in the chunk.
        pcm: 16 kHz mono s16le.
        end: sample of the recording up to which all is dealt with once this chunk is.
    """

    index: int
    pieces: tuple[Piece, ...]
    pcm: bytes
    end: int


@dataclass(frozen=True, slots=True)
class _Island:
    """Pieces that lie near each other in the recording."""

    pieces: tuple[Piece, ...]

    @property
    def chunk_start(self) -> int:
        return self.pieces[0].chunk_start

    @property
    def chunk_end(self) -> int:
        return self.pieces[-1].chunk_start + self.pieces[-1].length

    def overlap(self, start: int, end: int) -> int:
        """How much of a stretch of the chunk lies here; negative: how far it is away."""
        return min(end, self.chunk_end) - max(start, self.chunk_start)

    def start_ms(self, sample: int) -> int:
        """Where in the recording something begins that begins at a sample of the chunk."""
        sample = min(max(sample, self.chunk_start), self.chunk_end)
        piece = next((p for p in reversed(self.pieces) if p.chunk_start <= sample), self.pieces[0])
        return _ms(piece.start + sample - piece.chunk_start)

    def end_ms(self, sample: int) -> int:
        """Where in the recording something ends that ends at a sample of the chunk.

        At a junction of two pieces that is the end of the first; what begins there, begins with the second.
        """
        sample = min(max(sample, self.chunk_start), self.chunk_end)
        piece = next((p for p in reversed(self.pieces) if p.chunk_start < sample), self.pieces[0])
        return _ms(piece.start + sample - piece.chunk_start)


def place(segments: Sequence[Segment], pieces: Sequence[Piece]) -> list[Segment]:
    """Turns an engine's times in a chunk into times in the recording.

    A segment that reaches over a long silence left out of the chunk is split there if it has words: each
    word goes where its middle is, and none is lost or doubled. Without words the segment stays whole and
    is held within the side where most of it lies. No time is outside the pieces, and starts never go back.

    Args:
        segments: times in milliseconds from the chunk's start.
        pieces: the chunk's pieces.
    """
    islands = _islands(pieces)
    if not islands:
        return []
    placed: list[Segment] = []
    earliest_ms = 0
    for segment in segments:
        for part in _split(segment, islands):
            start_ms = max(part.start_ms, earliest_ms)
            placed.append(replace(part, start_ms=start_ms, end_ms=max(start_ms, part.end_ms)))
            earliest_ms = start_ms
    return placed


def _islands(pieces: Sequence[Piece]) -> list[_Island]:
    groups: list[list[Piece]] = []
    for piece in pieces:
        if groups and piece.start - (groups[-1][-1].start + groups[-1][-1].length) <= _FAR:
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return [_Island(tuple(group)) for group in groups]


def _split(segment: Segment, islands: list[_Island]) -> list[Segment]:
    start, end = _samples(segment.start_ms), _samples(max(segment.start_ms, segment.end_ms))
    if not segment.words:
        island = max(islands, key=lambda island: island.overlap(start, end))
        return [replace(segment, start_ms=island.start_ms(start), end_ms=island.end_ms(end))]
    groups: list[tuple[_Island, list[Word]]] = []
    at = 0
    for word in segment.words:
        middle = _samples(word.start_ms + word.end_ms) // 2
        while at + 1 < len(islands) and middle >= islands[at + 1].chunk_start:
            at += 1
        if not groups or groups[-1][0] is not islands[at]:
            groups.append((islands[at], []))
        groups[-1][1].append(word)
    texts = _split_text(segment.text, [words for _, words in groups])
    parts: list[Segment] = []
    for text, (island, words) in zip(texts, groups, strict=True):
        placed = _place_words(words, island)
        start_ms, end_ms = placed[0].start_ms, placed[-1].end_ms
        # The segment's own bounds hold on the side where they lie; elsewhere the words' do.
        if island.chunk_start <= start < island.chunk_end and not parts:
            start_ms = min(start_ms, island.start_ms(start))
        if island.chunk_start < end and len(parts) == len(groups) - 1:
            end_ms = max(end_ms, island.end_ms(end))
        parts.append(replace(segment, start_ms=start_ms, end_ms=end_ms, text=text, words=placed))
    return parts


def _place_words(words: list[Word], island: _Island) -> tuple[Word, ...]:
    placed: list[Word] = []
    earliest_ms = 0
    for word in words:
        start_ms = max(earliest_ms, island.start_ms(_samples(word.start_ms)))
        end_ms = max(start_ms, island.end_ms(_samples(word.end_ms)))
        placed.append(replace(word, start_ms=start_ms, end_ms=end_ms))
        earliest_ms = start_ms
    return tuple(placed)


def _split_text(text: str, groups: list[list[Word]]) -> list[str]:
    """Cuts a segment's text before the first word of each group but the first."""
    if len(groups) == 1:
        return [text]
    cuts, position = [0], 0
    for number, group in enumerate(groups):
        for index, word in enumerate(group):
            found = text.find(word.text, position)
            if found < 0:  # the engine's words are not its text's
                return [" ".join(word.text for word in group) for group in groups]
            if number and not index:
                cuts.append(found)
            position = found + len(word.text)
    return [text[start:end].strip() for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def _samples(ms: int) -> int:
    return ms * _SAMPLES_PER_MS


def _ms(sample: int) -> int:
    return (sample + _SAMPLES_PER_MS // 2) // _SAMPLES_PER_MS
