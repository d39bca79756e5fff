"""Reads caption files: WebVTT, SRT, TTML and YouTube's json3, from bytes to cues as they stand in the file.

Runs in the fetch child only: the bytes are a stranger's.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from webvtt import WebVTT
from webvtt.errors import MalformedCaptionError, MalformedFileError

from yt_text.intake import captions_json3, captions_ttml
from yt_text.intake.captions_cue import Cue, Line, Piece, UnreadableError
from yt_text.intake.captions_fold import fold
from yt_text.intake.captions_text import decode

_TIME = re.compile(r"(?:(\d{1,6}):)?(\d{2}):(\d{2})\.(\d{3})")
# Neither may run over what another one begins with: many unclosed ones would take forever.
_TAG = re.compile(r"<(/?[A-Za-z][^<>]*|/|[\d:.]+)>")
_OVERRIDE = re.compile(r"\{\\[^{}]*\}")
_SRT_TIMES = re.compile(r"^(\s*[\d:]+),(\d+\s*-->\s*[\d:]+),(\d+)", re.MULTILINE)
_BLOCK_WORDS = ("NOTE", "STYLE", "REGION")


@dataclass(frozen=True)
class _Read:
    start_ms: int
    end_ms: int
    lines: list[str]


def read_cues(data: bytes, charset: str = "") -> list[Cue]:
    """Reads a caption file, whatever its form, without the lines that rolling captions repeat.

    Args:
        data: the file.
        charset: what the site says of its encoding, empty if nothing.

    Returns:
        Cues in the order of the file.

    Raises:
        UnreadableError: it is none of the known forms.
    """
    text = decode(data, charset).lstrip("\ufeff \t\r\n").replace("\0", "")
    if not text:
        return []
    if text.startswith("{"):
        return captions_json3.read(text)
    if text.startswith("<"):
        return fold(captions_ttml.read(text))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _begun(fold([Cue(cue.start_ms, cue.end_ms, tuple(map(_line, cue.lines))) for cue in _read_text(text)]))


def _read_text(text: str) -> Iterator[_Read]:
    """Reads WebVTT, or else SRT."""
    try:
        if text.startswith("WEBVTT"):
            found = WebVTT.from_string(_held_together(text))
        elif "-->" not in text:
            raise UnreadableError
        else:
            try:
                found = WebVTT.from_buffer([text], format="srt")
            except MalformedFileError:  # cues without numbers
                found = WebVTT.from_string("WEBVTT\n\n" + _SRT_TIMES.sub(r"\1.\2.\3", text))
    except (MalformedFileError, MalformedCaptionError, ValueError) as error:
        raise UnreadableError from error
    for caption in found.captions:
        yield _Read(_ms(*caption.start_time.to_tuple()), _ms(*caption.end_time.to_tuple()), caption.lines)


def _held_together(text: str) -> str:
    """Keeps a cue whose first line is empty, as some programs leave it, from being taken for two blocks."""
    lines = text.split("\n")
    for at in range(len(lines) - 2):
        if "-->" in lines[at] and not lines[at + 1] and lines[at + 2]:
            following = lines[at + 2 : at + 4]
            if not any("-->" in line for line in following) and not lines[at + 2].startswith(_BLOCK_WORDS):
                lines[at + 1] = " "
    return "\n".join(lines)


def _begun(cues: list[Cue]) -> list[Cue]:
    """Where pieces have times, gives the first one of each cue the cue's: it is not marked."""
    if all(piece.start_ms is None for cue in cues for line in cue.lines for piece in line):
        return cues
    begun: list[Cue] = []
    for cue in cues:
        first, *others = cue.lines or ((),)
        if first and first[0].start_ms is None:
            first = (replace(first[0], start_ms=cue.start_ms), *first[1:])
        begun.append(replace(cue, lines=(first, *others)))
    return begun


def _line(raw: str) -> Line:
    """Splits a line at the times within it, and drops other markup."""
    pieces: list[Piece] = []
    start_ms, kept, end = None, "", 0
    raw = _OVERRIDE.sub("", raw)
    for tag in _TAG.finditer(raw):
        kept += raw[end : tag.start()]
        end = tag.end()
        if time := _TIME.fullmatch(tag[1]):
            pieces.append(Piece(_plain(kept), start_ms))
            start_ms, kept = _ms(*(int(part or 0) for part in time.groups())), ""
    pieces.append(Piece(_plain(kept + raw[end:]), start_ms))
    return tuple(piece for piece in pieces if piece.text)


def _plain(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # a number of thousands of digits
        return text


def _ms(hours: int, minutes: int, seconds: int, milliseconds: int) -> int:
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds
