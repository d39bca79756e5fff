# ruff: noqa: N802 - the methods are named and documented by the contract
"""A small gRPC server that keeps the contract and obeys a test."""

import asyncio
import hashlib
import tempfile
import uuid
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from yt_text.v1 import job_pb2, transcript_pb2, transcription_service_pb2, transcription_service_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]
ENDED = (job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED)


def segment(index: int) -> transcript_pb2.Segment:
    """A segment of one second that says its own number."""
    made = transcript_pb2.Segment(index=index, text=f"segment {index}")
    made.start_offset.FromMilliseconds(index * 1000)
    made.end_offset.FromMilliseconds(index * 1000 + 990)
    return made


def status(code: grpc.StatusCode, reason: str, message: str, *details: Any, **metadata: str) -> status_pb2.Status:
    """An error as the service sends it."""
    info = error_details_pb2.ErrorInfo(reason=reason, domain="yt-text", metadata=metadata)
    made = status_pb2.Status(code=code.value[0], message=message)
    for detail in (info, *details):
        packed = AnyMessage()
        packed.Pack(detail)
        made.details.append(packed)
    return made


async def until(true: Callable[[], bool]) -> None:
    """Waits until something has become true."""
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


class ScriptedService(transcription_service_pb2_grpc.TranscriptionServiceServicer):
    """Jobs in memory, which only the test moves forward."""

    def __init__(self) -> None:
        self.jobs: dict[str, job_pb2.Job] = {}
        self.segments: dict[str, list[transcript_pb2.Segment]] = defaultdict(list)
        self.by_request_id: dict[str, str] = {}
        self.media: dict[str, bytes] = {}
        self.calls: list[tuple[str, Any, dict[str, str]]] = []
        self.errors: dict[str, deque[status_pb2.Status]] = defaultdict(deque)
        self.segments_at_once: int | None = None
        self.error_at_once: status_pb2.Status | None = None
        self.delay_s = 0.0
        self.watching = 0
        self.end_watch_after_first_message = False
        self.upload_limit_bytes = 1 << 30
        self.take_upload = asyncio.Event()
        self.take_upload.set()
        self._changed = asyncio.Condition()

    def add_job(self, segments: int = 0) -> str:
        """Adds a running job that has some segments."""
        job = job_pb2.Job(id=str(uuid.uuid4()), state=job_pb2.JOB_STATE_RUNNING)
        self.jobs[job.id] = job
        self.segments[job.id] = [segment(index) for index in range(segments)]
        job.segment_count = segments
        return job.id

    async def advance(self, job_id: str, segments: int = 0, state: int | None = None) -> None:
        """Commits more segments and changes the state."""
        job, said = self.jobs[job_id], self.segments[job_id]
        said += [segment(index) for index in range(len(said), len(said) + segments)]
        job.segment_count = len(said)
        if state is not None:
            job.state = job_pb2.JobState.ValueType(state)
        async with self._changed:
            self._changed.notify_all()

    async def _end_at_once(self, job_id: str, segments: int) -> None:
        job = self.jobs[job_id]
        if self.error_at_once is not None:
            job.error.CopyFrom(self.error_at_once)
            await self.advance(job_id, segments, job_pb2.JOB_STATE_FAILED)
        else:
            job.progress.percent = 100
            await self.advance(job_id, segments, job_pb2.JOB_STATE_SUCCEEDED)

    async def until_watched(self, watchers: int = 1) -> None:
        """Waits until so many calls watch."""
        await until(lambda: self.watching == watchers)

    async def _enter(self, name: str, request: Any, context: Context) -> None:
        metadata = {str(key): str(value) for key, value in context.invocation_metadata() or ()}
        self.calls.append((name, request, metadata))
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.errors[name]:
            await context.abort_with_status(rpc_status.to_status(self.errors[name].popleft()))

    async def _job(self, job_id: str, context: Context) -> job_pb2.Job:
        if job_id not in self.jobs:
            error = status(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND", "There is no such job.", job_id=job_id)
            await context.abort_with_status(rpc_status.to_status(error))
        return self.jobs[job_id]

    async def SubmitJob(self, request: Any, context: Context) -> job_pb2.Job:
        await self._enter("SubmitJob", request, context)
        if request.request_id not in self.by_request_id:
            job_id = self.by_request_id[request.request_id] = self.add_job()
            self.jobs[job_id].url, self.jobs[job_id].media_id = request.url, request.media_id
            self.jobs[job_id].config.CopyFrom(request.config)
            self.jobs[job_id].priority = request.priority
            if self.segments_at_once is not None:
                await self._end_at_once(job_id, self.segments_at_once)
        return self.jobs[self.by_request_id[request.request_id]]

    async def BatchSubmitJobs(self, request: Any, context: Context) -> Any:
        error = status(grpc.StatusCode.UNIMPLEMENTED, "NOT_IMPLEMENTED", "Not offered here.")
        await context.abort_with_status(rpc_status.to_status(error))

    async def GetJob(self, request: Any, context: Context) -> job_pb2.Job:
        await self._enter("GetJob", request, context)
        return await self._job(request.job_id, context)

    async def ListJobs(self, request: Any, context: Context) -> Any:
        await self._enter("ListJobs", request, context)
        jobs = [job for job in self.jobs.values() if not request.states or job.state in request.states]
        first = int(request.page_token or 0)
        end = first + request.page_size
        return transcription_service_pb2.ListJobsResponse(
            jobs=jobs[first:end], next_page_token=str(end) if end < len(jobs) else ""
        )

    async def WatchJob(self, request: Any, context: Context) -> AsyncIterator[Any]:
        await self._enter("WatchJob", request, context)
        job = await self._job(request.job_id, context)
        following = request.start_segment_index
        self.watching += 1
        try:
            while True:
                said = self.segments[job.id][following:]
                following += len(said)
                ended = job.state in ENDED
                yield transcription_service_pb2.WatchJobResponse(job=job, segments=said)
                if ended or self.end_watch_after_first_message:
                    return
                async with self._changed:
                    if following == len(self.segments[job.id]) and job.state not in ENDED:
                        await self._changed.wait()
        finally:
            self.watching -= 1

    async def GetResult(self, request: Any, context: Context) -> transcript_pb2.Transcript:
        await self._enter("GetResult", request, context)
        job = await self._job(request.job_id, context)
        if job.state != job_pb2.JOB_STATE_SUCCEEDED and not request.allow_partial:
            error = status(grpc.StatusCode.FAILED_PRECONDITION, "RESULT_NOT_READY", "Not there yet; watch the job.")
            await context.abort_with_status(rpc_status.to_status(error))
        said = self.segments[job.id]
        text = " ".join(each.text for each in said)
        return transcript_pb2.Transcript(job_id=job.id, segments=said, text=text, word_count=len(text.split()))

    async def CancelJob(self, request: Any, context: Context) -> job_pb2.Job:
        await self._enter("CancelJob", request, context)
        job = await self._job(request.job_id, context)
        if job.state not in ENDED:
            await self.advance(job.id, state=job_pb2.JOB_STATE_CANCELLED)
        return job

    async def RetryJob(self, request: Any, context: Context) -> job_pb2.Job:
        await self._enter("RetryJob", request, context)
        job = await self._job(request.job_id, context)
        await self.advance(job.id, state=job_pb2.JOB_STATE_QUEUED)
        return job

    async def DeleteJob(self, request: Any, context: Context) -> Empty:
        await self._enter("DeleteJob", request, context)
        del self.jobs[(await self._job(request.job_id, context)).id]
        return Empty()

    async def UploadMedia(self, request_iterator: AsyncIterator[Any], context: Context) -> Any:
        content, filename, size_bytes, messages = bytearray(), "", 0, 0
        async for request in request_iterator:
            if not messages:
                await self._enter("UploadMedia", request, context)
                filename, size_bytes = request.filename, request.size_bytes
            messages += 1
            content += request.content.data
            if len(content) > self.upload_limit_bytes:
                error = status(grpc.StatusCode.RESOURCE_EXHAUSTED, "UPLOAD_TOO_LARGE", "Too large.")
                await context.abort_with_status(rpc_status.to_status(error))
            await self.take_upload.wait()
        if len(content) != size_bytes:
            error = status(grpc.StatusCode.INVALID_ARGUMENT, "UPLOAD_INCOMPLETE", "The upload ended early.")
            await context.abort_with_status(rpc_status.to_status(error))
        media_id = str(uuid.uuid4())
        self.media[media_id] = bytes(content)
        return transcription_service_pb2.Media(
            id=media_id, filename=filename, size_bytes=size_bytes, sha256=hashlib.sha256(content).hexdigest()
        )

    async def ListEngines(self, request: Any, context: Context) -> Any:
        await self._enter("ListEngines", request, context)
        return transcription_service_pb2.ListEnginesResponse(
            engines=[transcription_service_pb2.Engine(name="whisper.cpp", available=True, models=["base-q5_1"])]
        )

    def called(self, name: str) -> list[Any]:
        """The requests of every call of that name."""
        return [request for called, request, _ in self.calls if called == name]


class ScriptedServer:
    """Serves a ScriptedService on a Unix socket; can stop and come back at the same place."""

    def __init__(self, folder: Path, credentials: grpc.ServerCredentials | None = None) -> None:
        self.service = ScriptedService()
        self.socket = folder / "grpc.sock"
        self.target = f"unix:{self.socket}"
        self.port = 0
        self._credentials = credentials
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Starts to listen; on a free TCP port too, with TLS if there are credentials."""
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        transcription_service_pb2_grpc.add_TranscriptionServiceServicer_to_server(self.service, self._server)
        self._server.add_insecure_port(self.target)
        if self._credentials is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self._server.add_secure_port("127.0.0.1:0", self._credentials)
        await self._server.start()

    async def stop(self, grace_s: float = 0.0) -> None:
        """Stops; calls that run are broken off after `grace_s`."""
        if self._server is not None:
            await self._server.stop(grace_s)
            self._server = None


@asynccontextmanager
async def serving(credentials: grpc.ServerCredentials | None = None) -> AsyncGenerator[ScriptedServer]:
    """A server that listens, in a folder of its own: a socket's path has to be short."""
    with tempfile.TemporaryDirectory(prefix="yt-text-") as folder:
        server = ScriptedServer(Path(folder), credentials)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


def indexes(batches: Iterable[Any]) -> list[int]:
    """The segments' numbers in a watch's messages, in order."""
    return [each.index for batch in batches for each in batch.segments]
