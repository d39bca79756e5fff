"""What can go wrong in a call.

    YtTextError                 every error of this package
    ├── RequestError            the caller can mend it: a wrong value, a step that is not possible now
    │   ├── NotFound            there is no such job or upload
    │   ├── NotReady            the transcript is not there yet
    │   └── NotAllowed          the API key is missing, wrong, or not good for this
    ├── ResourceExhausted       the service has no room now: too many jobs or calls, a full disk
    ├── Unavailable             the service cannot be reached, or is stopping
    ├── DeadlineExceeded        the answer did not come in time
    ├── Internal                a fault of the service
    ├── JobFailed               `transcribe` only: the job ended by an error
    └── JobCancelled            `transcribe` only: somebody cancelled the job

`reason` is for programs: a name of `ErrorReason` without its prefix, or `SERVICE_UNREACHABLE`, which only
this package uses. Treat a reason that you do not know by the error's class.
"""

# ruff: noqa: N818 - the classes are named like the gRPC codes and states that they stand for

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import h2.exceptions
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2  # grpclib decodes only details whose module was imported
from grpclib.const import Status
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError

from yt_text_client.models import Job, RpcStatus

DOMAIN = "yt-text"
UNREACHABLE = "SERVICE_UNREACHABLE"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A field of a request that breaks a rule, such as `config.engine`, and the rule."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Problem:
    """An error or a warning of a job: `reason` for programs, `message` for people, facts in `metadata`."""

    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


class YtTextError(Exception):
    """An error of a call.

    Attributes:
        reason: why, for programs.
        message: what is wrong and what to do, for people.
        code: the gRPC code's name, such as `NOT_FOUND`.
        retry_after_s: how long the service asks to wait before the same call; None if it does not say.
        field_violations: the fields of the request that break a rule.
        metadata: facts for programs, such as a limit's value.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        code: str = "UNKNOWN",
        retry_after_s: float | None = None,
        field_violations: tuple[FieldViolation, ...] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason, message, code, retry_after_s, field_violations, metadata)
        self.reason = reason
        self.message = message
        self.code = code
        self.retry_after_s = retry_after_s
        self.field_violations = field_violations
        self.metadata: Mapping[str, str] = metadata or {}

    def __str__(self) -> str:
        return self.message


class RequestError(YtTextError):
    """The caller can mend it."""


class NotFound(RequestError):
    """There is no such job or upload."""


class NotReady(RequestError):
    """The transcript is not there yet; watch the job."""


class NotAllowed(RequestError):
    """The API key is missing, wrong, or not good for this."""


class ResourceExhausted(YtTextError):
    """The service has no room now; `retry_after_s` says when to come back, if it is known."""


class Unavailable(YtTextError):
    """The service cannot be reached, or is stopping. The same call may succeed later.

    When a connection breaks, the service may have done the work all the same.
    """


class DeadlineExceeded(YtTextError):
    """The answer did not come in time. The service may have done the work all the same."""


class Internal(YtTextError):
    """A fault of the service."""


class JobFailed(YtTextError):
    """The job ended by an error, whose reason and message these are. `job` is the job."""

    def __init__(self, job: Job) -> None:
        problem = read_problem(job.error or RpcStatus())
        super().__init__(
            problem.reason,
            problem.message or "The job failed.",
            "FAILED_PRECONDITION",
            metadata=problem.metadata,
        )
        self.job = job
        self.args = (job,)


class JobCancelled(YtTextError):
    """The job was cancelled. `job` is the job."""

    def __init__(self, job: Job) -> None:
        super().__init__("JOB_CANCELLED", "The job was cancelled; retry it to go on.", "CANCELLED")
        self.job = job
        self.args = (job,)


_CLASSES: dict[Status, type[YtTextError]] = {
    Status.INVALID_ARGUMENT: RequestError,
    Status.OUT_OF_RANGE: RequestError,
    Status.FAILED_PRECONDITION: RequestError,
    Status.ALREADY_EXISTS: RequestError,
    Status.UNIMPLEMENTED: RequestError,
    Status.NOT_FOUND: NotFound,
    Status.UNAUTHENTICATED: NotAllowed,
    Status.PERMISSION_DENIED: NotAllowed,
    Status.RESOURCE_EXHAUSTED: ResourceExhausted,
    Status.UNAVAILABLE: Unavailable,
    Status.ABORTED: Unavailable,
    Status.CANCELLED: Unavailable,  # the service broke the call off; our own cancelling never comes here
    Status.DEADLINE_EXCEEDED: DeadlineExceeded,
}
_CLASSES_BY_REASON: dict[str, type[YtTextError]] = {"RESULT_NOT_READY": NotReady}

# For an answer without our ErrorInfo: it comes from something on the way, whose text means nothing to a user.
_FOREIGN: dict[Status, tuple[str, str]] = {
    Status.UNIMPLEMENTED: (
        "NOT_IMPLEMENTED",
        "The server does not offer this call. Check the address, and the versions of client and server.",
    ),
    Status.UNAUTHENTICATED: ("UNAUTHENTICATED", "The server wants an API key. Check the one that you gave."),
    Status.PERMISSION_DENIED: ("PERMISSION_DENIED", "This API key is not good for this call."),
    Status.RESOURCE_EXHAUSTED: (
        "OVERLOADED",
        "Too much at once, or a message too large. Wait and try again.",
    ),
    Status.DEADLINE_EXCEEDED: ("DEADLINE_EXCEEDED", "The answer did not come in time."),
    Status.UNAVAILABLE: (UNREACHABLE, "The service cannot be reached now. Try again in a moment."),
    Status.CANCELLED: (UNREACHABLE, "The service broke off the call. Try again in a moment."),
    Status.ABORTED: (UNREACHABLE, "The service broke off the call. Try again in a moment."),
}
# grpclib and the stub assert that an answer has come whole when its connection ends.
_CUT = (StreamTerminatedError, ProtocolError, h2.exceptions.H2Error, AssertionError)
TRANSPORT_ERRORS = (GRPCError, TimeoutError, DecodeError, OSError, *_CUT)
"""All that grpclib raises when a call fails."""


def translate(error: Exception, target: str) -> YtTextError:
    """Returns our error for one of `TRANSPORT_ERRORS`. `target` is the address as the user gave it."""
    if isinstance(error, GRPCError):
        return _from_status(error)
    if isinstance(error, TimeoutError) and error.errno is None:  # with a number it comes from the network
        return DeadlineExceeded(
            "DEADLINE_EXCEEDED",
            "The answer did not come in time. Try again, or allow more time.",
            "DEADLINE_EXCEEDED",
        )
    if isinstance(error, DecodeError):
        return Internal("INTERNAL", "The answer cannot be read. Check that client and server are of one version.")
    if isinstance(error, ssl.SSLError):
        message = f"No secure connection to {target}. Check `tls` and the server's certificate."
    elif isinstance(error, _CUT):
        message = f"The connection to {target} broke, or no gRPC server answers there."
    else:
        message = f"Nothing answers at {target}. Check the address, and that the service runs."
    return Unavailable(UNREACHABLE, message, "UNAVAILABLE")


def _from_status(error: GRPCError) -> YtTextError:
    details: Iterable[object] = error.details or ()
    info = error_details_pb2.ErrorInfo()
    retry_after_s: float | None = None
    violations: list[FieldViolation] = []
    for detail in details:
        match detail:
            case error_details_pb2.ErrorInfo(domain=domain) if domain == DOMAIN:
                info = detail
            case error_details_pb2.RetryInfo():
                retry_after_s = max(0.0, detail.retry_delay.ToTimedelta().total_seconds())
            case error_details_pb2.BadRequest():
                violations += [FieldViolation(each.field, each.description) for each in detail.field_violations]
            case _:
                pass
    reason, message = info.reason, error.message or ""
    if not reason:
        reason, message = _FOREIGN.get(
            error.status,
            ("INTERNAL", "The service failed. Try again; if it happens again, its log has more."),
        )
    kind = _CLASSES_BY_REASON.get(reason) or _CLASSES.get(error.status, Internal)
    return kind(reason, message, error.status.name, retry_after_s, tuple(violations), dict(info.metadata))


def read_problem(status: RpcStatus) -> Problem:
    """Returns a job's `error`, or one of its `warnings`, with its reason taken out of the details."""
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.type_url.endswith("/google.rpc.ErrorInfo"):
            info.ParseFromString(detail.value)
            break
    return Problem(info.reason, status.message, dict(info.metadata))
