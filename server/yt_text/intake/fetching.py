"""One fetch, as the child does it: find the recording, take its captions or choose a format and fill the spool."""

import time
from collections.abc import Callable
from pathlib import Path

from yt_text.intake import failures, mp4
from yt_text.intake.extraction import Info, Site, describe
from yt_text.intake.failures import Stop
from yt_text.intake.fetch_messages import Done, Event, FetchOrder, Metadata, Moved, NoCaptions
from yt_text.intake.http_recording import HttpRecording, Link
from yt_text.intake.streaming import fetch_stream
from yt_text.intake.target import Target

_MAX_END_BYTES = 64 << 20
_MOVED_STEP_S = 0.2
_HEAD_BYTES = 4 << 10
_TEXT_CONTROLS = frozenset(b"\t\n\f\r\x1b")

Tell = Callable[[Event], None]


class _Meter:
    """Tells how far the fetch is, a few times a second while bytes come."""

    def __init__(self, tell: Tell) -> None:
        self.target: Target | None = None
        self._tell = tell
        self._received_bytes = 0
        self._next_s = 0.0

    def received(self, count: int) -> None:
        self._received_bytes += count
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _MOVED_STEP_S
            self.show()

    def show(self) -> None:
        fetched, total = (self.target.fetched, self.target.total) if self.target is not None else (0, 0)
        self._tell(Moved(fetched, total, self._received_bytes))


def fetch(order: FetchOrder, tell: Tell) -> None:
    """Does what the order says, telling of each step.

    Raises:
        Stop: it cannot be done.
        Exception: whatever yt-dlp raises; see `site_errors`.
    """
    meter = _Meter(tell)
    site = Site(order, meter.received)
    info = site.extract(without_formats=bool(order.captions_language))
    missing = _fetch_captions(site, info, order, tell) if order.captions_language else NoCaptions(None)
    if missing is not None:
        if not info.get("url"):
            info = site.extract()  # tells why
        tell(missing)
        if not order.captions_only:
            _fetch_recording(site, info, order, tell, meter)
    tell(Done())


def _fetch_captions(site: Site, info: Info, order: FetchOrder, tell: Tell) -> NoCaptions | None:
    # Most fetches need none of it, and it takes a while to import.
    from yt_text.intake.captions_fetch import fetch_captions

    return fetch_captions(site, info, order, tell)


def _fetch_recording(site: Site, info: Info, order: FetchOrder, tell: Tell, meter: _Meter) -> None:
    target = Target(Path(order.spool), max_bytes=order.max_bytes, min_free_disk_bytes=order.min_free_disk_bytes)
    meter.target = target
    metadata = Metadata(describe(info))
    if info.get("protocol") in {"http", "https"} and not info.get("fragments"):

        def renewed() -> Link:
            again = site.extract()
            if again.get("format_id") != info.get("format_id"):
                raise Stop(failures.CHANGED)
            site.limit_responses(order.max_bytes, target.too_large())
            return _link(again)

        site.limit_responses(order.max_bytes, target.too_large())
        _fetch_file(HttpRecording(site.urlopen, _link(info), renewed), target, tell, metadata)
    else:
        target.begin(0, "")
        tell(metadata)
        fetch_stream(site, info, target.append, target.too_large())
    target.finish()
    meter.show()


def _fetch_file(recording: HttpRecording, target: Target, tell: Tell, metadata: Metadata) -> None:
    note = target.note()
    if note is None:
        recording.start()
    else:
        recording.start(target.prefix, note.total, note.validator)
    # Readers open the spool when they learn the metadata: until then it may still be emptied.
    if recording.position == 0:
        target.begin(recording.total, recording.validator)
        head = _head(recording)
        target.append(head)
        tell(metadata)
        _fetch_end(recording, target, mp4.end_of_media(head))
    else:
        tell(metadata)
    while not (target.total and target.prefix >= target.total) and (block := recording.read()):
        target.append(block)


def _head(recording: HttpRecording) -> bytes:
    head = bytearray()
    while len(head) < _HEAD_BYTES and (block := recording.read()):
        head += block
    if not head:
        raise Stop(failures.EMPTY)
    if _is_text(head[:_HEAD_BYTES]):
        raise Stop(failures.NOT_MEDIA)
    return bytes(head)


def _is_text(data: bytes | bytearray) -> bool:
    """Tells text, such as a page that says why there is no recording, from media."""
    if any(byte < 32 and byte not in _TEXT_CONTROLS for byte in data):
        return False
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(data) - 3  # a character cut at the end
    return True


def _fetch_end(recording: HttpRecording, target: Target, start: int) -> None:
    """Fetches the end of a file ahead, if its index is there, so that it can be decoded while it comes."""
    if recording.has_ranges and target.prefix < start < recording.total <= start + _MAX_END_BYTES:
        end = recording.read_end(start)
        if end:
            target.write_end(start, end)


def _link(info: Info) -> Link:
    options = info.get("downloader_options") or {}
    return Link(info["url"], info.get("http_headers") or {}, int(options.get("http_chunk_size") or 0))
