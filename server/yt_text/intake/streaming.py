"""Fetches what comes in pieces (HLS, DASH), through yt-dlp's own downloaders: a recording, or captions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from yt_dlp.downloader import get_suitable_downloader
from yt_dlp.downloader.dash import DashSegmentsFD
from yt_dlp.downloader.hls import HlsFD

from yt_text.intake import failures
from yt_text.intake.extraction import Info, Site
from yt_text.intake.failures import Stop

MAX_PIECE_BYTES = 256 << 20
"""Longest piece of a stream: it is held in memory once."""

_TO_TARGET = "-"


class _Sink:
    """The file that yt-dlp believes to write."""

    def __init__(self, append: Callable[[bytes], None]) -> None:
        self._append = append

    def write(self, data: bytes) -> int:
        self._append(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """What takes the bytes is closed by its owner."""


class _IntoTarget:
    """Puts the joined pieces into the target; single ones go to the private folder as ever."""

    sink: _Sink

    def sanitize_open(self, filename: str, open_mode: str) -> tuple[Any, str]:
        if filename == _TO_TARGET:
            return self.sink, filename
        opened: tuple[Any, str] = super().sanitize_open(filename, open_mode)  # pyright: ignore[reportAttributeAccessIssue] - mixed into FileDownloader
        return opened


class _Hls(_IntoTarget, HlsFD):
    @classmethod
    def can_download(cls, manifest: str, info_dict: Any, allow_unplayable_formats: bool = False) -> bool:
        if not super().can_download(manifest, info_dict, allow_unplayable_formats):
            # Else it would be handed to ffmpeg.
            raise Stop(failures.DRM)
        return True


class _Dash(_IntoTarget, DashSegmentsFD):
    pass


def fetch_stream(site: Site, info: Info, append: Callable[[bytes], None], too_large: Stop) -> None:
    """Fetches all pieces in order. A stream is never resumed: its pieces need not be cut the same again.

    Args:
        site: where it is.
        info: as yt-dlp describes it.
        append: takes the bytes.
        too_large: what ends the fetch if one piece is too large already.

    Raises:
        Stop: a limit, or a stream that only another program could fetch.
        Exception: whatever yt-dlp raises; see `site_errors`.
    """
    asked: Any = {**info, "http_headers": info.get("http_headers") or {}}
    options: Any = site.params
    copied: Any = dict(asked)  # it is changed in there
    chosen = get_suitable_downloader(copied, options, to_stdout=True)
    kinds: dict[object, type[_Hls] | type[_Dash]] = {HlsFD: _Hls, DashSegmentsFD: _Dash}
    kind = kinds.get(chosen)
    if kind is None:
        raise Stop(failures.NO_MEDIA)
    # A piece that an earlier stream left here would be taken for one of this.
    for piece in Path().glob(f"{_TO_TARGET}-Frag*"):
        piece.unlink()
    site.limit_responses(MAX_PIECE_BYTES, too_large)
    downloader = kind(site, options)
    downloader.sink = _Sink(append)
    # It returns nothing after captions.
    if downloader.real_download(_TO_TARGET, asked) is False:
        raise Stop(failures.FAILED)
