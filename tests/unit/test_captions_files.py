"""Reading caption files: well made ones, and what is met in the wild."""

import codecs
import json
from typing import Any

import pytest

from yt_text.intake.captions_cue import UnreadableError
from yt_text.intake.captions_cues import read_cues
from yt_text.intake.captions_segments import MAX_SEGMENT_CHARS, segments_of
from yt_text.transcript import Segment


def read(data: bytes | str, charset: str = "") -> list[Segment]:
    return list(segments_of(read_cues(data.encode() if isinstance(data, str) else data, charset)))


def times_and_texts(data: bytes | str, charset: str = "") -> list[tuple[int, int, str]]:
    return [(segment.start_ms, segment.end_ms, segment.text) for segment in read(data, charset)]


def texts(data: bytes | str, charset: str = "") -> list[str]:
    return [segment.text for segment in read(data, charset)]


def vtt(*cues: str) -> str:
    """WebVTT with a cue of a second for each text."""
    blocks = [
        f"00:{at // 60:02}:{at % 60:02}.000 --> 00:{at // 60:02}:{at % 60:02}.900\n{cue}" for at, cue in enumerate(cues)
    ]
    return "WEBVTT\n\n" + "\n\n".join(blocks) + "\n"


SRT = "1\n00:00:01,000 --> 00:00:02,500\nHello,\nthere.\n\n2\n00:00:03,000 --> 00:00:04,000\nGood bye.\n"
BOTH = [(1000, 2500, "Hello, there."), (3000, 4000, "Good bye.")]


# Forms

VTT = """WEBVTT - a talk
Kind: captions
Language: en

STYLE
::cue { color: red }

NOTE
this is nothing
that was said

intro
00:01.000 --> 00:02.500 align:start position:0%
Hello,
there.

NOTE one more

2
00:00:03.000 --> 00:00:04.000 line:0
Good bye.
"""

TTML = """<?xml version="1.0" encoding="UTF-16"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:tickRate="10000000"
    ttp:frameRate="25">
<head><styling><style xml:id="s1" style="nowhere"/></styling></head>
<body><div>
<p begin="00:00:01.000" end="2.5s"><span style="s1">Hello,</span><br/>
   there.</p>
<p begin="30000000t" dur="1000ms">Good <span>
bye</span>.</p><p>never</p><p begin="soon">never</p>
</div></body></tt>"""


def test_webvtt() -> None:
    assert times_and_texts(VTT) == BOTH


def test_srt() -> None:
    assert times_and_texts(SRT) == BOTH


def test_srt_without_numbers() -> None:
    assert times_and_texts(SRT.replace("1\n00", "00").replace("2\n00", "00")) == BOTH


def test_ttml() -> None:
    assert times_and_texts(TTML) == BOTH
    older = TTML.replace("http://www.w3.org/ns/ttml", "http://www.w3.org/2006/10/ttaf1")
    assert times_and_texts(older) == BOTH


@pytest.mark.parametrize(
    ("expression", "start_ms"),
    [
        ("00:00:01:12", 1480),
        ("12.5s", 12_500),
        ("100:00:00.5", 360_000_500),
        ("25f", 1000),
        ("7", 7000),
        ("2m", 120_000),
    ],
)
def test_times_of_ttml(expression: str, start_ms: int) -> None:
    document = TTML.replace('"00:00:01.000" end="2.5s"', f'"{expression}"')
    assert start_ms in [start for start, _, _ in times_and_texts(document)]


@pytest.mark.parametrize(
    "document",
    [
        "<html><body><p>Not found</p></body></html>",
        "<tt><body><p begin='1s'>cut off",
        "<!DOCTYPE tt [<!ENTITY a 'aaaa'>]><tt><p begin='1s'>&a;</p></tt>",
        "<!DOCTYPE tt SYSTEM 'file:///etc/passwd'><tt><p begin='1s'>&x;</p></tt>",
    ],
)
def test_other_documents_are_not_read(document: str) -> None:
    with pytest.raises(UnreadableError):
        read(document)


@pytest.mark.parametrize("text", ["Not found", "1\n2\n3", "{", "[]", "{}", '{"events": 1}', "{" * 100_000, "\x7fELF"])
def test_what_is_no_caption_file_is_told(text: str) -> None:
    with pytest.raises(UnreadableError):
        read(text)


@pytest.mark.parametrize(
    "text", ["", "\ufeff", "  \n", "WEBVTT", "WEBVTT\n\n", '{"events": []}', vtt("", " "), "<tt/>"]
)
def test_a_file_without_captions_is_empty(text: str) -> None:
    assert read(text) == []


# Text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("<i>Hello</i> <b>there</b>", "Hello there"),
        ("<v Roger Bingham>Hello</v>", "Hello"),
        ("<c.yellow.bg_blue>Hello</c>", "Hello"),
        ('<font color="#fff">Hello</font>', "Hello"),
        (r"{\an8}Hello", "Hello"),
        ("a &lt;b&gt; &amp;amp; c&nbsp;d &#39;e&#39;", "a <b> &amp; c d 'e'"),
        ("I <3 you > me < him", "I <3 you > me < him"),
        ("a\u200bb\x07c\ufeff d\u00adash", "abc dash"),
        (
            "\u05e9\u05dc\u05d5\u05dd \u200f\u0645\u0631\u062d\u0628\u0627",
            "\u05e9\u05dc\u05d5\u05dd \u200f\u0645\u0631\u062d\u0628\u0627",
        ),
        ("1984", "1984"),
        ("- Who?\n- Me.", "- Who? - Me."),
        (f"&#{'9' * 5000};", f"&#{'9' * 5000};"[:MAX_SEGMENT_CHARS]),
    ],
)
def test_only_the_words_are_left(raw: str, text: str) -> None:
    assert texts(vtt(raw))[0] == text


@pytest.mark.parametrize("note", ["[Music]", "(applause)", "\u266a \u266a", "*sighs*", "...", "[Music]\n(laughter)"])
def test_notes_of_sounds_are_left_out(note: str) -> None:
    assert texts(vtt(note, "Hello", f"{note} there")) == ["Hello", " ".join(f"{note} there".split())]


def test_a_text_that_is_very_long_is_cut_at_spaces_with_its_time() -> None:
    words = [f"word{number}" for number in range(1000)]
    segments = read("WEBVTT\n\n00:10.000 --> 01:10.000\n" + " ".join(words) + "\n")
    assert len(segments) > 5
    assert " ".join(segment.text for segment in segments).split() == words
    assert (segments[0].start_ms, segments[-1].end_ms) == (10_000, 70_000)
    assert all(len(segment.text) <= MAX_SEGMENT_CHARS for segment in segments)
    unbroken = read("WEBVTT\n\n00:10.000 --> 01:10.000\n" + "\u4e00" * 2000 + "\n")
    assert "".join(segment.text for segment in unbroken) == "\u4e00" * 2000


# Encodings

GREETING = (
    "\u0417\u0434\u0440\u0430\u0432\u0441\u0442\u0432\u0443\u0439\u0442\u0435, "
    "\u0434\u043e\u0440\u043e\u0433\u0438\u0435 \u0434\u0440\u0443\u0437\u044c\u044f."
)
RUSSIAN = SRT.replace("Hello,\nthere.", GREETING)
FRENCH = SRT.replace("there.", "\u00e7a va tr\u00e8s bien, \u00e0 bient\u00f4t.")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1251"]
)  # fmt: skip
def test_the_encoding_is_found(encoding: str) -> None:
    assert texts(RUSSIAN.encode(encoding)) == texts(RUSSIAN)


def test_a_byte_order_mark_of_the_other_kind() -> None:
    assert texts(codecs.BOM_UTF16_BE + RUSSIAN.encode("utf-16-be")) == texts(RUSSIAN)


def test_the_sites_word_on_the_encoding_counts_where_it_can_be_true() -> None:
    assert texts(FRENCH.encode("cp1252"), "windows-1252") == texts(FRENCH)
    assert texts(FRENCH.encode(), "windows-1252") == texts(FRENCH), "it is plainly UTF-8"
    assert texts(FRENCH.encode("cp1252"), "no-such-charset")[1:] == texts(FRENCH)[1:]


def test_one_broken_character_does_not_spoil_the_others() -> None:
    broken = RUSSIAN.encode()[:-10] + b"\xff" + RUSSIAN.encode()[-10:]
    assert texts(broken)[0] == texts(RUSSIAN)[0]


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("text", [VTT, SRT])
def test_lines_end_in_three_ways(text: str, end: str) -> None:
    assert times_and_texts(text.replace("\n", end)) == BOTH


# Times


def test_hours_may_have_three_digits() -> None:
    assert times_and_texts("WEBVTT\n\n123:00:01.000 --> 123:00:02.000\nlate\n") == [(442_801_000, 442_802_000, "late")]
    assert times_and_texts("1\n123:00:01,000 --> 123:00:02,000\nlate\n") == [(442_801_000, 442_802_000, "late")]
    assert read("WEBVTT\n\n99999:00:01.000 --> 99999:00:02.000\nnever\n") == []


def test_captions_are_put_in_order_and_do_not_overlap() -> None:
    text = (
        "WEBVTT\n\n00:05.000 --> 00:09.000\nthird\n\n00:01.000 --> 00:04.000\nfirst\n\n"
        "00:02.000 --> 00:03.000\nsecond\n\n00:07.000 --> 00:06.000\nfourth\n\n00:08.000 --> 00:08.000\nfifth\n"
    )
    assert times_and_texts(text) == [
        (1000, 2000, "first"),
        (2000, 3000, "second"),
        (5000, 7000, "third"),
        (7000, 7000, "fourth"),
        (8000, 8000, "fifth"),
    ]


def test_captions_at_the_same_time_are_one_segment_and_the_same_counts_once() -> None:
    cue = "00:01.000 --> 00:02.000\n"
    assert times_and_texts(f"WEBVTT\n\n{cue}left\n\n{cue}right\n\n{cue}left\n") == [(1000, 2000, "left right")]


def test_a_cue_that_begins_with_an_empty_line_keeps_its_text() -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\n\nhello\n\n00:03.000 --> 00:04.000\n\n2\n00:05.000 --> 00:06.000\nyes\n"
    assert texts(text) == ["hello", "yes"]


def test_an_empty_line_within_a_cue_of_srt_keeps_its_text() -> None:
    assert texts(SRT.replace("Hello,\n", "Hello,\n\n")) == ["Hello, there.", "Good bye."]


# Repetition


@pytest.mark.parametrize(
    "said", [["No."] * 2, ["No."] * 6, ["no", "no no", "no no no"], ["a\nb", "b\nc", "x", "y", "z"]]
)
def test_what_people_say_twice_is_left_where_captions_do_not_roll(said: list[str]) -> None:
    assert texts(vtt(*said)) == [" ".join(text.split()) for text in said]


def test_lines_that_move_up_are_counted_once() -> None:
    assert texts(vtt("so here", "so here\nwe are", "we are\nonce", "once\nmore")) == [
        "so here",
        "we are",
        "once",
        "more",
    ]


def test_lines_that_grow_are_counted_once() -> None:
    words = ["so", "here", "we", "are", "again"]
    grown = "WEBVTT\n\n" + "".join(
        f"00:0{at}.000 --> 00:0{at + 1}.000\n{' '.join(words[: at + 1])}\n\n" for at in range(5)
    )
    assert texts(grown) == words


# json3


def json3(*events: dict[str, Any]) -> str:
    return json.dumps({"wireMagic": "pb3", "events": [{"tStartMs": 0, "dDurationMs": 9, "id": 1}, *events]})


def test_automatic_json3_has_times_of_words() -> None:
    text = json3(
        {"tStartMs": 1000, "dDurationMs": 4000, "wWinId": 1, "segs": [
            {"utf8": "no", "acAsrConf": 255}, {"utf8": " no", "tOffsetMs": 500}, {"utf8": " no", "tOffsetMs": 900}]},
        {"tStartMs": 2990, "dDurationMs": 2010, "wWinId": 1, "aAppend": 1, "segs": [{"utf8": "\n"}]},
        {"tStartMs": 3000, "dDurationMs": 4000, "wWinId": 1, "segs": [{"utf8": "no"}]},
        {"tStartMs": 6000, "dDurationMs": 1000, "wWinId": 1, "segs": [{"utf8": "[Music]"}]},
    )  # fmt: skip
    first, second = read(text)
    assert (first.start_ms, first.end_ms, first.text) == (1000, 3000, "no no no")
    assert [(word.text, word.start_ms, word.end_ms) for word in first.words] == [
        ("no", 1000, 1500), ("no", 1500, 1900), ("no", 1900, 3000),
    ]  # fmt: skip
    assert [word.confidence for word in first.words] == [1, 0, 0]
    assert (second.start_ms, second.end_ms, [word.text for word in second.words]) == (3000, 7000, ["no"])


def test_manual_json3_has_none() -> None:
    text = json3({"tStartMs": 1000, "dDurationMs": 1000, "segs": [{"utf8": "Hello,\nthere."}]})
    assert read(text) == [Segment(1000, 2000, "Hello, there.")]


def test_what_is_appended_goes_on_with_the_line() -> None:
    text = json3(
        {"tStartMs": 1000, "dDurationMs": 500, "segs": [{"utf8": "so he"}]},
        {"tStartMs": 1500, "dDurationMs": 900, "aAppend": 1, "segs": [{"utf8": "re we are"}]},
        {"tStartMs": 3000, "dDurationMs": 500, "aAppend": 1, "segs": [{"utf8": "\nagain"}]},
    )
    assert times_and_texts(text) == [(1000, 2400, "so here we are"), (3000, 3500, "again")]


@pytest.mark.parametrize(
    "event",
    [
        *(1, None, {}, {"segs": 1}, {"segs": [1, None, {}]}, {"segs": [{"utf8": 1}]}),
        {"tStartMs": "x", "segs": [{"utf8": "a"}]},
        {"tStartMs": -5, "dDurationMs": -9, "segs": [{"utf8": "a", "tOffsetMs": -7}]},
        {"tStartMs": 1e99, "segs": [{"utf8": "\ud800a"}]},
        {"tStartMs": 10**3000, "segs": [{"utf8": "b"}]},
    ],
)
def test_odd_events_do_no_harm(event: Any) -> None:
    segments = read(json3(event, {"tStartMs": 10, "dDurationMs": 5, "segs": [{"utf8": "yes"}]}))
    assert (segments[-1].end_ms, segments[-1].text) == (15, "yes")
    assert all(segment.text.encode() for segment in segments)
