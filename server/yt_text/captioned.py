"""A transcript that is the captions of a site: committed like chunks, labelled as what it is."""

import hashlib
from dataclasses import replace

from yt_text.errors import IntakeError, Problem
from yt_text.intake import failures
from yt_text.intake.fetch import Captions, CaptionsOrder, Fetch
from yt_text.job import CAPTIONS, Job
from yt_text.store.attempts import Attempts
from yt_text.transcript import Segment, TextOrigin

PAGE = 500
"""Segments in one commit."""


def wanted(attempt: Job) -> CaptionsOrder | None:
    """Returns which captions a job asks for; None if it asks for none, or has begun to be transcribed by ear."""
    origin = attempt.config.text_origin
    heard = attempt.segment_count > 0 and attempt.engine != CAPTIONS
    if origin is TextOrigin.SPEECH or not attempt.url or heard:
        return None
    return CaptionsOrder(attempt.config.language_code, then_recording=origin is TextOrigin.CAPTIONS_THEN_SPEECH)


async def transcribe(attempts: Attempts, attempt: Job, fetch: Fetch, order: CaptionsOrder) -> bool:
    """Ends a job with its site's captions, if there are some.

    Returns:
        Whether it did. If not, the job is to be transcribed by ear.

    Raises:
        IntakeError: there are none, and nothing else was asked for; or the site cannot be read.
        LostError: another worker has the job.
    """
    try:
        captions = await fetch.captions()
    except IntakeError as error:
        if not order.then_recording:
            raise
        await attempts.warn(attempt, error.problem)
        return False
    if captions is None:
        problem = failures.NO_CAPTIONS.error()
        if not order.then_recording:
            raise problem
        heard = "The recording was transcribed by ear instead of from captions."
        await attempts.warn(attempt, Problem(problem.reason, heard))
        return False
    await _commit(attempts, attempt, captions)
    return True


async def _commit(attempts: Attempts, attempt: Job, captions: Captions) -> None:
    last_ms = captions.segments[-1].end_ms
    media = captions.media
    attempt = await attempts.describe(attempt, replace(media, duration_ms=media.duration_ms or last_ms))
    attempt = await attempts.begin(
        attempt,
        engine=CAPTIONS,
        model="automatic" if captions.automatic else "manual",
        model_sha256="",
        source_id=_identity(captions.segments),
    )
    words = attempt.config.word_offsets
    segments = captions.segments if words else [replace(segment, words=()) for segment in captions.segments]
    for page in range(attempt.next_chunk, -(-len(segments) // PAGE)):
        part = segments[page * PAGE : (page + 1) * PAGE]
        attempt = await attempts.commit(
            attempt,
            part,
            chunk=page,
            transcribed_ms=part[-1].end_ms,
            processing_ms=0,
            language_code=captions.language_code,
            language_confidence=0.0,
        )
    await attempts.succeed(attempt, duration_ms=max(media.duration_ms, last_ms), warnings=[])


def _identity(segments: tuple[Segment, ...]) -> int:
    """Tells these captions from others: what is committed of them holds for the same ones only."""
    text = "\n".join(f"{segment.start_ms} {segment.text}" for segment in segments)
    return (int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 2) + 1
