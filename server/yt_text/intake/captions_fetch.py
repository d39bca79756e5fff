"""Fetches a recording's captions, as the fetch child does it: choose, download, read, tell."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from yt_dlp.networking import Request
from yt_dlp.networking.exceptions import HTTPError, TransportError
from yt_dlp.webvtt import ParseError

from yt_text.errors import IntakeError, Reason
from yt_text.intake import failures, site_errors
from yt_text.intake.captions_choice import Source, Track, choose_tracks
from yt_text.intake.captions_cue import UnreadableError
from yt_text.intake.captions_cues import read_cues
from yt_text.intake.captions_segments import segments_of
from yt_text.intake.extraction import Info, Site, describe
from yt_text.intake.failures import Stop
from yt_text.intake.fetch_messages import CaptionLines, CaptionsFound, Event, Failed, FetchOrder, NoCaptions
from yt_text.intake.streaming import fetch_stream
from yt_text.transcript import Segment

_MAX_SOURCES = 3
_TRIES = 3
_LINES_BYTES = 48_000


def fetch_captions(site: Site, info: Info, order: FetchOrder, tell: Callable[[Event], None]) -> NoCaptions | None:
    """Tells a recording's captions; returns what is to be told if there are none.

    Raises:
        Stop: the site leads to an address that may not be reached.
    """
    problem: IntakeError | None = None
    for track in choose_tracks(info, order.captions_language):
        for source in track.sources[:_MAX_SOURCES]:
            try:
                segments = _read(site, info, order, source)
            except Stop as stop:
                if stop.error.reason is Reason.ADDRESS_NOT_ALLOWED:
                    raise
                problem = stop.error
            except (UnreadableError, ParseError, UnicodeError):
                problem = failures.CAPTIONS_UNREADABLE.error()
            except Exception as error:  # noqa: BLE001 - whatever it is, there may be another form, or speech
                print("captions:", str(error)[:500], file=sys.stderr)
                problem = site_errors.failure_of(error)
            else:
                if segments:
                    _tell_all(track, segments, info, tell)
                    return None
    return NoCaptions(None if problem is None else Failed.of(problem))


def _read(site: Site, info: Info, order: FetchOrder, source: Source) -> list[Segment]:
    too_large = Stop(failures.CAPTIONS_TOO_LARGE, max_captions_bytes=str(order.max_captions_bytes))
    data, charset = _bytes_of(site, info, source, order.max_captions_bytes, too_large)
    segments: list[Segment] = []
    for segment in segments_of(read_cues(data, charset)):
        if len(segments) >= order.max_captions_segments:
            raise Stop(failures.CAPTIONS_TOO_MANY, max_captions_segments=str(order.max_captions_segments))
        segments.append(segment)
    return segments


def _bytes_of(site: Site, info: Info, source: Source, max_bytes: int, too_large: Stop) -> tuple[bytes, str]:
    """Returns a file of captions, and what its site says of its encoding."""
    if source.get("data") is not None:
        data = str(source["data"]).encode("utf-8", "replace")
        if len(data) > max_bytes:
            raise too_large
        return data, "utf-8"
    headers: Any = source.get("http_headers") or info.get("http_headers") or {}
    if str(source.get("protocol") or "").startswith("m3u8"):
        joined = _Joined(max_bytes, too_large)
        fetch_stream(site, {**source, "ext": "vtt", "http_headers": headers}, joined.append, too_large)
        return bytes(joined.data), "utf-8"
    site.limit_responses(max_bytes, too_large)
    for left in reversed(range(_TRIES)):
        try:
            with contextlib.closing(site.urlopen(Request(source["url"], headers=headers))) as response:
                return response.read(), _charset(response.headers.get("Content-Type", ""))
        except (HTTPError, TransportError) as error:
            if not left or (isinstance(error, HTTPError) and error.status < 500):
                raise
            time.sleep(0.3)
    raise AssertionError  # the last try returns or raises


class _Joined:
    """Collects the pieces of a stream."""

    def __init__(self, max_bytes: int, too_large: Stop) -> None:
        self.data = bytearray()
        self._max_bytes = max_bytes
        self._too_large = too_large

    def append(self, data: bytes) -> None:
        if len(self.data) + len(data) > self._max_bytes:
            raise self._too_large
        self.data += data


def _charset(content_type: str) -> str:
    return content_type.partition("charset=")[2].partition(";")[0].strip(" \"'")[:40]


def _tell_all(track: Track, segments: Iterable[Segment], info: Info, tell: Callable[[Event], None]) -> None:
    tell(CaptionsFound(describe(info), track.language_code, track.automatic))
    lines: list[Segment] = []
    size = 0
    for segment in segments:
        most_bytes = 64 + 12 * len(segment.text) + 70 * len(segment.words)  # of its JSON
        if lines and size + most_bytes > _LINES_BYTES:
            tell(CaptionLines(tuple(lines)))
            lines, size = [], 0
        lines.append(segment)
        size += most_bytes
    tell(CaptionLines(tuple(lines)))
