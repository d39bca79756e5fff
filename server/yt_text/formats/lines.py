"""Text on one line, and times as people write them."""

import re

# Control characters and the line breaks of Unicode; a half of a surrogate pair cannot be written as UTF-8.
_BREAKS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def one_line(text: str) -> str:
    """Returns the text without line breaks, tabs, other control characters and outer space."""
    return whole(_BREAKS.sub(" ", text).strip(" "))


def whole(text: str) -> str:
    """Returns the text with a replacement character for what UTF-8 cannot write."""
    return _SURROGATES.sub("\ufffd", text)


def clock(time_ms: int, separator: str) -> str:
    """Returns `hh:mm:ss` and milliseconds after `separator`; hours grow as they need."""
    seconds, milliseconds = divmod(max(0, time_ms), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{separator}{milliseconds:03d}"


def short_clock(time_ms: int) -> str:
    """Returns `mm:ss`, or `hh:mm:ss` from one hour on."""
    hours, minutes_seconds = clock(time_ms, ".").split(":", 1)
    minutes_seconds = minutes_seconds.partition(".")[0]
    return minutes_seconds if hours == "00" else f"{hours}:{minutes_seconds}"
