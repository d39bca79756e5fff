"""Errors to gRPC statuses: the one table, used at the edge only."""

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from yt_text.errors import Problem, Reason
from yt_text.rpc.headers import HTTP_STATUS

DOMAIN = "yt-text"
RETRY_AFTER_S = 5
"""What a caller is told to wait when it is not known better."""

Code = grpc.StatusCode

CODES: dict[Reason, grpc.StatusCode] = {
    Reason.INVALID_REQUEST: Code.INVALID_ARGUMENT,
    Reason.JOB_NOT_FOUND: Code.NOT_FOUND,
    Reason.MEDIA_NOT_FOUND: Code.NOT_FOUND,
    Reason.RESULT_NOT_READY: Code.FAILED_PRECONDITION,
    Reason.JOB_NOT_RETRYABLE: Code.FAILED_PRECONDITION,
    Reason.REQUEST_ID_REUSED: Code.ALREADY_EXISTS,
    Reason.QUEUE_FULL: Code.RESOURCE_EXHAUSTED,
    Reason.UPLOAD_INCOMPLETE: Code.INVALID_ARGUMENT,
    Reason.UPLOAD_TOO_LARGE: Code.INVALID_ARGUMENT,
    Reason.DISK_FULL: Code.RESOURCE_EXHAUSTED,
    Reason.SHUTTING_DOWN: Code.UNAVAILABLE,
    Reason.NOT_IMPLEMENTED: Code.UNIMPLEMENTED,
    Reason.DEADLINE_EXCEEDED: Code.DEADLINE_EXCEEDED,
    Reason.INTERNAL: Code.INTERNAL,
    Reason.OVERLOADED: Code.RESOURCE_EXHAUSTED,
    Reason.RATE_LIMITED: Code.RESOURCE_EXHAUSTED,
    Reason.TOO_MANY_JOBS: Code.RESOURCE_EXHAUSTED,
    Reason.PATH_NOT_FOUND: Code.NOT_FOUND,
    Reason.REQUEST_TOO_LARGE: Code.INVALID_ARGUMENT,
    Reason.SERVICE_UNREACHABLE: Code.UNAVAILABLE,
    Reason.MEDIA_NOT_KEPT: Code.NOT_FOUND,
    Reason.ORIGIN_NOT_ALLOWED: Code.PERMISSION_DENIED,
    Reason.URL_INVALID: Code.INVALID_ARGUMENT,
    Reason.ADDRESS_NOT_ALLOWED: Code.PERMISSION_DENIED,
    Reason.NO_MEDIA_FOUND: Code.NOT_FOUND,
    Reason.PLAYLIST_NOT_SUPPORTED: Code.INVALID_ARGUMENT,
    Reason.LIVE_NOT_SUPPORTED: Code.FAILED_PRECONDITION,
    Reason.LOGIN_REQUIRED: Code.PERMISSION_DENIED,
    Reason.BOT_CHECK: Code.PERMISSION_DENIED,
    Reason.GEO_BLOCKED: Code.PERMISSION_DENIED,
    Reason.DRM_PROTECTED: Code.PERMISSION_DENIED,
    Reason.ACCESS_DENIED: Code.PERMISSION_DENIED,
    Reason.RECORDING_GONE: Code.NOT_FOUND,
    Reason.SITE_RATE_LIMITED: Code.UNAVAILABLE,
    Reason.SITE_ERROR: Code.UNAVAILABLE,
    Reason.SITE_UNREACHABLE: Code.UNAVAILABLE,
    Reason.EXTRACTOR_FAILED: Code.INTERNAL,
    Reason.FETCH_FAILED: Code.INTERNAL,
    Reason.NO_CAPTIONS: Code.NOT_FOUND,
    Reason.CAPTIONS_UNREADABLE: Code.INTERNAL,
    Reason.RECORDING_TOO_LARGE: Code.OUT_OF_RANGE,
    Reason.RECORDING_TOO_LONG: Code.OUT_OF_RANGE,
    Reason.RECORDING_EMPTY: Code.INVALID_ARGUMENT,
    Reason.MEDIA_UNREADABLE: Code.INVALID_ARGUMENT,
    Reason.NO_AUDIO_TRACK: Code.INVALID_ARGUMENT,
    Reason.DECODE_FAILED: Code.INTERNAL,
    Reason.RECORDING_TRUNCATED: Code.DATA_LOSS,
    Reason.RECORDING_DAMAGED: Code.DATA_LOSS,
    Reason.NO_SPEECH: Code.OK,
    Reason.ENGINE_UNKNOWN: Code.INVALID_ARGUMENT,
    Reason.ENGINE_UNAVAILABLE: Code.FAILED_PRECONDITION,
    Reason.MODEL_NOT_FOUND: Code.FAILED_PRECONDITION,
    Reason.MODEL_INVALID: Code.FAILED_PRECONDITION,
    Reason.LANGUAGE_NOT_SUPPORTED: Code.INVALID_ARGUMENT,
    Reason.OPTION_NOT_SUPPORTED: Code.INVALID_ARGUMENT,
    Reason.ENGINE_FAILED: Code.INTERNAL,
    Reason.LOWER_QUALITY_ENGINE: Code.OK,
    Reason.ATTEMPT_FAILED: Code.UNAVAILABLE,
    Reason.MODEL_DOWNLOAD: Code.OK,
    Reason.MODEL_DOWNLOAD_FAILED: Code.UNAVAILABLE,
    Reason.BUDGET_SPENT: Code.RESOURCE_EXHAUSTED,
}

BUSY = frozenset(
    {
        Reason.QUEUE_FULL,
        Reason.OVERLOADED,
        Reason.SHUTTING_DOWN,
        Reason.RATE_LIMITED,
        Reason.TOO_MANY_JOBS,
        Reason.SERVICE_UNREACHABLE,
    }
)
"""Reasons that come with `RetryInfo`."""

HTTP_STATUSES: dict[Reason, int] = {
    Reason.RESULT_NOT_READY: 409,
    Reason.JOB_NOT_RETRYABLE: 409,
    Reason.UPLOAD_TOO_LARGE: 413,
    Reason.REQUEST_TOO_LARGE: 413,
    Reason.DISK_FULL: 507,
    # 429 would say that this client asked too often.
    Reason.QUEUE_FULL: 503,
    Reason.OVERLOADED: 503,
}
"""What HTTP should say where the usual status for the code would mislead; for refused calls only."""


def status(
    problem: Problem, violations: list[error_details_pb2.BadRequest.FieldViolation] | None = None
) -> status_pb2.Status:
    """Returns an error or warning as the contract has it, with its `ErrorInfo`.

    Args:
        violations: the fields that break a rule, for `BadRequest`.
    """
    details = [_packed(error_details_pb2.ErrorInfo(
        reason=problem.reason.value, domain=DOMAIN, metadata=dict(problem.metadata)
    ))]  # fmt: skip
    if violations:
        details.append(_packed(error_details_pb2.BadRequest(field_violations=violations)))
    if problem.reason in BUSY:
        delay = duration_pb2.Duration(seconds=RETRY_AFTER_S)
        details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    code: int = CODES[problem.reason].value[0]
    return status_pb2.Status(code=code, message=problem.message, details=details)


def trailers(value: status_pb2.Status, problem: Problem) -> tuple[tuple[str, str | bytes], ...]:
    """Returns the trailing metadata of a failed call.

    `abort_with_status` would drop `retry-after`, which the gateway turns into an HTTP header.
    """
    entries: list[tuple[str, str | bytes]] = [("grpc-status-details-bin", value.SerializeToString())]
    if problem.reason in BUSY:
        entries.append(("retry-after", str(RETRY_AFTER_S)))
    if problem.reason in HTTP_STATUSES:
        entries.append((HTTP_STATUS, str(HTTP_STATUSES[problem.reason])))
    return tuple(entries)


def _packed(
    message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
