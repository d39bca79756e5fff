import asyncio
import pickle
import socket
import time
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status as StatusPb

from clients.python.tests.scripted import ScriptedServer, status, until
from clients.python.tests.wire import wired
from yt_text.v1 import job_pb2
from yt_text_client import (
    Client,
    DeadlineExceeded,
    Internal,
    Job,
    JobFailed,
    NotAllowed,
    NotFound,
    NotReady,
    RequestError,
    ResourceExhausted,
    RpcStatus,
    Unavailable,
    YtTextError,
    read_problem,
)


async def test_a_missing_job_is_not_found_with_reason_message_and_facts(client: Client) -> None:
    with pytest.raises(NotFound) as caught:
        await client.get_job("6f2d6f0e-0000-4000-8000-000000000000")
    error = caught.value
    assert (error.reason, error.code) == ("JOB_NOT_FOUND", "NOT_FOUND")
    assert str(error) == error.message == "There is no such job."
    assert error.metadata == {"job_id": "6f2d6f0e-0000-4000-8000-000000000000"}
    assert error.retry_after_s is None


async def test_a_result_that_is_not_there_yet_is_not_ready(client: Client, server: ScriptedServer) -> None:
    with pytest.raises(NotReady) as caught:
        await client.get_result(server.service.add_job())
    assert caught.value.reason == "RESULT_NOT_READY"


async def test_a_broken_rule_names_the_fields(client: Client, server: ScriptedServer) -> None:
    rules = error_details_pb2.BadRequest()
    rules.field_violations.add(field="config.model", description="too long")
    rules.field_violations.add(field="priority", description="must be at most 10")
    server.service.errors["SubmitJob"].append(
        status(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "The request breaks a rule.", rules)
    )
    with pytest.raises(RequestError) as caught:
        await client.submit("https://example.com/a")
    assert [(each.field, each.description) for each in caught.value.field_violations] == [
        ("config.model", "too long"),
        ("priority", "must be at most 10"),
    ]


async def test_a_full_queue_says_when_to_come_back_and_is_not_asked_again(
    client: Client, server: ScriptedServer
) -> None:
    pause = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000))
    server.service.errors["SubmitJob"].append(
        status(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "Too many jobs wait.", pause)
    )
    with pytest.raises(ResourceExhausted) as caught:
        await client.submit("https://example.com/a")
    assert (caught.value.reason, caught.value.retry_after_s) == ("QUEUE_FULL", 2.5)
    assert len(server.service.called("SubmitJob")) == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, RequestError),
        (grpc.StatusCode.OUT_OF_RANGE, RequestError),
        (grpc.StatusCode.FAILED_PRECONDITION, RequestError),
        (grpc.StatusCode.ALREADY_EXISTS, RequestError),
        (grpc.StatusCode.UNIMPLEMENTED, RequestError),
        (grpc.StatusCode.NOT_FOUND, NotFound),
        (grpc.StatusCode.UNAUTHENTICATED, NotAllowed),
        (grpc.StatusCode.PERMISSION_DENIED, NotAllowed),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ResourceExhausted),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
        (grpc.StatusCode.INTERNAL, Internal),
        (grpc.StatusCode.UNKNOWN, Internal),
        (grpc.StatusCode.DATA_LOSS, Internal),
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.ABORTED, Unavailable),
    ],
)
async def test_every_code_has_its_class_whatever_the_reason(
    server: ScriptedServer, code: grpc.StatusCode, kind: type[YtTextError]
) -> None:
    async with Client(server.target) as client:
        server.service.errors["DeleteJob"].append(status(code, "SOMETHING_NEW", "What to do."))
        with pytest.raises(kind) as caught:
            await client.delete("x")
        assert type(caught.value) is kind
        assert (caught.value.reason, caught.value.code) == ("SOMETHING_NEW", code.name)
        assert caught.value.message == "What to do."


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
async def test_an_error_that_is_not_the_services_own_gets_our_words(
    client: Client, server: ScriptedServer, code: grpc.StatusCode
) -> None:
    server.service.errors["DeleteJob"].append(StatusPb(code=code.value[0], message="upstream 10.0.0.7 gone"))
    with pytest.raises(YtTextError) as caught:
        await client.delete("x")
    assert "10.0.0.7" not in caught.value.message
    assert len(caught.value.message) > 20
    assert caught.value.reason
    assert caught.value.code == code.name


async def test_details_of_another_domain_and_unknown_kinds_are_passed_over(
    client: Client, server: ScriptedServer
) -> None:
    made = status(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND", "There is no such job.")
    foreign = error_details_pb2.ErrorInfo(reason="OTHER", domain="elsewhere.example")
    made.details.add().Pack(foreign)
    made.details.add(type_url="type.googleapis.com/nobody.knows.This", value=b"\x01\x02")
    server.service.errors["GetJob"].append(made)
    with pytest.raises(NotFound) as caught:
        await client.get_job("x")
    assert caught.value.reason == "JOB_NOT_FOUND"


async def test_nothing_listening_is_told_at_once_with_the_address() -> None:
    with socket.socket() as bound:  # bound but not listening: nobody else can take the port
        bound.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{bound.getsockname()[1]}"
        async with asyncio.timeout(25), Client(target, timeout_s=30) as client:
            with pytest.raises(Unavailable, match=target) as caught:
                await client.list_engines()
    assert (caught.value.reason, caught.value.code) == ("SERVICE_UNREACHABLE", "UNAVAILABLE")


async def test_a_watch_that_never_reached_the_service_does_not_wait_long(tmp_path: Path) -> None:
    async with asyncio.timeout(25), Client(f"unix:{tmp_path}/none.sock", contact_timeout_s=3600) as client:
        with pytest.raises(Unavailable, match=r"Nothing answers at unix:"):
            async for _ in client.watch("x"):
                pass


async def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    async with Client("no-such-host.invalid:50051") as client:
        with pytest.raises(Unavailable, match="no-such-host"):
            await client.list_engines()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x00" * 64])
async def test_a_server_of_another_kind_is_unavailable(answer: bytes) -> None:
    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listener, Client(f"127.0.0.1:{listener.sockets[0].getsockname()[1]}") as client:
        with pytest.raises(Unavailable, match="broke, or no gRPC server"):
            await client.list_engines()


async def test_a_submit_is_repeated_under_one_id_while_the_service_restarts(
    client: Client, server: ScriptedServer
) -> None:
    busy = status(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", "The service is stopping.")
    server.service.errors["SubmitJob"] += [busy, busy]
    await client.submit("https://example.com/a")
    requests = server.service.called("SubmitJob")
    assert len(requests) == 3
    assert len({request.request_id for request in requests}) == 1
    assert len(server.service.jobs) == 1


async def test_a_retry_of_a_job_is_never_repeated(client: Client, server: ScriptedServer) -> None:
    server.service.errors["RetryJob"].append(status(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", "Stopping."))
    with pytest.raises(Unavailable) as caught:
        await client.retry(server.service.add_job())
    assert caught.value.reason == "SHUTTING_DOWN"
    assert len(server.service.called("RetryJob")) == 1


async def test_a_longer_pause_than_patience_is_told_instead_of_waited(client: Client, server: ScriptedServer) -> None:
    pause = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=600))
    server.service.errors["GetJob"].append(status(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", "Stopping.", pause))
    async with asyncio.timeout(60):
        with pytest.raises(Unavailable) as caught:
            await client.get_job("x")
    assert caught.value.retry_after_s == 600


async def test_the_deadline_ends_a_call_and_reaches_the_server(server: ScriptedServer) -> None:
    server.service.delay_s = 600
    async with Client(server.target, timeout_s=0.3) as client:
        with pytest.raises(DeadlineExceeded) as caught:
            await client.list_engines()
        assert caught.value.reason == "DEADLINE_EXCEEDED"
        server.service.delay_s = 0
        async with asyncio.timeout(60):
            while not await _answers(client):
                pass


async def _answers(client: Client) -> bool:
    try:
        return bool(await client.list_engines())
    except DeadlineExceeded:  # this machine may be slower than the client's deadline
        return False


async def test_after_a_silent_connection_the_next_call_uses_a_new_one(server: ScriptedServer) -> None:
    async with wired(server) as wire, Client(f"127.0.0.1:{wire.port}", timeout_s=2) as client:
        async with asyncio.timeout(60):
            while not await _answers(client):
                pass
        wire.freeze()
        with pytest.raises(DeadlineExceeded):
            await client.list_engines()
        async with asyncio.timeout(60):
            while not await _answers(client):
                pass
        assert wire.accepted >= 2


async def test_a_deadline_leaves_the_callers_own_timeouts_intact(server: ScriptedServer) -> None:
    server.service.delay_s = 600
    async with Client(server.target, timeout_s=0.2) as client:
        task = asyncio.current_task()
        assert task is not None
        with pytest.raises(TimeoutError):
            await _deadline_within_a_timeout(client)
        assert task.cancelling() == 0


async def _deadline_within_a_timeout(client: Client) -> None:
    async with asyncio.timeout(2):
        with pytest.raises(DeadlineExceeded):
            await client.list_engines()
        await asyncio.sleep(600)


async def test_a_cancelled_call_is_cancelled(server: ScriptedServer) -> None:
    server.service.delay_s = 600
    async with Client(server.target) as client:
        task = asyncio.create_task(client.list_engines())
        await until(lambda: bool(server.service.calls))
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - started < 60


def test_a_jobs_error_and_warnings_can_be_read() -> None:
    sent = job_pb2.Job(state=job_pb2.JOB_STATE_FAILED)
    sent.error.CopyFrom(status(grpc.StatusCode.FAILED_PRECONDITION, "GEO_BLOCKED", "Not shown here.", site="x"))
    sent.warnings.append(status(grpc.StatusCode.OK, "RECORDING_TRUNCATED", "It ends early."))
    job = Job.parse(sent.SerializeToString())
    assert job.error is not None
    problem = read_problem(job.error)
    assert (problem.reason, problem.message, problem.metadata) == ("GEO_BLOCKED", "Not shown here.", {"site": "x"})
    assert [read_problem(each).reason for each in job.warnings] == ["RECORDING_TRUNCATED"]
    assert read_problem(RpcStatus(message="bare")).reason == ""
    failed = JobFailed(job)
    assert (failed.reason, str(failed), failed.job) == ("GEO_BLOCKED", "Not shown here.", job)


def test_errors_can_be_sent_to_another_process() -> None:
    error = NotFound("JOB_NOT_FOUND", "There is no such job.", "NOT_FOUND", metadata={"a": "b"})
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is NotFound
    assert (copy.reason, str(copy), copy.metadata) == (error.reason, str(error), error.metadata)
