"""The doors of the service, each a way in that users have, with one face: JSON as REST gives it.

Every door gives the same values for the same job, and raises `RefusedError` with the same reason.
"""

import asyncio
import base64
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import grpc
import httpx
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tests.service import settings
from yt_text.app import App
from yt_text.gateway.config import DESCRIPTORS
from yt_text.settings import Settings
from yt_text.v1 import transcription_service_pb2 as pb
from yt_text.v1.transcription_service_pb2_grpc import TranscriptionServiceStub

Json = dict[str, Any]
BUF = Path(sys.executable).with_name("buf")
METHODS: Mapping[str, tuple[type[Message], str]] = {
    "submit": (pb.SubmitJobRequest, "SubmitJob"),
    "job": (pb.GetJobRequest, "GetJob"),
    "jobs": (pb.ListJobsRequest, "ListJobs"),
    "result": (pb.GetResultRequest, "GetResult"),
    "cancel": (pb.CancelJobRequest, "CancelJob"),
    "retry": (pb.RetryJobRequest, "RetryJob"),
    "delete": (pb.DeleteJobRequest, "DeleteJob"),
    "engines": (pb.ListEnginesRequest, "ListEngines"),
}


@dataclass
class RefusedError(Exception):
    """A call was refused: gRPC's code, and the reason of its `ErrorInfo`."""

    code: int
    reason: str
    message: str


class Door(Protocol):
    """A way in."""

    async def call(self, name: str, **fields: Any) -> Json:
        """Makes the call of that name in `METHODS`; fields in camelCase. Raises RefusedError."""
        ...

    def watch(self, job_id: str, start: int = 0) -> AsyncIterator[Json]:
        """Yields WatchJobResponses. Raises RefusedError."""
        ...

    async def upload(self, path: Path) -> Json:
        """Uploads a file. Raises RefusedError."""
        ...


def read_status(status: Json) -> RefusedError:
    """A google.rpc.Status in JSON."""
    infos = [entry for entry in status.get("details", []) if entry["@type"].endswith("google.rpc.ErrorInfo")]
    assert infos, f"an error has a reason: {status}"
    assert infos[0]["domain"] == "yt-text"
    return RefusedError(status["code"], infos[0]["reason"], status["message"])


def as_json(message: Message) -> Json:
    """A message as REST gives it."""
    return MessageToDict(message, always_print_fields_with_no_presence=True)


class GrpcDoor:
    """Native gRPC with the generated stubs."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: Any = TranscriptionServiceStub(channel)

    async def call(self, name: str, **fields: Any) -> Json:
        request, method = METHODS[name]
        try:
            return as_json(await getattr(self._stub, method)(ParseDict(fields, request())))
        except grpc.aio.AioRpcError as error:
            raise refusal(error) from None

    async def watch(self, job_id: str, start: int = 0) -> AsyncIterator[Json]:
        try:
            async for message in self._stub.WatchJob(pb.WatchJobRequest(job_id=job_id, start_segment_index=start)):
                yield as_json(message)
        except grpc.aio.AioRpcError as error:
            raise refusal(error) from None

    async def upload(self, path: Path) -> Json:
        content = path.read_bytes()

        async def messages() -> AsyncGenerator[pb.UploadMediaRequest]:
            for start in range(0, len(content), 64 << 10):
                message = pb.UploadMediaRequest()
                if start == 0:
                    message.filename, message.size_bytes = path.name, len(content)
                message.content.data = content[start : start + (64 << 10)]
                yield message

        try:
            return as_json(await self._stub.UploadMedia(messages()))
        except grpc.aio.AioRpcError as error:
            raise refusal(error) from None


def refusal(error: grpc.aio.AioRpcError) -> RefusedError:
    """What a gRPC error says."""
    status = cast("status_pb2.Status | None", rpc_status.from_call(cast(Any, error)))
    assert status is not None, f"an error has details: {error}"
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return RefusedError(status.code, info.reason, status.message)


class RestDoor:
    """REST through the gateway; watches by NDJSON, or by server-sent events."""

    def __init__(self, http: httpx.AsyncClient, *, events: bool) -> None:
        self._http = http
        self._events = events

    async def call(self, name: str, **fields: Any) -> Json:
        job = f"/api/jobs/{fields.pop('jobId', '')}"
        match name:
            case "submit":
                answer = await self._http.post("/api/transcribe", json=fields)
            case "jobs" | "engines":
                answer = await self._http.get(f"/api/{name}", params=fields)
            case "job" | "result":
                answer = await self._http.get(job + ("/result" if name == "result" else ""), params=fields)
            case "delete":
                answer = await self._http.delete(job)
            case _:
                answer = await self._http.post(f"{job}:{name}")
        return read_answer(answer)

    async def watch(self, job_id: str, start: int = 0) -> AsyncIterator[Json]:
        path = f"/api/jobs/{job_id}/events{'' if self._events else '.ndjson'}"
        async with self._http.stream("GET", path, params={"startSegmentIndex": start}) as answer:
            if not answer.is_success:
                await answer.aread()
                read_answer(answer)
            kind = ""
            async for line in answer.aiter_lines():
                if not self._events:
                    yield json.loads(line)
                elif line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: ") and kind == "update":
                    yield json.loads(line.removeprefix("data: "))

    async def upload(self, path: Path) -> Json:
        return read_answer(await self._http.post(f"/api/media/{path.name}", content=path.read_bytes()))


def read_answer(answer: httpx.Response) -> Json:
    """What REST answered. Raises RefusedError."""
    assert answer.headers["content-type"] == "application/json", answer.text
    if answer.is_success:
        return answer.json()
    raise read_status(answer.json())


class GrpcWebDoor:
    """gRPC-Web through the gateway, spoken by buf, which nobody here wrote."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def call(self, name: str, **fields: Any) -> Json:
        return (await self._curl(METHODS[name][1], fields))[0]

    async def watch(self, job_id: str, start: int = 0) -> AsyncIterator[Json]:
        for message in await self._curl("WatchJob", {"jobId": job_id, "startSegmentIndex": start}):
            yield message

    async def upload(self, path: Path) -> Json:
        raise NotImplementedError("gRPC-Web streams in one direction only")

    async def _curl(self, method: str, request: Json) -> list[Json]:
        process = await asyncio.create_subprocess_exec(
            *(BUF, "curl", "--protocol", "grpcweb", "--emit-defaults", "--schema", DESCRIPTORS, "--data"),
            *(json.dumps(request), f"http://{self._address}/yt_text.v1.TranscriptionService/{method}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, said = await process.communicate()
        if process.returncode:
            failed = json.loads(said)
            info = error_details_pb2.ErrorInfo()
            kinds = [entry for entry in failed.get("details", []) if entry["type"] == info.DESCRIPTOR.full_name]
            assert kinds, f"an error has a reason: {failed}"
            info.ParseFromString(base64.b64decode(kinds[0]["value"] + "=="))
            code = grpc.StatusCode[failed["code"].upper()].value[0]
            raise RefusedError(code, info.reason, failed["message"])
        decoder, text, found = json.JSONDecoder(), out.decode().strip(), list[Json]()
        while text:
            message, end = decoder.raw_decode(text)
            found.append(message)
            text = text[end:].strip()
        return found


NAMES = ("grpc", "grpc-gateway", "rest-ndjson", "rest-events", "grpc-web")


@asynccontextmanager
async def open_door(name: str, app: App) -> AsyncGenerator[Door]:
    """Opens the door of that name in `NAMES`."""
    async with AsyncExitStack() as stack:
        match name:
            case "grpc" | "grpc-gateway":
                address = app.address if name == "grpc" else app.http_address
                yield GrpcDoor(await stack.enter_async_context(grpc.aio.insecure_channel(address)))
            case "grpc-web":
                yield GrpcWebDoor(app.http_address)
            case _:
                http = httpx.AsyncClient(base_url=f"http://{app.http_address}", timeout=60)
                yield RestDoor(await stack.enter_async_context(http), events=name == "rest-events")


def open_settings(folder: Path, **values: Any) -> Settings:
    """Settings of a service with a gateway that lets one client do much: the tests' own pace is no concern here."""
    return settings(folder, **{"gateway": True, "submits_per_minute": 1_000, "max_jobs_per_client": 0, **values})
