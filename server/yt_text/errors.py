"""What can go wrong, and what to do about it.

    YtTextError                     every error that a user may see
    ├── RequestError                the caller can mend it: a wrong value, a missing job
    ├── IntakeError                 a recording cannot be had: the site, the address, the network
    ├── MediaError                  a recording cannot be decoded
    └── EngineError                 an engine cannot do its work

Each has a stable `reason` for programs (the names of `ErrorReason` in the contract), a `message` for
people that says what is wrong and what to do, and `retryable`: whether the same work may succeed later
without anybody changing anything. Neither ever holds a path, an address or another exception's text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Reason(StrEnum):
    """Why something failed. The names of `ErrorReason` in the contract, without its prefix."""

    # requests
    INVALID_REQUEST = "INVALID_REQUEST"
    JOB_NOT_FOUND = "JOB_NOT_FOUND"
    MEDIA_NOT_FOUND = "MEDIA_NOT_FOUND"
    RESULT_NOT_READY = "RESULT_NOT_READY"
    JOB_NOT_RETRYABLE = "JOB_NOT_RETRYABLE"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    QUEUE_FULL = "QUEUE_FULL"
    UPLOAD_INCOMPLETE = "UPLOAD_INCOMPLETE"
    UPLOAD_TOO_LARGE = "UPLOAD_TOO_LARGE"
    DISK_FULL = "DISK_FULL"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INTERNAL = "INTERNAL"
    OVERLOADED = "OVERLOADED"
    RATE_LIMITED = "RATE_LIMITED"
    TOO_MANY_JOBS = "TOO_MANY_JOBS"
    PATH_NOT_FOUND = "PATH_NOT_FOUND"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    SERVICE_UNREACHABLE = "SERVICE_UNREACHABLE"
    MEDIA_NOT_KEPT = "MEDIA_NOT_KEPT"
    ORIGIN_NOT_ALLOWED = "ORIGIN_NOT_ALLOWED"
    # intake
    URL_INVALID = "URL_INVALID"
    ADDRESS_NOT_ALLOWED = "ADDRESS_NOT_ALLOWED"
    NO_MEDIA_FOUND = "NO_MEDIA_FOUND"
    PLAYLIST_NOT_SUPPORTED = "PLAYLIST_NOT_SUPPORTED"
    LIVE_NOT_SUPPORTED = "LIVE_NOT_SUPPORTED"
    LOGIN_REQUIRED = "LOGIN_REQUIRED"
    BOT_CHECK = "BOT_CHECK"
    GEO_BLOCKED = "GEO_BLOCKED"
    DRM_PROTECTED = "DRM_PROTECTED"
    ACCESS_DENIED = "ACCESS_DENIED"
    RECORDING_GONE = "RECORDING_GONE"
    SITE_RATE_LIMITED = "SITE_RATE_LIMITED"
    SITE_ERROR = "SITE_ERROR"
    SITE_UNREACHABLE = "SITE_UNREACHABLE"
    EXTRACTOR_FAILED = "EXTRACTOR_FAILED"
    FETCH_FAILED = "FETCH_FAILED"
    NO_CAPTIONS = "NO_CAPTIONS"
    CAPTIONS_UNREADABLE = "CAPTIONS_UNREADABLE"
    # media
    RECORDING_TOO_LARGE = "RECORDING_TOO_LARGE"
    RECORDING_TOO_LONG = "RECORDING_TOO_LONG"
    RECORDING_EMPTY = "RECORDING_EMPTY"
    MEDIA_UNREADABLE = "MEDIA_UNREADABLE"
    NO_AUDIO_TRACK = "NO_AUDIO_TRACK"
    DECODE_FAILED = "DECODE_FAILED"
    RECORDING_TRUNCATED = "RECORDING_TRUNCATED"
    RECORDING_DAMAGED = "RECORDING_DAMAGED"
    NO_SPEECH = "NO_SPEECH"
    # engines
    ENGINE_UNKNOWN = "ENGINE_UNKNOWN"
    ENGINE_UNAVAILABLE = "ENGINE_UNAVAILABLE"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    MODEL_INVALID = "MODEL_INVALID"
    LANGUAGE_NOT_SUPPORTED = "LANGUAGE_NOT_SUPPORTED"
    OPTION_NOT_SUPPORTED = "OPTION_NOT_SUPPORTED"
    ENGINE_FAILED = "ENGINE_FAILED"
    LOWER_QUALITY_ENGINE = "LOWER_QUALITY_ENGINE"
    ATTEMPT_FAILED = "ATTEMPT_FAILED"
    MODEL_DOWNLOAD = "MODEL_DOWNLOAD"
    MODEL_DOWNLOAD_FAILED = "MODEL_DOWNLOAD_FAILED"
    BUDGET_SPENT = "BUDGET_SPENT"


@dataclass(frozen=True)
class Problem:
    """An error or a warning as data: kept on a job, sent to a client."""

    reason: Reason
    message: str
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class YtTextError(Exception):
    """An error that a user may see.

    Args:
        reason: why, for programs.
        message: what is wrong and what to do, for people.
        retryable: the same work may succeed later with nothing changed.
        metadata: facts for programs, such as a limit's value.
    """

    def __init__(self, reason: Reason, message: str, *, retryable: bool = False, **metadata: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retryable = retryable
        self.metadata = metadata

    @property
    def problem(self) -> Problem:
        """The error as data."""
        return Problem(self.reason, self.message, MappingProxyType(dict(self.metadata)))


class RequestError(YtTextError):
    """The caller can mend it."""


class IntakeError(YtTextError):
    """A recording cannot be had."""


class MediaError(YtTextError):
    """A recording cannot be decoded."""


class EngineError(YtTextError):
    """An engine cannot do its work."""
