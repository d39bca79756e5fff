import json

import pytest

from yt_text.formats import FORMATS
from yt_text.formats.cues import cues
from yt_text.formats.wrap import wrap
from yt_text.transcript import Segment, TextOrigin, Transcript, Word


def transcript(*segments: Segment, title: str = "") -> Transcript:
    return Transcript("5c1d", segments, title=title)


def render(name: str, *segments: Segment, title: str = "") -> str:
    return FORMATS[name].render(transcript(*segments, title=title))


def test_the_formats_are_those_of_the_contract() -> None:
    assert list(FORMATS) == ["txt", "srt", "vtt", "json", "tsv", "md"]
    for name, made in FORMATS.items():
        assert made.name == name
        assert made.extension == f".{name}"
        assert "/" in made.media_type


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("txt", ""),
        ("srt", ""),
        ("vtt", "WEBVTT\n"),
        ("tsv", "start\tend\ttext\n"),
        ("md", "# Transcript\n\n0 words\n"),
    ],
)
def test_a_transcript_without_text_is_a_valid_empty_file(name: str, expected: str) -> None:
    assert render(name) == expected
    assert render(name, Segment(0, 1000, ""), Segment(1000, 2000, " \r\n\t")) == expected


def test_txt_has_a_line_a_segment() -> None:
    segments = (Segment(0, 1, "One\r\nand\ta\x0b half."), Segment(1, 2, ""), Segment(2, 3, "Zwei Ü 日本 🎧"))
    assert render("txt", *segments) == "One and a half.\nZwei Ü 日本 🎧\n"


def test_tsv_is_whispers_table() -> None:
    segments = (Segment(0, 1500, "a\tb"), Segment(1500, 400_000_001, "c\nd"))
    assert render("tsv", *segments) == "start\tend\ttext\n0\t1500\ta b\n1500\t400000001\tc d\n"


def test_srt_numbers_its_cues_and_writes_long_hours() -> None:
    segments = (Segment(0, 999, "One."), Segment(1000, 2000, ""), Segment(360_000_000, 360_061_007, "Two."))
    assert render("srt", *segments) == (
        "1\n00:00:00,000 --> 00:00:00,999\nOne.\n\n2\n100:00:00,000 --> 100:01:01,007\nTwo.\n"
    )


def test_srt_keeps_arrows_and_blank_lines_out_of_the_text() -> None:
    assert render("srt", Segment(0, 2000, "a --> b\r\n\r\n2\n00:00:01,000 --> 00:00:02,000\nc")) == (
        "1\n00:00:00,000 --> 00:00:02,000\na → b 2 00:00:01,000 → 00:00:02,000 c\n"
    )


def test_vtt_escapes_markup_and_arrows() -> None:
    assert render("vtt", Segment(0, 2000, "a --> <b>&amp;\n\nNOTE x")) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\na --&gt; &lt;b&gt;&amp;amp; NOTE x\n"
    )


def test_vtt_gives_times_to_words() -> None:
    words = (Word("One", 500, 900), Word("two,", 1000, 1400), Word("three.", 1400, 2000))
    assert render("vtt", Segment(500, 2000, "One two, three.", words)).endswith(
        "00:00:00.500 --> 00:00:02.000\nOne <00:00:01.000>two, <00:00:01.400>three.\n"
    )


def test_vtt_leaves_word_times_out_that_are_not_in_order_or_not_within_the_cue() -> None:
    words = tuple(Word(text, time, time) for text, time in zip("abcde", (0, 900, 400, 1000, 5000), strict=True))
    assert render("vtt", Segment(0, 2000, "a b c d e", words)).endswith("a <00:00:00.900>b c <00:00:01.000>d e\n")


def test_vtt_leaves_word_times_out_when_the_words_are_not_those_of_the_text() -> None:
    words = (Word("One", 0, 400), Word("other", 500, 900))
    assert render("vtt", Segment(0, 2000, "One two", words)).endswith("\nOne two\n")


def test_vtt_names_the_speaker() -> None:
    segment = Segment(0, 2000, "Hi.", speaker_label="A & <B>\n")
    assert render("vtt", segment).endswith("\n<v A &amp; &lt;B&gt;>Hi.\n")


def test_json_holds_everything() -> None:
    full = Transcript(
        job_id="5c1d",
        segments=(
            Segment(0, 1250, "Hello ü\n", (Word("Hello", 0, 501, 0.1 + 0.2),), -0.25, "1"),
            Segment(360_000_000, 360_000_001, ""),
        ),
        language_code="en",
        language_confidence=0.949999988079071,
        duration_ms=360_000_123,
        text_origin=TextOrigin.CAPTIONS,
        engine="whisper.cpp",
        model="base-q5_1",
        model_sha256="5c1d",
        processing_ms=9500,
        title='A "talk"',
    )
    assert json.loads(FORMATS["json"].render(full)) == {
        "job_id": "5c1d",
        "title": 'A "talk"',
        "language": "en",
        "language_confidence": 0.95,
        "engine": "whisper.cpp",
        "model": "base-q5_1",
        "model_sha256": "5c1d",
        "origin": "captions",
        "duration": 360000.123,
        "processing": 9.5,
        "word_count": 2,
        "text": "Hello ü\n ",
        "segments": [
            {
                "index": 0,
                "start": 0.0,
                "end": 1.25,
                "text": "Hello ü\n",
                "avg_logprob": -0.25,
                "speaker": "1",
                "words": [{"word": "Hello", "start": 0.0, "end": 0.501, "confidence": 0.3}],
            },
            {
                "index": 1,
                "start": 360000.0,
                "end": 360000.001,
                "text": "",
                "avg_logprob": 0.0,
                "speaker": "",
                "words": [],
            },
        ],
    }


def test_json_without_segments_and_with_numbers_that_are_none_is_valid() -> None:
    assert json.loads(render("json"))["segments"] == []
    odd = Segment(0, 1, "x", (Word("x", 0, 1, float("nan")),), float("-inf"))
    [segment] = json.loads(render("json", odd), parse_constant=pytest.fail)["segments"]
    assert (segment["avg_logprob"], segment["words"][0]["confidence"]) == (0.0, 0.0)


def test_markdown_has_title_facts_and_paragraphs_with_their_times() -> None:
    made = Transcript(
        "5c1d",
        (
            Segment(0, 2000, "First."),
            Segment(2100, 4000, "Still first."),
            Segment(6000, 8000, "After a pause."),
            Segment(3_725_000, 3_726_000, "Much later.", speaker_label="2"),
        ),
        language_code="en",
        duration_ms=3_726_000,
        engine="whisper.cpp",
        model="base",
        title="Talk #1: *C#* & <more>\n",
    )
    assert FORMATS["md"].render(made) == (
        "# Talk \\#1: \\*C\\#\\* \\& \\<more\\>\n\n"
        "Length 01:02:06 · language en · whisper.cpp base · 8 words\n\n"
        "**[00:00]** First. Still first.\n\n"
        "**[00:06]** After a pause.\n\n"
        "**[01:02:05]** **2:** Much later.\n"
    )


def test_markdown_ends_long_paragraphs_with_a_sentence() -> None:
    segments = [Segment(i * 1000, i * 1000 + 1000, f"This is number {i}" + (".", ",")[i % 2]) for i in range(200)]
    paragraphs = render("md", *segments).split("\n\n")[2:]
    assert len(paragraphs) > 4
    assert all(paragraph.rstrip().endswith(".") for paragraph in paragraphs[:-1])
    assert all(600 <= len(paragraph) < 750 for paragraph in paragraphs[:-1])


def test_half_a_surrogate_pair_can_be_written() -> None:
    for made in FORMATS.values():
        text = made.render(transcript(Segment(0, 1000, "a\ud800b"), title="\udfff"))
        assert "a\ufffdb" in text.encode().decode()


def test_overlapping_segments_are_shown_one_after_the_other() -> None:
    shown = list(cues([Segment(0, 5000, "one"), Segment(2000, 3000, "two"), Segment(2500, 4000, "three")]))
    assert [(cue.start_ms, cue.end_ms) for cue in shown] == [(0, 2000), (2000, 2500), (2500, 4000)]


def test_segments_without_length_are_shown_for_a_moment() -> None:
    shown = list(cues([Segment(1000, 1000, "one"), Segment(1000, 1000, "two"), Segment(1001, 1050, "three")]))
    assert [(cue.start_ms, cue.end_ms) for cue in shown] == [(1000, 1100), (1100, 1200), (1200, 1300)]


def test_a_gap_between_segments_stays() -> None:
    shown = list(cues([Segment(0, 900, "one"), Segment(5000, 6000, "two")]))
    assert [(cue.start_ms, cue.end_ms) for cue in shown] == [(0, 900), (5000, 6000)]


def test_a_long_segment_becomes_cues_cut_at_the_times_of_its_words() -> None:
    texts = [f"word{number:02d}" for number in range(24)]
    words = tuple(Word(text, 10_000 + 137 * n, 10_000 + 137 * n + 100) for n, text in enumerate(texts))
    shown = list(cues([Segment(10_000, 14_000, " ".join(texts), words)]))
    assert len(shown) > 1
    starts = {word.text: word.start_ms for word in words}
    assert [cue.start_ms for cue in shown] == [starts[cue.lines[0].split()[0]] for cue in shown]
    assert [cue.end_ms for cue in shown[:-1]] == [cue.start_ms for cue in shown[1:]]
    assert shown[-1].end_ms == 14_000


def test_a_long_segment_in_too_short_a_time_stays_one_cue() -> None:
    [cue] = cues([Segment(0, 150, "word " * 40)])
    assert (cue.start_ms, cue.end_ms) == (0, 150)
    assert " ".join(cue.lines).split() == ["word"] * 40


def test_two_lines_are_about_equally_long() -> None:
    assert wrap("This sentence is just a bit too long for one line.") == [
        "This sentence is just a",
        "bit too long for one line.",
    ]


def test_a_word_wider_than_a_line_is_left_whole() -> None:
    address = "https://example.com/" + "x" * 60
    assert wrap(f"see {address} there") == ["see", address, "there"]


def test_chinese_and_japanese_are_wrapped_between_characters_but_not_before_a_closing_mark() -> None:
    text = "日本語のとても長い文章です。これは改行されるべきです。そうでなければ読めません。"
    lines = wrap(text)
    assert "".join(lines) == text
    assert len(lines) == 2
    assert not any(line.startswith(("。", "、")) for line in lines)


def test_korean_is_wrapped_between_words() -> None:
    text = "이것은 한 줄에 들어가기에는 조금 너무 긴 한국어 문장이라서 두 줄이 됩니다"
    assert " ".join(wrap(text)) == text


def test_emoji_made_of_several_characters_stay_whole() -> None:
    family = "👩\u200d👩\u200d👧"
    lines = wrap(family * 40)
    assert len(lines) > 1
    assert all(line.count(family) * len(family) == len(line) for line in lines)
