"""What the service and a fetch child say to each other: one order in, events out, a line of JSON each."""

import json
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any

from yt_text.errors import IntakeError, Reason
from yt_text.job import MediaInfo
from yt_text.transcript import Segment, Word

MAX_EVENT_BYTES = 64 << 10


class ProxyStatus(IntEnum):
    """How the proxy answers what it does not relay. Codes below 500 say that trying again is of no use."""

    BAD_REQUEST = 400
    NOT_ADMITTED = 407
    ADDRESS_REFUSED = 470
    NAME_UNKNOWN = 471
    NAME_NOT_RESOLVED = 570
    CONNECT_FAILED = 571
    CONNECT_TIMEOUT = 572


@dataclass(frozen=True)
class FetchOrder:
    """What a child is told to fetch, and within which bounds.

    Attributes:
        url: a checked link.
        spool: where the recording goes.
        work_dir: the child's private folder, which it may fill.
        proxy_url: the one way to the network.
        max_bytes: longest recording.
        max_duration_s: longest recording, as the site declares it.
        socket_timeout_s: for one answer, and between two pieces of it.
        min_free_disk_bytes: the disk is not filled further than this.
        memory_bytes: for the child's data.
        cpu_s: processor time of the whole fetch.
        captions_language: fetch captions in it, or `auto`; empty for the recording alone.
        captions_only: leave the recording even if there are no captions.
        max_captions_bytes: longest file of captions.
        max_captions_segments: most that are made of it.
    """

    url: str
    spool: str
    work_dir: str
    proxy_url: str
    max_bytes: int
    max_duration_s: float
    socket_timeout_s: float
    min_free_disk_bytes: int
    memory_bytes: int
    cpu_s: int
    captions_language: str = ""
    captions_only: bool = False
    max_captions_bytes: int = 0
    max_captions_segments: int = 0

    def line(self) -> bytes:
        """The order as a child reads it."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> "FetchOrder":
        """The order as it was given."""
        return cls(**json.loads(line))


@dataclass(frozen=True)
class Metadata:
    """The site's metadata; from here on the spool exists."""

    media: MediaInfo


@dataclass(frozen=True)
class Moved:
    """How far the fetch is.

    Attributes:
        fetched_bytes: of the recording.
        total_bytes: of the recording, 0 if not known.
        received_bytes: of everything that came from the network, pages included.
    """

    fetched_bytes: int
    total_bytes: int
    received_bytes: int


@dataclass(frozen=True)
class Done:
    """The spool is complete."""


@dataclass(frozen=True)
class Failed:
    """The fetch ended with an error."""

    reason: Reason
    message: str
    retryable: bool
    metadata: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, error: IntakeError) -> "Failed":
        """What is told of an error."""
        return cls(error.reason, error.message, error.retryable, dict(error.metadata))

    @property
    def error(self) -> IntakeError:
        """The error to raise."""
        return IntakeError(self.reason, self.message, retryable=self.retryable, **self.metadata)


@dataclass(frozen=True)
class CaptionsFound:
    """There are captions; their lines come next. Nothing else is fetched."""

    media: MediaInfo
    language_code: str
    automatic: bool


@dataclass(frozen=True)
class CaptionLines:
    """The next segments of the captions."""

    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class NoCaptions:
    """There are no captions, or a problem with them; the recording may come instead."""

    problem: Failed | None


Event = Metadata | Moved | Done | Failed | CaptionsFound | CaptionLines | NoCaptions
_KINDS: dict[str, type[Event]] = {
    "metadata": Metadata,
    "moved": Moved,
    "done": Done,
    "failed": Failed,
    "captions": CaptionsFound,
    "lines": CaptionLines,
    "no_captions": NoCaptions,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def event_line(event: Event) -> bytes:
    """An event as the service reads it."""
    fields = asdict(event)
    if isinstance(event, CaptionLines):  # many and small: without names
        fields = {"segments": [_values(segment) for segment in event.segments]}
    return json.dumps({"event": _NAMES[type(event)], **fields}).encode() + b"\n"


def read_event(line: bytes) -> Event:
    """An event as the child meant it. Raises ValueError for what is none."""
    try:
        fields: dict[str, Any] = json.loads(line)
        kind = _KINDS[fields.pop("event")]
        if "media" in fields:
            fields["media"] = MediaInfo(**fields["media"])
        if kind is Failed:
            return _failed(fields)
        if kind is NoCaptions:
            return NoCaptions(None if fields["problem"] is None else _failed(fields["problem"]))
        if kind is CaptionLines:
            return CaptionLines(tuple(_segment(*segment) for segment in fields["segments"]))
        return kind(**fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError("not an event") from error


def _failed(fields: dict[str, Any]) -> Failed:
    fields["reason"] = Reason(fields["reason"])
    return Failed(**fields)


def _values(segment: Segment) -> list[Any]:
    words = [[word.text, word.start_ms, word.end_ms, word.confidence] for word in segment.words]
    return [segment.start_ms, segment.end_ms, segment.text, words]


def _segment(start_ms: Any, end_ms: Any, text: Any, words: list[list[Any]]) -> Segment:
    return Segment(*_checked(start_ms, end_ms, text), tuple(_word(*word) for word in words))


def _word(text: Any, start_ms: Any, end_ms: Any, confidence: Any) -> Word:
    start_ms, end_ms, text = _checked(start_ms, end_ms, text)
    return Word(text, start_ms, end_ms, float(confidence))


def _checked(start_ms: Any, end_ms: Any, text: Any) -> tuple[int, int, str]:
    if not (
        isinstance(start_ms, int) and isinstance(end_ms, int) and isinstance(text, str) and 0 <= start_ms <= end_ms
    ):
        raise ValueError("not a segment")
    return start_ms, end_ms, text
