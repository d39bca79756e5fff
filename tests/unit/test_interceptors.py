"""What every call gets: errors in one form, nothing leaked, limits, rules."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from yt_text.errors import EngineError, Reason
from yt_text.rpc.interceptors import CallLog, Guard
from yt_text.v1 import job_pb2
from yt_text.v1 import transcription_service_pb2 as pb
from yt_text.v1.transcription_service_pb2_grpc import (
    TranscriptionServiceServicer,
    TranscriptionServiceStub,
    add_TranscriptionServiceServicer_to_server,
)

SECRET = "secret at /home/user/data"
JOB_ID = "00000000-0000-4000-8000-000000000000"


class Failing(TranscriptionServiceServicer):
    """Fails in every way a method can."""

    async def GetJob(self, request: Any, context: Any) -> Any:
        raise RuntimeError(SECRET)

    async def CancelJob(self, request: Any, context: Any) -> Any:
        raise EngineError(Reason.ENGINE_FAILED, "The engine failed.", chunk="3")

    async def RetryJob(self, request: Any, context: Any) -> Any:
        await asyncio.sleep(60)

    async def WatchJob(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield pb.WatchJobResponse(job=job_pb2.Job(id=request.job_id))
        raise RuntimeError(SECRET)

    async def ListJobs(self, request: Any, context: Any) -> Any:
        return pb.ListJobsResponse()


@asynccontextmanager
async def serving(**values: Any) -> AsyncGenerator[Any]:
    limits: dict[str, Any] = {"max_calls": 100, "timeout_s": 30.0, **values}
    guard = Guard(**limits)
    server = grpc.aio.server(interceptors=[CallLog(), guard])
    add_TranscriptionServiceServicer_to_server(cast(Any, Failing)(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield TranscriptionServiceStub(channel)
    finally:
        await server.stop(0)


async def failed(call: Any) -> tuple[grpc.aio.AioRpcError, error_details_pb2.ErrorInfo]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status: Any = rpc_status.from_call(cast(Any, caught.value))
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    return caught.value, info


async def test_an_unexpected_error_says_nothing_of_itself() -> None:
    async with serving() as stub:
        error, info = await failed(stub.GetJob(pb.GetJobRequest(job_id=JOB_ID)))
    assert (error.code(), info.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert SECRET not in str(error)


async def test_an_unexpected_error_in_a_stream_says_nothing_of_itself() -> None:
    async with serving() as stub:
        call = stub.WatchJob(pb.WatchJobRequest(job_id=JOB_ID))
        assert (await call.read()).job.id == JOB_ID
        error, info = await failed(call.read())
    assert (error.code(), info.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert SECRET not in str(error)


async def test_an_error_of_ours_keeps_its_reason_and_facts() -> None:
    async with serving() as stub:
        error, info = await failed(stub.CancelJob(pb.CancelJobRequest(job_id=JOB_ID)))
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "The engine failed.")
    assert (info.reason, info.domain, dict(info.metadata)) == ("ENGINE_FAILED", "yt-text", {"chunk": "3"})


async def test_a_method_without_an_implementation_is_unimplemented() -> None:
    async with serving() as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListEngines(pb.ListEnginesRequest())
    assert caught.value.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL)


async def test_a_call_that_takes_too_long_is_ended() -> None:
    async with serving(timeout_s=0.1) as stub:
        error, info = await failed(stub.RetryJob(pb.RetryJobRequest(job_id=JOB_ID)))
    assert (error.code(), info.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")


async def test_calls_beyond_the_limit_are_refused_and_the_limit_frees_itself() -> None:
    async with serving(max_calls=1, timeout_s=0.5) as stub:
        held = stub.RetryJob(pb.RetryJobRequest(job_id=JOB_ID))
        await asyncio.sleep(0.2)
        error, info = await failed(stub.ListJobs(pb.ListJobsRequest()))
        assert (error.code(), info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        await failed(held)
        await stub.ListJobs(pb.ListJobsRequest())


async def test_a_rule_of_the_contract_is_checked_before_the_method() -> None:
    async with serving() as stub:
        error, info = await failed(stub.GetJob(pb.GetJobRequest(job_id="x")))
    assert (error.code(), info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
