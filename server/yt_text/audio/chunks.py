"""Packs speech into chunks: long silences left out, cut at silence, nothing lost or doubled.

What becomes of a stretch without speech:

    shorter than 1 s    stays as it is
    longer              left out, but for 0.3 s after the speech before and 0.3 s ahead of the next
    30 s                also ends the chunk, so that its text need not wait for what comes after

A chunk that would grow past its maximum is cut at the longest silence in its last part; the search goes
further back when there is none, and ends at the quietest moment. Everything is decided frame by frame, so
the same recording gives the same chunks whatever the size of the blocks it arrives in. Memory is bounded
by the longest chunk.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from yt_text.audio.timeline import BYTES_PER_SAMPLE, FRAME_SAMPLES, MIN_CHUNK_MS, Chunk, Piece
from yt_text.engines.engine import SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class ChunkRules:
    """When a sound is speech, and what silence does.

    Attributes:
        max_chunk_ms: no chunk is longer; at least `MIN_CHUNK_MS`.
        speech_above: a frame at least this likely to be speech begins it.
        silence_below: frames less likely than this end it, once there are `min_silence_ms` of them.
        min_speech_ms: a burst with less than this above `speech_above` is not speech.
        keep_silence_ms: shorter silences stay in the chunk.
        pad_ms: kept before and after speech where a silence is left out.
        flush_silence_ms: a silence that ends a chunk.
    """

    max_chunk_ms: int = 30_000
    speech_above: float = 0.5
    silence_below: float = 0.35
    min_speech_ms: int = 96
    min_silence_ms: int = 256
    keep_silence_ms: int = 1_000
    pad_ms: int = 300
    flush_silence_ms: int = 30_000


_DOUBT_MS = 500
"""What is not known to be speech after this long, is none. Shorter than a silence that is left out."""

_DIP_MS = 96
"""A shorter lull inside speech is no place to cut."""

_SEARCHES = ((256, 5 / 6), (256, 2 / 3), (256, 1 / 2), (_DIP_MS, 5 / 6), (_DIP_MS, 2 / 3))
"""Where to look for a cut, in order: the least silence in ms, and how far back in the chunk."""


class _Gate:
    """Tells speech from silence by the likelihood of each frame, with hysteresis."""

    def __init__(self, rules: ChunkRules) -> None:
        self._rules = rules
        self._min_speech = _samples(rules.min_speech_ms)
        self._min_silence = _samples(rules.min_silence_ms)
        self._quiet: int | None = None
        self._heard = 0
        self.start: int | None = None
        """Where speech began that goes on, or may turn out to be none; in samples."""

    def step(self, probability: float, start: int, end: int) -> bool:
        """Takes in one frame; tells whether `self.start` to `end` is speech for certain."""
        if self.start is None:
            if probability < self._rules.speech_above:
                return False
            self.start, self._heard = start, 0
        elif probability < self._rules.silence_below:
            if self._quiet is None:
                self._quiet = start
            if end - self._quiet >= self._min_silence:
                self.start = self._quiet = None
            return False
        self._quiet = None
        if probability >= self._rules.speech_above:
            self._heard += end - start
        if self._heard >= self._min_speech:
            return True
        if end - self.start >= _samples(_DOUBT_MS):
            self.start = None
        return False


class Chunker:
    """Packs the speech of one recording. Feed it in order, then finish.

    Raises:
        ValueError: the rules' `max_chunk_ms` is less than `MIN_CHUNK_MS`.
    """

    def __init__(self, rules: ChunkRules | None = None) -> None:
        rules = rules or ChunkRules()
        if rules.max_chunk_ms < MIN_CHUNK_MS:
            raise ValueError(f"a chunk must be allowed {MIN_CHUNK_MS} ms at least")
        self.speech_samples = 0
        """How much speech there was so far."""
        self._gate = _Gate(rules)
        self._max = _samples(rules.max_chunk_ms)
        self._pad = _samples(rules.pad_ms)
        self._keep = _samples(rules.keep_silence_ms)
        self._flush = _samples(rules.flush_silence_ms)
        # The recording, as far as it may still be needed.
        self._recent = bytearray()
        self._recent_start = 0
        self._position = 0  # up to here every frame is judged
        # The chunk that grows: its sound, where that comes from, and where it may be cut.
        self._sound = bytearray()
        self._pieces: list[Piece] = []
        self._cuts: list[tuple[int, int]] = []  # position in the chunk, length of the silence there
        self._open = False  # whether the last piece goes on
        self._taken = 0  # end of the last piece in the recording
        self._spoken = 0  # end of the last speech in the recording
        self._index = 0
        self._ready: list[Chunk] = []

    def feed(self, pcm: bytes, probabilities: Sequence[float]) -> list[Chunk]:
        """Takes in more of the recording and returns the chunks that are complete by now.

        Args:
            pcm: the next samples, any number; s16le.
            probabilities: of the next frames, each of `FRAME_SAMPLES`; all their samples must have come.
        """
        self._recent += pcm
        fed = self._recent_start + len(self._recent) // BYTES_PER_SAMPLE
        for probability in probabilities:
            start = self._position
            # Only the last frame of a recording can be short.
            end = self._position = min(start + FRAME_SAMPLES, fed)
            if self._gate.step(probability, start, end):
                self._speech(start, end)
            elif self._open and end - self._spoken >= self._keep:
                self._close(end)
            elif self._pieces and not self._open and end - self._spoken >= self._flush:
                # A later piece may reach back a little from here, but not as far as this.
                self._emit(self._length, end - self._keep)
        self._forget()
        return self._take_ready()

    def finish(self) -> list[Chunk]:
        """Returns the last chunks."""
        total = self._recent_start + len(self._recent) // BYTES_PER_SAMPLE
        if self._open:
            self._close(total)
        if self._pieces:
            self._emit(self._length, total)
        return self._take_ready()

    @property
    def _length(self) -> int:
        return len(self._sound) // BYTES_PER_SAMPLE

    def _take_ready(self) -> list[Chunk]:
        ready, self._ready = self._ready, []
        return ready

    def _speech(self, start: int, end: int) -> None:
        """Takes in speech that reaches to `end`; the frame judged last begins at `start`."""
        begin = self._gate.start if self._gate.start is not None else start
        if begin < self._spoken:
            begin = start  # the speech went on, and only the last frame is new
        silence = begin - self._spoken
        if not self._open:
            if self._pieces:
                self._cuts.append((self._length, silence))
            self._open = True
            self._append(max(self._taken, begin - self._pad), end, reserve=self._pad)
        else:
            if silence >= _samples(_DIP_MS):
                # The first part of the silence always fits, and what follows may begin a new chunk.
                self._append(self._taken, self._spoken + min(silence // 2, self._pad))
                self._cuts.append((self._length, silence))
            self._append(self._taken, end, reserve=self._pad)
        self._spoken = end
        self.speech_samples += end - begin

    def _close(self, now: int) -> None:
        """Ends the piece that goes on, with a little of the silence behind it."""
        self._append(self._taken, min(self._spoken + self._pad, now))
        self._open = False

    def _append(self, start: int, end: int, reserve: int = 0) -> None:
        """Adds a part of the recording to the chunk; cuts the chunk first if it and `reserve` do not fit."""
        while self._pieces and self._length + end - start + reserve > self._max:
            cut = self._best_cut()
            self._emit(cut, None)
        last = self._pieces[-1] if self._pieces else None
        if last and last.start + last.length == start:
            self._pieces[-1] = Piece(last.chunk_start, last.start, last.length + end - start)
        else:
            self._pieces.append(Piece(self._length, start, end - start))
        origin = self._recent_start
        self._sound += self._recent[(start - origin) * BYTES_PER_SAMPLE : (end - origin) * BYTES_PER_SAMPLE]
        self._taken = end

    def _best_cut(self) -> int:
        for silence_ms, part in _SEARCHES:
            found = [
                (silence, position)
                for position, silence in self._cuts
                if position >= self._max * part and silence >= _samples(silence_ms)
            ]
            if found:
                return max(found)[1]
        return self._quietest()

    def _quietest(self) -> int:
        """Finds the middle of the quietest 100 ms in the last sixth of the chunk."""
        begin = self._length * 5 // 6
        sound = np.frombuffer(self._sound, dtype="<i2", offset=begin * BYTES_PER_SAMPLE).astype(np.int64)
        step, window = SAMPLE_RATE // 100, SAMPLE_RATE // 10
        energy = np.concatenate(([0], np.cumsum(sound * sound)))
        starts = np.arange(0, len(sound) - window, step)
        quietest = int(np.argmin(energy[starts + window] - energy[starts]))
        return begin + quietest * step + window // 2

    def _emit(self, cut: int, end: int | None) -> None:
        """Hands out the chunk up to a position in it; the rest begins the next one."""
        before: list[Piece] = []
        after: list[Piece] = []
        for piece in self._pieces:
            inside = min(max(0, cut - piece.chunk_start), piece.length)
            if inside:
                before.append(Piece(piece.chunk_start, piece.start, inside))
            if inside < piece.length:
                chunk_start = piece.chunk_start + inside - cut
                after.append(Piece(chunk_start, piece.start + inside, piece.length - inside))
        if end is None:
            end = after[0].start if after else self._taken
        pcm = bytes(memoryview(self._sound)[: cut * BYTES_PER_SAMPLE])
        self._ready.append(Chunk(self._index, tuple(before), pcm, end))
        self._index += 1
        self._pieces = after
        self._cuts = [(position - cut, silence) for position, silence in self._cuts if position > cut]
        del self._sound[: cut * BYTES_PER_SAMPLE]

    def _forget(self) -> None:
        """Lets go of what no later piece can reach."""
        if self._open:
            needed = self._taken
        else:
            begin = self._position if self._gate.start is None else self._gate.start
            needed = max(self._taken, begin - self._pad)
        if needed > self._recent_start:
            del self._recent[: (needed - self._recent_start) * BYTES_PER_SAMPLE]
            self._recent_start = needed


def _samples(ms: int) -> int:
    return ms * SAMPLE_RATE // 1000
