"""Watching a job over a connection that may break."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from yt_text_client.connection import FIRST_CONTACT_PATIENCE_S, Backoff, Connection
from yt_text_client.errors import UNREACHABLE, DeadlineExceeded, ResourceExhausted, Unavailable
from yt_text_client.models import Job, WatchJobRequest, WatchJobResponse, has_ended


async def watch(
    connection: Connection,
    job_id: str,
    start_segment_index: int,
    *,
    contact_timeout_s: float,
    silence_timeout_s: float,
) -> AsyncGenerator[WatchJobResponse, None]:
    """Yields the job's changes up to its end, each segment exactly once and in order.

    Only if the transcript begins anew (the site gave another recording, or another engine took over) do
    segments come again, from index 0.

    Connects again when the connection breaks, and asks for the segments after the last one that it has. A
    stream that is silent for `silence_timeout_s` counts as broken.

    Raises:
        Unavailable: the service could not be reached for `contact_timeout_s` (for a second, if it was never
            reached).
        YtTextError: the service refuses.
    """
    backoff = Backoff(contact_timeout_s if connection.contacted else FIRST_CONTACT_PATIENCE_S)
    next_index = start_segment_index
    while True:
        job = Job()
        request = WatchJobRequest(job_id=job_id, start_segment_index=next_index)
        try:
            stream = connection.stream(lambda stub, asked=request: stub.watch_job(asked), silence_timeout_s)
            async with aclosing(stream) as responses:
                async for response in responses:
                    backoff.heard()
                    backoff.patience_s = contact_timeout_s
                    job = response.job or job
                    # The service repeats nothing, unless the transcript began anew: then it begins at 0 again.
                    next_index = min(next_index, job.segment_count)
                    if response.segments:
                        next_index = response.segments[-1].index + 1
                    yield response
            if has_ended(job):
                return
            lost = Unavailable(UNREACHABLE, "The service broke off the watch. Try again in a moment.", "UNAVAILABLE")
        except (Unavailable, DeadlineExceeded, ResourceExhausted) as error:
            if has_ended(job) and next_index >= job.segment_count:
                return  # only the stream's own end is missing
            lost = error
        await backoff.wait(lost)
