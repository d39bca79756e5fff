"""A recording over HTTP: whole, or the part that a player asks for."""

import asyncio
import os
from collections.abc import AsyncGenerator
from typing import BinaryIO

from google.api.httpbody_pb2 import HttpBody

from yt_text import spool
from yt_text.errors import Reason, RequestError
from yt_text.job import Job
from yt_text.rpc import headers
from yt_text.rpc.byte_range import RangeError, read_range
from yt_text.rpc.file_name import content_disposition
from yt_text.rpc.headers import Context
from yt_text.rpc.recordings import HEAD_BYTES, UNKNOWN, Kind, Recordings, recognise

PIECE_BYTES = 256 << 10


async def send(job: Job, recordings: Recordings, context: Context) -> AsyncGenerator[HttpBody]:
    """Yields a job's recording in pieces, after the headers that say which part of it this is.

    Raises:
        RequestError: `MEDIA_NOT_KEPT`; also when it ends too soon under a reader.
        RangeError: it has no such bytes.
    """
    opened = await asyncio.to_thread(_open, job, recordings)
    if opened is None:
        raise _not_kept()
    file, size, tag, kind = opened
    with file:
        asked = headers.read(context, "range")
        # A part is of use only to who has the rest of the same recording.
        same = headers.read(context, "if-range") in ("", tag)
        try:
            part = read_range(asked, size) if same else None
        except RangeError:
            context.set_trailing_metadata(((headers.HTTP_STATUS, "416"), ("content-range", f"bytes */{size}")))
            raise
        begin, end = part or (0, size)
        await headers.send(
            context,
            ("accept-ranges", "bytes"),
            ("etag", tag),
            ("cache-control", "private"),
            ("content-disposition", content_disposition(job, kind.extension, inline=kind is not UNKNOWN)),
            *((("content-range", f"bytes {begin}-{end - 1}/{size}"),) if part else ()),
            status=206 if part else 200,
        )
        while begin < end:
            data = await asyncio.to_thread(_read, file, begin, min(PIECE_BYTES, end - begin))
            if not data:
                raise _not_kept()  # to end well would make a part look like the whole
            begin += len(data)
            yield HttpBody(content_type=kind.media_type, data=data)


def _open(job: Job, recordings: Recordings) -> tuple[BinaryIO, int, str, Kind] | None:
    """Returns the open file, its length, its tag and its kind; None if it is not kept.

    Who has it open reads on after it was deleted.
    """
    path = recordings.find(job)
    if path is None:
        return None
    try:
        file = path.open("rb")
    except FileNotFoundError:  # it went meanwhile
        return None
    try:
        kind = recognise(_read(file, 0, HEAD_BYTES))
        return file, file.seek(0, os.SEEK_END), f'"{spool.identity(path):x}"', kind
    except BaseException:
        file.close()
        raise


def _read(file: BinaryIO, begin: int, count: int) -> bytes:
    file.seek(begin)
    return file.read(count)


def _not_kept() -> RequestError:
    return RequestError(Reason.MEDIA_NOT_KEPT, "The recording is not kept. Submit it again to have it here.")
