"""What the service and a fetch child say to each other: one order in, events out, a line of JSON each."""

import json
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any

from yt_text.errors import IntakeError, Reason
from yt_text.job import MediaInfo

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

    @property
    def error(self) -> IntakeError:
        """The error to raise."""
        return IntakeError(self.reason, self.message, retryable=self.retryable, **self.metadata)


Event = Metadata | Moved | Done | Failed
_KINDS: dict[str, type[Event]] = {"metadata": Metadata, "moved": Moved, "done": Done, "failed": Failed}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def event_line(event: Event) -> bytes:
    """An event as the service reads it."""
    return json.dumps({"event": _NAMES[type(event)], **asdict(event)}).encode() + b"\n"


def read_event(line: bytes) -> Event:
    """An event as the child meant it. Raises ValueError for what is none."""
    try:
        fields: dict[str, Any] = json.loads(line)
        kind = _KINDS[fields.pop("event")]
        if kind is Metadata:
            return Metadata(MediaInfo(**fields["media"]))
        if kind is Failed:
            fields["reason"] = Reason(fields["reason"])
        return kind(**fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError("not an event") from error
