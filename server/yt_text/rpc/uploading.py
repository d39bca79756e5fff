"""Takes an upload from a call."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import TypeVar

from yt_text.errors import Reason, RequestError
from yt_text.intake.uploads import UploadLimits, UploadWriter
from yt_text.rpc.interceptors import check, refuse_unreadable
from yt_text.store.media import Media
from yt_text.v1 import transcription_service_pb2 as pb

LENGTH_HEADER = "x-upload-length"
"""The gateway sets it to the `Content-Length` of an upload in HTTP."""

Message = TypeVar("Message")


async def receive(
    messages: AsyncIterator[pb.UploadMediaRequest],
    length: str,
    folder: Path,
    *,
    limits: UploadLimits,
    stall_s: float,
) -> Media:
    """Stores a recording under a new id; refuses one that is shorter or longer than it says.

    Args:
        messages: the first says what comes.
        length: the header with the recording's length in bytes; empty if there is none.
        folder: where recordings are.
        stall_s: longest time without a message.

    Raises:
        RequestError: the upload is not as it should be; nothing of it is left on the disk.
        IntakeError: DISK_FULL.
    """
    messages = _in_time(messages, stall_s)
    first = await anext(messages, None)
    if first is None or not first.filename:
        raise RequestError(Reason.INVALID_REQUEST, "The first message must give the filename and size_bytes.")
    check(first)
    if first.content.content_type.lower().startswith("multipart/"):
        raise RequestError(
            Reason.INVALID_REQUEST, "Send the file itself as the body, not a form: curl --data-binary @talk.mp3."
        )
    size_bytes = _declared_size(first.size_bytes, length)
    media_id = str(uuid.uuid4())
    async with UploadWriter(folder / media_id, size_bytes, limits) as upload:
        await upload.write(first.content.data)
        async for message in messages:
            await upload.write(message.content.data)
        stored = await upload.finish()
    return Media(media_id, _shown_name(first.filename), stored.size_bytes, stored.sha256)


def _declared_size(in_message: int, in_header: str) -> int:
    """Returns how long an upload says it is. Without that, one that was cut off would look complete."""
    if in_header and not (in_header.isascii() and in_header.isdigit() and len(in_header) < 20):
        raise RequestError(Reason.INVALID_REQUEST, "Content-Length must be the size of the file in bytes.")
    size_bytes = int(in_header or 0)
    if size_bytes and in_message and size_bytes != in_message:
        raise RequestError(
            Reason.INVALID_REQUEST,
            f"The size was given as {in_message} bytes and as {size_bytes} bytes. Send one, or twice the same.",
        )
    if not size_bytes and not in_message:
        raise RequestError(
            Reason.RECORDING_EMPTY,
            "The file is empty, or its size was not given. Send the size: Content-Length in HTTP, size_bytes in gRPC.",
        )
    return size_bytes or in_message


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
        refuse_unreadable(message)
        yield message


def _shown_name(filename: str) -> str:
    """The last part of what may be a path, without control characters: for showing only."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in name if char.isprintable()).strip() or "recording"
