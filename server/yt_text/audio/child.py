"""The process that decodes one recording: `python -m yt_text.audio.child`.

On its input it gets one line, a `Task` as JSON; then the input stays open as long as the parent wants the
work. On its output it writes records (see `records`). A pipe that nobody reads stops it, and so the
chunks go at the pace of the engines. Hostile bytes are decoded here, by native code: the process has
little memory and can neither reach the network, nor start a program, nor write a file.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from yt_text.audio import records
from yt_text.engines.engine import SAMPLE_RATE
from yt_text.errors import MediaError, Reason
from yt_text.spool import SpoolReader

_PROGRESS_S = 0.25
_WAITING_S = 1.0
_NOFILE_MAX = 64
_WAIT_POLL_S = 0.02
_TASK_BYTES_MAX = 1 << 16
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Task:
    """What to do, and how much it may take. See `reader.AudioLimits`."""

    path: str
    max_chunk_ms: int
    skip_chunks: int
    max_duration_s: float
    memory_bytes: int
    cpu_s: int
    stall_s: float


class Output:
    """The pipe to the parent."""

    def __init__(self) -> None:
        # Whatever else writes to the standard output, it must not fall between the records.
        self._file = os.dup(1)
        os.dup2(2, 1)
        self._progress_s = 0.0
        self.declared_ms = 0
        self._decoded_ms = 0

    def send(self, parts: Iterable[bytes]) -> None:
        """Writes a record; waits as long as the parent takes."""
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[os.write(self._file, view) :]

    def progress(self, samples: int) -> None:
        """Says how much is decoded, but not too often."""
        self._decoded_ms = samples * 1000 // SAMPLE_RATE
        self._say(_PROGRESS_S)

    def still_waiting(self) -> None:
        """Says that there is nothing new, so that the parent knows that this process lives."""
        self._say(_WAITING_S)

    def _say(self, every_s: float) -> None:
        now_s = time.monotonic()
        if now_s - self._progress_s >= every_s:
            self._progress_s = now_s
            self.send(records.pack(records.progress_header(self._decoded_ms, self.declared_ms)))


class Stall:
    """Ends the wait for bytes that do not come."""

    def __init__(self, stall_s: float, output: Output) -> None:
        self._stall_s = stall_s
        self._output = output
        self._prefix = -1
        self._since_s = self._asked_s = 0.0
        self.spool: SpoolReader | None = None
        self.error: MediaError | None = None

    def __call__(self) -> None:
        """Called while waiting. Raises MediaError when nothing came for too long."""
        now_s, prefix = time.monotonic(), self.spool.prefix if self.spool else 0
        # A new wait begins also where the last one was long ago.
        if prefix != self._prefix or now_s - self._asked_s > 1:
            self._prefix, self._since_s = prefix, now_s
        self._asked_s = now_s
        if now_s - self._since_s > self._stall_s:
            self.error = MediaError(
                Reason.FETCH_FAILED, "The recording stopped arriving. Try again later.", retryable=True
            )
            raise self.error
        self._output.still_waiting()


def main() -> None:
    """Does one task."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    task = _read_task()
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _limit(task)
    output = Output()
    stall = Stall(task.stall_s, output)
    try:
        _work(task, output, stall)
    except MediaError as error:
        # Where bytes stopped coming, the media library may complain of the recording.
        output.send(records.pack(records.error_header(stall.error or error)))
    except MemoryError:
        error = MediaError(
            Reason.MEDIA_UNREADABLE, "The recording needs more memory than is allowed. Convert it to MP3 or M4A."
        )
        output.send(records.pack(records.error_header(error)))
    # Nothing here is worth the time that a tidy end of the native libraries takes.
    sys.stderr.flush()
    os._exit(0)


def _work(task: Task, output: Output, stall: Stall) -> None:
    # Here, because they need the memory limit and take longest to load.
    from yt_text.audio.chunks import Chunker, ChunkRules
    from yt_text.audio.decode import DecodeLimits, Decoder
    from yt_text.audio.speech import SpeechDetector

    detector = SpeechDetector()
    spool = stall.spool = _open_spool(Path(task.path), stall)
    sys.addaudithook(_forbid)
    chunker = Chunker(ChunkRules(max_chunk_ms=task.max_chunk_ms))
    chunk_count = 0
    with Decoder(spool, DecodeLimits(max_duration_s=task.max_duration_s)) as decoder:
        output.declared_ms = decoder.declared_ms
        for pcm in decoder:
            for chunk in chunker.feed(pcm, detector.feed(pcm).tolist()):
                chunk_count += 1
                if chunk.index >= task.skip_chunks:
                    output.send(records.pack(records.chunk_header(chunk), chunk.pcm))
            output.progress(decoder.samples)
        # The media library may take an error while reading for the end.
        if stall.error:
            raise stall.error
        for chunk in [*chunker.feed(b"", detector.finish().tolist()), *chunker.finish()]:
            chunk_count += 1
            if chunk.index >= task.skip_chunks:
                output.send(records.pack(records.chunk_header(chunk), chunk.pcm))
        end = records.end_header(
            duration_ms=decoder.samples * 1000 // SAMPLE_RATE,
            speech_ms=chunker.speech_samples * 1000 // SAMPLE_RATE,
            chunk_count=chunk_count,
            warnings=decoder.warnings,
        )
    output.send(records.pack(end))


def _read_task() -> Task:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, _TASK_BYTES_MAX)
        line += part
        if not part or len(line) > _TASK_BYTES_MAX:
            raise SystemExit("no task on the input")
    return Task(**json.loads(line))


def _exit_with_parent() -> None:
    """Ends the process when the parent closes the input, or is gone."""
    while os.read(0, 1):
        pass
    os._exit(1)


def _limit(task: Task) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for name, limit in (
        (resource.RLIMIT_DATA, task.memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _NOFILE_MAX),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(name)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with contextlib.suppress(ValueError):  # macOS does not know all of them
            resource.setrlimit(name, (limit, limit))
    # The hard limit kills without a word: the other one, which says why, has to be lower.
    resource.setrlimit(resource.RLIMIT_CPU, (task.cpu_s, task.cpu_s + 5))


def _open_spool(path: Path, stall: Stall) -> SpoolReader:
    """Opens the spool; its writer may be about to make it."""
    while True:
        try:
            return SpoolReader(path, stall)
        except (FileNotFoundError, ValueError):  # ValueError: the state file is still empty
            stall()
            time.sleep(_WAIT_POLL_S)


_FORBIDDEN = (
    "socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile", "os.system",
    "pty.", "ctypes.dlopen", "os.kill", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink",
    "os.truncate", "os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr", "shutil.", "tempfile.",
)  # fmt: skip
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _forbid(event: str, arguments: tuple[object, ...]) -> None:
    """Refuses what decoding never needs."""
    if event.startswith(_FORBIDDEN):
        raise PermissionError(f"{event} is not for this process")
    if event == "open":
        _, mode, flags = arguments
        writes = isinstance(flags, int) and flags & _WRITES
        if writes or (isinstance(mode, str) and set(mode) & set("wax+")):
            raise PermissionError("this process writes no files")


if __name__ == "__main__":
    main()
