"""TranscriptionService: each method in a few lines, the work elsewhere."""

import asyncio
import base64
import binascii
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import grpc
from google.protobuf import empty_pb2

from yt_text import spool
from yt_text.engines import catalog
from yt_text.errors import Reason, RequestError
from yt_text.intake.uploads import UploadLimits, UploadWriter
from yt_text.job import Config, Job, JobState
from yt_text.pipeline import Models
from yt_text.queue import JobQueue
from yt_text.rpc import translate
from yt_text.rpc.interceptors import check
from yt_text.store.jobs import Submission
from yt_text.store.media import Media
from yt_text.store.segments import Snapshot
from yt_text.store.store import Store
from yt_text.store.tables import EPOCH
from yt_text.transcript import TextOrigin
from yt_text.v1 import job_pb2, transcript_pb2
from yt_text.v1 import transcription_service_pb2 as pb
from yt_text.v1.transcription_service_pb2_grpc import TranscriptionServiceServicer

# grpc's own class takes no type arguments when the program runs, only its stubs know them.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

Message = TypeVar("Message")

PAGE_SIZE = 50
CANCEL_WAIT_S = 1.0
"""CancelJob answers when the computation has stopped, or after this."""
DELETE_WAIT_S = 10.0
"""How long DeleteJob waits for a job to stop."""


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """Limits of the service; bytes and seconds. `allow_model_paths`: callers may name any file as a model."""

    uploads: UploadLimits
    watch_keepalive_s: float = 15.0
    allow_model_paths: bool = False
    upload_stall_s: float = 60.0


class TranscriptionService(TranscriptionServiceServicer):
    """The public service.

    Args:
        store: jobs, segments, uploads.
        queue: told of new work.
        media_dir: where uploads go.
        models: for ListEngines and for refusing what no engine here can do.
        url_check: returns a URL tidied, or raises for one that intake would refuse.
    """

    def __init__(
        self,
        store: Store,
        queue: JobQueue,
        *,
        media_dir: Path,
        models: Models,
        url_check: Callable[[str], str],
        limits: ServiceLimits,
    ) -> None:
        self._store = store
        self._queue = queue
        self._media_dir = media_dir
        self._models = models
        self._check_url = url_check
        self._limits = limits

    async def SubmitJob(self, request: pb.SubmitJobRequest, context: "Context") -> job_pb2.Job:
        """Stores a job and puts it in the queue."""
        return translate.job_message(await self._submit(request))

    async def _submit(self, request: pb.SubmitJobRequest) -> Job:
        config = translate.config_value(request.config)
        if not self._limits.allow_model_paths and not _is_name(config.model):
            raise RequestError(Reason.INVALID_REQUEST, "config.model must be the name of a model, not a path.")
        _refuse_what_is_not_offered(request, config)
        # What no engine here can do is said at once, not when the job's turn comes.
        await asyncio.to_thread(catalog.choose, config, self._models.directory, self._models.default)
        url = self._check_url(request.url) if request.url else ""
        submission = Submission(
            config=config,
            url=url,
            media_id=request.media_id,
            request_id=request.request_id or None,
            priority=request.priority,
        )
        job, _ = await self._store.jobs.submit(submission)
        # Also for a call that is made again: the first may have been cut off before this line.
        if not job.state.ended:
            await self._queue.put(job.id, priority=job.priority)
        return job

    async def BatchSubmitJobs(
        self, request: pb.BatchSubmitJobsRequest, context: "Context"
    ) -> pb.BatchSubmitJobsResponse:
        """Not offered yet."""
        raise RequestError(Reason.NOT_IMPLEMENTED, "Batches are not offered yet. Submit each recording by itself.")

    async def GetJob(self, request: pb.GetJobRequest, context: "Context") -> job_pb2.Job:
        """Returns a job as it is now."""
        return translate.job_message(await self._store.jobs.get(request.job_id))

    async def ListJobs(self, request: pb.ListJobsRequest, context: "Context") -> pb.ListJobsResponse:
        """Returns a page of jobs, newest first."""
        size = request.page_size or PAGE_SIZE
        jobs = await self._store.jobs.list(
            limit=size + 1,
            states=[translate.STATE_OF[number] for number in request.states],
            before=_page_start(request.page_token),
        )
        return pb.ListJobsResponse(
            jobs=[translate.job_message(job) for job in jobs[:size]],
            next_page_token=_page_token(jobs[size - 1]) if len(jobs) > size else "",
        )

    async def WatchJob(self, request: pb.WatchJobRequest, context: "Context") -> AsyncIterator[pb.WatchJobResponse]:
        """Sends the job and its new segments now and after every change, until it has ended."""
        async for snapshot in self.watch(request.job_id, request.start_segment_index):
            yield watch_message(snapshot)

    async def watch(self, job_id: str, start: int) -> AsyncIterator[Snapshot]:
        """Yields the job as it is, then after every change and when nothing changed for a while.

        By level: subscribe, read, send, wait, read again. A slow client skips states and misses no segment.
        """
        with self._store.changes.subscribe(job_id) as changes:
            while True:
                snapshot = await self._store.snapshots.read(job_id, start)
                yield snapshot
                start = max(start, snapshot.next_start)
                if not snapshot.whole:
                    continue
                if snapshot.job.state.ended:
                    return
                await changes.wait(self._limits.watch_keepalive_s)

    async def GetResult(self, request: pb.GetResultRequest, context: "Context") -> transcript_pb2.Transcript:
        """Returns a transcript."""
        job = await self._store.jobs.get(request.job_id)
        if job.state is not JobState.SUCCEEDED and not request.allow_partial:
            advice = "Watch it until it has ended." if not job.state.ended else "Retry it, or ask for what is there."
            raise RequestError(
                Reason.RESULT_NOT_READY,
                f"The transcript is not there: the job is {job.state.value}. {advice}",
                state=job.state.value,
            )
        segments = await self._store.segments.read(job.id, limit=job.segment_count)
        # Ten hours with word times take most of a second: not on the event loop.
        return await asyncio.to_thread(lambda: translate.transcript_message(translate.transcript_value(job, segments)))

    async def CancelJob(self, request: pb.CancelJobRequest, context: "Context") -> job_pb2.Job:
        """Stops a job; waits a moment for its computation to be over."""
        return translate.job_message(await self._cancel(request.job_id, CANCEL_WAIT_S))

    async def _cancel(self, job_id: str, wait_s: float) -> Job:
        with self._store.changes.subscribe(job_id) as changes:
            job = await self._store.jobs.cancel(job_id)
            while not job.state.ended and await changes.wait(wait_s):
                job = await self._store.jobs.get(job_id)
        return job

    async def RetryJob(self, request: pb.RetryJobRequest, context: "Context") -> job_pb2.Job:
        """Puts a failed or cancelled job back in the queue."""
        job = await self._store.jobs.retry(request.job_id)
        await self._queue.put_again(job.id, priority=job.priority)
        return translate.job_message(job)

    async def DeleteJob(self, request: pb.DeleteJobRequest, context: "Context") -> empty_pb2.Empty:
        """Removes a job, its segments, and its recording if no other job has it."""
        await self._cancel(request.job_id, DELETE_WAIT_S)
        job, orphaned = await self._store.jobs.delete(request.job_id)
        for name in (job.id, job.media_id) if orphaned else (job.id,):
            await asyncio.to_thread(spool.remove, self._media_dir / name)
        return empty_pb2.Empty()

    async def UploadMedia(self, request_iterator: AsyncIterator[pb.UploadMediaRequest], context: "Context") -> pb.Media:
        """Stores a recording; refuses one that is shorter or longer than it says."""
        messages = _in_time(request_iterator, self._limits.upload_stall_s)
        first = await anext(messages, None)
        if first is None or not first.filename:
            raise RequestError(Reason.INVALID_REQUEST, "The first message must give the filename and size_bytes.")
        check(first)
        if not first.size_bytes:
            # Without it an upload that was cut off would look complete.
            raise RequestError(Reason.RECORDING_EMPTY, "The file is empty, or size_bytes was not given. Send both.")
        media_id = str(uuid.uuid4())
        async with UploadWriter(self._media_dir / media_id, first.size_bytes, self._limits.uploads) as upload:
            await upload.write(first.content.data)
            async for message in messages:
                await upload.write(message.content.data)
            stored = await upload.finish()
        media = Media(media_id, _shown_name(first.filename), stored.size_bytes, stored.sha256)
        await self._store.media.add(media)
        return translate.media_message(media)

    async def ListEngines(self, request: pb.ListEnginesRequest, context: "Context") -> pb.ListEnginesResponse:
        """Returns the engines, in the order in which `auto` tries them."""
        engines = await asyncio.to_thread(catalog.list_engines, self._models.directory)
        return pb.ListEnginesResponse(engines=[translate.engine_message(engine) for engine in engines])


def watch_message(snapshot: Snapshot) -> pb.WatchJobResponse:
    """A snapshot as WatchJob sends it."""
    segments = enumerate(snapshot.segments, snapshot.start)
    return pb.WatchJobResponse(
        job=translate.job_message(snapshot.job),
        segments=[translate.segment_message(index, segment) for index, segment in segments],
    )


def _refuse_what_is_not_offered(request: pb.SubmitJobRequest, config: Config) -> None:
    asked = {
        "captions (text_origin)": config.text_origin is not TextOrigin.SPEECH,
        "telling speakers apart (enable_diarization)": config.diarization,
        "webhooks (webhook_url)": bool(request.webhook_url),
    }
    for name, wanted in asked.items():
        if wanted:
            raise RequestError(Reason.NOT_IMPLEMENTED, f"This service does not offer {name} yet. Leave it out.")


async def _in_time(messages: AsyncIterator[Message], stall_s: float) -> AsyncGenerator[Message]:
    """Yields messages; raises when none comes for so long."""
    iterator = aiter(messages)
    while True:
        try:
            async with asyncio.timeout(stall_s):
                message = await anext(iterator, None)
        except TimeoutError:
            raise RequestError(
                Reason.UPLOAD_INCOMPLETE, "Nothing came for too long. Check the connection and send the file again."
            ) from None
        if message is None:
            return
        yield message


def _is_name(model: str) -> bool:
    return not model.startswith(".") and not set(model) & set("/\\")


def _shown_name(filename: str) -> str:
    """The last part of what may be a path, without control characters: for showing only."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in name if char.isprintable()).strip() or "recording"


def _page_token(job: Job) -> str:
    microseconds = (job.create_time - EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{microseconds} {job.id}".encode()).decode()


def _page_start(token: str) -> tuple[datetime, str] | None:
    if not token:
        return None
    try:
        microseconds, job_id = base64.urlsafe_b64decode(token.encode()).decode().split()
        return EPOCH + timedelta(microseconds=int(microseconds)), job_id
    except (binascii.Error, ValueError, OverflowError):
        raise RequestError(
            Reason.INVALID_REQUEST,
            "page_token is not one that this service gave. Leave it empty to start over.",
        ) from None
