"""Fetching a transcript, which may be large."""

import asyncio
from typing import Any

from grpclib.const import Cardinality

from yt_text_client.models import GetResultRequest, Transcript, TranscriptionServiceStub


class _Undecoded:
    """An answer as bytes."""

    FromString = staticmethod(bytes)


async def get_result(stub: TranscriptionServiceStub, request: GetResultRequest, timeout_s: float) -> Transcript:
    """Returns a transcript, decoded in a thread.

    Ten hours with the words' times are a quarter of a million messages: decoding them takes seconds, in which
    the event loop would stand still.
    """
    undecoded: Any = _Undecoded  # what FromString returns is the answer, and here no _Undecoded
    call = stub.channel.request(
        "/yt_text.v1.TranscriptionService/GetResult",
        Cardinality.UNARY_UNARY,
        GetResultRequest,
        undecoded,
        timeout=timeout_s,
        metadata=stub.metadata,
    )
    async with call as stream:
        await stream.send_message(request, end=True)
        answer = await stream.recv_message()
    assert answer is not None, "the stream ends with an error if there is no answer"  # noqa: S101 - as in the stub
    return await asyncio.to_thread(Transcript.parse, answer)
