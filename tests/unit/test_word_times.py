"""Tokens become words with times."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt_text.engines.sound_notes import is_said
from yt_text.engines.word_times import Token, text_of, words_of


def tokens(*parts: str | bytes) -> list[Token]:
    return [Token(part.encode() if isinstance(part, str) else part, 0.5) for part in parts]


def texts(*parts: str | bytes) -> list[str]:
    return [word.text for word in words_of(tokens(*parts), 0, 10_000)]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((" Hello", " world"), ["Hello", "world"]),
        ((" Fox", "tro", "t", "."), ["Foxtrot."]),
        (("No", " space", " before"), ["No", "space", "before"]),
        ((" It", "'s", " 10", ":", "30", " !"), ["It's", "10:30!"]),
        ((" well", " -", " known"), ["well-", "known"]),
        ((" a", " ", " b"), ["a", "b"]),
        (("我", "喜欢", "Python", "。"), ["我", "喜欢", "Python。"]),
        (("ส", "วั", "ส", "ดี"), ["ส", "วั", "ส", "ดี"]),
        ((" Gr", "ö".encode()[:1], "ö".encode()[1:], "ße"), ["Größe"]),
        (("好".encode()[:1], "好".encode()[1:2], "好".encode()[2:], "的"), ["好", "的"]),
        ((" end", "好".encode()[:2]), ["end"]),
        ((), []),
        ((" ",), []),
    ],
)
def test_tokens_join_to_words(parts: tuple[str | bytes, ...], words: list[str]):
    assert texts(*parts) == words


def test_character_that_was_cut_off_is_left_out_of_the_text():
    assert text_of(tokens(" end", "好".encode()[:2])) == "end"


def test_words_without_known_times_share_the_segment_by_length():
    words = words_of(tokens(" a", " abcdefghi", " a"), 1_000, 2_400)
    assert [(word.start_ms, word.end_ms) for word in words] == [(1_000, 1_200), (1_200, 2_200), (2_200, 2_400)]


def timed(text: str, time_ms: int | None, confidence: float = 0.5) -> Token:
    return Token(text.encode(), 1.0, time_ms, confidence)


def starts(*parts: Token) -> list[int]:
    return [word.start_ms for word in words_of(parts, 0, 4_000)]


def test_known_times_begin_words():
    assert starts(timed(" one", None), timed(" two", 700), timed(" three", 3_000)) == [0, 700, 3_000]


def test_time_of_a_later_part_of_a_word_does_not_count():
    assert starts(timed(" fox", None), timed("trot", 900), timed(" one", 2_000)) == [0, 2_000]


def test_time_that_goes_back_gives_way_to_the_surer_ones():
    guess = starts(timed(" one", None), timed(" two", 3_500, 0.1), timed(" three", 1_000, 0.4), timed(" four", 2_000))
    assert guess[2:] == [1_000, 2_000]
    assert 0 < guess[1] < 1_000


def test_faint_time_does_not_count():
    assert starts(timed(" one", None), timed(" two", 3_000, 0.01)) == [0, 2_000]


def test_time_outside_the_segment_does_not_count():
    assert starts(timed(" one", None), timed(" two", 3_999)) == [0, 2_000]


def test_quiet_is_cut_off_both_ends_of_a_word():
    loudness = [0.0] * 20 + [1.0] * 30 + [0.01] * 50
    (word,) = words_of(tokens(" word"), 0, 1_000, loudness)
    assert (word.start_ms, word.end_ms) == (200, 500)


def test_word_in_silence_keeps_its_time():
    (word,) = words_of(tokens(" word"), 0, 1_000, [0.0] * 100)
    assert (word.start_ms, word.end_ms) == (0, 1_000)


token_lists = st.lists(
    st.builds(
        Token,
        st.sampled_from([b" a", b"b", b" long", b".", b" ", b"\xe5", b"\xa5", b"\xbd", b" 12", "好".encode()]),
        st.floats(0, 1),
        st.none() | st.integers(-1_000, 31_000),
        st.floats(0, 1),
    ),
    max_size=40,
)


@given(
    token_lists,
    st.integers(0, 29_000),
    st.integers(0, 5_000),
    st.lists(st.floats(0, 1), max_size=3_000).map(tuple) | st.just((0.5,) * 3_000),
)
def test_words_are_in_order_and_inside_whatever_the_model_says(
    parts: list[Token], start_ms: int, length_ms: int, loudness: tuple[float, ...]
):
    words = words_of(parts, start_ms, start_ms + length_ms, loudness)
    assert all(start_ms <= word.start_ms <= word.end_ms <= start_ms + length_ms for word in words)
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(words))
    assert all(word.text and not word.text.isspace() for word in words)
    assert "".join(word.text for word in words).split() == ["".join(text_of(parts).split())] * bool(words)


@pytest.mark.parametrize("text", ["[BLANK_AUDIO]", "(soft music)", "*sighs*", "【音楽】", "♪ ♪", "...", "(a) [b]"])
def test_notes_of_sounds_are_not_said(text: str):
    assert not is_said(text)


@pytest.mark.parametrize("text", ["Yes.", "(laughs) Yes.", "♪ la la ♪", "10", "好", "f(x", "a * b"])
def test_text_with_or_without_notes_is_said(text: str):
    assert is_said(text)
