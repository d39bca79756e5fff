"""A job's changes as server-sent events."""

import json
import re
from typing import Any

from google.api.httpbody_pb2 import HttpBody
from google.protobuf import json_format
from google.protobuf.message import Message

from yt_text.store.segments import Snapshot

RETRY_MS = 2_000
_SEEN = re.compile(r"([0-9]{1,9})(/end)?")


def _body(text: str) -> HttpBody:
    return HttpBody(content_type="text/event-stream", data=text.encode())


BEGIN = _body(f"retry: {RETRY_MS}\n\n")
"""Tells a browser when to come back if it is cut off."""
HEARTBEAT = _body(": \n\n")
"""A comment, which no program sees: the connection lives."""

NOTHING = _body("")


def update(message: Message, snapshot: Snapshot) -> HttpBody:
    """Returns the event for a snapshot.

    Args:
        message: the snapshot as WatchJob sends it.
    """
    return _body(f"id: {snapshot.next_start}\nevent: update\ndata: {to_json(message)}\n\n")


def end(next_start: int) -> HttpBody:
    """Returns the last event. A browser that comes back after it brings an id that says so."""
    return _body(f"id: {next_start}/end\nevent: end\ndata: {{}}\n\n")


def read_last_id(header: str) -> tuple[int, bool] | None:
    """Returns the next segment that a browser needs, and whether it saw the end; None if that is not one of our ids."""
    found = _SEEN.fullmatch(header.strip())
    return (int(found[1]), bool(found[2])) if found else None


def is_news(before: Snapshot | None, now: Snapshot) -> bool:
    """Tells whether a watcher that has one snapshot needs the next one of the same job."""
    if before is None or now.segments:
        return True
    return (before.job.revision, before.job.queue_position) != (now.job.revision, now.job.queue_position)


def to_json(message: Message) -> str:
    """Returns a message as JSON on one line, as the gateway writes it: default values are there."""
    value: dict[str, Any] = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
