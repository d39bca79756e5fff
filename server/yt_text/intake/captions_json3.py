"""Reads YouTube's json3 captions: events on a screen, each with the pieces that come onto it."""

import json
from typing import Any

from yt_text.intake.captions_cue import Cue, Piece, UnreadableError

_FULL_CONFIDENCE = 255


def read(text: str) -> list[Cue]:
    """Returns the cues of a json3 document.

    Raises:
        UnreadableError: it is none.
    """
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError from error
    events: Any = document.get("events") if isinstance(document, dict) else None
    if not isinstance(events, list):
        raise UnreadableError
    spoken = [event for event in events if isinstance(event, dict) and isinstance(event.get("segs"), list)]
    # The first piece of an event has no offset, so one alone does not say whether pieces have times.
    timed = any("tOffsetMs" in seg for event in spoken for seg in event["segs"] if isinstance(seg, dict))
    shown: list[tuple[int, list[int], list[Piece]]] = []
    line_ended = True
    for event in spoken:
        start_ms = _whole(event.get("tStartMs"))
        end_ms = start_ms + _whole(event.get("dDurationMs"))
        pieces = [_piece(seg, start_ms, timed=timed) for seg in event["segs"] if isinstance(seg, dict)]
        text = "".join(piece.text for piece in pieces)
        appends = bool(event.get("aAppend"))
        if not text.strip():
            line_ended = line_ended or appends
        elif appends and not line_ended and not text.startswith("\n"):
            shown[-1][1].append(end_ms)
            shown[-1][2].extend(pieces)
        else:
            shown.append((start_ms, [end_ms], pieces))
            line_ended = False
    return [Cue(start_ms, max(ends_ms), (tuple(pieces),)) for start_ms, ends_ms, pieces in shown]


def _piece(seg: dict[str, Any], event_start_ms: int, *, timed: bool) -> Piece:
    text = seg.get("utf8")
    start_ms = event_start_ms + _whole(seg.get("tOffsetMs")) if timed else None
    confidence = min(_whole(seg.get("acAsrConf")), _FULL_CONFIDENCE) / _FULL_CONFIDENCE
    return Piece(text if isinstance(text, str) else "", start_ms, confidence)


def _whole(value: object) -> int:
    """A number of the document, 0 for anything that is none or below."""
    return max(0, value) if isinstance(value, int) else 0
