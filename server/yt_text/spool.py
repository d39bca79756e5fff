"""A recording on disk while it is still being fetched: one process appends, others read behind it.

The bytes are in one file. Beside it, `<name>.state` holds five 64-bit numbers, mapped into memory by
each process, so that a reader learns of new bytes without a message:

    prefix      bytes present from the beginning
    tail_start  start of a piece fetched ahead from the end, 0 if none; it reaches to `total`
    total       length of the whole recording, 0 if not known
    complete    1 when all bytes are there
    identity    a random number, another one after each `restart`: the same identity, the same bytes

A file whose index stands at its end (`moov` in MP4) can so be decoded while its middle is on its way.
The state outlives the processes: a writer that opens an unfinished spool goes on after `prefix`. Who
fetches a recording may keep two more things beside it: `<name>.source`, what tells that a site still has
the same recording, and the folder `<name>.fetch` for pieces on their way.
"""

import contextlib
import mmap
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

_FIELDS = 5
_STATE_BYTES = 8 * _FIELDS
_POLL_S = 0.01


class _State:
    """The five numbers. Each is written whole: an aligned 64-bit store."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        flags = os.O_RDWR | os.O_CREAT if writable else os.O_RDONLY
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
        try:
            if writable and os.fstat(descriptor).st_size != _STATE_BYTES:
                os.ftruncate(descriptor, _STATE_BYTES)
            access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
            self._map = mmap.mmap(descriptor, _STATE_BYTES, access=access)
        finally:
            os.close(descriptor)
        self.numbers = memoryview(self._map).cast("Q")

    def close(self) -> None:
        self.numbers.release()
        self._map.close()


def state_path(path: Path) -> Path:
    """Returns where the state of a spool is kept."""
    return path.with_name(path.name + ".state")


def source_path(path: Path) -> Path:
    """Returns where a fetcher notes what it fetched."""
    return path.with_name(path.name + ".source")


def work_path(path: Path) -> Path:
    """Returns the folder for what a fetcher needs only while it works."""
    return path.with_name(path.name + ".fetch")


def remove(path: Path) -> None:
    """Removes a spool and all that is kept beside it. Nothing happens if there is none."""
    for part in (path, state_path(path), source_path(path), work_path(path)):
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def rename(path: Path, target: Path) -> None:
    """Gives a complete spool another name on the same disk; it appears there whole or not at all."""
    # A spool without its file counts as none, so the state goes first.
    state_path(path).replace(state_path(target))
    try:
        path.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            state_path(target).unlink()
        raise


def is_complete(path: Path) -> bool:
    """Tells whether all bytes of a recording are there."""
    try:
        state = _State(state_path(path), writable=False)
    except (FileNotFoundError, ValueError):  # ValueError: the state file is still empty
        return False
    try:
        return bool(state.numbers[3]) and path.exists()
    finally:
        state.close()


def identity(path: Path) -> int:
    """Returns the number that tells this recording's bytes from any others, in [1, 2**62]; 0 if there is no spool."""
    try:
        state = _State(state_path(path), writable=False)
    except (FileNotFoundError, ValueError):
        return 0
    try:
        return state.numbers[4]
    finally:
        state.close()


class SpoolWriter:
    """The one writer of a spool.

    Args:
        path: where the bytes go. An unfinished spool there is continued; see `prefix` and `restart`.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._state = _State(state_path(path), writable=True)
        # A new one; or, after a power cut, the state may say more than the file holds.
        if not self._state.numbers[4] or self.prefix > os.fstat(self._file).st_size:
            self.restart()

    @property
    def prefix(self) -> int:
        """Bytes present from the beginning."""
        return self._state.numbers[0]

    @property
    def total(self) -> int:
        """Length of the whole recording in bytes, 0 if not known."""
        return self._state.numbers[2]

    @property
    def tail_start(self) -> int:
        """Where a piece fetched ahead begins, 0 if there is none."""
        return self._state.numbers[1]

    def set_total(self, total: int) -> None:
        """Says how long the whole recording is, in bytes."""
        self._state.numbers[2] = total

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Writes the next bytes. Raises OSError if the disk is full."""
        self._write(self.prefix, data)
        prefix = self.prefix + len(data)
        # What reaches the piece fetched ahead has everything.
        self._state.numbers[0] = self.total if 0 < self.tail_start <= prefix else prefix

    def write_tail(self, start: int, data: bytes | bytearray | memoryview) -> None:
        """Writes the last bytes ahead of the others; they reach from `start` to `total`."""
        if start + len(data) != self.total:
            raise ValueError("a tail reaches to the end")
        self._write(start, data)
        self._state.numbers[1] = start

    def restart(self) -> None:
        """Forgets all bytes, for a source that cannot be resumed."""
        self._state.numbers[4] = 1 + secrets.randbits(62)
        for number in range(4):
            self._state.numbers[number] = 0
        os.ftruncate(self._file, 0)

    def finish(self) -> None:
        """Says that all bytes are there, and puts them on the disk."""
        os.ftruncate(self._file, self.prefix)
        os.fsync(self._file)
        self._state.numbers[2] = self.prefix
        self._state.numbers[3] = 1

    def close(self) -> None:
        """Closes the files; what is written stays."""
        os.close(self._file)
        self._state.close()

    def _write(self, position: int, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file, view, position)
            position += written
            view = view[written:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SpoolReader:
    """A file that can be read while it grows; what PyAV opens.

    `read` waits until bytes are there. It gives fewer than asked, and `b""` only at the end of a
    complete recording.

    Args:
        path: a spool that its writer has opened.
        alive: called while waiting; raises to stop the wait.
    """

    def __init__(self, path: Path, alive: Callable[[], None] = lambda: None) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._state = _State(state_path(path), writable=False)
        self._alive = alive
        self._position = 0

    @property
    def prefix(self) -> int:
        """Bytes present from the beginning."""
        return self._state.numbers[0]

    @property
    def total(self) -> int:
        """Length of the whole recording in bytes, 0 if not known."""
        return self._state.numbers[2]

    @property
    def complete(self) -> bool:
        """Whether all bytes are there."""
        return bool(self._state.numbers[3])

    def seekable(self) -> bool:
        """Whether the end of the recording can be read now."""
        return self.complete or bool(self._state.numbers[1])

    def read(self, size: int = -1) -> bytes:
        """Reads up to `size` bytes at the present position, waiting for the first of them."""
        size = (1 << 20) if size < 0 else size
        while True:
            complete, prefix, tail = self.complete, self.prefix, self._state.numbers[1]
            if self._position < prefix:
                end = prefix
            elif tail and self._position >= tail:
                end = self.total
            elif complete:
                return b""
            else:
                self._alive()
                time.sleep(_POLL_S)
                continue
            data = os.pread(self._file, min(size, end - self._position), self._position)
            self._position += len(data)
            return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to a position; one from the end waits until the length is known."""
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            while not self.total:
                if self.complete:
                    break
                self._alive()
                time.sleep(_POLL_S)
            offset += self.total
        self._position = max(0, offset)
        return self._position

    def tell(self) -> int:
        """Returns the present position."""
        return self._position

    def close(self) -> None:
        """Closes the files."""
        os.close(self._file)
        self._state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
