"""The pool's handle of one child process that serves one loaded engine."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import grpc

from yt_text.engine.v1 import engine_service_pb2 as pb
from yt_text.engine.v1.engine_service_pb2_grpc import EngineServiceStub
from yt_text.engines.engine import SAMPLE_RATE, ChunkOptions, ChunkResult
from yt_text.errors import EngineError, Reason
from yt_text.pool import wire
from yt_text.pool.spec import MESSAGE_BYTES_MAX, EngineInfo, EngineSpec, PoolLimits

if TYPE_CHECKING:
    from yt_text.engine.v1.engine_service_pb2_grpc import EngineServiceAsyncStub  # exists for type checkers only

STDERR_TAIL_BYTES = 1_024
BYTES_PER_MS = SAMPLE_RATE * 2 // 1000
ANSWER_BYTES_MAX = 16_384

_CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.enable_http_proxy", 0),  # a proxy from the environment is not for our own sockets
    ("grpc.client_idle_timeout_ms", 2**31 - 1),  # there is no second connection: the socket's file is gone
    ("grpc.enable_retries", 0),  # the pool decides what is tried again, and where
)


class ChildLostError(Exception):
    """The child died, is stuck, or failed in a way that makes it useless. `kill` it."""


class EngineChild:
    """One child process. `start` it, use it for one chunk at a time, and `kill` it, whatever happened.

    Args:
        spec: what it loads.
        limits: the pool's.
        settings: what the engine is told besides its model; it goes by the child's input alone.
    """

    def __init__(
        self, spec: EngineSpec, limits: PoolLimits, settings: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.spec = spec
        self._settings = settings
        self.info = EngineInfo("", "", "", 0)
        self._limits = limits
        self._process: asyncio.subprocess.Process | None = None
        self._channel: grpc.aio.Channel | None = None
        self._stub: EngineServiceAsyncStub | None = None
        self._call: grpc.aio.UnaryUnaryCall[Any, Any] | None = None
        self._stderr = bytearray()
        self._stderr_reader: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Its process id; 0 before `start`."""
        return self._process.pid if self._process else 0

    @property
    def _ready(self) -> "EngineServiceAsyncStub":
        if self._stub is None:
            raise ChildLostError("not started")
        return self._stub

    @property
    def last_words(self) -> str:
        """The end of what its libraries wrote to standard error. For logs only: it may hold paths."""
        return self._stderr.decode("utf-8", "replace")

    async def start(self, socket: Path, model_sha256: str = "") -> None:
        """Starts the process and waits until the engine is loaded.

        Args:
            socket: path for its Unix socket, at most 100 bytes; not there yet. Once it has started, the one
                connection is made, and the file can be removed.
            model_sha256: of the model's file, if it is known.

        Raises:
            EngineError: the engine says why it cannot be loaded.
            ChildLostError: it died or took too long.
        """
        try:
            async with asyncio.timeout(self._limits.load_timeout_s):
                await self._spawn(socket, model_sha256)
                await self._connect(socket)
        except (TimeoutError, OSError, grpc.aio.AioRpcError) as error:
            raise ChildLostError(f"not ready: {type(error).__name__}") from error

    async def transcribe(self, pcm: bytes, options: ChunkOptions) -> ChunkResult:
        """Has one chunk transcribed.

        Raises:
            EngineError: the engine refuses the chunk; it can take the next one.
            ChildLostError: the child died, is stuck or broken.
            asyncio.CancelledError: after `cancel`.
        """
        if len(pcm) > self.info.max_chunk_ms * BYTES_PER_MS:
            raise EngineError(Reason.INVALID_REQUEST, "The chunk of sound is longer than the engine takes.")
        request = wire.to_request(pcm, options)
        self._call = self._ready.TranscribeChunk(request, timeout=self._limits.chunk_timeout_s)
        try:
            return wire.from_response(await self._call)
        except grpc.aio.AioRpcError as error:
            refusal = wire.from_rpc_error(error)
            # An engine that says how often it tried is sound: its service elsewhere is not, and asks for money.
            if refusal is None or (refusal.reason is Reason.ENGINE_FAILED and "tries" not in refusal.metadata):
                raise ChildLostError(f"chunk: {error.code().name}") from error
            raise refusal from None
        finally:
            self._call = None

    def cancel(self) -> None:
        """Cancels the chunk that is being transcribed, if any."""
        if self._call is not None:
            self._call.cancel()

    async def comes_free(self) -> bool:
        """Whether it stops computing within the time of grace: it answers only when it is free."""
        try:
            await self._ready.GetEngine(pb.GetEngineRequest(), timeout=self._limits.cancel_grace_s)
        except grpc.aio.AioRpcError:
            return False
        return True

    async def exited(self) -> None:
        """Waits for the process to end."""
        if self._process is not None:
            await self._process.wait()

    async def kill(self) -> None:
        """Ends the process at once and waits for its end. There is nothing to save."""
        process = self._process
        if process is not None:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            if process.stdin is not None:
                process.stdin.close()
        if self._stderr_reader is not None:
            self._stderr_reader.cancel()
            await asyncio.gather(self._stderr_reader, return_exceptions=True)
        if self._channel is not None:
            await self._channel.close()

    async def _spawn(self, socket: Path, model_sha256: str) -> None:
        threads = str(self._limits.threads)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # nothing is imported from the directory we happen to be in
            "-m",
            "yt_text.pool.host",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=ANSWER_BYTES_MAX,
            env={
                "LANG": "C.UTF-8",
                "PATH": os.defpath,
                "PYTHONUNBUFFERED": "1",
                # Threads that wait actively for each other cost 4 times the time on busy cores.
                "OMP_WAIT_POLICY": "passive",
                "OMP_NUM_THREADS": threads,
                "OMP_THREAD_LIMIT": threads,
                "OPENBLAS_NUM_THREADS": "1",
                "GGML_NO_BACKTRACE": "1",  # ggml would start a debugger when it fails
                "GRPC_VERBOSITY": "NONE",
                # Large blocks, such as a chunk of sound, go back to the system when they are freed.
                "MALLOC_ARENA_MAX": "2",
                "MALLOC_MMAP_THRESHOLD_": str(128 << 10),
            },
        )
        process = self._process
        stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
        if stdin is None or stdout is None or stderr is None:
            raise ChildLostError("no pipes")
        self._stderr_reader = asyncio.create_task(self._keep_last_words(stderr))
        config = {
            "engine": self.spec.engine,
            "model_path": self.spec.model_path,
            "model_sha256": model_sha256,
            "threads": self._limits.threads,
            "socket": str(socket),
            "memory_base_bytes": self._limits.memory_base_bytes,
            "parent_pid": os.getpid(),
            "settings": dict(self._settings),
        }
        stdin.write(json.dumps(config).encode() + b"\n")
        await stdin.drain()
        try:
            answer = json.loads(await stdout.readline())
        except ValueError:
            raise ChildLostError("no answer") from None
        if not answer.get("ready"):
            error = wire.engine_error(str(answer.get("reason")), str(answer.get("message")))
            raise error or ChildLostError("no known reason")

    async def _connect(self, socket: Path) -> None:
        self._channel = grpc.aio.insecure_channel(f"unix:{socket}", options=_CHANNEL_OPTIONS)
        self._stub = EngineServiceStub(self._channel)
        engine = await self._stub.GetEngine(pb.GetEngineRequest())
        self.info = EngineInfo(
            engine.name, engine.model, engine.model_sha256, engine.max_chunk_duration.ToMilliseconds()
        )

    async def _keep_last_words(self, stderr: asyncio.StreamReader) -> None:
        while data := await stderr.read(4_096):
            self._stderr += data
            del self._stderr[:-STDERR_TAIL_BYTES]
