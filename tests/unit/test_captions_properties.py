"""Rolling captions give back exactly what was said, and any bytes give segments or a typed error."""

import contextlib
import html
import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from yt_text.intake.captions_cue import UnreadableError
from yt_text.intake.captions_cues import read_cues
from yt_text.intake.captions_segments import MAX_SEGMENT_CHARS, segments_of
from yt_text.transcript import Segment

HOLD_MS = 10
LARGE_BYTES = 2 << 20

Said = list[tuple[str, int]]
"""Words with their times."""


@dataclass(frozen=True)
class ShownLine:
    """A line of automatic captions; `cleared` says that the screen was empty before it."""

    words: Said
    end_ms: int
    cleared: bool

    @property
    def text(self) -> str:
        return " ".join(word for word, _ in self.words)


# Few words, so that they are said again and again.
WORDS = st.sampled_from(["no", "no,", "so", "yes", "no", "a<b", "R&D", "\u0434\u0430", "\u0928\u0939\u0940\u0902", "7"])


@st.composite
def spoken(draw: st.DrawFn) -> list[ShownLine]:
    """Draws what somebody says: lines of words, some after a pause in which the screen is cleared."""
    now_ms = draw(st.integers(0, 5000))
    lines: list[ShownLine] = []
    for _ in range(draw(st.integers(1, 12))):
        cleared = not lines or draw(st.booleans())
        now_ms += draw(st.integers(200, 3000)) if lines and cleared else 0
        words: Said = []
        for word in draw(st.lists(WORDS, min_size=1, max_size=5)):
            words.append((word, now_ms))
            now_ms += draw(st.integers(0, 700))
        # A line stands for longer than the cue between two lines does.
        now_ms = max(now_ms, words[0][1] + 60) + HOLD_MS
        lines.append(ShownLine(words, now_ms, cleared))
    return lines


def time_of(ms: int, point: str = ".") -> str:
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"


def tagged(line: ShownLine) -> str:
    """A line with the times of its words, as YouTube writes it: the first has none."""
    first, *others = [(html.escape(word, quote=False), start_ms) for word, start_ms in line.words]
    return first[0] + "".join(f"<{time_of(start_ms)}><c> {word}</c>" for word, start_ms in others)


def rolling_vtt(lines: list[ShownLine]) -> str:
    """Renders lines as YouTube does: each under the one before, then for a moment alone."""
    blocks = ["WEBVTT\nKind: captions\nLanguage: en"]
    above = " "
    for line in lines:
        above = " " if line.cleared else above
        hold_ms = line.end_ms - HOLD_MS
        times = f"{time_of(line.words[0][1])} --> {time_of(hold_ms)} align:start position:0%"
        blocks.append(f"{times}\n{above}\n{tagged(line)}")
        above = html.escape(line.text, quote=False)
        blocks.append(f"{time_of(hold_ms)} --> {time_of(line.end_ms)} align:start position:0%\n{above}\n ")
    return "\n\n".join(blocks) + "\n\n"


def rolling_srt(lines: list[ShownLine]) -> str:
    """The same as programs convert it: without times of words, and without blank lines."""
    blocks: list[str] = []
    above = ""
    for line in lines:
        above = "" if line.cleared else above
        hold_ms = line.end_ms - HOLD_MS
        text = html.escape(line.text, quote=False)
        for start_ms, end_ms, shown in (
            (line.words[0][1], hold_ms, f"{above}\n{text}".strip()),
            (hold_ms, line.end_ms, text),
        ):
            blocks.append(f"{len(blocks) + 1}\n{time_of(start_ms, ',')} --> {time_of(end_ms, ',')}\n{shown}")
        above = text
    return "\n\n".join(blocks) + "\n"


def json3(lines: list[ShownLine]) -> str:
    """Renders lines as YouTube's json3: each stays while the next is said, line ends are events of their own."""
    events: list[dict[str, Any]] = [{"tStartMs": 0, "dDurationMs": lines[-1].end_ms, "id": 1, "wpWinPosId": 1}]
    for line, following in zip(lines, [*lines[1:], None], strict=True):
        start_ms = line.words[0][1]
        if not line.cleared:
            events.append({"tStartMs": start_ms - HOLD_MS, "wWinId": 1, "aAppend": 1, "segs": [{"utf8": "\n"}]})
        segs: list[dict[str, Any]] = [{"utf8": line.words[0][0], "acAsrConf": 0}]
        segs += [{"utf8": f" {word}", "tOffsetMs": at_ms - start_ms} for word, at_ms in line.words[1:]]
        until_ms = line.end_ms if following is None or following.cleared else following.end_ms
        events.append({"tStartMs": start_ms, "dDurationMs": until_ms - start_ms, "wWinId": 1, "segs": segs})
    return json.dumps({"wireMagic": "pb3", "events": events})


def check(segments: list[Segment]) -> None:
    """What holds for any captions."""
    last_ms = 0
    for segment in segments:
        assert last_ms <= segment.start_ms <= segment.end_ms
        last_ms = segment.end_ms
        assert 0 < len(segment.text) <= MAX_SEGMENT_CHARS
        assert segment.text.encode().decode() == " ".join(segment.text.split())
        word_ms = segment.start_ms
        for word in segment.words:
            assert word_ms <= word.start_ms <= word.end_ms <= segment.end_ms
            assert 0 <= word.confidence <= 1
            word_ms = word.end_ms


def read(data: str | bytes) -> list[Segment]:
    return list(segments_of(read_cues(data.encode() if isinstance(data, str) else data)))


def said_in(segments: list[Segment]) -> list[str]:
    return [word for segment in segments for word in segment.text.split()]


REPEATED = [
    ShownLine([("no", 0), ("no", 300)], 700, True),
    ShownLine([("no", 700), ("no", 900)], 1500, False),
    ShownLine([("no", 1500)], 2000, False),
    ShownLine([("no", 4000), ("no", 4300), ("no", 4500)], 5000, True),
]


@settings(deadline=None, max_examples=300)
@given(spoken())
@example(REPEATED)
def test_rolling_vtt_gives_back_each_word_once_with_its_time(lines: list[ShownLine]) -> None:
    segments = read(rolling_vtt(lines))
    check(segments)
    words = [said for line in lines for said in line.words]
    assert said_in(segments) == [word for word, _ in words]
    if any(len(line.words) > 1 for line in lines):  # else no time of a word is told
        assert [(word.text, word.start_ms) for segment in segments for word in segment.words] == words
    assert [segment.text for segment in segments] == [line.text for line in lines]


@settings(deadline=None, max_examples=300)
@given(spoken())
@example(REPEATED)
def test_json3_gives_back_each_word_once_with_its_time(lines: list[ShownLine]) -> None:
    segments = read(json3(lines))
    check(segments)
    words = [said for line in lines for said in line.words]
    assert said_in(segments) == [word for word, _ in words]
    if any(at_ms != line.words[0][1] for line in lines for _, at_ms in line.words):
        assert [(word.text, word.start_ms) for segment in segments for word in segment.words] == words


@settings(deadline=None, max_examples=300)
@given(spoken())
@example(REPEATED)
def test_rolling_captions_that_were_converted_give_back_each_word_once(lines: list[ShownLine]) -> None:
    segments = read(rolling_srt(lines))
    check(segments)
    assert said_in(segments) == [word for line in lines for word, _ in line.words]


@settings(deadline=None, max_examples=300)
@given(spoken())
def test_captions_that_do_not_roll_are_left_as_they_are(lines: list[ShownLine]) -> None:
    cues = [f"{time_of(line.words[0][1])} --> {time_of(line.end_ms)}\n{html.escape(line.text)}" for line in lines]
    assert [segment.text for segment in read("WEBVTT\n\n" + "\n\n".join(cues))] == [line.text for line in lines]


# Anything

SCRAPS = st.sampled_from(
    [
        *("WEBVTT", "\n", "\n\n", " ", "-->", " --> ", "00:00:01.000", "00:00:02,500", "00:01.000 --> 00:02.000"),
        *("1", "NOTE ", "STYLE\n", "<", ">", "<c>", "</c>", "<00:00:01.500>", "&", "&amp;", "&#", "&#xd800;", "{", "}"),
        *("{\\an8}", "[", "]", '"', ":", ",", "events", '{"events":[', '{"segs":[{"utf8":"', '"}]}', '"tStartMs":'),
        *('"tOffsetMs":', "\\ud800", "\0", "<tt>", "<p begin='1s'>", "</p>", "<br/>", "\r", "\ufeff", "no", "no no"),
        *("\u2028", "99999999999999999999", "-1"),
    ]
)
FILES = (
    st.binary(max_size=400)
    | st.lists(SCRAPS | st.text(max_size=5), max_size=60).map(lambda parts: "".join(parts).encode("utf-8", "replace"))
    | st.lists(SCRAPS, max_size=40).map(lambda parts: ("WEBVTT\n\n00:01.000 --> 00:02.000\n" + "".join(parts)).encode())
    | st.lists(SCRAPS, max_size=40).map(lambda parts: ("1\n00:00:01,000 --> 00:00:02,000\n" + "".join(parts)).encode())
)
EVENT = st.dictionaries(
    st.sampled_from(["tStartMs", "dDurationMs", "segs", "aAppend"]),
    st.integers(-10, 10**6)
    | st.none()
    | st.text(max_size=3)
    | st.lists(
        st.dictionaries(st.sampled_from(["utf8", "tOffsetMs", "acAsrConf"]), st.integers() | st.text(max_size=6))
    ),
)


@settings(deadline=None, max_examples=600)
@given(FILES)
def test_any_bytes_give_segments_or_a_typed_error(data: bytes) -> None:
    try:
        segments = read(data)
    except UnreadableError:
        return
    check(segments)


@settings(deadline=None, max_examples=300)
@given(st.lists(EVENT, max_size=12))
def test_any_events_give_segments(events: list[Any]) -> None:
    check(read(json.dumps({"events": events})))


CUE = "00:00:01.000 --> 00:00:02.000\n"
IN_CUE = f"WEBVTT\n\n{CUE}"


@pytest.mark.parametrize(
    ("head", "scrap"),
    [
        *((IN_CUE, scrap) for scrap in ("<", "<c", "<c>", "{\\", "[", "(*", "&#9", "a ", "a\n", "\x1f")),
        *((IN_CUE, scrap) for scrap in ("<00:00:01.000>no ", "&#" + "9" * 5000)),
        *(("WEBVTT\n\n", scrap) for scrap in (CUE, "-->\n", CUE + "no\n\n", CUE + "no\n \n\n", "NOTE\n\n", "1\n")),
        *(("1\n00:00:01,000 --> 00:00:02,000\n", scrap) for scrap in ("\n\n1\n", "no\n", " ")),
        *(("", scrap) for scrap in ("1\n", "00:00:01,000 --> ", "9", "-->", "\0", "\xff")),
        *(("{", '"a":{'), ('{"events":[', "["), ("<", "!"), ("<tt>", "<p begin='1s'>"), ("<tt>", "<a>")),
        ("<tt><p begin='1s'>", "<br/>"),
    ],
)
def test_a_large_file_of_one_scrap_is_read_or_refused(head: str, scrap: str) -> None:
    """Each of these takes hours if reading takes more than in proportion to the size."""
    data = (head + scrap * (LARGE_BYTES // len(scrap))).encode("latin-1")
    with contextlib.suppress(UnreadableError):
        check(read(data))


def test_a_large_file_of_events_is_read() -> None:
    event = '{"tStartMs":1,"aAppend":1,"segs":[{"utf8":"no","tOffsetMs":5}]},'
    text = '{"events":[' + event * (LARGE_BYTES // len(event)) + "{}]}"
    segments = read(text)
    check(segments)
    assert sum(len(segment.text) for segment in segments) >= 2 * (LARGE_BYTES // len(event))
