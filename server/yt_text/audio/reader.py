"""Reads the speech of a recording, chunk by chunk, from a process that decodes it."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from yt_text.audio import records
from yt_text.audio.timeline import MIN_CHUNK_MS, Chunk
from yt_text.errors import MediaError, Problem, Reason

_log = logging.getLogger(__name__)

_BUFFER_BYTES = 1 << 20
_STDERR_BYTES_MAX = 4096
_OUT_OF_MEMORY = (b"bad_alloc", b"mem_buffer != NULL", b"emory allocation", b"MemoryError")
"""What native code says as it gives up for want of memory."""
_STARTING_S = 60
"""More than the child's own limit on waiting: it should be the one to say why."""


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """What a recording may take.

    Attributes:
        max_duration_s: longer recordings are refused.
        memory_bytes: data memory of the child (60 MB of it resident). It reserves about 180 MB; a long MP4's index
            takes 150 MB more.
        cpu_s: CPU time of the child. An hour of audio takes about 10 s.
        stall_s: how long to wait for a spool that does not grow.
    """

    max_duration_s: float = 4 * 3600
    memory_bytes: int = 768 << 20
    cpu_s: int = 3600
    stall_s: float = 300


@dataclass(frozen=True, slots=True)
class AudioSummary:
    """A recording that was read to its end.

    Attributes:
        duration_ms: its length as decoded.
        speech_ms: how much of that is speech.
        chunk_count: chunks in all, skipped ones too.
        warnings: `RECORDING_DAMAGED`, `RECORDING_TRUNCATED`.
    """

    duration_ms: int
    speech_ms: int
    chunk_count: int
    warnings: tuple[Problem, ...]


class AudioReader:
    """The chunks of one recording, in order, while it is still being fetched.

        async with AudioReader(path) as reader:
            async for chunk in reader:
                ...
        print(reader.summary)

    The child that decodes is stopped by a reader who does not ask for chunks, and killed at once when
    the block is left.

    Args:
        path: a spool, complete or growing; its writer may be just about to make it.
        max_chunk_ms: no chunk is longer; at least `timeline.MIN_CHUNK_MS`.
        skip_chunks: how many chunks to leave out at the beginning; those after them are the same as ever.
        limits: what the recording may take.

    Raises:
        ValueError: `max_chunk_ms` is too small.
        MediaError: while iterated over. `RECORDING_EMPTY`, `MEDIA_UNREADABLE`, `NO_AUDIO_TRACK`,
            `RECORDING_TOO_LONG`: the recording is at fault. `FETCH_FAILED`, `DECODE_FAILED` (retryable):
            no more bytes came, or the child died.
    """

    def __init__(
        self, path: Path, *, max_chunk_ms: int = 30_000, skip_chunks: int = 0, limits: AudioLimits | None = None
    ) -> None:
        if max_chunk_ms < MIN_CHUNK_MS:
            raise ValueError(f"a chunk must be allowed {MIN_CHUNK_MS} ms at least")
        self._limits = limits or AudioLimits()
        self._max_chunk_ms = max_chunk_ms
        task = {
            "path": str(path.absolute()),
            "max_chunk_ms": max_chunk_ms,
            "skip_chunks": skip_chunks,
            **asdict(self._limits),
        }
        self._task_line = json.dumps(task).encode() + b"\n"
        self._child: asyncio.subprocess.Process | None = None
        self._complaints: asyncio.Task[bytes] | None = None
        # What of the next record is read: a cancelled iteration goes on from there.
        self._lengths: tuple[int, int] | None = None
        self._header: dict[str, Any] | None = None
        self.decoded_ms = 0
        """How much of the recording is decoded by now; grows during silence too."""
        self.declared_ms = 0
        """How long the recording says it is; 0 before that is known and if it does not say."""
        self.summary: AudioSummary | None = None
        """Set at the end of the iteration."""

    async def __aenter__(self) -> Self:
        child = self._child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "yt_text.audio.child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_BUFFER_BYTES,
            start_new_session=True,
            env=_environment(),
        )
        try:
            if child.stderr:
                self._complaints = asyncio.create_task(_tail(child.stderr))
            # A child that died at once is noticed when its first record is read.
            with contextlib.suppress(ConnectionError):
                if child.stdin:
                    child.stdin.write(self._task_line)
                    await child.stdin.drain()
        except asyncio.CancelledError:
            await self._end(child)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child:
            await self._end(self._child)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        if self.summary:
            raise StopAsyncIteration
        while True:
            try:
                async with asyncio.timeout(self._limits.stall_s + _STARTING_S):
                    header, payload = await self._record()
                match header["kind"]:
                    case "chunk":
                        return records.read_chunk(header, payload)
                    case "progress":
                        self.decoded_ms = int(header["decoded_ms"])
                        self.declared_ms = int(header["declared_ms"])
                    case "end":
                        self.decoded_ms = int(header["duration_ms"])
                        self.summary = AudioSummary(
                            self.decoded_ms,
                            int(header["speech_ms"]),
                            int(header["chunk_count"]),
                            records.read_warnings(header),
                        )
                        raise StopAsyncIteration
                    case _:
                        raise records.read_error(header)
            except asyncio.IncompleteReadError:
                raise await self._death() from None
            except TimeoutError:
                raise _failed("Decoding the recording stood still. Try again.") from None
            except (ValueError, KeyError, TypeError) as error:  # only a child gone astray writes such records
                _log.warning("an audio child wrote nonsense: %s", type(error).__name__)
                raise _failed("Decoding the recording went wrong. Try again.") from None

    @property
    def _started(self) -> asyncio.subprocess.Process:
        if self._child is None:
            raise RuntimeError("an AudioReader is used inside `async with`")
        return self._child

    async def _record(self) -> tuple[dict[str, Any], bytes]:
        output = self._started.stdout
        if output is None:
            raise RuntimeError("the child was started without a pipe")
        if self._lengths is None:
            lengths = await output.readexactly(records.LENGTHS.size)
            self._lengths = records.unpack_lengths(lengths, self._max_chunk_ms)
        if self._header is None:
            self._header = json.loads(await output.readexactly(self._lengths[0]))
        header, payload = self._header, await output.readexactly(self._lengths[1])
        self._lengths = self._header = None
        return header or {}, payload

    async def _death(self) -> MediaError:
        """Says why the child ended without an end."""
        child = self._started
        await self._end(child)
        complaints = await self._complaints if self._complaints else b""
        _log.warning("an audio child ended with %s: %s", child.returncode, complaints.decode(errors="replace"))
        if child.returncode == -signal.SIGXCPU:
            return MediaError(
                Reason.MEDIA_UNREADABLE, "The recording takes too long to decode. Convert it to MP3 or M4A."
            )
        if any(words in complaints for words in _OUT_OF_MEMORY):
            return MediaError(
                Reason.MEDIA_UNREADABLE,
                "The recording needs more memory than is allowed. Convert it to MP3 or M4A.",
            )
        return _failed("Decoding the recording broke off. Try again.")

    async def _end(self, child: asyncio.subprocess.Process) -> None:
        _kill(child)
        await asyncio.shield(self._reap(child))

    async def _reap(self, child: asyncio.subprocess.Process) -> None:
        if child.stdin:
            child.stdin.close()
        # asyncio learns of a death only when the pipe is read to its end.
        while child.stdout and await child.stdout.read(_BUFFER_BYTES):
            pass
        if self._complaints:
            await self._complaints
        await child.wait()


def _environment() -> dict[str, str]:
    """What the child gets to know: nothing, but to use one thread and where to find itself."""
    environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "GGML_NO_BACKTRACE": "1"}
    return environment | {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


async def _tail(stream: asyncio.StreamReader) -> bytes:
    """Reads a stream to its end, and returns the last of it."""
    tail = b""
    while part := await stream.read(_STDERR_BYTES_MAX):
        tail = (tail + part)[-_STDERR_BYTES_MAX:]
    return tail


def _kill(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _failed(message: str) -> MediaError:
    return MediaError(Reason.DECODE_FAILED, message, retryable=True)
