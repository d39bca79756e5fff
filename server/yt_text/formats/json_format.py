"""JSON, for programs. Everything that a transcript holds, a segment a line.

    {
      "job_id": "…", "title": "…",
      "language": "en", "language_confidence": 0.98,    BCP-47 tag; [0, 1], 0 if unknown
      "engine": "whisper.cpp", "model": "base-q5_1",
      "model_sha256": "…",                              of its file, as hex; "" if it is not one file
      "origin": "speech" or "captions",
      "duration": 61.25, "processing": 9.5,             seconds, at most 3 decimals, as all times here
      "word_count": 2, "text": "Hello there.",
      "segments": [
        {"index": 0, "start": 0.0, "end": 1.25, "text": "Hello there.",
         "avg_logprob": -0.2, "speaker": "1",           0 if unknown; "" if unknown
         "words": [{"word": "Hello", "start": 0.0, "end": 0.5, "confidence": 0.9}, …]}
      ]
    }

Every field is always there. Fields may be added, never changed or removed.
"""

import json
import math
from typing import Any

from yt_text.formats.lines import whole
from yt_text.transcript import Segment, Transcript


def render(transcript: Transcript) -> str:
    """Returns the transcript as JSON."""
    head = _dump(
        {
            "job_id": transcript.job_id,
            "title": transcript.title,
            "language": transcript.language_code,
            "language_confidence": _number(transcript.language_confidence),
            "engine": transcript.engine,
            "model": transcript.model,
            "model_sha256": transcript.model_sha256,
            "origin": transcript.text_origin.value,
            "duration": _seconds(transcript.duration_ms),
            "processing": _seconds(transcript.processing_ms),
            "word_count": transcript.word_count,
            "text": transcript.text,
        }
    )
    segments = ",\n".join(_dump(_segment(index, each)) for index, each in enumerate(transcript.segments))
    return whole(f'{head[:-1]}, "segments": [\n{segments}\n]}}\n')


def _segment(index: int, segment: Segment) -> dict[str, Any]:
    return {
        "index": index,
        "start": _seconds(segment.start_ms),
        "end": _seconds(segment.end_ms),
        "text": segment.text,
        "avg_logprob": _number(segment.avg_logprob),
        "speaker": segment.speaker_label,
        "words": [
            {
                "word": word.text,
                "start": _seconds(word.start_ms),
                "end": _seconds(word.end_ms),
                "confidence": _number(word.confidence),
            }
            for word in segment.words
        ],
    }


def _seconds(time_ms: int) -> float:
    return time_ms / 1000


def _number(value: float) -> float:
    """Returns a number that JSON can hold; six decimals are all that single precision has."""
    return round(value, 6) if math.isfinite(value) else 0.0


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
