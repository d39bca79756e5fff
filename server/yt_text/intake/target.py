"""Where a fetch puts a recording: a spool, within bounds of size and disk, and a note of what is in it."""

import contextlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from yt_text import spool
from yt_text.intake import failures
from yt_text.intake.failures import Stop
from yt_text.spool import SpoolWriter

_SPACE_STEP_BYTES = 8 << 20
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class SourceNote:
    """What the bytes of a spool are of.

    Attributes:
        total: length of the whole recording in bytes.
        validator: what tells this state of it from another, see `HttpRecording`.
        boot_id: when this machine started. After a power cut a file may hold zeros where bytes were.
    """

    total: int
    validator: str
    boot_id: str


class Target:
    """A spool being filled.

    Args:
        path: of the spool. What an earlier fetch left there may be continued, see `note`.
        max_bytes: longest recording.
        min_free_disk_bytes: the disk is not filled further than this.
    """

    def __init__(self, path: Path, *, max_bytes: int, min_free_disk_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._min_free_disk_bytes = min_free_disk_bytes
        self._space_checked_at = -_SPACE_STEP_BYTES
        self._writer = SpoolWriter(path)

    @property
    def prefix(self) -> int:
        """Bytes present from the beginning."""
        return self._writer.prefix

    @property
    def fetched(self) -> int:
        """Bytes present."""
        end = self.total - self._writer.tail_start if self._writer.tail_start and self.prefix < self.total else 0
        return self.prefix + end

    @property
    def total(self) -> int:
        """Length of the whole recording in bytes, 0 if not known."""
        return self._writer.total

    @property
    def has_end(self) -> bool:
        """Whether the end is there already."""
        return self._writer.tail_start > 0

    def note(self) -> SourceNote | None:
        """Returns what the spool's bytes are of, if they can be continued."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            note = SourceNote(**json.loads(spool.source_path(self._path).read_bytes()))
            if self.prefix and note.boot_id == _boot_id() and note.total == self.total:
                return note
        return None

    def begin(self, total: int, validator: str) -> None:
        """Starts from the first byte."""
        self.restart()
        if total > self._max_bytes:
            raise self.too_large()
        self._check_space(total)
        if total:
            self._writer.set_total(total)
        if total and validator:
            note = SourceNote(total, validator, _boot_id())
            spool.source_path(self._path).write_text(json.dumps(asdict(note)))

    def restart(self) -> None:
        """Forgets what an earlier fetch left."""
        spool.source_path(self._path).unlink(missing_ok=True)
        self._writer.restart()

    def append(self, data: bytes) -> None:
        """Writes the next bytes."""
        if self.prefix + len(data) > self._max_bytes:
            raise self.too_large()
        if self.prefix - self._space_checked_at >= _SPACE_STEP_BYTES:
            self._space_checked_at = self.prefix
            self._check_space(len(data))
        self._writer.append(data)

    def write_end(self, start: int, data: bytes) -> None:
        """Writes the last bytes ahead of the others."""
        self._check_space(len(data))
        self._writer.write_tail(start, data)

    def finish(self) -> None:
        """Says that the recording is complete."""
        if not self.prefix:
            raise Stop(failures.EMPTY)
        self._writer.finish()
        spool.source_path(self._path).unlink(missing_ok=True)

    def too_large(self) -> Stop:
        """What ends the fetch of a recording that is too large."""
        return Stop(failures.TOO_LARGE, max_bytes=str(self._max_bytes))

    def _check_space(self, more_bytes: int) -> None:
        if shutil.disk_usage(self._path.parent).free - more_bytes < self._min_free_disk_bytes:
            raise Stop(failures.DISK_FULL)


def _boot_id() -> str:
    with contextlib.suppress(OSError):
        return _BOOT_ID.read_text().strip()
    return os.uname().sysname  # no such number: a power cut cannot be told
