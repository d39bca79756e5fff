"""The contract's messages, as this package's users see them. Here alone the generated code is named."""

from datetime import timedelta

from yt_text_client._generated.google.api import HttpBody
from yt_text_client._generated.google.rpc import Status as RpcStatus
from yt_text_client._generated.yt_text.v1 import (
    CancelJobRequest,
    DeleteJobRequest,
    Engine,
    ErrorReason,
    GetJobRequest,
    GetResultRequest,
    Job,
    JobState,
    ListEnginesRequest,
    ListJobsRequest,
    Media,
    MediaInfo,
    Progress,
    RetryJobRequest,
    Segment,
    SubmitJobRequest,
    TextOrigin,
    Transcript,
    TranscriptionConfig,
    TranscriptionServiceStub,
    UploadMediaRequest,
    WatchJobRequest,
    WatchJobResponse,
    Word,
)

__all__ = [
    "CancelJobRequest",
    "DeleteJobRequest",
    "Engine",
    "ErrorReason",
    "GetJobRequest",
    "GetResultRequest",
    "HttpBody",
    "Job",
    "JobState",
    "ListEnginesRequest",
    "ListJobsRequest",
    "Media",
    "MediaInfo",
    "Progress",
    "RetryJobRequest",
    "RpcStatus",
    "Segment",
    "SubmitJobRequest",
    "TextOrigin",
    "Transcript",
    "TranscriptionConfig",
    "TranscriptionServiceStub",
    "UploadMediaRequest",
    "WatchJobRequest",
    "WatchJobResponse",
    "Word",
    "has_ended",
    "milliseconds",
]

_ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


def has_ended(job: Job) -> bool:
    """Whether a job has come to its end. A state that this version does not know is not an end."""
    return job.state in _ENDED


def milliseconds(offset: timedelta | None) -> int:
    """Returns a time of the contract, such as `segment.start_offset`, in whole milliseconds; 0 if unset."""
    return 0 if offset is None else offset // timedelta(milliseconds=1)
