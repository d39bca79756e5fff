"""Rows to values and back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row

from yt_text.errors import Problem, Reason
from yt_text.job import Config, Job, JobState, MediaInfo, Progress
from yt_text.transcript import Segment, TextOrigin, Word


def problem_row(problem: Problem) -> dict[str, Any]:
    """An error or warning as JSON."""
    return {"reason": problem.reason.value, "message": problem.message, "metadata": dict(problem.metadata)}


def problem_value(row: Mapping[str, Any]) -> Problem:
    """An error or warning from JSON."""
    return Problem(Reason(row["reason"]), row["message"], row["metadata"])


def media_row(media: MediaInfo) -> dict[str, Any]:
    """What is known of a recording, as columns."""
    row = asdict(media)
    return {"duration_ms": row.pop("duration_ms"), "media": row}


def job_value(row: Row[Any]) -> Job:
    """A job from its row."""
    return Job(
        id=row.id,
        state=JobState(row.state),
        url=row.url,
        media_id=row.media_id,
        config=_config_value(row.config),
        priority=row.priority,
        media=MediaInfo(**row.media, duration_ms=row.duration_ms),
        progress=Progress(row.transcribed_ms, row.fetched_bytes, row.total_bytes),
        error=problem_value(row.error) if row.error else None,
        warnings=tuple(problem_value(warning) for warning in row.warnings),
        engine=row.engine,
        model=row.model,
        model_sha256=row.model_sha256,
        source_id=row.source_id,
        language_code=row.language_code,
        language_confidence=row.language_confidence,
        segment_count=row.segment_count,
        next_chunk=row.next_chunk,
        epoch=row.epoch,
        failures=row.failures,
        processing_ms=row.processing_ms,
        cancel_requested=row.cancel_requested,
        from_cache=row.from_cache,
        revision=row.revision,
        create_time=row.create_time,
        update_time=row.update_time,
        start_time=row.start_time,
        attempt_time=row.attempt_time,
        attempt_from_ms=row.attempt_from_ms,
        end_time=row.end_time,
        expire_time=row.expire_time,
        retry_time=row.retry_time,
    )


def _config_value(row: Mapping[str, Any]) -> Config:
    values: dict[str, Any] = {**row, "text_origin": TextOrigin(row["text_origin"])}
    return Config(**values)


def segment_row(job_id: str, index: int, segment: Segment) -> dict[str, Any]:
    """A segment as columns."""
    return {
        "job_id": job_id,
        "index": index,
        "start_ms": segment.start_ms,
        "end_ms": segment.end_ms,
        "text": segment.text,
        "words": [[word.text, word.start_ms, word.end_ms, round(word.confidence, 4)] for word in segment.words],
        "avg_logprob": segment.avg_logprob,
        "speaker_label": segment.speaker_label,
    }


def segment_value(row: Row[Any]) -> Segment:
    """A segment from its row."""
    return Segment(
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        text=row.text,
        words=tuple(Word(*word) for word in row.words),
        avg_logprob=row.avg_logprob,
        speaker_label=row.speaker_label,
    )
