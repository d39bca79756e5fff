"""Asks a site, through yt-dlp, what there is at a link. Runs in the fetch child only.

yt-dlp is used as a library, and told to keep to http(s) through the proxy: no other program, no plugins,
no local files, no shared cache. Every answer of a site is counted and cut at a limit.
"""

import sys
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import yt_dlp
from yt_dlp.networking import Request, Response, common
from yt_dlp.networking.exceptions import RequestError, network_exceptions

from yt_text.intake import choice, failures, site_errors
from yt_text.intake.failures import Stop
from yt_text.intake.fetch_messages import FetchOrder, ProxyStatus
from yt_text.job import MediaInfo

MAX_PAGE_BYTES = 32 << 20

_MAX_STEPS = 3
_MAX_TEXT_CHARS = 500
_MAX_URL_CHARS = 2048
_READ_BYTES = 64 << 10

# The other ways of yt-dlp to the network: urllib also knows ftp, data and file; libcurl is out of sight of
# the guard in `confine`.
_handlers: dict[str, object] = common._REQUEST_HANDLERS  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue] - no other way
for _name in [name for name in _handlers if name != "Requests"]:
    del _handlers[_name]

Info = dict[str, Any]
"""What yt-dlp knows of a recording; any site may leave any of it out."""


class Site(yt_dlp.YoutubeDL):
    """yt-dlp, held on a short leash.

    Args:
        order: what to fetch.
        received: called with the number of bytes of each read.
    """

    def __init__(self, order: FetchOrder, received: Callable[[int], None]) -> None:
        self._received = received
        self._order = order
        self.limit_responses(MAX_PAGE_BYTES, Stop(failures.PAGE_TOO_LARGE))
        self._without_formats = False
        options: Any = _options(order)
        options["format"] = self._choose
        super().__init__(options)

    def limit_responses(self, max_bytes: int, too_large: Stop) -> None:
        """Says how long an answer of the site may be from now on, and how the fetch stops if one is longer."""
        self._max_response_bytes = max_bytes
        self._too_large = too_large

    def urlopen(self, req: Request | urllib.request.Request | str) -> Response:  # pyright: ignore[reportIncompatibleMethodOverride] - the stub has the wrong Request
        """Opens an http(s) link; what is read of it is counted and limited."""
        asked: Any = req
        url: str = (
            req if isinstance(req, str) else asked.full_url if isinstance(req, urllib.request.Request) else req.url
        )
        if not url.lower().startswith(("http://", "https://")):
            raise RequestError("only http and https")
        try:
            response = super().urlopen(asked)
        except network_exceptions as error:
            if site_errors.status_of(error) == ProxyStatus.ADDRESS_REFUSED:
                # yt-dlp must neither try again nor go on with something else.
                raise Stop(failures.ADDRESS_NOT_ALLOWED) from error
            raise
        self._limit(response)
        return response

    def extract(self, *, without_formats: bool = False) -> Info:
        """Finds the one recording at the link, with the format to fetch chosen.

        Args:
            without_formats: be content with one of which no format can be fetched; it has no `url` then.

        Raises:
            Stop: there is none that can be fetched.
            Exception: whatever yt-dlp raises; see `site_errors`.
        """
        self.limit_responses(MAX_PAGE_BYTES, Stop(failures.PAGE_TOO_LARGE))
        self._without_formats = self.params["ignore_no_formats_error"] = without_formats
        url = self._order.url
        for _ in range(_MAX_STEPS):
            found: Any = self.extract_info(url, download=False)
            info: Info | None = found
            while info and info.get("_type") in {"playlist", "multi_video"}:
                info = _only_entry(info)
            if not info:
                break
            if info.get("_type") not in {"url", "url_transparent"}:
                self._check(info)
                return info
            url = str(info.get("url"))
        raise Stop(failures.NO_MEDIA)

    def process_subtitles(self, video_id: str, normal_subtitles: object, automatic_captions: object) -> None:
        """Leaves captions to `captions_choice`; yt-dlp's own choice fails at a track that has no language."""

    def _choose(self, context: dict[str, Any]) -> Iterator[choice.Format]:
        try:
            yield from choice.choose(context)
        except Stop:
            if not self._without_formats:
                raise

    def _check(self, info: Info) -> None:
        if info.get("is_live") or info.get("live_status") in {"is_live", "is_upcoming", "post_live"}:
            raise Stop(failures.LIVE)
        duration_s, limit_s = info.get("duration") or 0, self._order.max_duration_s
        if duration_s > limit_s:
            raise Stop(failures.TOO_LONG, duration_s=f"{duration_s:.0f}", max_duration_s=f"{limit_s:.0f}")

    def _limit(self, response: Response) -> None:
        """Counts what is read of a response, and stops the fetch when it is too long."""
        read, left = response.read, self._max_response_bytes

        def counted(amt: int | None = None) -> bytes:
            nonlocal left
            if amt is None or amt < 0:
                return b"".join(iter(lambda: counted(_READ_BYTES), b""))
            block = read(amt)
            left -= len(block)
            self._received(len(block))
            if left < 0:
                response.close()
                raise self._too_large
            return block

        response.read = counted


def describe(info: Info) -> MediaInfo:
    """What is told of a recording, cut to sensible lengths."""
    return MediaInfo(
        title=_text(info.get("title")),
        duration_ms=round((info.get("duration") or 0) * 1000),
        uploader=_text(info.get("uploader") or info.get("channel")),
        webpage_url=_link(info.get("webpage_url") or info.get("original_url")),
        thumbnail_url=_link(info.get("thumbnail")),
        extractor=_text(info.get("extractor_key") or info.get("extractor")),
    )


def _text(value: object) -> str:
    text = "".join(char if char.isprintable() else " " for char in str(value or ""))
    return " ".join(text.split())[:_MAX_TEXT_CHARS]


def _link(value: object) -> str:
    link = str(value or "")
    sound = link.isprintable() and len(link) <= _MAX_URL_CHARS and link.lower().startswith(("http://", "https://"))
    return link if sound else ""


def _only_entry(info: Info) -> Info | None:
    entries = [entry for entry in info.get("entries") or () if entry]
    if len(entries) > 1:
        raise Stop(failures.PLAYLIST)
    return entries[0] if entries else None


class _Log:
    """Where yt-dlp's words go: stderr, for whoever looks for the cause of a failure."""

    def debug(self, message: str) -> None:
        """Says nothing."""

    def warning(self, message: str) -> None:
        """Says it shortly."""
        print("warning:", message[:500], file=sys.stderr)

    def error(self, message: str) -> None:
        """Says it shortly."""
        print("error:", message[:500], file=sys.stderr)


def _wait_s(n: int) -> float:
    """How long to wait before the retry of that number, counted from 0; yt-dlp names the argument."""
    return min(8.0, 0.3 * 2**n)


def _options(order: FetchOrder) -> dict[str, Any]:
    return {
        "quiet": True,
        "noprogress": True,
        "logger": _Log(),
        "logtostderr": True,
        # What to look for. Two entries are enough to tell a playlist.
        "noplaylist": True,
        "extract_flat": "in_playlist",
        "playlist_items": "1:2",
        "default_search": "error",
        # Some sites are asked for captions only if they are wanted; those that YouTube would translate never are.
        "writesubtitles": bool(order.captions_language),
        "writeautomaticsub": bool(order.captions_language),
        "extractor_args": {"youtube": {"skip": ["translated_subs"]}},
        "allow_unplayable_formats": False,
        # How long to try. The library's defaults are 0, unlike those of the command.
        "socket_timeout": order.socket_timeout_s,
        "retries": 4,
        "fragment_retries": 4,
        "extractor_retries": 1,
        "file_access_retries": 1,
        "retry_sleep_functions": {"http": _wait_s, "fragment": _wait_s, "extractor": _wait_s},
        # A piece that is missing would be missing in the text, silently.
        "skip_unavailable_fragments": False,
        # Nothing but the site, and no other program.
        "proxy": order.proxy_url,
        "geo_bypass": False,
        "enable_file_urls": False,
        "usenetrc": False,
        "hls_prefer_native": True,
        "external_downloader": {"default": "native"},
        "ffmpeg_location": "/nonexistent",
        "fixup": "never",
        "js_runtimes": {},
        "remote_components": [],
        # Nothing but the spool and the private folder.
        "cachedir": False,
        "outtmpl": "-",
        "updatetime": False,
        "mark_watched": False,
    }
