"""What is made of a service's answer, and what of it is refused."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.openai_server import TEXT, VERBOSE
from yt_text.engines.engine import ChunkResult
from yt_text.engines.language_names import named_language
from yt_text.engines.languages import WHISPER_TAGS
from yt_text.engines.openai_answer import AnswerError, read_answer
from yt_text.transcript import Segment, Word


def verbose(**changes: object) -> dict[str, Any]:
    return deepcopy(VERBOSE) | changes


def segment(
    start: object = 0.0, end: object = 1.0, text: object = " Hello there.", **more: object
) -> dict[str, object]:
    return {"start": start, "end": end, "text": text, **more}


def word(text: object, start: object, end: object, **more: object) -> dict[str, object]:
    return {"word": text, "start": start, "end": end, **more}


def read(answer: object, duration_ms: int = 5_000) -> ChunkResult:
    return read_answer(answer, duration_ms)


def texts(answer: object, duration_ms: int = 5_000) -> list[str]:
    return [segment.text for segment in read(answer, duration_ms).segments]


def test_segments_words_and_language_are_read() -> None:
    assert read(VERBOSE) == ChunkResult(
        (
            Segment(
                0,
                2000,
                "Good morning, everyone.",
                (Word("Good", 0, 500), Word("morning,", 500, 1000), Word("everyone.", 1000, 1960)),
                -0.2,
            ),
            Segment(2500, 4250, "Let's begin.", (Word("Let's", 2500, 3000), Word("begin.", 3000, 4200)), -0.4),
        ),
        "en",
    )


def test_text_without_segments_is_one_segment_over_the_chunk() -> None:
    whole = (Segment(0, 5000, TEXT),)
    assert read({"text": f" {TEXT}\n"}).segments == whole
    assert read(verbose(segments=None, words=None)).segments == whole
    assert read(verbose(segments=[])).segments == whole


@pytest.mark.parametrize("text", ["", "  \n", "[BLANK_AUDIO]", "(music) *sighs*", "..."])
def test_where_nothing_is_said_there_is_no_segment(text: str) -> None:
    assert read({"text": text}).segments == ()
    assert read(verbose(text=text, segments=[segment(text=text)])).segments == ()


@pytest.mark.parametrize(
    ("answer", "language"),
    [
        ({"language": "English"}, "en"),
        ({"language": "de"}, "de"),
        ({"language": "haitian creole"}, "ht"),
        ({"language": "klingon"}, ""),
        ({"language": None}, ""),
        ({"languages": [{"code": "fr"}]}, "fr"),
        ({"languages": [{"code": "fr"}, {"code": "de"}]}, ""),
        ({"languages": []}, ""),
        ({}, ""),
    ],
)
def test_language_is_told_as_a_tag(answer: dict[str, object], language: str) -> None:
    assert read({"text": TEXT} | answer).language_code == language


def test_every_language_of_whisper_has_a_name_and_a_tag() -> None:
    for tag in WHISPER_TAGS:
        assert named_language(tag) == tag
    assert [
        named_language(name) for name in ("Javanese", "cantonese", "burmese", "Castilian", "english", "sundanese")
    ] == [
        "jv",
        "yue",
        "my",
        "es",
        "en",
        "su",
    ]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "text",
        {},
        {"text": None},
        {"text": 1},
        {"segments": [segment()]},
        verbose(segments={}),
        verbose(segments="none"),
        verbose(segments=[None]),
        verbose(segments=[segment(start=None)]),
        verbose(segments=[segment(start="0")]),
        verbose(segments=[segment(start=True)]),
        verbose(segments=[segment(end=float("nan"))]),
        verbose(segments=[segment(end=float("inf"))]),
        verbose(segments=[segment(end=10**400)]),
        verbose(segments=[segment(start=-0.5)]),
        verbose(segments=[segment(start=1.0, end=0.5)]),
        verbose(segments=[segment(start=0, end=2_000)]),  # milliseconds
        verbose(segments=[segment(3.0, 4.0), segment(0.0, 1.0)]),
        verbose(segments=[segment(text=None)]),
        verbose(segments=[segment(text=["Hello"])]),
        verbose(segments=[segment(avg_logprob="-1")]),
        verbose(segments=[segment(no_speech_prob=[])]),
        verbose(words="none"),
        verbose(words=[word("Good", 3.0, 3.1), word("morning", 0.5, 1.0)]),
        verbose(words=[word("Good", 0.5, 0.1)]),
        verbose(words=[word(None, 0.0, 0.1)]),
        verbose(words=[word("Good", "0", 0.1)]),
        verbose(language=7),
        {"text": TEXT, "languages": ["en"]},
        {"text": TEXT, "languages": [{}]},
    ],
)
def test_an_answer_that_is_not_what_it_should_be_is_refused(answer: object) -> None:
    with pytest.raises(AnswerError):
        read(answer)


def test_times_a_little_beyond_the_chunk_or_back_are_held_to_it() -> None:
    answer = verbose(
        segments=[segment(0.0, 2.0, "One."), segment(1.5, 3.0, "Two."), segment(2.9, 29.0, "Three.")],
        words=[word("One", 0.0, 2.1), word("Two", 1.9, 2.5), word("Three", 2.8, 31.0)],
    )
    assert read(answer).segments == (
        Segment(0, 2000, "One.", (Word("One.", 0, 2000),)),
        Segment(2000, 3000, "Two.", (Word("Two.", 2000, 2500),)),
        Segment(3000, 5000, "Three.", (Word("Three.", 3000, 5000),)),
    )


def test_a_segment_behind_the_end_is_left_out() -> None:
    assert texts(verbose(segments=[segment(text="Said."), segment(5.0, 7.0, "Thanks for watching!")])) == ["Said."]


@pytest.mark.parametrize(
    "signs",
    [
        {"avg_logprob": -3.5},
        {"avg_logprob": -1.2, "no_speech_prob": 0.7},
        {"avg_logprob": -1.2, "compression_ratio": 2.5},
    ],
)
def test_what_the_model_itself_does_not_believe_is_left_out(signs: dict[str, float]) -> None:
    answer = verbose(segments=[segment(text="Said."), segment(1.0, 2.0, "Not said.", **signs)], words=None)
    assert texts(answer) == ["Said."]


@pytest.mark.parametrize(
    "signs",
    [
        {"avg_logprob": -1.2},
        {"no_speech_prob": 0.9, "avg_logprob": -0.3},
        {"compression_ratio": 5, "avg_logprob": -0.1},
    ],
)
def test_one_bad_sign_alone_removes_nothing(signs: dict[str, float]) -> None:
    assert texts(verbose(segments=[segment(text="Said.", **signs)], words=None)) == ["Said."]


def test_the_words_of_what_is_left_out_go_with_it() -> None:
    answer = verbose(
        segments=[segment(0.0, 1.0, "Yes."), segment(1.0, 2.0, "No.", avg_logprob=-4.0), segment(2.0, 3.0, "Maybe.")],
        words=[word("Yes", 0.0, 0.9), word("No", 1.0, 1.9), word("Maybe", 2.0, 2.9)],
    )
    assert [[word.text for word in segment.words] for segment in read(answer).segments] == [["Yes."], ["Maybe."]]


def test_a_loop_is_cut_to_its_first_round() -> None:
    assert texts({"text": "So we go on. " + "And on and on we go. " * 20}) == ["So we go on. And on and on we go."]


def test_words_that_run_late_stay_with_their_segment() -> None:
    answer = verbose(
        segments=[segment(0.0, 1.0, "One two."), segment(1.0, 2.0, "Three.")],
        words=[word("One", 0.0, 0.6), word("two", 1.1, 1.3), word("Three", 1.3, 1.9)],
    )
    assert [[word.text for word in segment.words] for segment in read(answer).segments] == [["One", "two."], ["Three."]]


def test_words_that_are_not_the_texts_go_by_their_time() -> None:
    answer = verbose(
        segments=[segment(0.0, 1.0, "1 2."), segment(1.0, 2.0, "3.")],
        words=[word("One", 0.0, 0.4), word("two", 0.5, 0.9), word("three", 1.1, 1.9)],
    )
    assert [[word.text for word in segment.words] for segment in read(answer).segments] == [["One", "two"], ["three"]]


def test_words_inside_segments_are_read_with_their_confidence() -> None:
    inside = segment(words=[word(" Hello", 0.0, 0.4, probability=0.75), word(" there.", 0.5, 0.9, probability=2)])
    [found] = read(verbose(segments=[inside], words=None)).segments
    assert found.words == (Word("Hello", 0, 400, 0.75), Word("there.", 500, 900, 1.0))


def test_text_of_scripts_without_spaces_keeps_its_words() -> None:
    [found] = read(
        verbose(segments=[segment(text="你好。")], words=[word("你", 0, 0.4), word("好", 0.4, 0.9)])
    ).segments
    assert (found.text, [word.text for word in found.words]) == ("你好。", ["你", "好"])


def test_half_characters_and_nul_are_left_out() -> None:
    assert texts(json.loads('{"text": "a\\ud800b\\u0000c"}')) == ["abc"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
times = st.floats(min_value=-1, max_value=40) | anything


@given(
    text=st.text(max_size=30) | anything,
    segments=st.lists(st.builds(segment, times, times, st.text(max_size=20) | anything, avg_logprob=times), max_size=5),
    words=st.lists(st.builds(word, st.text(max_size=8) | anything, times, times), max_size=8) | anything,
    language=anything,
    duration_ms=st.integers(min_value=0, max_value=10_000),
)
def test_any_answer_is_refused_or_gives_times_in_order_inside_the_chunk(
    text: object, segments: list[object], words: object, language: object, duration_ms: int
) -> None:
    try:
        result = read_answer({"text": text, "segments": segments, "words": words, "language": language}, duration_ms)
    except AnswerError:
        return
    check(result, duration_ms)


@given(
    spans=st.lists(
        st.tuples(st.floats(0, 5), st.floats(0, 5), st.sampled_from(["A b.", "C", "d, e f!", "  "])), max_size=6
    ),
    spoken=st.lists(
        st.tuples(st.floats(0, 5), st.floats(0, 5), st.sampled_from(["a", "b", "C", "d", "é", "-"])), max_size=8
    ),
)
def test_well_formed_times_give_times_in_order_inside_the_chunk(
    spans: list[tuple[float, float, str]], spoken: list[tuple[float, float, str]]
) -> None:
    answer = {
        "text": "x",
        "segments": [segment(min(a, b), max(a, b), text) for a, b, text in sorted(spans, key=lambda s: min(s[:2]))],
        "words": [word(text, min(a, b), max(a, b)) for a, b, text in sorted(spoken, key=lambda s: min(s[:2]))],
    }
    check(read_answer(answer, 4_000), 4_000)


def check(result: ChunkResult, duration_ms: int) -> None:
    edges = [0]
    for found in result.segments:
        assert found.text == found.text.strip() != ""
        edges += [found.start_ms, found.end_ms]
        inside = [
            found.start_ms,
            *(time for each in found.words for time in (each.start_ms, each.end_ms)),
            found.end_ms,
        ]
        assert inside == sorted(inside)
        assert all(each.text.strip() and 0 <= each.confidence <= 1 for each in found.words)
    edges.append(duration_ms)
    assert edges == sorted(edges)
