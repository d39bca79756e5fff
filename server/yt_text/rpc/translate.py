"""Domain values to messages of the contract, and back."""

from datetime import UTC, datetime

from google.protobuf import duration_pb2, timestamp_pb2

from yt_text.engines.catalog import EngineStatus
from yt_text.job import Config, Job, JobState
from yt_text.rpc.statuses import status
from yt_text.store.media import Media
from yt_text.transcript import Segment, TextOrigin, Transcript
from yt_text.v1 import job_pb2, transcript_pb2, transcription_service_pb2

STATES = {
    JobState.QUEUED: job_pb2.JOB_STATE_QUEUED,
    JobState.RUNNING: job_pb2.JOB_STATE_RUNNING,
    JobState.SUCCEEDED: job_pb2.JOB_STATE_SUCCEEDED,
    JobState.FAILED: job_pb2.JOB_STATE_FAILED,
    JobState.CANCELLED: job_pb2.JOB_STATE_CANCELLED,
}
STATE_OF = {number: state for state, number in STATES.items()}

ORIGINS = {
    TextOrigin.SPEECH: job_pb2.TEXT_ORIGIN_SPEECH,
    TextOrigin.CAPTIONS: job_pb2.TEXT_ORIGIN_CAPTIONS,
    TextOrigin.CAPTIONS_THEN_SPEECH: job_pb2.TEXT_ORIGIN_CAPTIONS_THEN_SPEECH,
}
ORIGIN_OF = {number: origin for origin, number in ORIGINS.items()}


def duration(milliseconds: int) -> duration_pb2.Duration:
    """A length of time; milliseconds are never negative here."""
    return duration_pb2.Duration(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)


def timestamp(moment: datetime | None) -> timestamp_pb2.Timestamp | None:
    """A moment in UTC."""
    if moment is None:
        return None
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment)
    return message


def config_message(config: Config) -> job_pb2.TranscriptionConfig:
    """How to transcribe."""
    return job_pb2.TranscriptionConfig(
        engine=config.engine,
        model=config.model,
        language_code=config.language_code,
        translate=config.translate,
        enable_word_offsets=config.word_offsets,
        prompt=config.prompt,
        text_origin=ORIGINS[config.text_origin],
        enable_diarization=config.diarization,
    )


def config_value(message: job_pb2.TranscriptionConfig) -> Config:
    """How to transcribe, with every default filled in."""
    default = Config()
    return Config(
        engine=message.engine or default.engine,
        model=message.model,
        language_code=message.language_code or default.language_code,
        translate=message.translate,
        word_offsets=message.enable_word_offsets,
        prompt=message.prompt,
        text_origin=ORIGIN_OF.get(message.text_origin, default.text_origin),
        diarization=message.enable_diarization,
    )


def job_message(job: Job, *, media_available: bool) -> job_pb2.Job:
    """A job. `media_available`: its whole recording is kept."""
    return job_pb2.Job(
        id=job.id,
        state=STATES[job.state],
        url=job.url,
        media_id=job.media_id,
        config=config_message(job.config),
        progress=job_pb2.Progress(
            percent=job.percent,
            transcribed_duration=duration(job.progress.transcribed_ms),
            fetched_bytes=job.progress.fetched_bytes,
            total_bytes=job.progress.total_bytes,
            queue_position=job.queue_position,
            remaining_duration=_remaining(job),
        ),
        media=job_pb2.MediaInfo(
            title=job.media.title,
            duration=duration(job.media.duration_ms) if job.media.duration_ms else None,
            uploader=job.media.uploader,
            webpage_url=job.media.webpage_url,
            thumbnail_url=job.media.thumbnail_url,
            extractor=job.media.extractor,
        ),
        error=status(job.error) if job.error else None,
        warnings=[status(warning) for warning in job.warnings],
        engine=job.engine,
        model=job.model,
        segment_count=job.segment_count,
        attempt=job.epoch,
        create_time=timestamp(job.create_time),
        start_time=timestamp(job.start_time),
        update_time=timestamp(job.update_time),
        end_time=timestamp(job.end_time),
        expire_time=timestamp(job.expire_time),
        retry_time=timestamp(job.retry_time),
        priority=job.priority,
        from_cache=job.from_cache,
        media_available=media_available,
    )


def _remaining(job: Job) -> duration_pb2.Duration | None:
    """Time to the end at the speed of the attempt so far; None while there is nothing to reckon from."""
    done_ms, whole_ms = job.progress.transcribed_ms - job.attempt_from_ms, job.media.duration_ms
    left_ms = whole_ms - job.progress.transcribed_ms
    if job.state is not JobState.RUNNING or job.attempt_time is None or done_ms <= 0 or left_ms < 0:
        return None
    elapsed_ms = (datetime.now(UTC) - job.attempt_time).total_seconds() * 1000
    return duration(round(elapsed_ms * left_ms / done_ms))


def segment_message(index: int, segment: Segment) -> transcript_pb2.Segment:
    """A segment at its place in the transcript."""
    return transcript_pb2.Segment(
        index=index,
        start_offset=duration(segment.start_ms),
        end_offset=duration(segment.end_ms),
        text=segment.text,
        words=[
            transcript_pb2.Word(
                word=word.text,
                start_offset=duration(word.start_ms),
                end_offset=duration(word.end_ms),
                confidence=word.confidence,
            )
            for word in segment.words
        ],
        avg_logprob=segment.avg_logprob,
        speaker_label=segment.speaker_label,
    )


def transcript_value(job: Job, segments: list[Segment]) -> Transcript:
    """A job and its segments as a transcript."""
    return Transcript(
        job_id=job.id,
        segments=tuple(segments),
        language_code=job.language_code,
        language_confidence=job.language_confidence,
        duration_ms=job.media.duration_ms,
        text_origin=job.text_origin,
        engine=job.engine,
        model=job.model,
        model_sha256=job.model_sha256,
        processing_ms=job.processing_ms,
        title=job.media.title,
    )


def transcript_message(transcript: Transcript) -> transcript_pb2.Transcript:
    """A transcript."""
    return transcript_pb2.Transcript(
        job_id=transcript.job_id,
        text=transcript.text,
        segments=[segment_message(index, segment) for index, segment in enumerate(transcript.segments)],
        language_code=transcript.language_code,
        language_confidence=transcript.language_confidence,
        duration=duration(transcript.duration_ms),
        text_origin=ORIGINS[transcript.text_origin],
        engine=transcript.engine,
        model=transcript.model,
        model_sha256=transcript.model_sha256,
        word_count=transcript.word_count,
        processing_duration=duration(transcript.processing_ms),
    )


def media_message(media: Media) -> transcription_service_pb2.Media:
    """An upload."""
    return transcription_service_pb2.Media(
        id=media.id, filename=media.filename, size_bytes=media.size_bytes, sha256=media.sha256
    )


def engine_message(engine: EngineStatus) -> transcription_service_pb2.Engine:
    """An engine."""
    return transcription_service_pb2.Engine(
        name=engine.name,
        available=engine.available,
        unavailable_reason=engine.unavailable_reason,
        models=engine.models,
        word_offsets=engine.word_offsets,
        translation=engine.translation,
        language_codes=engine.language_codes,
    )
