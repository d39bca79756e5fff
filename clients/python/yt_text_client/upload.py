"""Sending a recording to the service."""

import asyncio
import io
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import BinaryIO

from yt_text_client.connection import Connection, apart
from yt_text_client.errors import YtTextError
from yt_text_client.models import HttpBody, Media, UploadMediaRequest

PIECE_BYTES = 256 << 10
"""Far below the 4 MiB that a gRPC server takes in a message, and large enough to be quick."""


class _Pieces:
    """A recording's bytes as messages, and how many have been taken."""

    def __init__(self, file: BinaryIO, filename: str, on_progress: Callable[[int, int], None] | None) -> None:
        self._file = file
        self._filename = filename
        self._on_progress = on_progress
        self.sent = 0
        self.error: Exception | None = None

    async def messages(self) -> AsyncGenerator[UploadMediaRequest, None]:
        """Yields the messages in order; the first one gives name and size."""
        try:
            size = await asyncio.to_thread(_remaining_bytes, self._file)
            message = UploadMediaRequest(filename=self._filename, size_bytes=size)
            while piece := await asyncio.to_thread(self._file.read, min(PIECE_BYTES, size - self.sent)):
                message.content = HttpBody(data=piece)
                yield message
                message = UploadMediaRequest()
                self.sent += len(piece)
                if self._on_progress is not None:
                    self._on_progress(self.sent, size)
            if self.sent == 0:
                yield message
        except Exception as error:
            self.error = error  # it is the caller's file or the caller's function: not an error of the call
            raise


async def upload(
    connection: Connection,
    file: BinaryIO,
    filename: str,
    on_progress: Callable[[int, int], None] | None,
    stall_timeout_s: float,
) -> Media:
    """Sends the rest of `file` and returns what was stored.

    Raises:
        DeadlineExceeded: for `stall_timeout_s` the service took no more, or did not answer at the end.
        OSError: the file cannot be read.
        YtTextError: the service refuses, or the connection broke.
    """
    pieces = _Pieces(file, filename, on_progress)
    try:
        with connection.use() as stub:
            return await apart(stub.upload_media(pieces.messages()), stall_timeout_s, lambda: pieces.sent)
    except YtTextError:
        if pieces.error is not None:
            raise pieces.error from None
        raise


async def open_file(path: Path) -> BinaryIO:
    """Opens a file without holding up the event loop."""
    return await asyncio.to_thread(path.open, "rb")


def _remaining_bytes(file: BinaryIO) -> int:
    position = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(position)
    return max(0, end - position)
