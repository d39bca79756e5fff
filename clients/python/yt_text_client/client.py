"""The client."""

import ssl
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO, Self

from yt_text_client.connection import Connection
from yt_text_client.errors import Internal, JobCancelled, JobFailed, RequestError
from yt_text_client.models import (
    CancelJobRequest,
    DeleteJobRequest,
    Engine,
    GetJobRequest,
    GetResultRequest,
    Job,
    JobState,
    ListEnginesRequest,
    ListJobsRequest,
    Media,
    RetryJobRequest,
    Segment,
    SubmitJobRequest,
    Transcript,
    TranscriptionConfig,
    WatchJobResponse,
)
from yt_text_client.result import get_result
from yt_text_client.upload import open_file, upload
from yt_text_client.watch import watch


class Client:
    """Talks to a yt-text service. For use in `async with`, from one event loop.

    Calls that may safely be made twice are made again for a second while the service is unavailable.

    Args:
        target: `host:port` or `unix:/path`.
        tls: True for the system's certificates, or a context of your own (with ALPN protocol `h2`).
        api_key: sent with every call.
        timeout_s: longest wait for an answer. An upload is given up when nothing moves for so long.
        contact_timeout_s: how long a watch looks for a service that went away.
        silence_timeout_s: a watch that hears nothing for so long connects again. The service speaks at least
            every 15 s, so three times as long means a dead connection.

    Whatever goes wrong in a call is a `YtTextError`, one of the classes in `yt_text_client.errors`.
    """

    def __init__(
        self,
        target: str = "127.0.0.1:50051",
        *,
        tls: bool | ssl.SSLContext = False,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        contact_timeout_s: float = 60.0,
        silence_timeout_s: float = 45.0,
    ) -> None:
        if min(timeout_s, contact_timeout_s, silence_timeout_s) <= 0:
            raise RequestError("INVALID_REQUEST", "A timeout has to be above 0 seconds.", "INVALID_ARGUMENT")
        self._connection = Connection(target, tls=tls, api_key=api_key)
        self._timeout_s = timeout_s
        self._contact_timeout_s = contact_timeout_s
        self._silence_timeout_s = silence_timeout_s

    async def __aenter__(self) -> Self:
        self._connection.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._connection.close()

    async def submit(
        self,
        source: str | Media,
        config: TranscriptionConfig | None = None,
        *,
        request_id: str | None = None,
        priority: int = 0,
        skip_cache: bool = False,
        webhook_url: str = "",
    ) -> Job:
        """Submits a recording, a URL or an upload, and returns its job.

        Args:
            source: a URL, or what `upload` returned.
            config: how to transcribe; the service fills in what is left out.
            request_id: a UUID; the same one again returns the same job. Made here if absent.
            priority: higher runs earlier, in [-10, 10].
            skip_cache: transcribes even if the same was transcribed before.
            webhook_url: where the service reports the job's end.
        """
        request = SubmitJobRequest(
            url=source if isinstance(source, str) else None,
            media_id=None if isinstance(source, str) else source.id,
            config=config,
            request_id=request_id or str(uuid.uuid4()),
            priority=priority,
            skip_cache=skip_cache,
            webhook_url=webhook_url,
        )
        return await self._connection.call(lambda stub: stub.submit_job(request, timeout=self._timeout_s))

    async def get_job(self, job_id: str) -> Job:
        """Returns a job as it is now."""
        request = GetJobRequest(job_id=job_id)
        return await self._connection.call(lambda stub: stub.get_job(request, timeout=self._timeout_s))

    async def jobs(self, states: Iterable[JobState] = (), page_size: int = 50) -> AsyncGenerator[Job, None]:
        """Yields jobs, newest first; only those in `states` if there are any. `page_size` is in [1, 200]."""
        request = ListJobsRequest(states=list(states), page_size=page_size)
        while True:
            page = await self._connection.call(lambda stub: stub.list_jobs(request, timeout=self._timeout_s))
            for job in page.jobs:
                yield job
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def watch(
        self, job_id: str, start_segment_index: int = 0, *, contact_timeout_s: float | None = None
    ) -> AsyncGenerator[WatchJobResponse, None]:
        """Yields the job now and after every change, with the segments that are new, up to its end.

        Connects again by itself; each segment from `start_segment_index` comes exactly once, in order. To
        leave early, close it (`contextlib.aclosing`) or cancel the task.

        Raises:
            Unavailable: the service was away for `contact_timeout_s` (default: the client's).
        """
        patience_s = self._contact_timeout_s if contact_timeout_s is None else contact_timeout_s
        return watch(
            self._connection,
            job_id,
            start_segment_index,
            contact_timeout_s=patience_s,
            silence_timeout_s=self._silence_timeout_s,
        )

    async def get_result(self, job_id: str, allow_partial: bool = False) -> Transcript:
        """Returns the transcript of a job that succeeded, or what is there so far with `allow_partial`.

        Raises:
            NotReady: the job has not succeeded.
        """
        return await self._get_result(job_id, allow_partial, None)

    async def cancel(self, job_id: str) -> Job:
        """Stops a job and returns it. A job that has ended is returned as it is."""
        request = CancelJobRequest(job_id=job_id)
        return await self._connection.call(lambda stub: stub.cancel_job(request, timeout=self._timeout_s))

    async def retry(self, job_id: str) -> Job:
        """Runs a failed or cancelled job again, with its options, from its last segment."""
        request = RetryJobRequest(job_id=job_id)
        return await self._connection.call_once(lambda stub: stub.retry_job(request, timeout=self._timeout_s))

    async def delete(self, job_id: str) -> None:
        """Deletes a job with its transcript and media; stops it first if it runs."""
        request = DeleteJobRequest(job_id=job_id)
        await self._connection.call_once(lambda stub: stub.delete_job(request, timeout=self._timeout_s))

    async def list_engines(self) -> list[Engine]:
        """Returns the engines, in the order in which `auto` tries them."""
        request = ListEnginesRequest()
        answer = await self._connection.call(lambda stub: stub.list_engines(request, timeout=self._timeout_s))
        return answer.engines

    async def upload(
        self,
        source: Path | BinaryIO,
        *,
        filename: str | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Media:
        """Sends a recording and returns what to pass to `submit`.

        Args:
            source: a path, or a binary file that can seek, sent from where it stands and left open.
            filename: the name it is shown under; the file's own if absent.
            on_progress: told the bytes sent and all bytes, after each piece. It must not block.

        Raises:
            OSError: the file cannot be read.
        """
        path = source if isinstance(source, Path) else None
        file = await open_file(source) if isinstance(source, Path) else source
        try:
            own_name = path.name if path else Path(str(getattr(file, "name", ""))).name
            return await upload(
                self._connection, file, filename or own_name or "recording", on_progress, self._timeout_s
            )
        finally:
            if path:
                file.close()

    async def transcribe(
        self,
        source: str | Path | Media,
        config: TranscriptionConfig | None = None,
        *,
        on_update: Callable[[Job, list[Segment]], None] | None = None,
    ) -> Transcript:
        """Submits a recording, waits for the end and returns the transcript. A path is uploaded first.

        Args:
            on_update: told the job and the segments that are new, after each change. It must not block.

        A cancelled or broken-off call leaves the job running on the service.

        Raises:
            JobFailed: the job ended by an error.
            JobCancelled: somebody cancelled the job.
            OSError: the file cannot be read.
        """
        if isinstance(source, Path):
            source = await self.upload(source)
        job = await self.submit(source, config)
        async with aclosing(self.watch(job.id)) as changes:
            async for change in changes:
                job = change.job or job
                if on_update is not None:
                    on_update(job, change.segments)
        match job.state:
            case JobState.SUCCEEDED:
                return await self._get_result(job.id, False, self._contact_timeout_s)
            case JobState.FAILED:
                raise JobFailed(job)
            case JobState.CANCELLED:
                raise JobCancelled(job)
            case _:
                raise Internal("INTERNAL", "The watch ended before the job did.")

    async def _get_result(self, job_id: str, allow_partial: bool, patience_s: float | None) -> Transcript:
        request = GetResultRequest(job_id=job_id, allow_partial=allow_partial)
        return await self._connection.call(lambda stub: get_result(stub, request, self._timeout_s), patience_s)
