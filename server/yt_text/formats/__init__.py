"""Transcripts as files: plain text, subtitles, JSON, a table, Markdown. Pure functions.

Every format but JSON leaves out segments without text, and puts text on one line: line breaks and control
characters in it become a space.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from yt_text.formats import json_format, md, srt, tsv, txt, vtt
from yt_text.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file. `render` returns its whole content, to be written as UTF-8.

    Rendering ten hours takes a second or two: call it outside the event loop.
    """

    name: str
    media_type: str
    extension: str
    render: Callable[[Transcript], str]


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        made.name: made
        for made in (
            Format("txt", "text/plain; charset=utf-8", ".txt", txt.render),
            Format("srt", "application/x-subrip; charset=utf-8", ".srt", srt.render),
            Format("vtt", "text/vtt; charset=utf-8", ".vtt", vtt.render),
            Format("json", "application/json", ".json", json_format.render),
            Format("tsv", "text/tab-separated-values; charset=utf-8", ".tsv", tsv.render),
            Format("md", "text/markdown; charset=utf-8", ".md", md.render),
        )
    }
)
