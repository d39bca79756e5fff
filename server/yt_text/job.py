"""A job: one request to turn a recording into text. Pure values and what follows from them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from yt_text.errors import Problem
from yt_text.transcript import TextOrigin


class JobState(StrEnum):
    """Where a job is in its life. Fetching and transcribing overlap, so they are progress, not states."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the job has come to its end."""
        return self in ENDED


ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


CAPTIONS = "captions"
"""Stands for the engine where a transcript is the site's captions."""


@dataclass(frozen=True, slots=True)
class Config:
    """How to transcribe, with every default filled in.

    Attributes:
        engine: an engine's name, or `auto`.
        model: a model's name or path; empty for the engine's default.
        language_code: BCP-47 tag of the speech, or `auto`.
        prompt: words and names to expect, at most 1,000 characters.
    """

    engine: str = "auto"
    model: str = ""
    language_code: str = "auto"
    translate: bool = False
    word_offsets: bool = False
    prompt: str = ""
    text_origin: TextOrigin = TextOrigin.SPEECH
    diarization: bool = False


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What is known of a recording. Empty strings and 0 mean unknown."""

    title: str = ""
    duration_ms: int = 0
    uploader: str = ""
    webpage_url: str = ""
    thumbnail_url: str = ""
    extractor: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt is. No value goes back within an attempt. 0 means unknown or none."""

    transcribed_ms: int = 0
    fetched_bytes: int = 0
    total_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One request and all that became of it.

    Attributes:
        url: as submitted; empty for an upload.
        media_id: the upload; empty for a URL.
        model_sha256: of the model's file, as hex; empty if the model is not one file.
        source_id: the identity of the recording's bytes; the checkpoint holds for these alone.
        next_chunk: the checkpoint: how many chunks of the recording are committed.
        segment_count: how many segments are committed.
        epoch: raised at each claim; a write with an older one changes nothing.
        failures: attempts that ended by an error that may pass.
        attempt_time: when the present attempt began.
        attempt_from_ms: how much of the recording was transcribed by then.
        duration_ms: length of the recording as decoded so far, or as the site says before that.
        retry_time: when the next attempt begins, while waiting after an error that may pass.
        revision: raised at every change; watchers compare it.
    """

    id: str
    state: JobState
    url: str
    media_id: str
    config: Config
    create_time: datetime
    update_time: datetime
    priority: int = 0
    media: MediaInfo = MediaInfo()
    progress: Progress = Progress()
    error: Problem | None = None
    warnings: tuple[Problem, ...] = ()
    engine: str = ""
    model: str = ""
    model_sha256: str = ""
    source_id: int = 0
    language_code: str = ""
    language_confidence: float = 0.0
    segment_count: int = 0
    next_chunk: int = 0
    epoch: int = 0
    failures: int = 0
    processing_ms: int = 0
    start_time: datetime | None = None
    attempt_time: datetime | None = None
    attempt_from_ms: int = 0
    end_time: datetime | None = None
    expire_time: datetime | None = None
    retry_time: datetime | None = None
    cancel_requested: bool = False
    from_cache: bool = False
    revision: int = 0
    queue_position: int = field(default=0, compare=False)

    @property
    def text_origin(self) -> TextOrigin:
        """Where the text that is committed comes from."""
        return TextOrigin.CAPTIONS if self.engine == CAPTIONS else TextOrigin.SPEECH

    @property
    def percent(self) -> int:
        """How much of the recording is transcribed, in [0, 100]; 100 only when succeeded."""
        if self.state is JobState.SUCCEEDED:
            return 100
        if self.media.duration_ms <= 0:
            return 0
        return min(99, self.progress.transcribed_ms * 100 // self.media.duration_ms)
