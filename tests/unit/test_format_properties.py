"""Whatever a transcript holds, its files can be read back: nothing lost, nothing added, times in order.

The readers here are written from the formats' descriptions and share nothing with the writers.
"""

import csv
import html
import io
import json
import re
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from yt_text.formats import FORMATS
from yt_text.formats.wrap import wrap
from yt_text.transcript import Segment, Transcript, Word

UNHURRIED = settings(deadline=None)  # this machine may be busy

ODD = [
    "-->",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    "\t",
    "<b>",
    "&amp;",
    "1\n",
    "\x00",
    "\u2028",
    "日本語。",
    "🎧",
    "e\u0301",
    "ש",
]
characters = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
texts = st.lists(characters | st.sampled_from(ODD) | st.just(" "), max_size=40).map("".join)
times = st.integers(0, 10) | st.integers(0, 100_000) | st.integers(0, 2_000_000_000)


@st.composite
def timed_segments(draw: st.DrawFn) -> Segment:
    start_ms = draw(times)
    end_ms = start_ms + draw(times)
    text = draw(texts)
    words = ()
    if draw(st.booleans()):
        words = tuple(Word(word, draw(times), draw(times)) for word in text.split())
    return Segment(start_ms, end_ms, text, words, speaker_label=draw(st.sampled_from(["", "1", "a<b\n>"])))


transcripts = st.lists(timed_segments(), max_size=8).map(
    lambda segments: Transcript("5c1d", tuple(sorted(segments, key=lambda each: each.start_ms)), title="x\ny")
)


@dataclass(frozen=True)
class Shown:
    start_ms: int
    end_ms: int
    text: str


def milliseconds(written: str) -> int:
    matched = re.fullmatch(r"(\d{2,}):([0-5]\d):([0-5]\d)[.,](\d{3})", written)
    assert matched, written
    hours, minutes, seconds, rest = (int(part) for part in matched.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest


def span(line: str) -> tuple[int, int]:
    start, end = line.split(" --> ")
    return milliseconds(start), milliseconds(end)


def blocks(content: str) -> list[list[str]]:
    assert "\r" not in content
    assert not content or content.endswith("\n")
    return [block.split("\n") for block in content.removesuffix("\n").split("\n\n")] if content else []


def read_srt(content: str) -> list[Shown]:
    shown: list[Shown] = []
    for number, (head, times_line, *lines) in enumerate(blocks(content), 1):
        assert head == str(number)
        assert all(lines)
        shown.append(Shown(*span(times_line), "\n".join(lines)))
    return shown


def read_vtt(content: str) -> list[Shown]:
    shown: list[Shown] = []
    (head,), *rest = blocks(content)
    assert head == "WEBVTT"
    for times_line, *lines in rest:
        start_ms, end_ms = span(times_line)
        payload = "\n".join(lines)
        assert all(lines)
        assert "-->" not in payload
        inner = [milliseconds(each) for each in re.findall(r"<(\d[^>]*)>", payload)]
        assert all(before < after for before, after in zip([start_ms, *inner], [*inner, end_ms], strict=True))
        shown.append(Shown(start_ms, end_ms, html.unescape(re.sub(r"<[^>]*>", "", payload))))
    return shown


def letters(text: str) -> str:
    """Text without what counts as space or control here."""
    return re.sub(r"[\x00-\x20\x7f-\x9f\u2028\u2029]", "", text)


def said(transcript: Transcript) -> str:
    return letters("".join(segment.text for segment in transcript.segments))


def assert_in_order(shown: list[Shown]) -> None:
    end_ms = 0
    for each in shown:
        assert end_ms <= each.start_ms < each.end_ms
        end_ms = each.end_ms


@UNHURRIED
@given(transcripts)
def test_srt_reads_back(transcript: Transcript) -> None:
    shown = read_srt(FORMATS["srt"].render(transcript))
    assert letters("".join(each.text for each in shown)) == _without_arrows(transcript)
    assert_in_order(shown)


def _without_arrows(transcript: Transcript) -> str:
    # An arrow is three characters side by side: the space in "-- >" keeps it from being one.
    spaced = (re.sub(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+", " ", each.text) for each in transcript.segments)
    return letters("".join(text.replace("-->", "→") for text in spaced))


@UNHURRIED
@given(transcripts)
def test_vtt_reads_back(transcript: Transcript) -> None:
    shown = read_vtt(FORMATS["vtt"].render(transcript))
    assert letters("".join(each.text for each in shown)) == said(transcript)
    assert_in_order(shown)


@UNHURRIED
@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(100, 10_000)), max_size=20))
def test_segments_that_do_not_overlap_are_shown_exactly_when_they_were_said(pairs: list[tuple[int, int]]) -> None:
    segments: list[Segment] = []
    for pause_ms, length_ms in pairs:
        start_ms = (segments[-1].end_ms if segments else 0) + pause_ms
        segments.append(Segment(start_ms, start_ms + length_ms, "Yes."))
    for shown in (
        read_srt(FORMATS["srt"].render(Transcript("", tuple(segments)))),
        read_vtt(FORMATS["vtt"].render(Transcript("", tuple(segments)))),
    ):
        assert [(each.start_ms, each.end_ms) for each in shown] == [(each.start_ms, each.end_ms) for each in segments]


@UNHURRIED
@given(transcripts)
def test_no_end_is_shown_before_it_was_said(transcript: Transcript) -> None:
    segments = [each for each in transcript.segments if letters(each.text)]
    shown = read_srt(FORMATS["srt"].render(transcript))
    if segments:
        assert shown[0].start_ms == segments[0].start_ms
        assert shown[-1].end_ms >= segments[-1].end_ms


words = st.lists(st.text("abcü", min_size=1, max_size=30) | st.text("日本。한", min_size=1, max_size=20), max_size=60)


def columns(line: str) -> int:
    return sum(2 if each in "日本。한" else 1 for each in line)


@UNHURRIED
@given(words)
def test_given_time_a_cue_has_at_most_two_lines_of_42_columns(said_words: list[str]) -> None:
    segment = Segment(0, 60_000, " ".join(said_words))
    for each in read_vtt(FORMATS["vtt"].render(Transcript("", (segment,)))):
        lines = each.text.split("\n")
        assert len(lines) <= 2
        # A closing mark stays with the character before it, however many of them there are.
        assert all(columns(line) <= 42 or "。。" in line or "한한" in line for line in lines)


@UNHURRIED
@given(words, st.integers(20, 60))
def test_wrapping_loses_nothing_and_adds_no_needless_line(said_words: list[str], width: int) -> None:
    lines = wrap(" ".join(said_words), width)
    assert letters("".join(lines)) == "".join(said_words)
    assert all(line == line.strip() and line for line in lines)
    total = columns(" ".join(said_words))
    assert (len(lines) <= 1) == (total <= width) or len(said_words) <= 1


@UNHURRIED
@given(transcripts)
def test_json_reads_back(transcript: Transcript) -> None:
    read = json.loads(FORMATS["json"].render(transcript))
    assert read["text"] == transcript.text
    assert [each["text"] for each in read["segments"]] == [each.text for each in transcript.segments]
    for written, segment in zip(read["segments"], transcript.segments, strict=True):
        assert round(written["start"] * 1000) == segment.start_ms
        assert round(written["end"] * 1000) == segment.end_ms
        assert written["start"] == round(written["start"], 3)
        assert [each["word"] for each in written["words"]] == [each.text for each in segment.words]


@UNHURRIED
@given(transcripts)
def test_tsv_reads_back(transcript: Transcript) -> None:
    content = FORMATS["tsv"].render(transcript)
    head, *rows = csv.reader(io.StringIO(content, newline="\n"), delimiter="\t", quoting=csv.QUOTE_NONE)
    assert head == ["start", "end", "text"]
    kept = [each for each in transcript.segments if letters(each.text)]
    assert [(int(start), int(end), letters(text)) for start, end, text in rows] == [
        (each.start_ms, each.end_ms, letters(each.text)) for each in kept
    ]


@UNHURRIED
@given(transcripts)
def test_txt_has_every_segment_on_its_line(transcript: Transcript) -> None:
    content = FORMATS["txt"].render(transcript)
    assert [letters(line) for line in content.split("\n")[:-1]] == [
        letters(each.text) for each in transcript.segments if letters(each.text)
    ]


@UNHURRIED
@given(transcripts)
def test_markdown_has_all_text_in_order(transcript: Transcript) -> None:
    content = FORMATS["md"].render(transcript)
    body = "".join(re.sub(r"^\*\*\[[\d:]+\]\*\* ", "", each) for each in content.split("\n\n")[2:])
    unescaped = re.sub(r"\\(.)", r"\1", re.sub(r"\*\*(1|a\\<b \\>):\*\* ", "", body))
    assert letters(unescaped) == said(transcript)
