"""Chunks: every bit of speech in exactly one, none too long, the same however the sound arrives."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import sounds
from yt_text.audio.chunks import Chunker, ChunkRules
from yt_text.audio.speech import SpeechDetector
from yt_text.audio.timeline import FRAME_SAMPLES, MIN_CHUNK_MS, Chunk

RATE = sounds.RATE


def numbered(samples: int) -> bytes:
    """Sound in which each sample is its own number, modulo 2^16."""
    return np.arange(samples, dtype=np.int64).astype("<i2").tobytes()


def pack(
    likelihoods: list[float], pcm: bytes, blocks: list[int] | None = None, rules: ChunkRules | None = None
) -> list[Chunk]:
    """Feeds a chunker, in blocks of so many samples."""
    chunker, chunks, fed, judged = Chunker(rules), list[Chunk](), 0, 0
    total = len(pcm) // 2
    for block in [*(blocks or []), total]:
        part = pcm[fed * 2 : (fed + block) * 2]
        fed = min(fed + block, total)
        frames = fed // FRAME_SAMPLES
        chunks += chunker.feed(part, likelihoods[judged:frames])
        judged = frames
    return [*chunks, *chunker.feed(b"", likelihoods[judged:]), *chunker.finish()]


def judge(pcm: bytes) -> list[float]:
    with SpeechDetector() as detector:
        return [*detector.feed(pcm).tolist(), *detector.finish().tolist()]


def check(chunks: list[Chunk], pcm: bytes, max_chunk_ms: int = 30_000) -> None:
    """What holds of any recording's chunks."""
    samples, reached, end = np.frombuffer(pcm, "<i2"), 0, 0
    for number, chunk in enumerate(chunks):
        assert chunk.index == number
        assert 0 < len(chunk.pcm) // 2 <= max_chunk_ms * RATE // 1000
        at = 0
        for piece in chunk.pieces:
            assert piece.chunk_start == at
            assert piece.start >= reached
            assert piece.length > 0
            at, reached = at + piece.length, piece.start + piece.length
        assert at == len(chunk.pcm) // 2
        assert chunk.pcm == b"".join(samples[p.start : p.start + p.length].tobytes() for p in chunk.pieces)
        # All before `end` is in this chunk and those before it, or in none.
        assert max(end, reached) <= chunk.end <= len(samples)
        assert all(piece.start >= end for piece in chunk.pieces)
        end = chunk.end


def covered(chunks: list[Chunk], total: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """How often each sample of the recording is in a chunk."""
    count = np.zeros(total, np.int64)
    for chunk in chunks:
        for piece in chunk.pieces:
            count[piece.start : piece.start + piece.length] += 1
    return count


@st.composite
def recordings(draw: st.DrawFn, longest_s: float = 40) -> tuple[list[float], int]:
    """Likelihoods in runs of speech, silence and doubt; and the number of samples."""
    runs = draw(
        st.lists(
            st.tuples(
                st.sampled_from([0.02, 0.3, 0.4, 0.6, 0.97]),
                st.one_of(st.integers(1, 40), st.integers(1, round(longest_s * 31))),
            ),
            max_size=25,
        )
    )
    likelihoods = [likelihood for likelihood, frames in runs for _ in range(frames)]
    short = draw(st.integers(0, FRAME_SAMPLES - 1)) if likelihoods else 0
    return likelihoods, len(likelihoods) * FRAME_SAMPLES - short


@settings(deadline=None)
@given(recording=recordings(), max_chunk_ms=st.sampled_from([5_000, 12_345, 30_000]))
def test_every_sample_of_speech_is_in_exactly_one_chunk(recording: tuple[list[float], int], max_chunk_ms: int) -> None:
    likelihoods, total = recording
    pcm = numbered(total)
    chunks = pack(likelihoods, pcm, rules=ChunkRules(max_chunk_ms=max_chunk_ms))
    check(chunks, pcm, max_chunk_ms)
    count = covered(chunks, total)
    assert count.max(initial=0) <= 1
    # Beyond doubt speech: a run of likely frames, too long for a click.
    loud = np.array([likelihood > 0.5 for likelihood in likelihoods])
    start = 0
    for end in [*(np.flatnonzero(np.diff(loud)) + 1).tolist(), len(loud)]:
        if start < end and loud[start] and end - start >= 4:
            assert (count[start * FRAME_SAMPLES : end * FRAME_SAMPLES] == 1).all()
        start = end


@settings(deadline=None)
@given(recording=recordings(), blocks=st.lists(st.integers(1, 200_000), max_size=30))
def test_chunks_do_not_depend_on_the_blocks_that_the_sound_comes_in(
    recording: tuple[list[float], int], blocks: list[int]
) -> None:
    likelihoods, total = recording
    pcm = numbered(total)
    assert pack(likelihoods, pcm, blocks) == pack(likelihoods, pcm)


@settings(deadline=None)
@given(recording=recordings(longest_s=6))
def test_short_silences_stay_and_long_ones_are_left_out_but_for_their_edges(
    recording: tuple[list[float], int],
) -> None:
    likelihoods, total = recording
    chunks = pack(likelihoods, numbered(total))
    count = covered(chunks, total)
    # Silence for certain: frames below both thresholds, away from speech by more than what is kept.
    kept = round(0.3 * RATE)
    quiet = np.array([likelihood < 0.35 for likelihood in likelihoods])
    start = 0
    for end in [*(np.flatnonzero(np.diff(quiet)) + 1).tolist(), len(quiet)]:
        inside = count[start * FRAME_SAMPLES + kept : max(0, end * FRAME_SAMPLES - kept)]
        if start < end and quiet[start] and len(inside) > 0.7 * RATE:
            assert not inside.any()
        start = end
    for one, two in pairwise(piece for chunk in chunks for piece in chunk.pieces):
        gap = two.start - one.start - one.length
        assert gap == 0 or gap >= 0.3 * RATE


def test_silence_alone_gives_no_chunk() -> None:
    assert pack([0.01] * 1_000, numbered(1_000 * FRAME_SAMPLES)) == []
    assert pack([], b"") == []


def test_a_click_is_not_speech_but_a_short_word_is() -> None:
    for frames, count in ((1, 0), (2, 0), (3, 1), (6, 1)):
        likelihoods = [0.01] * 50 + [0.9] * frames + [0.01] * 50
        assert len(pack(likelihoods, numbered(len(likelihoods) * FRAME_SAMPLES))) == count


def test_speech_keeps_a_little_sound_on_both_sides() -> None:
    likelihoods = [0.01] * 100 + [0.9] * 50 + [0.01] * 100
    (chunk,) = pack(likelihoods, numbered(250 * FRAME_SAMPLES))
    (piece,) = chunk.pieces
    assert piece.start == 100 * FRAME_SAMPLES - 4_800
    assert piece.start + piece.length == 150 * FRAME_SAMPLES + 4_800


def test_a_chunk_is_cut_at_the_longest_silence_of_its_last_part() -> None:
    # Silences of 0.5 s at 10 s, 0.4 s at 26 s, 0.6 s at 28 s, 0.5 s at 29 s.
    likelihoods = [0.9] * 1_200
    for at_s, length_s in ((10, 0.9), (26, 0.4), (28, 0.6), (29, 0.5)):
        first = round(at_s * RATE / FRAME_SAMPLES)
        frames = round(length_s * RATE / FRAME_SAMPLES)
        likelihoods[first : first + frames] = [0.01] * frames
    chunks = pack(likelihoods, numbered(1_200 * FRAME_SAMPLES))
    assert chunks[0].end / RATE == pytest.approx(28.3, abs=0.05)


def test_without_silence_in_its_last_part_a_chunk_is_cut_further_back() -> None:
    likelihoods = [0.9] * 1_200
    likelihoods[560:575] = [0.01] * 15  # 17.9 s
    chunks = pack(likelihoods, numbered(1_200 * FRAME_SAMPLES))
    assert chunks[0].end / RATE == pytest.approx(18.15, abs=0.05)


def test_speech_without_any_pause_is_cut_where_it_is_quietest() -> None:
    total = 1_200 * FRAME_SAMPLES
    sound = np.random.default_rng(0).normal(0, 8_000, total)
    quiet = slice(round(27.3 * RATE), round(27.5 * RATE))
    sound[quiet] /= 50
    pcm = sound.astype("<i2").tobytes()
    chunks = pack([0.9] * 1_200, pcm)
    check(chunks, pcm)
    assert quiet.start < chunks[0].end < quiet.stop
    assert covered(chunks, total).all()


def test_a_long_silence_ends_a_chunk_while_it_lasts() -> None:
    chunker = Chunker()
    assert chunker.feed(numbered(100 * FRAME_SAMPLES), [0.9] * 100) == []
    chunks = chunker.feed(numbered(1_000 * FRAME_SAMPLES), [0.01] * 1_000)
    assert len(chunks) == 1
    assert chunks[0].end > 30 * RATE
    assert chunker.finish() == []


def test_passages_between_long_silences_share_a_chunk() -> None:
    passage = [0.9] * 190 + [0.01] * 600  # 6 s of speech, 19 s of silence
    chunks = pack(passage * 4, numbered(790 * 4 * FRAME_SAMPLES))
    assert len(chunks) == 1
    assert len(chunks[0].pieces) == 4


@pytest.mark.parametrize(
    "likelihoods",
    [[0.97] * 100, [0.01] * 100, [0.4] * 100, [0.6] + [0.4] * 99, [0.6, 0.6] + [0.4] * 18, [0.97] * 30 + [0.01] * 70],
    ids=["speech", "silence", "doubt", "doubt after a click", "doubt after clicks", "words"],
)
def test_hours_of_one_thing_take_no_more_memory_than_a_minute(likelihoods: list[float]) -> None:
    chunker, block = Chunker(), bytes(len(likelihoods) * FRAME_SAMPLES * 2)
    held: list[int] = []
    for _ in range(4 * 112_500 // len(likelihoods)):  # 4 h
        chunker.feed(block, likelihoods)
        held.append(len(chunker._sound) + len(chunker._recent) + 16 * len(chunker._cuts))
    assert max(held) < 1_300_000
    assert max(held[2_000:]) <= max(held[:500])


def test_what_stays_doubtful_is_no_speech_and_takes_nothing_with_it() -> None:
    likelihoods = [0.6, 0.6] + [0.4] * 300 + [0.9] * 50 + [0.01] * 50
    (chunk,) = pack(likelihoods, numbered(len(likelihoods) * FRAME_SAMPLES))
    assert chunk.pieces[0].start == 302 * FRAME_SAMPLES - 4_800


def test_speech_is_measured() -> None:
    chunker = Chunker()
    likelihoods = [0.01] * 100 + [0.9] * 100 + [0.01] * 100 + [0.9] * 50
    chunker.feed(numbered(350 * FRAME_SAMPLES), likelihoods)
    assert chunker.speech_samples == 150 * FRAME_SAMPLES


def test_a_maximum_that_leaves_no_room_for_a_choice_is_refused() -> None:
    with pytest.raises(ValueError, match=str(MIN_CHUNK_MS)):
        Chunker(ChunkRules(max_chunk_ms=MIN_CHUNK_MS - 1))


@pytest.mark.parametrize("max_chunk_ms", [5_000, 10_000, 30_000])
def test_no_word_of_a_recording_is_cut_or_left_out(max_chunk_ms: int) -> None:
    pcm = sounds.sample_pcm()
    chunks = pack(judge(pcm), pcm, rules=ChunkRules(max_chunk_ms=max_chunk_ms))
    check(chunks, pcm, max_chunk_ms)
    pieces = [(p.start / RATE, (p.start + p.length) / RATE, c.index) for c in chunks for p in c.pieces]
    for word in sounds.sample_words():
        middle_s = (word.start_s + word.end_s) / 2
        inside = [index for start_s, end_s, index in pieces if start_s <= middle_s <= end_s]
        assert len(inside) == 1, word
        whole = [start_s - 0.05 <= word.start_s and word.end_s <= end_s + 0.05 for start_s, end_s, _ in pieces]
        # A shorter maximum has fewer pauses to choose from.
        assert any(whole) or max_chunk_ms < 30_000, word


def test_passages_apart_are_found_and_the_rest_is_left_out() -> None:
    sample = sounds.sample_pcm()
    edges = [0.2, *(sounds.pause(0.3, near_s) for near_s in (12, 24, 36, 48))]
    passages = [sounds.seconds(sample, start, end) for start, end in pairwise(edges)]
    apart_s = 45
    pcm = b"".join(sounds.noise(apart_s, 0.003, seed) + passage for seed, passage in enumerate(passages))
    pcm += sounds.silence(apart_s)
    chunks = pack(judge(pcm), pcm)
    check(chunks, pcm)
    count = covered(chunks, len(pcm) // 2)
    speech = np.zeros(len(count), bool)
    at = 0
    for passage in passages:
        at += round(apart_s * RATE)
        speech[at - RATE // 2 : at + len(passage) // 2 + RATE // 2] = True
        assert count[at : at + len(passage) // 2].mean() > 0.6
        at += len(passage) // 2
    assert count[~speech].mean() < 0.001


@pytest.mark.parametrize("pcm", [sounds.noise(120, 0.05), sounds.chords(120), sounds.silence(120)])
def test_sound_without_speech_gives_hardly_a_chunk(pcm: bytes) -> None:
    chunks = pack(judge(pcm), pcm)
    assert sum(len(chunk.pcm) // 2 for chunk in chunks) < 2 * RATE
