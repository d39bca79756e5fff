"""TranscriptionService: each method in a few lines, the work elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import empty_pb2

from yt_text import spool
from yt_text.engine_choice import Models
from yt_text.errors import Reason, RequestError
from yt_text.intake.uploads import UploadLimits
from yt_text.job import Config, Job, JobState
from yt_text.queue import JobQueue
from yt_text.rpc import headers, translate, uploading, watching
from yt_text.rpc.client_address import Networks, client_address
from yt_text.rpc.headers import Context
from yt_text.rpc.paging import page_start, page_token
from yt_text.rpc.recordings import Recordings
from yt_text.rpc.watching import OncePerSnapshot
from yt_text.store.jobs import Submission
from yt_text.store.segments import Snapshot
from yt_text.store.store import Store
from yt_text.transcript import TextOrigin, Transcript
from yt_text.v1 import job_pb2, transcript_pb2
from yt_text.v1 import transcription_service_pb2 as pb
from yt_text.v1.transcription_service_pb2_grpc import TranscriptionServiceServicer

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
        keep_fetched: what was fetched is kept after the job has succeeded.
        trusted_gateways: networks whose word on who their client is counts; on a Unix socket it always does.
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
        keep_fetched: bool = False,
        trusted_gateways: Networks = (),
    ) -> None:
        self.store = store
        """Jobs, segments, uploads."""
        self.recordings = Recordings(media_dir, keep_fetched=keep_fetched)
        """The bytes of recordings."""
        self._watch_messages = OncePerSnapshot(self.watch_message)
        self._queue = queue
        self._media_dir = media_dir
        self._models = models
        self._check_url = url_check
        self._limits = limits
        self._trusted_gateways = trusted_gateways

    async def SubmitJob(self, request: pb.SubmitJobRequest, context: Context) -> job_pb2.Job:
        """Stores a job and puts it in the queue."""
        config = translate.config_value(request.config)
        if not self._limits.allow_model_paths and not _is_name(config.model):
            raise RequestError(Reason.INVALID_REQUEST, "config.model must be the name of a model, not a path.")
        _refuse_what_is_not_offered(request, config)
        if config.text_origin is not TextOrigin.CAPTIONS:
            # What no engine here can do is said at once, not when the job's turn comes.
            await asyncio.to_thread(self._models.choose, config)
        url = self._check_url(request.url) if request.url else ""
        submission = Submission(
            config=config,
            url=url,
            media_id=request.media_id,
            request_id=request.request_id or None,
            priority=request.priority,
            client=client_address(context, self._trusted_gateways),
        )
        job, _ = await self.store.jobs.submit(submission)
        # Also for a call that is made again: the first may have been cut off before this line.
        if not job.state.ended:
            await self._queue.put(job.id, priority=job.priority)
        return self._job_message(job)

    async def BatchSubmitJobs(self, request: pb.BatchSubmitJobsRequest, context: Context) -> pb.BatchSubmitJobsResponse:
        """Not offered yet."""
        raise RequestError(Reason.NOT_IMPLEMENTED, "Batches are not offered yet. Submit each recording by itself.")

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> job_pb2.Job:
        """Returns a job as it is now."""
        return self._job_message(await self.store.jobs.get(request.job_id))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        """Returns a page of jobs, newest first."""
        size = request.page_size or PAGE_SIZE
        jobs = await self.store.jobs.list(
            limit=size + 1,
            states=[translate.STATE_OF[number] for number in request.states],
            before=page_start(request.page_token),
        )
        return pb.ListJobsResponse(
            jobs=await asyncio.to_thread(lambda: [self._job_message(job) for job in jobs[:size]]),
            next_page_token=page_token(jobs[size - 1]) if len(jobs) > size else "",
        )

    async def WatchJob(self, request: pb.WatchJobRequest, context: Context) -> AsyncIterator[pb.WatchJobResponse]:
        """Sends the job and its new segments now and after every change, until it has ended."""
        async for snapshot in self.watch(request.job_id, request.start_segment_index):
            yield await self._watch_messages.of(snapshot)

    def watch(self, job_id: str, start: int) -> AsyncIterator[Snapshot]:
        """Yields the job now, after every change, and when nothing changed for a while; see `watching`."""
        return watching.watch(self.store, job_id, start, keepalive_s=self._limits.watch_keepalive_s)

    def watch_message(self, snapshot: Snapshot) -> pb.WatchJobResponse:
        """Returns a snapshot as WatchJob sends it. Reads a few bytes from the disk."""
        segments = enumerate(snapshot.segments, snapshot.start)
        return pb.WatchJobResponse(
            job=self._job_message(snapshot.job),
            segments=[translate.segment_message(index, segment) for index, segment in segments],
        )

    async def GetResult(self, request: pb.GetResultRequest, context: Context) -> transcript_pb2.Transcript:
        """Returns a transcript."""
        _, transcript = await self.transcript(request.job_id, allow_partial=request.allow_partial)
        # Ten hours with word times take most of a second: not on the event loop.
        return await asyncio.to_thread(translate.transcript_message, transcript)

    async def transcript(self, job_id: str, *, allow_partial: bool = False) -> tuple[Job, Transcript]:
        """Returns a job and its transcript, or what is there of it.

        Raises:
            RequestError: `JOB_NOT_FOUND`; `RESULT_NOT_READY` if the job has not succeeded.
        """
        job = await self.store.jobs.get(job_id)
        if job.state is not JobState.SUCCEEDED and not allow_partial:
            advice = "Watch it until it has ended." if not job.state.ended else "Retry it, or ask for what is there."
            raise RequestError(
                Reason.RESULT_NOT_READY,
                f"The transcript is not there: the job is {job.state.value}. {advice}",
                state=job.state.value,
            )
        segments = await self.store.segments.read(job.id, limit=job.segment_count)
        return job, translate.transcript_value(job, segments)

    async def CancelJob(self, request: pb.CancelJobRequest, context: Context) -> job_pb2.Job:
        """Stops a job; waits a moment for its computation to be over."""
        return self._job_message(await self._cancel(request.job_id, CANCEL_WAIT_S))

    async def _cancel(self, job_id: str, wait_s: float) -> Job:
        with self.store.changes.subscribe(job_id) as changes:
            job = await self.store.jobs.cancel(job_id)
            while not job.state.ended and await changes.wait(wait_s):
                job = await self.store.jobs.get(job_id)
        return job

    async def RetryJob(self, request: pb.RetryJobRequest, context: Context) -> job_pb2.Job:
        """Puts a failed or cancelled job back in the queue."""
        job = await self.store.jobs.retry(request.job_id)
        await self._queue.put_again(job.id, priority=job.priority)
        return self._job_message(job)

    async def DeleteJob(self, request: pb.DeleteJobRequest, context: Context) -> empty_pb2.Empty:
        """Removes a job, its segments, and its recording if no other job has it."""
        await self._cancel(request.job_id, DELETE_WAIT_S)
        job, orphaned = await self.store.jobs.delete(request.job_id)
        for name in (job.id, job.media_id) if orphaned else (job.id,):
            await asyncio.to_thread(spool.remove, self._media_dir / name)
        return empty_pb2.Empty()

    async def UploadMedia(self, request_iterator: AsyncIterator[pb.UploadMediaRequest], context: Context) -> pb.Media:
        """Stores a recording; refuses one that is shorter or longer than it says."""
        media = await uploading.receive(
            request_iterator,
            headers.read(context, uploading.LENGTH_HEADER),
            self._media_dir,
            limits=self._limits.uploads,
            stall_s=self._limits.upload_stall_s,
        )
        await self.store.media.add(media)
        await headers.send(context, status=201)
        return translate.media_message(media)

    async def ListEngines(self, request: pb.ListEnginesRequest, context: Context) -> pb.ListEnginesResponse:
        """Returns the engines, in the order in which `auto` tries them."""
        engines = await asyncio.to_thread(self._models.list_engines)
        return pb.ListEnginesResponse(engines=[translate.engine_message(engine) for engine in engines])

    def _job_message(self, job: Job) -> job_pb2.Job:
        return translate.job_message(job, media_available=self.recordings.find(job) is not None)


def _refuse_what_is_not_offered(request: pb.SubmitJobRequest, config: Config) -> None:
    if config.text_origin is not TextOrigin.SPEECH and config.translate:
        raise RequestError(
            Reason.OPTION_NOT_SUPPORTED, "Captions are not translated. Ask for the text of the speech (text_origin)."
        )
    if config.text_origin is TextOrigin.CAPTIONS and not request.url:
        raise RequestError(Reason.OPTION_NOT_SUPPORTED, "Only a site has captions; an upload is transcribed by ear.")
    asked = {
        "telling speakers apart (enable_diarization)": config.diarization,
        "webhooks (webhook_url)": bool(request.webhook_url),
    }
    for name, wanted in asked.items():
        if wanted:
            raise RequestError(Reason.NOT_IMPLEMENTED, f"This service does not offer {name} yet. Leave it out.")


def _is_name(model: str) -> bool:
    return not model.startswith(".") and not set(model) & set("/\\")
