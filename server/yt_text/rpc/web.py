"""WebService: the same service in the forms that HTTP needs. Behind the gateway only."""

import asyncio
from collections.abc import AsyncIterator

from google.api.httpbody_pb2 import HttpBody
from sqlalchemy.exc import SQLAlchemyError

from yt_text.errors import Reason, RequestError
from yt_text.formats import FORMATS
from yt_text.job import JobState
from yt_text.rpc import events, headers, media_content, submit_json
from yt_text.rpc.file_name import content_disposition
from yt_text.rpc.headers import NO_STORE, Context
from yt_text.rpc.interceptors import check
from yt_text.rpc.transcription import TranscriptionService
from yt_text.rpc.watching import OncePerSnapshot
from yt_text.store.segments import Snapshot
from yt_text.v1 import job_pb2
from yt_text.v1 import web_service_pb2 as pb
from yt_text.v1.web_service_pb2_grpc import WebServiceServicer

PIECE_BYTES = 64 << 10
STORE_TIMEOUT_S = 2.0


class WebService(WebServiceServicer):
    """The views for HTTP.

    Args:
        service: does the work.
    """

    def __init__(self, service: TranscriptionService) -> None:
        self._service = service
        self._updates = OncePerSnapshot(self._update)

    async def SubmitJobJson(self, request: pb.SubmitJobJsonRequest, context: Context) -> job_pb2.Job:
        """Stores a job and puts it in the queue; refuses fields that it does not know."""
        if not submit_json.is_json(request.content.content_type):
            context.set_trailing_metadata(((headers.HTTP_STATUS, "415"),))
        submission = submit_json.read(request.content.data, request.content.content_type)
        check(submission)
        job = await self._service.SubmitJob(submission, context)
        await headers.send(context, ("location", f"/api/jobs/{job.id}"), status=202)
        return job

    async def StreamJobEvents(self, request: pb.StreamJobEventsRequest, context: Context) -> AsyncIterator[HttpBody]:
        """Sends what WatchJob sends, as server-sent events."""
        start, ended = events.read_last_id(headers.read(context, "last-event-id")) or (
            request.start_segment_index,
            False,
        )
        if ended and await self._is_over(request.job_id, start):
            await headers.send(context, NO_STORE, status=204)
            # Names the type: the gateway would take nothing for JSON, and compressed nothing is a byte.
            yield events.NOTHING
            return
        before: Snapshot | None = None
        async for snapshot in self._service.watch(request.job_id, start):
            if before is None:
                await headers.send(context, NO_STORE)
                yield events.BEGIN
            yield await self._updates.of(snapshot) if events.is_news(before, snapshot) else events.HEARTBEAT
            before = snapshot
        if before:
            yield events.end(before.next_start)

    async def _is_over(self, job_id: str, seen: int) -> bool:
        """Tells whether a watcher who saw a job's end, and so many segments, has all there is."""
        job = await self._service.store.jobs.get(job_id)
        return job.state.ended and job.segment_count == seen

    async def ExportTranscript(self, request: pb.ExportTranscriptRequest, context: Context) -> AsyncIterator[HttpBody]:
        """Returns a transcript as a file."""
        job, transcript = await self._service.transcript(request.job_id)
        form = FORMATS[request.format]
        # Ten hours take a second or two.
        text = await asyncio.to_thread(lambda: form.render(transcript).encode())
        name = content_disposition(job, form.extension, inline=request.inline)
        await headers.send(context, ("content-disposition", name), NO_STORE)
        # An empty file is a piece too: it says what it is.
        for begin in range(0, len(text) or 1, PIECE_BYTES):
            yield HttpBody(content_type=form.media_type, data=text[begin : begin + PIECE_BYTES])

    async def GetMediaContent(self, request: pb.GetMediaContentRequest, context: Context) -> AsyncIterator[HttpBody]:
        """Returns a recording, or the part of it that `Range` asks for."""
        job = await self._service.store.jobs.get(request.job_id)
        async for piece in media_content.send(job, self._service.recordings, context):
            yield piece

    async def CheckHealth(self, request: pb.CheckHealthRequest, context: Context) -> pb.Health:
        """Answers while the process lives."""
        return pb.Health(status="ok")

    async def CheckReady(self, request: pb.CheckReadyRequest, context: Context) -> pb.Health:
        """Answers while new jobs are taken. Draining is the guard's business, see `interceptors`."""
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await self._service.store.jobs.list(limit=1, states=[JobState.RUNNING])
        except (TimeoutError, SQLAlchemyError):
            raise RequestError(
                Reason.SERVICE_UNREACHABLE, "The store of jobs does not answer. Try again in a moment.", retryable=True
            ) from None
        return pb.Health(status="ok")

    def _update(self, snapshot: Snapshot) -> HttpBody:
        return events.update(self._service.watch_message(snapshot), snapshot)
