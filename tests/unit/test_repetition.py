"""Loops are cut to their first round; what people repeat themselves stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt_text.engines.repetition import kept_places, without_loops
from yt_text.transcript import Segment, Word


def segment(text: str, start_ms: int = 0, *, words: bool = True) -> Segment:
    parts = text.split()
    spoken = tuple(Word(part, start_ms + 100 * i, start_ms + 100 * i + 90) for i, part in enumerate(parts))
    return Segment(start_ms, start_ms + 100 * len(parts), text, spoken if words else ())


def cleaned(*texts: str, words: bool = True) -> list[str]:
    segments = [segment(text, 5_000 * i, words=words) for i, text in enumerate(texts)]
    return [kept.text for kept in without_loops(segments)]


@pytest.mark.parametrize(
    "text",
    [
        "Yes. Yes.",
        "left left",
        "No, no, no, no!",
        "la la la la la la la la",
        "one two one two one two",
        "thank you thank you very much thank you",
        "I said I said what I said I said",
        "ha ha ha that is that is that",
        "",
    ],
)
def test_what_people_repeat_stays(text: str):
    assert cleaned(text) == [text]
    assert cleaned(text, words=False) == [text]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("so " * 40, "so"),
        ("and then we go " * 12, "and then we go"),
        ("Well, it is. " + "I don't know. " * 9 + "I don't", "Well, it is. I don't know."),
        ("we saw the end the end the end the end the end the end the end of it", "we saw the end of it"),
        ("Thank you! thank you. Thank You, " * 4, "Thank you!"),
    ],
)
def test_loops_inside_a_segment_are_cut(text: str, left: str):
    assert cleaned(text) == [left]
    assert cleaned(text, words=False) == [left]


def test_equal_segments_in_a_row_are_cut_to_one():
    assert cleaned("Go on.", *["Thanks for watching!"] * 8, "Bye.") == ["Go on.", "Thanks for watching!", "Bye."]


def test_a_few_equal_segments_stay():
    assert cleaned("Yes.", "Yes.", "Yes.") == ["Yes."] * 3
    assert cleaned("Turn left.", "Turn left.", "Go.", "Turn left.") == ["Turn left.", "Turn left.", "Go.", "Turn left."]


def test_cut_segment_ends_with_its_last_word():
    (kept,) = without_loops([segment("it ends " * 20, 1_000)])
    assert kept.text == "it ends"
    assert kept.end_ms == kept.words[-1].end_ms == 1_190


def test_words_without_spaces_between_are_joined_without():
    words = tuple(Word(c, 10 * i, 10 * i + 10) for i, c in enumerate("好" * 30))
    (kept,) = without_loops([Segment(0, 300, "好" * 30, words)])
    assert kept.text == "好"


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_kept_words_are_some_of_the_words_in_their_order_and_cutting_twice_changes_nothing(keys: list[str]):
    places = kept_places(keys)
    assert places == sorted(set(places))
    assert set(places) <= set(range(len(keys)))
    assert {keys[place] for place in places} == set(keys)
    if len(places) == len(keys):
        assert places == list(range(len(keys)))


@given(st.lists(st.integers(0, 1_000_000), unique=True, max_size=60))
def test_text_without_repetition_is_left_alone(keys: list[int]):
    assert kept_places([str(key) for key in keys]) == list(range(len(keys)))
