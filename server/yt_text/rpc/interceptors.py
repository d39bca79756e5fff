"""What happens around every call: limits, rules of the contract, errors in one form, a line in the log."""

import asyncio
import logging
import time
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, TypeAlias, cast

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2
from sqlalchemy.exc import OperationalError

from yt_text.errors import Problem, Reason, RequestError, YtTextError
from yt_text.request_id import REQUEST_ID
from yt_text.rpc.client_address import Networks, client_address
from yt_text.rpc.headers import Context
from yt_text.rpc.statuses import CODES, status, trailers

# grpc's own classes take no type arguments when the program runs, only its stubs know them.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"
Around: TypeAlias = "Callable[[Any, Context], AbstractAsyncContextManager[None]]"

OWN = "/yt_text.v1."
"""Methods of our contract begin so; health and reflection pass untouched."""
NEW_WORK = frozenset({"SubmitJob", "BatchSubmitJobs", "SubmitJobJson", "RetryJob", "UploadMedia"})
"""What is refused while the service drains."""
READINESS = "CheckReady"
PROBES = frozenset({"CheckHealth", READINESS})
"""Called every few seconds, and of interest only when they fail."""

MAX_VIOLATIONS = 8
"""So many are named: an error has to fit into the headers of an answer."""

_log = logging.getLogger(__name__)


class ContractError(RequestError):
    """A request breaks rules of the contract."""

    def __init__(self, violations: list[error_details_pb2.BadRequest.FieldViolation]) -> None:
        self.violations = violations[:MAX_VIOLATIONS]
        said = "; ".join(f"{entry.field}: {entry.description}" for entry in self.violations)
        super().__init__(Reason.INVALID_REQUEST, f"The request is not valid. {said}")


def check(request: Message) -> None:
    """Checks a message against the rules declared in the contract. Raises ContractError."""
    # Imported with the first call: it takes a fifth of a second, which a start should not wait for.
    import protovalidate

    found = protovalidate.collect_violations(request)
    if not found:
        return
    violations: list[error_details_pb2.BadRequest.FieldViolation] = []
    for violation in found:
        field = violation.proto.field
        path = ".".join(element.field_name for element in field.elements) if field else ""
        violations.append(
            error_details_pb2.BadRequest.FieldViolation(
                field=path, description=violation.proto.message, reason=violation.proto.rule_id
            )
        )
    raise ContractError(violations)


class Unreadable:
    """Stands for a message that cannot be decoded: grpc's own answer would tell the caller our inner names."""


def _readable(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        try:
            return decode(data)
        except DecodeError:
            return Unreadable()

    return read


def refuse_unreadable(request: object) -> None:
    """Raises RequestError for what could not be decoded."""
    if isinstance(request, Unreadable):
        raise RequestError(Reason.INVALID_REQUEST, "The request cannot be read. Texts in it must be UTF-8.")


class Surrounding(grpc.aio.ServerInterceptor):
    """Does something around every call of our contract, whatever its kind."""

    def around(self, method: str, *, unary: bool) -> "Around":
        """Returns what surrounds calls of a method; `unary`: it takes one message and answers once."""
        raise NotImplementedError

    async def intercept_service(
        self, continuation: "Continuation", handler_call_details: grpc.HandlerCallDetails
    ) -> Any:  # the stubs say that there is always a handler; for an unknown method there is none
        """Wraps the method's handler."""
        handler = await continuation(handler_call_details)
        method: str = handler_call_details.method
        if handler is None or not method.startswith(OWN):
            return handler
        around = self.around(method, unary=not (handler.request_streaming or handler.response_streaming))
        if handler.response_streaming:
            stream = cast(Any, handler.unary_stream)

            async def call_stream(request: Any, context: Context) -> AsyncIterator[Any]:
                async with around(request, context):
                    async for message in stream(request, context):
                        yield message

            call, make = cast(Any, call_stream), grpc.unary_stream_rpc_method_handler
        else:
            single = cast(Any, handler.stream_unary if handler.request_streaming else handler.unary_unary)

            async def call_single(request: Any, context: Context) -> Any:
                async with around(request, context):
                    return await single(request, context)

            call = cast(Any, call_single)
            make = (
                grpc.stream_unary_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_unary_rpc_method_handler
            )
        return make(call, _readable(cast(Any, handler.request_deserializer)), handler.response_serializer)


class Guard(Surrounding):
    """Limits, rules of the contract, and every error in one form.

    Args:
        max_calls: calls at once; probes of health are always answered.
        timeout_s: longest time for a call that takes one message and answers once.
        max_client_streams: streams at once of one client of the gateway.
        trusted_gateways: see `client_address`.
    """

    def __init__(
        self, *, max_calls: int, timeout_s: float, max_client_streams: int = 100, trusted_gateways: Networks = ()
    ) -> None:
        self._max_calls = max_calls
        self._timeout_s = timeout_s
        self._max_client_streams = max_client_streams
        self._trusted_gateways = trusted_gateways
        self._calls = 0
        self._streams: Counter[str] = Counter()
        self._drains = False

    def drain(self) -> None:
        """From now on refuses what brings new work; everything else goes on."""
        self._drains = True

    def around(self, method: str, *, unary: bool) -> "Around":
        """Returns what surrounds calls of a method."""
        timeout_s = self._timeout_s if unary else None
        name = method.rpartition("/")[2]
        needs_readiness = name in NEW_WORK or name == READINESS

        @asynccontextmanager
        async def guarded(request: Any, context: Context) -> AsyncGenerator[None]:
            self._calls += 1
            client = "" if unary else client_address(context, self._trusted_gateways)
            self._streams[client] += 1
            try:
                if self._calls > self._max_calls and name not in PROBES:
                    raise RequestError(Reason.OVERLOADED, "The service has too many calls at once. Try again soon.")
                if client and self._streams[client] > self._max_client_streams:
                    raise RequestError(
                        Reason.RATE_LIMITED,
                        f"You have {self._max_client_streams} streams open, as many as one client may. Close some.",
                    )
                refuse_unreadable(request)
                if self._drains and needs_readiness:
                    raise RequestError(
                        Reason.SHUTTING_DOWN, "The service is about to stop and takes no new work. Try again soon."
                    )
                if isinstance(request, Message):
                    check(request)
                async with asyncio.timeout(timeout_s):
                    yield
            except Exception as error:  # noqa: BLE001 - the edge: whatever it is, its text must not leak
                await _report(context, error)
            finally:
                self._calls -= 1
                self._streams[client] -= 1
                if not self._streams[client]:
                    del self._streams[client]

        return guarded


async def _report(context: Context, error: Exception) -> None:
    """Ends a failed call with a status that says what a caller may know."""
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, YtTextError):
        problem = error.problem
    elif isinstance(error, OperationalError):
        _log.warning("the store does not answer", exc_info=error)
        problem = Problem(Reason.SERVICE_UNREACHABLE, "The store of jobs does not answer. Try again in a moment.")
    elif isinstance(error, TimeoutError):
        problem = Problem(Reason.DEADLINE_EXCEEDED, "The call took too long. Try again.")
    else:
        _log.error("call failed by a fault of the service", exc_info=error)
        problem = Problem(Reason.INTERNAL, "The service failed at this call. It has been noted in its log.")
    value = status(problem, error.violations if isinstance(error, ContractError) else None)
    entries = dict(trailers(value, problem))
    entries.update(context.trailing_metadata() or ())  # what the method itself had to say goes before
    await context.abort(CODES[problem.reason], problem.message, tuple(entries.items()))


class CallLog(Surrounding):
    """Logs each call's method, outcome and time, under an id that is also on whatever it logs meanwhile."""

    def around(self, method: str, *, unary: bool) -> "Around":
        """Returns what surrounds calls of a method."""
        name = method.rpartition("/")[2]

        @asynccontextmanager
        async def logged(_: Any, context: Context) -> AsyncGenerator[None]:
            began = time.monotonic()
            request_id = REQUEST_ID.set(uuid.uuid4().hex[:12])
            outcome = ""
            try:
                yield
            except (asyncio.CancelledError, GeneratorExit):
                outcome = "CANCELLED"
                raise
            finally:
                code: Any = context.code()
                outcome = outcome or getattr(code, "name", "") or "OK"
                elapsed_ms = round((time.monotonic() - began) * 1000, 1)
                quiet = name in PROBES and outcome == "OK"
                _log.log(
                    logging.DEBUG if quiet else logging.INFO,
                    "call",
                    extra={"method": name, "code": outcome, "ms": elapsed_ms},
                )
                with suppress(ValueError):  # a stream that was left is closed in another context
                    REQUEST_ID.reset(request_id)

        return logged
