"""Chooses which of a site's formats to fetch: the smallest that is good enough for speech.

Only audio before video, the original language before a dub. Plain "worst audio" would take a dub, or a
bit rate at which words are lost.
"""

from collections.abc import Iterator
from typing import Any

from yt_text.intake import failures
from yt_text.intake.failures import Stop

PROTOCOLS = frozenset({"http", "https", "m3u8", "m3u8_native", "http_dash_segments"})
"""What can be fetched without another program."""

_OPUS_FLOOR_KBPS = 40
_FLOOR_KBPS = 48
_UNKNOWN_COST_KBPS = 720

Format = dict[str, Any]


def choose(context: dict[str, Any]) -> Iterator[Format]:
    """Yields the one format to fetch, as yt-dlp expects of a format selector.

    Raises:
        Stop: no format can be used.
    """
    formats: list[Format] = list(context["formats"])
    free = [candidate for candidate in formats if not candidate.get("has_drm")]
    if formats and not free:
        raise Stop(failures.DRM)
    audible = [candidate for candidate in free if candidate.get("acodec") != "none" and candidate.get("ext") != "mhtml"]
    if free and not audible:
        raise Stop(failures.NO_AUDIO)
    usable = [candidate for candidate in audible if _protocol(candidate) in PROTOCOLS]
    if usable:
        yield min(usable, key=_rank)


def _protocol(candidate: Format) -> str:
    return candidate.get("protocol") or "http"


def _rank(candidate: Format) -> tuple[bool, int, bool, bool, float, bool]:
    """The lower, the better."""
    only_audio = candidate.get("vcodec") == "none" or candidate.get("resolution") == "audio only"
    total_kbps: float | None = candidate.get("tbr")
    audio_kbps: float | None = candidate.get("abr") or (total_kbps if only_audio else None)
    floor = _OPUS_FLOOR_KBPS if "opus" in (candidate.get("acodec") or "").lower() else _FLOOR_KBPS
    good = audio_kbps is None or audio_kbps >= floor
    cost = total_kbps or audio_kbps or (candidate.get("height") or 0) * 2 or _UNKNOWN_COST_KBPS
    language: int | None = candidate.get("language_preference")
    return (
        not only_audio,
        -(-1 if language is None else language),
        # Formats that a site or yt-dlp marks as poor: other loudness, broken on some connections.
        (candidate.get("preference") or 0) <= -10 or (candidate.get("source_preference") or 0) < -1,
        not good,
        cost if good else -cost,
        # A plain file can be resumed.
        _protocol(candidate) not in {"http", "https"},
    )
