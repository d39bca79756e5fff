"""Typed client of the yt-text transcription service.

async with Client("127.0.0.1:50051") as client:
    transcript = await client.transcribe("https://example.com/talk")
    print(transcript.text)
"""

from yt_text_client.client import Client
from yt_text_client.errors import (
    DeadlineExceeded,
    FieldViolation,
    Internal,
    JobCancelled,
    JobFailed,
    NotAllowed,
    NotFound,
    NotReady,
    Problem,
    RequestError,
    ResourceExhausted,
    Unavailable,
    YtTextError,
    read_problem,
)
from yt_text_client.models import (
    Engine,
    ErrorReason,
    Job,
    JobState,
    Media,
    MediaInfo,
    Progress,
    RpcStatus,
    Segment,
    TextOrigin,
    Transcript,
    TranscriptionConfig,
    WatchJobResponse,
    Word,
    has_ended,
    milliseconds,
)

__all__ = [
    "Client",
    "DeadlineExceeded",
    "Engine",
    "ErrorReason",
    "FieldViolation",
    "Internal",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobState",
    "Media",
    "MediaInfo",
    "NotAllowed",
    "NotFound",
    "NotReady",
    "Problem",
    "Progress",
    "RequestError",
    "ResourceExhausted",
    "RpcStatus",
    "Segment",
    "TextOrigin",
    "Transcript",
    "TranscriptionConfig",
    "Unavailable",
    "WatchJobResponse",
    "Word",
    "YtTextError",
    "has_ended",
    "milliseconds",
    "read_problem",
]
