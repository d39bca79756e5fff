"""Markdown, for reading: a title, the facts, and paragraphs that say when they begin."""

import re
from collections.abc import Iterator

from yt_text.formats.lines import one_line, short_clock
from yt_text.transcript import Segment, Transcript

PAUSE_MS = 2_000
"""A pause of this length begins a paragraph."""
PARAGRAPH_CHARACTERS = 600
"""So long a paragraph ends with the sentence; one twice as long ends at once."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&!$])")
_SENTENCE_END = (".", "!", "?", "…", "。", "！", "？", "।", "؟")  # noqa: RUF001 - the marks of other scripts


def render(transcript: Transcript) -> str:
    """Returns the transcript as Markdown."""
    title = _escape(one_line(transcript.title)) or "Transcript"
    facts = [
        f"Length {short_clock(transcript.duration_ms)}" if transcript.duration_ms else "",
        f"language {_escape(one_line(transcript.language_code))}" if transcript.language_code else "",
        _escape(one_line(f"{transcript.engine} {transcript.model}")),
        f"{transcript.word_count:,} words",
    ]
    parts = [f"# {title}", " · ".join(fact for fact in facts if fact)]
    for paragraph in _paragraphs(transcript):
        first = paragraph[0]
        speaker = _escape(one_line(first.speaker_label))
        text = " ".join(_escape(one_line(segment.text)) for segment in paragraph)
        parts.append(f"**[{short_clock(first.start_ms)}]** {f'**{speaker}:** ' if speaker else ''}{text}")
    return "\n\n".join(parts) + "\n"


def _paragraphs(transcript: Transcript) -> Iterator[list[Segment]]:
    paragraph: list[Segment] = []
    length = 0
    for segment in transcript.segments:
        text = one_line(segment.text)
        if not text:
            continue
        if paragraph and _ends_before(segment, paragraph[-1], length):
            yield paragraph
            paragraph, length = [], 0
        paragraph.append(segment)
        length += len(text)
    if paragraph:
        yield paragraph


def _ends_before(segment: Segment, last: Segment, length: int) -> bool:
    return (
        segment.speaker_label != last.speaker_label
        or segment.start_ms - last.end_ms >= PAUSE_MS
        or length >= 2 * PARAGRAPH_CHARACTERS
        or (length >= PARAGRAPH_CHARACTERS and one_line(last.text).endswith(_SENTENCE_END))
    )


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
