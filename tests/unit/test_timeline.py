"""Times of a chunk and back: words keep their order, their text and their place in the recording."""

import re
from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt_text.audio.timeline import Piece, place
from yt_text.transcript import Segment, Word

MS = 16  # samples


def pieces(*stretches: tuple[int, int]) -> tuple[Piece, ...]:
    """Pieces from their start and length in the recording, in milliseconds."""
    placed: list[Piece] = []
    at = 0
    for start, length in stretches:
        placed.append(Piece(at, start * MS, length * MS))
        at += length * MS
    return tuple(placed)


def said(*words: tuple[str, int, int], bounds: tuple[int, int] | None = None, text: str = "") -> Segment:
    start, end = bounds or (words[0][1], words[-1][2])
    return Segment(start, end, text or " ".join(word[0] for word in words), tuple(Word(*word) for word in words))


TWO = pieces((10_000, 4_000), (60_000, 3_000))
"""4 s of the recording from 10 s, then 3 s from 60 s."""


def test_a_segment_inside_one_piece_is_shifted() -> None:
    assert place([Segment(500, 1_500, "one")], TWO) == [Segment(10_500, 11_500, "one")]
    assert place([Segment(4_500, 5_500, "two")], TWO) == [Segment(60_500, 61_500, "two")]


def test_what_ends_at_a_junction_ends_before_the_silence_and_what_begins_there_begins_after() -> None:
    placed = place([Segment(3_000, 4_000, "one"), Segment(4_000, 5_000, "two")], TWO)
    assert placed == [Segment(13_000, 14_000, "one"), Segment(60_000, 61_000, "two")]


def test_a_segment_over_a_long_silence_is_split_by_its_words() -> None:
    segment = said(("Stop", 3_000, 3_500), ("it,", 3_500, 3_900), ("please.", 4_200, 5_000), bounds=(2_900, 5_200))
    one, two = place([segment], TWO)
    assert (one.text, one.start_ms, one.end_ms) == ("Stop it,", 12_900, 13_900)
    assert (two.text, two.start_ms, two.end_ms) == ("please.", 60_200, 61_200)
    assert [word.text for word in one.words + two.words] == ["Stop", "it,", "please."]


def test_a_word_over_the_junction_goes_where_its_middle_is() -> None:
    one, two = place([said(("a", 3_000, 3_500), ("b", 3_600, 4_300), ("c", 4_300, 4_600))], TWO)
    assert [word.text for word in one.words] == ["a", "b"]
    assert one.words[-1].end_ms == 14_000
    assert [(word.text, word.start_ms) for word in two.words] == [("c", 60_300)]


def test_text_without_spaces_is_cut_and_not_joined_with_spaces() -> None:
    segment = said(("今日", 3_000, 3_500), ("は", 3_500, 3_900), ("晴れ", 4_200, 5_000), text="今日は晴れ。")
    assert [part.text for part in place([segment], TWO)] == ["今日は", "晴れ。"]


def test_text_that_is_not_made_of_the_words_is_made_anew_from_them() -> None:
    segment = said(("one", 3_000, 3_500), ("two", 4_200, 5_000), text="1 2")
    assert [part.text for part in place([segment], TWO)] == ["one", "two"]


def test_a_segment_without_words_stays_on_the_side_where_most_of_it_lies() -> None:
    assert place([Segment(3_500, 6_000, "x")], TWO) == [Segment(60_000, 62_000, "x")]
    assert place([Segment(1_000, 4_200, "x")], TWO) == [Segment(11_000, 14_000, "x")]


def test_a_short_silence_left_out_splits_nothing() -> None:
    near = pieces((0, 4_000), (4_800, 3_000))
    (one,) = place([said(("a", 3_000, 3_900), ("b", 4_200, 5_000))], near)
    assert (one.start_ms, one.end_ms, one.words[1].start_ms) == (3_000, 5_800, 5_000)


def test_times_outside_the_chunk_are_held_inside_it() -> None:
    assert place([Segment(6_500, 30_000, "x")], TWO) == [Segment(62_500, 63_000, "x")]
    assert place([Segment(9_000, 9_500, "x")], TWO) == [Segment(63_000, 63_000, "x")]
    assert place([Segment(2_000, 1_000, "x")], TWO) == [Segment(12_000, 12_000, "x")]


def test_other_facts_of_a_segment_are_kept() -> None:
    segment = Segment(0, 100, "x", (Word("x", 0, 100, 0.7),), avg_logprob=-0.3, speaker_label="A")
    (placed,) = place([segment], TWO)
    assert (placed.avg_logprob, placed.speaker_label, placed.words[0].confidence) == (-0.3, "A", 0.7)


@pytest.mark.parametrize("segments", [[], [Segment(0, 1, "x")]])
def test_without_pieces_there_is_nothing(segments: list[Segment]) -> None:
    assert place(segments, ()) == []


stretches = st.lists(st.tuples(st.integers(1, 8_000), st.integers(1, 20_000)), min_size=1, max_size=8)


@st.composite
def chunks(draw: st.DrawFn) -> tuple[Piece, ...]:
    at, placed, chunk_at = draw(st.integers(0, 50_000)), list[Piece](), 0
    for length, gap in draw(stretches):
        placed.append(Piece(chunk_at, at * MS, length * MS))
        chunk_at += length * MS
        at += length + gap
    return tuple(placed)


@st.composite
def segments(draw: st.DrawFn, *, wild: bool) -> list[Segment]:
    """Segments of words, in order; or with any times at all."""
    made: list[Segment] = []
    at, number = 0, 0
    for count in draw(st.lists(st.integers(0, 6), max_size=6)):
        begin, words = at, list[Word]()
        for _ in range(count):
            start = draw(st.integers(0, 70_000)) if wild else at + draw(st.integers(0, 2_000))
            end = draw(st.integers(0, 70_000)) if wild else start + draw(st.integers(0, 2_000))
            words.append(Word(f"w{number}", start, end))
            at, number = end, number + 1
        text = " ".join(word.text for word in words) or "alone"
        bounds = (draw(st.integers(0, 70_000)), draw(st.integers(0, 70_000))) if wild else (begin, at)
        made.append(Segment(*bounds, text, tuple(words)))
    return made


@given(chunk=chunks(), spoken=st.one_of(segments(wild=False), segments(wild=True)))
def test_nothing_is_lost_or_doubled_or_out_of_order_or_outside(chunk: tuple[Piece, ...], spoken: list[Segment]) -> None:
    placed = place(spoken, chunk)
    assert [word.text for part in placed for word in part.words] == [
        word.text for segment in spoken for word in segment.words
    ]
    assert re.findall(r"\S+", " ".join(part.text for part in placed)) == re.findall(
        r"\S+", " ".join(segment.text for segment in spoken)
    )
    first, last = chunk[0].start / MS, (chunk[-1].start + chunk[-1].length) / MS
    for part in placed:
        assert first <= part.start_ms <= part.end_ms <= last
        for word in part.words:
            assert part.start_ms <= word.start_ms <= word.end_ms or part.start_ms > word.start_ms
            assert any(p.start / MS <= word.start_ms <= (p.start + p.length) / MS for p in chunk)
            assert any(p.start / MS <= word.end_ms <= (p.start + p.length) / MS for p in chunk)
    starts = [part.start_ms for part in placed]
    assert starts == sorted(starts)


@given(chunk=chunks(), data=st.data())
def test_a_time_comes_back_to_where_it_was(chunk: tuple[Piece, ...], data: st.DataObject) -> None:
    piece = data.draw(st.sampled_from(chunk))
    start = data.draw(st.integers(0, piece.length // MS - 1))
    end = data.draw(st.integers(start + 1, piece.length // MS))
    in_chunk = piece.chunk_start // MS
    (placed,) = place([Segment(in_chunk + start, in_chunk + end, "x")], chunk)
    assert (placed.start_ms, placed.end_ms) == (piece.start // MS + start, piece.start // MS + end)


@given(chunk=chunks(), spoken=segments(wild=False))
def test_no_segment_reaches_over_a_long_silence(chunk: tuple[Piece, ...], spoken: list[Segment]) -> None:
    starts = [piece.start // MS for piece in chunk]
    for part in place(spoken, chunk):
        at = bisect_right(starts, part.start_ms) - 1
        while at + 1 < len(chunk) and starts[at + 1] < part.end_ms:
            gap_ms = starts[at + 1] - (chunk[at].start + chunk[at].length) // MS
            assert gap_ms <= 1_000
            at += 1
