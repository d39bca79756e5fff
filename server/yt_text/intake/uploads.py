"""Takes an upload as it comes, into a complete spool.

async with UploadWriter(folder / media_id, size_bytes, UploadLimits()) as upload:
    async for block in blocks:
        await upload.write(block)
    stored = await upload.finish()
"""

import asyncio
import errno
import hashlib
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from yt_text import spool
from yt_text.errors import IntakeError, Reason, RequestError
from yt_text.intake import failures
from yt_text.spool import SpoolWriter

_BATCH_BYTES = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True)
class UploadLimits:
    """Bounds of one upload.

    Attributes:
        max_bytes: longest recording.
        min_free_disk_bytes: the disk is not filled further than this.
    """

    max_bytes: int = 4 << 30
    min_free_disk_bytes: int = 256 << 20


@dataclass(frozen=True)
class StoredUpload:
    """An upload that is on the disk; `sha256` in hex."""

    sha256: str
    size_bytes: int


class UploadWriter:
    """An upload on its way. Leaving it without `finish` leaves nothing on the disk.

    Args:
        path: of the spool; nothing is there before `finish`.
        size_bytes: how long the sender says it is; 0 if it does not say.
        limits: see there.

    Raises:
        RequestError: UPLOAD_TOO_LARGE, before anything is written if the sender says so itself.
        IntakeError: DISK_FULL.
    """

    def __init__(self, path: Path, size_bytes: int = 0, limits: UploadLimits = UploadLimits()) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._size_bytes = size_bytes
        self._limits = limits
        self._received_bytes = 0
        self._batch = bytearray()
        self._hash = hashlib.sha256()
        self._writer: SpoolWriter | None = None
        self._turn = threading.Lock()
        self._closed = False

    async def write(self, data: bytes) -> None:
        """Takes the next bytes.

        Raises:
            RequestError: UPLOAD_TOO_LARGE.
            IntakeError: DISK_FULL.
        """
        self._received_bytes += len(data)
        self._check_size(self._received_bytes)
        if self._size_bytes and self._received_bytes > self._size_bytes:
            raise RequestError(
                Reason.UPLOAD_INCOMPLETE,
                f"The upload is longer than the {self._size_bytes} bytes that were announced. Send it again.",
            )
        self._batch += data
        if len(self._batch) >= _BATCH_BYTES:
            await self._flush()

    async def finish(self) -> StoredUpload:
        """Ends the upload and puts it in its place.

        Raises:
            RequestError: UPLOAD_INCOMPLETE.
            IntakeError: DISK_FULL, or RECORDING_EMPTY.
        """
        if self._received_bytes < self._size_bytes:
            raise RequestError(
                Reason.UPLOAD_INCOMPLETE,
                f"Only {self._received_bytes} of {self._size_bytes} bytes came. Send the file again.",
            )
        if not self._received_bytes:
            raise IntakeError(Reason.RECORDING_EMPTY, "The file is empty. Send one with a recording in it.")
        await self._flush()
        await self._on_disk(self._complete)
        return StoredUpload(self._hash.hexdigest(), self._received_bytes)

    async def __aenter__(self) -> Self:
        self._check_size(self._size_bytes)
        return self

    async def __aexit__(self, *_: object) -> None:
        # After `finish` there is nothing left under this name.
        await asyncio.to_thread(self._discard)

    def _check_size(self, size_bytes: int) -> None:
        limit_bytes = self._limits.max_bytes
        if size_bytes > limit_bytes:
            raise RequestError(
                Reason.UPLOAD_TOO_LARGE,
                f"The file is larger than the limit of {limit_bytes} bytes. Send a smaller one.",
                max_bytes=str(limit_bytes),
            )

    async def _flush(self) -> None:
        batch, self._batch = self._batch, bytearray()
        await self._on_disk(partial(self._append, batch))

    async def _on_disk(self, work: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(work)
        except OSError as error:
            if error.errno in _FULL:
                raise failures.DISK_FULL.error() from error
            raise

    # On other threads. One that was left to itself by a cancelled caller may still be at work when the next
    # begins, so they take turns, and after `_discard` there is nothing to do.

    def _append(self, batch: bytearray) -> None:
        with self._turn:
            if self._closed:
                return
            if self._writer is None:
                self._writer = SpoolWriter(self._part)
                self._writer.restart()
            free_bytes = shutil.disk_usage(self._part.parent).free
            if free_bytes - len(batch) < self._limits.min_free_disk_bytes:
                raise failures.DISK_FULL.error()
            self._hash.update(batch)
            self._writer.append(batch)

    def _complete(self) -> None:
        with self._turn:
            if self._writer is None:
                return
            self._writer.finish()
            self._writer.close()
            self._writer = None
            spool.rename(self._part, self._path)

    def _discard(self) -> None:
        with self._turn:
            self._closed = True
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            spool.remove(self._part)
